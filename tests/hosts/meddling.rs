//! Somebody else is at work, too: the bus goes, a file is edited, rules come and go, a unit is restarted by hand. What is not
//! ours stays as it is, and that is said; what is ours goes back.

use libtest_mimic::Trial;

use crate::cmd::Step;
use crate::dial::Outcome;
use crate::fixing::Snapshot;
use crate::host::Host;
use crate::pending::{Broken, answered, says};
use crate::trial::trial;

const LEFT: &str = "somebody changed it since; it is left as it is";

/// A test and what it is called.
type Named = (&'static str, fn() -> Step);

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let all: [Named; 12] = [
        ("no-bus-at-all", no_bus_at_all),
        ("the-bus-goes-in-between", the_bus_goes_in_between),
        ("a-file-edited-while-pending", a_file_edited_while_pending),
        ("a-file-edited-after-it-was-kept", a_file_edited_after_it_was_kept),
        ("a-unit-restarted-by-hand", a_unit_restarted_by_hand),
        ("a-rule-put-before-ours", a_rule_put_before_ours),
        ("our-rule-edited-by-nft", our_rule_edited_by_nft),
        ("our-rule-edited-by-iptables", our_rule_edited_by_iptables),
        ("our-rule-taken-away", our_rule_taken_away),
        ("rules-of-nftables-that-never-rest", rules_of_nftables_that_never_rest),
        ("rules-of-iptables-that-never-rest", rules_of_iptables_that_never_rest),
        ("no-room-for-the-log", no_room_for_the_log),
    ];
    let named = |(name, play): Named| trial(format!("meddling::{name}"), missing, play);
    all.map(named).into()
}

/// Root speaks to systemd itself.
fn no_bus_at_all() -> Step {
    let broken = Broken::new("svc-masked", "nginx")?;
    without_bus(&broken.host)?;
    let before = Snapshot::quick(&broken.host)?;
    let entry = broken.kept("unmask-unit")?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Open)?;
    crate::fixing::undo(&broken.host, &[entry], false)?;
    unchanged(&broken.host, &before)
}

fn the_bus_goes_in_between() -> Step {
    let broken = Broken::new("svc-masked", "nginx")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("unmask-unit");
    without_bus(&broken.host)?;
    let told = answered(terminal, "n");
    says(&told, "was put back")?;
    unchanged(&broken.host, &before)
}

fn a_file_edited_while_pending() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    let terminal = broken.pending("listen-address");
    broken.host.append("/etc/nginx/conf.d/site.conf", "# a word of mine\n")?;
    let edited = broken.host.read(&["cat", "/etc/nginx/conf.d/site.conf"])?;
    let told = answered(terminal, "n");
    says(&told, LEFT)?;
    let now = broken.host.read(&["cat", "/etc/nginx/conf.d/site.conf"])?;
    if now != edited {
        return Err(format!("the file that somebody edited is now\n{now}"));
    }
    no_leftovers(&broken.host)?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Open)
}

fn a_file_edited_after_it_was_kept() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    let entry = broken.kept("listen-address")?;
    broken.host.append("/etc/nginx/conf.d/site.conf", "# a word of mine\n")?;
    let edited = Snapshot::quick(&broken.host)?;
    refuses_to_undo(&broken.host, &entry)?;
    unchanged(&broken.host, &edited)
}

fn a_unit_restarted_by_hand() -> Step {
    let broken = Broken::new("svc-masked", "nginx")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("unmask-unit");
    broken.host.run(&["systemctl", "restart", "nginx"])?;
    let told = answered(terminal, "n");
    says(&told, "was put back")?;
    unchanged(&broken.host, &before)
}

/// The numbers of rules shift; ours goes all the same, and only ours.
fn a_rule_put_before_ours() -> Step {
    for (cause, name, tool) in [
        ("fw-input-reject", "iptables-tcp-reset", "iptables"),
        ("fw-legacy-and-nft-mixed", "reject-among-the-legacy-rules", "iptables-legacy"),
    ] {
        let broken = Broken::new(cause, name)?;
        let theirs = ["-p", "tcp", "--dport", "81", "-j", "DROP"];
        let terminal = broken.pending("allow-everyone");
        broken.host.run(&[&[tool, "-I", "INPUT", "1"], &theirs[..]].concat())?;
        says(&answered(terminal, "n"), "was put back")?;
        let rules = broken.host.read(&[tool, "-S", "INPUT"])?;
        says(&rules, "--dport 81 -j DROP")?;
        if rules.contains("unrefuse") || rules.lines().count() != 3 {
            return Err(format!("the rules are\n{rules}"));
        }
    }
    Ok(())
}

fn our_rule_edited_by_nft() -> Step {
    let broken = Broken::new("fw-input-drop", "nft-policy-and-one-client")?;
    let entry = broken.kept("allow-client")?;
    let edit = r#"line=$(nft -a list chain inet filter entry | grep unrefuse-)
        comment=$(echo "$line" | sed 's/.*comment "\([^"]*\)".*/\1/')
        nft replace rule inet filter entry handle "${line##* }" tcp dport 80 counter drop comment "$comment""#;
    broken.host.sh(edit)?;
    let edited = Snapshot::quick(&broken.host)?;
    refuses_to_undo(&broken.host, &entry)?;
    unchanged(&broken.host, &edited)
}

fn our_rule_edited_by_iptables() -> Step {
    let broken = Broken::new("fw-input-reject", "iptables-tcp-reset")?;
    let entry = broken.kept("allow-everyone")?;
    let edit = r#"comment=$(iptables -S INPUT | sed -n 's/.*--comment "*\(unrefuse[^" ]*\).*/\1/p')
        iptables -R INPUT 1 -s 10.1.0.0/16 -p tcp --dport 80 -m comment --comment "$comment" -j ACCEPT"#;
    broken.host.sh(edit)?;
    let edited = Snapshot::quick(&broken.host)?;
    refuses_to_undo(&broken.host, &entry)?;
    unchanged(&broken.host, &edited)
}

/// Somebody has taken it back already: there is nothing to undo, and nothing is.
fn our_rule_taken_away() -> Step {
    let broken = Broken::new("fw-input-reject", "iptables-tcp-reset")?;
    let before = Snapshot::quick(&broken.host)?;
    let entry = broken.kept("allow-everyone")?;
    broken.host.run(&["iptables", "-D", "INPUT", "1"])?;
    let ran = broken.host.program("root", &["undo", &entry])?;
    says(&ran.stderr, "there is nothing left of it")?;
    unchanged(&broken.host, &before)
}

/// Every transaction of ours meets another generation of the rules now and then: the kernel says ERESTART.
fn rules_of_nftables_that_never_rest() -> Step {
    let broken = Broken::new("fw-input-reject", "nftables-service")?;
    let before = Snapshot::quick(&broken.host)?;
    let restless = "nft add table ip busy; nft add chain ip busy here\n\
                    while :; do nft add rule ip busy here counter; nft flush chain ip busy here; sleep 0.05; done";
    busy(&broken.host, restless)?;
    let terminal = broken.pending("allow-everyone");
    says(&answered(terminal, "y"), "kept as entry 1")?;
    crate::fixing::undo(&broken.host, &["1".into()], false)?;
    at_rest(&broken.host)?;
    broken.host.run(&["nft", "delete", "table", "ip", "busy"])?;
    unchanged(&broken.host, &before)
}

/// Rules before the one that refuses come and go: ours ends up right before it, never behind.
fn rules_of_iptables_that_never_rest() -> Step {
    for (cause, name, tool) in [
        ("fw-input-reject", "iptables-tcp-reset", "iptables"),
        ("fw-legacy-and-nft-mixed", "reject-among-the-legacy-rules", "iptables-legacy"),
    ] {
        let broken = Broken::new(cause, name)?;
        let before = Snapshot::quick(&broken.host)?;
        let one = "INPUT 1 -p tcp --dport 81 -j DROP";
        let restless = format!(
            "while :; do {tool} -w -I {one}; {tool} -w -I {one}; sleep 0.04; {tool} -w -D INPUT 1; {tool} -w -D INPUT -p tcp --dport 81 -j DROP; sleep 0.04; done"
        )
        .replace("-D INPUT 1;", "-D INPUT -p tcp --dport 81 -j DROP;");
        busy(&broken.host, &restless)?;
        let terminal = broken.pending("allow-everyone");
        let rules = broken.host.read(&[tool, "-S", "INPUT"])?;
        let rules: Vec<&str> = rules.lines().collect();
        let at = rules.iter().position(|rule| rule.contains("unrefuse-"));
        if !at.and_then(|at| rules.get(at + 1)).is_some_and(|next| next.contains("REJECT")) {
            return Err(format!("the rule is not right before the one that refuses:\n{}", rules.join("\n")));
        }
        says(&answered(terminal, "n"), "was put back")?;
        at_rest(&broken.host)?;
        broken.host.sh(&format!("while {tool} -D INPUT -p tcp --dport 81 -j DROP 2>/dev/null; do :; done"))?;
        unchanged(&broken.host, &before)?;
    }
    Ok(())
}

/// The disk with the log is full for good: the change goes back, and that is written down once there is room.
fn no_room_for_the_log() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    broken.host.sh("mkdir -p /var/lib/unrefuse; mount -t tmpfs -o size=64k,mode=700 full /var/lib/unrefuse")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("listen-address");
    broken.host.try_run(&[
        "sh",
        "-c",
        "cat /dev/zero >/var/lib/unrefuse/filler; head -c 3900 /dev/zero >>/var/lib/unrefuse/log.filler",
    ])?;
    // The log's last block takes what is left of it.
    broken.host.try_run(&["sh", "-c", "truncate -s %4096 /var/lib/unrefuse/log.filler; :"])?;
    let told = answered(terminal, "n");
    unchanged_but_for_the_guard(&broken.host, &before).map_err(|why| format!("{why}\n{told}"))?;
    broken.host.sh("rm /var/lib/unrefuse/filler /var/lib/unrefuse/log.filler")?;
    crate::cmd::wait_until("it is written down", std::time::Duration::from_secs(20), || {
        Ok(broken.host.program("root", &["history"])?.stdout.contains(": put back"))
    })?;
    unchanged(&broken.host, &before)
}

fn without_bus(host: &Host) -> Step {
    host.sh("systemctl stop dbus.socket dbus.service")?;
    host.sh("test ! -e /run/dbus/system_bus_socket || rm /run/dbus/system_bus_socket")
}

/// Somebody who never rests.
fn busy(host: &Host, script: &str) -> Step {
    host.run(&["systemd-run", "--quiet", "--unit=busy", "sh", "-c", script])
}

fn at_rest(host: &Host) -> Step {
    host.run(&["systemctl", "stop", "busy"])
}

fn refuses_to_undo(host: &Host, entry: &str) -> Step {
    let ran = host.program("root", &["undo", entry])?;
    if ran.code == 0 {
        return Err(format!("it undoes what is not ours any more\n{}", ran.stdout));
    }
    says(&ran.stderr, LEFT)
}

fn unchanged(host: &Host, before: &Snapshot) -> Step {
    let mut differences = Vec::new();
    let same = crate::cmd::wait_until("the host is as it was", std::time::Duration::from_secs(15), || {
        differences = before.differences(&Snapshot::quick(host)?, false);
        Ok(differences.is_empty())
    });
    same.map_err(|why| format!("{why}\n{}", differences.join("\n")))
}

/// The unit for the next boot stays as long as the log says that something is pending.
fn unchanged_but_for_the_guard(host: &Host, before: &Snapshot) -> Step {
    let mut differences = Vec::new();
    let same = crate::cmd::wait_until("the host is as it was", std::time::Duration::from_secs(15), || {
        differences = before.differences(&Snapshot::quick(host)?, false);
        differences.retain(|line| !line.contains("unrefuse-recover.service") && !line.contains("sysinit.target.wants"));
        Ok(differences.is_empty())
    });
    same.map_err(|why| format!("{why}\n{}", differences.join("\n")))
}

fn no_leftovers(host: &Host) -> Step {
    let found = host.read(&["find", "/etc", "/run/systemd/system", "-name", "*unrefuse*"])?;
    if found.trim().is_empty() { Ok(()) } else { Err(format!("left behind: {found}")) }
}

fn gets(host: &Host, at: &str, wanted: Outcome) -> Step {
    let got = host.connect(at)?;
    if got == wanted { Ok(()) } else { Err(format!("{at} gives {got:?}, not {wanted:?}")) }
}

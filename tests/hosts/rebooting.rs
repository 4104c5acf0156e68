//! The power goes while a change is pending: the next boot puts it back before anybody sees it, and where nothing is left
//! that could do so, the next undo or fix does.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::cmd::{Step, wait_until};
use crate::dial::Outcome;
use crate::fixing::Snapshot;
use crate::host::Host;
use crate::pending::{Broken, says};
use crate::trial::trial;

/// What a boot starts has been started.
const BOOTED: Duration = Duration::from_secs(30);

/// A test and what it is called.
type Named = (&'static str, fn() -> Step);

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let all: [Named; 5] = [
        ("a-file-and-its-daemon", a_file_and_its_daemon),
        ("in-the-middle-of-it", in_the_middle_of_it),
        ("a-drop-in", a_drop_in),
        ("nothing-left-to-do-it-at-boot", nothing_left_to_do_it_at_boot),
        ("a-ban", a_ban),
    ];
    let named = |(name, play): Named| trial(format!("reboot::{name}"), missing, play);
    all.map(named).into()
}

fn a_file_and_its_daemon() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("listen-address");
    gets(&broken.host, "127.0.0.1:80", Outcome::Open)?;
    broken.host.cut_power()?;
    drop(terminal);
    broken.host.boot(broken.scenario.powers())?;
    as_before(&broken.host, &before)?;
    // It has read the file as it was.
    gets(&broken.host, "10.2.0.2:80", Outcome::Open)?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Refused)
}

fn in_the_middle_of_it() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    let before = Snapshot::quick(&broken.host)?;
    let words = [broken.words("listen-address"), vec!["--yes"]].concat();
    let mut fix = broken.host.inside(&words);
    let mut fix = fix.spawn().map_err(|e| e.to_string())?;
    wait_until("it has begun", BOOTED, || Ok(crate::killing::records(&broken.host) >= 2))?;
    broken.host.cut_power()?;
    drop(fix.wait());
    broken.host.boot(broken.scenario.powers())?;
    as_before(&broken.host, &before)?;
    gets(&broken.host, "10.2.0.2:80", Outcome::Open)?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Refused)
}

fn a_drop_in() -> Step {
    let broken = Broken::new("systemd-private-network", "nginx")?;
    broken.host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("host-network");
    broken.host.cut_power()?;
    drop(terminal);
    broken.host.boot(broken.scenario.powers())?;
    as_before(&broken.host, &before)?;
    // systemd has read the unit as it was.
    let shown = broken.host.read(&["systemctl", "show", "-p", "PrivateNetwork,NeedDaemonReload", "nginx"])?;
    says(&shown, "PrivateNetwork=yes")?;
    says(&shown, "NeedDaemonReload=no")?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Refused)
}

fn nothing_left_to_do_it_at_boot() -> Step {
    let broken = Broken::new("bind-one-specific-ip", "nginx-asked-on-loopback")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("listen-address");
    broken.host.cut_power()?;
    drop(terminal);
    broken
        .host
        .sh("rm /etc/systemd/system/unrefuse-recover.service /etc/systemd/system/*.wants/unrefuse-recover.service")?;
    broken.host.boot(broken.scenario.powers())?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Open)?;
    says(&broken.host.program("root", &["history"])?.stdout, ": pending")?;
    let ran = broken.host.program("root", &["undo"])?;
    says(&ran.stdout, "entry 1 was still pending and is put back")?;
    as_before(&broken.host, &before)?;
    // nginx had read the file as it was changed, and reads it again.
    gets(&broken.host, "10.2.0.2:80", Outcome::Open)?;
    gets(&broken.host, "127.0.0.1:80", Outcome::Refused)
}

fn a_ban() -> Step {
    let broken = Broken::new("fw-fail2ban-ban", "nftables-multiport")?;
    let before = Snapshot::quick(&broken.host)?;
    let terminal = broken.pending("unban");
    let seen = broken.lab.client_connect("10.2.0.2:22")?;
    if seen != Outcome::Open {
        return Err(format!("unbanned, the client gets {seen:?}"));
    }
    broken.host.cut_power()?;
    drop(terminal);
    broken.host.boot(broken.scenario.powers())?;
    as_before(&broken.host, &before)?;
    let banned = || Ok(broken.lab.client_connect("10.2.0.2:22")? == Outcome::Refused);
    wait_until("the client is banned again", BOOTED, banned)
}

/// Put back, and nothing that was made for it is left.
fn as_before(host: &Host, before: &Snapshot) -> Step {
    wait_until("the change is put back", BOOTED, || {
        Ok(host.program("root", &["history"])?.stdout.contains(": put back: whoever made the change is gone"))
    })?;
    let mut differences = Vec::new();
    let same = wait_until("the host is as it was", BOOTED, || {
        differences = before.differences(&Snapshot::quick(host)?, false);
        Ok(differences.is_empty())
    });
    same.map_err(|why| format!("{why}\n{}", differences.join("\n")))
}

fn gets(host: &Host, at: &str, wanted: Outcome) -> Step {
    let mut got = host.connect(at)?;
    // Its daemon may just be starting.
    let same = wait_until(at, Duration::from_secs(10), || {
        got = host.connect(at)?;
        Ok(got == wanted)
    });
    same.map_err(|_| format!("{at} gives {got:?}, not {wanted:?}"))
}

//! Names that would be orders to a shell, or options: of a unit, a file, a rule's comment, a process. Through a fix and its
//! undo they stay names.

use libtest_mimic::Trial;

use crate::cmd::Step;
use crate::dial::Outcome;
use crate::fixing::Snapshot;
use crate::host::Powers;
use crate::host::{Host, PROGRAM_INSIDE};
use crate::lab::Lab;
use crate::pending::says;
use crate::scenario::{nothing, shared_root};
use crate::scenarios::steps::{listening, restart_in_vain, start};
use crate::trial::trial;

/// What an order in a name would make.
const MARK: &str = "*pwned*";

/// What makes such a host, and what it is called.
type Named = (&'static str, fn(&Host) -> Step<Odd>);

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let all: [Named; 5] = [
        ("a-unit", a_unit),
        ("a-file", a_file),
        ("a-comment-of-iptables", |host| a_comment(host, "iptables")),
        ("a-comment-of-iptables-legacy", |host| a_comment(host, "iptables-legacy")),
        ("a-process", a_process),
    ];
    let named = |(name, make): Named| trial(format!("odd-name::{name}"), missing, move || play(make));
    all.map(named).into()
}

/// A host with such a name in it.
struct Odd {
    target: &'static str,
    plan: &'static str,
    /// What somebody connects to once it is mended.
    opens: &'static str,
    /// It cannot be undone: a process.
    once: bool,
}

fn play(make: fn(&Host) -> Step<Odd>) -> Step {
    let lab = Lab::new()?;
    let host = lab.boot_server(shared_root()?, Powers::Usual, nothing)?;
    let odd = make(&host)?;
    let before = Snapshot::quick(&host)?;
    let shown = host.try_run(&[PROGRAM_INSIDE, "check", odd.target])?;
    for word in shown.stdout.lines().flat_map(|line| line.split("see it: ").skip(1)) {
        // What it shows to be copied is tried as it is.
        host.try_run(&["sh", "-c", &format!("cd /; timeout 5 {word} >/dev/null 2>&1 </dev/null")])?;
    }
    let entries =
        crate::fixing::apply(&host, &[odd.target], odd.plan).map_err(|why| format!("{why}\n{}", shown.stdout))?;
    let got = host.connect(odd.opens)?;
    if got != Outcome::Open {
        return Err(format!("{} gives {got:?}", odd.opens));
    }
    crate::fixing::undo(&host, &entries, odd.once)?;
    let differences = before.differences(&Snapshot::quick(&host)?, odd.once);
    if !differences.is_empty() {
        return Err(format!("the host is not as it was:\n{}", differences.join("\n")));
    }
    host.program("root", &["history"])?;
    let marks = host.read(&[
        "find",
        "/",
        "-xdev",
        "-name",
        MARK,
        "-newer",
        "/etc/hostname",
        "-size",
        "0",
        "!",
        "-path",
        "/proc/*",
    ])?;
    if marks.trim().is_empty() { Ok(()) } else { Err(format!("somebody took a name for an order: {marks}")) }
}

/// `--user $(touch /pwned)'`, escaped as systemd wants it; its drop-in goes into a directory of that name.
fn a_unit(host: &Host) -> Step<Odd> {
    let unit = r"--user\x20\x24\x28touch\x20\x2fpwned\x29\x27\x3b\x0a.service";
    host.unit(unit, "[Service]\nUser=www-data\nExecStart=/usr/bin/python3 -m http.server 81\n[Install]\nWantedBy=multi-user.target\n")?;
    host.run(&["systemctl", "enable", "--quiet", "--", unit])?;
    host.try_run(&["systemctl", "restart", "--", unit])?;
    host.wait(r"systemctl list-units --state=failed | grep -q pwned")?;
    Ok(Odd { target: "81", plan: "bind-capability", opens: "127.0.0.1:81", once: false })
}

fn a_file(host: &Host) -> Step<Odd> {
    let file = "/etc/nginx/conf.d/-e $(touch pwned) ' \" \\ `touch pwned`; |.conf";
    host.run(&["rm", "/etc/nginx/sites-enabled/default"])?;
    host.write(file, "server { listen 10.2.0.2:80; root /var/www/html; }\n")?;
    start(host, "nginx")?;
    Ok(Odd { target: "127.0.0.1:80", plan: "listen-address", opens: "127.0.0.1:80", once: false })
}

fn a_comment(host: &Host, tool: &'static str) -> Step<Odd> {
    start(host, "nginx")?;
    let comment = "--help $(touch /pwned) ' \" `touch /pwned`; -j ACCEPT";
    let rule = ["-p", "tcp", "--dport", "80", "-m", "comment", "--comment", comment, "-j", "REJECT"];
    host.run(&[&[tool, "-A", "INPUT"], &rule[..]].concat())?;
    Ok(Odd { target: "80", plan: "allow-everyone", opens: "10.2.0.2:80", once: false })
}

/// Its name is that of its file.
fn a_process(host: &Host) -> Step<Odd> {
    let name = "-9 $(>pwned)\n'";
    let serve = "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); \
                 s.bind(('0.0.0.0', 80)); s.listen(9); [s.accept() for _ in iter(int, 1)]";
    host.run(&["cp", "/usr/bin/python3", &format!("/opt/{name}")])?;
    host.run(&[
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=by-hand",
        "sh",
        "-c",
        "exec \"$0\" -c \"$1\"",
        &format!("/opt/{name}"),
        serve,
    ])?;
    listening(host, "80")?;
    host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
    restart_in_vain(host, "nginx")?;
    says(&host.read(&["sh", "-c", "ss -Hltnp sport = :80"])?, "pwned")?;
    Ok(Odd { target: "nginx", plan: "end-process", opens: "127.0.0.1:80", once: true })
}

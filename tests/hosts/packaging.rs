//! The Debian package on a fresh host: installed, used, upgraded in the middle, removed, and nothing is left.

use libtest_mimic::Trial;

use crate::cmd::{Ran, Step, While, command, ok};
use crate::fixing::Snapshot;
use crate::host::Host;
use crate::lab::Lab;
use crate::scenarios;
use crate::trial::trial;

/// Where the package puts the program.
const PROGRAM: &str = "/usr/bin/unrefuse";
/// Two versions of it, the second one newer.
const VERSIONS: [&str; 2] = ["0.0.1~test", "0.0.2~test"];
/// Everything below these, but for what dpkg itself remembers,
/// and for nginx, which the scenario enables.
const FILES: &str = "find /usr /etc /var /opt -xdev -not -path '/var/lib/dpkg*' -not -path '/var/log*' -not -path '/var/cache*' \
                     -not -path '/var/lib/systemd*' -not -path '/var/tmp*' -not -path '*nginx*' \
                     -not -path '*/multi-user.target.wants' | sort";

/// The trials of this file.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    vec![trial("packaging::install-use-upgrade-remove", missing, install_use_upgrade_remove)]
}

fn install_use_upgrade_remove() -> Step {
    let made = tempfile::tempdir().while_("a directory for packages")?;
    let packages = VERSIONS.map(|version| package(made.path(), version));
    let scenario = scenarios::named("svc-masked", "nginx")?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    let files = |host: &Host| host.read(&["sh", "-c", FILES]);
    let before = files(&host)?;
    for (package, name) in packages.into_iter().zip(["old.deb", "new.deb"]) {
        let bytes = std::fs::read(package?).while_("reading the package")?;
        std::fs::write(host.outside(&format!("/root/{name}")), bytes).while_("copying the package")?;
    }

    host.run(&["dpkg", "-i", "/root/old.deb"])?;
    holds("the installed program", &host.read(&[PROGRAM, "--version"])?, "unrefuse ")?;
    host.sh(
        "dpkg -L unrefuse | grep -q /man1/unrefuse-fix.1.gz && bash -n /usr/share/bash-completion/completions/unrefuse",
    )?;
    holds("the dependencies", &host.read(&["dpkg-query", "-f", "${Depends}", "-W", "unrefuse"])?, "libnftnl11")?;
    (scenario.break_it)(&host)?;
    let broken = Snapshot::of(&host)?;
    let checked = host.try_run(&[PROGRAM, "check", "80"])?;
    ended(&checked, 1, "svc-masked")?;
    ended(&host.try_run(&[PROGRAM, "fix", "80", "--plan", "unmask-unit", "--yes"])?, 0, "80 is open")?;

    // What the old one changed the new one takes back.
    host.run(&["dpkg", "-i", "/root/new.deb"])?;
    holds("the version", &host.read(&["dpkg-query", "-f", "${Version}", "-W", "unrefuse"])?, VERSIONS[1])?;
    ended(&host.try_run(&[PROGRAM, "undo"])?, 0, "entry 1 is undone")?;
    let differences = broken.differences(&Snapshot::of(&host)?, false);
    if !differences.is_empty() {
        return Err(format!("the host changed:\n{}", differences.join("\n")));
    }

    host.sh("touch /etc/systemd/system/unrefuse-recover.service")?;
    let early = host.try_run(&["dpkg", "--remove", "unrefuse"])?;
    if early.code == 0 {
        return Err("it was removed while a change was pending".into());
    }
    holds("why not", &early.stderr, "not confirmed yet")?;
    host.sh("rm /etc/systemd/system/unrefuse-recover.service")?;
    host.run(&["dpkg", "--remove", "unrefuse"])?;
    host.sh("test ! -e /usr/bin/unrefuse && test -s /var/lib/unrefuse/log")?;
    host.run(&["dpkg", "--purge", "unrefuse"])?;
    let after = files(&host)?;
    let left: Vec<&str> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left behind:\n{}", left.join("\n"))) }
}

/// Makes the package of the program under test; its path.
fn package(into: &std::path::Path, version: &str) -> Step<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/deb");
    let mut deb = command(&["bash", script, env!("CARGO_BIN_EXE_unrefuse")]);
    let printed = ok(deb.arg(into).env("UNREFUSE_VERSION", version))?;
    printed.lines().last().map(str::to_owned).ok_or_else(|| "no package was made".into())
}

fn holds(what: &str, text: &str, word: &str) -> Step {
    if text.contains(word) { Ok(()) } else { Err(format!("{what} does not have `{word}`: {text}")) }
}

fn ended(ran: &Ran, code: i32, word: &str) -> Step {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if ran.code != code {
        return Err(format!("it ended with {} instead of {code}:\n{said}", ran.code));
    }
    holds("what it printed", &said, word)
}

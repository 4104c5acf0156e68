//! Names that lead nowhere, and resolver files and servers that are no help.

use std::net::UdpSocket;
use std::time::Duration;

use super::input::HOSTILE;
use super::program::{Program, contains, same, told};
use super::space::{Outcome, replace};

const USUAL: &str = "hosts: files dns\n";

fn resolver_files(hosts: &str, nsswitch: &str, resolv: &str) -> Outcome {
    replace("/etc/hosts", hosts)?;
    replace("/etc/nsswitch.conf", nsswitch)?;
    replace("/etc/resolv.conf", resolv)
}

pub(crate) fn unknown() -> Outcome {
    resolver_files("127.0.0.1 localhost\n", "hosts: files\n", "")?;
    let told = told(&["no-such-host.invalid:80"], |p| p)?;
    same("the exit status", told.exit, 1)?;
    same("the culprit", told.culprit(), Some("name-does-not-resolve"))?;
    same("the outcome", told.outcome(), "unresolved")?;
    told.says("Name or service not known")
}

/// It is there, takes every question and says nothing.
pub(crate) fn hanging() -> Outcome {
    resolver_files("", USUAL, "nameserver 127.0.0.1\n")?;
    let _server = UdpSocket::bind("127.0.0.1:53")?;
    let limited = |p: Program| p.within(Duration::from_secs(3));
    let quick = told(&["db.example:80", "--timeout", "0.2"], limited)?;
    same("the exit status", quick.exit, 3)?;
    quick.says("the resolver has not answered")?;
    let ran = Program::new(&["check", "db.example:80"]).run()?;
    same("the exit status without a limit of ours", ran.exit, 3)?;
    contains(&ran.stdout, "the resolver has not answered")?;
    if ran.took > Duration::from_secs(8) {
        return Err(format!("it took {:?}", ran.took).into());
    }
    Ok(())
}

pub(crate) fn hostile_hosts_file() -> Outcome {
    let tail = HOSTILE.replace('\n', " ");
    let hosts =
        format!("127.0.0.1 localhost\n0.0.0.0 blocked.example # {tail}\n127.0.0.1 old.example {tail}\n\u{1b}[2J\n");
    resolver_files(&hosts, &format!("hosts: files {tail}\n"), &format!("nameserver {tail}\n"))?;
    let told_of = |target| told(&[target], |p| p);
    let blocked = told_of("blocked.example:80")?;
    same("the culprit", blocked.culprit(), Some("cli-sinkhole-0000"))?;
    blocked.says("/etc/hosts:2")?;
    blocked.says("␛]52;c;ZXZpbA==␇")?;
    contains(&blocked.markdown, "␛\\]52;c;ZXZpbA==␇")?;
    contains(&blocked.recording, "\\u001b")?;
    let old = told_of("old.example:80")?;
    same("the outcome", old.outcome(), "refused")
}

pub(crate) fn rubbish() -> Outcome {
    let noise: Vec<u8> =
        (0..20_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap_or(0)).collect();
    for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/services", "/etc/nsswitch.conf"] {
        replace(file, &noise)?;
    }
    let told = told(&["127.0.0.1:1"], |p| p)?;
    same("the outcome", told.outcome(), "refused")?;
    let ran = Program::new(&["check", "db.example:80"]).run()?;
    if ![1, 3].contains(&ran.exit) {
        return Err(format!("{ran:?}").into());
    }
    Ok(())
}

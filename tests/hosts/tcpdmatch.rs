//! The files of TCP wrappers, read by this program and by libwrap's own `tcpdmatch`: random ones, and the same verdicts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use libtest_mimic::Trial;
use unrefuse::diagnose::wrappers::tcpdmatch;
use unrefuse::facts::wrappers::HostsAccess;

use crate::cmd::{Step, While};
use crate::host::Powers;
use crate::lab::Lab;
use crate::scenario::{nothing, shared_root};
use crate::trial::trial;

/// Cases of one run; each costs a run of tcpdmatch.
const CASES: u64 = 3000;

/// Reads cases as JSON, writes what tcpdmatch says of each.
const DRIVER: &str = r"
import json, os, subprocess, sys, tempfile
dir = tempfile.mkdtemp()
os.chdir(dir)
open('inetd.conf', 'w').close()
for case in json.load(open(sys.argv[1])):
    for name in ('allow', 'deny'):
        path = 'hosts.' + name
        if os.path.exists(path):
            os.remove(path)
        if case[name] is not None:
            open(path, 'w', newline='').write(case[name])
    open('/tmp/tcpdmatch-list', 'w').write(case['list'])
    client = case['client']
    ran = subprocess.run([sys.argv[2], '-d', '-i', 'inetd.conf', 'sshd', client], capture_output=True, text=True)
    said = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith('access:')]
    print(said[0] if said else 'nothing')
";

/// The trials of this file.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    vec![trial("wrappers::random-files", missing, compare)]
}

struct Case {
    allow: Option<String>,
    deny: Option<String>,
    list: String,
    client: &'static str,
}

fn compare() -> Step {
    let mut dice = Dice(0x5eed);
    let cases: Vec<Case> = (0..CASES).map(|_| case(&mut dice)).collect();
    let json = serde_json::to_string(&cases.iter().map(shown).collect::<Vec<_>>()).map_err(|e| e.to_string())?;
    if let Some(program) = std::env::var_os("UNREFUSE_TCPDMATCH") {
        return here(&cases, &json, &program);
    }
    let lab = Lab::new()?;
    let host = lab.boot_server(shared_root()?, Powers::Usual, nothing)?;
    host.write("/tmp/cases.json", &json)?;
    host.write("/tmp/driver.py", DRIVER)?;
    let said = host.read(&["python3", "/tmp/driver.py", "/tmp/cases.json", "/usr/sbin/tcpdmatch"])?;
    judge(&cases, &said)
}

/// With a `tcpdmatch` of this machine, for work on the language itself.
fn here(cases: &[Case], json: &str, program: &std::ffi::OsStr) -> Step {
    let directory = tempfile::tempdir().while_("making a directory".to_owned())?;
    let (input, driver) = (directory.path().join("cases.json"), directory.path().join("driver.py"));
    std::fs::write(&input, json).and_then(|()| std::fs::write(&driver, DRIVER)).while_("writing cases".to_owned())?;
    let ran = std::process::Command::new("python3").arg(&driver).arg(&input).arg(program).output();
    judge(cases, &String::from_utf8_lossy(&ran.while_("running python3".to_owned())?.stdout))
}

fn judge(cases: &[Case], said: &str) -> Step {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (case, real) in cases.iter().zip(said.lines()) {
        *counts.entry(real).or_default() += 1;
        let lists = [("/tmp/tcpdmatch-list".to_owned(), Ok(case.list.clone()))];
        let files =
            HostsAccess { allow: case.allow.clone(), deny: case.deny.clone(), lists: lists.into_iter().collect() };
        let client: IpAddr = case.client.parse().map_err(|_| "no address")?;
        let ours = match tcpdmatch(&files, "sshd", client) {
            Ok(true) => "granted",
            // A command in place of the daemon serves nobody.
            Ok(false) if real == "delegated" => "delegated",
            Ok(false) => "denied",
            Err(_) => continue,
        };
        if ours != real && wrong.len() < 10 {
            wrong.push(format!("{ours} instead of {real}: {}", shown(case)));
        }
    }
    if said.lines().count() != cases.len() {
        wrong.push(format!("{} answers to {} cases", said.lines().count(), cases.len()));
    }
    for word in ["granted", "denied"] {
        if counts.get(word).is_none_or(|count| *count < cases.len() / 20) {
            wrong.push(format!("the cases are not telling: {counts:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn shown(case: &Case) -> serde_json::Value {
    serde_json::json!({"allow": case.allow, "deny": case.deny, "list": case.list, "client": case.client})
}

/// A small generator of numbers, the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of.get(at).copied().unwrap_or_default()
    }
}

const CLIENTS: &[&str] = &["10.1.0.2", "10.1.0.22", "10.2.3.4", "192.0.2.7", "2001:db8::1", "2001:db8:1::2"];
const HOSTS: &[&str] = &[
    "ALL",
    "all",
    "10.1.0.2",
    "10.",
    "10.1.",
    "10.1.0.2.",
    "10.1.0.0/255.255.255.0",
    "10.0.0.0/8",
    "10.1.0.2/16",
    "10.1.0.0/255.0.255.0",
    "192.0.2.7/32",
    "192.0.2.7/255.255.255.255",
    "0.0.0.0/0",
    "0.0.0.0/0.0.0.0",
    "10.1.0.0/33",
    "[2001:db8::]/32",
    "[2001:db8::1]",
    "[2001:db8::1]/128",
    "[2001:db8::1]/64",
    "[2001:db8::]/0",
    "10.1.0.?",
    "10.*",
    "*",
    "*.2",
    "?",
    ".example.org",
    "a.example.org",
    "KNOWN",
    "UNKNOWN",
    "LOCAL",
    "PARANOID",
    "/tmp/tcpdmatch-list",
    "2001:db8::1",
    "10.1.0",
    "10.1.0.2/",
    "1.2.3.4/x",
    "ALL@10.1.0.2",
    "[::ffff:10.1.0.2]",
    "[10.1.0.2]",
    "/nowhere/at/all",
];
const DAEMONS: &[&str] = &["sshd", "SSHD", "ALL", "vsftpd", "ss*", "ssh?", "sshd@ALL", "22", "ssh.", ".d", "KNOWN"];
const OPTIONS: &[&str] = &[
    "allow",
    "deny",
    "DENY",
    "ALLOW",
    "severity mail.info",
    "severity nonsense",
    "spawn true",
    "twist true",
    "keepalive",
    "nice 5",
    "nice",
    "nice x",
    "linger 3",
    "linger -1",
    "umask 022",
    "umask 999",
    "nonsense",
    "",
    "rfc931",
    "setenv A b",
    "banners /tmp",
    "allow = yes",
    "spawn",
    "setenv A",
    "severity=info",
];

fn case(dice: &mut Dice) -> Case {
    let client = dice.pick(CLIENTS);
    let list: Vec<&str> =
        (0..dice.below(4)).map(|_| dice.pick(&["10.1.0.2", "10.1.", "192.0.2.0/24", "*.7"])).collect();
    Case {
        allow: dice.chance(85).then(|| file(dice)),
        deny: dice.chance(85).then(|| file(dice)),
        list: list.join(dice.pick(&["\n", " ", "\t"])),
        client,
    }
}

fn file(dice: &mut Dice) -> String {
    let mut text: String = (0..dice.below(5)).map(|_| line(dice)).collect();
    if dice.chance(10) {
        text.pop();
    }
    text
}

fn line(dice: &mut Dice) -> String {
    if dice.chance(12) {
        let odd = ["# sshd: ALL", "", "   ", "sshd", " # x: ALL", ": ALL", "\\", "sshd: ALL\r", "sshd\\: ALL"];
        return format!("{}\n", dice.pick(&odd));
    }
    let mut line = format!("{}{}{}", list(dice, DAEMONS, 2), dice.pick(&[":", ": ", " : "]), list(dice, HOSTS, 4));
    while dice.chance(25) {
        line = format!("{line} : {}", dice.pick(OPTIONS));
    }
    if dice.chance(3) {
        line.push(':');
    }
    if dice.chance(8) {
        let at = usize::try_from(dice.below(line.len() as u64)).unwrap_or(0);
        if line.is_char_boundary(at) {
            line.insert_str(at, "\\\n");
        }
    }
    if dice.chance(1) {
        line = format!("{line} {}", "192.0.2.99 ".repeat(200));
    }
    line + "\n"
}

fn list(dice: &mut Dice, of: &[&'static str], most: u64) -> String {
    let mut words = vec![dice.pick(of)];
    for _ in 0..dice.below(most) {
        if dice.chance(30) {
            words.push(dice.pick(&["EXCEPT", "except"]));
        }
        words.push(dice.pick(of));
    }
    words.join(dice.pick(&[" ", ", ", ",", "\t"]))
}

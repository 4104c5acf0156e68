//! The demo's sandboxes: each entered for real, by root and by nobody, and dialled from inside.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{AccessFlags, Pid, Uid, access};
use unrefuse::demo;
use unrefuse::facts::connect::{Dial, Endpoint, Outcome};
use unrefuse::target::{Target, TargetKind};

use crate::lab::dial_here;
use crate::{AS_ANOTHER_USER, test};

/// Makes this binary enter the demo of the next argument, dial its target and print what it saw, instead of testing.
pub(crate) const HIDDEN: &str = "--enter-and-dial";

/// Makes this binary enter the demo of the next argument and stay until its standard input ends.
pub(crate) const STAY: &str = "--enter-and-stay";

/// Makes this binary enter a demo where no user namespace may be made.
pub(crate) const FORBIDDEN: &str = "--enter-though-forbidden";

const NOBODY: u32 = 65534;

/// What each demo must give.
const EXPECTED: &[(&str, Outcome)] = &[
    ("no-listener-unknown-service", Outcome::Refused),
    ("bind-loopback-only", Outcome::Refused),
    ("bind-one-specific-ip", Outcome::Refused),
    ("listen-v6-only", Outcome::Refused),
    ("accept-queue-overflow", Outcome::Timeout),
    ("fw-input-reject", Outcome::Refused),
    ("fw-input-drop", Outcome::Timeout),
    ("unix-socket-stale", Outcome::Refused),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![test("demo: every one is tried here", all_are_tried)];
    trials.push(test("demo: the service ends with a parent that is killed", ends_with_its_parent));
    let name = format!("demo: a system without user namespaces, {AS_ANOTHER_USER}");
    trials.push(test(name, user_namespaces_forbidden));
    for &(case, outcome) in EXPECTED {
        trials.push(test(format!("demo {case}"), move || broken(case, outcome, None)));
        let name = format!("demo {case}, {AS_ANOTHER_USER}");
        trials.push(test(name, move || broken(case, outcome, Some(NOBODY))));
    }
    trials
}

fn all_are_tried() {
    let there: Vec<&str> = demo::list().iter().map(|d| d.id).collect();
    assert_eq!(there, EXPECTED.iter().map(|(id, _)| *id).collect::<Vec<_>>());
}

pub(crate) fn serve(case: &str, dir: &str) -> ExitCode {
    demo::serve(case, Path::new(dir)).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// In the child: enters, says so, and stays.
pub(crate) fn enter_and_stay(case: &str) -> ExitCode {
    let _sandbox = demo::enter(case).unwrap();
    println!("in");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    ExitCode::SUCCESS
}

fn ends_with_its_parent() {
    let mut child = Command::new("/proc/self/exe");
    child.args([STAY, "bind-loopback-only"]).arg0("demo-test").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "in\n");
    let service = child_of(child.id()).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(service) {
        assert!(Instant::now() < deadline, "process {service} is still there");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// In the child: becomes an ordinary user of a user namespace in which there may be no others.
pub(crate) fn enter_though_forbidden(case: &str) -> ExitCode {
    unshare(CloneFlags::CLONE_NEWUSER).unwrap();
    std::fs::write("/proc/self/uid_map", format!("1000 {NOBODY} 1")).unwrap();
    std::fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
    let error = demo::enter(case).unwrap_err();
    println!("{}", error.report());
    ExitCode::from(error.exit_code())
}

fn user_namespaces_forbidden() {
    let mut child = Command::new("/proc/self/exe");
    child.args([FORBIDDEN, "bind-loopback-only"]).arg0("demo-test").uid(NOBODY).gid(NOBODY);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "the sandbox cannot be made: this system does not allow user namespaces to this user",
            "run it as root, or allow them: sysctl user.max_user_namespaces=10000",
        ]
    );
}

fn child_of(parent: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().next()?.parse().ok()
}

/// A process that has ended but is not waited for (by whoever adopted it) runs no more.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// In the child: enters, dials the target, the loopback and IPv6, and tells also what the host looks like from there.
pub(crate) fn enter_and_dial(case: &str) -> ExitCode {
    let sandbox = match demo::enter(case) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            println!("{}", error.report());
            return ExitCode::FAILURE;
        }
    };
    let seen = Seen {
        target: dial_here(&endpoint(&sandbox.target)),
        elsewhere: ["127.0.0.1:7070", "10.0.0.6:7070", "[fd00::5]:7070"]
            .map(|at| dial_here(&Endpoint::Tcp(at.parse().unwrap())).outcome)
            .to_vec(),
        systemd: Path::new("/run/systemd/system").exists(),
        may_write_the_host: access("/etc", AccessFlags::W_OK).is_ok(),
        uid: Uid::effective().as_raw(),
    };
    println!("{}", serde_json::to_string(&seen).unwrap());
    ExitCode::SUCCESS
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Seen {
    target: Dial,
    elsewhere: Vec<Outcome>,
    systemd: bool,
    may_write_the_host: bool,
    uid: u32,
}

fn endpoint(target: &str) -> Endpoint {
    match Target::parse(target).unwrap().kind {
        TargetKind::Host { host, port, .. } => Endpoint::Tcp(format!("{host}:{port}").parse().unwrap()),
        TargetKind::Path { path } => Endpoint::Unix(path),
        other => panic!("a target of another kind: {other:?}"),
    }
}

/// Enters a demo in a child and holds what is seen inside to what its cause means.
fn broken(case: &str, outcome: Outcome, user: Option<u32>) {
    let mut child = Command::new("/proc/self/exe");
    // As users have it: without sbin.
    child.args([HIDDEN, case]).env("PATH", "/usr/bin:/bin").current_dir("/");
    if let Some(id) = user {
        child.uid(id).gid(id);
    }
    let output = child.arg0("demo-test").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let seen: Seen = serde_json::from_str(&said).unwrap();
    assert_eq!(seen.target.outcome, outcome, "{seen:#?}");
    assert_eq!(seen.uid, 0, "root inside");
    assert!(!seen.systemd && !seen.may_write_the_host, "the host is out of reach: {seen:#?}");
    fits(case, &seen);
}

/// Each demo is broken for its own reason and no other.
fn fits(case: &str, seen: &Seen) {
    use Outcome::{Open, Refused, Timeout};
    let [loopback, other, v6] = seen.elsewhere[..] else { panic!("{seen:#?}") };
    let elsewhere = (loopback, other, v6);
    match case {
        "no-listener-unknown-service" | "unix-socket-stale" => assert_eq!(elsewhere, (Refused, Refused, Refused)),
        "bind-loopback-only" => assert_eq!(elsewhere, (Open, Refused, Refused)),
        "bind-one-specific-ip" => assert_eq!(elsewhere, (Refused, Open, Refused)),
        "listen-v6-only" => assert_eq!(elsewhere, (Refused, Refused, Open)),
        "accept-queue-overflow" => {
            assert_eq!((loopback, other), (Timeout, Timeout));
            assert!(seen.target.counter("TcpExt.ListenOverflows") > Some(0), "{seen:#?}");
        }
        "fw-input-reject" => {
            assert_eq!((loopback, other), (Refused, Refused));
            assert_eq!(seen.target.icmp.as_ref().map(unrefuse::facts::connect::Icmp::name), Some("port-unreachable"));
        }
        "fw-input-drop" => assert_eq!((loopback, other), (Timeout, Timeout)),
        other => panic!("nothing is expected of {other}"),
    }
    if outcome_is_a_reset(case) {
        assert!(seen.target.icmp.is_none() && seen.target.counter("Tcp.OutRsts") == Some(1), "{seen:#?}");
    }
}

fn outcome_is_a_reset(case: &str) -> bool {
    matches!(case, "no-listener-unknown-service" | "bind-loopback-only" | "bind-one-specific-ip" | "listen-v6-only")
}

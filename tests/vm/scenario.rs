//! One trial: a machine is broken, the fault is seen from its client, the program is asked, and lets itself be fixed.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::cmd::{Ran, Step, While, succeeded, wait_until};
use crate::image::{self, Boot};
use crate::machine::{Machine, PROGRAM_INSIDE};
use crate::root::Root;

/// A machine with one thing wrong.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Id of the cause.
    pub cause: &'static str,
    /// What tells it from others of the cause.
    pub name: &'static str,
    /// How the machine was booted.
    pub boot: Boot,
    /// The parts of a script that breaks it.
    pub break_it: &'static [&'static str],
    /// Port of the server that the client tries and the program is asked for.
    pub port: u16,
    /// What the client gets: `refused`, `timeout` or `open`, or the status that a web server answers.
    pub seen: &'static str,
    /// What it gets once it is repaired or fixed, likewise.
    pub works: &'static str,
    /// What the program is asked; the port where it is empty.
    pub target: &'static str,
    /// Words that the culprit's finding holds.
    pub names: &'static [&'static str],
    /// The user who asks.
    pub asked_by: &'static str,
    /// Plans that are tried, each: applied, seen from the client, taken back, as it was.
    pub fixes: &'static [&'static str],
    /// Plans that are only for a while: applied with --yes, which keeps others, seen from the client, put back all the same.
    pub trials: &'static [&'static str],
    /// A script that repairs it by hand; the target is open then.
    pub repair: &'static str,
    /// A line of shell that prints what a fix may change beside files and units.
    pub state: &'static str,
}

/// What most have in common.
pub(crate) const SCENARIO: Scenario = Scenario {
    cause: "",
    name: "",
    boot: Boot::Apparmor,
    break_it: &[],
    port: 80,
    seen: "refused",
    works: "open",
    target: "",
    names: &[],
    asked_by: "root",
    fixes: &[],
    trials: &[],
    repair: "",
    state: "true",
};

/// What a fix may change: files, running units. The policy of SELinux is left out: semanage builds it anew from its own
/// files at each change, and what is in those is told by `Scenario::state`.
const STATE: &str = r#"
find /etc -xdev -path /etc/selinux -prune -o \( -type f -o -type l \) ! -name '*.cache' ! -name '*.lock' \
    -printf '%M %U %G %T@ %p -> %l\n' | sort -k5
find /etc -xdev -path /etc/selinux -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
systemctl --no-legend --plain list-units --type=service,socket --state=active,activating \
    | awk '{print "runs", $1}' | grep -vE 'systemd-|dbus|unrefuse-guard|vm-agent' | sort
"#;

/// An emulated machine that shares two cores with others is ten times slower than any other.
const PATIENT: &str = "export UNREFUSE_PATIENCE=15";

/// Connects from the client; prints what it gets.
const CONNECT: &str = r#"
out=$(ip netns exec client timeout 3 bash -c "exec 3<>/dev/tcp/10.1.0.1/PORT" 2>&1) && echo open && exit
case "$?,$out" in *refused*) echo refused;; 124,*) echo timeout;; *) echo "$out";; esac
"#;

/// The same for what a web server answers.
const GET: &str = r#"
ip netns exec client timeout 15 bash -c \
    "exec 3<>/dev/tcp/10.1.0.1/PORT; printf 'GET / HTTP/1.0\r\nHost: 10.1.0.1\r\n\r\n' >&3; head -n 1 <&3" 2>&1 | cut -d ' ' -f 2
"#;

/// So long a plan is tried that is only for a while.
const WHILE_SECS: u64 = 20;

impl Scenario {
    /// As a trial; without what it needs it is ignored.
    pub(crate) fn trial(&'static self, missing: Option<&str>) -> Trial {
        let known = only_break() || unrefuse::diagnose::causes::by_id(self.cause).is_some();
        let why_not =
            missing.map(str::to_owned).or((!known).then(|| "the program does not know this cause yet".into()));
        let ignored = why_not.is_some();
        let play = move || why_not.map_or_else(|| self.play(), Err).map_err(Into::into);
        Trial::test(format!("{}::{}", self.cause, self.name), play).with_ignored_flag(ignored)
    }

    fn play(&self) -> Step {
        let root = shared()?;
        let machine = Machine::resume(&root.path, self.boot)?;
        let trace = |act: &str, result: Step| result.map_err(|why| format!("{act}: {why}\n{}", state_of(&machine)));
        trace("breaking it", machine.sh(&self.break_it.concat()).map(drop))?;
        trace("the fault is not there", self.gets(&machine, self.seen))?;
        if !only_break() {
            trace("the diagnosis is wrong", self.diagnosed(&machine))?;
            trace("recording it", self.record(&machine))?;
            if let Some(plan) = self.fixes.first() {
                trace(&format!("plan {plan}"), self.fix(&machine, plan))?;
            }
            // What was undone is down, and not failed any more: each plan gets a machine of its own.
            for plan in self.fixes.iter().skip(1) {
                let again = Machine::resume(&root.path, self.boot)?;
                again.sh(&self.break_it.concat())?;
                self.fix(&again, plan).map_err(|why| format!("plan {plan}: {why}\n{}", state_of(&again)))?;
            }
            for plan in self.trials {
                let again = Machine::resume(&root.path, self.boot)?;
                again.sh(&self.break_it.concat())?;
                self.tried(&again, plan).map_err(|why| format!("trial {plan}: {why}\n{}", state_of(&again)))?;
            }
        }
        if self.repair.is_empty() {
            return Ok(());
        }
        trace("repairing it", machine.sh(self.repair).map(drop))?;
        trace("the repair did not help", self.gets(&machine, self.works))?;
        if only_break() {
            return Ok(());
        }
        let ran = self.program(&machine, "check")?;
        if ran.code == 0 && !ran.stdout.contains(self.cause) {
            Ok(())
        } else {
            Err(format!("repaired, and the answer is\n{}", ran.stdout))
        }
    }

    fn gets(&self, machine: &Machine, what: &str) -> Step {
        let asks = if self.works == "open" { CONNECT } else { GET };
        let connect = asks.replace("PORT", &self.port.to_string());
        let mut last = String::new();
        wait_until(&format!("the client gets {what}"), Duration::from_secs(8), || {
            machine.run_line(&connect)?.stdout.trim().clone_into(&mut last);
            Ok(last == what)
        })
        .map_err(|why| format!("{why}; it gets {last:?}"))
    }

    fn program(&self, machine: &Machine, words: &str) -> Step<Ran> {
        let user = if self.asked_by == "root" { String::new() } else { format!("runuser -u {} -- ", self.asked_by) };
        let target = if self.target.is_empty() { self.port.to_string() } else { self.target.to_owned() };
        machine.run_line(&format!("{PATIENT}\n{user}{PROGRAM_INSIDE} {words} --timeout 120 {target}"))
    }

    fn diagnosed(&self, machine: &Machine) -> Step {
        let ran = self.program(machine, "check --json")?;
        let json: Value = serde_json::from_str(&ran.stdout).while_(format!("{}{}", ran.stdout, ran.stderr))?;
        let shown = || serde_json::to_string_pretty(&json).unwrap_or_default();
        if json.pointer("/culprit").and_then(Value::as_str) != Some(self.cause) {
            return Err(format!("the culprit is not {}\n{}", self.cause, shown()));
        }
        let finding = json.pointer("/causes/0").map(ToString::to_string).unwrap_or_default();
        let unnamed = self.names.iter().find(|name| !finding.contains(**name));
        unnamed.map_or(Ok(()), |name| Err(format!("the culprit does not name {name:?}\n{}", shown())))
    }

    /// Writes `CAUSE--NAME.json` where the tests were told to keep recordings.
    fn record(&self, machine: &Machine) -> Step {
        let Some(directory) = std::env::var_os("UNREFUSE_RECORD").map(PathBuf::from) else { return Ok(()) };
        let text = succeeded("recording", self.program(machine, "record -o -")?)?;
        let file = directory.join(format!("{}--{}.json", self.cause, self.name));
        std::fs::create_dir_all(&directory).while_("making the directory of recordings")?;
        std::fs::write(&file, text).while_(format!("writing {}", file.display()))
    }

    /// Broken → it works for a while, though it was to be kept → as it was, and broken.
    fn tried(&self, machine: &Machine, plan: &str) -> Step {
        let state = format!("{STATE}\n{}", self.state);
        let before = machine.sh(&state)?;
        let words = format!("fix --yes --revert-after {WHILE_SECS} --plan {plan}");
        let target = if self.target.is_empty() { self.port.to_string() } else { self.target.to_owned() };
        machine.sh(&format!(
            "{PATIENT}\n({PROGRAM_INSIDE} {words} --timeout 120 {target}; echo \"ended with $?\") >/root/told 2>&1 &"
        ))?;
        let told = || machine.sh("cat /root/told");
        let within = Duration::from_secs(170);
        wait_until("it works for a while", within, || Ok(told()?.contains("only for a while: look")))
            .and_then(|()| self.gets(machine, self.works))
            .and_then(|()| wait_until("it is over", within, || Ok(told()?.contains("ended with"))))
            .map_err(|why| format!("{why}\n{}", told().unwrap_or_default()))?;
        let told = told()?;
        if !told.contains("ended with 1") || !told.contains("it was only for") {
            return Err(format!("it is not told right:\n{told}"));
        }
        let differences = differences(&before, &machine.sh(&state)?);
        if !differences.is_empty() {
            return Err(format!("it is not as it was:\n{}", differences.join("\n")));
        }
        self.gets(machine, self.seen)
    }

    /// Broken → fixed → seen from the client → undone → as it was, and broken.
    fn fix(&self, machine: &Machine, plan: &str) -> Step {
        let state = format!("{STATE}\n{}", self.state);
        let before = machine.sh(&state)?;
        let ran = self.program(machine, &format!("fix --yes --plan {plan}"))?;
        if ran.code != 0 {
            return Err(format!("fix ends with {}\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
        let kept: Vec<&str> =
            ran.stdout.lines().filter_map(|line| line.strip_prefix("kept as entry ")?.split(';').next()).collect();
        self.gets(machine, self.works)?;
        for entry in kept.iter().rev() {
            let ran = machine.run_line(&format!("{PATIENT}\n{PROGRAM_INSIDE} undo {entry}"))?;
            if ran.code != 0 || ran.stdout.contains("left as it is") {
                return Err(format!("undo ends with {}\n{}{}", ran.code, ran.stdout, ran.stderr));
            }
        }
        let after = machine.sh(&state)?;
        let differences = differences(&before, &after);
        if !differences.is_empty() {
            return Err(format!("it is not as it was:\n{}", differences.join("\n")));
        }
        self.gets(machine, self.seen)
    }
}

/// Whether to stop after the view from the client, for work on the scenarios themselves.
fn only_break() -> bool {
    std::env::var_os("UNREFUSE_HOSTS_BREAK_ONLY").is_some_and(|value| value == "1")
}

fn differences(before: &str, after: &str) -> Vec<String> {
    let only = |one: &str, other: &str, sign: char| -> Vec<String> {
        let has: std::collections::BTreeSet<&str> = other.lines().collect();
        one.lines().filter(|line| !has.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only(before, after, '-'), only(after, before, '+')].concat()
}

/// Disk and memories, made by whoever comes first and held until this process ends.
fn shared() -> Step<&'static Root> {
    static ROOT: OnceLock<Step<Root>> = OnceLock::new();
    ROOT.get_or_init(image::ensure).as_ref().map_err(Clone::clone)
}

/// What an operator would look at first.
fn state_of(machine: &Machine) -> String {
    const LOOK: &str = "uptime; ss -Hltnp; systemctl --no-legend list-units --state=failed,activating; \
        journalctl -b -n 60 -o short-monotonic --no-pager";
    let state = machine.run_line(LOOK).map_or_else(|why| why, |ran| ran.stdout + &ran.stderr);
    format!("state of the machine:\n{state}")
}

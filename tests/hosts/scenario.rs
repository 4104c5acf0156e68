//! What a scenario says, and how it is played: break, look from outside, ask the program, repair, ask again.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::accuracy::{self, Fixed, Row};
use crate::cmd::{Step, While, wait_until};
use crate::dial::Outcome;
use crate::fixing::{self, Snapshot};
use crate::host::{Diagnosis, Host, Powers};
use crate::lab::Lab;
use crate::root::{self, Root};

/// One broken host, as data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// The id of the cause, or [`HEALTHY`].
    pub cause: &'static str,
    /// What tells this scenario from others with the same cause: mostly the daemon.
    pub name: &'static str,
    /// Prepares the network around the host: who else serves there, what the router does.
    pub network: fn(&Lab) -> Step,
    /// Changes the disk before the host boots.
    pub before_boot: fn(&Host) -> Step,
    /// Breaks the running host as it would break in life.
    pub break_it: fn(&Host) -> Step,
    /// What connecting gives before the diagnosis. The first row is the complaint itself: after the repair it is open.
    pub seen: &'static [Seen],
    /// What the program is asked.
    pub target: &'static str,
    /// Further words for `unrefuse check`.
    pub ask: &'static [&'static str],
    /// Who asks: a user, or `slice NAME` for root within that slice of systemd.
    pub asked_by: &'static str,
    /// What the program must answer.
    pub expect: Expect,
    /// The plan that is applied, seen to work from outside, and undone. None: the program offers none, which is checked.
    pub fix: Option<&'static str>,
    /// Why the fault is not back once the plan is undone, though files, rules and settings are as they were.
    pub once: Option<&'static str>,
    /// Repairs the host by hand, where that can be done.
    pub repair: Option<fn(&Host) -> Step>,
    /// What this machine must be able to do beyond booting hosts.
    pub needs: Needs,
}

/// One connection attempt and what it must give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    from: From,
    at: &'static str,
    gets: Outcome,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Client,
    Host,
}

/// The answer a scenario asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// The culprit; none for a healthy target.
    pub culprit: Option<&'static str>,
    /// The outcome's word.
    pub outcome: &'static str,
    /// The exit status.
    pub exit: i32,
    /// The box the culprit belongs to must say "no"; these are further boxes and their verdicts.
    pub boxes: &'static [(&'static str, &'static str)],
    /// Words that must occur somewhere in the culprit's object: the unit, the file, the address.
    pub names: &'static [&'static str],
}

/// What a scenario needs that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Only what all scenarios need.
    Nothing,
    /// A memory limit that works: the memory controller in the unified hierarchy.
    MemoryController,
    /// A host that may do all, as containers and BPF programs in it want.
    AllPowers,
}

/// What stands in place of a cause where nothing is wrong.
pub(crate) const HEALTHY: &str = "healthy";

/// What most scenarios have in common: refused, and the cause is told.
pub(crate) const SCENARIO: Scenario = Scenario {
    cause: "",
    name: "",
    network: nothing_around,
    before_boot: nothing,
    break_it: nothing,
    seen: &[],
    target: "",
    ask: &[],
    asked_by: "root",
    expect: Expect { culprit: None, outcome: "open", exit: 0, boxes: &[], names: &[] },
    fix: None,
    once: None,
    repair: None,
    needs: Needs::Nothing,
};

/// What a client on another machine gets.
pub(crate) const fn client(at: &'static str, gets: Outcome) -> Seen {
    Seen { from: From::Client, at, gets }
}

/// What the host itself gets.
pub(crate) const fn here(at: &'static str, gets: Outcome) -> Seen {
    Seen { from: From::Host, at, gets }
}

/// Refused because of `culprit`, which names these things.
pub(crate) const fn refused(culprit: &'static str, names: &'static [&'static str]) -> Expect {
    fails(culprit, "refused", names)
}

/// Fails with this outcome because of `culprit`, which names these things.
pub(crate) const fn fails(culprit: &'static str, outcome: &'static str, names: &'static [&'static str]) -> Expect {
    Expect { culprit: Some(culprit), outcome, exit: 1, boxes: &[], names }
}

/// Takes connections, and then says no because of `culprit`, which names these things.
pub(crate) const fn says_no(culprit: &'static str, names: &'static [&'static str]) -> Expect {
    Expect { culprit: Some(culprit), outcome: "open", exit: 0, boxes: &[("connect", "no")], names }
}

/// Leaves the network as it is.
#[expect(clippy::unnecessary_wraps, reason = "it stands where steps stand that can fail")]
pub(crate) fn nothing_around(_: &Lab) -> Step {
    Ok(())
}

/// Leaves the host as it is.
#[expect(clippy::unnecessary_wraps, reason = "it stands where steps stand that can fail")]
pub(crate) fn nothing(_: &Host) -> Step {
    Ok(())
}

impl Scenario {
    /// The name of its trial.
    pub(crate) fn title(&self) -> String {
        format!("{}::{}", self.cause, self.name)
    }

    /// Why it cannot be played here and now.
    pub(crate) fn cannot(&self) -> Option<&'static str> {
        if self.needs == Needs::MemoryController && !crate::needs::memory_can_be_limited() {
            return Some("the unified control groups of this machine have no memory controller");
        }
        if self.needs == Needs::AllPowers && !crate::needs::groups_are_unified() {
            return Some("this machine has no unified control groups");
        }
        let known = self.cause == HEALTHY || unrefuse::diagnose::causes::by_id(self.cause).is_some();
        (!known && !only_break()).then_some("the program does not know these causes yet")
    }

    /// What the host may do.
    pub(crate) fn powers(&self) -> Powers {
        if self.needs == Needs::AllPowers { Powers::All } else { Powers::Usual }
    }

    /// Its host, booted, before anything is broken on it.
    pub(crate) fn boot(&self, lab: &Lab) -> Step<Host> {
        lab.boot_server(shared_root()?, self.powers(), self.before_boot)
    }

    /// Plays it from start to end; the error says what was not as it should be, with the host's state.
    pub(crate) fn play(&self) -> Step {
        let lab = Lab::new()?;
        (self.network)(&lab).map_err(|why| format!("preparing the network: {why}"))?;
        let host = self.boot(&lab)?;
        let trace = |act: &str, result: Step| result.map_err(|why| format!("{act}: {why}\n{}", state_of(&host)));
        trace("breaking it", (self.break_it)(&host))?;
        trace("the fault is not there", self.look(&lab, &host))?;
        if !only_break() {
            trace("the diagnosis is wrong", self.ask_program(&host))?;
            trace("recording it", self.record(&host))?;
            let fixed = self.fix(&lab, &host);
            if self.fix.is_some() {
                accuracy::fixed(self, if fixed.is_ok() { Fixed::Identical } else { Fixed::Failed });
            }
            trace("the fix", fixed)?;
        }
        let Some(repair) = self.repair else { return Ok(()) };
        trace("repairing it by hand", repair(&host))?;
        trace("the repair did not help", self.look_repaired(&lab, &host))?;
        if only_break() {
            return Ok(());
        }
        trace("after the repair", self.ask_repaired(&host))
    }

    fn look(&self, lab: &Lab, host: &Host) -> Step {
        for row in self.seen {
            let got = row.connect(lab, host)?;
            if got != row.gets {
                return Err(format!("{:?} → {} gives {got:?}, not {:?}", row.from, row.at, row.gets));
            }
        }
        Ok(())
    }

    /// Broken → fixed → seen from outside → undone → as it was, and broken.
    fn fix(&self, lab: &Lab, host: &Host) -> Step {
        let answer = self.check(host)?;
        let offered: Vec<&str> = answer
            .json
            .pointer("/causes/0/fixes")
            .and_then(|fixes| fixes.as_array())
            .map(|fixes| fixes.iter().filter_map(|id| id.as_str()).collect())
            .unwrap_or_default();
        let Some(plan) = self.fix else {
            let untried = offered.first().map(|id| format!("the plan {id} is offered and never tried here"));
            return untried.map_or(Ok(()), Err);
        };
        if !offered.contains(&plan) {
            return Err(format!("the plan {plan} is not offered, only {offered:?}"));
        }
        let before = Snapshot::of(host)?;
        let mut words = vec![self.target];
        words.extend(self.ask);
        let entries = fixing::apply(host, &words, plan)?;
        self.look_repaired(lab, host)?;
        fixing::undo(host, &entries, self.once.is_some())?;
        let differences = before.differences(&Snapshot::of(host)?, self.once.is_some());
        if !differences.is_empty() {
            return Err(format!("the host is not as it was before plan {plan}:\n{}", differences.join("\n")));
        }
        if self.once.is_some() {
            return Ok(());
        }
        let back = self.look(lab, host).or_else(|_| {
            // What counts the connections of half a minute has counted those of the trial.
            std::thread::sleep(Duration::from_secs(31));
            self.look(lab, host)
        });
        back.map_err(|why| format!("undone, and the fault is not back: {why}"))
    }

    fn look_repaired(&self, lab: &Lab, host: &Host) -> Step {
        let Some(row) = self.seen.first() else { return Ok(()) };
        let what = format!("{:?} → {} is open", row.from, row.at);
        wait_until(&what, Duration::from_secs(10), || Ok(row.connect(lab, host)? == Outcome::Open))
    }

    fn ask_program(&self, host: &Host) -> Step {
        let baseline = accuracy::wanted().then(|| accuracy::baseline(self, host)).transpose()?;
        let answer = self.check(host)?;
        let wrong = self.expect.differences(&answer);
        if let Some(baseline) = baseline {
            Row::of(self, &answer, wrong.is_empty(), baseline).enter();
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{}\nanswer:\n{}", wrong.join("\n"), shown(&answer)))
    }

    /// Writes `CAUSE--NAME.json` where the tests were told to keep recordings.
    fn record(&self, host: &Host) -> Step {
        let Some(directory) = std::env::var_os("UNREFUSE_RECORD").map(PathBuf::from) else { return Ok(()) };
        let mut words = vec![self.target];
        words.extend(self.ask);
        let file = directory.join(format!("{}--{}.json", self.cause, self.name));
        std::fs::create_dir_all(&directory).while_(format!("making {}", directory.display()))?;
        std::fs::write(&file, host.record(self.asked_by, &words)?).while_(format!("writing {}", file.display()))
    }

    fn ask_repaired(&self, host: &Host) -> Step {
        // Servers count connections that they have not seen the end of yet, those of the trial among them.
        let gone = "! ss -Htn state established | awk '{print $3}' | grep -qE ':(22|21)$'";
        let _ = wait_until("the trial's own connections are gone", Duration::from_secs(5), || {
            Ok(host.try_run(&["sh", "-c", gone])?.code == 0)
        });
        let answer = self.check(host)?;
        if answer.exit == 0 {
            return Ok(());
        }
        Err(format!("exit status {} instead of 0\nanswer:\n{}", answer.exit, shown(&answer)))
    }

    fn check(&self, host: &Host) -> Step<Diagnosis> {
        let mut words = vec![self.target];
        words.extend(self.ask);
        host.check(self.asked_by, &words)
    }
}

impl Seen {
    fn connect(&self, lab: &Lab, host: &Host) -> Step<Outcome> {
        match self.from {
            From::Client => lab.client_connect(self.at),
            From::Host => host.connect(self.at),
        }
    }
}

impl Expect {
    /// What in the answer is not as expected, a line each.
    fn differences(&self, answer: &Diagnosis) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut want = |what: &str, got: String, wanted: String| {
            if got != wanted {
                wrong.push(format!("{what} is {got}, not {wanted}"));
            }
        };
        want("the exit status", answer.exit.to_string(), self.exit.to_string());
        want("the outcome", answer.word("/outcome"), self.outcome.to_owned());
        want("the culprit", answer.word("/culprit"), self.culprit.unwrap_or("none").to_owned());
        if self.culprit.is_some() {
            want("the first cause", answer.word("/causes/0/id"), self.culprit.unwrap_or("none").to_owned());
            let guilty = answer.word("/causes/0/box");
            want(&format!("box {guilty}"), answer.verdict_of(&guilty), "no".to_owned());
        }
        if self.culprit.is_none() {
            want("the list of bad boxes", answer.bad_boxes().join(", "), String::new());
        }
        for (name, verdict) in self.boxes {
            want(&format!("box {name}"), answer.verdict_of(name), (*verdict).to_owned());
        }
        let told = answer.json.pointer("/causes/0").map_or_else(String::new, ToString::to_string);
        let unnamed = self.names.iter().filter(|name| !told.contains(**name));
        wrong.extend(unnamed.map(|name| format!("the culprit does not name {name:?}")));
        wrong
    }
}

impl Diagnosis {
    /// The word at a place in the answer.
    fn word(&self, at: &str) -> String {
        self.json.pointer(at).and_then(|value| value.as_str()).unwrap_or("none").to_owned()
    }

    fn boxes(&self) -> impl Iterator<Item = (&str, &str)> {
        let boxes = self.json.get("boxes").and_then(|boxes| boxes.as_array()).into_iter().flatten();
        boxes.filter_map(|entry| Some((entry.get("id")?.as_str()?, entry.get("verdict")?.as_str()?)))
    }

    fn verdict_of(&self, name: &str) -> String {
        self.boxes().find(|(id, _)| *id == name).map_or("missing", |(_, verdict)| verdict).to_owned()
    }

    fn bad_boxes(&self) -> Vec<&str> {
        self.boxes().filter(|(_, verdict)| *verdict == "no").map(|(id, _)| id).collect()
    }
}

/// Whether to stop after the view from outside, for work on the scenarios themselves.
fn only_break() -> bool {
    std::env::var_os("UNREFUSE_HOSTS_BREAK_ONLY").is_some_and(|value| value == "1")
}

/// The root, built by whoever comes first and held until this process ends.
pub(crate) fn shared_root() -> Step<&'static Root> {
    static ROOT: OnceLock<Root> = OnceLock::new();
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock();
    if ROOT.get().is_none() {
        let built = root::ensure()?;
        return Ok(ROOT.get_or_init(|| built));
    }
    ROOT.get().ok_or_else(|| "the root went away".to_owned())
}

fn shown(answer: &Diagnosis) -> String {
    if answer.json.is_null() {
        return answer.printed.clone();
    }
    serde_json::to_string_pretty(&answer.json).unwrap_or_default()
}

/// What an operator would look at first.
fn state_of(host: &Host) -> String {
    const LOOK: &str = "ss -Hltnp; ip -brief address; systemctl --no-legend list-units --state=failed,activating; \
        systemctl --lines=0 status '*.service' --state=failed; journalctl -b -n 60 -o short-monotonic | \
        grep -vE 'journald|dbus|systemd-[a-z]+(-[a-z]+)*[.]service|Reached target|Reloading'";
    let state = host.try_run(&["sh", "-c", LOOK]).map_or_else(|why| why, |ran| ran.stdout + &ran.stderr);
    format!("state of the host:\n{state}")
}

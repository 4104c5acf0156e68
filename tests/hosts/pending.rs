//! A fix that waits: everything of it is done, it works, and nobody has said yet whether it is to stay.

use crate::cmd::Step;
use crate::host::{Host, PROGRAM_INSIDE};
use crate::lab::Lab;
use crate::pty::Pty;
use crate::scenario::Scenario;
use crate::scenarios;

/// The host of a scenario, broken.
pub(crate) struct Broken {
    pub(crate) scenario: &'static Scenario,
    /// Dropped before the network it is in.
    pub(crate) host: Host,
    pub(crate) lab: Lab,
}

impl Broken {
    /// Boots and breaks it.
    pub(crate) fn new(cause: &str, name: &str) -> Step<Self> {
        let scenario = scenarios::named(cause, name)?;
        let lab = Lab::new()?;
        (scenario.network)(&lab)?;
        let host = scenario.boot(&lab)?;
        (scenario.break_it)(&host)?;
        Ok(Self { scenario, host, lab })
    }

    /// The words of the fix.
    pub(crate) fn words(&self, plan: &'static str) -> Vec<&'static str> {
        [&[PROGRAM_INSIDE, "fix"], self.arguments(plan).as_slice()].concat()
    }

    fn arguments(&self, plan: &'static str) -> Vec<&'static str> {
        [&[self.scenario.target], self.scenario.ask, &["--plan", plan]].concat()
    }

    /// Applies a plan; it waits for a yes for so long that nothing happens by itself.
    pub(crate) fn pending(&self, plan: &'static str) -> Pty {
        let words = [self.words(plan), vec!["--revert-after", "600"]].concat();
        let mut terminal = on_terminal(&self.host, &words);
        terminal.wait_for("apply it? [y/N]");
        terminal.send("y\n");
        terminal.wait_for("keep it?");
        terminal
    }

    /// Applies a plan and keeps it; its entry.
    pub(crate) fn kept(&self, plan: &'static str) -> Step<String> {
        let all = [&["fix"], self.arguments(plan).as_slice(), &["--yes"]].concat();
        let ran = self.host.program("root", &all)?;
        let kept = ran.stdout.lines().find_map(|line| line.strip_prefix("kept as entry ")?.split(';').next());
        let told = format!("{}{}", ran.stdout, ran.stderr);
        kept.map(str::to_owned).ok_or_else(|| format!("the fix was not kept\n{told}"))
    }
}

/// Says no, or yes, to what is pending; what it says after that.
pub(crate) fn answered(mut terminal: Pty, answer: &str) -> String {
    terminal.send(&format!("{answer}\n"));
    terminal.end();
    terminal.seen.clone()
}

/// The program in a host, on a terminal of its own.
pub(crate) fn on_terminal(host: &Host, words: &[&str]) -> Pty {
    let command = host.on_terminal(words);
    let program = command.get_program().to_string_lossy().into_owned();
    let all: Vec<String> =
        [program].into_iter().chain(command.get_args().map(|word| word.to_string_lossy().into_owned())).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Pty::run((120, 40), &all, &[])
}

/// An error unless something says this.
pub(crate) fn says(told: &str, what: &str) -> Step {
    // A terminal breaks lines where it likes; a word is never broken here.
    let told = told.replace('\r', "");
    if told.contains(what) { Ok(()) } else { Err(format!("nothing says {what:?}:\n{told}")) }
}

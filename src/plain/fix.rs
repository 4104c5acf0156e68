//! The guided loop in sentences: the plans, what the chosen one changes, what happens, the time that is left, the end.

use super::say::{Say, sentence, stop};
use crate::app::event::{Command, Step, What};
use crate::app::fixing::{End, FixCommand, Fixing, Job, Stage};
use crate::facts::connect::Outcome;
use crate::fixes::{Plan, Scope};

/// Seconds left that are worth a sentence.
const MARKS: [u64; 3] = [30, 10, 5];

/// How much of a fix was told.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was told")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The plans were listed.
    listed: bool,
    /// One of several was chosen by the user.
    chosen: bool,
    /// What it changes was shown.
    shown: bool,
    /// Lines of what happens.
    said: usize,
    /// Seconds that were left when they were told last.
    left: Option<u64>,
    ended: bool,
}

impl Told {
    /// Tells what is new of it; yields what follows by itself.
    pub fn tell(&mut self, fixing: &Fixing, now_ms: u64, say: &mut Say) -> Vec<What> {
        for said in fixing.said.iter().skip(self.said) {
            say.line(sentence(said));
        }
        self.said = fixing.said.len();
        match &fixing.stage {
            Stage::Choosing => self.choosing(fixing, say),
            Stage::Asking => {
                if fixing.job == Job::Undo && !self.shown {
                    self.shown = true;
                    say.line("The last change that stands is taken back, where it is still as it was left.");
                }
                Vec::new()
            }
            Stage::Running => Vec::new(),
            Stage::Confirming(until) => {
                self.countdown(until.saturating_sub(now_ms).div_ceil(1000), say);
                Vec::new()
            }
            Stage::Ended(end) => {
                if self.ended {
                    return Vec::new();
                }
                self.ended = true;
                tell_end(end, say);
                vec![What::Command(Command::Open)]
            }
        }
    }

    fn choosing(&mut self, fixing: &Fixing, say: &mut Say) -> Vec<What> {
        let Job::Fix { plans, .. } = &fixing.job else { return Vec::new() };
        let several = plans.len() > 1;
        if several && !self.listed {
            self.listed = true;
            list(plans, say);
        }
        let (Some(plan), Some(preview)) = (fixing.plan(), &fixing.preview) else { return Vec::new() };
        if self.shown || (several && !self.chosen) {
            return Vec::new();
        }
        self.shown = true;
        match preview {
            Ok(parts) => {
                about(plan, parts, say);
                vec![What::Command(Command::Open)]
            }
            Err(why) => {
                say.line(stop(&format!("{}: it cannot be applied: {why}", plan.title)));
                if several {
                    (self.chosen, self.shown) = (false, false);
                    return Vec::new();
                }
                vec![What::Command(Command::Back)]
            }
        }
    }

    fn countdown(&mut self, seconds: u64, say: &mut Say) {
        let Some(before) = self.left else {
            self.left = Some(seconds);
            say.line("It works.");
            say.line(format!("It is kept only if you say so; without a word it is put back in {seconds} seconds."));
            return;
        };
        if MARKS.iter().any(|mark| before > *mark && seconds <= *mark) {
            say.line(format!("{seconds} seconds left, then it is put back."));
        }
        self.left = Some(before.min(seconds));
    }

    /// What is asked now; none while nothing can be answered.
    pub fn question(&self, fixing: &Fixing) -> Option<String> {
        match &fixing.stage {
            Stage::Choosing if !self.chosen => {
                let Job::Fix { plans, .. } = &fixing.job else { return None };
                (plans.len() > 1).then(|| format!("Which plan, 1 to {}? Enter alone: none. ", plans.len()))
            }
            Stage::Choosing | Stage::Running | Stage::Ended(_) => None,
            Stage::Asking => {
                let what = if fixing.job == Job::Undo { "Undo it?" } else { "Apply it?" };
                let root = if fixing.root { "" } else { " (As root: a password may be asked for.)" };
                Some(format!("{what}{root} Type yes or no: "))
            }
            Stage::Confirming(_) => Some("Keep it? Type yes or no: ".into()),
        }
    }

    /// What a line answers.
    pub fn heard(&mut self, fixing: &Fixing, line: &str, say: &mut Say) -> Vec<What> {
        let yes = matches!(line.to_lowercase().as_str(), "y" | "yes");
        let no = matches!(line.to_lowercase().as_str(), "n" | "no");
        let fix = |command| What::Command(Command::Fix(command));
        let back = || What::Command(Command::Back);
        match (&fixing.stage, &fixing.job) {
            (Stage::Choosing, Job::Fix { plans, chosen }) if !self.chosen => {
                self.pick(line, (plans.len(), *chosen), say)
            }
            (Stage::Asking | Stage::Confirming(_), _) if yes => vec![fix(FixCommand::Yes)],
            (Stage::Confirming(_), _) if no => vec![fix(FixCommand::No)],
            (Stage::Asking, job) if no || line.is_empty() => {
                say.line("Nothing was changed.");
                let several = matches!(job, Job::Fix { plans, .. } if plans.len() > 1);
                *self = Self::default();
                // Where there is but one plan, there is nothing to choose from again.
                if several || *job == Job::Undo { vec![fix(FixCommand::No)] } else { vec![fix(FixCommand::No), back()] }
            }
            (Stage::Asking | Stage::Confirming(_), _) => {
                say.line("yes or no is what is asked here.");
                Vec::new()
            }
            (Stage::Choosing | Stage::Running | Stage::Ended(_), _) => Vec::new(),
        }
    }

    fn pick(&mut self, line: &str, (of, now): (usize, usize), say: &mut Say) -> Vec<What> {
        if line.is_empty() || line == "0" {
            say.line("Nothing was changed.");
            return vec![What::Command(Command::Back)];
        }
        let Some(to) = line.parse::<usize>().ok().filter(|n| (1..=of).contains(n)).map(|n| n - 1) else {
            say.line(format!("There is no plan {line}."));
            return Vec::new();
        };
        (self.chosen, self.shown) = (true, false);
        let step = if to > now { Step::Down } else { Step::Up };
        (0..to.abs_diff(now)).map(|_| What::Command(Command::Move(step))).collect()
    }
}

fn list(plans: &[Plan], say: &mut Say) {
    say.line("Plans, safest first:");
    for (plan, number) in plans.iter().zip(1..) {
        say.at(1, format!("{number} {} ({} risk)", plan.title, plan.risk.word()));
    }
}

fn about(plan: &Plan, parts: &[String], say: &mut Say) {
    say.line(format!("Plan: {}.", plan.title));
    say.at(1, format!("{} risk, holds {}, {}.", plan.risk.word(), plan.lasting.shown(), scope(plan.scope)));
    for warning in &plan.warnings {
        say.at(1, sentence(&format!("mind: {warning}")));
    }
    say.line("What it changes:");
    for part in parts {
        say.block(1, part);
    }
    if parts.is_empty() {
        say.at(1, "nothing: everything is as it should be already");
    }
    match (plan.then, &plan.next) {
        (Some(Outcome::Open), _) => say.line("Afterwards: open, nothing else blocks."),
        (Some(then), Some(next)) => say.line(format!("Afterwards: still {}, because of {next}.", then.word())),
        (Some(then), None) => say.line(format!("Afterwards: still {}.", then.word())),
        (None, _) => say.line("Afterwards: cannot be told before; the target is asked again."),
    }
    if let Some(undo) = plan.undo_commands() {
        say.line("What takes it back:");
        say.block(1, &undo);
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Nobody => "lets nobody in who was not let in before",
        Scope::Client => "lets one client in",
        Scope::Network => "lets a network in",
        Scope::Everyone => "lets everyone in who reaches this host",
    }
}

/// How it ended.
pub fn tell_end(end: &End, say: &mut Say) {
    let left = match end {
        End::Kept(entry) => {
            say.line(format!("Kept, as entry {entry}; undo takes it back, now or later."));
            return;
        }
        End::Reverted(why, left) => {
            say.line(sentence(&format!("put back: {why}")));
            left
        }
        End::Undone(entry, left) => {
            say.line(format!("Entry {entry} is undone."));
            left
        }
        End::Failed(why) => {
            let mut lines = why.lines();
            say.line(sentence(&format!("nothing was changed: {}", lines.next().unwrap_or_default())));
            lines.for_each(|hint| say.at(1, hint));
            return;
        }
    };
    for left in left {
        say.at(1, format!("left as it is: {left}"));
    }
}

//! `fix`, `undo` and `history`: the guided loop without a screen.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Asked, asker, ended, limit, rights, runtime, say, served, style};
use crate::apply::log::Log;
use crate::apply::rights::call::{Ends, Turn, call};
use crate::apply::rights::order::{Job, Over, Wanted};
use crate::apply::rights::{self as handed, Rights};
use crate::apply::{self, Answer, Ended, Hands, Progress, Terms, prepare};
use crate::check;
use crate::diagnose::verdict::Diagnosis;
use crate::error::Error;
use crate::facts::Case;
use crate::facts::connect::Outcome;
use crate::fixes::{Plan, Risk};
use crate::report::Report;
use crate::report::text as plain;
use crate::sources::procfs;
use crate::target::Target;
use crate::text;

/// How a fix is made.
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of the command line")]
#[derive(Debug, Args)]
pub(super) struct Fixing {
    #[command(flatten)]
    asked: Asked,
    /// Apply the first plan of each cause, and keep what works, without asking
    #[arg(long)]
    yes: bool,
    /// Use this plan for the first cause (see the [fix ...] of check)
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Keep what works without asking again
    #[arg(long, conflicts_with = "revert_after")]
    keep: bool,
    /// Put back what works unless it is confirmed within this time
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    revert_after: u64,
    /// Even where the session it is made from could not come in again
    #[arg(long)]
    force: bool,
    /// Keep the steps that held, even where the target is not open in the end
    #[arg(long)]
    keep_partial: bool,
}

/// More causes than this in a row are none that fixes end.
const MOST_ROUNDS: usize = 12;

/// `fix`.
pub(super) fn fix(fixing: &Fixing) -> Result<u8, Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(run(fixing));
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    ended
}

async fn run(fixing: &Fixing) -> Result<u8, Error> {
    let target = fixing.asked.target.as_deref();
    let target = target.ok_or_else(|| Error::input("no target given").hint("try `unrefuse fix 8080`"))?;
    let asked = Case::new(Target::parse(target)?, asker(&fixing.asked)?);
    let limit = limit("--timeout", fixing.asked.timeout)?;
    let session = Session { fixing, hands: Hands::new(), rights: rights(), asked: asked.clone() };
    let (mut case, mut diagnosis) = check::settle(asked, limit).await;
    let (mut kept, mut tried) = (Vec::new(), BTreeSet::new());
    for round in 0..MOST_ROUNDS {
        let report = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO };
        if report.outcome() == Outcome::Open && (round > 0 || diagnosis.says_no().is_none()) {
            say(&opened(text::line(target).as_str(), round, &diagnosis))?;
            return Ok(0);
        }
        if round == 0 {
            say(&plain::diagnosis(&report, style(fixing.asked.ascii)))?;
        }
        let Some(plan) = session.chosen(&diagnosis, round, &tried)? else { break };
        tried.insert((plan.cause.clone(), plan.id.clone()));
        let previews = prepare::previews(&session.hands, &plan).await?;
        say(&shown(&plan, &previews))?;
        if fixing.dry_run {
            return Ok(report.exit_code());
        }
        if !fixing.yes && !session.agreed("apply it?").await? {
            break;
        }
        match Box::pin(session.apply(&plan)).await? {
            Applied::Kept { entry, seen } => {
                say(&format!("kept as entry {entry}; `unrefuse undo {entry}` takes it back\n"))?;
                kept.push(entry);
                (case, diagnosis) = *seen;
            }
            Applied::Reverted { entry, why, left } => {
                say(&reverted(entry, &why, &left))?;
                break;
            }
        }
    }
    let status = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO }.exit_code();
    session.closed(&kept).await?;
    Ok(status.max(1))
}

/// It is open; what the program says then is another matter.
fn opened(target: &str, round: usize, diagnosis: &Diagnosis) -> String {
    match diagnosis.says_no() {
        _ if round == 0 => "it is open: nothing to fix\n".to_owned(),
        Some(next) => format!("{target} is open; what comes then: {} [{}]\n", text::line(&next.summary), next.cause),
        None => format!("{target} is open\n"),
    }
}

/// How a plan ended.
enum Applied {
    /// It is kept, and what is seen since.
    Kept { entry: u64, seen: Box<(Case, Diagnosis)> },
    /// It was put back.
    Reverted { entry: u64, why: String, left: Vec<String> },
}

struct Session<'a> {
    fixing: &'a Fixing,
    hands: Hands,
    rights: Rights,
    asked: Case,
}

impl Session<'_> {
    /// The plan to apply next; none, and said why, where there is none.
    fn chosen(
        &self,
        diagnosis: &Diagnosis,
        round: usize,
        tried: &BTreeSet<(String, String)>,
    ) -> Result<Option<Plan>, Error> {
        let culprit = diagnosis.culprit().or_else(|| diagnosis.causes.first());
        let Some(culprit) = culprit else {
            say("the cause could not be told, so there is nothing to fix\n")?;
            return Ok(None);
        };
        let plans: Vec<&Plan> = culprit.plans().collect();
        if let Some(id) = self.fixing.plan.as_deref().filter(|_| round == 0) {
            let all: Vec<&str> = diagnosis.plans().map(|plan| plan.id.as_str()).collect();
            let found = diagnosis.plans().find(|plan| plan.id == id);
            return found.cloned().map(Some).ok_or_else(|| {
                let hint = if all.is_empty() { "there is no plan at all".into() } else { all.join(", ") };
                Error::input(format!("there is no plan `{}` here", text::line(id))).hint(format!("plans: {hint}"))
            });
        }
        // What may cost somebody data is only done when it is called by its name, or agreed to.
        let may = |plan: &&&Plan| !(self.fixing.yes && plan.risk == Risk::High);
        let untried = |plan: &&&Plan| !tried.contains(&(plan.cause.clone(), plan.id.clone()));
        let fresh = plans.iter().filter(may).find(untried);
        let Some(first) = fresh else {
            let summary = text::line(&culprit.summary);
            say(&if plans.is_empty() {
                format!("{summary} [{}]: this takes a hand; see \"to do\" above\n", culprit.cause)
            } else {
                format!("{summary} [{}]: no plan is left but those that --plan must name\n", culprit.cause)
            })?;
            return Ok(None);
        };
        if plans.len() > 1 && !self.fixing.yes {
            say(&listing(&plans))?;
        }
        Ok(Some((*first).clone()))
    }

    /// Applies a plan; what happens is told as it happens.
    async fn apply(&self, plan: &Plan) -> Result<Applied, Error> {
        let (progress, mut told) = mpsc::channel(16);
        let (answers, heard) = mpsc::channel(4);
        tokio::spawn(stop_on_signals(answers.clone()));
        let running = async {
            if self.rights == Rights::Root {
                self.run(plan, progress, heard).await
            } else {
                self.hand_over(plan, progress, heard).await
            }
        };
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                Some(event) = told.recv() => {
                    say(&line_of(&event))?;
                    if matches!(event, Progress::Confirm { .. }) {
                        tokio::spawn(ask(answers.clone()));
                    }
                }
            }
        }
    }

    async fn run(
        &self,
        plan: &Plan,
        progress: mpsc::Sender<Progress>,
        answers: mpsc::Receiver<Answer>,
    ) -> Result<Applied, Error> {
        let terms = Terms {
            case: self.asked.clone(),
            who: apply::who(),
            revert_after: Duration::from_secs(self.fixing.revert_after),
            keep: self.fixing.yes || self.fixing.keep,
            force: self.fixing.force,
            session: None,
        };
        Ok(match Box::pin(apply::run(&self.hands, plan, &terms, progress, answers)).await? {
            Ended::Kept { entry, retest } => Applied::Kept { entry, seen: Box::new((retest.case, retest.diagnosis)) },
            Ended::Reverted { entry, why, left, .. } => Applied::Reverted { entry, why, left },
        })
    }

    /// Has it applied by this program as root.
    async fn hand_over(
        &self,
        plan: &Plan,
        progress: mpsc::Sender<Progress>,
        answers: mpsc::Receiver<Answer>,
    ) -> Result<Applied, Error> {
        let job = Job::Apply(Box::new(Wanted {
            plan: plan.clone(),
            target: self.asked.target.input.clone(),
            from: self.asked.from,
            revert_after: self.fixing.revert_after,
            keep: self.fixing.yes || self.fixing.keep,
            force: self.fixing.force,
            session: procfs::session(),
        }));
        match Box::pin(call(job, &self.rights, Ends { turns: nobody_draws(), progress, answers })).await? {
            Over::Kept { entry } => {
                let seen = check::settle(self.asked.clone(), limit("--timeout", self.fixing.asked.timeout)?).await;
                Ok(Applied::Kept { entry, seen: Box::new(seen) })
            }
            Over::Reverted { entry, why, left } => Ok(Applied::Reverted { entry, why, left }),
            Over::Undone { .. } | Over::Failed { .. } => Err(Error::broken("something else was done than was ordered")),
        }
    }

    async fn agreed(&self, question: &str) -> Result<bool, Error> {
        if !std::io::stdin().is_terminal() {
            return Err(Error::input("nobody can be asked here").hint("--yes applies it, --dry-run only shows it"));
        }
        say(&format!("{question} [y/N] "))?;
        Ok(is_yes(line_of_input().await.as_deref()))
    }

    /// The target is not open in the end: what was kept on the way is put back, unless it is to stay.
    async fn closed(&self, kept: &[u64]) -> Result<(), Error> {
        if kept.is_empty() || self.fixing.keep_partial {
            return Ok(());
        }
        say("it is not open: what was kept on the way is put back (--keep-partial keeps it)\n")?;
        for entry in kept.iter().rev() {
            undo_one(&self.hands, &self.rights, Some(*entry)).await?;
        }
        Ok(())
    }
}

/// A signal or a closed terminal puts back what is not kept yet.
async fn stop_on_signals(answers: mpsc::Sender<Answer>) {
    let streams = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = streams else { return };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if answers.send(Answer::Revert).await.is_err() {
            return;
        }
    }
}

/// Asks on the terminal whether to keep it. Where nobody can be asked, time decides.
async fn ask(answers: mpsc::Sender<Answer>) {
    if !std::io::stdin().is_terminal() {
        return;
    }
    let answer = if is_yes(line_of_input().await.as_deref()) { Answer::Keep } else { Answer::Revert };
    // It is over already.
    let _ = answers.send(answer).await;
}

/// A line from the terminal; none at its end.
async fn line_of_input() -> Option<String> {
    // Not on the runtime's own threads: a read of a terminal cannot be taken back.
    let (sender, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = sender.send(read.ok().filter(|n| *n > 0).map(|_| line));
    });
    line.await.ok().flatten()
}

fn is_yes(line: Option<&str>) -> bool {
    line.is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn listing(plans: &[&Plan]) -> String {
    let mut out = String::from("\nplans (--plan ID chooses):\n");
    for plan in plans {
        let _ = writeln!(out, "  {:<24} {} ({} risk)", plan.id, text::line(&plan.title), plan.risk.word());
    }
    out
}

/// A plan as it is shown before it is applied.
fn shown(plan: &Plan, previews: &[String]) -> String {
    let mut out = format!("\nplan {}: {}\n", plan.id, text::line(&plan.title));
    for preview in previews {
        for line in preview.lines() {
            let _ = writeln!(out, "    {}", text::line(line));
        }
    }
    if previews.is_empty() {
        out.push_str("    everything is as it should be already\n");
    }
    let _ = writeln!(out, "  risk: {}; holds {}", plan.risk.word(), plan.lasting.shown());
    for warning in &plan.warnings {
        let _ = writeln!(out, "  mind: {}", text::line(warning));
    }
    for line in plan.undo_commands().iter().flat_map(|undo| undo.lines()) {
        let _ = writeln!(out, "  undo: {}", text::line(line));
    }
    match (plan.then, &plan.next) {
        (Some(Outcome::Open), _) => out.push_str("  after that: open\n"),
        (Some(then), Some(next)) => drop(writeln!(out, "  after that: still {}, because of {next}", then.word())),
        (Some(then), None) => drop(writeln!(out, "  after that: still {}", then.word())),
        (None, _) => {}
    }
    out
}

/// An event on the terminal: what is asked stays in its line.
fn line_of(event: &Progress) -> String {
    match event {
        Progress::Confirm { .. } => format!("{} [y/N] ", event.told()),
        Progress::Recovered { .. }
        | Progress::Armed { .. }
        | Progress::Doing(_)
        | Progress::Retesting
        | Progress::Retested { .. }
        | Progress::Trial { .. }
        | Progress::Reverting { .. } => format!("  {}\n", event.told()),
    }
}

fn reverted(entry: u64, why: &str, left: &[String]) -> String {
    let mut out = format!("entry {entry} was put back: {}\n", text::line(why));
    for left in left {
        let _ = writeln!(out, "  left as it is: {}", text::line(left));
    }
    out
}

/// `undo`.
pub(super) fn undo(entry: Option<u64>) -> Result<u8, Error> {
    let runtime = runtime()?;
    let undone = runtime.block_on(undo_one(&Hands::new(), &rights(), entry));
    runtime.shutdown_background();
    undone.map(|()| 0)
}

async fn undo_one(hands: &Hands, rights: &Rights, entry: Option<u64>) -> Result<(), Error> {
    let (progress, mut told) = mpsc::channel(16);
    let teller = tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            // A closed pipe must not keep anything from being put back.
            let _ = say(&line_of(&event));
        }
    });
    let undone = if *rights == Rights::Root {
        let undone = apply::undo::undo(hands, entry, &apply::who(), &progress).await;
        drop(progress);
        undone.map(|undone| (undone.of.number, undone.of.title, undone.left))
    } else {
        // Whoever leaves lets it be done: it is guarded by itself.
        let (_answers, heard) = mpsc::channel(1);
        let ends = Ends { turns: nobody_draws(), progress, answers: heard };
        match Box::pin(call(Job::Undo { entry }, rights, ends)).await {
            Ok(Over::Undone { entry, title, left }) => Ok((entry, title, left)),
            Ok(Over::Kept { .. } | Over::Reverted { .. } | Over::Failed { .. }) => {
                Err(Error::broken("something else was done than was ordered"))
            }
            Err(error) => Err(error),
        }
    };
    // It ends when the sender is gone.
    let _ = teller.await;
    let (number, title, left) = undone?;
    say(&format!("entry {number} is undone: {}\n", text::line(&title)))?;
    for left in &left {
        say(&format!("  left as it is: {}\n", text::line(left)))?;
    }
    Ok(())
}

/// Turns on the terminal, where there is no screen that would have to be left.
fn nobody_draws() -> mpsc::Sender<Turn> {
    mpsc::channel(1).0
}

/// `history`.
pub(super) fn history() -> Result<u8, Error> {
    let log = Log::read(&Hands::new().state)?;
    say(&apply::history::told(&log))
}

/// The guard of an entry, when the program is run as one.
pub(super) fn serve_guard() -> Option<std::process::ExitCode> {
    let mut words = std::env::args_os().skip(1);
    words.next().filter(|word| word == apply::guard::WORD)?;
    let (state, number) = (words.next()?, words.next()?.into_string().ok()?);
    let hands = Hands { state: state.into(), ..Hands::new() };
    let watched = runtime().and_then(|runtime| runtime.block_on(apply::guard::watch(&hands, number.parse().ok())));
    Some(ended(watched))
}

/// What an ordinary user orders, when the program is run for that.
pub(super) fn serve_order() -> Option<std::process::ExitCode> {
    std::env::args_os().nth(1).filter(|word| word == handed::WORD)?;
    Some(ended(handed::helper::clean().and_then(|()| served(handed::helper::serve()))))
}

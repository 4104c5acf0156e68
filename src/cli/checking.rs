//! `check`: one diagnosis, or one line for each of many.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use tokio::sync::Mutex;

use super::{Asked, asker, confined, limit, load, now, runtime, say, settle, settle_within, style};
use crate::check;
use crate::diagnose::look::Look;
use crate::diagnose::subject::Subject;
use crate::diagnose::timeline::pace::between;
use crate::diagnose::verdict::Diagnosis;
use crate::error::Error;
use crate::facts::Case;
use crate::facts::recording::Recording;
use crate::report::{Report, json, line, markdown, text as plain};
use crate::target::Target;

/// Targets elsewhere that are looked at at once.
const AT_ONCE: usize = 8;
/// What a look gets, however little is left.
const LEAST: Duration = Duration::from_millis(500);

/// The words of `check`.
#[derive(Debug, Args)]
pub(super) struct Checking {
    #[command(flatten)]
    asked: Asked,
    /// More targets: one line each, or with --json one object a line
    #[arg(value_name = "TARGET", conflicts_with_all = ["server", "client", "markdown", "plugin"])]
    more: Vec<String>,
    /// One JSON object (schema unrefuse.diagnosis/1)
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Markdown for a ticket, with a mermaid flowchart
    #[arg(long)]
    markdown: bool,
    /// As a plugin of Nagios and its kin: a status line, performance data; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    plugin: bool,
    /// Look again until it is open, for so many seconds (the last look may take half a second more); the last look is told
    #[arg(long, value_name = "SECS", conflicts_with_all = ["more", "replay"])]
    wait: Option<f64>,
    /// Diagnose a recording instead of this host
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    replay: Option<PathBuf>,
}

impl Checking {
    /// This target, as text or JSON.
    pub(super) fn of(target: &str, json: bool) -> Self {
        let asked = Asked::plain(target);
        Self { asked, more: Vec::new(), json, markdown: false, plugin: false, wait: None, replay: None }
    }
}

/// Runs it; the status to exit with.
pub(super) fn check(words: &Checking) -> Result<u8, Error> {
    match told(words) {
        // What a monitoring system reads is standard output, and 2 and 4 would mean something else to it.
        Err(error) if words.plugin => {
            let why: Vec<String> = error.report().lines().map(crate::text::line).collect();
            say(&format!("UNREFUSE UNKNOWN - {}\n", why.join("; ").replace('|', "\u{a6}"))).map(|_| 3)
        }
        told => told,
    }
}

fn told(words: &Checking) -> Result<u8, Error> {
    if !words.more.is_empty() {
        return many(words);
    }
    let began = now();
    let mut origin = String::new();
    let (case, diagnosis, took) = if let Some(file) = &words.replay {
        let recording = load(file)?;
        let enforced = confined::to_what_is_open();
        tracing::debug!(enforced, "confined by Landlock");
        origin = recorded(&recording);
        let (case, diagnosis) = check::replayed(recording.case);
        (case, diagnosis, Duration::from_millis(recording.took_ms))
    } else {
        let (case, diagnosis) = match words.wait {
            Some(seconds) => wait(words, limit("--wait", seconds)?)?,
            None => settle(&words.asked)?,
        };
        (case, diagnosis, began.elapsed())
    };
    let report = Report { case: &case, diagnosis: &diagnosis, took };
    if words.plugin {
        let (told, status) = line::plugin(&report);
        return say(&told).map(|_| status);
    }
    let told = if words.json {
        super::pretty(&json::diagnosis(&report))
    } else if words.markdown {
        markdown::diagnosis(&report)
    } else {
        format!("{origin}{}", plain::diagnosis(&report, style(words.asked.ascii)))
    };
    say(&told)?;
    Ok(report.exit_code())
}

/// Says that what follows was seen elsewhere, or earlier.
fn recorded(recording: &Recording) -> String {
    let at = i64::try_from(recording.recorded_at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let when = at.map(|t| t.strftime(" of %Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let how = if recording.redacted { ", with stand-ins for names and addresses" } else { "" };
    format!("recording{when}{how}\n")
}

/// Looks again until the target is open or the time is over.
fn wait(words: &Checking, most: Duration) -> Result<(Case, Diagnosis), Error> {
    let (began, runtime) = (now(), runtime()?);
    let (mut looks, mut probes) = (0, 0);
    loop {
        let left = most.saturating_sub(began.elapsed()).max(LEAST);
        let (case, mut diagnosis) = settle_within(&words.asked, left.min(limit("--timeout", words.asked.timeout)?))?;
        let report = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO };
        let pause = between(&Look::new(&case), &diagnosis.subject);
        if report.exit_code() == 0 || began.elapsed() + pause > most {
            if looks > 0 {
                let plural = if probes == 1 { "" } else { "s" };
                diagnosis.notes.push(format!("looked {looks} times before, with {probes} probe{plural}"));
            }
            return Ok((case, diagnosis));
        }
        (looks, probes) = (looks + 1, probes + case.probes());
        runtime.block_on(async { tokio::time::sleep(pause).await });
    }
}

/// One line of each target, in the order they were given, each as soon as it and those before it are known. Attempts at
/// addresses of this host are made one after the other: what the kernel counts meanwhile would not be told apart.
fn many(words: &Checking) -> Result<u8, Error> {
    let most = limit("--timeout", words.asked.timeout)?;
    let from = asker(&words.asked)?;
    let inputs: Vec<&String> = words.asked.target.iter().chain(&words.more).collect();
    let targets = inputs.iter().map(|input| Target::parse(input)).collect::<Result<Vec<_>, Error>>()?;
    let shown = targets.iter().map(|target| crate::text::line(&target.input).chars().count());
    let width = shown.max().unwrap_or_default();
    let (turn, all_began) = (Mutex::new(()), now());
    let settled = |target: Target| {
        let (turn, left) = (&turn, move || most.saturating_sub(all_began.elapsed()));
        async move {
            let mut case = Case::new(target, from);
            let local = check::work_out(&mut case, left(), |look: &Look<'_>| Subject::of(look).local).await;
            let _alone = if local == Some(false) { None } else { Some(turn.lock().await) };
            let began = now();
            let (case, diagnosis) = if left().is_zero() {
                check::unasked(case, "the time of the whole run was over before (--timeout)")
            } else {
                check::settle(case, left()).await
            };
            (case, diagnosis, began.elapsed())
        }
    };
    let runtime = runtime()?;
    let told = runtime.block_on(async {
        let mut status = 0;
        let mut all = futures_util::stream::iter(targets).map(settled).buffered(AT_ONCE);
        while let Some((case, diagnosis, took)) = all.next().await {
            let report = Report { case: &case, diagnosis: &diagnosis, took };
            let told = if words.json {
                json::diagnosis(&report).to_string()
            } else {
                line::of(&report, width, style(words.asked.ascii).ascii)
            };
            say(&format!("{told}\n"))?;
            status = status.max(report.exit_code());
        }
        Ok(status)
    });
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    told
}

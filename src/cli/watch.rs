//! `unrefuse watch`: a target over time, without a screen.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{DEFAULT_SECONDS, now_us, runtime, say};
use crate::error::Error;
use crate::facts::Case;
use crate::report::watch::{self as told, Clock};
use crate::target::{From, Target};
use crate::watch::{Event, How, past_of, watch};

/// Watches a target without a screen.
#[derive(Debug, Args)]
pub(super) struct Watching {
    /// Port, host:port, URL, unit or unix socket
    target: String,
    /// Seconds from one attempt to the next (by default 1, and 10 where something counts attempts)
    #[arg(long, value_name = "SECS", conflicts_with = "no_dial")]
    every: Option<f64>,
    /// How long to watch, in seconds; until Ctrl-C without it
    #[arg(long = "for", value_name = "SECS", conflicts_with = "no_dial")]
    lasting: Option<f64>,
    /// Tell of the past too: -1h, -30m, 12:00, "2026-11-21 12:00"
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only tell of the past, from the journal, without any attempt
    #[arg(long, requires = "since")]
    no_dial: bool,
    /// JSON lines (schema unrefuse.watch/1): an object for each event, and one summary
    #[arg(long)]
    json: bool,
}

/// Watches, tells, and yields the status to exit with.
pub(super) fn run(watching: &Watching) -> Result<u8, Error> {
    let target = Target::parse(&watching.target)?;
    let case = Case::new(target, From::Here);
    let every = watching.every.map(|every| seconds(every, "--every", 0.2)).transpose()?;
    let lasting = watching.lasting.map(|lasting| seconds(lasting, "--for", 0.1)).transpose()?;
    let clock = Clock { zone: jiff::tz::TimeZone::system(), today_us: now_us() };
    let since = watching.since.as_deref().map(|when| ago(when, &clock)).transpose()?;
    let how = How { every, lasting, since, limit: Duration::from_secs_f64(DEFAULT_SECONDS) };
    let mut tell = |event: &Event| -> Result<(), Error> {
        let words = if watching.json { as_json(event, &watching.target) } else { as_text(event, watching, &clock) };
        say_or_end(&words)
    };
    let runtime = runtime()?;
    let timeline = runtime.block_on(async {
        match since.filter(|_| watching.no_dial) {
            Some(ago) => past_of(case, ago, how.limit, &mut tell).await,
            None => watch(case, how, interrupted(), &mut tell).await,
        }
    });
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    let timeline = match timeline {
        // Whoever read has seen enough.
        Err(error) if error.is_closed() => return Ok(0),
        other => other?,
    };
    say(&if watching.json {
        told::json_line("summary", told::json_summary(&timeline))
    } else {
        told::summary(&clock, &timeline)
    })?;
    Ok(timeline.exit_code())
}

/// Ctrl-C, and what ends a service.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn as_text(event: &Event, watching: &Watching, clock: &Clock) -> String {
    match event {
        Event::Begins { to, about, every_ms, .. } => {
            told::begins(to.as_ref(), about.unit.as_deref(), *every_ms, &watching.target)
        }
        Event::Turns(attempt, since) => told::turns(clock, attempt, *since),
        Event::Happens(happening, true) => told::happens(clock, happening),
        Event::Happens(_, false) => String::new(),
        Event::Outage(outage) => told::outage(clock, outage, &[]),
        Event::Note(note) => format!("{note}\n"),
    }
}

fn as_json(event: &Event, input: &str) -> String {
    match event {
        Event::Begins { at_us, to, about, every_ms } => told::json_line(
            "begin",
            json!({ "at": told::stamp(*at_us), "target": crate::text::line(input),
                    "to": to.as_ref().map(|to| crate::text::line(&to.to_string())),
                    "unit": about.unit.as_deref().map(crate::text::line),
                    "container": about.container.as_deref().map(crate::text::line), "every_ms": every_ms }),
        ),
        Event::Turns(attempt, since) => told::json_line("state", told::json_turn(attempt, *since)),
        Event::Happens(happening, concerns) => told::json_line("happening", told::json_happening(happening, *concerns)),
        Event::Outage(outage) => told::json_line("outage", told::json_outage(outage)),
        Event::Note(note) => told::json_line("note", json!({ "says": note })),
    }
}

/// A number of seconds that makes sense.
fn seconds(given: f64, flag: &str, least: f64) -> Result<Duration, Error> {
    const MOST: u64 = 366 * 86_400;
    let time = Duration::try_from_secs_f64(given).ok();
    time.filter(|time| time.as_secs_f64() >= least && time.as_secs() <= MOST)
        .ok_or_else(|| Error::input(format!("{flag} takes seconds, at least {least}")))
}

/// How long ago `-1h`, `30m`, `12:00` or `2026-11-21 12:00` is.
fn ago(when: &str, clock: &Clock) -> Result<Duration, Error> {
    let wrong = || {
        Error::input(format!("{} is no time", crate::text::line(when)))
            .hint("say it like -1h, -30m, 12:00 or \"2026-11-21 12:00\"")
    };
    if let Some(span) = span(when.strip_prefix('-').unwrap_or(when)) {
        return Ok(span);
    }
    let at = civil(when, clock).ok_or_else(wrong)?;
    let at = u64::try_from(at.timestamp().as_microsecond()).map_err(|_| wrong())?;
    let ago = clock.today_us.checked_sub(at).ok_or_else(|| Error::input("that time is still to come"))?;
    Ok(Duration::from_micros(ago))
}

/// `1h`, `30m`, `90s`, `2d`; at most a year.
fn span(text: &str) -> Option<Duration> {
    const YEAR: u64 = 366 * 86_400;
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(each).filter(|seconds| (1..=YEAR).contains(seconds)).map(Duration::from_secs)
}

fn civil(when: &str, clock: &Clock) -> Option<jiff::Zoned> {
    let today = jiff::Timestamp::from_microsecond(i64::try_from(clock.today_us).ok()?).ok()?;
    let day = today.to_zoned(clock.zone.clone()).date();
    let at = when.parse::<jiff::civil::DateTime>().ok().or_else(|| {
        let time: jiff::civil::Time = when.parse().ok()?;
        Some(day.to_datetime(time))
    })?;
    at.to_zoned(clock.zone.clone()).ok()
}

/// Writes; a closed pipe ends the watch.
fn say_or_end(words: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(words.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::closed()),
        Err(error) => Err(Error::broken("cannot write the answer").because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_795_262_590_000_000;

    #[test]
    fn the_past_is_said_in_several_ways() {
        let clock = Clock { zone: jiff::tz::TimeZone::UTC, today_us: AT };
        let of = |when: &str| ago(when, &clock).map(|ago| ago.as_secs()).ok();
        assert_eq!(of("-1h"), Some(3600));
        assert_eq!(of("90s"), Some(90));
        assert_eq!(of("12:00"), Some(190));
        assert_eq!(of("2026-11-21 12:03"), Some(10));
        for wrong in ["", "-", "h", "1y", "-999999999999999999h", "13:00", "-0s", "\u{1b}", "é"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn seconds_make_sense() {
        assert_eq!(seconds(0.5, "--every", 0.2).unwrap(), Duration::from_millis(500));
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e18] {
            assert!(seconds(wrong, "--every", 0.2).is_err(), "{wrong}");
        }
    }
}

//! A watch as text, one sentence an event, and as JSON lines (schema `unrefuse.watch/1`).

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::diagnose::timeline::{Attempt, Link, Outage, Period, Proof, Timeline};
use crate::facts::connect::{Endpoint, Outcome};
use crate::facts::happening::Happening;
use crate::text::line;

/// The schema's name.
pub const SCHEMA: &str = "unrefuse.watch/1";

/// Tells times as they are read where the watch runs.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The time zone.
    pub zone: TimeZone,
    /// The day that is not said, in microseconds since the epoch: times of others have their date.
    pub today_us: u64,
}

impl Clock {
    /// `12:03:10`, or `2026-11-20 12:03:10` of another day.
    pub fn time(&self, at_us: u64) -> String {
        let (at, today) = (self.zoned(at_us), self.zoned(self.today_us));
        let Some(at) = at else { return "?".into() };
        let same = today.is_some_and(|today| today.date() == at.date());
        at.strftime(if same { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
    }

    fn zoned(&self, at_us: u64) -> Option<jiff::Zoned> {
        let at = jiff::Timestamp::from_microsecond(i64::try_from(at_us).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

/// `0.4 s`, `4.0 s`, `3 min 20 s`, `2 h 5 min`.
pub fn lasted(us: u64) -> String {
    let seconds = us / 1_000_000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, us / 100_000 % 10),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The first line.
pub fn begins(to: Option<&Endpoint>, unit: Option<&str>, every_ms: u64, input: &str) -> String {
    let to = to.map_or_else(|| line(input), |to| line(&to.to_string()));
    let served = unit.map(|unit| format!(", served by {}", line(unit))).unwrap_or_default();
    match every_ms {
        0 => format!("looking back at {to}{served}\n"),
        ms if ms % 1000 == 0 => format!("watching {to}{served}: one attempt every {} s\n", ms / 1000),
        ms => format!("watching {to}{served}: one attempt every {ms} ms\n"),
    }
}

/// What attempts get has changed.
pub fn turns(clock: &Clock, attempt: &Attempt, since_us: Option<u64>) -> String {
    let at = clock.time(attempt.at_us);
    match (attempt.failed(), since_us) {
        (false, Some(since)) => format!("{at}  open again, after {}\n", lasted(attempt.at_us.saturating_sub(since))),
        _ => format!("{at}  {}{}\n", attempt.outcome.word(), errno(attempt.errno.as_deref())),
    }
}

fn errno(errno: Option<&str>) -> String {
    errno.map(|errno| format!(" ({})", line(errno))).unwrap_or_default()
}

/// Something happened.
pub fn happens(clock: &Clock, happening: &Happening) -> String {
    format!("{}    {}\n", clock.time(happening.at_us), line(&happening.what.to_string()))
}

/// An outage, with what it goes with: `refused 12:03:10 to 12:03:14 (4 attempts): nginx.service was restarted by apt`.
pub fn outage(clock: &Clock, outage: &Outage, blind: &[String]) -> String {
    let what = outage.outcome.map_or("not running", Outcome::word);
    let from = clock.time(outage.from_us);
    let until = outage.until_us.map_or_else(|| "now".to_owned(), |until| clock.time(until));
    let count = match outage.attempts {
        0 => format!(" ({})", lasted(outage.lasted_us())),
        1 => format!(" (1 attempt, {})", lasted(outage.lasted_us())),
        many => format!(" ({many} attempts, {})", lasted(outage.lasted_us())),
    };
    let mut told = format!("{what} {from} to {until}{count}: ");
    let Some((first, others)) = outage.links.split_first() else {
        told += "nothing that is known happened then";
        if !blind.is_empty() {
            told += " (not all is seen)";
        }
        return told + "\n";
    };
    told += &link(outage, first);
    told.push('\n');
    for other in others {
        let _ = writeln!(told, "    {}", link(outage, other));
    }
    told
}

fn link(outage: &Outage, link: &Link) -> String {
    let says = line(&link.says);
    match link.proof {
        Proof::Shown => says,
        Proof::Fits => format!("{says}, {} (it fits; that is no proof)", when(outage, link)),
        Proof::Near => format!("at that time: {says}, {}", when(outage, link)),
    }
}

fn when(outage: &Outage, link: &Link) -> String {
    let Some(at) = link.began_us else { return "before".into() };
    if at <= outage.from_us {
        format!("{} before the first failure", lasted(outage.from_us - at))
    } else {
        format!("{} after the first failure", lasted(at - outage.from_us))
    }
}

/// The last lines.
pub fn summary(clock: &Clock, timeline: &Timeline) -> String {
    let Timeline { attempts, failed, outages, .. } = timeline;
    let mut told = match (attempts, outages.len()) {
        (0, 0) => "it was not down in that time, as far as the journal tells\n".to_owned(),
        (0, 1) => "it was down once\n".into(),
        (0, many) => format!("it was down {many} times\n"),
        (attempts, 0) => format!("{attempts} attempts, none failed\n"),
        (attempts, many) => {
            let share = failed.saturating_mul(100).checked_div(*attempts).unwrap_or(0);
            let times = if many == 1 { "1 outage".to_owned() } else { format!("{many} outages") };
            format!("{attempts} attempts, {failed} failed ({share} %), {times}\n")
        }
    };
    if let Some(longest) = timeline.longest() {
        let _ = writeln!(told, "longest: {} from {}", lasted(longest.lasted_us()), clock.time(longest.from_us));
    }
    if let Some(Period { every_us, with }) = &timeline.period {
        let with = with.as_ref().map(|with| format!(", at the times of {}", line(with))).unwrap_or_default();
        let _ = writeln!(told, "it fails every {}{with}", lasted(*every_us));
    }
    let unknown = outages.iter().filter(|outage| outage.links.is_empty()).count();
    if unknown > 0 {
        let _ = writeln!(told, "{unknown} of them go with nothing that is known");
    }
    for why in &timeline.blind {
        let _ = writeln!(told, "not seen: {}", line(why));
    }
    told
}

/// One JSON line: an event with its schema.
pub fn json_line(event: &str, mut fields: Value) -> String {
    let mut object = json!({ "schema": SCHEMA, "event": event });
    if let (Some(object), Some(fields)) = (object.as_object_mut(), fields.as_object_mut()) {
        object.append(fields);
    }
    format!("{object}\n")
}

/// A time for programs: RFC 3339, in UTC.
pub fn stamp(at_us: u64) -> Value {
    let at = i64::try_from(at_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    at.map_or(Value::Null, |at| Value::String(at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()))
}

/// An attempt that got something else than the one before.
pub fn json_turn(attempt: &Attempt, since_us: Option<u64>) -> Value {
    let lasted = since_us.map(|since| attempt.at_us.saturating_sub(since) / 1000);
    json!({ "at": stamp(attempt.at_us), "outcome": attempt.outcome.word(), "errno": attempt.errno,
            "outage_ms": lasted })
}

/// Something that happened.
pub fn json_happening(happening: &Happening, concerns: bool) -> Value {
    json!({ "at": stamp(happening.at_us), "says": line(&happening.what.to_string()),
            "source": happening.source.word(), "concerns": concerns })
}

/// An outage.
pub fn json_outage(outage: &Outage) -> Value {
    let links: Vec<Value> = outage.links.iter().map(json_link).collect();
    json!({ "from": stamp(outage.from_us), "until": outage.until_us.map(stamp),
            "worked": outage.worked_us.map(stamp), "outcome": outage.outcome.map(Outcome::word),
            "errno": outage.errno, "attempts": outage.attempts, "lasted_ms": outage.lasted_us() / 1000,
            "with": links })
}

fn json_link(link: &Link) -> Value {
    json!({ "says": line(&link.says), "proof": link.proof.word(), "source": link.source,
            "began": link.began_us.map(stamp), "ended": link.ended_us.map(stamp) })
}

/// The last object.
pub fn json_summary(timeline: &Timeline) -> Value {
    let share = |failed: usize, of: usize| {
        let thousandths = failed.saturating_mul(1000).checked_div(of).unwrap_or(0);
        f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1000.0
    };
    let period = timeline
        .period
        .as_ref()
        .map(|period| json!({ "every_ms": period.every_us / 1000, "with": period.with.as_deref().map(line) }));
    let blind: Vec<String> = timeline.blind.iter().map(|why| line(why)).collect();
    json!({ "attempts": timeline.attempts, "failed": timeline.failed,
            "failed_share": share(timeline.failed, timeline.attempts),
            "outages": timeline.outages.iter().map(json_outage).collect::<Vec<_>>(),
            "longest_ms": timeline.longest().map(|outage| outage.lasted_us() / 1000),
            "period": period, "not_seen": blind, "exit": timeline.exit_code() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_795_262_590_000_000;

    fn clock() -> Clock {
        Clock { zone: TimeZone::UTC, today_us: AT }
    }

    fn refused(links: Vec<Link>) -> Outage {
        Outage {
            from_us: AT,
            until_us: Some(AT + 4_000_000),
            worked_us: Some(AT - 1_000_000),
            last_us: AT + 3_000_000,
            outcome: Some(Outcome::Refused),
            errno: Some("ECONNREFUSED".into()),
            attempts: 4,
            links,
        }
    }

    fn with(proof: Proof, says: &str) -> Link {
        Link { proof, says: says.into(), began_us: Some(AT - 200_000), ended_us: None, source: "journal" }
    }

    #[test]
    fn an_outage_is_one_sentence() {
        let told = outage(&clock(), &refused(vec![with(Proof::Shown, "nginx.service was restarted by apt")]), &[]);
        assert_eq!(told, "refused 12:03:10 to 12:03:14 (4 attempts, 4.0 s): nginx.service was restarted by apt\n");
        let fits = outage(&clock(), &refused(vec![with(Proof::Fits, "rules were changed")]), &[]);
        assert!(fits.ends_with("rules were changed, 0.2 s before the first failure (it fits; that is no proof)\n"));
        let nothing = outage(&clock(), &refused(Vec::new()), &[]);
        assert!(nothing.ends_with(": nothing that is known happened then\n"), "{nothing}");
    }

    #[test]
    fn host_text_reaches_no_terminal_as_it_is() {
        let hostile = "evil\u{1b}]52;c;x\u{7}.service\n was restarted\u{202e}";
        let told = outage(&clock(), &refused(vec![with(Proof::Near, hostile), with(Proof::Shown, hostile)]), &[]);
        assert!(!told.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{told:?}");
        assert_eq!(told.lines().count(), 2);
        let json = json_line("outage", json_outage(&refused(vec![with(Proof::Near, hostile)])));
        assert!(json.lines().count() == 1 && !json.contains("\\u001b") && !json.contains('\u{202e}'), "{json}");
    }

    #[test]
    fn another_day_has_its_date() {
        assert_eq!(clock().time(AT), "12:03:10");
        assert_eq!(clock().time(AT - 86_400_000_000), "2026-11-20 12:03:10");
        assert_eq!(clock().time(u64::MAX), "?");
    }

    #[test]
    fn the_summary_says_how_much_failed() {
        let timeline = Timeline { attempts: 60, failed: 4, outages: vec![refused(Vec::new())], ..Timeline::default() };
        let told = summary(&clock(), &timeline);
        assert!(told.starts_with("60 attempts, 4 failed (6 %), 1 outage\nlongest: 4.0 s from 12:03:10\n"), "{told}");
        assert!(told.contains("1 of them go with nothing that is known"));
        let json = json_summary(&timeline);
        assert_eq!((json["failed_share"].as_f64(), json["exit"].as_u64()), (Some(0.066), Some(3)));
    }
}

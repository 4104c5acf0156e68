//! The symptom: what it came to in one line, then the packets that were really exchanged.
//!
//! ```text
//! ✘ REFUSED: nginx.service is not running                                     last 4 ▁▁▁█  5 probes
//! here ──────SYN─────▶ 10.2.0.2:80   ✘ refused after 0.2 ms (ECONNREFUSED)
//! here ◀─────RST──────               RST from this host's own kernel: no socket there
//! also 127.0.0.1 ✔ open   ::1 ✔ open
//! ```
//!
//! Where there is room, the last row is a table of all addresses (see `matrix`).

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Dress, frame, matrix, rows};
use crate::app::chart::{Chart, Origin, took};
use crate::app::retest::Mode;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{BoxState, Diagnosis, Symptom, Verdict};
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::ui::theme::{BAD, FOCUS, GOOD, QUIET, STRONG, WARN, outcome_mark};
use crate::ui::words::Row;

/// Outcomes the strip shows, at most, by the room there is.
const STRIP: usize = 60;

/// Narrower than this, rows hold less.
const NARROW: usize = 60;
/// From this width on, lanes are drawn long.
const WIDE: usize = 98;
/// Rows of the headline and of the packets.
const FIRST: usize = 3;

/// Rows that all of it takes, frame excluded.
pub fn wanted(chart: &Chart, width: usize) -> usize {
    FIRST + matrix::rows(chart, width).len()
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, chart: &Chart, again: bool) {
    let selected = chart.selected() == BoxId::Connect;
    let place = if framed {
        let dress = Dress { title: title(again), note: String::new(), focused: selected };
        frame(buffer, area, dress.title, &dress.note, dress.focused)
    } else {
        area
    };
    rows(buffer, place, &lines(chart, usize::from(place.width), usize::from(place.height)));
}

fn title(again: bool) -> Row {
    let title = Row::new().say("Symptom");
    if again { title.put(" looking again …", WARN) } else { title }
}

/// The rows: as many as there is room for, the most telling ones.
pub fn lines(chart: &Chart, width: usize, height: usize) -> Vec<Row> {
    let strip = strip(chart, width);
    let mut lines = vec![headline(chart)];
    let exchange = exchange(chart, width);
    // On a narrow screen the whole headline is worth more than the other addresses.
    let others = if width < NARROW { headline_rest(&mut lines, width) } else { others(chart) };
    let matrix = matrix::rows(chart, width);
    match (height, others) {
        _ if width >= NARROW && !matrix.is_empty() && height >= FIRST + matrix.len() => {
            lines.extend(exchange);
            lines.extend(matrix);
        }
        (0 | 1, _) => {}
        (2, _) => lines.extend(exchange.into_iter().take(1)),
        (3, _) | (_, None) => lines.extend(exchange),
        (_, Some(rest)) if width < NARROW => {
            lines.push(rest);
            lines.extend(exchange);
        }
        (_, Some(others)) => {
            lines.extend(exchange);
            lines.push(others);
        }
    }
    // The strip goes where it cuts nothing off, from the bottom up.
    let fits = |row: &Row| row.width() + strip.width() + 2 <= width;
    let rows = lines.len();
    if strip.width() > 0 {
        if let Some(row) = lines.iter_mut().skip(1).rev().find(|row| fits(row)) {
            *row = std::mem::take(row).right(strip, width);
        } else if rows < height {
            lines.push(Row::new().right(strip, width));
        }
    }
    lines
}

/// Wraps the headline: yields what does not fit into the first row, for the second.
fn headline_rest(lines: &mut Vec<Row>, width: usize) -> Option<Row> {
    let (first, rest) = lines.pop()?.split(width);
    lines.push(first);
    rest
}

/// `✘ REFUSED: nginx.service is not running`
fn headline(chart: &Chart) -> Row {
    let diagnosis = &chart.diagnosis;
    let Some(outcome) = diagnosis.outcome else { return before_outcome(diagnosis) };
    if let (Some(why), true) = (&diagnosis.untold, diagnosis.settled) {
        return Row::of("? ", WARN).put("CANNOT TELL", STRONG).say(format!(": {why}"));
    }
    let mark = outcome_mark(outcome);
    let head = Row::of(mark.sign, mark.style).say(" ").put(outcome.word().to_uppercase(), mark.style.patch(STRONG));
    match diagnosis.culprit() {
        Some(culprit) => head.say(": ").put(&culprit.summary, STRONG),
        None if outcome == Outcome::Open => opened(head, diagnosis),
        None if !diagnosis.settled => head.put(": looking for the cause …", WARN),
        None if outcome == Outcome::Silent => head.say(": UDP answered nothing, which may be healthy"),
        None => head.say(": ").say(untold(diagnosis)),
    }
}

/// `✔ OPEN: 10.2.0.2:80 accepts connections, other addresses do not`
fn opened(head: Row, diagnosis: &Diagnosis) -> Row {
    let at = diagnosis.subject.endpoint().map_or_else(|| "it".to_owned(), |e| e.to_string());
    let head = head.say(format!(": {at} accepts connections"));
    let differs = diagnosis.symptoms.iter().any(|s| s.outcome != Outcome::Open);
    if differs { head.put(", not all addresses do", WARN) } else { head }
}

fn before_outcome(diagnosis: &Diagnosis) -> Row {
    if diagnosis.settled {
        return Row::of("? ", WARN).put("CANNOT TELL", STRONG).say(": ").say(untold(diagnosis));
    }
    Row::of("… ", WARN).say("trying to connect")
}

/// Why no cause can be named: the first box that could not be looked into.
fn untold(diagnosis: &Diagnosis) -> String {
    let no = |b: &&BoxState| b.verdict == Verdict::No && b.id != BoxId::Connect;
    if let Some(state) = diagnosis.boxes.iter().find(no) {
        return format!("{}; why could not be told", state.summary);
    }
    if let Some(note) = diagnosis.notes.first() {
        return note.clone();
    }
    let unknown = |b: &&BoxState| b.verdict == Verdict::Unknown && b.id != BoxId::Connect;
    let blind = diagnosis.boxes.iter().find(unknown);
    match blind.and_then(|b| Some((b, b.because.as_ref()?))) {
        Some((state, because)) => format!("no cause found; {}: {because}", state.id.word()),
        None => "no cause found".into(),
    }
}

/// What went over the wire.
pub(super) struct Wire {
    pub(super) out: String,
    pub(super) back: Option<String>,
}

pub(super) fn wire(dial: &Dial) -> Wire {
    let icmp = dial.icmp.as_ref().map(|icmp| format!("ICMP {}", icmp.name()));
    let udp = matches!(dial.to, Endpoint::Udp(_));
    let local = dial.to.ip().is_none();
    let first = if local || kept_back(dial) {
        "connect()"
    } else if udp {
        "datagram"
    } else {
        "SYN"
    };
    let out = if dial.retransmits > 0 { format!("{first} ×{}", dial.retransmits + 1) } else { first.to_owned() };
    let back = match dial.outcome {
        _ if icmp.is_some() => icmp,
        Outcome::Open if local => Some("accepted".into()),
        Outcome::Open if udp => Some("datagram".into()),
        Outcome::Open => Some("SYN-ACK".into()),
        Outcome::Closed => Some("SYN-ACK, FIN".into()),
        Outcome::Refused if local => dial.errno.clone(),
        Outcome::Refused | Outcome::Reset => Some("RST".into()),
        Outcome::Timeout | Outcome::Silent => None,
        Outcome::Unreachable | Outcome::Denied | Outcome::Unresolved | Outcome::Error => dial.errno.clone(),
    };
    Wire { out, back }
}

/// This host's own kernel said no before any packet left: no route, or a rule for what goes out.
fn kept_back(dial: &Dial) -> bool {
    let refused_here = matches!(dial.outcome, Outcome::Unreachable | Outcome::Denied | Outcome::Error);
    refused_here && dial.icmp.is_none() && dial.retransmits == 0 && dial.to.ip().is_some()
}

/// `──SYN──▶`
fn lane(word: &str, width: usize, forth: bool) -> String {
    let dashes = width.saturating_sub(UnicodeWidthStr::width(word) + 1);
    let (left, right) = (dashes / 2, dashes - dashes / 2);
    let (tail, head) = if forth { ("", "▶") } else { ("◀", "") };
    format!("{tail}{}{word}{}{head}", "─".repeat(left), "─".repeat(right))
}

fn exchange(chart: &Chart, width: usize) -> Vec<Row> {
    let Some(dial) = chart.dial() else {
        let none = Row::of(" no connection could be tried", QUIET);
        return if chart.diagnosis.settled { vec![none] } else { Vec::new() };
    };
    let wire = wire(dial);
    let narrow = width < NARROW;
    let words = [wire.out.as_str(), wire.back.as_deref().unwrap_or_default()];
    let longest = words.into_iter().map(UnicodeWidthStr::width).max().unwrap_or_default();
    let across = longest
        + if narrow {
            3
        } else if width < WIDE {
            5
        } else {
            9
        };
    let mark = outcome_mark(dial.outcome);
    let to = dial.to.to_string();
    let lead = if chart.case.client.is_some() { 9 } else { 7 };
    let aside = lead + across + to.len() + 3;
    // What the lane says already is not said again.
    let errno = dial.errno.as_ref().filter(|e| wire.back.as_ref() != Some(e));
    let errno = errno.map(|e| format!(" ({e})")).unwrap_or_default();
    let got = format!("{} {} after {}", mark.sign, mark.word, took(dial.after));
    // The errno is in the detail too: it goes first where there is no room.
    let errno = if aside + UnicodeWidthStr::width(got.as_str()) + errno.len() > width { String::new() } else { errno };
    let got = got + &errno;
    let here = if chart.case.client.is_some() { " client " } else { " here " };
    let forth = Row::of(here, QUIET).say(lane(&wire.out, across, true)).say(" ").put(&to, STRONG);
    let back = match &wire.back {
        Some(word) => Row::of(here, QUIET).put(lane(word, across, false), lane_style(dial.outcome)),
        None => Row::of(here, QUIET).put("nothing came back", WARN),
    };
    if narrow {
        return vec![forth, back.say(" ").put(format!("{} {}", mark.sign, took(dial.after)), mark.style)];
    }
    let said = answered_by(chart, dial).unwrap_or_default();
    let again = wire.back.as_deref().and_then(|word| said.strip_prefix(word));
    let who = again.map(|rest| rest.trim_start_matches([',', ' ']).to_owned()).unwrap_or(said);
    // Under the other one, or right after the lane where it is long.
    let column = if aside + UnicodeWidthStr::width(who.as_str()) > width { back.width() + 1 } else { aside };
    vec![forth.to(aside).put(got, mark.style), back.to(column).put(who, Style::new())]
}

pub(super) fn lane_style(outcome: Outcome) -> Style {
    if outcome == Outcome::Open { GOOD } else { BAD }
}

pub(super) fn answered_by(chart: &Chart, dial: &Dial) -> Option<String> {
    if kept_back(dial) {
        return Some("from this host's own kernel: no packet left".into());
    }
    let of = |s: &&Symptom| s.diagnosed && s.to == dial.to;
    let said = chart.diagnosis.symptoms.iter().find(of)?.answered_by.clone()?;
    let bare = dial.to.ip().is_some_and(|ip| ip.to_string() == said);
    Some(if bare { format!("from {said}") } else { said })
}

/// The other addresses, on one row.
fn others(chart: &Chart) -> Option<Row> {
    let mut others = chart.diagnosis.symptoms.iter().filter(|s| !s.diagnosed).peekable();
    others.peek()?;
    let mut row = Row::of(" also ", QUIET);
    for symptom in others {
        let mark = outcome_mark(symptom.outcome);
        let at = symptom.to.ip().map_or_else(|| symptom.to.to_string(), |ip| ip.to_string());
        row = row.say(format!("{at} ")).put(format!("{} {}", mark.sign, mark.word), mark.style).say("   ");
    }
    Some(row)
}

/// `last 12 ▁▁▁█  5 probes`
fn strip(chart: &Chart, width: usize) -> Row {
    let history = &chart.history;
    let mut row = Row::new();
    if history.len() > 1 || chart.retest.mode == Mode::Continuous {
        let room = STRIP.min(width / 3);
        row = row.put(format!("last {} ", history.len().min(room)), QUIET);
        for outcome in history.last(room) {
            let (sign, style) = if outcome == Outcome::Open { ("█", GOOD) } else { ("▁", BAD) };
            row = row.put(sign, style);
        }
    }
    let probes = match (chart.probes, chart.origin) {
        (0, _) => String::new(),
        (count, Origin::Recording) => format!("  {count} recorded"),
        (1, Origin::Host) => "  1 probe".into(),
        (count, Origin::Host) => format!("  {count} probes"),
    };
    latency(chart, width).then(row).put(probes, QUIET)
}

/// How high a stretch of time is drawn.
const HEIGHTS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// `0.1 to 3.2 ms ▁▃█   `: how long the last attempts took, where there is room and more than one.
fn latency(chart: &Chart, width: usize) -> Row {
    let times: Vec<Duration> = chart.history.times(STRIP.min(width / 8)).collect();
    let (Some(best), Some(worst)) = (times.iter().min(), times.iter().max()) else { return Row::new() };
    if times.len() < 2 || width < WIDE {
        return Row::new();
    }
    let mut row = Row::of(format!("{} to {} ", took(*best), took(*worst)), QUIET);
    for time in &times {
        let share = time.as_secs_f64() / worst.as_secs_f64().max(f64::MIN_POSITIVE);
        let step = HEIGHTS.iter().zip(1..).find(|(_, step)| share * 8.0 <= f64::from(*step)).map(|(sign, _)| *sign);
        row = row.put(step.unwrap_or("█"), FOCUS);
    }
    row.say("   ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::connect::Icmp;

    fn got(to: Endpoint, outcome: Outcome, errno: Option<&str>) -> Dial {
        Dial {
            to,
            source: None,
            outcome,
            errno: errno.map(str::to_owned),
            icmp: None,
            after: Duration::from_micros(90),
            retransmits: 0,
            banner: None,
            counters: Vec::new(),
        }
    }

    fn drawn(dial: &Dial) -> (String, Option<String>) {
        let wire = wire(dial);
        (wire.out, wire.back)
    }

    #[test]
    fn lanes_show_what_was_really_exchanged() {
        let tcp = || Endpoint::Tcp("10.2.0.2:80".parse().unwrap());
        let udp = || Endpoint::Udp("10.2.0.2:53".parse().unwrap());
        let unix = || Endpoint::Unix("/run/x.sock".into());
        let icmp = Some(Icmp { v6: false, kind: 3, code: 3, from: None });
        let lanes = |out: &str, back: Option<&str>| (out.to_owned(), back.map(str::to_owned));
        let unheard = Dial { icmp, ..got(udp(), Outcome::Refused, Some("ECONNREFUSED")) };
        assert_eq!(drawn(&unheard), lanes("datagram", Some("ICMP port-unreachable")));
        assert_eq!(drawn(&got(udp(), Outcome::Silent, None)), lanes("datagram", None));
        assert_eq!(drawn(&got(tcp(), Outcome::Refused, Some("ECONNREFUSED"))), lanes("SYN", Some("RST")));
        let lost = Dial { retransmits: 1, ..got(tcp(), Outcome::Timeout, None) };
        assert_eq!(drawn(&lost), lanes("SYN ×2", None));
        // What the own kernel refuses to send never was a packet.
        for (outcome, errno) in [(Outcome::Unreachable, "ENETUNREACH"), (Outcome::Denied, "EPERM")] {
            assert_eq!(drawn(&got(tcp(), outcome, Some(errno))), lanes("connect()", Some(errno)));
        }
        for errno in ["ECONNREFUSED", "ENOENT", "EACCES"] {
            let outcome = match errno {
                "ECONNREFUSED" => Outcome::Refused,
                "ENOENT" => Outcome::Unresolved,
                _ => Outcome::Denied,
            };
            assert_eq!(drawn(&got(unix(), outcome, Some(errno))), lanes("connect()", Some(errno)));
        }
    }

    #[test]
    fn lanes_are_as_wide_as_asked_and_point_the_right_way() {
        assert_eq!(lane("SYN", 12, true), "────SYN────▶");
        assert_eq!(lane("RST", 12, false), "◀────RST────");
        assert_eq!(lane("SYN ×3", 4, true), "SYN ×3▶");
    }
}

//! The answer as text: what happened, what it means, what to do. For people, a pipe or a serial line.

use std::fmt::Write as _;

use super::{Report, shown_time, sign};
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, BoxState, Evidence, Finding, Vantage, Verdict};
use crate::facts::connect::Outcome;
use crate::facts::path::Hop;
use crate::text;

/// How text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours and bold by ANSI sequences.
    pub color: bool,
    /// Only ASCII signs of our own (host text stays what it is).
    pub ascii: bool,
}

/// The whole answer.
pub fn diagnosis(report: &Report<'_>, style: Style) -> String {
    let mut out = String::new();
    head(report, style, &mut out);
    for (index, finding) in report.diagnosis.causes.iter().enumerate() {
        let lead = match (finding.latent, index) {
            (true, _) if report.diagnosis.untold.is_some() => "may be why",
            (true, _) => "would bite next",
            (false, 0) => "why",
            (false, _) => "also",
        };
        cause(finding, lead, style, &mut out);
    }
    if report.diagnosis.causes.is_empty() && report.outcome() != Outcome::Open && report.diagnosis.untold.is_none() {
        untold(report, &mut out);
    }
    chart(report, style, &mut out);
    tried(report, style, &mut out);
    way(report, &mut out);
    for note in &report.diagnosis.notes {
        let _ = writeln!(out, "  note: {}", text::line(note));
    }
    let probes = report.case.probes();
    let plural = if probes == 1 { "" } else { "s" };
    let _ = writeln!(out, "\n  {probes} probe{plural}, {}", shown_time(report.took));
    out
}

fn head(report: &Report<'_>, style: Style, out: &mut String) {
    let d = report.diagnosis;
    let input = text::line(&report.case.target.input);
    let at = d.subject.endpoint().map_or_else(|| input.clone(), |e| text::line(&e.to_string()));
    let asked = if at == input { String::new() } else { format!(" ({input})") };
    let outcome = report.outcome();
    let verdict = if d.untold.is_some() { Verdict::Unknown } else { Verdict::of(outcome) };
    let word = if d.untold.is_some() { "CANNOT TELL".to_owned() } else { outcome.word().to_uppercase() };
    let because = d.untold.as_deref().map(|why| format!(", because {}", text::line(why))).unwrap_or_default();
    let _ = writeln!(
        out,
        "{} {at}{asked} {} {}{because}",
        paint(verdict, sign(verdict, style.ascii), style),
        paint(verdict, &word, style),
        asked_by(report)
    );
    if let Some(symptom) = d.symptoms.iter().find(|s| s.diagnosed) {
        let errno = symptom.errno.as_deref().map(|e| format!("{} ", text::line(e))).unwrap_or_default();
        let by = symptom.answered_by.as_deref().map(|b| format!(": {}", text::line(b))).unwrap_or_default();
        // Who asks may get something else than this host, which made the attempt.
        let here =
            if symptom.outcome == outcome { String::new() } else { format!("{} from here, ", symptom.outcome.word()) };
        let _ = writeln!(out, "  {here}{errno}after {}{by}", shown_time(symptom.after));
    }
}

/// For whom that holds. Other clients pass a firewall that this host itself does not: as long as nobody looked at it,
/// "open" is what this host gets.
fn asked_by(report: &Report<'_>) -> String {
    let unseen = report.diagnosis.get(BoxId::Firewall).is_some_and(|b| b.verdict == Verdict::Unknown);
    let only_here = report.outcome() == Outcome::Open && unseen;
    match report.diagnosis.subject.from {
        Asker::Here => "from this host".to_owned(),
        Asker::Any | Asker::Address(_) if only_here => "from this host itself".to_owned(),
        Asker::Any => "for any client".to_owned(),
        Asker::Address(address) => format!("for {address}"),
    }
}

fn cause(finding: &Finding, lead: &str, style: Style, out: &mut String) {
    let _ =
        writeln!(out, "\n{} {} [{}]", bold(&format!("{lead}:"), style), text::line(&finding.summary), finding.cause);
    for evidence in &finding.evidence {
        seen(evidence, out);
    }
    for advice in &finding.advice {
        todo_lines(advice, out);
    }
    match finding.then {
        Some(Outcome::Open) => drop(writeln!(out, "    after that: open")),
        Some(then) => drop(writeln!(out, "    after that alone: still {}", then.word())),
        None => {}
    }
}

fn seen(evidence: &Evidence, out: &mut String) {
    let _ = writeln!(out, "    {}: {}", evidence.source, text::line(&evidence.says));
    let _ = writeln!(out, "      see it: {}", text::line(&evidence.see));
}

fn todo_lines(advice: &Advice, out: &mut String) {
    let by_us = advice.plan.as_ref().map(|plan| format!(" [fix {}]", plan.id)).unwrap_or_default();
    let _ = writeln!(out, "    to do: {}{by_us}", text::line(&advice.does));
    for line in advice.run.lines() {
        let _ = writeln!(out, "      {}", text::line(line));
    }
    let mut lead = "undo: ";
    for line in advice.undo.iter().flat_map(|undo| undo.lines()) {
        let _ = writeln!(out, "      {lead}{}", text::line(line));
        lead = "      ";
    }
}

fn untold(report: &Report<'_>, out: &mut String) {
    if report.outcome() == Outcome::Silent {
        let _ = writeln!(out, "\nUDP services need not answer, so this may be healthy.");
        return;
    }
    let firewall = report
        .diagnosis
        .get(BoxId::Firewall)
        .filter(|b| b.verdict != Verdict::Yes && b.evidence.iter().any(|e| e.source == "dial"));
    if let Some(firewall) = firewall {
        let _ = writeln!(out, "\na packet filter on this host refuses; which of its rules cannot be told");
        firewall.evidence.iter().for_each(|evidence| seen(evidence, out));
        return;
    }
    let blind = report.diagnosis.boxes.iter().filter(|b| b.verdict == Verdict::Unknown);
    let boxes: Vec<&str> = blind.map(|b| b.id.word()).collect();
    let _ = writeln!(
        out,
        "\ncannot tell why: no known cause fits what was seen, and these boxes could not be judged: {}",
        boxes.join(", ")
    );
}

fn chart(report: &Report<'_>, style: Style, out: &mut String) {
    let _ = writeln!(out);
    for state in &report.diagnosis.boxes {
        box_line(state, style, out);
    }
}

fn box_line(state: &BoxState, style: Style, out: &mut String) {
    let sign = paint(state.verdict, sign(state.verdict, style.ascii), style);
    let summary = text::line(&state.summary);
    let because = match &state.because {
        Some(because) if *because != state.summary => format!(" (because {})", text::line(because)),
        _ => String::new(),
    };
    let _ = writeln!(out, "  {sign} {:<23} {summary}{because}", state.id.question());
}

fn tried(report: &Report<'_>, style: Style, out: &mut String) {
    let others: Vec<_> = report.diagnosis.symptoms.iter().filter(|s| !s.diagnosed).collect();
    if others.is_empty() {
        return;
    }
    let _ = writeln!(out);
    for symptom in others {
        let verdict = Verdict::of(symptom.outcome);
        let sign = paint(verdict, sign(verdict, style.ascii), style);
        let by = symptom
            .answered_by
            .as_deref()
            .filter(|_| verdict == Verdict::No)
            .map(|b| format!(": {b}"))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "  {sign} {}{} {}{}",
            if symptom.vantage == Vantage::Server { "at the server: " } else { "" },
            text::line(&symptom.to.to_string()),
            symptom.outcome.word(),
            text::line(&by)
        );
    }
}

/// The hops to a target elsewhere, where they were looked at.
fn way(report: &Report<'_>, out: &mut String) {
    let to = report.diagnosis.subject.endpoint();
    let Some(path) = to.and_then(|to| report.case.here.paths.get(&to)?.value()) else { return };
    let hop = |hop: &Hop| match (hop.from, hop.after) {
        (Some(from), Some(after)) => format!("{} {from} {}", hop.distance, shown_time(after)),
        (Some(from), None) => format!("{} {from}", hop.distance),
        (None, _) => format!("{} ?", hop.distance),
    };
    let mut words: Vec<String> = path.hops.iter().map(hop).collect();
    words.extend(path.end.as_ref().map(|end| format!("{} {}", end.distance, end.answer.name())));
    let _ = writeln!(out, "\n  way ({}): {}", path.state(), words.join(", "));
}

fn paint(verdict: Verdict, words: &str, style: Style) -> String {
    let code = match verdict {
        Verdict::Yes => "32",
        Verdict::No => "1;31",
        Verdict::Unknown => "33",
        Verdict::Unneeded => "2",
    };
    ansi(words, code, style)
}

fn bold(words: &str, style: Style) -> String {
    ansi(words, "1", style)
}

fn ansi(words: &str, code: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[{code}m{words}\u{1b}[0m") } else { words.to_owned() }
}

//! The diagnosis in sentences: what the target gives, why, what to do; one box of the chart, and the box explained.

use super::say::{Say, count, sentence, stop};
use crate::app::chart::{Chart, Origin, took};
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, BoxState, Evidence, Finding, Vantage, Verdict};
use crate::facts::connect::Outcome;
use crate::fixes::Plan;
use crate::report::about::about;

/// The number of a box: that of the chart, 0 for the attempt itself.
pub fn number(id: BoxId) -> usize {
    BoxId::ALL.iter().position(|known| *known == id).unwrap_or_default()
}

/// Where the target is, in as few words as there are.
pub fn at(chart: &Chart) -> String {
    chart.diagnosis.subject.endpoint().map_or_else(|| chart.case.target.input.clone(), |to| to.to_string())
}

/// All of it.
pub fn whole(chart: &Chart, say: &mut Say) {
    head(chart, say);
    let diagnosis = &chart.diagnosis;
    for (index, finding) in diagnosis.causes.iter().enumerate() {
        let lead = match (finding.latent, index) {
            (true, _) if diagnosis.untold.is_some() => "It may be",
            (true, _) => "That would bite next",
            (false, 0) => "Why",
            (false, _) => "And also",
        };
        say.line(sentence(&format!("{lead}: {} ({})", finding.summary, finding.cause)));
        because(finding, say);
    }
    if diagnosis.causes.is_empty() && diagnosis.outcome != Some(Outcome::Open) {
        untold(chart, say);
    }
    boxes(chart, say);
    others(chart, say);
    diagnosis.notes.iter().for_each(|note| say.line(sentence(&format!("note: {note}"))));
    if diagnosis.outcome == Some(Outcome::Open) && diagnosis.causes.is_empty() && diagnosis.untold.is_none() {
        say.line("Nothing is to be done: it accepts connections.");
    }
    let made = if chart.origin == Origin::Recording { "recorded" } else { "made" };
    say.line(format!("{} {made}.", sentence(&count(chart.probes, "connection attempt")).trim_end_matches('.')));
}

fn head(chart: &Chart, say: &mut Say) {
    let diagnosis = &chart.diagnosis;
    let (input, at) = (&chart.case.target.input, at(chart));
    let asked = if *input == at { String::new() } else { format!(", asked for as {input}") };
    let who = match diagnosis.subject.from {
        Asker::Here => "from this host".to_owned(),
        Asker::Any => "for any client".to_owned(),
        Asker::Address(address) => format!("for {address}"),
    };
    let result = match (&diagnosis.untold, diagnosis.outcome) {
        (Some(why), _) => format!("CANNOT TELL, because {why}"),
        (None, None) => "CANNOT TELL: no attempt could be made".into(),
        (None, Some(outcome)) => outcome.word().to_uppercase(),
    };
    say.line(stop(&format!("{at}{asked}, {who}: {result}")));
    if let Some(symptom) = diagnosis.symptoms.iter().find(|symptom| symptom.diagnosed) {
        let differs = Some(symptom.outcome) != diagnosis.outcome || diagnosis.untold.is_some();
        let here = if differs { format!("from here it is {}, ", symptom.outcome.word()) } else { String::new() };
        let errno = symptom.errno.as_ref().map(|errno| format!("{errno} ")).unwrap_or_default();
        let by = symptom.answered_by.as_ref().map(|by| format!(": {by}")).unwrap_or_default();
        say.line(sentence(&format!("{here}{errno}after {}{by}", took(symptom.after))));
    }
}

fn because(finding: &Finding, say: &mut Say) {
    seen(&finding.evidence, say);
    for advice in &finding.advice {
        to_do(advice, say);
    }
    match finding.then {
        Some(Outcome::Open) => say.at(1, "After that: open."),
        Some(then) => say.at(1, format!("After that alone: still {}.", then.word())),
        None => {}
    }
}

fn seen(evidence: &[Evidence], say: &mut Say) {
    let mut before = "";
    for item in evidence {
        say.at(1, sentence(&format!("seen by {}: {}", item.source, item.says)));
        if item.see != before {
            say.at(2, format!("the same by hand: {}", item.see));
        }
        before = &item.see;
    }
}

fn to_do(advice: &Advice, say: &mut Say) {
    let ours = if advice.plan.is_some() { " (fix does it)" } else { "" };
    say.at(1, format!("To do: {}{ours}", advice.does));
    say.block(2, &advice.run);
    if let Some(undo) = &advice.undo {
        say.at(2, "and to take it back:");
        say.block(2, undo);
    }
}

fn untold(chart: &Chart, say: &mut Say) {
    if chart.diagnosis.outcome == Some(Outcome::Silent) {
        return say.line("UDP services need not answer, so this may be healthy.");
    }
    let blind: Vec<&str> =
        chart.diagnosis.boxes.iter().filter(|b| b.verdict == Verdict::Unknown).map(|b| b.id.word()).collect();
    let blind = if blind.is_empty() { String::new() } else { format!(" Not judged: {}.", blind.join(", ")) };
    say.line(format!("No known cause fits what was seen.{blind}"));
}

fn boxes(chart: &Chart, say: &mut Say) {
    say.line("The boxes of the chart:");
    for state in chart.diagnosis.boxes.iter().filter(|state| state.id != BoxId::Connect) {
        say.at(1, format!("{} {}", number(state.id), box_words(state)));
    }
}

/// `Service running? No: nginx.service is stopped.`
pub fn box_words(state: &BoxState) -> String {
    let verdict = match state.verdict {
        Verdict::Yes => "Yes",
        Verdict::No => "NO",
        Verdict::Unknown if state.looking => "Not known yet",
        Verdict::Unknown => "Cannot tell",
        Verdict::Unneeded => "Does not matter",
    };
    let because = match &state.because {
        Some(because) if *because != state.summary => format!(", because {because}"),
        _ => String::new(),
    };
    sentence(&format!("{} {verdict}: {}{because}", state.id.question(), state.summary))
}

fn others(chart: &Chart, say: &mut Say) {
    for symptom in chart.diagnosis.symptoms.iter().filter(|symptom| !symptom.diagnosed) {
        let place = if symptom.vantage == Vantage::Server { "At the server, " } else { "Also " };
        say.line(format!("{place}{}: {}.", symptom.to, symptom.outcome.word()));
    }
}

/// One box: what it says, what that rests on, what to do about it.
pub fn one(chart: &Chart, id: BoxId, say: &mut Say) {
    let Some(state) = chart.diagnosis.get(id) else { return };
    say.line(format!("Box {}: {}", number(id), box_words(state)));
    let findings: Vec<&Finding> = chart.diagnosis.causes.iter().filter(|finding| finding.in_box == id).collect();
    for finding in &findings {
        say.line(stop(&format!("{} ({})", finding.summary, finding.cause)));
        because(finding, say);
    }
    if findings.is_empty() {
        seen(&state.evidence, say);
    }
    match id {
        BoxId::Connect => attempts(chart, say),
        BoxId::Service => unit(chart, say),
        BoxId::Listener => super::lists::target_sockets(chart, say),
        BoxId::Firewall => super::rules::shares(chart, say),
        BoxId::Name | BoxId::Container | BoxId::Policy | BoxId::Wrappers | BoxId::Network => {}
    }
    if let Some(culprit) = chart.diagnosis.culprit().filter(|finding| finding.in_box != id) {
        say.line(format!("The culprit is in box {}: {}.", number(culprit.in_box), culprit.summary));
    }
}

fn attempts(chart: &Chart, say: &mut Say) {
    for symptom in &chart.diagnosis.symptoms {
        let told: Vec<&str> = symptom.errno.iter().chain(&symptom.answered_by).map(String::as_str).collect();
        let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(": ")) };
        say.at(1, format!("{} {} after {}{told}", symptom.to, symptom.outcome.word(), took(symptom.after)));
    }
    let history = &chart.history;
    if history.len() > 1 {
        let last: Vec<&str> = history.last(10).map(Outcome::word).collect();
        say.at(1, format!("The last attempts, oldest first: {}.", last.join(", ")));
        say.at(1, format!("{} of {} were open.", history.open(), history.len()));
    }
    if let Some(see) = chart.see_dial() {
        say.at(1, format!("the same by hand: {see}"));
    }
}

fn unit(chart: &Chart, say: &mut Say) {
    let name = chart.journal_of.as_ref();
    let Some(unit) = name.and_then(|name| chart.case.here.units.get(name)).and_then(|r| r.value()) else { return };
    say.at(1, format!("{} is {}; at boot: {}.", unit.name, unit.shown_state(), unit.file_state));
    let Some(service) = &unit.service else { return };
    if !matches!(service.result.as_str(), "success" | "") {
        say.at(1, format!("Its result: {}.", service.result));
    }
    if service.main_pid > 0 {
        say.at(1, format!("Its process: {}.", service.main_pid));
    }
    if service.restarts > 0 {
        say.at(1, format!("Restarted {}.", count(service.restarts as usize, "time")));
    }
}

/// A box explained, with the case's own values.
pub fn explained(chart: &Chart, id: BoxId, say: &mut Say) {
    let about = about(id, &chart.case, &chart.diagnosis, chart.journal_of.as_deref());
    say.line(format!("Box {}: {} {}", number(id), id.question(), about.asks));
    say.line("By hand:");
    for (command, what) in &about.commands {
        say.at(1, format!("{command}   ({what})"));
    }
    say.line("What comes back, and what it means:");
    for (answer, means) in &about.answers {
        say.at(1, format!("{answer}: {means}"));
    }
    if let Some((cause, title, what)) = about.cause {
        say.line(format!("Found here: {}", sentence(title)));
        say.at(1, what);
        say.at(1, format!("More of it: unrefuse explain {cause}"));
    }
}

/// The plans that `fix` would show now: those of the selected box, else the culprit's.
pub fn plans(chart: &Chart) -> Vec<&Plan> {
    let of_box: Vec<&Plan> = chart.finding(chart.selected()).into_iter().flat_map(Finding::plans).collect();
    if of_box.is_empty() { chart.diagnosis.culprit().into_iter().flat_map(Finding::plans).collect() } else { of_box }
}

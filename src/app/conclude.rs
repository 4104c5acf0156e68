//! What a batch of events comes to: the diagnosis, the questions still to be asked, and what is to be watched.

use std::collections::BTreeSet;

use super::asking::How;
use super::chart::{Chart, Origin, unasked};
use super::event::{Effect, Shown, Wake};
use super::listening::{Listening, table_wants};
use super::picker::Picker;
use super::state::{Screen, Stale, State};
use super::update::ask;
use crate::facts::{Fact, Facts, Question, Reading};

/// Owners that are looked up at the same time, at most: each is a walk through /proc.
const MOST_OWNERS: usize = 24;
/// Rounds of questions a recording may raise; a guard, not a limit anybody meets.
const MOST_ROUNDS: usize = 60;

/// Diagnoses again if need be, asks for what is missing, and sees to the watches.
pub fn conclude(state: &mut State) -> Vec<Effect> {
    let mut effects = std::mem::take(&mut state.to_do);
    let shown = state.shown;
    let mut questions = match &mut state.screen {
        Screen::Picker(picker) => picker_wants(picker, shown),
        Screen::Listeners(all) => listening_wants(all, shown),
        Screen::Chart(chart) => {
            let mut questions = if state.stale == Stale::Yes { diagnosis_wants(chart) } else { Vec::new() };
            if chart.diagnosis.settled && chart.took.is_none() {
                chart.took = Some(super::export::took(chart.began_ms, state.now_ms));
            }
            if state.stale == Stale::Yes {
                chart.arrange_rules(shown.rules);
            }
            questions.extend(pane_wants(chart, shown));
            effects.extend(next_counters(chart, shown));
            questions
        }
    };
    state.stale = Stale::No;
    let owners = state.asking.count() >= MOST_OWNERS;
    questions.retain(|question| !(owners && matches!(question, Question::Owner { .. })));
    for question in &questions {
        pending(state, question);
    }
    // Rules are watched before they are read, so that no change gets lost in between.
    effects.extend(watches(state));
    effects.extend(questions.into_iter().map(|question| ask(state, question, How::Quietly)));
    effects
}

fn pending(state: &mut State, question: &Question) {
    let fact = Fact::without_value(question, Reading::Pending);
    match &mut state.screen {
        Screen::Picker(picker) => picker.facts.learn(fact),
        Screen::Listeners(all) => all.facts.learn(fact),
        Screen::Chart(chart) => chart.case.here.learn(fact),
    }
}

/// What the picker shows beside recent targets.
fn picker_wants(picker: &Picker, shown: Shown) -> Vec<Question> {
    let mut wants = Vec::new();
    wants.extend(unasked(Some(&picker.facts.all_listeners)).then_some(Question::AllListeners));
    wants.extend(unasked(Some(&picker.facts.failed_units)).then_some(Question::FailedUnits));
    wants.extend(unasked(Some(&picker.facts.host)).then_some(Question::Host));
    let owners = picker.unowned(shown.picker.rows, MOST_OWNERS);
    wants.extend(owners.into_iter().map(|(inode, cgroup)| Question::Owner { inode, cgroup }));
    wants
}

/// What the screen of all listeners shows.
fn listening_wants(all: &Listening, shown: Shown) -> Vec<Question> {
    let mut wants = table_wants(&all.table, &all.facts, shown.listeners, MOST_OWNERS);
    wants.extend(unasked(Some(&all.facts.host)).then_some(Question::Host));
    wants
}

/// Diagnoses and yields what that wants to know; a recording answers at once that it does not know.
fn diagnosis_wants(chart: &mut Chart) -> Vec<Question> {
    chart.diagnose();
    if chart.origin == Origin::Host {
        return chart.diagnosis.wants.clone();
    }
    for _ in 0..MOST_ROUNDS {
        if chart.diagnosis.wants.is_empty() {
            break;
        }
        for question in chart.diagnosis.wants.clone() {
            chart.not_recorded(&question);
        }
        chart.diagnose();
    }
    Vec::new()
}

/// What the panes on the screen want besides.
fn pane_wants(chart: &Chart, shown: Shown) -> Vec<Question> {
    if chart.origin == Origin::Recording {
        return Vec::new();
    }
    let here = &chart.case.here;
    let mut wants = Vec::new();
    if shown.listeners.rows > 0 {
        wants.extend(table_wants(&chart.table, here, shown.listeners, MOST_OWNERS));
    }
    if let (true, Some(unit)) = (shown.journal.rows > 0, &chart.journal_of) {
        wants.extend(unasked(here.journals.get(unit)).then(|| Question::Journal(unit.clone())));
    }
    if shown.rules.rows > 0 {
        wants.extend(unasked(Some(&here.ruleset)).then_some(Question::Ruleset));
        // Rules speak of interfaces by number.
        wants.extend(unasked(Some(&here.links)).then_some(Question::Links));
        wants.extend(chart.rules.wants(here, shown.rules));
    }
    wants.retain(|question| !chart.diagnosis.wants.contains(question));
    wants
}

/// Plans the next look at the counters on the screen.
fn next_counters(chart: &mut Chart, shown: Shown) -> Option<Effect> {
    let counting = &mut chart.rules.counting;
    let idle = shown.rules.rows == 0 || counting.planned || chart.origin == Origin::Recording;
    if idle || chart.rules.on_screen(shown.rules).is_empty() {
        return None;
    }
    let counting = &mut chart.rules.counting;
    counting.planned = true;
    Some(Effect::WakeAfter(counting.next_ms(), Wake::Counters(chart.number)))
}

/// Brings the watches in line with what is on the screen.
fn watches(state: &mut State) -> Vec<Effect> {
    let wanted = match &state.screen {
        Screen::Picker(picker) => {
            let known = |open: bool, question| (!open).then_some(question);
            let sockets = known(picker.facts.all_listeners.is_open(), Question::AllListeners);
            let units = known(picker.facts.failed_units.is_open(), Question::FailedUnits);
            sockets.into_iter().chain(units).collect()
        }
        Screen::Listeners(all) => {
            (!all.facts.all_listeners.is_open()).then_some(Question::AllListeners).into_iter().collect()
        }
        Screen::Chart(chart) => worth_watching(chart),
    };
    let gone = state.watched.difference(&wanted).cloned().map(Effect::Unwatch);
    let new = wanted.difference(&state.watched).cloned().map(Effect::Watch);
    let effects = gone.chain(new).collect();
    state.watched = wanted;
    effects
}

/// What the firewall box has asked about. Rules of nftables are watched from the moment they are asked for.
fn of_the_filter(here: &Facts) -> Vec<Question> {
    let answered = |open: bool, question: Question| (!open).then_some(question);
    let asked = !matches!(here.ruleset, Reading::NotAsked);
    let mut wanted: Vec<Question> = asked.then_some(Question::Ruleset).into_iter().collect();
    wanted.extend(here.chains.keys().cloned().map(Question::ChainRules));
    wanted.extend(here.elements.keys().cloned().map(Question::Elements));
    wanted.extend(here.members.keys().map(|(set, key)| Question::Member(set.clone(), key.clone())));
    wanted.extend(answered(here.legacy.is_open(), Question::Legacy));
    wanted.extend(answered(here.links.is_open(), Question::Links));
    wanted.extend(here.routes.iter().filter_map(|(k, r)| answered(r.is_open(), Question::Route(k.clone()))));
    wanted.extend(answered(here.routing.is_open(), Question::Routing));
    wanted.extend(answered(here.firewalld.is_open(), Question::Firewalld));
    wanted.extend(answered(here.ufw.is_open(), Question::Ufw));
    wanted.extend(answered(here.fail2ban.is_open(), Question::Fail2ban));
    wanted.extend(answered(here.rule_files.is_open(), Question::RuleFiles));
    wanted.extend(here.containers.value().map(|_| Question::Containers));
    wanted
}

/// What can change under the diagnosis: watched once its first answer is there.
fn worth_watching(chart: &Chart) -> BTreeSet<Question> {
    let mut wanted = BTreeSet::new();
    if chart.origin == Origin::Recording {
        return wanted;
    }
    let here = &chart.case.here;
    let answered = |open: bool, question: Question| (!open).then_some(question);
    wanted.extend(answered(here.addresses.is_open(), Question::Addresses));
    wanted.extend(here.names.iter().filter_map(|(k, r)| answered(r.is_open(), Question::Name(k.clone()))));
    wanted.extend(here.listeners.iter().filter_map(|((t, p), r)| answered(r.is_open(), Question::Listeners(*t, *p))));
    wanted.extend(here.unix_sockets.iter().filter_map(|(k, r)| answered(r.is_open(), Question::UnixSocket(k.clone()))));
    let units = here.units.iter().filter(|(_, r)| r.value().is_some_and(crate::facts::unit::Unit::exists));
    wanted.extend(units.map(|(name, _)| Question::Unit(name.clone())));
    // What a pane has shown once stays fresh, so that going to and fro neither loses nor restarts anything.
    wanted.extend(answered(here.all_listeners.is_open(), Question::AllListeners));
    wanted.extend(of_the_filter(here));
    wanted.extend(answered(here.hosts_access.is_open(), Question::HostsAccess));
    if let Some(unit) = &chart.journal_of {
        let open = here.journals.get(unit).is_none_or(Reading::is_open);
        wanted.extend(answered(open, Question::Journal(unit.clone())));
    }
    wanted
}

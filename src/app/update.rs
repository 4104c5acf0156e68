//! What each event changes.

use super::asking::How;
use super::chart::{Chart, Focus, Follow, Learned, Origin};
use super::event::{
    ChartCommand, Command, Edit, Effect, Event, Extent, Goal, Leave, Session, Shown, Signal, Step, TableCommand, Wake,
    What,
};
use super::fixing::{self, PENDING};
use super::listening::Attention;
use super::panes::{Side, aside, back, enter, show_rules, turn, type_client, walk_pane};
use super::picker::{Picker, keep, scroll, walk};
use super::state::{Hint, Overlay, Page, Screen, Stale, State};
use super::table::Table;
use super::trying::{attempted, retest, toggle_continuous, woke};
use super::{export, toast};
use crate::facts::{Fact, Question};
use crate::sources::Arrival;
use crate::sources::live::Change;
use crate::target::Target;

/// The longest text that is taken into a line.
const LONGEST_LINE: usize = 300;

/// Takes in one event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    state.now_ms = event.at_ms;
    match event.what {
        What::Command(command) => {
            (state.notice, state.marked, state.hint) = (None, None, Hint::None);
            commanded(state, command)
        }
        What::Chosen(command) => {
            (state.notice, state.actions) = (None, None);
            commanded(state, command)
        }
        What::Found(line) => {
            super::find::found(state, line);
            Vec::new()
        }
        What::Exported(Ok(name)) => vec![toast::say(state, format!("written: ./{name}"))],
        What::Exported(Err(why)) => {
            state.notice = Some(format!("no report was written: {why}"));
            Vec::new()
        }
        What::Typed(c) => typed(state, |line| line.push(c)),
        What::Pasted(text) => typed(state, |line| line.extend(text.trim().chars().filter(|c| !c.is_control()))),
        What::Pointed(pointed) => super::pointer::pointed(state, pointed),
        What::Resized(size) => {
            state.size = size;
            state.marked = None;
            Vec::new()
        }
        What::Shown(shown) => {
            state.shown = shown;
            settle_scrolls(state);
            Vec::new()
        }
        What::Arrived(arrival) => arrived(state, arrival),
        What::Changed(Change::Fact(fact)) => learn(state, fact),
        What::Changed(Change::Again(question)) => vec![ask(state, question, How::Quietly)],
        What::Prepared(number, preview) => {
            fixing::prepared(state, number, preview);
            Vec::new()
        }
        What::Fixing(progress) => fixing::told(state, &progress),
        What::Looked(looked) => super::ends::looked(state, looked),
        What::Fixed(end) => fixing::ended(state, &end),
        What::Asking(true) => vec![Effect::LendTerminal],
        What::Asking(false) => vec![Effect::TakeTerminal],
        // What a fix changes is told in the fix; the question must stay in sight.
        What::Changed(Change::Note(_)) if state.fixing.is_some() => Vec::new(),
        What::Changed(Change::Note(text)) | What::Notice(text) => {
            state.notice = Some(text);
            Vec::new()
        }
        What::Woke(wake) => woke(state, wake),
        What::Signalled(signal) => signalled(signal),
        What::HungUp => vec![Effect::Quit(Leave::TerminalGone)],
    }
}

fn signalled(signal: Signal) -> Vec<Effect> {
    vec![match signal {
        Signal::Terminate | Signal::HangUp => Effect::Quit(Leave::Signalled(signal)),
        Signal::Interrupt => Effect::Quit(Leave::Wanted),
        Signal::Stop => Effect::Suspend,
        Signal::Continue => Effect::Redraw,
    }]
}

/// Asks a question under a new number.
pub(super) fn ask(state: &mut State, question: Question, how: How) -> Effect {
    let number = state.asking.ask(&question, how);
    Effect::Ask(question, number)
}

fn arrived(state: &mut State, arrival: Arrival) -> Vec<Effect> {
    if state.asking.answered(&arrival.fact, arrival.generation) { learn(state, arrival.fact) } else { Vec::new() }
}

fn learn(state: &mut State, fact: Fact) -> Vec<Effect> {
    let now = state.now_ms;
    let sockets = matches!(fact, Fact::AllListeners(_));
    let owner = matches!(fact, Fact::Owner(..));
    let (learned, planned) = match &mut state.screen {
        Screen::Picker(picker) => {
            picker.facts.learn(fact);
            picker.arrange(&state.recent);
            return Vec::new();
        }
        Screen::Listeners(all) => {
            all.learn(fact, now);
            (Learned::Little, None)
        }
        Screen::Chart(chart) => match chart.learn(fact, now) {
            Learned::Change => (Learned::Change, chart.retest.after_change(now)),
            learned @ (Learned::Counts | Learned::Little | Learned::Attempt) => (learned, None),
        },
    };
    if learned != Learned::Counts {
        state.stale = Stale::Yes;
    }
    let mut effects: Vec<Effect> = planned.map(|(ms, wake)| Effect::WakeAfter(ms, wake)).into_iter().collect();
    if sockets {
        effects.extend(take_sockets(state));
    } else if owner {
        rearrange(state);
    }
    if learned == Learned::Attempt {
        effects.extend(attempted(state));
    }
    effects
}

fn take_sockets(state: &mut State) -> Option<Effect> {
    let now = state.now_ms;
    let (table, here) = state.screen.table()?;
    let fresh = table.take(here.all_listeners.value()?, now, &here.owners);
    settle_scrolls(state);
    fresh.then_some(Effect::WakeAfter(super::table::NEW_FOR_MS, Wake::Fade))
}

/// An owner became known: the table may be sorted by owners, or show only those of some.
fn rearrange(state: &mut State) {
    let Some((table, here)) = state.screen.table() else { return };
    if table.depends_on_owners() && table.held().is_none() {
        table.arrange(&here.owners);
        settle_scrolls(state);
    }
}

fn typed(state: &mut State, change: impl FnOnce(&mut String)) -> Vec<Effect> {
    state.hint = Hint::None;
    if let Some(actions) = &mut state.actions {
        actions.edit(change);
        return Vec::new();
    }
    match &mut state.screen {
        Screen::Picker(picker) => {
            change(&mut picker.typed);
            shorten(&mut picker.typed);
            (picker.cursor, picker.top) = (0, 0);
            picker.arrange(&state.recent);
        }
        Screen::Chart(chart) if chart.client.is_some() => {
            if let Some(line) = &mut chart.client {
                line.edit(change);
            }
        }
        Screen::Chart(chart) if chart.sought().is_some() => {
            if let Some(find) = &mut chart.find {
                find.edit(change);
            }
        }
        Screen::Listeners(_) | Screen::Chart(_) => search(state, change),
    }
    Vec::new()
}

fn search(state: &mut State, change: impl FnOnce(&mut String)) {
    let Some((table, here)) = state.screen.table() else { return };
    change(&mut table.filter);
    shorten(&mut table.filter);
    table.search(&here.owners);
}

fn shorten(line: &mut String) {
    while line.len() > LONGEST_LINE {
        line.pop();
    }
}

fn commanded(state: &mut State, command: Command) -> Vec<Effect> {
    if let Some(effects) = super::actions::commanded(state, command) {
        return effects;
    }
    match command {
        Command::Session(session) => session_commanded(state, session),
        Command::Fix(command) => fixing::commanded(state, command),
        Command::Edit(Edit::Erase) => typed(state, |line| {
            let _ = line.pop();
        }),
        Command::Edit(Edit::Clear) => typed(state, String::clear),
        Command::Move(_)
        | Command::Open
        | Command::Back
        | Command::Chart(_)
        | Command::Table(_)
        | Command::Rules(_)
        | Command::Find(_)
        | Command::Go(_) => match state.overlay {
            Overlay::Page(page, top) => page_commanded(state, (page, top), command),
            Overlay::Fix => fix_commanded(state, command),
            Overlay::Export(chosen) => export_commanded(state, chosen, command),
            Overlay::None => screen_commanded(state, command),
        },
    }
}

fn session_commanded(state: &mut State, session: Session) -> Vec<Effect> {
    match session {
        Session::Quit if state.fixing.as_ref().is_some_and(|fixing| fixing.pending()) => {
            state.notice = Some(PENDING.into());
            Vec::new()
        }
        Session::Quit => vec![Effect::Quit(Leave::Wanted)],
        Session::Suspend => vec![Effect::StopJob],
        Session::Redraw => vec![Effect::Redraw],
        Session::Actions => {
            super::actions::open(state);
            Vec::new()
        }
        Session::Mouse => super::pointer::turn(state),
        Session::Help => {
            state.overlay = match state.overlay {
                Overlay::None | Overlay::Export(_) | Overlay::Fix => Overlay::Page(Page::Help, 0),
                Overlay::Page(..) => state.below_the_page(),
            };
            Vec::new()
        }
    }
}

/// Arrows, Enter and Esc while it is chosen as what a report is written.
fn export_commanded(state: &mut State, chosen: usize, command: Command) -> Vec<Effect> {
    match command {
        Command::Move(step) => export::walk(state, chosen, step),
        Command::Open => return export::write(state, chosen),
        Command::Back
        | Command::Chart(_)
        | Command::Table(_)
        | Command::Rules(_)
        | Command::Find(_)
        | Command::Fix(_)
        | Command::Go(_)
        | Command::Edit(_)
        | Command::Session(_) => state.overlay = Overlay::None,
    }
    Vec::new()
}

/// Arrows, Enter and Esc while a fix is shown.
fn fix_commanded(state: &mut State, command: Command) -> Vec<Effect> {
    let shown = state.shown.fix;
    match command {
        Command::Move(step) => fixing::walk(state, step, shown),
        Command::Open => fixing::enter(state),
        Command::Back => fixing::back(state),
        Command::Chart(_)
        | Command::Table(_)
        | Command::Rules(_)
        | Command::Find(_)
        | Command::Fix(_)
        | Command::Go(_)
        | Command::Edit(_)
        | Command::Session(_) => Vec::new(),
    }
}

fn page_commanded(state: &mut State, (page, top): (Page, usize), command: Command) -> Vec<Effect> {
    state.overlay = match command {
        Command::Move(step) => Overlay::Page(page, scroll(top, step, state.shown.page)),
        Command::Open
        | Command::Back
        | Command::Chart(_)
        | Command::Table(_)
        | Command::Rules(_)
        | Command::Find(_)
        | Command::Fix(_)
        | Command::Go(_)
        | Command::Edit(_)
        | Command::Session(_) => state.below_the_page(),
    };
    Vec::new()
}

fn screen_commanded(state: &mut State, command: Command) -> Vec<Effect> {
    let shown = state.shown;
    match (&mut state.screen, command) {
        (_, Command::Go(goal)) => {
            go(state, goal);
            Vec::new()
        }
        (_, Command::Table(command)) => table_commanded(state, command),
        (Screen::Picker(picker), Command::Move(step)) => {
            picker.walk(step, shown.picker);
            Vec::new()
        }
        (Screen::Picker(picker), Command::Open) => {
            let chosen = picker.chosen();
            open(state, chosen.as_deref(), "a target is 8080, host:port, a unit, a URL or unix:/path");
            Vec::new()
        }
        (Screen::Picker(_), Command::Back) => leave_picker(state),
        (Screen::Listeners(all), Command::Move(step)) => {
            walk_table(&mut all.table, step, shown);
            Vec::new()
        }
        (Screen::Listeners(all), Command::Open) if all.attention == Attention::Filter => {
            all.attention = Attention::Rows;
            Vec::new()
        }
        (Screen::Listeners(all), Command::Open) => {
            let chosen = all.chosen();
            open(state, chosen.as_deref(), "nothing is selected");
            Vec::new()
        }
        (Screen::Listeners(all), Command::Back) => {
            all.back();
            Vec::new()
        }
        (Screen::Picker(_) | Screen::Listeners(_), Command::Chart(_) | Command::Rules(_) | Command::Find(_))
        | (_, Command::Edit(_) | Command::Session(_) | Command::Fix(_)) => Vec::new(),
        (Screen::Chart(chart), Command::Move(step)) => {
            walk_pane(chart, step, shown);
            Vec::new()
        }
        (Screen::Chart(_), Command::Open) => {
            enter(state);
            Vec::new()
        }
        (Screen::Chart(_), Command::Back) => {
            back(state);
            Vec::new()
        }
        (Screen::Chart(chart), Command::Rules(command)) => {
            turn(chart, command, shown);
            Vec::new()
        }
        (Screen::Chart(_), Command::Find(command)) => super::find::commanded(state, command),
        (Screen::Chart(_), Command::Chart(command)) => chart_commanded(state, command),
    }
}

/// Diagnoses what was chosen.
pub(super) fn open(state: &mut State, chosen: Option<&str>, nothing: &str) {
    match chosen.map(Target::parse) {
        Some(Ok(target)) => state.open(target),
        Some(Err(error)) => state.notice = Some(error.to_string()),
        None => state.notice = Some(nothing.into()),
    }
}

fn go(state: &mut State, goal: Goal) {
    let recording = matches!(&state.screen, Screen::Chart(chart) if chart.origin == Origin::Recording);
    match goal {
        Goal::Picker => state.pick(),
        // There is no way back to a recording.
        Goal::Listeners if recording => state.notice = Some("this is a recording: l shows what it holds".into()),
        Goal::Listeners => state.list(),
    }
}

fn table_commanded(state: &mut State, command: TableCommand) -> Vec<Effect> {
    let now = state.now_ms;
    match (command, &mut state.screen) {
        (_, Screen::Picker(_)) => {}
        (TableCommand::Filter, Screen::Listeners(all)) => all.attention = Attention::Filter,
        (TableCommand::Filter, Screen::Chart(chart)) => chart.focus = Focus::Filter,
        (TableCommand::Sort | TableCommand::Changes, Screen::Listeners(_) | Screen::Chart(_)) => {
            if let Some((table, here)) = state.screen.table() {
                if command == TableCommand::Sort {
                    table.sort = table.sort.next();
                } else {
                    table.view = table.view.other();
                }
                table.arrange(&here.owners);
            }
            settle_scrolls(state);
        }
        (TableCommand::Freeze, Screen::Listeners(_) | Screen::Chart(_)) => {
            let fresh = state.screen.table().is_some_and(|(table, here)| table.freeze(now, &here.owners));
            settle_scrolls(state);
            return fresh.then_some(Effect::WakeAfter(super::table::NEW_FOR_MS, Wake::Fade)).into_iter().collect();
        }
    }
    Vec::new()
}

/// Esc clears what was typed, then leaves.
fn leave_picker(state: &mut State) -> Vec<Effect> {
    let Screen::Picker(picker) = &mut state.screen else { return Vec::new() };
    if picker.typed.is_empty() {
        return vec![Effect::Quit(Leave::Wanted)];
    }
    picker.typed.clear();
    picker.arrange(&state.recent);
    Vec::new()
}

fn chart_commanded(state: &mut State, command: ChartCommand) -> Vec<Effect> {
    match command {
        ChartCommand::Retest => return retest(state),
        ChartCommand::Continuous => return toggle_continuous(state),
        ChartCommand::Copy => return copy(state, Chart::see, "this box has no command to show"),
        ChartCommand::CopyFix => {
            return copy(state, |chart| chart.advice().map(|a| a.run.clone()), "there is nothing to do here");
        }
        ChartCommand::Explain => state.overlay = Overlay::Page(Page::Explain, 0),
        ChartCommand::Hops => return super::hops::show(state),
        ChartCommand::Left => aside(state, Side::Left),
        ChartCommand::Right => aside(state, Side::Right),
        ChartCommand::NextPane => refocus(state, Focus::next),
        ChartCommand::PreviousPane => refocus(state, Focus::previous),
        ChartCommand::Listeners => refocus(state, |_| Focus::Listeners),
        ChartCommand::Rules => show_rules(state),
        ChartCommand::Journal => refocus(state, |_| Focus::Journal),
        ChartCommand::Worse => super::panes::worse(state),
        ChartCommand::Client => type_client(state),
        ChartCommand::Export => export::choose(state),
    }
    Vec::new()
}

fn refocus(state: &mut State, to: impl FnOnce(Focus) -> Focus) {
    if let Screen::Chart(chart) = &mut state.screen {
        chart.focus = to(chart.focus);
    }
}

pub(super) fn walk_table(table: &mut Table, step: Step, shown: Shown) {
    let extent = Extent { of: table.len(), ..shown.listeners };
    (table.cursor, table.top) = walk(table.cursor, table.top, step, extent);
}

fn copy(state: &mut State, text: impl Fn(&Chart) -> Option<String>, none: &str) -> Vec<Effect> {
    let Screen::Chart(chart) = &state.screen else { return Vec::new() };
    let Some(text) = text(chart) else {
        state.notice = Some(none.into());
        return Vec::new();
    };
    copied(state, &text)
}

/// Puts a text on the clipboard, and says so.
pub(super) fn copied(state: &mut State, text: &str) -> Vec<Effect> {
    let safe = text.lines().map(crate::text::line).collect::<Vec<_>>().join("\n");
    let toast = toast::say(state, format!("copied: {}", safe.replace('\n', " ; ")));
    vec![Effect::Copy(safe), toast]
}

/// Keeps what is scrolled within what there is.
fn settle_scrolls(state: &mut State) {
    let shown = state.shown;
    match &mut state.screen {
        Screen::Picker(picker) => settle_picker(picker, shown.picker),
        Screen::Listeners(all) => settle_table(&mut all.table, shown),
        Screen::Chart(chart) => {
            settle_table(&mut chart.table, shown);
            chart.rules.settle(shown.rules);
            chart.detail_top = chart.detail_top.min(shown.detail.last_top());
            if let Follow::From(top) = chart.journal_top {
                chart.journal_top = Follow::From(top.min(shown.journal.last_top()));
            }
        }
    }
    if let Some(fixing) = &mut state.fixing {
        fixing.top = fixing.top.min(shown.fix.last_top());
    }
    if let Overlay::Page(page, top) = state.overlay {
        state.overlay = Overlay::Page(page, top.min(shown.page.last_top()));
    }
    if let Some(actions) = &mut state.actions {
        actions.settle(shown.actions);
    }
}

fn settle_table(table: &mut Table, shown: Shown) {
    let extent = Extent { of: table.len(), ..shown.listeners };
    table.top = keep(table.cursor, table.top, extent);
}

fn settle_picker(picker: &mut Picker, extent: Extent) {
    let extent = Extent { of: picker.rows().len(), ..extent };
    picker.top = keep(picker.cursor, picker.top, extent);
}

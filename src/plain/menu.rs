//! The choices: each has a number of its own that never means anything else, and a word that may be shortened.

use super::diagnosis::plans;
use super::say::Say;
use crate::app::chart::{Chart, Origin};
use crate::app::retest::Mode;
use crate::app::state::{Screen, State};
use crate::fixes::Plan;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Leave.
    Quit,
    /// What can be done about it.
    Fix,
    /// Look at everything again.
    Retest,
    /// Look at a box of the chart.
    Box,
    /// Ask for a client.
    Client,
    /// Every socket that waits for connections.
    Listeners,
    /// The journal of the unit.
    Journal,
    /// The rules of the packet filter.
    Rules,
    /// The hops to a target elsewhere.
    Hops,
    /// What a box asks, and what answers mean.
    Explain,
    /// Take back the last change.
    Undo,
    /// Look again and again.
    Repeat,
    /// Another target.
    Target,
    /// The listeners, without a target.
    All,
    /// The diagnosis once more.
    Tell,
    /// Sort the listeners by the next column.
    Sort,
    /// Only the listeners that changed.
    Changes,
}

/// A choice, its number and its word, and what may follow it.
const ALL: [(Choice, usize, &str, &str); 17] = [
    (Choice::Fix, 1, "fix", ""),
    (Choice::Retest, 2, "retest", "look at everything again"),
    (Choice::Box, 3, "box", "look at a box of the chart; box 2 at once, box 0 the attempts"),
    (Choice::Client, 4, "client", "what another client gets; client 203.0.113.7 at once, client any"),
    (
        Choice::Listeners,
        5,
        "listeners",
        "every socket that waits for connections; listeners port:80 unit:nginx some of them",
    ),
    (Choice::Journal, 6, "journal", ""),
    (Choice::Rules, 7, "rules", "rules of the packet filter, and the packet's way"),
    (Choice::Hops, 8, "hops", "hops to a target elsewhere"),
    (Choice::Explain, 9, "explain", "what a box asks, the command for it, what answers mean; explain 2 at once"),
    (Choice::Undo, 10, "undo", "take back the last change of this host"),
    (Choice::Repeat, 11, "repeat", ""),
    (Choice::Target, 12, "target", "another target; target host:port at once"),
    (Choice::All, 13, "all", "listeners of this host, without a target"),
    (Choice::Tell, 14, "tell", "say the diagnosis once more"),
    (Choice::Sort, 15, "sort", "sort the listeners by the next column"),
    (Choice::Changes, 16, "changes", "listeners that changed since the watch began, or all again"),
    (Choice::Quit, 0, "quit", "leave"),
];

/// What a line chooses, and what follows.
pub fn read(line: &str) -> Result<(Choice, &str), String> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Ok(number) = first.parse::<usize>() {
        let found = ALL.iter().find(|(_, own, ..)| *own == number);
        return found.map(|(choice, ..)| (*choice, rest.trim())).ok_or_else(|| format!("There is no choice {number}."));
    }
    let word = first.to_lowercase();
    let fits: Vec<_> = ALL.iter().filter(|(_, _, own, _)| own.starts_with(&word)).collect();
    match fits.as_slice() {
        [(choice, ..)] => Ok((*choice, rest.trim())),
        [] => Err(format!("{first} is none of the choices.")),
        several => {
            let words: Vec<String> = several.iter().map(|(_, number, own, _)| format!("{number} {own}")).collect();
            Err(format!("{first} could be {}.", words.join(", ")))
        }
    }
}

/// Can it be chosen now?
pub fn holds(choice: Choice, state: &State) -> bool {
    match (&state.screen, choice) {
        (_, Choice::Quit | Choice::Target | Choice::Listeners) => true,
        (Screen::Picker(_), _) => false,
        (Screen::Listeners(_), choice) => matches!(choice, Choice::Sort | Choice::Changes),
        (Screen::Chart(chart), Choice::Fix) => !plans(chart).is_empty(),
        (Screen::Chart(chart), Choice::Journal) => chart.journal_of.is_some(),
        (Screen::Chart(chart), Choice::Hops) => {
            chart.diagnosis.subject.local == Some(false) || chart.case.client.is_some()
        }
        (Screen::Chart(chart), Choice::Undo | Choice::Repeat | Choice::All) => chart.origin == Origin::Host,
        (Screen::Chart(_), _) => true,
    }
}

/// The list.
pub fn tell(state: &State, say: &mut Say) {
    say.line("Type a number or the beginning of its word, and Enter:");
    for (choice, number, word, does) in ALL.iter().filter(|(choice, ..)| holds(*choice, state)) {
        say.at(1, format!("{number} {word}: {}", own(*choice, does, state)));
    }
}

/// What a choice does now.
fn own(choice: Choice, does: &str, state: &State) -> String {
    let Screen::Chart(chart) = &state.screen else { return does.to_owned() };
    match choice {
        Choice::Fix => plans(chart).first().map(|plan| fix(plan)).unwrap_or_default(),
        Choice::Journal => {
            let unit = chart.journal_of.as_deref().unwrap_or_default();
            format!("the last lines of {unit}; journal WORD those with it")
        }
        Choice::Repeat => repeat(chart).to_owned(),
        Choice::Undo => match &state.standing {
            Some((entry, title)) => format!("take back entry {entry}, {title}"),
            None => does.to_owned(),
        },
        Choice::Quit
        | Choice::Retest
        | Choice::Box
        | Choice::Client
        | Choice::Listeners
        | Choice::Rules
        | Choice::Hops
        | Choice::Explain
        | Choice::Target
        | Choice::All
        | Choice::Tell
        | Choice::Sort
        | Choice::Changes => does.to_owned(),
    }
}

fn repeat(chart: &Chart) -> &'static str {
    match chart.retest.mode {
        Mode::OnKey => "try again every 2 seconds, and tell what changes",
        Mode::Continuous => "no longer try again every 2 seconds",
    }
}

fn fix(plan: &Plan) -> String {
    let then = plan.then.map(|then| format!(", then {}", then.word())).unwrap_or_default();
    format!("{} ({} risk{then}); shows what it changes, and asks", plan.title, plan.risk.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_beginnings_of_words_choose() {
        assert_eq!(read(" 3  2 "), Ok((Choice::Box, "2")));
        assert_eq!(read("LIST port:80 user:root"), Ok((Choice::Listeners, "port:80 user:root")));
        assert_eq!(read("q"), Ok((Choice::Quit, "")));
        assert_eq!(read("re"), Err("re could be 2 retest, 11 repeat.".into()));
        assert_eq!(read("99"), Err("There is no choice 99.".into()));
        assert_eq!(read("xyz"), Err("xyz is none of the choices.".into()));
    }

    #[test]
    fn no_number_and_no_word_stands_for_two_choices() {
        for (choice, number, word, _) in ALL {
            assert_eq!(read(&number.to_string()), Ok((choice, "")));
            assert_eq!(read(word), Ok((choice, "")));
        }
    }
}

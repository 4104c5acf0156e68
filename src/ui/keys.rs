//! The keys: one table, from which keys get their meaning, the help its text and the bottom line its words.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::What;
use crate::app::chart::Focus;
use crate::app::event::{ChartCommand, Command, Edit, Goal, RulesCommand, Session, Step, TableCommand};
use crate::app::state::Mode;

/// A key and what it does.
#[derive(Debug)]
pub struct Key {
    /// What is pressed.
    pub press: Press,
    /// How that is written.
    pub shown: &'static str,
    /// What it does.
    pub command: Command,
    /// Where it does so.
    pub place: Place,
    /// What it does, in words; keys with the same words are one line of the help.
    pub help: &'static str,
    /// How it is written in the bottom line and its word there, if it has a place there.
    pub bar: Option<(&'static str, &'static str)>,
}

/// What is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A character.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// Any other key.
    Code(KeyCode),
}

/// Where a key has its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Everywhere, even while text is typed.
    Everywhere,
    /// Everywhere but where text is typed.
    Untyped,
    /// While a diagnosis is shown.
    Chart,
    /// Where a fix is shown.
    Fix,
    /// Where the keys go to the rules.
    Rules,
    /// Where listeners are shown: beside a diagnosis, or alone.
    Table,
    /// While a diagnosis or all listeners are shown.
    Looking,
    /// Where text is typed.
    Typing,
}

impl Place {
    /// All places, in the order of the help, with their headings.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Chart, "Diagnosis"),
        (Self::Fix, "A fix"),
        (Self::Rules, "Rules"),
        (Self::Table, "Listeners"),
        (Self::Looking, "To another screen"),
        (Self::Typing, "While typing"),
        (Self::Untyped, "Wherever nothing is typed"),
        (Self::Everywhere, "Everywhere"),
    ];

    /// Does it hold in this mode?
    pub fn holds(self, mode: Mode) -> bool {
        let typing = matches!(mode, Mode::Picker | Mode::Filter | Mode::Client);
        match self {
            Self::Everywhere => true,
            Self::Untyped => !typing,
            Self::Chart => matches!(mode, Mode::Pane(_)),
            Self::Fix => mode == Mode::Fix,
            Self::Rules => mode == Mode::Pane(Focus::Rules),
            Self::Table | Self::Looking => matches!(mode, Mode::Pane(_) | Mode::Table),
            Self::Typing => typing,
        }
    }

    /// Is it worth a word in the bottom line?
    fn matters(self, mode: Mode) -> bool {
        let table = matches!(mode, Mode::Table | Mode::Pane(Focus::Listeners));
        self.holds(mode) && (self != Self::Table || table)
    }
}

const fn key(press: Press, shown: &'static str, command: Command, place: Place, help: &'static str) -> Key {
    Key { press, shown, command, place, help, bar: None }
}

impl Key {
    const fn bar_as(mut self, shown: &'static str, word: &'static str) -> Self {
        self.bar = Some((shown, word));
        self
    }

    const fn bar(mut self, word: &'static str) -> Self {
        self.bar = Some((self.shown, word));
        self
    }
}

use crate::app::fixing::FixCommand;
use ChartCommand as Do;
use Command::{Back, Chart, Edit as Line, Fix, Go, Move, Open, Rules as Tree, Session as Us, Table};
use Place::{Chart as InChart, Everywhere, Fix as InFix, Looking, Rules as InRules, Table as InTable, Typing, Untyped};
use Press::{Char, Code, Ctrl};

/// The table.
pub const KEYS: &[Key] = &[
    key(Code(KeyCode::Up), "↑", Move(Step::Up), Everywhere, "one up"),
    key(Code(KeyCode::Down), "↓", Move(Step::Down), Everywhere, "one down").bar_as("↑↓", "move"),
    key(Char('k'), "k", Move(Step::Up), Untyped, "one up"),
    key(Char('j'), "j", Move(Step::Down), Untyped, "one down"),
    key(Code(KeyCode::PageUp), "PgUp", Move(Step::PageUp), Everywhere, "a page up"),
    key(Code(KeyCode::PageDown), "PgDn", Move(Step::PageDown), Everywhere, "a page down"),
    key(Code(KeyCode::Home), "Home", Move(Step::Top), Everywhere, "to the beginning"),
    key(Code(KeyCode::End), "End", Move(Step::Bottom), Everywhere, "to the end"),
    key(Code(KeyCode::Enter), "Enter", Open, Everywhere, "open what is selected").bar_as("↵", "open"),
    key(Code(KeyCode::Esc), "Esc", Back, Everywhere, "back; twice: follow the culprit again"),
    key(Char('f'), "f", Fix(FixCommand::Show), InChart, "fix: what can be done about the box, with what it changes")
        .bar("fix"),
    key(Char('u'), "u", Fix(FixCommand::Undo), InChart, "undo the last change of this host").bar("undo"),
    key(Char('y'), "y", Fix(FixCommand::Yes), InFix, "yes: apply it, or keep it").bar("yes"),
    key(Char('n'), "n", Fix(FixCommand::No), InFix, "no: do not apply it, or put it back").bar("no"),
    key(Char('r'), "r", Chart(Do::Retest), InChart, "retest: look at everything again").bar("retest"),
    key(Char('l'), "l", Chart(Do::Listeners), InChart, "listeners: every socket that waits for connections")
        .bar("listeners"),
    key(Char('w'), "w", Chart(Do::Rules), InChart, "rules of the packet filter, the packet's way lit").bar("rules"),
    key(Char('g'), "g", Chart(Do::Journal), InChart, "journal of the unit that serves the target").bar("journal"),
    key(Char('c'), "c", Chart(Do::Client), InChart, "client: whose way is shown; none is any client").bar("client"),
    key(Code(KeyCode::Right), "→", Tree(RulesCommand::Unfold), InRules, "show what is in the line; Enter too"),
    key(Code(KeyCode::Left), "←", Tree(RulesCommand::Fold), InRules, "no longer, or to what the line is in")
        .bar_as("→←", "open, close"),
    key(Char('/'), "/", Table(TableCommand::Filter), InTable, "filter the listeners").bar("filter"),
    key(Char('s'), "s", Table(TableCommand::Sort), InTable, "sort the listeners by the next column").bar("sort"),
    key(Char('y'), "y", Chart(Do::Copy), InChart, "copy the command that shows what the box says").bar("copy"),
    key(Char('Y'), "Y", Chart(Do::CopyFix), InChart, "copy what to do about it"),
    key(Char('t'), "t", Go(Goal::Picker), Looking, "choose another target").bar("target"),
    key(Char('L'), "L", Go(Goal::Listeners), Looking, "all listeners, on the whole screen"),
    key(Char('R'), "R", Chart(Do::Continuous), InChart, "retest every 2 seconds, and stop that").bar("repeat"),
    key(Code(KeyCode::Tab), "Tab", Chart(Do::NextPane), InChart, "next pane"),
    key(Code(KeyCode::BackTab), "Shift-Tab", Chart(Do::PreviousPane), InChart, "pane before"),
    key(Code(KeyCode::Backspace), "Backspace", Line(Edit::Erase), Typing, "remove the last character"),
    key(Ctrl('u'), "Ctrl-U", Line(Edit::Clear), Typing, "remove everything typed"),
    key(Char('?'), "?", Us(Session::Help), Untyped, "this help").bar("help"),
    key(Code(KeyCode::F(1)), "F1", Us(Session::Help), Everywhere, "this help").bar("help"),
    key(Char('q'), "q", Us(Session::Quit), Untyped, "quit").bar("quit"),
    key(Ctrl('c'), "Ctrl-C", Us(Session::Quit), Everywhere, "quit").bar("quit"),
    key(Ctrl('l'), "Ctrl-L", Us(Session::Redraw), Everywhere, "paint everything again"),
    key(Ctrl('z'), "Ctrl-Z", Us(Session::Suspend), Everywhere, "stop; `fg` comes back"),
];

/// What a key means where the keys go now.
pub fn meaning(event: KeyEvent, mode: Mode) -> Option<What> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let press = pressed(event)?;
    if let Some(key) = KEYS.iter().find(|key| key.press == press && key.place.holds(mode)) {
        return Some(What::Command(key.command));
    }
    match press {
        Char(c) if Typing.holds(mode) && !c.is_control() => Some(What::Typed(c)),
        Char(_) | Ctrl(_) | Code(_) => None,
    }
}

fn pressed(event: KeyEvent) -> Option<Press> {
    let KeyCode::Char(c) = event.code else { return Some(Code(event.code)) };
    if event.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::META) {
        return None;
    }
    Some(if event.modifiers.contains(KeyModifiers::CONTROL) { Ctrl(c.to_ascii_lowercase()) } else { Char(c) })
}

/// Keys with the words of the bottom line that hold in a mode; of keys that do the same, the first.
pub fn bar(mode: Mode) -> Vec<(&'static str, &'static str)> {
    let mut shown: Vec<(Command, (&'static str, &'static str))> = Vec::new();
    for key in KEYS.iter().filter(|key| key.place.matters(mode)) {
        if let (Some(bar), false) = (key.bar, shown.iter().any(|(command, _)| *command == key.command)) {
            shown.push((key.command, bar));
        }
    }
    shown.into_iter().map(|(_, bar)| bar).collect()
}

/// The lines of the help: headings and their keys with what they do.
pub fn help() -> Vec<(&'static str, Vec<(String, &'static str)>)> {
    let mut told: Vec<&'static str> = Vec::new();
    let mut sections = Vec::new();
    for (place, heading) in Place::ALL {
        let mut lines = Vec::new();
        for key in KEYS.iter().filter(|key| key.place == place) {
            if told.contains(&key.help) {
                continue;
            }
            told.push(key.help);
            let same: Vec<&str> = KEYS.iter().filter(|k| k.help == key.help).map(|k| k.shown).collect();
            lines.push((same.join(" "), key.help));
        }
        sections.push((heading, lines));
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers, mode: Mode) -> Option<String> {
        meaning(KeyEvent::new(code, modifiers), mode).map(|what| format!("{what:?}"))
    }

    #[test]
    fn no_key_has_two_meanings_in_one_place() {
        let modes = [
            Mode::Help,
            Mode::Picker,
            Mode::Filter,
            Mode::Client,
            Mode::Table,
            Mode::Pane(Focus::Chart),
            Mode::Pane(Focus::Rules),
            Mode::Pane(Focus::Journal),
        ];
        for mode in modes {
            for key in KEYS.iter().filter(|key| key.place.holds(mode)) {
                let same = KEYS.iter().filter(|other| other.press == key.press && other.place.holds(mode)).count();
                assert_eq!(same, 1, "{} in {mode:?}", key.shown);
            }
        }
    }

    #[test]
    fn what_is_typed_never_becomes_a_command() {
        for mode in [Mode::Picker, Mode::Filter, Mode::Client] {
            for c in ('!'..='~').chain(['é', ' ']) {
                assert_eq!(press(KeyCode::Char(c), KeyModifiers::NONE, mode), Some(format!("Typed({c:?})")));
            }
        }
    }

    #[test]
    fn ctrl_c_always_quits_and_help_says_so() {
        for mode in [Mode::Help, Mode::Picker, Mode::Filter, Mode::Pane(Focus::Detail)] {
            let quit = Some("Command(Session(Quit))".to_owned());
            assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL, mode), quit);
        }
        let lines: Vec<_> = help().into_iter().flat_map(|(_, lines)| lines).collect();
        assert!(lines.contains(&("q Ctrl-C".to_owned(), "quit")), "{lines:?}");
        let told: usize = lines.iter().map(|(keys, _)| keys.split(' ').count()).sum();
        assert_eq!(told, KEYS.len(), "every key of the table is in the help");
    }
}

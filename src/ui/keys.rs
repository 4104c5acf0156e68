//! The keys: one table, from which keys get their meaning, the help its text and the bottom line its words.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde::Deserialize;

use super::settings::{Source, trouble};
use crate::app::What;
use crate::app::chart::Focus;
use crate::app::event::{ChartCommand, Command, Edit, Goal, RulesCommand, Session, Step, TableCommand};
use crate::app::fixing::Ask;
use crate::app::state::Mode;
use crate::error::Error;

/// Something that can be asked for, and the keys that ask for it.
#[derive(Debug)]
pub struct Action {
    /// Its name in the user's file.
    pub name: &'static str,
    /// What is pressed.
    pub presses: &'static [Press],
    /// What it does.
    pub command: Command,
    /// Where it does so.
    pub place: Place,
    /// What it does, in words.
    pub help: &'static str,
    /// Its word in the bottom line, if it has a place there.
    pub bar: Option<Bar>,
}

/// How an action is told in the bottom line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// In a word.
    pub word: &'static str,
    /// Name of the action whose key is shown before its own.
    pub with: Option<&'static str>,
}

/// A word of the bottom line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its keys, as they are shown.
    pub keys: String,
    /// The word.
    pub word: &'static str,
    /// What they do.
    pub command: Command,
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
    /// Where a box of the diagnosis is selected.
    Boxes,
    /// Where a fix asks something.
    Asked,
    /// While a fix is applied.
    Working,
    /// Where a fix is over.
    Over,
    /// Where the keys go to the rules.
    Rules,
    /// Where the keys go to the journal.
    Journal,
    /// Where a text can be found: in the rules, in the journal and in what a box says.
    Text,
    /// Where listeners are shown: beside a diagnosis, or alone.
    Table,
    /// Where they can be filtered: there, but where a text can be found.
    Filters,
    /// While a diagnosis or all listeners are shown.
    Looking,
    /// Where text is typed.
    Typing,
}

impl Place {
    /// All places, in the order of the help, with their headings.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Chart, "Diagnosis"),
        (Self::Boxes, "Flowchart"),
        (Self::Asked, "A fix that asks"),
        (Self::Working, "A fix at work"),
        (Self::Over, "A fix that is over"),
        (Self::Rules, "Rules"),
        (Self::Journal, "Journal"),
        (Self::Text, "Rules, journal, and what a box says"),
        (Self::Filters, "Listeners"),
        (Self::Table, "Listeners"),
        (Self::Looking, "To another screen"),
        (Self::Typing, "While typing"),
        (Self::Untyped, "Wherever nothing is typed"),
        (Self::Everywhere, "Everywhere"),
    ];

    /// Does it hold in this mode?
    pub fn holds(self, mode: Mode) -> bool {
        let typing = matches!(mode, Mode::Picker | Mode::Filter | Mode::Client | Mode::Find | Mode::Actions);
        match self {
            Self::Everywhere => true,
            Self::Untyped => !typing,
            Self::Chart => matches!(mode, Mode::Pane(_)),
            Self::Boxes => mode == Mode::Pane(Focus::Chart),
            Self::Asked => mode == Mode::Fix(Ask::Question),
            Self::Working => mode == Mode::Fix(Ask::Nothing),
            Self::Over => mode == Mode::Fix(Ask::Next),
            Self::Rules => mode == Mode::Pane(Focus::Rules),
            Self::Journal => mode == Mode::Pane(Focus::Journal),
            Self::Text => matches!(mode, Mode::Pane(Focus::Rules | Focus::Journal | Focus::Detail)),
            Self::Filters => Self::Table.holds(mode) && !Self::Text.holds(mode),
            Self::Table | Self::Looking => matches!(mode, Mode::Pane(_) | Mode::Table),
            Self::Typing => typing,
        }
    }

    /// Is it worth a word in the bottom line?
    fn matters(self, mode: Mode) -> bool {
        let table = matches!(mode, Mode::Table | Mode::Pane(Focus::Listeners));
        self.holds(mode) && (!matches!(self, Self::Table | Self::Filters) || table)
    }
}

const fn does(
    name: &'static str,
    presses: &'static [Press],
    command: Command,
    place: Place,
    help: &'static str,
) -> Action {
    Action { name, presses, command, place, help, bar: None }
}

impl Action {
    const fn bar(mut self, word: &'static str) -> Self {
        self.bar = Some(Bar { word, with: None });
        self
    }

    const fn bar_with(mut self, with: &'static str, word: &'static str) -> Self {
        self.bar = Some(Bar { word, with: Some(with) });
        self
    }
}

impl Press {
    /// How it is written: in the help and in the user's file.
    pub fn shown(self) -> String {
        match self {
            Char(' ') => "Space".into(),
            Char(c) => c.to_string(),
            Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Code(KeyCode::Up) => "↑".into(),
            Code(KeyCode::Down) => "↓".into(),
            Code(KeyCode::Left) => "←".into(),
            Code(KeyCode::Right) => "→".into(),
            Code(KeyCode::PageUp) => "PgUp".into(),
            Code(KeyCode::PageDown) => "PgDn".into(),
            Code(KeyCode::BackTab) => "Shift-Tab".into(),
            Code(KeyCode::F(number)) => format!("F{number}"),
            Code(code) => format!("{code:?}"),
        }
    }

    /// How it is written in the bottom line.
    fn brief(self) -> String {
        if self == Code(KeyCode::Enter) { "↵".into() } else { self.shown() }
    }

    /// Reads what a user's file says: `r`, `Ctrl-R`, `F5`, `Enter`.
    pub fn parse(word: &str) -> Option<Self> {
        let mut letters = word.chars();
        if let (Some(c), None) = (letters.next(), letters.next()) {
            let arrow = [('↑', KeyCode::Up), ('↓', KeyCode::Down), ('←', KeyCode::Left), ('→', KeyCode::Right)];
            let code = arrow.iter().find(|(sign, _)| *sign == c).map(|(_, code)| Code(*code));
            return code.or((!c.is_control() && c != ' ').then_some(Char(c)));
        }
        let lower = word.to_lowercase();
        if let Some(letter) = lower.strip_prefix("ctrl-") {
            let mut letters = letter.chars();
            let (c, None) = (letters.next()?, letters.next()) else { return None };
            return c.is_ascii_lowercase().then_some(Ctrl(c));
        }
        if let Some(number) = lower.strip_prefix('f').and_then(|number| number.parse::<u8>().ok()) {
            return (1..=12).contains(&number).then_some(Code(KeyCode::F(number)));
        }
        NAMED.iter().find(|(name, _)| *name == lower).map(|(_, press)| *press)
    }

    /// Would it be taken for text where text is typed?
    fn is_text(self) -> bool {
        matches!(self, Char(_))
    }
}

/// Keys with names.
const NAMED: [(&str, Press); 18] = [
    ("up", Code(KeyCode::Up)),
    ("down", Code(KeyCode::Down)),
    ("left", Code(KeyCode::Left)),
    ("right", Code(KeyCode::Right)),
    ("pgup", Code(KeyCode::PageUp)),
    ("pgdn", Code(KeyCode::PageDown)),
    ("pageup", Code(KeyCode::PageUp)),
    ("pagedown", Code(KeyCode::PageDown)),
    ("home", Code(KeyCode::Home)),
    ("end", Code(KeyCode::End)),
    ("enter", Code(KeyCode::Enter)),
    ("esc", Code(KeyCode::Esc)),
    ("tab", Code(KeyCode::Tab)),
    ("shift-tab", Code(KeyCode::BackTab)),
    ("backspace", Code(KeyCode::Backspace)),
    ("delete", Code(KeyCode::Delete)),
    ("insert", Code(KeyCode::Insert)),
    ("space", Char(' ')),
];

use crate::app::find::FindCommand;
use crate::app::fixing::FixCommand;
use ChartCommand as Do;
use Command::{Back, Chart, Edit as Line, Find, Fix, Go, Move, Open, Rules as Tree, Session as Us, Table};
use Place::{
    Asked, Boxes, Chart as InChart, Everywhere, Filters, Looking, Over, Rules as InRules, Table as InTable, Text,
    Typing, Untyped, Working,
};
use Press::{Char, Code, Ctrl};

/// The table: what can be asked for, with the keys that ask for it unless the user's file says otherwise.
pub const ACTIONS: &[Action] = &[
    does("up", &[Code(KeyCode::Up)], Move(Step::Up), Everywhere, "one up"),
    does("down", &[Code(KeyCode::Down)], Move(Step::Down), Everywhere, "one down").bar_with("up", "move"),
    does("up-too", &[Char('k')], Move(Step::Up), Untyped, "one up"),
    does("down-too", &[Char('j')], Move(Step::Down), Untyped, "one down"),
    does("page-up", &[Code(KeyCode::PageUp)], Move(Step::PageUp), Everywhere, "a page up"),
    does("page-down", &[Code(KeyCode::PageDown)], Move(Step::PageDown), Everywhere, "a page down"),
    does("beginning", &[Code(KeyCode::Home)], Move(Step::Top), Everywhere, "to the beginning"),
    does("end", &[Code(KeyCode::End)], Move(Step::Bottom), Everywhere, "to the end"),
    does("open", &[Code(KeyCode::Enter)], Open, Everywhere, "open what is selected").bar("open"),
    does("back", &[Code(KeyCode::Esc)], Back, Everywhere, "back; twice: follow the culprit again").bar("back"),
    does("left", &[Code(KeyCode::Left)], Chart(Do::Left), Boxes, "to the boxes on the left"),
    does("right", &[Code(KeyCode::Right)], Chart(Do::Right), Boxes, "to the boxes on the right, or to what one says"),
    does(
        "fix",
        &[Char('f')],
        Fix(FixCommand::Show),
        InChart,
        "fix: what can be done about the box, with what it changes",
    )
    .bar("fix"),
    does("next-fix", &[Char('f')], Fix(FixCommand::Show), Over, "fix what stands in the way next").bar("next cause"),
    does("undo", &[Char('u')], Fix(FixCommand::Undo), InChart, "undo the last change of this host").bar("undo"),
    does("yes", &[Char('y')], Fix(FixCommand::Yes), Asked, "yes: apply it, or keep it").bar("yes"),
    does("no", &[Char('n')], Fix(FixCommand::No), Asked, "no: do not apply it, or put it back").bar("no"),
    does("put-back", &[Char('n')], Fix(FixCommand::No), Working, "put back what is being applied").bar("put it back"),
    does("retest", &[Char('r')], Chart(Do::Retest), InChart, "retest: look at everything again").bar("retest"),
    does(
        "listeners",
        &[Char('l')],
        Chart(Do::Listeners),
        InChart,
        "listeners: every socket that waits for connections",
    )
    .bar("listeners"),
    does("rules", &[Char('w')], Chart(Do::Rules), InChart, "rules of the packet filter, the packet's way lit")
        .bar("rules"),
    does("journal", &[Char('g')], Chart(Do::Journal), InChart, "journal of the unit that serves the target")
        .bar("journal"),
    does(
        "hops",
        &[Char('p')],
        Chart(Do::Hops),
        InChart,
        "hops to a target elsewhere, looked at again every 30 seconds",
    )
    .bar("hops"),
    does("explain", &[Char('x')], Chart(Do::Explain), InChart, "explain the box: what it asks, and what answers mean")
        .bar("explain"),
    does("client", &[Char('c')], Chart(Do::Client), InChart, "client: whose way is shown; none is any client")
        .bar("client"),
    does("unfold", &[Code(KeyCode::Right)], Tree(RulesCommand::Unfold), InRules, "show what is in the line; Enter too"),
    does("fold", &[Code(KeyCode::Left)], Tree(RulesCommand::Fold), InRules, "no longer, or to what the line is in")
        .bar_with("unfold", "open, close"),
    does("worse", &[Char('v')], Chart(Do::Worse), Place::Journal, "severity: only warnings and worse, or all")
        .bar("severity"),
    does("find", &[Char('/')], Find(FindCommand::Begin), Text, "find a text here"),
    does("find-next", &[Char('n')], Find(FindCommand::Next), Text, "the next line that holds it"),
    does("find-before", &[Char('N')], Find(FindCommand::Previous), Text, "the line before that holds it"),
    does(
        "filter",
        &[Char('/')],
        Table(TableCommand::Filter),
        Filters,
        "filter the listeners: port:80 unit:nginx addr:127* -proto:udp state:new",
    )
    .bar("filter"),
    does("sort", &[Char('s')], Table(TableCommand::Sort), InTable, "sort the listeners by the next column").bar("sort"),
    does("freeze", &[Char('z')], Table(TableCommand::Freeze), InTable, "freeze the listeners, and let them go")
        .bar("freeze"),
    does(
        "changes",
        &[Char('d')],
        Table(TableCommand::Changes),
        InTable,
        "difference: only what changed since the watch began, or all",
    )
    .bar("changes"),
    does("copy", &[Char('y')], Chart(Do::Copy), InChart, "copy the command that shows what the box says").bar("copy"),
    does("copy-fix", &[Char('Y')], Chart(Do::CopyFix), InChart, "copy what to do about it"),
    does("export", &[Char('e')], Chart(Do::Export), InChart, "export a report: text, Markdown, JSON or a recording"),
    does("target", &[Char('t')], Go(Goal::Picker), Looking, "choose another target").bar("target"),
    does("all-listeners", &[Char('L')], Go(Goal::Listeners), Looking, "all listeners, on the whole screen"),
    does("repeat", &[Char('R')], Chart(Do::Continuous), InChart, "retest every 2 seconds, and stop that").bar("repeat"),
    does("next-pane", &[Code(KeyCode::Tab)], Chart(Do::NextPane), InChart, "next pane"),
    does("pane-before", &[Code(KeyCode::BackTab)], Chart(Do::PreviousPane), InChart, "pane before"),
    does("erase", &[Code(KeyCode::Backspace)], Line(Edit::Erase), Typing, "remove the last character"),
    does("clear", &[Ctrl('u')], Line(Edit::Clear), Typing, "remove everything typed"),
    does("actions", &[Char(':')], Us(Session::Actions), Untyped, "every action that works here, by its name"),
    does("actions-too", &[Ctrl('p')], Us(Session::Actions), Everywhere, "every action that works here, by its name"),
    does("help", &[Char('?')], Us(Session::Help), Untyped, "this help").bar("help"),
    does("help-too", &[Code(KeyCode::F(1))], Us(Session::Help), Everywhere, "this help").bar("help"),
    does("quit", &[Char('q')], Us(Session::Quit), Untyped, "quit").bar("quit"),
    does("quit-too", &[Ctrl('c')], Us(Session::Quit), Everywhere, "quit").bar("quit"),
    does("mouse", &[Char('m')], Us(Session::Mouse), Untyped, "mouse: ours, or the terminal's to mark and copy with"),
    does("repaint", &[Ctrl('l')], Us(Session::Redraw), Everywhere, "paint everything again"),
    does("suspend", &[Ctrl('z')], Us(Session::Suspend), Everywhere, "stop; `fg` comes back"),
];

/// Which keys do what here: the table with what the user's file changed.
#[derive(Debug, Clone)]
pub struct Keys {
    all: Vec<(&'static Action, Vec<Press>)>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { all: ACTIONS.iter().map(|action| (action, action.presses.to_vec())).collect() }
    }
}

/// A line of the user's file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Wanted {
    One(String),
    Several(Vec<String>),
}

impl Keys {
    /// What a user's file says: an action a line, with its key or keys.
    pub fn read(source: &Source) -> Result<Self, Error> {
        let wrong = |what: &str, at| trouble(source, what, at);
        let file: BTreeMap<toml::Spanned<String>, toml::Spanned<Wanted>> = toml::from_str(&source.text)
            .map_err(|e| wrong(e.message(), e.span()).hint("like this: retest = \"F5\" or retest = [\"r\", \"F5\"]"))?;
        let mut keys = Self::default();
        for (name, wanted) in file {
            let at = Some(name.span());
            let Some(action) = keys.all.iter_mut().find(|(action, _)| action.name == name.get_ref()) else {
                let names: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
                let what = format!("`{}` is nothing that a key could do", crate::text::line(name.get_ref()));
                return Err(wrong(&what, at).hint(format!("allowed: {}", names.join(", "))));
            };
            let words = match wanted.into_inner() {
                Wanted::One(word) => vec![word],
                Wanted::Several(words) => words,
            };
            action.1 = Vec::new();
            for word in words {
                let press = Press::parse(&word).ok_or_else(|| {
                    let named: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
                    wrong(&format!("`{}` is no key", crate::text::line(&word)), at.clone())
                        .hint(format!("allowed: a character, Ctrl-A to Ctrl-Z, F1 to F12, {}", named.join(", ")))
                })?;
                if press.is_text() && matches!(action.0.place, Everywhere | Typing) {
                    let what =
                        format!("`{}` holds while text is typed: {} would be text", action.0.name, press.shown());
                    return Err(wrong(&what, at).hint("allowed: a key with Ctrl, a function key or one with a name"));
                }
                action.1.push(press);
            }
        }
        keys.checked().map_err(|what| wrong(&what, Some(0..0)))
    }

    /// No key may mean two things in one place, and there must be a way out.
    fn checked(self) -> Result<Self, String> {
        for mode in Mode::ALL {
            let here: Vec<_> = self.all.iter().filter(|(action, _)| action.place.holds(mode)).collect();
            for (index, (action, presses)) in here.iter().enumerate() {
                let mut others = here.iter().skip(index + 1);
                if let Some((other, _)) = others.find(|(_, keys)| keys.iter().any(|key| presses.contains(key))) {
                    return Err(format!("one key means `{}` and `{}` in the same place", action.name, other.name));
                }
            }
            if !here.iter().any(|(action, presses)| action.command == Us(Session::Quit) && !presses.is_empty()) {
                return Err("`quit-too` needs a key: there would be no way out".into());
            }
        }
        Ok(self)
    }

    /// What a key means where the keys go now.
    pub fn meaning(&self, event: KeyEvent, mode: Mode) -> Option<What> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let press = pressed(event)?;
        let holds = |(action, presses): &&(&Action, Vec<Press>)| presses.contains(&press) && action.place.holds(mode);
        if let Some((action, _)) = self.all.iter().find(holds) {
            return Some(What::Command(action.command));
        }
        match press {
            Char(c) if Typing.holds(mode) && !c.is_control() => Some(What::Typed(c)),
            Char(_) | Ctrl(_) | Code(_) => None,
        }
    }

    /// The key of an action, as it is shown; empty where it has none.
    pub fn of(&self, name: &str) -> String {
        let found = self.all.iter().find(|(action, _)| action.name == name);
        found.and_then(|(_, presses)| presses.first()).map(|press| press.brief()).unwrap_or_default()
    }

    /// Keys with the words of the bottom line that hold in a mode; of actions that do the same, the first.
    pub fn bar(&self, mode: Mode) -> Vec<Word> {
        let mut shown: Vec<Word> = Vec::new();
        for (action, presses) in self.all.iter().filter(|(action, _)| action.place.matters(mode)) {
            let (Some(bar), Some(press)) = (action.bar, presses.first()) else { continue };
            let aside = action.command == Back && mode != Mode::Help;
            if aside || shown.iter().any(|word| word.command == action.command) {
                continue;
            }
            let before = bar.with.map(|name| self.of(name)).unwrap_or_default();
            let keys = format!("{before}{}", press.brief());
            shown.push(Word { keys, word: bar.word, command: action.command });
        }
        shown
    }

    /// The lines of the help: headings and the keys that work, with what they do.
    pub fn help(&self, works: impl Fn(&Action) -> bool) -> Vec<(&'static str, Vec<(String, &'static str)>)> {
        let mut told: Vec<&'static str> = Vec::new();
        let mut sections = Vec::new();
        for (place, heading) in Place::ALL {
            let mut lines = Vec::new();
            for (action, _) in self.all.iter().filter(|(action, _)| action.place == place && works(action)) {
                if told.contains(&action.help) {
                    continue;
                }
                told.push(action.help);
                let keys = self.same(action, &works);
                if !keys.is_empty() {
                    lines.push((keys, action.help));
                }
            }
            match sections.last_mut() {
                _ if lines.is_empty() => {}
                Some((before, all)) if *before == heading => Vec::extend(all, lines),
                _ => sections.push((heading, lines)),
            }
        }
        sections
    }

    /// The keys of all actions that work and do the same as this one.
    fn same(&self, action: &Action, works: impl Fn(&Action) -> bool) -> String {
        let same = self.all.iter().filter(|(other, _)| other.help == action.help && works(other));
        let keys: Vec<String> = same.flat_map(|(_, presses)| presses).map(|press| press.shown()).collect();
        keys.join(" ")
    }

    /// What the actions offers for what was typed: actions that work, the best fit first. Yes is said by its key alone,
    /// and what only moves has no place in it.
    pub fn offers(&self, typed: &str, works: impl Fn(&Action) -> bool) -> Vec<Offer> {
        let offered = |action: &Action| {
            let moves = matches!(
                action.command,
                Move(_)
                    | Line(_)
                    | Open
                    | Back
                    | Us(Session::Actions)
                    | Chart(Do::Left | Do::Right | Do::NextPane | Do::PreviousPane)
            );
            !moves && action.command != Fix(FixCommand::Yes) && works(action)
        };
        let mut offers: Vec<(u8, Offer)> = Vec::new();
        for (action, _) in self.all.iter().filter(|(action, _)| offered(action)) {
            let Some(rank) = rank(typed, action) else { continue };
            if !offers.iter().any(|(_, offer)| offer.command == action.command) {
                let keys = self.same(action, &works);
                offers.push((rank, Offer { keys, help: action.help, command: action.command }));
            }
        }
        offers.sort_by_key(|(rank, _)| *rank);
        offers.into_iter().map(|(_, offer)| offer).collect()
    }
}

/// How well an action fits what was typed, the best first; none where it does not.
fn rank(typed: &str, action: &Action) -> Option<u8> {
    let (typed, name, help) = (typed.trim().to_lowercase(), action.name, action.help.to_lowercase());
    let mut words = typed.split_whitespace();
    if name.starts_with(&typed) || help.starts_with(&typed) {
        return Some(0);
    }
    if words.all(|word| name.contains(word) || help.contains(word)) {
        return Some(1);
    }
    // The letters in their order, with others between.
    let mut rest = name.chars();
    typed.chars().all(|c| rest.any(|other| other == c)).then_some(2)
}

/// An action that the actions offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its keys, as they are shown.
    pub keys: String,
    /// What it does, in words.
    pub help: &'static str,
    /// What it does.
    pub command: Command,
}

fn pressed(event: KeyEvent) -> Option<Press> {
    let KeyCode::Char(c) = event.code else { return Some(Code(event.code)) };
    if event.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::META) {
        return None;
    }
    Some(if event.modifiers.contains(KeyModifiers::CONTROL) { Ctrl(c.to_ascii_lowercase()) } else { Char(c) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers, mode: Mode) -> Option<String> {
        Keys::default().meaning(KeyEvent::new(code, modifiers), mode).map(|what| format!("{what:?}"))
    }

    fn read(text: &str) -> Result<Keys, Error> {
        Keys::read(&Source { name: "keys.toml".into(), text: text.into() })
    }

    #[test]
    fn no_key_has_two_meanings_in_one_place() {
        assert_eq!(Keys::default().checked().map(|_| ()), Ok(()));
    }

    #[test]
    fn what_is_typed_never_becomes_a_command() {
        for mode in [Mode::Picker, Mode::Filter, Mode::Client, Mode::Find, Mode::Actions] {
            for c in ('!'..='~').chain(['é', ' ']) {
                assert_eq!(press(KeyCode::Char(c), KeyModifiers::NONE, mode), Some(format!("Typed({c:?})")));
            }
        }
    }

    #[test]
    fn ctrl_c_always_quits_and_help_says_so() {
        for mode in Mode::ALL {
            let quit = Some("Command(Session(Quit))".to_owned());
            assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL, mode), quit);
        }
        let lines: Vec<_> = Keys::default().help(|_| true).into_iter().flat_map(|(_, lines)| lines).collect();
        assert!(lines.contains(&("q Ctrl-C".to_owned(), "quit")), "{lines:?}");
        let told: usize = lines.iter().map(|(keys, _)| keys.split(' ').count()).sum();
        let all: usize = ACTIONS.iter().map(|action| action.presses.len()).sum();
        assert_eq!(told, all, "every key of the table is in the help");
    }

    #[test]
    fn yes_and_no_are_offered_only_where_something_is_asked() {
        let offered = |mode: Mode| Keys::default().bar(mode).iter().any(|word| matches!(word.word, "yes" | "no"));
        for mode in Mode::ALL {
            assert_eq!(offered(mode), mode == Mode::Fix(Ask::Question), "{mode:?}");
        }
    }

    #[test]
    fn the_actions_offers_what_works_by_name_words_or_letters_and_never_yes() {
        let keys = Keys::default();
        let offered = |typed: &str, mode: Mode| -> Vec<&'static str> {
            keys.offers(typed, |action| action.place.holds(mode)).iter().map(|offer| offer.help).collect()
        };
        let chart = Mode::Pane(Focus::Chart);
        assert_eq!(offered("retest", chart).first(), Some(&"retest: look at everything again"));
        assert_eq!(offered("waits conn", chart), ["listeners: every socket that waits for connections"]);
        assert!(offered("jrnl", chart)[0].starts_with("journal"));
        assert_eq!(offered("zzz", chart), Vec::<&str>::new());
        for mode in Mode::ALL {
            assert!(!offered("", mode).iter().any(|help| help.starts_with("yes")), "{mode:?}");
            assert!(offered("", mode).contains(&"quit"), "{mode:?}");
        }
    }

    #[test]
    fn every_key_that_is_shown_can_be_written_into_the_file() {
        for action in ACTIONS {
            for press in action.presses {
                assert_eq!(Press::parse(&press.shown()), Some(*press), "{}", press.shown());
            }
        }
        for word in ["", "Ctrl-1", "F13", "Hyper-x", " ", "\u{7}"] {
            assert_eq!(Press::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn the_users_file_changes_keys_and_what_is_shown_of_them() {
        let keys = read("retest = [\"F5\", \"r\"]\nlisteners = \"o\"").unwrap();
        let mode = Mode::Pane(Focus::Chart);
        let meaning =
            |code| keys.meaning(KeyEvent::new(code, KeyModifiers::NONE), mode).map(|what| format!("{what:?}"));
        assert_eq!(meaning(KeyCode::F(5)), Some("Command(Chart(Retest))".into()));
        assert_eq!(meaning(KeyCode::Char('l')), None);
        assert!(keys.bar(mode).iter().any(|word| word.keys == "F5" && word.word == "retest"));
        assert!(keys.help(|_| true).iter().any(|(_, lines)| lines.iter().any(|(keys, _)| keys == "F5 r")));
    }

    #[test]
    fn a_mistake_in_the_users_file_is_told_with_its_line_and_what_is_allowed() {
        for (text, says, hint) in [
            ("\nretset = \"r\"", "line 2: `retset` is nothing that a key could do", "allowed: up, down"),
            ("retest = \"Hyper-x\"", "line 1: `Hyper-x` is no key", "allowed: a character, Ctrl-A to Ctrl-Z"),
            ("retest = 5", "line 1: ", "like this: retest ="),
            ("retest = \"w\"", "one key means `retest` and `rules` in the same place", ""),
            ("quit-too = []", "there would be no way out", ""),
            ("up = \"e\"", "`up` holds while text is typed", "allowed: a key with Ctrl"),
        ] {
            let error = read(text).unwrap_err();
            let report = error.report();
            assert!(report.starts_with("keys.toml, ") && report.contains(says) && report.contains(hint), "{report}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}

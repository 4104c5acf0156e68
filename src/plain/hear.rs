//! What a line leads to: an answer to what was asked, or one of the choices.

use super::menu::Choice;
use super::say::Say;
use super::{Asks, Look, Page, Plain, Turn, diagnosis, menu};
use crate::app::chart::Chart;
use crate::app::event::{ChartCommand, Command, Edit, Goal, Session, Step, TableCommand, What};
use crate::app::fixing::FixCommand;
use crate::app::picker::Picker;
use crate::app::state::{Mode, Screen, State};
use crate::diagnose::chart::BoxId;

impl Plain {
    /// What a line leads to.
    pub fn heard(&mut self, state: &State, line: &str) -> Turn {
        self.prompted = false;
        let mut say = Say::new(self.style.ascii);
        let line = line.trim();
        let does = match (&state.fixing, &state.screen, self.asks) {
            (Some(fixing), _, _) => self.fix.heard(fixing, line, &mut say),
            (None, Screen::Picker(picker), _) => self.chosen_target(picker, line, &mut say),
            (None, Screen::Chart(_), _) if state.mode() == Mode::Client => self.client(line),
            (None, Screen::Chart(chart), Asks::Box(look)) => {
                self.asks = Asks::Choice;
                if line.is_empty() { Vec::new() } else { looked(chart, look, line, &mut say) }
            }
            (None, Screen::Chart(_) | Screen::Listeners(_), _) => self.choice(state, line, &mut say),
        };
        if !does.is_empty() {
            // What is noticed then is new, even where it is said in the same words.
            self.notice = None;
        }
        Turn { text: self.written(say, None), does }
    }

    fn chosen_target(&mut self, picker: &Picker, line: &str, say: &mut Say) -> Vec<What> {
        let target = match line.strip_prefix('#').map(str::parse::<usize>) {
            Some(number) => number.ok().and_then(|n| self.targets.get(n.checked_sub(1)?)).cloned(),
            None => Some(line.to_owned()),
        };
        match target.as_deref() {
            Some("" | "?") => {
                self.page = Some(Page::Targets);
                // What was typed before would leave out most of them.
                if picker.typed.is_empty() { Vec::new() } else { vec![What::Command(Command::Edit(Edit::Clear))] }
            }
            Some("0" | "q" | "quit" | "exit") => vec![quit()],
            Some(target) => typed(&[], target),
            None => {
                say.line(format!("There is no target {line}."));
                Vec::new()
            }
        }
    }

    fn choice(&mut self, state: &State, line: &str, say: &mut Say) -> Vec<What> {
        if matches!(line, "" | "?" | "help") {
            menu::tell(state, say);
            return Vec::new();
        }
        let (choice, rest) = match menu::read(line) {
            Ok(read) => read,
            Err(wrong) => {
                say.line(format!("{wrong} ? lists the choices."));
                return Vec::new();
            }
        };
        if !menu::holds(choice, state) && choice != Choice::Fix {
            say.line("That cannot be chosen here. ? lists the choices.");
            return Vec::new();
        }
        match &state.screen {
            Screen::Chart(chart) => self.of_chart(chart, choice, rest, say),
            Screen::Listeners(_) | Screen::Picker(_) => self.of_listeners(choice, rest),
        }
    }

    /// What can be chosen wherever listeners are shown.
    fn of_listeners(&mut self, choice: Choice, rest: &str) -> Vec<What> {
        match choice {
            Choice::Quit => vec![quit()],
            Choice::Target if rest.is_empty() => vec![What::Command(Command::Go(Goal::Picker))],
            Choice::Target => typed(&[Command::Go(Goal::Picker)], rest),
            Choice::Sort => {
                self.page = Some(Page::Listeners);
                vec![What::Command(Command::Table(TableCommand::Sort))]
            }
            Choice::Changes => {
                self.page = Some(Page::Listeners);
                vec![What::Command(Command::Table(TableCommand::Changes))]
            }
            Choice::Listeners => {
                self.page = Some(Page::Listeners);
                typed(&[Command::Table(TableCommand::Filter)], rest)
            }
            Choice::Fix
            | Choice::Retest
            | Choice::Box
            | Choice::Client
            | Choice::Journal
            | Choice::Rules
            | Choice::Hops
            | Choice::Explain
            | Choice::Undo
            | Choice::Repeat
            | Choice::All
            | Choice::Tell => Vec::new(),
        }
    }

    fn of_chart(&mut self, chart: &Chart, choice: Choice, rest: &str, say: &mut Say) -> Vec<What> {
        let does = |command| vec![What::Command(Command::Chart(command))];
        match choice {
            Choice::Fix => vec![What::Command(Command::Fix(FixCommand::Show))],
            Choice::Undo => vec![What::Command(Command::Fix(FixCommand::Undo))],
            Choice::Retest => {
                self.asked = true;
                does(ChartCommand::Retest)
            }
            Choice::Repeat => does(ChartCommand::Continuous),
            Choice::Box | Choice::Explain => {
                let look = if choice == Choice::Box { Look::At } else { Look::Explained };
                if rest.is_empty() {
                    self.asks = Asks::Box(look);
                    return Vec::new();
                }
                looked(chart, look, rest, say)
            }
            Choice::Client if rest.is_empty() => does(ChartCommand::Client),
            Choice::Client => {
                let mut all = does(ChartCommand::Client);
                all.extend(self.client(rest));
                all
            }
            Choice::Listeners => {
                let mut all = self.of_listeners(choice, rest);
                // Boxes are what is chosen from then on.
                all.push(What::Command(Command::Back));
                all
            }
            Choice::Journal => {
                (self.page, self.journal) = (Some(Page::Journal(rest.to_owned())), true);
                Vec::new()
            }
            Choice::Rules => {
                self.page = Some(Page::Rules);
                Vec::new()
            }
            Choice::Hops => {
                self.page = Some(Page::Hops);
                does(ChartCommand::Hops)
            }
            Choice::All => vec![What::Command(Command::Go(Goal::Listeners))],
            Choice::Tell => {
                self.known = None;
                Vec::new()
            }
            Choice::Quit | Choice::Target | Choice::Sort | Choice::Changes => self.of_listeners(choice, rest),
        }
    }

    /// Whose way is told from now on; all of it is told anew.
    fn client(&mut self, line: &str) -> Vec<What> {
        self.known = None;
        typed(&[], line)
    }
}

/// Looks at a box, which is the selected one from then on.
fn looked(chart: &Chart, look: Look, word: &str, say: &mut Say) -> Vec<What> {
    let named = |id: &&BoxId| id.word().starts_with(&word.to_lowercase());
    let found = match word.parse::<usize>() {
        Ok(number) => BoxId::ALL.get(number),
        Err(_) => BoxId::ALL.iter().find(named),
    };
    let Some(id) = found.copied() else {
        say.line(format!("There is no box {word}: 0 to 8, as the diagnosis numbers them."));
        return Vec::new();
    };
    match look {
        Look::At => diagnosis::one(chart, id, say),
        Look::Explained => diagnosis::explained(chart, id, say),
    }
    let down = (0..diagnosis::number(id)).map(|_| Command::Move(Step::Down));
    std::iter::once(Command::Move(Step::Top)).chain(down).map(What::Command).collect()
}

fn quit() -> What {
    What::Command(Command::Session(Session::Quit))
}

/// Commands, then a line in place of what stood there, then Enter.
fn typed(before: &[Command], line: &str) -> Vec<What> {
    let before = before.iter().copied().chain([Command::Edit(Edit::Clear)]).map(What::Command);
    before.chain([What::Pasted(line.to_owned()), What::Command(Command::Open)]).collect()
}

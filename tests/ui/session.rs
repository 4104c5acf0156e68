//! A session without a terminal: the loop of the program with a made-up host behind it.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unrefuse::app::event::{Size, What};
use unrefuse::app::{Effect, Event, Open, Start, State, conclude, update};
use unrefuse::facts::Facts;
use unrefuse::sources::Arrival;
use unrefuse::target::Target;
use unrefuse::ui::keys::Keys;
use unrefuse::ui::palette::Palette;
use unrefuse::ui::settings::Settings;
use unrefuse::ui::theme::Theme;
use unrefuse::ui::{draw, meaning, measure};

use crate::hosts::{NOW_MS, answer};

pub(crate) struct Session {
    pub(crate) state: State,
    pub(crate) settings: Settings,
    pub(crate) host: Facts,
    pub(crate) now_ms: u64,
    /// Every effect so far that was not a question.
    pub(crate) effects: Vec<Effect>,
    /// Questions that were asked and not answered yet.
    pub(crate) asked: Vec<(unrefuse::facts::Question, u64)>,
}

pub(crate) fn settings() -> Settings {
    let theme = Theme { color: true, ascii: false, palette: Palette::terminal(), zone: TimeZone::UTC };
    Settings { theme, keys: Keys::default() }
}

impl Session {
    pub(crate) fn start(target: Option<&str>, host: Facts, size: (u16, u16)) -> Self {
        let open = target.map_or(Open::Picker, |t| Open::Target(Target::parse(t).unwrap()));
        let start = Start { open, ..Start::default() };
        Self::from_start(start, host, size)
    }

    pub(crate) fn from_start(start: Start, host: Facts, (width, height): (u16, u16)) -> Self {
        let recent = vec!["db1:5432".into(), "nginx".into()];
        let state = State::new(start, recent, Size { width, height }, NOW_MS);
        let mut session =
            Self { state, settings: settings(), host, now_ms: NOW_MS, effects: Vec::new(), asked: Vec::new() };
        session.settle();
        session
    }

    /// A session whose host has answered everything.
    pub(crate) fn answered(target: Option<&str>, host: Facts, size: (u16, u16)) -> Self {
        let mut session = Self::start(target, host, size);
        session.answer_all();
        session
    }

    /// A session that shows all listeners.
    pub(crate) fn listening(host: Facts, size: (u16, u16)) -> Self {
        let mut session = Self::from_start(Start { open: Open::Listeners, ..Start::default() }, host, size);
        session.answer_all();
        session
    }

    pub(crate) fn event(&mut self, what: What) {
        let effects = update(&mut self.state, Event { at_ms: self.now_ms, what });
        self.perform(effects);
        self.settle();
    }

    fn settle(&mut self) {
        let effects = conclude(&mut self.state);
        self.perform(effects);
        let shown = measure(&self.state, self.state.size, &self.settings);
        if shown != self.state.shown {
            let effects = update(&mut self.state, Event { at_ms: self.now_ms, what: What::Shown(shown) });
            self.perform(effects);
            let effects = conclude(&mut self.state);
            self.perform(effects);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Ask(question, number) = effect {
                self.asked.push((question, number));
            } else {
                self.effects.push(effect);
            }
        }
    }

    /// Answers everything that was asked, and what is asked because of that.
    pub(crate) fn answer_all(&mut self) {
        for _ in 0..10_000 {
            if self.asked.is_empty() {
                return;
            }
            let (question, generation) = self.asked.remove(0);
            let fact = answer(&self.host, &question);
            self.event(What::Arrived(Arrival { generation, fact }));
        }
        panic!("it keeps asking: {:?}", self.asked);
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.press_with(code, KeyModifiers::NONE);
    }

    pub(crate) fn press_with(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Input::Key(KeyEvent::new(code, modifiers)));
    }

    /// Something is typed, or done with the mouse.
    pub(crate) fn input(&mut self, input: Input) {
        if let Some(what) = meaning(input, &self.state, &self.settings) {
            self.event(what);
        }
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) {
        self.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    }

    pub(crate) fn click(&mut self, at: (u16, u16)) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), at);
        self.mouse(MouseEventKind::Up(MouseButton::Left), at);
    }

    /// Where this is on the screen: the first column of its first place.
    #[track_caller]
    pub(crate) fn place(&self, text: &str) -> (u16, u16) {
        self.place_from(0, text)
    }

    #[track_caller]
    fn place_from(&self, first: usize, text: &str) -> (u16, u16) {
        let picture = self.picture();
        let width = usize::from(picture.area.width);
        for (row, cells) in picture.content.chunks(width).enumerate().skip(first) {
            let symbols: Vec<&str> = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            let found = (0..width).find(|at| symbols[*at..].concat().starts_with(text));
            if let Some(column) = found {
                return (u16::try_from(column).unwrap(), u16::try_from(row).unwrap());
            }
        }
        panic!("{text:?} is not on the screen:\n{}", self.text());
    }

    /// Clicks on a word of the bottom line.
    #[track_caller]
    pub(crate) fn click_on_word(&mut self, text: &str) {
        self.click(self.place_from(usize::from(self.state.size.height) - 1, text));
    }

    #[track_caller]
    pub(crate) fn click_on(&mut self, text: &str) {
        self.click(self.place(text));
    }

    pub(crate) fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// Effects since the last call.
    pub(crate) fn done(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn picture(&self) -> Buffer {
        let Size { width, height } = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&mut buffer, &self.state, &self.settings);
        buffer
    }

    /// The characters on the screen, a line a row.
    pub(crate) fn text(&self) -> String {
        crate::snapshot::text(&self.picture())
    }
}

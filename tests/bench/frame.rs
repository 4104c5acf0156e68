//! Drawing a 200x60 screen with 10,000 listeners in the table.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unrefuse::app::event::{ChartCommand, Command, Event, Size, Step, What};
use unrefuse::app::{Open, Start, State, conclude, update};
use unrefuse::facts::socket::{Listener, Transport};
use unrefuse::facts::{Case, Reading};
use unrefuse::target::{From, Target};
use unrefuse::ui::theme::Theme;
use unrefuse::ui::{draw, measure};

use crate::Row;
use crate::whole::{median, ms};

const AREA: Rect = Rect::new(0, 0, 200, 60);

/// A whole frame, while nothing changes and while the table is scrolled.
pub(crate) fn frames() -> Vec<Row> {
    let mut state = crowded();
    let theme = theme();
    let mut scroll = || {
        command(&mut state, Command::Move(Step::Down));
        let began = Instant::now();
        let mut buffer = Buffer::empty(AREA);
        draw(&mut buffer, &state, &theme);
        (began.elapsed(), buffer)
    };
    let (_, first) = scroll();
    let screen: String = first.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    assert!(screen.contains("10000"), "the table is not on the screen");
    let frame = median((0..200).map(|_| scroll().0).collect::<Vec<Duration>>());
    vec![Row::figure("a 200x60 frame with 10,000 listeners", format!("{:.2} ms", ms(frame)), "< 2 ms", ms(frame) < 2.0)]
}

fn theme() -> Theme {
    Theme { color: true, ascii: false, zone: TimeZone::UTC }
}

fn crowded() -> State {
    let target = Target::parse("10.0.0.5:8080").expect("a target");
    let mut case = Case::new(target, From::Unsaid);
    case.here.all_listeners = Reading::known((0..10_000).map(listener).collect());
    let size = Size { width: AREA.width, height: AREA.height };
    let mut state =
        State::new(Start { open: Open::Recording(Box::new(case)), ..Start::default() }, Vec::new(), size, 0);
    let _ = conclude(&mut state);
    let shown = measure(&state, size, &theme());
    let _ = update(&mut state, Event { at_ms: 0, what: What::Shown(shown) });
    command(&mut state, Command::Chart(ChartCommand::Listeners));
    state
}

fn command(state: &mut State, command: Command) {
    let _ = update(state, Event { at_ms: 0, what: What::Command(command) });
    let _ = conclude(state);
}

fn listener(number: u32) -> Listener {
    Listener {
        transport: Transport::Tcp,
        address: IpAddr::V4(Ipv4Addr::from_bits(0x7f00_0001 + number / 5_000)),
        port: u16::try_from(10_000 + number % 5_000).unwrap_or(1),
        v6only: None,
        device: None,
        queue: number % 3,
        backlog: 128,
        uid: 0,
        inode: number + 1,
        cgroup: Some(u64::from(number % 50)),
    }
}

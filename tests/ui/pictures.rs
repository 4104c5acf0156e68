//! What the screen looks like, at every size, in every state.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;
use unrefuse::app::What;
use unrefuse::facts::{Fact, Facts};
use unrefuse::sources::live::Change;
use unrefuse::ui::palette::{Base, Palette};

use crate::hosts;
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];

fn at_all_sizes(name: &str, make: impl Fn((u16, u16)) -> Session) {
    for (width, height) in SIZES {
        let session = make((width, height));
        check(&format!("{name}-{width}x{height}"), &session.picture());
    }
}

fn of(host: fn() -> Facts) -> impl Fn((u16, u16)) -> Session {
    move |size| Session::answered(Some("8080"), host(), size)
}

#[test]
fn looking() {
    at_all_sizes("looking", |size| Session::start(Some("8080"), hosts::stopped_service(), size));
}

#[test]
fn stopped_service() {
    at_all_sizes("stopped-service", of(hosts::stopped_service));
}

#[test]
fn loopback_only() {
    at_all_sizes("loopback-only", of(hosts::loopback_only));
}

#[test]
fn all_open() {
    at_all_sizes("all-open", of(hosts::all_open));
}

#[test]
fn picker() {
    at_all_sizes("picker", |size| Session::answered(None, hosts::loopback_only(), size));
}

#[test]
fn help() {
    at_all_sizes("help", |size| {
        let mut session = of(hosts::stopped_service)(size);
        session.keys("?");
        session
    });
}

#[test]
fn listeners_filtered() {
    at_all_sizes("filter", |size| {
        let mut session = of(hosts::loopback_only)(size);
        session.keys("/ngi");
        session.answer_all();
        session
    });
}

#[test]
fn listeners_alone() {
    at_all_sizes("listeners", |size| {
        let mut session = Session::listening(hosts::loopback_only(), size);
        let mut all = session.host.all_listeners.value().cloned().unwrap();
        all.remove(0);
        all.push(hosts::listener("10.2.0.2", 9000, 900));
        session.event(What::Changed(Change::Fact(Fact::AllListeners(hosts::known(all)))));
        session.answer_all();
        session.press(KeyCode::Down);
        session
    });
}

/// Another look at the sockets: one is gone, one is new, one is another daemon's.
fn looked_again(session: &mut Session) {
    let mut all = session.host.all_listeners.value().cloned().unwrap();
    all.remove(0);
    if let Some(listener) = all.iter_mut().find(|listener| listener.port == 5432) {
        listener.inode = 901;
    }
    all.push(hosts::listener("10.2.0.2", 9000, 900));
    session.host.owners.insert(900, hosts::known(hosts::owner("shop.service", "shopd")));
    session.host.owners.insert(901, hosts::known(hosts::owner("pgbouncer.service", "pgbouncer")));
    session.event(What::Changed(Change::Fact(Fact::AllListeners(hosts::known(all)))));
    session.answer_all();
}

#[test]
fn listeners_frozen() {
    at_all_sizes("frozen", |size| {
        let mut session = Session::listening(hosts::loopback_only(), size);
        session.keys("z");
        let before = session.text();
        looked_again(&mut session);
        let rows = |text: &str| text.lines().filter(|line| line.contains("LISTEN")).count();
        assert_eq!(rows(&session.text()), rows(&before), "nothing moves");
        session
    });
}

#[test]
fn listeners_that_changed() {
    at_all_sizes("changes", |size| {
        let mut session = Session::listening(hosts::loopback_only(), size);
        session.keys("zd");
        looked_again(&mut session);
        session.keys("z");
        session.answer_all();
        session
    });
}

#[test]
fn a_filter_that_is_wrong() {
    at_all_sizes("filter-wrong", |size| {
        let mut session = of(hosts::loopback_only)(size);
        session.keys("/unit:nginx proto:sctp");
        session.answer_all();
        session
    });
}

#[test]
fn journal() {
    at_all_sizes("journal", |size| {
        let mut session = of(hosts::stopped_service)(size);
        session.keys("g");
        session.answer_all();
        session
    });
}

#[test]
fn without_colours_and_in_ascii() {
    let mut session = of(hosts::loopback_only)((80, 24));
    session.settings.theme.color = false;
    check("no-color-80x24", &session.picture());
    session.settings.theme.ascii = true;
    let picture = session.picture();
    assert!(picture.content.iter().all(|cell| cell.symbol().is_ascii()));
    check("ascii-80x24", &picture);
}

/// The main screen in the themes that are built in, and every one of them legible where it matters.
#[test]
fn themes() {
    for (name, base) in Base::ALL.into_iter().skip(1) {
        let mut session = of(hosts::loopback_only)((80, 24));
        session.settings.theme.palette = Palette::of(base);
        let picture = session.picture();
        let ground = picture.content[0].bg;
        assert!(picture.content.iter().all(|cell| cell.fg != cell.bg && cell.bg != Color::Reset), "{name}");
        assert!(picture.content.iter().any(|cell| cell.bg != ground), "{name}: the selected box stands out");
        if matches!(base, Base::Dark | Base::Light) {
            check(&format!("{name}-80x24"), &picture);
        }
    }
    for (name, base) in [("dark", Base::Dark), ("light", Base::Light)] {
        for (width, height) in SIZES {
            let mut session = of(hosts::stopped_service)((width, height));
            session.settings.theme.palette = Palette::of(base);
            check(&format!("{name}-stopped-{width}x{height}"), &session.picture());
        }
    }
}

#[test]
fn without_colours_at_all_sizes() {
    at_all_sizes("plain-stopped", |size| {
        let mut session = of(hosts::stopped_service)(size);
        session.settings.theme.color = false;
        session
    });
}

pub(crate) fn harmless(picture: &Buffer, when: &str) {
    for cell in &picture.content {
        let symbol = cell.symbol();
        assert!(unrefuse::text::line(symbol) == symbol, "{symbol:?} with {when}");
        assert!(symbol.width() <= 2 && !symbol.is_empty(), "{symbol:?} with {when}");
    }
}

/// Whatever a hostile host says, every cell holds something that can plainly be seen.
#[test]
fn hostile_names_stay_harmless() {
    for (width, height) in SIZES {
        for target in [Some("8080"), None] {
            for keys in ["", "l", "g", "jjj", "jj"] {
                let mut session = Session::answered(target, hosts::hostile(), (width, height));
                session.keys(keys);
                session.answer_all();
                if keys == "jj" {
                    session.press(KeyCode::Enter);
                }
                let picture = session.picture();
                harmless(&picture, &format!("{keys:?} at {width}x{height}"));
            }
        }
        harmless(&Session::listening(hosts::hostile(), (width, height)).picture(), "listeners");
    }
    check("hostile-120x40", &of(hosts::hostile)((120, 40)).picture());
}

/// No size is too small, whatever is on the screen.
#[test]
fn every_size_draws() {
    let begun = |target| Session::answered(target, hosts::hostile(), (80, 24));
    let widths = || (1..=300).step_by(59).chain([2, 5, 28, 59, 100, 150]);
    let heights = [1, 2, 3, 5, 6, 8, 13, 15, 24, 40, 60, 100];
    for mut session in [begun(Some("8080")), begun(None), Session::listening(hosts::hostile(), (80, 24))] {
        for (width, height) in widths().flat_map(|width| heights.map(|height| (width, height))) {
            session.event(What::Resized(unrefuse::app::event::Size { width, height }));
            harmless(&session.picture(), &format!("{width}x{height}"));
            everything_drawn(&mut session);
        }
    }
}

/// Every pane and page, one after the other.
fn everything_drawn(session: &mut Session) {
    for key in ["z", "d", "\t", "\t", "/", "?"] {
        session.keys(key);
        session.picture();
    }
    session.press(KeyCode::Esc);
    session.press(KeyCode::Esc);
    for key in ["f", "x", "w", "g"] {
        session.keys(key);
        session.picture();
        session.press(KeyCode::Esc);
        session.press(KeyCode::Esc);
    }
}

/// Frames that are timed.
const FRAMES: u32 = 20;

#[test]
fn ten_thousand_listeners_draw_quickly() {
    let mut session = Session::answered(Some("8080"), hosts::crowded(10_000), (200, 60));
    session.keys("l");
    session.answer_all();
    let began = std::time::Instant::now();
    for _ in 0..FRAMES {
        session.press(KeyCode::Down);
        session.picture();
    }
    let each = began.elapsed() / FRAMES;
    // Measured: see the report of `cargo test --release -- --nocapture`. Unoptimised code on a busy machine gets more.
    let limit = if cfg!(debug_assertions) { 200 } else { 2 };
    println!("a frame with its update took {each:?}");
    assert!(each.as_millis() < limit, "{each:?}");
}

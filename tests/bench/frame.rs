//! Drawing a 200x60 screen with 10,000 listeners in the table, or with 10,000 rules open in the tree.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unrefuse::app::event::{ChartCommand, Command, Event, RulesCommand, Size, Step, What};
use unrefuse::app::state::Screen;
use unrefuse::app::{Open, Start, State, conclude, update};
use unrefuse::facts::ruleset::expr::{Base as Header, CmpOp, Expr, MetaKey, Verdict};
use unrefuse::facts::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, ChainRules, Family, Hook, Policy, Rule, Ruleset, TableId,
};
use unrefuse::facts::socket::{Listener, Transport};
use unrefuse::facts::{Case, Reading};
use unrefuse::target::{From, Target};
use unrefuse::ui::settings::{Able, Depth, Settings};
use unrefuse::ui::{draw, measure};

use crate::Row;
use crate::whole::{median, ms};

const AREA: Rect = Rect::new(0, 0, 200, 60);

/// A whole frame, while nothing changes and while the table is scrolled.
pub(crate) fn frames() -> Vec<Row> {
    let listeners = scrolled(crowded(), "10000");
    let rules = scrolled(filtered(), "tcp dport 9000 accept");
    vec![
        Row::figure("a 200x60 frame with 10,000 listeners", shown(listeners), "< 2 ms", ms(listeners) < 2.0),
        Row::figure("a 200x60 frame with 10,000 rules open", shown(rules), "< 1 ms", ms(rules) < 1.0),
    ]
}

fn shown(frame: Duration) -> String {
    format!("{:.2} ms", ms(frame))
}

/// A frame, while what has the keys is scrolled.
fn scrolled(mut state: State, holds: &str) -> Duration {
    let settings = settings();
    let mut scroll = || {
        command(&mut state, Command::Move(Step::Down));
        let began = Instant::now();
        let mut buffer = Buffer::empty(AREA);
        draw(&mut buffer, &state, &settings);
        (began.elapsed(), buffer)
    };
    let (_, first) = scroll();
    let screen: String = first.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    assert!(screen.contains(holds), "{holds} is not on the screen");
    median((0..200).map(|_| scroll().0).collect::<Vec<Duration>>())
}

fn settings() -> Settings {
    let able = Able { colours: Depth::Sixteen, ascii: false, ground: None };
    Settings::new(able, None, None).expect("no files")
}

fn crowded() -> State {
    let target = Target::parse("10.0.0.5:8080").expect("a target");
    let mut case = Case::new(target, From::Unsaid);
    case.here.all_listeners = Reading::known((0..10_000).map(listener).collect());
    begun(case, ChartCommand::Listeners)
}

/// A recorded case on the screen, the keys with a pane.
fn begun(case: Case, pane: ChartCommand) -> State {
    let size = Size { width: AREA.width, height: AREA.height };
    let mut state =
        State::new(Start { open: Open::Recording(Box::new(case)), ..Start::default() }, Vec::new(), size, 0);
    let _ = conclude(&mut state);
    command(&mut state, Command::Chart(pane));
    let shown = measure(&state, size, &settings());
    let _ = update(&mut state, Event { at_ms: 0, what: What::Shown(shown) });
    state
}

/// A filter with 10,000 rules in one chain, all of them shown.
fn filtered() -> State {
    let target = Target::parse("10.0.0.5:8080").expect("a target");
    let mut case = Case::new(target, From::Unsaid);
    let table = TableId { backend: Backend::Nftables, family: Family::Inet, name: "filter".into() };
    let id = ChainId { table, name: "input".into() };
    let base = Base {
        kind: ChainKind::Filter,
        hook: Hook::Input,
        priority: 0,
        policy: Policy::Drop,
        devices: Vec::new(),
        packets: None,
    };
    let chain = Chain { id: id.clone(), handle: 1, base: Some(base), comment: None };
    case.here.ruleset = Reading::known(Ruleset { chains: vec![chain], ..Ruleset::default() });
    let rules = (0..10_000).map(rule).collect();
    case.here.chains.insert(id, Reading::known(ChainRules { rules, ..ChainRules::default() }));
    let mut state = begun(case, ChartCommand::Rules);
    command(&mut state, Command::Move(Step::Top));
    for _ in 0..20 {
        command(&mut state, Command::Rules(RulesCommand::Unfold));
        command(&mut state, Command::Move(Step::Down));
    }
    command(&mut state, Command::Move(Step::Top));
    let Screen::Chart(chart) = &state.screen else { return state };
    assert!(chart.rules.lines().len() > 10_000, "all rules are open");
    state
}

fn rule(number: u16) -> Rule {
    let cmp = |data: Vec<u8>| Expr::Cmp { from: 4, op: CmpOp::Eq, data };
    let exprs = vec![
        Expr::Meta { key: MetaKey::L4proto, to: 4 },
        cmp(vec![6]),
        Expr::Payload { base: Header::Transport, offset: 2, len: 2, to: 4 },
        cmp((9_000 + number).to_be_bytes().to_vec()),
        Expr::Counter { packets: u64::from(number), bytes: 0 },
        Expr::Verdict(Verdict::Accept),
    ];
    Rule { handle: u64::from(number) + 1, exprs, comment: None, text: None }
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

//! Made-up packet filters, and what becomes of packets in them.

use unrefuse::facts::connect::{Counter, Dial, Outcome};
use unrefuse::facts::route::Link;
use unrefuse::facts::ruleset::expr::{Base, BitOp, CmpOp, CtKey, Expr, MetaKey, RejectWith, Verdict};
use unrefuse::facts::ruleset::{
    Backend, Base as Hooking, Chain, ChainId, ChainKind, ChainRules, Family, Hook, Policy, Rule, Ruleset, Table,
    TableId,
};
use unrefuse::facts::{Facts, Reading};

use crate::hosts::{self, known};
use crate::session::Session;

fn link(index: u32, name: &str) -> Link {
    Link { index, name: name.into(), hardware: 1, up: true, ..Link::default() }
}

fn table(family: Family, name: &str) -> TableId {
    TableId { backend: Backend::Nftables, family, name: name.into() }
}

pub(crate) fn chain(name: &str) -> ChainId {
    ChainId { table: table(Family::Inet, "filter"), name: name.into() }
}

fn hooked(id: ChainId, hook: Hook, policy: Policy) -> Chain {
    let base = Hooking { kind: ChainKind::Filter, hook, priority: 0, policy, devices: Vec::new(), packets: None };
    Chain { id, handle: 1, base: Some(base), comment: None }
}

fn plain(id: ChainId) -> Chain {
    Chain { id, handle: 2, base: None, comment: None }
}

pub(crate) fn rule(handle: u64, exprs: Vec<Expr>) -> Rule {
    Rule { handle, exprs, comment: None, text: None }
}

fn eq(data: &[u8]) -> Expr {
    Expr::Cmp { from: 4, op: CmpOp::Eq, data: data.to_vec() }
}

fn dport(port: u16) -> Vec<Expr> {
    vec![
        Expr::Meta { key: MetaKey::L4proto, to: 4 },
        eq(&[6]),
        Expr::Payload { base: Base::Transport, offset: 2, len: 2, to: 4 },
        eq(&port.to_be_bytes()),
    ]
}

fn counted(mut exprs: Vec<Expr>, packets: u64, end: Expr) -> Vec<Expr> {
    exprs.extend([Expr::Counter { packets, bytes: packets * 60 }, end]);
    exprs
}

fn established() -> Vec<Expr> {
    let mask = BitOp::Mask { mask: vec![6, 0, 0, 0], xor: vec![0; 4] };
    vec![
        Expr::Ct { key: CtKey::State, direction: None, to: 4 },
        Expr::Bitwise { from: 4, to: 4, len: 4, op: mask },
        Expr::Cmp { from: 4, op: CmpOp::Neq, data: vec![0; 4] },
    ]
}

fn jump(to: &str) -> Expr {
    Expr::Verdict(Verdict::Jump(to.into()))
}

/// The rules of `web`, which `input` jumps to; the last one accepts what was rejected before.
fn web() -> Vec<Rule> {
    vec![
        rule(21, counted(dport(8443), 0, Expr::Verdict(Verdict::Accept))),
        rule(22, counted(dport(8080), 12, Expr::Reject(RejectWith::TcpReset))),
        rule(23, counted(dport(8080), 0, Expr::Verdict(Verdict::Accept))),
    ]
}

fn input() -> Vec<Rule> {
    vec![
        rule(11, counted(established(), 1_204_331, Expr::Verdict(Verdict::Accept))),
        rule(12, counted(dport(22), 77, Expr::Verdict(Verdict::Accept))),
        rule(13, vec![jump("web")]),
        rule(14, counted(Vec::new(), 3, Expr::Verdict(Verdict::Drop))),
    ]
}

/// nginx waits on all addresses, and a rule of the chain `web` rejects what comes to it.
pub(crate) fn rejected() -> Facts {
    let mut facts = hosts::all_open();
    for reading in facts.dials.values_mut() {
        let Reading::Known(known) = reading else { continue };
        let Some(ip) = known.value.to.ip() else { continue };
        let refused = hosts::dial(ip, 8080, Outcome::Refused);
        known.value = Dial { counters: vec![Counter { name: "Tcp.OutRsts".into(), delta: 0 }], ..refused };
    }
    facts.legacy = known(Vec::new());
    facts.links = known(vec![link(1, "lo"), link(2, "eth0")]);
    let nat = ChainId { table: table(Family::Ip, "nat"), name: "prerouting".into() };
    let chains = vec![
        hooked(chain("input"), Hook::Input, Policy::Accept),
        hooked(chain("forward"), Hook::Forward, Policy::Drop),
        hooked(chain("output"), Hook::Output, Policy::Accept),
        plain(chain("web")),
        plain(chain("mail")),
        hooked(nat.clone(), Hook::Prerouting, Policy::Accept),
    ];
    let tables = [table(Family::Inet, "filter"), table(Family::Ip, "nat")];
    let tables = tables.map(|id| Table { id, handle: 1, dormant: false, comment: None }).to_vec();
    facts.ruleset = known(Ruleset { generation: 5, tables, chains, ..Ruleset::default() });
    let mut read =
        |id: ChainId, rules| facts.chains.insert(id, known(ChainRules { generation: 5, rules, more: false }));
    read(chain("input"), input());
    read(chain("output"), Vec::new());
    read(chain("web"), web());
    read(nat, Vec::new());
    facts
}

/// The same with ten thousand rules before the one that decides, and as many after it.
pub(crate) fn long(count: u64) -> Facts {
    let mut facts = rejected();
    let accept = |handle| rule(handle, counted(dport(9_999), handle, Expr::Verdict(Verdict::Accept)));
    let mut rules: Vec<Rule> = (1_000..1_000 + count).map(accept).collect();
    rules.extend(web());
    rules.extend((1_000 + count..1_000 + 2 * count).map(accept));
    facts.chains.insert(chain("web"), known(ChainRules { generation: 5, rules, more: false }));
    facts
}

/// Clients of 203.0.113.0/24 are let in before that.
pub(crate) fn partly() -> Facts {
    let mut facts = rejected();
    let mut rules = web();
    let mut office = vec![
        Expr::Meta { key: MetaKey::Nfproto, to: 4 },
        eq(&[2]),
        Expr::Payload { base: Base::Network, offset: 12, len: 3, to: 4 },
        eq(&[203, 0, 113]),
    ];
    office.extend(dport(8080));
    rules.insert(0, rule(20, counted(office, 41, Expr::Verdict(Verdict::Accept))));
    facts.chains.insert(chain("web"), known(ChainRules { generation: 5, rules, more: false }));
    facts
}

/// A session in which the packet was followed.
pub(crate) fn followed(facts: Facts, size: (u16, u16)) -> Session {
    Session::answered(Some("8080"), facts, size)
}

/// The same after three more packets came to the rule that decides.
pub(crate) fn moved(mut facts: Facts) -> Facts {
    let mut rules = web();
    rules[1] = rule(22, counted(dport(8080), 15, Expr::Reject(RejectWith::TcpReset)));
    facts.chains.insert(chain("web"), known(ChainRules { generation: 5, rules, more: false }));
    facts
}

/// The same after a rule counted another packet.
pub(crate) fn busier(id: &str, handle: u64, mut facts: Facts) -> Facts {
    let Some(Reading::Known(known)) = facts.chains.get_mut(&chain(id)) else { panic!("no chain {id}") };
    let busy = known.value.rules.iter_mut().find(|rule| rule.handle == handle);
    for expr in &mut busy.unwrap_or_else(|| panic!("no rule {handle}")).exprs {
        if let Expr::Counter { packets, .. } = expr {
            *packets += 1;
        }
    }
    facts
}

/// A filter whose every name is hostile.
pub(crate) fn hostile() -> Facts {
    use hosts::HOSTILE;
    let mut facts = hosts::all_open();
    let id = ChainId { table: table(Family::Inet, HOSTILE), name: HOSTILE.into() };
    let other = ChainId { name: format!("x{HOSTILE}"), ..id.clone() };
    let chains = vec![hooked(id.clone(), Hook::Input, Policy::Drop), plain(other.clone())];
    facts.ruleset = known(Ruleset { chains, ..Ruleset::default() });
    let bad = |handle, exprs| Rule { comment: Some(HOSTILE.into()), text: Some(HOSTILE.into()), ..rule(handle, exprs) };
    let rules =
        vec![bad(1, vec![jump(&other.name)]), bad(2, vec![Expr::Opaque { name: HOSTILE.into(), raw: vec![1] }])];
    facts.chains.insert(id, known(ChainRules { rules, ..ChainRules::default() }));
    facts.chains.insert(other, Reading::Failed { why: HOSTILE.into() });
    facts
}

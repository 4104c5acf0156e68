//! Real messages of the kernel, whole and spoiled: what libnftnl makes of them beside what the attributes say.

use std::cell::RefCell;

use super::policy::FAMILY_HEADER;
use super::rules::Decoder;
use super::sys::Aligned;
use super::walk::{self, RawExpr};
use super::{elements, family, rules, tables};
use crate::facts::ruleset::expr::{BitOp, Expr};
use crate::facts::ruleset::xt::Xt;
use crate::facts::ruleset::{Rule, Set};
use crate::sources::netlink::wire::{Message, attribute, messages, tests::message};

/// Tables, chains, sets, objects, rules and elements of tests/netns/kinds.nft and of some rules of iptables-nft.
const CAPTURED: &[u8] = include_bytes!("../captured/nf_tables.bin");

const NEW_RULE: u16 = 0x0a06;

/// The kernel's name of an expression.
fn name_of(expr: &Expr) -> &str {
    match expr {
        Expr::Payload { .. } | Expr::PayloadSet { .. } => "payload",
        Expr::Meta { .. } | Expr::MetaSet { .. } => "meta",
        Expr::Ct { .. } | Expr::CtSet { .. } => "ct",
        Expr::Cmp { .. } => "cmp",
        Expr::Range { .. } => "range",
        Expr::Bitwise { .. } => "bitwise",
        Expr::Byteorder { .. } => "byteorder",
        Expr::Lookup { .. } => "lookup",
        Expr::Fib { .. } => "fib",
        Expr::Exthdr { .. } | Expr::ExthdrSet { .. } => "exthdr",
        Expr::Socket { .. } => "socket",
        Expr::Rt { .. } => "rt",
        Expr::Xfrm { .. } => "xfrm",
        Expr::Osf { .. } => "osf",
        Expr::Numgen { .. } => "numgen",
        Expr::Hash { .. } => "hash",
        Expr::Limit { .. } => "limit",
        Expr::Quota { .. } => "quota",
        Expr::Connlimit { .. } => "connlimit",
        Expr::Last => "last",
        Expr::Counter { .. } => "counter",
        Expr::Log { .. } => "log",
        Expr::Reject(_) => "reject",
        Expr::Nat { .. } => "nat",
        Expr::Masquerade { .. } => "masq",
        Expr::Redirect { .. } => "redir",
        Expr::Tproxy { .. } => "tproxy",
        Expr::Immediate { .. } | Expr::Verdict(_) => "immediate",
        Expr::Objref { .. } | Expr::ObjrefMap { .. } => "objref",
        Expr::Dynset { .. } => "dynset",
        Expr::Synproxy => "synproxy",
        Expr::FlowOffload { .. } => "flow_offload",
        Expr::Dup { .. } => "dup",
        Expr::Fwd { .. } => "fwd",
        Expr::Queue { .. } => "queue",
        Expr::Notrack => "notrack",
        Expr::Xt(Xt::Match(_)) => "match",
        Expr::Xt(Xt::Target(_)) => "target",
        Expr::Opaque { name, .. } => name,
    }
}

/// The names of a rule's expressions as its attributes say; none where they cannot be read.
fn raw_names(body: &[u8]) -> Option<Vec<String>> {
    let attributes = body.get(FAMILY_HEADER..)?;
    walk::walk(attributes).all(|a| a.is_ok()).then_some(())?;
    let list = RawExpr::list(walk::find(attributes, 4)?).ok()?;
    Some(list.iter().map(|e| String::from_utf8_lossy(e.name).into_owned()).collect())
}

thread_local! {
    /// One that has seen the expressions of many rules.
    static OFTEN: RefCell<Decoder> = RefCell::default();
}

/// A rule, which is the same whatever was decoded before.
fn rule(message: &Message<'_>) -> Rule {
    let rule = rules::rule(message, &mut Decoder::default());
    for _ in 0..2 {
        assert_eq!(OFTEN.with_borrow_mut(|decoder| rules::rule(message, decoder)), rule);
    }
    rule
}

/// A rule is as long as its attributes say, or is said not to be understood.
fn assert_whole(message: &Message<'_>) {
    let rule = rule(message);
    let names: Vec<&str> = rule.exprs.iter().map(name_of).collect();
    match raw_names(message.body) {
        Some(raw) => assert_eq!(names, raw),
        None => assert_eq!(names, ["rule"]),
    }
}

#[test]
fn libnftnl_and_the_attributes_agree_on_every_rule() {
    let all: Vec<_> = messages(CAPTURED).filter(|m| m.kind == NEW_RULE).collect();
    assert_eq!(all.len(), 90);
    for message in all {
        assert_whole(&message);
        let rule = rule(&message);
        assert!(rule.handle > 0 && !rule.exprs.iter().any(|e| matches!(e, Expr::Opaque { .. })), "{rule:?}");
    }
}

/// `struct nfgenmsg` of table family ip, and attributes.
fn body(attributes: &[Vec<u8>]) -> Vec<u8> {
    [vec![2, 0, 0, 1], attributes.concat()].concat()
}

fn expression(name: &[u8], data: &[u8]) -> Vec<u8> {
    attribute(1, &[attribute(1, &[name, b"\0"].concat()), attribute(2, data)].concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn with_expressions(list: &[Vec<u8>]) -> Rule {
    let attributes =
        [attribute(1, b"t\0"), attribute(2, b"c\0"), attribute(3, &9u64.to_be_bytes()), attribute(4, &list.concat())];
    let bytes = message(NEW_RULE, 0, 0, &body(&attributes));
    rule(&messages(&bytes).next().unwrap())
}

#[test]
fn what_libnftnl_does_not_know_stays_and_hides_nothing_behind_it() {
    let accept = expression(b"immediate", &[number(1, 0), attribute(2, &attribute(2, &number(1, 1)))].concat());
    let inner = expression(b"inner", &number(1, 5));
    let rule = with_expressions(&[accept.clone(), inner, accept]);
    assert_eq!(rule.handle, 9);
    assert_eq!(rule.exprs.iter().map(name_of).collect::<Vec<_>>(), ["immediate", "inner", "immediate"]);
    assert_eq!(rule.exprs[1], Expr::Opaque { name: "inner".into(), raw: number(1, 5) });
}

#[test]
fn bits_of_two_registers_are_not_taken_for_a_mask() {
    let value = |kind, bytes: &[u8]| attribute(kind, &attribute(1, bytes));
    let mask = [number(1, 8), number(2, 8), number(3, 4), value(4, &[1; 4]), value(5, &[0; 4]), number(6, 0)].concat();
    let known = with_expressions(&[expression(b"bitwise", &mask)]).exprs;
    assert!(matches!(&known[..], [Expr::Bitwise { from: 0, op: BitOp::Mask { .. }, .. }]), "{known:?}");
    for more in [[mask, number(8, 9)].concat(), [number(1, 8), number(2, 8), number(3, 4), number(6, 3)].concat()] {
        let unknown = with_expressions(&[expression(b"bitwise", &more)]).exprs;
        assert!(matches!(&unknown[..], [Expr::Opaque { .. }]), "{unknown:?}");
    }
}

/// A generator of numbers that are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Bytes somewhat changed: some set to what hurts, or the rest cut off.
    fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut spoiled = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(spoiled.len());
            let value = [0, 1, 2, 3, 4, 5, 8, 0x7f, 0x80, 0xff][self.below(10)];
            if let Some(byte) = spoiled.get_mut(at) {
                *byte = if self.below(2) == 0 { value } else { u8::try_from(self.below(256)).unwrap() };
            }
        }
        if self.below(8) == 0 {
            spoiled.truncate(self.below(bytes.len()));
        }
        spoiled
    }
}

#[test]
fn spoiled_messages_break_nothing_and_no_rule_gets_shorter() {
    const CASES: usize = 120_000;
    let all: Vec<_> = messages(CAPTURED).collect();
    let mut scratch = Aligned::default();
    let sets: Vec<Set> = all.iter().filter_map(|m| tables::set(m, family(m.body)?, &mut scratch)).collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CASES {
        let original = &all[numbers.below(all.len())];
        let bytes = message(original.kind, 0, 0, &numbers.spoil(original.body));
        let Some(message) = messages(&bytes).next() else { continue };
        if message.kind == NEW_RULE {
            assert_whole(&message);
            continue;
        }
        let family = family(message.body).unwrap_or(crate::facts::ruleset::Family::Ip);
        let set = &sets[numbers.below(sets.len())];
        drop(tables::table(&message, family, &mut scratch));
        drop(tables::chain(&message, family, &mut scratch));
        drop(tables::set(&message, family, &mut scratch));
        drop(tables::object(&message, family, &mut scratch));
        drop(elements::bare(&message, set, &mut scratch));
    }
}

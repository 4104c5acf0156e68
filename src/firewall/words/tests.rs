//! Rules made by hand, as the kernel keeps them, and the words nft has for them.

use super::*;
use crate::facts::ruleset::expr::{Base, BitOp, CmpOp, CtKey, LookupTo, MetaKey, RejectWith};
use crate::facts::ruleset::{Backend, Element, Family, Leads, MapsTo};

struct Sets {
    rules: Ruleset,
    elements: Vec<(SetId, Elements)>,
}

impl Names for Sets {
    fn ruleset(&self) -> Option<&Ruleset> {
        Some(&self.rules)
    }

    fn elements(&self, id: &SetId) -> Option<&Elements> {
        self.elements.iter().find(|(set, _)| set == id).map(|(_, elements)| elements)
    }

    fn interface(&self, index: u32) -> Option<&str> {
        (index == 1).then_some("lo")
    }
}

fn table(family: Family) -> TableId {
    TableId { backend: Backend::Nftables, family, name: "t".into() }
}

fn said_with(family: Family, exprs: Vec<Expr>, names: &dyn Names) -> String {
    let made = Rule { handle: 7, exprs, comment: None, text: None };
    rule(&ChainId { table: table(family), name: "input".into() }, &made, names)
}

fn said(family: Family, exprs: Vec<Expr>) -> String {
    said_with(family, exprs, &NoNames)
}

fn meta(key: MetaKey, value: &[u8]) -> [Expr; 2] {
    [Expr::Meta { key, to: 0 }, Expr::Cmp { from: 0, op: CmpOp::Eq, data: value.into() }]
}

fn load(base: Base, offset: u32, len: u32) -> Expr {
    Expr::Payload { base, offset, len, to: 0 }
}

fn cmp(op: CmpOp, data: &[u8]) -> Expr {
    Expr::Cmp { from: 0, op, data: data.into() }
}

fn mask(bits: &[u8]) -> Expr {
    let len = u32::try_from(bits.len()).unwrap();
    Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { mask: bits.into(), xor: vec![0; bits.len()] } }
}

#[test]
fn what_only_says_which_header_there_is_goes_without_saying() {
    let mut exprs = meta(MetaKey::Nfproto, &[2]).to_vec();
    exprs.extend([load(Base::Network, 12, 1), cmp(CmpOp::Eq, &[10])]);
    exprs.extend(meta(MetaKey::L4proto, &[6]));
    exprs.extend([load(Base::Transport, 2, 2), cmp(CmpOp::Eq, &[0, 80])]);
    exprs.extend([Expr::Counter { packets: 3, bytes: 180 }, Expr::Reject(RejectWith::Icmpx(3))]);
    let words = "ip saddr 10.0.0.0/8 tcp dport 80 counter packets 3 bytes 180 reject with icmpx admin-prohibited";
    assert_eq!(said(Family::Inet, exprs), words);
    let alone = meta(MetaKey::L4proto, &[6]).into_iter().chain([Expr::Reject(RejectWith::TcpReset)]).collect();
    assert_eq!(said(Family::Ip, alone), "meta l4proto tcp reject with tcp reset");
}

#[test]
fn flags_prefixes_and_ranges() {
    let new = vec![
        Expr::Ct { key: CtKey::State, direction: None, to: 0 },
        mask(&6_u32.to_ne_bytes()),
        cmp(CmpOp::Neq, &[0; 4]),
        Expr::Verdict(Verdict::Accept),
    ];
    assert_eq!(said(Family::Inet, new), "ct state established,related accept");
    let odd = vec![load(Base::Network, 12, 4), mask(&[255, 128, 0, 0]), cmp(CmpOp::Neq, &[10, 128, 0, 0])];
    assert_eq!(said(Family::Ip, odd), "ip saddr != 10.128.0.0/9");
    let mut range = meta(MetaKey::L4proto, &[17]).to_vec();
    range.extend([load(Base::Transport, 2, 2), cmp(CmpOp::Gte, &[3, 232]), cmp(CmpOp::Lte, &[7, 208])]);
    assert_eq!(said(Family::Ip, range), "udp dport 1000-2000");
}

#[test]
fn a_name_that_is_compared_in_part_ends_in_a_star() {
    let begin = meta(MetaKey::Iifname, b"wg").to_vec();
    assert_eq!(said(Family::Ip, begin), "iifname \"wg*\"");
    let whole = meta(MetaKey::Iifname, b"eth0\0\0\0\0\0\0\0\0\0\0\0\0").to_vec();
    assert_eq!(said(Family::Ip, whole), "iifname \"eth0\"");
}

#[test]
fn what_is_not_known_stands_in_brackets() {
    let raw = vec![load(Base::Network, 96, 3), cmp(CmpOp::Eq, &[1, 2, 3])];
    assert_eq!(said(Family::Ip, raw), "@nh,768,24 0x010203");
    let opaque = vec![Expr::Opaque { name: "inner".into(), raw: vec![1] }, Expr::Verdict(Verdict::Drop)];
    assert_eq!(said(Family::Inet, opaque), "[inner] drop");
}

#[test]
fn a_set_made_for_one_rule_is_written_out_in_order() {
    let set = SetId { table: table(Family::Ip), name: "__map0".into() };
    let element = |port: u8, verdict| Element {
        from: vec![0, port],
        to: vec![0, port],
        leads_to: Some(Leads::Verdict(verdict)),
        expires_ms: None,
        exprs: Vec::new(),
        comment: None,
    };
    let elements = vec![element(80, Verdict::Jump("web".into())), element(22, Verdict::Accept)];
    let declared = Set {
        id: set.clone(),
        anonymous: true,
        interval: false,
        dynamic: false,
        maps_to: MapsTo::Verdict,
        key_len: 2,
        fields: vec![2],
        timeout_ms: None,
        size: None,
        exprs: Vec::new(),
        comment: None,
    };
    let sets = Sets {
        rules: Ruleset { sets: vec![declared], ..Ruleset::default() },
        elements: vec![(set, Elements { elements, ..Elements::default() })],
    };
    let mut exprs = meta(MetaKey::L4proto, &[6]).to_vec();
    let lookup = Expr::Lookup { set: "__map0".into(), from: 0, to: LookupTo::Verdict, inverted: false };
    exprs.extend([load(Base::Transport, 2, 2), lookup.clone()]);
    assert_eq!(said_with(Family::Ip, exprs.clone(), &sets), "tcp dport vmap { 22 : accept, 80 : jump web }");
    assert_eq!(said(Family::Ip, exprs), "tcp dport vmap { … }");
}

#[test]
fn the_short_form_keeps_what_decides() {
    let exprs = vec![
        Expr::Counter { packets: 1, bytes: 2 },
        Expr::Log { prefix: Some("x".into()), group: None },
        Expr::Reject(RejectWith::Icmp(3)),
    ];
    let made = Rule { handle: 7, exprs, comment: Some("no".into()), text: None };
    let chain = ChainId { table: table(Family::Ip), name: "input".into() };
    assert_eq!(decides(&made).as_deref(), Some("reject with icmp port-unreachable"));
    assert_eq!(brief(&chain, &made, &NoNames), "reject");
    assert_eq!(rule(&chain, &made, &NoNames), "counter packets 1 bytes 2 log prefix \"x\" reject comment \"no\"");
}

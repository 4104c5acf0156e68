//! What a rule does, as the kernel is told and tells it. The rules of iptables do the same, whatever they look like there.

use std::net::IpAddr;

use super::{Lets, Opening, Rule, Way};
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{Base, BitOp, CmpOp, CtKey, Expr, MetaKey, Verdict};
use crate::facts::socket::Transport;

/// Index of lo, in every network namespace.
const LOOPBACK: u32 = 1;
/// Bits of `ct state`: established, related.
const ANSWERS: u32 = 2 | 4;

impl Rule {
    /// Its expressions.
    pub fn exprs(&self) -> Vec<Expr> {
        let mut exprs = match &self.lets {
            Lets::Loopback => vec![meta(MetaKey::Iif), eq(LOOPBACK.to_ne_bytes().to_vec())],
            Lets::Answers => vec![
                Expr::Ct { key: CtKey::State, direction: None, to: 0 },
                masked(ANSWERS.to_ne_bytes().to_vec()),
                Expr::Cmp { from: 0, op: CmpOp::Neq, data: vec![0; 4] },
            ],
            Lets::Service(opening) => service(opening, self.spot.chain.table.family),
        };
        exprs.push(Expr::Verdict(Verdict::Accept));
        exprs
    }
}

fn service(opening: &Opening, family: Family) -> Vec<Expr> {
    let (client, server) = match opening.way {
        Way::There => (End::Source, End::Destination),
        Way::Back => (End::Destination, End::Source),
    };
    let mut exprs = Vec::new();
    if let Some(one) = opening.from.map(|(address, _)| address).or(opening.to) {
        exprs.extend(protocol(family, one));
    }
    if let Some((network, length)) = opening.from {
        exprs.extend(address(client, network, length));
    }
    if let Some(to) = opening.to {
        exprs.extend(address(server, to, u8::MAX));
    }
    let number = match opening.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    };
    let offset = if server == End::Source { 0 } else { 2 };
    exprs.extend([
        meta(MetaKey::L4proto),
        eq(vec![number]),
        Expr::Payload { base: Base::Transport, offset, len: 2, to: 0 },
        eq(opening.port.to_be_bytes().to_vec()),
    ]);
    exprs
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Tables of several protocols ask for that of an address first.
fn protocol(family: Family, address: IpAddr) -> Vec<Expr> {
    let v4 = address.is_ipv4();
    match family {
        Family::Inet => vec![meta(MetaKey::Nfproto), eq(vec![if v4 { 2 } else { 10 }])],
        Family::Netdev | Family::Bridge => {
            let number: u16 = if v4 { 0x0800 } else { 0x86dd };
            vec![meta(MetaKey::Protocol), eq(number.to_be_bytes().to_vec())]
        }
        Family::Ip | Family::Ip6 | Family::Arp => Vec::new(),
    }
}

/// An address lies in a network.
fn address(end: End, network: IpAddr, length: u8) -> Vec<Expr> {
    let (data, offset) = match (network, end) {
        (IpAddr::V4(v4), End::Source) => (v4.octets().to_vec(), 12),
        (IpAddr::V4(v4), End::Destination) => (v4.octets().to_vec(), 16),
        (IpAddr::V6(v6), End::Source) => (v6.octets().to_vec(), 8),
        (IpAddr::V6(v6), End::Destination) => (v6.octets().to_vec(), 24),
    };
    let mask = mask(data.len(), length);
    let len = if network.is_ipv4() { 4 } else { 16 };
    let mut exprs = vec![Expr::Payload { base: Base::Network, offset, len, to: 0 }];
    if mask.iter().any(|byte| *byte != u8::MAX) {
        exprs.push(masked(mask));
    }
    exprs.push(eq(data));
    exprs
}

/// The mask of a prefix.
fn mask(bytes: usize, length: u8) -> Vec<u8> {
    let bits = |at: usize| usize::from(length).saturating_sub(at * 8).min(8);
    (0..bytes).map(|at| u8::try_from(0xff00_u16 >> bits(at) & 0xff).unwrap_or(u8::MAX)).collect()
}

fn meta(key: MetaKey) -> Expr {
    Expr::Meta { key, to: 0 }
}

fn eq(data: Vec<u8>) -> Expr {
    Expr::Cmp { from: 0, op: CmpOp::Eq, data }
}

fn masked(mask: Vec<u8>) -> Expr {
    let (xor, len) = (vec![0; mask.len()], u32::try_from(mask.len()).unwrap_or(0));
    Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { mask, xor } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::words::{NoNames, exact};
    use crate::fixes::rule::tests::{opening, spot};
    use crate::fixes::rule::{RuleTool, Spot};

    #[test]
    fn the_mask_of_a_prefix_is_its_bits() {
        assert_eq!(mask(4, 32), [255; 4]);
        assert_eq!(mask(4, 12), [255, 240, 0, 0]);
        assert_eq!(mask(4, 0), [0; 4]);
        assert_eq!(mask(16, 7)[..2], [254, 0]);
        assert_eq!(mask(16, u8::MAX), [255; 16]);
    }

    #[test]
    fn what_it_does_is_what_its_words_say() {
        let says = |family: Family, lets: Lets| {
            let mut spot: Spot = spot(RuleTool::Nftables, family, Some(3));
            "mine".clone_into(&mut spot.chain.table.name);
            let rule = Rule { spot, lets };
            let known = crate::facts::ruleset::Rule { handle: 9, exprs: rule.exprs(), comment: None, text: None };
            (exact(&rule.spot.chain, &known, &NoNames).unwrap(), rule.nft_words().join(" "))
        };
        for family in [Family::Inet, Family::Ip, Family::Netdev] {
            let (told, words) = says(family, Lets::Service(opening()));
            assert_eq!(told, words, "{family:?}");
        }
        let back = Opening { way: Way::Back, from: None, to: Some("fd00::2".parse().unwrap()), ..opening() };
        let (told, words) = says(Family::Inet, Lets::Service(back));
        assert_eq!(told, words);
        let (told, words) = says(Family::Inet, Lets::Answers);
        assert_eq!(told, words);
    }
}

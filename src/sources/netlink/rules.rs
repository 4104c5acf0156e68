//! Policy rules, and the routes that refuse, over rtnetlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use super::wire::{Message, array_at, attributes, text, u8_at, u16_at, u32_at};
use crate::facts::route::RouteKind;
use crate::facts::routing::{Prefix, RefusingRoute, Routing, RoutingRule, RuleAction};
use crate::sources::Trouble;

const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const NEW_RULE: u16 = 32;
const GET_RULE: u16 = 34;
const FAMILIES: [u8; 2] = [FAMILY_V4, FAMILY_V6];
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;
/// `RTN_BLACKHOLE`, `RTN_UNREACHABLE`, `RTN_PROHIBIT`, `RTN_THROW`.
const REFUSING: [u8; 4] = [6, 7, 8, 9];

/// Rules and routes of each kind that are kept: nobody writes as many by hand, and a blocklist is not told one by one.
const MOST: usize = 4096;

/// The policy rules and the routes that refuse. Needs no rights.
pub fn routing() -> Result<Option<Routing>, Trouble> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    // A kernel that cannot filter (before 4.20) lists all routes; what is not wanted is passed over.
    netlink.filters();
    let mut routing = Routing::default();
    for family in FAMILIES {
        let body = [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // struct fib_rule_hdr
        let request = Request { doing: "asking for routing rules", kind: GET_RULE, body: &body };
        // A kernel without policy routing of this family has no rules.
        routing.rules.extend(netlink.list_or_errno(request, |m| rule(&m))?.unwrap_or_default());
        for kind in REFUSING {
            let body = [family, 0, 0, 0, 0, 0, 0, kind, 0, 0, 0, 0]; // struct rtmsg
            let request = Request { doing: "asking for routes", kind: GET_ROUTE, body: &body };
            let found = netlink.list_or_errno(request, |m| refusing(&m, kind))?;
            routing.refusing.extend(found.unwrap_or_default());
        }
    }
    routing.partial = routing.rules.len() > MOST || routing.refusing.len() > MOST;
    routing.rules.truncate(MOST);
    routing.refusing.truncate(MOST);
    Ok(Some(routing))
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_V4 => array_at::<4>(value, 0).map(IpAddr::from),
        FAMILY_V6 => array_at::<16>(value, 0).map(IpAddr::from),
        _ => None,
    }
}

fn prefix(family: u8, value: Option<&[u8]>, bits: u8) -> Option<Prefix> {
    let all = || if family == FAMILY_V4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Some(Prefix::new(value.map_or_else(|| Some(all()), |value| address(family, value))?, bits))
}

pub(in crate::sources) fn rule(message: &Message<'_>) -> Option<RoutingRule> {
    const INVERT: u32 = 2;
    if message.kind != NEW_RULE {
        return None;
    }
    // struct fib_rule_hdr: family, dst_len, src_len, tos, table, res1, res2, action, flags
    let body = message.body;
    let family = u8_at(body, 0)?;
    let (to_bits, from_bits, tos) = (u8_at(body, 1)?, u8_at(body, 2)?, u8_at(body, 3)?);
    let (mut table, mut goto, mut mark, mut marked) = (u32::from(u8_at(body, 4)?), 0, None, None);
    let mut rule = RoutingRule {
        v6: family == FAMILY_V6,
        other: tos != 0,
        not: u32_at(body, 8)? & INVERT != 0,
        ..RoutingRule::new(0, RuleAction::Nop)
    };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => rule.to = prefix(family, Some(value), to_bits),       // FRA_DST
            2 => rule.from = prefix(family, Some(value), from_bits),   // FRA_SRC
            3 => rule.input = Some(text(value)),                       // FRA_IIFNAME
            4 => goto = u32_at(value, 0)?,                             // FRA_GOTO
            6 => rule.priority = u32_at(value, 0)?,                    // FRA_PRIORITY
            10 => mark = u32_at(value, 0),                             // FRA_FWMARK
            15 => table = u32_at(value, 0)?,                           // FRA_TABLE
            16 => marked = u32_at(value, 0),                           // FRA_FWMASK
            17 => rule.output = Some(text(value)),                     // FRA_OIFNAME
            20 => rule.users = u32_at(value, 0).zip(u32_at(value, 4)), // FRA_UID_RANGE
            22 => rule.protocol = u8_at(value, 0).filter(|number| *number != 0), // FRA_IP_PROTO
            24 => rule.ports = u16_at(value, 0).zip(u16_at(value, 2)), // FRA_DPORT_RANGE
            19 => rule.vrf = u8_at(value, 0).is_some_and(|on| on != 0), // FRA_L3MDEV
            12 | 23 => rule.other = true,                              // FRA_TUN_ID, FRA_SPORT_RANGE
            13 => rule.other |= u32_at(value, 0).is_some_and(|group| group != u32::MAX), // FRA_SUPPRESS_IFGROUP
            _ => {}
        }
    }
    // Both or none; without a mask only a mark of nothing is told.
    rule.mark = mark.zip(marked).filter(|(_, mask)| *mask != 0);
    rule.action = match u8_at(body, 7)? {
        1 => RuleAction::Table(table),
        2 => RuleAction::Goto(goto),
        6 => RuleAction::Blackhole,
        7 => RuleAction::Unreachable,
        8 => RuleAction::Prohibit,
        _ => RuleAction::Nop,
    };
    Some(rule)
}

pub(in crate::sources) fn refusing(message: &Message<'_>, wanted: u8) -> Option<RefusingRoute> {
    if message.kind != NEW_ROUTE {
        return None;
    }
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
    let body = message.body;
    let (family, bits, kind) = (u8_at(body, 0)?, u8_at(body, 1)?, u8_at(body, 7)?);
    let (mut to, mut table, mut metric) = (None, u32::from(u8_at(body, 4)?), 0);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => to = Some(value),           // RTA_DST
            6 => metric = u32_at(value, 0)?, // RTA_PRIORITY
            15 => table = u32_at(value, 0)?, // RTA_TABLE
            _ => {}
        }
    }
    let kind = match kind {
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::NoRoute,
        _ => return None,
    };
    (u8_at(body, 7)? == wanted).then_some(RefusingRoute { to: prefix(family, to, bits)?, kind, table, metric })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::messages;
    use crate::sources::netlink::wire::tests::{attribute, message, spoiled};

    fn told_rule() -> Vec<u8> {
        let mut body = vec![FAMILY_V4, 24, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0];
        body.extend(attribute(1, &[203, 0, 113, 0]));
        body.extend(attribute(6, &90u32.to_ne_bytes()));
        body.extend(attribute(14, &u32::MAX.to_ne_bytes()));
        body.extend(attribute(20, &[1000u32.to_ne_bytes(), 1001u32.to_ne_bytes()].concat()));
        body.extend(attribute(22, &[6]));
        body.extend(attribute(24, &[25u16.to_ne_bytes(), 26u16.to_ne_bytes()].concat()));
        message(NEW_RULE, 2, 7, &body)
    }

    fn told_route() -> Vec<u8> {
        let mut body = vec![FAMILY_V6, 32, 0, 0, 252, 0, 0, 7, 0, 0, 0, 0];
        body.extend(attribute(1, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        body.extend(attribute(6, &1024u32.to_ne_bytes()));
        body.extend(attribute(15, &1000u32.to_ne_bytes()));
        message(NEW_ROUTE, 2, 7, &body)
    }

    #[test]
    fn a_rule_has_its_conditions_and_what_it_does() {
        let rule = messages(&told_rule()).find_map(|m| rule(&m)).unwrap();
        let words = "priority 90 from all to 203.0.113.0/24 uidrange 1000-1001 ipproto tcp dport 25-26 prohibit";
        assert_eq!((rule.words().as_str(), rule.other, rule.not), (words, false, false));
    }

    #[test]
    fn a_route_that_refuses_has_its_table() {
        let bytes = told_route();
        let read = |wanted| messages(&bytes).find_map(|m| refusing(&m, wanted));
        assert_eq!(read(7).unwrap().words(), "unreachable 2001:db8::/32 table 1000 metric 1024");
        assert_eq!(read(8), None, "listed by a kernel that does not filter");
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(&told_rule()) {
            assert!(messages(&bytes).filter_map(|m| rule(&m)).count() <= 1);
        }
        for bytes in spoiled(&told_route()) {
            assert!(messages(&bytes).filter_map(|m| refusing(&m, 7)).count() <= 1);
        }
    }
}

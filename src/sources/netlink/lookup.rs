//! The way to one address, as the kernel itself would look it up: rules, tables, marks and all (`ip route get`).

use std::net::IpAddr;

use nix::errno::Errno;
use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use super::wire::{Message, array_at, attributes, push_attribute, u8_at, u16_at, u32_at};
use crate::facts::route::{Route, RouteKey, RouteKind};
use crate::sources::Trouble;

const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;
/// `RTM_F_LOOKUP_TABLE`: tell the table the route is in.
const TELL_TABLE: u32 = 0x1000;

/// Looks up the way to an address. Needs no rights. `Ok(None)`: there is no such interface.
pub fn route(key: &RouteKey) -> Result<Option<Route>, Trouble> {
    let Ok(input) = key.input.as_deref().map(if_nametoindex).transpose() else { return Ok(None) };
    if input.is_some() && key.from.is_none() {
        return Err(Trouble::failed("the way of what comes in depends on its source"));
    }
    if key.from.is_some_and(|from| from.is_ipv4() != key.to.is_ipv4()) {
        return Err(Trouble::failed("the source and the destination are of different families"));
    }
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    if let (Some(from), None) = (key.from, input) {
        own(&mut netlink, from)?;
    }
    let found = match ask(&mut netlink, &body(key, input))? {
        Ok(found) => found,
        // Of what comes in EINVAL may also mean its source; what this host sends itself has none to blame.
        Err(Errno::EINVAL) if input.is_some() => match ask(&mut netlink, &body(&plain(key.to, key.mark), None))? {
            Err(Errno::EINVAL) => Found::without_way(RouteKind::Blackhole),
            Ok(_) | Err(_) => Found::without_way(RouteKind::Martian),
        },
        Err(errno) => Found::without_way(refused(errno)?),
    };
    Ok(Some(found.named()))
}

/// Of a source that is not its own the kernel says ENETUNREACH or EINVAL, or nothing (IPv6): none of these is the way.
fn own(netlink: &mut Netlink, source: IpAddr) -> Result<(), Trouble> {
    match ask(netlink, &body(&plain(source, 0), None))? {
        Ok(found) if found.route.kind == RouteKind::Local => Ok(()),
        Ok(_) | Err(_) => Err(Trouble::failed("the source is no address of this host")),
    }
}

fn plain(to: IpAddr, mark: u32) -> RouteKey {
    RouteKey { to, from: None, input: None, mark }
}

fn ask(netlink: &mut Netlink, body: &[u8]) -> Result<Result<Found, Errno>, Trouble> {
    netlink.one(Request { doing: "asking for a route", kind: GET_ROUTE, body }, |m| found(&m))
}

/// `struct rtmsg` and its attributes.
fn body(key: &RouteKey, input: Option<u32>) -> Vec<u8> {
    let bits = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
    let family = if key.to.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 };
    let mut body = vec![family, bits(key.to), key.from.map_or(0, bits), 0, 0, 0, 0, 0];
    body.extend(TELL_TABLE.to_ne_bytes());
    push_address(&mut body, 1, key.to); // RTA_DST
    if let Some(from) = key.from {
        push_address(&mut body, 2, from); // RTA_SRC
    }
    if let Some(input) = input {
        push_attribute(&mut body, 3, &input.to_ne_bytes()); // RTA_IIF
    }
    if key.mark != 0 {
        push_attribute(&mut body, 16, &key.mark.to_ne_bytes()); // RTA_MARK
    }
    body
}

fn push_address(to: &mut Vec<u8>, kind: u16, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => push_attribute(to, kind, &v4.octets()),
        IpAddr::V6(v6) => push_attribute(to, kind, &v6.octets()),
    }
}

/// What an errno says of the way.
fn refused(errno: Errno) -> Result<RouteKind, Trouble> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others say nothing about the way")]
    Ok(match errno {
        Errno::EINVAL => RouteKind::Blackhole,
        Errno::EHOSTUNREACH => RouteKind::Unreachable,
        Errno::EACCES => RouteKind::Prohibit,
        Errno::ENETUNREACH => RouteKind::NoRoute,
        Errno::EXDEV => RouteKind::Martian,
        other => return Err(Trouble::failed(format!("asking for a route: {}", other.desc()))),
    })
}

/// A route whose interface has no name yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Found {
    route: Route,
    interface: Option<u32>,
}

impl Found {
    fn without_way(kind: RouteKind) -> Self {
        let route = Route { kind, interface: None, gateway: None, source: None, table: 0 };
        Self { route, interface: None }
    }

    fn named(self) -> Route {
        let name = self.interface.and_then(|index| if_indextoname(index).ok());
        Route { interface: name.map(|name| name.to_string_lossy().into_owned()), ..self.route }
    }
}

pub(in crate::sources) fn found(message: &Message<'_>) -> Option<Found> {
    if message.kind != NEW_ROUTE {
        return None;
    }
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
    let body = message.body;
    let family = u8_at(body, 0)?;
    let mut found = Found::without_way(kind(u8_at(body, 7)?)?);
    found.route.table = u32::from(u8_at(body, 4)?);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            4 => found.interface = u32_at(value, 0),           // RTA_OIF
            5 => found.route.gateway = address(family, value), // RTA_GATEWAY
            7 => found.route.source = address(family, value),  // RTA_PREFSRC
            15 => found.route.table = u32_at(value, 0).unwrap_or(found.route.table), // RTA_TABLE
            18 => found.route.gateway = via(value),            // RTA_VIA
            _ => {}
        }
    }
    Some(found)
}

/// `RTN_...`.
fn kind(number: u8) -> Option<RouteKind> {
    Some(match number {
        1 => RouteKind::Unicast,
        2 | 4 => RouteKind::Local, // an anycast address is ours, too
        3 => RouteKind::Broadcast,
        5 => RouteKind::Multicast,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::NoRoute, // throw
        _ => return None,
    })
}

/// A next hop of the other family: its family and address.
fn via(value: &[u8]) -> Option<IpAddr> {
    address(u8::try_from(u16_at(value, 0)?).ok()?, value.get(2..)?)
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_V4 => array_at::<4>(value, 0).map(IpAddr::from),
        FAMILY_V6 => array_at::<16>(value, 0).map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::messages;
    use crate::sources::netlink::wire::tests::{attribute, message, spoiled};

    fn answer(kind: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![FAMILY_V4, 32, 0, 0, 252, 0, 0, kind, 0, 0, 0, 0];
        body.extend(attributes.concat());
        message(NEW_ROUTE, 0, 7, &body)
    }

    fn read(bytes: &[u8]) -> Option<Found> {
        messages(bytes).find_map(|m| found(&m))
    }

    fn ordinary() -> Vec<u8> {
        answer(
            1,
            &[
                attribute(4, &3u32.to_ne_bytes()),
                attribute(5, &[10, 0, 0, 1]),
                attribute(7, &[10, 0, 0, 9]),
                attribute(15, &1000u32.to_ne_bytes()),
            ],
        )
    }

    #[test]
    fn a_route_has_its_hop_its_source_and_its_table() {
        let route = Route {
            kind: RouteKind::Unicast,
            interface: None,
            gateway: Some([10, 0, 0, 1].into()),
            source: Some([10, 0, 0, 9].into()),
            table: 1000,
        };
        assert_eq!(read(&ordinary()), Some(Found { route, interface: Some(3) }));
        let hop = [&10u16.to_ne_bytes()[..], &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
        let gateway = read(&answer(1, &[attribute(18, &hop)])).unwrap().route.gateway;
        assert_eq!(gateway, Some("fe80::1".parse().unwrap()), "an IPv4 route over an IPv6 hop");
        assert_eq!(read(&answer(77, &[])), None, "a kind nobody knows");
    }

    #[test]
    fn errnos_are_ways_too() {
        assert_eq!(refused(Errno::EACCES), Ok(RouteKind::Prohibit));
        assert!(refused(Errno::ENOMEM).is_err());
    }

    #[test]
    fn a_source_of_the_other_family_is_no_question() {
        let key = RouteKey { to: [10, 0, 0, 1].into(), from: Some("::1".parse().unwrap()), input: None, mark: 0 };
        assert!(matches!(route(&key), Err(Trouble::Failed { .. })));
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(&ordinary()) {
            let _ = read(&bytes);
        }
    }
}

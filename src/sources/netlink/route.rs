//! Addresses and the default route, over rtnetlink.

use std::net::IpAddr;
use std::ops::ControlFlow;

use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use super::wire::{Message, array_at, attributes, split, u8_at, u16_at, u32_at};
use crate::facts::host::{Addresses, LocalAddress};
use crate::sources::Trouble;

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// The addresses of this host and the interface of its default route.
pub fn addresses() -> Result<Option<Addresses>, Trouble> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    let links = links(&mut netlink)?;
    let request = Request { doing: "asking for addresses", kind: GET_ADDRESS, body: &[0; 8] };
    let found = netlink.list(request, |m| address(&m))?;
    let all = found.into_iter().filter_map(|a| a.on(&links)).collect();
    let default = default_interface(Netlink::open(SockProtocol::NetlinkRoute)?)?;
    let default_interface = links.into_iter().find(|l| Some(l.index) == default).map(|l| l.name);
    Ok(Some(Addresses { all, default_interface }))
}

fn links(netlink: &mut Netlink) -> Result<Vec<Link>, Trouble> {
    // struct ifinfomsg, then IFLA_EXT_MASK (29) with RTEXT_FILTER_SKIP_STATS (8): the counters are most of the answer.
    let mut body = vec![0; 16];
    body.extend(8u16.to_ne_bytes());
    body.extend(29u16.to_ne_bytes());
    body.extend(8u32.to_ne_bytes());
    netlink.list(Request { doing: "asking for interfaces", kind: GET_LINK, body: &body }, |m| link(&m))
}

/// Index of the interface of the IPv4 default route with the lowest metric. The kernel lists a table by ascending
/// prefix, so reading stops after 0.0.0.0: a host with a full BGP table answers as fast as any.
fn default_interface(netlink: Netlink) -> Result<Option<u32>, Trouble> {
    let body = [FAMILY_V4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // struct rtmsg
    let request = Request { doing: "asking for routes", kind: GET_ROUTE, body: &body };
    let defaults = netlink.list_until(request, |message, found| match route(&message) {
        Some(Route::Default(default)) => {
            found.push(default);
            ControlFlow::Continue(())
        }
        Some(Route::Beyond) => ControlFlow::Break(()),
        Some(Route::Other) | None => ControlFlow::Continue(()),
    })?;
    // Of routes with the same metric the kernel uses the first.
    Ok(defaults.into_iter().min_by_key(|d| d.metric).map(|d| d.interface))
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Link {
    index: u32,
    name: String,
    up: bool,
}

pub(in crate::sources) fn link(message: &Message<'_>) -> Option<Link> {
    if message.kind != NEW_LINK {
        return None;
    }
    // struct ifinfomsg: family, pad, type, index, flags, change
    let name = attributes(message.body.get(16..)?).find(|(kind, _)| *kind == 3)?.1; // IFLA_IFNAME
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    Some(Link {
        index: u32_at(message.body, 4)?,
        name: String::from_utf8_lossy(name).into_owned(),
        up: u32_at(message.body, 8)? & 1 != 0,
    })
}

/// An address and the index of its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Address {
    ip: IpAddr,
    prefix: u8,
    interface: u32,
}

impl Address {
    /// None when the interface has gone meanwhile.
    fn on(self, links: &[Link]) -> Option<LocalAddress> {
        let link = links.iter().find(|l| l.index == self.interface)?;
        Some(LocalAddress {
            address: self.ip,
            interface: link.name.clone(),
            ifindex: link.index,
            up: link.up,
            link_local: link_local(self.ip),
            prefix: self.prefix,
        })
    }
}

fn link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

pub(in crate::sources) fn address(message: &Message<'_>) -> Option<Address> {
    if message.kind != NEW_ADDRESS {
        return None;
    }
    // struct ifaddrmsg: family, prefixlen, flags, scope, index
    let family = u8_at(message.body, 0)?;
    let interface = u32_at(message.body, 4)?;
    let (mut local, mut other) = (None, None);
    for (kind, value) in attributes(message.body.get(8..)?) {
        match kind {
            1 => other = ip(family, value), // IFA_ADDRESS: the peer's on a point-to-point link
            2 => local = ip(family, value), // IFA_LOCAL: ours, where the two differ
            _ => {}
        }
    }
    Some(Address { ip: local.or(other)?, prefix: u8_at(message.body, 1)?, interface })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_V4 => array_at::<4>(value, 0).map(IpAddr::from),
        FAMILY_V6 => array_at::<16>(value, 0).map(IpAddr::from),
        _ => None,
    }
}

/// What a route is to someone looking for the default of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) enum Route {
    Default(DefaultRoute),
    /// In the main table, after every default route.
    Beyond,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct DefaultRoute {
    interface: u32,
    metric: u32,
}

pub(in crate::sources) fn route(message: &Message<'_>) -> Option<Route> {
    const MAIN: u32 = 254;
    const UNICAST: u8 = 1;
    const DEAD: u32 = 1;
    if message.kind != NEW_ROUTE {
        return None;
    }
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
    let body = message.body;
    let (mut table, mut metric, mut interface, mut zero) = (u32::from(u8_at(body, 4)?), 0, None, true);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => zero = value.iter().all(|b| *b == 0),       // RTA_DST
            4 => interface = u32_at(value, 0),               // RTA_OIF
            6 => metric = u32_at(value, 0)?,                 // RTA_PRIORITY
            9 => interface = interface.or(first_hop(value)), // RTA_MULTIPATH
            15 => table = u32_at(value, 0)?,                 // RTA_TABLE
            _ => {}
        }
    }
    if u8_at(body, 0)? != FAMILY_V4 || table != MAIN {
        return Some(Route::Other);
    }
    if !zero {
        return Some(Route::Beyond);
    }
    let usable = u8_at(body, 1)? == 0 && u8_at(body, 7)? == UNICAST && u32_at(body, 8)? & DEAD == 0;
    Some(match interface {
        Some(interface) if usable => Route::Default(DefaultRoute { interface, metric }),
        _ => Route::Other,
    })
}

/// Interface of the first usable next hop. struct rtnexthop: len, flags, hops, ifindex.
fn first_hop(value: &[u8]) -> Option<u32> {
    let mut rest = value;
    loop {
        let (hop, after) = split(rest, usize::from(u16_at(rest, 0)?), 8)?;
        if u8_at(hop, 2)? & 1 == 0 {
            return u32_at(hop, 4);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::tests::spoiled;
    use crate::sources::netlink::wire::{Step, messages};

    // Answers of a 6.18 kernel.
    const LINKS: &[u8] = include_bytes!("captured/links.bin");
    const ADDRESSES: &[u8] = include_bytes!("captured/addresses.bin");
    const ROUTES: &[u8] = include_bytes!("captured/routes.bin");

    fn entries(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
        messages(bytes).filter(|m| m.step(7) == Step::Entry)
    }

    fn routes(bytes: &[u8]) -> Vec<Route> {
        entries(bytes).filter_map(|m| route(&m)).collect()
    }

    fn index_of(name: &str) -> u32 {
        entries(LINKS).filter_map(|m| link(&m)).find(|l| l.name == name).unwrap().index
    }

    #[test]
    fn interfaces_have_names_and_are_up_or_down() {
        let mut links: Vec<_> = entries(LINKS).filter_map(|m| link(&m)).map(|l| (l.name, l.up)).collect();
        links.sort();
        let expected = [("d0", true), ("d1", true), ("lo", true), ("p0", true), ("p1", true)];
        assert_eq!(links, expected.map(|(name, up)| (name.to_owned(), up)));
    }

    #[test]
    fn addresses_keep_the_kernels_order_and_ours_is_taken_not_the_peers() {
        let links: Vec<Link> = entries(LINKS).filter_map(|m| link(&m)).collect();
        let all: Vec<LocalAddress> = entries(ADDRESSES).filter_map(|m| address(&m)?.on(&links)).collect();
        let shown: Vec<String> =
            all.iter().filter(|a| a.address.is_ipv4()).map(|a| format!("{} {}", a.address, a.interface)).collect();
        assert_eq!(shown, ["127.0.0.1 lo", "10.2.0.2 d0", "10.9.0.1 d1", "169.254.3.4 d1"]);
        let local: Vec<String> = all.iter().filter(|a| a.link_local).map(|a| a.address.to_string()).collect();
        assert!(local.contains(&"169.254.3.4".into()) && local.contains(&"fe80::5".into()), "{local:?}");
        assert!(!local.contains(&"fd00::2".into()) && !local.contains(&"::1".into()), "{local:?}");
    }

    #[test]
    fn only_usable_default_routes_of_the_main_table_count() {
        let defaults: Vec<_> = routes(ROUTES)
            .into_iter()
            .filter_map(|r| match r {
                Route::Default(d) => Some((d.metric, d.interface)),
                Route::Beyond | Route::Other => None,
            })
            .collect();
        // Not the unreachable one (metric 10), not 0.0.0.0/1, not that of table 100; of two next hops the first.
        assert_eq!(defaults, [(50, index_of("d1")), (70, index_of("d0")), (100, index_of("d0"))]);
    }

    #[test]
    fn reading_may_stop_at_the_first_route_beyond_the_defaults() {
        let routes = routes(ROUTES);
        let beyond = routes.iter().position(|r| *r == Route::Beyond).unwrap();
        let last = routes.iter().rposition(|r| matches!(r, Route::Default(_))).unwrap();
        assert!(last < beyond, "{routes:?}");
    }

    #[test]
    fn a_dead_first_hop_gives_way_to_the_next() {
        let hop = |flags: u8, index: u32| [&[8, 0, flags, 0][..], &index.to_ne_bytes()].concat();
        assert_eq!(first_hop(&[hop(1, 4), hop(0, 5)].concat()), Some(5));
        assert_eq!(first_hop(&hop(1, 4)), None);
        assert_eq!(first_hop(&[0, 0, 0, 0, 0, 0, 0, 0]), None, "a length of nothing");
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(ROUTES).chain(spoiled(ADDRESSES)) {
            let read = entries(&bytes).filter(|m| route(m).is_some() || address(m).is_some()).count();
            assert!(read <= 32);
        }
        for bytes in spoiled(LINKS.get(..1200).unwrap()) {
            assert!(entries(&bytes).filter_map(|m| link(&m)).count() <= 8);
        }
    }
}

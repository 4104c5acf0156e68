//! Network interfaces over rtnetlink, with what is attached to them before any packet filter sees a packet: XDP programs
//! and the classifiers of tc.

use std::collections::BTreeMap;

use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use super::wire::{Message, attributes, push_attribute, text, u16_at, u32_at};
use crate::facts::route::Link;
use crate::sources::Trouble;

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_QDISC: u16 = 36;
const GET_QDISC: u16 = 38;
const NEW_FILTER: u16 = 44;
const GET_FILTER: u16 = 46;

/// Parents of what sees incoming and outgoing packets (`TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS` of `TC_H_CLSACT`).
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// The interfaces of this host, in the kernel's order. Needs no rights.
pub fn links() -> Result<Option<Vec<Link>>, Trouble> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    let mut links = plain(&mut netlink)?;
    for (index, sides) in classified(&mut netlink)? {
        let Some(link) = links.iter_mut().find(|l| l.index == index) else { continue };
        for parent in sides {
            for kind in filters(&mut netlink, index, parent)? {
                if !link.tc.contains(&kind) {
                    link.tc.push(kind);
                }
            }
        }
    }
    Ok(Some(links))
}

/// Names of the interfaces of this host.
pub(super) fn names() -> Result<Vec<String>, Trouble> {
    let links = plain(&mut Netlink::open(SockProtocol::NetlinkRoute)?)?;
    Ok(links.into_iter().map(|link| link.name).collect())
}

/// The interfaces, without what tc knows of them.
fn plain(netlink: &mut Netlink) -> Result<Vec<Link>, Trouble> {
    // struct ifinfomsg, then IFLA_EXT_MASK (29) with RTEXT_FILTER_SKIP_STATS (8): the counters are most of the answer.
    let mut body = vec![0; 16];
    push_attribute(&mut body, 29, &8u32.to_ne_bytes());
    netlink.list(Request { doing: "asking for interfaces", kind: GET_LINK, body: &body }, |m| link(&m))
}

/// The interfaces that have a place for classifiers, with the parents to ask for.
fn classified(netlink: &mut Netlink) -> Result<BTreeMap<u32, Vec<u32>>, Trouble> {
    let request = Request { doing: "asking for queueing disciplines", kind: GET_QDISC, body: &tcmsg(0, 0) };
    Ok(netlink.list(request, |m| qdisc(&m))?.into_iter().collect())
}

/// Kinds of the filters below a parent. An interface that has gone meanwhile has none.
fn filters(netlink: &mut Netlink, index: u32, parent: u32) -> Result<Vec<String>, Trouble> {
    let request = Request { doing: "asking for tc filters", kind: GET_FILTER, body: &tcmsg(index, parent) };
    netlink.list(request, |m| filter(&m))
}

/// `struct tcmsg`: family and padding, index, handle, parent, info.
fn tcmsg(index: u32, parent: u32) -> [u8; 20] {
    let mut body = [0; 20];
    for (at, value) in [(4, index), (12, parent)] {
        if let Some(place) = body.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    }
    body
}

pub(in crate::sources) fn qdisc(message: &Message<'_>) -> Option<(u32, Vec<u32>)> {
    if message.kind != NEW_QDISC {
        return None;
    }
    let sides = match kind_of(message)?.as_str() {
        "clsact" => vec![INGRESS, EGRESS],
        "ingress" => vec![INGRESS],
        _ => return None,
    };
    Some((u32_at(message.body, 4)?, sides))
}

fn filter(message: &Message<'_>) -> Option<String> {
    if message.kind == NEW_FILTER { kind_of(message) } else { None }
}

/// `TCA_KIND`.
pub(in crate::sources) fn kind_of(message: &Message<'_>) -> Option<String> {
    attributes(message.body.get(20..)?).find(|(kind, _)| *kind == 1).map(|(_, value)| text(value))
}

pub(in crate::sources) fn link(message: &Message<'_>) -> Option<Link> {
    if message.kind != NEW_LINK {
        return None;
    }
    // struct ifinfomsg: family, pad, type, index, flags, change
    let body = message.body;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        kind: None,
        hardware: u16_at(body, 2)?,
        group: 0,
        master: None,
        parent: None,
        up: u32_at(body, 8)? & 1 != 0,
        mtu: None,
        xdp: None,
        tc: Vec::new(),
    };
    let mut elsewhere = false;
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            3 => link.name = text(value),                     // IFLA_IFNAME
            4 => link.mtu = u32_at(value, 0),                 // IFLA_MTU
            5 => link.parent = u32_at(value, 0),              // IFLA_LINK
            10 => link.master = u32_at(value, 0),             // IFLA_MASTER
            18 => link.kind = info_kind(value),               // IFLA_LINKINFO
            27 => link.group = u32_at(value, 0).unwrap_or(0), // IFLA_GROUP
            37 => elsewhere = true,                           // IFLA_LINK_NETNSID
            43 => link.xdp = program(value),                  // IFLA_XDP
            _ => {}
        }
    }
    if elsewhere {
        link.parent = None;
    }
    (!link.name.is_empty()).then_some(link)
}

/// `IFLA_INFO_KIND`.
fn info_kind(value: &[u8]) -> Option<String> {
    attributes(value).find(|(kind, _)| *kind == 1).map(|(_, value)| text(value))
}

/// Id of the XDP program: `IFLA_XDP_PROG_ID`, or that of the driver, of the generic hook or of the hardware where
/// there are several.
fn program(value: &[u8]) -> Option<u32> {
    attributes(value).find(|(kind, _)| matches!(kind, 4..=7)).and_then(|(_, id)| u32_at(id, 0)).filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::tests::{attribute, message, spoiled};
    use crate::sources::netlink::wire::{Step, messages};

    // Answer of a 6.18 kernel.
    const LINKS: &[u8] = include_bytes!("captured/links.bin");

    fn read(bytes: &[u8]) -> Vec<Link> {
        messages(bytes).filter(|m| m.step(7) == Step::Entry).filter_map(|m| link(&m)).collect()
    }

    fn made(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![0; 16];
        body[2..4].copy_from_slice(&1u16.to_ne_bytes());
        body[4..8].copy_from_slice(&9u32.to_ne_bytes());
        body[8] = 1;
        body.extend(attributes.concat());
        message(NEW_LINK, 2, 7, &body)
    }

    #[test]
    fn kinds_and_hardware_of_a_real_answer() {
        let links = read(LINKS);
        let lo = links.iter().find(|l| l.name == "lo").unwrap();
        assert_eq!((lo.index, lo.hardware, lo.up, &lo.kind, lo.master), (1, 772, true, &None, None));
        let virtual_links: Vec<_> = links.iter().filter_map(|l| l.kind.as_deref()).collect();
        assert_eq!(virtual_links.len(), links.len() - 1, "{links:?}");
        assert!(links.iter().all(|l| l.xdp.is_none() && l.tc.is_empty()));
    }

    #[test]
    fn programs_and_masters_are_told() {
        let xdp = [attribute(2, &[4]), attribute(5, &77u32.to_ne_bytes()), attribute(6, &78u32.to_ne_bytes())].concat();
        let info = [attribute(1, b"veth\0"), attribute(4, b"bridge\0")].concat();
        let bytes = made(&[
            attribute(3, b"v0\0"),
            attribute(4, &1420u32.to_ne_bytes()),
            attribute(5, &8u32.to_ne_bytes()),
            attribute(10, &3u32.to_ne_bytes()),
            attribute(18, &info),
            attribute(27, &5u32.to_ne_bytes()),
            attribute(43, &xdp),
        ]);
        let expected = Link {
            index: 9,
            name: "v0".into(),
            kind: Some("veth".into()),
            hardware: 1,
            group: 5,
            master: Some(3),
            parent: Some(8),
            up: true,
            mtu: Some(1420),
            xdp: Some(77),
            tc: Vec::new(),
        };
        assert_eq!(read(&bytes), [expected]);
        let detached = made(&[attribute(3, b"v0\0"), attribute(43, &attribute(2, &[0]))]);
        assert_eq!(read(&detached).first().unwrap().xdp, None);
    }

    #[test]
    fn only_places_for_classifiers_are_asked() {
        let told = |kind: u16, name: &[u8]| {
            let mut body = tcmsg(4, 0xffff_fff1).to_vec();
            body.extend(attribute(1, name));
            let bytes = message(kind, 2, 7, &body);
            let message = messages(&bytes).next().unwrap();
            (qdisc(&message), filter(&message))
        };
        assert_eq!(told(NEW_QDISC, b"clsact\0"), (Some((4, vec![INGRESS, EGRESS])), None));
        assert_eq!(told(NEW_QDISC, b"ingress\0"), (Some((4, vec![INGRESS])), None));
        assert_eq!(told(NEW_QDISC, b"fq_codel\0"), (None, None));
        assert_eq!(told(NEW_FILTER, b"bpf\0"), (None, Some("bpf".into())));
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(LINKS.get(..1200).unwrap()) {
            assert!(read(&bytes).len() <= 8);
        }
        let xdp = [attribute(2, &[4]), attribute(5, &77u32.to_ne_bytes())].concat();
        for bytes in
            spoiled(&made(&[attribute(3, b"v0\0"), attribute(18, &attribute(1, b"veth\0")), attribute(43, &xdp)]))
        {
            assert!(read(&bytes).len() <= 1);
        }
        let mut body = tcmsg(4, 0).to_vec();
        body.extend(attribute(1, b"clsact\0"));
        for bytes in spoiled(&message(NEW_QDISC, 2, 7, &body)) {
            assert!(messages(&bytes).filter_map(|m| qdisc(&m)).count() <= 1);
        }
    }
}

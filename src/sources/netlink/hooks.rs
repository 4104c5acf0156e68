//! Everything that is hooked into the packet's way, in the order the kernel runs it (`nft list hooks`): nftables chains,
//! the tables of iptables-legacy, conntrack, nat, BPF programs.

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::links;
use super::transport::{Netlink, Request};
use super::wire::{Message, array_at, attributes, push_attribute, text, u8_at};
use crate::facts::ruleset::{Backend, ChainId, Family, Hook, Hooked, TableId};
use crate::sources::Trouble;

/// `NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET`.
const GET_HOOKS: u16 = 12 << 8;

const IP: u8 = 2;
const NETDEV: u8 = 5;
const IP6: u8 = 10;
/// By number: `NF_INET_PRE_ROUTING` to `NF_INET_POST_ROUTING`.
const INET: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
/// By number: `NF_NETDEV_INGRESS` and `NF_NETDEV_EGRESS`.
const DEVICE: [Hook; 2] = [Hook::Ingress, Hook::Egress];

/// What is hooked in: of ip and ip6 hook by hook, then of each device. Needs `CAP_NET_ADMIN`. `Ok(None)`: this kernel
/// does not tell (before 5.14, or built without `NETFILTER_NETLINK_HOOK`).
///
/// Chains of type nat are not among them: they are called by the function of nf_nat that is (`nf_nat_ipv4_pre_routing`).
pub fn hooks() -> Result<Option<Vec<Hooked>>, Trouble> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
    let mut all = Vec::new();
    for family in [IP, IP6] {
        for number in (0..).zip(INET) {
            match ask(&mut netlink, family, number, None)? {
                Some(found) => all.extend(found),
                None => return Ok(None),
            }
        }
    }
    for device in links::names()? {
        for number in (0..).zip(DEVICE) {
            // A kernel may know one of them and not the other.
            all.extend(ask(&mut netlink, NETDEV, number, Some(&device))?.into_iter().flatten());
        }
    }
    Ok(Some(all))
}

/// What is at one hook, in order; none where the kernel does not know it.
fn ask(
    netlink: &mut Netlink,
    family: u8,
    (number, hook): (u32, Hook),
    device: Option<&str>,
) -> Result<Option<Vec<Hooked>>, Trouble> {
    let mut body = vec![family, 0, 0, 0]; // struct nfgenmsg
    if let Some(device) = device {
        push_attribute(&mut body, 3, &[device.as_bytes(), &[0]].concat()); // NFNLA_HOOK_DEV
    }
    push_attribute(&mut body, 1, &number.to_be_bytes()); // NFNLA_HOOK_HOOKNUM
    let request = Request { doing: "asking for hooks", kind: GET_HOOKS, body: &body };
    let place = Place { family: family_of(family).unwrap_or(Family::Netdev), hook, device };
    match netlink.list_or_errno(request, |m| hooked(&m, place))? {
        Ok(found) => Ok(Some(found)),
        // EINVAL: no such subsystem; EOPNOTSUPP: no such hook. A device that has gone meanwhile has none.
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(None),
        Err(Errno::ENODEV) => Ok(Some(Vec::new())),
        Err(errno) => Err(Trouble::io(request.doing, &errno.into())),
    }
}

/// Where the answer is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Place<'a> {
    family: Family,
    hook: Hook,
    device: Option<&'a str>,
}

#[cfg(any(test, fuzzing))]
impl Place<'_> {
    /// One that an answer may be about.
    pub(in crate::sources) const fn any() -> Self {
        Self { family: Family::Ip, hook: Hook::Input, device: None }
    }
}

/// A family by its number (`NFPROTO_...`).
pub(in crate::sources) fn family_of(number: u8) -> Option<Family> {
    Some(match number {
        1 => Family::Inet,
        IP => Family::Ip,
        3 => Family::Arp,
        NETDEV => Family::Netdev,
        7 => Family::Bridge,
        IP6 => Family::Ip6,
        _ => return None,
    })
}

pub(in crate::sources) fn hooked(message: &Message<'_>, place: Place<'_>) -> Option<Hooked> {
    if message.kind != GET_HOOKS {
        return None;
    }
    let mut found = Hooked {
        family: place.family,
        hook: place.hook,
        device: place.device.map(str::to_owned),
        priority: 0,
        function: String::new(),
        module: None,
        chain: None,
    };
    for (kind, value) in attributes(message.body.get(4..)?) {
        match kind {
            2 => found.priority = i32::from_be_bytes(array_at(value, 0)?), // NFNLA_HOOK_PRIORITY
            4 => found.function = text(value),                             // NFNLA_HOOK_FUNCTION_NAME
            5 => found.module = Some(text(value)),                         // NFNLA_HOOK_MODULE_NAME
            6 => behind(value, &mut found),                                // NFNLA_HOOK_CHAIN_INFO
            _ => {}
        }
    }
    Some(found)
}

/// What is behind the function. Of something this does not know, nothing is said.
fn behind(info: &[u8], found: &mut Hooked) {
    const CHAIN: u32 = 1;
    const BPF: u32 = 2;
    let of = |wanted: u16| attributes(info).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let Some(kind) = of(2).and_then(|value| array_at(value, 0)).map(u32::from_be_bytes) else { return };
    match kind {
        CHAIN => found.chain = of(1).and_then(chain),
        BPF => {
            let id = of(1).and_then(|d| attributes(d).find(|(kind, _)| *kind == 1)).and_then(|(_, v)| array_at(v, 0));
            found.module = id.map(|id| format!("BPF program {}", u32::from_be_bytes(id)));
        }
        _ => {}
    }
}

/// `NFNLA_CHAIN_TABLE`, `_FAMILY` and `_NAME`.
fn chain(described: &[u8]) -> Option<ChainId> {
    let of = |wanted: u16| attributes(described).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let family = family_of(u8_at(of(2)?, 0)?)?;
    Some(ChainId { table: TableId { backend: Backend::Nftables, family, name: text(of(1)?) }, name: text(of(3)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::messages;
    use crate::sources::netlink::wire::tests::{attribute, message, spoiled};

    const NESTED: u16 = 0x8000;

    fn entry(priority: i32, function: &str, rest: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![IP, 0, 0, 0];
        body.extend(attribute(1, &1u32.to_be_bytes()));
        body.extend(attribute(4, &[function.as_bytes(), &[0]].concat()));
        body.extend(attribute(2, &priority.to_be_bytes()));
        body.extend(rest.concat());
        message(GET_HOOKS, 2, 7, &body)
    }

    fn info(kind: u32, described: &[Vec<u8>]) -> Vec<u8> {
        attribute(6 | NESTED, &[attribute(2, &kind.to_be_bytes()), attribute(1 | NESTED, &described.concat())].concat())
    }

    fn input() -> Vec<u8> {
        let chain = info(1, &[attribute(1, b"fw\0"), attribute(3, b"in\0"), attribute(2, &[1])]);
        [
            entry(-300, "ipt_do_table", &[attribute(5, b"ip_tables\0")]),
            entry(0, "nft_do_chain_inet", &[attribute(5, b"nf_tables\0"), chain]),
            entry(0, "nf_hook_run_bpf", &[info(2, &[attribute(1, &42u32.to_be_bytes())])]),
            entry(i32::MAX, "nf_confirm", &[info(9, &[attribute(1, b"later")])]),
        ]
        .concat()
    }

    fn read(bytes: &[u8]) -> Vec<Hooked> {
        let place = Place { family: Family::Ip, hook: Hook::Input, device: None };
        messages(bytes).filter_map(|m| hooked(&m, place)).collect()
    }

    #[test]
    fn the_order_is_the_kernels_and_what_is_behind_is_told() {
        let found = read(&input());
        let shown: Vec<_> =
            found.iter().map(|h| (h.priority, h.function.as_str(), h.module.as_deref().unwrap_or("-"))).collect();
        assert_eq!(
            shown,
            [
                (-300, "ipt_do_table", "ip_tables"),
                (0, "nft_do_chain_inet", "nf_tables"),
                (0, "nf_hook_run_bpf", "BPF program 42"),
                (i32::MAX, "nf_confirm", "-"),
            ]
        );
        let chains: Vec<_> = found.iter().filter_map(|h| h.chain.as_ref()).collect();
        let table = TableId { backend: Backend::Nftables, family: Family::Inet, name: "fw".into() };
        assert_eq!(chains, [&ChainId { table, name: "in".into() }]);
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(&input()) {
            assert!(read(&bytes).len() <= 4);
        }
    }
}

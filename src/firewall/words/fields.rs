//! Fields of packets by their place, and what the kernel knows beside a packet: nft's names for them.

use super::values::Kind;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{Base, CtKey, MetaKey};

/// A field of a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// As nft writes it, without its header.
    pub(super) name: &'static str,
    /// Where it begins, in bytes from its header.
    pub(super) offset: u32,
    /// How long it is, in bytes.
    pub(super) len: u32,
    /// What it is.
    pub(super) kind: Kind,
}

/// A header that rules look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// As nft writes it.
    pub(super) name: &'static str,
    /// Which layer.
    pub(super) base: Base,
}

const fn field(name: &'static str, offset: u32, len: u32, kind: Kind) -> Field {
    Field { name, offset, len, kind }
}

const ETHER: &[Field] =
    &[field("daddr", 0, 6, Kind::Ether), field("saddr", 6, 6, Kind::Ether), field("type", 12, 2, Kind::EtherType)];
const IP: &[Field] = &[
    field("length", 2, 2, Kind::Number),
    field("id", 4, 2, Kind::Number),
    field("ttl", 8, 1, Kind::Number),
    field("protocol", 9, 1, Kind::Protocol),
    field("checksum", 10, 2, Kind::Number),
    field("saddr", 12, 4, Kind::Ip4),
    field("daddr", 16, 4, Kind::Ip4),
];
const IP6: &[Field] = &[
    field("length", 4, 2, Kind::Number),
    field("nexthdr", 6, 1, Kind::Protocol),
    field("hoplimit", 7, 1, Kind::Number),
    field("saddr", 8, 16, Kind::Ip6),
    field("daddr", 24, 16, Kind::Ip6),
];
const ARP: &[Field] = &[
    field("htype", 0, 2, Kind::Number),
    field("ptype", 2, 2, Kind::EtherType),
    field("hlen", 4, 1, Kind::Number),
    field("plen", 5, 1, Kind::Number),
    field("operation", 6, 2, Kind::Number),
    field("saddr ether", 8, 6, Kind::Ether),
    field("saddr ip", 14, 4, Kind::Ip4),
    field("daddr ether", 18, 6, Kind::Ether),
    field("daddr ip", 24, 4, Kind::Ip4),
];
const TCP: &[Field] = &[
    field("sport", 0, 2, Kind::Number),
    field("dport", 2, 2, Kind::Number),
    field("sequence", 4, 4, Kind::Number),
    field("ackseq", 8, 4, Kind::Number),
    field("flags", 13, 1, Kind::TcpFlags),
    field("window", 14, 2, Kind::Number),
    field("checksum", 16, 2, Kind::Number),
    field("urgptr", 18, 2, Kind::Number),
];
const UDP: &[Field] = &[
    field("sport", 0, 2, Kind::Number),
    field("dport", 2, 2, Kind::Number),
    field("length", 4, 2, Kind::Number),
    field("checksum", 6, 2, Kind::Number),
];
const PORTS: &[Field] = &[field("sport", 0, 2, Kind::Number), field("dport", 2, 2, Kind::Number)];
const ICMP: &[Field] = &[
    field("type", 0, 1, Kind::IcmpType),
    field("code", 1, 1, Kind::Number),
    field("checksum", 2, 2, Kind::Number),
    field("id", 4, 2, Kind::Number),
    field("sequence", 6, 2, Kind::Number),
];
const ICMPV6: &[Field] = &[
    field("type", 0, 1, Kind::Icmpv6Type),
    field("code", 1, 1, Kind::Number),
    field("checksum", 2, 2, Kind::Number),
    field("id", 4, 2, Kind::Number),
    field("sequence", 6, 2, Kind::Number),
];

/// Which headers a packet has, as far as the rule has said so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layers {
    /// Ethertype.
    pub(super) network: Option<u16>,
    /// Protocol number.
    pub(super) transport: Option<u8>,
}

impl Layers {
    /// Before the first match.
    pub(super) fn of(family: Family) -> Self {
        let network = match family {
            Family::Ip => Some(0x0800),
            Family::Ip6 => Some(0x86dd),
            Family::Arp => Some(0x0806),
            Family::Inet | Family::Netdev | Family::Bridge => None,
        };
        Self { network, transport: None }
    }

    /// The header of a layer with its fields; none where the rule does not say which it is.
    pub(super) fn header(self, base: Base) -> Option<(Header, &'static [Field])> {
        let (name, fields) = match base {
            Base::Link => ("ether", ETHER),
            Base::Network => match self.network? {
                0x0800 => ("ip", IP),
                0x86dd => ("ip6", IP6),
                0x0806 => ("arp", ARP),
                _ => return None,
            },
            Base::Transport => match self.transport {
                Some(6) => ("tcp", TCP),
                Some(17) => ("udp", UDP),
                Some(33) => ("dccp", PORTS),
                Some(132) => ("sctp", PORTS),
                Some(136) => ("udplite", PORTS),
                Some(1) => ("icmp", ICMP),
                Some(58) => ("icmpv6", ICMPV6),
                Some(_) => return None,
                None => ("th", PORTS),
            },
            Base::Inner => return None,
        };
        Some((Header { name, base }, fields))
    }
}

/// What the kernel knows beside a packet: words, what it is, and whether nft leaves out the word `meta`.
pub(super) fn meta(key: MetaKey) -> (String, Kind) {
    let (name, kind) = match key {
        MetaKey::Len => ("meta length", Kind::Number),
        MetaKey::Protocol => ("meta protocol", Kind::EtherType),
        MetaKey::Priority => ("meta priority", Kind::Hex),
        MetaKey::Mark => ("meta mark", Kind::Mark),
        MetaKey::Iif => ("iif", Kind::Index),
        MetaKey::Oif => ("oif", Kind::Index),
        MetaKey::Iifname => ("iifname", Kind::Name),
        MetaKey::Oifname => ("oifname", Kind::Name),
        MetaKey::Iiftype => ("iiftype", Kind::Number),
        MetaKey::Oiftype => ("oiftype", Kind::Number),
        MetaKey::Skuid => ("meta skuid", Kind::Number),
        MetaKey::Skgid => ("meta skgid", Kind::Number),
        MetaKey::Nftrace => ("meta nftrace", Kind::Number),
        MetaKey::Rtclassid => ("meta rtclassid", Kind::Number),
        MetaKey::Secmark => ("meta secmark", Kind::Hex),
        MetaKey::Nfproto => ("meta nfproto", Kind::Nfproto),
        MetaKey::L4proto => ("meta l4proto", Kind::Protocol),
        MetaKey::BridgeIifname => ("meta ibrname", Kind::Name),
        MetaKey::BridgeOifname => ("meta obrname", Kind::Name),
        MetaKey::Pkttype => ("meta pkttype", Kind::Pkttype),
        MetaKey::Cpu => ("meta cpu", Kind::Number),
        MetaKey::Iifgroup => ("iifgroup", Kind::Number),
        MetaKey::Oifgroup => ("oifgroup", Kind::Number),
        MetaKey::Cgroup => ("meta cgroup", Kind::Number),
        MetaKey::Prandom => ("meta random", Kind::Number),
        MetaKey::Secpath => ("meta ipsec", Kind::Exists),
        MetaKey::Iifkind => ("meta iifkind", Kind::Name),
        MetaKey::Oifkind => ("meta oifkind", Kind::Name),
        MetaKey::BridgeIifPvid => ("meta ibrpvid", Kind::Number),
        MetaKey::BridgeIifVproto => ("meta ibrvproto", Kind::EtherType),
        MetaKey::Time => ("meta time", Kind::Number),
        MetaKey::Day => ("meta day", Kind::Number),
        MetaKey::Hour => ("meta hour", Kind::Number),
        MetaKey::Sdif => ("meta sdif", Kind::Index),
        MetaKey::Sdifname => ("meta sdifname", Kind::Name),
        MetaKey::BridgeBroute => ("meta broute", Kind::Number),
        MetaKey::Other(number) => return (format!("[meta {number}]"), Kind::Hex),
    };
    (name.into(), kind)
}

/// Data of this key is in the packet's order, not the host's.
pub(super) fn meta_big_endian(key: MetaKey) -> bool {
    matches!(key, MetaKey::Protocol | MetaKey::BridgeIifVproto)
}

/// What the kernel knows of a connection: words behind `ct` (and its direction), and what it is.
pub(super) fn ct(key: CtKey) -> (String, Kind) {
    let (name, kind) = match key {
        CtKey::State => ("state", Kind::CtState),
        CtKey::Direction => ("direction", Kind::CtDirection),
        CtKey::Status => ("status", Kind::CtStatus),
        CtKey::Mark => ("mark", Kind::Mark),
        CtKey::Secmark => ("secmark", Kind::Hex),
        CtKey::Expiration => ("expiration", Kind::Number),
        CtKey::Helper => ("helper", Kind::Name),
        CtKey::L3protocol => ("l3proto", Kind::Nfproto),
        CtKey::Source | CtKey::SourceIp => ("ip saddr", Kind::Ip4),
        CtKey::Destination | CtKey::DestinationIp => ("ip daddr", Kind::Ip4),
        CtKey::SourceIp6 => ("ip6 saddr", Kind::Ip6),
        CtKey::DestinationIp6 => ("ip6 daddr", Kind::Ip6),
        CtKey::Protocol => ("protocol", Kind::Protocol),
        CtKey::ProtoSource => ("proto-src", Kind::Number),
        CtKey::ProtoDestination => ("proto-dst", Kind::Number),
        CtKey::Labels => ("label", Kind::Hex),
        CtKey::Packets => ("packets", Kind::Number),
        CtKey::Bytes => ("bytes", Kind::Number),
        CtKey::AveragePacket => ("avgpkt", Kind::Number),
        CtKey::Zone => ("zone", Kind::Number),
        CtKey::EventMask => ("event", Kind::Hex),
        CtKey::Id => ("id", Kind::Number),
        CtKey::Other(number) => return (format!("[key {number}]"), Kind::Hex),
    };
    (name.into(), kind)
}

/// Data of this key is in the packet's order, not the host's.
pub(super) fn ct_big_endian(key: CtKey) -> bool {
    matches!(key, CtKey::ProtoSource | CtKey::ProtoDestination)
}

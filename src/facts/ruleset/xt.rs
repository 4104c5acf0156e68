//! Matches and targets of iptables (xtables extensions), whether they came as the kernel's structures (iptables-nft) or as
//! words (iptables-legacy).

#![expect(missing_docs, reason = "fields are named after iptables' options; the variant says what it does")]

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::expr::RejectWith;

/// A match or a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Xt {
    /// A match; inverted where its own structure has no bit for that.
    Match(Match),
    /// A target.
    Target(Target),
}

/// A match. `inverted` is the `!` before its option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// Says something to people.
    Comment(String),
    /// What iptables-legacy keeps in every rule: `-s`, `-d`, `-i`, `-o`, `-p`, `-f`.
    Ip(IpMatch),
    /// `-m tcp`.
    Tcp(TcpMatch),
    /// `-m udp`.
    Udp { source: Ports, destination: Ports },
    /// `-m multiport`.
    Multiport { which: Which, ports: Vec<(u16, u16)>, inverted: bool },
    /// `-m conntrack` and `-m state`.
    Conntrack(Box<ConntrackMatch>),
    /// `-m addrtype`: bits of route types (1 << RTN_LOCAL ...), 0 for any.
    Addrtype {
        source: u16,
        source_inverted: bool,
        destination: u16,
        destination_inverted: bool,
        limit_in: bool,
        limit_out: bool,
    },
    /// `-m mark`: `(mark & mask) == value`.
    Mark { value: u32, mask: u32, inverted: bool },
    /// `-m connmark`.
    Connmark { value: u32, mask: u32, inverted: bool },
    /// `-m owner`.
    Owner {
        uid: Option<(u32, u32)>,
        uid_inverted: bool,
        gid: Option<(u32, u32)>,
        gid_inverted: bool,
        socket_exists: Option<bool>,
    },
    /// `-m iprange`.
    Iprange {
        source: Option<(IpAddr, IpAddr)>,
        source_inverted: bool,
        destination: Option<(IpAddr, IpAddr)>,
        destination_inverted: bool,
    },
    /// `-m set`: an ipset by name, or `#index` where only that is known; `source` of the first field of its entries.
    Set { name: String, source: bool, inverted: bool },
    /// `-m recent`.
    Recent(RecentMatch),
    /// `-m limit` (packets in ten-thousandths of a second are the kernel's; here as iptables prints it).
    Limit { average: String, burst: u32 },
    /// `-m hashlimit`.
    Hashlimit { text: String },
    /// `-m connlimit`.
    Connlimit { limit: u32, over: bool },
    /// `-m pkttype`.
    Pkttype { kind: u8, inverted: bool },
    /// `-m length`.
    Length { from: u16, to: u16, inverted: bool },
    /// `-m physdev`: a port of a bridge.
    Physdev { text: String },
    /// `-m rpfilter`.
    Rpfilter { loose: bool, inverted: bool },
    /// `-m socket`.
    Socket { transparent: bool },
    /// `-m statistic`.
    Statistic { text: String },
    /// `-m ttl`, `-m hl`, `-m dscp`, `-m mac`, `-m time`, `-m string`, `-m bpf` ... : known by name, decided by nothing that
    /// is known before a packet comes.
    Unknowable { name: String, text: String },
    /// An ICMP match: never a TCP or UDP packet.
    Icmp,
    /// One that this program does not know: its structure, or its words.
    Other { name: String, revision: u32, info: Vec<u8> },
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// `-j REJECT`.
    Reject(RejectWith),
    /// `-j DNAT`.
    Dnat(NatRange),
    /// `-j SNAT`.
    Snat(NatRange),
    /// `-j REDIRECT`.
    Redirect(Option<(u16, u16)>),
    /// `-j NETMAP`: the network part of the destination (of the source after routing) becomes that of this range.
    Netmap(NatRange),
    /// `-j MASQUERADE`.
    Masquerade,
    /// `-j LOG`, `-j NFLOG`, `-j ULOG`, `-j AUDIT`, `-j TRACE`.
    Log { prefix: Option<String> },
    /// `-j MARK`: `mark = (mark & !clear) ^ set`.
    Mark { clear: u32, set: u32 },
    /// `-j CONNMARK`: `connmark = (connmark & !clear) ^ set`; with `save` or `restore`, `set` is the mask of the mark that
    /// is copied: `to = (to & !clear) ^ (from & set)`.
    Connmark { restore: bool, save: bool, clear: u32, set: u32 },
    /// `-j NOTRACK`, `-j CT --notrack`.
    Notrack,
    /// `-j CT --zone`, other than zone 0.
    Zone,
    /// `-j CT` otherwise (helper, timeout).
    Ct,
    /// `-j TPROXY`; the port of the packet for 0. Its mark becomes `(mark & !clear) ^ set`.
    Tproxy { address: Option<IpAddr>, port: u16, clear: u32, set: u32 },
    /// Changes the packet without deciding (`TCPMSS`, `DSCP`, `CHECKSUM`, `CLASSIFY`, `TTL`, `SET` ...).
    Changes { name: String },
    /// `-j NFQUEUE`.
    Queue { number: u16, bypass: bool },
    /// `-j SYNPROXY`.
    Synproxy,
    /// One that this program does not know: its structure, or its words.
    Other { name: String, revision: u32, info: Vec<u8> },
}

/// What iptables-legacy keeps in every rule. Nothing said is anything.
#[expect(clippy::struct_excessive_bools, reason = "each option has its own `!`")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IpMatch {
    /// `-s`: address and mask.
    pub source: Option<(IpAddr, IpAddr)>,
    pub source_inverted: bool,
    /// `-d`: address and mask.
    pub destination: Option<(IpAddr, IpAddr)>,
    pub destination_inverted: bool,
    /// `-i`: a name, or with a trailing `+` its beginning.
    pub input: Option<String>,
    pub input_inverted: bool,
    /// `-o`.
    pub output: Option<String>,
    pub output_inverted: bool,
    /// `-p`: number of the protocol.
    pub protocol: Option<u8>,
    pub protocol_inverted: bool,
    /// `-f`.
    pub fragment: Option<bool>,
}

/// A range of ports, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    pub from: u16,
    pub to: u16,
    pub inverted: bool,
}

/// `-m tcp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpMatch {
    pub source: Ports,
    pub destination: Ports,
    /// Flags looked at, and which of them must be set (`--tcp-flags MASK SET`).
    pub flags: (u8, u8),
    pub flags_inverted: bool,
    /// `--tcp-option`.
    pub option: Option<u8>,
    pub option_inverted: bool,
}

/// Which ports `-m multiport` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    Source,
    Destination,
    Either,
}

/// `-m conntrack`. Nothing said is anything.
#[expect(clippy::struct_excessive_bools, reason = "each option has its own `!`")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConntrackMatch {
    /// Bits as in nftables: 1 invalid, 2 established, 4 related, 8 new, 64 untracked; 128 SNAT, 256 DNAT.
    pub states: Option<u32>,
    pub states_inverted: bool,
    pub protocol: Option<u8>,
    pub protocol_inverted: bool,
    /// `--ctorigsrc` and so on: address and mask.
    pub original_source: Option<(IpAddr, IpAddr)>,
    pub original_source_inverted: bool,
    pub original_destination: Option<(IpAddr, IpAddr)>,
    pub original_destination_inverted: bool,
    pub reply_source: Option<(IpAddr, IpAddr)>,
    pub reply_source_inverted: bool,
    pub reply_destination: Option<(IpAddr, IpAddr)>,
    pub reply_destination_inverted: bool,
    pub original_source_ports: Option<(u16, u16)>,
    pub original_source_ports_inverted: bool,
    pub original_destination_ports: Option<(u16, u16)>,
    pub original_destination_ports_inverted: bool,
    /// `--ctstatus` bits.
    pub status: Option<u32>,
    pub status_inverted: bool,
    pub reply_direction: Option<bool>,
    /// Something of it was not understood.
    pub unclear: bool,
}

/// `-m recent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentMatch {
    /// The list.
    pub name: String,
    /// What is done with it.
    pub does: RecentDoes,
    /// `--seconds`; 0 for none.
    pub seconds: u32,
    /// `--hitcount`; 0 for none.
    pub hits: u32,
    /// `--rttl`.
    pub ttl: bool,
    /// It keeps source addresses, not destinations.
    pub source: bool,
    /// `--mask`: what of the address is kept; none for all of it.
    pub mask: Option<IpAddr>,
    pub inverted: bool,
}

/// What `-m recent` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecentDoes {
    Set,
    Check,
    Update,
    Remove,
}

/// The addresses and ports of a `DNAT` or `SNAT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatRange {
    pub addresses: Option<(IpAddr, IpAddr)>,
    pub ports: Option<(u16, u16)>,
}

//! What a rule does: nftables expressions, decoded. Registers are byte offsets into the 64-byte register file, whatever
//! numbering the kernel used; data is as the kernel compares it (addresses and ports big-endian, marks and interface
//! indices in the host's order).

#![expect(
    missing_docs,
    reason = "fields are named after the kernel's netlink attributes; the variant says what it does"
)]

use serde::{Deserialize, Serialize};

use super::xt::Xt;

/// Byte offset into the register file (0, 4, 8 ... 60).
pub type Register = u8;

/// One expression. A match that fails ends its rule; statements do something; a verdict ends it or leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expr {
    /// Loads bytes of the packet.
    Payload { base: Base, offset: u32, len: u32, to: Register },
    /// Writes bytes of the packet.
    PayloadSet { base: Base, offset: u32, len: u32, from: Register },
    /// Loads what is known about the packet.
    Meta { key: MetaKey, to: Register },
    /// Sets it (`meta mark set`).
    MetaSet { key: MetaKey, from: Register },
    /// Loads what is known about its connection.
    Ct { key: CtKey, direction: Option<Direction>, to: Register },
    /// Sets it (`ct mark set`).
    CtSet { key: CtKey, direction: Option<Direction>, from: Register },
    /// Compares.
    Cmp { from: Register, op: CmpOp, data: Vec<u8> },
    /// Is it within (or, inverted, outside) these, both inclusive?
    Range { from: Register, inverted: bool, low: Vec<u8>, high: Vec<u8> },
    /// Bits.
    Bitwise { from: Register, to: Register, len: u32, op: BitOp },
    /// Turns the byte order of each `size` bytes.
    Byteorder { from: Register, to: Register, len: u32, size: u32 },
    /// Is it in a set, or (with `to`) what does the map say? `to` of a verdict map is [`LookupTo::Verdict`].
    Lookup { set: String, from: Register, to: LookupTo, inverted: bool },
    /// Asks the routing table.
    Fib { result: FibResult, flags: u32, to: Register },
    /// A header option: of TCP, or an IPv6 extension header.
    Exthdr { of: ExthdrOf, kind: u8, offset: u32, len: u32, present: bool, to: Register },
    /// Changes such an option.
    ExthdrSet { of: ExthdrOf, kind: u8, offset: u32, len: u32, from: Option<Register> },
    /// What is known of a local socket the packet belongs to.
    Socket { key: SocketKey, level: u32, to: Register },
    /// The route of a packet that leaves (`rt nexthop`, `rt mtu`).
    Rt { key: u32, to: Register },
    /// IPsec state.
    Xfrm { key: u32, to: Register },
    /// Sender's operating system by its SYN.
    Osf { to: Register },
    /// A number from a generator.
    Numgen { random: bool, modulus: u32, offset: u32, to: Register },
    /// A hash; `from` is none for `symhash`.
    Hash { from: Option<Register>, len: u32, modulus: u32, seed: u32, offset: u32, to: Register },
    /// At most (or, inverted, over) a rate.
    Limit { rate: u64, unit_s: u64, burst: u32, bytes: bool, inverted: bool },
    /// Under (or, inverted, over) an amount of bytes.
    Quota { bytes: u64, used: u64, inverted: bool },
    /// At most (or, inverted, over) so many connections.
    Connlimit { count: u32, inverted: bool },
    /// When it was last used.
    Last,
    /// Counts.
    Counter { packets: u64, bytes: u64 },
    /// Logs.
    Log { prefix: Option<String>, group: Option<u16> },
    /// Refuses with an answer.
    Reject(RejectWith),
    /// Changes the destination (dnat) or source (snat). Registers hold the new address and port.
    Nat {
        source: bool,
        family: super::Family,
        address: Option<(Register, Register)>,
        port: Option<(Register, Register)>,
        flags: u32,
    },
    /// Changes the source to the outgoing interface's address.
    Masquerade { port: Option<(Register, Register)>, flags: u32 },
    /// Changes the destination to this host.
    Redirect { port: Option<(Register, Register)>, flags: u32 },
    /// Hands the packet to a local socket.
    Tproxy { family: super::Family, address: Option<Register>, port: Option<Register> },
    /// Loads a constant.
    Immediate { to: Register, data: Vec<u8> },
    /// Decides, or leads elsewhere.
    Verdict(Verdict),
    /// Runs a named object.
    Objref { name: String },
    /// Runs the named object that a map leads to.
    ObjrefMap { set: String, from: Register },
    /// Adds the key to a set (or updates or deletes it), running `exprs` for its element; inverted: a match where that
    /// fails.
    Dynset { set: String, op: DynsetOp, key: Register, data: Option<Register>, exprs: Vec<Expr>, inverted: bool },
    /// Answers SYNs in the server's place.
    Synproxy,
    /// Puts the connection on a fast path past the rules.
    FlowOffload { table: String },
    /// Sends a copy elsewhere.
    Dup { address: Option<Register>, device: Option<Register> },
    /// Sends the packet itself elsewhere (netdev).
    Fwd { device: Option<Register>, address: Option<Register> },
    /// Hands the packet to a program (`bypass`: accept when none listens).
    Queue { from: u16, to: u16, bypass: bool },
    /// Does not track the connection.
    Notrack,
    /// A match or target of iptables.
    Xt(Xt),
    /// One that this program does not know: what it decides cannot be told.
    Opaque { name: String, raw: Vec<u8> },
}

/// What a verdict says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Passes this base chain; later ones may still refuse.
    Accept,
    /// Gone, without an answer.
    Drop,
    /// Back to where the chain was jumped from; the policy in a base chain.
    Return,
    /// The next rule.
    Continue,
    /// The next rule: a match that failed.
    Break,
    /// Into another chain, and back at its end.
    Jump(String),
    /// Into another chain, and from its end to where the last jump came from.
    Goto(String),
    /// To a program.
    Queue,
    /// Taken out of the packet's way.
    Stolen,
}

/// Where payload offsets begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The link layer's header.
    Link,
    /// The IP header.
    Network,
    /// The TCP or UDP header.
    Transport,
    /// What follows it.
    Inner,
}

/// `<linux/netfilter/nf_tables.h>` `enum nft_meta_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetaKey {
    Len,
    Protocol,
    Priority,
    Mark,
    Iif,
    Oif,
    Iifname,
    Oifname,
    Iiftype,
    Oiftype,
    Skuid,
    Skgid,
    Nftrace,
    Rtclassid,
    Secmark,
    Nfproto,
    L4proto,
    BridgeIifname,
    BridgeOifname,
    Pkttype,
    Cpu,
    Iifgroup,
    Oifgroup,
    Cgroup,
    Prandom,
    Secpath,
    Iifkind,
    Oifkind,
    BridgeIifPvid,
    BridgeIifVproto,
    Time,
    Day,
    Hour,
    Sdif,
    Sdifname,
    BridgeBroute,
    /// One that is not listed here.
    Other(u32),
}

/// `enum nft_ct_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CtKey {
    /// Bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked.
    State,
    Direction,
    Status,
    Mark,
    Secmark,
    Expiration,
    Helper,
    L3protocol,
    Source,
    Destination,
    Protocol,
    ProtoSource,
    ProtoDestination,
    Labels,
    Packets,
    Bytes,
    AveragePacket,
    Zone,
    EventMask,
    SourceIp,
    DestinationIp,
    SourceIp6,
    DestinationIp6,
    Id,
    /// One that is not listed here.
    Other(u32),
}

/// Direction of a connection's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From whoever began it.
    Original,
    /// The answers.
    Reply,
}

/// How two values are compared, byte by byte from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmpOp {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// What is done with bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BitOp {
    /// `(value & mask) ^ xor`.
    Mask { mask: Vec<u8>, xor: Vec<u8> },
    /// Left by so many bits.
    Left(u32),
    /// Right by so many bits.
    Right(u32),
    /// One that is not listed here, or with a second register.
    Other(u32),
}

/// Where a lookup puts what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookupTo {
    /// Nowhere: only whether the key is in the set.
    Match,
    /// The verdict is carried out.
    Verdict,
    /// The value goes into a register.
    Register(Register),
}

/// What the routing table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FibResult {
    /// Interface index.
    Oif,
    /// Interface name.
    Oifname,
    /// Type of the address (`RTN_LOCAL` = 2 ...).
    AddrType,
    /// One that is not listed here.
    Other(u32),
}

/// Whose options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExthdrOf {
    Ipv6,
    Tcp,
    Ipv4,
    Sctp,
    Dccp,
    /// One that is not listed here.
    Other(u32),
}

/// `enum nft_socket_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketKey {
    Transparent,
    Mark,
    Wildcard,
    Cgroupv2,
    /// One that is not listed here.
    Other(u32),
}

/// What a rule does to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DynsetOp {
    Add,
    Update,
    Delete,
}

/// How a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectWith {
    /// A TCP RST.
    TcpReset,
    /// An ICMP destination-unreachable with this code.
    Icmp(u8),
    /// An ICMPv6 destination-unreachable with this code.
    Icmpv6(u8),
    /// By family: 0 no-route, 1 port-unreachable, 2 host-unreachable, 3 admin-prohibited.
    Icmpx(u8),
}

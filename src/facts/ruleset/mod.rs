//! Packet filter rules as plain data: the kernel's nftables tables (those of iptables-nft among them) and the legacy
//! tables of iptables beside them.
//!
//! They are read piece by piece: [`Ruleset`] holds tables, chains and declarations; the rules of a chain and the elements
//! of a set are facts of their own, asked for only where a packet's way leads there.

pub mod expr;
pub mod xt;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use expr::{Expr, Verdict};

/// Who keeps a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The kernel's nf_tables; `iptables-nft` and firewalld put their rules there, too.
    Nftables,
    /// The kernel's ip_tables and ip6_tables (`iptables-legacy`), which nft does not show.
    Legacy,
}

/// Family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// A device, before routing (ingress) or after (egress).
    Netdev,
    /// ARP.
    Arp,
    /// A bridge.
    Bridge,
}

impl Family {
    /// As nft writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
        }
    }
}

/// A table's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId {
    /// Who keeps it.
    pub backend: Backend,
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

/// A chain's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainId {
    /// Its table.
    pub table: TableId,
    /// Its name.
    pub name: String,
}

/// A set's or map's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetId {
    /// Its table.
    pub table: TableId,
    /// Its name.
    pub name: String,
}

/// What there is, without the rules of chains and the elements of sets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ruleset {
    /// Generation of nf_tables this was read in; each transaction makes a new one.
    pub generation: u32,
    /// Tables in the kernel's order.
    pub tables: Vec<Table>,
    /// Chains of all tables, in the kernel's order.
    pub chains: Vec<Chain>,
    /// Sets and maps of all tables.
    pub sets: Vec<Set>,
    /// Named counters, quotas, limits and the like.
    pub objects: Vec<Object>,
    /// Everything that is hooked into the packet's way, in the order it is passed; none where the kernel does not tell
    /// (before 5.14).
    pub hooks: Option<Vec<Hooked>>,
}

impl Ruleset {
    /// A chain by name.
    pub fn chain(&self, id: &ChainId) -> Option<&Chain> {
        self.chains.iter().find(|c| c.id == *id)
    }

    /// A set by name.
    pub fn set(&self, id: &SetId) -> Option<&Set> {
        self.sets.iter().find(|s| s.id == *id)
    }

    /// A table by name.
    pub fn table(&self, id: &TableId) -> Option<&Table> {
        self.tables.iter().find(|t| t.id == *id)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub id: TableId,
    /// Its handle; tables made later have higher ones.
    pub handle: u64,
    /// It is switched off (`flags dormant`).
    pub dormant: bool,
    /// Its comment.
    pub comment: Option<String>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Its name.
    pub id: ChainId,
    /// Its handle; chains of a table made later have higher ones.
    pub handle: u64,
    /// How it is hooked into the packet's way; none for a chain that is only jumped to.
    pub base: Option<Base>,
    /// Its comment.
    pub comment: Option<String>,
}

/// How a base chain is hooked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// What for.
    pub kind: ChainKind,
    /// Where.
    pub hook: Hook,
    /// When, among the chains of one hook: lower first.
    pub priority: i32,
    /// What becomes of packets that no rule decided.
    pub policy: Policy,
    /// Devices, for ingress and egress.
    pub devices: Vec<String>,
    /// Packets that the policy decided, where they are counted.
    pub packets: Option<u64>,
}

/// Type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainKind {
    /// `filter`: sees every packet.
    Filter,
    /// `nat`: sees the first packet of a connection.
    Nat,
    /// `route`: its marks reroute what this host sends.
    Route,
}

/// A place on the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// As it comes from a device.
    Ingress,
    /// Before routing.
    Prerouting,
    /// To a socket of this host.
    Input,
    /// From one device to another.
    Forward,
    /// From a socket of this host.
    Output,
    /// After routing.
    Postrouting,
    /// As it goes to a device.
    Egress,
}

impl Hook {
    /// As nft writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }
}

/// Policy of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// On to the next base chain.
    Accept,
    /// Gone.
    Drop,
}

/// Something hooked into the packet's way, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooked {
    /// Protocol family it is hooked into: ip, ip6 or netdev (an inet chain is in both).
    pub family: Family,
    /// Where.
    pub hook: Hook,
    /// Device, for ingress and egress.
    pub device: Option<String>,
    /// Priority.
    pub priority: i32,
    /// The kernel function that is called (`nft_do_chain_inet`, `ipt_do_table`, `ipv4_conntrack_in` ...).
    pub function: String,
    /// The module it is in.
    pub module: Option<String>,
    /// The nftables chain behind it.
    pub chain: Option<ChainId>,
}

/// The rules of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChainRules {
    /// Generation they were read in.
    pub generation: u32,
    /// Rules in order.
    pub rules: Vec<Rule>,
    /// There are more, which were not read in time.
    pub more: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its handle; for legacy tables its number in the chain, from 1.
    pub handle: u64,
    /// Its matches and statements in order; the first match that fails ends it.
    pub exprs: Vec<Expr>,
    /// Its comment, raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its own words as its tool prints them (`-A INPUT -p tcp ...`), where they were read: legacy rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A set or map, without its elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its name.
    pub id: SetId,
    /// Made for one rule (`{ 80, 443 }`); its name is the kernel's.
    pub anonymous: bool,
    /// Holds ranges.
    pub interval: bool,
    /// Rules put elements in.
    pub dynamic: bool,
    /// What its elements lead to.
    pub maps_to: MapsTo,
    /// Length of the whole key in bytes; fields of a concatenation are padded to 4 bytes each.
    pub key_len: u32,
    /// Lengths of the fields of a concatenated key, unpadded; one for a plain key.
    pub fields: Vec<u32>,
    /// How long an element stays unless it says otherwise, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many elements it may have.
    pub size: Option<u32>,
    /// What each element has (`counter`, `limit` ...).
    pub exprs: Vec<Expr>,
    /// Its comment.
    pub comment: Option<String>,
}

/// What the elements of a set lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapsTo {
    /// Nothing: a plain set.
    Nothing,
    /// A verdict.
    Verdict,
    /// A value.
    Data,
    /// A named object.
    Object,
}

/// The elements of a set, ranges put together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elements {
    /// Generation they were read in.
    pub generation: u32,
    /// The elements, in no particular order.
    pub elements: Vec<Element>,
    /// What every key gets that is in no element (`*`).
    pub catchall: Option<Element>,
    /// There are more than were read: ask for the membership of a key instead.
    pub more: bool,
}

/// An element: all keys of which every field lies between those of `from` and `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// First key.
    pub from: Vec<u8>,
    /// Last key, inclusive; the same as `from` for a single key.
    pub to: Vec<u8>,
    /// What it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Leads>,
    /// How long it will stay, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// What it has (`counter`, `limit` ...), which matching it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exprs: Vec<Expr>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What an element of a map leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leads {
    /// A verdict.
    Verdict(Verdict),
    /// A value.
    Data(Vec<u8>),
    /// A named object.
    Object(String),
}

/// A named object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its table.
    pub table: TableId,
    /// Its name.
    pub name: String,
    /// What it is: [`Expr::Counter`], [`Expr::Quota`], [`Expr::Limit`], [`Expr::Synproxy`], [`Expr::Connlimit`]; others
    /// decide nothing and are [`Expr::Opaque`].
    pub does: Expr,
}

/// A legacy table (`iptables-legacy`, `ip6tables-legacy`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTable {
    /// Its chains with their rules; built-in chains have a [`Base`].
    pub chains: Vec<(Chain, Vec<Rule>)>,
    /// Its name; the backend is [`Backend::Legacy`], the family ip or ip6.
    pub id: TableId,
}

/// A list of sources that `xt_recent` keeps (`/proc/net/xt_recent/NAME`), as `ufw limit` uses it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recent {
    /// Sources, each with how long ago its packets were seen, in milliseconds, the latest first.
    pub seen: Vec<(IpAddr, Vec<u64>)>,
}

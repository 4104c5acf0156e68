//! What decides the way of a packet before and beside the routes that lead somewhere: policy rules, routes that refuse,
//! and whether the next hop is there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::route::RouteKind;

/// The policy rules of both families in the order they are tried, and the routes that refuse.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Routing {
    /// `ip rule`, IPv4 first.
    pub rules: Vec<RoutingRule>,
    /// Routes of type unreachable, prohibit, blackhole and throw, of all tables.
    pub refusing: Vec<RefusingRoute>,
    /// There are more than were read.
    pub partial: bool,
}

/// A policy rule.
#[expect(clippy::struct_excessive_bools, reason = "conditions that are independent of each other")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// For IPv6.
    pub v6: bool,
    /// Smaller numbers are tried first.
    pub priority: u32,
    /// Sources it is for; none: all.
    pub from: Option<Prefix>,
    /// Destinations it is for; none: all.
    pub to: Option<Prefix>,
    /// Marks it is for: value and mask.
    pub mark: Option<(u32, u32)>,
    /// Interface that packets come in by; `lo` is what this host itself sends.
    pub input: Option<String>,
    /// Interface that a socket is bound to.
    pub output: Option<String>,
    /// Users whose sockets it is for, first and last.
    pub users: Option<(u32, u32)>,
    /// Protocol number it is for.
    pub protocol: Option<u8>,
    /// Destination ports it is for, first and last.
    pub ports: Option<(u16, u16)>,
    /// It is for sockets and interfaces of VRFs.
    pub vrf: bool,
    /// It has conditions that this program does not follow (source ports, tunnels, DS field).
    pub other: bool,
    /// It is for everything that the conditions do not fit.
    pub not: bool,
    /// What it does.
    pub action: RuleAction,
}

/// What a policy rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Looks into a table.
    Table(u32),
    /// Goes on at the rule with this priority.
    Goto(u32),
    /// Nothing.
    Nop,
    /// ENETUNREACH.
    Unreachable,
    /// EACCES.
    Prohibit,
    /// EINVAL.
    Blackhole,
}

impl RuleAction {
    /// The word of `ip rule` for one that refuses.
    pub fn refuses(self) -> Option<&'static str> {
        match self {
            Self::Unreachable => Some("unreachable"),
            Self::Prohibit => Some("prohibit"),
            Self::Blackhole => Some("blackhole"),
            Self::Table(_) | Self::Goto(_) | Self::Nop => None,
        }
    }
}

impl RoutingRule {
    /// A rule that takes every packet of IPv4.
    pub fn new(priority: u32, action: RuleAction) -> Self {
        Self {
            v6: false,
            priority,
            from: None,
            to: None,
            mark: None,
            input: None,
            output: None,
            users: None,
            protocol: None,
            ports: None,
            vrf: false,
            other: false,
            not: false,
            action,
        }
    }

    /// What follows `ip rule add` to make it.
    pub fn words(&self) -> String {
        let mut words = vec![format!("priority {}", self.priority)];
        words.extend(self.not.then(|| "not".to_owned()));
        let from = self.from.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        words.push(format!("from {from}"));
        words.extend(self.to.as_ref().map(|to| format!("to {to}")));
        words.extend(self.mark.map(|(value, mask)| match mask {
            u32::MAX => format!("fwmark {value:#x}"),
            mask => format!("fwmark {value:#x}/{mask:#x}"),
        }));
        words.extend(self.input.as_ref().map(|name| format!("iif {name}")));
        words.extend(self.output.as_ref().map(|name| format!("oif {name}")));
        words.extend(self.users.map(|(first, last)| format!("uidrange {first}-{last}")));
        words.extend(self.protocol.map(|protocol| match protocol {
            6 => "ipproto tcp".to_owned(),
            17 => "ipproto udp".to_owned(),
            other => format!("ipproto {other}"),
        }));
        words.extend(self.ports.map(|(first, last)| format!("dport {first}-{last}")));
        words.push(match self.action {
            RuleAction::Table(table) => format!("lookup {}", table_name(table)),
            RuleAction::Goto(priority) => format!("goto {priority}"),
            RuleAction::Nop => "nop".to_owned(),
            RuleAction::Unreachable | RuleAction::Prohibit | RuleAction::Blackhole => {
                self.action.refuses().unwrap_or_default().to_owned()
            }
        });
        words.join(" ")
    }
}

/// A route that leads nowhere on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusingRoute {
    /// Destinations.
    pub to: Prefix,
    /// Unreachable, prohibit, blackhole; a throw is [`RouteKind::NoRoute`].
    pub kind: RouteKind,
    /// Table.
    pub table: u32,
    /// Metric; of routes to the same destinations the one with the smallest counts.
    pub metric: u32,
}

impl RefusingRoute {
    /// The word of `ip route` for its type.
    pub fn word(&self) -> &'static str {
        match self.kind {
            RouteKind::Blackhole => "blackhole",
            RouteKind::Prohibit => "prohibit",
            RouteKind::NoRoute => "throw",
            RouteKind::Unreachable
            | RouteKind::Unicast
            | RouteKind::Local
            | RouteKind::Broadcast
            | RouteKind::Multicast
            | RouteKind::Martian => "unreachable",
        }
    }

    /// What follows `ip route add` to make it.
    pub fn words(&self) -> String {
        let table = if self.table == MAIN { String::new() } else { format!(" table {}", table_name(self.table)) };
        let metric = if self.metric == 0 { String::new() } else { format!(" metric {}", self.metric) };
        format!("{} {}{table}{metric}", self.word(), self.to)
    }
}

/// The main table.
pub const MAIN: u32 = 254;

/// A table as `ip` names it.
pub fn table_name(table: u32) -> String {
    match table {
        253 => "default".into(),
        MAIN => "main".into(),
        255 => "local".into(),
        other => other.to_string(),
    }
}

/// A network: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that are the network's.
    pub bits: u8,
}

impl Prefix {
    /// A network; no more bits than the family has.
    pub fn new(address: IpAddr, bits: u8) -> Self {
        Self { address, bits: bits.min(if address.is_ipv4() { 32 } else { 128 }) }
    }

    /// Is this address in it?
    pub fn holds(&self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32u32.saturating_sub(bits);
                u32::from(net).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128u32.saturating_sub(bits);
                u128::from(net).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no network");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self::new(address.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What the kernel knows of a host on a link (`ip neighbour`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeighbourState {
    /// It was asked for and has not answered yet.
    Incomplete,
    /// It has answered, just now or a while ago.
    Known,
    /// It did not answer.
    Failed,
    /// It was set by hand, or none is needed there.
    Fixed,
}

impl NeighbourState {
    /// The word of `ip neighbour` for one that is not there.
    pub fn missing(self) -> Option<&'static str> {
        match self {
            Self::Incomplete => Some("INCOMPLETE"),
            Self::Failed => Some("FAILED"),
            Self::Known | Self::Fixed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (text, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.9", "10.2.0.0"),
            ("fd00:1::/64", "fd00:1::9", "fd00:1:0:1::"),
            ("::/0", "::1", "1.2.3.4"),
        ] {
            assert!(net(text).holds(inside.parse().unwrap()), "{text}");
            assert!(!net(text).holds(outside.parse().unwrap()), "{text}");
        }
        assert!(net("0.0.0.0/0").holds("203.0.113.9".parse().unwrap()));
        assert!(net("203.0.113.9/77").holds("203.0.113.9".parse().unwrap()), "no more bits than there are");
        assert!("10.0.0.0".parse::<Prefix>().is_err() && "x/8".parse::<Prefix>().is_err());
        assert_eq!(serde_json::to_string(&net("10.0.0.0/8")).unwrap(), "\"10.0.0.0/8\"");
    }

    #[test]
    fn rules_and_routes_are_written_as_ip_takes_them() {
        let rule = RoutingRule {
            v6: false,
            priority: 90,
            from: None,
            to: Some(net("203.0.113.0/24")),
            mark: Some((1, u32::MAX)),
            input: None,
            output: None,
            users: Some((0, 99)),
            protocol: Some(6),
            ports: Some((25, 25)),
            vrf: false,
            other: false,
            not: false,
            action: RuleAction::Prohibit,
        };
        let words = "priority 90 from all to 203.0.113.0/24 fwmark 0x1 uidrange 0-99 ipproto tcp dport 25-25 prohibit";
        assert_eq!(rule.words(), words);
        let route = RefusingRoute { to: net("10.0.0.0/8"), kind: RouteKind::NoRoute, table: 100, metric: 7 };
        assert_eq!(route.words(), "throw 10.0.0.0/8 table 100 metric 7");
    }
}

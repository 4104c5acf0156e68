//! Rules that let something pass a packet filter: what they say, and the plans that put them where it is refused.

mod exprs;
mod lasting;
mod plans;

pub use lasting::in_file;
pub use plans::{Passage, Refused, let_in};

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::action::shell;
use crate::facts::ruleset::{ChainId, Family};
use crate::facts::socket::Transport;

/// A rule that accepts, put before another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Where.
    pub spot: Spot,
    /// What it lets through.
    pub lets: Lets,
}

/// A place between rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// What speaks to the table.
    pub tool: RuleTool,
    /// The chain.
    pub chain: ChainId,
    /// The rule it is right before. None: at the end, before the chain's policy.
    pub before: Option<Before>,
}

/// A rule that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its handle; for legacy tables its number.
    pub handle: u64,
    /// Its number in the chain, from 1.
    pub number: u64,
    /// Its words as `iptables -S` prints them, where they were read: legacy rules.
    pub text: Option<String>,
}

/// What speaks to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleTool {
    /// Netlink; `nft` shows it.
    Nftables,
    /// iptables and ip6tables on nf_tables.
    IptablesNft,
    /// iptables-legacy and ip6tables-legacy.
    IptablesLegacy,
}

/// What a rule lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lets {
    /// Packets of a service.
    Service(Opening),
    /// Whatever this host sends to itself.
    Loopback,
    /// Packets of connections that were let in.
    Answers,
}

/// Which packets of which service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// TCP or UDP.
    pub transport: Transport,
    /// The service's port.
    pub port: u16,
    /// Of clients in this network (address and length of its prefix); none: of all.
    pub from: Option<(IpAddr, u8)>,
    /// To this address only.
    pub to: Option<IpAddr>,
    /// Which packets of the connection.
    pub way: Way,
}

/// Which packets of a connection pass a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Those towards the service.
    There,
    /// The answers on their way back.
    Back,
}

/// A network as filters write it.
pub(super) fn network((address, length): (IpAddr, u8)) -> String {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length == whole { address.to_string() } else { format!("{address}/{length}") }
}

impl Rule {
    /// The words that match what it lets through, the verdict, and the comment that makes it known as ours: of nft, or of
    /// iptables. None of them needs quotes.
    pub fn words(&self) -> Vec<String> {
        let comment = self.comment();
        let (words, comment) = match self.spot.tool {
            RuleTool::Nftables => (self.nft_words(), vec!["comment", &comment]),
            RuleTool::IptablesNft | RuleTool::IptablesLegacy => {
                (self.iptables_words(), vec!["-m", "comment", "--comment", &comment])
            }
        };
        words.into_iter().chain(comment.into_iter().map(str::to_owned)).collect()
    }

    /// Its comment: one word, which tells it from a rule of somebody else that says the same, and from another one of
    /// ours. Its last part stands for what we let through: a rule that has it and lets something else through was edited.
    pub fn comment(&self) -> String {
        let lets = self
            .plain_words()
            .iter()
            .flat_map(|word| word.bytes().chain([0]))
            .fold(0x811c_u16, |sum, byte| (sum ^ u16::from(byte)).rotate_left(5).wrapping_mul(0x0193));
        match &self.spot.before {
            Some(before) => format!("unrefuse-before-{}-{lets:04x}", before.handle),
            None => format!("unrefuse-at-the-end-{lets:04x}"),
        }
    }

    /// The same without the comment, as it stands in a file.
    fn plain_words(&self) -> Vec<String> {
        match self.spot.tool {
            RuleTool::Nftables => self.nft_words(),
            RuleTool::IptablesNft | RuleTool::IptablesLegacy => self.iptables_words(),
        }
    }

    fn nft_words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut push = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
        match &self.lets {
            Lets::Loopback => push(&["iif", "lo"]),
            Lets::Answers => push(&["ct", "state", "established,related"]),
            Lets::Service(opening) => {
                let family = |ip: &IpAddr| if ip.is_ipv4() { "ip" } else { "ip6" };
                let (client, service, port) = match opening.way {
                    Way::There => ("saddr", "daddr", "dport"),
                    Way::Back => ("daddr", "saddr", "sport"),
                };
                if let Some(from) = opening.from {
                    push(&[family(&from.0), client, &network(from)]);
                }
                if let Some(to) = &opening.to {
                    push(&[family(to), service, &to.to_string()]);
                }
                push(&[opening.transport.word(), port, &opening.port.to_string()]);
            }
        }
        push(&["accept"]);
        words
    }

    fn iptables_words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut push = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
        match &self.lets {
            Lets::Loopback => push(&["-i", "lo"]),
            Lets::Answers => push(&["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED"]),
            Lets::Service(opening) => {
                let (client, service, port) = match opening.way {
                    Way::There => ("-s", "-d", "--dport"),
                    Way::Back => ("-d", "-s", "--sport"),
                };
                if let Some(from) = opening.from {
                    push(&[client, &network(from)]);
                }
                if let Some(to) = &opening.to {
                    push(&[service, &to.to_string()]);
                }
                push(&["-p", opening.transport.word(), port, &opening.port.to_string()]);
            }
        }
        push(&["-j", "ACCEPT"]);
        words
    }

    /// The program that speaks to its table.
    pub fn program(&self) -> &'static str {
        let v6 = self.spot.chain.table.family == Family::Ip6;
        match (self.spot.tool, v6) {
            (RuleTool::Nftables, _) => "nft",
            (RuleTool::IptablesNft, true) => "ip6tables",
            (RuleTool::IptablesNft, false) => "iptables",
            (RuleTool::IptablesLegacy, true) => "ip6tables-legacy",
            (RuleTool::IptablesLegacy, false) => "iptables-legacy",
        }
    }

    /// The command line that puts it in, or takes it out.
    pub(super) fn shown(&self, undo: bool) -> String {
        let (table, chain) = (&self.spot.chain.table, &self.spot.chain.name);
        let mut argv = vec![self.program().to_owned()];
        if self.spot.tool == RuleTool::Nftables {
            let place = [table.family.word().to_owned(), table.name.clone(), chain.clone()];
            if undo {
                let place = shell(&place);
                return format!(
                    "nft -a list chain {place}    # tells its handle, then: nft delete rule {place} handle N"
                );
            }
            argv.push(if self.spot.before.is_some() { "insert" } else { "add" }.into());
            argv.push("rule".into());
            argv.extend(place);
            argv.extend(self.spot.before.iter().flat_map(|rule| ["position".to_owned(), rule.handle.to_string()]));
        } else {
            // The table that iptables means by itself.
            if table.name != "filter" {
                argv.extend(["-t".into(), table.name.clone()]);
            }
            match (undo, &self.spot.before) {
                (true, _) => argv.extend(["-D".into(), chain.clone()]),
                (false, Some(rule)) => argv.extend(["-I".into(), chain.clone(), rule.number.to_string()]),
                (false, None) => argv.extend(["-A".into(), chain.clone()]),
            }
        }
        // A comma is no reason for quotes.
        format!("{} {}", shell(&argv), self.words().join(" "))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::facts::ruleset::{Backend, TableId};
    use crate::fixes::Action;

    pub(in crate::fixes::rule) fn spot(tool: RuleTool, family: Family, before: Option<u64>) -> Spot {
        let backend = if tool == RuleTool::IptablesLegacy { Backend::Legacy } else { Backend::Nftables };
        let table = TableId { backend, family, name: "filter".into() };
        let before = before.map(|handle| Before { handle, number: 2, text: None });
        Spot { tool, chain: ChainId { table, name: "INPUT".into() }, before }
    }

    pub(in crate::fixes::rule) fn opening() -> Opening {
        let from = Some(("10.0.0.0".parse().unwrap(), 8));
        Opening { transport: Transport::Tcp, port: 5432, from, to: None, way: Way::There }
    }

    #[test]
    fn a_rule_is_put_before_the_one_that_refuses() {
        let rule = |tool| Rule { spot: spot(tool, Family::Ip, Some(7)), lets: Lets::Service(opening()) };
        let nft = Action::Rule(rule(RuleTool::Nftables));
        let spec = "ip saddr 10.0.0.0/8 tcp dport 5432 accept comment unrefuse-before-7-d720";
        assert_eq!(nft.preview(), format!("nft insert rule ip filter INPUT position 7 {spec}"));
        let legacy = Action::Rule(rule(RuleTool::IptablesLegacy));
        let words = "-s 10.0.0.0/8 -p tcp --dport 5432 -j ACCEPT -m comment --comment unrefuse-before-7-03e8";
        assert_eq!(legacy.preview(), format!("iptables-legacy -I INPUT 2 {words}"));
        assert_eq!(legacy.undo_preview().unwrap(), format!("iptables-legacy -D INPUT {words}"));
        assert!(legacy.touches_reachability());
    }

    #[test]
    fn before_a_policy_it_is_put_at_the_end() {
        let rule = |tool, lets| Rule { spot: spot(tool, Family::Ip6, None), lets }.shown(false);
        let own = rule(RuleTool::Nftables, Lets::Loopback);
        assert_eq!(own, "nft add rule ip6 filter INPUT iif lo accept comment unrefuse-at-the-end-c072");
        let answers = rule(RuleTool::IptablesNft, Lets::Answers);
        assert!(answers.starts_with("ip6tables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"));
        let back = Opening { way: Way::Back, to: None, from: Some(("fd00::7".parse().unwrap(), 128)), ..opening() };
        let back = rule(RuleTool::Nftables, Lets::Service(back));
        assert!(back.contains(" ip6 daddr fd00::7 tcp sport 5432 accept"), "{back}");
    }
}

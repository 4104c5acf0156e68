//! Who keeps a rule: the program that made it and would make it again, or a person. Told by the names of its table,
//! chain and sets, which each program chooses for itself.

use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{Backend, ChainId, Family, Rule, SetId, TableId};

/// Who keeps a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// Which program.
    pub program: Program,
    /// What it calls the part that the rule belongs to: a zone of firewalld, a jail of fail2ban.
    pub part: Option<String>,
}

/// A program that keeps rules, or the tool a person keeps them with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// A person or a file, with nft.
    Nftables,
    /// A person or a file, with iptables (the kernel's nf_tables behind it).
    Iptables,
    /// A person or a file, with iptables-legacy.
    Legacy,
    /// firewalld.
    Firewalld,
    /// ufw.
    Ufw,
    /// Docker.
    Docker,
    /// podman: netavark or CNI.
    Podman,
    /// fail2ban.
    Fail2ban,
    /// CrowdSec's bouncer.
    Crowdsec,
    /// sshguard.
    Sshguard,
    /// ConfigServer Firewall.
    Csf,
    /// kube-proxy.
    KubeProxy,
    /// libvirt.
    Libvirt,
    /// A cloud image's own rules.
    CloudImage,
    /// Tailscale.
    Tailscale,
    /// Calico.
    Calico,
    /// Cilium.
    Cilium,
    /// systemd (networkd and nspawn).
    Systemd,
}

impl Program {
    /// The word of the contract (`firewall.rules[].backend`).
    pub fn backend(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Legacy => "iptables-legacy",
            Self::Firewalld => "firewalld",
            Self::Ufw => "ufw",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Fail2ban => "fail2ban",
            Self::Crowdsec => "crowdsec",
            Self::Sshguard => "sshguard",
            Self::Csf => "csf",
            Self::KubeProxy => "kube-proxy",
            Self::Libvirt => "libvirt",
            Self::CloudImage => "cloud-image",
            Self::Tailscale => "tailscale",
            Self::Calico => "calico",
            Self::Cilium => "cilium",
            Self::Systemd => "systemd",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nftables
            | Self::Iptables
            | Self::Legacy
            | Self::Firewalld
            | Self::Ufw
            | Self::Podman
            | Self::Fail2ban
            | Self::Sshguard
            | Self::KubeProxy
            | Self::Libvirt
            | Self::Systemd => self.backend(),
            Self::Docker => "Docker",
            Self::Crowdsec => "CrowdSec",
            Self::Csf => "csf (ConfigServer Firewall)",
            Self::CloudImage => "the cloud image",
            Self::Tailscale => "Tailscale",
            Self::Calico => "Calico",
            Self::Cilium => "Cilium",
        }
    }

    /// Nobody else keeps it: what changes the rule is an edit by hand.
    pub fn by_hand(self) -> bool {
        matches!(self, Self::Nftables | Self::Iptables | Self::Legacy)
    }
}

impl Keeper {
    fn whole(program: Program) -> Self {
        Self { program, part: None }
    }

    /// For people: `firewalld, zone public`, `fail2ban, jail sshd`. Host text in it is raw.
    pub fn words(&self) -> String {
        let name = self.program.words();
        match (&self.part, self.program) {
            (Some(zone), Program::Firewalld) => format!("{name}, zone {zone}"),
            (Some(jail), Program::Fail2ban) => format!("{name}, jail {jail}"),
            _ => name.into(),
        }
    }
}

/// Who keeps a rule of this chain; `None` for its policy, or the chain itself.
pub fn keeper(chain: &ChainId, rule: Option<&Rule>) -> Keeper {
    // A rule in somebody else's chain may look up the set of a third.
    let by_set = || rule.and_then(by_sets);
    // A jump into a keeper's chain is the keeper's own, wherever it stands.
    let by_jump = || rule.and_then(by_jump);
    by_table(&chain.table, &chain.name)
        .or_else(|| by_chain(&chain.table, &chain.name))
        .or_else(by_set)
        .or_else(by_jump)
        .unwrap_or_else(|| by_tool(chain, rule))
}

/// Who keeps a set.
pub fn of_set(set: &SetId) -> Option<Keeper> {
    let table = by_table(&set.table, "");
    let name = by_set_name(&set.name);
    match (&table, &name) {
        // The table tells the program, the set's name its jail, too.
        (Some(whole), Some(part)) if whole.program == part.program => name,
        _ => table.or(name),
    }
}

/// Who keeps all of a table.
fn by_table(table: &TableId, chain: &str) -> Option<Keeper> {
    if table.backend == Backend::Legacy {
        return None;
    }
    let program = match table.name.as_str() {
        "firewalld" => return Some(Keeper { program: Program::Firewalld, part: zone(chain).map(Into::into) }),
        "f2b-table" => return Some(Keeper { program: Program::Fail2ban, part: jail(chain).map(Into::into) }),
        "docker-bridges" => Program::Docker,
        "netavark" => Program::Podman,
        "crowdsec" | "crowdsec6" => Program::Crowdsec,
        "sshguard" => Program::Sshguard,
        "kube-proxy" => Program::KubeProxy,
        "libvirt_network" => Program::Libvirt,
        "io.systemd.nat" => Program::Systemd,
        "calico" => Program::Calico,
        _ => return None,
    };
    Some(Keeper::whole(program))
}

/// How the names of chains begin.
const STARTS: &[(&str, Program)] = &[
    ("ufw-", Program::Ufw),
    ("ufw6-", Program::Ufw),
    ("DOCKER", Program::Docker),
    ("NETAVARK", Program::Podman),
    ("CNI-", Program::Podman),
    ("CROWDSEC", Program::Crowdsec),
    ("KUBE-", Program::KubeProxy),
    ("LIBVIRT_", Program::Libvirt),
    ("InstanceServices", Program::CloudImage),
    ("ts-", Program::Tailscale),
    ("cali-", Program::Calico),
    ("CILIUM_", Program::Cilium),
    ("OLD_CILIUM_", Program::Cilium),
];

/// Who keeps a chain in a table that several share.
fn by_chain(table: &TableId, chain: &str) -> Option<Keeper> {
    if let Some(jail) = jail(chain) {
        return Some(Keeper { program: Program::Fail2ban, part: Some(jail.into()) });
    }
    // firewalld with its iptables backend: without the table's name, only its own chains tell.
    let firewalld = ["IN_", "FWD_", "FWDI_", "FWDO_", "PRE_", "POST_"].iter().any(|p| chain.starts_with(p))
        || ["_direct", "_ZONES", "_ZONES_SOURCE", "_POLICIES_pre", "_POLICIES_post"].iter().any(|e| {
            chain.strip_suffix(e).is_some_and(|base| {
                ["INPUT", "FORWARD", "FORWARD_IN", "FORWARD_OUT", "OUTPUT", "PREROUTING", "POSTROUTING"].contains(&base)
            })
        });
    if firewalld && shared(table) {
        return Some(Keeper { program: Program::Firewalld, part: zone(chain).map(Into::into) });
    }
    let program = STARTS.iter().find(|(start, _)| chain.starts_with(start)).map(|(_, program)| *program);
    let program = program.or(match chain {
        "sshguard" => Some(Program::Sshguard),
        "LOCALINPUT" | "LOCALOUTPUT" | "LOGDROPIN" | "LOGDROPOUT" | "DENYIN" | "DENYOUT" | "ALLOWIN" | "ALLOWOUT" => {
            Some(Program::Csf)
        }
        _ => None,
    });
    program.map(Keeper::whole)
}

/// A table that iptables keeps for everybody.
fn shared(table: &TableId) -> bool {
    super::words::iptables_name(table)
}

fn by_set_name(name: &str) -> Option<Keeper> {
    let jail = name.strip_prefix("addr-set-").or_else(|| name.strip_prefix("addr6-set-"));
    if let Some(jail) = jail.or_else(|| jail_name(name)) {
        return Some(Keeper { program: Program::Fail2ban, part: Some(jail.into()) });
    }
    let crowdsec = name.starts_with("crowdsec-blacklists") || name.starts_with("crowdsec6-blacklists");
    crowdsec.then(|| Keeper::whole(Program::Crowdsec))
}

fn by_sets(rule: &Rule) -> Option<Keeper> {
    rule.exprs.iter().find_map(|expr| {
        let (Expr::Lookup { set: name, .. } | Expr::Xt(Xt::Match(Match::Set { name, .. }))) = expr else { return None };
        by_set_name(name)
    })
}

/// A jump into a chain that somebody keeps. Rules of a person lead to chains of a person.
fn by_jump(rule: &Rule) -> Option<Keeper> {
    let shared = TableId { backend: Backend::Nftables, family: Family::Ip, name: "filter".into() };
    rule.exprs.iter().find_map(|expr| {
        let Expr::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) = expr else { return None };
        by_chain(&shared, to)
    })
}

/// Nobody's in particular: by hand, or by a script.
fn by_tool(chain: &ChainId, rule: Option<&Rule>) -> Keeper {
    Keeper::whole(match chain.table.backend {
        Backend::Legacy => Program::Legacy,
        Backend::Nftables if super::words::in_iptables(chain, rule, None) => Program::Iptables,
        Backend::Nftables => Program::Nftables,
    })
}

/// The zone a chain of firewalld belongs to: `filter_IN_public_deny` and `IN_public_deny` are of `public`. Policies have
/// chains of the same shape (`filter_IN_policy_NAME_deny`).
pub fn zone(chain: &str) -> Option<&str> {
    let rest = ["filter_", "nat_", "mangle_", "raw_"].iter().find_map(|t| chain.strip_prefix(t)).unwrap_or(chain);
    let rest = ["IN_", "FWDI_", "FWDO_", "FWD_", "PRE_", "POST_"].iter().find_map(|d| rest.strip_prefix(d))?;
    let ends = ["_pre", "_log", "_deny", "_allow", "_post"];
    let zone = ends.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
    (!zone.is_empty() && !zone.starts_with("policy_")).then_some(zone)
}

/// The jail of a chain of fail2ban: `f2b-sshd` is of `sshd`; its own table has one `f2b-chain` for all.
pub fn jail(chain: &str) -> Option<&str> {
    jail_name(chain).filter(|name| *name != "chain")
}

fn jail_name(name: &str) -> Option<&str> {
    name.strip_prefix("f2b-").filter(|jail| !jail.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::expr::LookupTo;

    fn chain(backend: Backend, family: Family, table: &str, name: &str) -> ChainId {
        ChainId { table: TableId { backend, family, name: table.into() }, name: name.into() }
    }

    fn words(family: Family, table: &str, name: &str) -> String {
        keeper(&chain(Backend::Nftables, family, table, name), None).words()
    }

    fn rule(expr: Expr) -> Rule {
        Rule { handle: 1, exprs: vec![expr], comment: None, text: None }
    }

    #[test]
    fn each_keeper_is_known_by_its_names() {
        let known = [
            (Family::Inet, "firewalld", "filter_INPUT", "firewalld"),
            (Family::Inet, "firewalld", "filter_IN_public_deny", "firewalld, zone public"),
            (Family::Inet, "firewalld", "filter_IN_policy_allow-host-ipv6", "firewalld"),
            (Family::Ip, "filter", "IN_dmz_allow", "firewalld, zone dmz"),
            (Family::Ip, "filter", "INPUT_direct", "firewalld"),
            (Family::Ip, "filter", "ufw-user-input", "ufw"),
            (Family::Ip6, "filter", "ufw6-before-input", "ufw"),
            (Family::Ip, "filter", "DOCKER-USER", "Docker"),
            (Family::Ip, "docker-bridges", "filter-FORWARD", "Docker"),
            (Family::Inet, "netavark", "INPUT", "podman"),
            (Family::Ip, "nat", "NETAVARK-1D8721804F16F", "podman"),
            (Family::Ip, "filter", "f2b-sshd", "fail2ban, jail sshd"),
            (Family::Inet, "f2b-table", "f2b-chain", "fail2ban"),
            (Family::Ip6, "crowdsec6", "crowdsec6-chain-input", "CrowdSec"),
            (Family::Ip, "nat", "KUBE-SERVICES", "kube-proxy"),
            (Family::Ip, "filter", "LIBVIRT_INP", "libvirt"),
            (Family::Ip, "filter", "InstanceServices", "the cloud image"),
            (Family::Ip, "filter", "ts-input", "Tailscale"),
            (Family::Ip, "filter", "cali-INPUT", "Calico"),
            (Family::Ip, "io.systemd.nat", "prerouting", "systemd"),
            (Family::Inet, "filter", "input", "nftables"),
            (Family::Ip, "filter", "tso", "nftables"),
        ];
        for (family, table, name, keeper) in known {
            assert_eq!(words(family, table, name), keeper, "{table} {name}");
        }
        let legacy = chain(Backend::Legacy, Family::Ip, "filter", "INPUT");
        assert_eq!(keeper(&legacy, None).program.backend(), "iptables-legacy");
        let banned = chain(Backend::Legacy, Family::Ip, "filter", "f2b-nginx");
        assert_eq!(keeper(&banned, None).words(), "fail2ban, jail nginx");
    }

    #[test]
    fn a_rule_in_anothers_chain_is_known_by_its_set_or_where_it_leads() {
        let input = chain(Backend::Nftables, Family::Ip, "filter", "INPUT");
        let lookup = |set: &str| rule(Expr::Lookup { set: set.into(), from: 0, to: LookupTo::Match, inverted: false });
        assert_eq!(keeper(&input, Some(&lookup("addr-set-sshd"))).words(), "fail2ban, jail sshd");
        assert_eq!(keeper(&input, Some(&lookup("crowdsec-blacklists"))).words(), "CrowdSec");
        let table = TableId { backend: Backend::Nftables, family: Family::Inet, name: "f2b-table".into() };
        let set = |name: &str| of_set(&SetId { table: table.clone(), name: name.into() }).unwrap().words();
        assert_eq!((set("addr-set-sshd").as_str(), set("mine").as_str()), ("fail2ban, jail sshd", "fail2ban"));
        assert_eq!(keeper(&input, Some(&lookup("mine"))).words(), "iptables");
        let jump = rule(Expr::Verdict(Verdict::Jump("ufw-before-input".into())));
        assert_eq!(keeper(&input, Some(&jump)).words(), "ufw");
    }

    #[test]
    fn rules_of_nobody_in_particular_are_their_tools() {
        let input = chain(Backend::Nftables, Family::Ip, "filter", "input");
        assert_eq!(keeper(&input, Some(&rule(Expr::Verdict(Verdict::Drop)))).program, Program::Nftables);
        let upper = chain(Backend::Nftables, Family::Ip6, "filter", "FORWARD");
        assert_eq!(keeper(&upper, None).program, Program::Iptables);
        assert!(keeper(&upper, None).program.by_hand());
    }
}

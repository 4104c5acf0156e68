//! The plans that let in what a rule refuses: made of where it stands, and kept only where the packet passes with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::common::{Blocked, rules};
use crate::diagnose::Scene;
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::ruleset::{Backend, ChainId, Hook, Rule};
use crate::firewall::keeper::Program;
use crate::firewall::{Client, Leg, Place, file, words};
use crate::fixes::rule::{self, Before, Passage, Refused, RuleTool, Spot};
use crate::fixes::{Action, Plan};

/// Docker leaves this chain to others, and goes through it first.
pub(super) const FOR_USERS: &str = "DOCKER-USER";
/// Whom networks that nobody routes on the Internet belong to.
const PRIVATE: [(IpAddr, u8); 4] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

/// Plans, the narrowest first; none for a rule that a program keeps, which would not know of ours.
pub(super) fn plans(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Vec<Plan> {
    let program = blocked.keeper(scene).program;
    let users = blocked.place.chain.name == FOR_USERS;
    if !(program.by_hand() || program == Program::CloudImage || users) {
        return Vec::new();
    }
    let Some(spot) = spot(scene, blocked.place) else { return Vec::new() };
    let refused = refused(scene, blocked, spot);
    let now: Vec<Plan> = rule::let_in(&refused).into_iter().filter(|plan| lets_it_pass(scene, blocked, plan)).collect();
    let for_good: Vec<Plan> = now.iter().filter_map(|plan| in_file(scene, &refused.spot, plan)).collect();
    now.into_iter().chain(for_good).collect()
}

/// Before the rule that refuses, in the base chain that it belongs to: whatever led there stands in that chain itself.
fn spot(scene: &Scene<'_, '_>, place: &Place) -> Option<Spot> {
    let users = place.chain.name == FOR_USERS;
    let (chain, at) = if users {
        (&place.chain, place.rule)
    } else {
        (&place.base, place.via.first().map(|(_, handle)| *handle).or(place.rule))
    };
    let before = match at {
        Some(handle) => {
            let (number, rule) = (1u64..).zip(rules(scene, chain)?).find(|(_, rule)| rule.handle == handle)?;
            Some(Before { handle, number, text: rule.text.clone() })
        }
        None => None,
    };
    Some(Spot { tool: tool(scene, chain), chain: chain.clone(), before })
}

fn tool(scene: &Scene<'_, '_>, chain: &ChainId) -> RuleTool {
    match chain.table.backend {
        Backend::Legacy => RuleTool::IptablesLegacy,
        Backend::Nftables if words::in_iptables(chain, None, scene.look.facts().ruleset.value()) => {
            RuleTool::IptablesNft
        }
        Backend::Nftables => RuleTool::Nftables,
    }
}

fn refused(scene: &Scene<'_, '_>, blocked: &Blocked<'_>, spot: Spot) -> Refused {
    let (packet, place) = (&blocked.packet, blocked.place);
    // Behind address translation rules see where the packet goes by then.
    let translated = matches!(place.hook, Hook::Input | Hook::Forward | Hook::Postrouting | Hook::Output);
    let to = if translated { blocked.part.to } else { packet.to };
    let client = match packet.client {
        Client::Address(client) => Some(client),
        Client::Any | Client::Here => None,
    };
    let passage = match (place.leg, packet.client) {
        (_, Client::Here) if matches!(place.hook, Hook::Input | Hook::Ingress) && comes_back(scene) => {
            Passage::Loopback
        }
        (Leg::Request, Client::Here) => Passage::Out { to: to.ip() },
        (Leg::Request, _) => Passage::In { client, network: network(scene, blocked, client) },
        (Leg::Reply, _) => Passage::Back { client },
    };
    Refused { spot, transport: packet.transport, port: to.port(), passage }
}

/// What this host sends there goes to itself.
fn comes_back(scene: &Scene<'_, '_>) -> bool {
    scene.subject.local == Some(true)
}

/// The network of the client that was asked about, or the only one that is refused.
fn network(scene: &Scene<'_, '_>, blocked: &Blocked<'_>, client: Option<IpAddr>) -> Option<(IpAddr, u8)> {
    let Some(client) = client else {
        let sources = &blocked.part.sources;
        return match sources.cidrs().as_slice() {
            [one] if one.1 > 0 && sources.any_port() && sources.members.is_empty() => Some(*one),
            _ => None,
        };
    };
    let near = |a: &&crate::facts::host::LocalAddress| a.prefix > 0 && !a.link_local && !a.address.is_loopback();
    let mine = scene.look.addresses().map(|a| a.all.as_slice()).unwrap_or_default();
    let connected = mine.iter().filter(near).map(|a| (first(a.address, a.prefix), a.prefix));
    let mut known = connected.chain(PRIVATE);
    known.find(|(network, length)| client.is_ipv4() == network.is_ipv4() && first(client, *length) == *network)
}

/// The first address of the network that an address is in.
fn first(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// Does whoever asks get through once the plan is carried out?
fn lets_it_pass(scene: &Scene<'_, '_>, blocked: &Blocked<'_>, plan: &Plan) -> bool {
    let Some(rule) = rule_of(plan) else { return false };
    let planned = Rule { handle: u64::MAX, exprs: rule.exprs(), comment: None, text: None };
    let before = rule.spot.before.as_ref().map(|before| before.handle);
    let walk = scene.follow_with(&blocked.packet, &rule.spot.chain, &planned, before);
    let part = walk.as_ref().and_then(main_part);
    part.is_some_and(|part| matches!(gets(part, blocked.packet.transport), Gets::Through { .. }))
}

fn rule_of(plan: &Plan) -> Option<&rule::Rule> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Rule(rule) => Some(rule),
        _ => None,
    })
}

/// The same for good, where it is known which line of which file the rule or policy came from.
fn in_file(scene: &Scene<'_, '_>, spot: &Spot, plan: &Plan) -> Option<Plan> {
    let files = scene.look.rule_files()?;
    let line = match &spot.before {
        Some(before) => {
            let rule = rules(scene, &spot.chain)?.iter().find(|rule| rule.handle == before.handle)?;
            file::line_of(files, &spot.chain, rule, scene.look.facts())
        }
        None => file::policy_line(files, &spot.chain),
    }?;
    rule::in_file(plan, files.iter().find(|file| file.path == line.path)?, &line)
}

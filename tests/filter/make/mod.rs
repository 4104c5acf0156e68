//! Makes random cases: rules for one or several tools, and the connections that are tried against them.

mod actions;
mod matches;
mod nft;
mod sets;
mod xt;

use std::net::SocketAddr;

use unrefuse::facts::socket::Transport;

use crate::dice::Dice;
use crate::probe::Probe;
use crate::script::{Script, Tool};
use crate::world::{BACK, SOURCES_4, SOURCES_6, TCP_CLOSED, TCP_OPEN, UDP_OPEN, parse};

/// A case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// What kind of rules it has.
    pub(crate) kind: &'static str,
    pub(crate) script: Script,
    pub(crate) probes: Vec<Probe>,
}

/// The case of this seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let kinds = ["nft", "iptables-nft", "iptables-legacy", "mixed"];
    let kind = kinds[dice.weighted(&[64, 12, 12, 12])];
    let mut script = Script::default();
    let v6 = dice.chance(35);
    match kind {
        "nft" => script.sections.push(nft::section(&mut dice)),
        "iptables-nft" => script.sections.extend(xt::sections(&mut dice, tool(Tool::Iptables, v6))),
        "iptables-legacy" => script.sections.extend(xt::sections(&mut dice, tool(Tool::IptablesLegacy, v6))),
        _ => {
            script.sections.push(nft::section(&mut dice));
            for one in [Tool::Iptables, Tool::IptablesLegacy] {
                if dice.chance(60) {
                    script.sections.extend(xt::sections(&mut dice, tool(one, v6)));
                }
            }
        }
    }
    let probes = probes(&mut dice, kind.starts_with("iptables").then_some(v6), !looks_closely(&script));
    Case { seed, kind, script, probes }
}

fn tool(v4: Tool, v6: bool) -> Tool {
    match (v4, v6) {
        (Tool::Iptables, true) => Tool::Ip6tables,
        (Tool::IptablesLegacy, true) => Tool::Ip6tablesLegacy,
        (other, _) => other,
    }
}

/// True where a rule can tell a listener's answer from that of a port without one, which is not asked of the simulator.
pub(crate) fn looks_closely(script: &Script) -> bool {
    ["tcp flags", "tcp option", "--tcp-flags", "--syn", "meta length", "ip length", "skuid", "skgid", "--uid-owner"]
        .iter()
        .any(|word| script.says(word))
}

/// True where a packet changes what the next one gets.
pub(crate) fn remembers(script: &Script) -> bool {
    [" add @", " update @", " delete @", "-m recent"].iter().any(|word| script.says(word))
}

fn probes(dice: &mut Dice, v6: Option<bool>, closed_too: bool) -> Vec<Probe> {
    let mut probes = Vec::new();
    for _ in 0..4 {
        let v6 = v6.unwrap_or_else(|| dice.chance(35));
        let transport = if dice.chance(22) { Transport::Udp } else { Transport::Tcp };
        let port = match transport {
            Transport::Udp => dice.one(&UDP_OPEN),
            Transport::Tcp if closed_too && dice.chance(20) => dice.one(&TCP_CLOSED),
            Transport::Tcp => dice.one(&TCP_OPEN),
        };
        let outside = if v6 {
            dice.pick(&["fd00:1::1", "fd00:1::1", "fd00:2::1", "2001:db8:1::1"])
        } else {
            dice.pick(&["10.1.0.1", "10.1.0.1", "10.1.1.1", "10.2.0.1", "192.0.2.1", "203.0.113.1"])
        };
        let address = if dice.chance(12) { BACK[usize::from(v6)] } else { outside };
        let to = SocketAddr::new(parse(address), port);
        let sources: Vec<_> = if v6 { &SOURCES_6[..] } else { &SOURCES_4[..] }.iter().map(|(_, a)| parse(a)).collect();
        for from in dice.some(&sources, 6) {
            probes.push(Probe { transport, from: Some(from), port: source_port(dice), to });
        }
        let loopback = if v6 { "::1" } else { "127.0.0.1" };
        let inside = if dice.chance(40) { loopback } else { address };
        let to = SocketAddr::new(parse(inside), port);
        probes.push(Probe { transport, from: None, port: source_port(dice), to });
    }
    probes.sort();
    probes.dedup_by_key(|p| (p.transport, p.from, p.port));
    probes
}

fn source_port(dice: &mut Dice) -> u16 {
    let (low, high) = dice.one(&[(600, 1023), (1024, 9999), (20000, 29999), (30000, 39999), (40000, 60999)]);
    let port = u16::try_from(dice.within(low, high)).unwrap();
    // Where this host listens it cannot dial from.
    if TCP_OPEN.contains(&port) { port + 1 } else { port }
}

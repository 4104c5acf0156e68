//! Tries cases in a world: what the simulator says, what the kernel does, and where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use unrefuse::facts::socket::Transport;
use unrefuse::firewall::{Client, Packet, Walk};

use crate::conntrack::Conntrack;
use crate::coverage::Tried;
use crate::expect::{self, Expect};
use crate::facts::{Asker, Reader};
use crate::make::{self, Case};
use crate::probe::{self, Patience, Probe, Seen};
use crate::script::{Loaded, Script, Tool};
use crate::unknown;
use crate::world::{SOURCES_4, SOURCES_6, World, parse};

/// Usual waiting: answers come at once, within one kernel.
const SHORT: Patience = Patience { least: Duration::from_millis(25), most: Duration::from_millis(250) };
/// Before a difference is believed.
const LONG: Patience = Patience { least: Duration::from_millis(200), most: Duration::from_millis(900) };
/// Attempts where a source ran out of time.
const HURRIED: usize = 5;
/// Connections of a case in which one changes what the next gets: each of them starts afresh.
const ONE_BY_ONE: usize = 6;

/// A world and what is needed to try cases in it. Lives on a thread in the server's network.
pub(crate) struct Bench<'a> {
    world: &'a World,
    asker: Asker,
    conntrack: Conntrack,
    /// Legacy tables that are not empty.
    touched: BTreeSet<(Tool, String)>,
}

/// A difference.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) probe: Probe,
    /// What was said, and for which client: that one, or any.
    pub(crate) said: String,
    pub(crate) seen: Seen,
}

/// What became of a case.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) loaded: Loaded,
    pub(crate) differences: Vec<Difference>,
    pub(crate) tried: usize,
    /// What the simulator was asked: twice of a connection from outside, for its own client and for any.
    pub(crate) asked: usize,
    /// Connections of which the simulator could not tell, by reason.
    pub(crate) unknown: BTreeMap<String, usize>,
    /// What was seen, by kind.
    pub(crate) seen: BTreeMap<String, usize>,
    /// The rules, and which of them decided.
    pub(crate) rules: Tried,
}

/// What is said of one connection: for its own client, and for any client.
struct Said {
    own: Expect,
    any: Option<Expect>,
}

impl<'a> Bench<'a> {
    /// To be made in the server's network.
    pub(crate) fn new(world: &'a World) -> Self {
        Self { world, asker: Asker::new(), conntrack: Conntrack::new(), touched: BTreeSet::new() }
    }

    /// Tries a case; rules that its tools refuse are left out of it.
    pub(crate) fn try_case(&mut self, case: &mut Case) -> Report {
        let loaded = case.script.load(&mut self.touched);
        let mut report = Report { loaded, ..Report::default() };
        if make::remembers(&case.script) {
            let step = case.probes.len().div_ceil(ONE_BY_ONE).max(1);
            for probe in case.probes.clone().iter().step_by(step) {
                self.compare(&case.script, &[*probe], SHORT, &mut report);
                case.script.load_whole(&mut self.touched).unwrap();
            }
        } else {
            self.compare(&case.script, &case.probes, SHORT, &mut report);
        }
        let doubtful = std::mem::take(&mut report.differences);
        for difference in doubtful {
            report.differences.extend(self.differs(&case.script, &difference.probe));
        }
        report
    }

    /// Does this connection differ, when everything is done anew and with patience?
    pub(crate) fn differs(&mut self, script: &Script, probe: &Probe) -> Option<Difference> {
        let mut found = None;
        for _ in 0..HURRIED {
            script.load_whole(&mut self.touched).ok()?;
            self.world.listen();
            let mut report = Report::default();
            self.compare(script, &[*probe], LONG, &mut report);
            found = report.differences.pop();
            // On a machine that is busy with other things a source may have run out of time.
            if !found.as_ref().is_some_and(|difference| difference.said.contains("no answer within")) {
                break;
            }
        }
        found
    }

    /// What the kernel does with this connection.
    pub(crate) fn seen(&mut self, script: &Script, probe: &Probe) -> Result<Seen, String> {
        script.load_whole(&mut self.touched)?;
        self.conntrack.forget();
        self.world.listen();
        Ok(probe::run(self.world, &[*probe], &[false], LONG)[0])
    }

    /// Compares what is said with what is seen, with the rules that are loaded.
    fn compare(&mut self, script: &Script, probes: &[Probe], patience: Patience, report: &mut Report) {
        let mut reader = Reader::default();
        let said = self.say(probes, make::looks_closely(script), &mut reader, &mut report.rules);
        report.rules.loaded(&reader);
        let quiet: Vec<bool> =
            said.iter().map(|s| s.own.is_quiet() && s.any.as_ref().is_none_or(Expect::is_quiet)).collect();
        self.conntrack.forget();
        let seen = probe::run(self.world, probes, &quiet, patience);
        for ((probe, said), seen) in probes.iter().zip(said).zip(seen) {
            report.tried += 1;
            *report.seen.entry(word(probe, &seen)).or_default() += 1;
            let any = said.any.map(|expect| ("any", expect));
            let clients = [("its own", said.own)].into_iter().chain(any);
            let mut differing = Vec::new();
            for (client, expect) in clients {
                report.asked += 1;
                let holds = match &expect {
                    Expect::Unknown { why, by } => {
                        *report.unknown.entry(why.clone()).or_default() += 1;
                        unknown::may_be(by.as_ref(), client == "any", probe.to.is_ipv6(), &reader, script)
                    }
                    _ => expect.holds(&seen).unwrap_or(true),
                };
                if !holds {
                    differing.push(format!("{client} client: {expect:?}"));
                }
            }
            if !differing.is_empty() {
                report.differences.push(Difference { probe: *probe, said: differing.join("; "), seen });
            }
        }
    }

    /// What the simulator says of each connection.
    fn say(&mut self, probes: &[Probe], closely: bool, reader: &mut Reader, rules: &mut Tried) -> Vec<Said> {
        let mut any: BTreeMap<(Transport, SocketAddr), Walk> = BTreeMap::new();
        probes
            .iter()
            .map(|probe| {
                let client = probe.from.map_or(Client::Here, Client::Address);
                let packet = Packet { transport: probe.transport, client, to: probe.to };
                let walk = self.asker.follow(&packet, reader);
                rules.followed(&walk);
                let interface = interface(probe);
                let own = expect::of(&walk, probe, interface, closely);
                let any = probe.from.map(|_| {
                    let packet = Packet { client: Client::Any, ..packet };
                    let asker = &mut self.asker;
                    let walk = any.entry((probe.transport, probe.to)).or_insert_with(|| {
                        let walk = asker.follow(&packet, reader);
                        rules.followed(&walk);
                        walk
                    });
                    expect::of(walk, probe, interface, closely)
                });
                Said { own, any }
            })
            .collect()
    }
}

/// The server's interface that a client's packets come in on.
fn interface(probe: &Probe) -> Option<&'static str> {
    let from = probe.from?;
    let (wire, _) = SOURCES_4.iter().chain(&SOURCES_6).find(|(_, address)| parse(address) == from)?;
    Some(if *wire == "c0" { "s0" } else { "s1" })
}

fn word(probe: &Probe, seen: &Seen) -> String {
    let word = match seen {
        Seen::Open(Some(by)) if *by != probe.to => "open elsewhere",
        Seen::Open(_) => "open",
        Seen::Rst => "reset",
        Seen::Icmp(..) => "icmp",
        Seen::Silence => "silence",
        Seen::Local(_) => return seen.to_string(),
    };
    word.into()
}

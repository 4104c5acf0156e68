//! Small hosts made of facts, for the tests of causes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::diagnose::diagnose;
use crate::diagnose::verdict::Diagnosis;
use crate::facts::claim::{Claim, ClaimSource, Claims};
use crate::facts::connect::{Counter, Dial, Endpoint, Outcome};
use crate::facts::host::{Addresses, Host as HostFacts, LocalAddress};
use crate::facts::journal::{Entry, Journal};
use crate::facts::socket::{Listener, Owner, Process, Transport};
use crate::facts::unit::{Service, Unit};
use crate::facts::{Case, Facts, Question, Reading};
use crate::target::{From, Target};

/// The address clients use on these hosts.
pub(crate) const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 2));

/// A host under construction. Facts that nobody set are answered as absent, as on a host that has none.
pub(crate) struct Host {
    target: String,
    from: From,
    port: u16,
    facts: Facts,
}

impl Host {
    /// A host where port `port` of 10.2.0.2 is refused by the kernel and nothing listens.
    pub(crate) fn refusing(port: u16) -> Self {
        Self::with_outcome(port, Outcome::Refused)
    }

    /// A host where a connection to `port` gets `outcome` and nothing listens.
    pub(crate) fn with_outcome(port: u16, outcome: Outcome) -> Self {
        let mut facts = Facts {
            host: Reading::known(HostFacts {
                hostname: "server".into(),
                boot_id: "b".into(),
                booted_at: 1_700_000_000,
                kernel: "6.1.0".into(),
                uid: 0,
                user: Some("root".into()),
                systemd: true,
                container: None,
            }),
            addresses: Reading::known(addresses()),
            failed_units: Reading::Absent,
            ..Facts::default()
        };
        facts.listeners.insert((Transport::Tcp, port), Reading::known(Vec::new()));
        let host = Self { target: port.to_string(), from: From::Unsaid, port, facts };
        host.dial(OUTSIDE, outcome)
    }

    /// Asks for another target on this host.
    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// Asks from another client.
    pub(crate) fn from(mut self, from: From) -> Self {
        self.from = from;
        self
    }

    /// What an attempt to one address gets.
    pub(crate) fn dial(mut self, to: IpAddr, outcome: Outcome) -> Self {
        let endpoint = Endpoint::Tcp(SocketAddr::new(to, self.port));
        let dial = Dial {
            to: endpoint.clone(),
            source: None,
            outcome,
            errno: (outcome == Outcome::Refused).then(|| "ECONNREFUSED".into()),
            icmp: None,
            after: Duration::from_micros(200),
            retransmits: 0,
            banner: None,
            counters: vec![Counter { name: "Tcp.OutRsts".into(), delta: i64::from(outcome == Outcome::Refused) }],
        };
        self.facts.dials.insert(endpoint, Reading::known(dial));
        self
    }

    /// A socket that listens on the port, with its owner.
    pub(crate) fn listens(mut self, address: &str, owner: &str, change: impl FnOnce(&mut Listener)) -> Self {
        let inode = 100 + u32::try_from(self.facts.owners.len()).unwrap_or_default();
        let mut listener = Listener {
            transport: Transport::Tcp,
            address: address.parse().unwrap(),
            port: self.port,
            v6only: address.contains(':').then_some(false),
            device: None,
            queue: 0,
            backlog: 128,
            uid: 0,
            inode,
            cgroup: Some(7),
        };
        change(&mut listener);
        let mut all = self.facts.listeners[&(Transport::Tcp, self.port)].value().cloned().unwrap_or_default();
        all.push(listener);
        self.facts.all_listeners = Reading::known(all.clone());
        self.facts.listeners.insert((Transport::Tcp, self.port), Reading::known(all));
        let process = Process {
            pid: 812,
            name: owner.trim_end_matches(".service").into(),
            command: String::new(),
            started_at: 0,
        };
        let owner = Owner {
            cgroup: Some(format!("/system.slice/{owner}")),
            unit: Some(owner.into()),
            processes: vec![process],
            partial: false,
        };
        self.facts.owners.insert(inode, Reading::known(owner));
        self
    }

    /// A unit; loaded, an enabled service that is inactive unless changed.
    pub(crate) fn unit(mut self, name: &str, change: impl FnOnce(&mut Unit)) -> Self {
        let mut unit = Unit {
            name: name.into(),
            names: vec![name.into()],
            load_state: "loaded".into(),
            active_state: "inactive".into(),
            sub_state: "dead".into(),
            file_state: "enabled".into(),
            fragment: Some(format!("/lib/systemd/system/{name}")),
            service: name.ends_with(".service").then(Service::default),
            ..Unit::default()
        };
        change(&mut unit);
        self.facts.units.insert(name.into(), Reading::known(unit));
        self
    }

    /// Says that this unit is meant to serve the port, by its configuration.
    pub(crate) fn claimed_by(self, unit: &str) -> Self {
        let program = unit.trim_end_matches(".service").to_owned();
        self.claim(Claim {
            unit: Some(unit.into()),
            daemon: None,
            program,
            source: ClaimSource::Config,
            origin: None,
            listen: None,
        })
    }

    /// Adds a claim to the port.
    pub(crate) fn claim(mut self, claim: Claim) -> Self {
        let key = (Transport::Tcp, self.port);
        let mut claims = self.facts.claims.get(&key).and_then(Reading::value).cloned().unwrap_or_default();
        claims.claims.push(claim);
        self.facts.claims.insert(key, Reading::known(claims));
        self
    }

    /// The journal of a unit: lines `who: message`, a second apart.
    pub(crate) fn journal(mut self, unit: &str, lines: &[&str]) -> Self {
        let entries = (1_700_000_100_000_000u64..)
            .step_by(1_000_000)
            .zip(lines)
            .map(|(at_us, line)| {
                let (identifier, message) = line.split_once(": ").unwrap_or(("app", line));
                Entry { at_us, priority: 6, identifier: identifier.into(), pid: 812, message: message.into() }
            })
            .collect();
        let journal = Journal { unit: unit.into(), entries, ran_before_this_boot: None };
        self.facts.journals.insert(unit.into(), Reading::known(journal));
        self
    }

    /// Any other change to the facts.
    pub(crate) fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// The case, with every question that diagnosing asks and nobody answered settled as "there is none".
    pub(crate) fn case(self) -> Case {
        let mut case = Case { target: Target::parse(&self.target).unwrap(), from: self.from, here: self.facts };
        for _ in 0..50 {
            let wants = diagnose(&case).wants;
            if wants.is_empty() {
                return case;
            }
            for question in wants {
                case.here.learn(nothing(&question));
            }
        }
        panic!("diagnose keeps asking: {:?}", diagnose(&case).wants);
    }
}

/// The answer of a host that has nothing of the sort.
fn nothing(question: &Question) -> crate::facts::Fact {
    use crate::facts::Fact;
    match question.clone() {
        Question::Claims(t, p) => Fact::Claims(t, p, Reading::known(Claims::default())),
        Question::Daemon(d) => Fact::Daemon(d, Reading::known(Vec::new())),
        Question::Listeners(t, p) => Fact::Listeners(t, p, Reading::known(Vec::new())),
        Question::AllListeners => Fact::AllListeners(Reading::known(Vec::new())),
        Question::Unit(name) => {
            let unit = Unit { name: name.clone(), load_state: "not-found".into(), ..Unit::default() };
            Fact::Unit(name, Reading::known(unit))
        }
        Question::Journal(unit) => Fact::Journal(unit.clone(), Reading::known(Journal { unit, ..Journal::default() })),
        other => Fact::without_value(&other, Reading::Absent),
    }
}

fn addresses() -> Addresses {
    let address = |address, interface: &str, ifindex| LocalAddress {
        address,
        interface: interface.into(),
        ifindex,
        up: true,
        link_local: false,
    };
    Addresses {
        all: vec![
            address(Ipv4Addr::LOCALHOST.into(), "lo", 1),
            address(Ipv6Addr::LOCALHOST.into(), "lo", 1),
            address(OUTSIDE, "eth0", 2),
        ],
        default_interface: Some("eth0".into()),
    }
}

/// Diagnoses and checks the culprit; prints the whole diagnosis otherwise.
#[track_caller]
pub(crate) fn assert_culprit(case: &Case, id: &str) -> Diagnosis {
    let diagnosis = diagnose(case);
    assert_eq!(diagnosis.culprit, Some(id), "{diagnosis:#?}");
    let finding = diagnosis.culprit().unwrap();
    assert!(!finding.evidence.is_empty(), "a finding without evidence: {finding:#?}");
    diagnosis
}

/// Diagnoses and checks that a cause was found, be it the culprit or not.
#[track_caller]
pub(crate) fn assert_found(case: &Case, id: &str) -> Diagnosis {
    let diagnosis = diagnose(case);
    assert!(diagnosis.causes.iter().any(|f| f.cause == id), "{diagnosis:#?}");
    diagnosis
}

/// Diagnoses and checks that a cause was not found.
#[track_caller]
pub(crate) fn assert_not_found(case: &Case, id: &str) {
    let diagnosis = diagnose(case);
    assert!(diagnosis.causes.iter().all(|f| f.cause != id), "{diagnosis:#?}");
}

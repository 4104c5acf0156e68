//! Small hosts made of facts, for the tests of causes.

pub(crate) mod rules;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::diagnose::diagnose;
use crate::diagnose::verdict::Diagnosis;
use crate::facts::beyond::{Beyond, Setting};
use crate::facts::claim::{Claim, ClaimSource, Claims};
use crate::facts::connect::{Counter, Dial, Endpoint, Outcome};
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};
use crate::facts::host::{Addresses, Host as HostFacts, LocalAddress};
use crate::facts::journal::{Entry, Journal};
use crate::facts::name::Resolution;
use crate::facts::route::{Route, RouteKind};
use crate::facts::routing::Routing;
use crate::facts::ruleset::{ChainRules, Elements, Ruleset};
use crate::facts::socket::{Listener, Owner, Process, Transport, UnixBound, UnixFile, UnixSocket};
use crate::facts::unit::{Service, Unit};
use crate::facts::wrappers::{HostsAccess, Libwrap, Used};
use crate::facts::{Case, Fact, Facts, Question, Reading};
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
        self.facts.dials.insert(endpoint.clone(), Reading::known(dial(endpoint, outcome)));
        self
    }

    /// A socket that listens on the port, with its owner.
    pub(crate) fn listens(self, address: &str, owner: &str, change: impl FnOnce(&mut Listener)) -> Self {
        let port = self.port;
        self.listens_on(port, address, owner, change)
    }

    /// A socket that listens on any port, with its owner.
    pub(crate) fn listens_on(
        mut self,
        port: u16,
        address: &str,
        owner: &str,
        change: impl FnOnce(&mut Listener),
    ) -> Self {
        let inode = 100 + u32::try_from(self.facts.owners.len()).unwrap_or_default();
        let mut listener = Listener {
            transport: Transport::Tcp,
            address: address.parse().unwrap(),
            port,
            v6only: address.contains(':').then_some(false),
            device: None,
            queue: 0,
            backlog: 128,
            uid: 0,
            inode,
            cgroup: Some(7),
        };
        change(&mut listener);
        let known = self.facts.listeners.get(&(Transport::Tcp, port)).and_then(Reading::value);
        let mut all = known.cloned().unwrap_or_default();
        all.push(listener);
        self.facts.listeners.insert((Transport::Tcp, port), Reading::known(all));
        let every = self.facts.listeners.values().filter_map(Reading::value).flatten().cloned().collect();
        self.facts.all_listeners = Reading::known(every);
        self.facts.owners.insert(inode, Reading::known(owned_by(owner)));
        self
    }

    /// The interface lo, up or down.
    pub(crate) fn lo(mut self, up: bool) -> Self {
        let mut addresses = self.facts.addresses.value().cloned().unwrap();
        addresses.all.iter_mut().filter(|a| a.interface == "lo").for_each(|a| a.up = up);
        self.facts.addresses = Reading::known(addresses);
        self
    }

    /// Changes a unit that was added before.
    pub(crate) fn change_unit(mut self, name: &str, change: impl FnOnce(&mut Unit)) -> Self {
        let mut unit = self.facts.units[name].value().cloned().unwrap();
        change(&mut unit);
        self.facts.units.insert(name.into(), Reading::known(unit));
        self
    }

    /// A unit that runs: its sockets are those made by `listens` unless their control group is changed.
    pub(crate) fn running(self, name: &str) -> Self {
        self.unit(name, |u| {
            u.active_state = "active".into();
            u.sub_state = "running".into();
            u.cgroup_id = Some(7);
            if let Some(service) = &mut u.service {
                service.main_pid = 812;
            }
        })
    }

    /// What a name leads to; the target becomes `name:port`.
    pub(crate) fn named(mut self, name: &str, addresses: &[&str], change: impl FnOnce(&mut Resolution)) -> Self {
        let mut resolution = Resolution {
            name: name.into(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            error: addresses.is_empty().then(|| "Name or service not known".into()),
            hosts_lines: Vec::new(),
            nsswitch: Some("files dns".into()),
            nameservers: Vec::new(),
            beyond_hosts: None,
            search: Vec::new(),
            servers: Vec::new(),
        };
        change(&mut resolution);
        self.facts.names.insert(name.into(), Reading::known(resolution));
        self.target = format!("{name}:{}", self.port);
        self
    }

    /// A daemon's configuration: where it wants to listen, as address, port and `file:line: text` that says so.
    pub(crate) fn configured(mut self, daemon: Daemon, unit: &str, listens: &[(&str, u16, &str)]) -> Self {
        let listens = listens.iter().map(|(address, port, origin)| configured_listen(address, *port, origin)).collect();
        let config = DaemonConfig {
            daemon,
            unit: Some(unit.into()),
            listens,
            silenced_by: Vec::new(),
            files: vec!["/etc/daemon.conf".into()],
            gaps: Vec::new(),
            beyond: Beyond::default(),
        };
        let mut all = self.facts.daemons.get(&daemon).and_then(Reading::value).cloned().unwrap_or_default();
        all.push(config);
        self.facts.daemons.insert(daemon, Reading::known(all));
        self
    }

    /// Settings of a daemon's last instance that decide about clients, each in line 7 of its file.
    pub(crate) fn settings(mut self, daemon: Daemon, settings: &[(&str, &str)]) -> Self {
        self.beyond(daemon, |beyond| {
            for (name, value) in settings {
                let by = Origin { file: "/etc/daemon.conf".into(), line: 7, text: format!("{name} {value}") };
                beyond.settings.push(Setting { name: (*name).into(), value: (*value).into(), by });
            }
        });
        self
    }

    /// What the configuration of a daemon's last instance says besides.
    pub(crate) fn beyond(&mut self, daemon: Daemon, change: impl FnOnce(&mut Beyond)) {
        let mut all = self.facts.daemons.get(&daemon).and_then(Reading::value).cloned().unwrap();
        change(&mut all.last_mut().unwrap().beyond);
        self.facts.daemons.insert(daemon, Reading::known(all));
    }

    /// What the server says first, wherever it is asked.
    pub(crate) fn banner(self, says: &str) -> Self {
        self.facts(|f| {
            for dial in f.dials.values_mut() {
                let mut made = dial.value().cloned().unwrap();
                made.banner = Some(says.into());
                *dial = Reading::known(made);
            }
        })
    }

    /// A daemon whose configuration only root may read.
    pub(crate) fn unreadable(mut self, daemon: Daemon, gap: &str) -> Self {
        let config = DaemonConfig {
            daemon,
            unit: None,
            listens: Vec::new(),
            silenced_by: Vec::new(),
            files: Vec::new(),
            gaps: vec![gap.into()],
            beyond: Beyond::default(),
        };
        self.facts.daemons.insert(daemon, Reading::known(vec![config]));
        self
    }

    /// A kernel setting.
    pub(crate) fn sysctl(mut self, path: &str, value: &str) -> Self {
        self.facts.sysctls.insert(path.into(), Reading::known(value.into()));
        self
    }

    /// A unix socket as the target: what stands there, what is bound, and what an attempt gets.
    pub(crate) fn unix(mut self, path: &str, file: UnixFile, listening: Option<bool>, outcome: Outcome) -> Self {
        let bound = listening.map(|listening| UnixBound {
            kind: "stream".into(),
            listening,
            inode: 99,
            queue: 0,
            backlog: if listening { 128 } else { 0 },
        });
        let socket = UnixSocket { path: path.into(), file, bound: bound.into_iter().collect() };
        self.facts.unix_sockets.insert(path.into(), Reading::known(socket));
        let to = path.strip_prefix('@').map_or_else(|| Endpoint::Unix(path.into()), |n| Endpoint::Abstract(n.into()));
        self.facts.dials.insert(to.clone(), Reading::known(dial(to, outcome)));
        self.target = format!("unix:{path}");
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
        settle(
            Case {
                target: Target::parse(&self.target).unwrap(),
                from: self.from,
                here: self.facts,
                client: None,
                behind: false,
            },
            &nothing,
        )
    }
}

/// Answers everything that diagnosing a case asks for. Fails where asking does not end.
pub(crate) fn settle(mut case: Case, answer: &dyn Fn(&Question) -> Fact) -> Case {
    for _ in 0..50 {
        let wants = diagnose(&case).wants;
        if wants.is_empty() {
            return case;
        }
        for question in wants {
            case.here.learn(answer(&question));
        }
    }
    panic!("diagnose keeps asking: {:?}", diagnose(&case).wants);
}

/// The answer of a host that has nothing of the sort.
pub(crate) fn nothing(question: &Question) -> Fact {
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
        Question::Ruleset => Fact::Ruleset(Reading::known(Ruleset::default())),
        Question::ChainRules(id) => Fact::ChainRules(id, Reading::known(ChainRules::default())),
        Question::Elements(id) => Fact::Elements(id, Reading::known(Elements::default())),
        // The sets of these hosts are small; nobody asks for single keys.
        Question::Member(..) => Fact::without_value(question, Reading::Failed { why: "it is listed".into() }),
        // The rest of the world lies behind the default route.
        Question::Route(key) => {
            let local = key.to == OUTSIDE || key.to.is_loopback();
            let kind = if local { RouteKind::Local } else { RouteKind::Unicast };
            let interface = Some(if local { "lo" } else { "eth0" }.to_owned());
            let (gateway, source) = ((!local).then(|| Ipv4Addr::new(10, 2, 0, 1).into()), Some(OUTSIDE));
            Fact::Route(key, Reading::known(Route { kind, interface, gateway, source, table: 254 }))
        }
        Question::Links => Fact::Links(Reading::known(Vec::new())),
        Question::Routing => Fact::Routing(Reading::known(Routing::default())),
        Question::Libwrap { pid, program } => {
            let none = Libwrap { program: program.clone(), by: None, used: Used::Yes, daemon: None };
            Fact::Libwrap(pid, program, Reading::known(none))
        }
        Question::HostsAccess => Fact::HostsAccess(Reading::known(HostsAccess::default())),
        other @ (Question::Host
        | Question::Addresses
        | Question::Name(_)
        | Question::Dial(_)
        | Question::UnixSocket(_)
        | Question::Owner { .. }
        | Question::OtherNetwork { .. }
        | Question::Sysctl(_)
        | Question::Happenings
        | Question::Neighbour(..)
        | Question::Path(_)
        | Question::FailedUnits
        | Question::Legacy
        | Question::Recent(_)
        | Question::Firewalld
        | Question::Ufw
        | Question::Fail2ban
        | Question::RuleFiles
        | Question::Containers
        | Question::Container(_)
        | Question::ClientName(_)
        | Question::Exchange(_)
        | Question::Limits(_)
        | Question::Proxies(_)
        | Question::Xinetd
        | Question::Watched(_)
        | Question::Apparmor(_)
        | Question::Selinux(..)
        | Question::Denials) => Fact::without_value(&other, Reading::Absent),
    }
}

/// Adds a unit whose last start failed with these lines of its daemon in the journal (`who: message`).
pub(crate) fn failed(host: Host, unit: &str, lines: &[&str]) -> Host {
    let starting = format!("systemd: Starting {unit} - A service...");
    let exited = format!("systemd: {unit}: Main process exited, code=exited, status=1/FAILURE");
    let result = format!("systemd: {unit}: Failed with result 'exit-code'.");
    let mut journal = vec![starting.as_str()];
    journal.extend(lines);
    journal.extend([exited.as_str(), result.as_str()]);
    let host = host.unit(unit, |u| {
        u.active_state = "failed".into();
        u.sub_state = "failed".into();
        if let Some(service) = &mut u.service {
            service.result = "exit-code".into();
            service.exit_code = 1;
            service.exit_status = 1;
        }
    });
    host.journal(unit, &journal)
}

/// What an attempt to `address:port` gets.
pub(crate) fn dialled(to: &str, outcome: Outcome) -> Dial {
    dial(Endpoint::Tcp(to.parse().unwrap()), outcome)
}

fn dial(to: Endpoint, outcome: Outcome) -> Dial {
    const ERRNOS: [(Outcome, &str); 3] =
        [(Outcome::Refused, "ECONNREFUSED"), (Outcome::Denied, "EACCES"), (Outcome::Unresolved, "ENOENT")];
    let errno = ERRNOS.into_iter().find(|(o, _)| *o == outcome).map(|(_, name)| name);
    Dial {
        to,
        source: None,
        outcome,
        errno: errno.map(Into::into),
        icmp: None,
        after: Duration::from_micros(200),
        retransmits: 0,
        banner: None,
        counters: vec![Counter { name: "Tcp.OutRsts".into(), delta: i64::from(outcome == Outcome::Refused) }],
    }
}

/// Held by a process of that unit; `session-3.scope`, `init.scope` and the like are possible too.
pub(crate) fn owned_by(unit: &str) -> Owner {
    let systemd = unit == "init.scope";
    let name = if systemd { "systemd" } else { unit.split(['.', '@']).next().unwrap_or(unit) };
    let pid = if systemd { 1 } else { 812 };
    Owner {
        cgroup: Some(format!("/system.slice/{unit}")),
        unit: Some(unit.into()),
        processes: vec![Process { pid, name: name.into(), command: String::new(), started_at: 0, started: 4711 }],
        partial: false,
    }
}

/// One place of a configuration; `origin` is `file:line: text`, empty for a built-in default.
pub(crate) fn configured_listen(address: &str, port: u16, origin: &str) -> ConfiguredListen {
    let set_by = origin.split_once(": ").map(|(place, text)| {
        let (file, line) = place.rsplit_once(':').unwrap();
        Origin { file: file.into(), line: line.parse().unwrap(), text: text.into() }
    });
    let address = match address {
        "*" => ListenAddress::Any,
        path if path.starts_with('/') => ListenAddress::Path(path.into()),
        other => other.parse().map_or_else(|_| ListenAddress::Name(other.into()), ListenAddress::Ip),
    };
    ConfiguredListen { address, port: Some(port), v6only: None, address_set_by: set_by.clone(), port_set_by: set_by }
}

/// A host that systemd does not run, so that nothing is known of this unit.
pub(crate) fn without_systemd(host: Host, unit: &str) -> Host {
    host.facts(|f| {
        let mut known = f.host.value().cloned().unwrap();
        known.systemd = false;
        f.host = Reading::known(known);
        f.units.insert(unit.into(), Reading::Failed { why: "systemd does not run here".into() });
    })
}

/// A socket file owned by root that we may write to.
pub(crate) fn socket_file() -> UnixFile {
    UnixFile::There {
        kind: "socket".into(),
        mode: 0o755,
        uid: 0,
        user: Some("root".into()),
        gid: 0,
        group: Some("root".into()),
        writable: true,
    }
}

fn addresses() -> Addresses {
    let address = |address, interface: &str, ifindex| LocalAddress {
        address,
        interface: interface.into(),
        ifindex,
        up: true,
        link_local: false,
        prefix: 24,
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
    let diagnosis = promised(case);
    assert_eq!(diagnosis.culprit, Some(id), "{diagnosis:#?}");
    let finding = diagnosis.culprit().unwrap();
    assert!(!finding.evidence.is_empty(), "a finding without evidence: {finding:#?}");
    diagnosis
}

/// Diagnoses and checks that a cause was found, be it the culprit or not.
#[track_caller]
pub(crate) fn assert_found(case: &Case, id: &str) -> Diagnosis {
    let diagnosis = promised(case);
    assert!(diagnosis.causes.iter().any(|f| f.cause == id), "{diagnosis:#?}");
    diagnosis
}

/// Diagnoses and checks that a cause was not found.
#[track_caller]
pub(crate) fn assert_not_found(case: &Case, id: &str) {
    let diagnosis = promised(case);
    assert!(diagnosis.causes.iter().all(|f| f.cause != id), "{diagnosis:#?}");
}

/// Diagnoses, and checks on the way that no missing fact would have led to another verdict.
#[track_caller]
fn promised(case: &Case) -> Diagnosis {
    if let Err(why) = crate::diagnose::promise::keep(case, &nothing) {
        panic!("{why}\n{:#?}", diagnose(case));
    }
    diagnose(case)
}

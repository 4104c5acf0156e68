//! Small made-up hosts: answers to every question the screen may ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use unrefuse::facts::claim::{Claim, ClaimSource, Claims};
use unrefuse::facts::connect::{Counter, Dial, Endpoint, Outcome};
use unrefuse::facts::host::{Addresses, Host, LocalAddress};
use unrefuse::facts::journal::{Entry, Journal};
use unrefuse::facts::route::{Route, RouteKey, RouteKind};
use unrefuse::facts::socket::{Listener, Owner, Process, Transport};
use unrefuse::facts::unit::{Service, Unit};
use unrefuse::facts::{Fact, Facts, Known, Question, Reading};

/// When the pictures were taken.
pub(crate) const NOW_MS: u64 = 1_700_000_400_000;
pub(crate) const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 2));

pub(crate) fn known<T>(value: T) -> Reading<T> {
    Reading::Known(Known { value, at_ms: NOW_MS, took: Duration::from_millis(1) })
}

/// A host where nothing listens on 8080, nginx.service is meant to, and it is stopped.
pub(crate) fn stopped_service() -> Facts {
    let mut facts = base();
    dial_all(&mut facts, 8080, Outcome::Refused, Outcome::Refused);
    facts.listeners.insert((Transport::Tcp, 8080), known(Vec::new()));
    facts.claims.insert((Transport::Tcp, 8080), known(claimed("nginx.service")));
    facts.units.insert("nginx.service".into(), known(unit("nginx.service", "inactive", "dead")));
    facts.journals.insert("nginx.service".into(), known(journal("nginx.service", STOPPED)));
    facts
}

/// A host where nginx answers on 8080 on loopback only.
pub(crate) fn loopback_only() -> Facts {
    let mut facts = base();
    dial_all(&mut facts, 8080, Outcome::Refused, Outcome::Open);
    let own = vec![listener("127.0.0.1", 8080, 501), listener("::1", 8080, 502)];
    listens(&mut facts, own, "nginx.service", "nginx");
    facts.units.insert("nginx.service".into(), known(unit("nginx.service", "active", "running")));
    facts.journals.insert("nginx.service".into(), known(journal("nginx.service", STARTED)));
    facts
}

/// A host where everything works.
pub(crate) fn all_open() -> Facts {
    let mut facts = base();
    dial_all(&mut facts, 8080, Outcome::Open, Outcome::Open);
    listens(&mut facts, vec![listener("0.0.0.0", 8080, 503)], "nginx.service", "nginx");
    facts.units.insert("nginx.service".into(), known(unit("nginx.service", "active", "running")));
    facts.journals.insert("nginx.service".into(), known(journal("nginx.service", STARTED)));
    facts
}

/// What a hostile program may put wherever it can write: escape sequences, clipboard writes, bidi controls, newlines.
pub(crate) const HOSTILE: &str = "ev\u{1b}]52;c;ZXZpbA==\u{7}il\u{202e}gpj\u{200b}\n\u{9b}2J\u{1b}[31m\u{feff}\tデータ";

/// A loopback-only host whose every name is hostile.
pub(crate) fn hostile() -> Facts {
    let mut facts = loopback_only();
    let name = format!("nginx{HOSTILE}.service");
    let mut bad = unit(&name, "active", HOSTILE);
    bad.description = HOSTILE.into();
    bad.fragment = Some(format!("/lib/{HOSTILE}"));
    bad.file_state = HOSTILE.into();
    facts.units.insert(name.clone(), known(bad));
    let lines = [("daemon", HOSTILE), (HOSTILE, "said it")];
    facts.journals.insert(name.clone(), known(journal(&name, &lines)));
    for reading in facts.owners.values_mut() {
        *reading = known(owner(&name, HOSTILE));
    }
    facts.failed_units = known(vec![unit(&name, "failed", HOSTILE)]);
    if let Reading::Known(host) = &mut facts.host {
        host.value.hostname = HOSTILE.into();
        host.value.user = Some(HOSTILE.into());
    }
    if let Some(Reading::Known(dial)) = facts.dials.values_mut().next() {
        dial.value.banner = Some(HOSTILE.into());
        dial.value.errno = Some(HOSTILE.into());
    }
    facts
}

/// A host with that many listeners.
pub(crate) fn crowded(count: u16) -> Facts {
    let mut facts = all_open();
    let mut all: Vec<Listener> = (0..count).map(|n| listener("0.0.0.0", 1024 + n, 10_000 + u32::from(n))).collect();
    all.extend(facts.all_listeners.value().cloned().unwrap_or_default());
    for listener in &all {
        facts.owners.insert(listener.inode, known(owner("nginx.service", "nginx")));
    }
    facts.all_listeners = known(all);
    facts
}

fn base() -> Facts {
    let mut facts = Facts {
        host: known(Host {
            hostname: "web1".into(),
            boot_id: "b".into(),
            booted_at: 1_699_990_000,
            kernel: "6.1.0".into(),
            uid: 1000,
            user: Some("ops".into()),
            systemd: true,
            container: None,
        }),
        addresses: known(addresses()),
        failed_units: known(vec![unit("nginx.service", "failed", "failed")]),
        ..Facts::default()
    };
    let ssh = listener("0.0.0.0", 22, 401);
    let resolved = Listener { transport: Transport::Udp, backlog: 0, ..listener("127.0.0.53", 53, 402) };
    let postgres = Listener { queue: 3, ..listener("127.0.0.1", 5432, 403) };
    facts.owners.insert(401, known(owner("ssh.service", "sshd")));
    facts.owners.insert(402, known(owner("systemd-resolved.service", "systemd-resolve")));
    facts.owners.insert(403, known(owner("postgresql@15-main.service", "postgres")));
    facts.all_listeners = known(vec![ssh, resolved, postgres]);
    facts
}

fn addresses() -> Addresses {
    let on = |address: IpAddr, interface: &str| LocalAddress {
        address,
        interface: interface.into(),
        ifindex: 1,
        up: true,
        link_local: false,
        prefix: 24,
    };
    Addresses {
        all: vec![on("127.0.0.1".parse().unwrap(), "lo"), on("::1".parse().unwrap(), "lo"), on(OUTSIDE, "eth0")],
        default_interface: Some("eth0".into()),
    }
}

pub(crate) fn dial(ip: IpAddr, port: u16, outcome: Outcome) -> Dial {
    Dial {
        to: Endpoint::Tcp(SocketAddr::new(ip, port)),
        source: None,
        outcome,
        errno: (outcome == Outcome::Refused).then(|| "ECONNREFUSED".into()),
        icmp: None,
        after: Duration::from_micros(210),
        retransmits: 0,
        banner: None,
        counters: vec![Counter { name: "Tcp.OutRsts".into(), delta: i64::from(outcome == Outcome::Refused) }],
    }
}

fn dial_all(facts: &mut Facts, port: u16, outside: Outcome, inside: Outcome) {
    let ips: [(IpAddr, Outcome); 3] =
        [(OUTSIDE, outside), ("127.0.0.1".parse().unwrap(), inside), ("::1".parse().unwrap(), inside)];
    for (ip, outcome) in ips {
        let dial = dial(ip, port, outcome);
        facts.dials.insert(dial.to.clone(), known(dial));
    }
}

pub(crate) fn listener(address: &str, port: u16, inode: u32) -> Listener {
    Listener {
        transport: Transport::Tcp,
        address: address.parse().unwrap(),
        port,
        v6only: address.contains(':').then_some(true),
        device: None,
        queue: 0,
        backlog: 511,
        uid: 0,
        inode,
        cgroup: Some(7),
    }
}

fn listens(facts: &mut Facts, own: Vec<Listener>, of: &str, process: &str) {
    let mut all = facts.all_listeners.value().cloned().unwrap_or_default();
    all.extend(own.iter().cloned());
    facts.all_listeners = known(all);
    for listener in &own {
        facts.owners.insert(listener.inode, known(owner(of, process)));
    }
    facts.listeners.insert((Transport::Tcp, 8080), known(own));
}

pub(crate) fn owner(unit: &str, process: &str) -> Owner {
    Owner {
        cgroup: Some(format!("/system.slice/{unit}")),
        unit: Some(unit.into()),
        processes: vec![Process {
            pid: 812,
            name: process.into(),
            command: String::new(),
            started_at: 0,
            started: 4711,
        }],
        partial: false,
    }
}

pub(crate) fn unit(name: &str, active: &str, sub: &str) -> Unit {
    Unit {
        name: name.into(),
        names: vec![name.into()],
        description: "A high performance web server".into(),
        load_state: "loaded".into(),
        active_state: active.into(),
        sub_state: sub.into(),
        file_state: "enabled".into(),
        fragment: Some(format!("/lib/systemd/system/{name}")),
        state_change_us: 1_700_000_100_000_000,
        service: Some(Service {
            kind: "forking".into(),
            result: "success".into(),
            main_pid: if active == "active" { 812 } else { 0 },
            ..Service::default()
        }),
        ..Unit::default()
    }
}

fn claimed(unit: &str) -> Claims {
    let claim = Claim {
        unit: Some(unit.into()),
        daemon: None,
        program: unit.trim_end_matches(".service").into(),
        source: ClaimSource::Config,
        origin: None,
        listen: None,
    };
    Claims { claims: vec![claim], service_name: Some("http-alt".into()) }
}

const STOPPED: &[(&str, &str)] = &[
    ("systemd", "Stopping nginx.service - A high performance web server and a reverse proxy server..."),
    ("systemd", "nginx.service: Deactivated successfully."),
    ("systemd", "Stopped nginx.service - A high performance web server and a reverse proxy server."),
];
const STARTED: &[(&str, &str)] = &[
    ("systemd", "Starting nginx.service - A high performance web server and a reverse proxy server..."),
    ("nginx", "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok"),
    ("systemd", "Started nginx.service - A high performance web server and a reverse proxy server."),
];

fn journal(unit: &str, lines: &[(&str, &str)]) -> Journal {
    let entries = lines
        .iter()
        .zip((1_700_000_100_000_000..).step_by(1_000_000))
        .map(|((who, message), at_us)| Entry {
            at_us,
            priority: 6,
            identifier: (*who).into(),
            pid: if *who == "systemd" { 1 } else { 812 },
            message: (*message).into(),
        })
        .collect();
    Journal { unit: unit.into(), entries, ran_before_this_boot: None }
}

/// What a host with these facts answers; whatever nobody set is answered as on a host that has none.
#[expect(clippy::too_many_lines, reason = "one arm for each question")]
pub(crate) fn answer(facts: &Facts, question: &Question) -> Fact {
    match question.clone() {
        Question::Host => Fact::Host(facts.host.clone()),
        Question::Addresses => Fact::Addresses(facts.addresses.clone()),
        Question::Name(k) => Fact::Name(k.clone(), facts.names.get(&k).cloned().unwrap_or(Reading::Absent)),
        Question::Dial(k) => Fact::Dial(k.clone(), facts.dials.get(&k).cloned().unwrap_or(Reading::Absent)),
        Question::Listeners(t, p) => {
            Fact::Listeners(t, p, facts.listeners.get(&(t, p)).cloned().unwrap_or_else(|| known(Vec::new())))
        }
        Question::AllListeners => Fact::AllListeners(facts.all_listeners.clone()),
        Question::UnixSocket(k) => {
            Fact::UnixSocket(k.clone(), facts.unix_sockets.get(&k).cloned().unwrap_or(Reading::Absent))
        }
        Question::Owner { inode, .. } => {
            Fact::Owner(inode, facts.owners.get(&inode).cloned().unwrap_or(Reading::Absent))
        }
        Question::Unit(k) => {
            let none = Unit { name: k.clone(), load_state: "not-found".into(), ..Unit::default() };
            Fact::Unit(k.clone(), facts.units.get(&k).cloned().unwrap_or_else(|| known(none)))
        }
        Question::Journal(k) => {
            let none = Journal { unit: k.clone(), ..Journal::default() };
            Fact::Journal(k.clone(), facts.journals.get(&k).cloned().unwrap_or_else(|| known(none)))
        }
        Question::Claims(t, p) => {
            Fact::Claims(t, p, facts.claims.get(&(t, p)).cloned().unwrap_or_else(|| known(Claims::default())))
        }
        Question::Daemon(k) => Fact::Daemon(k, facts.daemons.get(&k).cloned().unwrap_or_else(|| known(Vec::new()))),
        Question::FailedUnits => Fact::FailedUnits(facts.failed_units.clone()),
        Question::Ruleset => Fact::Ruleset(known(facts.ruleset.value().cloned().unwrap_or_default())),
        Question::ChainRules(k) => {
            Fact::ChainRules(k.clone(), facts.chains.get(&k).cloned().unwrap_or(Reading::Absent))
        }
        Question::Elements(k) => Fact::Elements(k.clone(), facts.elements.get(&k).cloned().unwrap_or(Reading::Absent)),
        Question::Legacy => {
            Fact::Legacy(if facts.legacy.is_not_asked() { Reading::Absent } else { facts.legacy.clone() })
        }
        Question::Routing => Fact::Routing(known(facts.routing.value().cloned().unwrap_or_default())),
        Question::Links => Fact::Links(known(facts.links.value().cloned().unwrap_or_default())),
        Question::Route(k) => {
            let known_links = facts.links.value().is_some();
            let out = || if known_links { known(route(&k)) } else { Reading::Absent };
            Fact::Route(k.clone(), facts.routes.get(&k).cloned().unwrap_or_else(out))
        }
        Question::Watched(k) => Fact::Watched(k.clone(), facts.watched.get(&k).cloned().unwrap_or(Reading::Absent)),
        Question::Path(k) => Fact::Path(k.clone(), facts.paths.get(&k).cloned().unwrap_or(Reading::Absent)),
        other @ (Question::OtherNetwork { .. }
        | Question::Sysctl(_)
        | Question::Happenings
        | Question::Neighbour(..)
        | Question::Member(..)
        | Question::Recent(_)
        | Question::Firewalld
        | Question::Ufw
        | Question::Fail2ban
        | Question::RuleFiles
        | Question::Containers
        | Question::Container(_)
        | Question::Apparmor(_)
        | Question::Selinux(..)
        | Question::Denials
        | Question::Libwrap { .. }
        | Question::HostsAccess
        | Question::Limits(_)
        | Question::Proxies(_)
        | Question::Xinetd
        | Question::ClientName(_)
        | Question::Exchange(_)) => Fact::without_value(&other, Reading::Absent),
    }
}

/// Everybody is behind eth0.
fn route(key: &RouteKey) -> Route {
    let local = key.to == OUTSIDE || key.to.is_loopback();
    let kind = if local { RouteKind::Local } else { RouteKind::Unicast };
    let interface = Some(if local { "lo" } else { "eth0" }.to_owned());
    Route { kind, interface, gateway: None, source: Some(OUTSIDE), table: if local { 255 } else { 254 } }
}

//! What the target turns out to be on this host: which addresses, which ports, this host or another, asked from where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::look::Look;
use crate::facts::command_line;
use crate::facts::connect::Endpoint;
use crate::facts::daemon::Daemon;
use crate::facts::socket::Transport;
use crate::facts::unit::{SocketUnit, Unit};
use crate::target::{From, TargetKind};

/// The target, understood as far as the facts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// TCP or UDP.
    pub transport: Transport,
    /// Name or address as given; none for a bare port, unit or unix socket.
    pub host: Option<String>,
    /// Addresses the target means, the diagnosed one first. Empty for unix sockets, and while unresolved.
    pub addresses: Vec<IpAddr>,
    /// True when the diagnosed address is this host's; none while not known.
    pub local: Option<bool>,
    /// Unit given as the target.
    pub unit: Option<String>,
    /// All ports (a unit may have several).
    pub ports: Vec<u16>,
    /// The port that is diagnosed.
    pub port: Option<u16>,
    /// Unix socket path, or `@name`.
    pub path: Option<String>,
    /// Who asks.
    pub from: Asker,
}

/// Who asks, once the default is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// This host itself.
    Here,
    /// An arbitrary client on another host.
    Any,
    /// That client.
    Address(IpAddr),
}

impl Asker {
    /// `here`, `any` or `address`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Any => "any",
            Self::Address(_) => "address",
        }
    }
}

impl Subject {
    /// Understands the target of a case.
    pub fn of(look: &Look<'_>) -> Self {
        let mut subject = Self::empty();
        match &look.case().target.kind {
            TargetKind::Port { transport, port } => subject.own_ports(look, *transport, vec![*port]),
            TargetKind::Host { transport, host, port } => subject.host_port(look, *transport, host, *port),
            TargetKind::Unit { name } => {
                subject.unit = Some(name.clone());
                let (transport, ports) = unit_ports(look, name);
                subject.own_ports(look, transport, ports);
            }
            TargetKind::Path { path } => subject.unix(path.clone()),
            TargetKind::Abstract { name } => subject.unix(format!("@{name}")),
        }
        subject.from = subject.asker(look.case().from);
        subject
    }

    fn empty() -> Self {
        Self {
            transport: Transport::Tcp,
            host: None,
            addresses: Vec::new(),
            local: None,
            unit: None,
            ports: Vec::new(),
            port: None,
            path: None,
            from: Asker::Here,
        }
    }

    fn own_ports(&mut self, look: &Look<'_>, transport: Transport, ports: Vec<u16>) {
        self.transport = transport;
        self.local = Some(true);
        self.port = ports.first().copied();
        self.ports = ports;
        if let Some(addresses) = look.addresses() {
            self.addresses = vec![addresses.primary()];
        }
    }

    fn host_port(&mut self, look: &Look<'_>, transport: Transport, host: &str, port: u16) {
        self.transport = transport;
        self.host = Some(host.to_owned());
        self.ports = vec![port];
        self.port = Some(port);
        self.addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => look.name(host).map(|r| r.addresses.clone()).unwrap_or_default(),
        };
        let Some(first) = self.addresses.first() else { return };
        self.local = look.addresses().map(|mine| mine.holds(*first));
    }

    fn unix(&mut self, path: String) {
        self.path = Some(path);
        self.local = Some(true);
    }

    fn asker(&self, from: From) -> Asker {
        match from {
            From::Here => Asker::Here,
            From::Any => Asker::Any,
            From::Address(address) if address.is_loopback() => Asker::Here,
            From::Address(address) => Asker::Address(address),
            From::Unsaid => {
                let loopback = self.addresses.iter().all(|a| a.is_loopback() || a.is_unspecified());
                if self.local == Some(true) && self.path.is_none() && !loopback { Asker::Any } else { Asker::Here }
            }
        }
    }

    /// The address the verdict is about.
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// Where the diagnosed connection goes.
    pub fn endpoint(&self) -> Option<Endpoint> {
        if let Some(path) = &self.path {
            return Some(match path.strip_prefix('@') {
                Some(name) => Endpoint::Abstract(name.to_owned()),
                None => Endpoint::Unix(path.clone()),
            });
        }
        Some(self.endpoint_at(self.address()?, self.port?))
    }

    /// An endpoint of the target's transport.
    pub fn endpoint_at(&self, address: IpAddr, port: u16) -> Endpoint {
        let at = SocketAddr::new(address, port);
        match self.transport {
            Transport::Tcp => Endpoint::Tcp(at),
            Transport::Udp => Endpoint::Udp(at),
        }
    }

    /// The other addresses worth an attempt: all of a name's; for this host also loopback and its own others.
    pub fn other_endpoints(&self, look: &Look<'_>) -> Vec<Endpoint> {
        let Some(port) = self.port else { return Vec::new() };
        let mut addresses: Vec<IpAddr> = self.addresses.iter().skip(1).copied().collect();
        if self.local == Some(true) {
            addresses.push(Ipv4Addr::LOCALHOST.into());
            if let Some(mine) = look.addresses() {
                if mine.all.iter().any(|a| a.address == IpAddr::V6(Ipv6Addr::LOCALHOST)) {
                    addresses.push(Ipv6Addr::LOCALHOST.into());
                }
                addresses.extend(mine.all.iter().filter(|a| a.up && !a.link_local).map(|a| a.address));
            }
        }
        let mut seen = vec![];
        addresses.retain(|a| {
            let new = Some(*a) != self.address() && !seen.contains(a);
            seen.push(*a);
            new
        });
        addresses.into_iter().map(|a| self.endpoint_at(a, port)).collect()
    }
}

/// The ports of a unit: those it listens on, else its socket units', else those its configuration or command names.
fn unit_ports(look: &Look<'_>, name: &str) -> (Transport, Vec<u16>) {
    let Some(unit) = look.unit(name) else { return (Transport::Tcp, Vec::new()) };
    let ways: [fn(&Look<'_>, &Unit) -> Ports; 4] = [listening_ports, socket_ports, configured_ports, command_ports];
    for way in ways {
        let (ports, missing) = look.noting(|| way(look, unit));
        look.also_missing(&missing);
        if missing.open {
            // A later way would name a port that this one may overrule.
            break;
        }
        let tcp: Vec<u16> = ports.iter().filter(|(t, _)| *t == Transport::Tcp).map(|(_, p)| *p).collect();
        if !tcp.is_empty() {
            return (Transport::Tcp, tcp);
        }
        if !ports.is_empty() {
            return (Transport::Udp, ports.into_iter().map(|(_, p)| p).collect());
        }
    }
    (Transport::Tcp, Vec::new())
}

type Ports = Vec<(Transport, u16)>;

fn listening_ports(look: &Look<'_>, unit: &Unit) -> Ports {
    let Some(id) = unit.cgroup_id else { return Ports::new() };
    let mut ports: Ports = look
        .all_listeners()
        .unwrap_or_default()
        .iter()
        .filter(|l| l.cgroup == Some(id))
        .map(|l| (l.transport, l.port))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn socket_ports(look: &Look<'_>, unit: &Unit) -> Ports {
    let own = unit.socket.is_some().then_some(unit);
    let triggering = unit.triggered_by.iter().filter(|u| u.ends_with(".socket")).filter_map(|u| look.unit(u));
    own.into_iter().chain(triggering).filter_map(|u| u.socket.as_ref()).flat_map(SocketUnit::ports).collect()
}

fn configured_ports(look: &Look<'_>, unit: &Unit) -> Ports {
    let daemon = Daemon::ALL.into_iter().find(|d| d.runs_as(&unit.name));
    let Some(configs) = daemon.and_then(|d| look.daemon(d)) else { return Ports::new() };
    let mine = |c: &&crate::facts::daemon::DaemonConfig| {
        c.unit.as_deref().is_none_or(|u| u == unit.name || unit.pulls.iter().any(|p| p == u))
    };
    let mut ports: Ports = Ports::new();
    for port in configs.iter().filter(mine).flat_map(|c| &c.listens).filter_map(|l| l.port) {
        if !ports.contains(&(Transport::Tcp, port)) {
            ports.push((Transport::Tcp, port));
        }
    }
    ports
}

fn command_ports(_look: &Look<'_>, unit: &Unit) -> Ports {
    let Some(service) = &unit.service else { return Ports::new() };
    command_line::listens(service).into_iter().map(|l| (l.transport.unwrap_or(Transport::Tcp), l.port)).collect()
}

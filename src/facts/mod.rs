//! WHAT IS KNOWN: plain data about a host, one file a subject. No I/O, no clock.

pub mod apparmor;
pub mod beyond;
pub mod claim;
pub mod command_line;
pub mod confined;
pub mod connect;
pub mod container;
pub mod daemon;
pub mod denial;
pub mod exchange;
pub mod firewalls;
pub mod happening;
pub mod host;
pub mod journal;
pub mod limits;
pub mod name;
pub mod namespace;
pub mod path;
pub mod proxy;
pub mod question;
pub mod reading;
pub mod recording;
pub mod redact;
pub mod route;
pub mod routing;
mod rules;
pub mod ruleset;
pub mod sandbox;
pub mod selinux;
pub mod socket;
pub mod unit;
pub mod watched;
pub mod wrappers;
pub mod xinetd;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::target::{From, Target};
use apparmor::Apparmor;
use claim::Claims;
use confined::Confined;
use connect::{Dial, Endpoint};
use container::{ContainerKey, Engine, Inspected};
use daemon::{Daemon, DaemonConfig};
use denial::Denials;
use exchange::Exchange;
use firewalls::{Fail2ban, Firewalld, RuleFile, Ufw};
use happening::Past;
use host::{Addresses, Host};
use journal::{Entry, Journal};
use limits::Limits;
use name::Resolution;
use namespace::OtherNetwork;
use path::Path;
use proxy::Proxies;
pub use question::Question;
pub use reading::{Known, Reading};
use route::{Link, Route, RouteKey};
use routing::{NeighbourState, Routing};
use ruleset::{ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Ruleset, SetId};
use selinux::Selinux;
use socket::{Listener, Owner, Transport, UnixSocket};
use unit::Unit;
use watched::{WatchKey, Watched};
use wrappers::{ClientName, HostsAccess, Libwrap};
use xinetd::XinetdService;

/// What was asked, and the facts of each end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The target.
    pub target: Target,
    /// From which client.
    pub from: From,
    /// Facts of the server's end; of the client's too where that is the same host.
    pub here: Facts,
    /// The client's end, where that is another host: the target as it was asked there, and what was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Box<Case>>,
    /// It was made up on the way, about a server that another one asks.
    #[serde(skip)]
    pub behind: bool,
}

impl Case {
    /// A case of which nothing is known yet.
    pub fn new(target: Target, from: From) -> Self {
        Self { target, from, here: Facts::default(), client: None, behind: false }
    }

    /// The server's end, and the client's where that is another host.
    pub fn ends(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.client.as_deref())
    }

    /// How many attempts were made, at either end.
    pub fn probes(&self) -> usize {
        self.ends().map(|end| end.here.probes()).sum()
    }
}

/// Everything read on one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The host.
    pub host: Reading<Host>,
    /// Its addresses.
    pub addresses: Reading<Addresses>,
    /// Names.
    #[serde(with = "pairs")]
    pub names: BTreeMap<String, Reading<Resolution>>,
    /// Connection attempts.
    #[serde(with = "pairs")]
    pub dials: BTreeMap<Endpoint, Reading<Dial>>,
    /// Listeners by exact port.
    #[serde(with = "pairs")]
    pub listeners: BTreeMap<(Transport, u16), Reading<Vec<Listener>>>,
    /// All listeners.
    pub all_listeners: Reading<Vec<Listener>>,
    /// Unix sockets by name.
    #[serde(with = "pairs")]
    pub unix_sockets: BTreeMap<String, Reading<UnixSocket>>,
    /// Owners by inode.
    #[serde(with = "pairs")]
    pub owners: BTreeMap<u32, Reading<Owner>>,
    /// Units by name.
    #[serde(with = "pairs")]
    pub units: BTreeMap<String, Reading<Unit>>,
    /// Journals by unit.
    #[serde(with = "pairs")]
    pub journals: BTreeMap<String, Reading<Journal>>,
    /// What happened lately.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub happenings: Reading<Past>,
    /// Who should serve a port.
    #[serde(with = "pairs")]
    pub claims: BTreeMap<(Transport, u16), Reading<Claims>>,
    /// Daemon configurations (several instances of one daemon are possible).
    #[serde(with = "pairs")]
    pub daemons: BTreeMap<Daemon, Reading<Vec<DaemonConfig>>>,
    /// Other network namespaces, by process and port.
    #[serde(with = "pairs")]
    pub other_networks: BTreeMap<(u32, Transport, u16), Reading<OtherNetwork>>,
    /// Kernel settings.
    #[serde(with = "pairs")]
    pub sysctls: BTreeMap<String, Reading<String>>,
    /// Units in state failed.
    pub failed_units: Reading<Vec<Unit>>,
    /// Tables, chains and sets of the packet filter.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub ruleset: Reading<Ruleset>,
    /// Rules, by chain.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub chains: BTreeMap<ChainId, Reading<ChainRules>>,
    /// Elements, by set.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<SetId, Reading<Elements>>,
    /// Membership of single keys in sets that are too big to list; `Absent`: not in it.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<(SetId, Vec<u8>), Reading<Element>>,
    /// The legacy tables of iptables.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub legacy: Reading<Vec<LegacyTable>>,
    /// Lists of xt_recent, by name.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub recent: BTreeMap<String, Reading<Recent>>,
    /// Network interfaces.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub links: Reading<Vec<Link>>,
    /// Ways to addresses.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<RouteKey, Reading<Route>>,
    /// Policy rules, and routes that refuse.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub routing: Reading<Routing>,
    /// Hosts on a link, by address and interface; `Absent`: nobody has asked for it.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub neighbours: BTreeMap<(IpAddr, String), Reading<NeighbourState>>,
    /// Ways of connections, hop by hop.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<Endpoint, Reading<Path>>,
    /// firewalld.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub firewalld: Reading<Firewalld>,
    /// ufw.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub ufw: Reading<Ufw>,
    /// fail2ban.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub fail2ban: Reading<Fail2ban>,
    /// Files that rules are loaded from.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub rule_files: Reading<Vec<RuleFile>>,
    /// The container engines, with their containers.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub containers: Reading<Vec<Engine>>,
    /// Containers from near.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub inspected: BTreeMap<ContainerKey, Reading<Inspected>>,
    /// Attempts the kernel was watched during.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub watched: BTreeMap<WatchKey, Reading<Watched>>,
    /// AppArmor about programs.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub apparmor: BTreeMap<Confined, Reading<Apparmor>>,
    /// SELinux about programs and ports.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub selinux: BTreeMap<(Confined, Transport, u16), Reading<Selinux>>,
    /// What security modules denied.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub denials: Reading<Denials>,
    /// Which processes and programs use libwrap.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub libwraps: BTreeMap<(u32, String), Reading<Libwrap>>,
    /// hosts.allow and hosts.deny.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub hosts_access: Reading<HostsAccess>,
    /// Names of clients, as libwrap finds them.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub client_names: BTreeMap<IpAddr, Reading<ClientName>>,
    /// What servers said to a request, by address and whether it was made with TLS.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub exchanges: BTreeMap<(SocketAddr, bool), Reading<Exchange>>,
    /// Open files of processes.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<u32, Reading<Limits>>,
    /// Proxies that processes are told to use.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub proxies: BTreeMap<u32, Reading<Proxies>>,
    /// Services of xinetd.
    #[serde(skip_serializing_if = "Reading::is_not_asked")]
    pub xinetd: Reading<Vec<XinetdService>>,
}

/// One answer, as it arrives.
#[expect(clippy::large_enum_variant, reason = "facts are moved once, from a source into the facts")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// To [`Question::Host`].
    Host(Reading<Host>),
    /// To [`Question::Addresses`].
    Addresses(Reading<Addresses>),
    /// To [`Question::Name`].
    Name(String, Reading<Resolution>),
    /// To [`Question::Dial`].
    Dial(Endpoint, Reading<Dial>),
    /// To [`Question::Listeners`].
    Listeners(Transport, u16, Reading<Vec<Listener>>),
    /// To [`Question::AllListeners`].
    AllListeners(Reading<Vec<Listener>>),
    /// To [`Question::UnixSocket`].
    UnixSocket(String, Reading<UnixSocket>),
    /// To [`Question::Owner`].
    Owner(u32, Reading<Owner>),
    /// To [`Question::Unit`].
    Unit(String, Reading<Unit>),
    /// To [`Question::Journal`].
    Journal(String, Reading<Journal>),
    /// One more entry of a journal that is being followed.
    JournalEntry(String, Entry),
    /// To [`Question::Happenings`].
    Happenings(Reading<Past>),
    /// To [`Question::Claims`].
    Claims(Transport, u16, Reading<Claims>),
    /// To [`Question::Daemon`].
    Daemon(Daemon, Reading<Vec<DaemonConfig>>),
    /// To [`Question::OtherNetwork`].
    OtherNetwork(u32, Transport, u16, Reading<OtherNetwork>),
    /// To [`Question::Sysctl`].
    Sysctl(String, Reading<String>),
    /// To [`Question::FailedUnits`].
    FailedUnits(Reading<Vec<Unit>>),
    /// To [`Question::Ruleset`].
    Ruleset(Reading<Ruleset>),
    /// To [`Question::ChainRules`].
    ChainRules(ChainId, Reading<ChainRules>),
    /// To [`Question::Elements`].
    Elements(SetId, Reading<Elements>),
    /// To [`Question::Member`].
    Member(SetId, Vec<u8>, Reading<Element>),
    /// To [`Question::Legacy`].
    Legacy(Reading<Vec<LegacyTable>>),
    /// To [`Question::Recent`].
    Recent(String, Reading<Recent>),
    /// To [`Question::Links`].
    Links(Reading<Vec<Link>>),
    /// To [`Question::Route`].
    Route(RouteKey, Reading<Route>),
    /// To [`Question::Routing`].
    Routing(Reading<Routing>),
    /// To [`Question::Path`].
    Path(Endpoint, Reading<Path>),
    /// To [`Question::Neighbour`].
    Neighbour(IpAddr, String, Reading<NeighbourState>),
    /// To [`Question::Firewalld`].
    Firewalld(Reading<Firewalld>),
    /// To [`Question::Ufw`].
    Ufw(Reading<Ufw>),
    /// To [`Question::Fail2ban`].
    Fail2ban(Reading<Fail2ban>),
    /// To [`Question::RuleFiles`].
    RuleFiles(Reading<Vec<RuleFile>>),
    /// To [`Question::Containers`].
    Containers(Reading<Vec<Engine>>),
    /// To [`Question::Container`].
    Container(ContainerKey, Reading<Inspected>),
    /// To [`Question::Watched`].
    Watched(WatchKey, Reading<Watched>),
    /// To [`Question::Apparmor`].
    Apparmor(Confined, Reading<Apparmor>),
    /// To [`Question::Selinux`].
    Selinux(Confined, Transport, u16, Reading<Selinux>),
    /// To [`Question::Denials`].
    Denials(Reading<Denials>),
    /// To [`Question::Libwrap`].
    Libwrap(u32, String, Reading<Libwrap>),
    /// To [`Question::HostsAccess`].
    HostsAccess(Reading<HostsAccess>),
    /// To [`Question::ClientName`].
    ClientName(IpAddr, Reading<ClientName>),
    /// To [`Question::Exchange`]: address, with TLS, answer.
    Exchange(SocketAddr, bool, Reading<Exchange>),
    /// To [`Question::Limits`].
    Limits(u32, Reading<Limits>),
    /// To [`Question::Proxies`].
    Proxies(u32, Reading<Proxies>),
    /// To [`Question::Xinetd`].
    Xinetd(Reading<Vec<XinetdService>>),
}

impl Facts {
    /// Takes in one answer, replacing what was known of it.
    pub fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Host(r) => self.host = r,
            Fact::Addresses(r) => self.addresses = r,
            Fact::Name(k, r) => drop(self.names.insert(k, r)),
            Fact::Dial(k, r) => drop(self.dials.insert(k, r)),
            Fact::Listeners(t, p, r) => drop(self.listeners.insert((t, p), r)),
            Fact::AllListeners(r) => self.all_listeners = r,
            Fact::UnixSocket(k, r) => drop(self.unix_sockets.insert(k, r)),
            Fact::Owner(k, r) => drop(self.owners.insert(k, r)),
            Fact::Unit(k, r) => drop(self.units.insert(k, r)),
            Fact::Journal(k, r) => drop(self.journals.insert(k, r)),
            Fact::JournalEntry(unit, entry) => self.learn_entry(&unit, entry),
            Fact::Happenings(r) => self.happenings = r,
            Fact::Claims(t, p, r) => drop(self.claims.insert((t, p), r)),
            Fact::Daemon(k, r) => drop(self.daemons.insert(k, r)),
            Fact::OtherNetwork(pid, t, p, r) => drop(self.other_networks.insert((pid, t, p), r)),
            Fact::Sysctl(k, r) => drop(self.sysctls.insert(k, r)),
            Fact::FailedUnits(r) => self.failed_units = r,
            Fact::Ruleset(r) => self.ruleset = r,
            Fact::ChainRules(k, r) => drop(self.chains.insert(k, r)),
            Fact::Elements(k, r) => drop(self.elements.insert(k, r)),
            Fact::Member(set, key, r) => drop(self.members.insert((set, key), r)),
            Fact::Legacy(r) => self.legacy = r,
            Fact::Recent(k, r) => drop(self.recent.insert(k, r)),
            Fact::Links(r) => self.links = r,
            Fact::Route(k, r) => drop(self.routes.insert(k, r)),
            Fact::Routing(r) => self.routing = r,
            Fact::Path(k, r) => drop(self.paths.insert(k, r)),
            Fact::Neighbour(ip, interface, r) => drop(self.neighbours.insert((ip, interface), r)),
            Fact::Firewalld(r) => self.firewalld = r,
            Fact::Ufw(r) => self.ufw = r,
            Fact::Fail2ban(r) => self.fail2ban = r,
            Fact::RuleFiles(r) => self.rule_files = r,
            Fact::Containers(r) => self.containers = r,
            Fact::Container(k, r) => drop(self.inspected.insert(k, r)),
            Fact::Watched(k, r) => drop(self.watched.insert(k, r)),
            Fact::Apparmor(k, r) => drop(self.apparmor.insert(k, r)),
            Fact::Selinux(k, t, p, r) => drop(self.selinux.insert((k, t, p), r)),
            Fact::Denials(r) => self.denials = r,
            Fact::Libwrap(pid, program, r) => drop(self.libwraps.insert((pid, program), r)),
            Fact::HostsAccess(r) => self.hosts_access = r,
            Fact::ClientName(k, r) => drop(self.client_names.insert(k, r)),
            Fact::Exchange(to, tls, r) => drop(self.exchanges.insert((to, tls), r)),
            Fact::Limits(k, r) => drop(self.limits.insert(k, r)),
            Fact::Proxies(k, r) => drop(self.proxies.insert(k, r)),
            Fact::Xinetd(r) => self.xinetd = r,
        }
    }

    fn learn_entry(&mut self, unit: &str, entry: Entry) {
        if let Some(Reading::Known(known)) = self.journals.get_mut(unit) {
            let entries = &mut known.value.entries;
            entries.push(entry);
            if entries.len() > Journal::MOST {
                entries.drain(..Journal::MOST / 10);
            }
        }
    }

    /// True while the answer to this question is on its way.
    pub fn is_pending(&self, question: &Question) -> bool {
        fn pending<T>(reading: Option<&Reading<T>>) -> bool {
            matches!(reading, Some(Reading::Pending))
        }
        match question {
            Question::Host => pending(Some(&self.host)),
            Question::Addresses => pending(Some(&self.addresses)),
            Question::Name(k) => pending(self.names.get(k)),
            Question::Dial(k) => pending(self.dials.get(k)),
            Question::Listeners(t, p) => pending(self.listeners.get(&(*t, *p))),
            Question::AllListeners => pending(Some(&self.all_listeners)),
            Question::UnixSocket(k) => pending(self.unix_sockets.get(k)),
            Question::Owner { inode, .. } => pending(self.owners.get(inode)),
            Question::Unit(k) => pending(self.units.get(k)),
            Question::Journal(k) => pending(self.journals.get(k)),
            Question::Happenings => pending(Some(&self.happenings)),
            Question::Claims(t, p) => pending(self.claims.get(&(*t, *p))),
            Question::Daemon(k) => pending(self.daemons.get(k)),
            Question::OtherNetwork { pid, transport, port } => {
                pending(self.other_networks.get(&(*pid, *transport, *port)))
            }
            Question::Sysctl(k) => pending(self.sysctls.get(k)),
            Question::FailedUnits => pending(Some(&self.failed_units)),
            Question::Ruleset => pending(Some(&self.ruleset)),
            Question::ChainRules(k) => pending(self.chains.get(k)),
            Question::Elements(k) => pending(self.elements.get(k)),
            Question::Member(set, key) => pending(self.members.get(&(set.clone(), key.clone()))),
            Question::Legacy => pending(Some(&self.legacy)),
            Question::Recent(k) => pending(self.recent.get(k)),
            Question::Links => pending(Some(&self.links)),
            Question::Route(k) => pending(self.routes.get(k)),
            Question::Routing => pending(Some(&self.routing)),
            Question::Path(k) => pending(self.paths.get(k)),
            Question::Neighbour(ip, interface) => pending(self.neighbours.get(&(*ip, interface.clone()))),
            Question::Firewalld => pending(Some(&self.firewalld)),
            Question::Ufw => pending(Some(&self.ufw)),
            Question::Fail2ban => pending(Some(&self.fail2ban)),
            Question::RuleFiles => pending(Some(&self.rule_files)),
            Question::Containers => pending(Some(&self.containers)),
            Question::Container(k) => pending(self.inspected.get(k)),
            Question::Watched(k) => pending(self.watched.get(k)),
            Question::Apparmor(k) => pending(self.apparmor.get(k)),
            Question::Selinux(k, t, p) => pending(self.selinux.get(&(k.clone(), *t, *p))),
            Question::Denials => pending(Some(&self.denials)),
            Question::Libwrap { pid, program } => pending(self.libwraps.get(&(*pid, program.clone()))),
            Question::HostsAccess => pending(Some(&self.hosts_access)),
            Question::ClientName(k) => pending(self.client_names.get(k)),
            Question::Exchange(request) => pending(self.exchanges.get(&(request.to, request.tls))),
            Question::Limits(k) => pending(self.limits.get(k)),
            Question::Proxies(k) => pending(self.proxies.get(k)),
            Question::Xinetd => pending(Some(&self.xinetd)),
        }
    }

    /// How many connection attempts were made.
    pub fn probes(&self) -> usize {
        fn made<'a, T: 'a>(readings: impl Iterator<Item = &'a Reading<T>>) -> usize {
            readings.filter(|reading| !reading.is_open()).count()
        }
        let hops: usize = self.paths.values().filter_map(Reading::value).map(|path| path.probes).sum();
        made(self.dials.values()) + hops + made(self.watched.values()) + made(self.exchanges.values())
    }
}

impl Fact {
    /// The answer that a question gets when its source could not give one.
    pub fn without_value(question: &Question, reading: Reading<std::convert::Infallible>) -> Self {
        fn any<T>(r: Reading<std::convert::Infallible>) -> Reading<T> {
            r.map(|never| match never {})
        }
        match question.clone() {
            Question::Host => Self::Host(any(reading)),
            Question::Addresses => Self::Addresses(any(reading)),
            Question::Name(k) => Self::Name(k, any(reading)),
            Question::Dial(k) => Self::Dial(k, any(reading)),
            Question::Listeners(t, p) => Self::Listeners(t, p, any(reading)),
            Question::AllListeners => Self::AllListeners(any(reading)),
            Question::UnixSocket(k) => Self::UnixSocket(k, any(reading)),
            Question::Owner { inode, .. } => Self::Owner(inode, any(reading)),
            Question::Unit(k) => Self::Unit(k, any(reading)),
            Question::Journal(k) => Self::Journal(k, any(reading)),
            Question::Happenings => Self::Happenings(any(reading)),
            Question::Claims(t, p) => Self::Claims(t, p, any(reading)),
            Question::Daemon(k) => Self::Daemon(k, any(reading)),
            Question::OtherNetwork { pid, transport, port } => Self::OtherNetwork(pid, transport, port, any(reading)),
            Question::Sysctl(k) => Self::Sysctl(k, any(reading)),
            Question::FailedUnits => Self::FailedUnits(any(reading)),
            Question::Ruleset => Self::Ruleset(any(reading)),
            Question::ChainRules(k) => Self::ChainRules(k, any(reading)),
            Question::Elements(k) => Self::Elements(k, any(reading)),
            Question::Member(set, key) => Self::Member(set, key, any(reading)),
            Question::Legacy => Self::Legacy(any(reading)),
            Question::Recent(k) => Self::Recent(k, any(reading)),
            Question::Links => Self::Links(any(reading)),
            Question::Route(k) => Self::Route(k, any(reading)),
            Question::Routing => Self::Routing(any(reading)),
            Question::Path(k) => Self::Path(k, any(reading)),
            Question::Neighbour(ip, interface) => Self::Neighbour(ip, interface, any(reading)),
            Question::Firewalld => Self::Firewalld(any(reading)),
            Question::Ufw => Self::Ufw(any(reading)),
            Question::Fail2ban => Self::Fail2ban(any(reading)),
            Question::RuleFiles => Self::RuleFiles(any(reading)),
            Question::Containers => Self::Containers(any(reading)),
            Question::Container(k) => Self::Container(k, any(reading)),
            Question::Watched(k) => Self::Watched(k, any(reading)),
            Question::Apparmor(k) => Self::Apparmor(k, any(reading)),
            Question::Selinux(k, t, p) => Self::Selinux(k, t, p, any(reading)),
            Question::Denials => Self::Denials(any(reading)),
            Question::Libwrap { pid, program } => Self::Libwrap(pid, program, any(reading)),
            Question::HostsAccess => Self::HostsAccess(any(reading)),
            Question::ClientName(k) => Self::ClientName(k, any(reading)),
            Question::Exchange(request) => Self::Exchange(request.to, request.tls, any(reading)),
            Question::Limits(k) => Self::Limits(k, any(reading)),
            Question::Proxies(k) => Self::Proxies(k, any(reading)),
            Question::Xinetd => Self::Xinetd(any(reading)),
        }
    }
}

/// Maps with structured keys, written as lists of pairs (JSON objects only take strings as keys).
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(map: &BTreeMap<K, V>, to: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

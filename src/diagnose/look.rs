//! Reading facts: whoever reads a fact that nobody asked for yet is asking for it.
//!
//! A cause simply reads what it needs. A fact that is not there yet is noted as wanted, the engine asks for it, and the
//! cause is tried again when it arrives. So a new cause is one file, and nobody keeps a list of questions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::facts::apparmor::Apparmor;
use crate::facts::claim::Claims;
use crate::facts::confined::Confined;
use crate::facts::connect::{Dial, Endpoint};
use crate::facts::container::{ContainerKey, Engine, Inspected};
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::denial::Denials;
use crate::facts::exchange::{Exchange, Request};
use crate::facts::firewalls::{Fail2ban, Firewalld, RuleFile, Ufw};
use crate::facts::happening::Past;
use crate::facts::host::{Addresses, Host};
use crate::facts::journal::Journal;
use crate::facts::limits::Limits;
use crate::facts::name::Resolution;
use crate::facts::namespace::OtherNetwork;
use crate::facts::path::Path;
use crate::facts::proxy::Proxies;
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::routing::{NeighbourState, Routing};
use crate::facts::ruleset::{ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Ruleset, SetId};
use crate::facts::selinux::Selinux;
use crate::facts::socket::{Listener, Owner, Transport, UnixSocket};
use crate::facts::unit::Unit;
use crate::facts::watched::{WatchKey, Watched};
use crate::facts::wrappers::{ClientName, HostsAccess, Libwrap};
use crate::facts::xinetd::XinetdService;
use crate::facts::{Case, Facts, Question, Reading};

/// A case being read, and what reading it showed to be missing.
#[derive(Debug)]
pub struct Look<'a> {
    case: &'a Case,
    wants: RefCell<Vec<Question>>,
    /// The same, to be found quickly: rules may ask for thousands of sets.
    wanted: RefCell<BTreeSet<Question>>,
    /// Which attempts are made at other addresses has been decided.
    dials_decided: Cell<bool>,
    open: Cell<bool>,
    blind: RefCell<Vec<String>>,
}

/// What was missing while something was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// An answer is still to come.
    pub open: bool,
    /// Answers that will not come, as clauses after "because".
    pub blind: Vec<String>,
}

impl<'a> Look<'a> {
    /// Begins to read a case.
    pub fn new(case: &'a Case) -> Self {
        Self {
            case,
            wants: RefCell::default(),
            wanted: RefCell::default(),
            dials_decided: Cell::new(false),
            open: Cell::new(false),
            blind: RefCell::default(),
        }
    }

    /// The case, for what is not a fact (target, from).
    pub fn case(&self) -> &'a Case {
        self.case
    }

    /// Runs `look` and tells what was missing meanwhile.
    pub fn noting<T>(&self, look: impl FnOnce() -> T) -> (T, Missing) {
        let open_before = self.open.replace(false);
        let blind_before = self.blind.take();
        let result = look();
        let missing = Missing { open: self.open.replace(open_before), blind: self.blind.replace(blind_before) };
        (result, missing)
    }

    /// Notes what was missing when something else was worked out that is being read now.
    pub(super) fn also_missing(&self, missing: &Missing) {
        if missing.open {
            self.open.set(true);
        }
        self.blind.borrow_mut().extend(missing.blind.iter().cloned());
    }

    /// Everything that was read but never asked for, in order of first need.
    pub fn wants(&self) -> Vec<Question> {
        self.wants.borrow().clone()
    }

    /// The facts, for readings where why they are missing matters.
    pub fn facts(&self) -> &'a Facts {
        &self.case.here
    }

    /// Notes what is missing of a reading and yields its value.
    fn read<T>(&self, reading: Option<&'a Reading<T>>, question: impl FnOnce() -> Question) -> Option<&'a T> {
        match reading {
            None | Some(Reading::NotAsked) => {
                self.open.set(true);
                self.want(question());
                None
            }
            Some(reading) => {
                if reading.is_open() {
                    self.open.set(true);
                }
                if let Some(why) = reading.blind() {
                    self.blind.borrow_mut().push(why);
                }
                reading.value()
            }
        }
    }

    /// Asks, along with what is wanted, for something that nothing depends on yet.
    pub(super) fn ask_along<T>(&self, reading: &Reading<T>, question: impl FnOnce() -> Question) {
        if matches!(reading, Reading::NotAsked) {
            self.want(question());
        }
    }

    fn want(&self, question: Question) {
        let mut wanted = self.wanted.borrow_mut();
        if !wanted.contains(&question) {
            wanted.insert(question.clone());
            self.wants.borrow_mut().push(question);
        }
    }

    /// Notes that something is still to come.
    pub(super) fn wait(&self) {
        self.open.set(true);
    }

    /// Asks for what something else wants that is worked out from the same facts; until it has it, this waits.
    pub(super) fn wait_for(&self, questions: Vec<Question>) {
        if !questions.is_empty() {
            self.open.set(true);
        }
        for question in questions {
            self.want(question);
        }
    }

    /// The host.
    pub fn host(&self) -> Option<&'a Host> {
        self.read(Some(&self.facts().host), || Question::Host)
    }

    /// Its addresses.
    pub fn addresses(&self) -> Option<&'a Addresses> {
        self.read(Some(&self.facts().addresses), || Question::Addresses)
    }

    /// What a name leads to.
    pub fn name(&self, name: &str) -> Option<&'a Resolution> {
        self.read(self.facts().names.get(name), || Question::Name(name.into()))
    }

    /// A connection attempt. Causes use [`Look::dialled`]: only the symptom decides which attempts are made.
    pub(super) fn dial(&self, to: &Endpoint) -> Option<&'a Dial> {
        self.read(self.facts().dials.get(to), || Question::Dial(to.clone()))
    }

    /// Says that no other attempts will be made than those asked for by now.
    pub(super) fn dials_are_decided(&self) {
        self.dials_decided.set(true);
    }

    /// A connection attempt, if one was made or is under way; never causes one.
    pub fn dialled(&self, to: &Endpoint) -> Option<&'a Dial> {
        let reading = self.facts().dials.get(to).filter(|r| !matches!(r, Reading::NotAsked));
        let may_come = !self.dials_decided.get() || self.wanted.borrow().contains(&Question::Dial(to.clone()));
        if reading.is_none() && may_come {
            self.open.set(true);
        }
        self.read(Some(reading?), || Question::Dial(to.clone()))
    }

    /// Sockets that listen on a port, on whatever address.
    pub fn listeners(&self, transport: Transport, port: u16) -> Option<&'a [Listener]> {
        self.read(self.facts().listeners.get(&(transport, port)), || Question::Listeners(transport, port))
            .map(Vec::as_slice)
    }

    /// All listening sockets. Costs more than one port's: ask only where a daemon's other ports matter.
    pub fn all_listeners(&self) -> Option<&'a [Listener]> {
        self.read(Some(&self.facts().all_listeners), || Question::AllListeners).map(Vec::as_slice)
    }

    /// A unix socket.
    pub fn unix_socket(&self, name: &str) -> Option<&'a UnixSocket> {
        self.read(self.facts().unix_sockets.get(name), || Question::UnixSocket(name.into()))
    }

    /// Who holds a listener.
    pub fn owner(&self, of: &Listener) -> Option<&'a Owner> {
        self.owner_of(of.inode, of.cgroup)
    }

    /// Who holds a socket.
    pub fn owner_of(&self, inode: u32, cgroup: Option<u64>) -> Option<&'a Owner> {
        self.read(self.facts().owners.get(&inode), || Question::Owner { inode, cgroup })
    }

    /// A unit. One that systemd does not know has load state `not-found`.
    pub fn unit(&self, name: &str) -> Option<&'a Unit> {
        self.read(self.facts().units.get(name), || Question::Unit(name.into()))
    }

    /// The journal of a unit.
    pub fn journal(&self, unit: &str) -> Option<&'a Journal> {
        self.read(self.facts().journals.get(unit), || Question::Journal(unit.into()))
    }

    /// What happened on the host lately. Ask only where a reading shows that something came and went.
    pub fn happenings(&self) -> Option<&'a Past> {
        self.read(Some(&self.facts().happenings), || Question::Happenings)
    }

    /// Who should serve a port.
    pub fn claims(&self, transport: Transport, port: u16) -> Option<&'a Claims> {
        self.read(self.facts().claims.get(&(transport, port)), || Question::Claims(transport, port))
    }

    /// The effective configurations of a daemon's instances; none installed is an empty list.
    pub fn daemon(&self, daemon: Daemon) -> Option<&'a [DaemonConfig]> {
        self.read(self.facts().daemons.get(&daemon), || Question::Daemon(daemon)).map(Vec::as_slice)
    }

    /// The network namespace of a process.
    pub fn other_network(&self, pid: u32, transport: Transport, port: u16) -> Option<&'a OtherNetwork> {
        self.read(self.facts().other_networks.get(&(pid, transport, port)), || Question::OtherNetwork {
            pid,
            transport,
            port,
        })
    }

    /// A kernel setting (`net/core/somaxconn`), trimmed.
    pub fn sysctl(&self, path: &str) -> Option<&'a str> {
        self.read(self.facts().sysctls.get(path), || Question::Sysctl(path.into())).map(String::as_str)
    }

    /// Tables, chains and sets of the packet filter.
    pub fn ruleset(&self) -> Option<&'a Ruleset> {
        self.read(Some(&self.facts().ruleset), || Question::Ruleset)
    }

    /// The rules of a chain of nftables.
    pub fn chain_rules(&self, id: &ChainId) -> Option<&'a ChainRules> {
        self.read(self.facts().chains.get(id), || Question::ChainRules(id.clone()))
    }

    /// The elements of a set.
    pub fn elements(&self, id: &SetId) -> Option<&'a Elements> {
        self.read(self.facts().elements.get(id), || Question::Elements(id.clone()))
    }

    /// The element of a set that holds a key. Outer none: not known (yet); inner none: it is in none.
    pub fn member(&self, set: &SetId, key: &[u8]) -> Option<Option<&'a Element>> {
        let reading = self.facts().members.get(&(set.clone(), key.to_vec()));
        if matches!(reading, Some(Reading::Absent)) {
            return Some(None);
        }
        self.read(reading, || Question::Member(set.clone(), key.to_vec())).map(Some)
    }

    /// The legacy tables of iptables; where there are none, none.
    pub fn legacy(&self) -> Option<&'a [LegacyTable]> {
        if matches!(self.facts().legacy, Reading::Absent) {
            return Some(&[]);
        }
        self.read(Some(&self.facts().legacy), || Question::Legacy).map(Vec::as_slice)
    }

    /// A list of xt_recent.
    pub fn recent(&self, name: &str) -> Option<&'a Recent> {
        self.read(self.facts().recent.get(name), || Question::Recent(name.into()))
    }

    /// The network interfaces.
    pub fn links(&self) -> Option<&'a [Link]> {
        self.read(Some(&self.facts().links), || Question::Links).map(Vec::as_slice)
    }

    /// The way to an address.
    pub fn route(&self, key: &RouteKey) -> Option<&'a Route> {
        self.read(self.facts().routes.get(key), || Question::Route(key.clone()))
    }

    /// The policy rules, and the routes that refuse.
    pub fn routing(&self) -> Option<&'a Routing> {
        self.read(Some(&self.facts().routing), || Question::Routing)
    }

    /// The way of a TCP connection. Costs probes: only asked for where nobody says who refuses.
    pub(super) fn path(&self, to: &Endpoint) -> Option<&'a Path> {
        self.read(self.facts().paths.get(to), || Question::Path(to.clone()))
    }

    /// Does the kernel know this host on this link? Outer none: not known (yet); inner none: it knows nothing of it.
    pub fn neighbour(&self, ip: IpAddr, interface: &str) -> Option<Option<NeighbourState>> {
        let reading = self.facts().neighbours.get(&(ip, interface.to_owned()));
        if matches!(reading, Some(Reading::Absent)) {
            return Some(None);
        }
        self.read(reading, || Question::Neighbour(ip, interface.to_owned())).map(|state| Some(*state))
    }

    /// firewalld, where it runs.
    pub fn firewalld(&self) -> Option<&'a Firewalld> {
        self.read(Some(&self.facts().firewalld), || Question::Firewalld)
    }

    /// ufw, where it is installed.
    pub fn ufw(&self) -> Option<&'a Ufw> {
        self.read(Some(&self.facts().ufw), || Question::Ufw)
    }

    /// fail2ban, where it runs.
    pub fn fail2ban(&self) -> Option<&'a Fail2ban> {
        self.read(Some(&self.facts().fail2ban), || Question::Fail2ban)
    }

    /// The files that rules are loaded from.
    pub fn rule_files(&self) -> Option<&'a [RuleFile]> {
        self.read(Some(&self.facts().rule_files), || Question::RuleFiles).map(Vec::as_slice)
    }

    /// The container engines; where there are none, none. What one of them does not tell is noted.
    pub fn engines(&self) -> Option<&'a [Engine]> {
        if matches!(self.facts().containers, Reading::Absent) {
            return Some(&[]);
        }
        let engines = self.read(Some(&self.facts().containers), || Question::Containers)?;
        self.blind.borrow_mut().extend(engines.iter().filter_map(|engine| engine.containers.blind()));
        Some(engines)
    }

    /// A container from near.
    pub fn container(&self, key: &ContainerKey) -> Option<&'a Inspected> {
        self.read(self.facts().inspected.get(key), || Question::Container(key.clone()))
    }

    /// Whether a process, or else a program, uses libwrap.
    pub fn libwrap(&self, pid: u32, program: &str) -> Option<&'a Libwrap> {
        let key = (pid, program.to_owned());
        let question = || Question::Libwrap { pid, program: program.to_owned() };
        self.read(self.facts().libwraps.get(&key), question)
    }

    /// hosts.allow and hosts.deny.
    pub fn hosts_access(&self) -> Option<&'a HostsAccess> {
        self.read(Some(&self.facts().hosts_access), || Question::HostsAccess)
    }

    /// The name that libwrap finds for a client. Costs a look-up: only for a line that needs it.
    pub fn client_name(&self, address: IpAddr) -> Option<&'a ClientName> {
        self.read(self.facts().client_names.get(&address), || Question::ClientName(address))
    }

    /// What a server says to a request. Costs a probe: only where a URL was asked for and the connection stands.
    pub fn exchange(&self, request: &Request) -> Option<&'a Exchange> {
        let reading = self.facts().exchanges.get(&(request.to, request.tls));
        self.read(reading, || Question::Exchange(request.clone()))
    }

    /// How many files a process may open. Only asked for where it may be out of them.
    pub fn limits(&self, pid: u32) -> Option<&'a Limits> {
        self.read(self.facts().limits.get(&pid), || Question::Limits(pid))
    }

    /// The proxies that a process is told to use; 0: whoever asks. Where there are none, none.
    pub fn proxies(&self, pid: u32) -> Option<&'a Proxies> {
        static NONE: Proxies = Proxies { settings: Vec::new(), except: Vec::new() };
        if matches!(self.facts().proxies.get(&pid), Some(Reading::Absent)) {
            return Some(&NONE);
        }
        self.read(self.facts().proxies.get(&pid), || Question::Proxies(pid))
    }

    /// The services of xinetd; where it is not installed, none.
    pub fn xinetd(&self) -> Option<&'a [XinetdService]> {
        if matches!(self.facts().xinetd, Reading::Absent) {
            return Some(&[]);
        }
        self.read(Some(&self.facts().xinetd), || Question::Xinetd).map(Vec::as_slice)
    }

    /// The kernel's own word about an attempt to there, if it was watched; never causes an attempt.
    pub fn watched_already(&self, to: &Endpoint) -> Option<&'a Watched> {
        self.facts().watched.iter().filter(|(key, _)| key.to == *to).find_map(|(_, reading)| reading.value())
    }

    /// The kernel's own word about an attempt. Costs a probe: only the firewall box asks for it.
    pub fn watched(&self, key: &WatchKey) -> Option<&'a Watched> {
        self.read(self.facts().watched.get(key), || Question::Watched(key.clone()))
    }

    /// What AppArmor says about a program, where this kernel has it.
    pub fn apparmor(&self, about: &Confined) -> Option<&'a Apparmor> {
        self.read(self.facts().apparmor.get(about), || Question::Apparmor(about.clone()))
    }

    /// What SELinux says about a program and a port, where it is active.
    pub fn selinux(&self, about: &Confined, transport: Transport, port: u16) -> Option<&'a Selinux> {
        let reading = self.facts().selinux.get(&(about.clone(), transport, port));
        self.read(reading, || Question::Selinux(about.clone(), transport, port))
    }

    /// What security modules denied.
    pub fn denials(&self) -> Option<&'a Denials> {
        self.read(Some(&self.facts().denials), || Question::Denials)
    }
}

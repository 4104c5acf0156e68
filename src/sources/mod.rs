//! HOW WE LOOK: the only modules that read the machine. One file an interface; every question is answered here, each
//! within its own deadline, and the screen never waits for the slowest.

#![expect(clippy::disallowed_methods, reason = "sources are the modules that may read the host")]

pub mod apparmor;
pub mod audit;
pub mod cgroup;
pub mod claims;
mod commands;
pub mod config;
pub mod container;
pub mod counters;
pub mod dbus;
pub mod dial;
mod exchange;
pub mod far;
pub mod files;
pub mod firewalls;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod happenings;
pub mod journal;
pub mod live;
pub mod netlink;
mod patience;
pub mod procfs;
mod program;
mod proxies;
pub mod resolver;
pub mod selinux;
pub mod tracefs;
pub mod trouble;
pub mod watched;
pub mod wrappers;
mod xinetd;
pub mod xtables;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use crate::facts::socket::{Listener, Owner};
use crate::facts::{Fact, Question, Reading};
use dbus::Bus;
use netlink::nftables;
pub use patience::patient;
pub use trouble::Trouble;

/// Answers that may be on their way at once.
pub const IN_FLIGHT: usize = 256;

/// A fact on its way to whoever asked.
#[derive(Debug)]
pub struct Arrival {
    /// The look that asked; answers of an earlier look are dropped.
    pub generation: u64,
    /// The answer.
    pub fact: Fact,
}

/// The sources of this host.
#[derive(Debug, Clone)]
pub struct Sources {
    arrivals: mpsc::Sender<Arrival>,
    bus: Arc<Bus>,
}

impl Sources {
    /// Sources that send what they find to `arrivals`.
    pub fn new(arrivals: mpsc::Sender<Arrival>) -> Self {
        Self { arrivals, bus: Arc::new(Bus::new()) }
    }

    /// The connection to the system bus, opened on first use.
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Asks a question; the answer arrives on the channel, at the latest when its deadline has passed.
    pub fn ask(&self, question: Question, generation: u64) {
        let (arrivals, bus) = (self.arrivals.clone(), Arc::clone(&self.bus));
        tokio::spawn(async move {
            let began = Instant::now();
            let fact = ended(&question, patient(deadline(&question)), answer(&bus, question.clone())).await;
            tracing::debug!(?question, took = ?began.elapsed(), "answered");
            tracing::trace!(?fact);
            // The receiver is gone when the program is leaving.
            let _ = arrivals.send(Arrival { generation, fact }).await;
        });
    }
}

/// A look as it ends, one way or another: with its answer, out of time, or by a panic. No question stays open.
async fn ended(question: &Question, after: Duration, look: impl Future<Output = Fact>) -> Fact {
    let reading = match AssertUnwindSafe(tokio::time::timeout(after, look)).catch_unwind().await {
        Ok(Ok(fact)) => return fact,
        Ok(Err(_)) => Reading::TimedOut { after },
        Err(_) => Reading::Failed { why: "looking broke off".into() },
    };
    Fact::without_value(question, reading)
}

/// How long a question may take, at most.
fn deadline(question: &Question) -> Duration {
    match question {
        // A dead neighbour answers after 3.1 s, an ICMPv6 reject after 1 s; the dial has its own, shorter limits.
        Question::Dial(_) | Question::Exchange(_) => Duration::from_secs(6),
        Question::Name(_) | Question::ClientName(_) => Duration::from_secs(5),
        Question::Journal(_)
        | Question::Happenings
        | Question::AllListeners
        | Question::Claims(..)
        | Question::Daemon(_) => Duration::from_secs(3),
        Question::Host
        | Question::Addresses
        | Question::Listeners(..)
        | Question::UnixSocket(_)
        | Question::Owner { .. }
        | Question::Unit(_)
        | Question::OtherNetwork { .. }
        | Question::Sysctl(_)
        | Question::FailedUnits
        | Question::Links
        | Question::Route(_)
        | Question::Routing
        | Question::Neighbour(..)
        | Question::Ruleset
        | Question::Member(..)
        | Question::Recent(_)
        | Question::Ufw
        | Question::RuleFiles
        | Question::Libwrap { .. }
        | Question::HostsAccess
        | Question::Limits(_)
        | Question::Proxies(_)
        | Question::Xinetd
        | Question::Apparmor(_) => Duration::from_secs(2),
        // What was read by then is handed over; the source keeps its own, shorter time.
        Question::ChainRules(_)
        | Question::Elements(_)
        | Question::Legacy
        | Question::Firewalld
        | Question::Fail2ban
        | Question::Containers
        | Question::Container(_)
        | Question::Selinux(..)
        | Question::Denials => Duration::from_secs(4),
        // Rounds of a second; how far the silent part of a way goes is bounded.
        Question::Path(_) => Duration::from_secs(12),
        Question::Watched(_) => Duration::from_secs(8),
    }
}

async fn answer(bus: &Arc<Bus>, question: Question) -> Fact {
    match question {
        Question::Host => Fact::Host(blocking(procfs::host).await),
        Question::Addresses => Fact::Addresses(blocking(netlink::route::addresses).await),
        Question::Name(name) => {
            let asked = name.clone();
            Fact::Name(name, blocking(move || resolver::resolve(&asked)).await)
        }
        Question::Dial(_) | Question::Exchange(_) => of_the_connection(question).await,
        Question::Listeners(transport, port) => {
            Fact::Listeners(transport, port, blocking(move || netlink::sock_diag::listeners(transport, port)).await)
        }
        Question::AllListeners => Fact::AllListeners(blocking(netlink::sock_diag::all_listeners).await),
        Question::UnixSocket(name) => {
            let asked = name.clone();
            Fact::UnixSocket(name, blocking(move || netlink::sock_diag::unix_socket(&asked)).await)
        }
        Question::Owner { inode, cgroup } => Fact::Owner(inode, blocking(move || procfs::owner(inode, cgroup)).await),
        Question::Unit(name) => Fact::Unit(name.clone(), dbus::systemd::unit(bus, &name).await),
        Question::Journal(_) | Question::Happenings => of_what_was(bus, question).await,
        Question::Claims(transport, port) => {
            Fact::Claims(transport, port, blocking(move || claims::read(transport, port)).await)
        }
        Question::Daemon(daemon) => Fact::Daemon(daemon, blocking(move || config::read(daemon)).await),
        Question::OtherNetwork { pid, transport, port } => Fact::OtherNetwork(
            pid,
            transport,
            port,
            blocking(move || procfs::other_network(pid, transport, port)).await,
        ),
        Question::Sysctl(path) => sysctl(path).await,
        Question::FailedUnits => Fact::FailedUnits(dbus::systemd::failed_units(bus).await),
        Question::Links | Question::Route(_) | Question::Routing | Question::Neighbour(..) | Question::Path(_) => {
            of_the_network(question).await
        }
        Question::Ruleset
        | Question::ChainRules(_)
        | Question::Elements(_)
        | Question::Member(..)
        | Question::Legacy
        | Question::Recent(_)
        | Question::Firewalld
        | Question::Ufw
        | Question::Fail2ban
        | Question::RuleFiles
        | Question::Containers
        | Question::Container(_)
        | Question::Watched(_) => of_the_filter(bus, question).await,
        Question::Apparmor(_)
        | Question::Selinux(..)
        | Question::Denials
        | Question::Libwrap { .. }
        | Question::HostsAccess
        | Question::ClientName(_)
        | Question::Limits(_)
        | Question::Proxies(_)
        | Question::Xinetd => of_who_allows(question).await,
    }
}

/// Questions that a server is asked itself.
async fn of_the_connection(question: Question) -> Fact {
    if let Question::Exchange(request) = question {
        return Fact::Exchange(request.to, request.tls, exchange::ask(&request).await);
    }
    if let Question::Dial(to) = question {
        return Fact::Dial(to.clone(), dial::dial(&to).await);
    }
    Fact::without_value(&question, Reading::Failed { why: "no server is asked that".into() })
}

/// Questions about what happened.
async fn of_what_was(bus: &Bus, question: Question) -> Fact {
    let Question::Journal(unit) = question else { return Fact::Happenings(happenings::lately(bus).await) };
    Fact::Journal(unit.clone(), journal::read(&unit).await)
}

/// Questions about what allows or forbids besides the packet filter, and about single processes.
async fn of_who_allows(question: Question) -> Fact {
    if let Question::Limits(pid) = question {
        return Fact::Limits(pid, blocking(move || procfs::limits(pid)).await);
    }
    if let Question::Proxies(pid) = question {
        return Fact::Proxies(pid, blocking(move || proxies::read(pid)).await);
    }
    if matches!(question, Question::Libwrap { .. } | Question::HostsAccess | Question::ClientName(_) | Question::Xinetd)
    {
        return of_the_wrappers(question).await;
    }
    of_security_modules(question).await
}

/// Questions about interfaces, routes and who is on a link.
async fn of_the_network(question: Question) -> Fact {
    if let Question::Route(key) = question {
        let asked = key.clone();
        return Fact::Route(key, blocking(move || netlink::lookup::route(&asked)).await);
    }
    if let Question::Neighbour(ip, interface) = question {
        let asked = interface.clone();
        return Fact::Neighbour(ip, interface, blocking(move || netlink::neighbour::state(ip, &asked)).await);
    }
    if let Question::Path(to) = question {
        return Fact::Path(to.clone(), dial::path_to(&to).await);
    }
    if let Question::Routing = question {
        return Fact::Routing(blocking(netlink::rules::routing).await);
    }
    Fact::Links(blocking(netlink::links::links).await)
}

async fn sysctl(path: String) -> Fact {
    let asked = path.clone();
    Fact::Sysctl(path, blocking(move || procfs::sysctl(&asked)).await)
}

/// Questions about TCP wrappers.
async fn of_the_wrappers(question: Question) -> Fact {
    if let Question::Libwrap { pid, program } = question {
        let asked = program.clone();
        return Fact::Libwrap(pid, program, blocking(move || wrappers::libwrap(pid, &asked)).await);
    }
    if let Question::ClientName(address) = question {
        return Fact::ClientName(address, blocking(move || wrappers::client_name(address)).await);
    }
    if let Question::Xinetd = question {
        return Fact::Xinetd(blocking(xinetd::read).await);
    }
    Fact::HostsAccess(blocking(wrappers::hosts_access).await)
}

/// Questions about the packet filter; some no source answers yet.
async fn of_the_filter(bus: &Bus, question: Question) -> Fact {
    if let Question::Ruleset = question {
        return Fact::Ruleset(blocking(nftables::ruleset).await);
    }
    if let Question::ChainRules(id) = question {
        let asked = id.clone();
        return Fact::ChainRules(id, blocking(move || nftables::chain_rules(&asked)).await);
    }
    if let Question::Elements(id) = question {
        let asked = id.clone();
        return Fact::Elements(id, blocking(move || nftables::elements(&asked)).await);
    }
    if let Question::Member(id, key) = question {
        let (set, wanted) = (id.clone(), key.clone());
        return Fact::Member(id, key, blocking(move || nftables::member(&set, &wanted)).await);
    }
    if let Question::Legacy = question {
        return Fact::Legacy(blocking(xtables::legacy).await);
    }
    if let Question::Recent(name) = question {
        let asked = name.clone();
        return Fact::Recent(name, blocking(move || xtables::recent(&asked)).await);
    }
    if let Question::Watched(key) = question {
        return Fact::Watched(key.clone(), watched::watch(&key).await);
    }
    let of_the_managers = of_the_managers(bus, &question).await;
    of_the_managers
        .unwrap_or_else(|| Fact::without_value(&question, Reading::Failed { why: "not looked at yet".into() }))
}

/// Questions about AppArmor, SELinux, and what they denied.
async fn of_security_modules(question: Question) -> Fact {
    if let Question::Apparmor(about) = question {
        let asked = about.clone();
        return Fact::Apparmor(about, blocking(move || apparmor::read(&asked)).await);
    }
    if let Question::Selinux(about, transport, port) = question {
        let asked = about.clone();
        let reading = blocking(move || selinux::read(&asked, transport, port)).await;
        return Fact::Selinux(about, transport, port, reading);
    }
    Fact::Denials(audit::read().await)
}

/// Questions about what the firewall managers were told, and about containers, whose engines make rules, too.
async fn of_the_managers(bus: &Bus, question: &Question) -> Option<Fact> {
    if *question == Question::Firewalld {
        return Some(Fact::Firewalld(dbus::firewalld::read(bus).await));
    }
    if *question == Question::Ufw {
        return Some(Fact::Ufw(blocking(firewalls::ufw::read).await));
    }
    if *question == Question::Fail2ban {
        return Some(Fact::Fail2ban(firewalls::fail2ban::read().await));
    }
    if *question == Question::RuleFiles {
        return Some(Fact::RuleFiles(blocking(firewalls::rule_files::read).await));
    }
    if *question == Question::Containers {
        return Some(Fact::Containers(container::engines().await));
    }
    if let Question::Container(key) = question {
        return Some(Fact::Container(key.clone(), container::inspect(key).await));
    }
    None
}

/// Who holds each of these sockets; none where that cannot be told in time.
pub async fn owners(of: Vec<Listener>) -> BTreeMap<u32, Owner> {
    const WITHIN: Duration = Duration::from_secs(10);
    let look = tokio::time::timeout(WITHIN, blocking(move || procfs::owners(&of).map(Some))).await;
    match look {
        Ok(Reading::Known(known)) => known.value,
        _ => BTreeMap::new(),
    }
}

/// Runs a blocking look on tokio's blocking threads, timed, and makes a reading of it.
async fn blocking<T: Send + 'static>(look: impl FnOnce() -> Result<Option<T>, Trouble> + Send + 'static) -> Reading<T> {
    match tokio::task::spawn_blocking(move || trouble::timed(look)).await {
        Ok(reading) => reading,
        Err(_) => Reading::Failed { why: "looking broke off".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_look_that_breaks_off_ends_its_question() {
        let fact = ended(&Question::Host, SHORT, async { panic!("a defect") }).await;
        assert_eq!(fact, Fact::Host(Reading::Failed { why: "looking broke off".into() }));
        let name = Question::Unit("a.service".into());
        let fact = ended(&name, SHORT, std::future::pending()).await;
        assert_eq!(fact, Fact::Unit("a.service".into(), Reading::TimedOut { after: SHORT }));
        let fact = ended(&name, SHORT, async { Fact::Unit("a.service".into(), Reading::Absent) }).await;
        assert_eq!(fact, Fact::Unit("a.service".into(), Reading::Absent));
    }

    #[tokio::test]
    async fn a_blocking_look_that_breaks_off_ends_too() {
        let reading: Reading<()> = blocking(|| panic!("a defect")).await;
        assert_eq!(reading, Reading::Failed { why: "looking broke off".into() });
    }
}

//! The symptom: which connection attempts are made, what the asked side gets, and who answered.
//!
//! Attempts are few and counted: fail2ban, `ufw limit` and socket trigger limits count them too. The diagnosed address
//! is tried first; the others only when trying them spends nothing.

use super::answering::{Whose, whose};
use super::asked::{as_asked, tells_of_others, untold};
use super::greeting;
use super::look::Look;
use super::proxy;
use super::sandbox;
use super::subject::{Asker, Subject};
use super::verdict::{Symptom, Vantage};
use super::ways::Filter;
use super::{wrappers, xinetd};
use crate::facts::Reading;
use crate::facts::connect::{Dial, Endpoint, Outcome};

/// Addresses that are tried besides the diagnosed one, at most.
const MOST_OTHERS: usize = 6;

/// What the attempts showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What the asked side gets.
    pub(super) outcome: Option<Outcome>,
    /// Every attempt.
    pub(super) symptoms: Vec<Symptom>,
    /// The outcome is that of an attempt, or of the name.
    pub(super) attempted: bool,
    /// Remarks.
    pub(super) notes: Vec<String>,
    /// Why the outcome is only what this host itself gets, or no outcome of an attempt at all.
    pub(super) unsure: Option<String>,
    /// Why the rules, which were read, do not tell what the asked side gets.
    pub(super) untold: Option<String>,
}

/// Makes the attempts wanted and reads those that were made.
pub(super) fn look_at(filter: &Filter<'_, '_>, look: &Look<'_>, subject: &Subject) -> Seen {
    let (seen, missing) = look.noting(|| attempts(filter, look, subject));
    look.also_missing(&missing);
    if !missing.open {
        look.dials_are_decided();
    }
    seen
}

fn attempts(filter: &Filter<'_, '_>, look: &Look<'_>, subject: &Subject) -> Seen {
    let mut seen = Seen::default();
    if let Some(error) = unresolved(look, subject) {
        seen.outcome = Some(Outcome::Unresolved);
        seen.attempted = true;
        seen.notes.push(error);
        return seen;
    }
    let Some(endpoint) = subject.endpoint() else {
        without_port(look, subject, &mut seen);
        return seen;
    };
    let Some(dial) = look.dial(&endpoint) else {
        // Without an attempt there is no outcome, but why it could not be made is one.
        if let Some(reading) = look.facts().dials.get(&endpoint).filter(|r| !r.is_open()) {
            seen.outcome = Some(Outcome::Error);
            seen.unsure = Some(reading.blind().unwrap_or_else(|| "no attempt could be made".into()));
        }
        return seen;
    };
    let (mut asked, mut tells) = (None, true);
    let (outcome, missing) = look.noting(|| {
        let for_others = subject.local == Some(true) && subject.from != Asker::Here && subject.path.is_none();
        tells = !for_others || tells_of_others(look, dial) == Some(true);
        asked = as_asked(filter, look, subject, dial, &mut seen.notes);
        let served = from_the_unit(look, subject, asked?, &mut seen.notes)?;
        let reached = sandbox::outcome(look, subject, dial, served)?;
        let wrapped = wrappers::outcome(look, subject, dial, reached)?;
        let let_in = xinetd::outcome(look, subject, dial, wrapped)?;
        Some(greeting::outcome(subject, dial, let_in))
    });
    look.also_missing(&missing);
    if asked.is_none() && !missing.open {
        seen.untold = untold(filter, look, subject);
    }
    if outcome.is_none() && !missing.open {
        seen.notes.extend(unseen_owner(look, subject, dial));
    }
    // What only this host itself gets, for a reason of its own, is nobody else's to explain.
    seen.attempted = outcome.is_some() || tells;
    seen.outcome = outcome.or((!missing.open).then_some(dial.outcome));
    seen.unsure = if outcome.is_none() { missing.blind.into_iter().next() } else { None };
    seen.symptoms.push(symptom(look, dial, subject, true));
    others(look, subject, &mut seen);
    differences(look, &mut seen, subject);
    seen
}

/// A unit of which no port is known cannot be tried. That is an outcome too, or a failed unit could never be explained.
fn without_port(look: &Look<'_>, subject: &Subject, seen: &mut Seen) {
    let Some(unit) = subject.unit.as_ref().filter(|_| subject.port.is_none()) else { return };
    let (_, missing) = look.noting(|| Subject::of(look));
    look.also_missing(&missing);
    if !missing.open {
        seen.attempted = true;
        seen.outcome = Some(Outcome::Error);
        seen.notes.push(format!("no port of {unit} is known, so no connection was tried"));
        seen.unsure = missing.blind.into_iter().next();
    }
}

fn unresolved(look: &Look<'_>, subject: &Subject) -> Option<String> {
    let host = subject.host.as_ref()?;
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let resolution = look.name(host)?;
    resolution.addresses.is_empty().then(|| format!("{host}: {}", resolution.error.as_deref().unwrap_or("no address")))
}

fn others(look: &Look<'_>, subject: &Subject, seen: &mut Seen) {
    // What programs connect to instead is no other address of the target, and spends nothing of it.
    for proxy in proxy::endpoints(look, subject) {
        if let Some(dial) = look.dial(&proxy) {
            seen.symptoms.push(symptom(look, dial, subject, false));
        }
    }
    let others = subject.other_endpoints(look);
    if others.is_empty() {
        return;
    }
    match spending(look, subject) {
        None => return, // not known yet
        Some(Spends::Limit(why)) => {
            seen.notes.push(format!("other addresses were not tried: {why}"));
            return;
        }
        Some(Spends::Nothing) => {}
    }
    if others.len() > MOST_OTHERS {
        seen.notes.push(format!("{} more addresses were not tried", others.len() - MOST_OTHERS));
    }
    look.dials_are_decided();
    for other in others.iter().take(MOST_OTHERS) {
        if let Some(dial) = look.dial(other) {
            seen.symptoms.push(symptom(look, dial, subject, false));
        }
    }
}

/// What another attempt would spend, or may, that decides the verdict.
enum Spends {
    /// Nothing.
    Nothing,
    /// Something, as a clause.
    Limit(&'static str),
}

/// Would another attempt spend something that decides the verdict? None while not known.
fn spending(look: &Look<'_>, subject: &Subject) -> Option<Spends> {
    if subject.local != Some(true) {
        return Some(Spends::Nothing);
    }
    let key = (subject.transport, subject.port?);
    let unseen = Some(Spends::Limit("who listens cannot be seen, and each connection may count against a limit"));
    let Some(listeners) = look.listeners(key.0, key.1) else {
        return if look.facts().listeners.get(&key)?.is_open() { None } else { unseen };
    };
    for listener in listeners {
        match (look.owner(listener), look.facts().owners.get(&listener.inode)) {
            (Some(owner), _) if owner.is_systemd() => {
                let why = "each connection starts a unit and counts against its trigger limit";
                return Some(Spends::Limit(why));
            }
            (Some(_), _) | (None, Some(Reading::Absent)) => {}
            (None, reading) => return if reading.is_none_or(Reading::is_open) { None } else { unseen },
        }
    }
    Some(Spends::Nothing)
}

/// A unit whose port another program has accepts no connections. None: cannot be told (yet).
fn from_the_unit(look: &Look<'_>, subject: &Subject, outcome: Outcome, notes: &mut Vec<String>) -> Option<Outcome> {
    let (Some(port), Outcome::Open) = (subject.port, outcome) else { return Some(outcome) };
    match whose(look, subject) {
        None | Some(Whose::Own) => Some(outcome),
        Some(Whose::Unseen) => None,
        Some(Whose::Other(_, owner)) => {
            notes.push(format!("another program ({}) answers on port {port}", owner.shown()));
            Some(Outcome::Error)
        }
    }
}

fn unseen_owner(look: &Look<'_>, subject: &Subject, dial: &Dial) -> Option<String> {
    let (unit, port) = (subject.unit.as_ref()?, subject.port?);
    let unseen = dial.outcome == Outcome::Open && matches!(whose(look, subject)?, Whose::Unseen);
    unseen.then(|| format!("who answers on port {port} cannot be seen: it may be another program than {unit}"))
}

/// The interface that holds an address of this host.
pub(super) fn interface_of(look: &Look<'_>, address: std::net::IpAddr) -> Option<String> {
    let mine = look.addresses()?;
    mine.all.iter().find(|a| a.address == address).map(|a| a.interface.clone())
}

fn symptom(look: &Look<'_>, dial: &Dial, subject: &Subject, diagnosed: bool) -> Symptom {
    Symptom {
        to: dial.to.clone(),
        outcome: dial.outcome,
        errno: dial.errno.clone(),
        icmp: dial.icmp.clone(),
        answered_by: answered_by(look, dial, subject),
        after: dial.after,
        diagnosed,
        vantage: Vantage::Here,
    }
}

/// This host's kernel answers a datagram that no socket takes with a port-unreachable, and counts it; a rule that
/// answers the same in its place does not.
pub(super) fn is_no_socket(dial: &Dial) -> bool {
    let Endpoint::Udp(to) = dial.to else { return false };
    let counted = if to.is_ipv4() { "Udp.NoPorts" } else { "Udp6.NoPorts" };
    dial.counter(counted) != Some(0) && dial.icmp.as_ref().is_some_and(|icmp| icmp.name() == "port-unreachable")
}

/// What the kernel tells itself when nobody on the link has the address (after about 3 s), or a router about its link.
fn is_no_neighbour(icmp: &str) -> bool {
    matches!(icmp, "host-unreachable" | "addr-unreachable")
}

/// Who made the answer, in words.
fn answered_by(look: &Look<'_>, dial: &Dial, subject: &Subject) -> Option<String> {
    let to = dial.to.ip()?;
    let local = subject.local == Some(true) || to.is_loopback();
    if let Some(icmp) = &dial.icmp {
        let name = icmp.name();
        return Some(match icmp.from {
            Some(from) if from == to && local && is_no_socket(dial) => {
                format!("ICMP {name} from this host's own kernel: no socket there")
            }
            Some(from) if from == to && local => {
                format!("ICMP {name} from this host itself: a filter rule, not a missing listener")
            }
            Some(from) if from == to => format!("ICMP {name} from {from}, the target itself"),
            Some(from) if is_no_neighbour(name) && look.addresses().is_some_and(|mine| mine.holds(from)) => {
                format!("this host's own kernel: no answer to ARP/neighbour discovery for {to}")
            }
            Some(from) => format!("ICMP {name} from {from}"),
            None => format!("ICMP {name}"),
        });
    }
    if let Some(told) = super::whence::words(look, dial).filter(|_| !local) {
        return Some(told);
    }
    match dial.outcome {
        Outcome::Refused if local && matches!(dial.to, Endpoint::Tcp(_)) => Some(match dial.counter("Tcp.OutRsts") {
            Some(0) => "RST, but TCP here sent none (OutRsts did not move): a rule made it".into(),
            Some(_) => "RST from this host's own kernel: no socket there".into(),
            None => "RST from this host".into(),
        }),
        Outcome::Refused => Some(format!("RST from {to}, or from something on the way")),
        Outcome::Open | Outcome::Closed | Outcome::Reset => Some(to.to_string()),
        Outcome::Timeout
        | Outcome::Unreachable
        | Outcome::Denied
        | Outcome::Unresolved
        | Outcome::Silent
        | Outcome::Error => None,
    }
}

fn differences(look: &Look<'_>, seen: &mut Seen, subject: &Subject) {
    let Some(outcome) = seen.outcome else { return };
    // A proxy that is asked instead is another matter.
    let of_target = |to: &Endpoint| subject.other_endpoints(look).contains(to);
    let other = seen.symptoms.iter().filter(|s| !s.diagnosed && s.outcome != outcome && of_target(&s.to));
    let told: Vec<String> = other.map(|s| format!("{} {}", s.to, s.outcome.word())).collect();
    if told.is_empty() {
        return;
    }
    let asked = subject.endpoint().map(|e| e.to_string()).unwrap_or_default();
    seen.notes.push(format!("addresses differ: {asked} {}, but {}", outcome.word(), told.join(", ")));
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, nothing};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::facts::Reading;
    use crate::facts::connect::{Counter, Dial, Endpoint, Icmp, Outcome};
    use crate::facts::socket::Transport;

    /// A datagram to port 7777 that gets this.
    fn udp(outcome: Outcome, icmp: Option<Icmp>) -> Host {
        counted(outcome, icmp, vec![])
    }

    fn counted(outcome: Outcome, icmp: Option<Icmp>, counters: Vec<Counter>) -> Host {
        let to = Endpoint::Udp(SocketAddr::new(OUTSIDE, 7777));
        let after = Duration::from_micros(90);
        let (source, errno, banner) = (None, None, None);
        let dial = Dial { to: to.clone(), source, outcome, errno, icmp, after, retransmits: 0, banner, counters };
        Host::refusing(7777).target("udp://10.2.0.2:7777").facts(|f| {
            f.dials.insert(to, Reading::known(dial));
        })
    }

    #[test]
    fn a_datagram_that_no_socket_takes_is_answered_by_the_kernel_not_by_a_rule() {
        let icmp = Icmp { v6: false, kind: 3, code: 3, from: Some(OUTSIDE) };
        let told = assert_culprit(&udp(Outcome::Refused, Some(icmp)).case(), "no-listener-unknown-service");
        let who = told.symptoms[0].answered_by.as_deref();
        assert_eq!(who, Some("ICMP port-unreachable from this host's own kernel: no socket there"));
        assert_eq!(told.get(BoxId::Firewall).unwrap().summary, "no rule is in the way");
        let icmp = Icmp { v6: false, kind: 3, code: 10, from: Some(OUTSIDE) };
        let told = diagnose(&udp(Outcome::Unreachable, Some(icmp)).case());
        assert!(told.get(BoxId::Firewall).unwrap().summary.contains("a rule here rejects"));
    }

    #[test]
    fn a_rule_that_answers_a_datagram_in_the_place_of_udp_is_not_counted_by_it() {
        let icmp = || Some(Icmp { v6: false, kind: 3, code: 3, from: Some(OUTSIDE) });
        let firewall = |name: &str| {
            let counters = vec![Counter { name: name.into(), delta: 1 }];
            let told = diagnose(&counted(Outcome::Refused, icmp(), counters).case());
            told.get(BoxId::Firewall).unwrap().summary.clone()
        };
        assert!(firewall("Udp.OutDatagrams").contains("a rule here rejects"));
        assert_eq!(firewall("Udp.NoPorts"), "no rule is in the way");
    }

    #[test]
    fn an_address_that_nobody_on_the_link_has() {
        let far: std::net::IpAddr = "10.2.0.99".parse().unwrap();
        for (from, says) in [
            (OUTSIDE, "this host's own kernel: no answer to ARP/neighbour discovery for 10.2.0.99"),
            ("10.2.0.1".parse().unwrap(), "ICMP host-unreachable from 10.2.0.1"),
        ] {
            let host = Host::refusing(80).target("10.2.0.99:80").dial(far, Outcome::Unreachable).facts(|f| {
                let to = Endpoint::Tcp(SocketAddr::new(far, 80));
                let mut dial = f.dials[&to].value().cloned().unwrap();
                dial.icmp = Some(Icmp { v6: false, kind: 3, code: 1, from: Some(from) });
                f.dials.insert(to, Reading::known(dial));
            });
            assert_eq!(diagnose(&host.case()).symptoms[0].answered_by.as_deref(), Some(says));
        }
    }

    #[test]
    fn silence_of_a_bound_socket_proves_nothing_but_the_socket() {
        let host = udp(Outcome::Silent, None).listens("0.0.0.0", "app.service", |l| l.transport = Transport::Udp);
        let case = host.facts(|f| {
            let all = f.listeners.remove(&(Transport::Tcp, 7777)).unwrap();
            f.listeners.insert((Transport::Udp, 7777), all);
        });
        let case = case.case();
        crate::diagnose::promise::keep(&case, &nothing).unwrap();
        let told = diagnose(&case);
        let connect = told.get(BoxId::Connect).unwrap();
        assert_eq!(connect.summary, "a UDP socket is bound: 0.0.0.0:7777, UDP services need not answer");
        assert_eq!((told.culprit, told.outcome), (None, Some(Outcome::Silent)));
    }
}

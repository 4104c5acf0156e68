//! The verdict of a box in which no cause was found: healthy, not needed, or why it cannot be told.

mod container;
mod firewall;
mod network;
mod policy;
mod wrappers;

use std::net::IpAddr;

use crate::diagnose::answering;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::passes_on;
use crate::diagnose::look::{Look, Missing};
use crate::diagnose::remarks::deciding_line;
use crate::diagnose::serving::{Serving, serving};
use crate::diagnose::subject::Subject;
use crate::diagnose::symptom::Seen;
use crate::diagnose::verdict::{BoxState, Evidence, Finding, Verdict, arg, see_unix};
use crate::diagnose::ways::Filter;
use crate::facts::connect::Outcome;
use crate::facts::socket::{Listener, UnixFile};
use crate::facts::unit::Unit;

/// What the boxes are judged from.
pub(in crate::diagnose) struct Judged<'a, 'b> {
    pub(in crate::diagnose) look: &'b Look<'a>,
    pub(in crate::diagnose) subject: &'b Subject,
    /// What working out the subject was missing.
    pub(in crate::diagnose) subject_missing: &'b Missing,
    pub(in crate::diagnose) seen: &'b Seen,
    pub(in crate::diagnose) findings: &'b [Finding],
    /// What the causes of each box were missing.
    pub(in crate::diagnose) missing: &'b [(BoxId, Missing)],
    /// The packet's way through the rules.
    pub(in crate::diagnose) filter: &'b Filter<'a, 'b>,
}

/// The state of one box.
pub(in crate::diagnose) fn state(id: BoxId, judged: &Judged<'_, '_>) -> BoxState {
    if let Some(found) = judged.findings.iter().find(|f| f.in_box == id && !f.latent) {
        return BoxState {
            id,
            verdict: Verdict::No,
            summary: found.summary.clone(),
            because: None,
            evidence: found.evidence.clone(),
            looking: false,
        };
    }
    let (mut state, own) = judged.look.noting(|| {
        if id != BoxId::Connect {
            judged.look.also_missing(judged.subject_missing);
        }
        match id {
            BoxId::Connect => connect(judged),
            BoxId::Name => name(judged),
            BoxId::Service => service(judged),
            BoxId::Listener => listener(judged),
            BoxId::Policy => policy::state(judged),
            BoxId::Container | BoxId::Firewall | BoxId::Wrappers | BoxId::Network if judged.subject.path.is_some() => {
                unneeded(id, "a unix socket does not cross the network")
            }
            BoxId::Container => container::state(judged),
            BoxId::Firewall => firewall::state(judged),
            BoxId::Wrappers => wrappers::state(judged),
            BoxId::Network => network::state(judged),
        }
    });
    let waiting = judged.missing.iter().any(|(b, m)| *b == id && m.open);
    let unsure = match state.verdict {
        // Nothing wrong was seen, but not everything that could be wrong was seen either.
        Verdict::Yes => blindness(id, &own, judged),
        Verdict::No => own.blind.first().cloned(),
        Verdict::Unknown | Verdict::Unneeded => None,
    };
    let open = own.open || (waiting && state.verdict != Verdict::No);
    if open && state.verdict != Verdict::Unneeded {
        state.verdict = Verdict::Unknown;
        state.looking = true;
        state.because = Some("still looking".into());
    } else if let Some(why) = unsure {
        state.verdict = Verdict::Unknown;
        state.because = Some(why);
    } else if state.verdict == Verdict::Unknown && state.because.is_none() {
        state.because = own.blind.first().cloned().or_else(|| Some(state.summary.clone()));
    }
    state
}

/// Why a fault of this box could have gone unseen.
fn blindness(id: BoxId, own: &Missing, judged: &Judged<'_, '_>) -> Option<String> {
    let causes = judged.missing.iter().filter(|(b, _)| *b == id).map(|(_, m)| m);
    causes.chain([own]).find_map(|m| m.blind.first().cloned())
}

fn plain(id: BoxId, verdict: Verdict, summary: impl Into<String>) -> BoxState {
    BoxState { id, verdict, summary: summary.into(), because: None, evidence: Vec::new(), looking: false }
}

fn unknown(id: BoxId, because: impl Into<String>) -> BoxState {
    let because = because.into();
    BoxState { because: Some(because.clone()), ..plain(id, Verdict::Unknown, because) }
}

fn unneeded(id: BoxId, because: &str) -> BoxState {
    BoxState { because: Some(because.into()), ..plain(id, Verdict::Unneeded, because) }
}

fn connect(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Connect;
    let Some(outcome) = judged.seen.outcome else {
        // Noted as still to come, or as never to be known.
        let _ = judged.subject.endpoint().and_then(|endpoint| judged.look.dialled(&endpoint));
        return BoxState { because: None, ..unknown(id, "no attempt was answered") };
    };
    if let Some(unsure) = &judged.seen.unsure {
        return unknown(id, unsure.clone());
    }
    if let (None, Some(unit)) = (judged.subject.port, &judged.subject.unit) {
        return unknown(id, format!("no port of {unit} is known"));
    }
    let at = judged.subject.endpoint().map_or_else(|| judged.look.case().target.input.clone(), |e| e.to_string());
    if let (Outcome::Error, Some((_, owner)), Some(unit)) =
        (outcome, answering::other(judged.look, judged.subject), &judged.subject.unit)
    {
        return plain(id, Verdict::No, format!("{at} answers, but that is {}, not {unit}", owner.shown()));
    }
    match outcome {
        Outcome::Open => plain(id, Verdict::Yes, format!("{at} accepts connections")),
        Outcome::Silent => silent(judged),
        Outcome::Refused
        | Outcome::Reset
        | Outcome::Closed
        | Outcome::Timeout
        | Outcome::Unreachable
        | Outcome::Denied
        | Outcome::Unresolved
        | Outcome::Error => plain(id, Verdict::No, format!("{at} {}", outcome.word())),
    }
}

/// No answer to a datagram proves nothing; a socket that is bound is at least a fact.
fn silent(judged: &Judged<'_, '_>) -> BoxState {
    const BARE: &str = "UDP answers nothing; that may be healthy";
    let (id, subject) = (BoxId::Connect, judged.subject);
    let (Some(true), Some(address), Some(port)) = (subject.local, subject.address(), subject.port) else {
        return unknown(id, BARE);
    };
    let listeners = judged.look.listeners(subject.transport, port).unwrap_or_default();
    let Some(bound) = listeners.iter().find(|l| l.takes(address)) else { return unknown(id, BARE) };
    let says = format!("a UDP socket is bound: {}", bound.shown());
    let mut state = unknown(id, format!("{says}, UDP services need not answer"));
    state.evidence.push(Evidence::new("sock_diag", says, format!("ss -H -lunp 'sport = :{port}'")));
    state
}

fn name(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Name;
    let Some(host) = &judged.subject.host else { return unneeded(id, "no name was given") };
    if host.parse::<IpAddr>().is_ok() {
        return unneeded(id, "an address was given");
    }
    let Some(resolution) = judged.look.name(host) else {
        return BoxState { because: None, ..unknown(id, "the resolver has not answered") };
    };
    let addresses: Vec<String> = resolution.addresses.iter().map(ToString::to_string).collect();
    let mut state = plain(id, Verdict::Yes, format!("{host} is {}", addresses.join(", ")));
    state.evidence.push(Evidence::new("resolver", state.summary.clone(), format!("getent ahosts {}", arg(host))));
    if let Some(line) = deciding_line(judged.look, judged.subject) {
        let at = format!("/etc/hosts:{}", line.line);
        let see = format!("sed -n {}p /etc/hosts", line.line);
        state.summary = format!("{}, from {at}", state.summary);
        state.evidence.push(Evidence::new("hosts", format!("{at}: {}", line.text), see));
    }
    state
}

fn service(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Service;
    if let Some(not_here) = elsewhere(id, judged) {
        return not_here;
    }
    let serving = serving(judged.look, judged.subject);
    let Some((serving, unit)) = serving.as_ref().and_then(|s| Some((s, s.unit?))) else {
        return without_unit(judged, serving.as_ref());
    };
    let says = format!("{} is {}", unit.name, unit.shown_state());
    let verdict = match unit.active_state.as_str() {
        "active" | "reloading" => Verdict::Yes,
        // Type=notify and forking units may listen before they are said to be active.
        "activating" if serving.listens => Verdict::Unknown,
        "failed" => Verdict::No,
        "inactive" | "deactivating" | "activating" if !socket_starts(judged.look, unit) => Verdict::No,
        _ => Verdict::Unknown,
    };
    let mut state = plain(id, verdict, says.clone());
    state.evidence.push(Evidence::new("systemd", says, format!("systemctl status {}", arg(&unit.name))));
    state
}

/// A socket unit that listens starts it when it is needed.
fn socket_starts(look: &Look<'_>, unit: &Unit) -> bool {
    let sockets = unit.triggered_by.iter().filter(|name| name.ends_with(".socket"));
    sockets.filter_map(|name| look.unit(name)).any(|socket| socket.active_state == "active")
}

fn without_unit(judged: &Judged<'_, '_>, serving: Option<&Serving<'_>>) -> BoxState {
    let id = BoxId::Service;
    match serving {
        Some(serving) if serving.listens => plain(id, Verdict::Yes, format!("{} listens", serving.name)),
        _ if judged.look.host().is_some_and(|h| !h.systemd) => {
            unknown(id, "systemd does not run this host, so there are no units to ask")
        }
        Some(serving) => BoxState { because: None, ..unknown(id, format!("{} is no unit of this host", serving.name)) },
        // Why nobody is known counts more: a bus that does not answer.
        None => BoxState { because: None, ..unknown(id, "no unit or program is known to serve it") },
    }
}

fn listener(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Listener;
    if let Some(not_here) = elsewhere(id, judged) {
        return not_here;
    }
    if let Some(path) = &judged.subject.path {
        return unix_listener(judged, path);
    }
    let (Some(port), Some(address)) = (judged.subject.port, judged.subject.address()) else {
        return unknown(id, "the unit's ports are not known");
    };
    let Some(all) = judged.look.listeners(judged.subject.transport, port) else {
        return BoxState { because: None, ..unknown(id, "the socket table could not be read") };
    };
    let see = format!("ss -H -ln{} 'sport = :{port}'", judged.subject.transport.word().get(..1).unwrap_or("t"));
    let taking = all.iter().find(|l| l.takes(address));
    let other = answering::other(judged.look, judged.subject).zip(judged.subject.unit.as_ref());
    let mut state = match (other, taking) {
        (Some(((l, owner), unit)), _) => {
            plain(id, Verdict::No, format!("{} has {}, not {unit}", owner.shown(), l.shown()))
        }
        (None, Some(l)) => taken(judged, l, address),
        (None, None) if all.is_empty() => plain(id, Verdict::No, format!("nothing listens on port {port}")),
        (None, None) => plain(id, Verdict::No, format!("nothing takes {address}:{port}")),
    };
    state.evidence.push(Evidence::new("sock_diag", state.summary.clone(), see));
    if state.verdict == Verdict::No { unless_it_answers(judged, state) } else { state }
}

/// A socket takes the address. Whoever only passes on what comes in says nothing of whether it is served.
fn taken(judged: &Judged<'_, '_>, listener: &Listener, address: IpAddr) -> BoxState {
    let id = BoxId::Listener;
    match judged.look.owner(listener).filter(|owner| passes_on(owner)) {
        Some(owner) => BoxState {
            because: Some(format!("{} passes it on to a container, and who listens there counts", owner.shown())),
            ..plain(id, Verdict::Unneeded, format!("{} is held for a container", listener.shown()))
        },
        None => plain(id, Verdict::Yes, format!("{} takes {address}", listener.shown())),
    }
}

/// Nothing takes the address. That is a fault only where the attempt fails, too.
fn unless_it_answers(judged: &Judged<'_, '_>, mut state: BoxState) -> BoxState {
    match judged.seen.outcome.filter(|_| judged.seen.attempted) {
        Some(Outcome::Open) => {
            state.verdict = Verdict::Unneeded;
            state.because = Some("something else answers for it: a redirect, a container".into());
        }
        Some(_) => {}
        None => {
            // Noted as still to come, or as never to be known.
            let _ = judged.subject.endpoint().and_then(|endpoint| judged.look.dialled(&endpoint));
            state.verdict = Verdict::Unknown;
        }
    }
    state
}

fn unix_listener(judged: &Judged<'_, '_>, path: &str) -> BoxState {
    let id = BoxId::Listener;
    let Some(socket) = judged.look.unix_socket(path) else {
        return BoxState { because: None, ..unknown(id, "the socket could not be looked at") };
    };
    let listens = socket.bound.iter().any(|b| b.listening);
    let (verdict, summary) = match &socket.file {
        UnixFile::Missing { missing } => (Verdict::No, format!("{missing} does not exist")),
        UnixFile::Hidden { at } => (Verdict::No, format!("{at} may not be entered")),
        UnixFile::There { writable: false, .. } => (Verdict::No, format!("{path} may not be written to")),
        UnixFile::There { .. } | UnixFile::Abstract if listens => {
            (Verdict::Yes, format!("a process listens on {path}"))
        }
        UnixFile::There { .. } | UnixFile::Abstract => (Verdict::No, format!("nothing listens on {path}")),
    };
    let mut state = plain(id, verdict, summary.clone());
    state.evidence.push(Evidence::new("sock_diag", summary, see_unix(path)));
    state
}

/// The box cannot be judged from here because the target is another host.
fn elsewhere(id: BoxId, judged: &Judged<'_, '_>) -> Option<BoxState> {
    match judged.subject.local {
        Some(true) => None,
        Some(false) => Some(unknown(id, "the target is another host, and only this one can be looked at")),
        None if judged.seen.outcome == Some(Outcome::Unresolved) => Some(unneeded(id, "the name leads nowhere")),
        None => {
            let blind = judged.look.facts().addresses.blind();
            Some(unknown(id, blind.unwrap_or_else(|| "it is not known yet which host the target is".into())))
        }
    }
}

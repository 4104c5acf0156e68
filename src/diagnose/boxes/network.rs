//! Do routes and neighbours lead there and back?

use std::net::IpAddr;
use std::time::Duration;

use super::{Judged, plain, unknown, unneeded};
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{BoxState, Evidence, Verdict};
use crate::diagnose::whence;
use crate::facts::connect::{Dial, Outcome};
use crate::facts::path::{Hop, Path};
use crate::facts::route::{Route, RouteKey, RouteKind};

const ID: BoxId = BoxId::Network;

pub(super) fn state(judged: &Judged<'_, '_>) -> BoxState {
    match judged.subject.local {
        Some(true) => to_this_host(judged),
        Some(false) => to_another(judged),
        None if judged.seen.outcome == Some(Outcome::Unresolved) => unneeded(ID, "the name leads nowhere"),
        None => BoxState { because: None, ..unknown(ID, "it is not known yet which host the target is") },
    }
}

fn to_this_host(judged: &Judged<'_, '_>) -> BoxState {
    let subject = judged.subject;
    let Some(address) = subject.address().map(|address| address.to_canonical()) else {
        return BoxState { because: None, ..unknown(ID, "no address is known") };
    };
    if address.is_loopback() || address.is_unspecified() || subject.from == Asker::Here {
        return unneeded(ID, "this host asks itself");
    }
    let Some(mine) = judged.look.addresses() else {
        return BoxState { because: None, ..unknown(ID, "this host's addresses could not be read") };
    };
    let Some(held) = mine.all.iter().find(|a| a.address == address) else {
        return unneeded(ID, "no interface has the address: it is this host's all the same");
    };
    if let Asker::Address(client) = subject.from {
        return if mine.holds(client.to_canonical()) {
            unneeded(ID, "this host asks itself")
        } else {
            back_to(judged, client.to_canonical(), address)
        };
    }
    if !held.up {
        return unknown(
            ID,
            format!("{}, which has {address}, is down: nobody reaches it from outside", held.interface),
        );
    }
    let summary = match &mine.default_interface {
        None if address.is_ipv4() => {
            format!("{} has {address}; without a default route only its own networks get answers", held.interface)
        }
        _ => format!("{} has {address} and is up", held.interface),
    };
    seen(summary, "rtnetlink", format!("ip address show dev {}", held.interface))
}

/// The answers' way to one client.
fn back_to(judged: &Judged<'_, '_>, client: IpAddr, address: IpAddr) -> BoxState {
    let key = RouteKey { to: client, from: Some(address), input: None, mark: 0 };
    let Some(route) = judged.look.route(&key) else {
        return BoxState { because: None, ..unknown(ID, format!("the way back to {client} is not known")) };
    };
    if route.kind != RouteKind::Unicast {
        return unknown(ID, format!("answers to {client} have no way that leads to it"));
    }
    seen(
        format!("answers to {client} leave {}", by(route)),
        "rtnetlink",
        format!("ip route get {client} from {address}"),
    )
}

/// `by eth0 over 10.0.0.1`.
fn by(route: &Route) -> String {
    let over = route.gateway.map(|gateway| format!(" over {gateway}")).unwrap_or_default();
    format!("by {}{over}", route.interface.as_deref().unwrap_or("no interface"))
}

fn to_another(judged: &Judged<'_, '_>) -> BoxState {
    let (Some(outcome), Some(to)) = (judged.seen.outcome, judged.subject.address()) else {
        return BoxState { because: None, ..unknown(ID, "no attempt was answered") };
    };
    let Some(dial) = judged.subject.endpoint().and_then(|endpoint| judged.look.dialled(&endpoint)) else {
        return BoxState { because: None, ..unknown(ID, "no attempt could be made") };
    };
    match outcome {
        Outcome::Open | Outcome::Closed | Outcome::Reset => answered(to, dial),
        Outcome::Refused if dial.icmp.is_none() => reset(judged, to, dial),
        Outcome::Refused if dial.icmp.as_ref().is_none_or(|icmp| icmp.from == Some(to)) => answered(to, dial),
        _ if dial.icmp.as_ref().is_some_and(|icmp| icmp.from == Some(to)) => answered(to, dial),
        Outcome::Refused | Outcome::Unreachable | Outcome::Denied => match dial.icmp.as_ref().and_then(|i| i.from) {
            Some(from) => unknown(ID, format!("{from} answers in the place of {to}; what is behind it cannot be told")),
            None => without_answer(judged, to),
        },
        Outcome::Timeout | Outcome::Silent | Outcome::Unresolved | Outcome::Error => silent(judged, to),
    }
}

fn answered(to: IpAddr, dial: &Dial) -> BoxState {
    let summary = if matches!(dial.outcome, Outcome::Open | Outcome::Closed) {
        format!("the way to {to} and back works")
    } else {
        format!("packets leave for {to}, and an answer comes back")
    };
    seen(summary, "dial", format!("ip route get {to}"))
}

/// Somebody reset it: the target, as far as can be told.
fn reset(judged: &Judged<'_, '_>, to: IpAddr, dial: &Dial) -> BoxState {
    let mut state = answered(to, dial);
    state.evidence.extend(hops(judged));
    state
}

/// How far it goes.
fn silent(judged: &Judged<'_, '_>, to: IpAddr) -> BoxState {
    let mut state = without_answer(judged, to);
    if let Some((distance, router)) = whence::path(judged.look, judged.subject).and_then(Path::farthest) {
        state.summary = format!("filtered: as far as {router} (hop {distance}) packets get; beyond it nobody answers");
        state.because = Some(state.summary.clone());
    }
    state.evidence.extend(hops(judged));
    state
}

/// The hops, a line each.
fn hops(judged: &Judged<'_, '_>) -> Vec<Evidence> {
    let Some(path) = whence::path(judged.look, judged.subject) else { return Vec::new() };
    let see = format!("traceroute -n -T -p {} {}", path.to.port(), path.to.ip());
    let shown =
        |after: Option<Duration>| after.map(|a| format!(", {:.1} ms", a.as_secs_f64() * 1e3)).unwrap_or_default();
    let hop = |hop: &Hop| match hop.from {
        Some(from) => format!("hop {}: {from}{}", hop.distance, shown(hop.after)),
        None => format!("hop {}: no answer", hop.distance),
    };
    let end = path
        .end
        .as_ref()
        .map(|end| format!("distance {}: {}{}", end.distance, end.answer.name(), shown(Some(end.after))));
    path.hops.iter().map(hop).chain(end).map(|says| Evidence::new("path", says, see.clone())).collect()
}

fn without_answer(judged: &Judged<'_, '_>, to: IpAddr) -> BoxState {
    let key = RouteKey { to: to.to_canonical(), from: None, input: None, mark: 0 };
    let Some(route) = judged.look.route(&key) else {
        return BoxState { because: None, ..unknown(ID, format!("the way to {to} is not known")) };
    };
    if route.kind != RouteKind::Unicast {
        return unknown(ID, format!("this host's routing does not lead to {to}"));
    }
    let mut state = unknown(ID, format!("packets leave {} and nothing comes back", by(route)));
    state.evidence.push(Evidence::new(
        "rtnetlink",
        format!("the way to {to}: {}", by(route)),
        format!("ip route get {to}"),
    ));
    state
}

fn seen(summary: String, source: &'static str, see: String) -> BoxState {
    let mut state = plain(ID, Verdict::Yes, summary.clone());
    state.evidence.push(Evidence::new(source, summary, see));
    state
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::connect::Outcome;
    use crate::target::From;

    fn told(host: Host) -> (Verdict, String) {
        let told = diagnose(&host.case());
        let state = told.get(BoxId::Network).unwrap();
        (state.verdict, state.summary.clone())
    }

    fn far(outcome: Outcome) -> Host {
        Host::with_outcome(80, Outcome::Open).target("203.0.113.9:80").dial("203.0.113.9".parse().unwrap(), outcome)
    }

    #[test]
    fn this_host_for_others_for_one_and_for_itself() {
        let open = || Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
        assert_eq!(told(open()), (Verdict::Yes, "eth0 has 10.2.0.2 and is up".into()));
        let one = From::Address("10.1.0.3".parse().unwrap());
        assert_eq!(told(open().from(one)), (Verdict::Yes, "answers to 10.1.0.3 leave by eth0 over 10.2.0.1".into()));
        assert_eq!(told(open().from(From::Here)).0, Verdict::Unneeded);
    }

    #[test]
    fn another_host_that_answers_or_does_not() {
        assert_eq!(told(far(Outcome::Open)), (Verdict::Yes, "the way to 203.0.113.9 and back works".into()));
        assert_eq!(told(far(Outcome::Refused)).0, Verdict::Yes);
        let silent = "packets leave by eth0 over 10.2.0.1 and nothing comes back";
        assert_eq!(told(far(Outcome::Timeout)), (Verdict::Unknown, silent.into()));
    }
}

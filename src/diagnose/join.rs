//! Both ends of one connection: what the client got, and what the server would give it. Where neither end explains what
//! the client got, something between them does.

use super::causes::by_id;
use super::chart::BoxId;
use super::verdict::{Advice, BoxState, Diagnosis, Evidence, Finding, Vantage, Verdict, arg};
use super::{in_order, with_then};
use crate::facts::connect::{Endpoint, Outcome};

/// The server's diagnosis, told as the client met it.
pub(super) fn joined(server: Diagnosis, client: &Diagnosis) -> Diagnosis {
    let tried = client.symptoms.iter().any(|s| s.diagnosed) || client.outcome == Some(Outcome::Unresolved);
    let Some(seen) = client.outcome.filter(|_| tried) else { return unmet(server) };
    let mut all: Vec<Finding> = client.causes.clone();
    all.extend(server.causes.iter().cloned());
    let explained = all.iter().any(|f| !f.latent && f.explains.contains(&seen));
    let between = (!explained && server.settled).then(|| between(&server, client, seen)).flatten();
    let boxes: Vec<BoxState> =
        BoxId::ALL.into_iter().filter_map(|id| state(id, &server, client, between.as_ref())).collect();
    all.extend(between);
    let causes = with_then(in_order(all, Some(seen)), &boxes, Some(seen));
    let works = matches!(seen, Outcome::Open | Outcome::Silent);
    let culprit = causes.iter().find(|f| !works && !f.latent && f.explains.contains(&seen)).map(|f| f.cause);
    let mut subject = server.subject.clone();
    subject.host = client.subject.host.clone().or(subject.host);
    Diagnosis {
        outcome: Some(seen),
        untold: None,
        symptoms: symptoms(&server, client),
        notes: notes(&server, client, seen),
        boxes,
        culprit,
        causes,
        subject,
        ..server
    }
}

/// The client's end could not tell what it got.
fn unmet(mut server: Diagnosis) -> Diagnosis {
    server.notes.push("what the client gets could not be seen from its end".into());
    server
}

fn symptoms(server: &Diagnosis, client: &Diagnosis) -> Vec<super::verdict::Symptom> {
    let mut all = client.symptoms.clone();
    for symptom in &mut all {
        symptom.vantage = Vantage::Client;
    }
    for symptom in &server.symptoms {
        let mut symptom = symptom.clone();
        symptom.vantage = Vantage::Server;
        symptom.diagnosed = false;
        all.push(symptom);
    }
    all
}

fn notes(server: &Diagnosis, client: &Diagnosis, seen: Outcome) -> Vec<String> {
    let mut notes: Vec<String> = client.notes.iter().map(|note| format!("at the client: {note}")).collect();
    notes.extend(server.notes.iter().cloned());
    if let (Some(false), Some(to)) = (server.subject.local, client.subject.endpoint()) {
        notes.push(format!(
            "{to} is no address of the server: something on the way translates it, or it is another host"
        ));
        return notes;
    }
    if let Some(expected) = server.outcome.filter(|expected| *expected != seen && *expected != Outcome::Error) {
        let way = if seen == Outcome::Open { "; it gets in another way" } else { "" };
        notes.push(format!("by the server's own rules and sockets that client would be {}{way}", past(expected)));
    }
    notes
}

fn past(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "let in",
        Outcome::Refused => "refused",
        Outcome::Reset => "reset",
        Outcome::Closed => "hung up on",
        Outcome::Timeout | Outcome::Silent => "left without an answer",
        Outcome::Unreachable => "told that the host is unreachable",
        Outcome::Denied => "told that it is prohibited",
        Outcome::Unresolved | Outcome::Error => "met by something else",
    }
}

/// The state of a box: name and network are looked at from the client's end, all others at the server's, unless the
/// client's own end is at fault.
fn state(id: BoxId, server: &Diagnosis, client: &Diagnosis, between: Option<&Finding>) -> Option<BoxState> {
    let (there, here) = (server.get(id), client.get(id));
    if let Some(found) = between.filter(|found| found.in_box == id) {
        let mut state = there?.clone();
        (state.verdict, state.because, state.looking) = (Verdict::No, None, false);
        state.summary.clone_from(&found.summary);
        state.evidence.clone_from(&found.evidence);
        return Some(state);
    }
    let of_the_client = matches!(id, BoxId::Connect | BoxId::Name | BoxId::Network | BoxId::Firewall);
    let wrong = |state: &&BoxState| state.verdict == Verdict::No;
    let faulty = here.filter(wrong).filter(|_| of_the_client).or_else(|| there.filter(wrong));
    let healthy = if matches!(id, BoxId::Name | BoxId::Network) { here } else { there };
    let state = if id == BoxId::Connect { here } else { faulty.or(healthy) };
    state.cloned()
}

/// What neither end explains, where the server is known to be able to tell.
fn between(server: &Diagnosis, client: &Diagnosis, seen: Outcome) -> Option<Finding> {
    if matches!(seen, Outcome::Open | Outcome::Silent | Outcome::Unresolved | Outcome::Error)
        || server.untold.is_some()
        || server.subject.local != Some(true)
    {
        return None;
    }
    let expected = server.outcome?;
    let symptom = client.symptoms.iter().find(|s| s.diagnosed)?;
    let reset = seen == Outcome::Refused && symptom.icmp.is_none();
    let cause = by_id(if reset { "path-middlebox-reset" } else { "fw-upstream" }).or_else(|| by_id("fw-upstream"))?;
    let to = &symptom.to;
    let got = match (seen, &symptom.icmp) {
        (Outcome::Refused, None) => "a RST".to_owned(),
        (_, Some(icmp)) => format!("ICMP {}", icmp.name()),
        (_, None) => "no answer".to_owned(),
    };
    let summary = format!("something between the client and {to} is in the way: the server itself would not do that");
    let port = match to {
        Endpoint::Tcp(at) | Endpoint::Udp(at) => at.port(),
        Endpoint::Unix(_) | Endpoint::Abstract(_) => return None,
    };
    let watch = format!("tcpdump -ni any port {port}");
    let here = Evidence::new(
        "dial",
        format!("the client got {got} from {to}"),
        format!("nc -vz {} {port}", arg(&to.ip()?.to_string())),
    );
    let there = Evidence::new("firewall", format!("at the server that client is {}", past(expected)), watch.clone());
    let ask = Advice::new(
        "watch at the server whether the client's packets come in at all, while the client tries again",
        watch,
        None,
    );
    Some(Finding {
        cause: cause.id,
        in_box: cause.in_box,
        subject: to.to_string(),
        summary,
        evidence: vec![here, there],
        advice: vec![ask],
        latent: false,
        // It is known to have done it, whatever it is.
        explains: EVERYTHING,
        then: None,
    })
}

/// What something between two hosts can do to a connection.
const EVERYTHING: &[Outcome] =
    &[Outcome::Refused, Outcome::Reset, Outcome::Closed, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied];

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::verdict::{Diagnosis, Vantage, Verdict};
    use crate::diagnose::{causes, diagnose};
    use crate::facts::connect::Outcome;
    use crate::target::From;

    /// What comes of it when a client got `seen` from a server that is like this.
    fn told(server: Host, seen: Outcome) -> Diagnosis {
        let there: std::net::IpAddr = "10.2.0.2".parse().unwrap();
        let client = Host::with_outcome(80, seen).facts(|f| {
            // Another host than the server.
            let mut mine = f.addresses.value().cloned().unwrap();
            for own in mine.all.iter_mut().filter(|own| own.address == there) {
                own.address = "10.2.0.3".parse().unwrap();
            }
            f.addresses = crate::facts::Reading::known(mine);
        });
        let client = client.target("10.2.0.2:80").dial(there, seen).from(From::Here).case();
        let mut case = server.from(From::Address("10.1.0.2".parse().unwrap())).case();
        case.client = Some(Box::new(client));
        diagnose(&case)
    }

    fn serving() -> Host {
        Host::with_outcome(80, Outcome::Open).target("10.2.0.2:80").listens("0.0.0.0", "nginx.service", |_| ())
    }

    #[test]
    fn both_ends_open() {
        let told = told(serving(), Outcome::Open);
        assert_eq!((told.outcome, told.culprit), (Some(Outcome::Open), None), "{told:?}");
        let vantages: Vec<_> = told.symptoms.iter().map(|s| s.vantage).collect();
        assert_eq!(vantages.first(), Some(&Vantage::Client));
        assert!(vantages.contains(&Vantage::Server));
    }

    #[test]
    fn the_server_explains_it() {
        let server = Host::refusing(80).target("10.2.0.2:80").listens("127.0.0.1", "nginx.service", |_| ());
        let told = told(server, Outcome::Refused);
        assert_eq!(told.culprit, Some("bind-loopback-only"), "{told:?}");
    }

    #[test]
    fn something_between_them() {
        for (seen, cause) in [(Outcome::Refused, "path-middlebox-reset"), (Outcome::Timeout, "fw-upstream")] {
            let cause = causes::by_id(cause).map_or("fw-upstream", |cause| cause.id);
            let told = told(serving(), seen);
            assert_eq!((told.outcome, told.culprit), (Some(seen), Some(cause)), "{told:?}");
            let found = told.culprit().unwrap();
            assert_eq!(told.get(found.in_box).unwrap().verdict, Verdict::No);
            assert_eq!(told.get(BoxId::Listener).unwrap().verdict, Verdict::Yes);
        }
    }
}

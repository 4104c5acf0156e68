//! Remarks that are no cause: for whom an open port is open, and which line of /etc/hosts chose the address.

use super::asked::lo_is_down;
use super::chart::BoxId;
use super::look::Look;
use super::serving::serving;
use super::subject::{Asker, Subject};
use super::timeline::{About, Timeline};
use super::verdict::{BoxState, Finding, Verdict};
use crate::facts::Reading;
use crate::facts::connect::Outcome;
use crate::facts::name::HostsLine;
use crate::facts::route::RouteKey;

/// What was down this long ago is still worth a remark, in microseconds.
const LATELY_US: u64 = 10 * 60 * 1_000_000;

/// Everything there is to remark once the boxes are judged.
pub(super) fn of(
    look: &Look<'_>,
    subject: &Subject,
    outcome: Option<Outcome>,
    boxes: &[BoxState],
    findings: &[Finding],
) -> Vec<String> {
    let Some(outcome) = outcome else { return Vec::new() };
    open_here_only(subject, outcome, boxes)
        .into_iter()
        .chain(by_hosts_line(look, subject, outcome, findings))
        .chain(unreached_itself(look, subject, findings))
        .chain(small_packets(look, subject, outcome))
        .chain(came_back(look, subject, outcome, findings))
        .collect()
}

/// Other clients pass a firewall that this host itself does not.
fn open_here_only(subject: &Subject, outcome: Outcome, boxes: &[BoxState]) -> Option<String> {
    let others = subject.from != Asker::Here && subject.local == Some(true) && subject.path.is_none();
    let unseen = boxes.iter().any(|b| b.id == BoxId::Firewall && b.verdict == Verdict::Unknown);
    (others && unseen && outcome == Outcome::Open)
        .then(|| "open from this host itself; what the firewall does to other clients cannot be told".to_owned())
}

/// Whoever finds a name at an address that does not answer should know who chose that address.
fn by_hosts_line(look: &Look<'_>, subject: &Subject, outcome: Outcome, findings: &[Finding]) -> Option<String> {
    let fails = matches!(outcome, Outcome::Unreachable | Outcome::Timeout | Outcome::Refused);
    let told = findings.iter().any(|f| f.in_box == BoxId::Name);
    if !fails || told || subject.local != Some(false) {
        return None;
    }
    let line = deciding_line(look, subject)?;
    Some(format!("{} comes from /etc/hosts:{}; check that line", line.address, line.line))
}

/// Others are served, but this host does not reach itself.
fn unreached_itself(look: &Look<'_>, subject: &Subject, findings: &[Finding]) -> Option<String> {
    let told = findings.iter().any(|f| f.in_box == BoxId::Network);
    let own = subject.local == Some(true) && subject.path.is_none() && subject.from != Asker::Here;
    let from_here = subject.endpoint().and_then(|to| look.dialled(&to)).filter(|_| own && !told)?.outcome;
    (matches!(from_here, Outcome::Timeout | Outcome::Silent) && lo_is_down(look)?)
        .then(|| "lo is down: this host does not reach itself, whatever others get".to_owned())
}

/// Packets of a connection that stays silent may be too big for the way; that refuses none.
fn small_packets(look: &Look<'_>, subject: &Subject, outcome: Outcome) -> Option<String> {
    const USUAL: u32 = 1500;
    let silent = matches!(outcome, Outcome::Timeout | Outcome::Closed | Outcome::Reset);
    if subject.local != Some(false) || !silent || subject.path.is_some() {
        return None;
    }
    let to = subject.address()?.to_canonical();
    let route = look.route(&RouteKey { to, from: None, input: None, mark: 0 })?;
    let name = route.interface.as_deref()?;
    let mtu = look.links()?.iter().find(|link| link.name == name)?.mtu.filter(|mtu| *mtu < USUAL)?;
    Some(format!("{name} carries packets of at most {mtu} bytes (MTU): that refuses no connection, but may stall one"))
}

/// It answers now, but its unit was down a moment ago: whoever was refused then should know. Nothing more is read unless
/// the unit itself says so.
fn came_back(look: &Look<'_>, subject: &Subject, outcome: Outcome, findings: &[Finding]) -> Option<String> {
    if outcome != Outcome::Open || findings.iter().any(|f| f.in_box == BoxId::Service) {
        return None;
    }
    let unit = serving(look, subject)?.unit?;
    let Some(Reading::Known(known)) = look.facts().units.get(&unit.name) else { return None };
    let now_us = known.at_ms.saturating_mul(1000);
    let (down, up) = (unit.inactive_enter_us, unit.active_enter_us);
    let lately = down > 0 && down <= up && up <= now_us && now_us - up <= LATELY_US && unit.is_running();
    if !lately {
        return None;
    }
    let past = look.happenings()?;
    let about = About { unit: Some(unit.name.clone()), container: None };
    let told = Timeline::without_attempts(past, &about);
    let last = told.outages.iter().rev().find(|outage| outage.until_us.is_some())?;
    let ago = |us: u64| match us / 1_000_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    };
    let until = last.until_us.unwrap_or(up);
    let why = last.links.first().map(|link| format!(": {}", link.says)).unwrap_or_default();
    let (lasted, since) = (ago(last.lasted_us().saturating_add(500_000)), ago(now_us.saturating_sub(until)));
    Some(format!("{} was down for {lasted} until {since} ago{why}", unit.name))
}

/// The line of /etc/hosts that the diagnosed address of the name comes from.
pub(super) fn deciding_line<'a>(look: &Look<'a>, subject: &Subject) -> Option<&'a HostsLine> {
    let resolution = look.name(subject.host.as_ref()?)?;
    // nss-resolve reads the file too.
    let reads = |order: &str| order.split_ascii_whitespace().any(|word| word == "files" || word == "resolve");
    if !resolution.nsswitch.as_deref().is_none_or(reads) {
        return None;
    }
    let first = resolution.addresses.first()?;
    resolution.hosts_lines.iter().find(|line| line.address == *first)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::connect::Outcome;
    use crate::facts::name::HostsLine;
    use crate::facts::{Facts, Reading};
    use crate::target::From;

    const OPEN_HERE: &str = "open from this host itself; what the firewall does to other clients cannot be told";

    #[test]
    fn where_the_rules_cannot_be_read_open_is_only_what_this_host_gets() {
        let blind = |f: &mut Facts| f.ruleset = Reading::Denied { needs: "root".into() };
        let open = || Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
        assert_eq!(diagnose(&open().facts(blind).case()).notes, [OPEN_HERE]);
        let other = From::Address("10.1.0.3".parse().unwrap());
        assert_eq!(diagnose(&open().facts(blind).from(other).case()).notes, [OPEN_HERE]);
        assert_eq!(diagnose(&open().facts(blind).from(From::Here).case()).notes, [""; 0]);
        assert_eq!(diagnose(&open().case()).notes, [""; 0]);
        assert_eq!(diagnose(&Host::refusing(80).facts(blind).case()).notes, [""; 0]);
    }

    fn name(address: &str, nsswitch: &str, outcome: Outcome) -> crate::diagnose::verdict::Diagnosis {
        let host = Host::refusing(5432).named("db.example", &[address], |r| {
            let text = format!("{address} db.example");
            r.hosts_lines = vec![HostsLine { line: 6, address: r.addresses[0], text }];
            r.nsswitch = Some(nsswitch.into());
        });
        diagnose(&host.dial(address.parse().unwrap(), outcome).case())
    }

    #[test]
    fn the_line_of_etc_hosts_that_chose_the_address_is_named() {
        let told = name("10.2.0.99", "files dns", Outcome::Unreachable);
        assert_eq!(told.notes, ["10.2.0.99 comes from /etc/hosts:6; check that line"]);
        let state = told.get(BoxId::Name).unwrap();
        assert_eq!(
            (state.verdict, state.summary.as_str()),
            (Verdict::Yes, "db.example is 10.2.0.99, from /etc/hosts:6")
        );
        assert_eq!(state.evidence[1].see, "sed -n 6p /etc/hosts");
    }

    #[test]
    fn a_line_that_nobody_reads_or_that_works_is_not_remarked() {
        let told = name("10.2.0.99", "dns", Outcome::Unreachable);
        assert_eq!(told.notes, [""; 0]);
        assert_eq!(told.get(BoxId::Name).unwrap().summary, "db.example is 10.2.0.99");
        assert_eq!(name("10.2.0.99", "files dns", Outcome::Open).notes, [""; 0]);
    }
}

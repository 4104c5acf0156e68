//! WHAT IT MEANS: from facts to verdicts. Pure, total and cheap: run again on every fact that arrives.
//!
//! More facts turn *cannot tell* into a verdict, never one verdict into another: a cause speaks only once everything it
//! read is there, and a general cause waits until every more specific one has been ruled out.

pub mod answering;
mod asked;
mod boxes;
pub mod causes;
pub mod chart;
pub mod confined;
pub mod containers;
pub mod dispute;
pub mod failure;
pub mod greeting;
mod instead;
mod join;
pub mod look;
#[cfg(test)]
mod promise;
pub mod proxy;
mod remarks;
mod routing;
pub mod sandbox;
pub mod serving;
pub mod session;
pub mod subject;
pub mod symptom;
pub mod timeline;
pub mod upstream;
pub mod verdict;
pub mod ways;
mod whence;
pub mod wrappers;
pub mod xinetd;

use std::net::SocketAddr;

use causes::{ALL, Cause};
use chart::BoxId;
use dispute::Dispute;
use look::{Look, Missing};
use subject::Subject;
use verdict::{Diagnosis, Finding};
use ways::{Filter, Memory, Ways};

use crate::facts::connect::Outcome;
use crate::facts::ruleset::{ChainId, Rule};
use crate::facts::socket::Transport;
use crate::facts::{Case, Reading};
use crate::firewall::{Packet, Walk};
use crate::fixes::MadeOn;

/// Everything a cause may read.
#[derive(Debug)]
pub struct Scene<'a, 'b> {
    /// The facts.
    pub look: &'b Look<'a>,
    /// What the target is.
    pub subject: &'b Subject,
    outcome: Option<Outcome>,
    outcome_missing: Missing,
    subject_missing: &'b Missing,
    filter: &'b Filter<'a, 'b>,
}

impl Scene<'_, '_> {
    /// The packet's way through the rules; none where it crosses no network or is not known (yet).
    pub fn ways(&self) -> Option<&Ways> {
        self.filter.ways()
    }

    /// What becomes of another packet, under the same rules.
    pub fn follow(&self, packet: &Packet) -> Walk {
        self.filter.follow(packet)
    }

    /// Does what this host itself sends come there, and the answers back, as far as its own rules go?
    pub fn reaches(&self, transport: Transport, to: SocketAddr) -> Option<bool> {
        self.filter.reaches(transport, to)
    }

    /// The first of these rules that would accept the packet, were they all that their chain has.
    pub fn first_to_accept(&self, packet: &Packet, chain: &ChainId, rules: Vec<Rule>) -> Option<u64> {
        self.filter.first_to_accept(packet, chain, rules)
    }

    /// What becomes of a packet once this rule stands before that one, or else at the end of its chain. None: the rules
    /// there are not known.
    pub fn follow_with(&self, packet: &Packet, chain: &ChainId, rule: &Rule, before: Option<u64>) -> Option<Walk> {
        self.filter.follow_with(packet, chain, rule, before)
    }

    /// Where what really happened to the attempt contradicts the rules.
    pub fn dispute(&self) -> Option<Dispute> {
        self.filter.dispute()
    }

    /// What the asked side gets; none while unknown or where no attempt could be made, and then whoever reads it waits
    /// for it or is blind.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.outcome.is_none() {
            self.look.also_missing(&self.outcome_missing);
        }
        self.outcome
    }

    /// The same for whoever rules something out by it: where it is only what this host itself gets, why is noted.
    pub fn sure_outcome(&self) -> Option<Outcome> {
        self.look.also_missing(&self.outcome_missing);
        self.outcome
    }
}

/// Diagnoses a case as far as its facts go.
pub fn diagnose(case: &Case) -> Diagnosis {
    diagnose_again(case, &Memory::default())
}

/// The same, with what is remembered of earlier diagnoses of this case. The memory must have heard all that was learnt
/// since.
pub fn diagnose_again(case: &Case, memory: &Memory) -> Diagnosis {
    let here = diagnose_here(case, memory);
    match &case.client {
        Some(client) => join::joined(here, &diagnose(client)),
        None => here,
    }
}

/// One end alone.
fn diagnose_here(case: &Case, memory: &Memory) -> Diagnosis {
    let look = Look::new(case);
    let _ = look.host();
    let (subject, subject_missing) = look.noting(|| Subject::of(&look));
    let filter = Filter::new(&look, &subject, memory);
    let (seen, outcome_missing) = look.noting(|| symptom::look_at(&filter, &look, &subject));
    let scene = Scene {
        look: &look,
        subject: &subject,
        outcome: seen.outcome.filter(|_| seen.attempted),
        outcome_missing,
        subject_missing: &subject_missing,
        filter: &filter,
    };
    let tried: Vec<Tried> = ALL.iter().map(|cause| Tried::of(cause, &scene)).collect();
    let findings = in_order(speaking(tried.as_slice()), seen.outcome);
    let missing: Vec<(BoxId, Missing)> = tried.iter().map(|t| (t.cause.in_box, t.missing.clone())).collect();
    let judged = boxes::Judged {
        look: &look,
        subject: &subject,
        subject_missing: &subject_missing,
        seen: &seen,
        findings: &findings,
        missing: &missing,
        filter: &filter,
    };
    let states: Vec<_> = BoxId::ALL.into_iter().map(|id| boxes::state(id, &judged)).collect();
    let culprit = culprit(&tried, &findings, seen.outcome);
    let untold = seen.untold.filter(|_| culprit.is_none() || seen.outcome == Some(Outcome::Open));
    let mut notes = seen.notes;
    if untold.is_none() {
        notes.extend(remarks::of(&look, &subject, seen.outcome, &states, &findings));
    }
    let dispute = seen.outcome.and_then(|_| filter.dispute());
    let wants = look.wants();
    let settled = wants.is_empty() && !outstanding(case);
    let causes = with_plans(with_then(findings, &states, seen.outcome), case);
    Diagnosis {
        outcome: seen.outcome,
        untold,
        symptoms: seen.symptoms,
        boxes: states,
        causes,
        culprit,
        notes,
        wants,
        settled,
        dispute,
        ways: filter.into_ways(),
        subject,
    }
}

/// One cause, tried.
struct Tried {
    cause: &'static Cause,
    finding: Option<Finding>,
    missing: Missing,
}

impl Tried {
    fn of(cause: &'static Cause, scene: &Scene<'_, '_>) -> Self {
        let (finding, missing) = scene.look.noting(|| {
            scene.look.also_missing(scene.subject_missing);
            (cause.detect)(scene)
        });
        // A finding that rests on answers still to come may yet be withdrawn: it waits.
        let finding = finding.filter(|_| !missing.open).map(|found| found.of(cause));
        Self { cause, finding, missing }
    }
}

/// The findings that may be told: a general cause only when no specific one of the same station fits or is waiting.
fn speaking(tried: &[Tried]) -> Vec<Finding> {
    let rival = |general: &Tried| {
        tried.iter().any(|t| {
            let near = t.cause.in_box.station() == general.cause.in_box.station();
            let speaks = t.finding.as_ref().is_some_and(|f| !f.latent) || t.missing.open;
            !t.cause.general && near && speaks
        })
    };
    let silent = |index, t: &Tried| (t.cause.general && rival(t)) || told_before(tried, index, t);
    let alone = |(index, t): &(usize, &Tried)| !silent(*index, t);
    tried.iter().enumerate().filter(alone).filter_map(|(_, t)| t.finding.clone()).collect()
}

/// One rule is told once: by the first cause of the box that names it, once those before it have been looked into.
fn told_before(tried: &[Tried], index: usize, later: &Tried) -> bool {
    let Some(finding) = later.finding.as_ref().filter(|_| later.cause.in_box == BoxId::Firewall) else { return false };
    let mut before = tried.iter().take(index).filter(|t| t.cause.in_box == BoxId::Firewall);
    before.any(|t| t.missing.open || t.finding.as_ref().is_some_and(|f| f.subject == finding.subject))
}

/// Causes in the order they bite: those that explain the outcome first, by station of the packet's way, latent ones last.
fn in_order(mut findings: Vec<Finding>, outcome: Option<Outcome>) -> Vec<Finding> {
    let explains = |f: &Finding| outcome.is_some_and(|o| f.explains.contains(&o));
    findings.sort_by_key(|f| (f.latent, !explains(f), f.in_box.station()));
    findings
}

/// The first finding that explains the outcome, once no cause that would come before it is still waiting.
fn culprit(tried: &[Tried], findings: &[Finding], outcome: Option<Outcome>) -> Option<&'static str> {
    let outcome = outcome?;
    let found = findings.iter().find(|f| !f.latent && f.explains.contains(&outcome))?;
    let place = |t: &&Tried| t.cause.id == found.cause;
    let rank = tried.iter().position(|t| place(&t))?;
    let may_come_first = |(index, t): (usize, &Tried)| {
        let station = t.cause.in_box.station();
        let before = (station, index) < (found.in_box.station(), rank);
        let gives_way = t.cause.general && station == found.in_box.station();
        t.missing.open && before && !gives_way && t.cause.explains.contains(&outcome)
    };
    (!tried.iter().enumerate().any(may_come_first)).then_some(found.cause)
}

/// What holds once each cause is gone: the outcome of the next one, `open` when every box on the way is known healthy.
fn with_then(mut findings: Vec<Finding>, boxes: &[verdict::BoxState], outcome: Option<Outcome>) -> Vec<Finding> {
    let blind = boxes.iter().any(|b| b.verdict == verdict::Verdict::Unknown);
    let mut after = (!blind).then_some(Outcome::Open);
    for finding in findings.iter_mut().rev() {
        // What a container publishes needs no service of the host.
        if finding.in_box == BoxId::Container {
            after = (!blind).then_some(Outcome::Open);
        }
        // A corrected name leads to another host, of which nothing is known.
        finding.then = if finding.in_box == BoxId::Name { None } else { after };
        let own = outcome.filter(|o| finding.explains.contains(o)).or_else(|| finding.explains.first().copied());
        after = own.or(after);
    }
    findings
}

/// The plans of each finding are told what they are about, what they lead to, and of which host they were made.
fn with_plans(mut findings: Vec<Finding>, case: &Case) -> Vec<Finding> {
    let made_on = case.here.host.value().and_then(MadeOn::of);
    let next: Vec<Option<&str>> = findings.iter().skip(1).map(|f| Some(f.cause)).chain([None]).collect();
    for (finding, next) in findings.iter_mut().zip(next) {
        for plan in finding.advice.iter_mut().filter_map(|advice| advice.plan.as_deref_mut()) {
            finding.cause.clone_into(&mut plan.cause);
            plan.then = plan.then.or(finding.then);
            plan.next = plan.next.take().or_else(|| next.map(str::to_owned));
            plan.made_on.clone_from(&made_on);
        }
    }
    findings
}

/// Answers that were asked for and have not come.
fn outstanding(case: &Case) -> bool {
    fn pending<'a, T: 'a>(readings: impl IntoIterator<Item = &'a Reading<T>>) -> bool {
        readings.into_iter().any(|r| matches!(r, Reading::Pending))
    }
    let f = &case.here;
    pending([&f.host])
        || pending([&f.addresses])
        || pending(f.names.values())
        || pending(f.dials.values())
        || pending(f.listeners.values())
        || pending([&f.all_listeners])
        || pending(f.unix_sockets.values())
        || pending(f.owners.values())
        || pending(f.units.values())
        || pending(f.journals.values())
        || pending(f.claims.values())
        || pending(f.daemons.values())
        || pending(f.other_networks.values())
        || pending(f.sysctls.values())
        || pending([&f.ruleset])
        || pending(f.chains.values())
        || pending(f.elements.values())
        || pending(f.members.values())
        || pending([&f.legacy])
        || pending(f.recent.values())
        || pending([&f.links])
        || pending(f.routes.values())
        || pending([&f.routing])
        || pending(f.paths.values())
        || pending(f.neighbours.values())
        || pending([&f.firewalld])
        || pending([&f.ufw])
        || pending([&f.fail2ban])
        || pending([&f.rule_files])
        || pending([&f.containers])
        || pending(f.inspected.values())
        || pending(f.watched.values())
        || pending(f.apparmor.values())
        || pending(f.selinux.values())
        || pending([&f.denials])
        || pending(f.libwraps.values())
        || pending([&f.hosts_access])
        || pending(f.client_names.values())
        || pending(f.exchanges.values())
        || pending(f.limits.values())
        || pending(f.proxies.values())
        || pending([&f.xinetd])
}

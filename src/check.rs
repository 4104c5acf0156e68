//! One diagnosis without a screen: ask what is wanted until nothing more is, or the time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::diagnose::look::Look;
use crate::diagnose::verdict::Diagnosis;
use crate::diagnose::ways::Memory;
use crate::diagnose::{diagnose, diagnose_again};
use crate::error::Error;
use crate::facts::socket::{Listener, Owner};
use crate::facts::{Case, Fact, Question, Reading};
use crate::sources::far::Far;
use crate::sources::{self, Arrival, IN_FLIGHT, Sources};

/// How often the packet filter's rules are read again because they changed while they were read.
const RULES_AGAIN: u32 = 3;

/// Looks at this host until everything that matters is known, at most for `limit`.
pub async fn settle(case: Case, limit: Duration) -> (Case, Diagnosis) {
    let (sender, arrivals) = mpsc::channel(IN_FLIGHT);
    let sources = Sources::new(sender);
    settle_by(case, limit, arrivals, |question| sources.ask(question, 0)).await
}

/// The same of another host.
pub async fn settle_far(
    case: Case,
    limit: Duration,
    far: &Far,
    arrivals: mpsc::Receiver<Arrival>,
) -> (Case, Diagnosis) {
    settle_by(case, limit, arrivals, |question| far.ask(question)).await
}

/// A case of a host that cannot be asked.
pub fn unasked(case: Case, why: &str) -> (Case, Diagnosis) {
    give_up(case, Vec::new(), &|| Reading::Failed { why: why.to_owned() })
}

/// The same, whoever is asked.
async fn settle_by(
    mut case: Case,
    limit: Duration,
    mut arrivals: mpsc::Receiver<Arrival>,
    mut ask: impl FnMut(Question),
) -> (Case, Diagnosis) {
    let (mut asked, mut again, mut memory) = (BTreeSet::new(), 0, Memory::default());
    let end = tokio::time::sleep(limit);
    tokio::pin!(end);
    loop {
        let diagnosis = diagnose_again(&case, &memory);
        if diagnosis.settled && case.here.rules_moved() {
            case.here.forget_rules();
            memory.forget();
            if again == RULES_AGAIN {
                let why = "the rules changed each time they were read".into();
                case.here.learn(Fact::Ruleset(Reading::Failed { why }));
            }
            again += 1;
            continue;
        }
        if diagnosis.settled {
            return (case, diagnosis);
        }
        for question in diagnosis.wants {
            case.here.learn(Fact::without_value(&question, Reading::Pending));
            ask(question.clone());
            asked.insert(question);
        }
        tokio::select! {
            Some(arrival) = arrivals.recv() => learn(&mut case, &mut memory, arrival, &mut arrivals),
            () = &mut end => {
                let late = asked.into_iter().filter(|q| case.here.is_pending(q)).collect();
                return give_up(case, late, &|| Reading::TimedOut { after: limit });
            }
        }
    }
}

/// Works something out of a case, asking for what it still wants, at most for `limit`.
pub async fn work_out<T>(case: &mut Case, limit: Duration, what: impl Fn(&Look<'_>) -> T) -> T {
    let (sender, mut arrivals) = mpsc::channel(IN_FLIGHT);
    let sources = Sources::new(sender);
    let (mut asked, mut memory) = (BTreeSet::new(), Memory::default());
    let end = tokio::time::sleep(limit);
    tokio::pin!(end);
    loop {
        let (result, wants) = {
            let look = Look::new(case);
            (what(&look), look.wants())
        };
        let waiting = asked.iter().any(|question| case.here.is_pending(question));
        if wants.is_empty() && !waiting {
            return result;
        }
        for question in wants {
            case.here.learn(Fact::without_value(&question, Reading::Pending));
            sources.ask(question.clone(), 0);
            asked.insert(question);
        }
        tokio::select! {
            Some(arrival) = arrivals.recv() => learn(case, &mut memory, arrival, &mut arrivals),
            () = &mut end => return result,
        }
    }
}

/// Diagnoses a case that nobody can be asked about any more (a recording).
pub fn replayed(case: Case) -> (Case, Diagnosis) {
    unasked(case, "it is not in the recording")
}

/// Takes in what has arrived, all of it, so that many answers cost one diagnosis.
fn learn(case: &mut Case, memory: &mut Memory, first: Arrival, arrivals: &mut mpsc::Receiver<Arrival>) {
    let mut learn = |fact: Fact| {
        memory.hear(&fact, &case.here);
        case.here.learn(fact);
    };
    learn(first.fact);
    while let Ok(arrival) = arrivals.try_recv() {
        learn(arrival.fact);
    }
}

fn give_up(mut case: Case, late: Vec<Question>, why: &dyn Fn() -> Reading<Infallible>) -> (Case, Diagnosis) {
    let mut open = late;
    loop {
        for question in open {
            case.here.learn(Fact::without_value(&question, why()));
        }
        let diagnosis = diagnose(&case);
        if diagnosis.wants.is_empty() {
            return (case, diagnosis);
        }
        open = diagnosis.wants;
    }
}

/// All listening sockets with their owners, once.
pub async fn listeners() -> Result<(Vec<Listener>, BTreeMap<u32, Owner>), Error> {
    let (sender, mut arrivals) = mpsc::channel(IN_FLIGHT);
    Sources::new(sender).ask(Question::AllListeners, 0);
    let reading = match arrivals.recv().await.map(|a| a.fact) {
        Some(Fact::AllListeners(reading)) => reading,
        _ => Reading::NotAsked,
    };
    let why = reading.blind().unwrap_or_else(|| "there was no answer".into());
    let Reading::Known(known) = reading else {
        return Err(Error::broken(format!("the listening sockets cannot be read: {why}")));
    };
    let owners = sources::owners(known.value.clone()).await;
    Ok((known.value, owners))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::rules::{accept, base, dport, drop_it, rule};
    use crate::diagnose::causes::testing::{Host, nothing};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};

    /// A host whose rules are read, of which every chain is as it was when the first `moves` readings were made, and
    /// accepts since then. Yields the diagnosis and how often the tables were read.
    fn changing(moves: u32) -> (Diagnosis, u32) {
        let host = |verdict: Vec<_>| {
            let rules = vec![rule(&[dport(80), verdict], 1)];
            let host = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
            host.chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), rules).case()
        };
        let (before, after) = (host(drop_it()), host(accept()));
        let mut case = after.clone();
        case.here.forget_rules();
        let (sender, arrivals) = mpsc::channel(IN_FLIGHT);
        let mut readings = 0;
        let answer = |question: Question| {
            let fact = if question == Question::Ruleset {
                readings += 1;
                let mut rules = after.here.ruleset.value().unwrap().clone();
                rules.generation = 10 + readings;
                Fact::Ruleset(Reading::known(rules))
            } else if let Question::ChainRules(id) = &question {
                let old = readings <= moves;
                let host = if old { &before } else { &after };
                let mut chain = host.here.chains[id].value().unwrap().clone();
                chain.generation = if old { 9 + readings } else { 10 + readings };
                Fact::ChainRules(id.clone(), Reading::known(chain))
            } else {
                nothing(&question)
            };
            sender.try_send(Arrival { generation: 0, fact }).unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (_, diagnosis) = runtime.block_on(settle_by(case, Duration::from_secs(20), arrivals, answer));
        (diagnosis, readings)
    }

    fn firewall(of: &Diagnosis) -> (Verdict, &str) {
        let state = of.boxes.iter().find(|b| b.id == BoxId::Firewall).unwrap();
        (state.verdict, state.because.as_deref().unwrap_or_default())
    }

    #[test]
    fn rules_that_changed_while_they_were_read_are_read_again() {
        for moves in 0..=RULES_AGAIN {
            let (told, readings) = changing(moves);
            assert_eq!((told.culprit, told.outcome, readings), (None, Some(Outcome::Open), moves + 1), "{told:?}");
            assert_eq!(firewall(&told).0, Verdict::Yes);
        }
    }

    #[test]
    fn rules_that_never_stand_still_are_not_believed() {
        let (told, readings) = changing(u32::MAX);
        assert_eq!((told.culprit, readings), (None, RULES_AGAIN + 1), "{told:?}");
        let (verdict, because) = firewall(&told);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(because.contains("changed each time"), "{because}");
    }
}

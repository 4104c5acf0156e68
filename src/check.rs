//! One diagnosis without a screen: ask what is wanted until nothing more is, or the time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::diagnose::verdict::Diagnosis;
use crate::diagnose::ways::Memory;
use crate::diagnose::{diagnose, diagnose_again};
use crate::error::Error;
use crate::facts::socket::{Listener, Owner};
use crate::facts::{Case, Fact, Question, Reading};
use crate::sources::{self, Arrival, Sources};

/// Answers that may be on their way at once.
const IN_FLIGHT: usize = 256;

/// How often the packet filter's rules are read again because they changed while they were read.
const RULES_AGAIN: u32 = 3;

/// Looks at this host until everything that matters is known, at most for `limit`.
pub async fn settle(mut case: Case, limit: Duration) -> (Case, Diagnosis) {
    let (sender, mut arrivals) = mpsc::channel(IN_FLIGHT);
    let sources = Sources::new(sender);
    let (mut asked, mut again, mut memory) = (BTreeSet::new(), 0, Memory::default());
    let end = tokio::time::sleep(limit);
    tokio::pin!(end);
    loop {
        let diagnosis = diagnose_again(&case, &memory);
        if diagnosis.settled && again < RULES_AGAIN && case.here.rules_moved() {
            again += 1;
            case.here.forget_rules();
            memory.forget();
            continue;
        }
        if diagnosis.settled {
            return (case, diagnosis);
        }
        for question in diagnosis.wants {
            case.here.learn(Fact::without_value(&question, Reading::Pending));
            sources.ask(question.clone(), 0);
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

/// Diagnoses a case that nobody can be asked about any more (a recording).
pub fn replayed(case: Case) -> (Case, Diagnosis) {
    give_up(case, Vec::new(), &|| Reading::Failed { why: "it is not in the recording".into() })
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

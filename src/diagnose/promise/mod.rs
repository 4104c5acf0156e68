//! The promise that more facts never turn one verdict into another, checked on every host of every cause's tests and on
//! hosts made at random.

mod world;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::causes::testing::settle;
use super::verdict::{Diagnosis, Verdict};
use super::ways::Memory;
use super::{diagnose, diagnose_again};
use crate::facts::exchange::Request;
use crate::facts::{Case, Fact, Facts, Question, Reading};
use world::{Dice, World};

/// Why an answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    NotAsked,
    Pending,
    Denied,
    TimedOut,
}

impl Hole {
    fn reading(self) -> Reading<std::convert::Infallible> {
        match self {
            Self::NotAsked => Reading::NotAsked,
            Self::Pending => Reading::Pending,
            Self::Denied => Reading::Denied { needs: "root".into() },
            Self::TimedOut => Reading::TimedOut { after: std::time::Duration::from_secs(2) },
        }
    }

    /// The answer may still come.
    fn is_open(self) -> bool {
        matches!(self, Self::NotAsked | Self::Pending)
    }
}

/// Every question that has an answer.
fn answered(facts: &Facts) -> Vec<Question> {
    let mut all = vec![Question::Host, Question::Addresses, Question::AllListeners, Question::FailedUnits];
    all.extend(facts.names.keys().cloned().map(Question::Name));
    all.extend(facts.dials.keys().cloned().map(Question::Dial));
    all.extend(facts.listeners.keys().map(|(t, p)| Question::Listeners(*t, *p)));
    all.extend(facts.unix_sockets.keys().cloned().map(Question::UnixSocket));
    all.extend(facts.owners.keys().map(|inode| Question::Owner { inode: *inode, cgroup: None }));
    all.extend(facts.units.keys().cloned().map(Question::Unit));
    all.extend(facts.journals.keys().cloned().map(Question::Journal));
    all.extend(matches!(facts.happenings, Reading::Known(_)).then_some(Question::Happenings));
    all.extend(facts.claims.keys().map(|(t, p)| Question::Claims(*t, *p)));
    all.extend(facts.daemons.keys().copied().map(Question::Daemon));
    let others = facts.other_networks.keys();
    all.extend(others.map(|(pid, transport, port)| Question::OtherNetwork {
        pid: *pid,
        transport: *transport,
        port: *port,
    }));
    all.extend(facts.sysctls.keys().cloned().map(Question::Sysctl));
    all.extend(facts.libwraps.keys().map(|(pid, program)| Question::Libwrap { pid: *pid, program: program.clone() }));
    all.extend(matches!(facts.hosts_access, Reading::Known(_)).then_some(Question::HostsAccess));
    all.extend(facts.client_names.keys().map(|address| Question::ClientName(*address)));
    all.extend(facts.limits.keys().map(|pid| Question::Limits(*pid)));
    all.extend(facts.proxies.keys().map(|pid| Question::Proxies(*pid)));
    all.extend(matches!(facts.xinetd, Reading::Known(_)).then_some(Question::Xinetd));
    all.extend(of_the_filter(facts));
    all.extend(facts.exchanges.keys().map(|(to, tls)| Question::Exchange(Request::key(*to, *tls))));
    all
}

fn of_the_filter(facts: &Facts) -> Vec<Question> {
    fn told<T>(reading: &Reading<T>) -> bool {
        !matches!(reading, Reading::NotAsked)
    }
    let mut all = Vec::new();
    all.extend(told(&facts.ruleset).then_some(Question::Ruleset));
    all.extend(facts.chains.keys().map(|key| Question::ChainRules(key.clone())));
    all.extend(facts.elements.keys().map(|key| Question::Elements(key.clone())));
    all.extend(facts.members.keys().map(|(set, key)| Question::Member(set.clone(), key.clone())));
    all.extend(told(&facts.legacy).then_some(Question::Legacy));
    all.extend(facts.recent.keys().map(|key| Question::Recent(key.clone())));
    all.extend(told(&facts.links).then_some(Question::Links));
    all.extend(facts.routes.keys().map(|key| Question::Route(key.clone())));
    all.extend(told(&facts.routing).then_some(Question::Routing));
    all.extend(facts.paths.keys().cloned().map(Question::Path));
    all.extend(facts.neighbours.keys().map(|(ip, interface)| Question::Neighbour(*ip, interface.clone())));
    all.extend(told(&facts.firewalld).then_some(Question::Firewalld));
    all.extend(told(&facts.ufw).then_some(Question::Ufw));
    all.extend(told(&facts.fail2ban).then_some(Question::Fail2ban));
    all.extend(told(&facts.rule_files).then_some(Question::RuleFiles));
    all.extend(told(&facts.containers).then_some(Question::Containers));
    all.extend(facts.inspected.keys().map(|key| Question::Container(key.clone())));
    all.extend(facts.watched.keys().map(|key| Question::Watched(key.clone())));
    all
}

fn with_holes(case: &Case, holes: &[(Question, Hole)]) -> Case {
    let mut case = case.clone();
    for (question, hole) in holes {
        case.here.learn(Fact::without_value(question, hole.reading()));
    }
    case
}

/// What was told with facts missing must still hold when they have come.
fn later_facts_contradict_nothing(early: &Diagnosis, late: &Diagnosis) -> Result<(), String> {
    if early.outcome.is_some() && early.outcome != late.outcome {
        return Err(format!("the outcome was {:?} and became {:?}", early.outcome, late.outcome));
    }
    if early.culprit.is_some() && early.culprit != late.culprit {
        return Err(format!("the culprit was {:?} and became {:?}", early.culprit, late.culprit));
    }
    let late_ids: Vec<_> = late.causes.iter().map(|f| (f.cause, f.latent)).collect();
    if let Some(gone) = early.causes.iter().find(|f| !late_ids.contains(&(f.cause, f.latent))) {
        return Err(format!("{} was found (latent: {}) and then withdrawn", gone.cause, gone.latent));
    }
    verdicts_agree(early, late)
}

/// No box that was said to be healthy or not may turn out otherwise.
fn verdicts_agree(early: &Diagnosis, late: &Diagnosis) -> Result<(), String> {
    for (before, after) in early.boxes.iter().zip(&late.boxes) {
        let told = matches!(before.verdict, Verdict::Yes | Verdict::No);
        if told && before.verdict != after.verdict {
            return Err(format!(
                "box {}: {:?} ({}) became {:?} ({}, {:?})",
                before.id.word(),
                before.verdict,
                before.summary,
                after.verdict,
                after.summary,
                after.because
            ));
        }
    }
    Ok(())
}

/// Checks the promise for one set of holes, given how the host answers what it was not asked before.
fn holds(full: &Case, holes: &[(Question, Hole)], answer: &dyn Fn(&Question) -> Fact) -> Result<(), String> {
    let blind: Vec<_> = holes.iter().filter(|(_, hole)| !hole.is_open()).cloned().collect();
    let without = settle(with_holes(full, &blind), answer);
    let told = diagnose(&without);
    let early = diagnose(&with_holes(&without, holes));
    later_facts_contradict_nothing(&early, &told).map_err(|why| format!("{why}\nwithout {holes:?}"))?;
    let everything = diagnose(full);
    // Another port or address may be diagnosed where it could not be seen which one the unit has.
    if told.subject == everything.subject {
        verdicts_agree(&told, &everything).map_err(|why| format!("{why}\nwhen blind to {blind:?}"))?;
    }
    Ok(())
}

/// Checks the promise on one host: each fact missing alone, and many sets of facts missing together.
pub(crate) fn keep(full: &Case, answer: &dyn Fn(&Question) -> Fact) -> Result<(), String> {
    let questions = answered(&full.here);
    for question in &questions {
        for hole in [Hole::Pending, Hole::Denied] {
            holds(full, &[(question.clone(), hole)], answer)?;
        }
    }
    let mut dice = Dice::new(7);
    for _ in 0..20 {
        holds(full, &random_holes(&questions, &mut dice), answer)?;
    }
    Ok(())
}

fn random_holes(questions: &[Question], dice: &mut Dice) -> Vec<(Question, Hole)> {
    let density = dice.below(100);
    let kinds = [Hole::NotAsked, Hole::Pending, Hole::Denied, Hole::TimedOut];
    let mut holes = Vec::new();
    for question in questions {
        if dice.below(100) < density {
            holes.push((question.clone(), *dice.pick(&kinds)));
        }
    }
    holes
}

/// The same hosts each time. Others: `PROPTEST_RNG_SEED=2`; more of them: `PROPTEST_CASES=20000`.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random { ProptestConfig { rng_seed: RngSeed::Fixed(1), ..config } } else { config }
}

proptest! {
    #![proptest_config(config())]

    /// Any host at all is diagnosed without a panic, asking ends, and what is told early holds.
    #[test]
    fn on_hosts_made_at_random(seed in any::<u64>()) {
        let world = World::new(seed);
        let answer = |question: &Question| world.answer(question);
        let full = settle(Case::new(world.target(), world.from()), &answer);
        let everything = diagnose(&full);
        prop_assert!(everything.settled, "nothing is wanted, yet it is not settled: {everything:#?}");
        let mut dice = Dice::new(seed ^ 1);
        let questions = answered(&full.here);
        for _ in 0..8 {
            let holes = random_holes(&questions, &mut dice);
            if let Err(why) = holds(&full, &holes, &answer) {
                prop_assert!(false, "{why}\ntarget {:?} from {:?}\nfacts {:#?}", full.target, full.from, full.here);
            }
        }
    }

    /// What is remembered of earlier diagnoses makes none different, asked for and answered in any order.
    #[test]
    fn a_remembered_way_is_the_way(seed in any::<u64>()) {
        let world = World::new(seed);
        let mut dice = Dice::new(seed ^ 3);
        let mut case = Case::new(world.target(), world.from());
        let mut memory = Memory::default();
        let mut pending: Vec<Question> = Vec::new();
        loop {
            let told = diagnose_again(&case, &memory);
            prop_assert_eq!(&told, &diagnose(&case));
            for question in told.wants {
                let fact = Fact::without_value(&question, Reading::Pending);
                memory.hear(&fact, &case.here);
                case.here.learn(fact);
                pending.push(question);
            }
            prop_assert_eq!(diagnose_again(&case, &memory), diagnose(&case));
            if pending.is_empty() {
                break;
            }
            let question = dice.pick(&pending).clone();
            pending.retain(|q| *q != question);
            let fact = world.answer(&question);
            memory.hear(&fact, &case.here);
            case.here.learn(fact);
        }
    }

    /// Facts arriving one at a time, in any order, never take anything back.
    #[test]
    fn in_any_order_of_arrival(seed in any::<u64>()) {
        let world = World::new(seed);
        let mut dice = Dice::new(seed ^ 2);
        let mut case = Case::new(world.target(), world.from());
        let mut before = diagnose(&case);
        while !before.wants.is_empty() {
            let question = dice.pick(&before.wants).clone();
            case.here.learn(world.answer(&question));
            let after = diagnose(&case);
            if let Err(why) = later_facts_contradict_nothing(&before, &after) {
                prop_assert!(false, "{why}\nwhen {question:?} was answered\n{:#?}", case);
            }
            before = after;
        }
    }
}

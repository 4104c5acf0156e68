//! One rule after the other: strands go through the rules of a chain, and of the chains it leads to.

use super::bytes::{Byte, DoubtId, Registers};
use super::doubt::agree;
use super::effect::{is_effect, matters};
use super::split::{Cond, Cut, Region, Test, cut, cut_all, join};
use super::strand::Strand;
use super::walker::{Frame, Walker};
use super::{Fate, Missing, Place};
use crate::facts::ruleset::expr::{RejectWith, Verdict};
use crate::facts::ruleset::{ChainId, Rule};

/// Where strands are after a rule or a chain.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// At the next rule.
    pub(super) next: Vec<Strand>,
    /// Back where the chain was jumped from; in a base chain, at the policy.
    pub(super) returned: Vec<Strand>,
    /// Past the base chain.
    pub(super) accepted: Vec<Strand>,
    /// Still within the rule.
    tasks: Vec<Task>,
}

/// A rule, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a, 'k> {
    pub(super) frame: &'a Frame<'k>,
    pub(super) rule: &'k Rule,
}

impl Spot<'_, '_> {
    pub(super) fn place(&self) -> Place {
        self.frame.place(Some(self.rule))
    }
}

/// A strand within a rule.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) strand: Strand,
    pub(super) registers: Registers,
    /// Matches that were passed, for some of the sources only; the strand is cut when something happens to it.
    pending: Vec<Cond>,
    /// Next expression.
    at: usize,
    /// It was told apart already whether what cannot be known of this rule matches, and nothing was done since.
    told_apart: bool,
}

/// What an expression does with a strand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Goes on in the rule.
    On,
    /// The rule does not match.
    Fail,
    /// Loads registers.
    Load(u8, Vec<Byte>),
    /// Decides.
    Verdict(Verdict),
    /// Refuses.
    Reject(RejectWith),
    /// Cannot be told: both ways.
    Doubt(DoubtId),
    /// Cannot be told, nor what the ways would be.
    Lost(DoubtId),
}

/// What an expression asks.
#[derive(Debug)]
pub(super) enum Step {
    Do(Then),
    Test(Test),
    /// All of these conditions, and then what nobody knows.
    All(Vec<Cond>, Option<DoubtId>),
    /// By source: the first that holds.
    Choose(Vec<(Cond, Then)>, Then),
}

impl<'k> Walker<'k> {
    /// Sends strands through a chain. What comes back fell off its end or returned; what was accepted is added.
    pub(super) fn chain(&mut self, frame: &Frame<'k>, strands: Vec<Strand>, accepted: &mut Vec<Strand>) -> Vec<Strand> {
        self.enter(&frame.chain, &strands);
        let (rules, more) = match self.rules(frame) {
            Ok(found) => found,
            Err(missing) => {
                let what = format!("the chain {}", frame.chain.name);
                let doubt = self.missing(&missing, &what);
                let place = frame.place(None);
                return strands.into_iter().filter_map(|s| self.give_up(s, doubt, Some(place.clone()))).collect();
            }
        };
        let mut live = strands;
        let mut back = Vec::new();
        for rule in rules {
            if live.is_empty() {
                break;
            }
            self.spend(live.len());
            if !rule.exprs.iter().any(matters) || live.iter().all(|s| self.cannot_match(frame, rule, &s.state)) {
                continue;
            }
            let spot = Spot { frame, rule };
            if let Some(doubt) = self.too_much(live.len()) {
                for strand in std::mem::take(&mut live) {
                    self.give_up(strand, doubt, Some(spot.place()));
                }
                break;
            }
            let mut next = Vec::with_capacity(live.len());
            for strand in live {
                let flow = self.rule(spot, strand);
                next.extend(agree(join(flow.next)));
                back.extend(flow.returned);
                accepted.extend(flow.accepted);
            }
            live = next;
        }
        if more {
            let doubt = self.why("the chain has more rules than were read");
            live = live.into_iter().filter_map(|s| self.give_up(s, doubt, Some(frame.place(None)))).collect();
        }
        back.extend(live);
        agree(join(back))
    }

    fn rules(&self, frame: &Frame<'k>) -> Result<(&'k [Rule], bool), Missing> {
        let known = self.known;
        match frame.legacy {
            Some(table) => {
                let rules = table.chains.iter().find(|(chain, _)| chain.id == frame.chain);
                Ok((rules.map(|(_, rules)| rules.as_slice()).unwrap_or_default(), false))
            }
            None => known.chain_rules(&frame.chain).map(|chain| (chain.rules.as_slice(), chain.more)),
        }
    }

    /// Sends one strand through one rule.
    pub(super) fn rule(&mut self, spot: Spot<'_, 'k>, strand: Strand) -> Flow {
        let mut flow = Flow::default();
        let exprs = &spot.rule.exprs;
        // Beyond the last that matters nothing more happens in this rule.
        let last = exprs.iter().rposition(matters);
        flow.tasks.push(Task { strand, registers: Registers::new(), pending: Vec::new(), at: 0, told_apart: false });
        while let Some(mut task) = flow.tasks.pop() {
            loop {
                let Some(expr) = exprs.get(task.at).filter(|_| last.is_some_and(|last| task.at <= last)) else {
                    flow.next.push(task.strand);
                    break;
                };
                if is_effect(expr) && !task.pending.is_empty() {
                    self.settle(task, &mut flow);
                    break;
                }
                task.at += 1;
                task.told_apart &= !is_effect(expr);
                let step = self.step(spot, expr, &mut task);
                match self.act(spot, step, task, &mut flow) {
                    Some(same) => task = same,
                    None => break,
                }
            }
        }
        flow
    }

    /// Carries out what an expression asks; gives the task back where it goes on as a whole.
    fn act(&mut self, spot: Spot<'_, 'k>, step: Step, mut task: Task, flow: &mut Flow) -> Option<Task> {
        match step {
            Step::Do(then) => self.then(spot, then, task, flow),
            Step::Test(Test::Yes) => Some(task),
            Step::Test(Test::No) => {
                flow.next.push(task.strand);
                None
            }
            Step::Test(Test::Where(cond)) => {
                task.pending.push(cond);
                Some(task)
            }
            Step::Test(Test::Doubt(doubt)) => self.then(spot, Then::Doubt(doubt), task, flow),
            Step::Test(Test::Perhaps(cond, doubt)) => {
                let otherwise = if cond.inverted { Then::On } else { Then::Fail };
                let mut choices = vec![(Cond { inverted: false, ..cond }, Then::Doubt(doubt))];
                choices.push((Cond::within(Region::default()), otherwise));
                self.choose(spot, choices, task, flow);
                None
            }
            Step::All(conds, doubt) => {
                task.pending.extend(conds);
                match doubt {
                    Some(doubt) => self.then(spot, Then::Doubt(doubt), task, flow),
                    None => Some(task),
                }
            }
            Step::Choose(mut choices, otherwise) => {
                choices.push((Cond::within(Region::default()), otherwise));
                self.choose(spot, choices, task, flow);
                None
            }
        }
    }

    /// Cuts a strand by what its sources lead to; the last choice holds everybody.
    fn choose(&mut self, spot: Spot<'_, 'k>, choices: Vec<(Cond, Then)>, task: Task, flow: &mut Flow) {
        let Task { strand, registers, pending, at, told_apart } = task;
        let settled = self.cut_all(strand, &pending);
        flow.next.extend(settled.outside);
        let mut rest = settled.inside;
        let mut chosen: Vec<(Strand, Then)> = Vec::new();
        for (cond, then) in choices {
            let mut left = Vec::new();
            self.spend(cond.cost());
            for strand in rest {
                let pieces = cut(strand, &cond);
                chosen.extend(pieces.inside.into_iter().map(|strand| (strand, then.clone())));
                left.extend(pieces.outside);
            }
            rest = left;
        }
        for (strand, then) in chosen {
            let task = Task { strand, registers: registers.clone(), pending: Vec::new(), at, told_apart };
            if let Some(task) = self.then(spot, then, task, flow) {
                flow.tasks.push(task);
            }
        }
    }

    fn then(&mut self, spot: Spot<'_, 'k>, then: Then, mut task: Task, flow: &mut Flow) -> Option<Task> {
        match then {
            Then::On => return Some(task),
            Then::Fail => flow.next.push(task.strand),
            Then::Load(to, bytes) => {
                task.registers.set(to, &bytes);
                return Some(task);
            }
            Then::Verdict(verdict) => self.verdict(spot, &verdict, task.strand, flow),
            Then::Reject(with) => self.refuse(task.strand, with, spot.place()),
            Then::Doubt(doubt) => self.both_ways(spot, doubt, task, flow),
            Then::Lost(doubt) => {
                let pieces = self.cut_all(task.strand, &task.pending);
                flow.next.extend(pieces.outside);
                // Whatever it does, its ghost asks on.
                flow.next.extend(pieces.inside.into_iter().filter_map(|s| self.give_up(s, doubt, Some(spot.place()))));
            }
        }
        None
    }

    /// Follows both ways of what cannot be told.
    fn both_ways(&mut self, spot: Spot<'_, 'k>, doubt: DoubtId, task: Task, flow: &mut Flow) {
        if task.told_apart {
            flow.tasks.push(task);
            return;
        }
        let Task { strand, registers, pending, at, .. } = task;
        let fork = self.fork(doubt, Some(spot.place()));
        let pieces = self.cut_all(strand, &pending);
        flow.next.extend(pieces.outside);
        for mut strand in pieces.inside {
            let mut not = strand.clone();
            not.state().doubts.push((fork, false));
            flow.next.push(not);
            strand.state().doubts.push((fork, true));
            flow.tasks.push(Task { strand, registers: registers.clone(), pending: Vec::new(), at, told_apart: true });
        }
    }

    /// Carries out a verdict.
    fn verdict(&mut self, spot: Spot<'_, 'k>, verdict: &Verdict, mut strand: Strand, flow: &mut Flow) {
        match verdict {
            Verdict::Accept => {
                Self::pass(&mut strand, spot.place());
                flow.accepted.push(strand);
            }
            Verdict::Drop | Verdict::Stolen => self.end(strand, Fate::Dropped { by: spot.place() }),
            Verdict::Return => flow.returned.push(strand),
            Verdict::Continue | Verdict::Break => flow.next.push(strand),
            Verdict::Jump(name) => {
                let back = self.jump(spot, name, strand, &mut flow.accepted);
                flow.next.extend(back);
            }
            Verdict::Goto(name) => {
                let back = self.jump(spot, name, strand, &mut flow.accepted);
                flow.returned.extend(back);
            }
            Verdict::Queue => {
                let doubt = self.why("a program decides (queue)");
                flow.next.extend(self.give_up(strand, doubt, Some(spot.place())));
            }
        }
    }

    fn jump(&mut self, spot: Spot<'_, 'k>, name: &str, strand: Strand, accepted: &mut Vec<Strand>) -> Vec<Strand> {
        let Spot { frame, rule } = spot;
        if frame.via.len() >= 20 {
            let doubt = self.why("the chains lead too deep");
            return self.give_up(strand, doubt, Some(spot.place())).into_iter().collect();
        }
        let mut inner = frame.clone();
        inner.via.push((frame.chain.clone(), rule.handle));
        inner.chain = ChainId { table: frame.chain.table.clone(), name: name.into() };
        self.chain(&inner, vec![strand], accepted)
    }

    /// Cuts a strand by the matches it passed.
    fn settle(&mut self, task: Task, flow: &mut Flow) {
        let Task { strand, registers, pending, at, told_apart } = task;
        let cut = self.cut_all(strand, &pending);
        flow.next.extend(cut.outside);
        let on = |strand| Task { strand, registers: registers.clone(), pending: Vec::new(), at, told_apart };
        flow.tasks.extend(cut.inside.into_iter().map(on));
    }

    /// Cuts a strand by all of these conditions, and counts what that costs.
    fn cut_all(&mut self, strand: Strand, conds: &[Cond]) -> Cut {
        self.spend(conds.iter().map(Cond::cost).sum());
        cut_all(strand, conds)
    }
}

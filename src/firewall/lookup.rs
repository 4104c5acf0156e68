//! Looking keys up in sets and maps: all sources of a strand at once.

use std::collections::HashMap;

use super::Missing;
use super::bytes::{self, Byte, constant, known};
use super::rule::{Step, Task, Then};
use super::split::{Cond, Region, Test};
use super::walker::{Frame, ODD, TOO_BIG, Walker};
use crate::facts::ruleset::expr::{Expr, LookupTo};
use crate::facts::ruleset::{Element, Elements, Leads, Set, SetId};

/// What a lookup asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'e> {
    pub(super) set: &'e str,
    pub(super) from: u8,
    pub(super) to: LookupTo,
    pub(super) inverted: bool,
}

/// How many elements of a set a strand is cut by, field by field.
const MANY: usize = 200_000;
/// Regions that no one condition puts together: each cuts what the others left.
const APART: usize = 512;

impl<'k> Walker<'k> {
    /// `lookup`: a match, a verdict map or a map of values.
    pub(super) fn lookup(&mut self, frame: &Frame<'k>, asked: &Asked<'_>, task: &mut Task) -> Step {
        let Asked { set: name, from, to, inverted } = *asked;
        let id = SetId { table: frame.chain.table.clone(), name: name.into() };
        let Some(set) = self.sets.get(&id).copied() else {
            return self.doubtful("it depends on a set that was not read");
        };
        let key = task.registers.get(from, usize::try_from(set.key_len).unwrap_or(0)).to_vec();
        let added = task.strand.state.added.iter().any(|(set, added)| *set == id && *added == key);
        if added && to == LookupTo::Match {
            return Step::Test(Test::Yes.inverted(inverted));
        }
        let cached = (&set.id, key);
        if let (LookupTo::Match, Some(test)) = (to, self.looked_up.get(&cached)) {
            return Step::Test(test.clone().inverted(inverted));
        }
        let (_, key) = cached;
        let elements = match self.elements_for(set, &key) {
            Ok(elements) => elements,
            Err(Lack::Member) if to == LookupTo::Match => {
                let region = Region { member: Some(id), ..Region::default() };
                return Step::Test(Test::Where(Cond::within(region)).inverted(inverted));
            }
            Err(Lack::Member) => return self.lost("it depends on a map that is too big to list"),
            Err(Lack::Missing(missing)) => {
                let doubt = self.missing(&missing, &format!("the set {name}"));
                return Step::Do(if to == LookupTo::Match { Then::Doubt(doubt) } else { Then::Lost(doubt) });
            }
        };
        if to == LookupTo::Match {
            let test = self.within(set, &key, &elements);
            self.looked_up.insert((&set.id, key), test.clone());
            return Step::Test(test.inverted(inverted));
        }
        self.map(set, &key, &elements, to)
    }

    /// The elements that a key may be: all of a set that was listed, or the one that holds it.
    fn elements_for(&mut self, set: &Set, key: &[Byte]) -> Result<Held<'k>, Lack> {
        let known_key = known(key);
        let listed = self.known.elements(&set.id);
        match (listed, known_key) {
            (Ok(elements), _) if !elements.more => Ok(Held::All(elements)),
            (Ok(_) | Err(Missing::Blind(_)), Some(key)) => {
                self.known.member(&set.id, &key).map(Held::One).map_err(Lack::Missing)
            }
            (Ok(_), None) if key.iter().any(|b| matches!(b, Byte::Unknown { .. })) => {
                Err(Lack::Missing(Missing::Blind("it is too big to list".into())))
            }
            (Ok(_), None) => Err(Lack::Member),
            (Err(missing), _) => Err(Lack::Missing(missing)),
        }
    }

    /// Which sources' keys are in a set.
    fn within(&mut self, set: &Set, key: &[Byte], held: &Held<'k>) -> Test {
        let limited =
            |element: &&Element| element.exprs.iter().any(|e| matches!(e, Expr::Limit { .. } | Expr::Quota { .. }));
        let doubt =
            held.all().any(|element| limited(&element)).then(|| self.why("it depends on a limit of its element"));
        if held.catchall().is_some() {
            return doubt.map_or(Test::Yes, Test::Doubt);
        }
        if let Held::One(found) = held {
            return if found.is_some() { doubt.map_or(Test::Yes, Test::Doubt) } else { Test::No };
        }
        let mut regions = Vec::new();
        let mut unsure = doubt;
        self.spend(held.len());
        for element in held.all().take(MANY) {
            match self.holds(set, key, element) {
                Test::Yes => return doubt.map_or(Test::Yes, Test::Doubt),
                Test::No => {}
                Test::Where(cond) => regions.extend(cond.regions),
                Test::Doubt(why) => unsure = Some(why),
                Test::Perhaps(cond, why) => {
                    regions.extend(cond.regions);
                    unsure = Some(why);
                }
            }
        }
        let cond = Cond::of(regions);
        match unsure {
            _ if cond.regions.len() > APART => {
                let doubt = self.why(TOO_BIG);
                cond.coarser().map_or(Test::Doubt(doubt), |cond| Test::Perhaps(cond, doubt))
            }
            None if cond.regions.is_empty() => Test::No,
            None => Test::Where(cond),
            Some(why) if cond.regions.is_empty() || doubt.is_none() => Test::Doubt(why),
            Some(why) => Test::Perhaps(cond, why),
        }
    }

    /// Is a key within an element, field by field?
    fn holds(&self, set: &Set, key: &[Byte], element: &Element) -> Test {
        let whole = [set.key_len];
        let fields: &[u32] = if set.fields.is_empty() { &whole } else { &set.fields };
        let mut at = 0;
        let mut region = Region::default();
        let mut narrowed = false;
        let mut doubt = None;
        for field in fields {
            let len = usize::try_from(*field).unwrap_or(0);
            let (low, high) = (slice(&element.from, at, len), slice(&element.to, at, len));
            match bytes::between(key.get(at..at + len).unwrap_or_default(), low, high, self.v6, ODD) {
                Test::Yes => {}
                Test::No => return Test::No,
                Test::Doubt(why) => doubt = Some(why),
                Test::Where(cond) | Test::Perhaps(cond, _) => {
                    let Some(one) = cond.regions.into_iter().next() else { return Test::No };
                    let Some(both) = region.both(one) else { return Test::Doubt(ODD) };
                    region = both;
                    narrowed = true;
                }
            }
            at += len.next_multiple_of(4);
        }
        match (narrowed, doubt) {
            (false, None) => Test::Yes,
            (false, Some(why)) => Test::Doubt(why),
            (true, None) => Test::Where(Cond::within(region)),
            (true, Some(why)) => Test::Perhaps(Cond::within(region), why),
        }
    }

    /// What the sources' keys lead to.
    fn map(&mut self, set: &Set, key: &[Byte], held: &Held<'k>, to: LookupTo) -> Step {
        let otherwise = held.catchall().and_then(|e| e.leads_to.as_ref()).map_or(Then::Fail, |leads| then(leads, to));
        let mut order: Vec<Then> = Vec::new();
        let mut groups: Vec<Vec<Region>> = Vec::new();
        let mut numbers: HashMap<&'k Leads, usize> = HashMap::new();
        self.spend(held.len());
        for element in held.all().take(MANY) {
            let Some(leads) = &element.leads_to else { continue };
            let region = match self.holds(set, key, element) {
                Test::No => continue,
                Test::Yes => Region::default(),
                Test::Where(cond) => cond.regions.into_iter().next().unwrap_or_default(),
                Test::Doubt(why) | Test::Perhaps(_, why) => return Step::Do(Then::Lost(why)),
            };
            let at = *numbers.entry(leads).or_insert_with(|| {
                order.push(then(leads, to));
                groups.push(Vec::new());
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(at) {
                group.push(region);
            }
        }
        let choices: Vec<(Cond, Then)> = groups.into_iter().map(choice).zip(order).collect();
        if choices.iter().any(|(cond, _)| cond.regions.len() > APART) {
            return self.lost(TOO_BIG);
        }
        Step::Choose(choices, otherwise)
    }

    /// Runs the named object a map leads to, if there is one for the key: else the rule does not match. A counter decides
    /// nothing else; a limit may.
    pub(super) fn object_map(&mut self, frame: &Frame<'k>, set: &str, from: u8, task: &mut Task) -> Step {
        let found = self.lookup(frame, &Asked { set, from, to: LookupTo::Match, inverted: false }, task);
        let table = &frame.chain.table;
        let counts = |element: &Element| {
            let Some(Leads::Object(name)) = &element.leads_to else { return false };
            let objects = &self.ruleset.objects;
            let object = objects.iter().find(|object| object.table == *table && object.name == *name);
            object.is_some_and(|object| matches!(object.does, Expr::Counter { .. }))
        };
        match self.known.elements(&SetId { table: table.clone(), name: set.into() }) {
            Ok(elements) if !elements.more && elements.elements.iter().chain(&elements.catchall).all(counts) => found,
            Ok(_) | Err(Missing::Blind(_)) => self.doubtful("it depends on the object its element leads to"),
            Err(Missing::Open) => found,
        }
    }
}

/// A group's regions; one that asks nothing holds everybody.
fn choice(regions: Vec<Region>) -> Cond {
    if regions.iter().any(|region| *region == Region::default()) {
        return Cond::within(Region::default());
    }
    Cond::of(regions)
}

fn slice(data: &[u8], at: usize, len: usize) -> &[u8] {
    data.get(at..at + len).unwrap_or_default()
}

fn then(leads: &Leads, to: LookupTo) -> Then {
    match (leads, to) {
        (Leads::Verdict(verdict), _) => Then::Verdict(verdict.clone()),
        (Leads::Data(data), LookupTo::Register(to)) => Then::Load(to, constant(data)),
        (Leads::Data(_) | Leads::Object(_), _) => Then::On,
    }
}

/// Elements a key may be.
enum Held<'k> {
    All(&'k Elements),
    /// The one that holds it.
    One(Option<&'k Element>),
}

impl<'k> Held<'k> {
    fn len(&self) -> usize {
        match self {
            Self::All(elements) => elements.elements.len(),
            Self::One(_) => 1,
        }
    }

    fn all(&self) -> impl Iterator<Item = &'k Element> {
        let (many, one): (&'k [Element], Option<&'k Element>) = match self {
            Self::All(elements) => (&elements.elements, None),
            Self::One(one) => (&[], *one),
        };
        many.iter().chain(one)
    }

    fn catchall(&self) -> Option<&'k Element> {
        match self {
            Self::All(elements) => elements.catchall.as_ref(),
            Self::One(_) => None,
        }
    }
}

/// Why there are no elements.
enum Lack {
    /// The set is too big to list: sources are in it or not.
    Member,
    Missing(Missing),
}

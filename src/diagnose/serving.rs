//! Which unit is responsible for the target: the one asked for, the one that listens, or the one meant to.

use std::cmp::Reverse;

use super::look::Look;
use super::subject::Subject;
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::socket::{Listener, Owner, Transport};
use crate::facts::unit::Unit;

/// The responsible unit or program.
#[derive(Debug, Clone)]
pub struct Serving<'a> {
    /// The unit, if systemd knows it.
    pub unit: Option<&'a Unit>,
    /// Its name, or the program's, for people.
    pub name: String,
    /// The claim that led to it, where it was not asked for and does not listen.
    pub claim: Option<&'a Claim>,
    /// It was found because it listens on the port now.
    pub listens: bool,
}

/// The unit or program responsible for the target. None: not known (yet).
pub fn serving<'a>(look: &Look<'a>, subject: &Subject) -> Option<Serving<'a>> {
    if let Some(name) = &subject.unit {
        let unit = look.unit(name)?;
        return Some(Serving { unit: Some(unit), name: name.clone(), claim: None, listens: false });
    }
    if subject.local != Some(true) {
        return None;
    }
    let port = subject.port?;
    let listeners = look.listeners(subject.transport, port)?;
    if let Some(found) = listening(look, listeners) {
        return Some(found);
    }
    if !listeners.is_empty() {
        return None;
    }
    claimed(look, subject.transport, port)
}

/// The owner of the first listener whose owner is known.
pub fn owner_of_any<'a>(look: &Look<'a>, listeners: &'a [Listener]) -> Option<(&'a Listener, &'a Owner)> {
    listeners.iter().find_map(|l| Some((l, look.owner(l)?)))
}

fn listening<'a>(look: &Look<'a>, listeners: &'a [Listener]) -> Option<Serving<'a>> {
    let (_, owner) = owner_of_any(look, listeners)?;
    let name = owner.unit.as_ref().filter(|u| *u != "init.scope");
    let unit = name.and_then(|u| look.unit(u));
    Some(Serving { unit, name: owner.shown(), claim: None, listens: true })
}

fn claimed<'a>(look: &Look<'a>, transport: Transport, port: u16) -> Option<Serving<'a>> {
    let claims = look.claims(transport, port)?;
    let mut best: Option<(&Claim, &Unit)> = None;
    let mut first = None;
    for claim in &claims.claims {
        first = first.or(Some(claim));
        let Some(name) = &claim.unit else { continue };
        let unit = look.unit(name)?; // wait for every claimed unit: the verdict must not change later
        if unit.exists() && best.is_none_or(|(c, u)| worth(claim, unit) > worth(c, u)) {
            best = Some((claim, unit));
        }
    }
    match (best, first) {
        (Some((claim, unit)), _) => {
            Some(Serving { unit: Some(unit), name: unit.name.clone(), claim: Some(claim), listens: false })
        }
        (None, Some(claim)) => {
            Some(Serving { unit: None, name: claim.program.clone(), claim: Some(claim), listens: false })
        }
        (None, None) => None,
    }
}

/// Better evidence first; among equals the unit somebody wants to run.
fn worth(claim: &Claim, unit: &Unit) -> (bool, u8, Reverse<ClaimSource>) {
    let sure = claim.source <= ClaimSource::Config;
    let wanted = match (unit.active_state.as_str(), unit.file_state.as_str()) {
        ("failed" | "activating" | "deactivating", _) => 3,
        (_, "enabled" | "enabled-runtime" | "generated" | "masked" | "masked-runtime") => 2,
        ("active" | "reloading", _) => 2,
        _ => 1,
    };
    (sure, wanted, Reverse(claim.source))
}

//! Whose confinement by a security module matters: the process that serves, or the program that would be started.

use super::look::Look;
use super::serving::{Serving, owner_of_any};
use super::subject::Subject;
use crate::facts::confined::Confined;
use crate::facts::unit::Unit;

/// The process of a unit, or the program it would start. None: it is no service, or starts nothing.
pub fn of_unit(unit: &Unit) -> Option<Confined> {
    let service = unit.service.as_ref()?;
    let program = service.exec_start.first()?.first()?.clone();
    let pid = if unit.is_running() { service.main_pid } else { 0 };
    Some(Confined { pid, program })
}

/// Whoever serves the target, or should.
pub fn of_serving(look: &Look<'_>, subject: &Subject, serving: &Serving<'_>) -> Option<Confined> {
    if let Some(about) = serving.unit.and_then(of_unit) {
        return Some(about);
    }
    let listeners = look.listeners(subject.transport, subject.port?)?;
    let (_, owner) = owner_of_any(look, listeners)?;
    let process = owner.processes.first()?;
    Some(Confined { pid: process.pid, program: process.name.clone() })
}

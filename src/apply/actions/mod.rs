//! How each kind of thing is read, set and set back. One file a kind.

mod apparmor;
mod ban;
mod check;
mod file;
mod firewalld;
mod kept;
mod process;
mod program;
mod rule;
mod selinux;
mod sysctl;
mod ufw;
mod unit;

use super::Hands;
use super::change::{Change, Kick, Thing, Value};
use crate::error::Error;
use crate::fixes::Action;
use crate::fixes::action::Verb;

/// The thing that an action sets.
pub(super) fn thing(action: &Action) -> Result<Thing, Error> {
    Ok(match action {
        Action::Edit(edit) => Thing::File(file::real(&edit.file)?),
        Action::Create(create) => Thing::File(create.file.clone()),
        Action::Remove { file } => Thing::File(file.clone()),
        Action::Unit { unit, verb: Verb::Enable | Verb::Disable } => Thing::Enabled(unit.clone()),
        Action::Unit { unit, verb: Verb::Mask | Verb::Unmask | Verb::MaskRuntime | Verb::UnmaskRuntime } => {
            Thing::Masked(unit.clone())
        }
        Action::Unit { unit, .. } => Thing::Running(unit.clone()),
        Action::Sysctl { path, .. } => Thing::Sysctl(path.clone()),
        Action::Rule(rule) => Thing::Rule(rule.clone()),
        Action::Firewalld(entry) => Thing::Zone(entry.clone()),
        Action::Ufw(entry) => Thing::Ufw(entry.clone()),
        Action::Unban { jail, address } => Thing::Ban(jail.clone(), *address),
        Action::End(process) => Thing::Process(process.clone()),
        Action::ProfileMode { name, file, .. } => Thing::ProfileMode { name: name.clone(), file: file.clone() },
        Action::PortLabel(label) => Thing::PortLabel(label.clone()),
        Action::Relabel { file, .. } => Thing::Label(file::real(file)?),
        Action::Switch { name, .. } => Thing::Switch(name.clone()),
        Action::PermissiveDomain { domain } => Thing::PermissiveDomain(domain.clone()),
        Action::DaemonReload | Action::Check { .. } | Action::Reopen { .. } | Action::LoadProfile { .. } => {
            return Err(Error::broken("this step sets nothing"));
        }
    })
}

/// What an action makes of a thing that is as `old` says.
pub(super) fn planned(action: &Action, old: &Value) -> Result<Value, Error> {
    match action {
        Action::Edit(edit) => file::edited(edit, old),
        Action::Create(create) => file::created(create, old),
        Action::Remove { file } => file::removed(file, old),
        Action::Unit { unit, verb } => unit::planned(unit, *verb, old),
        Action::Sysctl { value, .. } => Ok(Value::Word(value.clone())),
        Action::Rule(_) | Action::PermissiveDomain { .. } => Ok(Value::Present),
        Action::Firewalld(entry) => Ok(firewalld::planned(entry)),
        Action::Ufw(entry) => ufw::planned(entry, old),
        Action::Unban { .. } | Action::End(_) => Ok(Value::Absent),
        Action::ProfileMode { name, complain, .. } => apparmor::planned(name, *complain, old),
        Action::PortLabel(label) => Ok(Value::Word(label.kind.clone())),
        Action::Relabel { context, .. } => Ok(Value::Word(context.clone())),
        Action::Switch { on, .. } => Ok(selinux::word(*on)),
        Action::DaemonReload | Action::Check { .. } | Action::Reopen { .. } | Action::LoadProfile { .. } => {
            Err(Error::broken("this step sets nothing"))
        }
    }
}

/// What a thing is now.
pub(super) async fn read(hands: &Hands, thing: &Thing) -> Result<Value, Error> {
    match thing {
        Thing::File(path) => file::read(path),
        Thing::Running(unit) => unit::running(hands, unit).await,
        Thing::Enabled(unit) => unit::enabled(hands, unit).await,
        Thing::Masked(unit) => unit::masked(hands, unit).await,
        Thing::Sysctl(path) => sysctl::read(path),
        Thing::Process(process) => Ok(process::read(process)),
        Thing::Rule(rule) => rule::read(hands, rule).await,
        Thing::Zone(entry) => firewalld::read(hands, entry).await,
        Thing::Ufw(entry) => ufw::read(hands, entry).await,
        Thing::Ban(jail, address) => ban::read(hands, jail, *address).await,
        Thing::ProfileMode { name, .. } => apparmor::read(hands, name).await,
        Thing::PortLabel(label) => selinux::port(hands, label).await,
        Thing::Label(file) => selinux::label(file),
        Thing::Switch(name) => selinux::switch(hands, name).await,
        Thing::PermissiveDomain(domain) => selinux::permissive(hands, domain).await,
    }
}

/// Sets a thing. It is as `change.old` says; the caller has looked.
pub(super) async fn set(hands: &Hands, change: &Change, entry: u64) -> Result<(), Error> {
    match &change.thing {
        Thing::File(path) => file::set(path, change, entry),
        Thing::Running(unit) => unit::set_running(hands, unit, &change.new).await,
        Thing::Enabled(unit) => unit::set_enabled(hands, unit, &change.new).await,
        Thing::Masked(unit) => unit::set_masked(hands, unit, change).await,
        Thing::Sysctl(path) => sysctl::set(path, &change.new),
        Thing::Zone(zone) => firewalld::set(hands, zone, change, entry).await,
        Thing::Ufw(rule) => ufw::set(hands, rule, change, entry).await,
        Thing::Ban(jail, address) => ban::set(hands, jail, *address, &change.new).await,
        Thing::Process(process) => process::end(process).await,
        Thing::Rule(rule) => rule::set(hands, rule, &change.new).await,
        Thing::ProfileMode { file, .. } => apparmor::set(hands, file, &change.new).await,
        Thing::PortLabel(label) => selinux::set_port(hands, label, &change.old, &change.new).await,
        Thing::Label(file) => selinux::set_label(file, &change.new),
        Thing::Switch(name) => selinux::set_switch(hands, name, &change.new).await,
        Thing::PermissiveDomain(domain) => selinux::set_permissive(hands, domain, &change.new).await,
    }
}

/// Puts the files of the owner of a thing back as they were; the thing itself is what it was. Whoever set it back may
/// have been interrupted before this.
pub(super) async fn restore(hands: &Hands, to: &Change, entry: u64) -> Result<(), Error> {
    match &to.thing {
        Thing::Zone(zone) => firewalld::restore(hands, zone, &to.new, entry).await,
        Thing::Ufw(rule) => ufw::restore(hands, rule, &to.new, entry).await,
        Thing::File(path) => {
            file::restore(path, to, entry);
            Ok(())
        }
        Thing::Running(_)
        | Thing::Enabled(_)
        | Thing::Masked(_)
        | Thing::Sysctl(_)
        | Thing::Rule(_)
        | Thing::Ban(..)
        | Thing::Process(_)
        | Thing::ProfileMode { .. }
        | Thing::PortLabel(_)
        | Thing::Label(_)
        | Thing::Switch(_)
        | Thing::PermissiveDomain(_) => Ok(()),
    }
}

/// Makes changes count.
pub(super) async fn kick(hands: &Hands, kick: &Kick) -> Result<(), Error> {
    match kick {
        Kick::DaemonReload => unit::daemon_reload(hands).await,
        Kick::Check(argv) => check::run(argv).await,
        Kick::Restart { unit, .. } => unit::restart(hands, unit).await,
        Kick::Reopen { socket, services } => unit::reopen(hands, socket, services).await,
        Kick::Reload { unit, .. } => unit::reload(hands, unit).await,
        Kick::ResetFailed(unit) => unit::reset_failed(hands, unit).await,
        Kick::LoadProfile(file) => apparmor::load(hands, file).await,
    }
}

/// Whether a unit runs.
pub(super) async fn runs(hands: &Hands, unit: String) -> Result<bool, Error> {
    Ok(unit::running(hands, &unit).await? == Value::Word(unit::RUNNING.into()))
}

/// Those of some units that run.
pub(super) async fn running(hands: &Hands, units: &[String]) -> Result<Vec<String>, Error> {
    let mut up = Vec::new();
    for unit in units {
        if runs(hands, unit.clone()).await? {
            up.push(unit.clone());
        }
    }
    Ok(up)
}

/// Stops a unit.
pub(super) async fn stop(hands: &Hands, unit: &str) -> Result<(), Error> {
    unit::set_running(hands, unit, &Value::Word(unit::STOPPED.into())).await
}

/// Removes what was kept for the way back of a change, once nobody goes that way any more.
pub(super) fn clean(change: &Change, entry: u64) {
    if let Thing::File(path) = &change.thing {
        file::clean(path, entry);
    }
}

//! Units, over D-Bus.

use std::time::{Duration, Instant};

use crate::apply::Hands;
use crate::apply::change::{Change, Value};
use crate::error::Error;
use crate::facts::Reading;
use crate::facts::unit::Unit;
use crate::fixes::action::Verb;
use crate::sources::dbus::systemd;

/// The word for a unit that runs or is about to.
pub(super) const RUNNING: &str = "running";
/// The word for one that does not.
pub(super) const STOPPED: &str = "stopped";
/// Longer than a unit's own time to start (90 s by default).
const JOB_WITHIN: Duration = Duration::from_secs(120);
/// How often a job is looked after.
const LOOK: Duration = Duration::from_millis(30);

/// What a verb makes of a unit that is as `old` says.
pub(super) fn planned(unit: &str, verb: Verb, old: &Value) -> Result<Value, Error> {
    let word = |word: &str| Ok(Value::Word(word.to_owned()));
    match verb {
        Verb::Start => word(RUNNING),
        Verb::Stop => word(STOPPED),
        Verb::Enable | Verb::Disable => match old {
            Value::Word(now) if matches!(now.as_str(), "enabled" | "disabled") => {
                word(if verb == Verb::Enable { "enabled" } else { "disabled" })
            }
            Value::Word(_) | Value::Absent | Value::Present | Value::File(_) | Value::Kept(_) => {
                Err(Error::broken(format!("{unit} can be neither enabled nor disabled: it is {old}")))
            }
        },
        Verb::Mask => word("masked"),
        Verb::MaskRuntime => word("masked-runtime"),
        Verb::Unmask | Verb::UnmaskRuntime => Ok(Value::Absent),
        Verb::Restart | Verb::Reload | Verb::ResetFailed => Err(Error::broken("this step sets nothing")),
    }
}

async fn look(hands: &Hands, name: &str) -> Result<Unit, Error> {
    let reading = systemd::unit(&hands.bus, name).await;
    let why = reading.blind().unwrap_or_else(|| "there was no answer".into());
    let Reading::Known(known) = reading else {
        return Err(Error::broken(format!("systemd cannot be asked about {name}: {why}")));
    };
    Ok(known.value)
}

pub(super) async fn running(hands: &Hands, name: &str) -> Result<Value, Error> {
    let unit = look(hands, name).await?;
    Ok(Value::Word(if unit.is_up() { RUNNING } else { STOPPED }.into()))
}

pub(super) async fn enabled(hands: &Hands, name: &str) -> Result<Value, Error> {
    let answer = call(hands, "GetUnitFileState", &name).await?;
    let state: String = answer.body().deserialize().map_err(|e| garbled(&e))?;
    Ok(Value::Word(state))
}

pub(super) async fn masked(hands: &Hands, name: &str) -> Result<Value, Error> {
    let Value::Word(state) = enabled(hands, name).await? else { return Ok(Value::Absent) };
    Ok(if state.starts_with("masked") { Value::Word(state) } else { Value::Absent })
}

pub(super) async fn set_running(hands: &Hands, name: &str, to: &Value) -> Result<(), Error> {
    let start = *to == Value::Word(RUNNING.into());
    if name.ends_with(".socket") {
        return if start { open(hands, name).await } else { close(hands, name).await };
    }
    turn(hands, name, start).await
}

async fn turn(hands: &Hands, name: &str, start: bool) -> Result<(), Error> {
    let verb = if start { "StartUnit" } else { "StopUnit" };
    call(hands, verb, &(name, "replace")).await?;
    let unit = settled(hands, name).await?;
    if unit.is_up() == start { Ok(()) } else { Err(refused(&unit, if start { "start" } else { "stop" })) }
}

/// Starts a socket unit. systemd refuses that while a service it starts runs: those wait meanwhile, and have its
/// sockets afterwards.
async fn open(hands: &Hands, name: &str) -> Result<(), Error> {
    let services = services_up(hands, &look(hands, name).await?).await;
    let names: Vec<String> = services.into_iter().map(|service| service.name).collect();
    reopen(hands, name, &names).await
}

/// Stops and starts a socket unit. Of the services it starts, these run afterwards.
pub(super) async fn reopen(hands: &Hands, name: &str, services: &[String]) -> Result<(), Error> {
    let socket = look(hands, name).await?;
    // First the socket: a connection would start its service again.
    turn(hands, name, false).await?;
    for service in services_up(hands, &socket).await {
        turn(hands, &service.name, false).await?;
    }
    let opened = turn(hands, name, true).await;
    for service in services {
        // The first connection may have started it already.
        turn(hands, service, true).await?;
    }
    opened
}

/// Stops a socket unit, and what runs with its sockets: they would stay open.
async fn close(hands: &Hands, name: &str) -> Result<(), Error> {
    let socket = look(hands, name).await?;
    turn(hands, name, false).await?;
    for service in services_up(hands, &socket).await {
        if service.active_enter_us >= socket.active_enter_us {
            turn(hands, &service.name, false).await?;
        }
    }
    Ok(())
}

/// The services of a socket unit that run.
async fn services_up(hands: &Hands, socket: &Unit) -> Vec<Unit> {
    let mut up = Vec::new();
    for service in &socket.triggers {
        // One for a single connection may be gone by now.
        let service = look(hands, service).await.ok();
        up.extend(service.filter(Unit::is_up));
    }
    up
}

pub(super) async fn restart(hands: &Hands, name: &str) -> Result<(), Error> {
    call(hands, "RestartUnit", &(name, "replace")).await?;
    up(hands, name, "start").await
}

pub(super) async fn reload(hands: &Hands, name: &str) -> Result<(), Error> {
    call(hands, "ReloadOrRestartUnit", &(name, "replace")).await?;
    up(hands, name, "reload").await
}

async fn up(hands: &Hands, name: &str, what: &str) -> Result<(), Error> {
    let unit = settled(hands, name).await?;
    let runs = matches!(unit.active_state.as_str(), "active" | "reloading");
    if runs { Ok(()) } else { Err(refused(&unit, what)) }
}

pub(super) async fn reset_failed(hands: &Hands, name: &str) -> Result<(), Error> {
    match call(hands, "ResetFailedUnit", &name).await {
        // It is not in memory: then systemd remembers no failure either.
        Err(error) if error.report().contains("not loaded") => Ok(()),
        other => other.map(drop),
    }
}

pub(super) async fn daemon_reload(hands: &Hands) -> Result<(), Error> {
    call(hands, "Reload", &()).await.map(drop)
}

/// Enables or disables, and lets systemd see it, as systemctl does.
pub(super) async fn set_enabled(hands: &Hands, name: &str, to: &Value) -> Result<(), Error> {
    let names = [name];
    if *to == Value::Word("enabled".into()) {
        call(hands, "EnableUnitFiles", &(names.as_slice(), false, false)).await?;
    } else {
        call(hands, "DisableUnitFiles", &(names.as_slice(), false)).await?;
    }
    daemon_reload(hands).await
}

/// Masks or unmasks; a mask that lasts until the next boot stays one of that kind.
pub(super) async fn set_masked(hands: &Hands, name: &str, change: &Change) -> Result<(), Error> {
    let names = [name];
    let runtime = [&change.old, &change.new].contains(&&Value::Word("masked-runtime".into()));
    if change.new == Value::Absent {
        call(hands, "UnmaskUnitFiles", &(names.as_slice(), runtime)).await?;
    } else {
        call(hands, "MaskUnitFiles", &(names.as_slice(), runtime, false)).await?;
    }
    daemon_reload(hands).await
}

/// The unit once no job of it is waiting or running and its state is its last: systemd's answers about the job and about
/// the state are not of the same moment.
async fn settled(hands: &Hands, name: &str) -> Result<Unit, Error> {
    let began = Instant::now();
    loop {
        // The state is read before what its job does: a job that ends in between leaves the state from before.
        let before = look(hands, name).await?;
        let unit = look(hands, name).await?;
        if before.job.is_none() && unit.job.is_none() && !is_passing(&unit) {
            return Ok(unit);
        }
        if began.elapsed() > JOB_WITHIN {
            let seconds = JOB_WITHIN.as_secs();
            return Err(Error::broken(format!("{name} is still {} after {seconds} s", unit.active_state)));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// On its way to another state by itself; waiting for its next automatic restart it may be for long.
fn is_passing(unit: &Unit) -> bool {
    matches!(unit.active_state.as_str(), "activating" | "deactivating") && !unit.sub_state.starts_with("auto-restart")
}

fn refused(unit: &Unit, what: &str) -> Error {
    let result = unit.service.as_ref().map(|s| s.result.as_str()).filter(|r| !matches!(*r, "" | "success"));
    let result = result.map(|r| format!(", Result={r}")).unwrap_or_default();
    Error::broken(format!("{} did not {what}: it is {}{result}", unit.name, unit.shown_state()))
        .hint(format!("journalctl -b -u {}", crate::text::arg(&unit.name)))
}

async fn call<B>(hands: &Hands, method: &str, body: &B) -> Result<zbus::Message, Error>
where
    B: serde::Serialize + zbus::DynamicType + Sync,
{
    let answer = hands.bus.call(systemd::PATH, (systemd::MANAGER, method), body).await;
    answer.map_err(|error| {
        let trouble = crate::sources::Trouble::from(error);
        let why = Reading::<()>::from(trouble).blind().unwrap_or_default();
        Error::broken(format!("systemd does not take {method}: {why}"))
    })
}

fn garbled(error: &zbus::Error) -> Error {
    Error::broken(format!("systemd's answer cannot be understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_passes_is_waited_for() {
        let unit =
            |active: &str, sub: &str| Unit { active_state: active.into(), sub_state: sub.into(), ..Unit::default() };
        assert!(is_passing(&unit("activating", "start")));
        assert!(is_passing(&unit("deactivating", "stop-sigterm")));
        assert!(!is_passing(&unit("activating", "auto-restart")));
        assert!(!is_passing(&unit("active", "running")));
    }

    #[test]
    fn only_what_can_be_enabled_is_enabled() {
        let word = |w: &str| Value::Word(w.into());
        assert_eq!(planned("x.service", Verb::Enable, &word("disabled")).unwrap(), word("enabled"));
        assert!(planned("x.service", Verb::Enable, &word("static")).is_err());
        assert_eq!(planned("x.service", Verb::Unmask, &word("masked-runtime")).unwrap(), Value::Absent);
        assert!(planned("x.service", Verb::Restart, &word(RUNNING)).is_err());
    }
}

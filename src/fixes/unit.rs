//! Plans about units: start, enable, unmask, and drop-ins.

use super::action::{Action, Create, Verb};
use super::plan::{Plan, Risk};
use crate::facts::unit::Unit;

/// Starts a unit. One that failed too often is forgiven first: systemd would refuse.
pub fn start(unit: &Unit) -> Plan {
    let name = &unit.name;
    let plan = Plan::new("start-unit", format!("start {name}"));
    let plan = match unit.active_state.as_str() {
        "failed" => plan.step(format!("forget that {name} failed"), act(name, Verb::ResetFailed)),
        _ => plan,
    };
    plan.step(format!("start {name}"), act(name, Verb::Start))
}

/// Starts a unit, now and at every boot.
pub fn start_and_enable(unit: &Unit) -> Plan {
    let name = &unit.name;
    let mut plan = start(unit);
    plan.id = "start-and-enable-unit".into();
    plan.title = format!("start {name}, now and at every boot");
    plan.step(format!("let {name} start at boot"), act(name, Verb::Enable))
}

/// Unmasks and starts a unit.
pub fn unmask(unit: &Unit) -> Plan {
    let name = &unit.name;
    let verb = if unit.file_state == "masked-runtime" { Verb::UnmaskRuntime } else { Verb::Unmask };
    Plan::new("unmask-unit", format!("unmask and start {name}"))
        .risk(Risk::Medium)
        .warn(format!("somebody masked {name}, perhaps to keep it off this port: ask why first"))
        .step(format!("unmask {name}"), act(name, verb))
        .step(format!("start {name}"), act(name, Verb::Start))
}

/// Restarts a unit.
pub fn restart(name: &str) -> Plan {
    Plan::new("restart-unit", format!("restart {name}"))
        .risk(Risk::Medium)
        .warn(format!("those connected to {name} now lose their connections"))
        .step(format!("restart {name}"), act(name, Verb::Restart))
}

/// Where the drop-ins of this program stand. `name` tells several of one unit apart.
pub fn drop_in(unit: &str, name: &str, text: &str) -> Action {
    Action::Create(Create {
        file: format!("/etc/systemd/system/{unit}.d/60-unrefuse-{name}.conf"),
        text: text.to_owned(),
    })
}

/// Something done with a unit.
pub fn act(unit: &str, verb: Verb) -> Action {
    Action::Unit { unit: unit.to_owned(), verb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_unit_is_forgiven_before_it_is_started() {
        let unit = Unit { name: "x.service".into(), active_state: "failed".into(), ..Unit::default() };
        assert_eq!(start(&unit).commands(), "systemctl reset-failed x.service\nsystemctl start x.service");
        assert_eq!(start(&unit).undo_commands().unwrap(), "systemctl stop x.service");
        assert_eq!(unmask(&unit).undo_commands().unwrap(), "systemctl stop x.service\nsystemctl mask x.service");
    }
}

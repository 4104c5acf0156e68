//! Plans about a port that somebody else has.

use super::action::{Action, Process, Verb};
use super::plan::{Plan, Risk};
use super::unit::{act, brought_up};
use crate::facts::unit::Unit;

/// Stops the units that have the port, now and for the next boot, and brings up the one that wants it.
pub fn take_over(holders: &[&Unit], wanted: &Unit) -> Plan {
    let names: Vec<&str> = holders.iter().map(|unit| unit.name.as_str()).collect();
    let names = names.join(" and ");
    let boot = |unit: &Unit| unit.file_state == "enabled";
    let when = if holders.iter().any(|unit| boot(unit)) {
        ", now and for the next boot"
    } else {
        ", which does not start at boot"
    };
    let mut plan = Plan::new("stop-other-unit", format!("stop {names}{when}, and start {}", wanted.name))
        .risk(Risk::High)
        .warn(format!("what {names} serves ends, and whoever is connected to it is cut off"));
    for unit in holders {
        plan = plan.step(format!("stop {}", unit.name), act(&unit.name, Verb::Stop));
        if boot(unit) {
            plan = plan.step(format!("keep {} from starting at boot", unit.name), act(&unit.name, Verb::Disable));
        }
    }
    brought_up(plan, wanted)
}

/// Ends the process that has the port, and brings up the unit that wants it.
pub fn end(process: Process, wanted: &Unit) -> Plan {
    let name = format!("{}[{}]", process.name, process.pid);
    let plan = Plan::new("end-process", format!("end {name} and start {}", wanted.name))
        .risk(Risk::High)
        .warn(format!("{name} cannot be brought back by undo: nobody here knows how it was started"))
        .warn("it is asked to end, and made to after 5 s: what it has not written by then is lost")
        .step(format!("end {name}"), Action::End(process));
    brought_up(plan, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_promises_to_bring_a_process_back() {
        let wanted = Unit { name: "x.service".into(), active_state: "failed".into(), ..Unit::default() };
        let plan = end(Process { pid: 812, started: 7, name: "x".into() }, &wanted);
        assert_eq!(plan.commands(), "kill 812\nsystemctl reset-failed x.service\nsystemctl start x.service");
        assert_eq!(plan.undo_commands().unwrap(), "systemctl stop x.service");
        assert!(plan.risk == Risk::High && plan.warnings[0].contains("cannot be brought back"), "{plan:?}");
    }
}

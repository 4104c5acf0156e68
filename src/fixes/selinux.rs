//! Plans about labels of SELinux: of a port, of a program, and switches of the policy.

use super::action::{Action, PortLabel};
use super::plan::{Lasting, Plan, Risk};
use super::unit;
use crate::facts::selinux::PortRule;
use crate::facts::unit::Unit;

/// Gives a port a type that the daemon may bind.
pub fn port_type(of: &Unit, (transport, port): (&str, u16), kind: &str, rule: &PortRule) -> Plan {
    let does = format!("give port {port}/{transport} the type {kind}");
    let label = PortLabel {
        port,
        transport: transport.to_owned(),
        kind: kind.to_owned(),
        // semanage adds where the policy itself has no entry for just this port.
        of_policy: rule.range == Some((port, port)),
    };
    let plan = Plan::new("selinux-port-type", &does)
        .risk(Risk::Medium)
        .warn(format!("every program that may bind {kind} may then bind port {port}; this takes some seconds"))
        .step(does, Action::PortLabel(label));
    unit::brought_up(plan, of)
}

/// Gives a program's file the label that the policy has for it.
pub fn relabel(of: &Unit, program: &str, context: &str) -> Plan {
    let does = format!("give {program} the label that the policy has for it");
    let action = Action::Relabel { file: program.to_owned(), context: context.to_owned() };
    let plan = Plan::new("selinux-relabel", &does).risk(Risk::Medium).step(does, action);
    unit::brought_up(plan, of)
}

/// Turns a switch of the policy on until the next reboot.
pub fn switch(name: &str) -> Plan {
    let does = format!("turn the switch {name} of the policy on");
    Plan::new("selinux-boolean", &does)
        .risk(Risk::Medium)
        .lasting(Lasting::Runtime)
        .warn("it holds for every program of that domain")
        .step(does, Action::Switch { name: name.to_owned(), on: true })
}

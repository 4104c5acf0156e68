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

/// Gives a port a type that a domain may connect to.
pub fn connect_type((transport, port): (&str, u16), kind: &str, domain: &str, rule: &PortRule) -> Plan {
    let does = format!("give port {port}/{transport} the type {kind}");
    let label = PortLabel {
        port,
        transport: transport.to_owned(),
        kind: kind.to_owned(),
        of_policy: rule.range == Some((port, port)),
    };
    Plan::new("selinux-connect-type", &does)
        .risk(Risk::Medium)
        .warn(format!("all that {domain} and others may do with {kind} they may then do with port {port}"))
        .warn(format!("a confined server there must be allowed to bind {kind}, or it fails at its next start"))
        .step(does, Action::PortLabel(label))
}

/// Sets a switch of the policy, which opens so many types of ports, until the next reboot.
pub fn switch(name: &str, on: bool, kinds: usize) -> Plan {
    let does = format!("turn the switch {name} of the policy {}", if on { "on" } else { "off" });
    let types = if kinds == 1 { "one type".into() } else { format!("{kinds} types") };
    Plan::new("selinux-boolean", &does)
        .risk(Risk::Medium)
        .lasting(Lasting::Runtime)
        .warn(format!("every program of that domain may then connect to ports of {types}"))
        .step(does, Action::Switch { name: name.to_owned(), on })
}

/// Lets one domain be permissive for a while, to find out what else is denied to it.
pub fn permissive(domain: &str, of: &Unit) -> Plan {
    let does = format!("let {domain} be permissive: what it is denied is only noted");
    let plan = Plan::new("selinux-permissive", format!("{does}, for a while"))
        .risk(Risk::High)
        .lasting(Lasting::Trial)
        .warn(format!("{domain} is not confined meanwhile; the rest of the host is"))
        .warn("it only shows what is in the way: ausearch -m AVC -ts recent tells what would have been denied")
        .warn("semanage builds the policy anew, there and back: some seconds each")
        .step(does, Action::PermissiveDomain { domain: domain.to_owned() });
    if of.is_running() { plan } else { unit::brought_up(plan, of) }
}

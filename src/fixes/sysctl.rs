//! Plans about kernel settings: now, and for good.

use super::action::{Action, Create};
use super::plan::{Lasting, Plan};

/// A setting as sysctl names it: a dot in the name of an interface becomes a slash.
pub fn name(path: &str) -> String {
    let turned = |c| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    path.chars().map(turned).collect()
}

/// Adds the step that sets it until the next boot.
pub fn now(plan: Plan, path: &str, value: &str) -> Plan {
    let name = name(path);
    let action = Action::Sysctl { path: path.to_owned(), value: value.to_owned() };
    plan.lasting(Lasting::Runtime).step(format!("set {name} to {value}"), action)
}

/// Adds the steps that set it now and at every boot, in a file of sysctl.d of its own.
pub fn for_good(plan: Plan, path: &str, value: &str) -> Plan {
    let name = name(path);
    let last = path.rsplit('/').next().unwrap_or(path);
    let file = format!("/etc/sysctl.d/60-unrefuse-{last}.conf");
    let create = Create { file, text: format!("{name} = {value}\n") };
    now(plan, path, value)
        .lasting(Lasting::Permanent)
        .warn("a file of sysctl.d that is read later may say otherwise at boot")
        .step(format!("let {name} be {value} at every boot"), Action::Create(create))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_an_interface_is_no_step_of_the_path() {
        assert_eq!(name("net/ipv4/conf/eth0.7/rp_filter"), "net.ipv4.conf.eth0/7.rp_filter");
    }

    #[test]
    fn a_setting_holds_now_or_for_good() {
        let plan = now(Plan::new("a", "b"), "net/core/somaxconn", "4096");
        assert_eq!((plan.commands().as_str(), plan.lasting), ("sysctl -w net.core.somaxconn=4096", Lasting::Runtime));
        let plan = for_good(Plan::new("a", "b"), "net/core/somaxconn", "4096");
        assert!(
            plan.commands().contains("write /etc/sysctl.d/60-unrefuse-somaxconn.conf:\n    net.core.somaxconn = 4096")
        );
        assert_eq!(plan.lasting, Lasting::Permanent);
    }
}

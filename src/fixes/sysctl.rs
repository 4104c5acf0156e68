//! Plans about kernel settings: now, and for good.

use super::action::{Action, Create};
use super::plan::{Lasting, Plan};

/// Adds the step that sets it until the next boot.
pub fn now(plan: Plan, path: &str, value: &str) -> Plan {
    let name = path.replace('/', ".");
    let action = Action::Sysctl { path: path.to_owned(), value: value.to_owned() };
    plan.lasting(Lasting::Runtime).step(format!("set {name} to {value}"), action)
}

/// Adds the steps that set it now and at every boot, in a file of sysctl.d of its own.
pub fn for_good(plan: Plan, path: &str, value: &str) -> Plan {
    let name = path.replace('/', ".");
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

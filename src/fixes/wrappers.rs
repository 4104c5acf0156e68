//! Plans about /etc/hosts.allow.

use super::action::{Action, Create, Edit, Hunk};
use super::plan::{Plan, Risk, Scope};

const FILE: &str = "/etc/hosts.allow";

/// Puts a line into hosts.allow: before the line with this number, or at the end (0). It counts at once: libwrap reads
/// the file for every connection.
pub fn allow(line: &str, before: u32, new_file: bool, scope: Scope) -> Plan {
    let (id, whom) = match scope {
        Scope::Nobody | Scope::Client => ("allow-client", "this client"),
        Scope::Network => ("allow-network", "the client's network"),
        Scope::Everyone => ("allow-everyone", "everyone"),
    };
    let action = if new_file {
        Action::Create(Create { file: FILE.into(), text: format!("{line}\n") })
    } else {
        Action::Edit(Edit {
            file: FILE.into(),
            hunks: vec![Hunk { line: before, old: vec![], new: vec![line.into()] }],
        })
    };
    let plan = Plan::new(id, format!("let {whom} in: \"{line}\" in {FILE}")).scope(scope);
    let plan = match scope {
        Scope::Nobody | Scope::Client => plan,
        Scope::Network | Scope::Everyone => {
            plan.risk(Risk::Medium).warn("somebody turned these clients away on purpose: ask why first")
        }
    };
    plan.step(format!("add \"{line}\" to {FILE}"), action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_or_the_file_is_made() {
        let plan = allow("sshd: 10.1.0.2", 3, false, Scope::Client);
        assert_eq!((plan.id.as_str(), plan.risk), ("allow-client", Risk::Low));
        assert!(plan.commands().contains("/etc/hosts.allow") && plan.commands().contains("sshd: 10.1.0.2"));
        let plan = allow("sshd: ALL", 0, true, Scope::Everyone);
        assert_eq!((plan.id.as_str(), plan.risk), ("allow-everyone", Risk::Medium));
        assert_eq!(plan.undo_commands().unwrap(), "rm /etc/hosts.allow");
    }
}

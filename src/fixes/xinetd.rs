//! Plans about the configuration of xinetd.

use super::action::{Action, Edit, Hunk};
use super::plan::{Plan, Risk, Scope};
use super::unit;
use crate::facts::xinetd::AccessList;

/// Names a client in the list of those that may connect.
pub fn allow(list: &AccessList, who: &str, scope: Scope) -> Plan {
    let (file, line, old) = (&list.set_by.file, list.set_by.line, &list.set_by.text);
    let (id, whom) = match scope {
        Scope::Nobody | Scope::Client | Scope::Network => ("allow-client", who),
        Scope::Everyone => ("allow-everyone", "everyone"),
    };
    let new = format!("{} {who}", old.trim_end());
    let hunk = Hunk { line, old: vec![old.clone()], new: vec![new] };
    let does = format!("let {whom} in: add {who} to {file}:{line}");
    let plan = Plan::new(id, &does)
        .risk(Risk::Medium)
        .scope(scope)
        .warn("somebody kept these clients out on purpose: ask why first")
        .step(does, Action::Edit(Edit { file: file.clone(), hunks: vec![hunk] }));
    unit::restarted(plan, "xinetd.service")
}

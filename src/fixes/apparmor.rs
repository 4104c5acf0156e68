//! Plans about a profile of AppArmor: allow what it lacks, take out what denies it, or only log for a while.

use super::action::{Action, Create, Edit, Hunk};
use super::plan::{Lasting, Plan, Risk};
use super::unit;
use crate::facts::apparmor::{ProfileRule, ProfileText};
use crate::facts::unit::Unit;

/// Adds rules to a profile: to the file for this host's own rules where it includes that, else to the profile itself.
pub fn allow(text: &ProfileText, rules: &[String], of: &Unit) -> Plan {
    let told = rules.join(", ");
    let lines: Vec<String> = rules.iter().map(|rule| format!("{rule},")).collect();
    let (file, action) = match &text.local {
        Some((local, true)) => (local, edit(local, Hunk { line: 0, old: Vec::new(), new: lines })),
        Some((local, false)) => {
            let text = lines.join("\n") + "\n";
            (local, Action::Create(Create { file: local.clone(), text }))
        }
        None => {
            // Behind the last line inside, and indented like it.
            let (line, last) = &text.last;
            let mut new = vec![last.clone()];
            new.extend(lines);
            (&text.file, edit(&text.file, Hunk { line: *line, old: vec![last.clone()], new }))
        }
    };
    let plan = Plan::new("apparmor-rule", format!("allow {told} in {file}"))
        .risk(Risk::Medium)
        .warn(format!("everything that runs under this profile may then do so: {told}"))
        .step(format!("add {told} to {file}"), action);
    loaded(plan, &text.file, of)
}

/// Takes a rule that denies out of its file.
pub fn without_deny(text: &ProfileText, rule: &ProfileRule, of: &Unit) -> Option<Plan> {
    if !rule.alone || !rule.file.starts_with("/etc/apparmor.d/") {
        return None;
    }
    let old = vec![format!("{},", rule.text)];
    let hunk = Hunk { line: rule.line, old, new: Vec::new() };
    let plan = Plan::new("apparmor-without-deny", format!("take `{}` out of {}:{}", rule.text, rule.file, rule.line))
        .risk(Risk::Medium)
        .warn("somebody denied it on purpose: ask why first")
        .step(format!("take the rule out of {}", rule.file), edit(&rule.file, hunk));
    Some(loaded(plan, &text.file, of))
}

/// Lets a profile only log what it would forbid, for a while.
pub fn complain(name: &str, file: &str, of: &Unit) -> Plan {
    let plan = Plan::new("apparmor-complain", format!("let profile {name} only log what it would forbid, for a while"))
        .risk(Risk::High)
        .lasting(Lasting::Trial)
        .warn(format!("{} is not confined meanwhile: only to find out what its profile lacks", of.name))
        .warn(
            "it only shows what is in the way: journalctl -b _TRANSPORT=audit -g ALLOWED tells what the profile lacks",
        )
        .warn("what the profile explicitly denies stays denied");
    let mode = Action::ProfileMode { name: name.to_owned(), file: file.to_owned(), complain: true };
    unit::brought_up(plan.step(format!("set profile {name} to complain"), mode), of)
}

fn loaded(plan: Plan, file: &str, of: &Unit) -> Plan {
    unit::brought_up(plan.step("load the profile", Action::LoadProfile { file: file.to_owned() }), of)
}

fn edit(file: &str, hunk: Hunk) -> Action {
    Action::Edit(Edit { file: file.to_owned(), hunks: vec![hunk] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/etc/apparmor.d/usr.sbin.nginx";
    const LOCAL: &str = "/etc/apparmor.d/local/usr.sbin.nginx";

    fn text(local: Option<bool>) -> ProfileText {
        ProfileText {
            file: FILE.into(),
            local: local.map(|there| (LOCAL.into(), there)),
            last: (13, "  /run/nginx.pid rw,".into()),
            rules: Vec::new(),
        }
    }

    fn nginx() -> Unit {
        Unit { name: "nginx.service".into(), active_state: "failed".into(), ..Unit::default() }
    }

    #[test]
    fn rules_go_where_this_hosts_own_belong() {
        let rules = ["network inet stream".to_owned(), "capability net_bind_service".to_owned()];
        let run = |local| allow(&text(local), &rules, &nginx()).commands();
        let load =
            format!("apparmor_parser -r {FILE}\nsystemctl reset-failed nginx.service\nsystemctl start nginx.service");
        let both = "network inet stream,\n    capability net_bind_service,";
        assert_eq!(run(Some(false)), format!("write {LOCAL}:\n    {both}\n{load}"));
        let add =
            |at: &str| format!("edit {at}: add: network inet stream,\nedit {at}: add: capability net_bind_service,");
        assert_eq!(run(Some(true)), format!("{}\n{load}", add(LOCAL)));
        assert_eq!(run(None), format!("{}\n{load}", add(&format!("{FILE}:14"))));
        let undo = allow(&text(Some(false)), &rules, &nginx()).undo_commands().unwrap();
        assert_eq!(undo, format!("systemctl stop nginx.service\nrm {LOCAL}\napparmor_parser -r {FILE}"));
    }

    #[test]
    fn a_rule_that_shares_its_line_is_left_to_people() {
        let rule = |alone| ProfileRule { file: FILE.into(), line: 7, text: "deny network inet stream".into(), alone };
        let plan = without_deny(&text(None), &rule(true), &nginx()).unwrap();
        assert!(plan.commands().starts_with(&format!("edit {FILE}:7: take out: deny network inet stream,\n")));
        assert!(without_deny(&text(None), &rule(false), &nginx()).is_none());
    }

    #[test]
    fn complaining_is_taken_back_by_loading_it_again() {
        let plan = complain("nginx", FILE, &nginx());
        assert!(plan.commands().starts_with(&format!("apparmor_parser -r -C {FILE}\n")), "{}", plan.commands());
        assert!(plan.undo_commands().unwrap().ends_with(&format!("apparmor_parser -r {FILE}")));
    }
}

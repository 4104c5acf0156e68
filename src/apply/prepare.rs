//! From a plan to acts: what it rests on is read again, old and new values are noted, and what will change is shown.

use similar::TextDiff;

use super::change::{Act, Change, Kick, Thing, Value};
use super::{Hands, actions};
use crate::error::Error;
use crate::fixes::action::{Action, Verb};
use crate::fixes::{MadeOn, Plan};
use crate::sources::procfs;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// A plan with everything that has to be known before it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// What each act changes, as a diff or a sentence; raw.
    pub previews: Vec<String>,
}

/// Reads what a plan rests on. Fails where the host is not as the plan says, or is not the host of the plan.
pub async fn prepare(hands: &Hands, plan: &Plan) -> Result<Prepared, Error> {
    of_this_host(plan)?;
    let mut acts: Vec<Act> = Vec::new();
    for step in &plan.steps {
        let act = act_of(hands, &step.action, &acts).await?;
        // What is as it should be already needs no doing.
        if !matches!(&act, Act::Set(change) if change.old.is(&change.new)) {
            acts.push(act);
        }
    }
    let previews = acts.iter().map(preview).collect();
    Ok(Prepared { acts, previews })
}

/// What a plan changes, as far as this process may know: what only root can read is told in the words of commands.
pub async fn previews(hands: &Hands, plan: &Plan) -> Result<Vec<String>, Error> {
    of_this_host(plan)?;
    match prepare(hands, plan).await {
        Ok(prepared) => Ok(prepared.previews),
        Err(error) if super::is_root() => Err(error),
        Err(_) => Ok(plan.steps.iter().map(|step| step.action.preview()).collect()),
    }
}

/// Plans are made of facts, and facts may be those of a recording or of another host.
pub(super) fn of_this_host(plan: &Plan) -> Result<(), Error> {
    let here = procfs::host().ok().flatten().as_ref().and_then(MadeOn::of);
    match (&plan.made_on, here) {
        (Some(made_on), Some(here)) if *made_on == here => Ok(()),
        (None, _) => Err(Error::input("this plan was made of a recording: it cannot be applied")),
        (Some(made_on), _) => {
            let name = crate::text::line(&made_on.hostname);
            Err(Error::input(format!("this plan was made of the facts of {name}, not of this host as it runs now"))
                .hint("diagnose again: unrefuse fix TARGET"))
        }
    }
}

async fn act_of(hands: &Hands, action: &Action, before: &[Act]) -> Result<Act, Error> {
    let ran = |unit: &str| actions::runs(hands, unit.to_owned());
    Ok(match action {
        Action::DaemonReload => Act::Kick(Kick::DaemonReload),
        Action::LoadProfile { file } => Act::Kick(Kick::LoadProfile(file.clone())),
        Action::Check { argv } => Act::Kick(Kick::Check(argv.clone())),
        Action::Reopen { socket, services } => {
            Act::Kick(Kick::Reopen { socket: socket.clone(), services: actions::running(hands, services).await? })
        }
        Action::Unit { unit, verb: Verb::Restart } => {
            Act::Kick(Kick::Restart { unit: unit.clone(), ran: ran(unit).await? })
        }
        Action::Unit { unit, verb: Verb::Reload } => {
            Act::Kick(Kick::Reload { unit: unit.clone(), ran: ran(unit).await? })
        }
        Action::Unit { unit, verb: Verb::ResetFailed } => Act::Kick(Kick::ResetFailed(unit.clone())),
        Action::Unit { .. }
        | Action::Edit(_)
        | Action::Create(_)
        | Action::Remove { .. }
        | Action::Sysctl { .. }
        | Action::Rule(_)
        | Action::Firewalld(_)
        | Action::Ufw(_)
        | Action::Unban { .. }
        | Action::End(_)
        | Action::ProfileMode { .. }
        | Action::PortLabel(_)
        | Action::Relabel { .. }
        | Action::Switch { .. }
        | Action::PermissiveDomain { .. } => {
            let thing = actions::thing(action)?;
            let old = match already(before, &thing) {
                Some(value) => value,
                None => actions::read(hands, &thing).await?,
            };
            let new = actions::planned(action, &old)?;
            Act::Set(Change { thing, old, new })
        }
    })
}

/// What earlier acts make of a thing.
pub(super) fn already(before: &[Act], thing: &Thing) -> Option<Value> {
    before.iter().rev().find_map(|act| match act {
        Act::Set(change) if change.thing == *thing => Some(change.new.clone()),
        Act::Set(_) | Act::Kick(_) => None,
    })
}

/// What an act changes: a unified diff of a file, else a sentence.
pub fn preview(act: &Act) -> String {
    let Act::Set(Change { thing: Thing::File(path), old, new }) = act else { return act.to_string() };
    let text = |value: &Value| match value {
        Value::File(image) => String::from_utf8_lossy(image.content.bytes()).into_owned(),
        Value::Absent | Value::Present | Value::Word(_) | Value::Kept(_) => String::new(),
    };
    let (old_name, new_name) = (named(path, old), named(path, new));
    let (old, new) = (text(old), text(new));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(CONTEXT).header(&old_name, &new_name).to_string()
}

fn named(path: &str, value: &Value) -> String {
    if *value == Value::Absent { "/dev/null".into() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::change::{Content, FileImage};

    #[test]
    fn a_plan_of_a_recording_or_of_another_host_is_refused() {
        let mut plan = Plan::new("x", "x");
        assert!(of_this_host(&plan).unwrap_err().to_string().contains("made of a recording"));
        plan.made_on = Some(MadeOn { hostname: "db1".into(), boot_id: "another".into() });
        assert!(of_this_host(&plan).unwrap_err().to_string().contains("facts of db1"));
        plan.made_on = procfs::host().unwrap().as_ref().and_then(MadeOn::of);
        assert!(of_this_host(&plan).is_ok());
    }

    #[test]
    fn a_file_is_shown_as_a_diff() {
        let file = |text: &str| {
            let content = Content::Text(text.into());
            Value::File(FileImage { content, mode: 0o644, uid: 0, gid: 0, ..FileImage::default() })
        };
        let change =
            Change { thing: Thing::File("/etc/x".into()), old: file("a\nport 1\nb\n"), new: file("a\nport 2\nb\n") };
        assert_eq!(preview(&Act::Set(change)), "--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-port 1\n+port 2\n b\n");
    }
}

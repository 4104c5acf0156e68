//! Plans that change whom a daemon serves once the connection stands.

use std::net::IpAddr;

use super::action::{Action, Edit, Hunk};
use super::plan::{Plan, Risk, Scope};
use super::unit as units;
use crate::facts::beyond::Setting;
use crate::facts::daemon::DaemonConfig;

/// Lets Redis serve clients of other hosts without a password.
pub fn unprotected(config: &DaemonConfig, unit: &str) -> Option<Plan> {
    let edit = said(config, config.beyond.setting("protected-mode"), "protected-mode no", 0)?;
    let plan = Plan::new("no-protected-mode", "let Redis serve clients of other hosts without a password")
        .risk(Risk::High)
        .scope(Scope::Everyone)
        .warn("whoever reaches the port can then read, change and delete everything, and often run programs here")
        .step(format!("change {}", edit.file), Action::Edit(edit));
    Some(units::taken_up(plan, unit, false))
}

/// Lets sshd hold more connections that have not logged in.
pub fn more_startups(config: &DaemonConfig, unit: &str) -> Option<Plan> {
    const MORE: &str = "MaxStartups 100:30:200";
    // The first line of all that say it counts, and behind the last one a Match block may be open.
    let edit = said(config, config.beyond.setting("maxstartups"), MORE, 1)?;
    let plan = Plan::new("more-startups", "let sshd hold more connections that have not logged in")
        .warn("whoever opens connections without logging in can then tie up more of this host")
        .step(format!("change {}", edit.file), Action::Edit(edit));
    Some(units::taken_up(plan, unit, unit.ends_with(".service")))
}

/// Lets clients log in to PostgreSQL over the network with a password: one, or those of this host's own networks. The new
/// line is the last: it changes nothing for whom there is one already.
pub fn let_in(config: &DaemonConfig, unit: &str, client: Option<IpAddr>) -> Option<Plan> {
    let file = config.beyond.hba_file.clone()?;
    let (clients, whom) = match client {
        Some(one) => (format!("{one}/{}", if one.is_ipv4() { 32 } else { 128 }), one.to_string()),
        None => ("samenet".into(), "the networks of this host".into()),
    };
    let hunks = vec![Hunk { line: 0, old: Vec::new(), new: vec![format!("host all all {clients} scram-sha-256")] }];
    let plan = Plan::new("let-in-by-hba", format!("let users of PostgreSQL in from {whom}, with their password"))
        .scope(if client.is_some() { Scope::Client } else { Scope::Network })
        .warn(format!("every user with a password can then log in to every database from {whom}"))
        .step(format!("change {file}"), Action::Edit(Edit { file, hunks }));
    Some(units::taken_up(plan, unit, true))
}

/// A setting that stands in a line is changed there; else its line is added to the main file, before the line with this
/// number.
fn said(config: &DaemonConfig, setting: Option<&Setting>, new: &str, before: u32) -> Option<Edit> {
    let new = vec![new.to_owned()];
    let Some(Setting { by, .. }) = setting else {
        let hunks = vec![Hunk { line: before, old: Vec::new(), new }];
        return Some(Edit { file: config.files.first()?.clone(), hunks });
    };
    let hunks = vec![Hunk { line: by.line, old: vec![by.text.clone()], new }];
    Some(Edit { file: by.file.clone(), hunks })
}

//! The operator's own session and a plan that is not carried out yet: could the session come in again afterwards?
//!
//! Who listens where it came in is known; the plan's steps are played on that as data: units that stop or start anew with
//! the configuration they then find, sockets that open elsewhere, processes that end, rules that refuse. Where a step's
//! effect cannot be told from the facts it is not held against the plan: the session is tried again once it is carried out.

mod planned;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use planned::{Listen, configured};

use super::look::Look;
use super::serving::socket_unit;
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::daemon::{Daemon, ListenAddress};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;
use crate::fixes::Plan;
use crate::fixes::action::{Action, UfwEntry, Verb, ZoneEntry};

/// Where a session came from, and where it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The client.
    pub client: IpAddr,
    /// The address and port of this host.
    pub server: SocketAddr,
}

/// Who may hold the place where it came in, while the steps are played.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    unit: Option<String>,
    pids: Vec<u32>,
    open: Open,
}

/// Does it hold that place?
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Yes,
    /// No more, and why.
    No(String),
    /// It may.
    Untold,
}

/// Why the session could not come in again once the plan is carried out. None: it could, or it cannot be told before.
pub fn cut(look: &Look<'_>, way: Way, plan: &Plan) -> Option<String> {
    if let Some(rule) = plan.steps.iter().find_map(|step| refusing(&step.action, way)) {
        return Some(format!("`{rule}` would refuse {} at {}", way.client, way.server));
    }
    let mut holders = holders(look, way, plan)?;
    for (at, step) in plan.steps.iter().enumerate() {
        let before = plan.steps.get(..at).unwrap_or_default();
        let edits: Vec<&Action> = before.iter().map(|step| &step.action).collect();
        play(look, way, &mut holders, &step.action, &edits);
    }
    if holders.iter().any(|holder| !matches!(holder.open, Open::No(_))) {
        return None;
    }
    let mut words = String::new();
    for holder in &holders {
        if let Open::No(why) = &holder.open {
            let _ = write!(words, "{}{why}", if words.is_empty() { "" } else { "; " });
        }
    }
    (!words.is_empty()).then_some(words)
}

/// A rule that refuses what the session is, as its command line.
fn refusing(action: &Action, way: Way) -> Option<String> {
    let refuses = match action {
        Action::Ufw(entry) => {
            let lets_in = |action: &Option<String>| matches!(action.as_deref(), Some("allow" | "limit"));
            let refuses = matches!(entry.action.as_deref(), Some("deny" | "reject"));
            (refuses || (entry.action.is_none() && lets_in(&entry.was))) && is_about(entry, way)
        }
        Action::Firewalld(entry) => match &entry.entry {
            ZoneEntry::RichRule(rule) => {
                let port = format!("port=\"{}\"", way.server.port());
                let refuses = rule.split_whitespace().any(|word| matches!(word, "reject" | "drop"));
                refuses && (!rule.contains("port=") || rule.contains(&port))
            }
            ZoneEntry::Port(..) | ZoneEntry::Service(_) => false,
        },
        // Those of plans only ever let in: no packet fares worse with one.
        Action::Rule(_)
        | Action::Unban { .. }
        | Action::Edit(_)
        | Action::Create(_)
        | Action::Remove { .. }
        | Action::Unit { .. }
        | Action::Reopen { .. }
        | Action::DaemonReload
        | Action::Check { .. }
        | Action::Sysctl { .. }
        | Action::End(_)
        | Action::LoadProfile { .. }
        | Action::ProfileMode { .. }
        | Action::PortLabel(_)
        | Action::Relabel { .. }
        | Action::Switch { .. }
        | Action::PermissiveDomain { .. } => false,
    };
    refuses.then(|| action.preview())
}

/// A rule of ufw names the session's port, or none at all.
fn is_about(entry: &UfwEntry, way: Way) -> bool {
    let port = way.server.port().to_string();
    let named: Vec<&String> =
        entry.about.iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect();
    let ports: Vec<&&String> =
        named.iter().filter(|word| word.parse::<IpAddr>().is_err() && !word.contains('.')).collect();
    let by_name = ["OpenSSH", "ssh"].iter().any(|name| entry.about.iter().any(|word| word == name));
    by_name || ports.is_empty() || ports.iter().any(|word| word.split('/').next() == Some(port.as_str()))
}

/// Who listens where the session came in. None: that is not known, or nobody does.
fn holders(look: &Look<'_>, way: Way, plan: &Plan) -> Option<Vec<Holder>> {
    let listeners = look.listeners(Transport::Tcp, way.server.port())?;
    let mut holders = Vec::new();
    for listener in listeners.iter().filter(|listener| listener.takes(way.server.ip())) {
        let owner = look.owner(listener)?;
        let unit = if owner.is_systemd() {
            let found = socket_unit(look, listener).or_else(|| socket_of_plan(look, way, plan));
            Some(found?.name.clone())
        } else {
            owner.system_unit().map(str::to_owned)
        };
        let pids = owner.processes.iter().map(|process| process.pid).collect();
        holders.push(Holder { unit, pids, open: Open::Yes });
    }
    (!holders.is_empty()).then_some(holders)
}

/// The socket unit among those the plan opens or stops that systemd holds the place for: its files may say otherwise by now.
fn socket_of_plan<'a>(look: &Look<'a>, way: Way, plan: &Plan) -> Option<&'a Unit> {
    let names = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Reopen { socket, .. } => Some(socket),
        Action::Unit { unit, verb: Verb::Stop | Verb::Restart } if unit.ends_with(".socket") => Some(unit),
        Action::Unit { .. }
        | Action::Edit(_)
        | Action::Create(_)
        | Action::Remove { .. }
        | Action::DaemonReload
        | Action::Check { .. }
        | Action::Sysctl { .. }
        | Action::Rule(_)
        | Action::Firewalld(_)
        | Action::Ufw(_)
        | Action::Unban { .. }
        | Action::End(_)
        | Action::LoadProfile { .. }
        | Action::ProfileMode { .. }
        | Action::PortLabel(_)
        | Action::Relabel { .. }
        | Action::Switch { .. }
        | Action::PermissiveDomain { .. } => None,
    });
    let held = (Transport::Tcp, way.server.port());
    let mut units = names.filter_map(|name| look.unit(name));
    units.find(|unit| unit.is_up() && unit.socket.as_ref().is_some_and(|socket| socket.ports().contains(&held)))
}

fn play(look: &Look<'_>, way: Way, holders: &mut Vec<Holder>, action: &Action, before: &[&Action]) {
    match action {
        Action::Unit { unit, verb: Verb::Stop } => {
            set(holders, unit, || Open::No(format!("{unit} is stopped, by which it came in at {}", way.server)), false);
        }
        Action::Unit { unit, verb: Verb::Start | Verb::Restart | Verb::Reload } => {
            let (open, may_be_new) = started(look, way, unit, before);
            set(holders, unit, || open.clone(), may_be_new);
        }
        Action::Reopen { socket, .. } => {
            let (open, _) = started(look, way, socket, before);
            set(holders, socket, || open.clone(), true);
        }
        Action::End(process) => {
            for holder in holders.iter_mut().filter(|holder| holder.pids.contains(&process.pid)) {
                let name = &process.name;
                holder.open = Open::No(format!("{name}[{}] is ended, which let it in at {}", process.pid, way.server));
            }
        }
        Action::Unit { .. }
        | Action::Edit(_)
        | Action::Create(_)
        | Action::Remove { .. }
        | Action::DaemonReload
        | Action::Check { .. }
        | Action::Sysctl { .. }
        | Action::Rule(_)
        | Action::Firewalld(_)
        | Action::Ufw(_)
        | Action::Unban { .. }
        | Action::LoadProfile { .. }
        | Action::ProfileMode { .. }
        | Action::PortLabel(_)
        | Action::Relabel { .. }
        | Action::Switch { .. }
        | Action::PermissiveDomain { .. } => {}
    }
}

/// Says of a unit whether it holds the place; one that held nothing may be added.
fn set(holders: &mut Vec<Holder>, unit: &str, open: impl Fn() -> Open, add: bool) {
    let mut found = false;
    for holder in holders.iter_mut().filter(|holder| holder.unit.as_deref() == Some(unit)) {
        (holder.open, found) = (open(), true);
    }
    if add && !found {
        holders.push(Holder { unit: Some(unit.to_owned()), pids: Vec::new(), open: open() });
    }
}

/// Where a unit listens once it is started with what these actions have changed; and whether that is worth a word where it
/// held nothing before.
fn started(look: &Look<'_>, way: Way, name: &str, before: &[&Action]) -> (Open, bool) {
    if name.ends_with(".socket") {
        return (reopened(look, way, name, before), true);
    }
    let Some(daemon) = Daemon::ALL.into_iter().find(|daemon| daemon.runs_as(name)) else {
        return (Open::Untold, false);
    };
    let Some(configs) = look.daemon(daemon) else { return (Open::Untold, true) };
    let Some(config) = configs.iter().find(|config| config.unit.as_deref().is_none_or(|unit| unit == name)) else {
        return (Open::Untold, true);
    };
    let Some(planned) = configured(config, before) else { return (Open::Untold, true) };
    let takes = |listen: &Listen| {
        listen.port == way.server.port()
            && match &listen.address {
                ListenAddress::Ip(ip) => {
                    ip.is_unspecified() && (ip.is_ipv6() || way.server.is_ipv4()) || *ip == way.server.ip()
                }
                ListenAddress::Any | ListenAddress::Name(_) => true,
                ListenAddress::Path(_) => false,
            }
    };
    if planned.iter().any(takes) || !config.gaps.is_empty() {
        return (Open::Yes, true);
    }
    let mut shown: Vec<String> = planned.iter().map(Listen::shown).collect();
    shown.dedup();
    let set_by = planned.iter().find_map(|listen| listen.set_by.as_ref());
    let line = set_by.map(|words| format!(" ({words})")).unwrap_or_default();
    let told = if shown.is_empty() { "nowhere".into() } else { format!("on {}", shown.join(", ")) };
    (Open::No(format!("{name} then listens {told}{line}, and it came in at {}", way.server)), true)
}

/// Where a socket unit listens once it is opened anew, with the drop-ins that were written.
fn reopened(look: &Look<'_>, way: Way, name: &str, before: &[&Action]) -> Open {
    let Some(unit) = look.unit(name) else { return Open::Untold };
    let Some(socket) = &unit.socket else { return Open::Untold };
    // What systemd reads then is not what it told us, but what the unit's files say.
    if unit.needs_reload && before.iter().any(|action| **action == Action::DaemonReload) {
        return reread(look, way, name);
    }
    let mut held: Vec<&str> =
        socket.listens.iter().filter(|(kind, _)| kind == "Stream").map(|(_, at)| at.as_str()).collect();
    for action in before {
        let Action::Create(create) = action else { continue };
        if !create.file.contains(&format!("/{name}.d/")) {
            continue;
        }
        for value in create.text.lines().filter_map(|line| line.trim().strip_prefix("ListenStream=")) {
            if value.is_empty() { held.clear() } else { held.push(value) }
        }
    }
    let takes = |at: &&str| match (at.parse::<u16>(), at.parse::<SocketAddr>()) {
        (Ok(port), _) => port == way.server.port(),
        (_, Ok(at)) => {
            let ip = at.ip();
            let any = ip.is_unspecified() && (ip.is_ipv6() || way.server.is_ipv4());
            at.port() == way.server.port() && (any || ip.to_canonical() == way.server.ip())
        }
        (Err(_), Err(_)) => false,
    };
    if held.iter().any(takes) {
        return Open::Yes;
    }
    Open::No(format!("{name} then listens on {}, and it came in at {}", held.join(", "), way.server))
}

/// Where a socket unit listens once systemd has read its files again.
fn reread(look: &Look<'_>, way: Way, name: &str) -> Open {
    let Some(claims) = look.claims(Transport::Tcp, way.server.port()) else { return Open::Untold };
    let its = |claim: &Claim| claim.source == ClaimSource::SocketUnit && claim.unit.as_deref() == Some(name);
    if claims.claims.iter().any(its) {
        // At which address it does not say: the session is tried afterwards.
        return Open::Untold;
    }
    let port = way.server.port();
    Open::No(format!("the files of {name} no longer name port {port}, and it came in at {}", way.server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes::action::{FirewalldEntry, Process};

    fn way() -> Way {
        Way { client: "10.1.0.2".parse().unwrap(), server: "10.2.0.2:22".parse().unwrap() }
    }

    #[test]
    fn a_rule_that_refuses_the_session_is_named() {
        let ufw = |words: &str, was: Option<&str>, action: Option<&str>| {
            let about = words.split(' ').map(str::to_owned).collect();
            let (was, action) = (was.map(str::to_owned), action.map(str::to_owned));
            refusing(&Action::Ufw(UfwEntry { about, action, was, before: None }), way())
        };
        assert!(ufw("22/tcp", None, Some("deny")).unwrap().contains("deny 22/tcp"));
        assert!(ufw("22/tcp", Some("limit"), None).is_some());
        assert!(ufw("OpenSSH", Some("allow"), None).is_some());
        assert!(ufw("from 10.1.0.0/16", None, Some("reject")).is_some());
        assert_eq!(ufw("22/tcp", Some("deny"), None), None);
        assert_eq!(ufw("80/tcp", None, Some("deny")), None);
        assert_eq!(ufw("from 10.1.0.2 to any port 80 proto tcp", None, Some("deny")), None);
        let rich = |rule: &str| {
            let entry = ZoneEntry::RichRule(rule.into());
            let entry = FirewalldEntry { zone: "public".into(), entry, permanent: false, timeout: 0 };
            refusing(&Action::Firewalld(entry), way())
        };
        assert!(rich("rule family=\"ipv4\" source address=\"10.1.0.0/16\" reject").is_some());
        assert_eq!(rich("rule port port=\"80\" protocol=\"tcp\" drop"), None);
        assert_eq!(rich("rule port port=\"22\" protocol=\"tcp\" accept"), None);
    }

    #[test]
    fn holders_are_stopped_ended_and_started_again() {
        let case = crate::facts::Case::new(
            crate::target::Target::parse("10.2.0.2:22").unwrap(),
            crate::target::From::Address(way().client),
        );
        let look = Look::new(&case);
        let held = || vec![Holder { unit: Some("ssh.service".into()), pids: vec![7], open: Open::Yes }];
        let after = |actions: &[Action]| {
            let mut holders = held();
            for action in actions {
                play(&look, way(), &mut holders, action, &[]);
            }
            holders
        };
        let unit = |unit: &str, verb| Action::Unit { unit: unit.into(), verb };
        let words = |open: &Open| matches!(open, Open::No(why) if why.contains("10.2.0.2:22"));
        assert!(words(&after(&[unit("ssh.service", Verb::Stop)])[0].open));
        assert!(words(&after(&[Action::End(Process { pid: 7, started: 1, name: "sshd".into() })])[0].open));
        assert_eq!(after(&[unit("nginx.service", Verb::Stop)]), held());
        // With which configuration it starts is not known here: that is not held against it.
        let again = after(&[unit("ssh.service", Verb::Stop), unit("ssh.service", Verb::Start)]);
        assert_eq!(again[0].open, Open::Untold);
    }
}

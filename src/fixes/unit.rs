//! Plans about units: start, enable, unmask, and drop-ins.

use super::action::{Action, Create, Verb};
use super::check;
use super::plan::{Lasting, Plan, Risk, Scope};
use crate::facts::daemon::Daemon;
use crate::facts::unit::Unit;

/// Starts a unit. One that failed too often is forgiven first: systemd would refuse.
pub fn start(unit: &Unit) -> Plan {
    let name = &unit.name;
    started(Plan::new("start-unit", format!("start {name}")).lasting(Lasting::Runtime), unit)
}

/// Adds the steps that start a unit.
pub(super) fn started(plan: Plan, unit: &Unit) -> Plan {
    let name = &unit.name;
    let plan = match unit.active_state.as_str() {
        "failed" => plan.step(format!("forget that {name} failed"), act(name, Verb::ResetFailed)),
        _ => plan,
    };
    plan.step(format!("start {name}"), act(name, Verb::Start))
}

/// Starts a unit, now and at every boot.
pub fn start_and_enable(unit: &Unit) -> Plan {
    let name = &unit.name;
    let mut plan = start(unit);
    plan.id = "start-and-enable-unit".into();
    plan.title = format!("start {name}, now and at every boot");
    plan.lasting = Lasting::Permanent;
    plan.step(format!("let {name} start at boot"), act(name, Verb::Enable))
}

/// Unmasks and starts a unit.
pub fn unmask(unit: &Unit) -> Plan {
    let name = &unit.name;
    let verb = if unit.file_state == "masked-runtime" { Verb::UnmaskRuntime } else { Verb::Unmask };
    Plan::new("unmask-unit", format!("unmask and start {name}"))
        .risk(Risk::Medium)
        .warn(format!("somebody masked {name}, perhaps to keep it off this port: ask why first"))
        .step(format!("unmask {name}"), act(name, verb))
        .step(format!("start {name}"), act(name, Verb::Start))
}

/// Restarts a unit, once its own check finds nothing wrong.
pub fn restart(name: &str) -> Plan {
    restarted(Plan::new("restart-unit", format!("restart {name}")), name)
}

/// Adds the steps that restart a unit, its own check first.
pub fn restarted(plan: Plan, name: &str) -> Plan {
    let mut plan = check::added(plan, name);
    plan.risk = plan.risk.max(Risk::Medium);
    // sessions of sshd are processes of their own, which a restart leaves alone
    if !Daemon::Sshd.runs_as(name) {
        plan = plan.warn(format!("{name} is restarted: those connected to it lose their connections"));
    }
    plan.step(format!("restart {name}"), act(name, Verb::Restart))
}

/// Adds the steps that let a running daemon take up its new configuration: by a reload where it is gentle, which
/// interrupts nobody.
pub(super) fn taken_up(plan: Plan, name: &str, gentle: bool) -> Plan {
    if gentle {
        return check::added(plan, name).step(format!("let {name} read it"), act(name, Verb::Reload));
    }
    restarted(plan, name)
}

/// Adds the steps that open the sockets of a socket unit anew.
pub fn reopened(plan: Plan, socket: &Unit) -> Plan {
    let name = &socket.name;
    let (socket, services) = (name.clone(), socket.triggers.clone());
    plan.step(format!("open the sockets of {name} anew"), Action::Reopen { socket, services })
}

/// Adds the steps that bring a unit up as it is configured now: started, restarted, or its sockets opened anew.
pub fn brought_up(plan: Plan, unit: &Unit) -> Plan {
    match (unit.is_up(), unit.socket.is_some()) {
        (false, _) => started(plan, unit),
        (true, false) => restarted(plan, &unit.name),
        (true, true) => {
            let risk = plan.risk.max(Risk::Medium);
            reopened(plan.risk(risk), unit)
        }
    }
}

/// Lets systemd read what was edited, and opens the sockets of a socket unit anew.
pub fn reopen(socket: &Unit) -> Plan {
    let name = &socket.name;
    let plan = Plan::new("reopen-socket", format!("read the edit of {name}, and open its sockets anew"))
        .risk(Risk::Medium)
        .step("let systemd read its unit files", Action::DaemonReload);
    reopened(plan, socket)
}

/// Adds a drop-in to a unit and brings it up with that. `text` is the drop-in, `tag` tells several of one unit apart.
pub fn with_drop_in(plan: Plan, unit: &Unit, tag: &str, text: &str) -> Plan {
    let plan = plan
        .step(format!("add a drop-in to {}", unit.name), drop_in(&unit.name, tag, text))
        .step("let systemd read it", Action::DaemonReload);
    brought_up(plan, unit)
}

/// Starts a unit, and at boot only once its address can be there.
pub fn after_network(unit: &Unit) -> Plan {
    let name = &unit.name;
    if unit.socket.is_some() {
        // Socket units start long before the network: to wait for it would be a cycle.
        let title = format!("let {name} bind addresses that are not there yet, also at the next boot");
        return with_drop_in(Plan::new("free-bind", title), unit, "free-bind", "[Socket]\nFreeBind=yes\n");
    }
    let title = format!("bring {name} up, and at the next boot only once the network is up");
    let text = "[Unit]\nWants=network-online.target\nAfter=network-online.target\n";
    with_drop_in(Plan::new("start-after-network", title), unit, "network", text)
}

/// Runs a unit in the network of the host. `path` says that it is a named namespace which keeps it out.
pub fn host_network(unit: &Unit, path: bool) -> Plan {
    let plan = Plan::new("host-network", format!("run {} in the host's network", unit.name))
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn(format!("somebody kept {} from the network on purpose: ask why first", unit.name));
    let line = if path { "NetworkNamespacePath=" } else { "PrivateNetwork=no" };
    with_drop_in(plan, unit, "network", &format!("[Service]\n{line}\n"))
}

/// Lets a service bind ports below 1024.
pub fn bind_capability(unit: &Unit) -> Plan {
    let plan = Plan::new("bind-capability", "give the service that one right");
    with_drop_in(plan, unit, "ports", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n")
}

/// Takes a socket unit off its one network interface.
pub fn any_device(socket: &Unit) -> Plan {
    let plan = Plan::new("any-interface", format!("let {} answer on every interface", socket.name))
        .scope(Scope::Everyone)
        .warn("clients on every network that this host is in can then reach it");
    with_drop_in(plan, socket, "device", "[Socket]\nBindToDevice=\n")
}

/// Lets systemd make a directory below /run for a service. None: its name cannot stand in a unit file as it is.
pub fn runtime_directory(unit: &Unit, below_run: &str) -> Option<Plan> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '/');
    let parts = below_run.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !parts || !below_run.chars().all(fits) {
        return None;
    }
    let plan = Plan::new("runtime-directory", "let systemd make the directory at every start");
    let text = format!("[Service]\nRuntimeDirectory={below_run}\nRuntimeDirectoryMode=0755\n");
    Some(with_drop_in(plan, unit, "directory", &text))
}

/// Lets a socket unit be triggered more often before systemd closes it.
pub fn trigger_limit(socket: &Unit) -> Plan {
    let title = format!("open {}, and allow more connections", socket.name);
    with_drop_in(Plan::new("raise-trigger-limit", title), socket, "limit", "[Socket]\nTriggerLimitBurst=2000\n")
}

/// Takes away the file that keeps a unit from being started.
pub fn without_path(unit: &Unit, path: &str) -> Plan {
    let plan = Plan::new("remove-path", "remove the path that forbids it, and start it")
        .risk(Risk::Medium)
        .warn(format!("somebody made {path} to keep {} from running: ask why first", unit.name))
        .step(format!("remove {path}"), Action::Remove { file: path.to_owned() });
    started(plan, unit)
}

/// Makes the file that a unit waits for.
pub fn with_path(unit: &Unit, path: &str) -> Plan {
    let title = "create the path it waits for, if what should be there is ready, and start it";
    let plan = Plan::new("create-path", title)
        .risk(Risk::Medium)
        .warn(format!("{path} is made as an empty file: what {} waits for may not be ready", unit.name))
        .step(format!("create {path}"), Action::Create(Create { file: path.to_owned(), text: String::new() }));
    started(plan, unit)
}

/// Where the drop-ins of this program stand. `name` tells several of one unit apart.
pub fn drop_in(unit: &str, name: &str, text: &str) -> Action {
    Action::Create(Create {
        file: format!("/etc/systemd/system/{unit}.d/60-unrefuse-{name}.conf"),
        text: text.to_owned(),
    })
}

/// Something done with a unit.
pub fn act(unit: &str, verb: Verb) -> Action {
    Action::Unit { unit: unit.to_owned(), verb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_a_unit_file_is_not_written_there() {
        let unit = Unit { name: "x.service".into(), ..Unit::default() };
        for bad in ["a b", "a\nExecStart=/bin/sh", "%i", "../etc", "", "a//b", "$HOME"] {
            assert!(runtime_directory(&unit, bad).is_none(), "{bad:?}");
        }
        assert!(runtime_directory(&unit, "sshd").unwrap().commands().contains("\n    RuntimeDirectory=sshd\n"));
    }

    #[test]
    fn a_failed_unit_is_forgiven_before_it_is_started() {
        let unit = Unit { name: "x.service".into(), active_state: "failed".into(), ..Unit::default() };
        assert_eq!(start(&unit).commands(), "systemctl reset-failed x.service\nsystemctl start x.service");
        assert_eq!(start(&unit).undo_commands().unwrap(), "systemctl stop x.service");
        let socket = crate::facts::unit::SocketUnit::default();
        let up = Unit {
            name: "x.socket".into(),
            active_state: "active".into(),
            triggers: vec!["x.service".into()],
            socket: Some(socket),
            ..Unit::default()
        };
        let text = "systemctl daemon-reload\nsystemctl stop x.socket x.service\nsystemctl start x.socket";
        assert_eq!(reopen(&up).commands(), text);
        assert_eq!(
            any_device(&up).undo_commands().unwrap(),
            format!("rm /etc/systemd/system/x.socket.d/60-unrefuse-device.conf\n{text}")
        );
        assert_eq!(unmask(&unit).undo_commands().unwrap(), "systemctl stop x.service\nsystemctl mask x.service");
    }
}

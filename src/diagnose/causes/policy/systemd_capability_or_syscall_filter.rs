//! The unit lacks the capability to bind its port, or a system call that it needs.

use super::super::service::common::DOWN;
use super::super::{Cause, Found, Words};
use super::common::{Confined, confined};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::sandbox::List;

/// Number of CAP_NET_BIND_SERVICE (capabilities(7)).
const NET_BIND_SERVICE: u64 = 1 << 10;
/// The kernel ends a process that makes a forbidden system call with this signal.
const SIGSYS: i32 = 31;
const FIRST_FREE: &str = "net/ipv4/ip_unprivileged_port_start";
/// Without these nobody serves a port.
const CALLS: [&str; 5] = ["socket", "bind", "listen", "setsockopt", "getsockname"];

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-capability-or-syscall-filter",
    in_box: BoxId::Policy,
    general: false,
    explains: DOWN,
    words: Words {
        title: "systemd keeps a capability or a system call from the service",
        what: "CapabilityBoundingSet= of the unit leaves out CAP_NET_BIND_SERVICE, so that even root may not bind a port \
               below 1024 (\"Permission denied\", 13); or SystemCallFilter= leaves out a call that the service makes, and \
               the kernel ends it with SIGSYS (status=31/SYS), or the call fails with the error that \
               SystemCallErrorNumber= names.",
        see: "journalctl -b -u UNIT\nsystemctl show -p CapabilityBoundingSet,SystemCallFilter UNIT\njournalctl -k -g \
              'type=1326'",
        fix: "a drop-in with CapabilityBoundingSet=CAP_NET_BIND_SERVICE or SystemCallFilter=CALL, which add to what is \
              allowed, then restart",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let confined = confined(scene, |kind| {
        matches!(kind, FailureKind::BindDenied { .. } | FailureKind::BindFailed { .. } | FailureKind::Signal(SIGSYS))
    })?;
    if confined.failure.kind == FailureKind::Signal(SIGSYS) {
        return by_signal(scene, &confined);
    }
    without_capability(scene, &confined).or_else(|| by_error(scene, &confined))
}

fn without_capability(scene: &Scene<'_, '_>, confined: &Confined<'_>) -> Option<Found> {
    let bounding = confined.sandbox.bounding.filter(|set| set & NET_BIND_SERVICE == 0)?;
    // Another user than root would not have it without the setting either: that is privileged-port-eacces.
    let user = confined.unit.service.as_ref().map_or("", |s| s.user.as_str());
    if !matches!(user, "" | "root" | "0") {
        return None;
    }
    let port = scene.subject.port?;
    let first_free: u16 = scene.look.sysctl(FIRST_FREE)?.trim().parse().ok()?;
    if port >= first_free {
        return None;
    }
    let unit = &confined.unit.name;
    let setting = format!("CapabilityBoundingSet= without CAP_NET_BIND_SERVICE (0x{bounding:x})");
    let summary = format!("{unit} may not bind port {port}: {setting}");
    let line = "CapabilityBoundingSet=CAP_NET_BIND_SERVICE";
    let title = format!("let {unit} bind ports below {first_free}");
    Some(confined.found(scene, &setting, summary).fix(confined.loosened("allow-capability", title, "ports", line)))
}

fn by_error(scene: &Scene<'_, '_>, confined: &Confined<'_>) -> Option<Found> {
    let list = confined.sandbox.system_calls.as_ref()?;
    let missing = missing(list);
    if missing.is_empty() {
        return None;
    }
    Some(filtered(scene, confined, list, &missing))
}

fn by_signal(scene: &Scene<'_, '_>, confined: &Confined<'_>) -> Option<Found> {
    let list = confined.sandbox.system_calls.as_ref()?;
    Some(filtered(scene, confined, list, &missing(list)))
}

fn missing(list: &List) -> Vec<&'static str> {
    CALLS.into_iter().filter(|call| !list.passes(call)).collect()
}

fn filtered(scene: &Scene<'_, '_>, confined: &Confined<'_>, list: &List, missing: &[&str]) -> Found {
    let unit = &confined.unit.name;
    let calls = missing.join(" ");
    let (summary, setting) = if missing.is_empty() {
        (format!("{unit} made a system call that SystemCallFilter= forbids"), "SystemCallFilter= is set".to_owned())
    } else {
        let words = if list.allow { "without" } else { "forbids" };
        (format!("{unit} may not call {calls}: SystemCallFilter="), format!("SystemCallFilter= {words} {calls}"))
    };
    let found = confined.found(scene, &setting, summary);
    let off = || {
        let title = format!("take the filter of system calls off {unit}");
        confined.loosened("no-system-call-filter", title, "calls", "SystemCallFilter=")
    };
    if missing.is_empty() {
        let look = "journalctl -k -g 'type=1326' -o cat    # syscall=NUMBER";
        return found.advise(Advice::new("see which call it was", look, None)).fix(off());
    }
    let line = format!("SystemCallFilter={calls}");
    found.fix(confined.loosened("allow-system-calls", format!("let {unit} call {calls}"), "calls", &line)).fix(off())
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::sandbox::{List, Sandbox};

    const ID: &str = "systemd-capability-or-syscall-filter";
    const DENIED: &str = "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)";

    fn host(lines: &[&str], sandbox: Sandbox) -> Host {
        failed(Host::refusing(80).claimed_by("nginx.service"), "nginx.service", lines)
            .sysctl("net/ipv4/ip_unprivileged_port_start", "1024")
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(sandbox)))
    }

    fn without(calls: &[&str]) -> Sandbox {
        let names = calls.iter().map(|n| (*n).to_owned()).collect();
        Sandbox { system_calls: Some(List { allow: false, names }), bounding: Some(u64::MAX), ..Sandbox::default() }
    }

    fn killed(sandbox: Sandbox) -> Host {
        let lines = [
            "systemd: Starting nginx.service",
            "systemd: nginx.service: Control process exited, code=killed, status=31/SYS",
        ];
        host(&[], sandbox).journal("nginx.service", &lines)
    }

    #[test]
    fn no_capability_to_bind_a_low_port() {
        let bounded = || Sandbox { bounding: Some(1), ..Sandbox::default() };
        let told = assert_culprit(&host(&[DENIED], bounded()).case(), ID);
        assert!(told.plans().next().unwrap().commands().contains("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"));
        let high = host(&[DENIED], bounded()).sysctl("net/ipv4/ip_unprivileged_port_start", "80");
        assert_not_found(&high.case(), ID);
        assert_not_found(&host(&[DENIED], without(&[])).case(), ID);
    }

    #[test]
    fn a_forbidden_system_call() {
        let told = assert_culprit(&killed(without(&["bind"])).case(), ID);
        assert_eq!(told.culprit().unwrap().summary, "nginx.service may not call bind: SystemCallFilter=");
        assert!(told.plans().next().unwrap().commands().contains("SystemCallFilter=bind\n"));
        let told = assert_culprit(&killed(without(&["reboot"])).case(), ID);
        assert_eq!(told.plans().next().unwrap().id, "no-system-call-filter");
        assert_culprit(&host(&[DENIED], without(&["bind:EACCES"])).case(), ID);
        assert_not_found(&killed(Sandbox::default()).case(), ID);
    }
}

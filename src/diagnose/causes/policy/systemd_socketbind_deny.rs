//! The unit may not bind this port, whoever it runs as.

use super::super::service::common::DOWN;
use super::super::{Cause, Found, Words};
use super::common::confined;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::sandbox::layers;
use crate::facts::socket::Transport;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-socketbind-deny",
    in_box: BoxId::Policy,
    general: false,
    explains: DOWN,
    words: Words {
        title: "systemd keeps the service from binding this port",
        what: "SocketBindDeny= of the unit or of its slice names the port, and SocketBindAllow= does not. bind() then says \
               \"Operation not permitted\" (1), also to root. A BPF program does it: a systemd built without BPF_FRAMEWORK \
               (Debian 12), a kernel without BPF and most containers leave the setting without effect, and systemctl show \
               then tells it empty or says nothing.",
        see: "journalctl -b -u UNIT\nsystemctl show -p SocketBindDeny,SocketBindAllow UNIT",
        fix: "a drop-in with SocketBindAllow=tcp:PORT, then restart",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let confined =
        confined(scene, |kind| matches!(kind, FailureKind::BindDenied { .. } | FailureKind::BindFailed { .. }))?;
    // The programs say EPERM; a message that names EACCES speaks of something else.
    if confined.message().contains("ermission denied") || confined.message().contains("EACCES") {
        return None;
    }
    let port = scene.subject.port?;
    let protocol = match scene.subject.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    };
    let layers = layers(scene.look, confined.unit)?;
    let fits = |v6| {
        let allowed = layers.iter().flat_map(|l| &l.sandbox.bind_allow).any(|rule| rule.fits(v6, protocol, port));
        let denied = layers.iter().find_map(|layer| {
            Some((layer.unit, layer.sandbox.bind_deny.iter().find(|rule| rule.fits(v6, protocol, port))?))
        });
        denied.filter(|_| !allowed)
    };
    let (by, rule) = fits(false).or_else(|| fits(true))?;
    let unit = &confined.unit.name;
    let setting = format!("SocketBindDeny={rule}");
    let of = if by.name == *unit { String::new() } else { format!(" of {}", by.name) };
    let found = confined.found(scene, &setting, format!("{unit} may not bind port {port}: {setting}{of}"));
    let line = format!("SocketBindAllow={}:{port}", scene.subject.transport.word());
    let title = format!("let {unit} bind port {port}");
    Some(found.fix(confined.loosened("allow-bind", title, "bind", &line)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::sandbox::{BindRule, Sandbox};

    const ID: &str = "systemd-socketbind-deny";
    const EPERM: &str = "nginx: [emerg] bind() to 0.0.0.0:80 failed (1: Operation not permitted)";

    fn host(line: &str, deny: Vec<BindRule>, allow: Vec<BindRule>) -> Host {
        let sandbox = Sandbox { bind_deny: deny, bind_allow: allow, ..Sandbox::default() };
        failed(Host::refusing(80).claimed_by("nginx.service"), "nginx.service", &[line])
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(sandbox)))
    }

    fn tcp(port: u16) -> BindRule {
        BindRule { v6: None, protocol: 6, ports: 1, first: port }
    }

    #[test]
    fn a_port_that_the_unit_may_not_bind() {
        let told = assert_culprit(&host(EPERM, vec![tcp(80)], vec![]).case(), ID);
        assert_eq!(told.culprit().unwrap().summary, "nginx.service may not bind port 80: SocketBindDeny=tcp:80");
        assert!(told.plans().next().unwrap().commands().contains("SocketBindAllow=tcp:80"));
    }

    #[test]
    fn a_port_that_it_may_bind_after_all_or_another_error() {
        assert_not_found(&host(EPERM, vec![tcp(81)], vec![]).case(), ID);
        let any = BindRule { v6: None, protocol: 0, ports: 0, first: 0 };
        assert_not_found(&host(EPERM, vec![any], vec![tcp(80)]).case(), ID);
        let denied = "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)";
        assert_not_found(&host(denied, vec![tcp(80)], vec![]).case(), ID);
    }
}

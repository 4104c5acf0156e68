//! A socket unit was edited while it was running: it counts as active, but what it should listen on is not open.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle, journal_says, sockets};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::claim::ClaimSource;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "socket-unit-needs-restart-after-edit",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The socket unit was edited and needs a restart",
        what: "After a change of ListenStream= and daemon-reload systemd drops the old socket, but opens the new one only \
               when the socket unit is restarted: until then both the old and the new port refuse, and the unit still \
               says active. Without daemon-reload the old port stays open and the new one refuses.",
        see: "systemctl status X.socket\njournalctl -b -u X.socket\nsystemctl show X.socket -p NeedDaemonReload,Listen",
        fix: "systemctl daemon-reload; systemctl stop X.socket X.service; systemctl start X.socket",
        undo: "restore the former ListenStream= and do the same",
    },
    detect,
};

const LOST: &str = "no open socket file descriptor left";

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let idle = idle(scene)?;
    let port = scene.subject.port?;
    let transport = scene.subject.transport;
    let named = idle.claim.is_some_and(|claim| claim.source == ClaimSource::SocketUnit);
    let active = sockets(scene.look, idle.unit?).into_iter().filter(|socket| socket.active_state == "active");
    for socket in active {
        let should = socket.socket.as_ref().is_some_and(|s| s.ports().contains(&(transport, port)));
        let journal = scene.look.journal(&socket.name);
        let lost = journal.and_then(|j| j.last_start().iter().rev().find(|e| e.message.contains(LOST)));
        let unread = named && socket.needs_reload;
        if !should && lost.is_none() && !unread {
            continue;
        }
        let summary = match (should, unread) {
            (false, true) => {
                format!("{} was edited to listen on {port}, but systemd has not read that yet", socket.name)
            }
            _ => format!("{} is active, but has lost its sockets after an edit", socket.name),
        };
        let mut found = found(scene, socket, summary).seen(configured(socket));
        if let Some(entry) = lost {
            found = found.seen(journal_says(socket, entry));
        }
        return Some(found.fix(fixes::reopen(socket)));
    }
    None
}

/// What systemd takes it to listen on.
fn configured(socket: &Unit) -> Evidence {
    let listens = socket.socket.as_ref().map(|s| s.listens.as_slice()).unwrap_or_default();
    let listens: Vec<&str> = listens.iter().map(|(_, address)| address.as_str()).collect();
    let reload = if socket.needs_reload { ", NeedDaemonReload=yes" } else { "" };
    let see = format!("systemctl show {} -p Listen,NeedDaemonReload", arg(&socket.name));
    Evidence::new("systemd", format!("Listen={}{reload}", listens.join(" ")), see)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::unit::SocketUnit;

    fn ssh(listens: &'static str, state: &'static str) -> Host {
        let host = Host::refusing(2222).unit("ssh.socket", |u| {
            (u.active_state, u.sub_state) = (state.into(), "listening".into());
            u.triggers = vec!["ssh.service".into()];
            let listens = vec![("Stream".into(), listens.into())];
            u.socket = Some(SocketUnit { listens, ..SocketUnit::default() });
        });
        host.unit("ssh.service", |u| u.triggered_by = vec!["ssh.socket".into()])
    }

    #[test]
    fn active_without_a_socket() {
        let diagnosis = assert_culprit(
            &ssh("[::]:2222", "active").claimed_by("ssh.socket").case(),
            "socket-unit-needs-restart-after-edit",
        );
        assert!(diagnosis.culprit().unwrap().advice[0].run.contains("systemctl stop ssh.socket ssh.service"));
    }

    #[test]
    fn the_old_port_is_gone_too() {
        let lines = [
            "systemd: Listening on ssh.socket - OpenBSD Secure Shell server socket.",
            "systemd: ssh.socket: Socket unit configuration has changed while unit has been running, no open socket file \
             descriptor left. The socket unit is not functional until restarted.",
        ];
        let host = ssh("[::]:22", "active").claimed_by("ssh.service").journal("ssh.socket", &lines);
        assert_culprit(&host.case(), "socket-unit-needs-restart-after-edit");
    }

    #[test]
    fn a_socket_unit_of_another_port() {
        let case = ssh("[::]:22", "active").claimed_by("ssh.service").case();
        assert_not_found(&case, "socket-unit-needs-restart-after-edit");
    }
}

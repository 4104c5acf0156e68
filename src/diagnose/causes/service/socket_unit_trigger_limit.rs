//! Too many connections in a short time: systemd closed the socket for good.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_unit, journal_says, sockets};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::unit::Unit;
use crate::fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "socket-unit-trigger-limit",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The socket unit hit its trigger limit and stays closed",
        what: "A socket unit that is triggered more often than TriggerLimitBurst= in TriggerLimitIntervalSec= (200 in 2 s \
               with Accept=yes, 20 otherwise) is shut by systemd and never opened again by itself: one burst of \
               connections, a port scan or a monitoring probe, and the service is gone until somebody notices.",
        see: "systemctl status X.socket\nsystemctl show X.socket -p Result,TriggerLimitBurst,TriggerLimitIntervalUSec",
        fix: "systemctl reset-failed X.socket, systemctl start X.socket; raise TriggerLimitBurst= in a drop-in",
        undo: "systemctl revert X.socket",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_unit(scene)?;
    let hit = |socket: &&Unit| socket.socket.as_ref().is_some_and(|s| s.result == "trigger-limit-hit");
    let socket = sockets(scene.look, unit).into_iter().find(hit)?;
    let name = arg(&socket.name);
    let summary = format!("{} was triggered too often and is closed for good", socket.name);
    let mut found = found(scene, socket, summary);
    if let Some((burst, interval_us)) = socket.socket.as_ref().and_then(|s| s.trigger_limit) {
        let says = format!("at most {burst} times in {} s", interval_us / 1_000_000);
        let see = format!("systemctl show {name} -p TriggerLimitBurst,TriggerLimitIntervalUSec");
        found = found.seen(Evidence::new("systemd", says, see));
    }
    if let Some(entry) = scene.look.journal(&socket.name).and_then(|journal| journal.last_with("Trigger limit hit")) {
        found = found.seen(journal_says(socket, entry));
    }
    Some(found.fix(fixes::socket::open_again(socket, None)).fix(fixes::unit::trigger_limit(socket)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;
    use crate::facts::unit::SocketUnit;

    fn keys(result: &'static str) -> Case {
        let host = Host::refusing(7500).claimed_by("keys.socket").unit("keys.socket", |u| {
            u.active_state = "failed".into();
            let trigger_limit = Some((3, 60_000_000));
            u.socket = Some(SocketUnit { result: result.into(), trigger_limit, ..SocketUnit::default() });
        });
        let lines = ["systemd: keys.socket: Trigger limit hit, refusing further activation."];
        host.journal("keys.socket", &lines).case()
    }

    #[test]
    fn the_limit_and_the_line_are_told() {
        let diagnosis = assert_culprit(&keys("trigger-limit-hit"), "socket-unit-trigger-limit");
        let says: Vec<&str> = diagnosis.culprit().unwrap().evidence.iter().map(|e| e.says.as_str()).collect();
        assert!(says.contains(&"at most 3 times in 60 s"), "{says:?}");
        assert!(says.iter().any(|s| s.contains("Trigger limit hit")), "{says:?}");
    }

    #[test]
    fn another_failure_of_the_socket() {
        assert_not_found(&keys("resources"), "socket-unit-trigger-limit");
    }
}

//! An older instance of the same program still holds the port.

use super::super::{Cause, Found, Words};
use super::conflict::{Squatter, conflict};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "port-conflict-old-instance",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open, Outcome::Error],
    words: Words {
        title: "An older instance of the same program has the port",
        what: "A process of the same program that does not belong to the unit (started by hand, left over from an \
               update or from KillMode=process) still listens, so the unit cannot: `Address already in use`. Once the \
               old one ends, nobody serves the port.",
        see: "journalctl -b -u UNIT\nss -H -ltnp 'sport = :PORT'\nsystemctl status PID",
        fix: "end the old process and start the unit",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let conflict = conflict(scene, Squatter::OldInstance)?;
    let (unit, port, shown) = (&conflict.failed.unit.name, conflict.failed.port, conflict.shown());
    let [failure, row] = conflict.evidence();
    let summary = format!("{unit} could not start: {shown}, of the same program but not of the unit, has port {port}");
    Some(Found::new(unit, summary).seen(failure).seen(row).advise(conflict.make_way(scene)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, failed, owned_by};
    use crate::facts::Reading;

    #[test]
    fn nginx_started_by_hand() {
        let line = "nginx: nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)";
        let host = failed(Host::refusing(8443), "nginx.service", &[line]).claimed_by("nginx.service");
        let host = host.listens_on(80, "0.0.0.0", "session-4.scope", |_| ()).facts(|f| {
            let mut owner = owned_by("session-4.scope");
            owner.processes[0].name = "nginx".into();
            for known in f.owners.values_mut() {
                *known = Reading::known(owner.clone());
            }
        });
        let found = assert_culprit(&host.case(), "port-conflict-old-instance").causes.remove(0);
        assert_eq!(
            found.advice[0].run,
            "kill 812\nsystemctl reset-failed nginx.service\nsystemctl start nginx.service"
        );
        assert_eq!(found.advice[0].undo.as_deref(), Some("systemctl stop nginx.service"));
        assert_eq!(found.plans().next().unwrap().id, "end-process");
    }
}

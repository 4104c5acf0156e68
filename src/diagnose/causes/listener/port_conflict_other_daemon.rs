//! Another program holds a port that the service needs, so the service did not start.

use super::super::{Cause, Found, Words};
use super::conflict::{Squatter, conflict};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, arg};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "port-conflict-other-daemon",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open, Outcome::Error],
    words: Words {
        title: "Another program has the port",
        what: "The service could not bind because another program already listens there: `Address already in use`. \
               The service is down as a whole, so its other ports are refused, and on the shared port the other \
               program answers.",
        see: "journalctl -b -u UNIT\nss -H -ltnp 'sport = :PORT'",
        fix: "stop and disable the other program, or give one of the two another port, then start the service",
        undo: "stop the service and start the other program again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let conflict = conflict(scene, Squatter::Other)?;
    let unit_arg = arg(&conflict.failed.unit.name);
    let (unit, port, shown) = (&conflict.failed.unit.name, conflict.failed.port, conflict.shown());
    let asked = scene.subject.port.filter(|asked| *asked != port);
    let also = asked.map(|asked| format!(", so nothing serves port {asked} either")).unwrap_or_default();
    let [failure, row] = conflict.evidence();
    Some(
        Found::new(unit, format!("{unit} could not start: {shown} has port {port}{also}"))
            .seen(failure)
            .seen(row)
            .advise(conflict.make_way(scene))
            .advise(Advice::new(
                format!("or give {unit} another port than {port} in its configuration and start it"),
                format!("systemctl cat {unit_arg}\nsystemctl start {unit_arg}"),
                None,
            )),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::connect::Outcome;
    use crate::facts::unit::SocketUnit;

    const LINES: [&str; 2] = [
        "nginx: nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
        "nginx: nginx: [emerg] still could not bind()",
    ];

    #[test]
    fn the_other_port_of_the_service_is_refused() {
        let host = failed(Host::refusing(443), "nginx.service", &LINES).claimed_by("nginx.service");
        let host = host.listens_on(80, "::", "apache2.service", |_| ()).running("apache2.service");
        let found = assert_culprit(&host.case(), "port-conflict-other-daemon").causes.remove(0);
        assert_eq!(
            found.summary,
            "nginx.service could not start: apache2[812] (apache2.service) has port 80, so nothing serves port 443 either"
        );
        assert!(found.advice[0].run.starts_with("systemctl stop apache2.service\n"), "{:?}", found.advice);
        let plan = found.plans().next().unwrap();
        assert!(plan.id == "stop-other-unit" && plan.risk == crate::fixes::Risk::High, "{plan:?}");
        assert!(plan.undo_commands().unwrap().ends_with("systemctl start apache2.service"), "{plan:?}");
    }

    #[test]
    fn a_socket_that_would_start_the_other_one_again_goes_with_it() {
        let host = failed(Host::refusing(443), "nginx.service", &LINES).claimed_by("nginx.service");
        let host = host.listens_on(80, "::", "apache2.service", |_| ()).unit("apache2.service", |u| {
            u.active_state = "active".into();
            u.triggered_by = vec!["apache2.socket".into()];
        });
        let host = host.unit("apache2.socket", |u| {
            u.active_state = "active".into();
            u.socket = Some(SocketUnit::default());
        });
        let found = assert_culprit(&host.case(), "port-conflict-other-daemon").causes.remove(0);
        let run = &found.advice[0].run;
        assert!(run.contains("systemctl stop apache2.socket\n"), "{run}");
        assert!(run.find("stop apache2.service") < run.find("stop apache2.socket"), "{run}");
    }

    #[test]
    fn what_systemd_run_made_cannot_be_started_again_and_is_ended() {
        let host = failed(Host::refusing(443), "nginx.service", &LINES).claimed_by("nginx.service");
        let host = host.listens_on(80, "::", "apache2.service", |_| ()).unit("apache2.service", |u| {
            u.active_state = "active".into();
            u.fragment = Some("/run/systemd/transient/apache2.service".into());
        });
        let found = assert_culprit(&host.case(), "port-conflict-other-daemon").causes.remove(0);
        assert!(found.advice[0].run.starts_with("kill 812\n"), "{:?}", found.advice);
    }

    #[test]
    fn on_the_shared_port_the_other_one_answers() {
        let host = Host::with_outcome(80, Outcome::Open).listens("::", "apache2.service", |_| ());
        let case = failed(host, "nginx.service", &LINES).claimed_by("nginx.service").case();
        assert_eq!(assert_culprit(&case, "port-conflict-other-daemon").outcome, Some(Outcome::Open));
    }

    #[test]
    fn once_the_other_one_is_gone_the_unit_is_only_stopped() {
        let host = failed(Host::refusing(443), "nginx.service", &LINES).claimed_by("nginx.service");
        assert_not_found(&host.case(), "port-conflict-other-daemon");
    }

    #[test]
    fn another_address_does_not_collide() {
        let line = "app: listen tcp 10.2.0.2:8080: bind: address already in use";
        let host = failed(Host::refusing(443), "app.service", &[line]).claimed_by("app.service");
        let host = host.listens_on(8080, "127.0.0.1", "other.service", |_| ());
        assert_not_found(&host.case(), "port-conflict-other-daemon");
    }
}

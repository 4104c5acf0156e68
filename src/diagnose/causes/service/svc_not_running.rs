//! The unit that should serve the port is stopped (and nothing more specific explains why).

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-not-running",
    in_box: BoxId::Service,
    general: true,
    explains: &[Outcome::Refused, Outcome::Unresolved],
    words: Words {
        title: "The service is not running",
        what: "The unit that should serve the port exists, but it is stopped or failed, so no socket listens and the \
               kernel itself answers with a reset.",
        see: "systemctl status UNIT\nss -H -ltn 'sport = :PORT'",
        fix: "systemctl start UNIT",
        undo: "systemctl stop UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let serving = serving(scene.look, scene.subject)?;
    let unit = serving.unit.filter(|u| u.exists() && matches!(u.active_state.as_str(), "inactive" | "failed"))?;
    let says = format!("{} is {}", unit.name, unit.shown_state());
    Some(
        Found::new(&unit.name, format!("{} is not running", unit.name))
            .seen(Evidence::new("systemd", says, format!("systemctl status {}", unit.name)))
            .advise(Advice::new(
                "start it",
                format!("systemctl start {}", unit.name),
                Some(&format!("systemctl stop {}", unit.name)),
            )),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    #[test]
    fn a_stopped_unit_that_claims_the_port() {
        let host = Host::refusing(80).unit("nginx.service", |u| {
            u.active_state = "inactive".into();
            u.sub_state = "dead".into();
            u.file_state = "enabled".into();
        });
        assert_culprit(&host.claimed_by("nginx.service").case(), "svc-not-running");
    }

    #[test]
    fn a_running_unit_is_not_stopped() {
        let host = Host::refusing(80).unit("nginx.service", |u| u.active_state = "active".into());
        assert_not_found(&host.claimed_by("nginx.service").case(), "svc-not-running");
    }
}

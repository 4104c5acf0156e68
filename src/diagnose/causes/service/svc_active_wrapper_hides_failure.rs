//! A unit that is `active (exited)` looks healthy while the instance behind it, which should serve, is down.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, failure_says, found, idle, reason, see_why, start_again, systemd_says};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::first_failure;
use crate::diagnose::look::Look;
use crate::diagnose::serving::Serving;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-active-wrapper-hides-failure",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The unit is active, but what it starts is down",
        what: "On Debian postgresql.service runs /bin/true and stays \"active (exited)\"; the clusters are instances such \
               as postgresql@15-main.service. systemctl status postgresql is green whatever becomes of them. Old init \
               scripts do the same.",
        see: "systemctl status 'postgresql@*'\npg_lsclusters",
        fix: "look at the instance (journalctl -b -u INSTANCE), cure what it says, systemctl start INSTANCE",
        undo: "systemctl stop INSTANCE",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let serving = idle(scene)?;
    let instance = serving.unit?;
    let down = matches!(instance.active_state.as_str(), "failed" | "inactive");
    let wrapper = wrapper_of(scene.look, &serving, instance).filter(|_| down)?;
    let failure = first_failure(scene.look, instance);
    let why = failure.as_ref().map(|failure| format!(": {}", reason(failure))).unwrap_or_default();
    let state = &instance.active_state;
    let summary = format!("{} is active, but {} behind it is {state}{why}", wrapper.name, instance.name);
    let mut found = found(scene, instance, summary).seen(systemd_says(wrapper));
    found.evidence.extend(failure.iter().flat_map(|failure| failure_says(instance, failure)));
    if failure.is_none() {
        return Some(found.fix(fixes::start(instance)));
    }
    Some(found.advise(see_why(instance)).advise(start_again(instance)))
}

/// The unit that hides the instance: the one that was asked for, or the one the instance is named after.
fn wrapper_of<'a>(look: &Look<'a>, serving: &Serving<'a>, instance: &Unit) -> Option<&'a Unit> {
    if serving.wrapper.is_some() {
        return serving.wrapper;
    }
    let (stem, _) = instance.name.split_once('@')?;
    let wrapper = look.unit(&format!("{stem}.service"))?;
    let hides = wrapper.active_state == "active" && wrapper.sub_state == "exited";
    (hides && wrapper.pulls.contains(&instance.name)).then_some(wrapper)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    const INSTANCE: &str = "postgresql@15-main.service";

    fn postgres(state: &'static str) -> Host {
        let host = Host::refusing(5432).unit("postgresql.service", |u| {
            u.active_state = "active".into();
            u.sub_state = "exited".into();
            u.pulls = vec![INSTANCE.into()];
        });
        host.unit(INSTANCE, |u| u.active_state = state.into())
    }

    #[test]
    fn asked_by_port_the_instance_claims_it() {
        let diagnosis =
            assert_culprit(&postgres("inactive").claimed_by(INSTANCE).case(), "svc-active-wrapper-hides-failure");
        assert_eq!(diagnosis.culprit().unwrap().subject, INSTANCE);
    }

    #[test]
    fn asked_by_unit_even_its_port_need_not_be_known() {
        let diagnosis =
            assert_culprit(&postgres("failed").target("postgresql").case(), "svc-active-wrapper-hides-failure");
        assert_eq!(diagnosis.culprit().unwrap().subject, INSTANCE);
        assert_eq!(diagnosis.outcome, Some(crate::facts::connect::Outcome::Error));
    }

    #[test]
    fn a_known_reason_of_the_instance_comes_first() {
        let lines =
            ["postgresql@15-main: 2026-01-02 LOG:  syntax error in file \"/etc/postgresql/p.conf\" line 60, near"];
        let host = postgres("failed").claimed_by("postgresql.service").journal(INSTANCE, &lines);
        assert_culprit(&host.case(), "svc-failed-config-syntax");
    }

    #[test]
    fn an_instance_that_runs_hides_nothing() {
        let case = postgres("active").claimed_by(INSTANCE).case();
        assert_not_found(&case, "svc-active-wrapper-hides-failure");
    }
}

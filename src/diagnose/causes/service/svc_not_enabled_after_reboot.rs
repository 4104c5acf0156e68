//! The service ran until the host was rebooted, and nothing starts it at boot.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_service};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-not-enabled-after-reboot",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The service is not enabled, so the reboot ended it",
        what: "Somebody started it by hand once. It ran until the host was rebooted; no target wants it, so nothing \
               started it again.",
        see: "systemctl is-enabled UNIT\njournalctl -b -1 -u UNIT\nuptime",
        fix: "systemctl enable --now UNIT",
        undo: "systemctl disable --now UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let idle = |unit: &&crate::facts::unit::Unit| unit.active_state == "inactive" && unit.job.is_none();
    let unit = idle_service(scene).filter(idle)?;
    if unit.file_state != "disabled" || unit.active_enter_us != 0 {
        return None;
    }
    if scene.look.journal(&unit.name)?.ran_before_this_boot != Some(true) {
        return None;
    }
    let name = arg(&unit.name);
    let summary = format!("{} ran until the reboot and is not enabled, so nothing started it since", unit.name);
    let found = found(scene, unit, summary)
        .seen(Evidence::new(
            "systemd",
            "disabled, and never active in this boot",
            format!("systemctl is-enabled {name}"),
        ))
        .seen(Evidence::new("journal", "it ran in the boot before this one", format!("journalctl -b -1 -u {name}")));
    Some(found.fix(fixes::start_and_enable(unit)).fix(fixes::start(unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::{Case, Reading};

    fn nginx(ran_before: Option<bool>, active_enter_us: u64) -> Case {
        let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", &[]);
        let host = host.unit("nginx.service", |u| {
            u.file_state = "disabled".into();
            u.active_enter_us = active_enter_us;
        });
        let host = host.facts(|f| {
            let Some(Reading::Known(known)) = f.journals.get_mut("nginx.service") else { panic!("no journal") };
            known.value.ran_before_this_boot = ran_before;
        });
        host.case()
    }

    #[test]
    fn it_ran_before_the_reboot() {
        assert_culprit(&nginx(Some(true), 0), "svc-not-enabled-after-reboot");
    }

    #[test]
    fn without_that_proof_it_is_simply_not_running() {
        assert_culprit(&nginx(None, 0), "svc-not-running");
        assert_culprit(&nginx(Some(false), 0), "svc-not-running");
    }

    #[test]
    fn it_was_stopped_in_this_boot() {
        assert_not_found(&nginx(Some(true), 1_700_000_100_000_000), "svc-not-enabled-after-reboot");
    }
}

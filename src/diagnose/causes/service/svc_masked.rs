//! The unit is masked: linked to /dev/null, so that nothing can start it.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_unit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::fixes::unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-masked",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The service is masked",
        what: "Somebody masked the unit: its name leads to /dev/null, so neither an operator nor a dependency nor a \
               socket can start it. systemctl start answers \"Unit X is masked\". Packages are masked to keep them from \
               starting during an upgrade, or to keep a rival daemon off the port.",
        see: "systemctl show UNIT -p LoadState,UnitFileState\nls -l /etc/systemd/system/UNIT /run/systemd/system/UNIT",
        fix: "ask why it was masked, then: systemctl unmask UNIT, systemctl start UNIT",
        undo: "systemctl stop UNIT, systemctl mask UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_unit(scene).filter(|unit| unit.load_state == "masked" && !unit.is_running())?;
    let name = arg(&unit.name);
    let says = match &unit.fragment {
        Some(file) => format!("LoadState=masked: {file} leads to /dev/null"),
        None => "LoadState=masked".into(),
    };
    let see = format!("systemctl show {name} -p LoadState,UnitFileState,FragmentPath");
    let summary = format!("{} is masked, so nothing can start it", unit.name);
    Some(found(scene, unit, summary).seen(Evidence::new("systemd", says, see)).fix(unit::unmask(unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::unit::Unit;

    fn nginx(change: fn(&mut Unit)) -> crate::facts::Case {
        Host::refusing(80).unit("nginx.service", change).claimed_by("nginx.service").case()
    }

    #[test]
    fn a_masked_unit() {
        let case = nginx(|u| {
            u.load_state = "masked".into();
            u.file_state = "masked-runtime".into();
        });
        let diagnosis = assert_culprit(&case, "svc-masked");
        let plan = diagnosis.plans().next().unwrap();
        assert_eq!(plan.commands(), "systemctl unmask --runtime nginx.service\nsystemctl start nginx.service");
        assert_eq!(
            plan.undo_commands().unwrap(),
            "systemctl stop nginx.service\nsystemctl mask --runtime nginx.service"
        );
    }

    #[test]
    fn a_loaded_unit() {
        assert_not_found(&nginx(|_| ()), "svc-masked");
    }
}

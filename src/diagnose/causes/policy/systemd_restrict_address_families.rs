//! The unit may not make sockets of the family it needs.

use super::super::service::common::DOWN;
use super::super::{Cause, Found, Words};
use super::common::confined;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-restrict-address-families",
    in_box: BoxId::Policy,
    general: false,
    explains: DOWN,
    words: Words {
        title: "systemd keeps the service from the address family it needs",
        what: "RestrictAddressFamilies= of the unit does not name AF_INET or AF_INET6. socket() then says \"Address family \
               not supported by protocol\" (97), as if the kernel had no IPv4 or IPv6, and the service ends.",
        see: "journalctl -b -u UNIT\nsystemctl show -p RestrictAddressFamilies UNIT",
        fix: "a drop-in with RestrictAddressFamilies=AF_INET AF_INET6, which adds to what is allowed, then restart",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let confined =
        confined(scene, |kind| matches!(kind, FailureKind::FamilyUnsupported { .. } | FailureKind::BindFailed { .. }))?;
    let list = confined.sandbox.families.as_ref()?;
    let missing: Vec<&str> = ["AF_INET", "AF_INET6"].into_iter().filter(|family| !list.passes(family)).collect();
    let wanted = if let FailureKind::FamilyUnsupported { address: Some(address) } = &confined.failure.kind {
        if address.contains('[') { "AF_INET6" } else { "AF_INET" }
    } else {
        missing.first().copied()?
    };
    if !missing.contains(&wanted) {
        return None;
    }
    let unit = &confined.unit.name;
    let setting = format!("RestrictAddressFamilies={}", list.shown());
    let found = confined.found(scene, &setting, format!("{unit} may not use {wanted}: {setting}"));
    let title = format!("let {unit} use {}", missing.join(" and "));
    let line = format!("RestrictAddressFamilies={}", missing.join(" "));
    Some(found.fix(confined.loosened("allow-address-families", title, "families", &line)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::sandbox::{List, Sandbox};

    const LINE: &str = "nginx: 2026/01/02 03:04:05 [emerg] 81#81: socket() 0.0.0.0:80 failed (97: Address family not \
                        supported by protocol)";

    fn host(allow: bool, names: &[&str]) -> Host {
        let families = Some(List { allow, names: names.iter().map(|n| (*n).to_owned()).collect() });
        failed(Host::refusing(80).claimed_by("nginx.service"), "nginx.service", &[LINE])
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(Sandbox { families, ..Sandbox::default() })))
    }

    #[test]
    fn a_unit_that_may_only_use_unix_sockets() {
        let told = assert_culprit(&host(true, &["AF_UNIX"]).case(), "systemd-restrict-address-families");
        let finding = told.culprit().unwrap();
        assert_eq!(finding.summary, "nginx.service may not use AF_INET: RestrictAddressFamilies=AF_UNIX");
        let plan = told.plans().next().unwrap();
        assert!(plan.commands().contains("RestrictAddressFamilies=AF_INET AF_INET6"), "{}", plan.commands());
        assert_culprit(&host(false, &["AF_INET"]).case(), "systemd-restrict-address-families");
        assert_culprit(&host(true, &[]).case(), "systemd-restrict-address-families");
    }

    #[test]
    fn a_kernel_without_the_family_is_another_thing() {
        assert_not_found(&host(true, &["AF_INET", "AF_INET6"]).case(), "systemd-restrict-address-families");
        let unset = host(true, &[]).change_unit("nginx.service", |u| u.sandbox = Some(Box::default()));
        assert_not_found(&unset.case(), "systemd-restrict-address-families");
    }
}

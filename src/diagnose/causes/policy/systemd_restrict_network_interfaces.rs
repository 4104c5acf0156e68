//! The unit may not use the interface that the client comes in by.

use super::super::{Cause, Found, Words};
use super::common::{set, unbarred};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::sandbox::{BarKind, Effect, bar, taking};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-restrict-network-interfaces",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Timeout],
    words: Words {
        title: "systemd keeps the service from the interface that clients come in by",
        what: "RestrictNetworkInterfaces= of the unit or of its slice does not let it use that interface. The service runs \
               and listens and answers this host itself, while packets that come in by the interface are dropped by a BPF \
               program of the control group. A systemd built without BPF_FRAMEWORK (Debian 12), a kernel without BPF and \
               most containers leave the setting without effect.",
        see: "systemctl show -p RestrictNetworkInterfaces UNIT\nip -brief address",
        fix: "a drop-in that empties the setting, then restart",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let endpoint = scene.subject.endpoint()?;
    let dial = scene.look.dialled(&endpoint)?;
    let bar = bar(scene.look, scene.subject, dial)
        .filter(|bar| bar.kind == BarKind::Interface && bar.effect == Effect::Yes)?;
    let unit = taking(scene.look, scene.subject)?;
    let of = if bar.by == unit.name { String::new() } else { format!(" of {}", bar.by) };
    let summary = format!("{} may not use the interface that clients come in by: {}{of}", unit.name, bar.setting);
    let found = Found::new(bar.by, summary).seen(set(bar.by, &bar.setting));
    if bar.by != unit.name {
        return Some(found);
    }
    let title = format!("let {} use every interface", unit.name);
    Some(found.fix(unbarred(unit, &bar, "every-interface", title, "RestrictNetworkInterfaces=")))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::sandbox::{List, Sandbox};
    use crate::target::From;

    const ID: &str = "systemd-restrict-network-interfaces";

    fn host(allow: bool, names: &[&str]) -> Host {
        let interfaces = Some(List { allow, names: names.iter().map(|n| (*n).to_owned()).collect() });
        let sandbox = Sandbox { interfaces, ..Sandbox::default() };
        Host::with_outcome(80, Outcome::Open)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .running("nginx.service")
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(sandbox)))
    }

    #[test]
    fn only_the_loopback_may_be_used() {
        let told = assert_culprit(&host(true, &["lo"]).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        assert!(told.plans().next().unwrap().commands().contains("RestrictNetworkInterfaces=\n"));
        assert_culprit(&host(false, &["eth0"]).case(), ID);
    }

    #[test]
    fn others_are_let_in() {
        assert_not_found(&host(true, &["lo", "eth0"]).case(), ID);
        assert_not_found(&host(false, &["eth1"]).case(), ID);
        assert_not_found(&host(true, &["lo"]).from(From::Here).case(), ID);
    }
}

//! The service was started before its address was there, and gave up.

use super::super::{Cause, Found, Words};
use super::address_failure::address_failures;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::symptom::interface_of;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::fixes::{Plan, unit as fixes};

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-address-not-up-at-boot",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The address was not there yet when the service started",
        what: "The daemon binds one particular address. When it started, usually at boot and before the network, VPN \
               or bridge was up, that address did not exist: `Cannot assign requested address`. It exists now, and a \
               restart by hand works, until the next boot.",
        see: "journalctl -b -u UNIT\nip -br address",
        fix: "systemctl start UNIT, and a drop-in with Wants=network-online.target and After=network-online.target \
              (plus the unit that brings the address up); for socket units FreeBind=yes; or the sysctl \
              net.ipv4.ip_nonlocal_bind=1",
        undo: "remove the drop-in (systemctl revert UNIT)",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let lacked = address_failures(scene).find(|a| a.here && !a.address.is_unspecified())?;
    let (unit, address) = (&lacked.failed.unit.name, lacked.address);
    let interface = interface_of(scene.look, address).unwrap_or_else(|| "lo".into());
    let summary = format!("{unit} could not bind {address} when it started; the address is on {interface} now");
    let mut found = Found::new(unit, summary).seen(lacked.failed.evidence()).seen(Evidence::new(
        "rtnetlink",
        format!("{address} is on {interface}"),
        "ip -br address",
    ));
    if let Some(configured) = lacked.configured() {
        found = found.seen(configured);
    }
    let mut start = fixes::brought_up(Plan::new("start-unit", ""), lacked.failed.unit);
    start.title = format!("start it: {address} is there now");
    Some(found.fix(start).fix(fixes::after_network(lacked.failed.unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::daemon::Daemon;

    fn sshd(address: &str) -> Host {
        let line = format!("sshd: error: Bind to port 22 on {address} failed: Cannot assign requested address.");
        let set_by = format!("/etc/ssh/sshd_config:15: ListenAddress {address}");
        failed(Host::refusing(22), "ssh.service", &[&line, "sshd: fatal: Cannot bind any address."])
            .configured(Daemon::Sshd, "ssh.service", &[(address, 22, &set_by)])
            .claimed_by("ssh.service")
    }

    #[test]
    fn the_address_has_come_since() {
        let found = assert_culprit(&sshd("10.2.0.2").case(), "bind-address-not-up-at-boot").causes.remove(0);
        assert_eq!(found.summary, "ssh.service could not bind 10.2.0.2 when it started; the address is on eth0 now");
        assert_eq!(found.advice[0].run, "systemctl reset-failed ssh.service\nsystemctl start ssh.service");
        assert!(found.advice.len() == 2 && found.advice[1].run.contains("After=network-online.target"), "{found:?}");
    }

    #[test]
    fn an_address_that_never_came_is_foreign() {
        let case = sshd("10.9.9.9").case();
        assert_culprit(&case, "bind-address-foreign");
        assert_not_found(&case, "bind-address-not-up-at-boot");
    }

    #[test]
    fn the_message_may_leave_the_address_to_the_configuration() {
        let line = "vsftpd: 500 OOPS: could not bind listening IPv4 socket";
        let host = failed(Host::refusing(21), "vsftpd.service", &[line]).claimed_by("vsftpd.service");
        let set_by = "/etc/vsftpd.conf:3: listen_address=10.9.9.9";
        let host = host.configured(Daemon::Vsftpd, "vsftpd.service", &[("10.9.9.9", 21, set_by)]);
        let diagnosis = crate::diagnose::diagnose(&host.case());
        // Without a reason in the message nobody may say that it was the address.
        assert_ne!(diagnosis.culprit, Some("bind-address-not-up-at-boot"), "{diagnosis:#?}");
    }
}

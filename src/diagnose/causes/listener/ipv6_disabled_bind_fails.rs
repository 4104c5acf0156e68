//! The service wants an IPv6 address, and this host has IPv6 switched off.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use super::failed_bind::{FailedBind, Said, failed_and_missed};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "ipv6-disabled-bind-fails",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service wants IPv6, which this host has switched off",
        what: "With ipv6.disable=1 on the kernel's command line there is no IPv6 at all: opening [::]:PORT fails with \
               `Address family not supported by protocol`. With the sysctl disable_ipv6=1 the wildcard still works, but \
               [::1]:PORT fails with `Cannot assign requested address`. nginx and vsftpd end then; PostgreSQL, sshd and \
               Redis go on with IPv4.",
        see: "journalctl -b -u UNIT\nsysctl net.ipv6.conf.all.disable_ipv6\ncat /proc/cmdline",
        fix: "take the IPv6 listener out of the daemon's configuration, or switch IPv6 on, and start the service",
        undo: "restore the line, or the setting",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let said = [Said::AddressNotAvailable, Said::FamilyUnsupported];
    let mut failed = said.into_iter().flat_map(|said| failed_and_missed(scene, said));
    let failed = failed.find(|f| f.ip.is_some_and(|ip| ip.is_ipv6()))?;
    if scene.look.addresses()?.all.iter().any(|a| a.address.is_ipv6()) {
        return None;
    }
    Some(found(&failed, failed.ip?))
}

fn found(failed: &FailedBind<'_>, address: IpAddr) -> Found {
    let (unit, port) = (&failed.unit.name, failed.port);
    let unit_arg = arg(unit);
    let summary = format!("{unit} wants [{address}]:{port}, and this host has IPv6 switched off");
    Found::new(unit, summary)
        .seen(failed.evidence())
        .seen(Evidence::new("rtnetlink", "no interface has an IPv6 address, not even lo", "ip -6 -br address"))
        .advise(Advice::new(
            format!("take the listener on [{address}]:{port} out of its configuration and start it"),
            format!("systemctl cat {unit_arg}\nsystemctl start {unit_arg}"),
            None,
        ))
        .advise(Advice::new(
            "or switch IPv6 on (where the kernel was not started with ipv6.disable=1)",
            format!("sysctl -w net.ipv6.conf.all.disable_ipv6=0\nsystemctl start {unit_arg}"),
            Some(&format!("systemctl stop {unit_arg}\nsysctl -w net.ipv6.conf.all.disable_ipv6=1")),
        ))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};

    const LOOPBACK: &str = "nginx: nginx: [emerg] bind() to [::1]:80 failed (99: Cannot assign requested address)";
    const FAMILY: &str = "nginx: nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)";

    fn host(line: &str, with_ipv6: bool) -> Host {
        let host = failed(Host::refusing(80), "nginx.service", &[line]).claimed_by("nginx.service");
        host.facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            mine.all.retain(|a| with_ipv6 || a.address.is_ipv4());
            f.addresses = crate::facts::Reading::known(mine);
        })
    }

    #[test]
    fn by_sysctl_and_by_kernel_command_line() {
        for line in [LOOPBACK, FAMILY] {
            assert_culprit(&host(line, false).case(), "ipv6-disabled-bind-fails");
        }
    }

    #[test]
    fn a_host_with_ipv6_has_another_fault() {
        for line in [LOOPBACK, FAMILY] {
            assert_not_found(&host(line, true).case(), "ipv6-disabled-bind-fails");
        }
    }
}

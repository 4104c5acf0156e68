//! The system's own stub resolver holds port 53.

use super::super::{Cause, Found, Words};
use super::conflict::{Squatter, conflict};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, arg};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "port-conflict-dns-stub",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open, Outcome::Silent, Outcome::Error],
    words: Words {
        title: "The system's stub resolver has port 53",
        what: "systemd-resolved (or connman) listens on 127.0.0.53:53 for this host's own look-ups. A DNS server that \
               wants port 53 on all addresses cannot have it and does not start.",
        see: "journalctl -b -u UNIT\nss -H -lunp 'sport = :53'\nresolvectl status",
        fix: "DNSStubListener=no in /etc/systemd/resolved.conf.d/no-stub.conf, restart systemd-resolved, point \
              /etc/resolv.conf at /run/systemd/resolve/resolv.conf, start the DNS server",
        undo: "remove the file, restart systemd-resolved, restore the link",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let conflict = conflict(scene, Squatter::DnsStub)?;
    let (unit, shown) = (&conflict.failed.unit.name, conflict.shown());
    let unit_arg = arg(unit);
    let [failure, row] = conflict.evidence();
    let found = Found::new(unit, format!("{unit} could not start: {shown} has port 53")).seen(failure).seen(row);
    if conflict.squatter.unit() == Some("connman.service") {
        return Some(found.advise(conflict.make_way(scene)));
    }
    Some(found.advise(Advice::new(
        "switch the stub listener off; look-ups go on without it",
        format!(
            "mkdir -p /etc/systemd/resolved.conf.d\n\
             printf '[Resolve]\\nDNSStubListener=no\\n' > /etc/systemd/resolved.conf.d/no-stub.conf\n\
             cp -a /etc/resolv.conf /etc/resolv.conf.before\n\
             ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf\n\
             systemctl restart systemd-resolved.service\nsystemctl start {unit_arg}"
        ),
        Some(&format!(
            "systemctl stop {unit_arg}\nrm /etc/systemd/resolved.conf.d/no-stub.conf\n\
             mv -f /etc/resolv.conf.before /etc/resolv.conf\nsystemctl restart systemd-resolved.service"
        )),
    )))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, failed};

    #[test]
    fn dnsmasq_beside_resolved() {
        let line = "dnsmasq: dnsmasq: failed to create listening socket for port 53: Address already in use";
        let host = Host::refusing(53).listens("127.0.0.53", "systemd-resolved.service", |_| ());
        let case = failed(host, "dnsmasq.service", &[line]).claimed_by("dnsmasq.service").case();
        let found = assert_culprit(&case, "port-conflict-dns-stub").causes.remove(0);
        assert!(found.advice[0].run.contains("DNSStubListener=no"), "{:?}", found.advice);
    }
}

//! The service is configured for an address this host does not have.

use super::super::{Cause, Found, Words};
use super::address_failure::address_failures;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::fixes::listen;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-address-foreign",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service wants an address this host does not have",
        what: "The configured address is on no interface: the host got another one, a cloud's public address is \
               translated before it arrives, or it is a typing error. bind() says `Cannot assign requested address`, \
               and the daemon does not start.",
        see: "journalctl -b -u UNIT\nip -br address",
        fix: "name an address this host has, or the wildcard, and start the service",
        undo: "restore the line",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    // A missing ::1 is IPv6 switched off, not a foreign address.
    let lacked = address_failures(scene).find(|a| !a.here && !a.address.is_loopback())?;
    let (unit, address) = (&lacked.failed.unit.name, lacked.address);
    let unit_arg = arg(unit);
    let mine = scene.look.addresses()?;
    let own: Vec<String> =
        mine.all.iter().filter(|a| !a.address.is_loopback() && !a.link_local).map(|a| a.address.to_string()).collect();
    let place = lacked.origin.map(|o| format!(" ({o})")).unwrap_or_default();
    let summary = format!("{unit} wants {address}{place}, which this host does not have");
    let has = if own.is_empty() { "no address but loopback".into() } else { own.join(", ") };
    let mut found = Found::new(unit, summary).seen(lacked.failed.evidence()).seen(Evidence::new(
        "rtnetlink",
        format!("this host has {has}"),
        "ip -br address",
    ));
    if let Some(configured) = lacked.configured() {
        found = found.seen(configured);
    }
    let wanted = scene.subject.address().filter(|a| !a.is_loopback() && a.is_ipv4() == address.is_ipv4());
    let plan = lacked.origin.zip(wanted).and_then(|(o, new)| listen::readdressed(lacked.failed.unit, o, address, new));
    Some(match plan {
        Some(plan) => found.fix(plan),
        None => found.advise(Advice::new(
            format!("put an address of this host, or the wildcard, in place of {address} and start it"),
            format!("systemctl cat {unit_arg}\nsystemctl start {unit_arg}"),
            None,
        )),
    })
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, failed};
    use crate::facts::daemon::Daemon;

    const LINE: &str = "nginx: nginx: [emerg] bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)";

    #[test]
    fn nginx_with_an_address_of_another_host() {
        let set_by = "/etc/nginx/conf.d/site.conf:1: listen 10.9.9.9:80;";
        let host = failed(Host::refusing(80), "nginx.service", &[LINE]).claimed_by("nginx.service");
        let host = host.configured(Daemon::Nginx, "nginx.service", &[("10.9.9.9", 80, set_by)]);
        let found = assert_culprit(&host.case(), "bind-address-foreign").causes.remove(0);
        assert!(
            found.advice[0].run.starts_with("edit /etc/nginx/conf.d/site.conf:1: listen 10.2.0.2:80;\n"),
            "{found:?}"
        );
    }

    #[test]
    fn without_its_configuration_the_message_is_enough() {
        let host = failed(Host::refusing(80), "nginx.service", &[LINE]).claimed_by("nginx.service");
        let found = assert_culprit(&host.case(), "bind-address-foreign").causes.remove(0);
        assert!(found.summary.contains("10.9.9.9"), "{}", found.summary);
    }
}

//! This host has no port of its own left to connect from.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::route::{RouteKey, RouteKind};
use crate::fixes::{Plan, sysctl};

const RANGE: &str = "net/ipv4/ip_local_port_range";
/// What is offered; below, daemons have theirs.
const WIDER: (u16, u16) = (10_240, 65_535);

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-ephemeral-exhausted",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Unreachable],
    words: Words {
        title: "The client has no free port of its own left",
        what: "Each connection to one address and port needs a port of its own from ip_local_port_range, and after it \
               ends mostly for another minute (TIME-WAIT). When all are taken connecting fails at once with \"Cannot \
               assign requested address\". A proxy or a load test that opens a connection per request gets there.",
        see: "sysctl net.ipv4.ip_local_port_range\nss -Htan dst ADDRESS | awk '{print $1}' | sort | uniq -c",
        fix: "keep connections open (keep-alive, a pool), widen net.ipv4.ip_local_port_range, connect from several \
              addresses",
        undo: "sysctl -w net.ipv4.ip_local_port_range='OLD'",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    if scene.outcome()? != Outcome::Unreachable || (subject.local != Some(false) && subject.from != Asker::Here) {
        return None;
    }
    let endpoint = subject.endpoint()?;
    let dial = scene.look.dialled(&endpoint)?;
    if dial.errno.as_deref() != Some("EADDRNOTAVAIL") {
        return None;
    }
    let to = subject.address()?.to_canonical();
    // The same is said where no address of this host's may be the source.
    let route = scene.look.route(&RouteKey { to, from: None, input: None, mark: 0 })?;
    let known = matches!(route.kind, RouteKind::Unicast | RouteKind::Local);
    if !known || (route.source.is_none() && !to.is_loopback()) {
        return None;
    }
    let (range, port) = (scene.look.sysctl(RANGE)?, subject.port?);
    let (first, last) = range.split_once(char::is_whitespace)?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    let ports = u32::from(last.saturating_sub(first)) + 1;
    let says = format!("connecting to {endpoint}: Cannot assign requested address (EADDRNOTAVAIL)");
    let see = format!("ss -Htan dst '{to}' and dport = {port} | wc -l");
    let mut found = Found::new(
        format!("{first}-{last}"),
        format!("no port between {first} and {last} is free for a connection to {endpoint}"),
    )
    .seen(Evidence::new("dial", says, see))
    .seen(Evidence::new(
        "procfs",
        format!("ip_local_port_range has {ports} ports"),
        "sysctl net.ipv4.ip_local_port_range",
    ));
    if ports < u32::from(WIDER.1 - WIDER.0) {
        let value = format!("{} {}", WIDER.0.min(first), WIDER.1.max(last));
        let warning =
            "a daemon that is started later may find its port taken by a connection; see ip_local_reserved_ports";
        let plan = |id, title: &str| Plan::new(id, title).warn(warning);
        let now = plan("widen-port-range", "let connections use more ports of this host");
        let for_good = plan("widen-port-range-for-good", "let them, at every boot too");
        found = found.fix(sysctl::now(now, RANGE, &value)).fix(sysctl::for_good(for_good, RANGE, &value));
    }
    let does = "find out who opens them, and let it keep connections open";
    Some(found.advise(Advice::new(does, format!("ss -Htanp dst '{to}' and dport = {port}"), None)))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::nowhere::tests::{there, to_there};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Endpoint, Outcome};

    const ID: &str = "cli-ephemeral-exhausted";

    fn host(errno: &str, range: &str) -> Host {
        let host = to_there(Outcome::Unreachable, None).facts(|f| {
            let at = Endpoint::Tcp(SocketAddr::new(there(), 80));
            let mut dial = f.dials[&at].value().cloned().unwrap();
            dial.errno = Some(errno.into());
            f.dials.insert(at, Reading::known(dial));
        });
        host.sysctl(super::RANGE, range)
    }

    #[test]
    fn no_port_is_left() {
        let told = assert_culprit(&host("EADDRNOTAVAIL", "40000\t40002").case(), ID);
        let found = told.culprit().unwrap();
        assert_eq!(found.evidence[1].says, "ip_local_port_range has 3 ports");
        let plan = found.plans().next().unwrap();
        assert_eq!(plan.commands(), "sysctl -w 'net.ipv4.ip_local_port_range=10240 65535'");
    }

    #[test]
    fn a_wide_range_is_not_widened() {
        let told = assert_culprit(&host("EADDRNOTAVAIL", "1024\t65535").case(), ID);
        assert_eq!(told.culprit().unwrap().plans().count(), 0);
        assert_not_found(&host("ENETUNREACH", "40000\t40002").case(), ID);
    }
}

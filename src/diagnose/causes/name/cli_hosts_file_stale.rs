//! A line of /etc/hosts sends the name to the wrong place.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::name::{HostsLine, Resolution};
use crate::fixes::hosts_file;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-hosts-file-stale",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Reset],
    words: Words {
        title: "/etc/hosts sends the name to the wrong place",
        what: "A line of /etc/hosts overrides the name service (`hosts: files dns` in nsswitch.conf). It was right once, or \
               was put there for a test (`127.0.0.1 db.example`), and now leads to an address that does not serve the \
               name.",
        see: "getent ahosts NAME\ngrep -n NAME /etc/hosts\ngetent -s dns ahosts NAME",
        fix: "correct the line or take it out",
        undo: "put the line back",
    },
    detect,
};

/// Why a line is wrong.
enum Why<'a> {
    /// The name service says something else.
    Overrides(&'a [IpAddr]),
    /// It leads to this host itself, where nothing listens and nothing is meant to.
    NothingHere,
    /// It leads to another host, which does not serve the port, while this one does.
    ServedHere,
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let host = scene.subject.host.as_ref().filter(|host| host.parse::<IpAddr>().is_err())?;
    let resolution = scene.look.name(host)?;
    let first = resolution.addresses.first().filter(|a| !a.is_unspecified())?;
    let line = resolution.hosts_lines.iter().find(|line| line.address == *first)?;
    if is_own_name(host, line, &scene.look.host()?.hostname) || !CAUSE.explains.contains(&scene.outcome()?) {
        return None;
    }
    let why = why(scene, host, resolution, line)?;
    let (at, port) = (format!("/etc/hosts:{}", line.line), scene.subject.port?);
    let because = match &why {
        Why::Overrides(others) => format!("the name service says {}", join(others)),
        Why::NothingHere => format!("that is this host itself, where nothing has port {port}"),
        Why::ServedHere => format!("that host does not serve port {port}, this one does"),
    };
    let found = Found::new(host, format!("{at} sends {host} to {first}, but {because}")).seen(Evidence::new(
        "hosts",
        format!("{at}: {}", line.text),
        format!("grep -n {host} /etc/hosts"),
    ));
    let found = match &why {
        Why::Overrides(others) => {
            let says = format!("without /etc/hosts {host} is {}", join(others));
            found.seen(Evidence::new("resolver", says, format!("getent -s dns ahosts {host}")))
        }
        Why::NothingHere | Why::ServedHere => found,
    };
    Some(match why {
        Why::Overrides(_) => found.fix(hosts_file::take_out(line, host)),
        Why::ServedHere => match own_address(scene, line) {
            Some(own) => found.fix(hosts_file::correct(line, host, own).warn(format!("see that {host} is this host"))),
            None => found.advise(by_hand(host, line, &at)),
        },
        // Without the line the name has no address at all.
        Why::NothingHere => found.advise(by_hand(host, line, &at)),
    })
}

fn by_hand(host: &str, line: &HostsLine, at: &str) -> Advice {
    Advice::new(
        format!("take the line out, or give it {host}'s real address"),
        format!("edit {at}: # {}", line.text),
        Some(&format!("edit {at}: {}", line.text)),
    )
}

/// An address of this host, of the line's family, at which the port is served to others.
fn own_address(scene: &Scene<'_, '_>, line: &HostsLine) -> Option<IpAddr> {
    let listeners = scene.look.listeners(scene.subject.transport, scene.subject.port?)?;
    let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let all = scene.look.addresses()?.all.iter().map(|a| a.address);
    let mut fit = all.filter(|ip| ip.is_ipv4() == line.address.is_ipv4() && !ip.is_loopback() && !link_local(ip));
    fit.find(|ip| listeners.iter().any(|l| l.takes(*ip)))
}

fn join(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A name of this host itself, which belongs into /etc/hosts.
fn is_own_name(host: &str, line: &HostsLine, hostname: &str) -> bool {
    let own = |name: &str| {
        name == hostname
            || name.starts_with("localhost")
            || name.ends_with(".localhost")
            || name.ends_with(".localdomain")
            || name.strip_prefix(hostname).is_some_and(|rest| rest.starts_with('.'))
            || hostname.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    };
    let text = line.text.split('#').next().unwrap_or_default();
    own(host) || text.split_whitespace().skip(1).any(own)
}

fn why<'a>(scene: &Scene<'_, '_>, host: &str, resolution: &'a Resolution, line: &HostsLine) -> Option<Why<'a>> {
    let others = resolution.beyond_hosts.as_deref().unwrap_or_default();
    if others.contains(&line.address) {
        return None;
    }
    let subject = scene.subject;
    let local = subject.local?;
    let listeners = scene.look.listeners(subject.transport, subject.port?)?;
    if local && (!listeners.is_empty() || meant_to_run(scene)?) {
        // The line leads to where something is or should be: then that is what is wrong.
        return None;
    }
    match (others.is_empty(), local) {
        (false, _) => Some(Why::Overrides(others)),
        (true, true) => line.address.is_loopback().then_some(Why::NothingHere),
        // Without a second opinion on the name, only a plain sign counts.
        (true, false) => {
            let served_here = listeners.iter().any(|l| !l.loopback_only());
            (host.contains('.') && served_here).then_some(Why::ServedHere)
        }
    }
}

/// Is a program of this host meant to serve the port, so that it is only down? None: not known (yet).
fn meant_to_run(scene: &Scene<'_, '_>) -> Option<bool> {
    let claims = scene.look.claims(scene.subject.transport, scene.subject.port?)?;
    for unit in claims.claims.iter().filter_map(|c| c.unit.as_deref()) {
        let unit = scene.look.unit(unit)?;
        if unit.exists() && (unit.file_state == "enabled" || unit.active_state != "inactive") {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::name::HostsLine;

    const NAME: &str = "database.shop.example";

    fn hosts(name: &str, address: &str, beyond: Option<&[&str]>) -> Host {
        let host = Host::refusing(5432).named(name, &[address], |r| {
            let text = format!("{address} {name}");
            r.hosts_lines = vec![HostsLine { line: 3, address: r.addresses[0], text }];
            r.beyond_hosts = beyond.map(|all| all.iter().map(|a| a.parse().unwrap()).collect());
        });
        host.dial(address.parse().unwrap(), Outcome::Refused)
    }

    #[test]
    fn a_name_left_on_loopback() {
        for beyond in [None, Some(&[][..])] {
            let case = hosts(NAME, "127.0.0.1", beyond).case();
            let found = assert_culprit(&case, "cli-hosts-file-stale").causes.remove(0);
            assert!(found.summary.contains("/etc/hosts:3 sends database.shop.example to 127.0.0.1"), "{found:?}");
            assert_eq!(found.advice[0].run, "edit /etc/hosts:3: # 127.0.0.1 database.shop.example");
            assert_eq!(found.plans().count(), 0, "without the line the name leads nowhere");
        }
    }

    #[test]
    fn the_name_service_says_something_else() {
        let found = assert_culprit(&hosts(NAME, "10.1.0.9", Some(&["10.2.0.7"])).case(), "cli-hosts-file-stale");
        assert!(found.causes[0].summary.contains("the name service says 10.2.0.7"));
        assert_eq!(found.causes[0].plans().next().unwrap().id, "remove-hosts-line");
        assert_not_found(&hosts(NAME, "10.1.0.9", Some(&["10.1.0.9"])).case(), "cli-hosts-file-stale");
    }

    #[test]
    fn another_host_that_refuses_proves_nothing_by_itself() {
        assert_not_found(&hosts(NAME, "10.1.0.9", None).case(), "cli-hosts-file-stale");
        let here = hosts(NAME, "10.1.0.9", None).listens("0.0.0.0", "postgresql@15-main.service", |_| ());
        let found = assert_culprit(&here.case(), "cli-hosts-file-stale").causes.remove(0);
        assert_eq!(found.advice[0].run, format!("edit /etc/hosts:3: 10.2.0.2 {NAME}"));
    }

    #[test]
    fn a_service_that_is_only_down_is_not_the_names_fault() {
        let host = hosts(NAME, "127.0.0.1", None).unit("postgresql.service", |_| ()).claimed_by("postgresql.service");
        let case = host.case();
        assert_culprit(&case, "svc-not-running");
        assert_not_found(&case, "cli-hosts-file-stale");
    }

    #[test]
    fn names_of_this_host_belong_there() {
        for name in ["localhost", "server", "server.example", "localhost.localdomain"] {
            assert_not_found(&hosts(name, "127.0.0.1", None).case(), "cli-hosts-file-stale");
        }
    }

    #[test]
    fn a_name_that_works_is_no_fault() {
        let host = hosts(NAME, "127.0.0.1", None).dial("127.0.0.1".parse().unwrap(), Outcome::Open);
        assert_not_found(&host.case(), "cli-hosts-file-stale");
    }
}

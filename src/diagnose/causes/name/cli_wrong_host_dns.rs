//! The name leads to another machine than the one that serves it: this host.

use std::net::{IpAddr, SocketAddr};

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::diagnose::whence::is_public;
use crate::facts::connect::Outcome;
use crate::facts::host::Addresses;
use crate::facts::name::{HostsLine, Resolution};
use crate::fixes::hosts_file;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-wrong-host-dns",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Reset, Outcome::Denied],
    words: Words {
        title: "The name leads to another machine",
        what: "The name service gives an address that is not this host's, though the name is this host's own, or another \
               of its addresses is served here, or /etc/hosts has it right and is asked too late. The machine at that \
               address refuses, because it does not serve the name: a record that was left behind when the service \
               moved, a dynamic address, an AAAA record that points at the router.",
        see: "getent ahosts NAME\ngetent -s dns ahosts NAME\nip -brief address\ngrep ^hosts: /etc/nsswitch.conf",
        fix: "correct the record in DNS; until then a line in /etc/hosts",
        undo: "restore the record, take the line out again",
    },
    detect,
};

/// Why the address is wrong.
enum Why<'a> {
    /// The name is this host's own.
    Own,
    /// Another address of the name is this host's, and the port is served there.
    ServedHere(IpAddr),
    /// A line of /etc/hosts says something else, and is not asked, or too late.
    Overridden(&'a HostsLine),
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (look, subject) = (scene.look, scene.subject);
    let host = subject.host.as_ref().filter(|host| host.parse::<IpAddr>().is_err())?;
    let resolution = look.name(host)?;
    let first = resolution.addresses.first().filter(|a| !a.is_unspecified())?;
    let of_hosts_file = resolution.hosts_lines.iter().any(|line| line.address == *first);
    if of_hosts_file || subject.local? {
        return None;
    }
    if !CAUSE.explains.contains(&look.dialled(&subject.endpoint()?)?.outcome) {
        return None;
    }
    let why = why(scene, host, resolution)?;
    let because = match &why {
        Why::Own => "which is not this host, though the name is its own".to_owned(),
        Why::ServedHere(ip) => format!("which does not serve it, while {ip} is this host and does"),
        Why::Overridden(line) => format!("though /etc/hosts:{} says {}", line.line, line.address),
    };
    let all: Vec<String> = resolution.addresses.iter().map(ToString::to_string).collect();
    let mut found = Found::new(host, format!("{host} leads to {first}, {because}"))
        .seen(Evidence::new(
            "resolver",
            format!("{host} is {}", all.join(", ")),
            format!("getent ahosts {}", arg(host)),
        ))
        .seen(addresses(scene));
    if let Why::Overridden(line) = &why {
        let says = format!("/etc/hosts:{}: {}", line.line, line.text);
        let order = resolution.nsswitch.as_deref().unwrap_or("unknown");
        found = found
            .seen(Evidence::new("hosts", says, format!("sed -n {}p /etc/hosts", line.line)))
            .seen(Evidence::new("nsswitch", format!("hosts: {order}"), "grep ^hosts: /etc/nsswitch.conf"));
    }
    Some(with_fixes(scene, found, host, resolution, &why))
}

fn why<'a>(scene: &Scene<'_, '_>, host: &str, resolution: &'a Resolution) -> Option<Why<'a>> {
    let mine = scene.look.addresses()?;
    let listeners = scene.look.listeners(scene.subject.transport, scene.subject.port?)?;
    let served = |ip: &IpAddr| mine.holds(*ip) && !ip.is_loopback() && listeners.iter().any(|l| l.takes(*ip));
    if let Some(line) = resolution.hosts_lines.iter().find(|line| !mine.holds(line.address) || served(&line.address)) {
        return Some(Why::Overridden(line));
    }
    if let Some(ip) = resolution.addresses.iter().find(|ip| served(ip)) {
        return Some(Why::ServedHere(*ip));
    }
    let first = *resolution.addresses.first()?;
    let own = is_own(host, &scene.look.host()?.hostname, &resolution.search) && !may_be_translated(first, mine);
    own.then_some(Why::Own)
}

/// The host's name, alone or with a domain behind it that this host looks names up in.
fn is_own(host: &str, hostname: &str, search: &[String]) -> bool {
    let (host, own) = (host.trim_end_matches('.'), hostname.trim_end_matches('.'));
    if own.is_empty() || own.eq_ignore_ascii_case("localhost") {
        return false;
    }
    let longer = |domain: &String| host.eq_ignore_ascii_case(&format!("{own}.{}", domain.trim_matches('.')));
    host.eq_ignore_ascii_case(own) || search.iter().any(longer)
}

/// A public address may be this host's all the same, where it has only private ones of its own: a router or a cloud
/// translates it.
fn may_be_translated(address: IpAddr, mine: &Addresses) -> bool {
    let public = |ip: IpAddr| is_public(SocketAddr::new(ip, 0));
    let own = |ip: IpAddr| ip.is_ipv4() == address.is_ipv4() && public(ip);
    public(address) && !mine.all.iter().any(|a| own(a.address))
}

fn addresses(scene: &Scene<'_, '_>) -> Evidence {
    let all = scene.look.addresses().map(|mine| mine.all.as_slice()).unwrap_or_default();
    let shown = all.iter().filter(|a| !a.address.is_loopback() && !a.link_local).map(|a| a.address.to_string());
    let shown: Vec<String> = shown.take(8).collect();
    Evidence::new("rtnetlink", format!("this host is {}", shown.join(", ")), "ip -brief address")
}

fn with_fixes(scene: &Scene<'_, '_>, found: Found, host: &str, resolution: &Resolution, why: &Why<'_>) -> Found {
    let correct = |address: &str| {
        let does = format!("let the name service give {address} for {host}, wherever its records are kept");
        Advice::new(does, format!("getent -s dns ahosts {}", arg(host)), None)
    };
    if let Why::Overridden(line) = why {
        let undo = resolution.nsswitch.as_ref().map(|order| format!("edit /etc/nsswitch.conf: hosts: {order}"));
        let does = "let /etc/hosts be asked first";
        return found
            .advise(Advice::new(does, "edit /etc/nsswitch.conf: hosts: files dns", undo.as_deref()))
            .advise(correct(&line.address.to_string()));
    }
    if let Why::ServedHere(ip) = why {
        let found = if files_first(resolution) { found.fix(hosts_file::add(host, *ip)) } else { found };
        return found.advise(correct(&ip.to_string()));
    }
    // That a name is this host's own does not prove that it is to be served here: nothing is changed for it.
    match scene.look.addresses().map(Addresses::primary).filter(|ip| !ip.is_loopback()) {
        Some(own) => found.advise(correct(&own.to_string())),
        None => found.advise(correct("this host's address")),
    }
}

/// Would a line of /etc/hosts be believed?
fn files_first(resolution: &Resolution) -> bool {
    let order = resolution.nsswitch.as_deref().unwrap_or("dns files");
    order.split_whitespace().next() == Some("files")
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::name::HostsLine;

    const ID: &str = "cli-wrong-host-dns";

    fn leads_to(name: &str, addresses: &[&str]) -> Host {
        Host::refusing(443).named(name, addresses, |_| ()).dial(addresses[0].parse().unwrap(), Outcome::Refused)
    }

    fn own(name: &str, address: &str) -> Host {
        let host = Host::refusing(443).named(name, &[address], |r| r.search = vec!["shop.example.".into()]);
        host.dial(address.parse().unwrap(), Outcome::Refused)
    }

    #[test]
    fn the_hosts_own_name_is_another_machine() {
        let told = assert_culprit(&own("server.shop.example", "10.9.9.9").case(), ID);
        let finding = &told.causes[0];
        assert!(
            finding.summary.contains("server.shop.example leads to 10.9.9.9, which is not this host"),
            "{finding:?}"
        );
        assert_eq!(finding.plans().count(), 0);
        assert!(finding.advice[0].does.contains("give 10.2.0.2 for server.shop.example"), "{finding:?}");
        assert_culprit(&own("SERVER", "10.9.9.9").case(), ID);
    }

    #[test]
    fn a_name_that_only_begins_like_the_hosts_is_another() {
        assert_not_found(&own("server.google.example", "10.9.9.9").case(), ID);
        assert_not_found(&own("server.www.shop.example", "10.9.9.9").case(), ID);
    }

    #[test]
    fn a_public_address_may_be_translated_to_this_host() {
        assert_not_found(&own("server.shop.example", "198.51.100.7").case(), ID);
        let public = own("server.shop.example", "198.51.100.7").facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            let mut another = mine.all.last().cloned().unwrap();
            another.address = "203.0.113.9".parse().unwrap();
            mine.all.push(another);
            f.addresses = Reading::known(mine);
        });
        assert_culprit(&public.case(), ID);
    }

    #[test]
    fn one_address_of_several_is_this_host() {
        let host = leads_to("shop.example", &["10.9.9.9", "10.2.0.2"]).listens("0.0.0.0", "nginx.service", |_| ());
        let told = assert_culprit(&host.dial("10.2.0.2".parse().unwrap(), Outcome::Open).case(), ID);
        assert!(told.causes[0].summary.contains("10.2.0.2 is this host"), "{told:#?}");
        let plan = told.causes[0].plans().next().unwrap();
        assert_eq!(plan.commands(), "edit /etc/hosts: add: 10.2.0.2 shop.example");
        assert!(plan.undo_commands().is_some());
        let idle = leads_to("shop.example", &["10.9.9.9", "10.2.0.2"]);
        assert_not_found(&idle.dial("10.2.0.2".parse().unwrap(), Outcome::Refused).case(), ID);
    }

    #[test]
    fn the_hosts_file_is_asked_too_late() {
        let host = Host::refusing(443).named("db.example", &["10.9.9.9"], |r| {
            let address = "10.1.0.7".parse().unwrap();
            r.hosts_lines = vec![HostsLine { line: 4, address, text: "10.1.0.7 db.example".into() }];
            r.nsswitch = Some("dns files".into());
        });
        let told = assert_culprit(&host.dial("10.9.9.9".parse().unwrap(), Outcome::Refused).case(), ID);
        assert!(told.causes[0].summary.ends_with("though /etc/hosts:4 says 10.1.0.7"), "{told:#?}");
        assert_eq!(told.causes[0].plans().count(), 0);
        assert!(told.causes[0].advice[0].run.contains("hosts: files dns"));
    }

    #[test]
    fn other_names_and_those_that_work_are_no_fault() {
        assert_not_found(&leads_to("db.example", &["10.9.9.9"]).case(), ID);
        assert_not_found(&leads_to("server", &["10.2.0.2"]).case(), ID);
        let works = Host::refusing(443).named("server", &["10.9.9.9"], |_| ());
        assert_not_found(&works.dial("10.9.9.9".parse().unwrap(), Outcome::Open).case(), ID);
    }
}

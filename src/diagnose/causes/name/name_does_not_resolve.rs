//! The name leads to no address at all.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::name::{Resolution, ServerSays};
use crate::fixes;

/// The resolver of systemd, which listens at these addresses.
const RESOLVED: &str = "systemd-resolved.service";
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];

pub(crate) static CAUSE: Cause = Cause {
    id: "name-does-not-resolve",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Unresolved],
    words: Words {
        title: "The name does not resolve",
        what: "Neither /etc/hosts nor the name service knows an address for the name, so nothing was ever sent. Either there \
               is no such name (a typing error, a name without its domain), or the name servers of /etc/resolv.conf are \
               gone: 127.0.0.53 is systemd-resolved on this host, and refuses when that does not run.",
        see: "getent ahosts NAME\ncat /etc/nsswitch.conf /etc/resolv.conf\nresolvectl query NAME\nunrefuse check udp://SERVER:53",
        fix: "correct the name, add it to DNS or /etc/hosts, or repair the resolver",
        undo: "remove the line again",
    },
    detect,
};

/// Why there is no address.
enum Why {
    /// DNS is not asked.
    NotAsked,
    /// A name server is not there: this one.
    NotThere(IpAddr),
    /// None answers.
    Silent(IpAddr),
    /// It answers that it cannot or does not want to.
    Unable(IpAddr, u8),
    /// It says that there is none, and the name has no domain.
    WithoutDomain,
    /// It says that there is none.
    None,
    /// It was not asked.
    Unknown,
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let host = scene.subject.host.as_ref()?;
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let resolution = scene.look.name(host).filter(|r| r.addresses.is_empty())?;
    let error = resolution.error.as_deref().unwrap_or("no address");
    let why = why(resolution, host);
    let because = match &why {
        Why::NotAsked => ": nsswitch.conf has no name service asked".to_owned(),
        Why::NotThere(server) => format!(": the name server {server} is not there"),
        Why::Silent(server) => format!(": the name server {server} does not answer"),
        Why::Unable(server, code) => format!(": the name server {server} answers {}", code_name(*code)),
        Why::WithoutDomain => ": there is no such name, and it has no domain".to_owned(),
        Why::None | Why::Unknown => format!(": {error}"),
    };
    let mut found = Found::new(host, format!("{host} does not resolve{because}"));
    found.evidence.push(Evidence::new(
        "resolver",
        format!("getaddrinfo: {error}"),
        format!("getent ahosts {}", arg(host)),
    ));
    found.evidence.extend(settings(resolution));
    with_advice(scene, found, host, resolution, &why)
}

fn why(resolution: &Resolution, host: &str) -> Why {
    let asked = |order: &str| order.split_whitespace().any(|word| matches!(word, "dns" | "resolve"));
    if !resolution.nsswitch.as_deref().is_none_or(asked) {
        return Why::NotAsked;
    }
    let says = |wanted: fn(ServerSays) -> bool| resolution.servers.iter().find(|(_, said)| wanted(*said));
    if says(|said| matches!(said, ServerSays::Code(0 | 3))).is_some() {
        return if host.trim_end_matches('.').contains('.') { Why::None } else { Why::WithoutDomain };
    }
    if let Some((server, ServerSays::Code(code))) = says(|said| matches!(said, ServerSays::Code(_))) {
        return Why::Unable(*server, *code);
    }
    match resolution.servers.first() {
        Some((server, ServerSays::NotThere)) => Why::NotThere(*server),
        Some((server, _)) => Why::Silent(*server),
        None => Why::Unknown,
    }
}

/// The names of RFC 1035, RFC 2136 and RFC 8914.
fn code_name(code: u8) -> String {
    match code {
        1 => "FORMERR, it does not understand the question".into(),
        2 => "SERVFAIL, it fails itself".into(),
        4 => "NOTIMP, it cannot do that".into(),
        5 => "REFUSED, it does not serve this host".into(),
        other => format!("with code {other}"),
    }
}

/// Who is asked, in which order, and what each said.
fn settings(resolution: &Resolution) -> Vec<Evidence> {
    let mut all = Vec::new();
    if let Some(order) = &resolution.nsswitch {
        all.push(Evidence::new("nsswitch", format!("hosts: {order}"), "grep ^hosts: /etc/nsswitch.conf"));
    }
    for (server, said) in &resolution.servers {
        let says = match said {
            ServerSays::Code(0) => format!("{server} has no address for it"),
            ServerSays::Code(3) => format!("{server} says there is no such name (NXDOMAIN)"),
            ServerSays::Code(code) => format!("{server} answers {}", code_name(*code)),
            ServerSays::NotThere => format!("{server} refuses: nothing listens on its port 53"),
            ServerSays::Nothing => format!("{server} does not answer"),
        };
        all.push(Evidence::new("dns", says, format!("unrefuse check udp://{}", at(*server))));
    }
    if !resolution.search.is_empty() {
        let says = format!("search {}", resolution.search.join(" "));
        all.push(Evidence::new("resolv.conf", says, "grep ^search /etc/resolv.conf"));
    }
    all
}

fn at(server: IpAddr) -> String {
    std::net::SocketAddr::new(server, 53).to_string()
}

fn with_advice(scene: &Scene<'_, '_>, found: Found, host: &str, resolution: &Resolution, why: &Why) -> Option<Found> {
    let other =
        || Advice::new("or name another server, which answers", "edit /etc/resolv.conf: nameserver ADDRESS", None);
    Some(match why {
        Why::NotAsked => {
            let old = resolution.nsswitch.as_deref().unwrap_or_default();
            let undo = format!("edit /etc/nsswitch.conf: hosts: {old}");
            let run = format!("edit /etc/nsswitch.conf: hosts: {old} dns");
            found.advise(Advice::new("let DNS be asked, too", run, Some(&undo)))
        }
        Why::NotThere(server) if STUBS.contains(&server.to_string().as_str()) => {
            let unit = scene.look.unit(RESOLVED)?;
            if !unit.exists() {
                let does =
                    "resolv.conf names the stub of systemd-resolved, which is not installed: name another server";
                return Some(found.advise(Advice::new(does, "edit /etc/resolv.conf: nameserver ADDRESS", None)));
            }
            let says = format!("{RESOLVED} is {}", unit.shown_state());
            let found = found.seen(Evidence::new("systemd", says, format!("systemctl status {RESOLVED}")));
            let plan = if unit.is_up() { fixes::unit::restart(RESOLVED) } else { fixes::unit::start(unit) };
            found.fix(plan).advise(other())
        }
        Why::NotThere(server) | Why::Silent(server) | Why::Unable(server, _) => {
            let run = format!("unrefuse check udp://{}", at(*server));
            found.advise(Advice::new("find out why the name server does not answer", run, None)).advise(other())
        }
        Why::WithoutDomain => found.advise(Advice::new(
            "write the name with its domain, or let the domain be tried behind every name",
            "edit /etc/resolv.conf: search DOMAIN",
            Some("edit /etc/resolv.conf: take it out"),
        )),
        Why::None | Why::Unknown => found.advise(Advice::new(
            "see whether the name is written as it should be; where DNS cannot know it, /etc/hosts can",
            format!("getent ahosts {}", arg(host)),
            None,
        )),
    })
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::diagnose::verdict::Finding;
    use crate::facts::connect::Outcome;
    use crate::facts::name::{Resolution, ServerSays};

    const ID: &str = "name-does-not-resolve";

    #[test]
    fn a_name_nobody_knows() {
        let case = Host::refusing(80).named("db.example", &[], |_| ()).case();
        let diagnosis = assert_culprit(&case, ID);
        assert_eq!(diagnosis.outcome, Some(Outcome::Unresolved));
    }

    #[test]
    fn a_name_with_an_address_resolves() {
        assert_not_found(&Host::refusing(80).named("db.example", &["10.2.0.2"], |_| ()).case(), ID);
    }

    fn told(host: Host, name: &str, change: impl FnOnce(&mut Resolution)) -> Finding {
        assert_culprit(&host.named(name, &[], change).case(), ID).causes.remove(0)
    }

    fn server(said: ServerSays) -> impl FnOnce(&mut Resolution) {
        move |r| r.servers = vec![("10.0.0.53".parse().unwrap(), said)]
    }

    #[test]
    fn why_it_has_none_is_told() {
        let told = |name: &str, change: &dyn Fn(&mut Resolution)| told(Host::refusing(80), name, change).summary;
        let files = |r: &mut Resolution| r.nsswitch = Some("files".into());
        assert!(told("db.example", &files).ends_with("nsswitch.conf has no name service asked"));
        let of = |said| move |r: &mut Resolution| server(said)(r);
        assert!(told("db.example", &of(ServerSays::Nothing)).ends_with("10.0.0.53 does not answer"));
        assert!(told("db.example", &of(ServerSays::NotThere)).ends_with("10.0.0.53 is not there"));
        assert!(told("db.example", &of(ServerSays::Code(5))).contains("REFUSED"));
        assert!(told("db", &of(ServerSays::Code(3))).ends_with("it has no domain"));
        assert!(told("db.example", &of(ServerSays::Code(3))).ends_with("Name or service not known"));
    }

    #[test]
    fn the_stub_of_systemd_is_started() {
        let stub = |r: &mut Resolution| r.servers = vec![("127.0.0.53".parse().unwrap(), ServerSays::NotThere)];
        let there = Host::refusing(80).unit("systemd-resolved.service", |_| ());
        let finding = told(there, "db.example", stub);
        assert_eq!(finding.plans().next().unwrap().commands(), "systemctl start systemd-resolved.service");
        let finding = told(Host::refusing(80), "db.example", stub);
        assert!(finding.plans().next().is_none() && finding.advice[0].does.contains("not installed"), "{finding:?}");
    }
}

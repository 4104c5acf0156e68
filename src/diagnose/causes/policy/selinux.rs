//! What the causes of SELinux share: a bind that it refused, and which label the port should have.

use super::super::listener::failed_bind::{FailedBind, Said, failed_and_missed};
use super::denied;
use crate::diagnose::Scene;
use crate::diagnose::causes::Found;
use crate::diagnose::confined;
use crate::diagnose::look::Look;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::denial::{Denial, type_of};
use crate::facts::journal::{Entry, Journal};
use crate::facts::selinux::{Domain, Mode, PortRule, PortType, Selinux};
use crate::facts::unit::Unit;
use crate::fixes::{Plan, selinux as plans};

/// A daemon that SELinux did not let bind its port.
pub(super) struct Refused<'a> {
    pub(super) unit: &'a Unit,
    pub(super) program: String,
    pub(super) port: u16,
    pub(super) selinux: &'a Selinux,
    /// What it runs as (`httpd_t`), from the policy or the line that tells the denial.
    pub(super) domain: String,
    /// The type of the port, likewise.
    pub(super) kind: String,
    pub(super) logged: Option<&'a Denial>,
    pub(super) said: Evidence,
    /// The last success of the unit before the policy was built anew.
    pub(super) worked: Option<&'a Entry>,
}

/// The first of the units meant for the port that failed to bind it because of SELinux.
pub(super) fn refused<'a>(scene: &Scene<'a, '_>) -> Option<Refused<'a>> {
    failed_and_missed(scene, Said::BindDenied).iter().find_map(|failed| of(scene, failed))
}

fn of<'a>(scene: &Scene<'a, '_>, failed: &FailedBind<'a>) -> Option<Refused<'a>> {
    let about = confined::of_unit(failed.unit)?;
    let selinux = scene.look.selinux(&about, scene.subject.transport, failed.port)?;
    if selinux.mode != Mode::Enforcing {
        return None;
    }
    let (domain, rule) = (selinux.domain.value(), selinux.port.value());
    let denials = scene.look.denials();
    let mut lines = denials.map(|all| all.lines.iter().rev()).into_iter().flatten();
    let logged = lines.find(|line| is_bind(line, failed.port) && denied::then(line, failed));
    let forbidden = rule.is_some_and(|rule| !rule.bind) && domain.is_some_and(|domain| !domain.permissive);
    if logged.is_none() && !forbidden {
        return None;
    }
    let told = |field| logged.and_then(|line| type_of(line.field(field)?)).map(str::to_owned);
    Some(Refused {
        unit: failed.unit,
        program: about.program,
        port: failed.port,
        selinux,
        domain: told("scontext").or_else(|| domain.map(|d| d.name().to_owned()))?,
        kind: told("tcontext").or_else(|| rule.map(|rule| rule.kind.clone()))?,
        logged,
        said: failed.evidence(),
        worked: scene.look.journal(&failed.unit.name).and_then(|journal| worked(journal, selinux.policy_changed_ms)),
    })
}

fn is_bind(line: &Denial, port: u16) -> bool {
    let port = port.to_string();
    line.is_selinux() && line.permissions().any(|p| p == "name_bind") && line.field("src") == Some(port.as_str())
}

/// A start of this boot that succeeded before the policy was built anew, none after it having done so.
fn worked(journal: &Journal, changed_ms: u64) -> Option<&Entry> {
    let last = journal.entries.iter().rev().find(|entry| entry.is_started())?;
    (changed_ms != 0 && last.at_us / 1000 < changed_ms).then_some(last)
}

impl Refused<'_> {
    /// A label was lost: that of the program, or, since it last worked, that of the port.
    pub(super) fn is_lost(&self) -> bool {
        self.selinux.mislabelled.is_some() || self.worked.is_some()
    }

    /// What it rests on, and the plans for the label of the port.
    pub(super) fn found(&self, summary: String) -> Found {
        let mut found = Found::new(&self.unit.name, summary).seen(self.said.clone());
        if let Some(line) = self.logged {
            found = found.seen(denied::evidence(line));
        }
        if let Some(rule) = self.selinux.port.value() {
            found = found.seen(self.decision(rule));
        }
        found
    }

    fn decision(&self, rule: &PortRule) -> Evidence {
        let may = if rule.bind { "may" } else { "may not" };
        let (domain, kind, port) = (&self.domain, &rule.kind, self.port);
        let silent = if self.logged.is_none() && !rule.bind_logged {
            "; a dontaudit rule keeps that out of the audit"
        } else {
            ""
        };
        let says = format!("{domain} {may} bind {kind}, the type of port {port}{silent}");
        let see = format!("seinfo --portcon={port}; sesearch -A -s {domain} -t {kind} -p name_bind");
        Evidence::new("selinux", says, see)
    }

    /// What is said of the domain's ports, and what gives this one the label it should have.
    pub(super) fn with_label(&self, found: Found, transport: &'static str) -> Found {
        let Some(rule) = self.selinux.port.value() else {
            return found.advise(by_hand(self, transport, "TYPE"));
        };
        let Some(kind) = alike(&rule.bindable, &self.domain) else {
            let all: Vec<&str> = rule.bindable.iter().take(12).map(|kind| kind.name.as_str()).collect();
            let kind = if all.is_empty() { "TYPE".to_owned() } else { all.join("|") };
            return found.advise(by_hand(self, transport, &kind)).advise(module(self, transport));
        };
        let ports: Vec<String> = kind.ports.iter().take(12).map(|ports| shown(*ports)).collect();
        let says = format!("{} may bind {}: {}", self.domain, kind.name, ports.join(", "));
        found
            .seen(Evidence::new("selinux", says, "semanage port -l"))
            .fix(plans::port_type(self.unit, (transport, self.port), &kind.name, rule))
            .advise(module(self, transport))
    }
}

fn shown((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The type that is called like the domain: `http_port_t` for `httpd_t`, `ssh_port_t` for `sshd_t`.
pub(super) fn alike<'a>(kinds: &'a [PortType], domain: &str) -> Option<&'a PortType> {
    /// Fewer letters are no name.
    const FEWEST: usize = 3;
    let stem = domain.strip_suffix("_t").unwrap_or(domain);
    let letters = |kind: &PortType| kind.name.chars().zip(stem.chars()).take_while(|(a, b)| a == b).count();
    let rank = |kind: &&PortType| (letters(kind), std::cmp::Reverse(kind.name.len()));
    kinds.iter().filter(|kind| letters(kind) >= FEWEST).max_by_key(rank)
}

fn by_hand(refused: &Refused<'_>, transport: &str, kind: &str) -> Advice {
    let port = refused.port;
    Advice::new(
        format!("give port {port} a type that {} may bind", refused.domain),
        format!("semanage port -a -t {} -p {transport} {port}", arg(kind)),
        Some(&format!("semanage port -d -p {transport} {port}")),
    )
}

/// A module of this host's own, as its text. Not applied here: what it allows, it allows for every port of that type.
fn module(refused: &Refused<'_>, transport: &str) -> Advice {
    let (domain, kind) = (&refused.domain, &refused.kind);
    let text = format!("(allow {domain} {kind} ({transport}_socket (name_bind)))");
    let name = "local-bind";
    Advice::new(
        format!("or let {domain} bind every port of type {kind}, by a module of this host's own"),
        format!("write {name}.cil:\n    {text}\nsemodule -i {name}.cil"),
        Some(&format!("semodule -r {name}")),
    )
}

/// The same for connections.
pub(super) fn connect_module(domain: &str, kind: &str, port: u16) -> Advice {
    let name = "local-connect";
    Advice::new(
        format!(
            "or let {domain} connect to every port of type {kind}, {port} among them, by a module of this host's own"
        ),
        format!("write {name}.cil:\n    (allow {domain} {kind} (tcp_socket (name_connect)))\nsemodule -i {name}.cil"),
        Some(&format!("semodule -r {name}")),
    )
}

/// To see what else is denied: only this one domain stops forbidding, never the whole host, and not for long.
pub(super) fn permissive(domain: &Domain, of: &Unit) -> Plan {
    plans::permissive(domain.name(), of)
}

/// The domain that a line is about.
pub(super) fn telling(line: &Denial) -> Option<&str> {
    type_of(line.field("scontext")?)
}

/// Every place that tells denials was read: what is not there was not told.
pub(super) fn silent(look: &Look<'_>) -> bool {
    look.denials().is_some_and(|all| all.unread.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diagnose::causes::testing::{Host, failed};
    use crate::facts::Reading;
    use crate::facts::confined::Confined;
    use crate::facts::denial::{Denials, Place};
    use crate::facts::socket::Transport;

    pub(in crate::diagnose::causes::policy) const AVC: &str = "avc:  denied  { name_bind } for  pid=254 comm=\"nginx\" src=8099 \
        scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:unreserved_port_t:s0 tclass=tcp_socket \
        permissive=0";

    /// SELinux about nginx on port 8099.
    pub(in crate::diagnose::causes::policy) fn selinux() -> Selinux {
        let kind = |name: &str, ports: &[(u16, u16)]| PortType { name: name.into(), ports: ports.to_vec() };
        Selinux {
            mode: Mode::Enforcing,
            domain: Reading::known(Domain { context: "system_u:system_r:httpd_t:s0".into(), ..Domain::default() }),
            port: Reading::known(PortRule {
                kind: "unreserved_port_t".into(),
                range: Some((1024, 65535)),
                bind: false,
                bind_logged: true,
                bindable: vec![
                    kind("http_cache_port_t", &[(3128, 3128), (10001, 10010)]),
                    kind("http_port_t", &[(80, 80), (443, 443)]),
                    kind("ntop_port_t", &[(3000, 3000)]),
                ],
                ..PortRule::default()
            }),
            ..Selinux::default()
        }
    }

    /// nginx that may not bind port 8099, with these lines in the audit.
    pub(in crate::diagnose::causes::policy) fn host(selinux: Selinux, lines: &[&str]) -> Host {
        let line = "nginx: [emerg] bind() to 0.0.0.0:8099 failed (13: Permission denied)";
        failed(Host::refusing(8099), "nginx.service", &[line])
            .change_unit("nginx.service", |u| {
                u.service.as_mut().unwrap().exec_start = vec![vec!["/usr/sbin/nginx".into()]];
            })
            .claimed_by("nginx.service")
            .sysctl("net/ipv4/ip_unprivileged_port_start", "1024")
            .facts(|f| {
                let about = Confined { pid: 0, program: "/usr/sbin/nginx".into() };
                f.selinux.insert((about, Transport::Tcp, 8099), Reading::known(selinux));
                let at = f.journals["nginx.service"].value().unwrap().entries.iter().map(|e| e.at_us).max().unwrap();
                let denial =
                    |text: &&str| Denial { at_ms: at / 1000, serial: 19, place: Place::AuditLog, text: (*text).into() };
                let lines = lines.iter().map(denial).collect();
                f.denials = Reading::known(Denials { lines, read: vec![Place::AuditLog], unread: Vec::new() });
            })
    }

    #[test]
    fn the_type_that_is_called_like_the_domain() {
        let all = selinux().port.value().unwrap().bindable.clone();
        assert_eq!(alike(&all, "httpd_t").unwrap().name, "http_port_t");
        assert_eq!(alike(&all, "named_t"), None);
    }
}

//! SELinux does not let a proxy connect to the server behind it.

use super::super::connect::{attempt, served_by};
use super::super::{Cause, Found, Words};
use super::denied;
use super::selinux::{alike, connect_module, permissive, silent, telling};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::confined;
use crate::diagnose::look::Look;
use crate::diagnose::upstream::{Asked, behind};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::confined::Confined;
use crate::facts::connect::{Endpoint, Outcome};
use crate::facts::daemon::Daemon;
use crate::facts::denial::{Denial, type_of};
use crate::facts::exchange::Request;
use crate::facts::selinux::{Mode, PortRule, Selinux};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;
use crate::fixes::selinux as plans;

pub(crate) static CAUSE: Cause = Cause {
    id: "selinux-connect-denied",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Open, Outcome::Closed, Outcome::Reset],
    words: Words {
        title: "SELinux does not let a proxy connect to the server behind it",
        what: "A confined web server may connect only to ports of certain types. The proxy takes the client's connection and \
               answers 502 (or hangs up), though the server behind it runs and takes connections: connect() says `13: \
               Permission denied` in the proxy's error log, never `111: Connection refused`. Everybody else on the host, root \
               included, connects there without trouble.",
        see: "getenforce\nausearch -m AVC -ts boot | grep name_connect\ngetsebool -a | grep connect\nseinfo \
              --portcon=PORT\ngrep 'Permission denied) while connecting' /var/log/nginx/error.log",
        fix: "give the port a type that the proxy may connect to, or turn the narrowest switch of the policy on that allows it: \
              setsebool -P httpd_can_network_connect on; never setenforce 0",
        undo: "semanage port -d -p tcp PORT; setsebool -P httpd_can_network_connect off",
    },
    detect,
};

/// A proxy whose connections SELinux denies.
pub(in crate::diagnose) struct Denied<'a> {
    unit: &'a Unit,
    asked: Asked<'a>,
    port: u16,
    selinux: &'a Selinux,
    domain: String,
    kind: String,
    logged: Option<&'a Denial>,
    /// What the client gets.
    got: String,
    said: Evidence,
}

/// What the client gets of the proxy: the words and what they rest on. None: it gets something else, or it is not known.
fn got(scene: &Scene<'_, '_>) -> Option<(String, Evidence)> {
    let (look, dial) = (scene.look, attempt(scene)?);
    let Endpoint::Tcp(to) = dial.to else { return None };
    // What a proxy asks may be itself.
    if look.case().behind || scene.subject.local != Some(true) {
        return None;
    }
    let Some(url) = look.case().target.url() else {
        let hung_up = matches!(dial.outcome, Outcome::Closed | Outcome::Reset);
        let says = format!("{to} takes the connection and hangs up");
        let see = format!("nc -v {} {}", to.ip(), to.port());
        return hung_up.then(|| ("clients are hung up on".into(), Evidence::new("dial", says, see)));
    };
    let request = Request { to, tls: url.tls, host: url.host.clone(), path: url.path.clone() };
    if dial.outcome != Outcome::Open {
        return None;
    }
    let status = look.exchange(&request)?.gateway_error()?;
    let see = format!("curl -sSIk {}", arg(&look.case().target.input));
    Some((format!("clients get {status}"), Evidence::new("http", format!("{to} answers {status}"), see)))
}

/// A server behind the proxy takes connections, and SELinux keeps the proxy from it. None: that is not so, or not known
/// (yet).
pub(in crate::diagnose) fn refused<'a>(scene: &Scene<'a, '_>) -> Option<Denied<'a>> {
    let (look, (got, said)) = (scene.look, got(scene)?);
    let (unit, config) = served_by(scene, Daemon::Nginx).or_else(|| served_by(scene, Daemon::Haproxy))?;
    let about = confined::of_unit(unit)?;
    let asked = behind(scene, config?, look.case().target.url().as_ref())?;
    let asked = asked.into_iter().find(|one| !one.is_down() && one.upstream.port.is_some())?;
    let port = asked.upstream.port?;
    let selinux = look.selinux(&about, Transport::Tcp, port)?;
    let (domain, rule) = (selinux.domain.value(), selinux.port.value());
    if selinux.mode != Mode::Enforcing || rule.is_some_and(|rule| rule.connect) || domain.is_some_and(|d| d.permissive)
    {
        return None;
    }
    let lines = look.denials().map(|all| all.lines.iter().rev()).into_iter().flatten();
    let own = |line: &&Denial| is_connect(line, port) && domain.is_none_or(|d| telling(line) == Some(d.name()));
    let logged = lines.into_iter().find(own);
    let told = |field| logged.and_then(|line| type_of(line.field(field)?)).map(str::to_owned);
    let domain = domain.map(|d| d.name().to_owned()).or_else(|| told("scontext"))?;
    let kind = rule.map(|rule| rule.kind.clone()).or_else(|| told("tcontext"))?;
    Some(Denied { unit, asked, port, selinux, domain, kind, logged, got, said })
}

/// SELinux forbids on this host, or that cannot be told, so that it may be the reason where it is not known what a proxy
/// asks. None: not known yet.
pub(in crate::diagnose) fn may_be(look: &Look<'_>, port: u16) -> Option<bool> {
    let anybody = Confined { pid: 0, program: String::new() };
    let (selinux, missing) = look.noting(|| look.selinux(&anybody, Transport::Tcp, port));
    if missing.open {
        look.also_missing(&missing);
        return None;
    }
    Some(selinux.map_or(!missing.blind.is_empty(), |selinux| selinux.mode == Mode::Enforcing))
}

fn is_connect(line: &Denial, port: u16) -> bool {
    let port = port.to_string();
    line.is_selinux() && line.permissions().any(|p| p == "name_connect") && line.field("dest") == Some(port.as_str())
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let refused = refused(scene)?;
    let (domain, kind, port) = (&refused.domain, &refused.kind, refused.port);
    let quiet = refused.logged.is_none() && silent(scene.look);
    let silent = if quiet { ", and nothing in the audit tells it" } else { "" };
    let (unit, target) = (&refused.unit.name, &refused.asked.target);
    let summary = format!(
        "SELinux does not let {unit} ({domain}) connect to {target}, as port {port} has the type {kind}{silent}: {}",
        refused.got
    );
    let by = &refused.asked.upstream.by;
    let says = format!("{by}: {}: {target} takes connections from others on this host", by.text);
    let mut found = Found::new(unit, summary).seen(refused.said.clone()).seen(Evidence::new(
        "config",
        says,
        format!("unrefuse check {}", arg(target)),
    ));
    if let Some(line) = refused.logged {
        found = found.seen(denied::evidence(line));
    }
    Some(refused.planned(found))
}

impl Denied<'_> {
    /// The narrowest first: a label for this one port, then switches that open more.
    fn planned(&self, mut found: Found) -> Found {
        let (domain, kind, port) = (&self.domain, &self.kind, self.port);
        if let Some(rule) = self.selinux.port.value() {
            found = self.with_rule(found, rule);
        } else {
            found = found.advise(Advice::new(
                format!("find the switch that lets {domain} connect, and turn it on"),
                "getsebool -a | grep connect\nsetsebool -P SWITCH on",
                Some("setsebool -P SWITCH off"),
            ));
        }
        found = found.advise(connect_module(domain, kind, port));
        match self.selinux.domain.value() {
            Some(domain) => found.fix(permissive(domain, self.unit)),
            None => found,
        }
    }

    fn with_rule(&self, mut found: Found, rule: &PortRule) -> Found {
        let (domain, kind, port) = (&self.domain, &self.kind, self.port);
        let quiet = if rule.connect_logged { "" } else { "; a dontaudit rule keeps that out of the audit" };
        found = found.seen(Evidence::new(
            "selinux",
            format!("{domain} may not connect to {kind}, the type of port {port}{quiet}"),
            format!("seinfo --portcon={port}; sesearch -A -s {domain} -t {kind} -p name_connect"),
        ));
        for one in &rule.switches {
            let (is, kinds) = (if one.on { "off" } else { "on" }, one.kinds);
            let types = if kinds == 1 { "that type of ports alone".into() } else { format!("{kinds} types of ports") };
            let says = format!("the switch {} is {is}; it decides about {types}", one.name);
            found = found.seen(Evidence::new("selinux", says, format!("getsebool {}", arg(&one.name))));
        }
        // A type that the policy gives just this port is its server's, which may bind no other.
        let own = rule.range == Some((port, port));
        if let Some(best) = alike(&rule.connectable, domain).filter(|_| !own) {
            found = found.fix(plans::connect_type(("tcp", port), &best.name, domain, rule));
        }
        match rule.switches.first() {
            Some(one) => found.fix(plans::switch(&one.name, one.on, one.kinds)).advise(Advice::new(
                format!("and for good, beyond the next reboot: keep the switch {}", one.name),
                format!("setsebool -P {} {}", arg(&one.name), if one.on { "on" } else { "off" }),
                Some(&format!("setsebool -P {} {}", arg(&one.name), if one.on { "off" } else { "on" })),
            )),
            None => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::beyond::Upstream;
    use crate::facts::confined::Confined;
    use crate::facts::connect::{Dial, Endpoint, Outcome};
    use crate::facts::daemon::{Daemon, ListenAddress, Origin};
    use crate::facts::denial::{Denial, Denials, Place};
    use crate::facts::exchange::{Exchange, Said};
    use crate::facts::selinux::{Domain, Mode, Opening, PortRule, PortType, Selinux};
    use crate::facts::socket::Transport;
    use crate::fixes::Lasting;

    const ID: &str = "selinux-connect-denied";
    const AVC: &str = "avc:  denied  { name_connect } for  pid=227 comm=\"nginx\" dest=8500 \
        scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:unreserved_port_t:s0 tclass=tcp_socket permissive=0";

    fn selinux() -> Selinux {
        let opening = |name: &str, kinds| Opening { name: name.into(), on: true, kinds };
        Selinux {
            mode: Mode::Enforcing,
            domain: Reading::known(Domain { context: "system_u:system_r:httpd_t:s0".into(), ..Domain::default() }),
            port: Reading::known(PortRule {
                kind: "unreserved_port_t".into(),
                range: Some((1024, 65535)),
                connect_logged: true,
                connectable: vec![PortType { name: "http_port_t".into(), ports: vec![(80, 80)] }],
                switches: vec![opening("httpd_can_network_connect", 200), opening("allow_ypbind", 3)],
                ..PortRule::default()
            }),
            ..Selinux::default()
        }
    }

    /// nginx that answers 502, with a server behind it that gives `there` to us.
    fn nginx(selinux: Selinux, lines: &[&str], there: Outcome) -> Host {
        let to = SocketAddr::new(OUTSIDE, 80);
        let mut host = Host::with_outcome(80, Outcome::Open)
            .target("http://10.2.0.2/")
            .listens("0.0.0.0", "nginx.service", |_| ())
            .running("nginx.service")
            .change_unit("nginx.service", |u| {
                let service = u.service.as_mut().unwrap();
                (service.exec_start, service.main_pid) = (vec![vec!["/usr/sbin/nginx".into()]], 700);
            })
            .configured(Daemon::Nginx, "nginx.service", &[("*", 80, "/etc/nginx/nginx.conf:3: listen 80")]);
        let by =
            Origin { file: "/etc/nginx/nginx.conf".into(), line: 9, text: "proxy_pass http://127.0.0.1:8500;".into() };
        host.beyond(Daemon::Nginx, |beyond| {
            beyond.upstreams = vec![Upstream {
                ports: vec![80],
                names: Vec::new(),
                path: "/".into(),
                http: true,
                to: ListenAddress::Ip([127, 0, 0, 1].into()),
                port: Some(8500),
                name: "app".into(),
                by,
            }];
        });
        host.facts(|f| {
            let said = Said::Http { status: 502, server: Some("nginx/1.22.1".into()) };
            let exchange = Exchange { tls: None, said, after: Duration::ZERO };
            f.exchanges.insert((to, false), Reading::known(exchange));
            let mine = f.dials.values().next().and_then(Reading::value).cloned().unwrap();
            let to = Endpoint::Tcp(SocketAddr::new([127, 0, 0, 1].into(), 8500));
            f.dials.insert(to.clone(), Reading::known(Dial { to, outcome: there, ..mine }));
            f.listeners.insert((Transport::Tcp, 8500), Reading::known(Vec::new()));
            let about = Confined { pid: 700, program: "/usr/sbin/nginx".into() };
            let anybody = Confined { pid: 0, program: String::new() };
            f.selinux.insert((anybody, Transport::Tcp, 80), Reading::known(selinux.clone()));
            f.selinux.insert((about, Transport::Tcp, 8500), Reading::known(selinux));
            let denial = |text: &&str| Denial { at_ms: 5, serial: 57, place: Place::AuditLog, text: (*text).into() };
            let lines = lines.iter().map(denial).collect();
            f.denials = Reading::known(Denials { lines, read: vec![Place::AuditLog], unread: Vec::new() });
        })
    }

    #[test]
    fn the_proxy_may_not_connect() {
        let told = assert_culprit(&nginx(selinux(), &[AVC], Outcome::Open).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Open));
        let finding = told.culprit().unwrap();
        let says = "SELinux does not let nginx.service (httpd_t) connect to 127.0.0.1:8500, as port 8500 has the type \
                    unreserved_port_t: clients get 502";
        assert_eq!(finding.summary, says);
        let plans: Vec<&str> = finding.plans().map(|plan| plan.id.as_str()).collect();
        assert_eq!(plans, ["selinux-connect-type", "selinux-boolean", "selinux-permissive"]);
        let run: Vec<String> = finding.plans().map(crate::fixes::Plan::commands).collect();
        assert_eq!(run[0], "semanage port -a -t http_port_t -p tcp 8500");
        assert_eq!(run[1], "setsebool httpd_can_network_connect on");
        let undo = finding.plans().nth(1).and_then(crate::fixes::Plan::undo_commands).unwrap();
        assert_eq!(undo, "setsebool httpd_can_network_connect off");
        assert_eq!(finding.plans().last().unwrap().lasting, Lasting::Trial);
        assert!(!format!("{finding:?}").contains("setenforce"));
        assert!(!told.causes.iter().any(|found| found.cause == "app-proxy-upstream-down"), "{told:?}");
    }

    #[test]
    fn a_silent_denial_is_told_by_the_policy() {
        let mut quiet = selinux();
        if let Reading::Known(known) = &mut quiet.port {
            known.value.connect_logged = false;
        }
        let told = assert_culprit(&nginx(quiet, &[], Outcome::Open).case(), ID);
        let finding = told.culprit().unwrap();
        assert!(finding.summary.contains("nothing in the audit tells it"), "{}", finding.summary);
        assert!(finding.evidence.iter().any(|e| e.says.contains("dontaudit")));
    }

    #[test]
    fn a_line_is_enough_where_the_policy_cannot_be_read() {
        let mut blind = selinux();
        blind.port = Reading::Failed { why: "of another kind".into() };
        let told = assert_culprit(&nginx(blind.clone(), &[AVC], Outcome::Open).case(), ID);
        assert!(told.culprit().unwrap().advice[0].run.contains("getsebool"));
        assert_not_found(&nginx(blind, &[&AVC.replace("8500", "8501")], Outcome::Open).case(), ID);
    }

    #[test]
    fn a_port_with_a_type_of_its_own_keeps_it() {
        let mut own = selinux();
        if let Reading::Known(known) = &mut own.port {
            known.value.range = Some((8500, 8500));
        }
        let told = assert_culprit(&nginx(own, &[AVC], Outcome::Open).case(), ID);
        assert_eq!(told.culprit().unwrap().plans().next().unwrap().id, "selinux-boolean");
    }

    #[test]
    fn it_is_not_selinux() {
        let with = |change: fn(&mut Selinux)| {
            let mut changed = selinux();
            change(&mut changed);
            nginx(changed, &[AVC], Outcome::Open).case()
        };
        let may = |s: &mut Selinux| {
            if let Reading::Known(known) = &mut s.port {
                known.value.connect = true;
            }
        };
        let permissive = |s: &mut Selinux| {
            if let Reading::Known(known) = &mut s.domain {
                known.value.permissive = true;
            }
        };
        assert_not_found(&with(may), ID);
        assert_not_found(&with(permissive), ID);
        assert_not_found(&with(|s| s.mode = Mode::Permissive), ID);
        // The server behind it is down itself.
        let down = nginx(selinux(), &[AVC], Outcome::Refused).unit("shop.service", |_| ()).case();
        assert_not_found(&down, ID);
        assert_culprit(&down, "app-proxy-upstream-down");
    }
}

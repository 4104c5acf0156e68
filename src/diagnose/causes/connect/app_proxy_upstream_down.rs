//! A proxy answers that the server it asks does not: that server is diagnosed in its place.

use super::super::policy::selinux_connect_denied;
use super::super::{Cause, Found, Words};
use super::{AFTER, attempt, served_by};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::upstream::{Asked, behind};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::{Endpoint, Outcome};
use crate::facts::daemon::Daemon;
use crate::facts::exchange::{Request, Said};

pub(crate) static CAUSE: Cause = Cause {
    id: "app-proxy-upstream-down",
    in_box: BoxId::Connect,
    general: false,
    explains: AFTER,
    words: Words {
        title: "The server behind a proxy does not answer",
        what: "The proxy takes the connection and answers 502 (bad gateway), 503 (no server available) or 504 (gateway \
               timeout): what is refused or silent is its own connection to the server behind it. nginx says so in its \
               error.log, with the true errno and the address: connect() failed (111: Connection refused) while connecting \
               to upstream. The proxy is well, and so is everything before it.",
        see: "curl -sSI URL\ntail /var/log/nginx/error.log\ngrep -rnE 'proxy_pass|fastcgi_pass' /etc/nginx\nunrefuse check \
              UPSTREAM",
        fix: "start the server behind it, or correct the address or port that the proxy asks",
        undo: "stop it, put the line back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (look, dial) = (scene.look, attempt(scene)?);
    let url = look.case().target.url()?;
    let Endpoint::Tcp(to) = dial.to else { return None };
    if dial.outcome != Outcome::Open {
        return None;
    }
    let request = Request { to, tls: url.tls, host: url.host.clone(), path: url.path.clone() };
    let exchange = look.exchange(&request)?;
    let status = exchange.gateway_error()?;
    let Said::Http { server, .. } = &exchange.said else { return None };
    let who = server.as_ref().map(|server| format!(" ({server})")).unwrap_or_default();
    let see = format!("curl -sSIk {}", arg(&look.case().target.input));
    let says = Evidence::new("http", format!("{to} answers {status}{who}"), see);
    let mut found = Found::new(to.to_string(), String::new()).seen(says);
    let (served, unserved) =
        look.noting(|| served_by(scene, Daemon::Nginx).or_else(|| served_by(scene, Daemon::Haproxy)));
    if unserved.open {
        look.also_missing(&unserved);
        return None;
    }
    let (asked, missing) = look.noting(|| behind(scene, served?.1?, Some(&url)));
    if missing.open {
        look.also_missing(&missing);
        return None;
    }
    // 503 is also what is answered in maintenance, and to whoever asks too often.
    let may_be_meant = status == 503;
    let Some(asked) = asked else {
        // Where SELinux forbids, it may forbid the proxy to connect.
        if may_be_meant || selinux_connect_denied::may_be(look, scene.subject.port?)? {
            look.also_missing(&unserved);
            look.also_missing(&missing);
            return None;
        }
        found.summary = format!("{to} connects and answers {status}: the server behind this proxy does not");
        let run = "tail /var/log/nginx/error.log\nunrefuse check UPSTREAM";
        return Some(found.advise(Advice::new("find the server that the proxy asks, and diagnose that", run, None)));
    };
    let up: Vec<&str> = asked.iter().filter(|one| !one.is_down()).map(|one| one.target.as_str()).collect();
    let Some(down) = asked.first().filter(|_| up.is_empty()) else {
        // It is told there what keeps the proxy from it.
        let (denied, missing) = look.noting(|| selinux_connect_denied::refused(scene).is_some());
        if missing.open || (!missing.blind.is_empty() && !denied) {
            look.also_missing(&missing);
            return None;
        }
        if may_be_meant || denied {
            return None;
        }
        found.summary = format!("{to} connects and answers {status}, though {} takes connections", up.join(", "));
        return Some(found.advise(Advice::new("read why in the proxy's log", "tail /var/log/nginx/error.log", None)));
    };
    found.summary = format!("{to} connects and answers {status}: {}", shown(down));
    Some(told_of(found, &asked))
}

/// What became of a server that is asked.
pub(in crate::diagnose) fn shown(down: &Asked<'_>) -> String {
    let outcome = down.told.outcome.map_or("not known", Outcome::word);
    let why = down.told.culprit().map(|found| format!(" ({})", found.summary)).unwrap_or_default();
    format!("its upstream {} is {outcome}{why}", down.target)
}

/// The evidence and the advice of the servers that are down, as of the proxy's own fault.
pub(in crate::diagnose) fn told_of(mut found: Found, asked: &[Asked<'_>]) -> Found {
    for one in asked {
        let by = &one.upstream.by;
        let outcome = one.told.outcome.map_or("not known", Outcome::word);
        let says = format!("{by}: {}: {} is {outcome}", by.text, one.target);
        found = found.seen(Evidence::new("config", says, format!("unrefuse check {}", arg(&one.target))));
    }
    for down in asked.iter().filter(|one| one.is_down()) {
        if let Some(culprit) = down.told.culprit() {
            found.evidence.extend(culprit.evidence.iter().cloned());
            let fresh = culprit.advice.iter().filter(|advice| !found.advice.contains(advice));
            let fresh: Vec<Advice> = fresh.cloned().collect();
            found.advice.extend(fresh);
        }
    }
    let by = asked.iter().find(|one| one.is_down()).map(|one| &one.upstream.by);
    let Some(by) = by else { return found };
    let run = format!("edit {}:{}: {}", by.file, by.line, by.text);
    found.advise(Advice::new("or let the proxy ask where the server really is", run, Some("put the line back")))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::beyond::Upstream;
    use crate::facts::connect::{Dial, Endpoint, Outcome};
    use crate::facts::daemon::{Daemon, ListenAddress, Origin};
    use crate::facts::exchange::{Exchange, Said};
    use crate::facts::socket::Transport;

    const ID: &str = "app-proxy-upstream-down";

    fn nginx(status: u16, path: &str, there: Outcome) -> Host {
        let to = SocketAddr::new(OUTSIDE, 80);
        let mut host = Host::with_outcome(80, Outcome::Open)
            .target("http://10.2.0.2/shop")
            .listens("0.0.0.0", "nginx.service", |_| ())
            .running("nginx.service")
            .configured(Daemon::Nginx, "nginx.service", &[("*", 80, "/etc/nginx/nginx.conf:3: listen 80")]);
        let up = |path: &str, port| Upstream {
            ports: vec![80],
            names: Vec::new(),
            path: path.into(),
            http: true,
            to: ListenAddress::Ip([127, 0, 0, 1].into()),
            port: Some(port),
            name: "app".into(),
            by: Origin { file: "/etc/nginx/nginx.conf".into(), line: 9, text: format!("proxy_pass :{port};") },
        };
        host.beyond(Daemon::Nginx, |beyond| beyond.upstreams = vec![up("/", 7000), up(path, 8000)]);
        host.unit("shop.service", |_| ()).facts(|f| {
            let said = Said::Http { status, server: Some("nginx/1.22.1".into()) };
            let exchange = Exchange { tls: None, said, after: Duration::ZERO };
            f.exchanges.insert((to, false), Reading::known(exchange));
            let mine = f.dials.values().next().and_then(Reading::value).cloned().unwrap();
            for port in [7000, 8000] {
                let to = Endpoint::Tcp(SocketAddr::new([127, 0, 0, 1].into(), port));
                let outcome = if port == 8000 { there } else { Outcome::Open };
                f.dials.insert(to.clone(), Reading::known(Dial { to, outcome, ..mine.clone() }));
                f.listeners.insert((Transport::Tcp, port), Reading::known(Vec::new()));
            }
        })
    }

    #[test]
    fn the_upstream_of_the_path_is_diagnosed() {
        let told = assert_culprit(&nginx(502, "/shop", Outcome::Refused).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Open));
        let found = told.culprit().unwrap();
        assert!(found.summary.contains("answers 502: its upstream 127.0.0.1:8000 is refused ("), "{}", found.summary);
        assert!(
            found.evidence.iter().any(|e| e.says.contains("/etc/nginx/nginx.conf:9: proxy_pass :8000;")),
            "{found:?}"
        );
        assert!(found.advice.iter().any(|a| a.run.contains("/etc/nginx/nginx.conf:9")), "{found:?}");
    }

    #[test]
    fn an_upstream_that_takes_connections_is_not_blamed() {
        let told = assert_culprit(&nginx(504, "/elsewhere", Outcome::Refused).case(), ID);
        assert!(told.culprit().unwrap().summary.contains("though 127.0.0.1:7000 takes"), "{told:?}");
    }

    #[test]
    fn no_server_available_is_a_fault_only_where_all_of_them_are_down() {
        assert_culprit(&nginx(503, "/shop", Outcome::Refused).case(), ID);
        assert_not_found(&nginx(503, "/shop", Outcome::Open).case(), ID);
        assert_not_found(&nginx(503, "/elsewhere", Outcome::Refused).case(), ID);
    }

    #[test]
    fn a_group_of_which_one_takes_connections_is_not_blamed() {
        // Both servers are asked for the same path: 7000 takes connections.
        assert_not_found(&nginx(503, "/", Outcome::Refused).case(), ID);
        let told = assert_culprit(&nginx(502, "/", Outcome::Refused).case(), ID);
        assert!(told.culprit().unwrap().summary.contains("though 127.0.0.1:7000 takes"), "{told:?}");
    }

    #[test]
    fn an_answer_is_no_fault_of_the_proxy() {
        for status in [200, 404, 500] {
            assert_not_found(&nginx(status, "/shop", Outcome::Refused).case(), ID);
        }
        assert_not_found(&nginx(502, "/shop", Outcome::Refused).target("10.2.0.2:80").case(), ID);
    }
}

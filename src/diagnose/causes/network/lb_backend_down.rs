//! A load balancer takes the connection and hangs up, because no server behind it answers.

use super::super::connect::app_proxy_upstream_down::{shown, told_of};
use super::super::connect::served_by;
use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure;
use crate::diagnose::upstream::{Asked, behind};
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::facts::daemon::Daemon;

pub(crate) static CAUSE: Cause = Cause {
    id: "lb-backend-down",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Closed, Outcome::Reset],
    words: Words {
        title: "No server behind the load balancer answers",
        what: "HAProxy (mode tcp) or nginx (stream) takes every connection first and then looks for a server to pass it on \
               to. Where none answers, it hangs up without a word: the client connects and is closed. HAProxy's journal \
               says Server b/s1 is DOWN, reason: Layer4 connection problem, and backend 'b' has no server available.",
        see: "journalctl -b -u haproxy -g 'is DOWN|no server available'\ngrep -nE '^ *(server|default_backend)' \
              /etc/haproxy/haproxy.cfg\nunrefuse check BACKEND",
        fix: "start the server behind it, or correct its address or port in the balancer's configuration",
        undo: "stop it, put the line back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let look = scene.look;
    let dial = look.dialled(&scene.subject.endpoint()?)?;
    // What a balancer asks may be itself.
    if look.case().behind || !matches!(dial.outcome, Outcome::Closed | Outcome::Reset) {
        return None;
    }
    let (unit, config) = served_by(scene, Daemon::Haproxy).or_else(|| served_by(scene, Daemon::Nginx))?;
    let asked = behind(scene, config?, None)?;
    if !asked.iter().all(Asked::is_down) {
        return None;
    }
    let summary = format!("{} connects, and {} hangs up: {}", dial.to, unit.name, shown(asked.first()?));
    let see = format!("nc -v {}", dial.to.to_string().replace(':', " "));
    let said = format!("{} takes the connection and hangs up", dial.to);
    let mut found = Found::new(unit.name.clone(), summary).seen(Evidence::new("dial", said, see));
    let journal = look.journal(&unit.name)?;
    let down = journal.last_with("has no server available").or_else(|| journal.last_with(" is DOWN"));
    found.evidence.extend(down.map(|entry| failure::evidence(unit, entry)));
    Some(told_of(found, &asked))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::beyond::Upstream;
    use crate::facts::connect::{Dial, Endpoint, Outcome};
    use crate::facts::daemon::{Daemon, ListenAddress, Origin};
    use crate::facts::socket::Transport;

    const ID: &str = "lb-backend-down";

    fn haproxy(there: Outcome) -> Host {
        let mut host = Host::with_outcome(5433, Outcome::Closed)
            .listens("0.0.0.0", "haproxy.service", |_| ())
            .running("haproxy.service")
            .configured(Daemon::Haproxy, "haproxy.service", &[("*", 5433, "/etc/haproxy/haproxy.cfg:3: bind :5433")])
            .journal("haproxy.service", &["haproxy: backend 'db' has no server available!"]);
        host.beyond(Daemon::Haproxy, |beyond| {
            beyond.upstreams = vec![Upstream {
                ports: vec![5433],
                names: Vec::new(),
                path: String::new(),
                http: false,
                to: ListenAddress::Ip([127, 0, 0, 1].into()),
                port: Some(9000),
                name: "db/one".into(),
                by: Origin { file: "/etc/haproxy/haproxy.cfg".into(), line: 6, text: "server one".into() },
            }];
        });
        host.facts(|f| {
            let mine = f.dials.values().next().and_then(Reading::value).cloned().unwrap();
            let to = Endpoint::Tcp(SocketAddr::new([127, 0, 0, 1].into(), 9000));
            f.dials.insert(to.clone(), Reading::known(Dial { to, outcome: there, ..mine }));
            f.listeners.insert((Transport::Tcp, 9000), Reading::known(Vec::new()));
        })
    }

    #[test]
    fn the_server_behind_is_diagnosed() {
        let told = assert_culprit(&haproxy(Outcome::Refused).case(), ID);
        let found = told.culprit().unwrap();
        assert!(found.summary.contains("its upstream 127.0.0.1:9000 is refused"), "{}", found.summary);
        assert!(found.evidence.iter().any(|e| e.says.contains("no server available")), "{found:?}");
    }

    #[test]
    fn servers_that_were_not_all_asked_are_not_blamed() {
        for (also, port) in [(1, None), (4, Some(9000))] {
            let mut host = haproxy(Outcome::Refused);
            host.beyond(Daemon::Haproxy, |beyond| {
                let first = beyond.upstreams.first().cloned().unwrap();
                let more = (1..=also).map(|n| Upstream { port: port.map(|port| port + n), ..first.clone() });
                beyond.upstreams.extend(more);
            });
            assert_not_found(&host.case(), ID);
        }
    }

    #[test]
    fn a_server_that_takes_connections_is_not_the_reason() {
        assert_not_found(&haproxy(Outcome::Open).case(), ID);
    }
}

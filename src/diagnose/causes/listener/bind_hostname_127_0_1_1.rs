//! The program bound its own host name, and /etc/hosts says that is 127.0.1.1.

use super::super::{Cause, Found, Words, apply};
use super::rows::{Missed, missed};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::name::HostsLine;

const DEBIANS_OWN: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 1, 1));

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-hostname-127-0-1-1",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The program bound its host name, which is 127.0.1.1",
        what: "Debian and Ubuntu put a line `127.0.1.1 HOSTNAME` into /etc/hosts. A program that listens on what its \
               own host name resolves to (Hadoop, RabbitMQ, many Java and Python programs) ends up on loopback.",
        see: "ss -H -ltnp 'sport = :PORT'\ngetent hosts $(hostname)",
        fix: "put the host's real address before its name in /etc/hosts, or make the program bind 0.0.0.0, and restart \
              it",
        undo: "put 127.0.1.1 back into the line and restart",
    },
    detect,
};

/// The line of /etc/hosts that sent every listener of the port to 127.0.1.1.
pub(super) fn line<'a>(scene: &Scene<'a, '_>, missed: &Missed<'_>) -> Option<&'a HostsLine> {
    if !missed.all.iter().all(|row| row.address == DEBIANS_OWN) {
        return None;
    }
    let own_name = &scene.look.host()?.hostname;
    scene.look.name(own_name)?.hosts_lines.iter().find(|line| line.address == DEBIANS_OWN)
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed(scene).filter(|m| !m.aside)?;
    let line = line(scene, &missed)?;
    let name = &scene.look.host()?.hostname;
    let holder = missed.holder(scene);
    let summary =
        format!("{} listens on 127.0.1.1 only, which /etc/hosts:{} gives to the name {name}", holder.name, line.line);
    let restart = holder.unit().map(|unit| format!("\n{}", apply::restart(unit))).unwrap_or_default();
    let new = line.text.replacen("127.0.1.1", &missed.address.to_string(), 1);
    let advice = Advice::new(
        format!("give the name {name} this host's real address"),
        format!("edit /etc/hosts:{}: {new}{restart}", line.line),
        Some(&format!("edit /etc/hosts:{}: {}{restart}", line.line, line.text)),
    );
    Some(
        Found::new(holder.subject(), summary)
            .seen(missed.evidence(&holder))
            .seen(Evidence::new(
                "hosts",
                format!("/etc/hosts:{}: {}", line.line, line.text),
                format!("getent hosts {name}"),
            ))
            .advise(advice),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::name::HostsLine;

    fn host(hosts: &[(&str, &str)]) -> Host {
        let host = Host::refusing(8899).listens("127.0.1.1", "namenode.service", |_| ()).running("namenode.service");
        let lines = hosts.iter().zip(1..);
        let hosts_lines: Vec<HostsLine> = lines
            .map(|((address, text), line)| HostsLine { line, address: address.parse().unwrap(), text: (*text).into() })
            .collect();
        host.named("server", &["127.0.1.1"], |r| r.hosts_lines = hosts_lines).target("8899")
    }

    #[test]
    fn a_program_on_its_own_host_name() {
        let case = host(&[("127.0.1.1", "127.0.1.1 server.example server")]).case();
        let found = assert_culprit(&case, "bind-hostname-127-0-1-1").causes.remove(0);
        assert!(
            found.advice[0].run.starts_with("edit /etc/hosts:1: 10.2.0.2 server.example server"),
            "{:?}",
            found.advice
        );
        assert_not_found(&case, "bind-loopback-only");
    }

    #[test]
    fn without_such_a_line_it_is_plain_loopback() {
        assert_culprit(&host(&[]).case(), "bind-loopback-only");
    }
}

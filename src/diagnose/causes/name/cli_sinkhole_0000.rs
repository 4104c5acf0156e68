//! The name is blocked: it resolves to 0.0.0.0 or ::.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::fixes::hosts_file;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-sinkhole-0000",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Reset],
    words: Words {
        title: "The name is blocked: it leads to 0.0.0.0",
        what: "An ad blocker or a filtering name server (Pi-hole, a hosts list) answers 0.0.0.0 or :: for names it blocks. \
               Linux takes that for this host itself, so the connection is refused right here and never leaves.",
        see: "getent ahosts NAME\ngrep NAME /etc/hosts",
        fix: "allow the name in the blocker, or take its line out of /etc/hosts",
        undo: "block it again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    // The C library takes 0, 0x0 and 0.0 for addresses, too.
    let number = |host: &str| host.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let host = scene.subject.host.as_ref().filter(|host| host.parse::<IpAddr>().is_err() && !number(host))?;
    let resolution = scene.look.name(host)?;
    let first = resolution.addresses.first().filter(|a| a.is_unspecified())?;
    let line = resolution.hosts_lines.iter().find(|line| line.address.is_unspecified());
    let by = line.map_or_else(|| "the name service".to_owned(), |line| format!("/etc/hosts:{}", line.line));
    let found = Found::new(host, format!("{host} is blocked: {by} gives {first} for it")).seen(Evidence::new(
        "resolver",
        format!("{host} is {first}"),
        format!("getent ahosts {host}"),
    ));
    let Some(line) = line else {
        let servers: Vec<String> = resolution.nameservers.iter().map(ToString::to_string).collect();
        let which = if servers.is_empty() { String::new() } else { format!(" ({})", servers.join(", ")) };
        let does = format!("allow {host} in the name server that blocks it{which}");
        return Some(found.advise(Advice::new(does, format!("getent ahosts {host}"), None)));
    };
    let text = format!("/etc/hosts:{}: {}", line.line, line.text);
    let out = format!("/etc/hosts:{}: # {}", line.line, line.text);
    let found = found.seen(Evidence::new("hosts", &text, format!("sed -n {}p /etc/hosts", line.line)));
    // Only where the name then has an address.
    let real = |ip: &IpAddr| !ip.is_unspecified();
    if resolution.beyond_hosts.iter().flatten().any(real) {
        return Some(found.fix(hosts_file::take_out(line, host)));
    }
    Some(found.advise(Advice::new("take the line out", out, Some(&text))))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::name::HostsLine;

    const NOWHERE: &str = "0.0.0.0";

    fn blocked(address: &str) -> Host {
        let host = Host::refusing(443).named("ads.example", &[address], |r| {
            let line = HostsLine { line: 7, address: r.addresses[0], text: format!("{address} ads.example") };
            r.hosts_lines = vec![line];
        });
        host.dial(address.parse().unwrap(), Outcome::Refused)
    }

    #[test]
    fn a_name_that_is_0_0_0_0() {
        let found = assert_culprit(&blocked(NOWHERE).case(), "cli-sinkhole-0000").causes.remove(0);
        assert!(found.summary.contains("/etc/hosts:7"), "{}", found.summary);
        assert_culprit(&blocked("::").case(), "cli-sinkhole-0000");
    }

    #[test]
    fn an_address_is_no_name_and_other_addresses_are_no_block() {
        let literal = Host::refusing(443).target("0.0.0.0:443").dial(NOWHERE.parse().unwrap(), Outcome::Refused);
        assert_not_found(&literal.case(), "cli-sinkhole-0000");
        let short = Host::refusing(443).named("0", &[NOWHERE], |_| ()).dial(NOWHERE.parse().unwrap(), Outcome::Refused);
        assert_not_found(&short.case(), "cli-sinkhole-0000");
        assert_not_found(&blocked("10.2.0.2").case(), "cli-sinkhole-0000");
    }
}

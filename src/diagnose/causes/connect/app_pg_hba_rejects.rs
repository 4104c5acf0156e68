//! PostgreSQL turns the client away: no line of pg_hba.conf lets it in.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use super::{attempt, client, served_by};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::beyond::{HbaClients, HbaLine};
use crate::facts::connect::Outcome;
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::host::Addresses;
use crate::facts::routing::Prefix;
use crate::fixes::client::let_in;

pub(crate) static CAUSE: Cause = Cause {
    id: "app-pg-hba-rejects",
    in_box: BoxId::Connect,
    general: false,
    // The server hangs up only once the client has said who it is.
    explains: &[Outcome::Open, Outcome::Closed, Outcome::Reset],
    words: Words {
        title: "PostgreSQL has no line in pg_hba.conf for this client",
        what: "The connection stands; once the client has said who it is, the server says \"FATAL: no pg_hba.conf entry for \
               host ...\" (or \"pg_hba.conf rejects connection\") and hangs up. The first line of pg_hba.conf that fits the \
               kind of connection, the client's address, the database and the user decides; as installed, there are only \
               lines for this host itself. No firewall has a part in it.",
        see: "grep -nE '^(host|local|include)' FILE\npsql -c 'table pg_hba_file_rules'",
        fix: "add a line for the client's network, narrow, with scram-sha-256: host DATABASE USER NETWORK scram-sha-256, before \
              any line that rejects it; then systemctl reload UNIT (no connection is lost)",
        undo: "take the line out, systemctl reload UNIT",
    },
    detect,
};

/// Who comes.
#[derive(Debug, Clone, Copy)]
enum Whom {
    One(IpAddr),
    /// Anybody on another host.
    Others,
}

/// Is a line about them?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Yes,
    No,
    /// About some of them, or that cannot be told.
    Some,
}

/// Why nobody of them is let in.
#[derive(Debug, Clone, Copy)]
enum Away<'a> {
    /// This line rejects them.
    Rejected(&'a HbaLine),
    /// No line is about them.
    Unnamed,
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let dial = attempt(scene)?;
    let (unit, config) = served_by(scene, Daemon::Postgres)?;
    let config = config?;
    let lines = config.beyond.hba.as_deref()?;
    let mine = scene.look.addresses()?;
    let whom = match (scene.subject.from, dial.source) {
        (Asker::Address(address), _) => Whom::One(address),
        (Asker::Any, _) => Whom::Others,
        (Asker::Here, source) => Whom::One(source?.ip()),
    };
    let by = turned_away(lines, whom, mine)?;
    let reached = matches!(dial.outcome, Outcome::Open | Outcome::Closed | Outcome::Reset);
    let (away, file) = (client(scene, dial), config.beyond.hba_file.as_deref()?);
    let why = match by {
        Away::Rejected(line) => format!("{} rejects them", line.by),
        Away::Unnamed => format!("no line of {file} lets them in"),
    };
    let summary = if reached {
        format!("{} connects, and PostgreSQL turns {away} away: {why}", dial.to)
    } else {
        format!("once it is reached, PostgreSQL turns {away} away: {why}")
    };
    let see = format!("grep -nE '^(host|include)' {}", arg(file));
    let mut found = Found::new(unit.name.clone(), summary).seen(Evidence::new("config", said(lines, by, file), see));
    found.latent = !reached;
    Some(mended(found, config, &unit.name, whom, matches!(by, Away::Rejected(_))))
}

/// Nobody of them is let in: by the line that rejects them, or for want of one. None: some are, or it cannot be told.
fn turned_away<'a>(lines: &'a [HbaLine], whom: Whom, mine: &Addresses) -> Option<Away<'a>> {
    for line in lines {
        let about = about(&line.clients, whom, mine);
        if line.method != "reject" {
            if about != About::No {
                return None;
            }
        } else if line.everyone && about == About::Yes {
            return Some(Away::Rejected(line));
        }
    }
    Some(Away::Unnamed)
}

fn about(clients: &HbaClients, whom: Whom, mine: &Addresses) -> About {
    let yes = |yes| if yes { About::Yes } else { About::No };
    match (clients, whom) {
        (HbaClients::All, _) => About::Yes,
        (HbaClients::SameHost, Whom::Others) => About::No,
        (HbaClients::SameHost, Whom::One(address)) => yes(mine.holds(address)),
        (HbaClients::SameNet, Whom::One(address)) => {
            yes(mine.all.iter().any(|own| Prefix::new(own.address, own.prefix).holds(address)))
        }
        (HbaClients::Net(net), Whom::One(address)) => yes(net.holds(address.to_canonical())),
        (HbaClients::Net(net), Whom::Others) if net.address.is_loopback() && net.bits > 7 => About::No,
        (HbaClients::SameNet | HbaClients::Net(_), Whom::Others) | (HbaClients::Other, _) => About::Some,
    }
}

fn said(lines: &[HbaLine], by: Away<'_>, file: &str) -> String {
    match by {
        Away::Rejected(line) => format!("{}: {}", line.by, line.by.text),
        Away::Unnamed if lines.is_empty() => format!("{file} has no line about clients that come over the network"),
        Away::Unnamed => {
            let shown: Vec<String> =
                lines.iter().take(4).map(|line| format!("line {}: {}", line.by.line, line.by.text)).collect();
            let more = if lines.len() > shown.len() { "; ..." } else { "" };
            format!("{file} has only {}{more}", shown.join("; "))
        }
    }
}

fn mended(found: Found, config: &DaemonConfig, unit: &str, whom: Whom, rejected: bool) -> Found {
    if rejected {
        let does = "let them in with a line before the one that rejects them";
        return found.advise(Advice::new(does, format!("systemctl reload {}", arg(unit)), None));
    }
    let client = if let Whom::One(address) = whom { Some(address) } else { None };
    match let_in(config, unit, client) {
        Some(plan) => found.fix(plan),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::daemon::Origin;
    use crate::target::From;

    const ID: &str = "app-pg-hba-rejects";
    const UNIT: &str = "postgresql@15-main.service";
    const FILE: &str = "/etc/postgresql/15/main/pg_hba.conf";

    fn line(number: u32, clients: HbaClients, method: &str) -> HbaLine {
        let by = Origin { file: FILE.into(), line: number, text: format!("host all all … {method}") };
        HbaLine { everyone: true, clients, method: method.into(), by }
    }

    fn net(text: &str) -> HbaClients {
        HbaClients::Net(text.parse().unwrap())
    }

    /// As installed, with these lines more.
    fn postgres(address: &str, outcome: Outcome, more: Vec<HbaLine>) -> Host {
        let mut lines = vec![line(3, net("127.0.0.1/32"), "scram-sha-256"), line(4, net("::1/128"), "scram-sha-256")];
        lines.extend(more);
        let mut host = Host::refusing(5432)
            .listens(address, UNIT, |_| ())
            .running(UNIT)
            .configured(
                Daemon::Postgres,
                UNIT,
                &[(address, 5432, "/etc/postgresql/15/main/postgresql.conf:3: listen_addresses = '127.0.0.1'")],
            )
            .dial(OUTSIDE, outcome);
        host.beyond(Daemon::Postgres, |beyond| {
            beyond.hba = Some(lines);
            beyond.hba_file = Some(FILE.into());
        });
        host
    }

    #[test]
    fn no_line_for_other_hosts() {
        let told = assert_culprit(&postgres("0.0.0.0", Outcome::Open, vec![]).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Open));
        let plan = told.plans().next().unwrap();
        assert!(plan.commands().contains("host all all samenet scram-sha-256"), "{}", plan.commands());
        assert!(
            plan.commands().contains("systemctl reload-or-restart postgresql@15-main.service"),
            "{}",
            plan.commands()
        );
    }

    #[test]
    fn a_line_for_some_of_them_is_no_fault_of_the_others() {
        let more = |clients| postgres("0.0.0.0", Outcome::Open, vec![line(5, clients, "md5")]);
        for clients in [HbaClients::All, HbaClients::SameNet, HbaClients::Other, net("10.1.0.0/16")] {
            assert_not_found(&more(clients).case(), ID);
        }
        let client = |ip: &str| From::Address(ip.parse().unwrap());
        assert_not_found(&more(net("10.1.0.0/16")).from(client("10.1.0.2")).case(), ID);
        let told = assert_culprit(&more(net("10.1.0.0/16")).from(client("10.9.0.2")).case(), ID);
        assert!(told.plans().next().unwrap().commands().contains("host all all 10.9.0.2/32 scram-sha-256"));
    }

    #[test]
    fn the_first_line_decides() {
        let lines = vec![line(5, HbaClients::All, "reject"), line(6, HbaClients::All, "md5")];
        let told = assert_culprit(&postgres("0.0.0.0", Outcome::Open, lines).case(), ID);
        let summary = &told.culprit().unwrap().summary;
        assert!(summary.contains("pg_hba.conf:5 rejects them"), "{summary}");
        let lines = vec![line(5, HbaClients::All, "md5"), line(6, HbaClients::All, "reject")];
        assert_not_found(&postgres("0.0.0.0", Outcome::Open, lines).case(), ID);
    }

    #[test]
    fn it_is_known_before_the_listener_is_opened() {
        let told = assert_culprit(&postgres("127.0.0.1", Outcome::Refused, vec![]).case(), "bind-loopback-only");
        assert!(told.causes.iter().any(|found| found.cause == ID && found.latent));
        let plan = told.plans().next().unwrap();
        assert_eq!((plan.then, plan.next.as_deref()), (Some(Outcome::Open), Some(ID)));
    }
}

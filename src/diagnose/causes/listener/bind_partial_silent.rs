//! The daemon is configured for several addresses, could not bind one of them, and went on with the others.

use std::net::IpAddr;

use super::super::{Cause, Found, Words, apply};
use super::knob::{daemon_of, sets};
use super::rows::{Missed, missed};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::daemon::{ConfiguredListen, ListenAddress};
use crate::facts::journal::Entry;
use crate::fixes::listen;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-partial-silent",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open],
    words: Words {
        title: "The service could not bind one of its addresses and went on without it",
        what: "sshd, PostgreSQL and Redis keep running when only some of the addresses they are configured for can be \
               bound. The unit is active and answers on the others; what went wrong is a line in its log at start.",
        see: "ss -H -ltnp 'sport = :PORT'\njournalctl -b -u UNIT | grep -iE 'bind|listen'",
        fix: "restart it once the address is there (and order it after network-online.target), or correct the address \
              in its configuration",
        undo: "remove the drop-in, or restore the line, and restart",
    },
    detect,
};

/// The address that was configured and is not listened on.
pub(super) struct Partial<'a> {
    listen: &'a ConfiguredListen,
    address: IpAddr,
    entry: Option<&'a Entry>,
    /// It is an address of this host now.
    here: bool,
    unit: &'a str,
}

/// Does the running daemon lack a socket that its configuration asks for, because it could not have it?
pub(super) fn partial<'a>(scene: &Scene<'a, '_>, missed: &Missed<'a>) -> Option<Partial<'a>> {
    let holder = missed.holder(scene);
    let (daemon, unit) = (daemon_of(&holder)?, holder.unit()?);
    let configs = scene.look.daemon(daemon)?;
    let own = configs.iter().filter(|c| c.unit.as_deref().is_none_or(|u| u == unit));
    let listens: Vec<_> = own.flat_map(|c| &c.listens).filter(|l| l.port == Some(missed.port)).collect();
    let has_socket = |l: &ConfiguredListen| missed.all.iter().any(|row| sets(l, row));
    let mine = scene.look.addresses()?;
    let lacking = listens.iter().filter_map(|l| match l.address {
        ListenAddress::Ip(ip) if !ip.is_unspecified() && !has_socket(l) => Some((*l, ip, mine.holds(ip))),
        ListenAddress::Ip(_) | ListenAddress::Any | ListenAddress::Name(_) | ListenAddress::Path(_) => None,
    });
    // One that is here but not the one asked for says nothing about it.
    let lacking: Vec<_> = lacking.filter(|(_, ip, here)| !here || *ip == missed.address).collect();
    if lacking.is_empty() || !listens.iter().any(|l| has_socket(l)) {
        return None;
    }
    let entries = scene.look.journal(unit).map(crate::facts::journal::Journal::last_start).unwrap_or_default();
    lacking.into_iter().find_map(|(listen, address, here)| {
        let entry = entries.iter().find(|e| says_it_failed(&e.message, address));
        // Without such a line, an address of this host may have been configured only after the start.
        (entry.is_some() || !here).then_some(Partial { listen, address, entry, here, unit })
    })
}

/// sshd: `Bind to port 22 on 10.9.9.9 failed: Cannot assign requested address.`; PostgreSQL: `could not create listen
/// socket for "10.9.9.9"`; Redis: `Could not create server TCP listening socket 10.9.9.9:6379: bind: ...`.
fn says_it_failed(message: &str, address: IpAddr) -> bool {
    let lower = message.to_lowercase();
    let named = lower.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == ':')).any(|word| {
        let word = word.trim_matches(['.', ':']);
        word.parse() == Ok(address) || word.rsplit_once(':').is_some_and(|(ip, _)| ip.parse() == Ok(address))
    });
    let failed =
        ["cannot assign requested address", "could not create", "address already in use", "could not bind", "failed"];
    named && failed.iter().any(|words| lower.contains(words))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed(scene)?;
    let partial = partial(scene, &missed)?;
    let (address, unit) = (partial.address, partial.unit);
    let unit_arg = arg(unit);
    let why = match (partial.entry, partial.here) {
        (Some(_), _) => "could not bind it when it started",
        (None, _) => "cannot: it is no address of this host",
    };
    let place = partial.listen.address_set_by.as_ref();
    let by = place.map(|o| format!(" ({o})")).unwrap_or_default();
    let holder = missed.holder(scene);
    let summary =
        format!("{unit} is configured for {address} too{by} but {why}; it listens on {} alone", missed.shown());
    let mut found = Found::new(unit, summary).seen(missed.evidence(&holder));
    if let Some(entry) = partial.entry {
        found = found.seen(Evidence::new("journal", &entry.message, format!("journalctl -b -u {unit_arg}")));
    }
    if let Some(origin) = place {
        let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
        found = found.seen(Evidence::new("config", format!("{origin} says {}", origin.text), see));
    }
    let restart = apply::restart(unit);
    if partial.here {
        let mut plan = fixes::restart(unit);
        plan.title = format!("restart it: {address} is there now");
        let later = scene.look.unit(unit).map(fixes::after_network);
        found = found.fix(plan);
        return Some(later.into_iter().fold(found, Found::fix));
    }
    let plan = place.and_then(|o| listen::readdressed(scene.look.unit(unit)?, o, address, missed.address));
    Some(match plan {
        Some(plan) => found.fix(plan),
        None => found.advise(Advice::new(
            format!("name an address of this host in place of {address} and restart it"),
            format!("systemctl cat {unit_arg}\n{restart}"),
            None,
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::says_it_failed;
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::daemon::Daemon;

    const LOCAL: (&str, u16, &str) = ("127.0.0.1", 22, "/etc/ssh/sshd_config:14: ListenAddress 127.0.0.1");

    fn sshd(second: &str, journal: &[&str]) -> Host {
        let line = format!("/etc/ssh/sshd_config:15: ListenAddress {second}");
        Host::refusing(22)
            .listens("127.0.0.1", "ssh.service", |_| ())
            .running("ssh.service")
            .configured(Daemon::Sshd, "ssh.service", &[LOCAL, (second, 22, &line)])
            .journal("ssh.service", journal)
    }

    const STARTED: &str = "systemd: Starting ssh.service - OpenBSD Secure Shell server...";

    #[test]
    fn sshd_without_one_of_its_addresses() {
        let failed = "sshd: error: Bind to port 22 on 10.2.0.2 failed: Cannot assign requested address.";
        let found = assert_culprit(&sshd("10.2.0.2", &[STARTED, failed]).case(), "bind-partial-silent");
        let found = &found.causes[0];
        assert!(found.evidence.iter().any(|e| e.source == "journal" && e.says.contains("Cannot assign")), "{found:?}");
        assert!(found.advice[0].run == "sshd -t\nsystemctl restart ssh.service", "{found:?}");
    }

    #[test]
    fn a_foreign_second_address_is_replaced() {
        let found = assert_culprit(&sshd("10.9.9.9", &[STARTED]).case(), "bind-partial-silent");
        assert!(found.causes[0].advice[0].run.contains("15: ListenAddress 10.2.0.2\n"), "{found:#?}");
    }

    #[test]
    fn an_edit_since_the_start_is_no_failed_bind() {
        assert_not_found(&sshd("10.2.0.2", &[STARTED]).case(), "bind-partial-silent");
        let earlier = "sshd: error: Bind to port 22 on 10.2.0.2 failed: Cannot assign requested address.";
        let stopped = "systemd: Stopped ssh.service - OpenBSD Secure Shell server.";
        assert_not_found(&sshd("10.2.0.2", &[earlier, stopped, STARTED]).case(), "bind-partial-silent");
    }

    #[test]
    fn lines_of_other_addresses_do_not_count() {
        let ten = "10.2.0.2".parse().unwrap();
        assert!(says_it_failed("could not create listen socket for \"10.2.0.2\"", ten));
        assert!(says_it_failed("Could not create server TCP listening socket 10.2.0.2:6379: bind: no", ten));
        assert!(!says_it_failed("Bind to port 22 on 10.2.0.22 failed: no", ten));
        assert!(!says_it_failed("Connection from 10.2.0.2", ten));
    }
}

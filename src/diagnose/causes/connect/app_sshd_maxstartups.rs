//! sshd has too many connections that have not logged in, or makes this client wait.

use super::super::{Cause, Found, Words};
use super::{AFTER, attempt, client, said, served_by};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure;
use crate::diagnose::greeting::{Refusal, refusal};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::daemon::Daemon;
use crate::facts::journal::{Entry, Journal};
use crate::fixes::client::more_startups;

pub(crate) static CAUSE: Cause = Cause {
    id: "app-sshd-maxstartups",
    in_box: BoxId::Connect,
    general: false,
    explains: AFTER,
    words: Words {
        title: "sshd takes no more connections that have not logged in",
        what: "The connection stands, and sshd hangs up, mostly with the words \"Exceeded MaxStartups\" \
               (kex_exchange_identification at the client). MaxStartups 10:30:100 means: from 10 connections that have not \
               logged in on, 30 % of new ones are dropped, from 100 on all. Scanners that never log in, or one's own jobs \
               that all begin at once, use them up. Since OpenSSH 9.8 a client can also be made to wait because of what \
               came from its address (PerSourcePenalties: \"Not allowed at this time\"). No firewall has a part in it.",
        see: "nc ADDRESS 22\njournalctl -b -u ssh -g 'MaxStartups|penalty'\nss -Htn state established '( sport = :22 )'\nsshd -T | \
              grep -iE 'maxstartups|logingracetime|persource'",
        fix: "MaxStartups 100:30:200 in sshd_config and reload; LoginGraceTime shorter; keep scanners away from the port; \
              for penalties PerSourcePenaltyExemptList",
        undo: "put the line back, reload",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let dial = attempt(scene)?;
    let others = scene.subject.local == Some(true) && scene.subject.from != Asker::Here;
    match refusal(dial) {
        Some(Refusal::SshdStartups) => startups(scene, dial, said(dial)?),
        Some(Refusal::SshdPenalty) if !others => {
            let whom = client(scene, dial);
            let summary = format!("{} connects, and sshd makes {whom} wait (PerSourcePenalties)", dial.to);
            let found = Found::new(dial.to.to_string(), summary).seen(said(dial)?);
            let run = "edit /etc/ssh/sshd_config: add: PerSourcePenaltyExemptList CLIENT\nsystemctl reload ssh";
            Some(found.advise(Advice::new("wait, or exempt the client", run, Some("take the line out, reload"))))
        }
        // Old versions drop it without a word.
        None if matches!(dial.outcome, Outcome::Closed | Outcome::Reset) => {
            let (unit, _) = served_by(scene, Daemon::Sshd)?;
            let told = throttling(scene.look.journal(&unit.name)?)?;
            startups(scene, dial, failure::evidence(unit, told))
        }
        Some(_) | None => None,
    }
}

/// sshd drops connections now, as it said last.
fn throttling(journal: &Journal) -> Option<&Entry> {
    let said = |entry: &&Entry| entry.message.contains("MaxStartups");
    journal.entries.iter().rev().find(said).filter(|entry| !entry.message.contains("exited MaxStartups"))
}

fn startups(scene: &Scene<'_, '_>, dial: &Dial, seen: Evidence) -> Option<Found> {
    let summary = format!("{} connects, and sshd hangs up: too many connections that have not logged in", dial.to);
    let mut found = Found::new(dial.to.to_string(), summary).seen(seen);
    let (served, missing) = scene.look.noting(|| served_by(scene, Daemon::Sshd));
    if missing.open {
        scene.look.also_missing(&missing);
        return None;
    }
    let see = "ss -Htn state established '( sport = :22 )'";
    if let Some((unit, Some(config))) = served {
        let says = match config.beyond.setting("maxstartups") {
            Some(setting) => format!("{}: {}", setting.by, setting.by.text),
            None => "MaxStartups is 10:30:100, as no line says otherwise".to_owned(),
        };
        found = found.seen(Evidence::new("config", says, "sshd -T | grep -i maxstartups"));
        if let Some(plan) = more_startups(config, &unit.name) {
            found = found.fix(plan);
        }
    }
    Some(found.advise(Advice::new("see who holds connections without logging in, and end them", see, None)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Daemon;
    use crate::target::From;

    const ID: &str = "app-sshd-maxstartups";
    const UNIT: &str = "ssh.service";

    fn sshd(outcome: Outcome) -> Host {
        Host::with_outcome(22, outcome)
            .listens("0.0.0.0", UNIT, |_| ())
            .dial(OUTSIDE, outcome)
            .running(UNIT)
            .configured(Daemon::Sshd, UNIT, &[("0.0.0.0", 22, "/etc/ssh/sshd_config:1: Port 22")])
    }

    #[test]
    fn it_says_so_itself() {
        let host = sshd(Outcome::Open).banner("Exceeded MaxStartups\r\n");
        let told = assert_culprit(&host.settings(Daemon::Sshd, &[("maxstartups", "2:100:2")]).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let plan = told.plans().next().unwrap();
        let run = "edit /etc/daemon.conf:7: MaxStartups 100:30:200\nsshd -t\nsystemctl reload-or-restart ssh.service";
        assert_eq!(plan.commands(), run);
        let told = assert_culprit(&sshd(Outcome::Open).banner("Exceeded MaxStartups\r\n").case(), ID);
        assert!(told.plans().next().unwrap().commands().contains("MaxStartups 100:30:200"));
    }

    #[test]
    fn it_hangs_up_and_the_journal_says_why() {
        let drops = "sshd: drop connection #2 from [10.1.0.2]:34494 on [10.2.0.2]:22 past MaxStartups";
        assert_culprit(&sshd(Outcome::Closed).journal(UNIT, &[drops]).case(), ID);
        let over = "sshd: exited MaxStartups throttling after 00:00:10, 4 connections dropped";
        assert_not_found(&sshd(Outcome::Closed).journal(UNIT, &[drops, over]).case(), ID);
    }

    #[test]
    fn a_penalty_is_for_one_client() {
        let host = || sshd(Outcome::Open).banner("Not allowed at this time\r\n");
        assert_not_found(&host().case(), ID);
        let told = assert_culprit(&host().from(From::Here).case(), ID);
        assert!(told.culprit().unwrap().summary.contains("PerSourcePenalties"));
    }
}

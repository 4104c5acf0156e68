//! MySQL or MariaDB has no account for clients of that host, or has shut it out.

use super::super::{Cause, Found, Words};
use super::{AFTER, attempt, client, said};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::greeting::{Refusal, refusal};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::Advice;

pub(crate) static CAUSE: Cause = Cause {
    id: "app-mysql-host-not-allowed",
    in_box: BoxId::Connect,
    general: false,
    explains: AFTER,
    words: Words {
        title: "MySQL or MariaDB has no account for this client's host",
        what: "The connection stands, and the server says \"Host '10.1.0.2' is not allowed to connect to this MariaDB \
               server\" (error 1130) and hangs up: of its accounts, which are names *and* hosts, none is for that host. \
               Or it says that the host is blocked because of many connection errors (error 1129), which are counted per \
               host up to max_connect_errors. No firewall has a part in it.",
        see: "mariadb -h ADDRESS -u USER\nmariadb -e \"select user, host from mysql.user\"",
        fix: "an account for the client's host or network: CREATE USER 'app'@'10.1.0.%' IDENTIFIED BY '...'; GRANT ...; \
              for a blocked host: mariadb-admin flush-hosts",
        undo: "DROP USER 'app'@'10.1.0.%'",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let dial = attempt(scene)?;
    // What is said to this host itself tells nothing of the accounts that others have.
    if scene.subject.local == Some(true) && scene.subject.from != Asker::Here {
        return None;
    }
    let whom = client(scene, dial);
    match refusal(dial)? {
        Refusal::MysqlHost => {
            let summary = format!("{} connects, and the server has no account for {whom}", dial.to);
            let found = Found::new(dial.to.to_string(), summary).seen(said(dial)?);
            let run = "mariadb -e \"CREATE USER 'USER'@'CLIENT' IDENTIFIED BY 'A-LONG-PASSWORD'; GRANT SELECT, INSERT, \
                       UPDATE, DELETE ON DATABASE.* TO 'USER'@'CLIENT'\"";
            let undo = Some("mariadb -e \"DROP USER 'USER'@'CLIENT'\"");
            Some(found.advise(Advice::new("make an account for the client's host", run, undo)))
        }
        Refusal::MysqlBlocked => {
            let summary = format!("{} connects, and the server has shut {whom} out after broken connections", dial.to);
            let found = Found::new(dial.to.to_string(), summary).seen(said(dial)?);
            Some(found.advise(Advice::new("let it forget the broken connections", "mariadb-admin flush-hosts", None)))
        }
        Refusal::RedisProtected | Refusal::SshdStartups | Refusal::SshdPenalty | Refusal::Full | Refusal::FullOfOne => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::diagnose::diagnose;
    use crate::facts::connect::Outcome;
    use crate::target::From;

    const ID: &str = "app-mysql-host-not-allowed";

    fn mariadb(says: &str) -> Host {
        let host = Host::with_outcome(3306, Outcome::Open).listens("0.0.0.0", "mariadb.service", |_| ());
        host.dial(OUTSIDE, Outcome::Open).running("mariadb.service").banner(says)
    }

    #[test]
    fn no_account_for_the_host() {
        let says = "G\0\0\0\u{fffd}j\u{4}Host '10.2.0.2' is not allowed to connect to this MariaDB server";
        assert_not_found(&mariadb(says).case(), ID);
        assert_eq!(diagnose(&mariadb(says).case()).outcome, Some(Outcome::Open), "others may have an account");
        let told = assert_culprit(&mariadb(says).from(From::Here).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let found = told.culprit().unwrap();
        let first = "10.2.0.2:3306 says: Host '10.2.0.2' is not allowed to connect to this MariaDB server";
        assert_eq!(found.evidence[0].says, first);
    }

    #[test]
    fn a_host_that_is_shut_out_says_nothing_of_others() {
        let says = "x\0\0\0\u{fffd}i\u{4}Host '10.2.0.2' is blocked because of many connection errors; unblock with";
        assert_not_found(&mariadb(says).case(), ID);
        let told = assert_culprit(&mariadb(says).from(From::Here).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
    }

    #[test]
    fn a_greeting_is_none() {
        assert_not_found(&mariadb("Y\0\0\0\n5.5.5-10.11.6-MariaDB-0+deb12u1\0").case(), ID);
    }
}

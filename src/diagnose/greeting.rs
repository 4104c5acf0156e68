//! What a server says as soon as the connection stands, where that is a no: in its own words.

use super::subject::{Asker, Subject};
use crate::facts::connect::{Dial, Outcome};

/// A server that takes the connection and turns it away in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Redis in protected mode takes no stranger.
    RedisProtected,
    /// No account of MySQL or MariaDB is for this client's host.
    MysqlHost,
    /// MySQL or MariaDB has had too many broken connections from this client's host.
    MysqlBlocked,
    /// sshd has too many connections that have not logged in.
    SshdStartups,
    /// sshd makes this client wait, because of what came from its address before.
    SshdPenalty,
}

impl Refusal {
    /// It is about the one who connected, and says little of others.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::MysqlBlocked | Self::SshdPenalty)
    }
}

/// The refusal in a server's first words.
pub fn refusal(dial: &Dial) -> Option<Refusal> {
    let said = dial.banner.as_deref()?;
    let says = |words: &str| said.contains(words);
    if said.starts_with("-DENIED") && says("protected mode") {
        return Some(Refusal::RedisProtected);
    }
    if says("is not allowed to connect to this M") {
        return Some(Refusal::MysqlHost);
    }
    if says("is blocked because of many connection errors") {
        return Some(Refusal::MysqlBlocked);
    }
    if said.starts_with("Exceeded MaxStartups") {
        return Some(Refusal::SshdStartups);
    }
    said.starts_with("Not allowed at this time").then_some(Refusal::SshdPenalty)
}

/// A server's first words on one line, without what frames them: MySQL counts its bytes and numbers its errors.
pub fn words(dial: &Dial) -> Option<String> {
    let said = dial.banner.as_deref()?;
    let from = said.find("Host '").filter(|_| said.contains("' is ")).unwrap_or(0);
    let said = said.get(from..)?.trim();
    Some(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// What the asked side gets, once the server's first words to this host are considered: who is turned away in words is
/// hung up on.
pub(super) fn outcome(subject: &Subject, dial: &Dial, outcome: Outcome) -> Outcome {
    let from_here = subject.from == Asker::Here || subject.local != Some(true);
    let turned_away = refusal(dial).is_some_and(|refusal| from_here || !refusal.is_personal());
    if outcome == Outcome::Open && turned_away { Outcome::Closed } else { outcome }
}

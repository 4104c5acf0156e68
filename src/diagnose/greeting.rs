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
    /// The server has as many clients as it lets in.
    Full,
    /// It has as many from this client's address.
    FullOfOne,
}

/// What servers say by themselves to a client that is one too many, in lower case.
const TOO_MANY: [&str; 5] = [
    "too many connections",
    "too many clients",
    "max number of clients reached",
    "too many connected users",
    "remaining connection slots",
];

impl Refusal {
    /// It is about the one who connected, and says little of others.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::MysqlHost | Self::MysqlBlocked | Self::SshdPenalty | Self::FullOfOne)
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
    if said.starts_with("Not allowed at this time") {
        return Some(Refusal::SshdPenalty);
    }
    let said = said.to_ascii_lowercase();
    if !TOO_MANY.iter().any(|words| said.contains(words)) {
        return None;
    }
    Some(if said.contains("from your ") { Refusal::FullOfOne } else { Refusal::Full })
}

/// A server's first words on one line, without what frames them: MySQL counts its bytes and numbers its errors.
pub fn words(dial: &Dial) -> Option<String> {
    let said = dial.banner.as_deref()?;
    let host = said.find("Host '").filter(|_| said.contains("' is "));
    let from = host.or_else(|| said.find("Too many connections").filter(|_| said.contains('\0'))).unwrap_or(0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::dialled;

    #[test]
    fn who_is_one_too_many_is_turned_away() {
        let says = |text: &str| {
            let mut dial = dialled("10.2.0.2:6379", Outcome::Open);
            dial.banner = Some(text.into());
            (refusal(&dial), words(&dial).unwrap_or_default())
        };
        let redis = "-ERR max number of clients reached";
        assert_eq!(says(&format!("{redis}\r\n")), (Some(Refusal::Full), redis.to_owned()));
        let mysql = "\u{17}\0\0\0\u{fffd}\u{10}\u{4}Too many connections";
        assert_eq!(says(mysql), (Some(Refusal::Full), "Too many connections".to_owned()));
        let ftp = "421 There are too many connections from your internet address.\r\n";
        assert_eq!(says(ftp).0, Some(Refusal::FullOfOne));
        assert_eq!(says("220 ready\r\n").0, None);
        assert!(Refusal::FullOfOne.is_personal() && !Refusal::Full.is_personal());
    }
}

//! What nobody tells of: asked for again and again, at a pace that costs next to nothing, and told only when it changed.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Gone, Teller};
use crate::facts::{Fact, Question, Reading};
use crate::sources::dbus::Bus;
use crate::sources::{answer, deadline};

/// Looking may take one part in this many of the time: at most 0.5 % of a core, far less for what is cheap.
const SHARE: u32 = 200;
/// What decides where a name leads, besides the servers.
const RESOLVER_FILES: [&str; 4] = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hostname"];

/// Asks the teller's question every so often.
pub(super) async fn watch(bus: Arc<Bus>, mut teller: Teller, every: Duration) {
    let mut before = None;
    loop {
        let began = Instant::now();
        if look(&bus, &mut teller, &mut before).await.is_err() {
            return;
        }
        tokio::time::sleep(every.max(began.elapsed() * SHARE)).await;
    }
}

/// Asks once, and tells if the answer is another one.
pub(super) async fn look(bus: &Arc<Bus>, teller: &mut Teller, before: &mut Option<Fact>) -> Result<(), Gone> {
    let after = deadline(&teller.question);
    let now = match tokio::time::timeout(after, answer(bus, teller.question.clone())).await {
        Ok(fact) => fact,
        Err(_) => Fact::without_value(&teller.question, Reading::TimedOut { after }),
    };
    if before.as_ref().is_some_and(|before| same(before, &now)) {
        return if teller.changes.is_closed() { Err(Gone) } else { Ok(()) };
    }
    *before = Some(now.clone());
    teller.fact(now).await
}

/// The same answer, whenever it was given. Facts that are never polled count as different.
fn same(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::Listeners(_, _, one), Fact::Listeners(_, _, other))
        | (Fact::AllListeners(one), Fact::AllListeners(other)) => same_reading(one, other),
        (Fact::UnixSocket(_, one), Fact::UnixSocket(_, other)) => same_reading(one, other),
        (Fact::Addresses(one), Fact::Addresses(other)) => same_reading(one, other),
        _ => false,
    }
}

fn same_reading<T: PartialEq>(one: &Reading<T>, other: &Reading<T>) -> bool {
    match (one.value(), other.value()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Says that a name is to be resolved again when a file that decides it changed. Resolving by itself every so often
/// would send queries nobody asked for.
pub(super) async fn watch_resolver_files(mut teller: Teller, every: Duration) {
    debug_assert!(matches!(teller.question, Question::Name(_)), "only names come from these files");
    let mut before = None;
    while !teller.changes.is_closed() {
        let now = RESOLVER_FILES.map(stamp);
        if before.as_ref() != Some(&now) {
            before = Some(now);
            if teller.again().await.is_err() {
                return;
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// What changes when a file is written or replaced: its inode, size and time.
fn stamp(path: &str) -> Option<(u64, u64, i64, i64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Known;
    use crate::facts::socket::{Listener, Transport};

    fn listeners(queue: u32, at_ms: u64) -> Fact {
        let listener = Listener {
            transport: Transport::Tcp,
            address: [0, 0, 0, 0].into(),
            port: 80,
            v6only: None,
            device: None,
            queue,
            backlog: 511,
            uid: 0,
            inode: 7,
            cgroup: None,
        };
        let known = Known { value: vec![listener], at_ms, took: Duration::from_millis(at_ms) };
        Fact::Listeners(Transport::Tcp, 80, Reading::Known(known))
    }

    #[test]
    fn only_what_was_seen_counts_not_when() {
        assert!(same(&listeners(0, 1), &listeners(0, 2)));
        assert!(!same(&listeners(0, 1), &listeners(3, 1)), "a queue that fills is a change");
        let gone = Fact::Listeners(Transport::Tcp, 80, Reading::Absent);
        assert!(!same(&listeners(0, 1), &gone) && same(&gone, &gone));
    }
}

//! The kernel's own word: one real attempt, while its rules count and its trace tells what becomes of the packets.
//!
//! The attempt is made by a thread of its own. What it sends to this host passes the packet filter, and is dropped or
//! answered, while that very thread runs: so its packets are told from everybody else's.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::gettid;
use tokio::sync::oneshot;

use super::netlink::nftables;
use super::tracefs::{Attempt, Instance, words};
use super::{Trouble, dial, trouble};
use crate::facts::Reading;
use crate::facts::connect::{Dial, Endpoint};
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::{Backend, ChainId};
use crate::facts::watched::{WatchKey, Watched, Word};

/// How long the counters of all chains may take to be read, before and again after the attempt. Rules that are not read
/// by then are not compared.
const COUNTING: Duration = Duration::from_millis(50);
/// A connection that was opened may take this long to be left politely (see [`dial`]).
const LEAVE: Duration = Duration::from_secs(1);
/// Packets that others have to handle (a timer, another processor) may take this long.
const SETTLE: Duration = Duration::from_millis(2);

/// Watches one attempt. Dropping the future ends it and removes the trace.
pub async fn watch(key: &WatchKey) -> Reading<Watched> {
    let began = Instant::now();
    trouble::reading(watched(key).await.map(Some), began)
}

async fn watched(key: &WatchKey) -> Result<Watched, Trouble> {
    let attempt = Dialling::prepare(key.to.clone())?.ready().await?;
    let (chains, thread, to) = (key.chains.clone(), attempt.thread, key.to.clone());
    let (before, trace) = tokio::join!(blocking(move || counts(&chains)), blocking(move || traced(&to, thread)));
    let trace = trace?;
    let (dial, attempt) = attempt.go().await?;
    tokio::time::sleep(SETTLE).await;
    let (chains, before) = (key.chains.clone(), before?);
    let (counted, told) = tokio::join!(
        blocking(move || if before.is_empty() { Vec::new() } else { moved(&before, &counts(&chains)) }),
        blocking(move || tell(trace, &attempt)),
    );
    let (words, untraced) = told?;
    Ok(Watched { dial, words, untraced, counted: counted? })
}

async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(look).await.map_err(|_| Trouble::failed("looking broke off"))
}

/// Begins to trace what the thread sends.
fn traced(to: &Endpoint, thread: i32) -> Result<Instance, String> {
    const IPV4: u16 = 0x0800;
    const IPV6: u16 = 0x86dd;
    match to.ip().map(|ip| ip.to_canonical().is_ipv4()) {
        Some(v4) => Instance::begin(thread, if v4 { IPV4 } else { IPV6 }),
        None => Err("a unix socket sends no packets".into()),
    }
}

/// What the trace says of the attempt, or why there is none. The trace is removed here.
fn tell(trace: Result<Instance, String>, attempt: &Attempt) -> (Vec<Word>, Option<String>) {
    let read = trace.and_then(|trace| trace.read().map_err(|e| format!("the trace could not be read: {e}")));
    match read {
        Ok(lines) => (words(&lines, attempt), None),
        Err(why) => (Vec::new(), Some(why)),
    }
}

type Counts = BTreeMap<(ChainId, u64), u64>;

/// Packets counted by the rules of these chains, as far as they can be read in time.
fn counts(chains: &[ChainId]) -> Counts {
    let until = Instant::now() + COUNTING;
    let mut counts = Counts::new();
    for chain in chains.iter().filter(|chain| chain.table.backend == Backend::Nftables) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // Rules that may not be read are not compared: the attempt says enough by itself.
        let Ok(Some(rules)) = nftables::chain_rules_within(chain, left) else { continue };
        for rule in rules.rules {
            let packets = rule
                .exprs
                .iter()
                .find_map(|e| if let Expr::Counter { packets, .. } = e { Some(*packets) } else { None });
            counts.extend(packets.map(|packets| ((chain.clone(), rule.handle), packets)));
        }
    }
    counts
}

/// Rules that counted meanwhile.
fn moved(before: &Counts, after: &Counts) -> Vec<(ChainId, u64, u64)> {
    let more = |(key, packets): (&(ChainId, u64), &u64)| {
        let more = packets.checked_sub(*before.get(key)?).filter(|more| *more > 0)?;
        Some((key.0.clone(), key.1, more))
    };
    after.iter().filter_map(more).collect()
}

/// An attempt whose thread is there and waits.
struct Dialling {
    thread: i32,
    go: oneshot::Sender<()>,
    made: oneshot::Receiver<Made>,
}

/// An attempt that was made, and when it began by `CLOCK_MONOTONIC`.
struct Made {
    dial: Reading<Dial>,
    began: Duration,
}

/// A thread that was started.
struct Starting {
    thread: oneshot::Receiver<i32>,
    go: oneshot::Sender<()>,
    made: oneshot::Receiver<Made>,
}

impl Dialling {
    fn prepare(to: Endpoint) -> Result<Starting, Trouble> {
        let (tell_thread, thread) = oneshot::channel();
        let (go, started) = oneshot::channel();
        let (tell_made, made) = oneshot::channel();
        thread::Builder::new()
            .name("dial".into())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
                // Whoever waited may be gone: then nothing is tried.
                if tell_thread.send(gettid().as_raw()).is_ok() {
                    runtime.block_on(attempt(to, started, tell_made));
                }
            })
            .map_err(|e| Trouble::failed(format!("starting a thread: {e}")))?;
        Ok(Starting { thread, go, made })
    }

    async fn go(self) -> Result<(Dial, Attempt), Trouble> {
        let gone = || Trouble::failed("the attempt broke off");
        self.go.send(()).map_err(|()| gone())?;
        let made = self.made.await.map_err(|_| gone())?;
        let dial = match made.dial {
            Reading::Known(known) => known.value,
            Reading::Denied { needs } => return Err(Trouble::Denied { needs }),
            Reading::Failed { why } => return Err(Trouble::Failed { why }),
            Reading::TimedOut { after } => return Err(Trouble::TimedOut { after }),
            Reading::NotAsked | Reading::Pending | Reading::Absent => {
                return Err(Trouble::failed("no attempt was made"));
            }
        };
        let attempt = Attempt { thread: self.thread, began: made.began, source: dial.source };
        Ok((dial, attempt))
    }
}

impl Starting {
    async fn ready(self) -> Result<Dialling, Trouble> {
        let thread = self.thread.await.map_err(|_| Trouble::failed("the attempt could not be prepared"))?;
        Ok(Dialling { thread, go: self.go, made: self.made })
    }
}

/// Waits for the word, makes the attempt, and leaves an open connection politely.
async fn attempt(to: Endpoint, started: oneshot::Receiver<()>, mut tell: oneshot::Sender<Made>) {
    if started.await.is_err() {
        return;
    }
    let began = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    let dial = tokio::select! {
        dial = dial::dial(&to) => dial,
        () = tell.closed() => return,
    };
    let open = dial.value().is_some_and(|dial| dial.source.is_some());
    if tell.send(Made { dial, began }).is_ok() && open {
        tokio::time::sleep(LEAVE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Family, TableId};

    fn chain() -> ChainId {
        ChainId {
            table: TableId { backend: Backend::Nftables, family: Family::Ip, name: "t".into() },
            name: "c".into(),
        }
    }

    #[test]
    fn only_rules_that_counted_meanwhile_are_told() {
        let of = |pairs: &[(u64, u64)]| pairs.iter().map(|(handle, packets)| ((chain(), *handle), *packets)).collect();
        let told = moved(&of(&[(1, 5), (2, 5), (3, 9)]), &of(&[(1, 5), (2, 7), (3, 1), (4, 8)]));
        assert_eq!(told, [(chain(), 2, 2)], "neither a reset counter nor a new rule counted");
    }

    #[tokio::test]
    async fn the_attempt_is_an_ordinary_one_whatever_can_be_traced() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = Endpoint::Tcp(listener.local_addr().unwrap());
        let known = watch(&WatchKey { to: to.clone(), chains: Vec::new() }).await;
        let watched = known.value().unwrap();
        assert_eq!((watched.dial.outcome, &watched.dial.to), (Outcome::Open, &to));
        assert!(watched.words.is_empty(), "{watched:?}");
    }

    #[tokio::test]
    async fn a_unix_socket_is_tried_and_not_traced() {
        let to = Endpoint::Abstract("unrefuse-nobody-is-here".into());
        let known = watch(&WatchKey { to, chains: Vec::new() }).await;
        let watched = known.value().unwrap();
        assert_eq!(watched.untraced.as_deref(), Some("a unix socket sends no packets"));
        assert_eq!(watched.dial.outcome, Outcome::Refused);
    }
}

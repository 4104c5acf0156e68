//! A host with 80,000 listening sockets: asking for one port stays right and far cheaper than listing them all.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::sys::resource::{Resource, getrlimit};
use unrefuse::facts::socket::{Listener, Transport};
use unrefuse::sources::netlink::sock_diag::{self, all_listeners};
use unrefuse::sources::procfs;

use super::helper::Holder;
use super::space::{Outcome, run};

const SOCKETS: usize = 80_000;
const FIRST: u16 = 10_000;

/// Processes that hold them, as many to each as its open files allow.
fn holders() -> Result<Vec<Holder>, Failed> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = usize::try_from(hard.saturating_sub(64)).unwrap_or(usize::MAX).min(40_000);
    let count = SOCKETS.div_ceil(most);
    let each = u16::try_from(SOCKETS / count)?;
    assert_eq!(SOCKETS % count, 0, "{count} processes");
    (1..=count).map(|i| Holder::start("", &format!("127.0.{i}.1"), FIRST, each)).collect()
}

/// The shorter of several times, and the last answer.
fn best<T>(mut look: impl FnMut() -> Result<T, Failed>) -> Result<(Duration, T), Failed> {
    let mut best = Duration::MAX;
    let mut last = None;
    for _ in 0..5 {
        let began = Instant::now();
        last = Some(look()?);
        best = best.min(began.elapsed());
    }
    Ok((best, last.ok_or("looked")?))
}

pub(crate) fn listeners() -> Outcome {
    let trouble = |e| Failed::from(format!("{e:?}"));
    let holders = holders()?;
    let (whole, all) = best(|| Ok(all_listeners().map_err(trouble)?.unwrap_or_default()))?;
    assert_eq!(all.len(), SOCKETS);
    assert_eq!(run("ss", &["-Hltn"])?.lines().count(), SOCKETS);
    let port = FIRST + 500;
    let (one, found) = best(|| ask(port))?;
    let mut expected: Vec<String> = (1..=holders.len()).map(|i| format!("127.0.{i}.1:{port}")).collect();
    expected.sort();
    let mut shown: Vec<String> = found.iter().map(Listener::shown).collect();
    shown.sort();
    assert_eq!(shown, expected);
    assert_eq!(ask(9_999)?, []);
    let first = found.first().ok_or("found some")?;
    let (owner, _) = best(|| procfs::owner(first.inode, first.cgroup).map_err(trouble))?;
    eprintln!("{SOCKETS} listeners: all {whole:.1?}, one port {one:.1?}, owner {owner:.1?}");
    assert!(one * 3 < whole, "one port took {one:?}, all took {whole:?}");
    Ok(())
}

fn ask(port: u16) -> Result<Vec<Listener>, Failed> {
    Ok(sock_diag::listeners(Transport::Tcp, port).map_err(|e| format!("{e:?}"))?.unwrap_or_default())
}

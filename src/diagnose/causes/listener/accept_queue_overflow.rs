//! The server's queue of waiting connections is full, so the kernel drops new ones.

use super::super::{Cause, Found, Words};
use super::fd_or_connection_limit;
use super::rows::{holder, see};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::fixes::{self, Plan};

const MOST: &str = "net/core/somaxconn";

pub(crate) static CAUSE: Cause = Cause {
    id: "accept-queue-overflow",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Timeout],
    words: Words {
        title: "The server does not accept connections fast enough: its queue is full",
        what: "Connections wait in the listener's accept queue until the program takes them. When it is full, the \
               kernel silently drops new SYNs, so clients get no answer at all; it never refuses them. The program \
               hangs, or is too slow for the load.",
        see: "ss -H -ltnp 'sport = :PORT'   # Recv-Q above Send-Q\nnstat -az TcpExtListenOverflows TcpExtListenDrops",
        fix: "find out why the program does not accept (hung, out of descriptors or workers) and restart it; for load, \
              raise its backlog and net.core.somaxconn",
        undo: "sysctl -w net.core.somaxconn=OLD",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let (address, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) {
        return None;
    }
    let rows = scene.look.listeners(subject.transport, port)?;
    // sk_acceptq_is_full(): one more than the backlog may wait.
    let row = rows.iter().find(|l| l.takes(address) && l.queue > l.backlog)?;
    if scene.sure_outcome()? != Outcome::Timeout || fd_or_connection_limit::spent(scene).is_some() {
        return None;
    }
    let dial = scene.look.dialled(&subject.endpoint()?)?;
    let moved = [dial.counter("TcpExt.ListenOverflows"), dial.counter("TcpExt.ListenDrops")];
    let counted: Option<i64> = moved.into_iter().flatten().reduce(i64::max);
    let holder = holder(scene, std::slice::from_ref(row));
    let summary = format!("{} does not accept: {} connections wait, {} may", holder.name, row.queue, row.backlog);
    let mut found = Found::new(holder.subject(), summary).seen(Evidence::new(
        "sock_diag",
        format!("LISTEN {} Recv-Q {} Send-Q {}", row.shown(), row.queue, row.backlog),
        see(subject.transport, port),
    ));
    // The attempt was not dropped here if the kernel counted no such drop.
    found.latent = counted == Some(0);
    if let Some(counted) = counted {
        let says = format!("ListenOverflows or ListenDrops went up by {counted} during the attempt");
        found = found.seen(Evidence::new("netstat", says, "nstat -az TcpExtListenOverflows TcpExtListenDrops"));
    }
    if let Some(unit) = holder.unit() {
        let mut plan = fixes::unit::restart(unit);
        plan.title = format!("restart {unit}, which hangs");
        found = found.fix(plan);
    }
    let limit = scene.look.sysctl(MOST).and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(limit) = limit.filter(|limit| *limit <= row.backlog) {
        found = let_more_wait(found, limit, holder.unit());
    }
    Some(found)
}

/// Against load: a longer queue. A listener has its length from when it was opened, so its program has to do that again.
fn let_more_wait(found: Found, limit: u32, unit: Option<&str>) -> Found {
    const ENOUGH: &str = "4096";
    let title = |when| format!("if load is the reason: let more wait{when} (the kernel's own limit is {limit})");
    let Some(unit) = unit else {
        let undo = format!("sysctl -w net.core.somaxconn={limit}");
        return found.advise(Advice::new(title(""), format!("sysctl -w net.core.somaxconn={ENOUGH}"), Some(&undo)));
    };
    let again = |plan| fixes::unit::restarted(plan, unit);
    let now = fixes::sysctl::now(Plan::new("raise-somaxconn", title("")), MOST, ENOUGH);
    let for_good = Plan::new("raise-somaxconn-for-good", title(", also after a reboot"));
    found.fix(again(now)).fix(again(fixes::sysctl::for_good(for_good, MOST, ENOUGH)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::connect::{Counter, Outcome};

    fn full(outcome: Outcome, overflows: i64) -> Host {
        let host = Host::with_outcome(7200, outcome).listens("0.0.0.0", "board.service", |l| {
            l.queue = 2;
            l.backlog = 1;
        });
        host.facts(|f| {
            for dial in f.dials.values_mut() {
                let mut value = dial.value().cloned().unwrap();
                value.counters.push(Counter { name: "TcpExt.ListenOverflows".into(), delta: overflows });
                *dial = crate::facts::Reading::known(value);
            }
        })
    }

    #[test]
    fn a_full_queue_is_a_timeout() {
        assert_culprit(&full(Outcome::Timeout, 3).case(), "accept-queue-overflow");
    }

    #[test]
    fn without_a_counted_drop_something_else_swallowed_the_attempt() {
        let diagnosis = assert_found(&full(Outcome::Timeout, 0).case(), "accept-queue-overflow");
        assert_eq!(diagnosis.culprit, None);
    }

    #[test]
    fn a_full_queue_never_refuses_and_a_short_one_is_healthy() {
        assert_not_found(&full(Outcome::Refused, 3).case(), "accept-queue-overflow");
        let waiting = Host::with_outcome(80, Outcome::Timeout).listens("0.0.0.0", "nginx.service", |l| {
            l.queue = 1;
            l.backlog = 1;
        });
        assert_not_found(&waiting.case(), "accept-queue-overflow");
    }
}

//! The kernel resets connections that find the queue full, instead of letting the client try again.

use super::super::{Cause, Found, Words};
use super::rows::{holder, see};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::facts::socket::Transport;
use crate::fixes::{self, Plan};

const ABORT: &str = "net/ipv4/tcp_abort_on_overflow";

pub(crate) static CAUSE: Cause = Cause {
    id: "abort-on-overflow",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Reset, Outcome::Closed, Outcome::Open],
    words: Words {
        title: "Connections that find the server's queue full are reset",
        what: "With net.ipv4.tcp_abort_on_overflow=1 a connection whose handshake ends while the accept queue is full is \
               reset. The client has connected by then, so it sees \"Connection reset by peer\", never \"refused\"; one \
               that arrives while the queue is full already gets no answer at all. With 0, the default, the kernel waits, \
               and the client gets in as soon as there is room: bursts are survived.",
        see: "sysctl net.ipv4.tcp_abort_on_overflow\nnstat -az TcpExtListenOverflows\nss -H -ltn 'sport = :PORT'   # Recv-Q \
              and Send-Q",
        fix: "sysctl -w net.ipv4.tcp_abort_on_overflow=0, and a longer queue or a faster server",
        undo: "sysctl -w net.ipv4.tcp_abort_on_overflow=1",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (subject, look) = (scene.subject, scene.look);
    let (address, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) || subject.transport != Transport::Tcp {
        return None;
    }
    let rows = look.listeners(subject.transport, port)?;
    let row = rows.iter().find(|l| l.takes(address))?;
    // The attempt itself counts: what the queue does to it, it does to everybody.
    let dial = look.dialled(&subject.endpoint()?)?;
    let counted = dial.counter("TcpExt.ListenOverflows").unwrap_or(0);
    let full = row.queue > row.backlog;
    let bitten = counted > 0 && CAUSE.explains.contains(&dial.outcome);
    if !(bitten || full && dial.outcome == Outcome::Timeout) || look.sysctl(ABORT)? != "1" {
        return None;
    }
    let holder = holder(scene, std::slice::from_ref(row));
    let summary =
        format!("connections that find the queue of {} full are reset, instead of being let wait", holder.name);
    let name = fixes::sysctl::name(ABORT);
    let mut found = Found::new(&name, summary)
        .seen(Evidence::new("sysctl", format!("{name} is 1"), format!("sysctl {name}")))
        .seen(Evidence::new(
            "sock_diag",
            format!("LISTEN {} Recv-Q {} Send-Q {}", row.shown(), row.queue, row.backlog),
            see(subject.transport, port),
        ));
    if counted > 0 {
        let says = format!("ListenOverflows went up by {counted} during the attempt");
        found = found.seen(Evidence::new("netstat", says, "nstat -az TcpExtListenOverflows"));
    }
    let title = "let connections wait for room in the queue";
    let now = fixes::sysctl::now(Plan::new("no-abort-on-overflow", title), ABORT, "0");
    let for_good = Plan::new("no-abort-on-overflow-for-good", format!("{title}, also after a reboot"));
    Some(found.fix(now).fix(fixes::sysctl::for_good(for_good, ABORT, "0")))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Counter, Outcome};

    const ID: &str = "abort-on-overflow";

    fn overflowing(outcome: Outcome, by: i64, value: &str) -> Host {
        let host = Host::with_outcome(7200, outcome).listens("0.0.0.0", "board.service", |l| {
            l.queue = 2;
            l.backlog = 1;
        });
        host.sysctl("net/ipv4/tcp_abort_on_overflow", value).facts(|f| {
            for dial in f.dials.values_mut() {
                let mut value = dial.value().cloned().unwrap();
                value.counters.push(Counter { name: "TcpExt.ListenOverflows".into(), delta: by });
                *dial = Reading::known(value);
            }
        })
    }

    #[test]
    fn a_connection_that_stood_is_reset() {
        for outcome in [Outcome::Reset, Outcome::Closed, Outcome::Open] {
            let told = assert_culprit(&overflowing(outcome, 1, "1").case(), ID);
            let plans: Vec<&str> = told.causes[0].plans().map(|plan| plan.id.as_str()).collect();
            assert_eq!(plans, ["no-abort-on-overflow", "no-abort-on-overflow-for-good"]);
            assert_eq!(told.causes[0].plans().next().unwrap().commands(), "sysctl -w net.ipv4.tcp_abort_on_overflow=0");
        }
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_resets_what_came_before() {
        let told = assert_found(&overflowing(Outcome::Timeout, 1, "1").case(), ID);
        assert_eq!(told.culprit, Some("accept-queue-overflow"));
    }

    #[test]
    fn the_default_and_a_queue_with_room_are_innocent() {
        assert_not_found(&overflowing(Outcome::Reset, 1, "0").case(), ID);
        assert_not_found(&overflowing(Outcome::Reset, 0, "1").case(), ID);
        assert_not_found(&overflowing(Outcome::Refused, 1, "1").case(), ID);
    }
}

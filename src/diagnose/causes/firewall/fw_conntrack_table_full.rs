//! The table of tracked connections is full.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;

const COUNT: &str = "net/netfilter/nf_conntrack_count";
const MOST: &str = "net/netfilter/nf_conntrack_max";

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-conntrack-table-full",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "The connection tracking table is full",
        what: "The kernel tracks connections for its packet filter and drops new ones when the table is \
               full. It comes and goes with the load; the kernel's log says \"nf_conntrack: table full, \
               dropping packet\".",
        see: "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max\njournalctl -k -g nf_conntrack",
        fix: "raise net.netfilter.nf_conntrack_max, shorten its timeouts, or do not track that traffic \
              (notrack)",
        undo: "set the old value again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let failing = matches!(scene.outcome()?, Outcome::Timeout | Outcome::Silent);
    if !failing || scene.subject.path.is_some() {
        return None;
    }
    let number = |path: &str| scene.look.sysctl(path)?.trim().parse::<u64>().ok();
    let (count, most) = (number(COUNT)?, number(MOST)?);
    // A table that is nearly full is full now and then.
    if count.saturating_mul(100) < most.saturating_mul(98) {
        return None;
    }
    let says = format!("{count} of at most {most} connections are tracked");
    let see = "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max";
    let run = format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(2));
    let undo = format!("sysctl -w net.netfilter.nf_conntrack_max={most}");
    let found = Found::new("nf_conntrack", format!("new connections are dropped: {says}"));
    Some(found.seen(Evidence::new("procfs", says, see)).advise(Advice::new("allow more", run, Some(&undo))))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    fn host(count: &str) -> Host {
        Host::with_outcome(80, Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .sysctl(super::COUNT, count)
            .sysctl(super::MOST, "65536")
    }

    #[test]
    fn a_full_table_drops_new_connections() {
        let told = assert_culprit(&host("65530").case(), "fw-conntrack-table-full");
        assert_eq!(told.culprit().unwrap().advice[0].run, "sysctl -w net.netfilter.nf_conntrack_max=131072");
    }

    #[test]
    fn a_table_with_room_drops_nothing() {
        assert_not_found(&host("812").case(), "fw-conntrack-table-full");
    }
}

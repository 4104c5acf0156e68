//! The loopback interface is down, so this host cannot reach itself.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::asked::lo_is_down;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-lo-down",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent, Outcome::Unreachable],
    words: Words {
        title: "The loopback interface is down",
        what: "Everything that this host sends to itself, to 127.0.0.1 as to its own other addresses, passes lo. While \
               that is down it gets no answer, though other hosts are served as before.",
        see: "ip link show lo   # DOWN",
        fix: "ip link set lo up",
        undo: "ip link set lo down",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let failing = matches!(scene.outcome()?, Outcome::Timeout | Outcome::Silent | Outcome::Unreachable);
    // Others do not pass lo.
    if !failing || subject.local != Some(true) || subject.path.is_some() || subject.from != Asker::Here {
        return None;
    }
    if !lo_is_down(scene.look)? {
        return None;
    }
    let to = subject.address()?;
    Some(
        Found::new("lo", format!("lo is down, so this host cannot reach {to} itself"))
            .seen(Evidence::new("rtnetlink", "the interface lo is down", "ip link show lo"))
            .advise(Advice::new("bring it up", "ip link set lo up", Some("ip link set lo down"))),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::diagnose::diagnose;
    use crate::facts::connect::Outcome;
    use crate::target::From;

    fn host(up: bool, outcome: Outcome, from: From) -> Host {
        let host = Host::with_outcome(80, outcome).listens("0.0.0.0", "nginx.service", |_| ()).from(from);
        host.lo(up)
    }

    #[test]
    fn without_lo_this_host_does_not_reach_itself() {
        assert_culprit(&host(false, Outcome::Timeout, From::Here).case(), "cli-lo-down");
        assert_not_found(&host(true, Outcome::Timeout, From::Here).case(), "cli-lo-down");
    }

    #[test]
    fn others_are_served_as_before() {
        let told = diagnose(&host(false, Outcome::Timeout, From::Unsaid).case());
        assert_eq!((told.outcome, told.culprit), (Some(Outcome::Open), None), "{told:#?}");
        assert!(told.notes.iter().any(|note| note.contains("lo is down")), "{:?}", told.notes);
    }
}

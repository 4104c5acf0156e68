//! The service listens on IPv6 only, and the client comes over IPv4.

use super::super::{Cause, Found, Words};
use super::bind_partial_silent;
use super::knob;
use super::rows::missed;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::fixes::{self, Plan, Scope};

const DEFAULT: &str = "net/ipv6/bindv6only";

pub(crate) static CAUSE: Cause = Cause {
    id: "listen-v6-only",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open],
    words: Words {
        title: "The service listens on IPv6 only",
        what: "Its socket is `[::]:PORT`, a wildcard that refuses IPv4 (IPV6_V6ONLY), and there is no 0.0.0.0:PORT \
               beside it. `*:PORT` in ss would take both. The program sets that option itself, or the kernel does \
               where net.ipv6.bindv6only is 1.",
        see: "ss -H -ltnp 'sport = :PORT'\nsysctl net.ipv6.bindv6only",
        fix: "let the daemon listen on 0.0.0.0 too, or take ipv6only=on away (sysctl net.ipv6.bindv6only=0), and \
              restart it",
        undo: "restore the setting (sysctl net.ipv6.bindv6only=1) and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed(scene).filter(|m| m.address.is_ipv4())?;
    let only = |row: &&crate::facts::socket::Listener| {
        row.address.is_ipv6() && row.address.is_unspecified() && row.v6only == Some(true)
    };
    let row = missed.all.iter().find(only)?;
    if bind_partial_silent::partial(scene, &missed).is_some() {
        return None;
    }
    let holder = missed.holder(scene);
    let by_kernel = scene.look.sysctl(DEFAULT) == Some("1");
    let why = if by_kernel { ": net.ipv6.bindv6only is 1" } else { "" };
    let summary = format!("{} listens on IPv6 only ({}), not on {}{why}", holder.name, row.shown(), missed.wanted());
    let mut found = Found::new(holder.subject(), summary).seen(missed.evidence(&holder));
    if by_kernel {
        found = found.seen(Evidence::new("sysctl", "net.ipv6.bindv6only = 1", "sysctl net.ipv6.bindv6only"));
        found = take_both(found, holder.unit());
    }
    if let Some(knob) = knob::of(scene, row, &holder) {
        found = found.seen(knob.evidence()).advise_all(knob.listen_on(scene, missed.address, missed.port));
    }
    Some(found)
}

/// The program has to open its socket again to have it of both kinds.
fn take_both(found: Found, unit: Option<&str>) -> Found {
    const TITLE: &str = "let IPv6 wildcards take IPv4 again";
    let Some(unit) = unit else {
        let (run, undo) = ("sysctl -w net.ipv6.bindv6only=0", "sysctl -w net.ipv6.bindv6only=1");
        return found.advise(Advice::new(TITLE, run, Some(undo)));
    };
    let again = |plan: Plan| fixes::unit::restarted(plan.scope(Scope::Everyone), unit);
    let now = fixes::sysctl::now(Plan::new("both-families", TITLE), DEFAULT, "0");
    let for_good = Plan::new("both-families-for-good", format!("{TITLE}, also after a reboot"));
    found.fix(again(now)).fix(again(fixes::sysctl::for_good(for_good, DEFAULT, "0")))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    #[test]
    fn a_wildcard_that_refuses_ipv4() {
        let host = Host::refusing(21).listens("::", "vsftpd.service", |l| l.v6only = Some(true));
        let host = host.running("vsftpd.service").sysctl("net/ipv6/bindv6only", "1");
        let found = assert_culprit(&host.case(), "listen-v6-only").causes.remove(0);
        assert!(found.advice[0].run.contains("bindv6only=0\nsystemctl restart vsftpd.service"), "{:?}", found.advice);
    }

    #[test]
    fn the_program_chose_so_itself() {
        let host = Host::refusing(80).listens("::", "nginx.service", |l| l.v6only = Some(true));
        let found = assert_culprit(&host.sysctl("net/ipv6/bindv6only", "0").case(), "listen-v6-only");
        assert!(!found.causes[0].summary.contains("bindv6only"));
    }

    #[test]
    fn a_pair_of_sockets_or_one_for_both_is_healthy() {
        let pair = Host::refusing(80).listens("::", "nginx.service", |l| l.v6only = Some(true));
        assert_not_found(&pair.listens("0.0.0.0", "nginx.service", |_| ()).case(), "listen-v6-only");
        let both = Host::refusing(80).listens("::", "nginx.service", |l| l.v6only = Some(false));
        assert_not_found(&both.case(), "listen-v6-only");
    }
}

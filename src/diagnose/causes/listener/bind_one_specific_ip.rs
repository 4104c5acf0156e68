//! The daemon listens on one address of this host, and another one was asked.

use super::super::{Cause, Found, Words};
use super::bind_partial_silent;
use super::knob;
use super::listen_v4_only_client_v6::v4_rows_only;
use super::rows::missed;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-one-specific-ip",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open],
    words: Words {
        title: "The service listens on one particular address, not on the one asked",
        what: "The daemon is bound to one address of this host. On every other one, 127.0.0.1 included, the kernel \
               refuses. It works for some clients and not for others.",
        see: "ss -H -ltnp 'sport = :PORT'\nip -br address",
        fix: "add the address (or the wildcard 0.0.0.0 or [::]) to the daemon's listen setting and restart it, or use \
              the address it has",
        undo: "restore the setting and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed(scene)?;
    let wildcard = missed.all.iter().any(|row| row.address.is_unspecified());
    let row = missed.all.iter().find(|row| !row.loopback_only())?;
    if wildcard || v4_rows_only(&missed) || bind_partial_silent::partial(scene, &missed).is_some() {
        return None;
    }
    let holder = missed.holder(scene);
    let knob = knob::of(scene, row, &holder);
    let why = knob.as_ref().map(|k| format!(": {}", k.says())).unwrap_or_default();
    let summary = format!("{} listens on {}, not on {}{why}", holder.name, missed.shown(), missed.wanted());
    let mut found = Found::new(holder.subject(), summary).seen(missed.evidence(&holder));
    if let Some(knob) = knob {
        found = found.seen(knob.evidence()).advise_all(knob.listen_on(scene, missed.address, missed.port));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Daemon;

    const LINE: &str = "/etc/nginx/sites-enabled/default:4: listen 10.2.0.7:80;";

    #[test]
    fn a_server_on_another_address() {
        let host = Host::refusing(80).listens("10.2.0.7", "nginx.service", |_| ()).running("nginx.service");
        let case = host.configured(Daemon::Nginx, "nginx.service", &[("10.2.0.7", 80, LINE)]).case();
        let found = assert_culprit(&case, "bind-one-specific-ip").causes.remove(0);
        assert!(found.summary.contains("default:4"), "{}", found.summary);
        assert!(found.advice[0].run.contains("default:5: add: listen 10.2.0.2:80;\nnginx -t\n"), "{:?}", found.advice);
    }

    #[test]
    fn asked_on_loopback_by_the_host_itself() {
        let host = Host::refusing(80).listens("10.2.0.2", "nginx.service", |_| ()).target("127.0.0.1:80");
        assert_culprit(&host.dial("127.0.0.1".parse().unwrap(), Outcome::Refused).case(), "bind-one-specific-ip");
    }

    #[test]
    fn a_name_with_one_refused_address_is_open_and_has_a_culprit() {
        let host = Host::with_outcome(80, Outcome::Open).listens("10.2.0.2", "nginx.service", |_| ());
        let host = host.named("web", &["10.2.0.2", "10.2.0.7"], |_| ()).facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            let mut second = mine.all[2].clone();
            second.address = "10.2.0.7".parse().unwrap();
            mine.all.push(second);
            f.addresses = crate::facts::Reading::known(mine);
        });
        let diagnosis =
            assert_culprit(&host.dial("10.2.0.7".parse().unwrap(), Outcome::Refused).case(), "bind-one-specific-ip");
        assert_eq!(diagnosis.outcome, Some(Outcome::Open));
    }

    #[test]
    fn a_wildcard_is_not_one_address() {
        let host = Host::refusing(80).listens("10.2.0.7", "nginx.service", |_| ());
        assert_not_found(
            &host.listens("::", "nginx.service", |l| l.v6only = Some(true)).case(),
            "bind-one-specific-ip",
        );
    }
}

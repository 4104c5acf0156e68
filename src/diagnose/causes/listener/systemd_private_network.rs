//! The service listens in a network of its own, where nobody can reach it.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::socket::Listener;
use crate::fixes::unit::host_network;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-private-network",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service listens in a network namespace of its own",
        what: "The unit is active and its process listens, but in another network namespace (PrivateNetwork=yes, \
               NetworkNamespacePath= or JoinsNamespaceOf=). In the host's own network nothing listens, so even \
               127.0.0.1 is refused.",
        see: "systemctl show -p PrivateNetwork,NetworkNamespacePath UNIT\nnsenter -t MAINPID -n ss -ltn",
        fix: "a drop-in with PrivateNetwork=no (or without NetworkNamespacePath=), then restart; or a socket unit, \
              whose socket is made in the host's network",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let port = subject.port?;
    if subject.local != Some(true) || !scene.look.listeners(subject.transport, port)?.is_empty() {
        return None;
    }
    let unit = serving(scene.look, subject)?.unit.filter(|u| u.is_running())?;
    let service = unit.service.as_ref().filter(|s| s.main_pid != 0)?;
    let there = scene.look.other_network(service.main_pid, subject.transport, port)?;
    if !there.separate || there.listeners.is_empty() {
        return None;
    }
    let (name, pid) = (&unit.name, service.main_pid);
    let name_arg = arg(name);
    let rows: Vec<String> = there.listeners.iter().map(Listener::shown).collect();
    let why = match (&service.network_namespace, service.private_network) {
        (Some(path), _) => format!("NetworkNamespacePath={path}"),
        (None, true) => "PrivateNetwork=yes".to_owned(),
        (None, false) => "no setting of the unit: the program made it itself".to_owned(),
    };
    let summary = format!("{name} listens on {} in a network namespace of its own: {why}", rows.join(", "));
    let mut found = Found::new(name, summary)
        .seen(Evidence::new(
            "procfs",
            format!("LISTEN {} there", rows.join(", ")),
            format!("nsenter -t {pid} -n ss -ltn"),
        ))
        .seen(Evidence::new(
            "systemd",
            why,
            format!("systemctl show -p PrivateNetwork,NetworkNamespacePath,JoinsNamespaceOf {name_arg}"),
        ));
    if service.private_network || service.network_namespace.is_some() {
        found = found.fix(host_network(unit, service.network_namespace.is_some()));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::namespace::OtherNetwork;
    use crate::facts::socket::Transport;

    fn host(separate: bool) -> Host {
        let host = Host::refusing(80).running("nginx.service").claimed_by("nginx.service");
        host.listens_on(81, "0.0.0.0", "nginx.service", |l| l.cgroup = None).facts(|f| {
            let mut listeners = f.listeners[&(Transport::Tcp, 81)].value().cloned().unwrap();
            listeners[0].port = 80;
            let there = OtherNetwork { pid: 812, netns: 4_026_532_999, separate, listeners };
            f.other_networks.insert((812, Transport::Tcp, 80), Reading::known(there));
        })
    }

    #[test]
    fn a_listener_that_is_not_in_this_network() {
        let found = assert_culprit(&host(true).case(), "systemd-private-network").causes.remove(0);
        assert!(found.evidence[0].see.contains("nsenter -t 812 -n"), "{found:?}");
    }

    #[test]
    fn a_process_in_this_network_is_none() {
        assert_not_found(&host(false).case(), "systemd-private-network");
    }
}

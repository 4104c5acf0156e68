//! The container's port is published on loopback only.

use super::super::{Cause, Found, Words};
use super::common::{Mapping, anew, as_told, found, mapping, matters};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::publishing;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-published-on-loopback",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The container's port is published on loopback only",
        what: "The mapping names 127.0.0.1 (or ::1) in front of the port, or daemon.json has \"ip\": \"127.0.0.1\". The host \
               itself is served; everybody else is refused. That is often meant so: a proxy on the host, or nobody \
               outside, should come to it.",
        see: "docker ps\niptables -t nat -S DOCKER",
        fix: "publish it without the address (-p 8080:80), or with the address that clients use; or put a proxy in front",
        undo: "publish it with the old mapping",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if !matters(scene)? {
        return None;
    }
    let address = scene.subject.address()?;
    let all = publishing(scene.look, scene.subject)?;
    let up: Vec<_> = all.iter().filter(|m| m.container.is_up()).filter_map(|m| Some((m, m.published?))).collect();
    if up.is_empty() || !up.iter().all(|(_, p)| p.address.is_loopback() && !p.takes(address)) {
        return None;
    }
    let (meant, published) = *up.first()?;
    let name = &meant.container.name;
    let summary = format!("container {name} is published on {} only, not on {address}", published.address);
    let mut found = found(meant, summary);
    let settings = &meant.engine.settings;
    if let (Some(ip), Some(file)) = (&settings.ip, &settings.file) {
        found = found.seen(Evidence::new("config", format!("{file} says \"ip\": \"{ip}\""), format!("cat {file}")));
    }
    // What daemon.json says holds for mappings that name no address.
    let by_default = settings.ip.as_ref().is_some_and(|ip| ip.parse() == Ok(published.address));
    let wanted = mapping(published, by_default.then_some(address), published.inside);
    let change = Mapping { was: Some(as_told(published)), wanted };
    Some(found.advise(anew(meant.engine, meant.container, meant.near(scene.look), &change)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, on, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    fn host(at: &str) -> Host {
        let host = Host::with_outcome(8080, Outcome::Refused).listens(at, "docker.service", |_| ()).facts(|f| {
            for owner in f.owners.values_mut() {
                let mut value = owner.value().cloned().unwrap();
                value.processes[0].name = "docker-proxy".into();
                *owner = crate::facts::Reading::known(value);
            }
        });
        docker(host, vec![on(web(), at)])
    }

    #[test]
    fn on_loopback() {
        let told = assert_culprit(&host("127.0.0.1").case(), "ct-published-on-loopback");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "container web is published on 127.0.0.1 only, not on 10.2.0.2");
        assert!(found.advice[0].run.contains(" -p 8080:80 "), "{found:?}");
        assert!(told.causes.iter().all(|f| f.cause != "bind-loopback-only"), "docker-proxy is not to blame: {told:?}");
    }

    #[test]
    fn on_another_address() {
        assert_not_found(&host("10.2.0.3").case(), "ct-published-on-loopback");
        assert_not_found(&host("0.0.0.0").case(), "ct-published-on-loopback");
    }
}

//! A Kubernetes service has no pod behind it.

use super::super::{Cause, Found, Words};
use super::common::{blocked, leaving};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "k8s-service-no-endpoints",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable],
    words: Words {
        title: "The Kubernetes service has no endpoints",
        what: "kube-proxy rejects connections to a service that no ready pod stands behind: a wrong \
               selector, pods that are not ready, or none at all. The answer is a port-unreachable, so \
               clients see \"Connection refused\".",
        see: "kubectl get endpointslices -l kubernetes.io/service-name=NAME\niptables -nvL KUBE-SERVICES",
        fix: "make pods ready that the service's selector finds",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked =
        blocked(scene).or_else(|| leaving(scene)).filter(|b| b.answers() && b.place.chain.name.starts_with("KUBE-"))?;
    let comment = blocked.comment(scene).filter(|c| c.contains("has no endpoints"))?;
    let service = comment.split_whitespace().next().unwrap_or("the service");
    let summary = format!("{service} has no endpoints, so kube-proxy rejects it");
    let mut found = blocked.told(scene, summary);
    found.advice.clear();
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, jump, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn the_service_is_named_from_kube_proxys_comment() {
        let rules = vec![rule(&[dport(80), reject(RejectWith::Icmp(3))], 3)];
        let host = Host::with_outcome(80, Outcome::Refused)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("ip filter", "KUBE-EXTERNAL-SERVICES", None, rules)
            .comment("ip filter", "KUBE-EXTERNAL-SERVICES", "shop/web:http has no endpoints")
            .chain(
                "ip filter",
                "INPUT",
                base(Hook::Input, 0, Policy::Accept),
                vec![rule(&[jump("KUBE-EXTERNAL-SERVICES")], 3)],
            );
        let told = assert_culprit(&host.case(), "k8s-service-no-endpoints");
        assert!(told.culprit().unwrap().summary.starts_with("shop/web:http has no endpoints"), "{told:?}");
    }
}

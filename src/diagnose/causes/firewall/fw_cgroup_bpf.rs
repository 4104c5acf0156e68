//! A program attached to the control group forbids the connection.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Endpoint;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-cgroup-bpf",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Denied],
    words: Words {
        title: "A BPF program of the control group forbids it",
        what: "connect() itself fails with \"Operation not permitted\". No rule of a packet filter does that \
               to TCP: a BPF program attached to the control group does, as systemd's IPAddressDeny= and \
               some sandboxes and VPNs attach one.",
        see: "bpftool cgroup tree\nsystemctl show UNIT -p IPAddressDeny -p IPAddressAllow",
        fix: "allow the address in the unit that attaches it (IPAddressAllow=), or detach the program",
        undo: "take the line out again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let endpoint = scene.subject.endpoint()?;
    let dial = scene.look.dialled(&endpoint)?;
    let forbidden = matches!(endpoint, Endpoint::Tcp(_)) && dial.errno.as_deref() == Some("EPERM");
    if !forbidden || dial.icmp.is_some() {
        return None;
    }
    let says = format!("connect() to {endpoint} fails with EPERM, which no packet filter does to TCP");
    let summary = format!("a BPF program of this control group forbids connecting to {endpoint}");
    Some(Found::new("cgroup", summary).seen(Evidence::new("dial", says, "bpftool cgroup tree")))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;

    fn host(errno: &str) -> Host {
        Host::with_outcome(80, Outcome::Denied).listens("0.0.0.0", "nginx.service", |_| ()).facts(|f| {
            let dial = f.dials.values_mut().find(|d| d.value().is_some_and(|d| d.to.ip() == Some(OUTSIDE))).unwrap();
            let mut made = dial.value().cloned().unwrap();
            made.errno = Some(errno.into());
            *dial = Reading::known(made);
        })
    }

    #[test]
    fn eperm_of_connect_is_no_packet_filter() {
        assert_culprit(&host("EPERM").from(crate::target::From::Here).case(), "fw-cgroup-bpf");
        assert_not_found(&host("EACCES").case(), "fw-cgroup-bpf");
    }
}

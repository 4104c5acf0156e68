//! Packets of this client do not come to the sockets of the unit.

use super::super::{Cause, Found, Words};
use super::common::{set, unbarred};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::sandbox::{BarKind, Effect, bar, taking};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::fixes::Scope;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-ipaddress-deny",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Timeout],
    words: Words {
        title: "systemd keeps this client's packets from the service",
        what: "IPAddressDeny= of the unit or of its slice names the client, and IPAddressAllow= does not. The service runs \
               and listens, no rule of the packet filter is in the way, and yet nothing answers: a BPF program of the \
               control group drops the packets, this host's own too. A kernel without BPF and most containers leave the \
               setting without effect.",
        see: "systemctl show -p IPAddressDeny,IPAddressAllow UNIT\nsystemctl show -p IPAddressDeny system.slice\nbpftool \
              cgroup tree",
        fix: "a drop-in with IPAddressAllow=CLIENT, which wins over the denial; it holds once the unit is restarted",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let endpoint = scene.subject.endpoint()?;
    let dial = scene.look.dialled(&endpoint)?;
    let bar =
        bar(scene.look, scene.subject, dial).filter(|bar| bar.kind == BarKind::Address && bar.effect == Effect::Yes)?;
    let unit = taking(scene.look, scene.subject)?;
    let who = match scene.subject.from {
        Asker::Any => "other hosts".to_owned(),
        Asker::Here => "this host".to_owned(),
        Asker::Address(address) => address.to_string(),
    };
    let of = if bar.by == unit.name { String::new() } else { format!(" of {}", bar.by) };
    let summary = format!("{} does not get packets of {who}: {}{of}", unit.name, bar.setting);
    let mut found = Found::new(bar.by, summary).seen(set(bar.by, &bar.setting));
    if dial.outcome == Outcome::Timeout {
        let says = format!("{endpoint} gives this host no answer either, although {} listens there", unit.name);
        found = found.seen(Evidence::new("dial", says, "bpftool cgroup tree"));
    }
    let allowed = match scene.subject.from {
        Asker::Address(address) => Some(address),
        Asker::Here => dial.source.map(|at| at.ip()),
        Asker::Any => None,
    };
    if let Some(address) = allowed {
        let (title, line) =
            (format!("let {} get packets of {address}", unit.name), format!("IPAddressAllow={address}"));
        let plan = unbarred(unit, &bar, "allow-address", title, &line);
        found = found.fix(plan.scope(Scope::Client));
    }
    let title = format!("let {} get packets of everybody", unit.name);
    found = found.fix(unbarred(unit, &bar, "allow-every-address", title, "IPAddressAllow=any"));
    let look =
        Advice::new("see what else is denied there", format!("systemctl cat {}", crate::text::arg(bar.by)), None);
    Some(found.advise(look))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::sandbox::{Network, Sandbox};
    use crate::target::From;

    const ID: &str = "systemd-ipaddress-deny";

    fn net(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap();
        Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    /// nginx in system.slice, denied these networks and allowed those, and what this host's own attempt gets.
    fn host(own: Outcome, deny: &[&str], allow: &[&str]) -> Host {
        let sandbox = Sandbox {
            address_deny: deny.iter().map(|n| net(n)).collect(),
            address_allow: allow.iter().map(|n| net(n)).collect(),
            slice: "system.slice".into(),
            ..Sandbox::default()
        };
        Host::with_outcome(80, own)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .running("nginx.service")
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(sandbox)))
            .unit("system.slice", |u| u.sandbox = Some(Box::default()))
            .facts(|f| {
                for dial in f.dials.values_mut() {
                    let mut made = dial.value().cloned().unwrap();
                    made.source = Some((OUTSIDE, 40_000).into());
                    *dial = Reading::known(made);
                }
            })
    }

    const ALL: [&str; 2] = ["0.0.0.0/0", "::/0"];

    #[test]
    fn everybody_is_denied_this_host_too() {
        let told = assert_culprit(&host(Outcome::Timeout, &ALL, &["127.0.0.0/8"]).case(), ID);
        let summary = "nginx.service does not get packets of other hosts: IPAddressDeny=0.0.0.0/0";
        assert_eq!(told.culprit().unwrap().summary, summary);
        assert_eq!(told.outcome, Some(Outcome::Timeout));
    }

    #[test]
    fn everybody_but_this_host_is_denied() {
        let told = assert_culprit(&host(Outcome::Open, &ALL, &["10.2.0.2/32"]).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        let other: IpAddr = "10.1.0.2".parse().unwrap();
        let one = host(Outcome::Open, &["10.1.0.0/16"], &[]);
        assert_culprit(&one.from(From::Address(other)).case(), ID);
        let rest = host(Outcome::Open, &["10.1.0.0/16"], &[]).case();
        assert_eq!(diagnose(&rest).outcome, Some(Outcome::Open));
    }

    #[test]
    fn a_setting_of_the_slice_counts() {
        let case = host(Outcome::Timeout, &[], &[]).unit("system.slice", |u| {
            u.sandbox = Some(Box::new(Sandbox { address_deny: vec![net("0.0.0.0/0")], ..Sandbox::default() }));
        });
        let told = assert_culprit(&case.case(), ID);
        assert!(told.culprit().unwrap().summary.ends_with("IPAddressDeny=0.0.0.0/0 of system.slice"));
    }

    #[test]
    fn a_setting_without_effect_is_not_in_the_way_and_one_that_cannot_be_told_says_so() {
        let case = host(Outcome::Open, &ALL, &[]).case();
        assert_not_found(&case, ID);
        let told = diagnose(&case);
        assert_eq!(told.outcome, Some(Outcome::Open));
        let policy = told.get(BoxId::Policy).unwrap();
        assert!(policy.evidence.iter().any(|e| e.says.contains("has no effect here")), "{policy:?}");
        let contained = host(Outcome::Open, &ALL, &["10.2.0.2/32"]).facts(|f| {
            let mut me = f.host.value().cloned().unwrap();
            me.container = Some("systemd-nspawn".into());
            f.host = Reading::known(me);
        });
        let told = diagnose(&contained.case());
        assert_eq!((told.outcome, told.culprit), (Some(Outcome::Open), None));
        let policy = told.get(BoxId::Policy).unwrap();
        assert_eq!(policy.verdict, Verdict::Unknown);
        assert!(policy.summary.contains("cannot be told"), "{policy:?}");
    }
}

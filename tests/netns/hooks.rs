//! What is hooked into the packet's way, on kernels that tell it.

use unrefuse::facts::ruleset::{Family, Hook, Hooked};
use unrefuse::sources::netlink::hooks;

use super::space::{Outcome, run, wire};

const RULES: &str = "
    add table inet one
    add chain inet one first { type filter hook input priority 0; }
    add table ip two
    add chain ip two second { type filter hook input priority 0; }
    add chain ip two raw { type filter hook input priority -5; }
    add table netdev three
    add chain netdev three early { type filter hook ingress device wan0 priority 0; }
";

pub(crate) fn in_order() -> Outcome {
    wire("wan0", "far0")?;
    run("nft", &[RULES])?;
    run("iptables-legacy", &["-A", "INPUT", "-j", "ACCEPT"])?;
    run("iptables-legacy", &["-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT"])?;
    let Some(all) = hooks::hooks().map_err(|e| format!("{e:?}"))? else {
        eprintln!("not compared: this kernel does not tell its hooks");
        return Ok(());
    };
    let input: Vec<&Hooked> = all.iter().filter(|h| (h.family, h.hook) == (Family::Ip, Hook::Input)).collect();
    assert!(input.is_sorted_by_key(|h| h.priority), "{input:?}");
    let chains: Vec<&str> = input.iter().filter_map(|h| h.chain.as_ref()).map(|c| c.name.as_str()).collect();
    assert_eq!(chains, ["raw", "first", "second"], "of the same priority the earlier one comes first");
    assert!(input.iter().any(|h| h.function.starts_with("ipt")), "{input:?}");
    assert!(all.iter().any(|h| h.function.starts_with("ipv4_conntrack_in")), "{all:?}");
    let early: Vec<_> =
        all.iter().filter(|h| h.family == Family::Netdev).map(|h| (h.device.as_deref(), h.hook)).collect();
    assert_eq!(early, [(Some("wan0"), Hook::Ingress)]);
    Ok(())
}

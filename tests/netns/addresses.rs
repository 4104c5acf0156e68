//! Addresses and the default route, beside what ip says.

use std::sync::mpsc::TryRecvError;

use libtest_mimic::Failed;
use serde_json::Value;
use unrefuse::facts::host::Addresses;
use unrefuse::sources::netlink::route;

use super::space::{Outcome, run, wire};

type Row = (String, String, u64, bool);

fn ours() -> Result<Addresses, Failed> {
    Ok(route::addresses().map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

/// `ip -j addr` as address, interface, index, up.
fn ips(family: &str) -> Result<Vec<Row>, Failed> {
    let links: Value = serde_json::from_str(&run("ip", &["-j", family, "addr"])?)?;
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for link in list(Some(&links)) {
        let up = list(link.get("flags")).iter().any(|flag| flag == "UP");
        for address in list(link.get("addr_info")) {
            let index = link.get("ifindex").and_then(Value::as_u64).unwrap_or_default();
            rows.push((text(address.get("local")), text(link.get("ifname")), index, up));
        }
    }
    Ok(rows)
}

pub(crate) fn as_ip() -> Outcome {
    wire("wan0", "far0")?;
    wire("vpn0", "far1")?;
    for (address, device) in [("10.2.0.2/24", "wan0"), ("10.2.0.3/24", "wan0"), ("169.254.7.7/16", "far0")] {
        run("ip", &["addr", "add", address, "dev", device])?;
    }
    run("ip", &["addr", "add", "10.9.0.1", "peer", "10.9.0.2", "dev", "vpn0"])?;
    run("ip", &["addr", "add", "fd00::2/64", "dev", "wan0", "nodad"])?;
    run("ip", &["addr", "add", "fd00::8", "peer", "fd00::9", "dev", "vpn0", "nodad"])?;
    run("ip", &["link", "set", "far1", "down"])?;
    run("ip", &["addr", "add", "192.168.50.1/24", "dev", "far1"])?;
    let ours = ours()?.all;
    for (family, v4) in [("-4", true), ("-6", false)] {
        let mine: Vec<Row> = ours
            .iter()
            .filter(|a| a.address.is_ipv4() == v4)
            .map(|a| (a.address.to_string(), a.interface.clone(), a.ifindex.into(), a.up))
            .collect();
        let expected = ips(family)?;
        assert!(expected.len() >= 4, "{expected:?}");
        assert_eq!(mine, expected, "in the kernel's order");
    }
    let local: Vec<&str> = ours.iter().filter(|a| a.link_local).map(|a| a.interface.as_str()).collect();
    assert!(local.contains(&"far0") && !local.contains(&"lo"), "{local:?}");
    assert!(ours.iter().any(|a| a.interface == "far1" && !a.up), "{ours:?}");
    assert_eq!(self::ours()?.primary().to_string(), "10.2.0.2");
    Ok(())
}

pub(crate) fn default_route() -> Outcome {
    wire("wan0", "far0")?;
    wire("wan1", "far1")?;
    run("ip", &["addr", "add", "10.2.0.2/24", "dev", "wan0"])?;
    run("ip", &["addr", "add", "10.3.0.2/24", "dev", "wan1"])?;
    let steps: [(&[&str], Option<&str>); 7] = [
        (&["route", "add", "0.0.0.0/1", "dev", "wan0"], None),
        (&["route", "add", "default", "dev", "wan0", "table", "100"], None),
        (&["route", "add", "default", "via", "10.2.0.1", "metric", "100"], Some("wan0")),
        (&["route", "add", "default", "via", "10.3.0.1", "metric", "50"], Some("wan1")),
        (&["route", "add", "unreachable", "default", "metric", "10"], Some("wan1")),
        (&["route", "del", "default", "via", "10.3.0.1", "metric", "50"], Some("wan0")),
        (
            &["route", "add", "default", "metric", "7", "nexthop", "via", "10.3.0.1", "nexthop", "via", "10.2.0.1"],
            Some("wan1"),
        ),
    ];
    for (step, expected) in steps {
        run("ip", step)?;
        assert_eq!(ours()?.default_interface.as_deref(), expected, "after ip {step:?}");
    }
    assert_eq!(ours()?.primary().to_string(), "10.3.0.2");
    // As many routes as a dump needs several buffers for, all beyond the default.
    let many: Vec<String> =
        (0..5000).map(|i| format!("route add 198.{}.{}.0/24 dev wan0", 18 + i / 256, i % 256)).collect();
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), many.join("\n"))?;
    run("ip", &["-batch", &file.path().to_string_lossy()])?;
    assert_eq!(ours()?.default_interface.as_deref(), Some("wan1"));
    Ok(())
}

/// The list is read in several pieces. An address that goes meanwhile makes the kernel skip another one; it says so, and
/// the list has to be read again.
pub(crate) fn while_changing() -> Outcome {
    wire("wan0", "far0")?;
    let batch = |verb: &str, network: u32, count: u32, scope: &str| -> Outcome {
        let lines = (0..count)
            .map(|i| format!("addr {verb} 10.{network}.{}.{}/32 scope {scope} dev wan0", i >> 8, i & 255))
            .collect::<Vec<_>>();
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), lines.join("\n"))?;
        run("ip", &["-batch", &file.path().to_string_lossy()])?;
        Ok(())
    };
    batch("add", 2, 1500, "global")?;
    let (done, stop) = std::sync::mpsc::channel::<()>();
    let (mut whole, mut given_up) = (0, 0);
    std::thread::scope(|scope| {
        let done = done; // dropped when this ends in whatever way, which ends the other thread
        // A thread made here lives in the same namespace. Addresses of the link stand before the others.
        let churn = scope.spawn(move || {
            let mut rounds = 0;
            while stop.try_recv() == Err(TryRecvError::Empty) {
                batch("add", 1, 20, "link")?;
                batch("del", 1, 20, "link")?;
                rounds += 1;
            }
            Ok::<u32, Failed>(rounds)
        });
        for _ in 0..40 {
            match route::addresses() {
                Ok(Some(told)) => {
                    let stable = told.all.iter().filter(|a| a.address.to_string().starts_with("10.2.")).count();
                    assert_eq!(stable, 1500);
                    whole += 1;
                }
                Ok(None) => return Err("none".into()),
                Err(_) => given_up += 1,
            }
        }
        drop(done);
        let rounds = churn.join().map_err(|_| "changing addresses broke off")??;
        eprintln!("read {whole} times, given up {given_up} times, while addresses changed {} times", rounds * 40);
        assert!(whole > 0 && rounds > 1, "{whole} {rounds}");
        Ok(())
    })
}

pub(crate) fn empty() -> Outcome {
    run("ip", &["link", "set", "lo", "down"])?;
    run("ip", &["addr", "flush", "dev", "lo"])?;
    let ours = ours()?;
    assert_eq!(ours, Addresses::default());
    assert_eq!(ours.primary().to_string(), "127.0.0.1");
    Ok(())
}

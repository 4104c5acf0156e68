//! Interfaces and the ways to addresses, beside what ip says.

use std::net::IpAddr;

use libtest_mimic::Failed;
use serde_json::Value;
use unrefuse::facts::route::{Link, Route, RouteKey, RouteKind};
use unrefuse::sources::netlink::{links as source, lookup};

use super::space::{Outcome, run, wire};

fn ours() -> Result<Vec<Link>, Failed> {
    Ok(source::links().map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

fn key(to: &str, from: Option<&str>, input: Option<&str>, mark: u32) -> Result<RouteKey, Failed> {
    let from: Option<IpAddr> = from.map(str::parse).transpose()?;
    Ok(RouteKey { to: to.parse()?, from, input: input.map(str::to_owned), mark })
}

fn way(to: &str, from: Option<&str>, input: Option<&str>, mark: u32) -> Result<Route, Failed> {
    let key = key(to, from, input, mark)?;
    Ok(lookup::route(&key).map_err(|e| format!("{key:?}: {e:?}"))?.ok_or("none")?)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

pub(crate) fn links() -> Outcome {
    wire("wan0", "far0")?;
    for args in [
        &["link", "add", "br0", "type", "bridge"][..],
        &["link", "set", "far0", "master", "br0"],
        &["link", "set", "wan0", "group", "42"],
        &["link", "set", "wan0", "down"],
    ] {
        run("ip", args)?;
    }
    let told: Value = serde_json::from_str(&run("ip", &["-j", "-d", "link"])?)?;
    let told = told.as_array().ok_or("a list")?;
    let ours = ours()?;
    assert_eq!(ours.len(), told.len());
    for (link, other) in ours.iter().zip(told) {
        assert_eq!(Some(u64::from(link.index)), other.get("ifindex").and_then(Value::as_u64));
        assert_eq!(Some(link.name.as_str()), text(other, "ifname"));
        assert_eq!(link.kind.as_deref(), other.get("linkinfo").and_then(|i| text(i, "info_kind")), "{}", link.name);
        let up = other.get("flags").and_then(Value::as_array).is_some_and(|f| f.iter().any(|f| f == "UP"));
        assert_eq!(link.up, up, "{}", link.name);
        let master = ours.iter().find(|l| Some(l.index) == link.master).map(|l| l.name.as_str());
        assert_eq!(master, text(other, "master"));
        let group = if link.group == 0 { "default".into() } else { link.group.to_string() };
        assert_eq!(Some(group.as_str()), text(other, "group"));
        assert_eq!((link.hardware == 772, link.hardware == 1), (link.name == "lo", link.name != "lo"));
        assert!(link.xdp.is_none() && link.tc.is_empty());
    }
    Ok(())
}

pub(crate) fn classifiers() -> Outcome {
    wire("wan0", "far0")?;
    wire("wan1", "far1")?;
    for args in [
        &["qdisc", "add", "dev", "wan0", "clsact"][..],
        &["qdisc", "add", "dev", "wan1", "ingress"],
        &["qdisc", "add", "dev", "far0", "clsact"],
        &[
            "filter", "add", "dev", "wan1", "ingress", "protocol", "ip", "u32", "match", "u32", "0", "0", "classid",
            "1:1",
        ],
        &[
            "filter", "add", "dev", "wan0", "egress", "protocol", "ip", "u32", "match", "u32", "0", "0", "classid",
            "1:1",
        ],
        &["filter", "add", "dev", "wan0", "ingress", "bpf", "da", "bytecode", "1,6 0 0 4294967295"],
    ] {
        run("tc", args)?;
    }
    let found: Vec<(String, Vec<String>)> =
        ours()?.into_iter().filter(|l| !l.tc.is_empty()).map(|l| (l.name, l.tc)).collect();
    let mut expected = vec![
        ("wan0".to_owned(), vec!["bpf".to_owned(), "u32".to_owned()]),
        ("wan1".to_owned(), vec!["u32".to_owned()]),
    ];
    let mut found = found;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    Ok(())
}

fn two_networks() -> Outcome {
    wire("wan0", "far0")?;
    wire("wan1", "far1")?;
    for args in [
        &["addr", "add", "10.2.0.2/24", "dev", "wan0"][..],
        &["addr", "add", "10.2.0.3/24", "dev", "wan0"],
        &["addr", "add", "10.3.0.2/24", "dev", "wan1"],
        &["addr", "add", "fd00:2::2/64", "dev", "wan0", "nodad"],
        &["route", "add", "default", "via", "10.2.0.1"],
        &["-6", "route", "add", "default", "via", "fd00:2::1"],
        &["route", "add", "default", "via", "10.3.0.1", "table", "700"],
        &["rule", "add", "fwmark", "0x7", "table", "700"],
        &["rule", "add", "from", "10.2.0.3", "table", "700"],
    ] {
        run("ip", args)?;
    }
    Ok(())
}

/// `ip -j route get` as kind, interface, gateway, source, table.
fn told(args: &[&str]) -> Result<Route, Failed> {
    let all: Vec<&str> = ["-j", "-d", "route", "get"].iter().chain(args).copied().collect();
    let answer: Value = serde_json::from_str(&run("ip", &all)?)?;
    let row = answer.get(0).ok_or("a route")?;
    let kind = match text(row, "type") {
        Some("local") => RouteKind::Local,
        Some("broadcast") => RouteKind::Broadcast,
        Some("multicast") => RouteKind::Multicast,
        _ => RouteKind::Unicast,
    };
    let table = match text(row, "table") {
        Some("local") => 255,
        Some(number) => number.parse().unwrap_or(254),
        None => 254,
    };
    let address = |name: &str| text(row, name).map(str::parse).transpose();
    Ok(Route {
        kind,
        interface: text(row, "dev").map(str::to_owned),
        gateway: address("gateway")?,
        source: address("prefsrc")?,
        table,
    })
}

pub(crate) fn routes() -> Outcome {
    two_networks()?;
    for to in [
        "10.2.0.9",
        "10.3.0.9",
        "8.8.8.8",
        "10.2.0.2",
        "127.0.0.9",
        "10.2.0.255",
        "224.0.0.1",
        "fd00:2::9",
        "fd00:9::1",
        "::1",
    ] {
        assert_eq!(way(to, None, None, 0)?, told(&[to])?, "to {to}");
    }
    assert_eq!(way("8.8.8.8", None, None, 7)?, told(&["8.8.8.8", "mark", "7"])?);
    assert_eq!(way("8.8.8.8", None, None, 7)?.table, 700);
    let from = way("8.8.8.8", Some("10.2.0.3"), None, 0)?;
    assert_eq!((from.interface.as_deref(), from.table), (Some("wan1"), 700));
    let stranger = lookup::route(&key("8.8.8.8", Some("10.99.0.1"), None, 0)?);
    assert!(stranger.is_err(), "a source that is not ours is no black hole: {stranger:?}");
    let gone = lookup::route(&key("8.8.8.8", Some("10.2.0.9"), Some("eth77"), 0)?);
    assert_eq!(gone, Ok(None));
    Ok(())
}

pub(crate) fn nowhere() -> Outcome {
    two_networks()?;
    for (verb, last) in [("blackhole", 1), ("unreachable", 2), ("prohibit", 3), ("throw", 4)] {
        run("ip", &["route", "add", verb, &format!("10.66.0.{last}")])?;
        run("ip", &["-6", "route", "add", verb, &format!("fd00:66::{last}")])?;
    }
    run("ip", &["route", "del", "default"])?;
    run("ip", &["-6", "route", "del", "default"])?;
    let kinds = [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::NoRoute];
    for (last, kind) in (1..).zip(kinds) {
        for to in [format!("10.66.0.{last}"), format!("fd00:66::{last}")] {
            assert_eq!(way(&to, None, None, 0)?.kind, kind, "{to}");
        }
    }
    assert_eq!(way("10.66.0.1", Some("10.2.0.2"), None, 0)?.kind, RouteKind::Blackhole);
    assert_eq!(way("8.8.8.8", None, None, 0)?.kind, RouteKind::NoRoute);
    Ok(())
}

pub(crate) fn input() -> Outcome {
    two_networks()?;
    run("ip", &["route", "add", "blackhole", "10.66.0.1"])?;
    let from = Some("10.2.0.9");
    assert_eq!(way("10.2.0.2", from, Some("wan0"), 0)?.kind, RouteKind::Local);
    assert_eq!(way("10.3.0.9", from, Some("wan0"), 0)?.kind, RouteKind::Unreachable, "nothing is forwarded");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    let through = way("10.3.0.9", from, Some("wan0"), 0)?;
    assert_eq!((through.kind, through.interface.as_deref()), (RouteKind::Unicast, Some("wan1")));
    assert_eq!(way("10.66.0.1", from, Some("wan0"), 0)?.kind, RouteKind::Blackhole);
    assert_eq!(way("10.2.0.2", Some("127.0.0.5"), Some("wan0"), 0)?.kind, RouteKind::Martian);
    for file in ["all", "wan0", "wan1"] {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{file}/rp_filter"), "1")?;
    }
    assert_eq!(way("10.2.0.2", from, Some("wan1"), 0)?.kind, RouteKind::Martian, "the source is behind wan0");
    assert!(lookup::route(&key("10.2.0.2", None, Some("wan0"), 0)?).is_err());
    Ok(())
}

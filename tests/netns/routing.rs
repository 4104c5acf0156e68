//! Policy rules, routes that refuse and neighbours, beside what ip says.

use std::net::{IpAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use unrefuse::facts::route::RouteKind;
use unrefuse::facts::routing::{NeighbourState, RefusingRoute, Routing, RoutingRule};
use unrefuse::sources::netlink::{neighbour, rules};

use super::space::{Outcome, run, wire};

fn ours() -> Result<Routing, Failed> {
    Ok(rules::routing().map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

/// What is made by `ip rule add WORDS` is read as these words, and so is what is made from those.
pub(crate) fn rules_as_ip() -> Outcome {
    let usual = ours()?;
    let words: Vec<String> = usual.rules.iter().filter(|rule| !rule.v6).map(RoutingRule::words).collect();
    assert_eq!(
        words,
        ["0 local", "32766 main", "32767 default"].map(|rule| {
            let (priority, table) = rule.split_once(' ').unwrap_or_default();
            format!("priority {priority} from all lookup {table}")
        })
    );
    for (family, rule) in [
        ("-4", "priority 90 from all to 203.0.113.0/24 prohibit"),
        ("-4", "priority 91 from 10.1.0.0/16 fwmark 0x7 lookup 100"),
        ("-4", "priority 92 not from all fwmark 0x1/0xff iif lo unreachable"),
        ("-4", "priority 93 from all uidrange 0-99 ipproto tcp dport 25-26 blackhole"),
        ("-4", "priority 94 from all oif lo goto 32767"),
        ("-4", "priority 95 from all nop"),
        ("-6", "priority 96 from all to 2001:db8::/32 unreachable"),
    ] {
        let words: Vec<&str> = ["rule", "add"].into_iter().chain(rule.split(' ')).collect();
        run("ip", &[&[family], words.as_slice()].concat())?;
        let read = ours()?.rules.into_iter().find(|r| r.words() == rule);
        let read = read.ok_or_else(|| format!("{rule} is not among {:?}", ours().map(|r| r.rules)))?;
        assert_eq!((read.v6, read.other, read.vrf), (family == "-6", false, false));
        // What it says takes it away, and makes it again.
        for verb in ["del", "add"] {
            let words = read.words();
            let words: Vec<&str> = ["rule", verb].into_iter().chain(words.split(' ')).collect();
            run("ip", &[&[family], words.as_slice()].concat())?;
        }
    }
    run("ip", &["rule", "add", "priority", "97", "sport", "99", "prohibit"])?;
    assert!(ours()?.rules.iter().any(|rule| rule.priority == 97 && rule.other), "a condition nobody follows");
    Ok(())
}

/// Of all routes, those that refuse.
pub(crate) fn refusing_as_ip() -> Outcome {
    wire("wan0", "far0")?;
    run("ip", &["address", "add", "192.0.2.1/24", "dev", "wan0"])?;
    run("ip", &["route", "add", "default", "via", "192.0.2.2"])?;
    for (family, route) in [
        ("-4", "unreachable 203.0.113.0/24"),
        ("-4", "prohibit 203.0.113.9/32 table 100 metric 7"),
        ("-4", "blackhole 198.51.100.0/25"),
        ("-4", "throw 0.0.0.0/0 table 1000"),
        ("-6", "unreachable 2001:db8::/32 metric 1024"),
    ] {
        let words: Vec<&str> = ["route", "add"].into_iter().chain(route.split(' ')).collect();
        run("ip", &[&[family], words.as_slice()].concat())?;
    }
    let read: Vec<String> = ours()?.refusing.iter().map(RefusingRoute::words).collect();
    assert_eq!(
        read,
        [
            "blackhole 198.51.100.0/25",
            "unreachable 203.0.113.0/24",
            "prohibit 203.0.113.9/32 table 100 metric 7",
            "throw 0.0.0.0/0 table 1000",
            "unreachable 2001:db8::/32 metric 1024",
        ]
    );
    assert!(ours()?.refusing.iter().all(|route| route.kind != RouteKind::Unicast));
    Ok(())
}

/// A host that is there, one that is not, and one that nobody asked for.
pub(crate) fn neighbours() -> Outcome {
    wire("wan0", "far0")?;
    run("ip", &["address", "add", "192.0.2.1/24", "dev", "wan0"])?;
    run("ip", &["neighbour", "add", "192.0.2.7", "lladdr", "02:00:00:00:00:07", "dev", "wan0"])?;
    let state = |ip: [u8; 4]| neighbour::state(IpAddr::from(ip), "wan0").map_err(|e| format!("{e:?}"));
    assert_eq!(state([192, 0, 2, 7])?, Some(NeighbourState::Fixed));
    assert_eq!(state([192, 0, 2, 8])?, None);
    UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", "192.0.2.9:9")?;
    assert_eq!(state([192, 0, 2, 9])?, Some(NeighbourState::Incomplete));
    let until = Instant::now() + Duration::from_secs(10);
    while state([192, 0, 2, 9])? != Some(NeighbourState::Failed) {
        assert!(Instant::now() < until, "still {:?}", state([192, 0, 2, 9])?);
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

//! The elements of sets: listed, or asked for one by one.

use std::fmt::Write as _;
use std::time::Instant;

use libtest_mimic::Failed;
use unrefuse::facts::ruleset::expr::Expr;
use unrefuse::facts::ruleset::expr::Verdict;
use unrefuse::facts::ruleset::{Backend, Element, Elements, Family, Leads, SetId, TableId};
use unrefuse::sources::netlink::nftables;

use super::rules::load;
use super::space::{Outcome, run, wire};

fn id(family: Family, table: &str, name: &str) -> SetId {
    let table = TableId { backend: Backend::Nftables, family, name: table.into() };
    SetId { table, name: name.into() }
}

fn both(name: &str) -> SetId {
    id(Family::Inet, "both", name)
}

fn four(name: &str) -> SetId {
    id(Family::Ip, "four", name)
}

fn listed(of: &SetId) -> Result<Elements, Failed> {
    let mut all = nftables::elements(of).map_err(|e| format!("{e:?}"))?.ok_or("no such set")?;
    all.elements.sort_by(|a, b| a.from.cmp(&b.from));
    assert!(!all.more && all.generation > 0, "{all:?}");
    Ok(all)
}

fn member(of: &SetId, key: &[u8]) -> Result<Option<Element>, Failed> {
    Ok(nftables::member(of, key).map_err(|e| format!("{e:?}"))?)
}

/// From and to of each element.
fn keys(of: &Elements) -> Vec<(&[u8], &[u8])> {
    of.elements.iter().map(|e| (e.from.as_slice(), e.to.as_slice())).collect()
}

/// First and last key of an element.
type Keys = (Vec<u8>, Vec<u8>);
type Range = (&'static [u8], &'static [u8]);

const EVERY: Range = (&[0, 0, 0, 0], &[255, 255, 255, 255]);
const TEN: Range = (&[10, 0, 0, 0], &[10, 255, 255, 255]);

pub(crate) fn listing() -> Outcome {
    wire("d0", "d1")?;
    load(include_str!("kinds.nft"))?;
    let one: Range = (&[10, 0, 0, 1], &[10, 0, 0, 1]);
    let two: Range = (&[10, 0, 0, 2], &[10, 0, 0, 2]);
    let cases: &[(SetId, &[Range])] = &[
        (four("hosts"), &[one, two]),
        (four("nets"), &[(&[10, 1, 0, 0], &[10, 1, 255, 255]), (&[10, 2, 0, 5], &[10, 2, 0, 9])]),
        (four("meter4"), &[]),
        (four("__set0"), &[(&[0, 22], &[0, 22]), (&[0, 80], &[0, 90])]),
        (four("__set1"), &[(&[6], &[6]), (&[17], &[17])]),
        (both("every"), &[EVERY]),
        (both("top"), &[TEN, (&[224, 0, 0, 0], &[255, 255, 255, 255])]),
        (both("mixed"), &[(&[10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0], &[10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0])]),
        (
            both("pairs"),
            &[
                (&[10, 0, 0, 0, 0, 80, 0, 0], &[10, 255, 255, 255, 0, 90, 0, 0]),
                (&[192, 0, 2, 1, 0, 22, 0, 0], &[192, 0, 2, 1, 0, 22, 0, 0]),
            ],
        ),
    ];
    for (set, expected) in cases {
        assert_eq!(keys(&listed(set)?), *expected, "{}", set.name);
    }
    assert_eq!(nftables::elements(&both("gone")).map_err(|e| format!("{e:?}"))?, None);
    maps()
}

fn maps() -> Outcome {
    let leads = |all: &Elements| -> Vec<Option<Leads>> { all.elements.iter().map(|e| e.leads_to.clone()).collect() };
    let verdict = |v| Some(Leads::Verdict(v));
    let ways = listed(&four("ways"))?;
    assert_eq!(keys(&ways), [22, 23, 24].map(|p| ([0, p], [0, p])).each_ref().map(|(a, b)| (&a[..], &b[..])));
    assert_eq!(leads(&ways), [verdict(Verdict::Accept), verdict(Verdict::Drop), verdict(Verdict::Jump("sub".into()))]);
    assert_eq!(leads(&listed(&four("ports"))?), [Some(Leads::Data(vec![10, 0, 0, 9, 31, 144, 0, 0]))]);
    assert_eq!(leads(&listed(&four("objs"))?), [Some(Leads::Object("hits".into()))]);
    let star = listed(&both("star"))?;
    assert_eq!((keys(&star), leads(&star)), (vec![TEN], vec![verdict(Verdict::Accept)]));
    let rest = star.catchall.ok_or("no catch-all")?;
    assert_eq!(((&*rest.from, &*rest.to), rest.leads_to), (EVERY, verdict(Verdict::Drop)));
    let counted = listed(&both("counted"))?.elements;
    let counters: Vec<_> = counted.iter().map(|e| (e.exprs.as_slice(), e.comment.as_deref())).collect();
    let (one, none) = (Expr::Counter { packets: 1, bytes: 60 }, Expr::Counter { packets: 0, bytes: 0 });
    assert_eq!(counters, [([one].as_slice(), Some("first")), ([none].as_slice(), None)]);
    let timed = listed(&both("timed"))?.elements;
    let left = timed.first().and_then(|e| e.expires_ms).ok_or("no end")?;
    assert!((1_700_000..=1_800_000).contains(&left), "{left}");
    Ok(())
}

pub(crate) fn membership() -> Outcome {
    wire("d0", "d1")?;
    load(include_str!("kinds.nft"))?;
    load(
        "add table ip m { map next { type ipv4_addr : verdict; flags interval; \
         elements = { 10.0.0.0-10.0.0.9 : accept, 10.0.0.10-10.0.0.19 : drop } }; }",
    )?;
    let next = id(Family::Ip, "m", "next");
    let pair = |a: [u8; 4], port: u8| [&a[..], &[0, port, 0, 0]].concat();
    let cases: Vec<(SetId, Vec<u8>, Option<Keys>)> = vec![
        (four("hosts"), vec![10, 0, 0, 2], Some((vec![10, 0, 0, 2], vec![10, 0, 0, 2]))),
        (four("hosts"), vec![10, 0, 0, 3], None),
        (four("nets"), vec![10, 1, 0, 0], Some((vec![10, 1, 0, 0], vec![10, 1, 255, 255]))),
        (four("nets"), vec![10, 1, 7, 7], Some((vec![10, 1, 0, 0], vec![10, 1, 255, 255]))),
        (four("nets"), vec![10, 1, 255, 255], Some((vec![10, 1, 0, 0], vec![10, 1, 255, 255]))),
        (four("nets"), vec![10, 2, 0, 0], None),
        (four("nets"), vec![10, 0, 255, 255], None),
        (four("nets"), vec![10, 2, 0, 10], None),
        (four("nets"), vec![255, 255, 255, 255], None),
        (four("__set0"), vec![0, 85], Some((vec![0, 80], vec![0, 90]))),
        (four("__set0"), vec![0, 22], Some((vec![0, 22], vec![0, 22]))),
        (four("__set1"), vec![17], Some((vec![17], vec![17]))),
        (four("__set1"), vec![18], None),
        (both("every"), vec![0, 0, 0, 0], Some((EVERY.0.to_vec(), EVERY.1.to_vec()))),
        (both("every"), vec![255, 255, 255, 255], Some((EVERY.0.to_vec(), EVERY.1.to_vec()))),
        (both("top"), vec![230, 0, 0, 1], Some((vec![224, 0, 0, 0], vec![255, 255, 255, 255]))),
        (both("top"), vec![223, 255, 255, 255], None),
        (both("pairs"), pair([10, 7, 7, 7], 85), Some((pair([10, 0, 0, 0], 80), pair([10, 255, 255, 255], 90)))),
        (both("pairs"), pair([10, 7, 7, 7], 91), None),
        (both("star"), vec![10, 3, 3, 3], Some((TEN.0.to_vec(), TEN.1.to_vec()))),
        (both("star"), vec![11, 0, 0, 0], Some((EVERY.0.to_vec(), EVERY.1.to_vec()))),
        (both("gone"), vec![1], None),
        (next.clone(), vec![10, 0, 0, 15], Some((vec![10, 0, 0, 10], vec![10, 0, 0, 19]))),
        (next.clone(), vec![10, 0, 0, 20], None),
    ];
    for (set, key, expected) in cases {
        let found = member(&set, &key)?.map(|e| (e.from, e.to));
        assert_eq!(found, expected, "{} {key:?}", set.name);
    }
    let verdict = |set: &SetId, key: &[u8]| Ok::<_, Failed>(member(set, key)?.and_then(|e| e.leads_to));
    assert_eq!(verdict(&next, &[10, 0, 0, 9])?, Some(Leads::Verdict(Verdict::Accept)));
    assert_eq!(verdict(&next, &[10, 0, 0, 10])?, Some(Leads::Verdict(Verdict::Drop)));
    assert_eq!(verdict(&both("star"), &[9, 9, 9, 9])?, Some(Leads::Verdict(Verdict::Drop)));
    assert_eq!(verdict(&four("ways"), &[0, 24])?, Some(Leads::Verdict(Verdict::Jump("sub".into()))));
    assert_eq!(verdict(&four("objs"), &[10, 0, 0, 3])?, Some(Leads::Object("hits".into())));
    assert!(nftables::member(&four("hosts"), &[10]).is_err(), "keys of another length");
    Ok(())
}

/// A set of a million elements is not listed to its end, and a key in it is found as fast as in a small one.
pub(crate) fn million() -> Outcome {
    let address = |i: u32| std::net::Ipv4Addr::from(0x0b00_0000 + i * 2);
    for (name, flags) in [("hash", ""), ("ranges", "flags interval;")] {
        let mut text = format!("table ip big {{\n set {name} {{\n type ipv4_addr; {flags}\n elements = {{ ");
        for i in 0..if flags.is_empty() { 1_000_000 } else { 100_000 } {
            writeln!(text, "{},", address(i))?;
        }
        text.push_str("}\n}\n}\n");
        load(&text)?;
        let set = id(Family::Ip, "big", name);
        let began = Instant::now();
        let some = nftables::elements(&set).map_err(|e| format!("{e:?}"))?.ok_or("none")?;
        let listing = began.elapsed();
        assert!(some.more && some.elements.len() <= nftables::MOST, "{}", some.elements.len());
        assert!(some.elements.iter().all(|e| e.from == e.to), "single addresses");
        let mut slowest = std::time::Duration::ZERO;
        for (i, there) in [(3u32, true), (99_999, true), (500_001, flags.is_empty())] {
            let key = address(i).octets();
            let began = Instant::now();
            let found = member(&set, &key)?;
            slowest = slowest.max(began.elapsed());
            assert_eq!(found.map(|e| (e.from, e.to)), there.then(|| (key.to_vec(), key.to_vec())));
            assert_eq!(member(&set, &(address(i).to_bits() + 1).to_be_bytes())?, None);
        }
        eprintln!("{name}: {} elements in {listing:.1?}, one key in {slowest:.1?}", some.elements.len());
        assert!(listing.as_millis() < 1500, "{listing:?}");
        assert!(slowest.as_millis() < 10, "{slowest:?}");
    }
    run("nft", &["flush", "ruleset"])?;
    Ok(())
}

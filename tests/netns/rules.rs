//! The packet filter's rules as the kernel has them: what nft and iptables-nft put in is what is read.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use unrefuse::facts::Reading;
use unrefuse::facts::ruleset::expr::Expr;
use unrefuse::facts::ruleset::{Backend, ChainId, ChainRules, Family, Ruleset, TableId};
use unrefuse::sources::netlink::nftables;

use super::space::{Outcome, run};

/// Loads a ruleset with nft.
pub(crate) fn load(text: &str) -> Outcome {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text)?;
    run("nft", &["-f", &file.path().to_string_lossy()])?;
    Ok(())
}

pub(crate) fn ruleset() -> Result<Ruleset, Failed> {
    Ok(nftables::ruleset().map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

pub(crate) fn rules(of: &ChainId) -> Result<ChainRules, Failed> {
    Ok(nftables::chain_rules(of).map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

pub(crate) const KINDS: &str = include_str!("kinds.nft");

/// Every expression of a ruleset with all kinds of them is understood, in as many rules as nft shows.
pub(crate) fn kinds() -> Outcome {
    super::space::wire("d0", "d1")?;
    load(KINDS)?;
    let all = ruleset()?;
    let mut handles = 0;
    for chain in &all.chains {
        let read = rules(&chain.id)?;
        assert_eq!((read.generation, read.more), (all.generation, false));
        for rule in &read.rules {
            let opaque = rule.exprs.iter().any(|e| matches!(e, Expr::Opaque { .. }));
            assert!(!opaque, "{:?} {rule:?}", chain.id);
        }
        handles += read.rules.len();
    }
    let listed = run("nft", &["-a", "list", "ruleset"])?;
    let shown = listed.lines().filter(|l| l.contains("# handle") && !l.trim_end().contains("{ # handle")).count();
    assert_eq!(handles, shown);
    Ok(())
}

fn long_chain() -> ChainId {
    let table = TableId { backend: Backend::Nftables, family: Family::Ip, name: "t".into() };
    ChainId { table, name: "long".into() }
}

fn load_long(rules: u32) -> Outcome {
    let mut text = String::from("table ip t {\nchain long {\n");
    for i in 0..rules {
        writeln!(text, "ip saddr 10.{}.{}.{} tcp dport 80 counter drop", i >> 16, (i >> 8) & 255, i & 255)?;
    }
    load(&(text + "}\n}\n"))
}

/// What cannot be read in time is said, and what was read is the beginning.
pub(crate) fn too_long() -> Outcome {
    load_long(30_000)?;
    let limit = Duration::from_millis(30);
    let began = Instant::now();
    let part = nftables::chain_rules_within(&long_chain(), limit).map_err(|e| format!("{e:?}"))?.ok_or("none")?;
    eprintln!("{} of 30000 rules in {:.1?}", part.rules.len(), began.elapsed());
    assert!(part.more && !part.rules.is_empty() && part.rules.len() < 30_000, "{}", part.rules.len());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(part.rules.is_sorted_by_key(|r| r.handle));
    let mut gone = long_chain();
    gone.name = "gone".into();
    assert_eq!(rules(&gone)?.rules, []);
    Ok(())
}

pub(crate) fn ten_thousand() -> Outcome {
    load_long(10_000)?;
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(rules(&long_chain())?.rules.len(), 10_000);
        ours = ours.min(began.elapsed());
        let began = Instant::now();
        run("nft", &["list", "ruleset"])?;
        theirs = theirs.min(began.elapsed());
    }
    eprintln!("10000 rules in {ours:.1?}, nft list ruleset {theirs:.1?}");
    Ok(())
}

pub(crate) fn as_nobody() -> Outcome {
    let reading: Reading<Ruleset> = super::helper::ask_as_nobody(&["ruleset"])?;
    assert_eq!(reading, Reading::Denied { needs: "root or CAP_NET_ADMIN".into() });
    Ok(())
}

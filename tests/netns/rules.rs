//! The packet filter's rules as the kernel has them: what nft and iptables-nft put in is what is read.

use std::fs;

use libtest_mimic::Failed;
use unrefuse::facts::ruleset::expr::Expr;
use unrefuse::facts::ruleset::{ChainId, ChainRules, Ruleset};
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

const KINDS: &str = include_str!("kinds.nft");

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

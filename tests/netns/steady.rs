//! Rules that change while they are read: what is read was there at one moment, or it is said that it could not be read.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use unrefuse::facts::ruleset::expr::Expr;
use unrefuse::facts::ruleset::{Backend, ChainId, ChainRules, Family, Rule, TableId};
use unrefuse::sources::netlink::nftables;

use super::rules::{load, rules, ruleset};
use super::space::{Outcome, run};

/// So many that the kernel hands them over in several pieces.
const RULES: usize = 2_000;
/// Readings with a change in them that are wanted.
const CAUGHT: u32 = 5;

fn chain() -> ChainId {
    let table = TableId { backend: Backend::Nftables, family: Family::Ip, name: "t".into() };
    ChainId { table, name: "c".into() }
}

/// One transaction that replaces all rules by others, which are all about one port.
fn all_about(port: u16) -> String {
    let mut text = String::from("add table ip t\nadd chain ip t c\nflush chain ip t c\ntable ip t {\nchain c {\n");
    for i in 0..RULES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "ip saddr 10.0.{}.{} tcp dport {port} accept", i >> 8, i & 255);
    }
    text + "}\n}\n"
}

/// The port that a rule is about.
fn port(of: &Rule) -> Option<&[u8]> {
    of.exprs.iter().rev().find_map(|e| if let Expr::Cmp { data, .. } = e { Some(data.as_slice()) } else { None })
}

/// As long as somebody looks; also a panic ends it.
struct Looking<'a> {
    stop: &'a AtomicBool,
    writer: &'a thread::Thread,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.unpark();
    }
}

/// While another thread of this network namespace runs nft again and again, with a pause between.
fn during<T>(files: &[&Path], pause: Duration, look: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| -> Outcome {
            for file in files.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                run("nft", &["-f", &file.to_string_lossy()])?;
                thread::park_timeout(pause);
            }
            Ok(())
        });
        let looking = Looking { stop: &stop, writer: writer.thread() };
        let seen = look();
        drop(looking);
        writer.join().map_err(|_| "the writer broke off")??;
        seen
    })
}

pub(crate) fn one_moment() -> Outcome {
    let place = tempfile::tempdir()?;
    let (one, other) = (place.path().join("one"), place.path().join("other"));
    std::fs::write(&one, all_about(1))?;
    std::fs::write(&other, all_about(2))?;
    load(&all_about(2))?;
    let caught = during(&[&one, &other], Duration::from_millis(60), || {
        let until = Instant::now() + Duration::from_secs(40);
        let (mut caught, mut readings) = (0, 0);
        while caught < CAUGHT && Instant::now() < until {
            let before = ruleset()?.generation;
            // Where every attempt met a change, that is said.
            let Ok(read) = nftables::chain_rules(&chain()) else { continue };
            let read: ChainRules = read.ok_or("nf_tables is gone")?;
            // On a busy machine time may run out; what was read by then is of one moment all the same.
            assert!(read.more || read.rules.len() == RULES, "{} rules", read.rules.len());
            let first = read.rules.first().and_then(port);
            assert!(read.rules.iter().all(|rule| port(rule) == first), "rules of two moments");
            readings += 1;
            caught += u32::from(read.generation != before && !read.more);
        }
        eprintln!("{readings} readings, a change in {caught} of them");
        Ok(caught)
    })?;
    assert_eq!(caught, CAUGHT, "no change met a reading: this test tested nothing");
    assert!(rules(&chain()).is_ok());
    Ok(())
}

pub(crate) fn never_still() -> Outcome {
    let place = tempfile::tempdir()?;
    let change = place.path().join("change");
    std::fs::write(&change, "add table ip other\ndelete table ip other\n")?;
    for _ in 0..10 {
        load(&all_about(1).replace("flush chain ip t c\n", ""))?;
    }
    let said = during(&[&change], Duration::ZERO, || {
        let began = Instant::now();
        let said = nftables::chain_rules(&chain());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        Ok(said)
    })?;
    let why = format!("{:?}", said.map(|read| read.map(|read| read.rules.len())));
    assert!(why.contains("changed each time"), "{why}");
    Ok(())
}

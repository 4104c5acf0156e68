//! Changes of rules, interfaces and routes as they are told: only what changed is to be asked again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tokio::sync::mpsc::{self, Receiver};
use unrefuse::facts::route::RouteKey;
use unrefuse::facts::ruleset::{Backend, ChainId, Family, SetId, TableId};
use unrefuse::facts::{Fact, Question};
use unrefuse::sources::dbus::Bus;
use unrefuse::sources::live::{Change, Live};

use super::space::{Outcome, run, wire};

const RULES: usize = 5_000;

fn table() -> TableId {
    TableId { backend: Backend::Nftables, family: Family::Inet, name: "fw".into() }
}

fn chain(name: &str) -> Question {
    Question::ChainRules(ChainId { table: table(), name: name.into() })
}

fn bans() -> SetId {
    SetId { table: table(), name: "bans".into() }
}

fn nft(script: &str) -> Outcome {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    run("nft", &["-f", &file.path().to_string_lossy()])?;
    Ok(())
}

fn two_chains() -> Outcome {
    let mut script = String::from("table inet fw {\n set bans { type ipv4_addr; }\n");
    for (name, priority) in [("a", 0), ("b", 10)] {
        writeln!(script, "chain {name} {{ type filter hook input priority {priority}; policy accept;")?;
        for port in 0..RULES {
            writeln!(script, "tcp dport {} accept", 1 + port)?;
        }
        writeln!(script, "}}")?;
    }
    nft(&(script + "}\n"))
}

fn within(runtime: &tokio::runtime::Runtime, changes: &mut Receiver<Change>, wait: Duration) -> Vec<Change> {
    runtime.block_on(async {
        let mut told = Vec::new();
        while let Ok(Some(change)) = tokio::time::timeout(wait, changes.recv()).await {
            told.push(change);
        }
        told
    })
}

fn again(changes: &[Change]) -> BTreeSet<&Question> {
    changes.iter().filter_map(|c| if let Change::Again(question) = c { Some(question) } else { None }).collect()
}

fn note(changes: &[Change]) -> Option<&str> {
    changes.iter().find_map(|c| if let Change::Note(note) = c { Some(note.as_str()) } else { None })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

pub(crate) fn one_rule_of_ten_thousand() -> Outcome {
    two_chains()?;
    let runtime = runtime()?;
    let guard = runtime.enter();
    let (sender, mut changes) = mpsc::channel(64);
    let mut live = Live::new(Arc::new(Bus::new()), sender);
    let (rules, elements) = (Question::Ruleset, Question::Elements(bans()));
    let member = Question::Member(bans(), vec![10, 0, 0, 1]);
    for question in [&rules, &chain("a"), &chain("b"), &elements, &member] {
        assert!(live.watch(question.clone()), "{question:?}");
    }
    let quiet = Duration::from_millis(300);
    assert_eq!(within(&runtime, &mut changes, quiet), [], "nothing changed");
    let trials: [(&[&str], &[&Question]); 7] = [
        (&["add", "rule", "inet", "fw", "a", "tcp", "dport", "7", "drop"], &[&chain("a")]),
        (&["insert", "rule", "inet", "fw", "b", "tcp", "dport", "7", "drop"], &[&chain("b")]),
        (&["add", "element", "inet", "fw", "bans", "{ 10.0.0.1 }"], &[&elements, &member]),
        (&["add", "rule", "inet", "fw", "a", "tcp", "dport", "{ 1, 2 }", "drop"], &[&chain("a"), &rules]),
        (&["add", "chain", "inet", "fw", "c"], &[&rules]),
        (&["add", "rule", "inet", "fw", "c", "drop"], &[]),
        (&["flush", "chain", "inet", "fw", "a"], &[&chain("a"), &rules]),
    ];
    for (change, expected) in trials {
        let began = Instant::now();
        run("nft", change)?;
        let told = within(&runtime, &mut changes, quiet);
        assert_eq!(again(&told), expected.iter().copied().collect(), "after nft {change:?}: {told:?}");
        assert_eq!(
            note(&told).is_some_and(|n| n.starts_with("rules changed by nft[")),
            !expected.is_empty(),
            "{told:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    // All of it anew in one transaction, as `nft -f` of a whole file does it: still each question once.
    nft("flush ruleset")?;
    two_chains()?;
    let told = within(&runtime, &mut changes, Duration::from_millis(600));
    assert!(again(&told).is_superset(&[&chain("a"), &chain("b"), &rules].into()), "{told:?}");
    assert!(told.len() <= 12, "bursts are told together: {}", told.len());
    drop(guard);
    Ok(())
}

pub(crate) fn links_and_routes() -> Outcome {
    wire("wan0", "far0")?;
    run("ip", &["addr", "add", "10.2.0.2/24", "dev", "wan0"])?;
    let runtime = runtime()?;
    let guard = runtime.enter();
    let (sender, mut changes) = mpsc::channel(64);
    let mut live = Live::new(Arc::new(Bus::new()), sender);
    let key = RouteKey { to: "8.8.8.8".parse()?, from: None, input: None, mark: 0 };
    assert!(live.watch(Question::Links) && live.watch(Question::Route(key)));
    // Netlink sockets belong to the namespace of the thread that opens them; these look from this thread's.
    within(&runtime, &mut changes, Duration::from_millis(300));
    run("ip", &["link", "set", "far0", "group", "9"])?;
    let told = within(&runtime, &mut changes, Duration::from_millis(800));
    assert!(told.iter().any(|c| matches!(c, Change::Fact(Fact::Links(_)))), "{told:?}");
    run("ip", &["route", "add", "blackhole", "8.8.8.8"])?;
    let told = within(&runtime, &mut changes, Duration::from_millis(800));
    assert!(told.iter().any(|c| matches!(c, Change::Fact(Fact::Route(..)))), "{told:?}");
    drop(guard);
    Ok(())
}

//! Verdicts about the packet filter, beside `nft list ruleset`: many rules in one chain, many chains, a huge set.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use unrefuse::facts::ruleset::{Backend, Family, SetId, TableId};
use unrefuse::sources::netlink::nftables;

use crate::Row;
use crate::whole::{in_turn, installed, median, ms, program, quiet, ratio};

const TARGET: &str = "10.0.0.5:4711";

/// The `peak` side: runs the program as `peak ARGUMENTS` says, and prints the most memory it had, in KiB. A process of
/// its own, because this is known of all of a process' children together only.
pub(crate) fn peak(args: &[String]) -> ExitCode {
    quiet(Command::new(program()).args(args));
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN).map_or(i64::MAX, |u| u.max_rss()));
    ExitCode::SUCCESS
}

/// All rows about the packet filter.
pub(crate) fn verdicts() -> Vec<Row> {
    if !installed("nft") {
        return vec![Row::skipped("verdicts about the packet filter", "nft is not installed")];
    }
    let mut rows = one_chain();
    rows.extend(many_chains());
    rows.extend(huge_set());
    rows.extend(too_long_a_chain());
    flush();
    rows
}

/// 10,000 rules, each of which the packet passes but the last.
fn one_chain() -> Vec<Row> {
    const WHAT: &str = "firewall verdict, 10,000 rules in the chain";
    if let Err(why) = load(&chain_of(10_000)) {
        return vec![Row::skipped(WHAT, why)];
    }
    assert!(said().contains("tcp dport 4711 reject"), "the rule is named");
    let mut rows = vec![against_the_listing(WHAT, 0.5, "≤ 0.5x nft list ruleset")];
    let mib = peak_of_check();
    rows.push(Row::figure("peak memory with 10,000 rules", format!("{mib:.1} MB"), "< 60 MB", mib < 60.0));
    rows
}

/// 1,000 chains of 100 rules, one of which the packet enters.
fn many_chains() -> Vec<Row> {
    const WHAT: &str = "firewall verdict, 100,000 rules in 1,000 chains, one entered";
    let mut rules = String::from("table inet filter {\n");
    for chain in 0..1_000 {
        let _ = writeln!(rules, "chain c{chain} {{");
        for rule in 0..100 {
            let _ = writeln!(rules, "ip saddr 10.{}.{}.{rule} tcp dport 4711 drop", chain / 256 + 1, chain % 256);
        }
        rules.push_str("tcp dport 4711 reject with tcp reset\n}\n");
    }
    rules.push_str("chain input { type filter hook input priority 0; policy accept; tcp dport 4711 jump c500\n}\n}\n");
    if let Err(why) = load(&rules) {
        return vec![Row::skipped(WHAT, why)];
    }
    assert!(said().contains("reject with tcp reset"), "the rule is named");
    vec![against_the_listing(WHAT, 0.02, "≤ 0.02x nft list ruleset")]
}

/// Whether one address is among 1,000,000.
fn huge_set() -> Vec<Row> {
    const WHAT: &str = "one address in a set of 1,000,000";
    let mut set = String::from("table ip filter { set banned { type ipv4_addr; elements = {\n");
    for number in 0..1_000_000_u32 {
        let _ = writeln!(set, "{},", std::net::Ipv4Addr::from_bits(0x1400_0000 + 2 * number));
    }
    set.push_str("}\n}\n}\n");
    if let Err(why) = load(&set) {
        return vec![Row::skipped(WHAT, why)];
    }
    let table = TableId { backend: Backend::Nftables, family: Family::Ip, name: "filter".into() };
    let id = SetId { table, name: "banned".into() };
    let ask = |address: [u8; 4], is: bool| {
        let began = Instant::now();
        let found = nftables::member(&id, &address).expect("the set can be asked");
        assert_eq!(found.is_some(), is, "{address:?}");
        began.elapsed()
    };
    let took = median((0..9).flat_map(|_| [ask([20, 0, 0x80, 0], true), ask([20, 0, 0x80, 1], false)]).collect());
    vec![Row::figure(WHAT, format!("{:.2} ms", ms(took)), "< 10 ms, no listing", ms(took) < 10.0)]
}

/// A chain that takes longer than it may.
fn too_long_a_chain() -> Vec<Row> {
    const WHAT: &str = "100,000 rules in one chain: what was not read is said after";
    if let Err(why) = load(&chain_of(100_000)) {
        return vec![Row::skipped(WHAT, why)];
    }
    let began = Instant::now();
    let said = said();
    let took = began.elapsed();
    assert!(said.contains("the chain has more rules than were read"), "what was not read is said: {said}");
    let mib = peak_of_check();
    let holds = took < Duration::from_secs(5) && mib < 150.0;
    vec![Row::figure(WHAT, format!("{:.1} s, {mib:.0} MB", took.as_secs_f64()), "< 5 s, < 150 MB", holds)]
}

/// A chain of as many rules, the last of which refuses.
fn chain_of(rules: u32) -> String {
    let mut text =
        String::from("table inet filter { chain input { type filter hook input priority 0; policy accept;\n");
    for number in 1..rules {
        let [_, b, c, d] = number.to_be_bytes();
        let _ = writeln!(text, "ip saddr 10.{b}.{c}.{d} tcp dport {} counter accept", 5_000 + number % 10_000);
    }
    text.push_str("tcp dport 4711 reject with tcp reset\n}\n}\n");
    text
}

/// The program beside `nft list ruleset`.
fn against_the_listing(what: &'static str, bound: f64, must: &str) -> Row {
    let (ours, theirs) = in_turn(
        || quiet(Command::new(program()).args(["check", TARGET])),
        || quiet(Command::new("nft").args(["list", "ruleset"])),
    );
    let times = ratio(ours, theirs);
    let shown = format!("{:.1} ms, nft {:.0} ms: {times:.3}x", ms(ours), ms(theirs));
    Row::figure(what, shown, must, times <= bound)
}

/// What the program says about the port.
fn said() -> String {
    let output = Command::new(program()).args(["check", TARGET]).stdin(Stdio::null()).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

/// The most memory that the program has, in MiB.
fn peak_of_check() -> f64 {
    let me = std::env::current_exe().expect("a path");
    let output = Command::new(me).args(["peak", "check", TARGET]).output().expect("it runs");
    let kib = String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().unwrap_or(u32::MAX);
    f64::from(kib) / 1024.0
}

/// Loads rules in place of those there are.
fn load(rules: &str) -> Result<(), String> {
    flush();
    let failed = |e: std::io::Error| format!("nft: {e}");
    let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().map_err(failed)?;
    let mut input = nft.stdin.take().ok_or("nft has no input")?;
    input.write_all(rules.as_bytes()).map_err(failed)?;
    drop(input);
    let done = nft.wait().map_err(failed)?;
    if done.success() { Ok(()) } else { Err("nft did not take the rules".into()) }
}

fn flush() {
    quiet(Command::new("nft").args(["flush", "ruleset"]));
}

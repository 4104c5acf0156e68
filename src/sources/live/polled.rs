//! What nobody tells of: asked for again and again, at a pace that costs next to nothing, and told only when it changed.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Gone, Teller};
use crate::facts::ruleset::{LegacyTable, Rule};
use crate::facts::{Fact, Reading};
use crate::sources::dbus::Bus;
use crate::sources::{answer, deadline};

/// Looking may take one part in this many of the time: at most 0.5 % of a core, far less for what is cheap.
const SHARE: u32 = 200;
/// What decides where a name leads, besides the servers.
pub(super) const RESOLVER_FILES: &[&str] = &["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hostname"];
/// Where ufw writes what it was told.
pub(super) const UFW_FILES: &[&str] =
    &["/etc/default/ufw", "/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules"];
/// Where fail2ban keeps its bans, and whether it runs.
pub(super) const FAIL2BAN_FILES: &[&str] =
    &["/run/fail2ban/fail2ban.sock", "/var/lib/fail2ban/fail2ban.sqlite3", "/var/lib/fail2ban/fail2ban.sqlite3-wal"];
/// What firewalld will read at its next reload; a changed file in a directory is a new one.
pub(super) const FIREWALLD_FILES: &[&str] = &[
    "/etc/firewalld/firewalld.conf",
    "/etc/firewalld/direct.xml",
    "/etc/firewalld/zones",
    "/etc/firewalld/services",
    "/etc/firewalld/policies",
    "/etc/firewalld/ipsets",
];
/// Files of TCP wrappers.
pub(super) const HOSTS_ACCESS_FILES: &[&str] = &["/etc/hosts.allow", "/etc/hosts.deny"];
/// Files that rules are loaded from, and directories of such files.
pub(super) const RULE_FILES: &[&str] = &[
    "/etc/nftables.conf",
    "/etc/nftables",
    "/etc/nftables.d",
    "/etc/sysconfig/nftables.conf",
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/iptables.rules",
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/ip6tables",
];
/// The legacy tables of iptables that exist, by name.
const LEGACY_NAMES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Asks the teller's question every so often.
pub(super) async fn watch(bus: Arc<Bus>, mut teller: Teller, every: Duration) {
    let mut before = None;
    loop {
        let began = Instant::now();
        if look(&bus, &mut teller, &mut before).await.is_err() {
            return;
        }
        tokio::time::sleep(every.max(began.elapsed() * SHARE)).await;
    }
}

/// Asks once, and tells if the answer is another one.
pub(super) async fn look(bus: &Arc<Bus>, teller: &mut Teller, before: &mut Option<Fact>) -> Result<(), Gone> {
    let after = deadline(&teller.question);
    let now = match tokio::time::timeout(after, answer(bus, teller.question.clone())).await {
        Ok(fact) => fact,
        Err(_) => Fact::without_value(&teller.question, Reading::TimedOut { after }),
    };
    if before.as_ref().is_some_and(|before| same(before, &now)) {
        return if teller.changes.is_closed() { Err(Gone) } else { Ok(()) };
    }
    *before = Some(now.clone());
    teller.fact(now).await
}

/// The same answer, whenever it was given. Facts that are never polled count as different.
fn same(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::Listeners(_, _, one), Fact::Listeners(_, _, other))
        | (Fact::AllListeners(one), Fact::AllListeners(other)) => same_reading(one, other),
        (Fact::UnixSocket(_, one), Fact::UnixSocket(_, other)) => same_reading(one, other),
        (Fact::Addresses(one), Fact::Addresses(other)) => same_reading(one, other),
        (Fact::Links(one), Fact::Links(other)) => same_reading(one, other),
        (Fact::Route(_, one), Fact::Route(_, other)) => same_reading(one, other),
        (Fact::Routing(one), Fact::Routing(other)) => same_reading(one, other),
        (Fact::Legacy(one), Fact::Legacy(other)) => match (one.value(), other.value()) {
            (Some(one), Some(other)) => same_tables(one, other),
            _ => one == other,
        },
        _ => false,
    }
}

/// The same legacy tables, whatever their rules have counted meanwhile.
fn same_tables(one: &[LegacyTable], other: &[LegacyTable]) -> bool {
    let rules = |tables: &[LegacyTable]| -> Vec<_> {
        let chains = tables.iter().flat_map(|table| &table.chains);
        let rule =
            |rule: &Rule| if rule.text.is_some() { (rule.text.clone(), None) } else { (None, Some(rule.clone())) };
        chains
            .map(|(chain, rules)| {
                let policy = chain.base.as_ref().map(|base| base.policy);
                (chain.id.clone(), policy, rules.iter().map(rule).collect::<Vec<_>>())
            })
            .collect()
    };
    rules(one) == rules(other)
}

fn same_reading<T: PartialEq>(one: &Reading<T>, other: &Reading<T>) -> bool {
    match (one.value(), other.value()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Says that a question is to be asked again when a file that decides it changed. A name is not resolved by itself every
/// so often: that would send queries nobody asked for.
pub(super) async fn watch_files(mut teller: Teller, files: &[&str], every: Duration) {
    let mut before = None;
    while !teller.changes.is_closed() {
        let now: Vec<_> = files.iter().map(|path| stamp(path)).collect();
        if before.as_ref() != Some(&now) {
            before = Some(now);
            if teller.again().await.is_err() {
                return;
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// The legacy tables, of which the kernel never tells: looked at when one comes or goes and, as long as there is any,
/// every now and then. Most hosts have none, and then a look is two tiny reads.
pub(super) async fn watch_legacy(bus: Arc<Bus>, mut teller: Teller, names_every: Duration, rules_every: Duration) {
    let (mut before, mut names_before) = (None, None);
    let mut looked = Instant::now();
    while !teller.changes.is_closed() {
        let names = LEGACY_NAMES.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let due = names.iter().any(|names| !names.is_empty()) && looked.elapsed() >= rules_every;
        if due || names_before.as_ref() != Some(&names) {
            (names_before, looked) = (Some(names), Instant::now());
            if look(&bus, &mut teller, &mut before).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(names_every).await;
    }
}

/// What changes when a file is written or replaced: its inode, size and time.
fn stamp(path: &str) -> Option<(u64, u64, i64, i64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Known;
    use crate::facts::socket::{Listener, Transport};

    fn listeners(queue: u32, at_ms: u64) -> Fact {
        let listener = Listener {
            transport: Transport::Tcp,
            address: [0, 0, 0, 0].into(),
            port: 80,
            v6only: None,
            device: None,
            queue,
            backlog: 511,
            uid: 0,
            inode: 7,
            cgroup: None,
        };
        let known = Known { value: vec![listener], at_ms, took: Duration::from_millis(at_ms) };
        Fact::Listeners(Transport::Tcp, 80, Reading::Known(known))
    }

    #[test]
    fn only_what_was_seen_counts_not_when() {
        assert!(same(&listeners(0, 1), &listeners(0, 2)));
        assert!(!same(&listeners(0, 1), &listeners(3, 1)), "a queue that fills is a change");
        let gone = Fact::Listeners(Transport::Tcp, 80, Reading::Absent);
        assert!(!same(&listeners(0, 1), &gone) && same(&gone, &gone));
    }
}

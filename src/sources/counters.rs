//! What the kernel counted while a connection was tried: resets and ICMP errors sent, full accept queues, dropped packets.
//!
//! Same numbers as `nstat` shows, read from the network namespace of the calling thread.

use std::collections::BTreeMap;
use std::fs;

use crate::facts::connect::Counter;

/// Counted RSTs that TCP itself sent: a rule's forged RST does not move it. Always told, moved or not.
const OUT_RSTS: &str = "Tcp.OutRsts";
/// Tables of /proc/net/snmp and netstat that say something about one attempt (the others count octets and MPTCP).
const TABLES: [&str; 6] = ["Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "TcpExt"];
/// Prefixes of /proc/net/snmp6, whose names carry their table without a separator.
const TABLES_6: [&str; 3] = ["Icmp6", "Ip6", "Udp6"];

/// Counters at one moment, by `Table.Name`. Empty when they could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

/// Reads them; nothing when unreadable.
pub fn read() -> Counters {
    // thread-self, not self: a thread may have entered another network namespace than the process began in.
    let text = |file: &str| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    let mut counters = Counters::default();
    counters.take_pairs(&text("snmp"));
    counters.take_pairs(&text("netstat"));
    counters.take_six(&text("snmp6"));
    counters
}

impl Counters {
    /// What moved between `self` and `later`. Empty only when one of them could not be read.
    pub fn moved(&self, later: &Self) -> Vec<Counter> {
        if self.0.is_empty() || later.0.is_empty() {
            return Vec::new();
        }
        let before = |name: &str| self.0.get(name).copied().unwrap_or(0);
        later
            .0
            .iter()
            .map(|(name, now)| Counter { name: name.clone(), delta: now.wrapping_sub(before(name)) })
            .filter(|counter| counter.delta != 0 || counter.name == OUT_RSTS)
            .collect()
    }

    /// Lines in pairs, names over numbers (`Tcp: RtoMin OutRsts` / `Tcp: 200 5`). Kernels add columns at the end and
    /// tables anywhere.
    fn take_pairs(&mut self, text: &str) {
        let mut lines = text.lines();
        while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
            let (Some((table, names)), Some((same, numbers))) = (names.split_once(':'), numbers.split_once(':')) else {
                continue;
            };
            if table != same || !TABLES.contains(&table) {
                continue;
            }
            for (name, number) in names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace()) {
                self.take(table, name, number);
            }
        }
    }

    /// One counter a line (`Icmp6OutDestUnreachs  5`).
    fn take_six(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(whole), Some(number)) = (words.next(), words.next()) else { continue };
            let named = TABLES_6.into_iter().find_map(|table| Some((table, whole.strip_prefix(table)?)));
            if let Some((table, name)) = named.filter(|(_, name)| !name.ends_with("Octets")) {
                self.take(table, name, number);
            }
        }
    }

    fn take(&mut self, table: &str, name: &str, number: &str) {
        if let Ok(number) = number.parse() {
            self.0.insert(format!("{table}.{name}"), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    fn counters(snmp: &str, snmp6: &str) -> Counters {
        let mut counters = Counters::default();
        counters.take_pairs(snmp);
        counters.take_six(snmp6);
        counters
    }

    fn moved(before: &Counters, after: &Counters) -> Vec<(String, i64)> {
        before.moved(after).into_iter().map(|c| (c.name, c.delta)).collect()
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_tables_are_read_to_their_end(
            before in damaged::text(&["Tcp: MaxConn OutRsts\nTcp: -1 5\n", "Icmp6OutDestUnreachs \t4\n"]),
            after in damaged::text(&["Tcp: MaxConn OutRsts\nTcp: -1 9223372036854775807\n", "Icmp6OutDestUnreachs \t5\n"]),
        ) {
            let _ = counters(&before, &before).moved(&counters(&after, &after));
        }
    }

    #[test]
    fn only_what_moved_is_told_and_own_resets_always() {
        let before = counters("Tcp: MaxConn OutRsts AttemptFails\nTcp: -1 5 7\n", "Icmp6OutDestUnreachs   \t4\n");
        let after = counters("Tcp: MaxConn OutRsts AttemptFails\nTcp: -1 5 8\n", "Icmp6OutDestUnreachs   \t5\n");
        assert_eq!(
            moved(&before, &after),
            [("Icmp6.OutDestUnreachs".into(), 1), ("Tcp.AttemptFails".into(), 1), (OUT_RSTS.into(), 0)]
        );
    }

    #[test]
    fn unreadable_counters_are_no_claim_that_nothing_moved() {
        let some = counters("Tcp: OutRsts\nTcp: 5\n", "");
        assert_eq!(moved(&Counters::default(), &some), []);
        assert_eq!(moved(&some, &Counters::default()), []);
    }

    #[test]
    fn odd_lines_cost_only_themselves() {
        let odd = "New: A\nNew: 1\nTcp: OutRsts Odd More\nTcp: 5 x\nTcpExt: ListenDrops\nIpExt: 1\nTcpExt: ListenDrops\nTcpExt: 3\nTail";
        let read = counters(odd, "\nIp6InOctets 9\nWhat\nIcmp6InMsgs -\n");
        assert_eq!(read, counters("TcpExt: ListenDrops\nTcpExt: 3\nTcp: OutRsts\nTcp: 5\n", ""));
    }

    #[test]
    fn this_hosts_counters_are_readable() {
        let now = read();
        assert!(now.0.contains_key(OUT_RSTS), "{now:?}");
        assert!(now.0.contains_key("TcpExt.ListenOverflows"), "{now:?}");
    }
}

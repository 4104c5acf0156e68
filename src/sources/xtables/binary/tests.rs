//! Structures as the kernel writes them, whole and cut.

use super::*;
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::xt::{ConntrackMatch, NatRange, Which};

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn reject(with: u32, family: Family) -> Target {
    target_of("REJECT", 0, &padded(with.to_ne_bytes().to_vec()), family)
}

#[test]
fn rejects_have_their_true_codes() {
    let v4 = [(0, 0), (1, 1), (2, 2), (3, 3), (5, 9), (6, 10), (8, 13)];
    for (with, code) in v4 {
        assert_eq!(reject(with, Family::Ip), Target::Reject(RejectWith::Icmp(code)));
    }
    let v6 = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (7, 5), (8, 6)];
    for (with, code) in v6 {
        assert_eq!(reject(with, Family::Ip6), Target::Reject(RejectWith::Icmpv6(code)));
    }
    assert_eq!(reject(7, Family::Ip), Target::Reject(RejectWith::TcpReset));
    assert_eq!(reject(6, Family::Ip6), Target::Reject(RejectWith::TcpReset));
    for (with, family) in [(4, Family::Ip), (9, Family::Ip), (5, Family::Ip6), (9, Family::Ip6), (3, Family::Inet)] {
        assert!(matches!(reject(with, family), Target::Other { .. }), "{with} {family:?}");
    }
}

#[test]
fn states_are_counted_as_nftables_counts_them() {
    let mut info = vec![0; 168];
    info[146..148].copy_from_slice(&(1_u16 | 1 << 13).to_ne_bytes());
    for (bits, states) in [(1_u16, 1_u32), (2, 2), (4, 4), (8, 8), (64, 128), (128, 256), (256, 64), (0x106, 0x46)] {
        info[150..152].copy_from_slice(&bits.to_ne_bytes());
        let expected = ConntrackMatch { states: Some(states), ..ConntrackMatch::default() };
        assert_eq!(match_of("conntrack", 3, &info, Family::Ip), Match::Conntrack(Box::new(expected)), "{bits}");
    }
    info[150..152].copy_from_slice(&512_u16.to_ne_bytes());
    assert!(matches!(match_of("conntrack", 3, &info, Family::Ip), Match::Other { .. }));
}

#[test]
fn a_range_of_ports_needs_its_end() {
    let mut info = vec![0; 48];
    info[..2].copy_from_slice(&[1, 3]);
    for (at, port) in [(2, 22_u16), (4, 80), (6, 90)] {
        info[at..at + 2].copy_from_slice(&port.to_ne_bytes());
    }
    info[33] = 1;
    let ports = vec![(22, 22), (80, 90)];
    let expected = Match::Multiport { which: Which::Destination, ports, inverted: false };
    assert_eq!(match_of("multiport", 1, &info, Family::Ip), expected);
    info[34] = 1;
    assert_eq!(match_of("multiport", 1, &info, Family::Ip), expected, "the end of a range begins none");
    info[33] = 0;
    assert!(matches!(match_of("multiport", 1, &info, Family::Ip), Match::Other { .. }));
}

#[test]
fn addresses_are_those_of_the_family() {
    let mut info = vec![0; 48];
    info[..4].copy_from_slice(&3_u32.to_ne_bytes());
    info[4..8].copy_from_slice(&[10, 0, 0, 2]);
    info[20..24].copy_from_slice(&[10, 0, 0, 9]);
    info[36..40].copy_from_slice(&[0, 80, 0, 90]);
    let range = |a: &str, b: &str| NatRange {
        addresses: Some((a.parse().unwrap(), b.parse().unwrap())),
        ports: Some((80, 90)),
    };
    assert_eq!(target_of("DNAT", 2, &info, Family::Ip), Target::Dnat(range("10.0.0.2", "10.0.0.9")));
    assert_eq!(target_of("DNAT", 2, &info, Family::Ip6), Target::Dnat(range("a00:2::", "a00:9::")));
    assert!(matches!(target_of("DNAT", 2, &info, Family::Bridge), Target::Other { .. }));
    assert!(matches!(target_of("DNAT", 3, &info, Family::Ip), Target::Other { .. }));
}

/// Names, revisions and lengths of all structures that are known.
fn known() -> Vec<(&'static str, u32, usize)> {
    let names = "comment tcp udp icmp icmp6 multiport conntrack state addrtype mark connmark owner iprange set recent limit \
         hashlimit connlimit pkttype length physdev rpfilter socket statistic cgroup mac ttl hl dscp tos tcpmss time string \
         bpf u32 policy devgroup helper quota connbytes REJECT DNAT SNAT NETMAP REDIRECT MASQUERADE LOG NFLOG AUDIT TRACE \
         MARK CONNMARK NOTRACK CT TPROXY NFQUEUE SYNPROXY SET TCPMSS DSCP CLASSIFY CHECKSUM ECN TTL HL TEE";
    let mut found = Vec::new();
    for name in names.split_whitespace() {
        for revision in 0..5 {
            let fits = |len: &usize| is_known(name, revision, &valid(name, *len));
            found.extend((0..4200).step_by(8).filter(fits).map(|len| (name, revision, len)));
        }
    }
    found
}

/// Zeros, with what some structures must have to mean anything.
fn valid(name: &str, len: usize) -> Vec<u8> {
    let mut info = vec![0; len];
    let at = match (name, len) {
        ("recent", _) => 8,
        ("DNAT" | "SNAT" | "NETMAP" | "REDIRECT" | "MASQUERADE", 24) => 0,
        _ => return info,
    };
    if let Some(byte) = info.get_mut(at) {
        *byte = 1;
    }
    info
}

fn is_known(name: &str, revision: u32, info: &[u8]) -> bool {
    if name.chars().all(|c| !c.is_lowercase()) {
        return !matches!(target_of(name, revision, info, Family::Ip), Target::Other { .. });
    }
    !matches!(match_of(name, revision, info, Family::Ip), Match::Other { .. })
}

#[test]
fn a_structure_has_one_length() {
    let known = known();
    assert!(known.len() > 75, "{}", known.len());
    for (i, (name, revision, len)) in known.iter().enumerate() {
        let again = known.iter().skip(i + 1).find(|(n, r, _)| n == name && r == revision);
        assert_eq!(again, None, "{name} {revision} {len}");
        let info = valid(name, *len);
        for cut in 0..*len {
            assert!(!is_known(name, *revision, &info[..cut]), "{name} {revision} cut to {cut}");
        }
        assert!(!is_known(name, *revision, &[info.clone(), vec![0; 8]].concat()), "{name} {revision}");
    }
}

#[test]
fn any_bytes_are_survived() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for (name, revision, len) in known() {
        for round in 0..60 {
            let mut info = valid(name, len);
            for byte in &mut info {
                if round % 3 == 0 || random() % 16 == 0 {
                    *byte = random().to_le_bytes()[3];
                }
            }
            for family in [Family::Ip, Family::Ip6, Family::Inet, Family::Bridge] {
                let _ = match_of(name, revision, &info, family);
                let _ = target_of(name, revision, &info, family);
            }
        }
    }
}

#[test]
fn unknown_bits_are_not_passed_over() {
    let mut owner = vec![0; 24];
    owner[16] = 1 << 3;
    let unknowable = match_of("owner", 1, &owner, Family::Ip);
    assert!(matches!(unknowable, Match::Unknowable { .. }), "{unknowable:?}");
    let mut tcp = vec![0; 16];
    tcp[11] = 0x10;
    assert!(matches!(match_of("tcp", 0, &tcp, Family::Ip), Match::Other { .. }));
    let mut recent = vec![0; 232];
    recent[8] = 3;
    assert!(matches!(match_of("recent", 1, &recent, Family::Ip), Match::Other { .. }), "checks and sets");
}

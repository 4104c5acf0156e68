//! How a reject looks to a client, and what nft and iptables call it.

use crate::facts::ruleset::expr::RejectWith;

/// What goes back to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A TCP RST.
    Reset,
    /// An ICMP error.
    Icmp {
        /// Its type: 3 for IPv4, 1 for IPv6.
        kind: u8,
        /// Its code.
        code: u8,
        /// ICMPv6.
        v6: bool,
    },
}

/// What a client of this family gets. `icmpx` is translated by the kernel (`nft_reject_icmp_code`,
/// `nft_reject_icmpv6_code`).
pub fn answer(with: RejectWith, v6: bool) -> Answer {
    match with {
        RejectWith::TcpReset => Answer::Reset,
        RejectWith::Icmp(code) => Answer::Icmp { kind: 3, code, v6: false },
        RejectWith::Icmpv6(code) => Answer::Icmp { kind: 1, code, v6: true },
        RejectWith::Icmpx(code) if v6 => {
            // no-route, port-unreachable, address-unreachable, administratively prohibited.
            let code = match code {
                1 => 4,
                2 => 3,
                3 => 1,
                _ => 0,
            };
            Answer::Icmp { kind: 1, code, v6 }
        }
        RejectWith::Icmpx(code) => {
            // network, port and host unreachable, administratively filtered.
            let code = match code {
                1 => 3,
                2 => 1,
                3 => 13,
                _ => 0,
            };
            Answer::Icmp { kind: 3, code, v6 }
        }
    }
}

/// Codes of ICMP destination-unreachable, by number.
fn icmp(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "net-unreachable",
        1 => "host-unreachable",
        2 => "prot-unreachable",
        3 => "port-unreachable",
        4 => "frag-needed",
        9 => "net-prohibited",
        10 => "host-prohibited",
        13 => "admin-prohibited",
        _ => return None,
    })
}

/// Codes of ICMPv6 destination-unreachable, by number.
fn icmpv6(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "admin-prohibited",
        3 => "addr-unreachable",
        4 => "port-unreachable",
        5 => "policy-fail",
        6 => "reject-route",
        _ => return None,
    })
}

/// Codes of nftables' own `icmpx`.
fn icmpx(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no-route",
        1 => "port-unreachable",
        2 => "host-unreachable",
        3 => "admin-prohibited",
        _ => return None,
    })
}

fn named(layer: &str, name: Option<&str>, code: u8) -> String {
    name.map_or_else(|| format!("{layer} {code}"), |name| format!("{layer} {name}"))
}

/// What stands behind `reject with` in nft, also where nft leaves it out.
pub fn nft_words(with: RejectWith) -> String {
    match with {
        RejectWith::TcpReset => "tcp reset".into(),
        RejectWith::Icmp(code) => named("icmp", icmp(code), code),
        RejectWith::Icmpv6(code) => named("icmpv6", icmpv6(code), code),
        RejectWith::Icmpx(code) => named("icmpx", icmpx(code), code),
    }
}

/// What stands behind `--reject-with` in iptables and ip6tables; none where they have no word for it.
pub fn iptables_word(with: RejectWith) -> Option<&'static str> {
    Some(match with {
        RejectWith::TcpReset => "tcp-reset",
        RejectWith::Icmp(code) => match code {
            0 => "icmp-net-unreachable",
            1 => "icmp-host-unreachable",
            2 => "icmp-proto-unreachable",
            3 => "icmp-port-unreachable",
            9 => "icmp-net-prohibited",
            10 => "icmp-host-prohibited",
            13 => "icmp-admin-prohibited",
            _ => return None,
        },
        RejectWith::Icmpv6(code) => match code {
            0 => "icmp6-no-route",
            1 => "icmp6-adm-prohibited",
            3 => "icmp6-addr-unreachable",
            4 => "icmp6-port-unreachable",
            5 => "icmp6-policy-fail",
            6 => "icmp6-reject-route",
            _ => return None,
        },
        RejectWith::Icmpx(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_has_the_code_of_each_family() {
        let code = |with, v6| match answer(with, v6) {
            Answer::Icmp { kind, code, .. } => (kind, code),
            Answer::Reset => (0, 0),
        };
        let by_family = |x| (code(RejectWith::Icmpx(x), false), code(RejectWith::Icmpx(x), true));
        assert_eq!(by_family(0), ((3, 0), (1, 0)));
        assert_eq!(by_family(1), ((3, 3), (1, 4)));
        assert_eq!(by_family(2), ((3, 1), (1, 3)));
        assert_eq!(by_family(3), ((3, 13), (1, 1)));
        assert_eq!(answer(RejectWith::TcpReset, true), Answer::Reset);
    }

    #[test]
    fn codes_have_the_names_operators_know() {
        assert_eq!(nft_words(RejectWith::Icmpx(3)), "icmpx admin-prohibited");
        assert_eq!(nft_words(RejectWith::Icmp(200)), "icmp 200");
        assert_eq!(iptables_word(RejectWith::Icmp(3)), Some("icmp-port-unreachable"));
        assert_eq!(iptables_word(RejectWith::Icmpv6(1)), Some("icmp6-adm-prohibited"));
        assert_eq!(iptables_word(RejectWith::Icmpx(1)), None);
    }
}

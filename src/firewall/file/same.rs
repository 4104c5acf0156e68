//! Values that are the same though they are written in another way.

use std::net::IpAddr;

/// Ports by the names that people write, as /etc/services has them.
const PORTS: &[(&str, &str)] = &[
    ("bootpc", "68"),
    ("bootps", "67"),
    ("dhcpv6-client", "546"),
    ("dhcpv6-server", "547"),
    ("domain", "53"),
    ("domain-s", "853"),
    ("ftp", "21"),
    ("ftp-data", "20"),
    ("http", "80"),
    ("http-alt", "8080"),
    ("https", "443"),
    ("imap", "143"),
    ("imap2", "143"),
    ("imaps", "993"),
    ("kerberos", "88"),
    ("ldap", "389"),
    ("ldaps", "636"),
    ("mdns", "5353"),
    ("microsoft-ds", "445"),
    ("mysql", "3306"),
    ("netbios-dgm", "138"),
    ("netbios-ns", "137"),
    ("netbios-ssn", "139"),
    ("nfs", "2049"),
    ("ntp", "123"),
    ("openvpn", "1194"),
    ("pop3", "110"),
    ("pop3s", "995"),
    ("postgresql", "5432"),
    ("redis", "6379"),
    ("rsync", "873"),
    ("sip", "5060"),
    ("smtp", "25"),
    ("smtps", "465"),
    ("snmp", "161"),
    ("ssh", "22"),
    ("submission", "587"),
    ("submissions", "465"),
    ("sunrpc", "111"),
    ("telnet", "23"),
    ("tftp", "69"),
];

/// One way to write a value: names of ports as numbers, hexadecimal as decimal, addresses and prefixes as the kernel has
/// them.
pub(super) fn value(word: &str) -> String {
    if let Some((_, number)) = PORTS.iter().find(|(name, _)| *name == word) {
        return (*number).to_owned();
    }
    if let Some(number) = word.strip_prefix("0x").and_then(|hex| u128::from_str_radix(hex, 16).ok()) {
        return number.to_string();
    }
    if matches!(word, "icmpv6" | "icmp6") {
        return "ipv6-icmp".into();
    }
    network(word).unwrap_or_else(|| word.to_owned())
}

/// An address or a prefix; the mask of a single host goes without saying, and so do bits beyond the mask.
fn network(word: &str) -> Option<String> {
    let (address, mask) = word.split_once('/').map_or((word, None), |(address, mask)| (address, Some(mask)));
    let address: IpAddr = address.parse().ok()?;
    let (bits, size) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let length = match mask {
        None => size,
        Some(mask) => mask.parse().ok().or_else(|| mask_length(mask.parse().ok()?))?,
    };
    if length >= size {
        return (length == size).then(|| address.to_string());
    }
    let kept = bits & !u128::MAX.checked_shr(length).unwrap_or(0);
    let first = match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(kept >> 96).unwrap_or_default().into()),
        IpAddr::V6(_) => IpAddr::V6(kept.into()),
    };
    Some(format!("{first}/{length}"))
}

/// `255.255.0.0` is 16.
fn mask_length(mask: IpAddr) -> Option<u32> {
    let bits = match mask {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    (bits.count_ones() == bits.leading_ones()).then(|| bits.leading_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_way_to_be_written() {
        let pairs = [
            ("ssh", "22"),
            ("0x0000002a", "42"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00:0:0::1/128", "fd00::1"),
            ("FE80::1/10", "fe80::/10"),
            ("::/0", "::/0"),
            ("10.0.0.1/255.0.255.0", "10.0.0.1/255.0.255.0"),
            ("10.0.0.1/33", "10.0.0.1/33"),
            ("drop", "drop"),
            ("1024-65535", "1024-65535"),
        ];
        for (written, same) in pairs {
            assert_eq!(value(written), same);
        }
    }
}

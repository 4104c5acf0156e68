//! What the resolver's files say: /etc/hosts, nsswitch.conf, resolv.conf.

use std::net::IpAddr;

use crate::facts::name::HostsLine;

/// More than any resolver takes.
const MOST_DOMAINS: usize = 32;

/// Lines of a hosts file that name `name`.
pub(in crate::sources) fn hosts_lines(text: &str, name: &str) -> Vec<HostsLine> {
    let numbered = (1..).zip(text.lines());
    numbered
        .filter_map(|(line, text)| {
            let mut words = before_comment(text).split_ascii_whitespace();
            let address = address(words.next()?)?;
            let named = words.any(|word| word.eq_ignore_ascii_case(name));
            named.then(|| HostsLine { line, address, text: text.to_owned() })
        })
        .collect()
}

/// The `hosts:` line of nsswitch.conf without its key. The last one counts, as in glibc.
pub(in crate::sources) fn nsswitch_hosts(text: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| before_comment(line).trim().strip_prefix("hosts:"));
    values.map(|value| value.trim().to_owned()).next_back()
}

/// The name servers of resolv.conf, in order.
pub(in crate::sources) fn nameservers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            words.next().filter(|key| *key == "nameserver")?;
            address(words.next()?)
        })
        .collect()
}

/// The domains that are tried behind a name: the last `search` or `domain` line counts.
pub(in crate::sources) fn search(text: &str) -> Vec<String> {
    let of = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let key = words.next()?;
        matches!(key, "search" | "domain").then(|| words.take(MOST_DOMAINS).map(str::to_owned).collect())
    };
    text.lines().filter_map(of).next_back().unwrap_or_default()
}

fn before_comment(line: &str) -> &str {
    line.split_once('#').map_or(line, |(before, _)| before)
}

/// An address; the zone of a link-local one (`fe80::1%eth0`) is left away.
fn address(word: &str) -> Option<IpAddr> {
    word.split_once('%').map_or(word, |(address, _)| address).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    const HOSTS: &str = "127.0.0.1\tlocalhost\n\
        # 10.0.0.1 db1\n\
        10.0.0.5\tdb1.example.org  DB1 # was 10.0.0.4 old\n\
        fe80::1%eth0 db1\n\
        \n\
        not-an-address db1\n  ::1 ip6-localhost db1 \r\n10.0.0.9 db10";

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_files_are_read_to_their_end(text in damaged::text(&[HOSTS, "hosts: files dns\n", "nameserver 192.0.2.1\n"])) {
            for found in hosts_lines(&text, "db1") {
                let line = text.lines().nth(found.line as usize - 1);
                proptest::prop_assert_eq!(line, Some(found.text.as_str()));
            }
            proptest::prop_assert!(nameservers(&text).len() <= text.lines().count());
            proptest::prop_assert!(search(&text).len() <= MOST_DOMAINS);
            let _ = nsswitch_hosts(&text);
        }
    }

    #[test]
    fn every_line_that_names_it_is_found_with_its_number() {
        let found: Vec<(u32, String)> =
            hosts_lines(HOSTS, "db1").into_iter().map(|l| (l.line, l.address.to_string())).collect();
        assert_eq!(found, [(3, "10.0.0.5".into()), (4, "fe80::1".into()), (7, "::1".into())]);
        assert_eq!(hosts_lines(HOSTS, "db1")[0].text, "10.0.0.5\tdb1.example.org  DB1 # was 10.0.0.4 old");
    }

    #[test]
    fn comments_and_addresses_are_no_names() {
        assert_eq!(hosts_lines(HOSTS, "old"), []);
        assert_eq!(hosts_lines(HOSTS, "10.0.0.5"), []);
        assert_eq!(hosts_lines("", "db1"), []);
    }

    #[test]
    fn the_hosts_line_of_nsswitch() {
        let text = "passwd: files\n# hosts: nis\n hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # yes\n";
        assert_eq!(nsswitch_hosts(text).as_deref(), Some("files mdns4_minimal [NOTFOUND=return] dns"));
        assert_eq!(nsswitch_hosts("passwd: files\n"), None);
    }

    #[test]
    fn the_last_list_of_domains_counts() {
        assert_eq!(search("domain a.example\nsearch b.example c.example\n"), ["b.example", "c.example"]);
        assert_eq!(search("# search x\noptions ndots:2\n"), Vec::<String>::new());
    }

    #[test]
    fn name_servers_in_order() {
        let text = "search example.org\nnameserver 192.0.2.1\nnameserver fe80::53%eth0\n#nameserver 192.0.2.2\nnameserver\nnameserver x\n";
        assert_eq!(nameservers(text), ["192.0.2.1".parse::<IpAddr>().unwrap(), "fe80::53".parse().unwrap()]);
    }
}

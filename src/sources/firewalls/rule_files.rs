//! The files that rules are loaded from, with what they include: so that a rule can be shown where an admin wrote it.

use super::trouble;
use crate::facts::firewalls::{RuleFile, RuleFormat};
use crate::sources::Trouble;
use crate::sources::config::files::{Files, HostFiles, Unread, absolute};
use crate::sources::config::glob;

/// Where distributions load rules from: Debian and Fedora's nftables.service, netfilter-persistent, iptables-services,
/// Arch, and the parts of ufw that an admin edits by hand.
const PLACES: &[(&str, RuleFormat)] = &[
    ("/etc/nftables.conf", RuleFormat::Nft),
    ("/etc/sysconfig/nftables.conf", RuleFormat::Nft),
    ("/etc/nftables/*.nft", RuleFormat::Nft),
    ("/etc/iptables/rules.v4", RuleFormat::Iptables),
    ("/etc/iptables/rules.v6", RuleFormat::Ip6tables),
    ("/etc/iptables/iptables.rules", RuleFormat::Iptables),
    ("/etc/iptables/ip6tables.rules", RuleFormat::Ip6tables),
    ("/etc/sysconfig/iptables", RuleFormat::Iptables),
    ("/etc/sysconfig/ip6tables", RuleFormat::Ip6tables),
    ("/etc/ufw/before.rules", RuleFormat::Iptables),
    ("/etc/ufw/after.rules", RuleFormat::Iptables),
    ("/etc/ufw/before6.rules", RuleFormat::Ip6tables),
    ("/etc/ufw/after6.rules", RuleFormat::Ip6tables),
];
/// Where nft looks for a relative include.
const INCLUDE_BASE: &str = "/etc";
/// Files that are kept, and bytes of all of them: they go into recordings.
const MOST_FILES: usize = 64;
const MOST_BYTES: usize = 4 << 20;

/// The files there are.
pub fn read() -> Result<Option<Vec<RuleFile>>, Trouble> {
    read_from(&HostFiles::own())
}

fn read_from(files: &dyn Files) -> Result<Option<Vec<RuleFile>>, Trouble> {
    let mut found = Found { files, read: Vec::new(), bytes: 0, unread: None };
    for (place, format) in PLACES {
        for path in found.paths(place) {
            found.add(&path, *format);
        }
    }
    match (found.read.is_empty(), found.unread) {
        (false, _) => Ok(Some(found.read)),
        (true, Some((path, why))) => Err(trouble(&path, why)),
        (true, None) => Ok(None),
    }
}

struct Found<'f> {
    files: &'f dyn Files,
    read: Vec<RuleFile>,
    bytes: usize,
    /// The first one that could not be read.
    unread: Option<(String, Unread)>,
}

impl Found<'_> {
    fn paths(&mut self, pattern: &str) -> Vec<String> {
        if !glob::is_pattern(pattern) {
            return vec![pattern.to_owned()];
        }
        let (paths, unread) = glob::expand(self.files, pattern);
        self.unread = self.unread.take().or(unread.into_iter().next());
        paths
    }

    /// Reads a file and then what it includes, each once.
    fn add(&mut self, path: &str, format: RuleFormat) {
        let mut ahead = vec![path.to_owned()];
        while let Some(path) = ahead.pop() {
            if self.read.len() >= MOST_FILES || self.read.iter().any(|file| file.path == path) {
                continue;
            }
            match self.files.read(&path) {
                Ok(text) if self.bytes.saturating_add(text.len()) <= MOST_BYTES => {
                    self.bytes += text.len();
                    let mut included: Vec<String> =
                        if format == RuleFormat::Nft { self.included(&text) } else { Vec::new() };
                    included.reverse();
                    ahead.extend(included);
                    self.read.push(RuleFile { path, format, text });
                }
                Ok(_) | Err(Unread::Missing) => {}
                Err(why) => self.unread = self.unread.take().or(Some((path, why))),
            }
        }
    }

    fn included(&mut self, text: &str) -> Vec<String> {
        let patterns: Vec<String> = text.lines().filter_map(include).take(MOST_FILES).collect();
        patterns.iter().flat_map(|pattern| self.paths(pattern)).take(MOST_FILES).collect()
    }
}

/// `include "/etc/nftables.d/*.nft"`.
fn include(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("include")?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (path, _) = rest.get(1..)?.split_once(quote)?;
    Some(absolute(INCLUDE_BASE, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::config::files::Memory;

    fn paths(files: &Memory) -> Vec<String> {
        read_from(files).unwrap().unwrap().into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn includes_are_followed_in_order_and_once() {
        let files = Memory::default()
            .file("/etc/nftables.conf", "flush ruleset\ninclude \"/etc/nftables.d/*.nft\"\n  include 'late.nft'\n")
            .file("/etc/nftables.d/10-a.nft", "table inet a {}\ninclude \"/etc/nftables.conf\"")
            .file("/etc/nftables.d/20-b.nft", "# include \"/etc/shadow\"")
            .file("/etc/late.nft", "")
            .file("/etc/shadow", "root:*")
            .file("/etc/iptables/rules.v6", "*filter\nCOMMIT\n");
        assert_eq!(
            paths(&files),
            [
                "/etc/nftables.conf",
                "/etc/nftables.d/10-a.nft",
                "/etc/nftables.d/20-b.nft",
                "/etc/late.nft",
                "/etc/iptables/rules.v6"
            ]
        );
        assert_eq!(read_from(&files).unwrap().unwrap().pop().unwrap().format, RuleFormat::Ip6tables);
    }

    #[test]
    fn none_unreadable_and_half_readable_are_told_apart() {
        assert_eq!(read_from(&Memory::default()), Ok(None));
        let hidden = Memory::default().denied("/etc/iptables/rules.v4");
        assert_eq!(read_from(&hidden), Err(Trouble::denied("root")));
        let half = hidden.file("/etc/nftables.conf", "table ip x {}");
        assert_eq!(paths(&half), ["/etc/nftables.conf"]);
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let big = "#".repeat(1 << 20);
        let mut files = Memory::default();
        for n in 0..6 {
            files = files.file(&format!("/etc/nftables/{n}.nft"), &big);
        }
        assert_eq!(paths(&files).len(), 4);
        let mut files = Memory::default();
        for n in 0..100 {
            files = files.file(&format!("/etc/nftables/{n}.nft"), "");
        }
        assert_eq!(paths(&files).len(), MOST_FILES);
    }

    #[test]
    fn includes_that_are_none() {
        for line in ["includes \"/x\"", "include", "include \"", "include x", "include \"\u{e9}", "include \u{e9}\"x\""]
        {
            assert_eq!(include(line), None, "{line}");
        }
    }
}

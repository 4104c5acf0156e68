//! Lists of clients as hosts.allow, hosts.deny, `no_proxy` and xinetd have them: names, domains and prefixes of addresses,
//! which must still hold whom they held.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::StandIns;
use crate::facts::name::Resolution;
use crate::facts::proxy::Proxies;
use crate::facts::{Facts, Reading};

/// Words of libwrap's language, which name nobody.
const WORDS: [&str; 9] = ["ALL", "LOCAL", "PARANOID", "KNOWN", "UNKNOWN", "EXCEPT", "allow", "deny", "except"];

/// The files of libwrap.
const TABLES: [&str; 2] = ["/etc/hosts.allow", "/etc/hosts.deny"];

impl StandIns {
    /// The names that lists of clients and settings of the resolver hold.
    pub(super) fn listed(&mut self, facts: &Facts) {
        for Proxies { settings, except } in facts.proxies.values().filter_map(Reading::value) {
            for host in settings.iter().map(|setting| &setting.host).chain(except) {
                self.client(host);
            }
        }
        for Resolution { search, .. } in facts.names.values().filter_map(Reading::value) {
            for domain in search {
                self.client(&format!(".{domain}"));
            }
        }
        for service in facts.xinetd.value().into_iter().flatten() {
            let lists = [&service.only_from, &service.no_access].into_iter().flatten();
            for entry in lists.flat_map(|list| &list.entries) {
                self.client(entry);
            }
        }
        let Some(access) = facts.hosts_access.value() else { return };
        for text in [&access.allow, &access.deny].into_iter().flatten() {
            for line in text.replace("\\\n", " ").lines().filter(|line| !is_comment(line)) {
                // Addresses in brackets have colons of their own.
                let (_, clients) = line.split_once(':').unwrap_or_default();
                for word in clients.split([',', ' ', '\t', ':']) {
                    self.client(word);
                }
            }
        }
        // Among them are the two files themselves, whose words are not all clients.
        let lists = access.lists.iter().filter(|(path, _)| !TABLES.contains(&path.as_str()));
        for text in lists.filter_map(|(_, text)| text.as_ref().ok()) {
            for word in text.lines().filter(|line| !is_comment(line)).flat_map(str::split_whitespace) {
                self.client(word);
            }
        }
    }

    /// A word of such a list, if it is a name: `db7`, `.corp.example`, `*.corp.example`, `joe@db7`.
    fn client(&mut self, word: &str) {
        if let Some((user, _)) = word.split_once('@').filter(|(user, _)| !user.is_empty() && !WORDS.contains(user)) {
            self.name(user, "user");
        }
        let word = word.rsplit('@').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*' | '?');
        let is_name = word.chars().all(plain) && word.chars().any(|c| c.is_ascii_alphabetic());
        if !is_name || WORDS.contains(&word) {
            return;
        }
        match word.rfind(['*', '?']).and_then(|last| word.get(last + 1..)).or_else(|| word.strip_prefix('.')) {
            // Only what follows is a name, that of a domain.
            Some(domain) => self.host(&format!("*.{}", domain.trim_start_matches('.'))),
            None => self.host(word),
        }
    }

    /// Prefixes of addresses in such lists, wherever they stand below. Other addresses and names are left to the rest.
    pub(super) fn prefixes(&mut self, list: &str, value: &mut Value) {
        match value {
            Value::String(text) if list == "xinetd" => *text = with_lengths(text),
            Value::String(text) => *text = self.with_prefixes(&without_comments(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.prefixes(list, item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.prefixes(list, item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn with_prefixes(&mut self, text: &str) -> String {
        words(text).into_iter().map(|word| self.prefix(word).unwrap_or_else(|| word.to_owned())).collect()
    }

    /// `10.1.` of libwrap: a network as its first bytes.
    fn prefix(&mut self, word: &str) -> Option<String> {
        let bytes = bytes(word.strip_suffix('.')?).filter(|bytes| bytes.len() < 4)?;
        let mut whole = [0; 4];
        whole.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        let bits = u32::try_from(bytes.len() * 8).ok()?;
        let IpAddr::V4(stand_in) = self.addresses.network(Ipv4Addr::from(whole).into(), bits) else { return None };
        Some(stand_in.octets().iter().take(bytes.len()).fold(String::new(), |shown, byte| format!("{shown}{byte}.")))
    }
}

/// Comments decide nothing and may tell anything: only that they are there is kept, so that lines keep their numbers.
fn without_comments(text: &str) -> String {
    let kept = |line: &str| if is_comment(line) { "#".into() } else { line.to_owned() };
    let whole: Vec<String> = text.split('\n').map(kept).collect();
    whole.join("\n")
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// `10.1.0.0` of xinetd holds a network: written so that it still does when it has a stand-in.
fn with_lengths(text: &str) -> String {
    let length = |word: &str| {
        let bytes = bytes(word).filter(|bytes| bytes.len() == 4)?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        (1..4).contains(&zeros).then(|| format!("{word}/{}", 32 - 8 * zeros))
    };
    words(text).into_iter().map(|word| length(word).unwrap_or_else(|| word.to_owned())).collect()
}

fn words(text: &str) -> Vec<&str> {
    super::split(text, |c| c.is_ascii_digit() || matches!(c, '.' | '/')).into_iter().map(|(word, _)| word).collect()
}

fn bytes(word: &str) -> Option<Vec<u8>> {
    word.split('.').map(|part| part.parse().ok()).collect()
}

//! Takes out of a recording what should not leave a machine: addresses, host and user names, mail addresses, tokens.
//!
//! Every value gets a stable stand-in, the same wherever it occurs, so that the diagnosis stays the same. What the
//! diagnosis needs stays: ports, units, paths of daemons, errnos, loopback and wildcard addresses.
//!
//! Stand-ins of addresses keep networks (`addresses`), so that rules decide as before. In rules and sets addresses are
//! bytes: which bytes is told by what loads them (`registers`, `rules`, `sets`). A comparison with a range becomes a
//! lookup among the networks that make it up. What of an address cannot be kept (bits other than the first, a
//! structure that this program does not know) becomes an expression named `redacted`, or loses its bytes: what depends on
//! it cannot be told from the recording.

mod addresses;
mod clients;
mod registers;
mod rules;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::addresses::{Addresses, Kind, mask_len, number, ones};
use self::rules::Filter;
use super::recording::Recording;
use super::{Case, Facts};
use crate::error::Error;

/// The recording without private values.
pub fn redact(recording: &Recording) -> Result<Recording, Error> {
    /// How often other stand-ins are tried, where one is by chance an address that was to be hidden.
    const ATTEMPTS: u32 = 6;
    if recording.redacted {
        return Ok(recording.clone());
    }
    let mut best: Option<(usize, Recording)> = None;
    for attempt in 0..ATTEMPTS {
        let mut stand_ins = StandIns::for_recording(recording, attempt);
        let redacted = stand_ins.redact(recording)?;
        let clashes = stand_ins.addresses.clashes();
        if best.as_ref().is_none_or(|(fewest, _)| clashes < *fewest) {
            best = Some((clashes, redacted));
        }
        if clashes == 0 {
            break;
        }
    }
    best.map(|(_, redacted)| redacted).ok_or_else(|| Error::broken("the recording could not be redacted"))
}

/// The same with all texts changed.
fn retold<T: Serialize + DeserializeOwned>(value: &T, walk: impl FnOnce(&mut Value)) -> Result<T, Error> {
    let broken = |e: serde_json::Error| Error::broken("the recording could not be redacted").because(e);
    let mut tree = serde_json::to_value(value).map_err(broken)?;
    walk(&mut tree);
    serde_json::from_value(tree).map_err(broken)
}

/// The replacements, made as values are met.
#[derive(Debug, Default)]
struct StandIns {
    /// Single words: hosts and users.
    names: BTreeMap<String, String>,
    /// What follows the first label of a host's name.
    domains: BTreeMap<String, String>,
    addresses: Addresses,
    tokens: BTreeMap<String, String>,
    /// Words that stay: units are told by their names, so these name no secret.
    kept: BTreeSet<String>,
}

/// Names that say nothing about anybody.
const COMMON: [&str; 10] =
    ["localhost", "root", "server", "client", "localdomain", "ip6-localhost", "nobody", "postgres", "mysql", "redis"];

/// Last labels that mean something to a resolver, and so to a diagnosis.
const TELLING: [&str; 9] =
    ["local", "localhost", "localdomain", "invalid", "test", "lan", "home", "internal", "example"];

/// What follows the name of a unit.
const UNIT_KINDS: [&str; 8] = ["service", "socket", "target", "scope", "slice", "mount", "timer", "path"];

impl StandIns {
    fn for_recording(recording: &Recording, attempt: u32) -> Self {
        let mut all = Self { addresses: Addresses::new(attempt), ..Self::default() };
        let stem = |unit: &String| unit.split(['.', '@']).next().unwrap_or_default().to_lowercase();
        all.kept = COMMON.map(str::to_owned).into();
        for end in recording.case.ends() {
            all.kept.extend(end.here.units.keys().map(stem));
            all.kept.extend(rules::names(&end.here));
        }
        for end in recording.case.ends() {
            all.hosts_of(end);
        }
        all
    }

    /// The names of one end.
    fn hosts_of(&mut self, end: &Case) {
        if let Some(host) = end.here.host.value() {
            self.host(&host.hostname);
            if let Some(user) = &host.user {
                self.name(user, "user");
            }
        }
        for name in end.here.names.keys() {
            self.host(name);
        }
        self.listed(&end.here);
        if let crate::target::TargetKind::Host { host, .. } = &end.target.kind {
            self.host(host);
        }
    }

    fn redact(&mut self, recording: &Recording) -> Result<Recording, Error> {
        let mut redacted = recording.clone();
        let filter = Filter::taken_from(&mut redacted.case.here);
        let far = redacted.case.client.as_mut().map(|client| Filter::taken_from(&mut client.here));
        redacted = retold(&redacted, |tree| self.walk(tree, &[]))?;
        self.filter(filter, &mut redacted.case.here)?;
        if let (Some(filter), Some(client)) = (far, &mut redacted.case.client) {
            self.filter(filter, &mut client.here)?;
        }
        redacted.redacted = true;
        Ok(redacted)
    }

    /// Rules and sets, in which addresses are bytes.
    fn filter(&mut self, mut filter: Filter, into: &mut Facts) -> Result<(), Error> {
        filter.redact(&mut self.addresses);
        let mut facts = Facts::default();
        filter.give_to(&mut facts);
        // Addresses that are no text have their stand-ins already.
        facts = retold(&facts, |tree| self.walk(tree, &rules::DONE))?;
        Filter::taken_from(&mut facts).give_to(into);
        Ok(())
    }

    /// A host's name: its first label, and the domain behind it. That there is one is part of many a diagnosis.
    fn host(&mut self, name: &str) {
        let name = name.trim_end_matches('.').to_lowercase();
        if name.parse::<IpAddr>().is_ok() {
            return;
        }
        let (first, domain) = name.split_once('.').map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
        self.name(first, "host");
        if let Some(domain) = domain.filter(|domain| !self.domains.contains_key(*domain) && !TELLING.contains(domain)) {
            let last = domain.rsplit('.').next().filter(|last| TELLING.contains(last)).unwrap_or("example");
            let stand_in = format!("domain-{}.{last}", self.domains.len() + 1);
            self.domains.insert(domain.to_owned(), stand_in);
        }
    }

    fn name(&mut self, name: &str, kind: &str) {
        let name = name.to_lowercase();
        if name.len() < 2 || self.kept.contains(&name) || self.names.contains_key(&name) {
            return;
        }
        let stand_in = format!("{kind}-{}", self.names.len() + 1);
        self.names.insert(name, stand_in);
    }

    /// Changes every text but those with one of these names.
    fn walk(&mut self, value: &mut Value, but: &[&str]) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => self.walk_all(items, but),
            Value::Object(map) => {
                for (key, item) in map.iter_mut() {
                    match (key.as_str(), &mut *item) {
                        // Where an image comes from may be a house of one's own.
                        ("image", Value::String(image)) => *image = self.text(&without_registry(image)),
                        (name @ ("hosts_access" | "xinetd"), list) => {
                            self.prefixes(name, list);
                            self.walk(list, but);
                        }
                        ("boot_id", Value::String(id)) => *id = self.token(&id.clone()),
                        // A kernel built at home may carry its maker's name.
                        ("kernel", Value::String(release)) => *release = version_only(release),
                        (name, _) if but.contains(&name) => {}
                        _ => self.walk(item, but),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The words of a command line tell together what is secret: `--password`, `hunter2`.
    fn walk_all(&mut self, items: &mut [Value], but: &[&str]) {
        let mut secret_next = false;
        for item in items {
            if let (Value::String(word), true) = (&mut *item, secret_next) {
                "REDACTED".clone_into(word);
            }
            secret_next = item.as_str().is_some_and(is_secret_option);
            self.walk(item, but);
        }
    }

    fn text(&mut self, text: &str) -> String {
        let words =
            split(text, |c| c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '@' | '%' | '+' | '=' | '/'));
        let mut hidden = String::with_capacity(text.len());
        let mut secret_next = false;
        for (word, is_word) in words {
            if !is_word {
                hidden.push_str(word);
                continue;
            }
            if secret_next {
                hidden.push_str("REDACTED");
            } else {
                hidden.push_str(&self.word(word));
            }
            secret_next = announces_secret(word);
        }
        self.with_names(&hidden)
    }

    /// A word without white space: an address, a mail address, `key=secret`, a home directory, or left alone.
    fn word(&mut self, word: &str) -> String {
        let hidden = hide_secret(word);
        let word = hidden.as_deref().unwrap_or(word);
        if let Some((_, home)) = word.split_once("/home/") {
            self.name(home.split('/').next().unwrap_or_default(), "user");
        }
        if is_mail(word) {
            return self.mail(word);
        }
        let parts = split(word, |c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
        let mut shown = String::with_capacity(word.len());
        let mut rest = parts.as_slice();
        while let Some(((part, candidate), after)) = rest.split_first() {
            rest = after;
            if let (true, [("/", _), (len, true), after @ ..]) = (candidate, after)
                && let Some(network) = self.network(part, len)
            {
                shown.push_str(&network);
                rest = after;
            } else if *candidate {
                shown.push_str(&self.address_like(part));
            } else {
                shown.push_str(part);
            }
        }
        shown
    }

    /// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`; an address in a network that is written so is an address.
    fn network(&mut self, address: &str, len: &str) -> Option<String> {
        let address: IpAddr = address.parse().ok()?;
        let plain = len.trim_end_matches(['.', ':']);
        let bits = plain.parse::<IpAddr>().map_or_else(|_| plain.parse().ok(), mask_len)?;
        let (kind, value) = number(address);
        let free = kind.width().checked_sub(bits)?;
        let bits = if value & ones(free) == 0 { bits } else { kind.width() };
        Some(format!("{}/{len}", self.addresses.network(address, bits)))
    }

    /// `10.0.0.5`, `10.0.0.5:80`, `fd00::1`, `::ffff:10.0.0.5`, or no address at all.
    fn address_like(&mut self, part: &str) -> String {
        if let Ok(address) = part.parse::<IpAddr>() {
            return self.addresses.address(address).to_string();
        }
        if let Some(hidden) = self.mac(part) {
            return hidden;
        }
        let ends_sentence = part.trim_end_matches(['.', ':']);
        if ends_sentence.len() < part.len() && !ends_sentence.is_empty() {
            return format!(
                "{}{}",
                self.address_like(ends_sentence),
                part.get(ends_sentence.len()..).unwrap_or_default()
            );
        }
        if let Some((host, port)) = part.rsplit_once(':')
            && let Ok(address) = host.parse::<Ipv4Addr>()
        {
            return format!("{}:{port}", self.addresses.address(address.into()));
        }
        part.to_owned()
    }

    /// `02:42:ac:11:00:02`, or two of them and more, as the kernel logs a frame's header.
    fn mac(&mut self, part: &str) -> Option<String> {
        let byte = |group: &str| (group.len() == 2).then(|| u8::from_str_radix(group, 16).ok()).flatten();
        let mut bytes = part.split(':').map(byte).collect::<Option<Vec<u8>>>()?;
        if bytes.len() < Kind::Mac.bytes() {
            return None;
        }
        for address in bytes.chunks_exact_mut(Kind::Mac.bytes()).take(2) {
            let value = address.iter().fold(0, |value, byte| value << 8 | u128::from(*byte));
            let stand_in = self.addresses.stand_in(Kind::Mac, value, Kind::Mac.width());
            let low = stand_in.to_be_bytes();
            address.iter_mut().zip(low.iter().skip(low.len() - Kind::Mac.bytes())).for_each(|(to, from)| *to = *from);
        }
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
    }

    fn mail(&mut self, word: &str) -> String {
        let next = self.tokens.len() + 1;
        self.tokens.entry(word.to_owned()).or_insert_with(|| format!("user{next}@example.org")).clone()
    }

    fn token(&mut self, token: &str) -> String {
        let next = self.tokens.len() + 1;
        self.tokens.entry(token.to_owned()).or_insert_with(|| format!("id-{next}")).clone()
    }

    /// Known names, wherever they stand as a word of their own.
    fn with_names(&mut self, text: &str) -> String {
        if self.names.is_empty() && self.domains.is_empty() {
            return text.to_owned();
        }
        split(text, |c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .into_iter()
            .map(|(part, candidate)| if candidate { self.renamed(part) } else { part.to_owned() })
            .collect()
    }

    fn renamed(&mut self, part: &str) -> String {
        let name = part.trim_end_matches('.').to_lowercase();
        let ending = part.get(name.len()..).filter(|ending| ending.bytes().all(|b| b == b'.')).unwrap_or_default();
        self.stand_in_of(&name).map_or_else(|| part.to_owned(), |stand_in| stand_in + ending)
    }

    /// What stands for a name in lower case; none when it stays as it is.
    fn stand_in_of(&mut self, name: &str) -> Option<String> {
        if let Some(known) = self.names.get(name).or_else(|| self.domains.get(name).filter(|_| name.contains('.'))) {
            return Some(known.clone());
        }
        let (first, rest) = name.split_once('.')?;
        if UNIT_KINDS.contains(&rest) {
            return None;
        }
        // Another host of a domain that is known: db9.corp.example where db7.corp.example was asked for.
        if let Some((at, domain)) =
            name.match_indices('.').find_map(|(at, _)| Some((at, self.domains.get(name.get(at + 1..)?)?.clone())))
        {
            let host = name.get(..at)?;
            self.name(host, "host");
            return Some(format!("{}.{domain}", self.names.get(host).map_or(host, String::as_str)));
        }
        // db7.elsewhere where db7 is this host.
        self.names.get(first).map(|stand_in| format!("{stand_in}.{rest}"))
    }
}

/// `6.1.0` of `6.1.0-13-amd64`.
fn version_only(release: &str) -> String {
    release.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

/// `--password`, alone: its value is the next word.
fn is_secret_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains([' ', '=']) && announces_secret(word)
}

/// `registry.example:5000/team/app:1` is `registry/team/app:1`, as `app:1` is itself.
fn without_registry(image: &str) -> String {
    match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) => format!("registry/{rest}"),
        _ => image.to_owned(),
    }
}

const SECRET_KEYS: [&str; 9] =
    ["password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "auth", "credential"];

/// `password=hunter2`, `--token=abc`, `scheme://user:secret@host`.
fn hide_secret(word: &str) -> Option<String> {
    if let Some((key, value)) = word.split_once('=') {
        let lower = key.to_lowercase();
        if !value.is_empty() && SECRET_KEYS.iter().any(|k| lower.contains(k)) {
            return Some(format!("{key}=REDACTED"));
        }
    }
    let (scheme, rest) = word.split_once("://")?;
    let (user, host) = rest.split_once('@')?;
    user.contains(':').then(|| format!("{scheme}://REDACTED@{host}"))
}

/// The next word is a secret: `--password hunter2`, `Bearer abc`.
fn announces_secret(word: &str) -> bool {
    let lower = word.trim_end_matches(':').to_lowercase();
    lower == "bearer"
        || (lower.starts_with('-') || word.ends_with(':')) && SECRET_KEYS.iter().any(|k| lower.contains(k))
}

fn is_mail(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| {
        let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        // `postgresql@15-main.service` is a unit, not a mail address.
        let unit = host.rsplit('.').next().is_some_and(|kind| UNIT_KINDS.contains(&kind));
        !user.is_empty() && host.contains('.') && !unit && user.chars().all(name) && host.chars().all(name)
    })
}

/// Cuts a text into runs of characters that belong to a word and those that do not.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = belongs(first);
        let end = rest.find(|c| belongs(c) != word).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push((part, word));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::journal::{Entry, Journal};
    use crate::facts::{Case, Reading};
    use crate::target::{From, Target};
    use crate::text::damaged;

    fn recording(message: &str) -> Recording {
        let mut case = Case::new(Target::parse("db7.corp.example:5432").unwrap(), From::Unsaid);
        let entry = Entry { at_us: 1, priority: 3, identifier: "app".into(), pid: 1, message: message.into() };
        let journal = Journal { unit: "app.service".into(), entries: vec![entry], ran_before_this_boot: None };
        case.here.journals.insert("app.service".into(), Reading::known(journal));
        Recording::new(case, 0, 0)
    }

    fn message(of: &Recording) -> String {
        of.case.here.journals["app.service"].value().unwrap().entries[0].message.clone()
    }

    fn redacted(text: &str) -> String {
        message(&redact(&recording(text)).unwrap())
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn nothing_is_too_odd_to_be_redacted(text in damaged::text(&[
            "connect db7.corp.example (10.20.30.40:5432, [fd12::7]:80, ::ffff:10.0.0.5) as https://joe:hunter2@h password=pw1",
            "Authorization: Bearer b3ar /home/joe/x joe@corp.example db9.corp.example. postgresql@15-main.service",
        ])) {
            let once = redact(&recording(&text)).unwrap();
            let safe = message(&once);
            for address in ["10.20.30.40", "fd12::7", "10.0.0.5"] {
                let parts = split(&safe, |c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
                proptest::prop_assert!(!parts.contains(&(address, true)), "{} in {:?} of {:?}", address, safe, text);
            }
            let parts = split(&safe, |c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
            proptest::prop_assert!(!parts.contains(&("db7.corp.example", true)), "{:?} of {:?}", safe, text);
        }
    }

    #[test]
    fn seeded_secrets_are_gone() {
        let seeds = "connect db7.corp.example (10.20.30.40:5432, fd12::7) as https://joe:hunter2@h password=pw1 --token tok9 \
                     Authorization: Bearer b3ar /home/joe/x joe@corp.example";
        let safe = redacted(seeds);
        for secret in ["db7", "10.20.30.40", "fd12::7", "hunter2", "pw1", "tok9", "b3ar", "joe"] {
            assert!(!safe.contains(secret), "{secret} in {safe}");
        }
    }

    #[test]
    fn an_address_beside_a_secret_is_hidden_too() {
        assert_eq!(redacted("postgres://joe:pw@10.20.30.40:5432/db"), "postgres://REDACTED@10.198.18.1:5432/db");
        assert_eq!(
            redacted("10.0.0.1/token=x 10.0.0.2:/home/joe/x"),
            "10.198.18.1/token=REDACTED 10.198.18.3:/home/user-2/x"
        );
    }

    #[test]
    fn stand_ins_are_stable_and_keep_what_matters() {
        assert_eq!(redacted("10.0.0.1 10.0.0.2 10.0.0.1:80"), "10.198.18.1 10.198.18.3 10.198.18.1:80");
        assert_eq!(
            redacted("bind() to 0.0.0.0:80, 127.0.0.1, [::1]:80 at 12:03:44"),
            "bind() to 0.0.0.0:80, 127.0.0.1, [::1]:80 at 12:03:44"
        );
        assert_eq!(redacted("postgresql@15-main.service: x.conf:60"), "postgresql@15-main.service: x.conf:60");
        assert_eq!(redacted("gone 10.1.2.3."), "gone 10.198.18.1.");
    }

    #[test]
    fn a_name_keeps_its_shape_and_its_neighbours_are_hidden_too() {
        assert_eq!(
            redacted("db7.corp.example. DB7.Corp.Example, db7: x"),
            "host-1.domain-1.example. host-1.domain-1.example, host-1: x"
        );
        assert_eq!(
            redacted("host not found in upstream \"db9.corp.example\""),
            "host not found in upstream \"host-2.domain-1.example\""
        );
        assert_eq!(redacted("see a.b.corp.example, corp.example"), "see host-2.domain-1.example, domain-1.example");
        assert_eq!(redacted("db7.service db7.conf"), "db7.service host-1.conf");
    }

    #[test]
    fn a_host_called_like_its_service_keeps_the_service() {
        let mut recording = recording("app[7]: app.service at app.corp.example");
        recording.case.target = Target::parse("app.corp.example:80").unwrap();
        recording.case.here.units.insert("app.service".into(), Reading::Absent);
        assert_eq!(message(&redact(&recording).unwrap()), "app[7]: app.service at app.domain-1.example");
    }

    #[test]
    fn a_kernel_is_known_by_its_version_alone() {
        assert_eq!(version_only("6.1.0-13-acme"), "6.1.0");
        assert_eq!(version_only("acme"), "");
    }

    #[test]
    fn redacting_twice_changes_nothing_more() {
        let once = redact(&recording("10.0.0.1 fe80::1 joe@corp.example")).unwrap();
        assert_eq!(message(&redact(&once).unwrap()), message(&once));
    }
}

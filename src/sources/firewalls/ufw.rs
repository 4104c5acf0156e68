//! ufw, from its files: what `ufw status numbered` prints is made of their `### tuple ###` lines, and of nothing else.
//!
//! `systemctl is-active ufw` stays inactive after `ufw enable`: ENABLED= in ufw.conf is what counts.

mod listed;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use listed::{Listed, listed};

use super::trouble;
use crate::facts::firewalls::{Ufw, UfwRule};
use crate::sources::Trouble;
use crate::sources::config::files::{Files, HostFiles, Unread};
use crate::sources::config::reader::lines;

const CONF: &str = "/etc/ufw/ufw.conf";
const DEFAULTS: &str = "/etc/default/ufw";
/// Its rules of IPv4.
pub const RULES: &str = "/etc/ufw/user.rules";
/// Those of IPv6.
pub const RULES_V6: &str = "/etc/ufw/user6.rules";
/// A removed package leaves its configuration behind.
const PROGRAMS: &[&str] = &["/usr/sbin/ufw", "/usr/bin/ufw", "/usr/local/sbin/ufw", "/usr/local/bin/ufw"];
/// What starts a rule.
const TUPLE: &str = "### tuple ###";
const ACTIONS: &[&str] = &["allow", "deny", "reject", "limit"];

/// What ufw was told. The rules of one that is switched off are not loaded and need not be readable.
pub fn read() -> Result<Option<Ufw>, Trouble> {
    read_from(&HostFiles::own())
}

pub(in crate::sources) fn read_from(files: &dyn Files) -> Result<Option<Ufw>, Trouble> {
    let conf = match files.read(CONF) {
        Err(Unread::Missing) => return Ok(None),
        read => read.map_err(|why| trouble(CONF, why))?,
    };
    if !PROGRAMS.iter().any(|path| files.exists(path)) {
        return Ok(None);
    }
    let mut ufw = settings(&[&text_or_nothing(files, DEFAULTS)?, &conf]);
    let sets = [(RULES, false), (RULES_V6, true)];
    for (path, v6) in sets.into_iter().filter(|(_, v6)| ufw.ipv6 || !v6) {
        match text_or_nothing(files, path) {
            Ok(text) => ufw.rules.extend(rules(path, &text, v6)),
            Err(Trouble::Denied { .. }) if !ufw.enabled => {}
            Err(why) => return Err(why),
        }
    }
    number(&mut ufw.rules);
    Ok(Some(ufw.into()))
}

fn text_or_nothing(files: &dyn Files, path: &str) -> Result<String, Trouble> {
    match files.read(path) {
        Err(Unread::Missing) => Ok(String::new()),
        read => read.map_err(|why| trouble(path, why)),
    }
}

/// The settings, before rules have their numbers.
#[derive(Debug, Default)]
struct Parts {
    enabled: bool,
    ipv6: bool,
    policies: [String; 3],
    rules: Vec<Tuple>,
}

impl From<Parts> for Ufw {
    fn from(parts: Parts) -> Self {
        let [incoming, outgoing, routed] = parts.policies;
        let rules = parts.rules.into_iter().map(|tuple| tuple.rule).collect();
        Self { enabled: parts.enabled, incoming, outgoing, routed, ipv6: parts.ipv6, rules }
    }
}

/// The settings of these files; a later line wins. ufw compares without regard to case.
fn settings(texts: &[&str]) -> Parts {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some((name, value)) = line.split_once('=')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let value = value.trim().trim_matches(['"', '\'']);
            values.insert(name.to_ascii_lowercase(), value.to_ascii_lowercase());
        }
    }
    let is = |name: &str, word: &str| values.get(name).is_some_and(|value| value == word);
    let policy = |name: &str| match values.get(name).map(String::as_str) {
        Some("accept") => "allow".to_owned(),
        Some("reject") => "reject".to_owned(),
        _ => "deny".to_owned(),
    };
    let policies = ["default_input_policy", "default_output_policy", "default_forward_policy"].map(policy);
    Parts { enabled: is("enabled", "yes"), ipv6: is("ipv6", "yes"), policies, rules: Vec::new() }
}

/// A rule, and what tells whether the next line belongs to it.
#[derive(Debug)]
struct Tuple {
    rule: UfwRule,
    /// Rules of one application are several lines and one rule to ufw; empty for all others.
    application: String,
}

/// Numbers the rules: those of IPv6 follow those of IPv4, and an application's lines share a number.
fn number(rules: &mut [Tuple]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut last = 0;
    for tuple in rules {
        if let Some(number) = seen.get(&tuple.application) {
            tuple.rule.number = *number;
            continue;
        }
        last += 1;
        tuple.rule.number = last;
        if !tuple.application.is_empty() {
            seen.insert(tuple.application.clone(), last);
        }
    }
}

fn rules(file: &str, text: &str, v6: bool) -> Vec<Tuple> {
    let tuples = lines(text).filter_map(|(line, text)| Some((line, text.strip_prefix(TUPLE)?)));
    tuples.filter_map(|(line, text)| tuple(text, (file, line), v6)).collect()
}

/// The fields of a line.
#[derive(Debug)]
struct Fields<'a> {
    action: &'a str,
    routed: bool,
    log: &'a str,
    protocol: &'a str,
    to: End<'a>,
    from: End<'a>,
    direction: &'a str,
    interface_in: &'a str,
    interface_out: &'a str,
}

/// One end of the connection.
#[derive(Debug)]
struct End<'a> {
    address: &'a str,
    port: &'a str,
    application: String,
}

impl End<'_> {
    fn is_anywhere(&self) -> bool {
        matches!(self.address, "0.0.0.0/0" | "::/0")
    }

    /// `from 10.0.0.0/8 port 80`; nothing when it is any.
    fn words(&self, preposition: &str) -> Vec<String> {
        if self.is_anywhere() && self.port == "any" && self.application.is_empty() {
            return Vec::new();
        }
        let address = if self.is_anywhere() { "any" } else { self.address };
        let mut words = vec![format!("{preposition} {address}")];
        if !self.application.is_empty() {
            words.push(format!("app {}", quoted(&self.application)));
        } else if self.port != "any" {
            words.push(format!("port {}", self.port));
        }
        words
    }
}

/// `### tuple ### ACTION PROTOCOL PORT TO PORT FROM [APP APP] [DIRECTION] [comment=HEX]`; none where ufw skips the line.
fn tuple(text: &str, (file, line): (&str, u32), v6: bool) -> Option<Tuple> {
    let text = text.split_once(" comment=").map_or(text, |(before, _)| before);
    let words: Vec<&str> = text.split_whitespace().collect();
    let fields = fields(&words).filter(Fields::is_sane)?;
    let rule = UfwRule {
        action: fields.action.to_owned(),
        routed: fields.routed,
        spec: fields.spec(),
        number: 0,
        v6,
        file: file.to_owned(),
        line,
    };
    Some(Tuple { rule, application: fields.application() })
}

fn fields<'a>(words: &[&'a str]) -> Option<Fields<'a>> {
    let [action, protocol, to_port, to, from_port, from, rest @ ..] = words else { return None };
    // Before ufw had directions there were 6 or 8 fields.
    let (applications, way) = match rest {
        [] => (["-", "-"], "in"),
        [way] => (["-", "-"], *way),
        [to, from] => ([*to, *from], "in"),
        [to, from, way] => ([*to, *from], *way),
        _ => return None,
    };
    let (routed, action) = action.split_once(':').map_or((false, *action), |(_, action)| (true, action));
    let (action, log) = action.split_once('_').unwrap_or((action, ""));
    let (direction, interface_in, interface_out) = way_of(way)?;
    let [to_application, from_application] = applications.map(application);
    Some(Fields {
        action,
        routed,
        log,
        protocol,
        to: End { address: to, port: to_port, application: to_application },
        from: End { address: from, port: from_port, application: from_application },
        direction,
        interface_in,
        interface_out,
    })
}

fn application(field: &str) -> String {
    if field == "-" { String::new() } else { field.replace("%20", " ") }
}

/// `in`, `out`, `in_eth0`, `out_eth0` or `in_eth0!out_eth1`: the direction and the interfaces.
fn way_of(way: &str) -> Option<(&str, &str, &str)> {
    if let Some((first, second)) = way.split_once('!') {
        return Some(("in", first.strip_prefix("in_")?, second.strip_prefix("out_")?));
    }
    match way.split_once('_') {
        Some(("in", interface)) => Some(("in", interface, "")),
        Some(("out", interface)) => Some(("out", "", interface)),
        None if matches!(way, "in" | "out") => Some((way, "", "")),
        _ => None,
    }
}

impl Fields<'_> {
    fn is_sane(&self) -> bool {
        let ends = [&self.to, &self.from];
        let ports = |text: &str| text == "any" || text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ':'));
        ACTIONS.contains(&self.action) && ends.iter().all(|end| is_address(end.address) && ports(end.port))
    }

    /// The words that make this rule, in the order ufw prints them.
    fn spec(&self) -> String {
        let short = self.to.is_anywhere()
            && self.from.is_anywhere()
            && self.from.port == "any"
            && self.from.application.is_empty()
            && self.interface_in.is_empty()
            && self.interface_out.is_empty()
            && self.to.port != "any";
        let words = if short { self.short() } else { self.full() };
        words.join(" ")
    }

    fn short(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.direction == "out" {
            words.push("out".to_owned());
        }
        words.extend(self.logged());
        words.push(match (self.to.application.as_str(), self.protocol) {
            ("", "any") => self.to.port.to_owned(),
            ("", protocol) => format!("{}/{protocol}", self.to.port),
            (application, _) => quoted(application),
        });
        words
    }

    fn full(&self) -> Vec<String> {
        let mut words = Vec::new();
        if !self.interface_in.is_empty() {
            words.push(format!("in on {}", self.interface_in));
        }
        if !self.interface_out.is_empty() {
            words.push(format!("out on {}", self.interface_out));
        } else if self.direction == "out" {
            words.push("out".to_owned());
        }
        words.extend(self.logged());
        let ends = [self.from.words("from"), self.to.words("to")].concat();
        if ends.is_empty() && self.interface_in.is_empty() && self.interface_out.is_empty() {
            words.push("to any".to_owned());
        }
        words.extend(ends);
        if self.protocol != "any" && self.to.application.is_empty() && self.from.application.is_empty() {
            words.push(format!("proto {}", self.protocol));
        }
        words
    }

    fn logged(&self) -> Option<String> {
        (!self.log.is_empty()).then(|| self.log.to_owned())
    }

    /// What the lines of one application have in common; empty for a rule without.
    fn application(&self) -> String {
        let (to, from) = (&self.to, &self.from);
        if to.application.is_empty() && from.application.is_empty() {
            return String::new();
        }
        let name =
            |end: &End<'_>| if end.application.is_empty() { end.port.to_owned() } else { end.application.clone() };
        let interfaces = [self.interface_in, self.interface_out].join("!");
        [&name(to), to.address, &name(from), from.address, self.direction, &interfaces].join(" ")
    }
}

/// `10.0.0.0/8`, `fe80::/10`, `10.1.0.2`.
fn is_address(text: &str) -> bool {
    let (address, mask) = text.split_once('/').unwrap_or((text, ""));
    address.parse::<IpAddr>().is_ok() && (mask.parse::<IpAddr>().is_ok() || mask.chars().all(|c| c.is_ascii_digit()))
}

/// Names of applications may have spaces in them.
fn quoted(name: &str) -> String {
    if name.contains(' ') { format!("'{name}'") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::config::files::Memory;

    /// What ufw 0.36.2 wrote, without the rules themselves and without lines that do not count.
    const V4: &str = "*filter\n:ufw-user-input - [0:0]\n### RULES ###\n
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6974206973206f757273
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
### tuple ### reject tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### limit_log tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### deny tcp 443 0.0.0.0/0 any 10.0.0.0/8 in_eth0
### tuple ### allow any 53 0.0.0.0/0 any 0.0.0.0/0 out
### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out_eth1
### tuple ### route:allow tcp 80 10.9.0.2 any 0.0.0.0/0 in_eth0!out_eth1
### tuple ### allow any any 0.0.0.0/0 any 192.0.2.7 in
### tuple ### allow tcp 8000:8010,9000 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in
### tuple ### allow udp 137,138 0.0.0.0/0 any 0.0.0.0/0 Many%20Ports - in
### tuple ### allow tcp 139,445 0.0.0.0/0 any 0.0.0.0/0 Many%20Ports - in
### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_eth2
### END RULES ###
";
    const V6: &str = "
### tuple ### allow tcp 22 ::/0 any ::/0 in comment=6974206973206f757273
### tuple ### allow udp 137,138 ::/0 any ::/0 Many%20Ports - in
### tuple ### allow tcp 139,445 ::/0 any ::/0 Many%20Ports - in
### tuple ### allow any 80 ::/0 any fd00:1::2 in
";
    const SETTINGS: &str = "# ENABLED=no\nIPV6=yes\nDEFAULT_INPUT_POLICY=\"REJECT\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\nIPT_MODULES=\"a b\"\n";

    fn host() -> Memory {
        Memory::default()
            .file(CONF, "# /etc/ufw/ufw.conf\nENABLED=yes\nLOGLEVEL=low\n")
            .file(DEFAULTS, SETTINGS)
            .file("/usr/sbin/ufw", "")
            .file(RULES, V4)
            .file(RULES_V6, V6)
    }

    fn ufw(files: &Memory) -> Ufw {
        read_from(files).unwrap().unwrap()
    }

    #[test]
    fn rules_have_the_words_and_numbers_ufw_gives_them() {
        let ufw = ufw(&host());
        let shown: Vec<String> = ufw
            .rules
            .iter()
            .map(|r| format!("{} {}{} {}", r.number, if r.routed { "route " } else { "" }, r.action, r.spec))
            .collect();
        assert_eq!(
            shown,
            [
                "1 allow 22/tcp",
                "2 reject 80/tcp",
                "3 limit log 2222/tcp",
                "4 deny in on eth0 from 10.0.0.0/8 to any port 443 proto tcp",
                "5 allow out 53",
                "6 deny out on eth1 to any port 25 proto tcp",
                "7 route allow in on eth0 out on eth1 to 10.9.0.2 port 80 proto tcp",
                "8 allow from 192.0.2.7",
                "9 allow 8000:8010,9000/tcp",
                "10 allow 'WWW Full'",
                "11 allow 'Many Ports'",
                "11 allow 'Many Ports'",
                "12 allow in on eth2",
                "13 allow 22/tcp",
                "14 allow 'Many Ports'",
                "14 allow 'Many Ports'",
                "15 allow from fd00:1::2 to any port 80",
            ]
        );
        let last = ufw.rules.last().unwrap();
        assert_eq!((last.v6, last.file.as_str(), last.line), (true, RULES_V6, 5));
    }

    #[test]
    fn settings_are_those_of_both_files() {
        let ufw = ufw(&host());
        assert!(ufw.enabled && ufw.ipv6);
        assert_eq!([ufw.incoming, ufw.outgoing, ufw.routed], ["reject", "allow", "deny"]);
        let plain = Memory::default().file(CONF, "ENABLED=\"No\"").file("/usr/bin/ufw", "");
        assert_eq!(read_from(&plain).unwrap().unwrap().incoming, "deny");
    }

    #[test]
    fn rules_of_ipv6_count_only_where_it_is_on() {
        let files = host().file(DEFAULTS, "IPV6=no\n");
        assert_eq!(ufw(&files).rules.len(), 13);
    }

    #[test]
    fn not_installed_removed_and_hidden_are_told_apart() {
        assert_eq!(read_from(&Memory::default()), Ok(None));
        let removed = Memory::default().file(CONF, "ENABLED=yes");
        assert_eq!(read_from(&removed), Ok(None));
        let hidden = host().denied(RULES);
        assert_eq!(read_from(&hidden), Err(Trouble::denied("root")));
        let off = hidden.file(CONF, "ENABLED=no");
        assert!(!ufw(&off).enabled, "what is not loaded need not be read");
    }

    #[test]
    fn lines_that_ufw_skips_have_no_number() {
        for line in [
            " allow tcp 80",
            " allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 sideways",
            " allow tcp 80 nowhere any 0.0.0.0/0 in",
            " admit tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            " allow tcp eighty 0.0.0.0/0 any 0.0.0.0/0 in",
            " allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 - - in more",
        ] {
            assert!(tuple(line, ("f", 1), false).is_none(), "{line}");
        }
        let old = tuple(" allow tcp 80 0.0.0.0/0 any 0.0.0.0/0", ("f", 1), false);
        assert_eq!(old.unwrap().rule.spec, "80/tcp");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(at in 0..V4.len(), with in "\\PC{0,6}", cut in 0..40_usize) {
            let mut text: Vec<char> = V4.chars().collect();
            let end = (at + cut).min(text.len());
            text.splice(at..end, with.chars());
            let text: String = text.into_iter().collect();
            let read = ufw(&host().file(RULES, &text).file(CONF, &text));
            prop_assert!(read.rules.iter().all(|r| r.number >= 1));
        }
    }
}

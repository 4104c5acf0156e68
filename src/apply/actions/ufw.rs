//! Rules of ufw, by its own program, and read from its files.
//!
//! Its files are put back as they were once they say the same rules again. A rule that was taken away goes back to where
//! it stood: before the first of the rules that came after it, for IPv4 and IPv6 each.

use std::net::IpAddr;

use super::{file, kept, program};
use crate::apply::Hands;
use crate::apply::change::{Change, Kept, Value};
use crate::error::Error;
use crate::fixes::action::UfwEntry;
use crate::sources::firewalls::ufw::{self, Listed, RULES, RULES_V6, listed};

/// What starts the part of a file that is no rule.
const LOGGING: &str = "### LOGGING ###";

/// What an entry becomes. Fails where it is not as the plan says.
pub(super) fn planned(entry: &UfwEntry, old: &Value) -> Result<Value, Error> {
    let new = entry.action.clone().unwrap_or_default();
    let was = entry.was.clone().unwrap_or_default();
    let Value::Kept(old) = old else { return Err(changed(entry)) };
    if !old.says.iter().all(|now| *now == was) && !old.says.iter().all(|now| *now == new) {
        return Err(changed(entry));
    }
    Ok(Value::Kept(Kept { says: vec![new; old.says.len()], ..Kept::default() }))
}

fn changed(entry: &UfwEntry) -> Error {
    let about = entry.about.join(" ");
    Error::broken(format!("what ufw does about {about} is not as it was when the plan was made")).hint("diagnose again")
}

/// What ufw does with it, for IPv4 and IPv6 where it is about both.
pub(super) async fn read(hands: &Hands, entry: &UfwEntry) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    let known = ufw::read().map_err(|trouble| {
        let why = crate::facts::Reading::<()>::from(trouble).blind().unwrap_or_default();
        Error::broken(format!("ufw's files cannot be read: {why}"))
    })?;
    let ipv6 = known.ok_or_else(|| Error::broken("ufw is not installed"))?.ipv6;
    let paths = [RULES, RULES_V6].into_iter().take(if ipv6 { 2 } else { 1 });
    let files: Vec<(String, Value)> =
        paths.map(|path| Ok((path.to_owned(), file::read(path)?))).collect::<Result<_, Error>>()?;
    let rules = rules_of(&files);
    let says = families(entry, ipv6).into_iter().map(|v6| does(&rules, entry, v6)).collect();
    Ok(Value::Kept(Kept { says, beside: String::new(), files }))
}

/// Whether each family it is about is IPv6's.
fn families(entry: &UfwEntry, ipv6: bool) -> Vec<bool> {
    let named = entry.about.iter().find_map(|word| {
        let address = word.split('/').next().unwrap_or_default();
        Some(address.parse::<IpAddr>().ok()?.is_ipv6())
    });
    match (named, ipv6) {
        (Some(v6), _) => vec![v6],
        (None, true) => vec![false, true],
        (None, false) => vec![false],
    }
}

fn does(rules: &[Listed], entry: &UfwEntry, v6: bool) -> String {
    found(rules, entry, v6).map(|(_, rule)| rule.does.clone()).unwrap_or_default()
}

fn found<'a>(rules: &'a [Listed], entry: &UfwEntry, v6: bool) -> Option<(usize, &'a Listed)> {
    let about = entry.about.join(" ");
    rules.iter().enumerate().find(|(_, l)| l.rule.v6 == v6 && !l.rule.routed && l.about == about)
}

fn rules_of(files: &[(String, Value)]) -> Vec<Listed> {
    listed(&text_of(files, RULES), &text_of(files, RULES_V6))
}

fn text_of(files: &[(String, Value)], path: &str) -> String {
    match files.iter().find(|(file, _)| file == path) {
        Some((_, Value::File(image))) => String::from_utf8_lossy(image.content.bytes()).into_owned(),
        _ => String::new(),
    }
}

pub(super) async fn set(hands: &Hands, entry: &UfwEntry, change: &Change, number: u64) -> Result<(), Error> {
    let Value::Kept(to) = &change.new else { return Err(changed(entry)) };
    if to.files.is_empty() {
        return program::run(&hands.state, &entry.argv(false)).await;
    }
    // What has been done already by somebody who was interrupted is not done again.
    let gone = to.says.iter().all(String::is_empty);
    if gone {
        program::run(&hands.state, &entry.argv(true)).await?;
    } else {
        let was = rules_of(&to.files);
        for v6 in families(entry, to.files.len() > 1) {
            let Value::Kept(now) = read(hands, entry).await? else { return Err(changed(entry)) };
            if let Some(argv) = again(&was, &rules_of(&now.files), entry, v6)? {
                program::run(&hands.state, &argv).await?;
            }
        }
    }
    restore(hands, entry, &change.new, number).await
}

/// The command that makes the rule of a family what it was, where it was; none where it is.
fn again(was: &[Listed], now: &[Listed], entry: &UfwEntry, v6: bool) -> Result<Option<Vec<String>>, Error> {
    let Some((at, rule)) = found(was, entry, v6) else { return Ok(None) };
    if rule.words.is_empty() {
        return Err(changed(entry));
    }
    let standing = found(now, entry, v6);
    if standing.is_some_and(|(_, now)| now.line == rule.line) {
        return Ok(None);
    }
    let mut argv = vec!["ufw".to_owned()];
    if standing.is_none() {
        let after = was.iter().skip(at + 1).filter(|l| l.rule.v6 == v6);
        let next = after.into_iter().find_map(|l| now.iter().find(|n| n.rule.v6 == v6 && n.line == l.line));
        argv.extend(next.into_iter().flat_map(|next| ["insert".to_owned(), next.rule.number.to_string()]));
    }
    argv.extend(rule.words.iter().cloned());
    Ok(Some(argv))
}

/// Puts ufw's files back as they were, where their rules are.
pub(super) async fn restore(hands: &Hands, entry: &UfwEntry, to: &Value, number: u64) -> Result<(), Error> {
    let (Value::Kept(to), Value::Kept(now)) = (to, read(hands, entry).await?) else { return Ok(()) };
    let lines = |files: &[(String, Value)]| rules_of(files).into_iter().map(|l| l.line).collect::<Vec<_>>();
    let logging = |path: &str| {
        let part = |files| text_of(files, path).split_once(LOGGING).map(|(_, part)| part.to_owned());
        // What the package brought has none; ufw adds it to what it writes.
        part(&to.files).is_none_or(|was| part(&now.files) == Some(was))
    };
    let same = lines(&to.files) == lines(&now.files) && [RULES, RULES_V6].into_iter().all(logging);
    if same && !to.files.is_empty() { kept::put_back(&to.files, number) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n\
                      ### tuple ### deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in\n\
                      ### tuple ### allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in\n";
    const V6: &str = "### tuple ### allow tcp 22 ::/0 any ::/0 in\n### tuple ### deny tcp 80 ::/0 any ::/0 in\n";

    fn entry(about: &str, was: Option<&str>, action: Option<&str>) -> UfwEntry {
        UfwEntry {
            about: about.split(' ').map(str::to_owned).collect(),
            action: action.map(str::to_owned),
            was: was.map(str::to_owned),
            before: None,
        }
    }

    fn without(text: &str) -> String {
        text.split_inclusive('\n').filter(|line| !line.contains("tcp 80 ")).collect()
    }

    #[test]
    fn a_rule_goes_back_to_where_it_stood() {
        let (was, now) = (listed(V4, V6), listed(&without(V4), &without(V6)));
        let entry = entry("80/tcp", Some("deny"), None);
        let argv = |v6| again(&was, &now, &entry, v6).unwrap().unwrap().join(" ");
        assert_eq!(argv(false), "ufw insert 2 deny proto tcp from 0.0.0.0/0 to 0.0.0.0/0 port 80");
        assert_eq!(argv(true), "ufw deny proto tcp from ::/0 to ::/0 port 80", "it was the last");
        assert_eq!(again(&was, &was, &entry, false).unwrap(), None);
    }

    #[test]
    fn another_action_takes_the_place_of_the_old_one() {
        let was = listed(V4, V6);
        let now = listed(&V4.replace("deny", "allow"), &V6.replace("deny", "allow"));
        let entry = entry("80/tcp", Some("deny"), Some("allow"));
        let argv = again(&was, &now, &entry, true).unwrap().unwrap();
        assert_eq!(argv.join(" "), "ufw deny proto tcp from ::/0 to ::/0 port 80");
        assert_eq!(entry.argv(false), ["ufw", "allow", "80/tcp"]);
    }

    #[test]
    fn a_plan_that_is_out_of_date_is_refused() {
        let says = |words: &[&str]| {
            Value::Kept(Kept { says: words.iter().map(|w| (*w).to_owned()).collect(), ..Kept::default() })
        };
        let allow = entry("80/tcp", None, Some("allow"));
        assert!(planned(&allow, &says(&["", ""])).unwrap().is(&says(&["allow", "allow"])));
        assert!(planned(&allow, &says(&["allow", "allow"])).is_ok());
        assert!(planned(&allow, &says(&["deny", ""])).is_err(), "it would take the place of a rule nobody knew of");
        assert!(planned(&entry("80/tcp", Some("deny"), None), &says(&["deny", "limit log"])).is_err());
    }

    #[test]
    fn the_families_are_those_of_the_addresses() {
        let of = |about: &str, ipv6| families(&entry(about, None, Some("allow")), ipv6);
        assert_eq!(of("80/tcp", true), [false, true]);
        assert_eq!(of("80/tcp", false), [false]);
        assert_eq!(of("from fd00:1::/64 to any port 80 proto tcp", true), [true]);
        assert_eq!(of("from 10.1.0.2 to any port 80 proto tcp", true), [false]);
    }
}

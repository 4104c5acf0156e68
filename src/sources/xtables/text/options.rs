//! The options of a match or target: each is taken once, and what nobody took makes the whole unknown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::line::Word;
use crate::facts::ruleset::Family;

/// Options whose values may look like options, and how many they have. Any other has what stands up to the next option.
const ANY_VALUE: &[(&str, usize)] = &[
    ("--add-set", 2),
    ("--bytecode", 1),
    ("--comment", 1),
    ("--del-set", 2),
    ("--genre", 1),
    ("--hashlimit-name", 1),
    ("--helper", 1),
    ("--hex-string", 1),
    ("--label", 1),
    ("--log-prefix", 1),
    ("--map-set", 2),
    ("--match-set", 2),
    ("--name", 1),
    ("--nfacct-name", 1),
    ("--nflog-prefix", 1),
    ("--object-pinned", 1),
    ("--path", 1),
    ("--physdev-in", 1),
    ("--physdev-out", 1),
    ("--selctx", 1),
    ("--string", 1),
    ("--timeout", 1),
    ("--u32", 1),
    ("--ulog-prefix", 1),
];

/// An option with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    name: String,
    /// `!` stands before it.
    pub(super) inverted: bool,
    values: Vec<String>,
}

impl Setting {
    /// How many of the words that follow an option are its values.
    pub(super) fn length(name: &str, rest: &[Word]) -> usize {
        match ANY_VALUE.iter().find(|(option, _)| *option == name) {
            Some((_, count)) => (*count).min(rest.len()),
            None => rest.iter().take_while(|word| !word.is_option()).count(),
        }
    }

    pub(super) fn new(name: &str, inverted: bool, values: &[Word]) -> Self {
        Self { name: name.to_owned(), inverted, values: values.iter().map(|word| word.text.clone()).collect() }
    }

    /// Its only value.
    pub(super) fn one(&self) -> Option<&str> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Its two values.
    pub(super) fn two(&self) -> Option<(&str, &str)> {
        match self.values.as_slice() {
            [one, other] => Some((one, other)),
            _ => None,
        }
    }

    fn words(&self) -> String {
        let not = if self.inverted { "! " } else { "" };
        let values: String = self.values.iter().flat_map(|value| [" ", value]).collect();
        format!("{not}{}{values}", self.name)
    }
}

/// A match or target with its options.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) name: String,
    pub(super) family: Family,
    settings: Vec<Setting>,
}

impl Options {
    pub(super) fn new(name: &str, family: Family) -> Self {
        Self { name: name.to_owned(), family, settings: Vec::new() }
    }

    pub(super) fn add(&mut self, setting: Setting) {
        self.settings.push(setting);
    }

    /// As they were written.
    pub(super) fn words(&self) -> String {
        self.settings.iter().map(Setting::words).collect::<Vec<_>>().join(" ")
    }

    /// An option, if it was given.
    pub(super) fn take(&mut self, name: &str) -> Option<Setting> {
        let at = self.settings.iter().position(|setting| setting.name == name)?;
        Some(self.settings.remove(at))
    }

    /// An option that has no value: none if it was not given, otherwise whether it is inverted.
    #[expect(clippy::option_option, reason = "not understood, not given, and given are three")]
    pub(super) fn alone(&mut self, name: &str) -> Option<Option<bool>> {
        match self.take(name) {
            None => Some(None),
            Some(setting) => setting.values.is_empty().then_some(Some(setting.inverted)),
        }
    }

    /// An option without a value and without `!`: was it given? None if it has either.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.alone(name)? {
            None => Some(false),
            Some(inverted) => (!inverted).then_some(true),
        }
    }

    /// Options, each with how many values it has, that say nothing of what is decided. None if one is written otherwise.
    pub(super) fn pass_over(&mut self, names: &[(&str, usize)]) -> Option<()> {
        for (name, values) in names {
            let given = self.take(name);
            if given.is_some_and(|setting| setting.inverted || setting.values.len() != *values) {
                return None;
            }
        }
        Some(())
    }

    /// The value of an option and whether it is inverted. None where the value is not understood.
    pub(super) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<(Option<T>, bool)> {
        match self.take(name) {
            None => Some((None, false)),
            Some(setting) => Some((Some(read(setting.one()?)?), setting.inverted)),
        }
    }

    /// The value of an option that has no `!`.
    #[expect(clippy::option_option, reason = "not understood, not given, and given are three")]
    pub(super) fn plain<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
        let (value, inverted) = self.read(name, read)?;
        (!inverted).then_some(value)
    }

    /// The result, if all options were taken.
    pub(super) fn done<T>(&self, result: T) -> Option<T> {
        self.settings.is_empty().then_some(result)
    }
}

/// A number, hexadecimal behind `0x`.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn number_16(text: &str) -> Option<u16> {
    number(text).and_then(|number| u16::try_from(number).ok())
}

/// A value and its mask, all of it where none is given.
pub(super) fn masked(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

/// `FROM`, or `FROM` and `TO` with something between.
pub(super) fn range<T: Copy>(text: &str, between: char, read: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    match text.split_once(between) {
        Some((from, to)) => Some((read(from)?, read(to)?)),
        None => read(text).map(|one| (one, one)),
    }
}

/// `22`, `80:90`.
pub(super) fn ports(text: &str) -> Option<(u16, u16)> {
    range(text, ':', number_16)
}

/// An address of the family.
pub(super) fn address(text: &str, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ip => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::Ip6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        Family::Inet | Family::Netdev | Family::Arp | Family::Bridge => None,
    }
}

/// An address and its mask: `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1`.
pub(super) fn network(text: &str, family: Family) -> Option<(IpAddr, IpAddr)> {
    let (own, mask) = text.split_once('/').map_or((text, None), |(own, mask)| (own, Some(mask)));
    let own = address(own, family)?;
    let most = if own.is_ipv4() { 32 } else { 128 };
    let mask = match mask {
        None => prefix(most, most)?,
        Some(mask) => match mask.parse::<u32>() {
            Ok(bits) => prefix(bits, most)?,
            Err(_) => address(mask, family)?,
        },
    };
    Some((own, mask))
}

/// A mask of so many ones.
fn prefix(bits: u32, most: u32) -> Option<IpAddr> {
    let zeros = most.checked_sub(bits)?;
    if most == 32 {
        return Some(Ipv4Addr::from(u32::MAX.checked_shl(zeros).unwrap_or(0)).into());
    }
    Some(Ipv6Addr::from(u128::MAX.checked_shl(zeros).unwrap_or(0)).into())
}

/// Bits of names in a list (`NEW,RELATED`).
pub(super) fn bits(text: &str, names: &[(&str, u32)]) -> Option<u32> {
    let bit = |word: &str| names.iter().find(|(name, _)| *name == word).map(|(_, bit)| *bit);
    text.split(',').try_fold(0, |all, word| Some(all | bit(word)?))
}

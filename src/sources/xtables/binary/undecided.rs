//! Matches that nothing decides before a packet comes: only that their structure is the one that is known.

use super::info::Info;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::xt::Match;

/// Name, revision and size of what is known by name alone.
const BY_NAME: &[(&str, u32, usize)] = &[
    ("ah", 0, 16),
    ("bpf", 0, 528),
    ("bpf", 1, 528),
    ("cgroup", 0, 8),
    ("cgroup", 1, 4112),
    ("cgroup", 2, 528),
    ("cluster", 0, 16),
    ("connbytes", 0, 18),
    ("connlabel", 0, 4),
    ("cpu", 0, 8),
    ("dccp", 0, 16),
    ("devgroup", 0, 20),
    ("dscp", 0, 2),
    ("ecn", 0, 4),
    ("esp", 0, 12),
    ("helper", 0, 36),
    ("hl", 0, 2),
    ("mac", 0, 12),
    ("nfacct", 0, 40),
    ("nfacct", 1, 40),
    ("policy", 0, 308),
    ("quota", 0, 24),
    ("realm", 0, 12),
    ("sctp", 0, 292),
    ("string", 1, 160),
    ("tcpmss", 0, 6),
    ("time", 0, 24),
    ("tos", 1, 3),
    ("ttl", 0, 2),
    ("u32", 0, 1984),
    // Those that are decided unless they have rarer options.
    ("owner", 1, 20),
    ("rpfilter", 0, 1),
    ("socket", 1, 1),
    ("socket", 2, 1),
    ("socket", 3, 1),
    ("set", 1, 4),
    ("set", 2, 4),
    ("set", 3, 44),
    ("set", 4, 44),
];

/// A match that is known by its name.
pub(super) fn decode(name: &str, revision: u32, info: &[u8], family: Family) -> Option<Match> {
    let sized = |size| Info::of(info, size, family);
    match (name, revision) {
        ("hashlimit", 1) => Some(Match::Hashlimit { text: named(sized(56)?, 16)? }),
        ("hashlimit", 2) => Some(Match::Hashlimit { text: named(sized(304)?, 255)? }),
        ("hashlimit", 3) => Some(Match::Hashlimit { text: named(sized(312)?, 255)? }),
        ("physdev", 0) => Some(Match::Physdev { text: physdev(sized(66)?)? }),
        ("statistic", 0) => Some(Match::Statistic { text: statistic(sized(24)?)? }),
        _ => {
            let (_, _, size) = BY_NAME.iter().find(|(n, r, _)| *n == name && *r == revision)?;
            sized(*size).map(|_| Match::Unknowable { name: name.to_owned(), text: String::new() })
        }
    }
}

fn named(info: Info<'_>, most: usize) -> Option<String> {
    Some(format!("--hashlimit-name {}", info.text(0, most)?))
}

/// Names of devices, each followed by a mask; then which of the conditions are inverted and which are there.
fn physdev(info: Info<'_>) -> Option<String> {
    const KNOWN: u8 = 0x1f;
    const WORDS: [(u8, &str, Option<usize>); 5] = [
        (0x08, "--physdev-is-in", None),
        (0x01, "--physdev-in", Some(0)),
        (0x10, "--physdev-is-out", None),
        (0x02, "--physdev-out", Some(32)),
        (0x04, "--physdev-is-bridged", None),
    ];
    let (inverted, there) = (info.flags(64, KNOWN)?, info.flags(65, KNOWN)?);
    let mut words = Vec::new();
    for (bit, word, device) in WORDS {
        if there & bit == 0 {
            continue;
        }
        if inverted & bit != 0 {
            words.push("!".to_owned());
        }
        words.push(word.to_owned());
        if let Some(at) = device {
            // The mask has a byte for each that is compared; the zero at the end of the name is one, unless there was a `+`.
            let (name, compared) = (info.text(at, 16)?, info.text(at.saturating_add(16), 16)?);
            let more = if compared.chars().count() > name.len() || name.len() >= 15 { "" } else { "+" };
            words.push(format!("{name}{more}"));
        }
    }
    Some(words.join(" "))
}

fn statistic(info: Info<'_>) -> Option<String> {
    let (mode, flags) = (info.u16(0)?, info.u16(2)?);
    let not = match flags {
        0 => "",
        1 => "! ",
        _ => return None,
    };
    match mode {
        0 => {
            let probability = f64::from(info.u32(4)?) / 2_147_483_648.0;
            Some(format!("--mode random {not}--probability {probability:.11}"))
        }
        1 => {
            // The kernel keeps one less.
            let (every, packet) = (info.u32(4)?.wrapping_add(1), info.u32(8)?);
            Some(format!("--mode nth {not}--every {every} --packet {packet}"))
        }
        _ => None,
    }
}

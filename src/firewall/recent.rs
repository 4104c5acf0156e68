//! Lists of recent packets (`-m recent`), as `ufw limit` uses them: who was seen often enough, and lately.

use super::ranges::Ranges;
use super::rule::{Step, Task};
use super::split::Test;
use super::strand::{Address, Seen};
use super::walker::Walker;
use super::way::number_of;
use crate::facts::ruleset::Recent;
use crate::facts::ruleset::xt::{RecentDoes, RecentMatch};

/// What rules did with the packet's own entry on its way.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    /// How often it was put in.
    set: usize,
    /// How often that may have happened besides.
    perhaps: usize,
    /// What the list held before was taken out.
    removed: bool,
}

impl Walker<'_> {
    /// `-m recent`.
    pub(super) fn recent(&mut self, recent: &RecentMatch, task: &mut Task) -> Step {
        let state = &task.strand.state;
        let address = if recent.source { state.source.address } else { state.destination.address };
        let own = own(&state.listed, recent, address);
        let seen = Seen { list: recent.name.clone(), address, does: recent.does };
        if recent.does != RecentDoes::Check {
            task.strand.state().listed.push(seen);
        }
        if recent.does == RecentDoes::Set {
            return Step::Test(Test::of(!recent.inverted));
        }
        if recent.ttl {
            return self.doubtful(&format!("it depends on the list {} of recent and on the packet's TTL", recent.name));
        }
        let needed = match recent.does {
            RecentDoes::Check | RecentDoes::Update => usize::try_from(recent.hits).unwrap_or(usize::MAX).max(1),
            RecentDoes::Set | RecentDoes::Remove => 1,
        };
        if own.set >= needed {
            return Step::Test(Test::of(!recent.inverted));
        }
        let list = match self.known.recent(&recent.name) {
            Ok(list) => list,
            Err(missing) => {
                let doubt = self.missing(&missing, &format!("the list {} of recent", recent.name));
                return Step::Test(Test::Doubt(doubt));
            }
        };
        let sure = self.often(list, recent, address, (own, needed));
        let more = Own { set: own.set.saturating_add(own.perhaps), ..own };
        if own.perhaps > 0 && self.often(list, recent, address, (more, needed)) != sure {
            return self.doubtful(&format!("it depends on how often rules put it into the list {}", recent.name));
        }
        Step::Test(sure.inverted(recent.inverted))
    }

    /// Whose packets were seen as often as needed.
    fn often(&self, list: &Recent, recent: &RecentMatch, address: Address, (own, needed): (Own, usize)) -> Test {
        let within = u64::from(recent.seconds).saturating_mul(1000);
        if own.set >= needed {
            return Test::Yes;
        }
        if own.removed {
            return Test::No;
        }
        let mut often = Ranges::default();
        for (source, ages) in list.seen.iter().filter(|(source, _)| source.is_ipv6() == self.v6) {
            let lately = |age: &&u64| recent.does == RecentDoes::Remove || recent.seconds == 0 || **age <= within;
            if ages.iter().filter(lately).count().saturating_add(own.set) >= needed {
                // An entry is an address with its mask applied: it stands for all that share those bits.
                let bits = recent.mask.map_or(u128::MAX, number_of);
                let width = if self.v6 { u128::MAX } else { u128::from(u32::MAX) };
                let low = number_of(*source) & bits;
                let rest = !bits & width;
                if rest & rest.wrapping_add(1) != 0 {
                    return Test::Doubt(super::walker::ODD);
                }
                often.insert(low, low | rest);
            }
        }
        match address {
            _ if often.is_empty() => Test::No,
            Address::Client => Test::addresses(often),
            Address::Fixed(address) => Test::of(often.contains(number_of(address))),
            Address::Unknown(doubt) => Test::Doubt(doubt),
        }
    }
}

/// What happened to this packet's entry before.
fn own(seen: &[Seen], recent: &RecentMatch, address: Address) -> Own {
    let mut own = Own::default();
    for seen in seen.iter().filter(|seen| seen.list == recent.name && seen.address == address) {
        match seen.does {
            RecentDoes::Set => own.set += 1,
            // Only where it matched, which is not told apart.
            RecentDoes::Update => own.perhaps += 1,
            RecentDoes::Remove => own = Own { removed: true, ..Own::default() },
            RecentDoes::Check => {}
        }
    }
    own
}

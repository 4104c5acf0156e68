//! iptables: its matches and targets from structures and from words, and the tables of iptables-legacy.

pub mod binary;
mod legacy;
pub(super) mod recent;
pub mod text;

use std::net::IpAddr;

pub use legacy::legacy;
pub use recent::recent;

/// A rate as iptables prints it, from what the kernel keeps: ten-thousandths of a second between two packets.
fn average(between: u32) -> String {
    const A_SECOND: u32 = 10_000;
    const UNITS: [(u32, &str); 4] =
        [(A_SECOND * 60 * 60 * 24, "day"), (A_SECOND * 60 * 60, "hour"), (A_SECOND * 60, "min"), (A_SECOND, "sec")];
    // The finest unit in which the rate is still a good whole number.
    let fits = |unit: u32| match (unit.checked_div(between), unit.checked_rem(between)) {
        (Some(times), Some(rest)) => between <= unit && times >= rest,
        _ => false,
    };
    let mut best = UNITS.first().copied();
    for unit in UNITS.into_iter().skip(1).take_while(|(unit, _)| fits(*unit)) {
        best = Some(unit);
    }
    match best.and_then(|(unit, word)| Some((unit.checked_div(between)?, word))) {
        Some((times, word)) => format!("{times}/{word}"),
        None => "inf".into(),
    }
}

/// A mask of ones only.
fn is_whole(mask: IpAddr) -> bool {
    match mask {
        IpAddr::V4(mask) => mask.to_bits() == u32::MAX,
        IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
    }
}

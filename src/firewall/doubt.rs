//! Doubts: what cannot be known before a packet comes is followed both ways; where both end alike, nothing depended on it.

use super::bytes::DoubtId;
use super::strand::{State, Strand};

/// Beyond this many strands alternatives are no longer compared one by one; they are at the end.
const MANY: usize = 64;

/// Puts strands together that hold the same sources in the same state, by either way of a doubt.
pub(super) fn agree(strands: Vec<Strand>) -> Vec<Strand> {
    if strands.len() < 2 || strands.len() > MANY || strands.iter().all(|strand| strand.state.doubts.is_empty()) {
        return strands;
    }
    let mut kept: Vec<Strand> = Vec::with_capacity(strands.len());
    let mut open = strands;
    open.reverse();
    while let Some(mut strand) = open.pop() {
        let twin = kept.iter().enumerate().find_map(|(at, other)| {
            let fork = either_way(&other.state.doubts, &strand.state.doubts)?;
            (other.same_sources(&strand) && alike(&other.state, &strand.state)).then_some((at, fork))
        });
        match twin {
            Some((at, fork)) => {
                kept.remove(at);
                strand.state().doubts.remove(fork);
                open.push(strand);
            }
            None => kept.push(strand),
        }
    }
    kept
}

/// Where two lists of doubts differ, if that is only in which way one of them went: together they do not depend on it.
/// Another of its ways may have ended before, so nothing less will do.
fn either_way(one: &[(DoubtId, bool)], other: &[(DoubtId, bool)]) -> Option<usize> {
    let mut differing = one.iter().zip(other).enumerate().filter(|(_, (a, b))| a != b);
    let (at, (a, b)) = differing.next()?;
    (one.len() == other.len() && differing.next().is_none() && a.0 == b.0).then_some(at)
}

/// The same but for what it depended on, and what let it pass.
fn alike(one: &State, other: &State) -> bool {
    let State { kind, source, destination, mark, tracking, connection, reply, input, output, looped, .. } = one;
    *kind == other.kind
        && *source == other.source
        && *destination == other.destination
        && *mark == other.mark
        && *tracking == other.tracking
        && *connection == other.connection
        && *reply == other.reply
        && *input == other.input
        && *output == other.output
        && *looped == other.looped
        && one.added == other.added
        && one.listed == other.listed
        && one.ghost == other.ghost
        && one.translated == other.translated
}

//! Doubts: what cannot be known before a packet comes is followed both ways; where both end alike, nothing depended on it.

use super::strand::{State, Strand};

/// Beyond this many strands alternatives are no longer compared one by one; they are at the end.
const MANY: usize = 64;

/// Puts strands together that hold the same sources in the same state, by either way of a doubt.
pub(super) fn agree(strands: Vec<Strand>) -> Vec<Strand> {
    if strands.len() < 2 || strands.len() > MANY || strands.iter().all(|strand| strand.state.doubts.is_empty()) {
        return strands;
    }
    let mut kept: Vec<Strand> = Vec::with_capacity(strands.len());
    for strand in strands {
        let twin = kept.iter_mut().find(|other| alike(&other.state, &strand.state) && other.same_sources(&strand));
        match twin {
            Some(other) => {
                let common = other.state.doubts.iter().zip(&strand.state.doubts).take_while(|(a, b)| a == b).count();
                other.state().doubts.truncate(common);
            }
            None => kept.push(strand),
        }
    }
    kept
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

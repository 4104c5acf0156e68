//! Carries a change of the rules to the kernel, as `apply` made it: only while the rules are those it was made for.

use nix::errno::Errno;

use super::{Session, kind};
use crate::sources::Trouble;
use crate::sources::netlink::wire::{attribute, flagged_request};

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 16;
const END: u16 = 17;
/// Which generation of the rules the transaction is for.
const GENERATION: u16 = 1;
const FLAG_ACK: u16 = 0x4;

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Message of nf_tables (`NFT_MSG_*`), without the subsystem.
    pub message: u16,
    /// Netlink flags of its kind (`NLM_F_CREATE`, `NLM_F_APPEND`).
    pub flags: u16,
    /// `struct nfgenmsg` and the attributes.
    pub body: Vec<u8>,
}

/// Makes a change, all of it or nothing. The inner error is the kernel's answer: ERESTART where the rules are no longer
/// of that generation, and then nothing was changed.
pub fn transact(generation: u32, change: &Change) -> Result<Result<(), Errno>, Trouble> {
    let Some(mut session) = Session::open()? else {
        return Err(Trouble::failed("this kernel has no nf_tables"));
    };
    session.netlink.transact("changing the rules", &bytes(generation, change), (1, 3))
}

/// The messages of a transaction.
fn bytes(generation: u32, change: &Change) -> Vec<u8> {
    // The subsystem, in network order, where other messages have their resource.
    let header = [0, 0, 0, 10];
    let begin = [header.as_slice(), &attribute(GENERATION, &generation.to_be_bytes())].concat();
    [
        flagged_request(BEGIN, 0, 1, &begin),
        flagged_request(kind(change.message), FLAG_ACK | change.flags, 2, &change.body),
        flagged_request(END, 0, 3, &header),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::messages;

    #[test]
    fn a_change_stands_between_begin_and_end_of_its_generation() {
        let change = Change { message: 6, flags: 0x400, body: vec![1, 0, 0, 0, 9, 9, 9, 9] };
        let bytes = bytes(0x0102_0304, &change);
        let found: Vec<_> = messages(&bytes).map(|m| (m.kind, m.body.to_vec())).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], (16, vec![0, 0, 0, 10, 8, 0, 1, 0, 1, 2, 3, 4]));
        assert_eq!(found[1], (0x0a06, change.body));
        assert_eq!(found[2].0, 17);
    }
}

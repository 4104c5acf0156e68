//! What the kernel knows of one host on a link (`ip neighbour get`), over rtnetlink.

use std::net::IpAddr;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use super::wire::{Message, push_attribute, u16_at};
use crate::facts::routing::NeighbourState;
use crate::sources::Trouble;

const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;

/// The state of a host on a link. Needs no rights. `Ok(None)`: the kernel knows nothing of it.
pub fn state(ip: IpAddr, interface: &str) -> Result<Option<NeighbourState>, Trouble> {
    let Ok(index) = if_nametoindex(interface) else { return Ok(None) };
    let body = body(ip, index);
    let request = Request { doing: "asking for a neighbour", kind: GET_NEIGHBOUR, body: &body };
    match Netlink::open(SockProtocol::NetlinkRoute)?.one(request, |m| told(&m))? {
        Ok(state) => Ok(Some(state)),
        Err(Errno::ENOENT) => Ok(None),
        // Before Linux 5.0 only the whole list can be had.
        Err(errno) => Err(Trouble::failed(format!("asking for a neighbour: {}", errno.desc()))),
    }
}

/// `struct ndmsg` (family, padding, index, state, flags, type) and `NDA_DST`.
fn body(ip: IpAddr, index: u32) -> Vec<u8> {
    let mut body = vec![if ip.is_ipv4() { 2 } else { 10 }, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend([0; 4]);
    match ip {
        IpAddr::V4(v4) => push_attribute(&mut body, 1, &v4.octets()),
        IpAddr::V6(v6) => push_attribute(&mut body, 1, &v6.octets()),
    }
    body
}

pub(in crate::sources) fn told(message: &Message<'_>) -> Option<NeighbourState> {
    if message.kind != NEW_NEIGHBOUR {
        return None;
    }
    // NUD_...: INCOMPLETE 1, REACHABLE 2, STALE 4, DELAY 8, PROBE 16, FAILED 32, NOARP 64, PERMANENT 128; 0 is none.
    let bits = u16_at(message.body, 8)?;
    Some(match bits {
        0 | 1 => NeighbourState::Incomplete,
        32 => NeighbourState::Failed,
        64 | 128 => NeighbourState::Fixed,
        _ => NeighbourState::Known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::messages;
    use crate::sources::netlink::wire::tests::{message, spoiled};

    fn answer(state: u16) -> Vec<u8> {
        let mut body = body([10, 0, 0, 9].into(), 3);
        body[8..10].copy_from_slice(&state.to_ne_bytes());
        message(NEW_NEIGHBOUR, 0, 7, &body)
    }

    #[test]
    fn states_are_told_apart() {
        let read = |state| messages(&answer(state)).find_map(|m| told(&m)).unwrap();
        assert_eq!(
            [1, 2, 4, 16, 32, 128].map(read),
            [
                NeighbourState::Incomplete,
                NeighbourState::Known,
                NeighbourState::Known,
                NeighbourState::Known,
                NeighbourState::Failed,
                NeighbourState::Fixed,
            ]
        );
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(&answer(32)) {
            assert!(messages(&bytes).filter_map(|m| told(&m)).count() <= 1);
        }
    }
}

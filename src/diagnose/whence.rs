//! Where the answer of a target elsewhere was made: at this host, at the target, or in between.

use std::net::{IpAddr, SocketAddr};

use super::look::Look;
use super::subject::Subject;
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::path::{Control, EndAnswer, Path};
use crate::facts::route::RouteKey;

/// Who made it, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whence {
    /// The first hop, though the target is not on this link: the gateway, or this host itself.
    FirstHop,
    /// A box before the target: the target is farther than the answer. The last router before the answer, and the one at
    /// its distance.
    Between(Option<IpAddr>, IpAddr),
    /// The target, or the last router before it, which looks the same from here.
    TargetOrLast(Option<IpAddr>),
}

/// The target's address and port, where its way can be asked for.
pub(super) fn end_of(subject: &Subject) -> Option<Endpoint> {
    let remote = subject.local == Some(false);
    subject.endpoint().filter(|to| remote && matches!(to, Endpoint::Tcp(_)))
}

/// The way of a connection that failed and of which nobody said who failed it: asked for, where it is not known yet.
pub(super) fn path<'a>(look: &Look<'a>, subject: &Subject) -> Option<&'a Path> {
    let to = end_of(subject)?;
    let dial = look.dialled(&to)?;
    if tells_nobody(dial) { look.path(&to) } else { None }
}

/// Failed, and who did it is not told.
fn tells_nobody(dial: &Dial) -> bool {
    dial.icmp.is_none() && matches!(dial.outcome, Outcome::Refused | Outcome::Timeout)
}

/// Who reset the connection; none: nobody did, or it is not known (yet).
pub(super) fn reset(look: &Look<'_>, subject: &Subject) -> Option<Whence> {
    let path = path(look, subject)?;
    let via_gateway = {
        let to = path.to.ip();
        look.route(&RouteKey { to, from: None, input: None, mark: 0 })?.gateway.is_some()
    };
    whence(path, via_gateway)
}

fn whence(path: &Path, via_gateway: bool) -> Option<Whence> {
    let end = path.end.as_ref().filter(|end| end.answer == EndAnswer::Reset)?;
    Some(match path.control {
        Some(Control::Beyond(router)) => Whence::Between(path.before_end(), router),
        _ if end.distance == 1 && via_gateway => Whence::FirstHop,
        Some(Control::Target | Control::Silent) | None => Whence::TargetOrLast(path.before_end()),
    })
}

/// Who answered an attempt, in words. Never asks for anything.
pub(super) fn words(look: &Look<'_>, dial: &Dial) -> Option<String> {
    let Endpoint::Tcp(to) = dial.to else { return None };
    let path = look.facts().paths.get(&dial.to)?.value().filter(|_| tells_nobody(dial))?;
    let key = RouteKey { to: to.ip(), from: None, input: None, mark: 0 };
    let via_gateway = look.facts().routes.get(&key)?.value()?.gateway.is_some();
    let Some(end) = &path.end else {
        let (distance, router) = path.farthest()?;
        return Some(format!("nobody; {router}, hop {distance}, is the last on the way that answers"));
    };
    let distance = end.distance;
    Some(match whence(path, via_gateway)? {
        Whence::FirstHop => {
            format!("RST made at distance 1: by the gateway, or by a rule of this host itself, not by {to} behind it")
        }
        Whence::Between(_, router) => {
            format!("RST made nearer than {to}: at distance {distance}, where {router} is only a router")
        }
        Whence::TargetOrLast(None) => {
            format!("RST made at distance {distance}: {} itself, as far as can be told", to.ip())
        }
        Whence::TargetOrLast(Some(router)) => {
            format!("RST made at distance {distance}: {} itself or {router}, the last router before it", to.ip())
        }
    })
}

/// Is it an address of the public Internet?
pub(super) fn is_public(to: SocketAddr) -> bool {
    match to.ip() {
        IpAddr::V4(v4) => {
            let shared =
                v4.octets().starts_with(&[100]) && (64..128).contains(&v4.octets().get(1).copied().unwrap_or(0));
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xe000 == 0x2000),
    }
}

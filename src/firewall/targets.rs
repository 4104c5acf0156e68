//! Targets of iptables.

use std::net::IpAddr;

use super::bytes::{Byte, number};
use super::effect::notrack;
use super::nat::{Wanted, translate};
use super::rule::{Spot, Step, Task, Then};
use super::strand::{Address, Port, Tracking};
use super::walker::Walker;
use crate::facts::ruleset::Hook;
use crate::facts::ruleset::xt::{NatRange, Target};

impl<'k> Walker<'k> {
    /// A target.
    pub(super) fn xt_target(&mut self, spot: Spot<'_, 'k>, target: &'k Target, task: &mut Task) -> Step {
        match target {
            Target::Reject(with) => Step::Do(Then::Reject(*with)),
            Target::Dnat(range) => self.range(spot, false, range, task),
            Target::Snat(range) => self.range(spot, true, range, task),
            Target::Netmap(range) => self.netmap(spot, range, task),
            Target::Redirect(ports) => {
                let port = ports.and_then(|ports| self.port_of(ports));
                self.redirect(spot, port, task)
            }
            Target::Masquerade => self.masquerade(spot, task),
            Target::Log { .. } | Target::Changes { .. } | Target::Ct => Step::Do(Then::On),
            Target::Zone => self.zone(),
            Target::Mark { clear, set } => {
                let mark = changed(task.strand.state.mark, *clear, *set);
                task.strand.state().mark = mark;
                Step::Do(Then::On)
            }
            Target::Connmark { restore, save, clear, set } => {
                connmark(task, (*restore, *save), (*clear, *set));
                Step::Do(Then::On)
            }
            Target::Notrack => {
                notrack(spot, task);
                Step::Do(Then::On)
            }
            Target::Tproxy { .. } => self.lost("a rule hands the packet to a local proxy"),
            Target::Queue { .. } => self.lost("a program decides (queue)"),
            Target::Synproxy => self.synproxy(task),
            Target::Other { name, .. } => {
                self.lost(&format!("it depends on the target {name}, which this program does not know"))
            }
        }
    }

    fn range(&mut self, spot: Spot<'_, 'k>, source: bool, range: &NatRange, task: &mut Task) -> Step {
        let address = match range.addresses {
            Some((low, high)) if low != high => {
                return self.lost("which address it is translated to is chosen when the packet comes");
            }
            addresses => addresses.map(|(low, _)| Address::Fixed(low)),
        };
        let port = range.ports.and_then(|ports| self.port_of(ports));
        translate(spot, source, Wanted { address, port }, task)
    }

    /// The network part becomes that of a range: of the destination, after routing of the source.
    fn netmap(&mut self, spot: Spot<'_, 'k>, range: &NatRange, task: &mut Task) -> Step {
        let source = matches!(spot.frame.hook, Hook::Postrouting | Hook::Input);
        let state = &task.strand.state;
        let before = if source { state.source.address } else { state.destination.address };
        let after = match (range.addresses, before) {
            (Some((IpAddr::V4(low), IpAddr::V4(high))), Address::Fixed(IpAddr::V4(old))) => {
                let host = u32::from(low) ^ u32::from(high);
                IpAddr::V4((u32::from(low) | (u32::from(old) & host)).into())
            }
            (Some((IpAddr::V6(low), IpAddr::V6(high))), Address::Fixed(IpAddr::V6(old))) => {
                let host = u128::from(low) ^ u128::from(high);
                IpAddr::V6((u128::from(low) | (u128::from(old) & host)).into())
            }
            _ if source => {
                let odd = self.why("it depends on the address the client's is translated to");
                return translate(spot, true, Wanted { address: Some(Address::Unknown(odd)), port: None }, task);
            }
            _ => return self.lost("it depends on a network that is translated"),
        };
        translate(spot, source, Wanted { address: Some(Address::Fixed(after)), port: None }, task)
    }

    fn port_of(&mut self, (low, high): (u16, u16)) -> Option<Port> {
        let odd = self.why("which port it is translated to is chosen when the packet comes");
        match (low, high) {
            (0, 0) => None,
            (low, high) if low == high => Some(Port::Fixed(low)),
            _ => Some(Port::Unknown(odd)),
        }
    }
}

/// `(mark & !clear) ^ set`.
fn changed(mark: [Byte; 4], clear: u32, set: u32) -> [Byte; 4] {
    if let Some(mark) = number(&mark) {
        return ((mark & !clear) ^ set).to_ne_bytes().map(Byte::Const);
    }
    let mut changed = mark;
    let masks = (!clear).to_ne_bytes().into_iter().zip(set.to_ne_bytes());
    for (byte, (keep, with)) in changed.iter_mut().zip(masks) {
        *byte = byte.bits(keep, with);
    }
    changed
}

/// Marks of connections: set, saved from the packet's, or restored to it.
fn connmark(task: &mut Task, (restore, save): (bool, bool), (clear, set): (u32, u32)) {
    let state = task.strand.state();
    if matches!(state.tracking, Tracking::Unseen | Tracking::Invalid | Tracking::Untracked) {
        return;
    }
    if restore {
        state.mark = merged(state.mark, state.connection.mark, clear, set);
    } else if save {
        state.connection.mark = merged(state.connection.mark, state.mark, clear, set);
    } else {
        state.connection.mark = changed(state.connection.mark, clear, set);
    }
}

/// One mark into another, as far as the masks say.
fn merged(into: [Byte; 4], from: [Byte; 4], clear: u32, set: u32) -> [Byte; 4] {
    if let (Some(into), Some(from)) = (number(&into), number(&from)) {
        return ((into & !clear) ^ (from & set)).to_ne_bytes().map(Byte::Const);
    }
    from
}

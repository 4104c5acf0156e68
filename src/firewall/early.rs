//! Rules that cannot match, told at a glance: most of a long chain is about other ports, protocols or interfaces.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few are meant")]

use std::rc::Rc;

use super::bytes::Byte;
use super::effect::matters;
use super::load::sides;
use super::strand::{Kind, Port, State};
use super::walker::{Frame, Walker};
use crate::facts::ruleset::expr::{Base, CmpOp, Expr, MetaKey};
use crate::facts::ruleset::xt::{Match, Ports, Xt};
use crate::facts::ruleset::{Family, Rule};
use crate::facts::socket::Transport;

impl<'k> Walker<'k> {
    /// Does the rule compare something that is the same for all sources with something else, before it does anything?
    /// Whatever else it asks then does not matter, and need not be known.
    pub(super) fn cannot_match(&mut self, frame: &Frame<'k>, rule: &Rule, state: &Rc<State>) -> bool {
        let mut loaded = None;
        for expr in &rule.exprs {
            let load = loaded.take();
            match expr {
                Expr::Payload { .. } | Expr::Meta { .. } => loaded = Some(expr),
                Expr::Cmp { from, op: CmpOp::Eq, data }
                    if load.is_some_and(|load| self.is_other(frame, state, load, (*from, data))) =>
                {
                    return true;
                }
                Expr::Xt(Xt::Match(Match::Tcp(tcp))) if other_port(state, Transport::Tcp, tcp.destination) => {
                    return true;
                }
                Expr::Xt(Xt::Match(Match::Udp { destination, .. }))
                    if other_port(state, Transport::Udp, *destination) =>
                {
                    return true;
                }
                other if matters(other) => return false,
                _ => {}
            }
        }
        false
    }

    /// Is what an expression loads known to be other than `data`, which the register it loads is compared with?
    fn is_other(&mut self, frame: &Frame<'k>, state: &Rc<State>, load: &Expr, (from, data): (u8, &[u8])) -> bool {
        match load {
            Expr::Payload { base: base @ (Base::Network | Base::Transport), offset, len, to } if *to == from => {
                let (Ok(offset), Ok(len)) = (usize::try_from(*offset), usize::try_from(*len)) else { return false };
                let (headers, transport) = self.headers(state);
                let begins = if *base == Base::Transport { transport } else { 0 };
                let held = headers.iter().skip(begins.saturating_add(offset)).take(len);
                held.zip(data).any(|(byte, want)| matches!(byte, Byte::Const(value) if value != want))
            }
            Expr::Meta { key, to } if *to == from => {
                let (input, output) = sides(frame, state);
                let of_name = |device: Option<&super::strand::Device>| {
                    let name = device.map_or("", |device| &device.name);
                    name.bytes().chain(std::iter::repeat(0)).zip(data).any(|(byte, want)| byte != *want)
                };
                let other = |byte: u8| data.first().is_some_and(|want| *want != byte);
                match key {
                    MetaKey::L4proto => other(state.kind.protocol(self.v6)),
                    MetaKey::Nfproto if frame.family() != Family::Netdev => other(if self.v6 { 10 } else { 2 }),
                    MetaKey::Iifname => of_name(input),
                    MetaKey::Oifname => of_name(output),
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// Does the packet go to a port that is known, and none of these?
fn other_port(state: &State, transport: Transport, wanted: Ports) -> bool {
    let is_it = matches!(state.kind, Kind::First(it) | Kind::Answer(it) if it == transport);
    let Port::Fixed(port) = state.destination.port else { return false };
    is_it && (wanted.from..=wanted.to).contains(&port) == wanted.inverted
}

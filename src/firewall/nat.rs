//! Address translation: where a connection really goes, and what its answers look like.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few are meant")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::known;
use super::effect::address_of;
use super::rule::{Spot, Step, Task, Then};
use super::strand::{Address, Port};
use super::walker::Walker;
use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::{Family, Hook};

/// What a rule wants an end to be; none: as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) address: Option<Address>,
    pub(super) port: Option<Port>,
}

impl<'k> Walker<'k> {
    /// Expressions of nft that translate.
    pub(super) fn nat(&mut self, spot: Spot<'_, 'k>, expr: &Expr, task: &mut Task) -> Step {
        match expr {
            Expr::Nat { family: Family::Ip, .. } if self.v6 => Step::Do(Then::On),
            Expr::Nat { family: Family::Ip6, .. } if !self.v6 => Step::Do(Then::On),
            Expr::Nat { source, address, port, .. } => {
                let len = if self.v6 { 16 } else { 4 };
                let mut wanted = Wanted::default();
                if let Some((low, high)) = address {
                    let (low, high) = (task.registers.get(*low, len), task.registers.get(*high, len));
                    let Some(one) = address_of(low).filter(|_| low == high) else {
                        return self.lost("which address it is translated to is chosen when the packet comes");
                    };
                    wanted.address = Some(Address::Fixed(one));
                }
                wanted.port = self.wanted_port(*port, task);
                translate(spot, *source, wanted, task)
            }
            Expr::Redirect { port, .. } => {
                let port = self.wanted_port(*port, task);
                self.redirect(spot, port, task)
            }
            Expr::Masquerade { .. } => self.masquerade(spot, task),
            other => self.doubtful(&format!("it depends on an expression that translates nothing ({other:?})")),
        }
    }

    fn wanted_port(&mut self, registers: Option<(u8, u8)>, task: &Task) -> Option<Port> {
        let (low, high) = registers?;
        let (low, high) = (task.registers.get(low, 2), task.registers.get(high, 2));
        let odd = self.why("which port it is translated to is chosen when the packet comes");
        let port = known(low).filter(|_| low == high).and_then(|bytes| bytes.try_into().ok());
        Some(port.map_or(Port::Unknown(odd), |bytes| Port::Fixed(u16::from_be_bytes(bytes))))
    }

    /// Changes the destination to this host.
    pub(super) fn redirect(&mut self, spot: Spot<'_, 'k>, port: Option<Port>, task: &mut Task) -> Step {
        let local: IpAddr = if self.v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let device = task.strand.state.input.as_ref().map(|device| device.name.clone());
        let address = match (spot.frame.hook, device) {
            (Hook::Output, _) | (_, None) => Some(local),
            (_, Some(name)) => self.address_on(&name).first().copied(),
        };
        let Some(address) = address else { return Step::Do(Then::Verdict(Verdict::Drop)) };
        translate(spot, false, Wanted { address: Some(Address::Fixed(address)), port }, task)
    }

    /// Changes the source to the outgoing interface's address.
    pub(super) fn masquerade(&mut self, spot: Spot<'_, 'k>, task: &mut Task) -> Step {
        let device = task.strand.state.output.as_ref().map(|device| device.name.clone());
        let odd = self.why("which address it is masqueraded as is chosen when the packet comes");
        let mut addresses = device.map(|name| self.address_on(&name)).unwrap_or_default();
        if self.v6 {
            // Of the addresses there are, that of the receiver is the nearest to it (RFC 6724, rule 1).
            let to = task.strand.state.destination.address;
            if let Address::Fixed(to) = to
                && self.addresses.holds(to)
            {
                addresses = vec![to];
            }
        } else {
            // An address of the host alone serves nobody else: that of another interface is taken then.
            addresses.retain(|address| !address.is_loopback());
            let mut others = self.addresses.all.iter().map(|a| a.address);
            let other = others.find(|address| address.is_ipv4() && !address.is_loopback());
            if addresses.is_empty() {
                addresses.extend(other);
            }
        }
        let address = match addresses.as_slice() {
            [one] => Address::Fixed(*one),
            _ => Address::Unknown(odd),
        };
        translate(spot, true, Wanted { address: Some(address), port: None }, task)
    }

    /// Addresses of this host on an interface that answer for it.
    fn address_on(&self, name: &str) -> Vec<IpAddr> {
        let far = self.packet.to.ip();
        let link = |ip: IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let on = self.addresses.all.iter().filter(|a| a.interface == name && a.address.is_ipv6() == self.v6);
        on.map(|a| a.address).filter(|ip| link(*ip) == link(far)).collect()
    }
}

/// Translates one end, once for a connection, and lets the packet pass this base chain.
pub(super) fn translate(spot: Spot<'_, '_>, source: bool, wanted: Wanted, task: &mut Task) -> Step {
    let place = spot.place();
    let state = task.strand.state();
    let end = if source { &mut state.source } else { &mut state.destination };
    let before = *end;
    end.address = wanted.address.unwrap_or(end.address);
    end.port = wanted.port.unwrap_or(end.port);
    let (after, changed) = (*end, before != *end);
    if state.reply && changed {
        // An answer from elsewhere is none, or goes elsewhere.
        return Step::Do(match (after.address, after.port) {
            (Address::Unknown(doubt), _) | (_, Port::Unknown(doubt)) => Then::Lost(doubt),
            _ => Then::Verdict(Verdict::Drop),
        });
    }
    let connection = &mut state.connection;
    if source {
        connection.reply.1 = after;
        connection.settled.1 = true;
        connection.translated.1 |= changed;
    } else {
        connection.reply.0 = after;
        connection.settled.0 = true;
        connection.translated.0 |= changed;
        if changed {
            state.translated = Some(place);
        }
    }
    if let (false, Port::Unknown(doubt)) = (source, after.port) {
        return Step::Do(Then::Lost(doubt));
    }
    Step::Do(Then::Verdict(Verdict::Accept))
}

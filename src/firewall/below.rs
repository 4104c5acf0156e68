//! What lies below an interface: the ports of a bridge, the members of a bond, the parent of a VLAN. A packet passes their
//! ingress before it comes in by the interface that has the address, and their egress after it went out by it.

use std::rc::Rc;

use super::bytes::DoubtId;
use super::strand::{Device, Strand};
use super::walker::Walker;
use super::{Client, Leg};
use crate::facts::route::Link;
use crate::facts::ruleset::{Family, Hook};

/// Interfaces upon interfaces: deeper ones are no more followed than a loop.
const DEEP: usize = 8;

/// Why it is not known what becomes of a packet at an interface that a program is attached to; none: there is none.
pub fn program_at(link: &Link) -> Option<String> {
    let what = match (link.xdp, link.tc.is_empty()) {
        (Some(id), _) => format!("the XDP program {id}"),
        (None, false) => format!("a filter of tc ({})", link.tc.join(", ")),
        (None, true) => return None,
    };
    Some(format!("{what} on {} sees it before every rule, and what that does cannot be read", link.name))
}

impl<'k> Walker<'k> {
    /// A strand that comes in by an interface: by each of its ports where they differ.
    pub(super) fn comes_in(&mut self, mut strand: Strand, name: &str) -> Vec<Strand> {
        match self.by_every_port(name) {
            Ok(devices) => {
                let by = |device| {
                    let mut strand = strand.clone();
                    strand.state().input = Some(device);
                    strand
                };
                devices.into_iter().map(by).collect()
            }
            Err(doubt) => {
                strand.state().input = Some(Device::plain(name));
                self.give_up(strand, doubt, None).into_iter().collect()
            }
        }
    }

    /// The interface that a packet goes out by, with what lies below it.
    pub(super) fn goes_out(&mut self, name: &str) -> Result<Device, DoubtId> {
        let at_devices = |hook| matches!(hook, Hook::Ingress | Hook::Egress);
        let chains = &self.ruleset.chains;
        if !chains.iter().filter_map(|chain| chain.base.as_ref()).any(|base| at_devices(base.hook)) {
            return Ok(Device::plain(name));
        }
        let mut devices = self.by_every_port(name)?;
        match (devices.pop(), devices.is_empty()) {
            (Some(device), true) => Ok(device),
            _ => Err(self.why(&format!("which port of {name} it goes out by is not known"))),
        }
    }

    /// An interface, by every way through others below it on which a packet meets something else.
    fn by_every_port(&mut self, name: &str) -> Result<Vec<Device>, DoubtId> {
        let links = match self.known.links() {
            Ok(links) => links,
            Err(missing) => return Err(self.missing(&missing, "the list of interfaces")),
        };
        let Some(link) = links.iter().find(|link| link.name == name) else { return Ok(vec![Device::plain(name)]) };
        let ways = ways_to(links, link, DEEP);
        self.can_be_followed(links, &ways)?;
        let (met, plain): (Vec<_>, Vec<_>) = ways.into_iter().partition(|way| self.meets(way));
        let several = met.len().saturating_add(plain.len()) > 1;
        let device = |way: &Vec<&Link>| Device {
            name: name.into(),
            port: way.first().filter(|_| several).map(|link| link.name.as_str().into()),
            below: way.iter().take(way.len().saturating_sub(1)).map(|link| link.name.as_str().into()).collect(),
            tagged: false,
        };
        let mut devices: Vec<Device> = met.iter().map(device).collect();
        match plain.as_slice() {
            [] => {}
            [one] => devices.push(device(one)),
            _ => devices.push(Device::plain(name)),
        }
        Ok(devices)
    }

    /// Is there anything at one of the interfaces below?
    fn meets(&self, way: &[&Link]) -> bool {
        let below = way.split_last().map(|(_, below)| below).unwrap_or_default();
        below.iter().any(|link| {
            [Hook::Ingress, Hook::Egress].into_iter().any(|hook| !self.at_device(hook, Some(&link.name)).is_empty())
        })
    }

    /// VRFs and the rules of bridges are not followed.
    fn can_be_followed(&mut self, links: &[Link], ways: &[Vec<&Link>]) -> Result<(), DoubtId> {
        for link in ways.iter().flatten() {
            let master = links.iter().find(|other| Some(other.index) == link.master);
            if let Some(vrf) = [Some(*link), master].into_iter().flatten().find(|link| is(link, "vrf")) {
                return Err(self.why(&format!("the way through the VRF {} is not followed", vrf.name)));
            }
            if let Some(name) = self.of_bridges().filter(|_| is(link, "bridge")) {
                let (bridge, table) = (&link.name, name);
                return Err(self.why(&format!("the rules of table bridge {table} at {bridge} are not followed")));
            }
        }
        Ok(())
    }

    /// A table of family bridge with a base chain that what comes to this host, or its answer, passes.
    fn of_bridges(&self) -> Option<&'k str> {
        let passed = |hook| !matches!(hook, Hook::Forward | Hook::Ingress | Hook::Egress);
        let ruleset = self.ruleset;
        let chain = ruleset.chains.iter().find(|chain| {
            let base = chain.base.as_ref().filter(|base| passed(base.hook));
            base.is_some() && chain.id.table.family == Family::Bridge && !self.dormant(chain)
        })?;
        Some(&chain.id.table.name)
    }

    /// What there is at interfaces below one, from outside to inside, or the other way round.
    pub(super) fn below(&mut self, hook: Hook, leg: Leg, mut strands: Vec<Strand>) -> Vec<Strand> {
        let own = |strand: &Strand| {
            if hook == Hook::Ingress { strand.state.input.clone() } else { strand.state.output.clone() }
        };
        let Some(device) = strands.first().and_then(own) else { return strands };
        let mut below = device.below.clone();
        if hook == Hook::Egress {
            below.reverse();
        }
        for name in below {
            let tagged = self.is_tagged(&device, &name);
            if tagged && hook == Hook::Egress && !self.at_device(hook, Some(&name)).is_empty() {
                let doubt = self.why(&format!("what rules at egress of {name} see of a VLAN depends on the device"));
                return strands.into_iter().filter_map(|strand| self.give_up(strand, doubt, None)).collect();
            }
            // Rules there see that interface.
            set_side(&mut strands, hook, &Device { tagged, ..Device::plain(&name) });
            strands = self.at_hook(hook, leg, Some(Rc::clone(&name)), strands);
        }
        set_side(&mut strands, hook, &device);
        strands
    }

    /// Do packets of a device carry the tag of a VLAN where they pass this interface below it?
    fn is_tagged(&self, device: &Device, below: &str) -> bool {
        let Ok(links) = self.known.links() else { return false };
        let above = device.below.iter().skip_while(|name| ***name != *below).skip(1);
        let mut above = above.chain([&device.name]);
        above.any(|name| links.iter().any(|link| *link.name == **name && is(link, "vlan")))
    }

    /// A program at an interface, for packets that come from elsewhere: those of this host itself were really sent.
    pub(super) fn program(&self, device: &str) -> Option<&'k Link> {
        if self.packet.client == Client::Here {
            return None;
        }
        let known = self.known;
        let link = known.links().ok()?.iter().find(|link| link.name == device)?;
        program_at(link).is_some().then_some(link)
    }
}

fn set_side(strands: &mut [Strand], hook: Hook, device: &Device) {
    for strand in strands {
        let state = strand.state();
        let side = if hook == Hook::Ingress { &mut state.input } else { &mut state.output };
        *side = Some(device.clone());
    }
}

fn is(link: &Link, kind: &str) -> bool {
    link.kind.as_deref() == Some(kind)
}

/// Every way to an interface through those below it, each from outside to inside and with itself at the end.
fn ways_to<'l>(links: &'l [Link], link: &'l Link, depth: usize) -> Vec<Vec<&'l Link>> {
    let lower: Vec<&Link> = match link.kind.as_deref() {
        Some("bridge" | "bond" | "team") => links.iter().filter(|l| l.master == Some(link.index)).collect(),
        Some("vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap") => {
            links.iter().filter(|l| Some(l.index) == link.parent).collect()
        }
        _ => Vec::new(),
    };
    let mut ways = Vec::new();
    for below in lower.into_iter().filter(|_| depth > 0) {
        for mut way in ways_to(links, below, depth.saturating_sub(1)) {
            way.push(link);
            ways.push(way);
        }
    }
    if ways.is_empty() {
        ways.push(vec![link]);
    }
    ways
}

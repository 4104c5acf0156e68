//! The packet's way through this host's rules, as the facts known so far let it be followed: for whoever asks, and for
//! this host itself, whose attempt was really made.

use std::net::SocketAddr;

use super::look::Look;
use super::subject::{Asker, Subject};
use crate::facts::Reading;
use crate::facts::host::Addresses;
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::ruleset::{ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Ruleset, SetId};
use crate::firewall::{Client, Known, Missing, Packet, Walk, follow};

/// The ways of the diagnosed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// The packet that was asked about.
    pub packet: Packet,
    /// What becomes of it for whoever asks.
    pub asked: Walk,
    /// What becomes of the attempt that is made from here.
    pub here: Walk,
}

impl Ways {
    /// Follows the diagnosed connection. None: it does not cross the network, or where it goes is not known (yet).
    pub(super) fn of(look: &Look<'_>, subject: &Subject) -> Option<Self> {
        let to = SocketAddr::new(subject.address()?.to_canonical(), subject.port?);
        let local = subject.local?;
        let client = match subject.from {
            Asker::Any if local => Client::Any,
            Asker::Address(address) if local => Client::Address(address.to_canonical()),
            // Who else asks for another host does not pass this one.
            Asker::Here | Asker::Any | Asker::Address(_) => Client::Here,
        };
        let packet = Packet { transport: subject.transport, client, to };
        let known = Reader { look };
        let here = follow(&Packet { client: Client::Here, ..packet }, &known);
        let asked = if client == Client::Here { here.clone() } else { follow(&packet, &known) };
        Some(Self { packet, asked, here })
    }
}

/// Reads facts for [`follow`]: what is missing is asked for.
struct Reader<'a, 'b> {
    look: &'b Look<'a>,
}

impl Reader<'_, '_> {
    /// A value, or why there is none.
    fn or_why<T>(value: Option<T>, reading: Option<String>) -> Result<T, Missing> {
        value.ok_or_else(|| reading.map_or(Missing::Open, Missing::Blind))
    }
}

/// Why a reading has no value and will have none; what is absent is blind, too, where a value was needed.
fn blind<T>(reading: Option<&Reading<T>>) -> Option<String> {
    match reading {
        Some(Reading::Absent) => Some("there is none".into()),
        other => other?.blind(),
    }
}

impl Known for Reader<'_, '_> {
    fn ruleset(&self) -> Result<&Ruleset, Missing> {
        Self::or_why(self.look.ruleset(), blind(Some(&self.look.facts().ruleset)))
    }

    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, Missing> {
        Self::or_why(self.look.chain_rules(id), blind(self.look.facts().chains.get(id)))
    }

    fn elements(&self, id: &SetId) -> Result<&Elements, Missing> {
        Self::or_why(self.look.elements(id), blind(self.look.facts().elements.get(id)))
    }

    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, Missing> {
        Self::or_why(self.look.member(set, key), blind(self.look.facts().members.get(&(set.clone(), key.to_vec()))))
    }

    fn legacy(&self) -> Result<&[LegacyTable], Missing> {
        Self::or_why(self.look.legacy(), blind(Some(&self.look.facts().legacy)))
    }

    fn recent(&self, name: &str) -> Result<&Recent, Missing> {
        Self::or_why(self.look.recent(name), blind(self.look.facts().recent.get(name)))
    }

    fn links(&self) -> Result<&[Link], Missing> {
        Self::or_why(self.look.links(), blind(Some(&self.look.facts().links)))
    }

    fn addresses(&self) -> Result<&Addresses, Missing> {
        Self::or_why(self.look.addresses(), blind(Some(&self.look.facts().addresses)))
    }

    fn route(&self, key: &RouteKey) -> Result<&Route, Missing> {
        Self::or_why(self.look.route(key), blind(self.look.facts().routes.get(key)))
    }
}

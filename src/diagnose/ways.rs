//! The packet's way through this host's rules, as the facts known so far let it be followed: for whoever asks, and for
//! this host itself, whose attempt was really made.

use std::cell::{OnceCell, RefCell};
use std::net::{IpAddr, SocketAddr};

use super::containers::asks_own_loopback;
use super::dispute::{self, Dispute};
use super::look::{Look, Missing};
use super::subject::{Asker, Subject};
use crate::facts::connect::Outcome;
use crate::facts::host::Addresses;
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::{
    Backend, ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Rule, Ruleset, SetId,
};
use crate::facts::socket::Transport;
use crate::facts::{Fact, Facts, Question, Reading};
use crate::firewall::sources::Sources;
use crate::firewall::{self, Client, Fate, Known, Packet, Part, Walk, follow};

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
    fn of(look: &Look<'_>, subject: &Subject, memory: &Memory) -> Option<Self> {
        let to = SocketAddr::new(subject.address()?.to_canonical(), subject.port?);
        let local = subject.local?;
        if asks_own_loopback(look, subject)?.is_some() {
            return None;
        }
        let client = match subject.from {
            Asker::Any if local => Client::Any,
            Asker::Address(address) if local => Client::Address(address.to_canonical()),
            // Who else asks for another host does not pass this one.
            Asker::Here | Asker::Any | Asker::Address(_) => Client::Here,
        };
        let packet = Packet { transport: subject.transport, client, to };
        let here = memory.follow(&Packet { client: Client::Here, ..packet }, look);
        let asked = if client == Client::Here { here.clone() } else { memory.follow(&packet, look) };
        Some(Self { packet, asked, here })
    }
}

/// Ways that were followed in earlier diagnoses of the same case. A long chain is gone through again when something
/// came that a way depends on, not with every answer about something else.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    followed: RefCell<Vec<Followed>>,
}

/// One of them.
#[derive(Debug, Clone)]
struct Followed {
    packet: Packet,
    walk: Walk,
    missing: Missing,
    /// What was asked for by then.
    wants: Vec<Question>,
}

impl Memory {
    /// To be told of every answer before it is learnt: forgets the ways it may change. Neither does it that a question is
    /// now asked, nor an answer that says what was known before, whatever rules have counted since.
    pub fn hear(&mut self, fact: &Fact, known: &Facts) {
        if bears_on_ways(fact, known) {
            self.forget();
        }
    }

    /// To be told when facts change otherwise.
    pub fn forget(&mut self) {
        self.followed.get_mut().clear();
    }

    fn follow(&self, packet: &Packet, look: &Look<'_>) -> Walk {
        let asked = |followed: &&Followed| {
            followed.packet == *packet && followed.wants.iter().all(|wanted| look.facts().is_pending(wanted))
        };
        if let Some(known) = self.followed.borrow().iter().find(asked) {
            look.also_missing(&known.missing);
            return known.walk.clone();
        }
        let (walk, missing) = look.noting(|| follow(packet, &Reader { look }));
        look.also_missing(&missing);
        let wants = look.wants().into_iter().filter(is_of_ways).collect();
        let mut followed = self.followed.borrow_mut();
        followed.retain(|f| f.packet != *packet);
        followed.push(Followed { packet: *packet, walk: walk.clone(), missing, wants });
        walk
    }
}

/// Is this asked for by following a packet?
fn is_of_ways(question: &Question) -> bool {
    matches!(
        question,
        Question::Addresses
            | Question::Ruleset
            | Question::ChainRules(_)
            | Question::Elements(_)
            | Question::Member(..)
            | Question::Legacy
            | Question::Recent(_)
            | Question::Links
            | Question::Route(_)
            | Question::Sysctl(_)
    )
}

/// Is it one of those that [`Known`] speaks of, and an answer that says something new?
fn bears_on_ways(fact: &Fact, known: &Facts) -> bool {
    match fact {
        Fact::Addresses(r) => news(Some(&known.addresses), r, PartialEq::eq),
        Fact::Ruleset(r) => news(Some(&known.ruleset), r, PartialEq::eq),
        Fact::ChainRules(id, r) => news(known.chains.get(id), r, ChainRules::does_the_same),
        Fact::Elements(id, r) => news(known.elements.get(id), r, PartialEq::eq),
        Fact::Member(id, key, r) => news(known.members.get(&(id.clone(), key.clone())), r, PartialEq::eq),
        Fact::Legacy(r) => news(Some(&known.legacy), r, PartialEq::eq),
        Fact::Recent(name, r) => news(known.recent.get(name), r, PartialEq::eq),
        Fact::Links(r) => news(Some(&known.links), r, PartialEq::eq),
        Fact::Route(key, r) => news(known.routes.get(key), r, PartialEq::eq),
        Fact::Sysctl(path, r) => news(known.sysctls.get(path), r, PartialEq::eq),
        Fact::Host(_)
        | Fact::Name(..)
        | Fact::Dial(..)
        | Fact::Listeners(..)
        | Fact::AllListeners(_)
        | Fact::UnixSocket(..)
        | Fact::Owner(..)
        | Fact::Unit(..)
        | Fact::Journal(..)
        | Fact::JournalEntry(..)
        | Fact::Happenings(_)
        | Fact::Claims(..)
        | Fact::Daemon(..)
        | Fact::OtherNetwork(..)
        | Fact::FailedUnits(_)
        | Fact::Firewalld(_)
        | Fact::Ufw(_)
        | Fact::Fail2ban(_)
        | Fact::RuleFiles(_)
        | Fact::Containers(_)
        | Fact::Container(..)
        | Fact::Routing(_)
        | Fact::Path(..)
        | Fact::Neighbour(..)
        | Fact::Libwrap(..)
        | Fact::HostsAccess(_)
        | Fact::ClientName(..)
        | Fact::Exchange(..)
        | Fact::Limits(..)
        | Fact::Proxies(..)
        | Fact::Xinetd(_)
        | Fact::Watched(..)
        | Fact::Apparmor(..)
        | Fact::Selinux(..)
        | Fact::Denials(_) => false,
    }
}

/// Is a reading an answer, and another than the one before?
fn news<T>(before: Option<&Reading<T>>, now: &Reading<T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (before.and_then(Reading::value), now.value()) {
        (Some(before), Some(now)) => !same(before, now),
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => !matches!(now, Reading::Pending),
    }
}

/// The ways of the diagnosed connection, followed once a diagnosis and only if somebody asks.
#[derive(Debug)]
pub(super) struct Filter<'a, 'b> {
    pub(super) look: &'b Look<'a>,
    subject: &'b Subject,
    memory: &'b Memory,
    followed: OnceCell<(Option<Ways>, Missing)>,
}

impl<'a, 'b> Filter<'a, 'b> {
    pub(super) fn new(look: &'b Look<'a>, subject: &'b Subject, memory: &'b Memory) -> Self {
        Self { look, subject, memory, followed: OnceCell::new() }
    }

    /// The ways; none where the connection crosses no network or it is not known (yet) where it goes.
    pub(super) fn ways(&self) -> Option<&Ways> {
        let followed = || self.look.noting(|| Ways::of(self.look, self.subject, self.memory));
        let (ways, missing) = self.followed.get_or_init(followed);
        self.look.also_missing(missing);
        ways.as_ref()
    }

    /// What becomes of another packet, under the same rules.
    pub(super) fn follow(&self, packet: &Packet) -> Walk {
        self.memory.follow(packet, self.look)
    }

    /// Does what this host itself sends come there, and the answers back, as far as its own rules go? What they cannot
    /// tell they do not stop. None: not known yet.
    pub(super) fn reaches(&self, transport: Transport, to: SocketAddr) -> Option<bool> {
        let walk = self.follow(&Packet { transport, client: Client::Here, to });
        let Some(part) = main_part(&walk) else { return Some(true) };
        match gets(part, transport) {
            Gets::Through { .. } | Gets::Unknown { open: false, .. } => Some(true),
            Gets::Outcome(_) => Some(false),
            Gets::Unknown { open: true, .. } => None,
        }
    }

    /// Where what really happened to the attempt contradicts the rules.
    pub(super) fn dispute(&self) -> Option<Dispute> {
        dispute::of(self.look, self.subject, self.ways()?)
    }

    /// The ways, if somebody asked for them.
    pub(super) fn into_ways(self) -> Option<Ways> {
        self.followed.into_inner()?.0
    }
}

/// What a client gets whose packet meets a fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gets {
    /// Whatever waits there.
    Through {
        /// Where the packet comes to.
        to: SocketAddr,
        /// That is beyond this host.
        beyond: bool,
    },
    /// This.
    Outcome(Outcome),
    /// It cannot be told, or not yet.
    Unknown {
        /// Why, as a clause after "because".
        why: String,
        /// It may yet be told.
        open: bool,
    },
}

/// What the clients of a part get.
pub fn gets(part: &Part, transport: Transport) -> Gets {
    match &part.fate {
        Fate::Delivered => Gets::Through { to: part.to, beyond: false },
        Fate::Forwarded { .. } => Gets::Through { to: part.to, beyond: true },
        Fate::Rejected { with, .. } => Gets::Outcome(rejected(*with, part.to.is_ipv6())),
        Fate::Dropped { .. } | Fate::Unrouted { silent: Some(_), .. } => Gets::Outcome(unanswered(transport)),
        Fate::Unrouted { silent: None, .. } => Gets::Outcome(Outcome::Unreachable),
        Fate::Unknown { why, open, .. } => Gets::Unknown { why: why.clone(), open: *open },
    }
}

fn unanswered(transport: Transport) -> Outcome {
    match transport {
        Transport::Tcp => Outcome::Timeout,
        Transport::Udp => Outcome::Silent,
    }
}

/// What a client sees of a reject (measured: CAUSES, 0.1).
pub fn rejected(with: RejectWith, v6: bool) -> Outcome {
    match (with, v6) {
        (RejectWith::TcpReset | RejectWith::Icmpx(1), _)
        | (RejectWith::Icmp(3), false)
        | (RejectWith::Icmpv6(4), true) => Outcome::Refused,
        // Admin-prohibited, policy-fail and reject-route are EACCES to a client of IPv6.
        (RejectWith::Icmpv6(1 | 5 | 6) | RejectWith::Icmpx(3), true) => Outcome::Denied,
        (RejectWith::Icmp(_) | RejectWith::Icmpv6(_) | RejectWith::Icmpx(_), _) => Outcome::Unreachable,
    }
}

/// What an arbitrary one of the sources gets: the parts that get the same are weighed together, and the greatest of the
/// heaviest ones is taken. Clients send from ephemeral ports, those of IPv6 from global addresses, and hardly anybody is in
/// a list too big to read. None: it is [`undecided`].
pub fn main_part(walk: &Walk) -> Option<&Part> {
    heaviest(walk).filter(|part| rival(walk, part).is_none())
}

/// Why it cannot be told what an arbitrary source gets although each part is known: the port that it comes in by decides.
pub fn undecided(walk: &Walk) -> Option<String> {
    let part = heaviest(walk)?;
    let other = rival(walk, part)?;
    let by = match (&part.sources.interface, &other.sources.interface) {
        (Some(one), Some(other)) => format!("{one} or {other}"),
        (Some(one), None) | (None, Some(one)) => format!("{one} or another port"),
        (None, None) => "one port or another".to_owned(),
    };
    Some(format!("it depends on whether it comes in by {by}"))
}

/// A part with the same sources that gets something else: by another port of the same bridge or bond, since nothing else
/// lets sources be in two parts.
fn rival<'w>(walk: &'w Walk, part: &Part) -> Option<&'w Part> {
    let own = gets(part, Transport::Tcp);
    walk.parts.iter().find(|other| !alike(&gets(other, Transport::Tcp), &own) && other.sources.overlaps(&part.sources))
}

fn heaviest(walk: &Walk) -> Option<&Part> {
    let mut lots: Vec<(Gets, f64, &Part, f64)> = Vec::new();
    for part in &walk.parts {
        let (gets, weight) = (gets(part, Transport::Tcp), weight(&part.sources));
        match lots.iter_mut().find(|(known, ..)| alike(known, &gets)) {
            Some((_, sum, first, most)) => {
                *sum += weight;
                if weight > *most {
                    (*first, *most) = (part, weight);
                }
            }
            None => lots.push((gets, weight, part, weight)),
        }
    }
    let mut best: Option<(f64, &Part)> = None;
    for (_, sum, part, _) in lots {
        if best.is_none_or(|(most, _)| sum > most) {
            best = Some((sum, part));
        }
    }
    best.map(|(_, part)| part)
}

/// Do clients notice no difference?
fn alike(one: &Gets, other: &Gets) -> bool {
    matches!((one, other), (Gets::Unknown { .. }, Gets::Unknown { .. })) || one == other
}

/// How many of those that ask these sources may be.
fn weight(sources: &Sources) -> f64 {
    /// Linux's own; others' lie within or above.
    const EPHEMERAL: (u16, u16) = (32_768, 60_999);
    const LISTED: f64 = 0.001;
    let within = |(low, high): &(u16, u16)| {
        f64::from(high.min(&EPHEMERAL.1).saturating_add(1).saturating_sub(*low.max(&EPHEMERAL.0)))
    };
    let ports = sources.ports.iter().map(within).sum::<f64>() / f64::from(EPHEMERAL.1 - EPHEMERAL.0 + 1);
    let listed = if sources.members.iter().any(|(_, inside)| *inside) { LISTED } else { 1.0 };
    let global = sources.ranges().map(|(low, high)| global_share(low, high)).sum::<f64>();
    // A little for all, so that those that only few send from still count where nobody else is.
    (sources.share() * 0.001 + global) * (ports + 0.000_001) * listed
}

/// How much of the addresses that hosts use lies between two: of IPv6 those that are global.
#[expect(clippy::cast_precision_loss, reason = "a share is for comparing")]
fn global_share(low: IpAddr, high: IpAddr) -> f64 {
    const FIRST: u128 = 0x2000 << 112;
    const LAST: u128 = (0x4000 << 112) - 1;
    match (low, high) {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            (f64::from(u32::from(high)) - f64::from(u32::from(low)) + 1.0) / 4_294_967_296.0
        }
        (IpAddr::V6(low), IpAddr::V6(high)) => {
            let (low, high) = (u128::from(low).max(FIRST), u128::from(high).min(LAST));
            if low > high { 0.0 } else { (high - low) as f64 / (LAST - FIRST) as f64 }
        }
        _ => 0.0,
    }
}

/// The rules of a chain, if they have been read.
pub fn rules_of<'a>(look: &Look<'a>, chain: &ChainId) -> Option<&'a [Rule]> {
    // Read for what it notes: what is missing is asked for.
    match chain.table.backend {
        Backend::Nftables => look.chain_rules(chain).map(|_| ())?,
        Backend::Legacy => look.legacy().map(|_| ())?,
    }
    look.facts().rules_of(chain)
}

/// A rule by its chain and handle, if its chain has been read.
pub fn rule_of<'a>(look: &Look<'a>, chain: &ChainId, handle: u64) -> Option<&'a Rule> {
    rules_of(look, chain)?.iter().find(|rule| rule.handle == handle)
}

/// Reads facts for [`follow`]: what is missing is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a, 'b> {
    pub(super) look: &'b Look<'a>,
}

impl Reader<'_, '_> {
    /// A value, or why there is none.
    fn or_why<T>(value: Option<T>, reading: Option<String>) -> Result<T, firewall::Missing> {
        value.ok_or_else(|| reading.map_or(firewall::Missing::Open, firewall::Missing::Blind))
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
    fn sysctl(&self, path: &str) -> Result<&str, firewall::Missing> {
        Self::or_why(self.look.sysctl(path), blind(self.look.facts().sysctls.get(path)))
    }

    fn ruleset(&self) -> Result<&Ruleset, firewall::Missing> {
        // Rules mostly speak of interfaces: what comes later would have to be followed anew.
        self.look.ask_along(&self.look.facts().links, || Question::Links);
        Self::or_why(self.look.ruleset(), blind(Some(&self.look.facts().ruleset)))
    }

    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, firewall::Missing> {
        Self::or_why(self.look.chain_rules(id), blind(self.look.facts().chains.get(id)))
    }

    fn elements(&self, id: &SetId) -> Result<&Elements, firewall::Missing> {
        Self::or_why(self.look.elements(id), blind(self.look.facts().elements.get(id)))
    }

    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, firewall::Missing> {
        Self::or_why(self.look.member(set, key), blind(self.look.facts().members.get(&(set.clone(), key.to_vec()))))
    }

    fn legacy(&self) -> Result<&[LegacyTable], firewall::Missing> {
        Self::or_why(self.look.legacy(), blind(Some(&self.look.facts().legacy)))
    }

    fn recent(&self, name: &str) -> Result<&Recent, firewall::Missing> {
        Self::or_why(self.look.recent(name), blind(self.look.facts().recent.get(name)))
    }

    fn links(&self) -> Result<&[Link], firewall::Missing> {
        Self::or_why(self.look.links(), blind(Some(&self.look.facts().links)))
    }

    fn addresses(&self) -> Result<&Addresses, firewall::Missing> {
        Self::or_why(self.look.addresses(), blind(Some(&self.look.facts().addresses)))
    }

    fn route(&self, key: &RouteKey) -> Result<&Route, firewall::Missing> {
        Self::or_why(self.look.route(key), blind(self.look.facts().routes.get(key)))
    }
}

//! The kernel's packet filter rules, nf_tables: those of nft, of iptables-nft, of firewalld and whoever else puts theirs
//! there. Legacy tables of iptables are not among them.
//!
//! Netlink messages are received here, decoded by libnftnl (behind `sys`) and copied into plain data at once. What
//! libnftnl does not know, or would misread, is kept as it came ([`crate::facts::ruleset::expr::Expr::Opaque`]): a rule
//! is never shorter than the kernel's.
//!
//! All of this needs CAP_NET_ADMIN in the user namespace that owns the network namespace.
//!
//! A kernel without nf_tables (it answers EINVAL to what it does not know, EPROTONOSUPPORT where it has no netfilter
//! netlink at all) has no rules there: that is an empty ruleset, and known. The module is loaded by being asked, where
//! there is one, as `nft list ruleset` does.

mod batch;
mod elements;
mod expr;
mod member;
mod policy;
mod ranges;
mod rules;
mod statement;
mod sys;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::hooks::family_of;
use super::transport::{End, Netlink, Request};
use super::wire::{Message, attribute, u8_at};
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::{Backend, Family, TableId};
use crate::sources::Trouble;
pub use batch::{Change, transact};
pub use elements::{MOST, elements};
pub use member::member;
use policy::FAMILY_HEADER;
pub use rules::{chain_rules, chain_rules_within};
pub use tables::ruleset;

/// How often something is read again because the rules changed meanwhile.
const AGAIN: usize = 3;

/// What reading the rules takes.
const NEEDS: &str = "root or CAP_NET_ADMIN";

/// `NFNL_SUBSYS_NFTABLES` and a message of it.
const fn kind(message: u16) -> u16 {
    (10 << 8) | message
}

const GET_GENERATION: u16 = kind(16);

/// A question about the rules.
#[derive(Debug, Clone, Copy)]
struct Ask<'a> {
    /// What is asked for, as a clause after "because" when it fails.
    doing: &'a str,
    /// Message type.
    kind: u16,
    /// Family of tables; none for all.
    family: Option<Family>,
    /// What exactly.
    attributes: &'a [u8],
}

impl Ask<'_> {
    /// `struct nfgenmsg` and the attributes.
    fn body(&self) -> Vec<u8> {
        [&[self.family.map_or(0, number_of), 0, 0, 0], self.attributes].concat()
    }
}

/// What came of one attempt to read something as it was at one moment.
enum Look<T> {
    /// It was read.
    Read(T),
    /// The rules changed meanwhile.
    Moved,
}

/// A line to nf_tables.
struct Session {
    netlink: Netlink,
}

impl Session {
    /// Opens one; none where the kernel has no nf_tables.
    fn open() -> Result<Option<Self>, Trouble> {
        match Netlink::connect(SockProtocol::NetlinkNetFilter) {
            Ok(netlink) => Ok(Some(Self { netlink })),
            Err(e) if e.raw_os_error().is_some_and(|e| no_such_thing(Errno::from_raw(e))) => Ok(None),
            Err(e) => Err(trouble("opening a netlink socket", Errno::from_raw(e.raw_os_error().unwrap_or(0)))),
        }
    }

    /// The generation of the rules, which every transaction makes anew; none where the kernel has no nf_tables.
    fn generation(&mut self) -> Result<Option<u32>, Trouble> {
        const ID: u16 = 1;
        let doing = "asking for the generation of the rules";
        let ask = Ask { doing, kind: GET_GENERATION, family: None, attributes: &[] };
        let id = |message: Message<'_>| walk::find(message.body.get(FAMILY_HEADER..)?, ID).and_then(walk::number);
        match self.one(ask, id)? {
            Ok(id) => Ok(Some(id)),
            Err(errno) if no_such_thing(errno) => Ok(None),
            Err(errno) => Err(trouble(doing, errno)),
        }
    }

    /// Asks for one entry. The inner error is the kernel's answer.
    fn one<T>(
        &mut self,
        ask: Ask<'_>,
        parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Result<T, Errno>, Trouble> {
        self.netlink.one(Request { doing: ask.doing, kind: ask.kind, body: &ask.body() }, parse)
    }

    /// Reads a list as it was at `generation`, until `take` has enough: then true.
    fn list(
        &mut self,
        ask: Ask<'_>,
        generation: u32,
        mut take: impl FnMut(Message<'_>) -> Result<ControlFlow<()>, Trouble>,
    ) -> Result<Look<bool>, Trouble> {
        let request = Request { doing: ask.doing, kind: ask.kind, body: &ask.body() };
        let (mut moved, mut failed) = (false, None);
        let end = self.netlink.dump(request, |piece| {
            piece.entries().try_for_each(|message| {
                moved |= is_of_another(&message, generation);
                take(message).unwrap_or_else(|trouble| {
                    failed = Some(trouble);
                    ControlFlow::Break(())
                })
            })
        });
        match (end?, failed) {
            (End::Refused(errno), _) => Err(trouble(ask.doing, errno)),
            (End::Changed, _) => Ok(Look::Moved),
            (End::Whole | End::Stopped, _) if moved => Ok(Look::Moved),
            (End::Whole | End::Stopped, Some(trouble)) => Err(trouble),
            (end @ (End::Whole | End::Stopped), None) => Ok(Look::Read(end == End::Stopped)),
        }
    }
}

/// Reads something within one generation of the rules, again where they changed meanwhile. A socket for each attempt: an
/// answer that is broken off uses its socket up. None where the kernel has no nf_tables.
fn steadily<T>(
    until: Instant,
    mut look: impl FnMut(&mut Session, u32) -> Result<Look<T>, Trouble>,
) -> Result<Option<T>, Trouble> {
    let tries = Cell::new(0);
    loop {
        let Some(mut session) = Session::open()? else { return Ok(None) };
        let Some(before) = session.generation()? else { return Ok(None) };
        if let Look::Read(value) = look(&mut session, before)? {
            let after = Session::open()?.map(|mut s| s.generation()).transpose()?.flatten();
            if after == Some(before) {
                return Ok(Some(value));
            }
        }
        tries.set(tries.get() + 1);
        if tries.get() > AGAIN || Instant::now() >= until {
            return Err(Trouble::failed("the rules changed each time they were read"));
        }
    }
}

/// The kernel puts the lower half of the generation into each message.
fn is_of_another(message: &Message<'_>, generation: u32) -> bool {
    let [_, _, high, low] = generation.to_be_bytes();
    message.body.get(2..FAMILY_HEADER) != Some(&[high, low])
}

/// The kernel has no nf_tables.
fn no_such_thing(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::ENOSYS)
}

fn trouble(doing: &str, errno: Errno) -> Trouble {
    if matches!(errno, Errno::EPERM | Errno::EACCES) {
        return Trouble::denied(NEEDS);
    }
    Trouble::failed(format!("{doing}: {}", std::io::Error::from(errno)))
}

/// Any answer, for the fuzzers.
#[cfg(any(test, fuzzing))]
pub(in crate::sources) fn any(bytes: &[u8]) {
    use crate::sources::fuzzing::read;

    let mut scratch = sys::Aligned::default();
    let mut set = None;
    for message in super::wire::messages(bytes) {
        let family = family(message.body).unwrap_or(Family::Ip);
        read(rules::rule(&message, &mut rules::Decoder::default()));
        read(tables::table(&message, family, &mut scratch));
        read(tables::chain(&message, family, &mut scratch));
        read(tables::object(&message, family, &mut scratch));
        if let Some(set) = &set {
            read(elements::bare(&message, set, &mut scratch));
        }
        set = tables::set(&message, family, &mut scratch).or(set);
    }
}

/// A moment from now.
fn within(limit: Duration) -> Instant {
    Instant::now() + super::super::patient(limit)
}

fn number_of(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Arp => 3,
        Family::Netdev => 5,
        Family::Bridge => 7,
        Family::Ip6 => 10,
    }
}

/// The family of a message's table.
fn family(body: &[u8]) -> Option<Family> {
    family_of(u8_at(body, 0)?)
}

fn table_id(family: Family, name: String) -> TableId {
    TableId { backend: Backend::Nftables, family, name }
}

/// A name as an attribute. None for one that the kernel did not give as text: what was read of it is not its name.
fn named(kind: u16, name: &str) -> Option<Vec<u8>> {
    let spoiled = name.contains(['\0', char::REPLACEMENT_CHARACTER]);
    (!spoiled).then(|| attribute(kind, &[name.as_bytes(), &[0]].concat()))
}

/// Two names as attributes 1 and 2, as tables and what is in them are asked for.
fn path(table: &str, name: &str) -> Result<Vec<u8>, Trouble> {
    let both = named(1, table).zip(named(2, name));
    both.map(|(a, b)| [a, b].concat()).ok_or_else(|| Trouble::failed("its name is no text"))
}

/// Expressions of a set, of its elements or of a dynset, as plain data; none where one of them is not understood.
fn exprs(of: &[sys::Expr<'_>], family: Option<Family>) -> Option<Vec<Expr>> {
    of.iter().map(|e| expr::decode(e, expr::Around { family, before: &[] })).collect()
}

//! The elements of a set, as many as are worth listing.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use nftnl::nftnl_sys as c;

use super::policy;
use super::ranges::{Bare, put_together};
use super::sys::{self, Aligned, Values};
use super::tables::{not_understood, one_set, unreadable};
use super::{Ask, Look, Session, exprs, kind, member, path, statement, steadily, walk, within};
use crate::facts::ruleset::{Elements, Leads, MapsTo, Set, SetId};
use crate::sources::Trouble;
use crate::sources::netlink::wire::Message;

pub(super) const NEW_ELEMENTS: u16 = kind(12);
pub(super) const GET_ELEMENTS: u16 = kind(13);

/// As many elements are listed, at most: enough for every set that people write and for the ban lists of a busy host
/// (read in about 20 ms), too few to matter in memory. Of what is bigger, only the membership of a key is asked.
pub const MOST: usize = 16_384;

/// How long a set may take. The kernel walks a set from its beginning for each 32 KiB it hands over.
const LIMIT: Duration = Duration::from_secs(1);

/// The elements of a set, ranges put together; none where the set is not there.
pub fn elements(id: &SetId) -> Result<Option<Elements>, Trouble> {
    let until = within(LIMIT);
    Ok(steadily(until, |session, generation| read(session, id, generation, until))?.flatten())
}

fn read(session: &mut Session, id: &SetId, generation: u32, until: Instant) -> Result<Look<Option<Elements>>, Trouble> {
    let Some(set) = one_set(session, id)? else { return Ok(Look::Read(None)) };
    let attributes = path(&id.table.name, &id.name)?;
    let doing = "asking for the elements of a set";
    let ask = Ask { doing, kind: GET_ELEMENTS, family: Some(id.table.family), attributes: &attributes };
    let (mut found, mut ranges) = (Vec::new(), 0);
    let mut scratch = Aligned::default();
    let look = session.list(ask, generation, |message| {
        let some = bare(&message, &set, &mut scratch).ok_or_else(|| unreadable("set"))?;
        ranges += some.iter().filter(|e| !e.closes).count();
        found.extend(some);
        let enough = ranges > MOST || Instant::now() >= until;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let Look::Read(more) = look else { return Ok(Look::Moved) };
    let mut all = put_together(&set, found, !more);
    all.generation = generation;
    all.elements.truncate(MOST);
    if more {
        // The kernel lists it last.
        let Some(mut another) = Session::open()? else { return Ok(Look::Moved) };
        all.catchall = member::catchall(&mut another, &set)?;
    }
    Ok(Look::Read(Some(all)))
}

/// The elements in a message, as the kernel keeps them; none where they are not understood.
pub(super) fn bare(message: &Message<'_>, set: &Set, scratch: &mut Aligned) -> Option<Vec<Bare>> {
    if message.kind != NEW_ELEMENTS {
        return Some(Vec::new());
    }
    let parsed = sys::Elements::parse(scratch.load(&policy::message(message.kind, message.body)?))?;
    parsed.all().iter().map(|e| element(e, set)).collect()
}

fn element(e: &sys::Element<'_>, set: &Set) -> Option<Bare> {
    const INTERVAL_END: u32 = 1;
    const CATCHALL: u32 = 2;
    const COMMENT: u8 = 0;
    let flags = e.u32(c::NFTNL_SET_ELEM_FLAGS).unwrap_or(0);
    if flags & !(INTERVAL_END | CATCHALL) != 0 {
        return None;
    }
    let (closes, catchall) = (flags & INTERVAL_END != 0, flags & CATCHALL != 0);
    let key = e.data(c::NFTNL_SET_ELEM_KEY).unwrap_or_default().to_vec();
    if !catchall && u32::try_from(key.len()) != Ok(set.key_len) {
        return None;
    }
    let leads_to = match set.maps_to {
        _ if closes => None,
        MapsTo::Nothing => None,
        MapsTo::Verdict => {
            let code = e.i32(c::NFTNL_SET_ELEM_VERDICT)?;
            Some(Leads::Verdict(statement::verdict(code, e.text(c::NFTNL_SET_ELEM_CHAIN))?))
        }
        MapsTo::Data => Some(Leads::Data(e.data(c::NFTNL_SET_ELEM_DATA)?.to_vec())),
        MapsTo::Object => Some(Leads::Object(e.text(c::NFTNL_SET_ELEM_OBJREF)?)),
    };
    Some(Bare {
        key,
        end: e.data(c::NFTNL_SET_ELEM_KEY_END).map(<[u8]>::to_vec),
        closes,
        catchall,
        leads_to,
        expires_ms: e.u64(c::NFTNL_SET_ELEM_EXPIRATION),
        exprs: exprs(&e.exprs(), Some(set.id.table.family)).unwrap_or_else(|| vec![not_understood("element")]),
        comment: e.data(c::NFTNL_SET_ELEM_USERDATA).and_then(|u| walk::comment(u, COMMENT)),
    })
}

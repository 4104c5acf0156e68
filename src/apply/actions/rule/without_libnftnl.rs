//! Rules of nf_tables in a build without libnftnl: they can neither be looked for nor changed.

use super::Found;
use crate::error::Error;
use crate::fixes::rule::Rule;

pub(super) fn find(_: &Rule) -> Result<Found, Error> {
    Err(Error::broken("this unrefuse was built without libnftnl, which writes the rules of nf_tables"))
}

pub(super) fn set(rule: &Rule, _: bool) -> Result<(), Error> {
    find(rule).map(|_| ())
}

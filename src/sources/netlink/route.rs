//! Addresses and the default route, over rtnetlink.

use crate::facts::host::Addresses;
use crate::sources::Trouble;

/// The addresses of this host and the interface of its default route.
pub fn addresses() -> Result<Option<Addresses>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}

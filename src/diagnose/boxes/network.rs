//! Do routes and neighbours lead there and back?

use super::{Judged, not_looked_at};
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::BoxState;

pub(super) fn state(_judged: &Judged<'_, '_>) -> BoxState {
    not_looked_at(BoxId::Network)
}

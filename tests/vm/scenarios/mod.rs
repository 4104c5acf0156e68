//! All trials, by what is in the way.

mod apparmor;
mod selinux;
mod systemd;

use crate::scenario::Scenario;

/// Every scenario there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [apparmor::SCENARIOS, selinux::SCENARIOS, systemd::SCENARIOS].into_iter().flatten()
}

//! A container that runs and publishes the port: who listens for it inside.

use super::common::{found, see_inside, serving};
use crate::diagnose::Scene;
use crate::diagnose::causes::Found;
use crate::diagnose::containers::{Inside, Meant, inside};
use crate::diagnose::verdict::Evidence;
use crate::facts::container::{Inspected, Published};
use crate::facts::socket::{Listener, Transport};

/// The container, how it publishes the port, and what listens inside.
pub(super) struct Serving<'a> {
    pub(super) meant: Meant<'a>,
    pub(super) published: &'a Published,
    pub(super) near: Option<&'a Inspected>,
    pub(super) inside: Inside<'a>,
}

/// A port that does not answer though a container that runs publishes it, seen from inside.
pub(super) fn look<'a>(scene: &Scene<'a, '_>) -> Option<Serving<'a>> {
    let (meant, published) = serving(scene)?;
    let inside = inside(scene.look, (meant.engine, meant.container), published.transport, published.inside)?;
    Some(Serving { meant, published, near: meant.near(scene.look), inside })
}

impl Serving<'_> {
    /// A finding with the container's row and who listens inside.
    pub(super) fn found(&self, summary: String, rows: &[&Listener]) -> Found {
        let listed: Vec<String> = rows.iter().map(|row| row.shown()).collect();
        let says = if listed.is_empty() {
            format!("nothing listens inside {}", self.meant.container.name)
        } else {
            format!("LISTEN {} inside {}", listed.join(", "), self.meant.container.name)
        };
        let see = see_inside(self.near, self.published.transport == Transport::Udp);
        found(&self.meant, summary).seen(Evidence::new("sock_diag", says, see))
    }
}

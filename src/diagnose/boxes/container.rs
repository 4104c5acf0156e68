//! Is the port published by a container, and does anybody listen inside?

use super::{Judged, elsewhere, plain, unknown, unneeded};
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Inside, Meant, inside, matter, publishing, see_all};
use crate::diagnose::verdict::{BoxState, Evidence, Verdict};
use crate::facts::connect::Outcome;
use crate::facts::container::Published;

pub(super) fn state(judged: &Judged<'_, '_>) -> BoxState {
    const ID: BoxId = BoxId::Container;
    if let Some(not_here) = elsewhere(ID, judged) {
        return not_here;
    }
    match matter(judged.look, judged.subject, judged.filter) {
        None => return not_known("whether a container publishes it is not known"),
        Some(false) => return unneeded(ID, "no container has to do with it"),
        Some(true) => {}
    }
    let Some(engines) = judged.look.engines() else { return not_known("the containers are not known") };
    if engines.is_empty() {
        return unneeded(ID, "no container engine was found here");
    }
    let Some(all) = publishing(judged.look, judged.subject) else {
        return not_known("not all containers could be listed");
    };
    let Some(meant) = all.first() else { return unneeded(ID, "no container publishes this port") };
    of_container(judged, meant)
}

fn not_known(what: &str) -> BoxState {
    BoxState { because: None, ..unknown(BoxId::Container, what) }
}

fn of_container(judged: &Judged<'_, '_>, meant: &Meant<'_>) -> BoxState {
    let (id, container) = (BoxId::Container, meant.container);
    let open = judged.seen.attempted && judged.seen.outcome == Some(Outcome::Open);
    let Some(published) = meant.published.filter(|_| container.is_up()) else {
        if open {
            return unneeded(id, "somebody else answers");
        }
        return not_known(&format!("container {} does not run", container.name));
    };
    let says = format!("container {} publishes {}", container.name, published.shown());
    let mut state = plain(id, Verdict::Yes, says.clone());
    state.evidence.push(Evidence::new(meant.engine.kind.command(), says.clone(), see_all(meant.engine)));
    if open {
        return state;
    }
    match inside_of(judged, meant, published) {
        Some(Inside::Listens(row)) => state.summary = format!("{says}, and listens inside on {}", row.shown()),
        Some(_) => state.verdict = Verdict::No,
        None => {
            state.verdict = Verdict::Unknown;
            state.summary = format!("{says}; who listens inside is not known");
        }
    }
    state
}

fn inside_of<'a>(judged: &Judged<'a, '_>, meant: &Meant<'a>, published: &Published) -> Option<Inside<'a>> {
    inside(judged.look, (meant.engine, meant.container), published.transport, published.inside)
}

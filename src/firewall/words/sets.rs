//! Sets and maps in a rule: by name, or with their elements where they were made for the rule.

use super::held::Shape;
use super::native::Walk;
use super::values::{number, say, span};
use super::{Extent, verdict_words};
use crate::facts::ruleset::{Element, Leads, SetId};

/// Elements that are written out.
const SHOWN: usize = 8;

/// A set, or a map whose values are used as these.
pub(super) fn words(walk: &Walk<'_>, set: &str, keys: &[Shape], values: &[Shape]) -> String {
    if !Walk::for_one_rule(set) {
        return format!("@{set}");
    }
    let id = SetId { table: walk.table.clone(), name: set.into() };
    let Some(elements) = walk.names.elements(&id) else { return "{ … }".into() };
    let mut sorted: Vec<&Element> = elements.elements.iter().collect();
    sorted.sort_by_cached_key(|e| order(e, keys));
    let catchall = elements.catchall.iter().map(|e| (None, e));
    let all: Vec<_> = sorted.into_iter().map(|e| (Some(e), e)).chain(catchall).collect();
    let shown = if walk.extent == Extent::Exact { all.len() } else { SHOWN };
    let mut said: Vec<String> = all.iter().take(shown).map(|(key, e)| element(walk, *key, e, keys, values)).collect();
    if all.len() > shown || elements.more {
        said.push("…".into());
    }
    format!("{{ {} }}", said.join(", "))
}

/// Keys sort by what they mean, not by how the host keeps them.
fn order(element: &Element, keys: &[Shape]) -> Vec<u128> {
    parts(&element.from, keys).iter().map(|(shape, bytes)| number(bytes, shape.host_order).unwrap_or(0)).collect()
}

/// A key taken apart; each part but the last is padded to 4 bytes.
fn parts<'k>(key: &'k [u8], shapes: &[Shape]) -> Vec<(Shape, &'k [u8])> {
    if let [only] = shapes {
        return vec![(*only, key)];
    }
    let mut rest = key;
    let mut found = Vec::new();
    for shape in shapes {
        let (bytes, after) = rest.split_at(rest.len().min(shape.len.div_ceil(4) * 4));
        found.push((*shape, bytes.get(..shape.len).unwrap_or(bytes)));
        rest = after;
    }
    found
}

fn element(walk: &Walk<'_>, key: Option<&Element>, element: &Element, keys: &[Shape], values: &[Shape]) -> String {
    let key = key.map_or_else(
        || "*".into(),
        |e| {
            let (from, to) = (parts(&e.from, keys), parts(&e.to, keys));
            let spans = from.iter().zip(&to);
            spans.map(|((s, a), (_, b))| span(s.kind, a, b, s.host_order, walk.names)).collect::<Vec<_>>().join(" . ")
        },
    );
    match &element.leads_to {
        None => key,
        Some(Leads::Verdict(verdict)) => format!("{key} : {}", verdict_words(verdict)),
        Some(Leads::Object(name)) => format!("{key} : \"{name}\""),
        Some(Leads::Data(data)) => {
            let values: Vec<String> =
                parts(data, values).iter().map(|(s, bytes)| say(s.kind, bytes, s.host_order, walk.names)).collect();
            format!("{key} : {}", values.join(" . "))
        }
    }
}

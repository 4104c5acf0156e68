//! `explain`: what a cause is, how to see it by hand, how it is fixed.

use std::fmt::Write as _;

use crate::diagnose::causes::{ALL, Cause};
use crate::diagnose::chart::BoxId;

/// One cause in full.
pub fn cause(cause: &Cause) -> String {
    let w = &cause.words;
    let mut out = format!("{} ({} box)\n{}\n\n{}\n", cause.id, cause.in_box.word(), w.title, w.what);
    section("see it", w.see, &mut out);
    section("fix", w.fix, &mut out);
    section("undo", w.undo, &mut out);
    out
}

fn section(name: &str, lines: &str, out: &mut String) {
    let _ = writeln!(out, "\n{name}:");
    for line in lines.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

/// All ids with their titles, by box.
pub fn list() -> String {
    let mut out = String::new();
    for id in BoxId::ALL {
        let mut causes = ALL.iter().filter(|c| c.in_box == id).peekable();
        if causes.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "{}: {}", id.word(), id.question());
        for cause in causes {
            let _ = writeln!(out, "  {:<38} {}", cause.id, cause.words.title);
        }
    }
    out
}

/// Every cause, as Markdown: the reference that the documentation holds.
pub fn reference() -> String {
    let mut out = String::from(
        "# Every cause\n\nWritten by `unrefuse explain --markdown`. `unrefuse explain CAUSE` shows one, and the screen fills in \
         this host's own values. In commands, words in capitals stand for those.\n",
    );
    for id in BoxId::ALL {
        let causes: Vec<_> = ALL.iter().filter(|cause| cause.in_box == id).collect();
        if causes.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {} ({})", id.question(), id.word());
        for cause in causes {
            let w = &cause.words;
            let _ = writeln!(out, "\n### {}\n\n{}. {}", cause.id, w.title.trim_end_matches('.'), w.what);
            for (name, lines) in [("See it", w.see), ("Fix", w.fix), ("Undo", w.undo)] {
                let _ = writeln!(out, "\n{name}:\n\n```text\n{lines}\n```");
            }
        }
    }
    out
}

/// Ids that look like a mistyped one, nearest first.
pub fn near(id: &str) -> Vec<&'static str> {
    let words: Vec<&str> = id.split('-').filter(|w| w.len() > 2).collect();
    let score = |known: &str| words.iter().filter(|w| known.contains(**w)).count();
    let mut near: Vec<(usize, &'static str)> =
        ALL.iter().map(|c| (score(c.id), c.id)).filter(|(s, _)| *s > 0).collect();
    near.sort_by_key(|(s, id)| (std::cmp::Reverse(*s), *id));
    near.into_iter().take(5).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_id_finds_its_neighbours() {
        assert_eq!(near("loopback-only").first(), Some(&"bind-loopback-only"));
        assert!(near("xyz").is_empty());
    }
}

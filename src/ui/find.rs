//! Finding a text in a pane: which of its lines holds it, and how that is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_segmentation::UnicodeSegmentation;

use super::mouse::whole;
use super::panes::{content, detail, journal, rule_line};
use super::places;
use super::settings::Settings;
use crate::app::State;
use crate::app::chart::{Chart, Focus, Follow};
use crate::app::event::{Command, What};
use crate::app::find::{Find, FindCommand};
use crate::app::state::{Mode, Screen};

/// Wide enough that no line of the rules is cut.
const UNCUT: usize = 4096;

/// Which way it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From here on, this line too.
    Here,
    Next,
    Previous,
}

/// A command to find something becomes what was found; every other meaning stays.
pub(super) fn found(what: What, state: &State, settings: &Settings) -> What {
    let (What::Command(command) | What::Chosen(command)) = what else { return what };
    let Screen::Chart(chart) = &state.screen else { return what };
    let Some(find) = &chart.find else { return what };
    let way = if command == Command::Open && state.mode() == Mode::Find {
        Way::Here
    } else if command == Command::Find(FindCommand::Next) {
        Way::Next
    } else if command == Command::Find(FindCommand::Previous) {
        Way::Previous
    } else {
        return what;
    };
    if find.typed.trim().is_empty() {
        return What::Command(Command::Back);
    }
    What::Found(line(chart, find, way, (state, settings)))
}

/// The line that holds it: from the selection on, around the end if need be.
fn line(chart: &Chart, find: &Find, way: Way, (state, settings): (&State, &Settings)) -> Option<usize> {
    let needle = find.typed.to_lowercase();
    let holds = |text: String| text.to_lowercase().contains(&needle);
    if find.pane == Focus::Rules {
        let columns = rule_line::Columns::of(UNCUT);
        let lines = chart.rules.lines();
        let at = |index: usize| lines.get(index).is_some_and(|line| holds(columns.row(chart, line).plain()));
        return around(lines.len(), chart.rules.cursor(), way, at);
    }
    if find.pane == Focus::Journal {
        let entries = journal::shown(chart);
        let at = |index: usize| entries.get(index).is_some_and(|entry| holds(journal::plain(entry)));
        let (from, way) = match (find.at, chart.journal_top) {
            (Some(at), _) => (at, way),
            (None, Follow::From(top)) => (top, Way::Here),
            // What came last is looked at first.
            (None, Follow::End) => (entries.len(), Way::Previous),
        };
        return around(entries.len(), from, way, at);
    }
    let places = places(whole(state), chart);
    let width = usize::from(content(places.detail, places.framed).width);
    let lines: Vec<bool> = detail::lines(chart, width, &settings.theme).iter().map(|row| holds(row.plain())).collect();
    let shown = chart.detail_top..chart.detail_top + state.shown.detail.rows;
    let (from, way) = match find.at.filter(|at| shown.contains(at)) {
        Some(at) => (at, way),
        None => (chart.detail_top, Way::Here),
    };
    around(lines.len(), from, way, |index| lines.get(index).copied().unwrap_or_default())
}

/// The first of so many lines that fits, from one of them on, and around the end.
fn around(count: usize, from: usize, way: Way, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let step = |far: usize| match way {
        Way::Here => (from + far) % count,
        Way::Next => (from + far + 1) % count,
        Way::Previous => (from + count * 2 - far - 1) % count,
    };
    (0..count).map(step).find(|index| fits(*index))
}

/// Marks the text wherever it is drawn in its pane.
pub(super) fn highlight(buffer: &mut Buffer, area: Rect, chart: &Chart) {
    let Some(find) = chart.find.as_ref().filter(|find| !find.typed.trim().is_empty()) else { return };
    let needle: Vec<String> = find.typed.to_lowercase().graphemes(true).map(str::to_owned).collect();
    let places = places(area, chart);
    let pane = match find.pane {
        Focus::Rules => places.rules,
        Focus::Journal => places.journal,
        Focus::Chart | Focus::Detail | Focus::Listeners | Focus::Filter => places.detail,
    };
    let pane = content(pane, places.framed);
    for y in pane.top()..pane.bottom() {
        let mut x = pane.left();
        while x < pane.right() {
            let width = u16::try_from(needle.len()).unwrap_or(u16::MAX);
            let fits = x.saturating_add(width) <= pane.right()
                && needle
                    .iter()
                    .zip(x..)
                    .all(|(wanted, x)| buffer.cell((x, y)).is_some_and(|cell| cell.symbol().to_lowercase() == *wanted));
            for x in x..x.saturating_add(if fits { width } else { 0 }) {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.modifier.toggle(Modifier::REVERSED);
                    cell.modifier.insert(Modifier::BOLD);
                }
            }
            x = x.saturating_add(if fits { width } else { 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_met_one_after_the_other_around_the_end_and_back() {
        let fits = |index: usize| matches!(index, 2 | 5);
        let next = |from: usize, way: Way| around(8, from, way, fits);
        assert_eq!([next(2, Way::Here), next(3, Way::Here), next(6, Way::Here)], [Some(2), Some(5), Some(2)]);
        assert_eq!([next(2, Way::Next), next(5, Way::Next), next(7, Way::Next)], [Some(5), Some(2), Some(2)]);
        assert_eq!(
            [next(5, Way::Previous), next(2, Way::Previous), next(0, Way::Previous)],
            [Some(2), Some(5), Some(5)]
        );
        assert_eq!(around(0, 0, Way::Next, |_| true), None);
        assert_eq!(around(3, 1, Way::Next, |_| false), None);
        assert_eq!(around(1, 0, Way::Previous, |_| true), Some(0));
    }
}

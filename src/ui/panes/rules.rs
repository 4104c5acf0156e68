//! The rules of the packet filter as a tree, the packet's way lit in it: only lines on the screen are made into rows.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::StatefulWidget;
use tui_tree_widget::{Tree, TreeItem, TreeState};

use super::rule_line::{Columns, foot};
use super::{Dress, content, pane, part, rows, sources};
use crate::app::chart::{Chart, Focus, Origin};
use crate::app::event::Extent;
use crate::app::rules::line::{Fold, Line};
use crate::diagnose::subject::Asker;
use crate::facts::Reading;
use crate::ui::theme::{QUIET, SELECTED};
use crate::ui::words::{Row, wrap};

/// What is on the screen besides the tree.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// The bar of the sources: where no other pane has it.
    bar: u16,
    /// The columns' names.
    head: u16,
    /// The selected line in full.
    foot: u16,
}

impl Parts {
    fn of(place: Rect, alone: bool) -> Self {
        let height = place.height;
        let foot = match height {
            0..12 => 0,
            12..24 => 3,
            _ => 4,
        };
        Self { bar: u16::from(alone && height >= 8), head: u16::from(place.width >= 56 && height >= 6), foot }
    }

    fn rows(self, place: Rect) -> u16 {
        place.height.saturating_sub(self.bar + self.head + self.foot)
    }

    /// Where the lines are.
    fn tree(self, place: Rect) -> Rect {
        Rect { y: place.y + self.bar + self.head, height: self.rows(place), ..place }
    }
}

/// How much there is, and how much of it is on the screen. Alone: the detail is not shown beside it.
pub fn extent(area: Rect, framed: bool, chart: &Chart, alone: bool) -> Extent {
    let place = content(area, framed);
    Extent { rows: usize::from(Parts::of(place, alone).rows(place)), of: chart.rules.lines().len() }
}

/// Where the lines are.
pub(in crate::ui) fn tree(area: Rect, framed: bool, alone: bool) -> Rect {
    let place = content(area, framed);
    Parts::of(place, alone).tree(place)
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, (chart, alone): (&Chart, bool)) {
    let shown = extent(area, framed, chart, alone);
    let focused = chart.focus == Focus::Rules;
    let top = chart.rules.top.min(shown.last_top());
    let dress = Dress { title: title(chart), note: part(top, shown.rows, shown.of), focused };
    let place = pane(buffer, area, framed, dress);
    let width = usize::from(place.width);
    if chart.rules.lines().is_empty() {
        let why = wrap(&nothing(chart), width);
        rows(buffer, place, &why.iter().map(|line| Row::of(line, QUIET)).collect::<Vec<_>>());
        return;
    }
    let parts = Parts::of(place, alone);
    let columns = Columns::of(width);
    let mut above = Vec::new();
    if parts.bar > 0 {
        above.push(sources::bar(chart, width));
    }
    if parts.head > 0 {
        above.push(columns.head());
    }
    rows(buffer, place, &above);
    let tree = parts.tree(place);
    draw_tree(buffer, tree, chart, Window { top, focused, columns });
    let below = Rect { y: tree.bottom(), height: parts.foot.min(place.bottom() - tree.bottom()), ..place };
    if below.height > 0 {
        rows(buffer, below, &foot(chart, width, usize::from(below.height)));
    }
}

fn title(chart: &Chart) -> Row {
    let asker = match chart.diagnosis.subject.from {
        Asker::Here => "this host itself".to_owned(),
        Asker::Any => "any client".to_owned(),
        Asker::Address(ip) => ip.to_string(),
    };
    Row::new().say("Rules").put(format!("  the way of {asker}"), QUIET)
}

/// Why there are no lines.
fn nothing(chart: &Chart) -> String {
    let reading = &chart.case.here.ruleset;
    match reading {
        Reading::NotAsked if chart.origin == Origin::Recording => "not in the recording".into(),
        Reading::NotAsked | Reading::Pending => "reading the rules …".into(),
        Reading::Known(_) => "this host has no rules: nothing is filtered".into(),
        Reading::Absent => "this kernel has no packet filter".into(),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            format!("the rules cannot be read: {}", reading.blind().unwrap_or_default())
        }
    }
}

/// What of the tree is on the screen.
#[derive(Debug, Clone, Copy)]
struct Window {
    top: usize,
    focused: bool,
    columns: Columns,
}

/// Draws the lines of a window. The widget wants every line from the root on: those above the window are drawn beside the
/// screen.
fn draw_tree(buffer: &mut Buffer, area: Rect, chart: &Chart, window: Window) {
    let all = chart.rules.lines();
    let end = all.len().min(window.top + usize::from(area.height));
    let Some(first) = all.get(window.top) else { return };
    let mut lines = above(all, window.top, first.depth);
    let skip = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    lines.extend(all.get(window.top..end).unwrap_or_default());
    let (items, mut state) = planted(&lines, chart, window);
    let Ok(tree) = Tree::new(&items) else { return };
    let beside = Rect { x: 0, y: 0, width: area.width, height: area.height.saturating_add(skip) };
    let mut drawn = Buffer::empty(beside);
    StatefulWidget::render(tree.highlight_style(SELECTED), beside, &mut drawn, &mut state);
    let width = usize::from(area.width).max(1);
    for (row, y) in drawn.content.chunks(width).skip(usize::from(skip)).zip(area.y..area.bottom()) {
        for (cell, x) in row.iter().zip(area.x..area.right()) {
            if let Some(place) = buffer.cell_mut((x, y)) {
                place.clone_from(cell);
            }
        }
    }
}

/// The lines that the first line of a window is in, the outermost first.
fn above(all: &[Line], top: usize, depth: u16) -> Vec<&Line> {
    let mut found = Vec::new();
    let mut depth = depth;
    for line in all.iter().take(top).rev() {
        if depth == 0 {
            break;
        }
        if line.depth < depth {
            depth = line.depth;
            found.push(line);
        }
    }
    found.reverse();
    found
}

/// What stands for something below a line that is not on the screen.
const UNSEEN: u64 = 0;

/// The items of these lines, and which of them are open and selected.
fn planted<'a>(lines: &[&Line], chart: &Chart, window: Window) -> (Vec<TreeItem<'a, u64>>, TreeState<u64>) {
    let mut state = TreeState::default();
    let mut path: Vec<u64> = Vec::new();
    let chosen = chart.rules.selected().filter(|_| window.focused).map(|line| line.key);
    for line in lines {
        path.truncate(usize::from(line.depth));
        path.push(line.key);
        if line.fold == Fold::Open {
            state.open(path.clone());
        }
        if chosen == Some(line.key) {
            state.select(path.clone());
        }
    }
    // From the last line up: what was planted one deeper since the line before is in this one.
    let mut waiting: BTreeMap<u16, Vec<TreeItem<'a, u64>>> = BTreeMap::new();
    for line in lines.iter().rev() {
        let mut inside = waiting.remove(&(line.depth + 1)).unwrap_or_default();
        inside.reverse();
        if inside.is_empty() && line.fold != Fold::Leaf {
            inside.push(TreeItem::new_leaf(UNSEEN, ""));
        }
        let text = window.columns.row(chart, line).line();
        let item = TreeItem::new(line.key, text, inside).unwrap_or_else(|_| TreeItem::new_leaf(line.key, ""));
        waiting.entry(line.depth).or_default().push(item);
    }
    let mut roots = waiting.remove(&0).unwrap_or_default();
    roots.reverse();
    (roots, state)
}

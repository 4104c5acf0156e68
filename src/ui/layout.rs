//! Where each pane goes: a pure function of the terminal's size and of where the keys go.
//!
//! ```text
//! 40x15            80x24                 120x40                  200x60
//! ┌────────┐       ┌──────────────┐      ┌───────────────┐       ┌──────────────────────────┐
//! │symptom │       │symptom       │      │symptom        │       │symptom                   │
//! │list of │       ├─────┬────────┤      ├──────┬────────┤       ├────────┬────────┬────────┤
//! │boxes   │       │chart│the pane│      │chart │detail  │       │boxes 1 │boxes 5 │detail  │
//! │or the  │       │     │with the│      │      ├────────┤       │to 4 as │to 8 as │        │
//! │pane    │       │     │keys    │      │      │list or │       │live    │live    │        │
//! ├────────┤       ├─────┴────────┤      │      │journal │       │panes   │panes   │        │
//! │guide   │       │guide         │      ├──────┴────────┤       ├────────┴────────┴────────┤
//! └────────┘       └──────────────┘      │guide          │       │guide                     │
//!                                        └───────────────┘       └──────────────────────────┘
//! ```
//!
//! Where the keys go to the rules, the listeners or the journal, those get the room of the boxes at 200x60 too.

use ratatui::layout::Rect;

use crate::app::chart::{Chart, Focus};
use crate::diagnose::chart::BoxId;

/// The places of the panes; an empty rectangle is a pane that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The top line.
    pub header: Rect,
    /// The symptom.
    pub symptom: Rect,
    /// The flowchart.
    pub chart: Rect,
    /// The detail of the selected box.
    pub detail: Rect,
    /// The rules of the packet filter.
    pub rules: Rect,
    /// The listener table.
    pub listeners: Rect,
    /// The journal.
    pub journal: Rect,
    /// What will happen, what just happened, how to go back.
    pub guide: Rect,
    /// The bottom line.
    pub footer: Rect,
    /// Panes have frames.
    pub framed: bool,
    /// The flowchart has two columns of live panes.
    pub columns: bool,
}

/// Which of them shares a place with the detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The rules of the packet filter.
    Rules,
    /// The listener table.
    Listeners,
    /// The journal.
    Journal,
}

/// What goes beside the detail: the pane with the keys, else what says most about the selected box.
pub fn beside(chart: &Chart) -> Beside {
    match chart.focus {
        Focus::Rules => Beside::Rules,
        Focus::Listeners | Focus::Filter => Beside::Listeners,
        Focus::Journal => Beside::Journal,
        Focus::Chart | Focus::Detail => match chart.selected() {
            BoxId::Service | BoxId::Policy | BoxId::Wrappers => Beside::Journal,
            BoxId::Firewall => Beside::Rules,
            BoxId::Connect | BoxId::Name | BoxId::Listener | BoxId::Container | BoxId::Network => Beside::Listeners,
        },
    }
}

/// What the panes of a diagnosis would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Where the keys go.
    pub focus: Focus,
    /// What goes beside the detail.
    pub beside: Beside,
    /// Rows of the symptom, its frame included.
    pub symptom: u16,
}

/// Rows of the symptom, frame included, where it has to be short.
const SHORT: u16 = 5;
/// Rows that the flowchart needs for boxes with frames.
const FLOWCHART: u16 = 24;

/// Places the panes of a diagnosis.
pub fn of(area: Rect, wish: Wish) -> Layout {
    let (header, main, footer) = bars(area);
    let (main, guide) = split_top(main, main.height.saturating_sub(guide_rows(main.height)));
    let mut layout = Layout { header, guide, footer, ..Layout::default() };
    if !framed(main) {
        narrow(&mut layout, main, wish.focus);
        return layout;
    }
    layout.framed = true;
    let large = area.width >= 150 && main.height >= 42;
    let medium = area.width >= 100 && main.height >= 28;
    let tall = (medium || large) && main.height >= wish.symptom.saturating_add(FLOWCHART);
    let (symptom, rest) = split_top(main, if tall { wish.symptom } else { SHORT });
    layout.symptom = symptom;
    if large && matches!(wish.focus, Focus::Chart | Focus::Detail) {
        layout.columns = true;
        (layout.chart, layout.detail) = split_left(rest, rest.width * 2 / 3);
    } else if wish.focus == Focus::Rules && !medium {
        // A tree needs the width more than the boxes need to be seen.
        layout.rules = rest;
    } else {
        let column = if large {
            58
        } else if medium {
            46
        } else {
            (area.width * 47 / 100).clamp(28, 40)
        };
        let (chart, right) = split_left(rest, column);
        layout.chart = chart;
        if large || medium {
            two_panes(&mut layout, right, wish, large);
        } else {
            one_pane(&mut layout, right, wish.focus);
        }
    }
    layout
}

/// The detail, and below it what goes beside it.
fn two_panes(layout: &mut Layout, right: Rect, Wish { focus, beside, .. }: Wish, large: bool) {
    // A tree is read in many lines, and what it decides is in the other boxes already.
    let of_ten = if focus == Focus::Rules || large { 35 } else { 60 };
    let (detail, below) = split_top(right, right.height * of_ten / 100);
    layout.detail = detail;
    match beside {
        Beside::Rules => layout.rules = below,
        Beside::Listeners => layout.listeners = below,
        Beside::Journal => layout.journal = below,
    }
}

/// Rows of the guide, by those there are.
pub fn guide_rows(height: u16) -> u16 {
    match height {
        0..13 => 0,
        13..18 => 1,
        18..30 => 2,
        _ => 3,
    }
}

/// Is there room for frames?
pub fn framed(main: Rect) -> bool {
    main.width >= 60 && main.height >= 13
}

/// The lines at the top and at the bottom, where there is room for them, and what is between.
pub fn bars(area: Rect) -> (Rect, Rect, Rect) {
    let (header, rest) = split_top(area, u16::from(area.height >= 4));
    let bottom = u16::from(area.height >= 6);
    let (main, footer) = split_top(rest, rest.height - bottom.min(rest.height));
    (header, main, footer)
}

fn narrow(layout: &mut Layout, main: Rect, focus: Focus) {
    if focus == Focus::Chart {
        let rows = if main.height >= 11 { 4 } else { u16::from(main.height >= 2) };
        (layout.symptom, layout.chart) = split_top(main, rows);
    } else {
        one_pane(layout, main, focus);
    }
}

fn one_pane(layout: &mut Layout, area: Rect, focus: Focus) {
    match focus {
        Focus::Chart | Focus::Detail => layout.detail = area,
        Focus::Rules => layout.rules = area,
        Focus::Listeners | Focus::Filter => layout.listeners = area,
        Focus::Journal => layout.journal = area,
    }
}

fn split_top(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let top = Rect { height: rows, ..area };
    (top, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

fn split_left(area: Rect, columns: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    let left = Rect { width: columns, ..area };
    (left, Rect { x: area.x + columns, width: area.width - columns, ..area })
}

/// What a frame leaves inside.
pub fn inside(area: Rect, framed: bool) -> Rect {
    if !framed {
        return area;
    }
    Rect {
        x: area.x.saturating_add(1).min(area.right()),
        y: area.y.saturating_add(1).min(area.bottom()),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panes(layout: &Layout) -> Vec<Rect> {
        let all = [
            layout.header,
            layout.symptom,
            layout.chart,
            layout.detail,
            layout.rules,
            layout.listeners,
            layout.journal,
            layout.guide,
            layout.footer,
        ];
        all.into_iter().filter(|rect| !rect.is_empty()).collect()
    }

    #[test]
    fn panes_never_overlap_and_fill_the_screen() {
        let focuses = [Focus::Chart, Focus::Detail, Focus::Rules, Focus::Listeners, Focus::Filter, Focus::Journal];
        for (width, height) in (1..=300).flat_map(|w| (1..=100).map(move |h| (w, h))) {
            for focus in focuses {
                fill(Rect::new(0, 0, width, height), focus, Beside::Rules, SHORT);
                fill(Rect::new(0, 0, width, height), focus, Beside::Listeners, SHORT);
                fill(Rect::new(0, 0, width, height), focus, Beside::Journal, 8);
            }
        }
    }

    fn fill(area: Rect, focus: Focus, beside: Beside, symptom: u16) {
        let panes = panes(&of(area, Wish { focus, beside, symptom }));
        let filled: u32 = panes.iter().map(|r| r.area()).sum();
        assert_eq!(filled, area.area(), "{area} {focus:?}: {panes:?}");
        for (index, pane) in panes.iter().enumerate() {
            assert_eq!(area.intersection(*pane), *pane);
            let overlaps = panes.iter().skip(index + 1).any(|other| other.intersects(*pane));
            assert!(!overlaps, "{area} {focus:?}: {panes:?}");
        }
    }

    #[test]
    fn the_pane_with_the_keys_is_always_shown() {
        for (width, height) in [(40, 15), (80, 24), (120, 40), (200, 60)] {
            let area = Rect::new(0, 0, width, height);
            let of = |focus, beside| of(area, Wish { focus, beside, symptom: 8 });
            assert!(!of(Focus::Chart, Beside::Journal).chart.is_empty());
            assert!(!of(Focus::Detail, Beside::Journal).detail.is_empty());
            assert!(!of(Focus::Rules, Beside::Rules).rules.is_empty());
            assert!(!of(Focus::Filter, Beside::Listeners).listeners.is_empty());
            assert!(!of(Focus::Journal, Beside::Journal).journal.is_empty());
        }
    }

    #[test]
    fn a_table_of_addresses_is_shown_only_where_the_flowchart_keeps_its_boxes() {
        let symptom = |width, height| {
            let wish = Wish { focus: Focus::Chart, beside: Beside::Journal, symptom: 8 };
            of(Rect::new(0, 0, width, height), wish).symptom.height
        };
        let sizes = [(40, 15), (80, 24), (100, 32), (120, 40), (200, 60)];
        assert_eq!(sizes.map(|(width, height)| symptom(width, height)), [4, 5, 5, 8, 8]);
    }
}

//! A page that lies over the screen, in its middle, as high as what it says.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cover, frame, part, rows};
use crate::app::event::Extent;
use crate::ui::words::Row;

/// Columns between the frame and the text on its left.
const INDENT: u16 = 1;

/// A page, laid out.
#[derive(Debug)]
pub(in crate::ui) struct Sheet {
    place: Rect,
    /// Columns that are free on both sides of the text together.
    free: u16,
    rows: Vec<Row>,
}

/// How large a page may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Its widest.
    pub(super) widest: u16,
    /// Columns that are free on both sides of the text together.
    pub(super) free: u16,
    /// Rows it has room for even while there are fewer, so that nothing moves when more come.
    pub(super) least: usize,
}

impl Sheet {
    /// Lays out what there is to say, told the width of its lines.
    pub(super) fn new(area: Rect, size: Size, lines: impl FnOnce(usize) -> Vec<Row>) -> Self {
        let width = size.widest.min(area.width);
        let rows = lines(usize::from(width.saturating_sub(2 + size.free)));
        let height = u16::try_from(rows.len().max(size.least) + 2).unwrap_or(u16::MAX).min(area.height);
        let place =
            Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
        Self { place, free: size.free, rows }
    }

    /// How much there is, and how much of it is on the screen.
    pub(in crate::ui) fn extent(&self) -> Extent {
        Extent { rows: usize::from(self.place.height.saturating_sub(2)), of: self.rows.len() }
    }

    /// Where it lies.
    pub(in crate::ui) fn place(&self) -> Rect {
        self.place
    }

    /// Draws it over the screen.
    pub(in crate::ui) fn draw(&self, buffer: &mut Buffer, title: Row, top: usize) {
        let shown = self.extent();
        let top = top.min(shown.last_top());
        cover(buffer, self.place);
        let inner = frame(buffer, self.place, title, &part(top, shown.rows, shown.of), true);
        let text = Rect { x: inner.x + inner.width.min(INDENT), width: inner.width.saturating_sub(self.free), ..inner };
        rows(buffer, text, self.rows.iter().skip(top));
    }
}

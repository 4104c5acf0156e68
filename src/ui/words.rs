//! Rows of text: the only way text reaches the screen, so that no unit name or journal line can write anything else.

use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text;

/// One row, made safe as it is put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    parts: Vec<(String, Style)>,
}

impl Row {
    /// An empty row.
    pub fn new() -> Self {
        Self::default()
    }

    /// A row of one style.
    pub fn of(raw: impl AsRef<str>, style: Style) -> Self {
        Self::new().put(raw, style)
    }

    /// Adds text.
    #[must_use]
    pub fn put(mut self, raw: impl AsRef<str>, style: Style) -> Self {
        let safe = text::line(raw.as_ref());
        if !safe.is_empty() {
            self.parts.push((safe, style));
        }
        self
    }

    /// Adds plain text.
    #[must_use]
    pub fn say(self, raw: impl AsRef<str>) -> Self {
        self.put(raw, Style::new())
    }

    /// Adds text cut or filled to exactly `width` columns.
    #[must_use]
    pub fn cell(self, raw: impl AsRef<str>, width: usize, style: Style) -> Self {
        let fitted = text::fit(raw.as_ref(), width);
        let space = width.saturating_sub(fitted.width());
        // What is struck out is the text, not the space after it.
        self.put(fitted, style).put(" ".repeat(space), style.remove_modifier(Modifier::CROSSED_OUT))
    }

    /// Adds spaces up to a column.
    #[must_use]
    pub fn to(self, column: usize) -> Self {
        let space = column.saturating_sub(self.width());
        self.put(" ".repeat(space), Style::new())
    }

    /// Adds another row.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Adds another row so that it ends at `width`, if there is room for it.
    #[must_use]
    pub fn right(self, other: Self, width: usize) -> Self {
        let room = width.saturating_sub(other.width());
        if self.width() + 1 > room { self } else { self.to(room).then(other) }
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.parts.iter().map(|(text, _)| text.width()).sum()
    }

    /// All of it in another style on top of its own.
    #[must_use]
    pub fn over(mut self, style: Style) -> Self {
        for (_, own) in &mut self.parts {
            *own = own.patch(style);
        }
        self
    }

    /// All of it in another style where it has none of its own.
    #[must_use]
    pub fn under(mut self, style: Style) -> Self {
        for (_, own) in &mut self.parts {
            *own = style.patch(*own);
        }
        self
    }

    /// Cut to `width` columns, with `…` where something is missing.
    #[must_use]
    pub fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut cut = Self::new();
        for (part, style) in self.parts {
            let room = width.saturating_sub(cut.width());
            if part.width() < room {
                cut.parts.push((part, style));
            } else {
                // What ends exactly at the edge is followed by more: the mark needs its column.
                let marked = format!("{part}……");
                cut.parts.push((text::fit(&marked, room), style));
                break;
            }
        }
        cut
    }

    /// Split at the last space that leaves a first row of at most `width` columns.
    #[must_use]
    pub fn split(self, width: usize) -> (Self, Option<Self>) {
        if self.width() <= width {
            return (self, None);
        }
        let (mut first, mut rest) = (Self::new(), Self::new());
        for (part, style) in self.parts {
            for word in part.split_inclusive(' ') {
                let fits = first.width() + word.trim_end().width() <= width || first.parts.is_empty();
                let row = if rest.parts.is_empty() && fits { &mut first } else { &mut rest };
                row.parts.push((word.to_owned(), style));
            }
        }
        (first, Some(Self::of("  ", Style::new()).then(rest)).filter(|row| row.width() > 2))
    }

    /// What it says, without styles.
    pub fn plain(&self) -> String {
        self.parts.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// For a widget that draws lines.
    pub fn line(self) -> Line<'static> {
        let spans = self.parts.into_iter().map(|(text, style)| Span::styled(text, Style::reset().patch(style)));
        Line::from(spans.collect::<Vec<_>>())
    }

    /// Draws it at a place, cut to `width`.
    pub fn draw(&self, buffer: &mut Buffer, x: u16, y: u16, width: u16) {
        let area = buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return;
        }
        let width = width.min(area.right() - x);
        let row = self.clone().cut(usize::from(width));
        buffer.set_line(x, y, &row.line(), width);
    }
}

/// The end of a text where all of it does not fit: of an address, the port matters most.
pub fn fit_end(raw: &str, width: usize) -> String {
    let safe = text::line(raw);
    if safe.width() <= width {
        return safe;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut used = 1;
    for grapheme in safe.graphemes(true).rev() {
        used += grapheme.width();
        if used > width {
            break;
        }
        kept.push(grapheme);
    }
    kept.reverse();
    format!("…{}", kept.concat())
}

/// Text wrapped to `width` columns at spaces; words that are longer are broken.
pub fn wrap(raw: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text::line(raw).split(' ').filter(|w| !w.is_empty()) {
        let space = usize::from(!line.is_empty());
        if line.width() + space + word.width() <= width {
            if space == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for grapheme in word.graphemes(true) {
            if line.width() + grapheme.width() > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(grapheme);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(row: &Row) -> String {
        row.parts.iter().map(|(t, _)| t.as_str()).collect()
    }

    #[test]
    fn nothing_unsafe_gets_in() {
        assert_eq!(text(&Row::new().say("a\u{1b}[2J\u{202e}b\n")), "a␛[2J\u{fffd}b␊");
        assert_eq!(wrap("a\u{1b}\nb", 10), ["a␛␊b"]);
    }

    #[test]
    fn a_cut_row_ends_in_a_mark_and_fits() {
        let row = Row::new().say("abc").say("defg");
        assert_eq!(text(&row.clone().cut(7)), "abcdefg");
        assert_eq!(text(&row.clone().cut(6)), "abcde…");
        assert_eq!(text(&row.clone().cut(3)), "ab…");
        assert_eq!(text(&row.clone().cut(1)), "…");
        assert_eq!(text(&row.cut(0)), "");
    }

    #[test]
    fn the_end_of_an_address_is_kept() {
        assert_eq!(fit_end("[2001:db8::1]:443", 8), "…:1]:443");
        assert_eq!(fit_end("1.2.3.4:80", 10), "1.2.3.4:80");
        assert_eq!(fit_end("データ", 5), "…ータ");
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_inside_only_when_it_must() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("データ", 1).len(), 3);
    }

    #[test]
    fn a_row_splits_at_a_space_and_keeps_all_its_words() {
        let row = Row::new().say("✘ ").put("REFUSED", Style::new()).say(": it is down");
        let (first, rest) = row.clone().split(12);
        assert_eq!((text(&first).as_str(), rest.map(|r| text(&r)).as_deref()), ("✘ REFUSED: ", Some("  it is down")));
        assert_eq!(row.clone().split(99), (row, None));
    }

    #[test]
    fn cells_are_exactly_as_wide_as_asked() {
        assert_eq!(Row::new().cell("abc", 5, Style::new()).width(), 5);
        assert_eq!(Row::new().cell("abcdef", 5, Style::new()).width(), 5);
        assert_eq!(Row::new().cell("データ", 5, Style::new()).width(), 5);
        assert_eq!(text(&Row::new().say("ab").right(Row::new().say("yz"), 6)), "ab  yz");
        assert_eq!(text(&Row::new().say("abcd").right(Row::new().say("yz"), 6)), "abcd");
    }
}

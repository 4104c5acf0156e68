//! Colours and signs. Panes speak of roles in sixteen colours; the last step of every frame turns those into the colours
//! of the theme, or leaves them to the terminal's own palette, takes them away with `NO_COLOR`, and draws in ASCII where
//! need be.
//!
//! Meaning is never in the colour alone: every verdict has a sign and a word, and what is bold or reversed stays so.

use jiff::tz::TimeZone;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};

use super::palette::Palette;
use crate::diagnose::verdict::{BoxState, Verdict};
use crate::facts::connect::Outcome;

/// How things are drawn on this terminal.
#[derive(Debug, Clone)]
pub struct Theme {
    /// Use colours.
    pub color: bool,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// The colours of roles.
    pub palette: Palette,
    /// Zone that times are shown in.
    pub zone: TimeZone,
}

/// Healthy.
pub const GOOD: Style = Style::new().fg(Color::Green);
/// Broken: bold, so that it stands out without colours too.
pub const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
/// Mind this.
pub const WARN: Style = Style::new().fg(Color::Yellow);
/// Of less weight.
pub const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
/// Frames: dim, not grey. Some palettes give dark grey the colour of the background, so that a terminal's own never is it.
pub const FRAME: Style = Style::new().fg(Color::DarkGray).add_modifier(Modifier::DIM);
/// The frame of the pane the keys go to.
pub const FOCUS: Style = Style::new().fg(Color::Cyan);
/// Headings.
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// Commands one could type.
pub const COMMAND: Style = Style::new().fg(Color::Cyan);
/// The selected row.
pub const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM);
/// What is gone.
pub const GONE: Style = Style::new().add_modifier(Modifier::DIM.union(Modifier::CROSSED_OUT));

/// Sign, word and style of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// One column.
    pub sign: &'static str,
    /// A word or two.
    pub word: &'static str,
    /// Its style.
    pub style: Style,
}

/// The mark of a box.
pub fn mark(state: &BoxState) -> Mark {
    let of = |sign, word, style| Mark { sign, word, style };
    match state.verdict {
        Verdict::Yes => of("✔", "yes", GOOD),
        Verdict::No => of("✘", "NO", BAD),
        Verdict::Unknown if state.looking => of("…", "looking", WARN),
        Verdict::Unknown => of("?", "unknown", QUIET),
        Verdict::Unneeded => of("–", "not needed", QUIET),
    }
}

/// The mark of what an attempt got.
pub fn outcome_mark(outcome: Outcome) -> Mark {
    let of = |sign, style| Mark { sign, word: outcome.word(), style };
    match Verdict::of(outcome) {
        Verdict::Yes => of("✔", GOOD),
        Verdict::No => of("✘", BAD),
        Verdict::Unknown | Verdict::Unneeded => of("?", WARN),
    }
}

impl Theme {
    /// The last step of every frame: gives roles their colours and takes away what this terminal has not.
    pub fn finish(&self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if self.color {
                self.palette.dress(cell);
            } else {
                (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
            }
            if self.ascii {
                spell(cell);
            }
        }
    }

    /// A time of day, from microseconds since the Unix epoch.
    pub fn clock(&self, at_us: u64) -> String {
        let Ok(at) = i64::try_from(at_us).map(jiff::Timestamp::from_microsecond) else { return String::new() };
        at.map(|t| t.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default()
    }
}

fn spell(cell: &mut Cell) {
    if !cell.symbol().is_ascii() {
        cell.set_symbol(ascii(cell.symbol()));
    }
}

/// The nearest ASCII character.
fn ascii(symbol: &str) -> &'static str {
    match symbol {
        "–" | "─" | "━" | "┄" => "-",
        "…" => "~",
        "│" | "┃" | "▏" | "┊" => "|",
        "═" | "▄" | "▅" => "=",
        "✔" | "╭" | "╮" | "╰" | "╯" | "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" | "┏" | "┓" | "┗" | "┛" | "┣"
        | "┫" | "┯" | "┷" | "┼" => "+",
        "▶" | "→" | "▸" => ">",
        "◀" | "↵" | "←" | "↶" => "<",
        "●" => "*",
        "○" => "o",
        "·" | "▂" | "▃" => ".",
        "█" => "#",
        "▁" => "_",
        "▆" | "▇" => "%",
        "↑" | "▲" => "^",
        "↓" | "▼" => "v",
        "✘" | "×" => "x",
        "µ" => "u",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn without_colours_signs_and_weight_remain() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 2, 1));
        buffer.set_string(0, 0, "✘x", BAD);
        Theme { color: false, ascii: true, palette: Palette::terminal(), zone: TimeZone::UTC }.finish(&mut buffer);
        let cell = &buffer[(0, 0)];
        assert_eq!((cell.symbol(), cell.fg), ("x", Color::Reset));
        assert!(cell.modifier.contains(Modifier::BOLD));
    }

    #[test]
    fn clock_reads_microseconds() {
        let theme = Theme { color: true, ascii: false, palette: Palette::terminal(), zone: TimeZone::UTC };
        assert_eq!(theme.clock(1_700_000_000_000_000), "22:13:20");
        assert_eq!(theme.clock(u64::MAX), "");
    }
}

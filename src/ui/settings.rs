//! How the user wants it: the theme and the keys, from what the terminal can do and from the files in
//! `$XDG_CONFIG_HOME/unrefuse`.

use std::ops::Range;

use super::keys::Keys;
use super::palette::{Base, Palette};
use super::theme::Theme;
use crate::error::Error;

/// Theme and keys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How things are drawn.
    pub theme: Theme,
    /// What keys do.
    pub keys: Keys,
}

/// A file of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What the terminal can do, as its environment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Able {
    /// How many colours.
    pub colours: Depth,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// What it has behind the words; none where it does not say so in its environment.
    pub ground: Option<Ground>,
}

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None, or the user wants none.
    None,
    /// The sixteen of its palette.
    Sixteen,
    /// 256.
    Indexed,
    /// All.
    True,
}

/// What is behind the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Something dark.
    Dark,
    /// Something light.
    Light,
}

/// The background that `COLORFGBG` tells of (`15;0`, `0;default;15`).
pub fn ground(colorfgbg: &str) -> Option<Ground> {
    let last: u8 = colorfgbg.rsplit(';').next()?.parse().ok()?;
    Some(if matches!(last, 0..=6 | 8) { Ground::Dark } else { Ground::Light })
}

/// How many colours `COLORTERM` and `TERM` promise.
pub fn depth(colorterm: &str, term: &str) -> Depth {
    let all = |word: &str| word == "truecolor" || word == "24bit";
    if all(colorterm) || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256") {
        Depth::Indexed
    } else {
        Depth::Sixteen
    }
}

impl Settings {
    /// Those of a terminal, with what the user's files say.
    pub fn new(able: Able, theme: Option<&Source>, keys: Option<&Source>) -> Result<Self, Error> {
        let own = match (able.ground, able.colours) {
            // What is not known to be readable is left to the terminal, whose owner chose its colours.
            (None, _) | (_, Depth::None | Depth::Sixteen | Depth::Indexed) => Palette::terminal(),
            (Some(Ground::Dark), Depth::True) => Palette::of(Base::Dark).on_the_terminals_background(),
            (Some(Ground::Light), Depth::True) => Palette::of(Base::Light).on_the_terminals_background(),
        };
        let palette = theme.map_or(Ok(own), |file| Palette::read(file, own))?;
        let palette = match able.colours {
            Depth::Indexed | Depth::Sixteen => palette.in_256(),
            Depth::None | Depth::True => palette,
        };
        let theme = Theme {
            color: able.colours != Depth::None,
            ascii: able.ascii,
            palette,
            zone: jiff::tz::TimeZone::system(),
        };
        Ok(Self { theme, keys: keys.map_or_else(|| Ok(Keys::default()), Keys::read)? })
    }
}

/// Is it worth asking the terminal for its background?
pub fn asks_for_ground(able: Able, theme: Option<&Source>) -> bool {
    able.ground.is_none() && able.colours == Depth::True && theme.is_none_or(|file| !file.text.contains("base"))
}

/// Something is wrong in a user's file, there.
pub(super) fn trouble(source: &Source, what: &str, at: Option<Range<usize>>) -> Error {
    let before = at.and_then(|at| source.text.get(..at.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    let what = what.lines().next().unwrap_or_default();
    Error::input(format!("{}, line {line}: {what}", source.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_tell_their_background_and_their_colours_in_the_environment() {
        assert_eq!(ground("15;0"), Some(Ground::Dark));
        assert_eq!(ground("0;default;15"), Some(Ground::Light));
        assert_eq!(ground("0;default"), None);
        assert_eq!(depth("truecolor", "xterm-256color"), Depth::True);
        assert_eq!(depth("", "xterm-256color"), Depth::Indexed);
        assert_eq!(depth("", "linux"), Depth::Sixteen);
    }

    #[test]
    fn colours_of_our_own_are_only_used_where_they_can_be_read() {
        let palette = |colours, ground| {
            let able = Able { colours, ascii: false, ground };
            Settings::new(able, None, None).unwrap().theme.palette
        };
        let light = Palette::of(Base::Light).on_the_terminals_background();
        assert_eq!(palette(Depth::True, Some(Ground::Light)), light);
        assert_eq!(palette(Depth::True, None), Palette::terminal());
        assert_eq!(palette(Depth::Sixteen, Some(Ground::Dark)), Palette::terminal());
    }
}

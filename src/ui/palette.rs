//! The colours of a theme: what each role of a picture looks like, from the themes that are built in and from the user's
//! own file.
//!
//! ```toml
//! base = "dark"          # terminal, dark, light, high-contrast, ...
//! [colours]
//! good = "#7fd48b"       # or a name (green, light-blue), or a number of the terminal's 256 colours
//! background = "reset"   # the terminal's own
//! ```

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use serde::{Deserialize, Deserializer};

use super::settings::{Source, trouble};
use crate::error::Error;

/// What each role looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    own: Option<Colours>,
}

/// A colour for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colours {
    text: Color,
    background: Color,
    quiet: Color,
    frame: Color,
    good: Color,
    bad: Color,
    warn: Color,
    accent: Color,
    selected: Color,
}

/// What a theme begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The sixteen colours of the terminal, whatever they are.
    Terminal,
    /// For dark backgrounds.
    Dark,
    /// For light ones.
    Light,
    /// The strongest colours on black.
    HighContrast,
    /// The same on white.
    HighContrastLight,
    /// Blue and orange.
    #[serde(alias = "color-blind")]
    ColourBlind,
    /// The same on a light background.
    #[serde(alias = "color-blind-light")]
    ColourBlindLight,
}

impl Base {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("terminal", Self::Terminal),
        ("dark", Self::Dark),
        ("light", Self::Light),
        ("high-contrast", Self::HighContrast),
        ("high-contrast-light", Self::HighContrastLight),
        ("colour-blind", Self::ColourBlind),
        ("colour-blind-light", Self::ColourBlindLight),
    ];

    /// Its file; none for the terminal's own colours.
    fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::Terminal => return None,
            Self::Dark => include_str!("../../assets/themes/dark.toml"),
            Self::Light => include_str!("../../assets/themes/light.toml"),
            Self::HighContrast => include_str!("../../assets/themes/high-contrast.toml"),
            Self::HighContrastLight => include_str!("../../assets/themes/high-contrast-light.toml"),
            Self::ColourBlind => include_str!("../../assets/themes/colour-blind.toml"),
            Self::ColourBlindLight => include_str!("../../assets/themes/colour-blind-light.toml"),
        })
    }
}

/// What a theme file holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    base: Option<Base>,
    #[serde(alias = "colors")]
    colours: Wanted,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    text: Option<Tint>,
    background: Option<Tint>,
    quiet: Option<Tint>,
    frame: Option<Tint>,
    good: Option<Tint>,
    bad: Option<Tint>,
    warn: Option<Tint>,
    accent: Option<Tint>,
    selected: Option<Tint>,
}

/// A colour as it is written in a file.
#[derive(Debug, Clone, Copy)]
struct Tint(Color);

impl<'de> Deserialize<'de> for Tint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u8),
            Word(String),
        }
        let allowed = "a colour is \"#rrggbb\", a name such as \"light-blue\", a number up to 255, or \"reset\"";
        match Written::deserialize(deserializer).map_err(|_| serde::de::Error::custom(allowed))? {
            Written::Number(index) => Ok(Self(Color::Indexed(index))),
            Written::Word(word) => word.parse().map(Self).map_err(|_| {
                serde::de::Error::custom(format!("`{}` is no colour: {allowed}", crate::text::line(&word)))
            }),
        }
    }
}

impl Wanted {
    fn over(self, base: Colours) -> Colours {
        let of = |tint: Option<Tint>, before: Color| tint.map_or(before, |tint| tint.0);
        Colours {
            text: of(self.text, base.text),
            background: of(self.background, base.background),
            quiet: of(self.quiet, base.quiet),
            frame: of(self.frame, base.frame),
            good: of(self.good, base.good),
            bad: of(self.bad, base.bad),
            warn: of(self.warn, base.warn),
            accent: of(self.accent, base.accent),
            selected: of(self.selected, base.selected),
        }
    }

    fn any(self) -> bool {
        let all = [self.text, self.background, self.quiet, self.frame, self.good, self.bad, self.warn, self.accent];
        all.iter().chain([&self.selected]).any(Option::is_some)
    }
}

/// The roles in the terminal's own colours.
const OWN: Colours = Colours {
    text: Color::Reset,
    background: Color::Reset,
    quiet: Color::Reset,
    frame: Color::Reset,
    good: Color::Green,
    bad: Color::Red,
    warn: Color::Yellow,
    accent: Color::Cyan,
    selected: Color::Reset,
};

impl Palette {
    /// The terminal's own sixteen colours.
    pub fn terminal() -> Self {
        Self { own: None }
    }

    /// One that is built in.
    pub fn of(base: Base) -> Self {
        let Some(text) = base.text() else { return Self::terminal() };
        let file: File = toml::from_str(text).unwrap_or_default();
        Self { own: Some(file.colours.over(OWN)) }
    }

    /// On the background that the terminal has.
    #[must_use]
    pub fn on_the_terminals_background(self) -> Self {
        Self { own: self.own.map(|own| Colours { background: Color::Reset, text: Color::Reset, ..own }) }
    }

    /// What a user's file says, over `otherwise` where it names no base.
    pub fn read(source: &Source, otherwise: Self) -> Result<Self, Error> {
        let names: Vec<&str> = Base::ALL.iter().map(|(name, _)| *name).collect();
        let file: File = toml::from_str(&source.text).map_err(|error| {
            trouble(source, error.message(), error.span())
                .hint(format!("allowed: base = one of {}", names.join(", ")))
                .hint("and under [colours]: text, background, quiet, frame, good, bad, warn, accent, selected")
        })?;
        let base = file.base.map_or(otherwise, Self::of);
        if !file.colours.any() {
            return Ok(base);
        }
        Ok(Self { own: Some(file.colours.over(base.own.unwrap_or(OWN))) })
    }

    /// The same in colours of the 256 that a terminal without more has.
    #[must_use]
    pub fn in_256(self) -> Self {
        let Some(own) = self.own else { return self };
        Self {
            own: Some(Colours {
                text: nearest(own.text),
                background: nearest(own.background),
                quiet: nearest(own.quiet),
                frame: nearest(own.frame),
                good: nearest(own.good),
                bad: nearest(own.bad),
                warn: nearest(own.warn),
                accent: nearest(own.accent),
                selected: nearest(own.selected),
            }),
        }
    }

    /// Gives a cell the colours of its role.
    pub(super) fn dress(&self, cell: &mut Cell) {
        let Some(own) = &self.own else { return plain(cell) };
        let dim = cell.modifier.contains(Modifier::DIM);
        let shaded = own.quiet != Color::Reset;
        let roles = [
            (Color::Green, own.good),
            (Color::Red, own.bad),
            (Color::Yellow, own.warn),
            (Color::Cyan, own.accent),
            (Color::DarkGray, own.frame),
            (Color::Reset, if dim && shaded { own.quiet } else { own.text }),
        ];
        if let Some((_, color)) = roles.iter().find(|(role, _)| *role == cell.fg) {
            cell.fg = *color;
        }
        if shaded {
            cell.modifier.remove(Modifier::DIM);
        }
        if cell.bg == Color::Reset {
            cell.bg = own.background;
        }
        if cell.modifier.contains(Modifier::REVERSED) && own.selected != Color::Reset {
            cell.modifier.remove(Modifier::REVERSED);
            cell.bg = own.selected;
        }
    }
}

/// The terminal's own colours. A row that is reversed is so in one colour, not in patches of several.
fn plain(cell: &mut Cell) {
    if cell.fg == Color::DarkGray || cell.modifier.contains(Modifier::REVERSED) {
        cell.fg = Color::Reset;
    }
}

/// The nearest of the 256 colours: their cube has six steps a colour, and there are 24 greys.
fn nearest(color: Color) -> Color {
    let Color::Rgb(red, green, blue) = color else { return color };
    let step = |part: u8| -> u8 {
        match part {
            0..48 => 0,
            48..115 => 1,
            _ => (part - 35) / 40,
        }
    };
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let far = |to: [u8; 3]| -> u32 {
        [red, green, blue].into_iter().zip(to).map(|(own, other)| u32::from(own.abs_diff(other)).pow(2)).sum()
    };
    let steps = [red, green, blue].map(step);
    let average = u16::from(red) + u16::from(green) + u16::from(blue);
    let grey = u8::try_from((average / 3).saturating_sub(3) / 10).unwrap_or(23).min(23);
    let shade = 8 + 10 * grey;
    if far([shade; 3]) < far(steps.map(level)) {
        Color::Indexed(232 + grey)
    } else {
        Color::Indexed(16 + steps.iter().fold(0, |index, step| 6 * index + step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{BAD, SELECTED};

    fn read(text: &str) -> Result<Palette, Error> {
        Palette::read(&Source { name: "theme.toml".into(), text: text.into() }, Palette::terminal())
    }

    #[test]
    fn every_built_in_theme_has_a_colour_for_each_role() {
        for (name, base) in Base::ALL.into_iter().skip(1) {
            let file: File = toml::from_str(base.text().unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let all = file.colours.over(OWN);
            let colours = [all.text, all.background, all.quiet, all.frame, all.good, all.bad, all.warn, all.accent];
            for colour in colours.into_iter().chain([all.selected]) {
                assert!(matches!(colour, Color::Rgb(..)), "{name}: {colour}");
            }
            assert!(contrast(all.text, all.background) >= 7.0, "{name}");
            for (role, colour) in
                [("quiet", all.quiet), ("good", all.good), ("bad", all.bad), ("warn", all.warn), ("accent", all.accent)]
            {
                let (on, lit) = (contrast(colour, all.background), contrast(colour, all.selected));
                assert!(on >= 4.5, "{name}: {role} on the background: {on:.1}");
                assert!(lit >= 3.0, "{name}: {role} in the selected row: {lit:.1}");
            }
        }
    }

    /// Contrast as WCAG 2 has it.
    fn contrast(a: Color, b: Color) -> f64 {
        let light = |color: Color| {
            let Color::Rgb(r, g, b) = color else { panic!("{color}") };
            let part = |part: u8| {
                let part = f64::from(part) / 255.0;
                if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn a_theme_file_changes_what_it_names_and_nothing_else() {
        let own = read("base = \"dark\"\n[colours]\ngood = \"#00ff00\"\nbad = 9").unwrap().own.unwrap();
        let dark = Palette::of(Base::Dark).own.unwrap();
        assert_eq!((own.good, own.bad, own.warn), (Color::Rgb(0, 255, 0), Color::Indexed(9), dark.warn));
        let own = read("[colors]\ngood = \"light-blue\"").unwrap().own.unwrap();
        assert_eq!((own.good, own.bad), (Color::LightBlue, Color::Red));
        assert_eq!(read("").unwrap(), Palette::terminal());
        assert_eq!(read("base = \"terminal\"").unwrap(), Palette::terminal());
    }

    #[test]
    fn a_mistake_in_a_theme_file_is_told_with_its_line_and_what_is_allowed() {
        for (text, line, says) in [
            ("base = \"drak\"", 1, "drak"),
            ("base = \"dark\"\n[colours]\ngoood = \"red\"", 3, "goood"),
            ("\n\n[colours]\ngood = \"rouge\"", 4, "`rouge` is no colour"),
            ("[colours\n", 1, ""),
        ] {
            let error = read(text).unwrap_err();
            let report = error.report();
            assert!(report.starts_with(&format!("theme.toml, line {line}: ")), "{report}");
            assert!(report.contains(says) && report.contains("allowed: base = one of terminal, dark"), "{report}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_selected_row_is_in_one_colour() {
        let mut cell = Cell::default();
        cell.set_style(BAD).set_style(SELECTED);
        let mut dark = cell.clone();
        Palette::terminal().dress(&mut cell);
        assert_eq!((cell.fg, cell.modifier.contains(Modifier::REVERSED)), (Color::Reset, true));
        Palette::of(Base::Dark).dress(&mut dark);
        let own = Palette::of(Base::Dark).own.unwrap();
        assert_eq!((dark.fg, dark.bg), (own.bad, own.selected));
    }

    #[test]
    fn colours_have_a_nearest_one_among_256() {
        let all = [(255, 255, 255), (0, 0, 0), (255, 0, 0), (128, 128, 128), (0, 95, 175)];
        let found = all.map(|(r, g, b)| nearest(Color::Rgb(r, g, b)));
        assert_eq!(found, [231, 16, 196, 244, 25].map(Color::Indexed));
    }
}

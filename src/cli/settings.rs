//! The theme and the keys of the screen: what the environment tells of the terminal, and the user's files in
//! `$XDG_CONFIG_HOME/unrefuse`.

#![expect(clippy::disallowed_methods, reason = "the environment is read here, once")]

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::report::text::Style;
use crate::sources::files;
use crate::ui::settings::{Able, Depth, Settings, Source, asks_for_ground, depth, ground};

/// What the user wants of this terminal.
pub(super) fn settings(Style { color, ascii }: Style) -> Result<Settings, Error> {
    let said = |name: &str| std::env::var(name).unwrap_or_default();
    let colours = if color { depth(&said("COLORTERM"), &said("TERM")) } else { Depth::None };
    let mut able = Able { colours, ascii, ground: ground(&said("COLORFGBG")) };
    let home = directory();
    let file = |name: &str| home.as_deref().map(|home| read(&home.join(name))).transpose().map(Option::flatten);
    let (theme, keys) = (file("theme.toml")?, file("keys.toml")?);
    let here = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if here && asks_for_ground(able, theme.as_ref()) {
        able.ground = crate::ui::ground();
    }
    Settings::new(able, theme.as_ref(), keys.as_ref())
}

/// `$XDG_CONFIG_HOME/unrefuse`, else `~/.config/unrefuse`.
fn directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(base.join("unrefuse"))
}

/// A file of the user's; there need not be one.
fn read(path: &Path) -> Result<Option<Source>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(Source { name: path.display().to_string(), text: files::read(path)? }))
}

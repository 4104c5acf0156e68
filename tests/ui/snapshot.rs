//! Pictures kept as text files: the characters, then the styles, a letter a cell. `UPDATE_SNAPSHOTS=1` rewrites them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// The characters, a line a row, without spaces at the end.
pub(crate) fn text(buffer: &Buffer) -> String {
    rows(buffer, |cells| {
        let mut line = String::new();
        let mut skip = 0;
        for cell in cells {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        line
    })
}

fn rows(buffer: &Buffer, line: impl Fn(&[Cell]) -> String) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let mut out = String::new();
    for row in buffer.content.chunks(width) {
        out.push_str(line(row).trim_end());
        out.push('\n');
    }
    out
}

fn style(cell: &Cell) -> String {
    let mut name = String::new();
    if cell.fg != Color::Reset {
        name = cell.fg.to_string().to_lowercase();
    }
    if cell.bg != Color::Reset {
        let _ = write!(name, " on {}", cell.bg);
    }
    for (flag, word) in [
        (Modifier::BOLD, "bold"),
        (Modifier::DIM, "dim"),
        (Modifier::REVERSED, "reversed"),
        (Modifier::CROSSED_OUT, "struck"),
    ] {
        if cell.modifier.contains(flag) {
            let _ = write!(name, " {word}");
        }
    }
    name.trim().to_owned()
}

/// Characters, styles, and what each letter of the styles stands for.
fn picture(buffer: &Buffer) -> String {
    let mut names: BTreeMap<String, char> = BTreeMap::new();
    for cell in &buffer.content {
        let next = char::from(b'a' + u8::try_from(names.len()).unwrap());
        let name = style(cell);
        if !name.is_empty() {
            names.entry(name).or_insert(next);
        }
    }
    let letter = |cell: &Cell| names.get(&style(cell)).copied().unwrap_or('.');
    let styles = rows(buffer, |cells| cells.iter().map(letter).collect::<String>().trim_end_matches('.').to_owned());
    let mut key = String::new();
    for (name, letter) in &names {
        let _ = writeln!(key, "{letter} {name}");
    }
    format!("{}----\n{styles}----\n{key}", text(buffer))
}

/// Compares a picture with the one kept under this name.
#[track_caller]
pub(crate) fn check(name: &str, buffer: &Buffer) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ui/snapshots").join(format!("{name}.txt"));
    let now = picture(buffer);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, now).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file)
        .unwrap_or_else(|e| panic!("{}: {e}\nUPDATE_SNAPSHOTS=1 makes it:\n{now}", file.display()));
    if let Some((line, (a, b))) = kept.lines().zip(now.lines()).enumerate().find(|(_, (a, b))| a != b) {
        panic!("{name}: line {} differs\nkept: {a}\nnow:  {b}\n\nthe picture now:\n{now}", line + 1);
    }
    assert_eq!(kept.lines().count(), now.lines().count(), "{name}\n{now}");
}

//! Text from the system made safe to show: the only way host text reaches a screen, a file or a clipboard.
//!
//! A unit description, a process name or a journal line may carry escape sequences that move the cursor, write the
//! clipboard (OSC 52) or reorder what is read (bidi controls). Nothing that is not plainly visible passes.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// One line: control, bidi, zero-width and other invisible characters become visible stand-ins; tabs become a space.
pub fn line(raw: &str) -> String {
    raw.chars().map(visible).collect()
}

/// The same for bytes that may not be UTF-8.
pub fn bytes(raw: &[u8]) -> String {
    line(&String::from_utf8_lossy(raw))
}

/// A line cut to at most `width` columns, with `…` where something was cut.
pub fn fit(raw: &str, width: usize) -> String {
    let safe = line(raw);
    if safe.width() <= width {
        return safe;
    }
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in safe.graphemes(true) {
        let next = grapheme.width();
        if used + next > width.saturating_sub(1) {
            break;
        }
        kept.push_str(grapheme);
        used += next;
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// A name as one word of a command line that people copy into a shell: escaped unit names hold backslashes, and host
/// text may hold anything.
pub fn arg(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._:/-+=".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    // A line break would end a command or a comment that the word stands in.
    format!("'{}'", line(name).replace('\'', r"'\''"))
}

/// A line with one word replaced, but not where it is a part of a longer one (80 in 8080, 10.0.0.1 in 10.0.0.10).
pub fn with_word(line: &str, old: &str, new: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    // A port may follow an address, and an address come before a port: that colon ends a word.
    let goes_on = |c: Option<char>, next: Option<char>| match c {
        Some(':') => old.contains(':') && next.is_some_and(|n| n.is_ascii_hexdigit()),
        Some('.') => next.is_some_and(|n| n.is_ascii_digit()),
        Some(c) => part(c),
        None => false,
    };
    let mut result = String::new();
    let mut from = 0;
    for (at, _) in line.match_indices(old) {
        let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + old.len()..).unwrap_or_default());
        let (mut left, mut right) = (before.chars().rev(), after.chars());
        if at >= from && !goes_on(left.next(), left.next()) && !goes_on(right.next(), right.next()) {
            result.push_str(line.get(from..at).unwrap_or_default());
            result.push_str(new);
            from = at + old.len();
        }
    }
    result + line.get(from..).unwrap_or_default()
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // C0 controls have pictures of their own: ESC becomes ␛.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

/// Characters that change how others are read, or that cannot be seen.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'            // C1 controls (CSI, OSC in one byte)
        | '\u{ad}'                     // soft hyphen
        | '\u{34f}'                    // grapheme joiner
        | '\u{61c}'                    // Arabic letter mark
        | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'      // zero width, LRM, RLM
        | '\u{2028}'..='\u{202e}'      // line and paragraph separators, bidi embeddings and overrides
        | '\u{2060}'..='\u{206f}'      // word joiner, bidi isolates, invisible operators
        | '\u{fe00}'..='\u{fe0f}'      // variation selectors
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}'    // tags
        | '\u{e000}'..='\u{f8ff}'      // private use: fonts draw anything there
        | '\u{f0000}'..='\u{10ffff}'
    )
}

/// Damaged texts for the tests of everything that reads what others wrote.
#[cfg(test)]
pub(crate) mod damaged {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    /// How often a reader is tried.
    pub(crate) fn often() -> Config {
        Config { cases: 300, failure_persistence: None, ..Config::default() }
    }

    /// What hurts readers: ends of words, numbers at their limits, characters of several bytes, none at all.
    const BITS: [&[u8]; 24] = [
        b"",
        b" ",
        b"\t",
        b"\n",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xc3",
        "é".as_bytes(),
        "\u{202e}".as_bytes(),
        b"\x1b]52;c;",
        b"\"",
        b"'",
        b"\\",
        b"#",
        b"%",
        b":",
        b"=",
        b"/",
        b"-1",
        b"18446744073709551616",
        b"65536",
        b"[[[[[[",
        b"{",
    ];

    /// One of the texts with pieces taken out, doubled and put in; sometimes nothing but noise.
    pub(crate) fn bytes(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let edit = (any::<prop::sample::Index>(), 0..40_usize, 0..3_u8, prop::sample::select(&BITS[..]));
        let edited = (prop::sample::select(texts), prop::collection::vec(edit, 0..8)).prop_map(|(text, edits)| {
            edits.into_iter().fold(text.as_bytes().to_vec(), |mut bytes, (place, length, what, bit)| {
                let from = place.index(bytes.len() + 1);
                let to = bytes.len().min(from + length);
                match what {
                    0 => drop(bytes.splice(from..to, bit.iter().copied())),
                    1 => bytes.extend_from_within(from..to),
                    _ => bytes.truncate(to),
                }
                bytes
            })
        });
        prop_oneof![4 => edited, 1 => prop::collection::vec(any::<u8>(), 0..300)]
    }

    /// The same as text.
    pub(crate) fn text(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
        bytes(texts).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_of_a_line_are_replaced() {
        assert_eq!(with_word("listen 10.0.80.1:80; # 8080", "80", "81"), "listen 10.0.80.1:81; # 8080");
        assert_eq!(with_word("Port 22", "22", "2222"), "Port 2222");
        assert_eq!(with_word("bind 10.0.0.1 10.0.0.10", "10.0.0.1", "10.0.0.5"), "bind 10.0.0.5 10.0.0.10");
        assert_eq!(with_word("listen 10.0.0.1:80;", "10.0.0.1", "10.0.0.5"), "listen 10.0.0.5:80;");
        assert_eq!(with_word("listen [fd00::1]:80;", "fd00::1", "fd00::2"), "listen [fd00::2]:80;");
        assert_eq!(with_word("bind fd00::1 fd00::1:2", "fd00::1", "::"), "bind :: fd00::1:2");
        assert_eq!(with_word("Listen 80", "443", "1"), "Listen 80");
    }

    #[test]
    fn escape_sequences_become_pictures() {
        assert_eq!(line("a\u{1b}]52;c;ZXZpbA==\u{7}b\nc\td"), "a␛]52;c;ZXZpbA==␇b␊c d");
        assert_eq!(line("\u{9b}31m\u{202e}gpj.exe\u{200b}"), "\u{fffd}31m\u{fffd}gpj.exe\u{fffd}");
    }

    #[test]
    fn fitting_counts_columns_not_bytes() {
        assert_eq!(fit("postgres", 8), "postgres");
        assert_eq!(fit("postgresql", 8), "postgre…");
        assert_eq!(fit("データベース", 7), "データ…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn whatever_is_shown_is_safe_and_fits(raw in damaged::text(&["a\u{1b}[31mb\u{202e}", "データ e\u{301}"]), width in 0..40_usize) {
            proptest::prop_assert_eq!(line(&line(&raw)), line(&raw));
            proptest::prop_assert!(!line(&raw).chars().any(char::is_control));
            proptest::prop_assert!(fit(&raw, width).width() <= width);
        }
    }

    #[test]
    fn ordinary_text_of_all_scripts_passes_unchanged() {
        for plain in ["nginx.service", "žluťoučký kůň", "データ", "✔ ✘ – …", "שלום"] {
            assert_eq!(line(plain), plain);
        }
    }
}

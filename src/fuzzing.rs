//! ANY BYTES INTO EVERY PARSER: one function for each reader of what others wrote, fed by a fuzzer and by a test.
//!
//! ```text
//! .ci/fuzz                    every parser for ten seconds, guided by coverage (libFuzzer)
//! .ci/fuzz 600 nginx ufw      these two, ten minutes each; an input that breaks one is left in its corpus
//! cargo test --lib fuzzing    every file of the corpus, whole and damaged, without a fuzzer (part of every test run)
//! ```
//!
//! To add a parser: a line in [`PARSERS`] (or in that of [`crate::sources::fuzzing`]), and a file below
//! `tests/fuzz/corpus/NAME`.

use std::time::Duration;

use crate::apply::rights::order::Order;
use crate::check;
use crate::facts::recording::Recording;
use crate::report::text::Style;
use crate::report::{Report, json, line, markdown};
pub use crate::sources::fuzzing::Parser;
use crate::sources::fuzzing::read;
use crate::target::{From, Target};
use crate::ui::keys::Keys;
use crate::ui::palette::Palette;
use crate::ui::settings::Source;

/// Those above the sources, with their names.
const PARSERS: &[(&str, Parser)] = &[
    ("recording", |bytes| {
        if let Ok(recording) = Recording::parse(&text(bytes), "it") {
            told(recording);
        }
    }),
    ("order", |bytes| read(Order::parse(&text(bytes)).is_ok())),
    ("target", |bytes| {
        let text = text(bytes);
        if let Ok(target) = Target::parse(&text) {
            assert!(Target::parse(&target.input).is_ok(), "{target:?} is not read again");
        }
        read(From::parse(&text).is_ok());
    }),
    ("theme", |bytes| read(Palette::read(&source(bytes), Palette::terminal()).is_ok())),
    ("keys", |bytes| read(Keys::read(&source(bytes)).is_ok())),
];

/// The parser of that name.
pub fn parser(name: &str) -> Option<Parser> {
    all().find(|(of, _)| *of == name).map(|(_, parser)| parser)
}

/// All of them.
pub fn all() -> impl Iterator<Item = (&'static str, Parser)> {
    PARSERS.iter().chain(crate::sources::fuzzing::PARSERS).copied()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn source(bytes: &[u8]) -> Source {
    Source { name: "it".into(), text: text(bytes) }
}

/// Diagnoses a case and tells it in every way. Nothing that a terminal would obey is in what people read.
fn told(recording: Recording) {
    let (case, diagnosis) = check::replayed(recording.elsewhere().case);
    let report = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO };
    let plain = crate::report::text::diagnosis(&report, Style { color: false, ascii: false });
    for told in [plain, markdown::diagnosis(&report), line::of(&report, 80, true)] {
        let bad =
            told.chars().find(|c| *c != '\n' && (c.is_control() || crate::text::line(&c.to_string()) != c.to_string()));
        assert_eq!(bad, None, "{told:?}");
    }
    read(json::diagnosis(&report).to_string());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "it reads the corpus")]

    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn corpus(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
    }

    /// Every file of a parser's corpus.
    fn files(name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(corpus(name)).unwrap_or_else(|e| panic!("the corpus of {name}: {e}"));
        entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// A generator of numbers that are the same each time (xorshift).
    fn below(state: &mut u64, end: usize) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// Some bytes set to what hurts readers, or the rest cut off.
    fn damaged(whole: &[u8], state: &mut u64) -> Vec<u8> {
        const HURTS: [u8; 8] = [0, b'\n', b'"', b'\\', b'{', 0x7f, 0x80, 0xff];
        let mut bytes = whole.to_vec();
        for _ in 0..=below(state, 3) {
            let at = below(state, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = HURTS[below(state, HURTS.len())];
            }
        }
        if below(state, 4) == 0 {
            bytes.truncate(below(state, whole.len()));
        }
        bytes
    }

    #[test]
    fn every_parser_survives_its_corpus_whole_and_damaged() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for (name, parser) in all() {
            let files = files(name);
            assert!(!files.is_empty(), "{name} has no corpus");
            for bytes in files.values() {
                parser(bytes);
                (0..20).for_each(|_| parser(&damaged(bytes, &mut state)));
            }
        }
    }

    #[test]
    fn every_corpus_has_its_parser() {
        for entry in fs::read_dir(corpus("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(parser(&name).is_some(), "nothing reads tests/fuzz/corpus/{name}");
        }
    }
}

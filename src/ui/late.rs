//! An answer of the terminal that comes after nobody waits for it any more: `ESC ] 11 ; rgb:… BEL` looks like typed keys, and
//! would be taken for them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// No answer is longer.
const LONGEST: usize = 64;

/// How much of such an answer has been met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Late {
    /// Characters since it began; 0: there is none.
    met: usize,
}

impl Late {
    /// Is this key a part of an answer?
    pub(super) fn swallows(&mut self, key: &KeyEvent) -> bool {
        let KeyCode::Char(c) = key.code else {
            self.met = 0;
            return false;
        };
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        if self.met == 0 {
            // It begins with ESC ], which is read as Alt-].
            self.met = usize::from(alt && c == ']');
            return self.met > 0;
        }
        let bell = c == 'g' && key.modifiers.contains(KeyModifiers::CONTROL);
        let over = bell || (alt && c == '\\');
        let part = over || c.is_ascii_hexdigit() || matches!(c, ';' | '?' | '/' | ':' | 'r' | 'g');
        self.met = if over || !part || self.met == LONGEST { 0 } else { self.met + 1 };
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, end: KeyEvent) -> Vec<KeyEvent> {
        let begin = KeyEvent::new(KeyCode::Char(']'), KeyModifiers::ALT);
        let plain = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        [begin].into_iter().chain(text.chars().map(plain)).chain([end]).collect()
    }

    #[test]
    fn a_late_answer_is_no_key_and_what_follows_is_one() {
        for end in [
            KeyEvent::new(KeyCode::Char('\\'), KeyModifiers::ALT),
            KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL),
        ] {
            let mut late = Late::default();
            let answer = keys("11;rgb:1616/1919/1f1f", end);
            assert!(answer.iter().all(|key| late.swallows(key)), "{end:?}");
            for c in ['r', 'q', 'g'] {
                assert!(!late.swallows(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_not_swallowed_for_long() {
        let mut late = Late::default();
        assert!(late.swallows(&KeyEvent::new(KeyCode::Char(']'), KeyModifiers::ALT)));
        assert!(!late.swallows(&KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)));
        assert!(!late.swallows(&KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE)));
    }
}

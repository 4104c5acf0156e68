//! Lines as iptables prints them, and the words of a line.

/// A comment is at most 255 bytes, so no line goes on for longer.
const MOST_LINES: usize = 256;

/// A word, and where it stands in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// It stood in quotes, so it is no option whatever it looks like.
    pub(super) quoted: bool,
    /// First byte, and the one after the last.
    pub(super) at: (usize, usize),
}

impl Word {
    /// This option, or `!`.
    pub(super) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }

    /// Some option, or `!`.
    pub(super) fn is_option(&self) -> bool {
        !self.quoted && (self.text.starts_with('-') || self.text == "!")
    }
}

/// The lines of a text. One with a line break within quotes (a comment may have one) goes on until they are closed; none
/// where they never are.
pub(super) fn lines(text: &str) -> Option<Vec<(String, Vec<Word>)>> {
    let mut found = Vec::new();
    let mut rest = text.lines();
    while let Some(first) = rest.next() {
        let mut line = first.to_owned();
        let mut joined = 1;
        let words = loop {
            if let Some(words) = words(&line) {
                break words;
            }
            joined += 1;
            if joined > MOST_LINES {
                return None;
            }
            line.push('\n');
            line.push_str(rest.next()?);
        };
        found.push((line, words));
    }
    Some(found)
}

/// The words of a line; none if a quote is not closed. iptables quotes a whole word or nothing, and escapes with `\`.
pub(super) fn words(line: &str) -> Option<Vec<Word>> {
    let mut found = Vec::new();
    let mut chars = line.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first == ' ' {
            continue;
        }
        let mut word = Word { text: String::new(), quoted: first == '"', at: (start, line.len()) };
        if word.quoted {
            loop {
                match chars.next()?.1 {
                    '"' => break,
                    '\\' => word.text.push(chars.next()?.1),
                    c => word.text.push(c),
                }
            }
        } else {
            word.text.push(first);
            while let Some((_, c)) = chars.next_if(|(_, c)| *c != ' ') {
                word.text.push(c);
            }
        }
        word.at.1 = chars.peek().map_or(line.len(), |(at, _)| *at);
        found.push(word);
    }
    Some(found)
}

//! Lines of text: the only way text reaches the terminal in plain mode, so that nothing in it moves a cursor or draws.

/// Text being put together, safe as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Say {
    text: String,
    ascii: bool,
}

impl Say {
    /// Nothing yet; with `ascii` what others wrote is spelled in ASCII too.
    pub fn new(ascii: bool) -> Self {
        Self { text: String::new(), ascii }
    }

    /// A sentence, on a line of its own.
    pub fn line(&mut self, words: impl AsRef<str>) {
        self.at(0, words);
    }

    /// The same, set in by so many steps.
    pub fn at(&mut self, depth: usize, words: impl AsRef<str>) {
        self.text.push_str(&"  ".repeat(depth));
        self.part(words);
        self.text.push('\n');
    }

    /// Several lines of what somebody else wrote: a diff, commands.
    pub fn block(&mut self, depth: usize, words: &str) {
        words.lines().for_each(|line| self.at(depth, line));
    }

    /// Words that stay in their line: a question.
    pub fn part(&mut self, words: impl AsRef<str>) {
        for c in crate::text::line(words.as_ref()).chars() {
            self.spell(c);
        }
    }

    fn spell(&mut self, c: char) {
        match c {
            '\u{2500}'..='\u{259f}' => self.text.push('?'),
            'µ' => self.text.push('u'),
            '…' => self.text.push_str("..."),
            '×' => self.text.push('x'),
            c if self.ascii && !c.is_ascii() => self.text.push('?'),
            c => self.text.push(c),
        }
    }

    /// Was nothing said?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What was said.
    pub fn text(self) -> String {
        self.text
    }
}

/// With a capital, and a full stop where nothing else ends it.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let Some(first) = letters.next() else { return String::new() };
    stop(&format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// With a full stop where nothing else ends it; names at the beginning stay as they are.
pub fn stop(words: &str) -> String {
    let words = words.trim_end();
    format!("{words}{}", if words.ends_with(['.', '?', '!', ':']) { "" } else { "." })
}

/// `1 packet`, `2 packets`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_and_no_cursor_moved() {
        let mut say = Say::new(false);
        say.at(1, "a\u{1b}[2J│█\u{202e}µs …");
        assert_eq!(say.text(), "  a␛[2J??\u{fffd}us ...\n");
        let mut say = Say::new(true);
        say.part("žluť");
        assert_eq!(say.text(), "?lu?");
    }

    #[test]
    fn sentences_begin_and_end() {
        assert_eq!(sentence("it works"), "It works.");
        assert_eq!(sentence("Why?"), "Why?");
        assert_eq!(sentence(""), "");
        assert_eq!([1, 2].map(|n| count(n, "packet")), ["1 packet", "2 packets"]);
    }
}

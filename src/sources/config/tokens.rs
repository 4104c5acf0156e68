//! nginx's language cut into words, `;`, `{` and `}`.

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, without its quotes.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// The pieces of a text, one after the other, with the line each begins on.
pub(super) struct Tokens<'a> {
    lines: Vec<&'a str>,
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
}

impl<'a> Tokens<'a> {
    /// Begins at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect(), chars: text.chars().peekable(), line: 1 }
    }

    /// The text of a line.
    pub(super) fn line(&self, number: u32) -> &'a str {
        usize::try_from(number).ok().and_then(|n| self.lines.get(n.checked_sub(1)?)).copied().unwrap_or_default()
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Option<(Token, u32)> {
        loop {
            let line = self.line;
            let token = match self.take()? {
                c if c.is_whitespace() => continue,
                '#' => {
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.take();
                    }
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                quote @ ('"' | '\'') => Token::Word(self.quoted(quote)),
                first => Token::Word(self.word(first)),
            };
            return Some((token, line));
        }
    }

    /// Skips a block of another language (Lua) up to the brace that closes it.
    pub(super) fn skip_block(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.take() {
                None => return,
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some(quote @ ('"' | '\'')) => drop(self.quoted(quote)),
                Some('-') if self.chars.peek() == Some(&'-') => {
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.take();
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(c)
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut word = String::new();
        while let Some(c) = self.take() {
            match c {
                c if c == quote => break,
                '\\' => word.extend(self.take()),
                c => word.push(c),
            }
        }
        word
    }

    /// A bare word ends at a blank, `;` or `{`, but `${name}` belongs to it; `}` does not end it.
    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        let mut before = first;
        while let Some(c) = self.chars.peek().copied() {
            if c.is_whitespace() || c == ';' || (c == '{' && before != '$') {
                break;
            }
            self.take();
            if before == '\\' && c != '\\' {
                word.pop();
            }
            word.push(c);
            before = c;
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let mut tokens = Tokens::new(text);
        std::iter::from_fn(|| tokens.next().map(|(t, _)| t)).collect()
    }

    #[test]
    fn words_and_marks() {
        let word = |w: &str| Token::Word(w.into());
        assert_eq!(tokens("a b;c{d}#x\n"), [word("a"), word("b"), Token::End, word("c"), Token::Open, word("d}#x")]);
        assert_eq!(tokens("\"a;\\\"b\" ${x}y;"), [word("a;\"b"), word("${x}y"), Token::End]);
        assert_eq!(tokens("'open"), [word("open")]);
    }

    #[test]
    fn lines_are_counted() {
        let mut tokens = Tokens::new("a\n\"x\ny\"\nb");
        let lines: Vec<_> = std::iter::from_fn(|| tokens.next().map(|(_, line)| line)).collect();
        assert_eq!(lines, [1, 2, 4]);
        assert_eq!(tokens.line(4), "b");
        assert_eq!(tokens.line(0), "");
    }
}

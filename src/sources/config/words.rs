//! Lines of configuration files split into words, with quotes and escapes.

/// How a file quotes.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Quoting {
    /// A backslash outside quotes takes the next character as it is.
    pub(in crate::sources) escapes: bool,
    /// Where `#` begins a comment.
    pub(in crate::sources) comments: Comments,
}

/// Where `#` outside quotes begins a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sources) enum Comments {
    /// Nowhere.
    Never,
    /// At the start of a word.
    BeforeWords,
    /// Anywhere.
    Anywhere,
}

impl Comments {
    fn begin(self, before_word: bool) -> bool {
        self == Self::Anywhere || (self == Self::BeforeWords && before_word)
    }
}

/// Words split at blanks; `"..."` and `'...'` keep them together; `#` begins a comment. An open quote ends with the line.
pub(in crate::sources) fn split(line: &str, quoting: Quoting) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') if quoting.escapes => {
                word.get_or_insert_default().extend(chars.next());
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') if quoting.escapes => word.get_or_insert_default().extend(chars.next()),
            (None, '#') if quoting.comments.begin(word.is_none()) => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Without the quotes around it.
pub(in crate::sources) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_comments() {
        let plain = Quoting { escapes: false, comments: Comments::BeforeWords };
        assert_eq!(split("Listen 80 # http", plain), ["Listen", "80"]);
        assert_eq!(split(r#"a "b c"d '' e#f"#, plain), ["a", "b cd", "", "e#f"]);
        assert_eq!(split(r#"open "quote"#, plain), ["open", "quote"]);
        let haproxy = Quoting { escapes: true, comments: Comments::Anywhere };
        assert_eq!(split(r#"bind /a\ b "x\"y" z#c"#, haproxy), ["bind", "/a b", "x\"y", "z"]);
        assert_eq!(split("\\", haproxy), [""]);
        assert_eq!(unquoted(" 'a' "), "a");
        assert_eq!(unquoted("\""), "\"");
    }
}

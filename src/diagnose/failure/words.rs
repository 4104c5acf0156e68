//! Picking paths, lines, addresses and error numbers out of a daemon's message.

use crate::facts::journal::Entry;

/// The text between the first pair of `quote` after `key`.
pub(super) fn quoted_after<'a>(text: &'a str, key: &str, quote: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    let (_, rest) = rest.split_once(quote)?;
    rest.split_once(quote).map(|(inside, _)| inside).filter(|inside| !inside.is_empty())
}

/// The word after `key`, without the punctuation that ends it.
pub(super) fn word_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    let word = rest.split_whitespace().next()?.trim_end_matches([',', ';', '.']);
    // The colon of "FILE:" ends the word, those of "::" are the address.
    let colon = word.strip_suffix(':').filter(|rest| !rest.ends_with(':') || rest.ends_with("::"));
    let word = colon.unwrap_or(word).trim_matches(['"', '\'']);
    (!word.is_empty()).then_some(word)
}

/// The number right after `key`.
pub(super) fn number_after(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let digits: String = rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// `FILE:LINE` with an absolute path, wherever it stands in the text, the last one first: nginx and haproxy end with it.
pub(super) fn file_and_line(text: &str) -> Option<(String, u32)> {
    text.split([' ', '[', ']', '(', ')', '"', '\'']).rev().find_map(|word| {
        let (file, rest) = word.trim_end_matches(':').rsplit_once(':')?;
        let line = rest.parse().ok()?;
        // `FILE:LINE:COLUMN` and `FILE:LINE: message`
        let (file, line) = match file.rsplit_once(':') {
            Some((file, inner)) => inner.parse().map_or((file, line), |inner| (file, inner)),
            None => (file, line),
        };
        file.starts_with('/').then(|| (file.to_owned(), line))
    })
}

/// The first absolute path in the text, without quotes and punctuation.
pub(super) fn path(text: &str) -> Option<&str> {
    let trim = |word: &'_ str| word.len() - word.trim_start_matches(['"', '\'', '(', '[', '`', '=']).len();
    text.split_whitespace()
        .filter_map(|word| word.get(trim(word)..))
        .map(|word| word.trim_end_matches(['"', '\'', ')', ']', '.', ',', ':', ';']))
        .find(|word| word.starts_with('/') && word.len() > 1)
}

/// The error behind a message, by its number or its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    /// ENOENT
    NoEntry,
    /// EACCES, EPERM
    Denied,
    /// ENOSPC, EDQUOT
    NoSpace,
    /// EROFS
    ReadOnly,
    /// EAFNOSUPPORT
    Family,
    /// EADDRINUSE
    InUse,
    /// EADDRNOTAVAIL
    NotAvailable,
}

/// Words and numbers that stand for an error, lower case.
const ERRORS: [(Errno, &[&str]); 7] = [
    (
        Errno::InUse,
        &["address already in use", "address in use", "eaddrinuse", "(98:", "(98)", "errno 98", "error: 98"],
    ),
    (
        Errno::NotAvailable,
        &[
            "cannot assign requested address",
            "can't assign requested address",
            "eaddrnotavail",
            "address not available",
            "(99:",
            "(99)",
            "errno 99",
            "error: 99",
        ],
    ),
    (Errno::Family, &["address family not supported", "eafnosupport", "(97:", "(97)", "errno 97", "error: 97"]),
    (Errno::NoSpace, &["no space left on device", "disk quota exceeded", "enospc", "(28:", "errcode: 28", "errno 28"]),
    (Errno::ReadOnly, &["read-only file system", "erofs", "(30:", "errcode: 30", "errno 30"]),
    (Errno::NoEntry, &["no such file or directory", "enoent", "(2:", "errcode: 2 ", "errno 2]", "does not exist"]),
    (
        Errno::Denied,
        &[
            "permission denied",
            "operation not permitted",
            "eacces",
            "(13:",
            "(1:",
            "errcode: 13",
            "errno 13",
            "error: 13",
        ],
    ),
];

/// Which error the text names.
pub(super) fn errno(text: &str) -> Option<Errno> {
    let text = text.to_ascii_lowercase();
    ERRORS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word))).map(|(errno, _)| *errno)
}

/// The first of the next few entries that holds `needle`.
pub(super) fn soon<'a>(entries: &'a [Entry], needle: &str) -> Option<&'a str> {
    entries.iter().take(8).map(|e| e.message.as_str()).find(|m| m.contains(needle))
}

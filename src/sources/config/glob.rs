//! File name patterns of include directives (`conf.d/*.conf`), as glob(3) reads them.

use super::files::{Files, Unread};

/// Paths a pattern may yield at most.
const MOST: usize = 4_000;

/// Is there anything to expand?
pub(in crate::sources) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The paths an absolute pattern matches, sorted, and directories on the way that could not be read.
pub(in crate::sources) fn expand(files: &dyn Files, pattern: &str) -> (Vec<String>, Vec<(String, Unread)>) {
    let mut found = vec![String::new()];
    let mut troubles = Vec::new();
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let mut next = Vec::new();
        for base in &found {
            if !is_pattern(part) {
                next.push(format!("{base}/{part}"));
                continue;
            }
            let dir = if base.is_empty() { "/" } else { base };
            match files.list(dir) {
                Ok(names) => {
                    let fitting = names.into_iter().filter(|e| matches(part, &e.name));
                    next.extend(fitting.map(|e| format!("{base}/{}", e.name)).take(MOST));
                }
                Err(Unread::Missing) => {}
                Err(why) => troubles.push((dir.to_owned(), why)),
            }
        }
        next.truncate(MOST);
        found = next;
    }
    // Parts behind the last wildcard were only appended; the others come from a listing.
    if !pattern.rsplit('/').next().is_some_and(is_pattern) {
        found.retain(|path| !matches!(files.kind(path), Err(Unread::Missing)));
    }
    found.sort();
    (found, troubles)
}

/// Does a name match? A leading dot must be written out.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    walk(&pattern, &name)
}

/// Without recursion into every split: only the last star is ever widened, so it takes at most pattern x name steps.
fn walk(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match (pattern.get(p), name.get(n)) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            (Some(_), Some(c)) => one(pattern.get(p..).unwrap_or_default(), *c),
            _ => None,
        };
        match (step, star) {
            (Some(used), _) => {
                p += used;
                n += 1;
            }
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// Does the first element of the pattern take this character? How long that element is.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => match class(rest, c) {
            Some((taken, used)) => taken.then_some(used + 1),
            None => (c == '[').then_some(1),
        },
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        [first, ..] => (*first == c).then_some(1),
        [] => None,
    }
}

/// A character class behind its `[`: whether it takes `c`, and its length with the `]`. None: it never ends.
fn class(rest: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(rest, ['!' | '^', ..]);
    let start = usize::from(negated);
    let body = rest.get(start..)?;
    let end = body.iter().skip(1).position(|x| *x == ']')? + 1;
    let inside = body.get(..end)?;
    let mut at = 0;
    let mut taken = false;
    while let Some(low) = inside.get(at) {
        if let (Some('-'), Some(high)) = (inside.get(at + 1), inside.get(at + 2)) {
            taken |= (*low..=*high).contains(&c);
            at += 3;
        } else {
            taken |= *low == c;
            at += 1;
        }
    }
    Some((taken != negated, start + end + 1))
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name) in
            [("*.conf", "a.conf"), ("a?c", "abc"), ("[0-9]*", "10-x"), ("[!a]b", "xb"), ("*", ""), ("a*b*c", "a1b2b3c")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.conf", ".a.conf"), ("*.conf", "a.conf~"), ("[!a]b", "ab"), ("a*b*c", "a1b2b3"), ("[", "x"), ("", "x")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn stars_do_not_explode() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(5_000).replace("aaaa", "aaab")) || pattern.len() > 1);
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(5_000)));
    }

    #[test]
    fn patterns_in_directories() {
        let files = Memory::default()
            .file("/etc/postgresql/15/main/postgresql.conf", "")
            .file("/etc/postgresql/13/old/postgresql.conf", "")
            .file("/etc/postgresql/13/broken/x", "")
            .denied("/etc/redis");
        let (paths, troubles) = expand(&files, "/etc/postgresql/*/*/postgresql.conf");
        assert_eq!(paths, ["/etc/postgresql/13/old/postgresql.conf", "/etc/postgresql/15/main/postgresql.conf"]);
        assert_eq!(troubles, []);
        let (paths, troubles) = expand(&files, "/etc/redis/*.conf");
        assert_eq!(paths, Vec::<String>::new());
        assert_eq!(troubles, [("/etc/redis".to_owned(), Unread::Denied)]);
    }
}

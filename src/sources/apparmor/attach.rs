//! Which paths a profile is attached to: AppArmor's own patterns, in which `*` ends at a slash and `**` does not.

/// Patterns have no more alternatives than this once they are written out.
const MOST: usize = 256;

/// The program with this path gets the profile.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    alternatives(pattern).iter().any(|one| fits(one.as_bytes(), path.as_bytes(), &mut 20_000))
}

/// How much of a pattern is plain text: of several the one with most of it counts.
pub(super) fn exactness(pattern: &str) -> usize {
    pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len())
}

/// `/usr/{s,}bin/x` written out.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut all = vec![pattern.to_owned()];
    while let Some(at) = all.iter().position(|one| one.contains('{')) {
        let one = all.swap_remove(at);
        let Some(written) = first_group(&one).filter(|written| all.len() + written.len() <= MOST) else {
            return Vec::new();
        };
        all.extend(written);
    }
    all
}

/// The pattern with its innermost first group written out. None: it does not close.
fn first_group(pattern: &str) -> Option<Vec<String>> {
    let end = pattern.find('}')?;
    let begin = pattern.get(..end)?.rfind('{')?;
    let (before, inside, after) = (pattern.get(..begin)?, pattern.get(begin + 1..end)?, pattern.get(end + 1..)?);
    Some(inside.split(',').map(|choice| format!("{before}{choice}{after}")).collect())
}

/// `steps` bounds how much is tried.
fn fits(pattern: &[u8], path: &[u8], steps: &mut u32) -> bool {
    *steps = steps.saturating_sub(1);
    if *steps == 0 {
        return false;
    }
    match (pattern, path) {
        ([], _) => path.is_empty(),
        ([b'*', b'*', rest @ ..], _) => {
            (0..=path.len()).any(|taken| path.get(taken..).is_some_and(|left| fits(rest, left, steps)))
        }
        ([b'*', rest @ ..], _) => {
            let most = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=most).any(|taken| path.get(taken..).is_some_and(|left| fits(rest, left, steps)))
        }
        ([b'?', rest @ ..], [one, left @ ..]) => *one != b'/' && fits(rest, left, steps),
        ([b'[', rest @ ..], [one, left @ ..]) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (class, rest) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
            in_class(class, *one) && fits(rest, left, steps)
        }
        ([b'\\', wanted, rest @ ..] | [wanted, rest @ ..], [one, left @ ..]) => {
            wanted == one && fits(rest, left, steps)
        }
        _ => false,
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (no, class) = match class {
        [b'^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let ranged = class.windows(3).any(|three| matches!(three, [from, b'-', to] if (*from..=*to).contains(&byte)));
    (ranged || class.contains(&byte)) != no
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_real_profiles() {
        assert!(matches("/usr/sbin/nginx", "/usr/sbin/nginx"));
        assert!(!matches("/usr/sbin/nginx", "/usr/sbin/nginx2"));
        assert!(matches("/{,usr/}{,s}bin/dhclient", "/usr/sbin/dhclient"));
        assert!(matches("/{,usr/}{,s}bin/dhclient", "/bin/dhclient"));
        assert!(matches("/usr/lib/postgresql/*/bin/postgres", "/usr/lib/postgresql/15/bin/postgres"));
        assert!(!matches("/usr/lib/*/postgres", "/usr/lib/a/b/postgres"));
        assert!(matches("/opt/**", "/opt/a/b"));
        assert!(matches("/usr/bin/python3.[0-9]", "/usr/bin/python3.9"));
        assert!(matches("/usr/bin/{a{b,c},d}", "/usr/bin/ac"));
        assert!(!matches("/usr/bin/{a", "/usr/bin/a"));
        assert!(exactness("/usr/sbin/nginx") > exactness("/usr/sbin/*"));
    }

    #[test]
    fn hostile_patterns_end() {
        let braces = "{a,b}".repeat(64);
        assert!(!matches(&braces, &"a".repeat(64)));
        assert!(!matches(&"**a".repeat(40), &format!("{}b", "a".repeat(2000))));
    }
}

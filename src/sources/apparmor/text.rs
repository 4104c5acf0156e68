//! The text of a profile: which file below /etc/apparmor.d makes it, and what that says about networks and capabilities.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::facts::apparmor::{ProfileRule, ProfileText};

const PROFILES: &str = "/etc/apparmor.d";
/// A profile is shorter.
const MOST_BYTES: u64 = 512 << 10;
/// There are fewer files.
const MOST_FILES: usize = 1000;
/// Files that one profile includes, counted with those they include.
const MOST_INCLUDES: usize = 200;
/// Rules that are kept.
const MOST_RULES: usize = 200;

/// The text of the profile with this name; none where no file has it.
pub(super) fn find(name: &str) -> Option<ProfileText> {
    find_below(Path::new(PROFILES), name)
}

fn find_below(profiles: &Path, name: &str) -> Option<ProfileText> {
    // Its usual file first, so that others need not be read.
    let usual = [name.trim_start_matches('/').replace('/', "."), name.rsplit('/').next()?.to_owned()];
    let usual = usual.iter().filter(|file| !file.starts_with('.')).map(|file| profiles.join(file));
    if let Some(found) = usual.into_iter().find_map(|file| read_profile(profiles, &file, name)) {
        return Some(found);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(profiles).ok()?.flatten().take(MOST_FILES).map(|e| e.path()).collect();
    files.sort();
    files.iter().find_map(|file| read_profile(profiles, file, name))
}

/// The names of all profiles that have a text and are attached to something else than their name, with that.
pub(super) fn heads() -> Vec<(String, String)> {
    heads_below(Path::new(PROFILES))
}

fn heads_below(profiles: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(profiles) else { return Vec::new() };
    let texts = entries.flatten().take(MOST_FILES).filter_map(|entry| content(&entry.path()));
    texts.flat_map(|text| text.lines().filter_map(attachment).collect::<Vec<_>>()).collect()
}

/// `profile nginx /usr/sbin/nginx flags=(complain) {`
fn attachment(line: &str) -> Option<(String, String)> {
    let head = without_comment(line).strip_suffix('{')?.trim().strip_prefix("profile ")?;
    let mut words = head.split_whitespace().map(|word| word.trim_matches('"'));
    let (name, to) = (words.next()?, words.next()?);
    to.starts_with('/').then(|| (name.to_owned(), to.to_owned()))
}

fn read_profile(profiles: &Path, file: &Path, name: &str) -> Option<ProfileText> {
    let text = content(file)?;
    let shown = file.to_string_lossy().into_owned();
    let mut lines = (1u32..).zip(text.lines());
    let (begin, head) = lines.find(|(_, line)| is_head(line, name))?;
    let mut found = ProfileText { file: shown, last: (begin, head.to_owned()), ..ProfileText::default() };
    let (mut depth, mut seen) = (1u32, Vec::new());
    for (number, line) in lines {
        let bare = without_comment(line);
        if bare.starts_with('}') {
            depth -= 1;
            if depth == 0 {
                return Some(found);
            }
        }
        if depth == 1 && !bare.starts_with('}') {
            found.last = (number, line.to_owned());
            take(&mut found, &mut seen, profiles, (&file.to_string_lossy(), number, line));
        }
        if bare.ends_with('{') {
            depth += 1;
        }
    }
    None
}

/// One line: its rules, or those of the file it includes.
fn take(found: &mut ProfileText, seen: &mut Vec<PathBuf>, profiles: &Path, (file, number, line): (&str, u32, &str)) {
    let Some(included) = included(line) else {
        let statements = rules(line);
        for (text, alone) in statements {
            if found.rules.len() < MOST_RULES {
                found.rules.push(ProfileRule { file: file.to_owned(), line: number, text, alone });
            }
        }
        return;
    };
    let path = if included.starts_with('/') { PathBuf::from(included) } else { profiles.join(included) };
    if included.starts_with("local/") && file == found.file {
        found.local = Some((path.to_string_lossy().into_owned(), path.is_file()));
    }
    if seen.contains(&path) || seen.len() >= MOST_INCLUDES {
        return;
    }
    seen.push(path.clone());
    let Some(text) = content(&path) else { return };
    for (number, line) in (1u32..).zip(text.lines()) {
        take(found, seen, profiles, (&path.to_string_lossy(), number, line));
    }
}

/// `include <abstractions/base>`, `#include if exists <local/x>`, `include "/etc/x"`.
fn included(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.strip_prefix('#').unwrap_or(line).strip_prefix("include")?.trim_start();
    let rest = rest.strip_prefix("if exists").unwrap_or(rest).trim_start();
    let (close, rest) = rest.strip_prefix('<').map_or_else(|| ('"', rest.strip_prefix('"')), |rest| ('>', Some(rest)));
    rest?.split_once(close).map(|(path, _)| path)
}

/// The rules of a line that are about networks and capabilities, each with whether it stands alone in the line.
fn rules(line: &str) -> Vec<(String, bool)> {
    let all: Vec<&str> = without_comment(line).split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    let alone = all.len() == 1;
    let about = |one: &&str| {
        let mut words = one
            .split_whitespace()
            .skip_while(|word| matches!(*word, "audit" | "deny" | "allow" | "quiet") || word.starts_with("priority="));
        matches!(words.next(), Some("network" | "capability"))
    };
    // Of `network (bind, create) inet` the second part is no rule of its own.
    let whole = if line.contains('(') { vec![without_comment(line).trim_end_matches(',')] } else { all };
    whole.into_iter().filter(about).map(|one| (one.split_whitespace().collect::<Vec<_>>().join(" "), alone)).collect()
}

/// `profile NAME /path flags=(...) {`, `NAME {`, `/path {`, `"/path" {`.
fn is_head(line: &str, name: &str) -> bool {
    let Some(head) = without_comment(line).strip_suffix('{') else { return false };
    let head = head.trim();
    let first = head.strip_prefix("profile ").unwrap_or(head).trim_start();
    let word =
        first.strip_prefix('"').map_or_else(|| first.split_whitespace().next(), |quoted| quoted.split('"').next());
    word == Some(name)
}

fn without_comment(line: &str) -> &str {
    let line = if line.trim_start().starts_with('#') { "" } else { line };
    line.split_once(" #").map_or(line, |(before, _)| before).trim()
}

fn content(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    if !path.is_file() {
        return None;
    }
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::apparmor::Need;

    const NGINX: &str = "abi <abi/3.0>,\ninclude <tunables/global>\nprofile nginx /usr/sbin/nginx flags=(complain) {\n  \
        include <abstractions/base>\n  #include <abstractions/net>\n  capability setuid, capability setgid,\n  \
        # network inet stream,\n  deny network inet6 stream, # nobody\n  /usr/{s,}bin/nginx mr,\n  ^hat {\n    network,\n  \
        }\n  include if exists <local/usr.sbin.nginx>\n}\n";

    fn profiles() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["abstractions", "local"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        fs::write(dir.path().join("usr.sbin.nginx"), NGINX).unwrap();
        fs::write(dir.path().join("abstractions/net"), "network inet dgram,\ninclude <abstractions/net>\n").unwrap();
        dir
    }

    #[test]
    fn a_profile_is_found_by_its_name_with_what_it_includes() {
        let dir = profiles();
        let found = find_below(dir.path(), "nginx").unwrap();
        assert!(found.file.ends_with("/usr.sbin.nginx"));
        let rules: Vec<_> = found.rules.iter().map(|r| (r.line, r.text.as_str(), r.alone)).collect();
        let expected = [
            (1, "network inet dgram", true),
            (6, "capability setuid", false),
            (6, "capability setgid", false),
            (8, "deny network inet6 stream", true),
        ];
        assert_eq!(rules, expected);
        assert_eq!(found.last, (13, "  include if exists <local/usr.sbin.nginx>".into()));
        let (local, there) = found.local.clone().unwrap();
        assert!(local.ends_with("/local/usr.sbin.nginx") && !there);
        assert!(!found.allows(Need::Network("inet", "stream")));
        assert_eq!(find_below(dir.path(), "apache"), None);
        assert_eq!(heads_below(dir.path()), [("nginx".to_owned(), "/usr/sbin/nginx".to_owned())]);
    }

    #[test]
    fn heads_come_in_several_shapes() {
        for head in
            ["profile nginx {", "nginx {", "profile \"nginx\" /usr/sbin/nginx {", "profile nginx flags=(complain) {"]
        {
            assert!(is_head(head, "nginx"), "{head}");
        }
        assert!(is_head("/usr/sbin/nginx flags=(attach_disconnected) {", "/usr/sbin/nginx"));
        assert!(!is_head("# profile nginx {", "nginx"));
        assert!(!is_head("profile nginx2 {", "nginx"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(raw in crate::text::damaged::bytes(&[NGINX])) {
            let dir = profiles();
            fs::write(dir.path().join("usr.sbin.nginx"), raw).unwrap();
            let _ = find_below(dir.path(), "nginx");
        }
    }
}

//! A fix, played on the host it is for: applied, seen from outside, undone, and the host compared with what it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::cmd::{Step, While as _};
use crate::host::Host;

/// Everything a fix may change, a line a thing: files with owner, mode, time and content (of links, where they
/// lead); units that run, that start at
/// boot and that failed; the rules of the packet filter; kernel settings that plans set.
const STATE: &str = r#"
find /etc -xdev -mindepth 1 -type d -printf "dir %M %U %G %p\n" | sort
find /etc /usr/local/etc /root /usr/lib/systemd /lib/firewalld -xdev \( -type f -o -type l \) \
    ! -path '/etc/machine-id' ! -name '*.cache' ! -name '*.lock' ! -path '/etc/firewalld/*.old' \
    ! -path '/etc/ld.so.cache' ! -path '/etc/.pwd.lock' \
    \( -type l -printf '%M %U %G - %p -> %l\n' -o -printf '%M %U %G %T@ %p\n' \) 2>/dev/null | sort -k5 | sed 's/^/file /'
find /etc -xdev -type f ! -name '*.old' -print0 2>/dev/null | sort -z | xargs -0 sha256sum | sed 's/^/content /'
systemctl --no-legend --plain list-units --type=service,socket --state=active,activating,reloading 2>/dev/null \
    | awk '{print "runs", $1}' | grep -vE 'systemd-|dbus|user@|session|unrefuse-guard|getty|polkit|-hostnamed|packagekit' | sort
systemctl --no-legend list-unit-files --type=service,socket 2>/dev/null | grep -v '^unrefuse-guard' \
    | awk '{print "boot", $1, $2}' | sort
nft list ruleset 2>/dev/null | sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/; s/ expires [0-9a-z]+//' | sed 's/^/nft /'
for t in iptables-legacy-save ip6tables-legacy-save; do
    command -v $t >/dev/null && grep -q . /proc/net/ip_tables_names 2>/dev/null && $t 2>/dev/null \
        | grep -v '^#' | sed -E 's/\[[0-9]+:[0-9]+\]//' | sed 's/^/legacy /'
done
for s in net/core/somaxconn net/ipv4/ip_unprivileged_port_start net/ipv6/bindv6only net/ipv4/ip_nonlocal_bind; do
    echo "sysctl $s $(cat /proc/sys/$s 2>/dev/null)"
done
true
"#;

/// What a quick look asks the host itself: units that run, rules, settings.
const RUNNING: &str = r#"
systemctl --no-legend --plain list-units --type=service,socket --state=active,activating,reloading 2>/dev/null \
    | awk '{print "runs", $1}' | grep -vE 'systemd-|dbus|user@|session|unrefuse-guard|getty|polkit|-hostnamed|packagekit|by-hand'
nft list ruleset 2>/dev/null | sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/; s/ expires [0-9a-z]+//' | sed 's/^/nft /'
for t in iptables-legacy-save ip6tables-legacy-save; do
    grep -q . /proc/net/ip_tables_names 2>/dev/null && $t 2>/dev/null \
        | grep -v '^#' | sed -E 's/\[[0-9]+:[0-9]+\]//' | sed 's/^/legacy /'
done
for s in net/core/somaxconn net/ipv4/ip_unprivileged_port_start net/ipv6/bindv6only; do
    echo "sysctl $s $(cat /proc/sys/$s 2>/dev/null)"
done
true
"#;

/// The host as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(String);

impl Snapshot {
    /// Of a host.
    pub(crate) fn of(host: &Host) -> Step<Self> {
        host.read(&["sh", "-c", STATE]).map(Self)
    }

    /// The same for a test that looks often: files are read from outside, and what a file says of units is not asked
    /// again. A file is a line that ends with what it holds.
    pub(crate) fn quick(host: &Host) -> Step<Self> {
        let mut lines = host.read(&["sh", "-c", RUNNING])?;
        for root in ["/etc", "/root", "/usr/local/etc", "/run/systemd/system"] {
            files_below(&host.outside(root), root, &mut lines)?;
        }
        Ok(Self(lines))
    }

    /// What differs, a line each. What runs may be left out, where something happened once.
    pub(crate) fn differences(&self, other: &Self, once: bool) -> Vec<String> {
        let count = |text: &str| {
            let mut lines: BTreeMap<String, i32> = BTreeMap::new();
            for line in text.lines().filter(|line| !once || !(line.starts_with("runs ") || line.contains("transient")))
            {
                *lines.entry(line.to_owned()).or_default() += 1;
            }
            lines
        };
        let (before, after) = (count(&self.0), count(&other.0));
        let gone = before.iter().filter(|(line, n)| after.get(*line).unwrap_or(&0) < n).map(|(l, _)| format!("- {l}"));
        let came = after.iter().filter(|(line, n)| before.get(*line).unwrap_or(&0) < n).map(|(l, _)| format!("+ {l}"));
        gone.chain(came).collect()
    }
}

/// A line for everything below a directory: kind and mode, owner, group, time of what is no directory, path, content.
fn files_below(directory: &Path, shown: &str, lines: &mut String) -> Step {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let shown = format!("{shown}/{name}");
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let owner = format!("{:o} {} {}", meta.mode(), meta.uid(), meta.gid());
        if meta.is_dir() {
            let _ = writeln!(lines, "dir {owner} {shown}");
            files_below(&path, &shown, lines)?;
        } else if meta.is_symlink() {
            let _ = writeln!(lines, "link {shown} -> {}", fs::read_link(&path).unwrap_or_default().display());
        } else if meta.is_file() && ![".cache", ".lock", ".old"].iter().any(|end| name.ends_with(end)) {
            let content = fs::read(&path).while_(format!("reading {shown}"))?;
            let mut hash = DefaultHasher::new();
            content.hash(&mut hash);
            let (hash, length) = (hash.finish(), content.len());
            let time = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
            let _ = writeln!(lines, "file {owner} {time} {shown} {length} {hash:016x}");
        }
    }
    Ok(())
}

/// Applies the plan to the host; the numbers of the entries that were kept.
pub(crate) fn apply(host: &Host, words: &[&str], plan: &str) -> Step<Vec<String>> {
    let mut all = vec!["fix"];
    all.extend(words);
    all.extend(["--yes", "--plan", plan]);
    let ran = host.program("root", &all)?;
    if ran.code != 0 {
        return Err(format!("`unrefuse {}` ends with {}\n{}{}", all.join(" "), ran.code, ran.stdout, ran.stderr));
    }
    let kept = ran.stdout.lines().filter_map(|line| line.strip_prefix("kept as entry ")?.split(';').next());
    Ok(kept.map(str::to_owned).collect())
}

/// Takes it back, the last first. What happened once (a restart, the end of a process) cannot be, and that is said.
pub(crate) fn undo(host: &Host, entries: &[String], once: bool) -> Step {
    const SAID: [&str; 2] = ["it only restarted what was there", "nothing here can bring it back"];
    for entry in entries.iter().rev() {
        let ran = host.program("root", &["undo", entry])?;
        if once && SAID.iter().any(|said| ran.stdout.contains(said) || ran.stderr.contains(said)) {
            continue;
        }
        if ran.code != 0 || ran.stdout.contains("left as it is") {
            return Err(format!("`unrefuse undo {entry}` ends with {}\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
    }
    Ok(())
}

//! AppArmor: whether this kernel has it, the profile over a program or a process, and the text that was made from.

mod attach;
mod text;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::Trouble;
use crate::facts::apparmor::{Apparmor, Profile};
use crate::facts::confined::Confined;

/// Where the module tells whether it is turned on.
const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
/// The loaded profiles, a directory each.
const LOADED: &str = "/sys/kernel/security/apparmor/policy/profiles";
/// Profiles are read up to this many; Ubuntu brings 150.
const MOST_PROFILES: usize = 3000;

/// What AppArmor says about a program. None: this kernel has no AppArmor.
pub fn read(about: &Confined) -> Result<Option<Apparmor>, Trouble> {
    let enabled = match small(Path::new(ENABLED)) {
        Ok(word) => word.starts_with('Y'),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::io(ENABLED, &error)),
    };
    if !enabled {
        return Ok(Some(Apparmor::default()));
    }
    let profile = if about.pid == 0 { of_program(&about.program)? } else { of_process(about.pid)? };
    Ok(Some(Apparmor { enabled, profile: profile.map(with_text) }))
}

/// The profile of a process, as it tells itself.
fn of_process(pid: u32) -> Result<Option<Profile>, Trouble> {
    // Where another module comes first, only the first of these is AppArmor's.
    let own = format!("/proc/{pid}/attr/apparmor/current");
    let word = small(Path::new(&own)).or_else(|_| small(Path::new(&format!("/proc/{pid}/attr/current"))));
    let word = word.map_err(|error| missing_or(&own, &error, "the process has ended"))?;
    Ok(confinement(&word).map(|(name, mode)| Profile { name, mode, of_process: true, source: None }))
}

/// `nginx (enforce)`; none for `unconfined`.
fn confinement(word: &str) -> Option<(String, String)> {
    let word = word.trim_matches(['\0', '\n', ' ']);
    let (name, mode) = word.strip_suffix(')')?.rsplit_once(" (")?;
    Some((name.to_owned(), mode.to_owned()))
}

/// The loaded profile that a program gets when it is started: of those attached to its path, the most exact one.
fn of_program(program: &str) -> Result<Option<Profile>, Trouble> {
    // The kernel sees the path behind all links.
    let real =
        fs::canonicalize(program).map_or_else(|_| program.to_owned(), |path| path.to_string_lossy().into_owned());
    let entries =
        fs::read_dir(LOADED).map_err(|error| missing_or(LOADED, &error, "/sys/kernel/security is not mounted here"))?;
    let mut best: Option<(usize, Profile)> = None;
    let mut heads = None;
    for entry in entries.flatten().take(MOST_PROFILES) {
        let tell = |what: &str| small(&entry.path().join(what)).map(|text| text.trim().to_owned());
        let Ok(name) = tell("name") else { continue };
        let attached = tell("attach").ok().filter(|to| !to.is_empty() && !to.starts_with('<'));
        // Newer kernels keep only what the pattern was compiled to; its text is in the profile's.
        let to = attached.unwrap_or_else(|| {
            let known = heads.get_or_insert_with(text::heads).iter().find(|(own, _)| *own == name);
            known.map_or_else(|| name.clone(), |(_, to)| to.clone())
        });
        let exact = attach::exactness(&to);
        if to.starts_with('/') && best.as_ref().is_none_or(|(b, _)| exact > *b) && attach::matches(&to, &real) {
            let mode = tell("mode").map_err(|error| Trouble::io(LOADED, &error))?;
            best = Some((exact, Profile { name, mode, of_process: false, source: None }));
        }
    }
    Ok(best.map(|(_, profile)| profile))
}

fn missing_or(what: &str, error: &std::io::Error, missing: &str) -> Trouble {
    if error.kind() == ErrorKind::NotFound { Trouble::failed(missing) } else { Trouble::io(what, error) }
}

fn with_text(profile: Profile) -> Profile {
    Profile { source: text::find(&profile.name), ..profile }
}

/// A file of the kernel's that holds a word or two.
fn small(path: &Path) -> std::io::Result<String> {
    const MOST: u64 = 8 << 10;
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_its_profile_and_mode() {
        let told = |word: &str| confinement(word);
        assert_eq!(told("nginx (enforce)\n"), Some(("nginx".into(), "enforce".into())));
        assert_eq!(told("/usr/sbin/x (y)//z (complain)\0"), Some(("/usr/sbin/x (y)//z".into(), "complain".into())));
        assert_eq!(told("unconfined\n"), None);
        assert_eq!(told(""), None);
    }

    #[test]
    fn a_kernel_without_it_has_none() {
        if !Path::new(ENABLED).exists() {
            assert_eq!(read(&Confined { pid: 0, program: "/bin/sh".into() }), Ok(None));
        }
    }
}

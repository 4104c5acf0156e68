//! Profiles of AppArmor: loaded from their file, and whether they forbid or only log.

use std::fs;
use std::path::Path;

use super::program;
use crate::apply::Hands;
use crate::apply::change::Value;
use crate::error::Error;

/// The loaded profiles with their modes, `NAME (MODE)` a line.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
const COMPLAIN: &str = "complain";

/// Loads a profile in place of the one of that name, as its file says.
pub(super) async fn load(hands: &Hands, file: &str) -> Result<(), Error> {
    program::run(&hands.state, &argv(file, false)?).await
}

/// The mode of a loaded profile.
pub(super) async fn read(hands: &Hands, name: &str) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    let text = fs::read_to_string(LOADED).map_err(|e| Error::broken(format!("cannot read {LOADED}")).because(e))?;
    Ok(mode(&text, name).map_or(Value::Absent, |mode| Value::Word(mode.to_owned())))
}

fn mode<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (loaded, mode) = line.strip_suffix(')')?.rsplit_once(" (")?;
        (loaded == name).then_some(mode)
    })
}

/// What a plan makes of the mode. Fails where the profile is gone.
pub(super) fn planned(name: &str, complain: bool, old: &Value) -> Result<Value, Error> {
    match old {
        Value::Word(_) if complain => Ok(Value::Word(COMPLAIN.into())),
        Value::Word(_) => Ok(Value::Word("enforce".into())),
        Value::Absent | Value::Present | Value::File(_) | Value::Kept(_) => {
            Err(Error::broken(format!("profile {name} is not loaded any more")).hint("diagnose again"))
        }
    }
}

/// Sets the mode, by loading the profile again.
pub(super) async fn set(hands: &Hands, file: &str, to: &Value) -> Result<(), Error> {
    let complain = *to == Value::Word(COMPLAIN.into());
    program::run(&hands.state, &argv(file, complain)?).await
}

/// Only profiles of this host: whatever the plan says, nothing else is given to the kernel.
fn argv(file: &str, complain: bool) -> Result<Vec<String>, Error> {
    let inside = Path::new(file).strip_prefix("/etc/apparmor.d").is_ok_and(|rest| {
        rest.components().all(|part| matches!(part, std::path::Component::Normal(_))) && rest != Path::new("")
    });
    if !inside {
        return Err(Error::input(format!("{file} is no profile of this host")));
    }
    let words = if complain { &["apparmor_parser", "-r", "-C"][..] } else { &["apparmor_parser", "-r"] };
    Ok(words.iter().map(|word| (*word).to_owned()).chain([file.to_owned()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_told_by_name() {
        let text = "nvidia_modprobe (enforce)\n/usr/sbin/x (y) (complain)\nnginx (enforce)\n";
        assert_eq!(mode(text, "nginx"), Some("enforce"));
        assert_eq!(mode(text, "/usr/sbin/x (y)"), Some("complain"));
        assert_eq!(mode(text, "apache"), None);
        assert!(planned("nginx", true, &Value::Absent).is_err());
    }

    #[test]
    fn only_profiles_are_loaded() {
        assert!(argv("/etc/apparmor.d/usr.sbin.nginx", false).is_ok());
        for bad in ["/etc/passwd", "/etc/apparmor.d/../passwd", "/etc/apparmor.d", "-r", "etc/apparmor.d/x"] {
            assert!(argv(bad, true).is_err(), "{bad}");
        }
    }
}

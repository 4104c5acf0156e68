//! Kernel settings that hold now. That they hold after a reboot, too, is a file of sysctl.d.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apply::change::Value;
use crate::error::Error;

pub(super) fn read(path: &str) -> Result<Value, Error> {
    let at = place(path)?;
    let text =
        fs::read_to_string(&at).map_err(|e| Error::broken(format!("cannot read {}", at.display())).because(e))?;
    Ok(Value::Word(words(&text)))
}

pub(super) fn set(path: &str, to: &Value) -> Result<(), Error> {
    let at = place(path)?;
    let Value::Word(word) = to else { return Err(Error::broken(format!("{path} has no such value"))) };
    fs::write(&at, word).map_err(|e| Error::broken(format!("cannot write {}", at.display())).because(e))
}

/// A setting of several numbers is printed with tabs and taken with blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Below /proc/sys, whatever the path says.
fn place(path: &str) -> Result<PathBuf, Error> {
    let inside = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !inside {
        return Err(Error::input(format!("{path} is no kernel setting")));
    }
    Ok(Path::new("/proc/sys").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_stay_below_proc_sys() {
        let Value::Word(word) = read("kernel/ostype").unwrap() else { panic!("no word") };
        assert_eq!(word, "Linux");
        assert_eq!(words("4096\t16384 4194304\n"), "4096 16384 4194304");
        assert!(read("../../etc/passwd").is_err());
        assert!(read("/etc/passwd").is_err());
        assert!(read("no/such/setting").is_err());
    }
}

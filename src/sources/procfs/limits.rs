//! How many files a process may have open, and how many it has: only ever of the one process that is asked about.

use std::fs;

use super::Trouble;
use crate::facts::limits::Limits;

/// Open files that are counted at most.
const MOST: usize = 2_000_000;

/// None: there is no such process.
pub fn limits(pid: u32) -> Result<Option<Limits>, Trouble> {
    let path = format!("/proc/{pid}/limits");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::io(&format!("reading {path}"), &error)),
    };
    let (soft, hard) =
        open_files(&text).ok_or_else(|| Trouble::failed(format!("{path} names no limit of open files")))?;
    let path = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&path).map_err(|error| Trouble::io(&format!("reading {path}"), &error))?;
    let open = u64::try_from(entries.take(MOST).count()).unwrap_or(u64::MAX);
    Ok(Some(Limits { soft, hard, open }))
}

/// `Max open files            1024                 524288               files`.
fn open_files(text: &str) -> Option<(u64, u64)> {
    let rest = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let number = |word: &str| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() };
    let mut words = rest.split_whitespace();
    Some((number(words.next()?)?, number(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 unlimited            files     \n";
        assert_eq!(open_files(text), Some((1024, u64::MAX)));
        assert_eq!(open_files("Max open files  x"), None);
    }

    #[test]
    fn our_own_files_are_counted() {
        let own = limits(std::process::id()).unwrap().unwrap();
        assert!(own.open >= 3 && own.open <= own.soft, "{own:?}");
        assert_eq!(limits(u32::MAX), Ok(None));
    }
}

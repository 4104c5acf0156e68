//! RIGHTS: the program runs as an ordinary user, and what changes the host is handed to the same program as root.
//!
//! ```text
//! screen, fix, undo ──▶ sudo | run0 | pkexec ──▶ unrefuse apply-plan (root)
//!    order, answers ─────────── lines of JSON ───────▶ looks again by itself, and does what it would propose itself
//!    progress, end  ◀────────── lines of JSON ───────
//! ```
//!
//! Whoever asks for the password has the terminal to itself until the other side says that it is there. That side believes
//! nothing of the order but what to look at: it diagnoses the target anew, and refuses a plan that it does not propose
//! itself, step by step, on this host in this boot. So nobody gets more done by it than `unrefuse fix` would do for root.
//! Everything of a plan goes this way, calls over D-Bus as well, rather than each call asking polkit by itself: there is one
//! question, one log and one guard for all of it. When the asking side is gone, the change is put back.

pub mod call;
pub mod helper;
pub mod order;
mod tty;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sources::procfs;

/// The hidden word of the command line that does what is ordered.
pub const WORD: &str = "apply-plan";

/// Where the programs that ask are looked for. Not in PATH: it is the user's own, but so is a mistake in it.
const PLACES: [&str; 4] = ["/run/wrappers/bin", "/usr/bin", "/bin", "/usr/local/bin"];
const SETUID: u32 = 0o4000;
const EXECUTABLE: u32 = 0o111;

/// Who asks whether we may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// sudo.
    Sudo,
    /// run0 of systemd, which asks polkit.
    Run0,
    /// pkexec of polkit.
    Pkexec,
}

/// How this process can change the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rights {
    /// It may itself.
    #[default]
    Root,
    /// This program is asked.
    By(Way, PathBuf),
    /// Not at all, and why.
    None(String),
}

impl Way {
    /// The order they are looked for: who is asked on the terminal by most hosts comes first.
    pub const ALL: [Self; 3] = [Self::Sudo, Self::Run0, Self::Pkexec];

    /// Its program.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Run0 => "run0",
            Self::Pkexec => "pkexec",
        }
    }

    /// What it is told before the command. Without a terminal it must not wait for anybody.
    fn options(self, terminal: bool) -> &'static [&'static str] {
        match (self, terminal) {
            (Self::Sudo, true) => &["--"],
            (Self::Sudo, false) => &["-n", "--"],
            (Self::Run0, true) => &["--background=", "--"],
            (Self::Run0, false) => &["--background=", "--no-ask-password", "--"],
            // It takes no `--`; the command is an absolute path.
            (Self::Pkexec, true) => &[],
            (Self::Pkexec, false) => &["--disable-internal-agent"],
        }
    }

    /// Its program, where it can work.
    fn found(self) -> Option<PathBuf> {
        let path = PLACES.iter().map(|place| Path::new(place).join(self.word())).find(|path| path.exists())?;
        let kept = std::fs::metadata(&path).ok()?;
        let works = match self {
            Self::Sudo | Self::Pkexec => kept.mode() & SETUID != 0 && kept.uid() == 0 && !procfs::no_new_privileges(),
            Self::Run0 => kept.mode() & EXECUTABLE != 0 && Path::new("/run/systemd/system").is_dir(),
        };
        works.then_some(path)
    }
}

impl Rights {
    /// Of this process; an ordinary user's are asked for by `wanted`, or by the first that is there.
    pub fn of_this_process(wanted: Option<&str>) -> Self {
        if super::is_root() {
            return Self::Root;
        }
        let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| wanted.is_none_or(|word| way.word() == word)).collect();
        let found = ways.iter().find_map(|way| Some(Self::By(*way, way.found()?)));
        found.unwrap_or_else(|| {
            let names: Vec<&str> = ways.iter().map(|way| way.word()).collect();
            Self::None(match wanted {
                Some(word) if ways.is_empty() => format!("`{word}` is not one of sudo, run0 and pkexec"),
                _ if procfs::no_new_privileges() => "this process may not gain any (no_new_privs)".into(),
                _ => format!("there is no {} here that works", names.join(", ")),
            })
        })
    }
}

/// An error with what else can be done about it.
fn by_hand(error: Error, job: &order::Job) -> Error {
    error.hint(format!("by hand, as root: {}", job.command()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_nobody_waits_for_a_password() {
        for way in Way::ALL {
            let more: Vec<_> = way.options(false).iter().filter(|word| !way.options(true).contains(word)).collect();
            assert_eq!(more.len(), 1, "{way:?}");
        }
    }

    #[test]
    fn a_way_that_is_none_is_said() {
        let rights = Rights::of_this_process(Some("su"));
        if !crate::apply::is_root() {
            assert!(matches!(&rights, Rights::None(why) if why.contains("`su` is not one of")), "{rights:?}");
        }
    }
}

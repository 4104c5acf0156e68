//! What the firewall managers of a host were told, from their files and their own programs.

pub mod fail2ban;
pub mod rule_files;
pub mod ufw;

use super::Trouble;
use super::config::files::Unread;

/// Why a file keeps its reader from an answer.
fn trouble(path: &str, why: Unread) -> Trouble {
    match why {
        Unread::Denied => Trouble::denied("root"),
        Unread::Missing => Trouble::failed(format!("{path}: no such file")),
        Unread::Failed(why) => Trouble::failed(format!("{path}: {why}")),
    }
}

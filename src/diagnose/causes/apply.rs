//! The command lines that make a change count: a daemon that can check its configuration does so before it is stopped,
//! because an error in it would leave nothing that serves.

use crate::diagnose::verdict::{Advice, arg};
use crate::facts::daemon::{Daemon, Origin};
use crate::fixes::action::shell;
use crate::fixes::check;

/// The daemon's own check of its configuration.
pub(super) fn check(unit: &str) -> Option<String> {
    check::argv(unit).map(shell)
}

/// Restarts a unit.
pub(super) fn restart(unit: &str) -> String {
    checked(unit, &format!("systemctl restart {}", arg(unit)))
}

/// Lets a daemon read where it should listen: without an interruption where a reload does that.
pub(super) fn reload(unit: &str) -> String {
    let reloads = [Daemon::Nginx, Daemon::Haproxy].into_iter().any(|daemon| daemon.runs_as(unit));
    if reloads { checked(unit, &format!("systemctl reload-or-restart {}", arg(unit))) } else { restart(unit) }
}

/// Whether `reload` interrupts nobody.
pub(super) fn reload_word(unit: &str) -> &'static str {
    if reload(unit).contains(" reload-or-restart ") { "reload" } else { "restart" }
}

/// A command line that runs only once the daemon found its configuration good.
pub(super) fn checked(unit: &str, run: &str) -> String {
    check(unit).map_or_else(|| run.to_owned(), |check| format!("{check} && {run}"))
}

/// A line of a file as it should be.
pub(super) fn line(at: &Origin, new: &str) -> String {
    format!("edit {at}: {new}")
}

/// A change of one line, and what makes it count.
pub(super) fn change(does: impl Into<String>, at: &Origin, new: &str, then: &str) -> Advice {
    let undo = format!("{}\n{then}", line(at, &at.text));
    Advice::new(does, format!("{}\n{then}", line(at, new)), Some(&undo))
}

/// Opens a file in an editor, with a copy of it out of the daemon's sight: directories that are included as a whole
/// would load a copy beside it, and a link to the file would be copied as a link.
pub(super) fn open_in_editor(does: impl Into<String>, file: &str, line: Option<u32>) -> Advice {
    let name = file.rsplit('/').next().unwrap_or(file);
    let (copy, file) = (arg(&format!("/root/{name}.before-unrefuse")), arg(file));
    let keep = "--preserve=mode,ownership,timestamps";
    let at = line.map(|line| format!("+{line} ")).unwrap_or_default();
    let run = format!("cp -L {keep} {file} {copy}\n\"${{EDITOR:-vi}}\" {at}{file}");
    Advice::new(does, run, Some(&format!("cp {keep} {copy} {file}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_daemon_is_stopped_before_its_configuration_was_checked() {
        assert_eq!(restart("ssh.service"), "sshd -t && systemctl restart ssh.service");
        assert_eq!(restart("named.service"), "named-checkconf && systemctl restart named.service");
        assert_eq!(restart("shop.service"), "systemctl restart shop.service");
        assert_eq!(reload("nginx.service"), "nginx -t && systemctl reload-or-restart nginx.service");
        assert_eq!(reload("apache2.service"), "apachectl configtest && systemctl restart apache2.service");
        assert_eq!((reload_word("haproxy.service"), reload_word("mariadb.service")), ("reload", "restart"));
    }

    #[test]
    fn the_copy_of_an_edited_file_is_the_file_and_out_of_the_way() {
        let advice = open_in_editor("correct it", "/etc/nginx/sites-enabled/default", Some(22));
        let copy = "cp -L --preserve=mode,ownership,timestamps /etc/nginx/sites-enabled/default \
                    /root/default.before-unrefuse\n";
        assert!(advice.run.starts_with(copy), "{advice:?}");
        assert!(advice.run.ends_with("\n\"${EDITOR:-vi}\" +22 /etc/nginx/sites-enabled/default"), "{advice:?}");
        let undo = advice.undo.unwrap();
        assert!(undo.ends_with("/root/default.before-unrefuse /etc/nginx/sites-enabled/default"), "{undo}");
    }

    #[test]
    fn an_edit_says_that_it_is_one() {
        let at = Origin { file: "/etc/x.conf".into(), line: 3, text: "port 1".into() };
        let advice = change("move it", &at, "port 2", "systemctl restart x.service");
        assert_eq!(advice.run, "edit /etc/x.conf:3: port 2\nsystemctl restart x.service");
        assert_eq!(advice.undo.unwrap(), "edit /etc/x.conf:3: port 1\nsystemctl restart x.service");
    }
}

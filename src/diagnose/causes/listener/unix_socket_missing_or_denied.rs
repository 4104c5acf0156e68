//! There is no socket at that path, or we may not use it.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Advice, Evidence, arg, see_unix, undo_edit};
use crate::facts::connect::Outcome;
use crate::facts::socket::UnixFile;

pub(crate) static CAUSE: Cause = Cause {
    id: "unix-socket-missing-or-denied",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Unresolved, Outcome::Denied, Outcome::Refused],
    words: Words {
        title: "The unix socket is not there, or may not be used",
        what: "Nothing stands at the path (`No such file or directory`): the program uses another one, an older version's \
               name, or a /tmp of its own (PrivateTmp=). Or the socket is there and its mode, or that of a directory \
               on the way, keeps this user out (`Permission denied`): connecting needs write permission.",
        see: "namei -l PATH\nss -H -lx",
        fix: "use the path the daemon has; or join the group that owns the socket (usermod -aG GROUP USER, then log in \
              again), or correct the mode in the daemon's configuration",
        undo: "gpasswd -d USER GROUP, or restore the mode",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let path = scene.subject.path.as_deref()?;
    let socket = scene.look.unix_socket(path)?;
    match &socket.file {
        UnixFile::Abstract if socket.bound.is_empty() => {
            Some(Found::new(path, format!("no process has bound {path}")).seen(Evidence::new(
                "sock_diag",
                format!("{path} is not bound"),
                see_unix(path),
            )))
        }
        UnixFile::Missing { missing } => gone(scene, path, missing),
        UnixFile::Hidden { at } => denied(scene, path, at, None),
        UnixFile::There { writable: false, mode, group, .. } => {
            denied(scene, path, path, Some((*mode, group.as_deref())))
        }
        UnixFile::Abstract | UnixFile::There { .. } => None,
    }
}

fn gone(scene: &Scene<'_, '_>, path: &str, missing: &str) -> Option<Found> {
    // A program that is down takes its socket along; that is then the reason.
    let stopped = serving(scene.look, scene.subject).and_then(|s| s.unit).is_some_and(|unit| !unit.is_running());
    if stopped {
        return None;
    }
    let summary = if missing == path {
        format!("there is nothing at {path}")
    } else {
        format!("there is nothing at {path}: {missing} does not exist")
    };
    Some(
        Found::new(path, summary)
            .seen(Evidence::new(
                "stat",
                format!("{missing}: no such file or directory"),
                format!("namei -l {}", arg(path)),
            ))
            .advise(Advice::new("look which unix sockets there are, and use the right path", "ss -H -lx", None)),
    )
}

/// `socket` is the mode and group of the socket itself; none when a directory on the way is closed.
fn denied(scene: &Scene<'_, '_>, path: &str, at: &str, socket: Option<(u32, Option<&str>)>) -> Option<Found> {
    let user = scene.look.host()?.user.clone();
    let who = user.as_ref().map_or_else(|| "this user".into(), |user| format!("user {user}"));
    let see = format!("namei -l {}", arg(path));
    let summary = match socket {
        Some((mode, _)) => format!("{who} may not write to {path} (mode {mode:04o})"),
        None => format!("{who} may not pass {at} on the way to {path}"),
    };
    let found = Found::new(path, summary.clone()).seen(Evidence::new("stat", summary, &see));
    let user = user.as_deref().map_or_else(|| "USER".into(), arg);
    Some(match socket {
        Some((mode, Some(group))) if group != "root" => found.advise(join(path, mode, group, &user, &who)),
        Some((mode, _)) => found.advise(own_group(scene, path, mode, &who)),
        None => found.advise(Advice::new("look which directory keeps this user out", see, None)),
    })
}

/// Lets the user be one of those who may write.
fn join(path: &str, mode: u32, group: &str, user: &str, who: &str) -> Advice {
    const GROUP_MAY_WRITE: u32 = 0o020;
    // Whoever may talk to these can become root.
    let power =
        if ["docker", "lxd", "libvirt", "incus"].contains(&group) { " (that amounts to root's rights)" } else { "" };
    let (path, group) = (arg(path), arg(group));
    let (run, undo) = (format!("usermod -aG {group} {user}"), format!("gpasswd -d {user} {group}"));
    if mode & GROUP_MAY_WRITE != 0 {
        let does = format!("let {who} join the group {group}{power}, then log in again");
        return Advice::new(does, run, Some(&undo));
    }
    Advice::new(
        format!(
            "let the group {group} write to the socket, and {who} join it{power}, then log in again; the daemon's \
             configuration sets the lasting mode"
        ),
        format!("chmod g+w {path}\n{run}"),
        Some(&format!("chmod {mode:04o} {path}\n{undo}")),
    )
}

/// The socket is root's alone: a group of its own is the way to let somebody in, and the daemon sets it.
fn own_group(scene: &Scene<'_, '_>, path: &str, mode: u32, who: &str) -> Advice {
    let does = format!(
        "give the socket a group of its own and mode 0660 in the daemon's configuration (listen.group and listen.mode \
         of php-fpm, SocketGroup= and SocketMode= of a socket unit), and let {who} join that group; it is {mode:04o} \
         and of no such group now"
    );
    let unit = serving(scene.look, scene.subject).and_then(|s| s.unit);
    let run = match unit {
        Some(unit) if unit.socket.is_some() => {
            format!("systemctl edit {}   # [Socket], then SocketGroup=GROUP and SocketMode=0660", arg(&unit.name))
        }
        Some(unit) => format!("systemctl cat {}", arg(&unit.name)),
        None => format!("ls -l {}", arg(path)),
    };
    let undo = unit.filter(|u| u.socket.is_some()).map(undo_edit);
    Advice::new(does, run, undo.as_deref())
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, socket_file};
    use crate::facts::connect::Outcome;
    use crate::facts::socket::UnixFile;

    const PATH: &str = "/run/docker.sock";

    fn with_mode(file_mode: u32, group: &str) -> UnixFile {
        let UnixFile::There { kind, uid, user, gid, .. } = socket_file() else { unreachable!() };
        UnixFile::There { kind, mode: file_mode, uid, user, gid, group: Some(group.into()), writable: false }
    }

    #[test]
    fn nothing_at_the_path() {
        let missing = UnixFile::Missing { missing: "/run/shop".into() };
        let host = Host::refusing(1).unix("/run/shop/shop.sock", missing, None, Outcome::Unresolved);
        let found = assert_culprit(&host.case(), "unix-socket-missing-or-denied").causes.remove(0);
        assert!(found.summary.contains("/run/shop does not exist"), "{}", found.summary);
    }

    #[test]
    fn a_stopped_service_took_its_socket_along() {
        let missing = UnixFile::Missing { missing: "/run/shop/shop.sock".into() };
        let host = Host::refusing(1).unix("/run/shop/shop.sock", missing, None, Outcome::Unresolved);
        assert_culprit(&host.unit("shop.service", |_| ()).case(), "svc-not-running");
    }

    #[test]
    fn a_group_that_may_write_is_joined_and_a_closed_mode_opened() {
        let host = Host::refusing(1).unix(PATH, with_mode(0o660, "docker"), Some(true), Outcome::Denied);
        let found = assert_culprit(&host.case(), "unix-socket-missing-or-denied").causes.remove(0);
        assert_eq!(found.advice[0].run, "usermod -aG docker root");
        let host = Host::refusing(1).unix(PATH, with_mode(0o700, "docker"), Some(true), Outcome::Denied);
        let found = assert_culprit(&host.case(), "unix-socket-missing-or-denied").causes.remove(0);
        assert_eq!(found.advice[0].run, "chmod g+w /run/docker.sock\nusermod -aG docker root");
        assert_eq!(found.advice[0].undo.as_deref(), Some("chmod 0700 /run/docker.sock\ngpasswd -d root docker"));
    }

    #[test]
    fn nobody_is_let_into_roots_group_and_no_socket_opened_to_all() {
        for mode in [0o600, 0o660] {
            let host = Host::refusing(1).unix(PATH, with_mode(mode, "root"), Some(true), Outcome::Denied);
            let found = assert_culprit(&host.case(), "unix-socket-missing-or-denied").causes.remove(0);
            assert!(found.advice[0].does.contains("a group of its own"), "{:?}", found.advice);
            let runs = |words: &str| found.advice.iter().any(|a| a.run.contains(words));
            assert!(!runs("usermod") && !runs("chmod"), "{:?}", found.advice);
            assert!(found.summary.starts_with("user root may not write to"), "{}", found.summary);
        }
    }

    #[test]
    fn abstract_names() {
        let host = Host::refusing(1).unix("@x", UnixFile::Abstract, None, Outcome::Refused);
        assert_culprit(&host.case(), "unix-socket-missing-or-denied");
        let host = Host::refusing(1).unix("@x", UnixFile::Abstract, Some(true), Outcome::Open);
        assert_not_found(&host.case(), "unix-socket-missing-or-denied");
    }
}

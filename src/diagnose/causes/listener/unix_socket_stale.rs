//! A socket file is there, but no process listens behind it.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Advice, Evidence, arg, see_unix};
use crate::facts::connect::Outcome;
use crate::facts::socket::UnixFile;
use crate::fixes::Plan;
use crate::fixes::unit::brought_up;

pub(crate) static CAUSE: Cause = Cause {
    id: "unix-socket-stale",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The unix socket is a left-over: nobody listens behind it",
        what: "A unix socket is a file that stays when the process that made it is killed. Connecting to it is \
               refused, as it is to a plain file, a directory, or a socket that was bound and never listened on.",
        see: "stat -c '%F %a %U:%G' PATH\nss -H -lx src PATH",
        fix: "start the daemon, which makes the socket anew; where it stumbles over the old file, remove that first",
        undo: "stop the daemon",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let path = scene.subject.path.as_deref()?;
    let socket = scene.look.unix_socket(path)?;
    let UnixFile::There { kind, .. } = &socket.file else { return None };
    // Other errors have other reasons: a socket for datagrams refuses no stream, it is of another kind.
    if socket.bound.iter().any(|b| b.listening) || scene.outcome()? != Outcome::Refused {
        return None;
    }
    let file = arg(path);
    let says = match (kind.as_str(), socket.bound.is_empty()) {
        ("socket", true) => format!("{path} is there, but no process listens on it"),
        ("socket", false) => format!("{path} is bound, but its process does not listen on it"),
        (kind, _) => format!("{path} is no socket but a {kind}"),
    };
    let mut found = Found::new(path, says.clone())
        .seen(Evidence::new("stat", format!("{path}: {kind}"), format!("stat -c '%F %a %U:%G' {file}")))
        .seen(Evidence::new("sock_diag", "no socket in LISTEN at that path", see_unix(path)));
    let Some(unit) = serving(scene.look, scene.subject).and_then(|s| s.unit) else {
        let advice =
            if kind == "socket" { "start the program that made it, or remove it" } else { "use the right path" };
        return Some(found.advise(Advice::new(advice, format!("ls -l {file}"), None)));
    };
    let name = &unit.name;
    found.summary = format!("{says}; {name} is {}", unit.shown_state());
    let see = format!("systemctl status {}", arg(name));
    let (id, verb) = if unit.is_up() { ("restart-unit", "restart") } else { ("start-unit", "start") };
    let plan = Plan::new(id, format!("{verb} {name}, which makes the socket anew"));
    Some(
        found
            .seen(Evidence::new("systemd", format!("{name} is {}", unit.shown_state()), see))
            .fix(brought_up(plan, unit)),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, socket_file};
    use crate::facts::connect::Outcome;
    use crate::facts::socket::UnixFile;

    const PATH: &str = "/run/mysqld/mysqld.sock";

    fn host(file: UnixFile, listening: Option<bool>) -> Host {
        Host::refusing(1).unix(PATH, file, listening, Outcome::Refused)
    }

    #[test]
    fn a_file_without_a_process() {
        let case = host(socket_file(), None).unit("mariadb.service", |u| u.active_state = "failed".into()).case();
        let found = assert_culprit(&case, "unix-socket-stale").causes.remove(0);
        assert_eq!(found.advice[0].run, "systemctl reset-failed mariadb.service\nsystemctl start mariadb.service");
        assert_culprit(&host(socket_file(), Some(false)).case(), "unix-socket-stale");
    }

    #[test]
    fn a_directory_is_no_socket() {
        let UnixFile::There { mode, uid, user, gid, group, writable, .. } = socket_file() else { unreachable!() };
        let directory = UnixFile::There { kind: "directory".into(), mode, uid, user, gid, group, writable };
        let found = assert_culprit(&host(directory, None).case(), "unix-socket-stale").causes.remove(0);
        assert!(found.summary.contains("a directory"), "{}", found.summary);
    }

    #[test]
    fn a_socket_with_a_listener_or_without_a_file_is_not_stale() {
        let open = Host::refusing(1).unix(PATH, socket_file(), Some(true), Outcome::Open);
        assert_not_found(&open.case(), "unix-socket-stale");
        let datagrams = Host::refusing(1).unix(PATH, socket_file(), None, Outcome::Error);
        assert_not_found(&datagrams.case(), "unix-socket-stale");
        let gone = UnixFile::Missing { missing: PATH.into() };
        assert_not_found(&Host::refusing(1).unix(PATH, gone, None, Outcome::Unresolved).case(), "unix-socket-stale");
    }
}

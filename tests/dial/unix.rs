//! Unix sockets: what stands at a path, and what connecting to it gives.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::thread;

use libtest_mimic::Trial;
use nix::unistd::Uid;
use socket2::{Domain, SockAddr, Socket, Type};
use unrefuse::facts::connect::Outcome::{Closed, Denied, Error, Open, Refused, Timeout, Unresolved};
use unrefuse::facts::connect::{Dial, Endpoint};

use crate::lab::{Expect, dial_here};
use crate::{AS_ANOTHER_USER, test};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("unix missing path", missing),
        test("unix stale, not listening, file, directory", refused),
        test("unix datagram socket", datagram),
        test(format!("unix without permission, {AS_ANOTHER_USER}"), no_permission),
        test("unix backlog full", backlog_full),
        test("unix open, greets, hangs up", serving),
        test("unix abstract names", abstract_names),
        test("unix names that cannot be", odd_names),
    ]
}

fn dial(path: &Path) -> Dial {
    dial_here(&Endpoint::Unix(path.to_str().unwrap().to_owned()))
}

fn missing() {
    let dir = tempfile::tempdir().unwrap();
    Expect::new(Unresolved, Some("ENOENT")).hold(&dial(&dir.path().join("x.sock")));
    Expect::new(Unresolved, Some("ENOENT")).hold(&dial(&dir.path().join("no/such/dir/x.sock")));
    fs::write(dir.path().join("file"), "").unwrap();
    Expect::new(Unresolved, Some("ENOTDIR")).hold(&dial(&dir.path().join("file/x.sock")));
}

fn refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    drop(UnixListener::bind(path("stale")).unwrap());
    let bound = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    bound.bind(&SockAddr::unix(path("bound")).unwrap()).unwrap();
    fs::write(path("file"), "").unwrap();
    for name in ["stale", "bound", "file", ""] {
        Expect::new(Refused, Some("ECONNREFUSED")).hold(&dial(&path(name)));
    }
}

fn datagram() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = UnixDatagram::bind(dir.path().join("d.sock")).unwrap();
    Expect::new(Error, Some("EPROTOTYPE")).hold(&dial(&dir.path().join("d.sock")));
}

/// As another user than the socket's: on a thread of its own, since the kernel keeps this per thread.
fn no_permission() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("private.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let dials = thread::spawn(move || {
        nix::unistd::setfsuid(Uid::from_raw(65534));
        [dial(&path), dial(&closed.join("x.sock"))]
    });
    for dial in dials.join().unwrap() {
        Expect::new(Denied, Some("EACCES")).hold(&dial);
    }
}

fn backlog_full() {
    let dir = tempfile::tempdir().unwrap();
    let at = SockAddr::unix(dir.path().join("busy.sock")).unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&at).unwrap();
    listener.listen(0).unwrap();
    let waiting = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    waiting.connect(&at).unwrap();
    Expect::new(Timeout, Some("EAGAIN")).hold(&dial(&dir.path().join("busy.sock")));
}

fn serving() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (_waits, _) = listener.accept().unwrap();
        let (mut greets, _) = listener.accept().unwrap();
        greets.write_all(b"hello\n").unwrap();
        drop(listener.accept().unwrap());
        greets
    });
    let (waited, greeted, hung_up) = (dial(&path), dial(&path), dial(&path));
    Expect::new(Open, None).hold(&waited);
    assert_eq!(waited.banner, None);
    Expect::new(Open, None).hold(&greeted);
    assert_eq!(greeted.banner.as_deref(), Some("hello\n"));
    Expect::new(Closed, None).hold(&hung_up);
    server.join().unwrap();
}

fn abstract_names() {
    let name = format!("unrefuse-test-{}", std::process::id());
    let to = Endpoint::Abstract(name.clone());
    Expect::new(Refused, Some("ECONNREFUSED")).hold(&dial_here(&to));
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    Expect::new(Open, None).hold(&dial_here(&to));
}

fn odd_names() {
    Expect::new(Error, Some("ENAMETOOLONG")).hold(&dial_here(&Endpoint::Unix("/x".repeat(60))));
    Expect::new(Error, Some("EINVAL")).hold(&dial_here(&Endpoint::Unix(String::new())));
}

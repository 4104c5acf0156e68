//! Unix sockets: live, stale, removed, abstract, under other names and on odd file systems, beside what ss says.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use libtest_mimic::Failed;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, setfsuid};
use socket2::{Domain, SockAddr, Socket, Type};
use unrefuse::facts::socket::{UnixBound, UnixFile, UnixSocket};
use unrefuse::sources::netlink::sock_diag::unix_socket;

use super::space::{Outcome, run};

fn look(name: &str) -> Result<UnixSocket, Failed> {
    Ok(unix_socket(name).map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

fn at(path: &Path) -> Result<UnixSocket, Failed> {
    look(&path.to_string_lossy())
}

/// The sockets ss lists under a name.
fn ss(name: &str) -> Result<Vec<UnixBound>, Failed> {
    let text = run("ss", &["-Hax"])?;
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, state, queue, backlog, local, inode, ..] = words.as_slice() else { continue };
        if *local != name || *state == "ESTAB" {
            continue;
        }
        let listening = *state == "LISTEN";
        let kind = match *kind {
            "u_str" => "stream",
            "u_dgr" => "dgram",
            _ => "seqpacket",
        };
        let backlog = if listening { backlog.parse()? } else { 0 };
        found.push(UnixBound { kind: kind.into(), listening, inode: inode.parse()?, queue: queue.parse()?, backlog });
    }
    Ok(found)
}

fn bound(path: &Path, kind: Type) -> Result<Socket, Failed> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

pub(crate) fn listening() -> Outcome {
    let dir = tempfile::tempdir()?;
    for (name, kind, listens) in
        [("a", Type::STREAM, true), ("b", Type::SEQPACKET, true), ("c", Type::DGRAM, false), ("d", Type::STREAM, false)]
    {
        let path = dir.path().join(name);
        let socket = bound(&path, kind)?;
        if listens {
            socket.listen(7)?;
        }
        let _waiting = (kind == Type::STREAM && listens).then(|| UnixStream::connect(&path)).transpose()?;
        let told = at(&path)?;
        let expected = ss(&path.to_string_lossy())?;
        assert_eq!(expected.len(), 1, "{name}");
        assert_eq!(told.bound, expected, "{name}");
        assert!(matches!(&told.file, UnixFile::There { kind, .. } if kind == "socket"), "{told:?}");
    }
    assert!(at(&dir.path().join("a"))?.bound.is_empty(), "closed meanwhile: the file is stale");
    Ok(())
}

pub(crate) fn other_names() -> Outcome {
    let dir = tempfile::tempdir()?;
    std::env::set_current_dir(dir.path())?; // this thread's own
    let socket = bound(Path::new("relative.sock"), Type::STREAM)?;
    socket.listen(3)?;
    symlink(dir.path().join("relative.sock"), dir.path().join("link.sock"))?;
    fs::hard_link(dir.path().join("relative.sock"), dir.path().join("hard.sock"))?;
    fs::create_dir(dir.path().join("sub"))?;
    let [plain] = ss("relative.sock")?.try_into().map_err(|_| "ss knows it")?;
    for name in ["relative.sock", "link.sock", "hard.sock", "sub/../relative.sock"] {
        assert_eq!(at(&dir.path().join(name))?.bound, std::slice::from_ref(&plain), "{name}");
    }
    assert_eq!(look("relative.sock")?.bound, [plain], "as seen from here");
    Ok(())
}

pub(crate) fn stale() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("x.sock");
    let old = UnixListener::bind(&path)?;
    fs::remove_file(&path)?;
    let told = at(&path)?;
    assert_eq!(told.file, UnixFile::Missing { missing: path.to_string_lossy().into_owned() });
    assert_eq!(told.bound, ss(&path.to_string_lossy())?, "the daemon lives, its file was removed");
    assert_eq!(told.bound.len(), 1);
    // Another daemon makes the file anew and dies: the old one is alive, but nobody reaches it any more.
    drop(UnixListener::bind(&path)?);
    let told = at(&path)?;
    assert!(matches!(told.file, UnixFile::There { .. }), "{told:?}");
    assert_eq!(told.bound, [], "connecting is refused");
    assert!(UnixStream::connect(&path).is_err());
    drop(old);
    fs::remove_file(&path)?;
    fs::write(&path, "")?;
    let told = at(&path)?;
    assert!(matches!(&told.file, UnixFile::There { kind, .. } if kind == "regular file"), "{told:?}");
    assert_eq!(told.bound, []);
    Ok(())
}

pub(crate) fn abstract_names() -> Outcome {
    let held = UnixListener::bind_addr(&SocketAddr::from_abstract_name("unrefuse-test")?)?;
    let _padded = UnixListener::bind_addr(&SocketAddr::from_abstract_name("unrefuse-test\0")?)?;
    let _datagrams = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name("unrefuse-test-2")?)?;
    let told = look("@unrefuse-test")?;
    assert_eq!((told.path.as_str(), &told.file), ("unrefuse-test", &UnixFile::Abstract));
    assert_eq!(told.bound, ss("@unrefuse-test")?);
    assert_eq!(told.bound.len(), 1, "a longer name is another name: {told:?}");
    assert_eq!(look("@unrefuse-test-2")?.bound, ss("@unrefuse-test-2")?);
    drop(held);
    assert_eq!(look("@unrefuse-test")?.bound, []);
    Ok(())
}

pub(crate) fn connections() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("busy.sock");
    let daemon = UnixListener::bind(&path)?;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push((UnixStream::connect(&path)?, daemon.accept()?.0));
    }
    assert!(run("ss", &["-Hax"])?.matches("busy.sock").count() > 200, "each connection carries the name");
    assert_eq!(at(&path)?.bound.len(), 1);
    Ok(())
}

pub(crate) fn hidden() -> Outcome {
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let locked = dir.path().join("locked");
    fs::create_dir_all(locked.join("deep"))?;
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700))?;
    let daemon = UnixListener::bind(locked.join("deep/x.sock"))?;
    symlink(locked.join("deep/x.sock"), dir.path().join("link.sock"))?;
    setfsuid(Uid::from_raw(65534)); // this thread's own, and with it its rights over files
    let expected = UnixFile::Hidden { at: locked.to_string_lossy().into_owned() };
    let told = [at(&locked.join("deep/x.sock")), at(&dir.path().join("link.sock"))];
    setfsuid(Uid::from_raw(0));
    let [direct, link] = told;
    assert_eq!((&direct.as_ref().map_err(Clone::clone)?.file, &link?.file), (&expected, &expected));
    assert_eq!(direct?.bound.len(), 1, "the kernel tells its name all the same");
    drop(daemon);
    Ok(())
}

pub(crate) fn overlay() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let dir = tempfile::tempdir()?;
    let [lower, other, merged] = ["lower", "other", "merged"].map(|part| dir.path().join(part));
    for part in [&lower, &other, &merged] {
        fs::create_dir(part)?;
    }
    // Layers on two file systems: then stat(2) tells a device number that no mount has.
    mount(Some("tmpfs"), &other, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    let [upper, work] = ["upper", "work"].map(|part| other.join(part));
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    let layers = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(layers.as_str()))?;
    let path = merged.join("x.sock");
    let old = UnixListener::bind(&path)?;
    assert_eq!(at(&path)?.bound, ss(&path.to_string_lossy())?);
    assert_eq!(at(&path)?.bound.len(), 1);
    fs::remove_file(&path)?;
    drop(UnixListener::bind(&path)?);
    assert_eq!(at(&path)?.bound, [], "a stale file of the same name");
    drop(old);
    for place in [&merged, &other] {
        nix::mount::umount(place)?;
    }
    Ok(())
}

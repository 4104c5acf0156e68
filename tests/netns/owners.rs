//! Who holds a socket: by control group, by the open files of processes, and as far as somebody without rights can see.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use libtest_mimic::Failed;
use unrefuse::facts::Reading;
use unrefuse::facts::socket::{Listener, Owner, Transport};
use unrefuse::sources::netlink::sock_diag::{all_listeners, listeners};
use unrefuse::sources::{cgroup, procfs};

use super::helper::{Holder, ask_as_nobody, listen};
use super::space::{Outcome, run};

fn listener(port: u16) -> Result<Listener, Failed> {
    let found = listeners(Transport::Tcp, port).map_err(|e| format!("{e:?}"))?.unwrap_or_default();
    Ok(found.into_iter().next().ok_or("nothing listens")?)
}

fn owner(inode: u32, cgroup: Option<u64>) -> Result<Owner, Failed> {
    Ok(procfs::owner(inode, cgroup).map_err(|e| format!("{e:?}"))?.ok_or("none")?)
}

fn pids(owner: &Owner) -> Vec<u32> {
    owner.processes.iter().map(|p| p.pid).collect()
}

pub(crate) fn process() -> Outcome {
    let holder = Holder::start("", "127.0.0.1", 7001, 1)?;
    let socket = listener(7001)?;
    for group in [socket.cgroup, None, Some(u64::MAX)] {
        let told = owner(socket.inode, group)?;
        assert_eq!(pids(&told), [holder.pid()], "group {group:?}");
        assert!(!told.partial);
        let process = told.processes.first().ok_or("a process")?;
        assert!(run("ss", &["-Hltnp"])?.contains(&format!("(\"{}\",pid={},", process.name, process.pid)));
        assert!(process.command.ends_with("as-holder  127.0.0.1 7001 1"), "{process:?}");
        let started = run("stat", &["-c", "%Y", &format!("/proc/{}", holder.pid())])?.trim().parse::<u64>()?;
        assert!(process.started_at.abs_diff(started) <= 2, "{process:?} but {started}");
    }
    let inode = socket.inode;
    drop(holder);
    assert_eq!(pids(&owner(inode, None)?), [0; 0], "it has gone with its socket");
    Ok(())
}

pub(crate) fn at_once() -> Outcome {
    let _own = listen("127.0.0.1:7009".parse::<SocketAddr>()?, 4)?;
    let _holder = Holder::start("", "127.0.0.1", 7010, 3)?;
    let all = all_listeners().map_err(|e| format!("{e:?}"))?.unwrap_or_default();
    let told = procfs::owners(&all).map_err(|e| format!("{e:?}"))?;
    assert_eq!(told.len(), 4);
    for listener in all {
        assert_eq!(told.get(&listener.inode), Some(&owner(listener.inode, listener.cgroup)?), "{}", listener.shown());
    }
    Ok(())
}

pub(crate) fn shared() -> Outcome {
    let socket = listen("127.0.0.1:7002".parse::<SocketAddr>()?, 4)?;
    // A child that inherits the socket as its standard input, as under inetd.
    let mut child = std::process::Command::new("sleep")
        .arg("600")
        .stdin(std::os::fd::OwnedFd::from(socket.try_clone()?))
        .spawn()?;
    let found = listener(7002)?;
    let told = owner(found.inode, found.cgroup);
    child.kill()?;
    child.wait()?;
    let (mut told, mut expected) = (pids(&told?), vec![std::process::id(), child.id()]);
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
    Ok(())
}

/// A control group below the cgroup2 root, removed with everything in it.
struct Group {
    directory: PathBuf,
    slice: PathBuf,
    path: String,
}

impl Group {
    fn new(unit: &str) -> Result<Self, Failed> {
        let root = run("findmnt", &["-n", "-o", "TARGET", "-t", "cgroup2"])?;
        let root = Path::new(root.lines().next().ok_or("no cgroup2")?.trim()).to_path_buf();
        let slice = format!("unrefuse-test-{}-{unit}.slice", std::process::id());
        let path = format!("/{slice}/{unit}");
        let (slice, directory) = (root.join(slice), root.join(path.trim_start_matches('/')));
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, slice, path })
    }

    fn text(&self) -> String {
        self.directory.to_string_lossy().into_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = (fs::remove_dir(&self.directory), fs::remove_dir(&self.slice));
    }
}

pub(crate) fn unit() -> Outcome {
    let group = Group::new("lab\\x2dweb@1.service")?;
    let holder = Holder::start(&group.text(), "127.0.0.1", 7003, 1)?;
    let socket = listener(7003)?;
    assert_eq!(socket.cgroup, cgroup::id_of(&group.path));
    let began = Instant::now();
    let told = owner(socket.inode, socket.cgroup)?;
    eprintln!("owner by its control group: {} µs", began.elapsed().as_micros());
    assert_eq!(told.cgroup.as_deref(), Some(group.path.as_str()));
    assert_eq!(told.unit.as_deref(), Some("lab\\x2dweb@1.service"));
    assert_eq!((pids(&told), told.partial), (vec![holder.pid()], false));
    // An old kernel does not tell the group; then the process does.
    let told = owner(socket.inode, None)?;
    assert_eq!((told.cgroup.as_deref(), told.unit.as_deref()), (None, Some("lab\\x2dweb@1.service")));
    drop(holder);
    Ok(())
}

pub(crate) fn gone() -> Outcome {
    let group = Group::new("short.service")?;
    let holder = Holder::start(&group.text(), "127.0.0.1", 7004, 1)?;
    let socket = listener(7004)?;
    let root = group.slice.parent().ok_or("it has a root")?;
    fs::write(root.join("cgroup.procs"), holder.pid().to_string())?;
    let told = owner(socket.inode, socket.cgroup)?;
    assert_eq!(told.unit.as_deref(), Some("short.service"), "made there, moved on: {told:?}");
    assert_eq!(pids(&told), [holder.pid()]);
    drop(group);
    let told = owner(socket.inode, socket.cgroup)?;
    assert_eq!((told.cgroup.as_deref(), told.unit.as_deref()), (None, None));
    assert_eq!((pids(&told), told.partial), (vec![holder.pid()], false));
    Ok(())
}

pub(crate) fn as_nobody() -> Outcome {
    let group = Group::new("secret.service")?;
    let holder = Holder::start(&group.text(), "127.0.0.1", 7005, 1)?;
    let socket = listener(7005)?;
    let ask =
        |group: &str| -> Result<Reading<Owner>, Failed> { ask_as_nobody(&["owner", &socket.inode.to_string(), group]) };
    let told = ask(&socket.cgroup.ok_or("a group")?.to_string())?;
    let told = told.value().ok_or(format!("{told:?}"))?;
    assert_eq!(told.unit.as_deref(), Some("secret.service"), "the unit needs no rights");
    assert_eq!((pids(told), told.partial), (vec![], true));
    let told = ask("")?;
    let told = told.value().ok_or(format!("{told:?}"))?;
    assert_eq!((told.unit.as_deref(), told.partial), (None, true));
    drop(holder);
    Ok(())
}

//! This same program as a process of its own: one that holds sockets, or one that asks as somebody else.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::de::DeserializeOwned;
use socket2::{Domain, Socket, Type};
use unrefuse::facts::Reading;
use unrefuse::facts::socket::Transport;
use unrefuse::sources::netlink::nftables;
use unrefuse::sources::trouble::timed;
use unrefuse::sources::{procfs, xtables};

use super::space::{Outcome, run as run_program};

const HOLD: &str = "as-holder";
const ASK: &str = "as-asker";

pub(crate) fn is_asked(words: &[String]) -> bool {
    words.first().is_some_and(|w| w == HOLD || w == ASK)
}

pub(crate) fn run(words: &[String]) -> Outcome {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [HOLD, group, address, first, count] => hold(group, address, first, count),
        [ASK, "other-network", pid, port] => {
            let (pid, port) = (pid.parse()?, port.parse()?);
            answer(&timed(|| procfs::other_network(pid, Transport::Tcp, port)))
        }
        [ASK, "ruleset"] => answer(&timed(nftables::ruleset)),
        [ASK, "owner", inode, group] => {
            let inode = inode.parse()?;
            answer(&timed(|| procfs::owner(inode, group.parse().ok())))
        }
        [ASK, "legacy"] => answer(&timed(xtables::legacy)),
        other => Err(format!("no such part to play: {other:?}").into()),
    }
}

fn answer(reading: &impl serde::Serialize) -> Outcome {
    println!("{}", serde_json::to_string(reading)?);
    Ok(())
}

/// Listens on `count` ports in a control group, says so, and waits until nobody reads any more.
fn hold(group: &str, address: &str, first: &str, count: &str) -> Outcome {
    if !group.is_empty() {
        fs::write(PathBuf::from(group).join("cgroup.procs"), "0")?;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let (address, first): (IpAddr, u16) = (address.parse()?, first.parse()?);
    let ports = first..first + count.parse::<u16>()?;
    let held: Result<Vec<Socket>, Failed> = ports.map(|port| listen(SocketAddr::new(address, port), 16)).collect();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(held?);
    Ok(())
}

/// A TCP listener; what `[::]` means is left to the kernel.
pub(crate) fn listen(at: SocketAddr, backlog: i32) -> Result<Socket, Failed> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.bind(&at.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// A process that holds sockets until it is dropped.
pub(crate) struct Holder {
    child: Child,
}

impl Holder {
    /// Starts one in this thread's network namespace and waits until it listens.
    pub(crate) fn start(group: &str, address: &str, first: u16, count: u16) -> Result<Self, Failed> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([HOLD, group, address, &first.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        let holder = Self { child };
        BufReader::new(out).read_line(&mut line)?;
        if line == "ready\n" { Ok(holder) } else { Err("the helper could not listen".into()) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Asks from a process without any rights.
pub(crate) fn ask_as_nobody<T: DeserializeOwned>(question: &[&str]) -> Result<Reading<T>, Failed> {
    // Where the tests were built may not be open to nobody.
    let place = tempfile::tempdir_in("/tmp")?;
    let copy = place.path().join("asker");
    fs::copy(std::env::current_exe()?, &copy)?;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path(), open)?;
    let copy = copy.to_string_lossy();
    let mut args = vec!["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", &copy, ASK];
    args.extend(question);
    Ok(serde_json::from_str(&run_program("setpriv", &args)?)?)
}

//! 100,000 listening sockets, and finding who holds one port among them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use unrefuse::facts::socket::Transport;
use unrefuse::sources::{netlink::sock_diag, procfs};

use crate::Row;
use crate::whole::{installed, median, ms, quiet, ratio};

const HOLDERS: u8 = 10;
const EACH: u16 = 10_000;
const WANTED: u16 = 4712;

/// The holder's side: `hold NETWORK FIRST COUNT [CGROUP]` moves into a control group, listens on 127.0.NETWORK.1:FIRST..
/// and waits until its input closes.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if let Some(group) = args.get(3)
        && std::fs::write(Path::new(group).join("cgroup.procs"), "0").is_err()
    {
        return ExitCode::FAILURE;
    }
    let number = |i: usize| args.get(i).and_then(|a| a.parse::<u16>().ok());
    let (Some(network), Some(first), Some(count)) = (number(0), number(1), number(2)) else { return ExitCode::FAILURE };
    let network = u8::try_from(network).unwrap_or(0);
    raise_limit();
    let sockets: Vec<Socket> =
        (0..count).filter_map(|i| listen(Ipv4Addr::new(127, 0, network, 1), first + i)).collect();
    println!("{}", sockets.len());
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    ExitCode::SUCCESS
}

fn raise_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn listen(address: Ipv4Addr, port: u16) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.set_reuse_address(true).ok()?;
    socket.bind(&SocketAddr::from((address, port)).into()).ok()?;
    socket.listen(16).ok()?;
    Some(socket)
}

/// A control group of its own, as a unit has.
struct Group(PathBuf);

impl Group {
    fn make() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let root = mounts.lines().map(|l| l.split(' ')).find_map(|mut l| {
            let at = l.nth(1)?;
            (l.next()? == "cgroup2").then(|| PathBuf::from(at))
        })?;
        let group = root.join(format!("unrefuse-bench-{}.service", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        Some(Self(group))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

struct Holders(Vec<Child>);

impl Drop for Holders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

fn hold(group: &Group) -> Option<(Holders, usize)> {
    let mut holders = Holders(Vec::new());
    let mut listening = 0;
    let noise = (1..=HOLDERS).map(|network| (network, 20_000, EACH, None));
    for (network, first, count, group) in noise.chain([(0, WANTED, 1, Some(&group.0))]) {
        let words = ["hold".to_owned(), network.to_string(), first.to_string(), count.to_string()];
        let me = std::env::current_exe().ok()?;
        let mut command = Command::new(me);
        command.args(words).args(group).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut said).ok()?;
        holders.0.push(child);
        listening += said.trim().parse::<usize>().ok()?;
    }
    Some((holders, listening))
}

/// Port to listener to unit among them, against `ss -ltnp` and grep.
pub(crate) fn many_listeners() -> Vec<Row> {
    const WHAT: &str = "port → listener → unit, 100,000 listeners";
    let Some(group) = Group::make() else {
        return vec![Row::skipped(WHAT, "no control group can be made here (needs root)")];
    };
    let Some((holders, listening)) = hold(&group) else {
        return vec![Row::skipped(WHAT, "the sockets could not be made")];
    };
    if listening < usize::from(EACH) * usize::from(HOLDERS) {
        return vec![Row::skipped(WHAT, format!("only {listening} sockets could be made (open files limit)"))];
    }
    if !installed("ss") {
        return vec![Row::skipped(WHAT, "ss is not installed")];
    }
    let ours = median((0..9).map(|_| find()).collect());
    let theirs = median((0..3).map(|_| quiet(Command::new("sh").args(["-c", "ss -ltnp | grep ':4712 '"]))).collect());
    drop(holders);
    drop(group);
    let shown = format!("{:.2} ms, ss | grep {:.0} ms: {:.4}x", ms(ours), ms(theirs), ratio(ours, theirs));
    vec![Row::figure(WHAT, shown, "< 0.02x ss -ltnp | grep", ratio(ours, theirs) < 0.02)]
}

fn find() -> Duration {
    let began = Instant::now();
    let listeners = sock_diag::listeners(Transport::Tcp, WANTED);
    let listener = listeners.ok().flatten().and_then(|all| all.first().cloned()).expect("the listener is there");
    let owner = procfs::owner(listener.inode, listener.cgroup).ok().flatten().expect("its owner is known");
    let took = began.elapsed();
    assert!(!owner.processes.is_empty() || owner.unit.is_some(), "{owner:?}");
    took
}

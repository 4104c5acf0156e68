//! Names on the host that carry escape sequences, direction overrides and new lines: of processes, sockets, interfaces.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use libtest_mimic::Failed;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::program::{Program, contains, same, told};
use super::space::{Outcome, run};

const HOLD: &str = "as-holder";

/// The kernel keeps 15 bytes of it for a process's name.
const NAME: &str = "\u{1b}]52;c;eA==\u{7}\n\u{202e}";

pub(crate) fn is_asked(words: &[String]) -> bool {
    words.first().is_some_and(|word| word == HOLD)
}

/// Listens as its words say, says so, and waits until nobody reads any more.
pub(crate) fn hold(words: &[String]) -> ExitCode {
    let listening = match words {
        [_, address, first, count, ..] => listen(address, first, count),
        _ => Err("no words".into()),
    };
    match listening {
        Ok(held) => {
            println!("ready");
            // Whatever ends it.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            drop(held);
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why:?}");
            ExitCode::FAILURE
        }
    }
}

fn listen(address: &str, first: &str, count: &str) -> Result<Vec<TcpListener>, Failed> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let (address, first): (IpAddr, u16) = (address.parse()?, first.parse()?);
    let ports = first..first + count.parse::<u16>()?;
    ports.map(|port| Ok(TcpListener::bind(SocketAddr::new(address, port))?)).collect()
}

/// A process that holds sockets until it is dropped.
pub(crate) struct Holder {
    child: Child,
}

impl Holder {
    /// That many sockets, on as many processes and addresses (127.0.1.1, 127.0.2.1 ...) as their open files take; the
    /// ports are in a row from `first`.
    pub(crate) fn many(count: usize, first: u16) -> Result<Vec<Self>, Failed> {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let most = usize::try_from(hard.saturating_sub(64)).unwrap_or(usize::MAX).min(40_000);
        let program = std::env::current_exe()?;
        let shares = (0..count).step_by(most).map(|from| most.min(count - from));
        let hold =
            |(i, share): (usize, usize)| Self::start(&program, &format!("127.0.{i}.1"), first, u16::try_from(share)?);
        (1..).zip(shares).map(hold).collect()
    }

    /// Runs `program`, which is this one under some name.
    fn start(program: &Path, address: &str, first: u16, count: u16) -> Result<Self, Failed> {
        let mut child = Command::new(program)
            .args([HOLD, address, &first.to_string(), &count.to_string(), NAME])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        let holder = Self { child };
        BufReader::new(out).read_line(&mut line)?;
        if line == "ready\n" { Ok(holder) } else { Err(format!("{count} sockets could not be held").into()) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself.
        let _ = self.child.wait();
    }
}

pub(crate) fn process_names() -> Outcome {
    run("ip", &["address", "add", "10.9.9.1/32", "dev", "lo"])?;
    let place = tempfile::tempdir()?;
    let program = place.path().join(NAME);
    fs::copy(std::env::current_exe()?, &program)?;
    let _holder = Holder::start(&program, "127.0.0.1", 7000, 1)?;
    let told = told(&["10.9.9.1:7000"], |p| p)?;
    same("the outcome", told.outcome(), "refused")?;
    same("the culprit", told.culprit(), Some("bind-loopback-only"))?;
    told.says("␛]52;c;eA==␇␊")?;
    contains(&told.markdown, "␇␊")?;
    for words in [&["listeners", "--once"][..], &["listeners", "--json"]] {
        contains(&Program::new(words).run()?.stdout, "␛]52;c;eA==␇␊")?;
    }
    Ok(())
}

pub(crate) fn unix_sockets() -> Outcome {
    let _server = UnixListener::bind_addr(&UnixAddr::from_abstract_name(NAME)?)?;
    let refused = Program::new(&["check", &format!("unix:@{NAME}")]).run()?;
    same("the exit status for control characters", refused.exit, 2)?;
    contains(&refused.stderr, "control characters")?;
    // What is no control character may be asked for, and is shown safely.
    let name = "b\u{202e}idi\u{2066}";
    let _other = UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)?;
    let open = told(&[&format!("unix:@{name}")], |p| p)?;
    same("the exit status", open.exit, 0)?;
    let place = tempfile::tempdir()?;
    let path = place.path().join(name);
    drop(UnixListener::bind(&path)?);
    let stale = told(&[&format!("unix:{}", path.display())], |p| p)?;
    same("the culprit", stale.culprit(), Some("unix-socket-stale"))?;
    stale.says("b\u{fffd}idi\u{fffd}")
}

/// The kernel takes anything but blanks, slashes and colons for the name of an interface.
pub(crate) fn interface_names() -> Outcome {
    let name = "\u{1b}[31m\u{202e}\u{7}";
    run("ip", &["link", "add", "v0", "type", "veth", "peer", "name", "v1"])?;
    run("ip", &["link", "set", "v0", "name", name])?;
    run("ip", &["address", "add", "10.9.9.1/24", "dev", name])?;
    run("ip", &["link", "set", name, "up"])?;
    let told = told(&["7001"], |p| p)?;
    same("the outcome", told.outcome(), "refused")
}

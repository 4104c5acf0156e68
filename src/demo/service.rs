//! The broken service: this program once more, as a child that lives exactly as long as its parent wants.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use super::cases::{self, Serves};
use super::namespaces::broken;
use crate::error::Error;

/// The hidden subcommand that runs the service: `demo-serve CASE DIR`.
pub const SERVE: &str = "demo-serve";
/// Its name in `ss` and `ps`.
const NAME: &str = "demo-app";
/// What it says when it serves.
const READY: &str = "ready";
/// How long it waits for a client to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// The running service; ends with this.
#[derive(Debug)]
pub(super) struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the service of a case and waits until it serves.
pub(super) fn start(case: &str, dir: &Path) -> Result<Service, Error> {
    // Not by its path: after a user change, or below somebody's home, that may be out of reach.
    let child = Command::new("/proc/self/exe")
        .arg0(NAME)
        .args([SERVE, case])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| broken("its service cannot be started", e))?;
    let mut service = Service(child);
    let mut said = String::new();
    if let Some(output) = service.0.stdout.take() {
        let read = BufReader::new(output.take(4096)).read_line(&mut said);
        read.map_err(|e| broken("its service does not answer", e))?;
    }
    match said.trim_end() {
        READY => Ok(service),
        why => Err(broken("its service does not start", why.to_owned())),
    }
}

/// The service itself: holds what the case says until its standard input ends, which it does when the parent does.
pub fn serve(case: &str, dir: &Path) -> Result<(), Error> {
    let outcome = cases::by_id(case).and_then(|demo| hold(demo.serves, dir).map_err(|e| broken("serving", e)));
    let said = match &outcome {
        Ok(_) => READY.to_owned(),
        Err(error) => error.report().replace('\n', " "),
    };
    // A parent that is gone is noticed below.
    let _ = writeln!(io::stdout(), "{said}").and_then(|()| io::stdout().flush());
    let _held = outcome?;
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    Ok(())
}

/// What the service keeps open.
#[derive(Debug)]
#[expect(dead_code, reason = "kept open, not used")]
enum Held {
    Nothing,
    Queue(Socket, Vec<TcpStream>),
}

fn hold(serves: Serves, dir: &Path) -> io::Result<Held> {
    // Neither is needed for the demo to work, only for it to look right and never to stay behind.
    let _ = prctl::set_name(c"demo-app");
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    match serves {
        Serves::Nothing => Ok(Held::Nothing),
        Serves::Tcp(at) => {
            answer(TcpListener::bind(at)?);
            Ok(Held::Nothing)
        }
        Serves::V6Only(at) => {
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
            socket.set_only_v6(true)?;
            socket.bind(&address(at)?.into())?;
            socket.listen(16)?;
            answer(socket.into());
            Ok(Held::Nothing)
        }
        Serves::Stuck(at) => stuck(address(at)?),
        Serves::StaleSocket(name) => UnixListener::bind(dir.join(name)).map(|_| Held::Nothing),
    }
}

fn address(text: &str) -> io::Result<SocketAddr> {
    text.parse().map_err(io::Error::other)
}

/// Listens, never accepts, and fills its queue itself. A backlog of 0 holds one connection.
fn stuck(at: SocketAddr) -> io::Result<Held> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.bind(&at.into())?;
    socket.listen(0)?;
    let waiting = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, at.port()))?;
    Ok(Held::Queue(socket, vec![waiting]))
}

/// Answers everybody, on threads of its own.
fn answer(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || greet(stream));
        }
    });
}

fn greet(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    if stream.read(&mut [0; 1024])? > 0 {
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nThe demo service works.\n")?;
    }
    Ok(())
}

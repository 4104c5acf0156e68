//! Real connections, many at once: what each of them got.

use std::fmt;
use std::io::{IoSliceMut, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, sock_extended_err, sockaddr_in6};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use unrefuse::facts::socket::Transport;

use crate::world::World;

/// One connection to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Probe {
    pub(crate) transport: Transport,
    /// The client's address; none: the server itself, from the address its kernel chooses.
    pub(crate) from: Option<IpAddr>,
    /// Port it sends from.
    pub(crate) port: u16,
    pub(crate) to: SocketAddr,
}

/// What a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An answer; by whom, where that was told.
    Open(Option<SocketAddr>),
    /// A TCP RST.
    Rst,
    /// An ICMP error: type and code.
    Icmp(u8, u8),
    /// Nothing.
    Silence,
    /// The kernel did not even send.
    Local(Errno),
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.transport == Transport::Tcp { "tcp" } else { "udp" };
        let from = self.from.map_or("here".into(), |from| from.to_string());
        write!(f, "{transport} from {from} port {} to {}", self.port, self.to)
    }
}

impl std::str::FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [transport, "from", from, "port", port, "to", to] = words.as_slice() else {
            return Err(format!("no probe: {text}"));
        };
        let wrong = |_| format!("no probe: {text}");
        Ok(Self {
            transport: if *transport == "udp" { Transport::Udp } else { Transport::Tcp },
            from: if *from == "here" { None } else { Some(from.parse().map_err(wrong)?) },
            port: port.parse().map_err(|_| format!("no port: {text}"))?,
            to: to.parse().map_err(wrong)?,
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(Some(by)) => write!(f, "open by {by}"),
            Self::Open(None) => f.write_str("open"),
            Self::Rst => f.write_str("reset"),
            Self::Icmp(kind, code) => write!(f, "icmp {kind}/{code}"),
            Self::Silence => f.write_str("silence"),
            Self::Local(errno) => write!(f, "not sent: {errno}"),
        }
    }
}

/// How long answers are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Everybody at least so long.
    pub(crate) least: Duration,
    /// Those that should get an answer, so long.
    pub(crate) most: Duration,
}

/// A connection under way.
struct Attempt {
    probe: Probe,
    socket: Option<Socket>,
    /// Its own end, once it is chosen.
    source: Option<SocketAddr>,
    seen: Option<Seen>,
}

/// Tries all of them at once. `quiet` are those that should get no answer.
pub(crate) fn run(world: &World, probes: &[Probe], quiet: &[bool], patience: Patience) -> Vec<Seen> {
    let mut attempts = world.client.run(|| sockets(probes, false));
    let here = world.server.run(|| sockets(probes, true));
    for (attempt, here) in attempts.iter_mut().zip(here) {
        if attempt.probe.from.is_none() {
            *attempt = here;
        }
    }
    let began = Instant::now();
    for attempt in &mut attempts {
        attempt.start();
    }
    loop {
        let waited = began.elapsed();
        let open = attempts.iter().zip(quiet).filter(|(a, _)| a.seen.is_none());
        let (quiet_ones, others): (Vec<_>, Vec<_>) = open.partition(|(_, quiet)| **quiet);
        let until = if others.is_empty() { patience.least } else { patience.most };
        if waited >= until || (quiet_ones.is_empty() && others.is_empty()) {
            break;
        }
        wait(&mut attempts, &world.udp, until.saturating_sub(waited));
    }
    for listener in world.tcp.lock().unwrap().iter() {
        accepted(listener, &mut attempts);
    }
    attempts
        .into_iter()
        .map(|attempt| {
            if let Some(socket) = attempt.socket.as_ref().filter(|_| attempt.probe.transport == Transport::Tcp) {
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
            attempt.seen.unwrap_or(Seen::Silence)
        })
        .collect()
}

/// Sockets of those that dial from here (or from elsewhere), in the namespace of this thread.
fn sockets(probes: &[Probe], here: bool) -> Vec<Attempt> {
    probes
        .iter()
        .map(|probe| {
            let made = (probe.from.is_none() == here).then(|| socket(probe));
            let (socket, seen) = match made {
                Some(Ok(socket)) => (Some(socket), None),
                Some(Err(errno)) => (None, Some(Seen::Local(errno))),
                None => (None, None),
            };
            Attempt { probe: *probe, socket, source: None, seen }
        })
        .collect()
}

fn socket(probe: &Probe) -> Result<Socket, Errno> {
    let (kind, protocol) = match probe.transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let any: IpAddr = if probe.to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let at = SocketAddr::new(probe.from.unwrap_or(any), probe.port);
    let make = || -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(at), kind.nonblocking(), Some(protocol))?;
        socket.set_reuse_address(true)?;
        if at.is_ipv6() {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        }
        socket.bind(&at.into())?;
        Ok(socket)
    };
    make().map_err(|error| errno(&error))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

impl Attempt {
    fn start(&mut self) {
        let Some(socket) = &self.socket else { return };
        let mut result = socket.connect(&self.probe.to.into());
        if self.probe.transport == Transport::Udp && result.is_ok() {
            result = socket.send(b"?").map(|_| ());
        }
        self.source = socket.local_addr().ok().and_then(|a| a.as_socket());
        match result.map_err(|e| errno(&e)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            // A rule of this host stopped a datagram on its way out; an error may still tell so.
            Err(Errno::EPERM) if self.probe.transport == Transport::Udp => {}
            Err(failed) => {
                // A rejected datagram's error may be there already: the queue says which.
                self.seen = told(socket).or(Some(refused(failed)));
            }
        }
        self.look();
    }

    /// Takes in what has come.
    fn look(&mut self) {
        let Some(socket) = self.socket.as_ref().filter(|_| self.seen.is_none()) else { return };
        if self.probe.transport == Transport::Udp {
            self.seen = told(socket).or_else(|| echo(socket));
            return;
        }
        // Connected: what a rule then makes of the handshake's last packet is no matter here.
        if socket.peer_addr().is_ok() {
            self.seen = Some(Seen::Open(None));
            return;
        }
        // In this order: taking an entry out of the queue clears the error.
        let failed = socket.take_error().ok().flatten().map(|e| errno(&e));
        self.seen = match (failed, told(socket)) {
            (_, Some(icmp)) => Some(icmp),
            (Some(Errno::ECONNRESET), None) => Some(Seen::Open(None)),
            (Some(failed), None) => Some(refused(failed)),
            (None, None) => None,
        };
    }
}

fn refused(failed: Errno) -> Seen {
    if failed == Errno::ECONNREFUSED { Seen::Rst } else { Seen::Local(failed) }
}

/// The answer to a datagram: it says who sent it.
fn echo(socket: &Socket) -> Option<Seen> {
    let mut text = [0; 64];
    let length = (&*socket).read(&mut text).ok()?;
    Some(Seen::Open(std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()))
}

/// Waits until something happens to one of the sockets, and takes it in; datagrams are answered.
fn wait(attempts: &mut [Attempt], answering: &[UdpSocket], longest: Duration) {
    let mut fds: Vec<PollFd<'_>> = Vec::new();
    for attempt in attempts.iter().filter(|a| a.seen.is_none()) {
        if let Some(socket) = &attempt.socket {
            let wanted = match attempt.probe.transport {
                Transport::Tcp => PollFlags::POLLOUT,
                Transport::Udp => PollFlags::POLLIN,
            };
            fds.push(PollFd::new(socket.as_fd(), wanted));
        }
    }
    fds.extend(answering.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
    let longest = u16::try_from(longest.as_millis()).unwrap_or(u16::MAX).max(1);
    let _ = poll(&mut fds, PollTimeout::from(longest));
    for socket in answering {
        let mut nothing = [0; 8];
        while let Ok((_, whom)) = socket.recv_from(&mut nothing) {
            let own = socket.local_addr().map_or_else(|e| e.to_string(), |own| own.to_string());
            let _ = socket.send_to(own.as_bytes(), whom);
        }
    }
    for attempt in attempts {
        attempt.look();
    }
}

/// Who accepted, where the whole handshake went through.
fn accepted(listener: &std::net::TcpListener, attempts: &mut [Attempt]) {
    while let Ok((stream, peer)) = listener.accept() {
        let (Ok(own), socket) = (stream.local_addr(), Socket::from(stream)) else { continue };
        let _ = socket.set_linger(Some(Duration::ZERO));
        let open = attempts.iter_mut().filter(|a| a.probe.transport == Transport::Tcp && a.source == Some(peer));
        for attempt in open {
            if attempt.seen == Some(Seen::Open(None)) {
                attempt.seen = Some(Seen::Open(Some(own)));
            }
        }
    }
}

/// The first ICMP error in the socket's error queue.
fn told(socket: &Socket) -> Option<Seen> {
    let mut payload = [0; 64];
    let mut iov = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!(sock_extended_err, sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
    message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4RecvErr(error, _) if error.ee_origin == libc::SO_EE_ORIGIN_ICMP => {
            Some(Seen::Icmp(error.ee_type, error.ee_code))
        }
        ControlMessageOwned::Ipv6RecvErr(error, _) if error.ee_origin == libc::SO_EE_ORIGIN_ICMP6 => {
            Some(Seen::Icmp(error.ee_type, error.ee_code))
        }
        _ => None,
    })
}

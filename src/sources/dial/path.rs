//! The way of a TCP connection: SYNs to the target's own port with small TTLs, so that they meet the rules that a real one
//! meets. Each router on the way answers one of them, which the socket's error queue tells without any right.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout_at;

use super::super::Trouble;
use super::answer::{canonical, errno};
use super::{queue, tcp, watch, words};
use crate::facts::connect::{Icmp, Outcome};
use crate::facts::path::{Control, End, EndAnswer, Hop, Path};

/// SYNs on their way at once: few, since those that reach the target count there.
const AT_ONCE: u8 = 3;
/// The farthest hop that is asked.
const FARTHEST: u8 = 30;
/// Rounds without any answer after which nobody is expected to give one.
const SILENT_ROUNDS: usize = 2;
/// A round's time: shorter than the kernel waits before it sends a SYN again.
const LIMIT: Duration = Duration::from_millis(900);
/// The port that traceroute sends its datagrams to.
const CONTROL_PORT: u16 = 33434;

/// What one SYN met.
enum Met {
    /// A router whose word it is that the TTL was over.
    Hop(Hop),
    End(End),
}

/// Sends SYNs farther and farther until one is answered for good.
pub(super) async fn sweep(to: SocketAddr) -> Result<Path, Trouble> {
    let to = canonical(to);
    let mut path = Path { to, hops: Vec::new(), end: None, control: None, probes: 0 };
    let (mut next, mut silent) = (1, 0);
    while next <= FARTHEST && silent < SILENT_ROUNDS && path.end.is_none() {
        let last = next.saturating_add(AT_ONCE - 1).min(FARTHEST);
        path.probes += usize::from(last - next) + 1;
        let round = join_all((next..=last).map(|distance| probe(to, distance))).await;
        let mut heard = false;
        for met in round {
            match met? {
                Met::Hop(hop) => {
                    heard |= hop.from.is_some();
                    path.hops.push(hop);
                }
                Met::End(end) => {
                    path.end = Some(end);
                    break;
                }
            }
        }
        silent = if heard { 0 } else { silent + 1 };
        next = last.saturating_add(1);
    }
    if let Some(End { distance, answer: EndAnswer::Reset, .. }) = &path.end {
        path.probes += 1;
        path.control = Some(control(to, *distance).await);
    }
    if path.end.is_none() {
        // Silence beyond the last router that speaks is told once.
        let known = path.hops.iter().rposition(|hop| hop.from.is_some()).map_or(0, |at| at + 1);
        path.hops.truncate(known + 1);
    }
    Ok(path)
}

fn limited(socket: &Socket, to: SocketAddr, distance: u8) -> Result<(), Trouble> {
    let hops = u32::from(distance);
    let set = if to.is_ipv4() { socket.set_ttl_v4(hops) } else { socket.set_unicast_hops_v6(hops) };
    set.map_err(|error| Trouble::failed(format!("a TTL may not be set: {error}")))
}

async fn probe(to: SocketAddr, distance: u8) -> Result<Met, Trouble> {
    let failed = |error: &std::io::Error| Trouble::failed(format!("no packet is sent to {to}: {error}"));
    let socket = tcp::non_blocking(to).map_err(|error| failed(&error))?;
    limited(&socket, to, distance)?;
    let began = Instant::now();
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if errno(&error) == Errno::EINPROGRESS => {}
        Err(error) => return Err(failed(&error)),
    }
    let fd = watch(socket)?;
    let Some(answer) = tcp::handshake(&fd, began, LIMIT).await else {
        let after = began.elapsed();
        words::take_leave(fd);
        return Ok(Met::End(End { distance, answer: EndAnswer::Open, after }));
    };
    let after = answer.after;
    let end = |answer| Met::End(End { distance, answer, after });
    Ok(match answer.icmp {
        Some(Icmp { from, .. }) if is_time_exceeded(answer.icmp.as_ref()) => {
            Met::Hop(Hop { distance, from, after: Some(after) })
        }
        Some(icmp) => end(EndAnswer::Icmp(icmp)),
        None if matches!(answer.outcome, Outcome::Refused | Outcome::Reset) => end(EndAnswer::Reset),
        None => Met::Hop(Hop { distance, from: None, after: None }),
    })
}

fn is_time_exceeded(icmp: Option<&Icmp>) -> bool {
    icmp.is_some_and(|icmp| icmp.name() == "time-exceeded")
}

/// A datagram that goes just as far. What it meets there is not what resets connections.
async fn control(to: SocketAddr, distance: u8) -> Control {
    match datagram(SocketAddr::new(to.ip(), CONTROL_PORT), distance).await {
        Ok(Some(icmp)) if is_time_exceeded(Some(&icmp)) => icmp.from.map_or(Control::Silent, Control::Beyond),
        Ok(Some(icmp)) if icmp.from == Some(to.ip()) => Control::Target,
        Ok(_) | Err(_) => Control::Silent,
    }
}

async fn datagram(to: SocketAddr, distance: u8) -> Result<Option<Icmp>, Trouble> {
    let failed = |error: &std::io::Error| Trouble::failed(format!("no datagram is sent to {to}: {error}"));
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
        .map_err(|error| failed(&error))?;
    queue::keep(&socket, to.is_ipv6());
    limited(&socket, to, distance)?;
    socket.connect(&to.into()).map_err(|error| failed(&error))?;
    let fd: AsyncFd<Socket> = watch(socket)?;
    fd.get_ref().send(&[]).map_err(|error| failed(&error))?;
    let until = tokio::time::Instant::now() + LIMIT;
    loop {
        let ready = timeout_at(until, fd.ready(Interest::ERROR)).await;
        if let Some(told) = queue::drain(fd.get_ref()) {
            return Ok(Some(told.icmp));
        }
        match ready {
            Ok(Ok(mut ready)) => ready.clear_ready(),
            Ok(Err(_)) | Err(_) => return Ok(None),
        }
    }
}

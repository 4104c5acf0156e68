//! The network a process lives in, and what listens there.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use procfs::net::{TcpState, UdpState};
use procfs::process::Process;

use super::{Trouble, check_mounted, hidden, is_hiding};
use crate::facts::namespace::OtherNetwork;
use crate::facts::socket::{Listener, Transport};
use crate::sources::netlink::namespace::inside;
use crate::sources::netlink::sock_diag;

/// The network namespace of a process, and what listens on the port there. None when the process has gone.
pub fn other_network(pid: u32, transport: Transport, port: u16) -> Result<Option<OtherNetwork>, Trouble> {
    let (Some(ours), Some(theirs)) = (inode("thread-self", "net/tcp")?, inode(pid, "net/tcp")?) else { return gone() };
    let separate = ours != theirs;
    // The namespace's own number needs the rights of a debugger; that it is another one does not.
    let netns = match inode(pid, "ns/net") {
        Ok(Some(netns)) => netns,
        Ok(None) => return gone(),
        Err(_) => 0,
    };
    let listeners = if separate { look_inside(pid, transport, port)? } else { sock_diag::listeners(transport, port)? };
    Ok(listeners.map(|listeners| OtherNetwork { pid, netns, separate, listeners }))
}

fn gone() -> Result<Option<OtherNetwork>, Trouble> {
    check_mounted()?;
    if is_hiding() { Err(hidden()) } else { Ok(None) }
}

/// Inode of a file of a process; none when that has gone.
///
/// Each network namespace has its own `net/tcp`, so its inode tells namespaces apart without any rights (seen on 6.18).
fn inode(pid: impl std::fmt::Display, file: &str) -> Result<Option<u64>, Trouble> {
    let path = format!("/proc/{pid}/{file}");
    match fs::metadata(&path) {
        Ok(file) => Ok(Some(file.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Trouble::io(&format!("looking at {path}"), &e)),
    }
}

/// Asks the kernel from inside; without the right to go there, reads the text tables, which tell less but need none.
fn look_inside(pid: u32, transport: Transport, port: u16) -> Result<Option<Vec<Listener>>, Trouble> {
    match inside(pid, || sock_diag::listeners(transport, port)) {
        Err(trouble) => match in_tables(pid, transport, port) {
            Some(listeners) => Ok(Some(listeners)),
            None => Err(trouble),
        },
        told => told,
    }
}

fn in_tables(pid: u32, transport: Transport, port: u16) -> Option<Vec<Listener>> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let rows: Vec<Row> = match transport {
        Transport::Tcp => {
            let rows = process.tcp().ok()?.into_iter().chain(process.tcp6().unwrap_or_default());
            rows.filter(|e| e.state == TcpState::Listen).map(|e| (e.local_address, e.uid, e.inode)).collect()
        }
        Transport::Udp => {
            let rows = process.udp().ok()?.into_iter().chain(process.udp6().unwrap_or_default());
            rows.filter(|e| e.state == UdpState::Close).map(|e| (e.local_address, e.uid, e.inode)).collect()
        }
    };
    Some(
        rows.into_iter()
            .filter(|(at, ..)| port == 0 || at.port() == port)
            .map(|row| listener(transport, row))
            .collect(),
    )
}

type Row = (SocketAddr, u32, u64);

/// A row of a text table: it knows neither the backlog, without which the queue says nothing, nor whether `[::]` takes
/// IPv4, nor the device.
fn listener(transport: Transport, (at, uid, inode): Row) -> Listener {
    Listener {
        transport,
        address: at.ip(),
        port: at.port(),
        v6only: None,
        device: None,
        queue: 0,
        backlog: 0,
        uid,
        inode: u32::try_from(inode).unwrap_or_default(),
        cgroup: None,
    }
}

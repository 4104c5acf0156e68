//! Sockets, as the kernel lists them over sock_diag. Needs no rights.
//!
//! All of this speaks of the network namespace of the calling thread; [`super::namespace::inside`] takes it elsewhere.

pub mod inet;
pub mod unix;
mod unix_file;

use std::collections::BTreeMap;

use nix::net::if_::if_indextoname;
use nix::sys::socket::SockProtocol;

use super::transport::{Netlink, Request};
use crate::facts::socket::{Listener, Transport};
use crate::sources::Trouble;
use inet::{Family, Found, Query};
pub use unix::unix_socket;

/// SOCK_DIAG_BY_FAMILY
const BY_FAMILY: u16 = 20;

/// Sockets that listen on exactly this port (0: on any), both families, always in the same order.
///
/// Cheap enough to ask several times a second: 0.04 ms on a host with 200 listeners, 2 to 5 ms with 80,000. Keeping the
/// socket open between two questions would save 0.005 ms of it.
pub fn listeners(transport: Transport, port: u16) -> Result<Option<Vec<Listener>>, Trouble> {
    Ok(Some(ask(&mut open()?, transport, Some(port).filter(|port| *port != 0))?))
}

/// All TCP listeners and unconnected UDP sockets.
pub fn all_listeners() -> Result<Option<Vec<Listener>>, Trouble> {
    let mut netlink = open()?;
    let mut all = ask(&mut netlink, Transport::Tcp, None)?;
    all.extend(ask(&mut netlink, Transport::Udp, None)?);
    Ok(Some(all))
}

fn open() -> Result<Netlink, Trouble> {
    Netlink::open(SockProtocol::NetlinkSockDiag)
}

fn ask(netlink: &mut Netlink, transport: Transport, port: Option<u16>) -> Result<Vec<Listener>, Trouble> {
    let mut found = Vec::new();
    for family in [Family::V4, Family::V6] {
        let query = Query { transport, family, port };
        let request = Request { doing: query.doing(), kind: BY_FAMILY, body: &query.body() };
        found.extend(netlink.list(request, |m| query.parse(m.kind, m.body))?);
    }
    Ok(in_order(named(found)))
}

/// The kernel hashes sockets with a secret of this boot, and may list one twice while others come and go.
fn in_order(mut listeners: Vec<Listener>) -> Vec<Listener> {
    let place = |l: &Listener| (l.transport, l.port, l.address, l.device.clone(), l.inode);
    listeners.sort_by_cached_key(place);
    listeners.dedup_by(|b, a| b.inode != 0 && place(a) == place(b));
    listeners
}

/// Puts the names of interfaces in.
fn named(found: Vec<Found>) -> Vec<Listener> {
    let mut known: BTreeMap<u32, String> = BTreeMap::new();
    let mut name = |index: u32| known.entry(index).or_insert_with(|| interface(index)).clone();
    found
        .into_iter()
        .map(|Found { listener, interface }| Listener { device: interface.map(&mut name), ..listener })
        .collect()
}

/// Name of an interface; `if7` as ss shows it when it has gone.
fn interface(index: u32) -> String {
    if_indextoname(index).map_or_else(|_| format!("if{index}"), |name| name.to_string_lossy().into_owned())
}

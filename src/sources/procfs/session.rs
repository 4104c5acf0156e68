//! The ssh session that this program was started in, if any: sshd tells it to its shell in `SSH_CONNECTION`, which sudo and
//! the like drop, so that the environments of the processes above are looked into as well.

use std::net::{IpAddr, SocketAddr};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// A remote session of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Where it comes from.
    pub client: IpAddr,
    /// The address and port of this host that it came to.
    pub server: SocketAddr,
}

/// More processes than lie between a shell and its sshd.
const DEPTH: usize = 32;

/// The session this process belongs to.
pub fn session() -> Option<Session> {
    let mut process = Process::myself().ok()?;
    for _ in 0..DEPTH {
        let environ = process.environ().unwrap_or_default();
        let told = environ.get(std::ffi::OsStr::new("SSH_CONNECTION")).and_then(|value| parse(value.to_str()?));
        if told.is_some() {
            return told;
        }
        let parent = process.stat().ok()?.ppid;
        process = Process::new(parent).ok().filter(|_| parent > 1)?;
    }
    None
}

/// `CLIENT PORT SERVER PORT`.
fn parse(value: &str) -> Option<Session> {
    let mut words = value.split(' ');
    let client: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
    let _client_port: u16 = words.next()?.parse().ok()?;
    let server: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
    let port: u16 = words.next()?.parse().ok()?;
    Some(Session { client: client.to_canonical(), server: SocketAddr::new(server.to_canonical(), port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_tells_is_understood() {
        let session = parse("203.0.113.7 51000 10.0.0.5 22").unwrap();
        assert_eq!(
            (session.client.to_string(), session.server.to_string()),
            ("203.0.113.7".into(), "10.0.0.5:22".into())
        );
        let scoped = parse("fe80::1%eth0 51000 fe80::2%eth0 2222").unwrap();
        assert_eq!(scoped.server.to_string(), "[fe80::2]:2222");
        for wrong in ["", "a b c d", "10.0.0.1 1 10.0.0.2", "10.0.0.1 x 10.0.0.2 22"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

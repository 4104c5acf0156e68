//! Servers that accept: what they do then.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use libtest_mimic::Trial;
use socket2::SockRef;
use unrefuse::facts::connect::Dial;
use unrefuse::facts::connect::Outcome::{Closed, Open, Reset};

use crate::lab::{Expect, Family, Lab, PORT, dial_and, dial_from, tcp};
use crate::net::Net;
use crate::test;

/// Longest a server waits for its client.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for family in Family::BOTH {
        let name = |what: &str| format!("{} server {what}", family.word());
        trials.push(test(name("waits"), move || waits(family)));
        trials.push(test(name("greets"), move || greets(family)));
        trials.push(test(name("hangs up"), move || hangs_up(family)));
        trials.push(test(name("resets"), move || resets(family)));
    }
    trials.push(test("server on a wildcard, dialled as 0.0.0.0 and as a mapped address", odd_addresses));
    trials
}

/// A listener that nobody needs to accept from.
pub(crate) fn listen(net: &Net, address: IpAddr) -> TcpListener {
    net.run(|| TcpListener::bind((address, PORT)).unwrap())
}

/// Dials a server that does this with its one connection; what the dial showed, and what the server's last read got.
fn met(family: Family, act: impl FnOnce(TcpStream) -> std::io::Result<usize> + Send + 'static) -> (Dial, Heard) {
    let lab = Lab::new();
    let listener = listen(&lab.server, family.server());
    let serving: JoinHandle<Heard> = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        act(stream).map_err(|e| e.to_string())
    });
    lab.client.run(|| dial_and(&tcp(family.server()), || serving.join().unwrap()))
}

/// Bytes read, or the error.
type Heard = Result<usize, String>;

fn waits(family: Family) {
    let (dial, heard) = met(family, |mut stream| stream.read(&mut [0; 8]));
    Expect::new(Open, None).hold(&dial);
    assert_eq!(dial.banner, None);
    assert_eq!(dial.source.map(|s| s.ip()), Some(family.client()));
    assert_eq!(heard, Ok(0), "an ordinary end, no reset and no byte");
}

fn greets(family: Family) {
    let (dial, heard) = met(family, |mut stream| {
        let mut greeting = b"220 mail\x1b[31m\xff ready\r\n".to_vec();
        greeting.resize(3000, b'.');
        stream.write_all(&greeting)?;
        stream.read(&mut [0; 8])
    });
    Expect::new(Open, None).hold(&dial);
    let banner = dial.banner.unwrap();
    assert!(banner.starts_with("220 mail\u{1b}[31m\u{fffd} ready\r\n"), "raw, but UTF-8: {banner:?}");
    assert_eq!(banner.chars().count(), 200);
    assert_eq!(heard, Ok(0), "an ordinary end, though it said more than was kept");
}

fn hangs_up(family: Family) {
    let (dial, _) = met(family, |stream| stream.shutdown(Shutdown::Both).map(|()| 0));
    Expect::new(Closed, None).hold(&dial);
}

fn resets(family: Family) {
    let (dial, _) = met(family, |stream| SockRef::from(&stream).set_linger(Some(Duration::ZERO)).map(|()| 0));
    Expect::new(Reset, Some("ECONNRESET")).hold(&dial);
}

fn odd_addresses() {
    let lab = Lab::new();
    let _listening = listen(&lab.server, "0.0.0.0".parse().unwrap());
    for odd in ["0.0.0.0", "::ffff:10.2.0.2", "127.9.9.9"] {
        let to = unrefuse::facts::connect::Endpoint::Tcp(SocketAddr::new(odd.parse().unwrap(), PORT));
        let dial = dial_from(&lab.server, &to);
        Expect::new(Open, None).hold(&dial);
        assert_eq!(dial.to, to, "told as it was asked");
    }
}

//! A listener that is too busy to accept.

use std::net::SocketAddr;

use libtest_mimic::Trial;
use socket2::{Domain, Socket, Type};

use crate::lab::{Expect, Family, LOCAL_LIMIT, Lab, PORT, REMOTE_LIMIT, dial_from, tcp};
use crate::test;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("accept queue full, dialled from the server", || full(true)),
        test("accept queue full, dialled from the client", || full(false)),
    ]
}

fn full(locally: bool) {
    let lab = Lab::new();
    let server = Family::V4.server();
    let at = SocketAddr::new(server, PORT);
    let (_listener, _waiting) = lab.server.run(|| {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&at.into()).unwrap();
        listener.listen(0).unwrap();
        // A backlog of 0 holds one.
        (listener, std::net::TcpStream::connect(at).unwrap())
    });
    let (from, limit) = if locally { (&lab.server, LOCAL_LIMIT) } else { (&lab.client, REMOTE_LIMIT) };
    let dial = dial_from(from, &tcp(server));
    Expect::timeout(limit).hold(&dial);
    if locally {
        assert!(dial.counter("TcpExt.ListenOverflows") > Some(0), "{dial:#?}");
        assert!(dial.counter("TcpExt.ListenDrops") > Some(0), "{dial:#?}");
    }
}

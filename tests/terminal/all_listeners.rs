//! The live table of all listeners, on real sockets.

use std::net::{Ipv4Addr, TcpListener};

use crate::pty::Pty;

/// What strikes text out.
const STRUCK: &str = "\u{1b}[9m";

#[test]
fn rows_come_and_go_with_their_sockets_and_enter_diagnoses_one() {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let at = first.local_addr().expect("an address").to_string();
    let mut pty = Pty::start((80, 24), &["listeners"]);
    pty.wait_for("live");
    pty.send(&format!("/{at}\r"));
    // The process that holds it is this test.
    pty.wait_for("terminal-");
    drop(first);
    pty.wait_for(STRUCK);
    pty.send("\r");
    pty.wait_for("REFUSED");
    pty.wait_for(&at);
    pty.send("L");
    pty.wait_for("Listeners");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
}

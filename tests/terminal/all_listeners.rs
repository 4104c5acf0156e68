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

#[test]
fn a_filter_prints_what_fits_and_a_wrong_one_is_told() {
    let printed = |filter: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_unrefuse"));
        command.args(["listeners", "--filter", filter]).output().expect("the program")
    };
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let found = printed(&format!("port:{port} addr:127* proto:tcp pid:{}", std::process::id()));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.lines().count() == 2 && text.contains(&format!("127.0.0.1:{port} ")), "{text}");
    let wrong = printed("port:http");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("port: takes 80, 8000-8999 or 80,443"), "{wrong:?}");
}

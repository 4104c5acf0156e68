//! The full screen on a terminal, over real rules: the tree with the packet's way in it, and the way of one client.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::pty::Pty;
use super::rules::load;
use super::space::{Outcome, run};

const RULES: &str = "table inet shop {
    set partners { type ipv4_addr; flags interval; elements = { 10.9.0.0/16 } }
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport 22 accept
        ip saddr @partners tcp dport 8080 counter accept
        tcp dport 8080 counter reject with tcp reset
    }
}
";

/// Waits until all of these words are on the terminal. It is drawn anew until they are, so that each comes whole; blanks
/// are not drawn.
fn shown(screen: &mut Pty, words: &[&str]) -> Outcome {
    let until = Instant::now() + Duration::from_secs(20);
    let mut drawn = String::new();
    for columns in [141, 142].into_iter().cycle().take_while(|_| Instant::now() < until) {
        screen.resize(columns, 50);
        drawn = screen.within(Duration::from_millis(400));
        if words.iter().all(|word| drawn.contains(word)) {
            return Ok(());
        }
    }
    Err(format!("{words:?} are not all in {drawn:?}").into())
}

pub(crate) fn rules_and_a_client() -> Outcome {
    super::space::wire("eth0", "far")?;
    run("ip", &["address", "add", "10.0.0.5/24", "dev", "eth0"])?;
    run("ip", &["route", "add", "default", "via", "10.0.0.1"])?;
    load(RULES)?;
    let _listener = TcpListener::bind("0.0.0.0:8080")?;
    let mut screen = Pty::start((140, 50), &["10.0.0.5:8080"]);
    shown(&mut screen, &["REFUSED", "fw-input-reject"])?;
    screen.send("w");
    shown(&mut screen, &["10.9.0.0/16", "@partners", "accepts", "decides", "unreached"])?;
    screen.send("c10.9.1.2\r");
    shown(&mut screen, &["OPEN", "10.9.1.2"])?;
    // Somebody takes the partners out: the kernel tells it, and this client is refused from now on.
    run("nft", &["flush", "set", "inet", "shop", "partners"])?;
    shown(&mut screen, &["REFUSED", "10.9.1.2"])?;
    run("nft", &["add", "element", "inet", "shop", "partners", "{ 10.8.0.0/16 }"])?;
    screen.send("c10.8.1.2\r");
    shown(&mut screen, &["OPEN", "10.8.1.2"])?;
    screen.send("c\r");
    shown(&mut screen, &["REFUSED", "10.8.0.0/16"])?;
    run("nft", &["flush", "ruleset"])?;
    shown(&mut screen, &["OPEN"])?;
    screen.send("q");
    let left = screen.end();
    if left.success() { Ok(()) } else { Err(format!("the screen ended with {left}").into()) }
}

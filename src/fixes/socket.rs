//! Plans about what a socket unit listens on.

use std::fmt::Write as _;

use super::action::Verb;
use super::check;
use super::plan::{Plan, Risk, Scope};
use super::unit::{act, brought_up, with_drop_in};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;

/// What a socket unit is to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// TCP or UDP.
    pub transport: Transport,
    /// Port.
    pub port: u16,
    /// Addresses as `ListenStream=` takes them (`2222`, `0.0.0.0:2222`, `[::]:2222`).
    pub addresses: Vec<String>,
}

/// Lets a socket unit listen there. What it listens on besides stays; sockets of the same port give way.
pub fn listen(socket: &Unit, wanted: &Wanted) -> Option<Plan> {
    let held = &socket.socket.as_ref()?.listens;
    let same_port =
        |kind: &str, address: &str| keyword(kind) == Some(word(wanted.transport)) && port(address) == Some(wanted.port);
    let clash = held.iter().any(|(kind, address)| same_port(kind, address));
    let mut text = String::from("[Socket]\n");
    if clash {
        // An empty value forgets all that came before, of every kind.
        text.push_str("ListenStream=\n");
        for (kind, address) in held.iter().filter(|(kind, address)| !same_port(kind, address)) {
            let _ = writeln!(text, "{}={}", keyword(kind)?, plain(address)?);
        }
    }
    for address in &wanted.addresses {
        let _ = writeln!(text, "{}={}", word(wanted.transport), plain(address)?);
    }
    let shown = wanted.addresses.join(" and ");
    let plan = Plan::new("listen-address", format!("let {} listen on {shown}", socket.name)).scope(Scope::Everyone);
    let plan = if clash { plan } else { plan.warn("what it listens on now stays open") };
    Some(with_drop_in(plan, socket, "listen", &text))
}

/// Turns a socket unit off, and lets its service listen by itself.
pub fn turn_off(socket: &Unit, service: &Unit) -> Plan {
    let (name, by) = (&socket.name, &service.name);
    let mut plan = Plan::new("turn-socket-off", format!("turn {name} off, and let {by} listen as it is configured"))
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn(format!("those connected to {by} now lose their connections"));
    plan = check::added(plan, by);
    if service.is_up() {
        plan = plan.step(format!("stop {by}"), act(by, Verb::Stop));
    }
    plan = plan.step(format!("stop {name}"), act(name, Verb::Stop));
    if socket.file_state == "enabled" {
        plan = plan.step(format!("keep {name} from starting at boot"), act(name, Verb::Disable));
    }
    if service.file_state == "disabled" {
        plan = plan.step(format!("let {by} start at boot"), act(by, Verb::Enable));
    }
    plan.step(format!("start {by}"), act(by, Verb::Start))
}

/// The setting of a kind of socket that systemd tells; none: one that is not written here.
fn keyword(kind: &str) -> Option<&'static str> {
    match kind {
        "Stream" => Some("ListenStream"),
        "Datagram" => Some("ListenDatagram"),
        "SequentialPacket" => Some("ListenSequentialPacket"),
        "FIFO" => Some("ListenFIFO"),
        _ => None,
    }
}

fn word(transport: Transport) -> &'static str {
    if transport == Transport::Udp { "ListenDatagram" } else { "ListenStream" }
}

fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':').map_or(address, |(_, port)| port).parse().ok()
}

/// A value that means the same in a unit file.
fn plain(value: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '/' | ':' | '[' | ']');
    (!value.is_empty() && value.chars().all(fits)).then_some(value)
}

/// Opens a socket unit that systemd has closed, and forgives its service first.
pub fn open_again(socket: &Unit, service: Option<&Unit>) -> Plan {
    let name = &socket.name;
    let plan = Plan::new("start-unit", format!("open {name} again"));
    let failed = service.filter(|service| service.active_state == "failed");
    let plan = failed.into_iter().fold(plan, |plan, service| {
        plan.step(format!("forget that {} failed", service.name), act(&service.name, Verb::ResetFailed))
    });
    brought_up(plan, socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::unit::SocketUnit;

    fn unit(listens: &[(&str, &str)]) -> Unit {
        let listens = listens.iter().map(|(kind, address)| ((*kind).to_owned(), (*address).to_owned())).collect();
        let socket = Some(SocketUnit { listens, ..SocketUnit::default() });
        Unit { name: "db.socket".into(), active_state: "active".into(), socket, ..Unit::default() }
    }

    fn tcp(port: u16, address: &str) -> Wanted {
        Wanted { transport: Transport::Tcp, port, addresses: vec![address.into()] }
    }

    #[test]
    fn another_port_is_added_and_the_same_one_moved() {
        let socket = unit(&[("Stream", "/run/db.sock"), ("Stream", "127.0.0.1:3306"), ("Datagram", "[::]:3306")]);
        let added = listen(&socket, &tcp(3307, "3307")).unwrap().commands();
        assert!(added.contains("    [Socket]\n    ListenStream=3307\n"), "{added}");
        let moved = listen(&socket, &tcp(3306, "3306")).unwrap().commands();
        let lines =
            "ListenStream=\n    ListenStream=/run/db.sock\n    ListenDatagram=[::]:3306\n    ListenStream=3306\n";
        assert!(moved.contains(lines), "{moved}");
    }

    #[test]
    fn what_cannot_be_written_as_it_was_is_left_to_people() {
        let odd = unit(&[("Stream", "127.0.0.1:80"), ("Special", "/dev/x")]);
        assert!(listen(&odd, &tcp(80, "80")).is_none());
        let hostile = unit(&[("Stream", "127.0.0.1:80"), ("Stream", "/run/%i\nx")]);
        assert!(listen(&hostile, &tcp(80, "80")).is_none());
        assert!(listen(&hostile, &tcp(81, "81")).is_some(), "nothing of it is written again");
    }
}

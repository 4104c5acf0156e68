//! What a box of the flowchart asks, the classic command for it and what its answers mean, with this case's own values.

use crate::diagnose::causes;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Diagnosis, arg};
use crate::facts::Case;
use crate::facts::socket::Transport;

/// A box, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it asks.
    pub asks: String,
    /// The commands that ask the same by hand, and what each is for.
    pub commands: Vec<(String, &'static str)>,
    /// What comes back, and what that means.
    pub answers: Vec<(String, String)>,
    /// The cause that was found in it: its id, its title and what it is.
    pub cause: Option<(&'static str, &'static str, &'static str)>,
}

/// The values of a case.
struct Own {
    port: String,
    address: String,
    host: String,
    unit: String,
    client: String,
    udp: bool,
}

impl Own {
    fn of(case: &Case, diagnosis: &Diagnosis, unit: Option<&str>) -> Self {
        let subject = &diagnosis.subject;
        let address = subject.address().map_or_else(|| "ADDRESS".into(), |ip| ip.to_string());
        let client = match subject.from {
            Asker::Address(ip) => ip.to_string(),
            Asker::Here => "127.0.0.1".into(),
            Asker::Any => "CLIENT".into(),
        };
        Self {
            port: subject.port.map_or_else(|| "PORT".into(), |port| port.to_string()),
            host: subject.host.as_deref().map_or_else(|| arg(&case.target.input), arg),
            unit: unit.or(subject.unit.as_deref()).map_or_else(|| "UNIT".into(), arg),
            address,
            client,
            udp: subject.transport == Transport::Udp,
        }
    }
}

/// Explains a box; `unit` is the one that serves the target, where it is known.
pub fn about(id: BoxId, case: &Case, diagnosis: &Diagnosis, unit: Option<&str>) -> About {
    let own = Own::of(case, diagnosis, unit);
    let (asks, commands, answers) = match id {
        BoxId::Connect => connect(&own),
        BoxId::Name => name(&own),
        BoxId::Service => service(&own),
        BoxId::Listener => listener(&own),
        BoxId::Container => container(&own),
        BoxId::Firewall => firewall(&own),
        BoxId::Policy => policy(&own),
        BoxId::Wrappers => wrappers(&own),
        BoxId::Network => network(&own),
    };
    let found = diagnosis.causes.iter().find(|found| found.in_box == id).and_then(|found| causes::by_id(found.cause));
    About {
        asks,
        commands,
        answers: answers.into_iter().map(|(answer, means)| (answer, means.to_owned())).collect(),
        cause: found.map(|cause| (cause.id, cause.words.title, cause.words.what)),
    }
}

type Told = (String, Vec<(String, &'static str)>, Vec<(String, &'static str)>);

fn connect(own: &Own) -> Told {
    let Own { address, port, udp, .. } = own;
    let flags = if *udp { "-vzu" } else { "-vz" };
    (
        format!("What does somebody get who connects to {address}, port {port}?"),
        vec![(format!("nc {flags} -w 3 {address} {port}"), "the same attempt")],
        vec![
            ("succeeded".into(), "open: everything on the way lets it through"),
            ("refused".into(), "somebody answered no at once: nobody listens there, or a rule rejects"),
            ("timed out".into(), "nobody answered: a rule drops, the way is wrong, or the queue is full"),
            ("No route to host".into(), "a router or a firewall said so, or nobody answers for the address"),
        ],
    )
}

fn name(own: &Own) -> Told {
    let host = &own.host;
    (
        format!("Does {host} lead to the host that is meant?"),
        vec![
            (format!("getent ahosts {host}"), "what programs here get, in their order"),
            (format!("grep -nw -e {host} /etc/hosts"), "a line that stands before DNS"),
        ],
        vec![
            (own.address.clone(), "the address that is diagnosed: is it the right host's?"),
            ("another address".into(), "an old line, an old record, or another view of DNS"),
            ("nothing".into(), "the name does not exist here, or no name server answers"),
        ],
    )
}

fn service(own: &Own) -> Told {
    let unit = &own.unit;
    (
        format!("Does what serves port {} run?", own.port),
        vec![
            (format!("systemctl status {unit}"), "its state, and its last words"),
            (format!("journalctl -b -u {unit} -n 50"), "why it ended"),
        ],
        vec![
            ("active (running)".into(), "it runs: go on to the next box"),
            ("inactive (dead)".into(), "nobody started it, or it ended by itself"),
            ("failed".into(), "it ended badly: its result and the journal say why"),
            ("activating (auto-restart)".into(), "it ends again and again"),
            ("masked".into(), "it is kept from ever starting"),
        ],
    )
}

fn listener(own: &Own) -> Told {
    let Own { address, port, udp, .. } = own;
    let flags = if *udp { "-lunp" } else { "-ltnp" };
    (
        format!("Does somebody listen on port {port}, where {address} leads?"),
        vec![(format!("ss {flags} 'sport = :{port}'"), "who listens, on which address")],
        vec![
            (format!("0.0.0.0:{port}, *:{port}"), "on every address: clients from anywhere are taken"),
            (format!("[::]:{port}"), "on every IPv6 address, and on IPv4 unless it is v6only"),
            (format!("127.0.0.1:{port}, [::1]:{port}"), "for this host itself only: everybody else is refused"),
            (format!("{address}:{port}"), "on that address alone"),
            ("nothing".into(), "the kernel answers for the port: refused"),
        ],
    )
}

fn container(own: &Own) -> Told {
    let port = &own.port;
    (
        format!("Does a container publish port {port}, and does somebody listen in it?"),
        vec![
            (format!("docker ps -a --filter publish={port}"), "which one publishes it"),
            ("docker port CONTAINER".into(), "where its ports lead"),
        ],
        vec![
            (format!("0.0.0.0:{port}->N/tcp"), "published on every address, to N inside"),
            (format!("127.0.0.1:{port}->N/tcp"), "published for this host itself only"),
            ("N/tcp".into(), "exposed and not published: nobody outside reaches it"),
            ("Exited".into(), "it does not run: its own log says why"),
        ],
    )
}

fn firewall(own: &Own) -> Told {
    (
        format!("Do the rules of this host let a packet to port {} in, and its answer out?", own.port),
        vec![
            ("nft list ruleset".into(), "all rules, with those that iptables-nft made"),
            ("iptables -nvL --line-numbers".into(), "with what each rule has counted"),
        ],
        vec![
            ("accept".into(), "let in by that rule, unless a later chain says no"),
            ("drop".into(), "thrown away without a word: the client waits until it gives up"),
            ("reject".into(), "an ICMP error: refused, or no route to host, by its code"),
            ("reject with tcp reset".into(), "refused, as if nobody listened"),
            ("a counter that moves".into(), "that rule is the one that met the packet"),
        ],
    )
}

fn policy(own: &Own) -> Told {
    let unit = &own.unit;
    (
        format!("May {unit} bind port {} and answer, by SELinux, AppArmor and its own sandbox?", own.port),
        vec![
            (format!("systemctl cat {unit}"), "its sandbox: PrivateNetwork=, IPAddressDeny=, ..."),
            ("ausearch -m AVC,USER_AVC -ts boot".into(), "what was denied, where auditd runs"),
            ("journalctl -b _TRANSPORT=audit".into(), "the same without auditd"),
        ],
        vec![
            ("avc: denied { name_bind }".into(), "SELinux: the port has a type that the daemon may not bind"),
            ("apparmor=\"DENIED\"".into(), "the profile of the daemon lacks a rule"),
            ("nothing".into(), "nothing was denied, or a rule denies in silence (dontaudit, deny)"),
        ],
    )
}

fn wrappers(own: &Own) -> Told {
    let client = &own.client;
    (
        format!("Do hosts.allow and hosts.deny let {client} in, where the daemon asks them at all?"),
        vec![
            (format!("tcpdmatch DAEMON {client}"), "which line decides"),
            ("ldd DAEMON | grep libwrap".into(), "does the daemon ask them at all?"),
        ],
        vec![
            ("access: granted".into(), "a line of hosts.allow lets it in, or no line speaks of it"),
            ("access: denied".into(), "connected, and hung up on without a word"),
            ("no libwrap".into(), "the files mean nothing to that daemon"),
        ],
    )
}

fn network(own: &Own) -> Told {
    let Own { address, client, port, .. } = own;
    (
        format!("Do routes lead to {address}, and the answers back to {client}?"),
        vec![
            (format!("ip route get {address}"), "the way there"),
            (format!("ip route get {client} from {address}"), "the way back, on the host that answers"),
            (format!("tcptraceroute {address} {port}"), "hop by hop"),
        ],
        vec![
            ("dev ... src ...".into(), "by that interface, from that address"),
            ("Network is unreachable".into(), "no route, not even a default one"),
            ("unreachable, prohibit, blackhole".into(), "a route that says no"),
            ("FAILED, INCOMPLETE (ip neigh)".into(), "nobody on the link answers for the next hop"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::diagnose;
    use crate::target::{From, Target};

    #[test]
    fn every_box_is_explained_with_the_values_of_the_case() {
        let case = Case::new(Target::parse("10.2.0.2:8080").unwrap(), From::Unsaid);
        let diagnosis = diagnose(&case);
        for id in BoxId::ALL {
            let about = about(id, &case, &diagnosis, Some("nginx.service"));
            assert!(about.asks.ends_with('?'), "{id:?}");
            assert!(!about.commands.is_empty() && about.answers.len() >= 3, "{id:?}");
            let text = format!("{about:?}");
            assert!(["8080", "10.2.0.2", "nginx.service", "127.0.0.1"].iter().any(|own| text.contains(own)), "{text}");
        }
    }

    #[test]
    fn names_from_the_host_are_one_word_of_a_command() {
        let case = Case::new(Target::parse("10.2.0.2:8080").unwrap(), From::Unsaid);
        let about = about(BoxId::Service, &case, &diagnose(&case), Some("x;reboot.service"));
        assert!(about.commands[0].0.contains("'x;reboot.service'"), "{about:?}");
    }
}

//! What each rule does to the client, on the server's input, on the router, on the client's own output, and for the
//! server dialling itself.

use libtest_mimic::Trial;
use unrefuse::facts::connect::Outcome::{Denied, Open, Refused, Timeout, Unreachable};
use unrefuse::facts::connect::{Dial, Outcome};

use crate::lab::{Expect, Family, LOCAL_LIMIT, Lab, PORT, REMOTE_LIMIT, dial_from, nft, tcp};
use crate::servers;
use crate::test;

/// A rule's statement and what the client gets: outcome, errno, ICMP type and code.
struct Row(&'static str, Outcome, Option<&'static str>, Option<(u8, u8)>);

const V4: &[Row] = &[
    Row("reject", Refused, Some("ECONNREFUSED"), Some((3, 3))),
    Row("reject with icmp type port-unreachable", Refused, Some("ECONNREFUSED"), Some((3, 3))),
    Row("reject with tcp reset", Refused, Some("ECONNREFUSED"), None),
    Row("reject with icmp type host-unreachable", Unreachable, Some("EHOSTUNREACH"), Some((3, 1))),
    Row("reject with icmp type host-prohibited", Unreachable, Some("EHOSTUNREACH"), Some((3, 10))),
    Row("reject with icmp type admin-prohibited", Unreachable, Some("EHOSTUNREACH"), Some((3, 13))),
    Row("reject with icmp type net-unreachable", Unreachable, Some("ENETUNREACH"), Some((3, 0))),
    Row("reject with icmp type net-prohibited", Unreachable, Some("ENETUNREACH"), Some((3, 9))),
    Row("reject with icmp type prot-unreachable", Unreachable, Some("ENOPROTOOPT"), Some((3, 2))),
    Row("drop", Timeout, None, None),
];

const V6: &[Row] = &[
    Row("reject", Refused, Some("ECONNREFUSED"), Some((1, 4))),
    Row("reject with icmpv6 type port-unreachable", Refused, Some("ECONNREFUSED"), Some((1, 4))),
    Row("reject with tcp reset", Refused, Some("ECONNREFUSED"), None),
    Row("reject with icmpv6 type addr-unreachable", Unreachable, Some("EHOSTUNREACH"), Some((1, 3))),
    Row("reject with icmpv6 type no-route", Unreachable, Some("ENETUNREACH"), Some((1, 0))),
    Row("reject with icmpv6 type admin-prohibited", Denied, Some("EACCES"), Some((1, 1))),
    Row("reject with icmpv6 type policy-fail", Denied, Some("EACCES"), Some((1, 5))),
    Row("reject with icmpv6 type reject-route", Denied, Some("EACCES"), Some((1, 6))),
    Row("drop", Timeout, None, None),
];

/// Whose chain holds the rule.
#[derive(Debug, Clone, Copy)]
enum Place {
    ServerInput,
    RouterForward,
    ClientOutput,
    /// The server's input, dialled from the server itself.
    Itself,
}

impl Place {
    const ALL: [Self; 4] = [Self::ServerInput, Self::RouterForward, Self::ClientOutput, Self::Itself];

    fn word(self) -> &'static str {
        match self {
            Self::ServerInput => "server-input",
            Self::RouterForward => "router-forward",
            Self::ClientOutput => "client-output",
            Self::Itself => "itself",
        }
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for family in Family::BOTH {
        for row in if family == Family::V4 { V4 } else { V6 } {
            for place in Place::ALL {
                let name = format!("{} {} {}", family.word(), place.word(), row.0);
                trials.push(test(name, move || reject(family, place, row)));
            }
        }
        let name = |what: &str| format!("{} {what}", family.word());
        trials.push(test(name("no listener is a RST of the kernel's own"), move || no_listener(family)));
        trials.push(test(name("an answer that is dropped is a time-out"), move || answer_dropped(family)));
        for (statement, outcome, errno) in
            [("drop", Timeout, None), ("reject with tcp reset", Refused, Some("ECONNREFUSED"))]
        {
            let name = name(&format!("server-ingress {statement}"));
            trials.push(test(name, move || ingress(family, statement, outcome, errno)));
        }
    }
    trials
}

fn chain(hook: &str, rule: &str) -> String {
    format!("table inet t {{\n chain c {{\n type filter hook {hook} priority 0; policy accept;\n {rule}\n }}\n}}\n")
}

/// A healthy listener behind one rule.
fn reject(family: Family, place: Place, row: &Row) {
    let lab = Lab::new();
    let _listening = servers::listen(&lab.server, family.server());
    let rule = |hook| chain(hook, &format!("tcp dport {PORT} {}", row.0));
    let (from, said_by) = match place {
        Place::ServerInput => {
            nft(&lab.server, &rule("input"));
            (&lab.client, family.server())
        }
        Place::RouterForward => {
            nft(&lab.router, &rule("forward"));
            (&lab.client, family.router())
        }
        Place::ClientOutput => {
            nft(&lab.client, &rule("output"));
            (&lab.client, family.client())
        }
        Place::Itself => {
            nft(&lab.server, &rule("input"));
            (&lab.server, family.server())
        }
    };
    let dial = dial_from(from, &tcp(family.server()));
    let mut expect = Expect::new(row.1, row.2);
    if let Some((kind, code)) = row.3 {
        expect = expect.icmp(kind, code, said_by);
    }
    if row.1 == Timeout {
        expect.after_ms = if matches!(place, Place::Itself) { LOCAL_LIMIT } else { REMOTE_LIMIT };
        assert!(dial.retransmits > 0, "SYNs are sent again: {dial:#?}");
    }
    expect.hold(&dial);
    counted(place, family, row, &dial);
}

/// What the counters say of who answered.
fn counted(place: Place, family: Family, row: &Row, dial: &Dial) {
    if row.0.ends_with("tcp reset") {
        assert_eq!(dial.counter("Tcp.OutRsts"), Some(0), "a rule's RST is not TCP's: {dial:#?}");
    }
    let sent_here = matches!(place, Place::Itself | Place::ClientOutput);
    if row.3.is_some() && sent_here {
        let counter = if family == Family::V4 { "Icmp.OutDestUnreachs" } else { "Icmp6.OutDestUnreachs" };
        assert_eq!(dial.counter(counter), Some(1), "{dial:#?}");
    }
}

fn no_listener(family: Family) {
    let lab = Lab::new();
    let refused = Expect::new(Refused, Some("ECONNREFUSED"));
    let from_afar = dial_from(&lab.client, &tcp(family.server()));
    refused.hold(&from_afar);
    assert_eq!(from_afar.counter("Tcp.OutRsts"), Some(0), "the other host sent it: {from_afar:#?}");
    assert_eq!(from_afar.source.map(|s| s.ip()), Some(family.client()));
    for own in [family.server(), family.loopback()] {
        let dial = dial_from(&lab.server, &tcp(own));
        refused.hold(&dial);
        assert_eq!(dial.counter("Tcp.OutRsts"), Some(1), "this host's TCP sent it: {dial:#?}");
        assert!(dial.was_reset());
    }
}

fn answer_dropped(family: Family) {
    let lab = Lab::new();
    let _listening = servers::listen(&lab.server, family.server());
    nft(&lab.server, &chain("output", &format!("tcp sport {PORT} drop")));
    Expect::timeout(REMOTE_LIMIT).hold(&dial_from(&lab.client, &tcp(family.server())));
}

/// Rules on a device's ingress do not see what the host sends to itself.
fn ingress(family: Family, statement: &str, outcome: Outcome, errno: Option<&'static str>) {
    let lab = Lab::new();
    let _listening = servers::listen(&lab.server, family.server());
    nft(
        &lab.server,
        &format!(
            "table netdev t {{\n chain c {{\n type filter hook ingress device \"s0\" priority 0;\n tcp dport {PORT} {statement}\n }}\n}}\n"
        ),
    );
    let mut expect = Expect::new(outcome, errno);
    if outcome == Timeout {
        expect.after_ms = REMOTE_LIMIT;
    }
    expect.hold(&dial_from(&lab.client, &tcp(family.server())));
    Expect::new(Open, None).hold(&dial_from(&lab.server, &tcp(family.server())));
}

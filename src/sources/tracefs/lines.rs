//! The lines of a trace: who ran, when, and what the kernel said. Pure, and safe on any bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::facts::watched::Word;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Thread that ran; what a device interrupts belongs to it as well.
    pub thread: i32,
    /// When, by the clock of the trace.
    pub at: Duration,
    /// What happened.
    pub event: Event,
    /// Why, in the kernel's word.
    pub reason: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet was dropped.
    Drop {
        /// Its stand-in for an address in memory.
        packet: String,
        /// Function it happened in.
        place: Option<String>,
    },
    /// TCP sent a RST.
    Reset {
        /// The packet it answers.
        packet: String,
        /// Both ends.
        ends: (SocketAddr, SocketAddr),
    },
}

/// Reads the lines of a trace; what is none, or of another event, is left out.
pub fn lines(trace: &[u8]) -> Vec<Line> {
    trace.split(|b| *b == b'\n').filter_map(line).collect()
}

/// `            curl-4711    [000] ..s1.  2518.332184: tcp_send_reset: skbaddr=...`: 16 columns for the name, which may
/// be anything and so is not looked at.
fn line(bytes: &[u8]) -> Option<Line> {
    const NAME: usize = 16;
    if bytes.get(NAME) != Some(&b'-') {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(NAME + 1..)?).ok()?;
    let (head, payload) = text.split_once(": ")?;
    let mut words = head.split_whitespace();
    let thread = words.next()?.parse().ok()?;
    let at = time(words.next_back()?)?;
    let (event, payload) = payload.split_once(": ")?;
    let packet = value(payload, "skbaddr=")?.to_owned();
    let event = match event {
        "kfree_skb" => Event::Drop { packet, place: place(payload) },
        "tcp_send_reset" => {
            let end = |name| Some(canonical(value(payload, name)?.parse().ok()?));
            Event::Reset { packet, ends: (end("src=")?, end("dest=")?) }
        }
        _ => return None,
    };
    // One event writes `reason: X`, the other `reason=X`.
    let reason = payload
        .split_once("reason")
        .and_then(|(_, rest)| rest.trim_start_matches([':', '=', ' ']).split_whitespace().next());
    Some(Line { thread, at, event, reason: reason.map(str::to_owned) })
}

/// Seconds with six decimals.
fn time(text: &str) -> Option<Duration> {
    let (seconds, micros) = text.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let micros: u64 = micros.parse().ok()?;
    Duration::from_secs(seconds.parse().ok()?).checked_add(Duration::from_micros(micros))
}

fn value<'a>(payload: &'a str, name: &str) -> Option<&'a str> {
    payload.split_whitespace().find_map(|word| word.strip_prefix(name))
}

/// `location=nf_hook_slow+0xb3/0xd0`; older kernels write an address instead, which says nothing.
fn place(payload: &str) -> Option<String> {
    let name = value(payload, "location=")?.split('+').next()?;
    let number = name.trim_start_matches("0x").bytes().all(|b| b.is_ascii_hexdigit());
    (!number).then(|| name.to_owned())
}

fn canonical(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(at.ip().to_canonical(), at.port())
}

/// The attempt whose packets are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Thread that made it, and nothing else meanwhile.
    pub thread: i32,
    /// When it began, by the clock of the trace.
    pub began: Duration,
    /// Our own end, where the kernel chose one.
    pub source: Option<SocketAddr>,
}

/// What was said about exactly this attempt: RSTs to or from its own end, the packets these answer, and what was dropped
/// while its thread ran. On their way to this host packets are passed on by the thread that sends them.
pub fn words(lines: &[Line], attempt: &Attempt) -> Vec<Word> {
    let source = attempt.source.map(canonical);
    let ours = |end: &SocketAddr| source.is_some_and(|ours| same_end(ours, *end));
    let answered: Vec<&str> = lines
        .iter()
        .filter_map(|line| match &line.event {
            Event::Reset { packet, ends: (one, other) } if ours(one) || ours(other) => Some(packet.as_str()),
            Event::Reset { .. } | Event::Drop { .. } => None,
        })
        .collect();
    let of_it = |line: &&Line| match &line.event {
        Event::Reset { ends: (one, other), .. } => ours(one) || ours(other),
        Event::Drop { packet, .. } => line.thread == attempt.thread || answered.contains(&packet.as_str()),
    };
    let word = |line: &Line| {
        let (event, place) = match &line.event {
            Event::Reset { .. } => ("tcp_send_reset", None),
            Event::Drop { place, .. } => ("kfree_skb", place.clone()),
        };
        let after = line.at.checked_sub(attempt.began)?;
        Some(Word { event: event.into(), reason: line.reason.clone(), place, after })
    };
    lines.iter().filter(of_it).filter_map(word).collect()
}

/// Our end as TCP sees it; a socket that is not bound to an address has the port alone.
fn same_end(ours: SocketAddr, end: SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    ours.port() == end.port() && (ours.ip() == end.ip() || any(ours.ip()) || any(end.ip()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Of a 6.18 kernel; the last three of older ones.
    const TRACE: &str = "# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
         python3-24455   [000] ..s1.  2518.332184: tcp_send_reset: skbaddr=000000000c80c965 skaddr=0000000000000000 src=127.0.0.1:9 dest=127.0.0.1:47628 state=UNKNOWN reason=NO_SOCKET
          <idle>-0       [000] ..s1.  2518.332218: kfree_skb: skbaddr=000000000c80c965 rx_sk=0000000000000000 protocol=2048 location=tcp_v4_rcv+0x91/0x13f0 reason: NO_SOCKET
CPU:1 [LOST 12 EVENTS]
 a b]: x-1 [00: -24455   [001] ..s1.  2518.332511: tcp_send_reset: skbaddr=000000000c80c966 skaddr=0000000000000000 src=[::1]:9 dest=[::1]:32972 state=UNKNOWN reason=NO_SOCKET
         python3-24455   [001] b.s1.  2518.400000: kfree_skb: skbaddr=000000000c80c967 rx_sk=0000000000000000 protocol=2048 location=nf_hook_slow+0xb3/0xd0 [nf] reason: NETFILTER_DROP
         another-24456   [001] b.s1.  2518.400001: kfree_skb: skbaddr=000000000c80c968 rx_sk=0000000000000000 protocol=2048 location=nf_hook_slow+0xb3/0xd0 reason: NETFILTER_DROP
         python3-24455   [000] ..s1   2518.500000: kfree_skb: skbaddr=00000000d4f67f3c protocol=2048 location=00000000a1b2c3d4 reason: TCP_CSUM
         python3-24455   [000] ..s1   2518.500001: kfree_skb: skbaddr=00000000d4f67f3c protocol=2048 location=0xffffffff81a2b3c4
         python3-24455   [000] ..s1   2518.500002: tcp_send_reset: skbaddr=00000000d4f67f3c skaddr=00000000a1b2c3d4 src=[::ffff:127.0.0.1]:9 dest=[::ffff:127.0.0.1]:47628 state=TCP_LISTEN
";

    fn attempt() -> Attempt {
        Attempt { thread: 24455, began: Duration::from_secs(2518), source: Some(([127, 0, 0, 1], 47628).into()) }
    }

    #[test]
    fn every_line_of_both_events_is_read_whatever_the_program_is_called() {
        let all = lines(TRACE.as_bytes());
        assert_eq!(all.len(), 8);
        let reasons: Vec<_> = all.iter().map(|l| l.reason.as_deref().unwrap_or("-")).collect();
        let drop = "NETFILTER_DROP";
        assert_eq!(reasons, ["NO_SOCKET", "NO_SOCKET", "NO_SOCKET", drop, drop, "TCP_CSUM", "-", "-"]);
        assert_eq!(all[0].at, Duration::from_micros(2_518_332_184));
        let place = |line: &Line| if let Event::Drop { place, .. } = &line.event { place.clone() } else { None };
        let places: Vec<_> = all.iter().filter_map(place).collect();
        assert_eq!(places, ["tcp_v4_rcv", "nf_hook_slow", "nf_hook_slow"], "an address in memory is no place");
    }

    #[test]
    fn only_what_is_ours_is_told() {
        let told = words(&lines(TRACE.as_bytes()), &attempt());
        let shown: Vec<_> =
            told.iter().map(|w| (w.event.as_str(), w.reason.as_deref().unwrap_or("-"), w.after.as_micros())).collect();
        assert_eq!(
            shown,
            [
                ("tcp_send_reset", "NO_SOCKET", 332_184),
                ("kfree_skb", "NO_SOCKET", 332_218), // in another thread, but the packet the RST answers
                ("kfree_skb", "NETFILTER_DROP", 400_000),
                ("kfree_skb", "TCP_CSUM", 500_000),
                ("kfree_skb", "-", 500_001),
                ("tcp_send_reset", "-", 500_002),
            ]
        );
        let later = Attempt { began: Duration::from_secs(2519), ..attempt() };
        assert_eq!(words(&lines(TRACE.as_bytes()), &later), [], "what came before is no part of it");
    }

    #[test]
    fn a_program_cannot_write_lines_of_its_own() {
        // A name may hold a newline: what follows it stands too far left.
        let forged = "               x\n-1 [000] ..s1. 2518.400000: kfree_skb: skbaddr=1 reason: NO_SOCKET\n";
        assert_eq!(lines(forged.as_bytes()), []);
    }

    proptest! {
        #[test]
        fn spoiled_traces_are_read_to_their_end(at in 0..TRACE.len(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = TRACE.as_bytes().to_vec();
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let read = lines(&bytes);
            prop_assert!(read.len() <= 9);
            prop_assert!(words(&read, &attempt()).len() <= read.len());
        }
    }
}

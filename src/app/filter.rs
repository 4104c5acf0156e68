//! What finds listeners: `port:80 unit:nginx addr:127* -proto:udp state:new "two words"`. All terms must hold.
//!
//! ```text
//! port:80  port:8000-8999  port:80,443     proto:tcp  proto:udp      state:new  state:gone  state:full
//! unit:nginx  unit:*.socket                addr:127*  addr:any       user:root  user:1000  pid:812
//! word  "two words"  *:80                  -unit:ssh: what must not hold
//! ```

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::table::Fate;
use crate::facts::socket::{Listener, Owner, Transport};

/// A filter. Without terms everything holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    not: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Word(Pattern),
    Port(Vec<RangeInclusive<u16>>),
    Unit(Pattern),
    Address(Address),
    Proto(Transport),
    User(u32),
    Pid(u32),
    State(State),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    /// This one.
    Is(IpAddr),
    /// All addresses of the host.
    Any,
    /// One that looks like this.
    Like(Pattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Gone,
    Full,
}

/// A text in lower case: contained, or with `*` for anything, from the beginning to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(String);

/// A socket, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Socket<'a> {
    /// The socket.
    pub listener: &'a Listener,
    /// Its address as ss prints it.
    pub shown: &'a str,
    /// Whose it is, where that is known.
    pub owner: Option<&'a Owner>,
    /// What became of it.
    pub fate: Fate,
}

/// The names of terms, with what they take.
const NAMES: &str = "port, unit, addr, proto, user, pid, state";

impl Filter {
    /// Reads what was typed, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        words(text).iter().map(Term::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Those terms that can be read, whatever the others are: what holds while a line is typed.
    pub fn readable(text: &str) -> Self {
        Self(words(text).iter().filter_map(|word| Term::parse(word).ok()).collect())
    }

    /// Does everything hold?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Do all terms hold?
    pub fn holds(&self, socket: Socket<'_>) -> bool {
        self.0.iter().all(|term| term.test.holds(socket) != term.not)
    }
}

/// A word of the line, and whether its beginning may be the name of a term.
struct Word {
    text: String,
    not: bool,
    quoted: bool,
}

/// The words; blanks within quotes are part of them, and the last quote need not be closed.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            return words;
        }
        let not = letters.next_if_eq(&'-').is_some();
        let quoted = letters.peek() == Some(&'"');
        let mut word = Word { text: String::new(), not, quoted };
        let mut inside = false;
        while let Some(c) = letters.next_if(|c| inside || !c.is_whitespace()) {
            if c == '"' { inside = !inside } else { word.text.push(c) }
        }
        // What is only begun does not ask for anything yet.
        if !word.text.is_empty() {
            words.push(word);
        }
    }
}

impl Term {
    fn parse(word: &Word) -> Result<Self, String> {
        let of = |test| Ok(Self { not: word.not, test });
        let Some((name, value)) = named(word) else { return of(Test::Word(Pattern::of(&word.text))) };
        if value.is_empty() && NAMES.split(", ").any(|known| known == name) {
            return Err(format!("{name}: takes {}", takes(&name)));
        }
        let wrong = || format!("{name}:{value} is none: {name}: takes {}", takes(&name));
        let lower = value.to_lowercase();
        of(match name.as_str() {
            "port" => Test::Port(ports(value).ok_or_else(wrong)?),
            "unit" => Test::Unit(Pattern::of(value)),
            "addr" => Test::Address(address(value)),
            "proto" if lower == "tcp" => Test::Proto(Transport::Tcp),
            "proto" if lower == "udp" => Test::Proto(Transport::Udp),
            "user" if lower == "root" => Test::User(0),
            "user" => Test::User(value.parse().map_err(|_| wrong())?),
            "pid" => Test::Pid(value.parse().map_err(|_| wrong())?),
            "state" if lower == "new" => Test::State(State::New),
            "state" if lower == "gone" => Test::State(State::Gone),
            "state" if lower == "full" => Test::State(State::Full),
            "proto" | "state" => return Err(wrong()),
            _ => return Err(format!("{name}: is nothing to filter by: {NAMES}, or a word")),
        })
    }
}

/// The name before a colon, and what follows. What can only be a part of an address is none.
fn named(word: &Word) -> Option<(String, &str)> {
    let (name, value) = word.text.split_once(':').filter(|_| !word.quoted)?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
    let of_address = value.starts_with(':') || name.chars().all(|c| c.is_ascii_hexdigit());
    (is_name && !of_address).then(|| (name.to_lowercase(), value))
}

fn takes(name: &str) -> &'static str {
    match name {
        "port" => "80, 8000-8999 or 80,443",
        "unit" => "a part of a name, or nginx*",
        "addr" => "an address, 127* or any",
        "proto" => "tcp or udp",
        "user" => "root or a number such as 1000",
        "pid" => "a number",
        _ => "new, gone or full",
    }
}

/// `80`, `8000-8999`, `8000-`, `80,443`.
fn ports(value: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let range = |part: &str| match part.split_once('-') {
        None => part.parse().ok().map(|port: u16| port..=port),
        Some((from, "")) => from.parse().ok().map(|from: u16| from..=u16::MAX),
        Some((from, to)) => {
            let (from, to) = (from.parse::<u16>().ok()?, to.parse::<u16>().ok()?);
            (from <= to).then_some(from..=to)
        }
    };
    // A list that is being typed ends in a comma.
    value.strip_suffix(',').unwrap_or(value).split(',').map(range).collect()
}

fn address(value: &str) -> Address {
    if value.eq_ignore_ascii_case("any") {
        return Address::Any;
    }
    let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    bare.parse().map_or_else(|_| Address::Like(Pattern::of(value)), Address::Is)
}

impl Test {
    fn holds(&self, socket: Socket<'_>) -> bool {
        let Socket { listener, shown, owner, fate } = socket;
        let processes = owner.map(|owner| owner.processes.as_slice()).unwrap_or_default();
        let unit = owner.and_then(|owner| owner.unit.as_deref());
        match self {
            Self::Word(pattern) => {
                pattern.fits(shown)
                    || pattern.fits(listener.transport.word())
                    || unit.is_some_and(|unit| pattern.fits(unit))
                    || processes.iter().any(|process| pattern.fits(&process.name))
            }
            Self::Port(ranges) => ranges.iter().any(|range| range.contains(&listener.port)),
            Self::Unit(pattern) => unit.is_some_and(|unit| pattern.fits(unit)),
            Self::Address(Address::Is(ip)) => listener.address.to_canonical() == ip.to_canonical(),
            Self::Address(Address::Any) => listener.address.is_unspecified(),
            Self::Address(Address::Like(pattern)) => pattern.fits(&listener.address.to_string()),
            Self::Proto(transport) => listener.transport == *transport,
            Self::User(uid) => listener.uid == *uid,
            Self::Pid(pid) => processes.iter().any(|process| process.pid == *pid),
            Self::State(State::New) => matches!(fate, Fate::New(_) | Fate::Changed(_)),
            Self::State(State::Gone) => fate == Fate::Gone,
            Self::State(State::Full) => listener.transport == Transport::Tcp && listener.queue > listener.backlog,
        }
    }
}

impl Pattern {
    fn of(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut parts = self.0.split('*');
        let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else { return text.contains(&self.0) };
        let Some(rest) = text.strip_prefix(first) else { return false };
        let Some(mut rest) = rest.strip_suffix(last) else { return false };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::socket::Process;

    fn listener(address: &str, port: u16) -> Listener {
        Listener {
            transport: Transport::Tcp,
            address: address.parse().unwrap(),
            port,
            v6only: None,
            device: None,
            queue: 0,
            backlog: 128,
            uid: 0,
            inode: 1,
            cgroup: None,
        }
    }

    fn nginx() -> Owner {
        let process = Process { pid: 812, name: "nginx".into(), command: String::new(), started_at: 0, started: 0 };
        Owner { unit: Some("nginx.service".into()), processes: vec![process], ..Owner::default() }
    }

    fn holds(filter: &str) -> bool {
        let (listener, owner) = (listener("127.0.0.1", 8080), nginx());
        let shown = listener.shown();
        let socket = Socket { listener: &listener, shown: &shown, owner: Some(&owner), fate: Fate::New(5) };
        Filter::parse(filter).unwrap_or_else(|wrong| panic!("{filter}: {wrong}")).holds(socket)
    }

    #[test]
    fn every_term_holds_where_it_should() {
        for filter in [
            "",
            "  ",
            "port:8080",
            "port:8000-8999",
            "port:8000-",
            "port:80,8080",
            "unit:NGINX",
            "unit:nginx*",
            "unit:*.service",
            "addr:127*",
            "addr:127.0.0.1",
            "addr:0.0",
            "proto:tcp",
            "user:root",
            "user:0",
            "pid:812",
            "state:new",
            "-unit:ssh",
            "-state:gone",
            "nginx",
            "\"127.0.0.1:8080\"",
            "127*",
            "*:8080",
            ":80",
            "-",
            "\"",
            "port:8080 unit:nginx addr:127* -proto:udp user:root pid:812 state:new -unit:ssh nginx",
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in [
            "port:80",
            "port:1-8079",
            "-port:8080",
            "unit:ssh",
            "unit:ginx*",
            "addr:10*",
            "addr:any",
            "addr:127.0.0.10",
            "proto:udp",
            "user:1000",
            "pid:81",
            "state:gone",
            "state:full",
            "two words",
            "\"two words\"",
            "nginx -tcp",
            "10*",
        ] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn what_looks_like_an_address_is_a_word() {
        for text in ["[::1]:80", "::1", "fe80::1", "fe::1", "abc:80", "10.0.0.1:80", "\"port:80\""] {
            assert!(matches!(Filter::parse(text).as_ref().map(|f| &f.0[0].test), Ok(Test::Word(_))), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        for (text, wrong) in [
            ("port:http", "port:http is none: port: takes 80, 8000-8999 or 80,443"),
            ("port:9-8", "port:9-8 is none: port: takes 80, 8000-8999 or 80,443"),
            ("port:", "port: takes 80, 8000-8999 or 80,443"),
            ("proto:sctp", "proto:sctp is none: proto: takes tcp or udp"),
            ("user:ops", "user:ops is none: user: takes root or a number such as 1000"),
            ("nginx host:x", "host: is nothing to filter by: port, unit, addr, proto, user, pid, state, or a word"),
        ] {
            assert_eq!(Filter::parse(text), Err(wrong.into()), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_breaks_it_and_more_terms_never_find_more(
            one in "(-?(port|unit|addr|proto|user|pid|state|x):)?[a-z0-9*\\-,.:\" \\PC]{0,12}",
            two in "-?(port:[0-9]{1,4}|unit:[a-z*]{1,4}|[a-z*\"]{1,3})",
            port: u16,
        ) {
            let (listener, owner) = (listener("127.0.0.1", port), nginx());
            let shown = listener.shown();
            let socket = Socket { listener: &listener, shown: &shown, owner: Some(&owner), fate: Fate::Stands };
            // An open quote takes what follows into its word.
            prop_assume!(one.matches('"').count() % 2 == 0);
            if let (Ok(first), Ok(both)) = (Filter::parse(&one), Filter::parse(&format!("{one} {two}"))) {
                prop_assert!(first.holds(socket) || !both.holds(socket), "{} {}", one, two);
                prop_assert_eq!(first.holds(socket), Filter::parse(&one).unwrap().holds(socket));
            }
        }

        #[test]
        fn a_pattern_without_stars_is_contained_and_with_them_fits_its_own_text(text in "[a-c]{0,6}", cut in 0_usize..6) {
            let cut = cut.min(text.len());
            let (front, end) = text.split_at(cut);
            prop_assert!(Pattern::of(front).fits(&text) && Pattern::of(end).fits(&text));
            let starred = format!("{front}*{end}");
            prop_assert!(Pattern::of(&starred).fits(&text));
        }
    }
}

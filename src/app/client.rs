//! The line that a client's address is typed into: whose way through the rules is shown.

use std::net::{IpAddr, SocketAddr};

use crate::target::From;

/// The line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// What was typed.
    pub typed: String,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

/// The longest that makes sense: an IPv6 address, and room to see a mistake.
const LONGEST: usize = 60;

impl Line {
    /// Changes what was typed.
    pub fn edit(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.typed);
        while self.typed.chars().count() > LONGEST {
            self.typed.pop();
        }
        self.wrong = None;
    }

    /// Who is meant; none for an empty line.
    pub fn client(&self, to: Option<SocketAddr>) -> Result<Option<From>, String> {
        match self.typed.trim() {
            "" => Ok(None),
            "any" => Ok(Some(From::Any)),
            "here" => Ok(Some(From::Here)),
            text => address(text, to).map(|address| Some(From::Address(address))),
        }
    }
}

/// The address of a client, or what is wrong with it.
fn address(text: &str, to: Option<SocketAddr>) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let Ok(address) = bare.parse::<IpAddr>() else { return Err(no_address(text)) };
    let address = address.to_canonical();
    let nobody = match address {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    if nobody {
        return Err(format!("no client has the address {address}"));
    }
    match to.map(|to| to.ip().to_canonical()) {
        Some(to) if to.is_ipv4() != address.is_ipv4() => {
            let family = |ip: IpAddr| if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            Err(format!("{address} is {}, the target is {}", family(address), family(to)))
        }
        _ => Ok(address),
    }
}

/// What a text is that is no address.
fn no_address(text: &str) -> String {
    let before = |c: char| text.split_once(c).and_then(|(address, _)| address.parse::<IpAddr>().ok());
    if let Some(address) = before('/') {
        return format!("{text} is a network: one address of it, such as {address}");
    }
    if let Ok(at) = text.parse::<SocketAddr>() {
        return format!("the address alone, without a port: {}", at.ip());
    }
    if let Some(address) = before('%') {
        return format!("the address alone, without an interface: {address}");
    }
    let dotted = |c: char| c.is_ascii_digit() || c == '.';
    if text.chars().all(dotted) {
        return format!("{text} is no IPv4 address: four numbers from 0 to 255");
    }
    if text.contains(':') {
        return format!("{text} is no IPv6 address");
    }
    format!("{text} is no address: 203.0.113.7 or 2001:db8::7")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str, to: &str) -> Result<Option<From>, String> {
        Line { typed: text.into(), wrong: None }.client(Some(to.parse().unwrap()))
    }

    #[test]
    fn addresses_and_words_are_understood() {
        let is = |text: &str, to: &str, ip: &str| {
            assert_eq!(client(text, to), Ok(Some(From::Address(ip.parse().unwrap()))), "{text}");
        };
        is(" 203.0.113.7 ", "10.0.0.1:80", "203.0.113.7");
        is("[2001:db8::7]", "[2001:db8::1]:80", "2001:db8::7");
        is("::ffff:10.1.2.3", "10.0.0.1:80", "10.1.2.3");
        assert_eq!(client("", "10.0.0.1:80"), Ok(None));
        assert_eq!(client("any", "10.0.0.1:80"), Ok(Some(From::Any)));
        assert_eq!(client("here", "10.0.0.1:80"), Ok(Some(From::Here)));
    }

    #[test]
    fn what_is_wrong_is_said_exactly() {
        for (text, wrong) in [
            ("10.0.0.0/8", "10.0.0.0/8 is a network: one address of it, such as 10.0.0.0"),
            ("10.0.0.9:80", "the address alone, without a port: 10.0.0.9"),
            ("[2001:db8::7]:80", "the address alone, without a port: 2001:db8::7"),
            ("fe80::1%eth0", "the address alone, without an interface: fe80::1"),
            ("10.0.0.256", "10.0.0.256 is no IPv4 address: four numbers from 0 to 255"),
            ("2001:db8:::7", "2001:db8:::7 is no IPv6 address"),
            ("web1", "web1 is no address: 203.0.113.7 or 2001:db8::7"),
            ("0.0.0.0", "no client has the address 0.0.0.0"),
            ("ff02::1", "no client has the address ff02::1"),
            ("2001:db8::7", "2001:db8::7 is IPv6, the target is IPv4"),
        ] {
            assert_eq!(client(text, "10.0.0.1:80"), Err(wrong.into()), "{text}");
        }
        let v6 = client("10.0.0.9", "[2001:db8::1]:80");
        assert_eq!(v6, Err("10.0.0.9 is IPv4, the target is IPv6".into()));
    }

    #[test]
    fn a_line_does_not_grow_without_end() {
        let mut line = Line { typed: String::new(), wrong: Some("wrong".into()) };
        line.edit(|typed| typed.push_str(&"1".repeat(500)));
        assert_eq!((line.typed.len(), line.wrong), (LONGEST, None));
    }
}

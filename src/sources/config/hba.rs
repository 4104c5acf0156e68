//! Whom PostgreSQL lets in: the lines of pg_hba.conf, and of what it includes.

use std::net::IpAddr;

use super::files::{Files, absolute, dir_of};
use super::reader::{lines, origin};
use super::words::{Comments, Quoting, split};
use crate::facts::beyond::{HbaClients, HbaLine};
use crate::facts::routing::Prefix;

/// As the server itself.
const DEEPEST: usize = 10;
/// Lines, those of included files counted too.
const MOST: usize = 10_000;

/// The lines about TCP clients. None: they could not be read, or are not understood. Only root and the server may read
/// the file on most systems, so that is no gap of what is known of where it listens.
pub(super) fn read(files: &dyn Files, path: &str) -> Option<Vec<HbaLine>> {
    let mut found = Vec::new();
    file(files, path, 0, &mut found)?;
    Some(found)
}

fn file(files: &dyn Files, path: &str, depth: usize, found: &mut Vec<HbaLine>) -> Option<()> {
    if depth >= DEEPEST {
        return None;
    }
    let text = files.read(path).ok()?;
    let mut before = String::new();
    for (number, line) in lines(&text) {
        // A backslash at its end goes on in the next line.
        if let Some(part) = line.strip_suffix('\\') {
            before.push_str(part);
            continue;
        }
        let whole = std::mem::take(&mut before) + line;
        let words = joined(split(&whole, Quoting { escapes: false, comments: Comments::Anywhere }));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] | ["local", ..] => {}
            ["include" | "include_if_exists" | "include_dir", other] => {
                included(files, words.first()?, &absolute(dir_of(path), other), depth + 1, found)?;
            }
            [kind, databases, users, rest @ ..] => {
                let entry = entry(kind, databases, users, rest, |text| origin(path, number, text))?;
                found.push(entry);
            }
            _ => return None,
        }
        if found.len() > MOST {
            return None;
        }
    }
    Some(())
}

fn included(files: &dyn Files, how: &str, path: &str, depth: usize, found: &mut Vec<HbaLine>) -> Option<()> {
    if how != "include_dir" {
        return if how == "include" || files.exists(path) { file(files, path, depth, found) } else { Some(()) };
    }
    for entry in files.list(path).ok()? {
        if entry.name.strip_suffix(".conf").is_some_and(|name| !name.starts_with('.')) {
            file(files, &format!("{path}/{}", entry.name), depth, found)?;
        }
    }
    Some(())
}

fn entry(
    kind: &str,
    databases: &str,
    users: &str,
    rest: &[&str],
    by: impl Fn(&str) -> crate::facts::daemon::Origin,
) -> Option<HbaLine> {
    if !["host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"].contains(&kind) {
        return None;
    }
    let (clients, method) = clients_and_method(rest)?;
    let name = |words| if words == "all" { "all" } else { "…" };
    let text = format!("{kind} {} {} {} {method}", name(databases), name(users), shown(&clients));
    let everyone = kind == "host" && databases == "all" && users == "all";
    Some(HbaLine { everyone, clients, method: method.to_owned(), by: by(&text) })
}

/// A list goes on behind a comma.
fn joined(words: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        match all.last_mut() {
            Some(last) if last.ends_with(',') || word.starts_with(',') => last.push_str(&word),
            _ => all.push(word),
        }
    }
    all
}

fn clients_and_method<'a>(words: &[&'a str]) -> Option<(HbaClients, &'a str)> {
    let (first, rest) = words.split_first()?;
    let clients = match *first {
        "all" => HbaClients::All,
        "samehost" => HbaClients::SameHost,
        "samenet" => HbaClients::SameNet,
        word => {
            if let Ok(address) = word.parse() {
                // Its mask is a word of its own.
                let (mask, rest) = rest.split_first()?;
                let net = bits(mask.parse().ok()?).map(|bits| Prefix::new(address, bits));
                return Some((net.map_or(HbaClients::Other, HbaClients::Net), rest.first()?));
            }
            word.parse().map_or(HbaClients::Other, HbaClients::Net)
        }
    };
    Some((clients, rest.first()?))
}

/// The length of a mask whose ones all come first.
fn bits(mask: IpAddr) -> Option<u8> {
    let (ones, first) = match mask {
        IpAddr::V4(mask) => (u32::from(mask).count_ones(), u32::from(mask).leading_ones()),
        IpAddr::V6(mask) => (u128::from(mask).count_ones(), u128::from(mask).leading_ones()),
    };
    if ones == first { u8::try_from(ones).ok() } else { None }
}

fn shown(clients: &HbaClients) -> String {
    match clients {
        HbaClients::All => "all".into(),
        HbaClients::SameHost => "samehost".into(),
        HbaClients::SameNet => "samenet".into(),
        HbaClients::Net(net) => net.to_string(),
        HbaClients::Other => "…".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::*;

    const FILE: &str = "/etc/postgresql/15/main/pg_hba.conf";

    fn told(text: &str) -> Option<Vec<String>> {
        let files =
            Memory::default().file(FILE, text).file("/etc/postgresql/15/main/more.conf", "host all all all md5\n");
        let lines = read(&files, FILE)?;
        let line = |line: &HbaLine| {
            let mark = if line.everyone { " *" } else { "" };
            format!("{} {}{mark}", line.by.line, line.by.text)
        };
        Some(lines.iter().map(line).collect())
    }

    #[test]
    fn lines_of_every_kind() {
        let text = "# TYPE\nlocal all postgres peer\nhost all all 127.0.0.1/32 scram-sha-256\n\
                    hostssl shop, \"my db\" +staff 10.1.0.0 255.255.0.0 cert map=x # here\n\
                    host all \\\n all samenet ldap ldapbindpasswd=secret\nhost all all .shop.example reject\n\
                    include more.conf\ninclude_if_exists none.conf\n";
        assert_eq!(
            told(text).unwrap(),
            [
                "3 host all all 127.0.0.1/32 scram-sha-256 *",
                "4 hostssl … … 10.1.0.0/16 cert",
                "6 host all all samenet ldap *",
                "7 host all all … reject *",
                "1 host all all all md5 *",
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_not_known() {
        for text in ["hosts all all all md5\n", "host all all 10.0.0.0/8\n", "host all\n", "include pg_hba.conf\n"] {
            assert_eq!(told(text), None, "{text}");
        }
        assert_eq!(read(&Memory::default().denied(FILE), FILE), None);
    }
}

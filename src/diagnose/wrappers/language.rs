//! The language of hosts.allow and hosts.deny (hosts_access(5), hosts_options(5)), read as libwrap on Debian reads it.
//!
//! What cannot be known (netgroups, what a command answers, who the client's user is) stays unknown, and only matters
//! where it decides.

use std::net::IpAddr;

use super::options::{self, Told};
use super::patterns::{self, Truth};
use crate::facts::wrappers::{ClientName, HostsAccess};

/// Longest logical line that libwrap reads, in bytes.
const LONGEST: usize = 2048;

/// Who asks whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The name of the daemon; none where it is not known.
    pub(super) daemon: Option<&'a str>,
    /// Its port.
    pub(super) port: u16,
    /// The address that was connected to.
    pub(super) server: Option<IpAddr>,
    /// The client.
    pub(super) client: Client<'a>,
    /// The files that lines may name.
    pub(super) files: &'a HostsAccess,
}

/// The client.
#[derive(Debug, Clone, Copy)]
pub(super) enum Client<'a> {
    /// An arbitrary one, which no line names.
    Any,
    /// This address, and its name if that was looked up.
    Address(IpAddr, Option<&'a ClientName>),
}

/// What libwrap does with the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// It lets it in, by this line or because no line is about it.
    Granted(Option<At>),
    /// It turns it away.
    Denied(At),
    /// It cannot be told.
    Unknown {
        /// Why, as a clause.
        why: String,
        /// The name of the client would tell.
        name: bool,
    },
}

/// A line of one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    /// Which file.
    pub(super) file: &'static str,
    /// Number of its first line, from 1.
    pub(super) line: u32,
    /// The whole of it, continuation lines joined.
    pub(super) text: String,
    /// It runs a command.
    pub(super) runs: bool,
}

/// The files, in the order in which they are read.
pub(super) const ALLOW: &str = "/etc/hosts.allow";
pub(super) const DENY: &str = "/etc/hosts.deny";

/// What libwrap does.
pub(super) fn access(asked: &Asked<'_>) -> Access {
    let lines = [(ALLOW, &asked.files.allow), (DENY, &asked.files.deny)]
        .into_iter()
        .flat_map(|(file, text)| rules(file, text.as_deref().unwrap_or_default()));
    from(&mut lines.collect::<Vec<_>>().into_iter(), asked)
}

/// What the rest of the lines says. A line of which it cannot be told whether it fits only matters where the rest says
/// something else.
fn from(rest: &mut std::vec::IntoIter<Rule>, asked: &Asked<'_>) -> Access {
    let mut doubts: Vec<(Access, String, bool)> = Vec::new();
    let mut result = Access::Granted(None);
    for rule in rest {
        match rule.fits(asked) {
            Truth::No => {}
            Truth::Yes => {
                result = rule.result();
                break;
            }
            Truth::Unknown { why, name } => doubts.push((rule.result(), why, name)),
        }
    }
    for (maybe, why, name) in doubts.into_iter().rev() {
        result = match (&maybe, &result) {
            (Access::Granted(_), Access::Granted(_)) | (Access::Denied(_), Access::Denied(_)) => result,
            _ => Access::Unknown { why, name },
        };
    }
    result
}

/// A line that is a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) at: At,
    pub(super) daemons: String,
    pub(super) clients: String,
    options: Option<String>,
    /// What it does cannot be told.
    unclear: bool,
}

/// The rules of a file. A line without a colon is none.
pub(super) fn rules(file: &'static str, text: &str) -> Vec<Rule> {
    logical(text).into_iter().filter_map(|(line, text)| rule(file, line, &text)).collect()
}

/// The logical lines with the numbers of their first lines. A newline after a backslash does not end one, the end of what
/// libwrap reads at a time does.
fn logical(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut begun: Option<(u32, String)> = None;
    for (number, line) in (1_u32..).zip(text.split_inclusive('\n')) {
        let (_, whole) = begun.get_or_insert_with(|| (number, String::new()));
        whole.push_str(line);
        if whole.ends_with("\\\n") {
            whole.truncate(whole.len() - 2);
        } else if whole.ends_with('\n') {
            lines.extend(begun.take());
        }
    }
    lines.extend(begun.filter(|(_, last)| !last.is_empty()));
    lines.into_iter().flat_map(|(number, line)| pieces(line).into_iter().map(move |piece| (number, piece))).collect()
}

/// A line that is longer than libwrap reads at a time falls apart.
fn pieces(mut line: String) -> Vec<String> {
    let mut pieces = Vec::new();
    while line.len() >= LONGEST {
        let cut = (0..LONGEST).rev().find(|at| line.is_char_boundary(*at)).filter(|at| *at > 0).unwrap_or(line.len());
        let rest = line.split_off(cut);
        pieces.push(std::mem::replace(&mut line, rest));
    }
    pieces.push(line);
    pieces
}

fn rule(file: &'static str, line: u32, text: &str) -> Option<Rule> {
    if !text.ends_with('\n') {
        // libwrap does not know what it would say, and plays safe (measured: also of a comment).
        let begin: String = text.trim_end().chars().take(60).collect();
        // In hosts.allow it leaves such a line out; of one that is too long it then reads the rest as another.
        let too_long = text.len() + 1 >= LONGEST;
        let at = At {
            file,
            line,
            text: format!("{begin} (without a newline at its end, or too long: libwrap turns everyone away)"),
            runs: false,
        };
        let everyone = || "ALL".to_owned();
        let (daemons, clients) = (everyone(), everyone());
        return (file == DENY || too_long).then_some(Rule {
            at,
            daemons,
            clients,
            options: None,
            unclear: file == ALLOW,
        });
    }
    if text.starts_with('#') || text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return None;
    }
    let (daemons, rest) = split_at(text, ':')?;
    let (clients, options) = match split_at(rest, ':') {
        Some((clients, options)) => (clients, Some(options.to_owned())),
        None => (rest, None),
    };
    let (daemons, clients) = (daemons.to_owned(), clients.to_owned());
    let runs = options.as_deref().is_some_and(options::runs);
    Some(Rule {
        at: At { file, line, text: text.trim_end().to_owned(), runs },
        daemons,
        clients,
        options,
        unclear: false,
    })
}

/// Cuts at the first delimiter that is not in brackets.
pub(super) fn split_at(text: &str, delimiter: char) -> Option<(&str, &str)> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            c if c == delimiter && depth == 0 => return Some((text.get(..at)?, text.get(at + c.len_utf8()..)?)),
            _ => {}
        }
    }
    None
}

impl Rule {
    fn fits(&self, asked: &Asked<'_>) -> Truth {
        list(&self.daemons, &|token| server(token, asked)).and(|| list(&self.clients, &|token| client(token, asked)))
    }

    /// Is it about this daemon, whoever the client is?
    pub(super) fn is_about(&self, asked: &Asked<'_>) -> bool {
        list(&self.daemons, &|token| server(token, asked)) == Truth::Yes
    }

    /// Does it fit, or may it?
    pub(super) fn may_fit(&self, asked: &Asked<'_>) -> bool {
        self.fits(asked) != Truth::No
    }

    /// Does it turn its clients away? None: it cannot be told.
    pub(super) fn denies(&self) -> Option<bool> {
        match self.result() {
            Access::Denied(_) => Some(true),
            Access::Granted(_) => Some(false),
            Access::Unknown { .. } => None,
        }
    }

    /// What is done with a client that it fits: what its options say, else what its file is for.
    fn result(&self) -> Access {
        if self.unclear {
            let why = format!("{}:{} is longer than libwrap reads at a time", self.at.file, self.at.line);
            return Access::Unknown { why, name: false };
        }
        let granted = || Access::Granted(Some(self.at.clone()));
        let told = self.options.as_deref().map_or(Told::Nothing, options::told);
        match told {
            Told::Allow => granted(),
            Told::Nothing if self.at.file == ALLOW => granted(),
            Told::Deny | Told::Nothing => Access::Denied(self.at.clone()),
            Told::Unknown(why) => {
                Access::Unknown { why: format!("{}:{}: {why}", self.at.file, self.at.line), name: false }
            }
        }
    }
}

/// The words of a list.
pub(super) fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty())
}

/// Does something of the list fit that no `EXCEPT` behind it takes out again?
fn list(text: &str, fits: &dyn Fn(&str) -> Truth) -> Truth {
    let words: Vec<&str> = words(text).collect();
    let mut truth = Truth::No;
    // `a EXCEPT b EXCEPT c` is a, unless it is b, unless that is c: from the end.
    for (index, part) in words.split(|word| word.eq_ignore_ascii_case("EXCEPT")).rev().enumerate() {
        let some = part.iter().fold(Truth::No, |so_far, word| so_far.or(|| fits(word)));
        truth = if index == 0 { some } else { some.and(|| truth.not()) };
    }
    truth
}

/// `daemon` or `daemon@host`.
fn server(token: &str, asked: &Asked<'_>) -> Truth {
    let (daemon, at) = split_past_first(token);
    let by_port = daemon.parse() == Ok(asked.port) && !daemon.starts_with('+');
    let by_name = match asked.daemon {
        _ if by_port || daemon.eq_ignore_ascii_case("ALL") => Truth::Yes,
        Some(name) => Truth::of(patterns::text(daemon, name)),
        None => Truth::unknown("the name by which the daemon asks libwrap is not known"),
    };
    let Some(at) = at else { return by_name };
    by_name.and(|| match asked.server {
        Some(address) => patterns::host(at, Client::Address(address, None), asked.files),
        None => Truth::unknown("the address that is connected to is not known"),
    })
}

/// `host` or `user@host`.
fn client(token: &str, asked: &Asked<'_>) -> Truth {
    let (user, at) = split_past_first(token);
    let Some(at) = at else { return patterns::host(token, asked.client, asked.files) };
    patterns::host(at, asked.client, asked.files).and(|| {
        if user.eq_ignore_ascii_case("ALL") {
            return Truth::Yes;
        }
        Truth::unknown("libwrap asks the client's own ident service who its user is")
    })
}

/// At an `@` that is not the first character.
fn split_past_first(token: &str) -> (&str, Option<&str>) {
    let first = token.chars().next().map_or(0, char::len_utf8);
    let Some((before, after)) = token.get(first..).and_then(|rest| split_at(rest, '@')) else { return (token, None) };
    (token.get(..first + before.len()).unwrap_or(token), Some(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allow: &str, deny: &str) -> HostsAccess {
        HostsAccess { allow: Some(allow.into()), deny: Some(deny.into()), ..HostsAccess::default() }
    }

    fn asks(files: &HostsAccess, client: Client<'_>) -> Access {
        let server = Some("10.2.0.2".parse().unwrap());
        access(&Asked { daemon: Some("sshd"), port: 22, server, client, files })
    }

    /// `+` granted, `-` denied, `?` unknown, and the line.
    fn told(allow: &str, deny: &str, client: &str) -> String {
        let files = hosts(allow, deny);
        let client = if client == "any" { Client::Any } else { Client::Address(client.parse().unwrap(), None) };
        let at = |at: &At| format!("{}:{}", at.file.trim_start_matches("/etc/hosts."), at.line);
        match asks(&files, client) {
            Access::Granted(None) => "+".into(),
            Access::Granted(Some(line)) => format!("+{}", at(&line)),
            Access::Denied(line) => format!("-{}", at(&line)),
            Access::Unknown { .. } => "?".into(),
        }
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        assert_eq!(told("", "", "10.1.0.2"), "+");
        assert_eq!(told("sshd: 10.1.\n", "ALL: ALL\n", "10.1.0.2"), "+allow:1");
        assert_eq!(told("sshd: 10.1.\n", "# no\n\nALL: ALL\n", "10.3.0.2"), "-deny:3");
        assert_eq!(told("vsftpd: ALL\nssh\\\nd: 10.1.\\\n0.2\n", "ALL: ALL\n", "10.1.0.2"), "+allow:2");
        assert_eq!(told("sshd: ALL: deny\n", "", "10.1.0.2"), "-allow:1");
        assert_eq!(told("", "sshd: ALL : spawn (x) & : allow\n", "10.1.0.2"), "+deny:1");
        assert_eq!(told("", "22: ALL\n", "10.1.0.2"), "-deny:1");
        assert_eq!(told("", "sshd@10.2.0.2: ALL\n", "10.1.0.2"), "-deny:1");
        assert_eq!(told("", "sshd@10.2.0.3: ALL\n", "10.1.0.2"), "+");
    }

    #[test]
    fn a_line_without_its_newline_is_left_out_of_one_file_and_turns_everyone_away_in_the_other() {
        assert_eq!(told("sshd: ALL", "ALL: ALL\n", "10.1.0.2"), "-deny:1");
        assert_eq!(told("", "vsftpd: ALL\n# done", "10.1.0.2"), "-deny:2");
        assert_eq!(told("", &format!("vsftpd: {}\n", "192.0.2.99 ".repeat(190)), "10.1.0.2"), "-deny:1");
        assert_eq!(told(&format!("vsftpd: {}\n", "192.0.2.99 ".repeat(190)), "", "10.1.0.2"), "?");
        assert_eq!(told("", "no colon\n #: ALL\nALL: ALL\n", "10.1.0.2"), "-deny:3");
    }

    #[test]
    fn exceptions_nest() {
        let deny = "ALL EXCEPT vsftpd: ALL EXCEPT 10. EXCEPT 10.1.0.0/16\n";
        assert_eq!(told("", deny, "192.0.2.1"), "-deny:1");
        assert_eq!(told("", deny, "10.2.0.9"), "+");
        assert_eq!(told("", deny, "10.1.0.2"), "-deny:1");
        assert_eq!(told("", "ALL EXCEPT sshd: ALL\n", "10.1.0.2"), "+");
    }

    #[test]
    fn an_arbitrary_client_is_in_no_list() {
        assert_eq!(told("sshd: 10.1.0.2, .example.org\n", "ALL: ALL\n", "any"), "-deny:1");
        assert_eq!(told("", "sshd: 10.1.0.2\n", "any"), "+");
        assert_eq!(told("", "sshd: ALL EXCEPT 192.0.2.7\n", "any"), "-deny:1");
        assert_eq!(told("", "ALL: UNKNOWN\n", "any"), "?");
    }

    #[test]
    fn what_cannot_be_known_matters_only_where_it_decides() {
        assert_eq!(told("", "sshd: @bad\n", "10.1.0.2"), "?");
        assert_eq!(told("", "sshd: @bad\nALL: ALL\n", "10.1.0.2"), "-deny:2");
        assert_eq!(told("", "sshd: .example.org\n", "10.1.0.2"), "?");
        assert_eq!(told("sshd: ALL: aclexec /bin/x\n", "", "10.1.0.2"), "?");
        let named = ClientName::Named("a.example.org".into());
        let files = hosts("", "sshd: .example.org\n");
        let client = Client::Address("10.1.0.2".parse().unwrap(), Some(&named));
        assert!(matches!(asks(&files, client), Access::Denied(_)));
        let unknown = Access::Unknown { why: "it depends on the name of 10.1.0.2".into(), name: true };
        assert_eq!(asks(&files, Client::Address("10.1.0.2".parse().unwrap(), None)), unknown);
    }
}

//! What can be practised: each case a cause, what is really wrong in its sandbox, and what a user would say about it.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::Error;

/// One case.
#[derive(Debug)]
pub struct Demo {
    /// Id of the cause.
    pub id: &'static str,
    /// What it is, in one line.
    pub line: &'static str,
    /// What to point the program at; `{dir}` stands for the sandbox's own directory.
    target: &'static str,
    /// What a user would complain about.
    story: &'static str,
    /// What the service does.
    pub(super) serves: Serves,
    /// nftables rules.
    pub(super) rules: Option<&'static str>,
}

/// What the service of a case holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// There is no service.
    Nothing,
    /// It listens on this address and answers.
    Tcp(&'static str),
    /// It listens on an IPv6 address and refuses IPv4 (IPV6_V6ONLY).
    V6Only(&'static str),
    /// It listens but has stopped accepting, and its queue is full.
    Stuck(&'static str),
    /// It bound this unix socket and is gone.
    StaleSocket(&'static str),
}

const ALL: &[Demo] = &[
    Demo {
        id: "no-listener-unknown-service",
        line: "nothing listens on the port, and nothing here is known to",
        target: "10.0.0.5:7070",
        story: "Yesterday http://10.0.0.5:7070 worked, they say. Today: connection refused.",
        serves: Serves::Nothing,
        rules: None,
    },
    Demo {
        id: "bind-loopback-only",
        line: "the service listens on 127.0.0.1 only, so others are refused",
        target: "10.0.0.5:7070",
        story: "On the host itself the service answers at localhost:7070.\nEverybody else gets connection refused from 10.0.0.5:7070.",
        serves: Serves::Tcp("127.0.0.1:7070"),
        rules: None,
    },
    Demo {
        id: "bind-one-specific-ip",
        line: "the service listens on another address of this host",
        target: "10.0.0.5:7070",
        story: "The host has two addresses, 10.0.0.5 and 10.0.0.6.\nThe service answers at one of them; the other refuses.",
        serves: Serves::Tcp("10.0.0.6:7070"),
        rules: None,
    },
    Demo {
        id: "listen-v6-only",
        line: "the service takes IPv6 only, so IPv4 is refused",
        target: "10.0.0.5:7070",
        story: "The service listens on [::]:7070, which is everything, is it not?\nStill 10.0.0.5:7070 refuses.",
        serves: Serves::V6Only("[::]:7070"),
        rules: None,
    },
    Demo {
        id: "accept-queue-overflow",
        line: "the service hangs: it listens, but accepts nobody, and its queue is full",
        target: "10.0.0.5:7070",
        story: "The process is there, ss shows it listening on port 7070.\nConnections neither open nor fail: they time out.",
        serves: Serves::Stuck("0.0.0.0:7070"),
        rules: None,
    },
    Demo {
        id: "fw-input-reject",
        line: "the service is healthy, a firewall rule rejects (needs nft)",
        target: "10.0.0.5:7070",
        story: "The service runs and listens on 0.0.0.0:7070.\nStill 10.0.0.5:7070 refuses.",
        serves: Serves::Tcp("0.0.0.0:7070"),
        rules: Some(
            "table inet filter {\n chain input {\n  type filter hook input priority filter; policy accept;\n  \
                 ct state established,related accept\n  tcp dport 22 accept\n  tcp dport 7000-7999 reject\n }\n}\n",
        ),
    },
    Demo {
        id: "fw-input-drop",
        line: "the service is healthy, the firewall drops what is not allowed (needs nft)",
        target: "10.0.0.5:7070",
        story: "The service runs and listens on 0.0.0.0:7070.\nConnections to 10.0.0.5:7070 time out.",
        serves: Serves::Tcp("0.0.0.0:7070"),
        rules: Some(
            "table inet filter {\n chain input {\n  type filter hook input priority filter; policy drop;\n  \
                 ct state established,related accept\n  tcp dport { 22, 443 } accept\n  icmp type echo-request accept\n  \
                 meta l4proto ipv6-icmp accept\n }\n}\n",
        ),
    },
    Demo {
        id: "unix-socket-stale",
        line: "the socket file is there, whoever listened on it is gone",
        target: "unix:{dir}/app.sock",
        story: "The web server says: connect() to unix:{dir}/app.sock failed (111: Connection refused).\nBut the socket is there!",
        serves: Serves::StaleSocket("app.sock"),
        rules: None,
    },
];

/// All of them.
pub fn list() -> &'static [Demo] {
    ALL
}

/// The list to print when no case is named.
pub fn listing() -> String {
    let width = list().iter().map(|demo| demo.id.len()).max().unwrap_or_default();
    let mut text = String::from("A private sandbox with a really broken service in it:\n\n");
    for demo in list() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  unrefuse demo {:width$}  {}", demo.id, demo.line);
    }
    text
}

/// The case of that id.
pub(super) fn by_id(id: &str) -> Result<&'static Demo, Error> {
    list().iter().find(|demo| demo.id == id).ok_or_else(|| {
        let ids: Vec<&str> = list().iter().map(|demo| demo.id).collect();
        Error::input(format!("there is no demo `{id}`")).hint(format!("there are: {}", ids.join(", ")))
    })
}

impl Demo {
    /// Does a process run in the sandbox?
    pub(super) fn has_service(&self) -> bool {
        self.serves != Serves::Nothing
    }

    /// Does it need a directory of its own?
    pub(super) fn needs_directory(&self) -> bool {
        matches!(self.serves, Serves::StaleSocket(_))
    }

    pub(super) fn target_in(&self, dir: &Path) -> String {
        with_directory(self.target, dir)
    }

    pub(super) fn story_in(&self, dir: &Path) -> String {
        with_directory(self.story, dir)
    }
}

fn with_directory(text: &str, dir: &Path) -> String {
    text.replace("{dir}", &dir.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    #[test]
    fn every_case_has_a_target_that_can_be_asked() {
        for demo in list() {
            let target = demo.target_in(Path::new("/srv"));
            assert!(Target::parse(&target).is_ok(), "{}: {target}", demo.id);
            assert!(!demo.story_in(Path::new("/srv")).contains('{'), "{}", demo.id);
        }
    }

    #[test]
    fn the_listing_names_every_case_in_one_line() {
        let listing = listing();
        for demo in list() {
            let lines = listing.lines().filter(|line| line.contains(demo.id) && line.ends_with(demo.line));
            assert_eq!(lines.count(), 1, "{}", demo.id);
        }
    }

    #[test]
    fn an_unknown_case_is_the_users_mistake() {
        let error = by_id("fw-imput-reject").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.report().contains("fw-input-reject"), "{}", error.report());
    }
}

//! Where another host is: `ssh://[user@]host[:port]`, and how the system's ssh is told so.

use crate::error::Error;
use crate::text;

/// A host that ssh leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    user: Option<String>,
    /// Name or address, without brackets.
    host: String,
    port: Option<u16>,
}

impl Place {
    /// Reads one. None: it is no address of ssh at all, but perhaps a file.
    pub fn parse(word: &str) -> Option<Result<Self, Error>> {
        let rest = word.strip_prefix("ssh://")?;
        Some(Self::read(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(|| {
            Error::input(format!("`{}` is no host for ssh", text::line(word))).hint("like this: ssh://user@host:22")
        }))
    }

    fn read(rest: &str) -> Option<Self> {
        let (user, at) = rest.rsplit_once('@').map_or((None, rest), |(user, at)| (Some(user), at));
        let (host, port) = match at.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']')?;
                (host, after.strip_prefix(':'))
            }
            None => at.split_once(':').map_or((at, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0)).map_or(Some(None), |p| p.map(Some))?;
        // Neither may be taken for an option, and the user's own configuration of ssh is full of `%` and the like.
        let fits = |word: &str, more: &[char]| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || more.contains(&c);
            !word.is_empty() && !word.starts_with('-') && word.chars().all(plain)
        };
        if !fits(host, &[':', '%']) || user.is_some_and(|user| !fits(user, &['\\', '+'])) {
            return None;
        }
        Some(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The words of ssh before the command. `asks`: somebody can be asked for a password.
    pub(super) fn argv(&self, asks: bool) -> Vec<String> {
        let mut argv: Vec<String> = ["ssh", "-T", "-o", "ConnectTimeout=10"].map(str::to_owned).into();
        for option in ["ServerAliveInterval=5", "ServerAliveCountMax=2", "LogLevel=ERROR"] {
            argv.extend(["-o".to_owned(), option.to_owned()]);
        }
        if !asks {
            argv.extend(["-o".to_owned(), "BatchMode=yes".to_owned()]);
        }
        if let Some(port) = self.port {
            argv.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            argv.extend(["-l".to_owned(), user.clone()]);
        }
        argv.extend(["--".to_owned(), self.host.clone()]);
        argv
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.user {
            Some(user) => write!(f, "{user}@{}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_is_told() {
        let argv = |word: &str| Place::parse(word).unwrap().unwrap().argv(false).join(" ");
        assert!(argv("ssh://ops@db1:2222/").ends_with("-o BatchMode=yes -p 2222 -l ops -- db1"));
        assert!(argv("ssh://[fe80::1%eth0]").ends_with("BatchMode=yes -- fe80::1%eth0"));
        assert!(!Place::parse("ssh://db1").unwrap().unwrap().argv(true).join(" ").contains("BatchMode"));
        assert!(Place::parse("file.json").is_none());
    }

    #[test]
    fn nothing_becomes_an_option_or_a_shell_text() {
        for bad in [
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://-l@host",
            "ssh://a b",
            "ssh://h:0",
            "ssh://h:x",
            "ssh://$(x)",
            "ssh://u;v@h",
        ] {
            assert!(Place::parse(bad).unwrap().is_err(), "{bad}");
        }
    }
}

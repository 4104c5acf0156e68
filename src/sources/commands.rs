//! Who ran which command as root, in the words of sudo, pkexec and cron; and whom fail2ban banned.
//!
//! Arguments may hold secrets: only commands that manage services, packages or rules keep theirs, up to the end of that
//! command, and without what looks like a secret even there.

use super::journal::cut;
use crate::facts::happening::What;

/// Commands whose arguments tell what was done, and seldom hold secrets.
const TELLING: [&str; 25] = [
    "systemctl",
    "service",
    "invoke-rc.d",
    "apt",
    "apt-get",
    "aptitude",
    "dpkg",
    "dnf",
    "yum",
    "rpm",
    "nft",
    "iptables",
    "ip6tables",
    "iptables-restore",
    "ufw",
    "firewall-cmd",
    "fail2ban-client",
    "ifup",
    "ifdown",
    "kill",
    "killall",
    "pkill",
    "reboot",
    "nginx",
    "apachectl",
];

/// Programs that run the command in their arguments.
const WRAPPERS: [&str; 12] =
    ["sh", "bash", "dash", "env", "nice", "ionice", "timeout", "flock", "setsid", "nohup", "chronic", "sudo"];
/// Words of the shell that a command may follow.
const BEFORE_COMMANDS: [&str; 7] = ["then", "do", "else", "if", "while", "exec", "!"];
/// A name with one of these in it is of a secret.
const SECRET: [&str; 6] = ["pass", "secret", "token", "key", "psk", "credential"];
/// What stands after one of these words is a secret.
const BEFORE_SECRETS: [&str; 10] =
    ["--password", "--passwd", "--pass", "--passphrase", "--token", "--secret", "password", "passwd", "psk", "-p"];
/// Stands for what is not shown.
const HIDDEN: &str = "…";

/// What an entry of such a program tells.
pub(super) fn told(program: &str, message: &str) -> Option<What> {
    match program {
        "sudo" => sudo(message),
        "pkexec" => pkexec(message),
        "cron" | "crond" | "anacron" => cron(message),
        "fail2ban-server" => ban(message),
        _ => None,
    }
}

/// `alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/systemctl restart nginx`.
fn sudo(message: &str) -> Option<What> {
    let (who, rest) = message.split_once(" : ")?;
    // What was not allowed begins with the reason: `command not allowed ; TTY=pts/0 ; …`.
    let (first, _) = rest.split_once('=')?;
    if !first.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let (_, command) = rest.split_once("COMMAND=")?;
    Some(What::Command { by: format!("{} (sudo)", cut(who.trim())), command: shown(command) })
}

/// `alice: Executing command [USER=root] [TTY=/dev/pts/1] [CWD=/] [COMMAND=/usr/bin/systemctl restart nginx]`.
fn pkexec(message: &str) -> Option<What> {
    let (who, rest) = message.split_once(": Executing command ")?;
    let (_, command) = rest.split_once("[COMMAND=")?;
    let command = command.strip_suffix(']').unwrap_or(command);
    Some(What::Command { by: format!("{} (pkexec)", cut(who.trim())), command: shown(command) })
}

/// `(root) CMD (systemctl restart nginx)`.
fn cron(message: &str) -> Option<What> {
    let (who, rest) = message.strip_prefix('(')?.split_once(") CMD (")?;
    let command = rest.strip_suffix(')').unwrap_or(rest);
    Some(What::Command { by: format!("cron ({})", cut(who.trim())), command: shown(command) })
}

/// `[sshd] Ban 10.1.0.2`, whatever stands before it.
pub(super) fn ban(message: &str) -> Option<What> {
    let words: Vec<&str> = message.split_ascii_whitespace().collect();
    let at = words.iter().rposition(|word| matches!(*word, "Ban" | "Unban"))?;
    let jail = words.get(at.checked_sub(1)?)?.strip_prefix('[')?.strip_suffix(']')?;
    let address = words.get(at + 1)?;
    address.parse::<std::net::IpAddr>().ok()?;
    let lifted = words.get(at) == Some(&"Unban");
    Some(What::Ban { address: (*address).to_owned(), jail: cut(&format!("fail2ban ({jail})")), lifted })
}

/// A command without what may be secret in it.
pub(super) fn shown(command: &str) -> String {
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let Some((program, rest)) = words.split_first() else { return String::new() };
    let name = base(program);
    if TELLING.contains(&name) {
        return cut(format!("{name} {}", without_secrets(name, rest)).trim_end());
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    let name = if name.chars().all(is_name) { name } else { HIDDEN };
    // A line of shell may hold one of them.
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| rest.get(at)).copied();
        WRAPPERS.contains(&name) || before.is_some_and(|word| ends(word).is_some() || BEFORE_COMMANDS.contains(&word))
    };
    let told = |(at, word): (usize, &&str)| (TELLING.contains(&base(word)) && begins(at)).then_some(at);
    let tail = rest.iter().enumerate().find_map(told).and_then(|at| rest.get(at..)?.split_first());
    match tail {
        Some((word, tail)) => {
            cut(format!("{name} {HIDDEN} {} {}", base(word), without_secrets(base(word), tail)).trim_end())
        }
        None if rest.is_empty() => cut(name),
        None => cut(&format!("{name} {HIDDEN}")),
    }
}

/// `systemctl` of `/usr/bin/systemctl`.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

/// Where a word of shell ends its command, or begins what is no plain word.
fn ends(word: &str) -> Option<usize> {
    word.find([';', '&', '|', '>', '<', '`']).into_iter().chain(word.find("$(")).min()
}

/// The arguments of one command, up to its end, without secrets.
fn without_secrets(program: &str, words: &[&str]) -> String {
    // Their `-p` is a protocol.
    let of_rules = matches!(program, "iptables" | "ip6tables");
    let (mut kept, mut secret_follows): (Vec<String>, bool) = (Vec::new(), false);
    for word in words {
        let end = ends(word);
        let word = word.get(..end.unwrap_or(word.len())).unwrap_or_default();
        // What stands in quotes may go on in the next words.
        let quoted = |quote: char| word.matches(quote).count() % 2 == 1;
        let goes_on = quoted('"') || quoted('\'') || word.ends_with('\\');
        let hidden = if secret_follows { HIDDEN.to_owned() } else { hidden(word, of_rules) };
        let is_secret = hidden != word;
        secret_follows = BEFORE_SECRETS.contains(&word) && !(of_rules && word == "-p");
        if !word.is_empty() {
            kept.push(hidden);
        }
        if end.is_some() || (is_secret && goes_on) {
            break;
        }
    }
    kept.join(" ")
}

/// A word without the secret in it.
fn hidden(word: &str, of_rules: bool) -> String {
    let named = |(at, _): &(usize, &str)| {
        let name = word.get(..*at).unwrap_or_default().to_ascii_lowercase();
        SECRET.iter().any(|secret| name.contains(secret))
    };
    if let Some((at, _)) = word.match_indices('=').find(named) {
        return format!("{}={HIDDEN}", word.get(..at).unwrap_or_default());
    }
    // `scheme://user:pass@host`; a password may hold whatever a path may.
    if let (Some(scheme), Some(at)) = (word.find("://"), word.rfind('@'))
        && scheme < at
    {
        let (scheme, host) = (word.get(..scheme).unwrap_or_default(), word.get(at..).unwrap_or_default());
        return format!("{scheme}://{HIDDEN}{host}");
    }
    if word.starts_with("-p") && word != "-p" && !of_rules { format!("-p{HIDDEN}") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(what: Option<What>) -> (String, String) {
        let Some(What::Command { by, command }) = what else { panic!("{what:?}") };
        (by, command)
    }

    #[test]
    fn who_ran_what_is_told_without_secrets() {
        let sudo = "alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/systemctl restart nginx";
        assert_eq!(command(told("sudo", sudo)), ("alice (sudo)".into(), "systemctl restart nginx".into()));
        let secret = "alice : PWD=/ ; USER=root ; COMMAND=/usr/bin/mysql -psecret";
        assert_eq!(command(told("sudo", secret)).1, "mysql …");
        let cron = "(root) CMD (cd / && systemctl restart nginx > /dev/null)";
        assert_eq!(command(told("cron", cron)), ("cron (root)".into(), "cd … systemctl restart nginx".into()));
        let pkexec = "bob: Executing command [USER=root] [TTY=unknown] [CWD=/] [COMMAND=/usr/sbin/nft flush ruleset]";
        assert_eq!(command(told("pkexec", pkexec)), ("bob (pkexec)".into(), "nft flush ruleset".into()));
        assert_eq!(told("sudo", "pam_unix(sudo:session): session opened for user root"), None);
        assert_eq!(told("bash", sudo), None);
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden() {
        let pairs = [
            ("systemctl reload app; curl -u u:p https://x", "systemctl reload app"),
            ("restart app; mysql -psecret", "restart …"),
            (
                "apt-get -o Acquire::http::Proxy=http://u:p@h install nginx",
                "apt-get -o Acquire::http::Proxy=http://…@h install nginx",
            ),
            ("nmcli device wifi connect X password hunter2", "nmcli …"),
            ("dnf install https://u:p/w@h/x.rpm", "dnf install https://…@h/x.rpm"),
            ("systemctl set-environment DB_PASSWORD=a=b X=1", "systemctl set-environment DB_PASSWORD=… X=1"),
            ("systemctl set-environment \"TOKEN=a b\"", "systemctl set-environment \"TOKEN=…"),
            ("service x start --password hunter2", "service x start --password …"),
            ("service x start -phunter2", "service x start -p…"),
            ("iptables -A INPUT -p tcp --dport 80 -j DROP", "iptables -A INPUT -p tcp --dport 80 -j DROP"),
            ("PASSWORD=x systemctl restart nginx", "… …"),
            ("mysql -u nginx hunter2", "mysql …"),
            ("cd / ; systemctl restart app $(cat /secret) x", "cd … systemctl restart app"),
            ("/usr/bin/env A=1 systemctl restart app&", "env … systemctl restart app"),
            ("", ""),
        ];
        for (command, told) in pairs {
            assert_eq!(shown(command), told, "{command}");
        }
        let denied =
            "eve : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/systemctl stop nginx";
        assert_eq!(told("sudo", denied), None);
    }

    #[test]
    fn bans_name_an_address_and_a_jail() {
        let line = "2026-11-21 12:03:10,123 fail2ban.actions        [812]: NOTICE  [sshd] Ban 10.1.0.2";
        let Some(What::Ban { address, jail, lifted }) = ban(line) else { panic!() };
        assert_eq!((address.as_str(), jail.as_str(), lifted), ("10.1.0.2", "fail2ban (sshd)", false));
        assert!(matches!(ban("[sshd] Unban ::1"), Some(What::Ban { lifted: true, .. })));
        for none in ["Ban", "[sshd] Ban \u{1b}[31m", "[sshd] Ban", "Restore Ban 10.1.0.2", ""] {
            assert_eq!(ban(none), None, "{none}");
        }
    }
}

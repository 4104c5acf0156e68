//! Who ran which command as root, in the words of sudo, pkexec and cron; and whom fail2ban banned.
//!
//! Arguments may hold secrets: only commands that manage services, packages, rules or the network keep theirs.

use super::journal::cut;
use crate::facts::happening::What;

/// Commands whose arguments tell what was done, and hold no secrets.
const TELLING: [&str; 27] = [
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
    "ip",
    "ifup",
    "ifdown",
    "nmcli",
    "kill",
    "killall",
    "pkill",
    "reboot",
    "nginx",
    "apachectl",
];

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
    let mut words = command.split_ascii_whitespace();
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let joined = |name: &str, rest: &[&str]| [&[name], rest].concat().join(" ");
    let rest: Vec<&str> = words.collect();
    if TELLING.contains(&name) {
        return cut(&joined(name, &rest));
    }
    // A line of shell may hold one of them.
    let at = rest.iter().position(|word| TELLING.contains(&word.rsplit('/').next().unwrap_or_default()));
    match at {
        Some(at) => {
            let tail = rest.get(at..).unwrap_or_default();
            let end = tail.iter().position(|word| word.starts_with(['&', '|', ';', '>']));
            let tail = tail.get(..end.unwrap_or(tail.len())).unwrap_or_default();
            cut(&format!("{name} … {}", tail.join(" ")))
        }
        None if rest.is_empty() => cut(name),
        None => cut(&format!("{name} …")),
    }
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

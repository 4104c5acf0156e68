//! What AppArmor says about a program: its profile, and what that allows of the network.

use serde::{Deserialize, Serialize};

/// AppArmor on a kernel that has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Apparmor {
    /// It is turned on.
    pub enabled: bool,
    /// The profile over the program; none: nothing confines it.
    pub profile: Option<Profile>,
}

/// A loaded profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// `enforce`, `complain`, `kill`, `unconfined`, `mixed`.
    pub mode: String,
    /// The process has it; else it is the one that the program gets at its next start.
    pub of_process: bool,
    /// The text it was made from, where that was found.
    pub source: Option<ProfileText>,
}

/// The text of a profile below /etc/apparmor.d. It may have been edited since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProfileText {
    /// The file.
    pub file: String,
    /// The file for this host's own rules that it includes, and whether that is there.
    pub local: Option<(String, bool)>,
    /// Number and text of the last line inside the profile.
    pub last: (u32, String),
    /// Its rules about networks and capabilities, those of included files too.
    pub rules: Vec<ProfileRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRule {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Its words without the comma: `deny network inet stream`.
    pub text: String,
    /// Nothing else stands in that line.
    pub alone: bool,
}

/// Something a daemon needs to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// A socket of this family (`inet`, `inet6`) and kind (`stream`, `dgram`).
    Network(&'a str, &'a str),
    /// A capability (`net_bind_service`).
    Capability(&'a str),
}

impl Need<'_> {
    /// The rule that allows it.
    pub fn rule(&self) -> String {
        match self {
            Self::Network(family, kind) => format!("network {family} {kind}"),
            Self::Capability(name) => format!("capability {name}"),
        }
    }
}

impl Profile {
    /// What it forbids is really forbidden.
    pub fn enforces(&self) -> bool {
        !matches!(self.mode.as_str(), "complain" | "unconfined")
    }
}

impl ProfileText {
    /// The rule that denies it, which goes before all that allow.
    pub fn denies(&self, need: Need<'_>) -> Option<&ProfileRule> {
        self.rules.iter().find(|rule| rule.denies() && rule.is_about(need))
    }

    /// A rule allows it, and none denies it.
    pub fn allows(&self, need: Need<'_>) -> bool {
        self.denies(need).is_none() && self.rules.iter().any(|rule| !rule.denies() && rule.is_about(need))
    }
}

impl ProfileRule {
    /// It denies.
    pub fn denies(&self) -> bool {
        self.words().any(|word| word == "deny")
    }

    /// What it denies is not logged.
    pub fn is_silent(&self) -> bool {
        self.denies() && !self.words().any(|word| word == "audit")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_whitespace()
    }

    fn is_about(&self, need: Need<'_>) -> bool {
        let mut words = self.words().skip_while(|word| !matches!(*word, "network" | "capability"));
        let kind = words.next();
        // `(create, bind)`: what may be done with it.
        let mut inside = false;
        let plain = |word: &&str| {
            inside |= word.starts_with('(');
            let skipped = inside;
            inside &= !word.ends_with(')');
            !skipped
        };
        let rest: Vec<&str> = words.filter(plain).collect();
        match (kind, need) {
            (Some("capability"), Need::Capability(name)) => rest.is_empty() || rest.contains(&name),
            (Some("network"), Need::Network(family, socket)) => {
                let protocol = if socket == "stream" { "tcp" } else { "udp" };
                match rest.as_slice() {
                    [] => true,
                    [one] => *one == family || *one == socket || *one == protocol,
                    [one, two, ..] => *one == family && (*two == socket || *two == protocol),
                }
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rules: &[&str]) -> ProfileText {
        let rule = |text: &&str| ProfileRule { file: "/p".into(), line: 1, text: (*text).into(), alone: true };
        ProfileText { rules: rules.iter().map(rule).collect(), ..ProfileText::default() }
    }

    #[test]
    fn rules_allow_what_they_name() {
        let (v4, v6, low) =
            (Need::Network("inet", "stream"), Need::Network("inet6", "stream"), Need::Capability("net_bind_service"));
        let told = |rules: &[&str]| {
            let text = text(rules);
            (text.allows(v4), text.allows(v6), text.allows(low))
        };
        assert_eq!(told(&[]), (false, false, false));
        assert_eq!(told(&["network"]), (true, true, false));
        assert_eq!(told(&["network inet"]), (true, false, false));
        assert_eq!(told(&["network tcp", "capability"]), (true, true, true));
        assert_eq!(told(&["network inet stream", "network inet6 dgram"]), (true, false, false));
        assert_eq!(told(&["audit network inet6 tcp", "capability setuid net_bind_service"]), (false, true, true));
        assert_eq!(told(&["network", "deny network inet stream"]), (false, true, false));
        assert_eq!(told(&["network (create, bind) inet stream"]), (true, false, false));
    }

    #[test]
    fn a_deny_is_silent_unless_it_is_audited() {
        let text = text(&["deny network inet", "audit deny capability net_bind_service"]);
        assert!(text.rules[0].is_silent());
        assert!(text.rules[1].denies() && !text.rules[1].is_silent());
    }
}

//! What security modules forbade, as the kernel's audit tells it.

use serde::{Deserialize, Serialize};

/// What was read of the audit of this boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Denials {
    /// Of AppArmor and SELinux, oldest first, the latest of them where there are many.
    pub lines: Vec<Denial>,
    /// Places that were read.
    pub read: Vec<Place>,
    /// Places that could not be, and why: a line that is missing may be there.
    pub unread: Vec<(Place, String)>,
}

/// A place that audit lines go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// /var/log/audit/audit.log, where auditd runs.
    AuditLog,
    /// The kernel's ring buffer, where it does not.
    Ring,
    /// The journal.
    Journal,
}

/// One line: something was denied, or would have been but for a permissive mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its number among the audit's; 0: unknown.
    pub serial: u64,
    /// Where it was read.
    pub place: Place,
    /// What it says behind the number, raw: `apparmor="DENIED" operation=...`, `avc:  denied  { name_bind } for ...`.
    pub text: String,
}

impl Place {
    /// As people call it.
    pub fn shown(self) -> &'static str {
        match self {
            Self::AuditLog => "/var/log/audit/audit.log",
            Self::Ring => "the kernel's ring buffer",
            Self::Journal => "the journal",
        }
    }
}

impl Denial {
    /// The value of a field, without its quotes.
    pub fn field(&self, name: &str) -> Option<&str> {
        let begin = self.text.match_indices(name).find_map(|(at, _)| {
            let before = self.text.get(..at)?;
            let rest = self.text.get(at + name.len()..)?.strip_prefix('=')?;
            (before.is_empty() || before.ends_with(' ')).then_some(rest)
        })?;
        let value = begin.strip_prefix('"').map_or_else(|| begin.split(' ').next(), |quoted| quoted.split('"').next());
        value.filter(|value| !value.is_empty())
    }

    /// AppArmor denied it (and not only noted it, as in complain mode).
    pub fn is_apparmor(&self) -> bool {
        self.field("apparmor") == Some("DENIED")
    }

    /// SELinux denied it (and not only noted it, where a domain or the host is permissive).
    pub fn is_selinux(&self) -> bool {
        self.text.starts_with("avc:") && self.text.contains(" denied ") && self.field("permissive") != Some("1")
    }

    /// What SELinux denied: `name_bind`.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let inside = self.text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        inside.map(|(inside, _)| inside).unwrap_or_default().split_whitespace()
    }
}

/// The type in a context of SELinux (`httpd_t` of `system_u:system_r:httpd_t:s0`).
pub fn type_of(context: &str) -> Option<&str> {
    context.split(':').nth(2).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(text: &str) -> Denial {
        Denial { at_ms: 1, serial: 22, place: Place::Ring, text: text.into() }
    }

    #[test]
    fn lines_of_apparmor() {
        let told = denial(
            r#"apparmor="DENIED" operation="capable" profile="nginx" pid=204 comm="nginx" capability=10  capname="net_bind_service""#,
        );
        assert!(told.is_apparmor() && !told.is_selinux());
        assert_eq!(told.field("profile"), Some("nginx"));
        assert_eq!(told.field("pid"), Some("204"));
        assert_eq!(told.field("capname"), Some("net_bind_service"));
        assert_eq!(told.field("name"), None);
        assert!(!denial(r#"apparmor="ALLOWED" operation="bind""#).is_apparmor());
    }

    #[test]
    fn lines_of_selinux() {
        let text = "avc:  denied  { name_bind } for  pid=254 comm=\"nginx\" src=8099 \
                    scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:unreserved_port_t:s0 \
                    tclass=tcp_socket permissive=0";
        let told = denial(text);
        assert!(told.is_selinux() && !told.is_apparmor());
        assert_eq!(told.permissions().collect::<Vec<_>>(), ["name_bind"]);
        assert_eq!(told.field("src"), Some("8099"));
        assert_eq!(type_of(told.field("tcontext").unwrap()), Some("unreserved_port_t"));
        assert!(!denial(&text.replace("permissive=0", "permissive=1")).is_selinux());
    }

    #[test]
    fn damaged_lines_have_no_fields() {
        for text in ["", "=", "profile", "profile=", "profile=\"", "avc:  denied  {", "avc:"] {
            let told = denial(text);
            assert_eq!(told.field("profile"), None, "{text}");
            assert_eq!(told.permissions().count(), 0);
        }
    }
}

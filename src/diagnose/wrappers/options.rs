//! The options behind the client list of a rule: they may turn what it does around. Nothing is ever run.

/// What the options of a rule come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// They let the client in.
    Allow,
    /// They turn it away: `deny`, `twist`, or an option that libwrap does not understand.
    Deny,
    /// It depends on what a command says, or on this host's users.
    Unknown(String),
    /// They say nothing about it.
    Nothing,
}

/// Does one of them run a command?
pub(super) fn runs(options: &str) -> bool {
    fields(options).iter().any(|field| {
        let (key, _) = key_and_value(field);
        ["spawn", "twist", "aclexec"].iter().any(|name| key.eq_ignore_ascii_case(name))
    })
}

/// Goes through them as libwrap does: the first that decides, or is wrong, ends it.
pub(super) fn told(options: &str) -> Told {
    let fields = fields(options);
    let last = fields.len().saturating_sub(1);
    let mut unknown = None;
    for (index, field) in fields.iter().enumerate() {
        let (key, value) = key_and_value(field);
        match option(&key.to_ascii_lowercase(), value, index == last) {
            Told::Nothing => {}
            Told::Unknown(why) => unknown = unknown.or(Some(why)),
            decided @ (Told::Allow | Told::Deny) => return unknown.map_or(decided, Told::Unknown),
        }
    }
    unknown.map_or(Told::Nothing, Told::Unknown)
}

fn option(key: &str, value: Option<&str>, last: bool) -> Told {
    let number = |value: &str| value.trim_start_matches('+').parse::<i64>().ok();
    let well = match (key, value) {
        ("allow", None) if last => return Told::Allow,
        ("twist", Some(_)) if last => return Told::Deny,
        ("aclexec", Some(_)) => return Told::Unknown("it asks a command".into()),
        ("user" | "group", Some(name)) => return Told::Unknown(format!("it becomes {key} {name}, if there is one")),
        ("spawn" | "setenv" | "banners", Some(_)) | ("keepalive" | "rfc931" | "nice", None) => true,
        ("umask", Some(value)) => u32::from_str_radix(value, 8).is_ok_and(|mask| mask <= 0o777),
        ("linger", Some(value)) => number(value).is_some_and(|seconds| seconds >= 0),
        ("nice", Some(value)) => number(value).is_some(),
        ("rfc931", Some(value)) => number(value).is_some_and(|seconds| seconds > 0),
        ("severity", Some(value)) => is_severity(value),
        _ => false,
    };
    if well { Told::Nothing } else { Told::Deny }
}

fn is_severity(value: &str) -> bool {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    const FACILITIES: [&str; 17] = [
        "kern", "user", "mail", "daemon", "auth", "lpr", "news", "uucp", "cron", "local0", "local1", "local2",
        "local3", "local4", "local5", "local6", "local7",
    ];
    let is = |names: &[&str], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    match value.split_once('.') {
        Some((facility, level)) => is(&FACILITIES, facility) && is(&LEVELS, level),
        None => is(&LEVELS, value),
    }
}

/// The options, apart at each colon that no backslash protects.
fn fields(options: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut rest = options.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ':' {
            fields.push(std::mem::take(&mut field));
        } else if c == '\\' && rest.peek() == Some(&':') {
            field.extend(rest.next());
        } else {
            field.push(c);
        }
    }
    if !field.is_empty() {
        fields.push(field);
    }
    fields
}

/// `keyword value`, with at most one `=` between them.
fn key_and_value(field: &str) -> (&str, Option<&str>) {
    let field = field.trim_matches([' ', '\t', '\r', '\n', '\u{b}', '\u{c}']);
    let blank = [' ', '\t', '\r', '\n'];
    let Some(at) = field.find(['=', ' ', '\t', '\r', '\n']) else { return (field, None) };
    let (key, rest) = field.split_at(at);
    let rest = rest.trim_start_matches(blank);
    let value = rest.strip_prefix('=').unwrap_or(rest).trim_start_matches(blank);
    (key, (!value.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_turn_a_rule_around() {
        assert_eq!(told(" allow\n"), Told::Allow);
        assert_eq!(told(" DENY\n"), Told::Deny);
        assert_eq!(told(" spawn (/bin/x a\\:b) & : severity mail.info : allow\n"), Told::Allow);
        assert_eq!(told(" allow : deny\n"), Told::Deny, "allow must be last");
        assert_eq!(told(" keepalive\n"), Told::Nothing);
        assert_eq!(told(" keepalive = yes\n"), Told::Deny);
        assert_eq!(told(" nonsense\n"), Told::Deny);
        assert_eq!(told("\n"), Told::Deny, "an option without a name");
        assert_eq!(told(" twist /bin/echo no\n"), Told::Deny);
        assert!(matches!(told(" aclexec /bin/x : allow\n"), Told::Unknown(_)));
        assert!(runs(" spawn x") && !runs(" allow"));
    }
}

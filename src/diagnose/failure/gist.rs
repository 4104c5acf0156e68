//! The few words of a daemon's message that say what is wrong, for a headline.

/// More than this does not fit beside the rest of a headline.
const MOST: usize = 80;

/// What a message about a line of a configuration complains about, without its time, its level and the place.
pub fn complaint(message: &str, file: Option<&str>) -> Option<String> {
    // These only announce that the next lines say it.
    const EMPTY: [&str; 3] = ["*** FATAL CONFIG FILE", "Syntax error on line ", "contains errors"];
    let text = after_level(message.trim());
    if EMPTY.iter().any(|words| text.contains(words)) {
        return None;
    }
    let words = match file.and_then(|file| text.split_once(file)) {
        Some((before, after)) => around_place(before, after),
        None => text,
    };
    let words = words.trim_matches([' ', ':', ',']);
    words.contains(' ').then(|| short(words))
}

/// What a message says, without its time and its level.
pub fn said(message: &str) -> String {
    short(after_level(message.trim()))
}

/// What follows `[emerg] 81#81: `, `[ERROR] ` and the like; MySQL puts its error number between.
fn after_level(text: &str) -> &str {
    const LEVELS: [&str; 6] = ["[emerg] ", "[ERROR] ", "[ALERT] ", " LOG:  ", " FATAL:  ", "FATAL: "];
    let Some((_, mut rest)) = LEVELS.iter().find_map(|level| text.split_once(level)) else { return text };
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once("] ")) {
        rest = after;
    }
    match rest.split_once(": ") {
        Some((number, after)) if number.bytes().all(|b| b.is_ascii_digit() || b == b'#') => after,
        _ => rest,
    }
}

/// nginx and PostgreSQL say what is wrong before the place, sshd and haproxy after it.
fn around_place<'a>(before: &'a str, after: &'a str) -> &'a str {
    // `:31] : `, `: line 5: `, ` line 5: `
    let digits = |c: char| c.is_ascii_digit();
    let after = after.trim_start_matches([' ', ':', '"']).trim_start_matches("line ").trim_start_matches(digits);
    let after = after.trim_start_matches([' ', ':', ']', ',', '"']);
    let before = before.trim_end_matches([' ', '[', '"', '(', ':']);
    let before = before.strip_suffix(" in").or_else(|| before.strip_suffix(" in file")).unwrap_or(before);
    // `syntax error in file "…" line 3, near token "x"`
    if after.contains(' ') && !after.starts_with("near ") { after } else { before }
}

fn short(words: &str) -> String {
    let begin: String = words.chars().take(MOST).collect();
    if begin.len() < words.len() { format!("{}…", begin.trim_end()) } else { begin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_daemons_complaint_without_its_surroundings() {
        let nginx =
            "2026/01/02 03:04:05 [emerg] 81#81: unknown directive \"listn\" in /etc/nginx/sites-enabled/default:22";
        let told = |message, file| complaint(message, Some(file)).unwrap();
        assert_eq!(told(nginx, "/etc/nginx/sites-enabled/default"), "unknown directive \"listn\"");
        let sshd = "/etc/ssh/sshd_config: line 5: Bad configuration option: Prot";
        assert_eq!(told(sshd, "/etc/ssh/sshd_config"), "Bad configuration option: Prot");
        let haproxy =
            "[ALERT]    (51) : config : parsing [/etc/haproxy/haproxy.cfg:31] : unknown keyword 'bnd' in 'listen'";
        assert_eq!(told(haproxy, "/etc/haproxy/haproxy.cfg"), "unknown keyword 'bnd' in 'listen'");
        let postgres = "2026-01-02 03:04:05.1 UTC [51] LOG:  syntax error in file \"/etc/postgresql/15/main/postgresql.conf\" \
                        line 3, near token \"x\"";
        assert_eq!(told(postgres, "/etc/postgresql/15/main/postgresql.conf"), "syntax error");
    }

    #[test]
    fn what_names_nothing_is_no_complaint_and_long_ones_are_cut() {
        assert_eq!(complaint("/etc/x.conf:3", Some("/etc/x.conf")), None);
        assert_eq!(complaint("*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***", None), None);
        assert!(complaint(&"word ".repeat(40), None).unwrap().chars().count() <= MOST + 1);
        let mysql = "2026-01-02  3:04:05 0 [ERROR] [MY-010119] [Server] Can't start server: Bind on TCP/IP port";
        assert_eq!(said(mysql), "Can't start server: Bind on TCP/IP port");
    }
}

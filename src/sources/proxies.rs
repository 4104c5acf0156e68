//! Proxies that a process is told to use: its environment, and for whoever asks also the files of the host that set them.

use std::fs;
use std::io::Read as _;

use super::Trouble;
use super::config::files::{Files as _, HostFiles};
use crate::facts::proxy::{Proxies, ProxySetting, SetIn};

/// The environment of one process, at most.
const MOST_ENVIRONMENT: u64 = 256 << 10;
/// Settings worth telling.
const MOST: usize = 32;
/// Files of apt that are read.
const MOST_FILES: usize = 100;
/// Set for every session.
const SESSIONS: &str = "/etc/environment";
const APT: &str = "/etc/apt/apt.conf.d";

/// The proxies of a process; 0: of whoever asks.
pub(super) fn read(pid: u32) -> Result<Option<Proxies>, Trouble> {
    let mut proxies = Proxies::default();
    if pid != 0 {
        take_environment(&mut proxies, &environment(pid)?, &SetIn::Environment);
        return Ok(Some(proxies));
    }
    take_environment(&mut proxies, &environment(std::process::id())?, &SetIn::Environment);
    // sudo keeps them from what it starts.
    let parent = std::os::unix::process::parent_id();
    let by_sudo = fs::read_to_string(format!("/proc/{parent}/comm")).is_ok_and(|name| name.trim_end() == "sudo");
    if let (true, Ok(callers)) = (by_sudo, environment(parent)) {
        take_environment(&mut proxies, &callers, &SetIn::Caller);
    }
    let files = HostFiles::own();
    if let Ok(text) = files.read(SESSIONS) {
        take_sessions(&mut proxies, &text);
    }
    let names = files.list(APT).unwrap_or_default();
    for path in names.iter().take(MOST_FILES).map(|entry| format!("{APT}/{}", entry.name)) {
        if let Ok(text) = files.read(&path) {
            take_apt(&mut proxies, &path, &text);
        }
    }
    proxies.settings.truncate(MOST);
    Ok(Some(proxies))
}

/// Whatever a process was started with.
fn environment(pid: u32) -> Result<Vec<u8>, Trouble> {
    let path = format!("/proc/{pid}/environ");
    let failed = |error: std::io::Error| Trouble::io(&format!("reading {path}"), &error);
    let mut bytes = Vec::new();
    fs::File::open(&path).map_err(failed)?.take(MOST_ENVIRONMENT).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn take_environment(proxies: &mut Proxies, bytes: &[u8], set_in: &SetIn) {
    for entry in bytes.split(|byte| *byte == 0) {
        let Ok(entry) = std::str::from_utf8(entry) else { continue };
        if let Some((name, value)) = entry.split_once('=') {
            take(proxies, name, value, set_in.clone());
        }
    }
}

/// Lines `name=value`, as pam_env reads them.
fn take_sessions(proxies: &mut Proxies, text: &str) {
    for (line, words) in (1..).zip(text.lines()) {
        let words = words.trim();
        let words = words.strip_prefix("export ").unwrap_or(words);
        if let Some((name, value)) = words.split_once('=') {
            let value = value.trim_matches(['"', '\'']);
            take(proxies, name, value, SetIn::File { file: SESSIONS.into(), line });
        }
    }
}

/// Lines `Acquire::http::Proxy "http://proxy:3128";`.
fn take_apt(proxies: &mut Proxies, file: &str, text: &str) {
    for (line, words) in (1..).zip(text.lines()) {
        let mut words = words.split_whitespace();
        let name = words.next().filter(|name| name.starts_with("Acquire::") && name.ends_with("::Proxy"));
        let value = words.next().map(|value| value.trim_matches([';', '"']));
        if let (Some(name), Some((host, port))) = (name, value.and_then(host_and_port)) {
            let set_in = SetIn::File { file: file.to_owned(), line };
            proxies.settings.push(ProxySetting { name: name.to_owned(), host, port, set_in });
        }
    }
}

fn take(proxies: &mut Proxies, name: &str, value: &str, set_in: SetIn) {
    let lower = name.to_ascii_lowercase();
    if lower == "no_proxy" {
        let entries = value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).take(MOST);
        proxies.except.extend(entries.map(str::to_owned));
        return;
    }
    // FTP and the like ask other servers; a variable that is only called so may be anything.
    if !matches!(lower.as_str(), "http_proxy" | "https_proxy" | "all_proxy") || proxies.settings.len() >= MOST {
        return;
    }
    if let Some((host, port)) = host_and_port(value) {
        proxies.settings.push(ProxySetting { name: name.to_owned(), host, port, set_in });
    }
}

/// `http://user:word@proxy:3128/`, `proxy:3128`, `socks5h://[::1]:1080`. The user and the word are left out.
fn host_and_port(value: &str) -> Option<(String, u16)> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let rest = rest.split(['/', '?', '#']).next()?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let usual = match scheme {
        "https" => 443,
        // As curl has it, http too.
        _ => 1080,
    };
    let (host, port) = match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let fits = !host.is_empty() && host.len() < 254 && host.chars().all(plain);
    let port = port.map_or(Some(usual), |port| port.parse().ok().filter(|port| *port != 0))?;
    fits.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn any_environment_and_any_file_is_survived(
            raw in damaged::bytes(&["http_proxy=http://u:p@127.0.0.1:3128/\0no_proxy=a,.b\0"]),
            text in damaged::text(&["http_proxy=\"http://[::1]:3128\"\n", "Acquire::http::Proxy \"http://p:80\";\n"]),
        ) {
            let mut proxies = Proxies::default();
            take_environment(&mut proxies, &raw, &SetIn::Environment);
            take_sessions(&mut proxies, &text);
            take_apt(&mut proxies, "f", &text);
            proptest::prop_assert!(proxies.settings.iter().all(|s| s.port != 0 && !s.host.contains('@')));
        }
    }

    #[test]
    fn passwords_are_left_out() {
        let of = |value: &str| host_and_port(value).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(of("http://joe:hunter2@proxy.corp.example:3128/").as_deref(), Some("proxy.corp.example 3128"));
        assert_eq!(of("127.0.0.1:8080").as_deref(), Some("127.0.0.1 8080"));
        assert_eq!(of("socks5h://[::1]:1080").as_deref(), Some("::1 1080"));
        assert_eq!(of("http://proxy").as_deref(), Some("proxy 1080"));
        for none in ["", "http://", "http://h:0", "http://h:99999", "http://a b:1"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn each_place_is_read_in_its_own_way() {
        let mut proxies = Proxies::default();
        take_environment(
            &mut proxies,
            b"PATH=/bin\0https_proxy=http://10.0.0.9:3128\0NO_PROXY=localhost,.corp",
            &SetIn::Environment,
        );
        take_sessions(&mut proxies, "# x\nhttp_proxy=\"http://127.0.0.1:3128\"\n");
        take_apt(&mut proxies, "/etc/apt/apt.conf.d/80proxy", "\nAcquire::http::Proxy \"http://127.0.0.1:3142\";\n");
        let told: Vec<String> = proxies.settings.iter().map(|s| format!("{} {}", s.name, s.shown())).collect();
        assert_eq!(
            told,
            ["https_proxy 10.0.0.9:3128", "http_proxy 127.0.0.1:3128", "Acquire::http::Proxy 127.0.0.1:3142"]
        );
        assert_eq!(proxies.settings[1].set_in, SetIn::File { file: SESSIONS.into(), line: 2 });
        assert_eq!(proxies.except, ["localhost", ".corp"]);
    }
}

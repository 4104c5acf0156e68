//! Proxies that programs are told to use.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::routing::Prefix;

/// What a process is told about proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proxies {
    /// The settings, the process's own first.
    pub settings: Vec<ProxySetting>,
    /// Hosts that are asked without one (`no_proxy`): names, suffixes, addresses, networks, `*`.
    pub except: Vec<String>,
}

/// One setting. Users and passwords in it are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxySetting {
    /// Its name, as it is written: `https_proxy`, `ALL_PROXY`, `Acquire::http::Proxy`.
    pub name: String,
    /// The proxy's host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where it is set.
    pub set_in: SetIn,
}

/// Where a proxy is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetIn {
    /// The environment of the process.
    Environment,
    /// The environment of whoever called sudo.
    Caller,
    /// A line of a file.
    File {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: u32,
    },
}

impl ProxySetting {
    /// The proxy is used for this scheme (`http`, `https`). `HTTP_PROXY` is for none: a web server sets it for its CGI
    /// programs from what a client sends, so clients pay no heed to it.
    pub fn is_for(&self, scheme: &str) -> bool {
        let name = self.name.to_ascii_lowercase();
        if name == "http_proxy" {
            return scheme == "http" && self.name == name;
        }
        name == "all_proxy" || name.strip_suffix("_proxy") == Some(scheme)
    }

    /// `127.0.0.1:3128`.
    pub fn shown(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Proxies {
    /// This host is asked without a proxy.
    pub fn spares(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let inside = |entry: &str| match (entry.parse::<Prefix>(), address) {
            (Ok(network), Some(address)) => network.holds(address),
            (Ok(_) | Err(_), _) => false,
        };
        self.except.iter().any(|entry| {
            let entry = entry.to_ascii_lowercase();
            let suffix = entry.trim_start_matches("*.").trim_start_matches('.');
            entry == "*"
                || inside(&entry)
                || host == suffix
                || host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_proxy_is_for_what() {
        let setting = |name: &str| ProxySetting {
            name: name.into(),
            host: "127.0.0.1".into(),
            port: 3128,
            set_in: SetIn::Environment,
        };
        assert!(setting("https_proxy").is_for("https") && setting("HTTPS_PROXY").is_for("https"));
        assert!(!setting("http_proxy").is_for("https") && setting("ALL_PROXY").is_for("http"));
        assert!(setting("http_proxy").is_for("http") && !setting("HTTP_PROXY").is_for("http"));
    }

    #[test]
    fn hosts_that_are_asked_without_one() {
        let proxies = |except: &[&str]| Proxies {
            except: except.iter().map(ToString::to_string).collect(),
            ..Proxies::default()
        };
        assert!(proxies(&["localhost", ".corp.example"]).spares("DB.corp.example"));
        assert!(proxies(&["corp.example"]).spares("corp.example") && proxies(&["*"]).spares("x"));
        assert!(!proxies(&["corp.example"]).spares("notcorp.example") && !proxies(&[]).spares("x"));
        let networks = proxies(&["10.0.0.0/8", "fd00::/8"]);
        assert!(networks.spares("10.1.2.3") && networks.spares("fd00::7"));
        assert!(!networks.spares("192.0.2.7") && !networks.spares("db.example"));
    }
}

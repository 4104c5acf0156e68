//! What a host name leads to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The resolver's answer for a name, beside what /etc/hosts says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The name that was asked.
    pub name: String,
    /// The addresses, in the resolver's own order, without repeats; empty when it does not resolve.
    pub addresses: Vec<IpAddr>,
    /// Why it does not resolve, in the resolver's words (`Name or service not known`).
    pub error: Option<String>,
    /// Lines of /etc/hosts that name it.
    pub hosts_lines: Vec<HostsLine>,
    /// The `hosts:` line of nsswitch.conf, without the key (`files dns`).
    pub nsswitch: Option<String>,
    /// Name servers of resolv.conf.
    pub nameservers: Vec<IpAddr>,
    /// What the name service says when /etc/hosts is left out (`getent -s dns`), where it could be asked: a list of
    /// addresses, empty when it knows no such name.
    pub beyond_hosts: Option<Vec<IpAddr>>,
    /// Domains that are tried behind a name (`search` of resolv.conf).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// What each name server says when it is asked for this name; only where it does not resolve and they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<(IpAddr, ServerSays)>,
}

/// What a name server says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerSays {
    /// This response code (RFC 1035 and its successors): 0 no error, 2 it failed itself, 3 no such name, 5 it refuses.
    Code(u8),
    /// Nothing listens there: the packet is refused.
    NotThere,
    /// Nothing, within half a second.
    Nothing,
}

/// One line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostsLine {
    /// Line number, from 1.
    pub line: u32,
    /// The address on it.
    pub address: IpAddr,
    /// The line as it stands.
    pub text: String,
}

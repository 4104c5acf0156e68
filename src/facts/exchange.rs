//! What a server says to one request, once the connection stands: HTTP, TLS, or something else.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One request, as it is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Where it goes.
    pub to: SocketAddr,
    /// With TLS.
    pub tls: bool,
    /// Host that is asked for, with its port where that is not the usual one (`Host:`).
    pub host: String,
    /// Path, without query.
    pub path: String,
}

impl Request {
    /// What tells one request of a diagnosis from another: there is one URL.
    pub fn key(to: SocketAddr, tls: bool) -> Self {
        Self { to, tls, host: String::new(), path: String::new() }
    }
}

/// What one request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What TLS came to; none where none was asked for, or none came about.
    pub tls: Option<Tls>,
    /// What was answered.
    pub said: Said,
    /// Time from the first packet to the answer, or to giving up.
    pub after: Duration,
}

/// TLS as it was agreed on. Whether the certificate may be trusted is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Its version (`TLSv1.3`).
    pub version: String,
    /// The certificate is for other names than the one that was asked for; none where that cannot be told.
    pub other_name: Option<bool>,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// An answer in HTTP.
    Http {
        /// Status code.
        status: u16,
        /// What calls itself the server (`nginx/1.22.1`), raw, at most 200 characters.
        server: Option<String>,
    },
    /// TLS where plain HTTP was asked for: an alert or a handshake record.
    Tls,
    /// Neither, though it said something: its first bytes, raw but UTF-8, at most 200 characters.
    Other(String),
    /// TLS did not come about, and why. Its first bytes, where they were no TLS.
    NoTls {
        /// Why, as a clause.
        why: String,
        /// What was said instead of TLS, raw but UTF-8, at most 200 characters.
        instead: Option<String>,
    },
    /// It hung up without a word.
    HungUp,
    /// It sent a RST.
    Reset,
    /// It took the request and said nothing in the time it was given.
    Nothing,
    /// The connection did not stand any more.
    NotConnected {
        /// Why, as a clause.
        why: String,
    },
}

impl Exchange {
    /// The status of an answer in HTTP.
    pub fn status(&self) -> Option<u16> {
        match self.said {
            Said::Http { status, .. } => Some(status),
            Said::Tls
            | Said::Other(_)
            | Said::NoTls { .. }
            | Said::HungUp
            | Said::Reset
            | Said::Nothing
            | Said::NotConnected { .. } => None,
        }
    }

    /// A proxy answers, and says that what it asks does not: bad gateway, no server available, gateway timeout.
    pub fn gateway_error(&self) -> Option<u16> {
        self.status().filter(|status| matches!(status, 502..=504))
    }
}

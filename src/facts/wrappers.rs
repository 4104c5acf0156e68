//! TCP wrappers: whether a daemon uses libwrap, and the files that libwrap reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Does a program ask libwrap about its clients?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libwrap {
    /// The program that was looked at.
    pub program: String,
    /// How it gets at libwrap, as a clause (`libwrap.so.0 is loaded in process 39`); none where it does not.
    pub by: Option<String>,
    /// Does it ask? Some daemons are linked with libwrap and use it only when told to.
    pub used: Used,
    /// The name by which it asks; none where that is not one name (xinetd, stunnel).
    pub daemon: Option<String>,
}

/// Whether a daemon that could use libwrap does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Used {
    /// It does.
    Yes,
    /// It does not, and why, as a clause.
    No(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// `/etc/hosts.allow`, `/etc/hosts.deny`, and the files that they name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostsAccess {
    /// Text of hosts.allow; none where there is no such file.
    pub allow: Option<String>,
    /// Text of hosts.deny, likewise.
    pub deny: Option<String>,
    /// Files of patterns that lines name (`/etc/blocked`), as far as they were read: text, or why there is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, Result<String, String>>,
}

impl HostsAccess {
    /// What a missing file of patterns says: no host is in it.
    pub const MISSING: &'static str = "no such file";
}

/// The name that libwrap finds for a client's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientName {
    /// This one, which leads back to the address.
    Named(String),
    /// None.
    Unknown,
    /// One that does not lead back to the address.
    Paranoid,
}

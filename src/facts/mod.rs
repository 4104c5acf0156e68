//! WHAT IS KNOWN: plain data about a host, one file a subject. No I/O, no clock.

pub mod claim;
pub mod command_line;
pub mod connect;
pub mod daemon;
pub mod host;
pub mod journal;
pub mod name;
pub mod namespace;
pub mod question;
pub mod reading;
pub mod recording;
pub mod redact;
pub mod socket;
pub mod unit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::target::{From, Target};
use claim::Claims;
use connect::{Dial, Endpoint};
use daemon::{Daemon, DaemonConfig};
use host::{Addresses, Host};
use journal::{Entry, Journal};
use name::Resolution;
use namespace::OtherNetwork;
pub use question::Question;
pub use reading::{Known, Reading};
use socket::{Listener, Owner, Transport, UnixSocket};
use unit::Unit;

/// What was asked, and the facts of each end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The target.
    pub target: Target,
    /// From which client.
    pub from: From,
    /// Facts of the host we run on: the client's end, and the server's too when the target is this host.
    pub here: Facts,
}

impl Case {
    /// A case of which nothing is known yet.
    pub fn new(target: Target, from: From) -> Self {
        Self { target, from, here: Facts::default() }
    }
}

/// Everything read on one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The host.
    pub host: Reading<Host>,
    /// Its addresses.
    pub addresses: Reading<Addresses>,
    /// Names.
    #[serde(with = "pairs")]
    pub names: BTreeMap<String, Reading<Resolution>>,
    /// Connection attempts.
    #[serde(with = "pairs")]
    pub dials: BTreeMap<Endpoint, Reading<Dial>>,
    /// Listeners by exact port.
    #[serde(with = "pairs")]
    pub listeners: BTreeMap<(Transport, u16), Reading<Vec<Listener>>>,
    /// All listeners.
    pub all_listeners: Reading<Vec<Listener>>,
    /// Unix sockets by name.
    #[serde(with = "pairs")]
    pub unix_sockets: BTreeMap<String, Reading<UnixSocket>>,
    /// Owners by inode.
    #[serde(with = "pairs")]
    pub owners: BTreeMap<u32, Reading<Owner>>,
    /// Units by name.
    #[serde(with = "pairs")]
    pub units: BTreeMap<String, Reading<Unit>>,
    /// Journals by unit.
    #[serde(with = "pairs")]
    pub journals: BTreeMap<String, Reading<Journal>>,
    /// Who should serve a port.
    #[serde(with = "pairs")]
    pub claims: BTreeMap<(Transport, u16), Reading<Claims>>,
    /// Daemon configurations (several instances of one daemon are possible).
    #[serde(with = "pairs")]
    pub daemons: BTreeMap<Daemon, Reading<Vec<DaemonConfig>>>,
    /// Other network namespaces, by process and port.
    #[serde(with = "pairs")]
    pub other_networks: BTreeMap<(u32, Transport, u16), Reading<OtherNetwork>>,
    /// Kernel settings.
    #[serde(with = "pairs")]
    pub sysctls: BTreeMap<String, Reading<String>>,
    /// Units in state failed.
    pub failed_units: Reading<Vec<Unit>>,
}

/// One answer, as it arrives.
#[expect(clippy::large_enum_variant, reason = "facts are moved once, from a source into the facts")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// To [`Question::Host`].
    Host(Reading<Host>),
    /// To [`Question::Addresses`].
    Addresses(Reading<Addresses>),
    /// To [`Question::Name`].
    Name(String, Reading<Resolution>),
    /// To [`Question::Dial`].
    Dial(Endpoint, Reading<Dial>),
    /// To [`Question::Listeners`].
    Listeners(Transport, u16, Reading<Vec<Listener>>),
    /// To [`Question::AllListeners`].
    AllListeners(Reading<Vec<Listener>>),
    /// To [`Question::UnixSocket`].
    UnixSocket(String, Reading<UnixSocket>),
    /// To [`Question::Owner`].
    Owner(u32, Reading<Owner>),
    /// To [`Question::Unit`].
    Unit(String, Reading<Unit>),
    /// To [`Question::Journal`].
    Journal(String, Reading<Journal>),
    /// One more entry of a journal that is being followed.
    JournalEntry(String, Entry),
    /// To [`Question::Claims`].
    Claims(Transport, u16, Reading<Claims>),
    /// To [`Question::Daemon`].
    Daemon(Daemon, Reading<Vec<DaemonConfig>>),
    /// To [`Question::OtherNetwork`].
    OtherNetwork(u32, Transport, u16, Reading<OtherNetwork>),
    /// To [`Question::Sysctl`].
    Sysctl(String, Reading<String>),
    /// To [`Question::FailedUnits`].
    FailedUnits(Reading<Vec<Unit>>),
}

impl Facts {
    /// Takes in one answer, replacing what was known of it.
    pub fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Host(r) => self.host = r,
            Fact::Addresses(r) => self.addresses = r,
            Fact::Name(k, r) => drop(self.names.insert(k, r)),
            Fact::Dial(k, r) => drop(self.dials.insert(k, r)),
            Fact::Listeners(t, p, r) => drop(self.listeners.insert((t, p), r)),
            Fact::AllListeners(r) => self.all_listeners = r,
            Fact::UnixSocket(k, r) => drop(self.unix_sockets.insert(k, r)),
            Fact::Owner(k, r) => drop(self.owners.insert(k, r)),
            Fact::Unit(k, r) => drop(self.units.insert(k, r)),
            Fact::Journal(k, r) => drop(self.journals.insert(k, r)),
            Fact::JournalEntry(unit, entry) => self.learn_entry(&unit, entry),
            Fact::Claims(t, p, r) => drop(self.claims.insert((t, p), r)),
            Fact::Daemon(k, r) => drop(self.daemons.insert(k, r)),
            Fact::OtherNetwork(pid, t, p, r) => drop(self.other_networks.insert((pid, t, p), r)),
            Fact::Sysctl(k, r) => drop(self.sysctls.insert(k, r)),
            Fact::FailedUnits(r) => self.failed_units = r,
        }
    }

    fn learn_entry(&mut self, unit: &str, entry: Entry) {
        if let Some(Reading::Known(known)) = self.journals.get_mut(unit) {
            let entries = &mut known.value.entries;
            entries.push(entry);
            if entries.len() > Journal::MOST {
                entries.drain(..Journal::MOST / 10);
            }
        }
    }

    /// True while the answer to this question is on its way.
    pub fn is_pending(&self, question: &Question) -> bool {
        fn pending<T>(reading: Option<&Reading<T>>) -> bool {
            matches!(reading, Some(Reading::Pending))
        }
        match question {
            Question::Host => pending(Some(&self.host)),
            Question::Addresses => pending(Some(&self.addresses)),
            Question::Name(k) => pending(self.names.get(k)),
            Question::Dial(k) => pending(self.dials.get(k)),
            Question::Listeners(t, p) => pending(self.listeners.get(&(*t, *p))),
            Question::AllListeners => pending(Some(&self.all_listeners)),
            Question::UnixSocket(k) => pending(self.unix_sockets.get(k)),
            Question::Owner { inode, .. } => pending(self.owners.get(inode)),
            Question::Unit(k) => pending(self.units.get(k)),
            Question::Journal(k) => pending(self.journals.get(k)),
            Question::Claims(t, p) => pending(self.claims.get(&(*t, *p))),
            Question::Daemon(k) => pending(self.daemons.get(k)),
            Question::OtherNetwork { pid, transport, port } => {
                pending(self.other_networks.get(&(*pid, *transport, *port)))
            }
            Question::Sysctl(k) => pending(self.sysctls.get(k)),
            Question::FailedUnits => pending(Some(&self.failed_units)),
        }
    }

    /// How many connection attempts were made.
    pub fn probes(&self) -> usize {
        self.dials.values().filter(|d| !matches!(d, Reading::NotAsked | Reading::Pending)).count()
    }
}

impl Fact {
    /// The answer that a question gets when its source could not give one.
    pub fn without_value(question: &Question, reading: Reading<std::convert::Infallible>) -> Self {
        fn any<T>(r: Reading<std::convert::Infallible>) -> Reading<T> {
            r.map(|never| match never {})
        }
        match question.clone() {
            Question::Host => Self::Host(any(reading)),
            Question::Addresses => Self::Addresses(any(reading)),
            Question::Name(k) => Self::Name(k, any(reading)),
            Question::Dial(k) => Self::Dial(k, any(reading)),
            Question::Listeners(t, p) => Self::Listeners(t, p, any(reading)),
            Question::AllListeners => Self::AllListeners(any(reading)),
            Question::UnixSocket(k) => Self::UnixSocket(k, any(reading)),
            Question::Owner { inode, .. } => Self::Owner(inode, any(reading)),
            Question::Unit(k) => Self::Unit(k, any(reading)),
            Question::Journal(k) => Self::Journal(k, any(reading)),
            Question::Claims(t, p) => Self::Claims(t, p, any(reading)),
            Question::Daemon(k) => Self::Daemon(k, any(reading)),
            Question::OtherNetwork { pid, transport, port } => Self::OtherNetwork(pid, transport, port, any(reading)),
            Question::Sysctl(k) => Self::Sysctl(k, any(reading)),
            Question::FailedUnits => Self::FailedUnits(any(reading)),
        }
    }
}

/// Maps with structured keys, written as lists of pairs (JSON objects only take strings as keys).
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(map: &BTreeMap<K, V>, to: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

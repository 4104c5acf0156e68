//! Zones of firewalld, over D-Bus: what holds now, and what is saved.
//!
//! What holds now leaves no trace when it is taken back. What is saved makes firewalld write the zone's file; where all
//! else of the zone is as it was then, the file is put back as it was, too. Where firewalld does not run (early at boot),
//! what is saved is read and set by firewall-offline-cmd.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use zbus::{DynamicType, Message, OwnedVariant};

use super::{file, kept, program};
use crate::apply::Hands;
use crate::apply::change::{Change, Kept, Value};
use crate::error::Error;
use crate::facts::Reading;
use crate::fixes::action::{FirewalldEntry, ZoneEntry};
use crate::sources::Trouble;
use crate::sources::dbus::firewalld::{CONFIG_ZONE, Daemon, PATH, Said, ZONE};

/// The first answer of a firewalld that was just started may take that long.
const PATIENCE: Duration = Duration::from_secs(25);
/// Where firewalld keeps the zones that were changed.
const ZONES: &str = "/etc/firewalld/zones";
/// Where those are that came with it.
const SHIPPED: &str = "/usr/lib/firewalld/zones";
/// The word for what is saved in a zone.
const SAVED: &str = "saved";

/// What an entry becomes.
pub(super) fn planned(entry: &FirewalldEntry) -> Value {
    if entry.permanent { Value::Kept(Kept { says: says(true), ..Kept::default() }) } else { Value::Present }
}

fn says(there: bool) -> Vec<String> {
    vec![if there { SAVED.to_owned() } else { String::new() }]
}

pub(super) async fn read(hands: &Hands, entry: &FirewalldEntry) -> Result<Value, Error> {
    let daemon = find(hands).await?;
    if !entry.permanent {
        // What holds now is gone with the daemon.
        let Some(daemon) = daemon else { return Ok(Value::Absent) };
        let there: bool = daemon.query(entry).await.map_err(said)?;
        return Ok(if there { Value::Present } else { Value::Absent });
    }
    let (there, beside) = match daemon {
        Some(daemon) => {
            (daemon.query_saved(entry).await.map_err(said)?, daemon.settings(&entry.zone).await.map_err(said)?)
        }
        None => (program::tells(&hands.state, &offline(entry, "query")).await?, String::new()),
    };
    let files = files_of(&entry.zone).into_iter();
    let files = files.map(|path| Ok((path.clone(), file::read(&path)?))).collect::<Result<_, Error>>()?;
    Ok(Value::Kept(Kept { says: says(there), beside, files }))
}

/// The command line of firewall-offline-cmd: `add`, `remove` or `query`.
fn offline(entry: &FirewalldEntry, verb: &str) -> Vec<String> {
    let online = FirewalldEntry { permanent: false, timeout: 0, ..entry.clone() }.argv(false).into_iter().skip(1);
    let words = online.map(|word| match word.strip_prefix("--add-") {
        Some(what) => format!("--{verb}-{what}"),
        None => word,
    });
    ["firewall-offline-cmd".to_owned()].into_iter().chain(words).collect()
}

/// The zone's file, and the one firewalld keeps of it before it writes.
fn files_of(zone: &str) -> Vec<String> {
    if zone.contains('/') {
        return Vec::new();
    }
    vec![format!("{ZONES}/{zone}.xml"), format!("{ZONES}/{zone}.xml.old")]
}

pub(super) async fn set(hands: &Hands, entry: &FirewalldEntry, change: &Change, number: u64) -> Result<(), Error> {
    let adding = change.new.is(&planned(entry));
    let Some(daemon) = find(hands).await? else {
        if !entry.permanent {
            return Err(down());
        }
        program::run(&hands.state, &offline(entry, if adding { "add" } else { "remove" })).await?;
        return restore(hands, entry, &change.new, number).await;
    };
    let done = if entry.permanent { daemon.save(entry, adding).await } else { daemon.enter(entry, adding).await };
    match done {
        // It was done by a call whose answer never came.
        Err(Said::Error { words, .. }) if words.starts_with(if adding { "ALREADY_ENABLED" } else { "NOT_ENABLED" }) => {
        }
        done => done.map_err(said)?,
    }
    restore(hands, entry, &change.new, number).await
}

/// Puts the zone's file back as it was, where the zone is.
pub(super) async fn restore(hands: &Hands, entry: &FirewalldEntry, to: &Value, number: u64) -> Result<(), Error> {
    let Value::Kept(to) = to else { return Ok(()) };
    if to.files.is_empty() {
        return Ok(());
    }
    let same = match find(hands).await? {
        Some(daemon) => daemon.settings(&entry.zone).await.map_err(said)? == to.beside,
        None => is_written_so(&entry.zone, &to.files)?,
    };
    if same { kept::put_back(&to.files, number) } else { Ok(()) }
}

/// The zone's file says what it said; where there was none, what the package says.
fn is_written_so(zone: &str, files: &[(String, Value)]) -> Result<bool, Error> {
    let Some((path, was)) = files.first() else { return Ok(false) };
    let was = if *was == Value::Absent { file::read(&format!("{SHIPPED}/{zone}.xml"))? } else { was.clone() };
    Ok(matches!((was, file::read(path)?), (Value::File(was), Value::File(now)) if was.content == now.content))
}

async fn find(hands: &Hands) -> Result<Option<Patient>, Error> {
    let found = Daemon::find(&hands.bus).await.map_err(|trouble| said(Said::Trouble(trouble)))?;
    Ok(found.map(Patient))
}

fn down() -> Error {
    Error::broken("firewalld does not run").hint("systemctl status firewalld")
}

fn said(said: Said) -> Error {
    let why = Reading::<()>::from(Trouble::from(said)).blind().unwrap_or_default();
    Error::broken(format!("firewalld cannot be asked for this: {why}"))
}

/// firewalld, asked until it answers. Everything that it is asked here is the same when it is asked twice.
struct Patient(Daemon);

impl Patient {
    async fn call<B>(&self, path: &str, method: (&str, &str), body: &B) -> Result<Message, Said>
    where
        B: serde::Serialize + DynamicType + Sync,
    {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.call(path, method, body).await {
                Err(said) if is_silent(&said) && Instant::now() < until => {}
                answer => return answer,
            }
        }
    }

    async fn query(&self, entry: &FirewalldEntry) -> Result<bool, Said> {
        let zone = entry.zone.as_str();
        let answer = match &entry.entry {
            ZoneEntry::Port(port, protocol) => {
                self.call(PATH, (ZONE, "queryPort"), &(zone, port.as_str(), protocol.as_str())).await
            }
            ZoneEntry::Service(name) => self.call(PATH, (ZONE, "queryService"), &(zone, name.as_str())).await,
            ZoneEntry::RichRule(rule) => self.call(PATH, (ZONE, "queryRichRule"), &(zone, rule.as_str())).await,
        }?;
        Ok(answer.body().deserialize()?)
    }

    async fn enter(&self, entry: &FirewalldEntry, adding: bool) -> Result<(), Said> {
        let zone = entry.zone.as_str();
        let timeout = i32::try_from(entry.timeout).unwrap_or(i32::MAX);
        let answer = match (&entry.entry, adding) {
            (ZoneEntry::Port(port, protocol), true) => {
                let body = (zone, port.as_str(), protocol.as_str(), timeout);
                self.call(PATH, (ZONE, "addPort"), &body).await
            }
            (ZoneEntry::Port(port, protocol), false) => {
                self.call(PATH, (ZONE, "removePort"), &(zone, port.as_str(), protocol.as_str())).await
            }
            (ZoneEntry::Service(name), true) => {
                self.call(PATH, (ZONE, "addService"), &(zone, name.as_str(), timeout)).await
            }
            (ZoneEntry::Service(name), false) => self.call(PATH, (ZONE, "removeService"), &(zone, name.as_str())).await,
            (ZoneEntry::RichRule(rule), true) => {
                self.call(PATH, (ZONE, "addRichRule"), &(zone, rule.as_str(), timeout)).await
            }
            (ZoneEntry::RichRule(rule), false) => {
                self.call(PATH, (ZONE, "removeRichRule"), &(zone, rule.as_str())).await
            }
        };
        answer.map(drop)
    }

    async fn query_saved(&self, entry: &FirewalldEntry) -> Result<bool, Said> {
        let answer = self.of_saved(entry, ["queryPort", "queryService", "queryRichRule"]).await?;
        Ok(answer.body().deserialize()?)
    }

    async fn save(&self, entry: &FirewalldEntry, adding: bool) -> Result<(), Said> {
        let methods = if adding {
            ["addPort", "addService", "addRichRule"]
        } else {
            ["removePort", "removeService", "removeRichRule"]
        };
        self.of_saved(entry, methods).await.map(drop)
    }

    /// Calls the method that fits the entry: of a port, a service or a rich rule.
    async fn of_saved(&self, entry: &FirewalldEntry, [port, service, rule]: [&str; 3]) -> Result<Message, Said> {
        let object = self.0.saved(&entry.zone).await?;
        let path = object.as_str();
        match &entry.entry {
            ZoneEntry::Port(number, protocol) => {
                self.call(path, (CONFIG_ZONE, port), &(number.as_str(), protocol.as_str())).await
            }
            ZoneEntry::Service(name) => self.call(path, (CONFIG_ZONE, service), &name.as_str()).await,
            ZoneEntry::RichRule(text) => self.call(path, (CONFIG_ZONE, rule), &text.as_str()).await,
        }
    }

    /// All settings of a zone as it is saved, as one text.
    async fn settings(&self, zone: &str) -> Result<String, Said> {
        let object = self.0.saved(zone).await?;
        let answer = self.call(object.as_str(), (CONFIG_ZONE, "getSettings2"), &()).await?;
        let settings: HashMap<String, OwnedVariant> = answer.body().deserialize()?;
        Ok(format!("{:?}", settings.into_iter().collect::<BTreeMap<_, _>>()))
    }
}

/// It did not answer in time.
fn is_silent(said: &Said) -> bool {
    match said {
        Said::Trouble(trouble) => matches!(trouble, Trouble::TimedOut { .. }),
        Said::Error { name, .. } => ["NoReply", "Timeout", "TimedOut"].iter().any(|end| name.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(permanent: bool) -> FirewalldEntry {
        let entry = ZoneEntry::Port("80".into(), "tcp".into());
        FirewalldEntry { zone: "public".into(), entry, permanent, timeout: 0 }
    }

    #[test]
    fn what_is_saved_is_compared_by_itself_and_not_with_what_stands_beside_it() {
        let old = Kept { says: says(false), beside: "a".into(), files: Vec::new() };
        assert!(Value::Kept(old.clone()).is(&Value::Kept(Kept { says: says(false), ..Kept::default() })));
        assert!(!Value::Kept(old).is(&planned(&entry(true))));
        assert_eq!(planned(&entry(false)), Value::Present);
    }

    #[test]
    fn silence_is_asked_again_and_a_no_is_not() {
        assert!(is_silent(&Said::Trouble(Trouble::TimedOut { after: PATIENCE })));
        assert!(is_silent(&Said::Error { name: "org.freedesktop.DBus.Error.NoReply".into(), words: String::new() }));
        let no = Said::Error { name: "org.fedoraproject.FirewallD1.Exception".into(), words: "INVALID_ZONE".into() };
        assert!(!is_silent(&no));
        assert!(said(no).report().contains("INVALID_ZONE"));
    }

    #[test]
    fn without_the_daemon_the_same_is_said_offline() {
        let words = offline(&entry(true), "query");
        assert_eq!(words, ["firewall-offline-cmd", "--zone=public", "--query-port=80/tcp"]);
    }

    #[test]
    fn a_zone_names_its_file_and_nothing_else() {
        assert_eq!(files_of("public")[0], "/etc/firewalld/zones/public.xml");
        assert!(files_of("../../x").is_empty());
    }
}

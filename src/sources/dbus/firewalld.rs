//! firewalld over D-Bus: the zones in use as they hold now, and as they will hold after a reload.
//!
//! Everybody may ask for the default and the active zones; what a zone lets in is polkit's to allow (`config.info`).
//! firewalld is spoken to by its unique name, which the bus never starts anybody for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Instant;

use futures_util::future::join_all;
use zbus::{Connection, Message, OwnedObjectPath};

use super::props::Props;
use super::{ANSWER_WITHIN, Bus, trouble_of};
use crate::facts::Reading;
use crate::facts::firewalls::{Firewalld, PortRange, Zone};
use crate::sources::{Trouble, trouble};

const NAME: &str = "org.fedoraproject.FirewallD1";
/// The interface of zones as they hold now.
pub(crate) const ZONE: &str = "org.fedoraproject.FirewallD1.zone";
/// Its object.
pub(crate) const PATH: &str = "/org/fedoraproject/FirewallD1";
const CONFIG: &str = "org.fedoraproject.FirewallD1.config";
/// The interface of a zone as it is saved.
pub(crate) const CONFIG_ZONE: &str = "org.fedoraproject.FirewallD1.config.zone";
const CONFIG_PATH: &str = "/org/fedoraproject/FirewallD1/config";
const THE_BUS: (&str, &str, &str) = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
const BUS_SOCKETS: &[&str] = &["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"];
/// Zones that are read in full.
const MOST_ZONES: usize = 64;
/// Services that are expanded to ports, those they include among them.
const MOST_SERVICES: usize = 256;

/// What firewalld was told. It is not started for this: where it does not run there is none.
pub async fn read(bus: &Bus) -> Reading<Firewalld> {
    let began = Instant::now();
    trouble::reading(look(bus).await, began)
}

async fn look(bus: &Bus) -> Result<Option<Firewalld>, Trouble> {
    let Some(daemon) = Daemon::find(bus).await? else { return Ok(None) };
    let default_zone: String = daemon.ask(PATH, (NAME, "getDefaultZone"), &()).await?;
    let panic = daemon.ask(PATH, (NAME, "queryPanicMode"), &()).await?;
    let active: HashMap<String, HashMap<String, Vec<String>>> = daemon.ask(PATH, (ZONE, "getActiveZones"), &()).await?;
    let mut used: BTreeSet<String> = active.into_keys().take(MOST_ZONES).collect();
    used.insert(default_zone.clone());
    let zones = join_all(used.iter().map(|name| daemon.zone(name))).await;
    let zones = zones.into_iter().collect::<Result<Vec<Zone>, Said>>()?;
    let permanent = join_all(used.iter().map(|name| daemon.permanent_zone(name))).await;
    let permanent: Option<Vec<Zone>> = permanent.into_iter().collect::<Result<_, _>>().ok();
    let named = zones.iter().chain(permanent.iter().flatten()).flat_map(|zone| zone.services.iter().cloned());
    let services = daemon.services(named.collect()).await;
    Ok(Some(Firewalld { default_zone, panic, zones, permanent, services }))
}

/// firewalld as it runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    connection: Connection,
    /// Its unique name on the bus.
    name: String,
}

impl Daemon {
    /// None where it does not run.
    pub(crate) async fn find(bus: &Bus) -> Result<Option<Self>, Trouble> {
        match bus.connection().await {
            Ok(connection) => Ok(Self::on(connection).await?),
            // firewalld lives on the bus: without one it does not run.
            Err(Trouble::Failed { .. }) if !BUS_SOCKETS.iter().any(|at| Path::new(at).exists()) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// None where it does not run.
    async fn on(connection: Connection) -> Result<Option<Self>, Said> {
        if !connection.is_bus() {
            return Ok(None);
        }
        let bus = Self { connection, name: THE_BUS.0.into() };
        match bus.ask(THE_BUS.1, (THE_BUS.2, "GetNameOwner"), &NAME).await {
            Ok(name) => Ok(Some(Self { name, ..bus })),
            Err(Said::Error { name, .. }) if name.ends_with(".NameHasNoOwner") => Ok(None),
            Err(said) => Err(said),
        }
    }

    /// Calls a method: of an object, an interface, its name.
    pub(crate) async fn call<B>(&self, path: &str, (interface, member): (&str, &str), body: &B) -> Result<Message, Said>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        let destination = Some(self.name.as_str());
        Ok(self.connection.call_method(destination, path, Some(interface), member, body).await?)
    }

    /// The same, and what it answers.
    pub(crate) async fn ask<B, T>(&self, path: &str, method: (&str, &str), body: &B) -> Result<T, Said>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
        T: serde::de::DeserializeOwned + zbus::Type,
    {
        let answer = self.call(path, method, body).await?;
        Ok(answer.body().deserialize::<T>()?)
    }

    /// A zone as it holds now.
    async fn zone(&self, name: &str) -> Result<Zone, Said> {
        let answer = self.call(PATH, (ZONE, "getZoneSettings2"), &name).await?;
        Ok(zone(name, &mut Props::of(&answer)))
    }

    /// The object of a zone as it is saved.
    pub(crate) async fn saved(&self, name: &str) -> Result<OwnedObjectPath, Said> {
        self.ask(CONFIG_PATH, (CONFIG, "getZoneByName"), &name).await
    }

    /// A zone as its file says.
    async fn permanent_zone(&self, name: &str) -> Result<Zone, Said> {
        let object = self.saved(name).await?;
        let answer = self.call(object.as_str(), (CONFIG_ZONE, "getSettings2"), &()).await?;
        Ok(zone(name, &mut Props::of(&answer)))
    }

    /// The ports of these services and of those they include. One that cannot be read is left out.
    async fn services(&self, mut asked: BTreeSet<String>) -> BTreeMap<String, Vec<PortRange>> {
        let mut read: BTreeMap<String, Service> = BTreeMap::new();
        while !asked.is_empty() && read.len() < MOST_SERVICES {
            let answers = join_all(asked.iter().take(MOST_SERVICES).map(|name| self.service(name))).await;
            let included = answers.iter().flatten().flat_map(|service| service.includes.clone()).collect();
            read.extend(asked.into_iter().zip(answers).filter_map(|(name, service)| Some((name, service.ok()?))));
            asked = included;
            asked.retain(|name| !read.contains_key(name));
        }
        read.keys().map(|name| (name.clone(), ports_of(name, &read))).collect()
    }

    async fn service(&self, name: &str) -> Result<Service, Said> {
        let answer = self.call(PATH, (NAME, "getServiceSettings2"), &name).await?;
        let mut props = Props::of(&answer);
        Ok(Service { ports: ports(props.get("ports")), includes: props.get("includes") })
    }
}

/// A service as firewalld tells it.
#[derive(Debug, Default)]
struct Service {
    ports: Vec<PortRange>,
    includes: Vec<String>,
}

/// The ports of a service, with those of all that it includes.
fn ports_of(name: &str, services: &BTreeMap<String, Service>) -> Vec<PortRange> {
    let mut seen = BTreeSet::from([name]);
    let mut ahead = vec![name];
    let mut found = BTreeSet::new();
    while let Some(name) = ahead.pop() {
        let Some(service) = services.get(name) else { continue };
        found.extend(service.ports.iter().cloned());
        ahead.extend(service.includes.iter().map(String::as_str).filter(|name| seen.insert(name)));
    }
    found.into_iter().collect()
}

/// A zone from its settings.
fn zone(name: &str, props: &mut Props) -> Zone {
    let forward_ports: Vec<(String, String, String, String)> = props.get("forward_ports");
    Zone {
        name: name.to_owned(),
        target: props.text("target").unwrap_or_else(|| "default".into()),
        interfaces: props.get("interfaces"),
        sources: props.get("sources"),
        services: props.get("services"),
        ports: ports(props.get("ports")),
        rich_rules: props.get("rules_str"),
        forward_ports: forward_ports.into_iter().map(forward_port).collect(),
    }
}

/// `port=80:proto=tcp:toport=8080:toaddr=10.0.0.5`.
fn forward_port((port, protocol, to_port, to_address): (String, String, String, String)) -> String {
    format!("port={port}:proto={protocol}:toport={to_port}:toaddr={to_address}")
}

/// Ports as firewalld names them: `80` or `6000-6010`, and the protocol.
fn ports(named: Vec<(String, String)>) -> Vec<PortRange> {
    named.into_iter().filter_map(|(port, protocol)| Some(PortRange { ports: range(&port)?, protocol })).collect()
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Said {
    /// It answered with an error: its name and its words.
    Error { name: String, words: String },
    /// There was nobody to answer.
    Trouble(Trouble),
}

impl From<zbus::Error> for Said {
    fn from(error: zbus::Error) -> Self {
        if let zbus::Error::MethodError(name, words, _) = &error {
            let words = words.clone().unwrap_or_else(|| name.to_string());
            return Self::Error { name: name.to_string(), words };
        }
        if let zbus::Error::FDO(error) = &error {
            let name = zbus::DBusError::name(error.as_ref()).to_string();
            let words = zbus::DBusError::description(error.as_ref()).unwrap_or(&name).to_owned();
            return Self::Error { name, words };
        }
        Self::Trouble(trouble_of(&error))
    }
}

impl From<Said> for Trouble {
    fn from(said: Said) -> Self {
        let (name, words) = match said {
            Said::Trouble(trouble) => return trouble,
            Said::Error { name, words } => (name, words),
        };
        // `org.fedoraproject.FirewallD1.NotAuthorizedException`, in older ones `org.fedoraproject.slip...`.
        if name.contains("NotAuthorized") || name.ends_with(".AccessDenied") {
            return Self::denied("root");
        }
        match name.rsplit('.').next().unwrap_or_default() {
            "NoReply" | "Timeout" | "TimedOut" => Self::TimedOut { after: ANSWER_WITHIN },
            _ => Self::failed(format!("firewalld says: {}", words.lines().last().unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    fn said(name: &str, words: &str) -> Trouble {
        Said::Error { name: name.into(), words: words.into() }.into()
    }

    #[test]
    fn a_refusal_of_polkit_is_no_failure() {
        let words = "Not Authorized(polkit): org.fedoraproject.FirewallD1.config.info";
        assert_eq!(said("org.fedoraproject.FirewallD1.NotAuthorizedException", words), Trouble::denied("root"));
        assert_eq!(said("org.freedesktop.DBus.Error.AccessDenied", "Rejected send"), Trouble::denied("root"));
        assert_eq!(
            said("org.fedoraproject.FirewallD1.Exception", "INVALID_ZONE: x"),
            Trouble::failed("firewalld says: INVALID_ZONE: x")
        );
        let traceback = "Traceback (most recent call last):\n  File \"x.py\"\nKeyError: 'y'";
        let told = said("org.freedesktop.DBus.Python.KeyError", traceback);
        assert_eq!(told, Trouble::failed("firewalld says: KeyError: 'y'"));
        let silent = said("org.freedesktop.DBus.Error.NoReply", "");
        assert_eq!(silent, Trouble::TimedOut { after: ANSWER_WITHIN });
    }

    #[test]
    fn ports_are_single_or_ranges_and_nothing_else() {
        let named = ["80", "6000-6010", "x", "", "70000", "1-x"].map(|port| (port.to_owned(), "tcp".to_owned()));
        let read: Vec<_> = ports(named.to_vec()).into_iter().map(|p| p.ports).collect();
        assert_eq!(read, [(80, 80), (6000, 6010)]);
    }

    #[test]
    fn a_service_has_the_ports_of_what_it_includes_even_in_a_circle() {
        let service = |port: &str, includes: &[&str]| Service {
            ports: ports(vec![(port.into(), "tcp".into())]),
            includes: includes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let all = BTreeMap::from([
            ("a".to_owned(), service("1", &["b", "gone"])),
            ("b".to_owned(), service("2", &["a", "c"])),
            ("c".to_owned(), service("3", &[])),
        ]);
        let of = |name: &str| ports_of(name, &all).into_iter().map(|p| p.ports.0).collect::<Vec<_>>();
        assert_eq!(of("a"), [1, 2, 3]);
        assert_eq!(of("c"), [3]);
    }

    #[test]
    fn a_zone_from_its_settings_and_from_none() {
        let mut settings = Props::from_pairs([
            ("target", Variant::from("%%REJECT%%")),
            ("services", Variant::from(vec!["ssh", "http"])),
            ("interfaces", Variant::from("not a list")),
        ]);
        let read = zone("block", &mut settings);
        assert_eq!((read.target.as_str(), read.interfaces.len()), ("%%REJECT%%", 0));
        assert_eq!(read.services, ["ssh", "http"]);
        assert_eq!(zone("x", &mut Props::default()).target, "default");
    }
}

//! Units as systemd tells of them: its signals say that something changed, reading the unit says what.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, select_all};
use zbus::match_rule::Builder;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

use super::{Gone, RETRY, TOGETHER, Teller};
use crate::sources::Trouble;
use crate::sources::dbus::{Bus, systemd};

/// The list of failed units is asked for: to be told of it would take every signal of every unit.
const FAILED_EVERY: Duration = Duration::from_secs(2);
/// A connection that breaks is mostly a bus or a systemd that restarts.
const RESTARTED: Duration = Duration::from_millis(300);

/// Tells when a unit changed. A bus that is restarted is joined again in silence; one that stays away is told once.
pub(super) async fn watch(bus: Arc<Bus>, name: String, mut teller: Teller) {
    loop {
        let told = match signals(&bus, &name).await {
            Ok(changes) => tell(changes, &mut teller).await.map(|()| RESTARTED),
            Err(trouble) => teller.trouble(trouble).await.map(|()| RETRY),
        };
        let Ok(pause) = told else { return };
        tokio::time::sleep(pause).await;
    }
}

/// Tells of each burst of signals, until the connection breaks.
async fn tell(mut changes: BoxStream<'static, ()>, teller: &mut Teller) -> Result<(), Gone> {
    loop {
        teller.again().await?;
        if changes.next().await.is_none() {
            return Ok(());
        }
        // Times out unless the connection breaks meanwhile.
        let _ = tokio::time::timeout(TOGETHER, async { while changes.next().await.is_some() {} }).await;
    }
}

/// Everything systemd says of one unit. `UnitNew` and `UnitRemoved` are left out: systemd says both whenever somebody
/// merely asks for a unit that is not in memory, so that each reading would cause the next.
async fn signals(bus: &Bus, name: &str) -> Result<BoxStream<'static, ()>, Trouble> {
    let connection = bus.connection().await?;
    subscribe(&connection).await?;
    let path = systemd::object(bus, name).await?;
    let of_unit = rule(path.as_str(), systemd::PROPERTIES, "PropertiesChanged");
    // The third word of JobRemoved is the unit's primary name, where `name` may be an alias.
    let job = rule(systemd::PATH, systemd::MANAGER, "JobRemoved").arg(2, systemd::name_of(path.as_str()));
    let reload = rule(systemd::PATH, systemd::MANAGER, "Reloading");
    let mut streams = Vec::new();
    for rule in [of_unit, job, reload] {
        let stream = match rule.build() {
            Ok(rule) => MessageStream::for_match_rule(rule, &connection, None).await,
            Err(error) => Err(error),
        };
        streams.push(stream.map_err(|error| broken(&error))?);
    }
    Ok(select_all(streams).map(drop).boxed())
}

fn rule<'r>(path: &'r str, interface: &'r str, member: &'r str) -> Builder<'r> {
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(systemd::NAME);
    rule.path(path).interface(interface).member(member)
}

fn broken(error: &zbus::Error) -> Trouble {
    Trouble::failed(format!("the system bus: {error}"))
}

/// systemd sends signals only while somebody has subscribed. A second time is an error that does not matter.
async fn subscribe(connection: &Connection) -> Result<(), Trouble> {
    let manager = Some(systemd::MANAGER);
    match connection.call_method(Some(systemd::NAME), systemd::PATH, manager, "Subscribe", &()).await {
        Ok(_) | Err(zbus::Error::MethodError(..) | zbus::Error::FDO(_)) => Ok(()),
        Err(error) => Err(broken(&error)),
    }
}

/// Tells when the list of failed units changed.
pub(super) async fn watch_failed(bus: Arc<Bus>, mut teller: Teller) {
    let mut before = None;
    loop {
        let told = match systemd::failed_names(&bus).await {
            Ok(now) if before.as_ref() == Some(&now) => Ok(()),
            Ok(now) => {
                before = Some(now);
                teller.again().await
            }
            Err(trouble) => {
                before = None;
                teller.trouble(trouble).await
            }
        };
        if told.is_err() || teller.changes.is_closed() {
            return;
        }
        tokio::time::sleep(FAILED_EVERY).await;
    }
}

//! The system bus: one connection, opened on first use, shared by everybody who asks systemd something.
//!
//! A host without a bus, a bus that hangs and a bus that dies are ordinary here: each is said in plain words, within
//! half a second, and tried again a moment later.

mod props;
pub mod systemd;

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use zbus::connection::{Builder, Connection};

use super::Trouble;

/// A healthy bus answers the handshake within 2 ms; one that hangs would make everybody wait.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// A GetAll takes about 2 ms; systemd answers late only while it reloads or is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Several questions are asked at once: those that come right after a failed attempt share its result.
const FAILURE_LASTS: Duration = Duration::from_secs(1);
/// systemd's own socket, for root, on hosts that run without a bus.
const PRIVATE_SOCKET: &str = "/run/systemd/private";

/// A connection to the system bus, opened on first use and shared.
#[derive(Default)]
pub struct Bus {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    failed: Option<(Instant, Trouble)>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

impl Bus {
    /// Not connected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The connection: the one we have while it lives, else a new one.
    pub(in crate::sources) async fn connection(&self) -> Result<Connection, Trouble> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|c| !c.is_closed()) {
            return Ok(connection.clone());
        }
        if let Some((at, trouble)) = &state.failed
            && at.elapsed() < FAILURE_LASTS
        {
            return Err(trouble.clone());
        }
        let attempt = connect().await;
        match &attempt {
            Ok(connection) => *state = State { connection: Some(connection.clone()), failed: None },
            Err(trouble) => *state = State { connection: None, failed: Some((Instant::now(), trouble.clone())) },
        }
        attempt
    }

    /// Calls a method of systemd, once more over a new connection when the old one turns out to be dead.
    async fn call<B>(&self, path: &str, method: (&str, &str), body: &B) -> Result<zbus::Message, CallError>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        let (interface, member) = method;
        for last in [false, true] {
            let connection = self.connection().await?;
            let answer = connection.call_method(Some(systemd::NAME), path, Some(interface), member, body).await;
            match answer {
                Err(zbus::Error::InputOutput(error)) if error.kind() != ErrorKind::TimedOut && !last => {
                    self.state.lock().await.connection = None;
                }
                answer => return answer.map_err(CallError::from),
            }
        }
        Err(Trouble::failed("the connection to the system bus broke").into())
    }
}

/// Why a call has no answer.
#[derive(Debug)]
enum CallError {
    /// systemd says no: the name of the error and its words.
    Said { name: String, words: String },
    /// There was nobody to say anything.
    Trouble(Trouble),
}

impl From<Trouble> for CallError {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Trouble(trouble) => trouble,
            CallError::Said { name, words } if name.ends_with(".AccessDenied") => {
                Self::Denied { needs: format!("root (systemd says: {words})") }
            }
            CallError::Said { words, .. } => Self::failed(format!("systemd says: {words}")),
        }
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, words, _) => {
                Self::Said { name: name.to_string(), words: words.unwrap_or_else(|| name.to_string()) }
            }
            zbus::Error::FDO(error) => said_by_the_bus(*error),
            error => Self::Trouble(trouble_of(&error)),
        }
    }
}

/// Standard errors: some are the bus saying that nobody is there.
fn said_by_the_bus(error: zbus::fdo::Error) -> CallError {
    use zbus::fdo::Error as Fdo;
    let nobody = || Trouble::failed("systemd does not run here (nobody answers as org.freedesktop.systemd1)").into();
    match error {
        Fdo::ServiceUnknown(_)
        | Fdo::NameHasNoOwner(_)
        | Fdo::SpawnChildExited(_)
        | Fdo::SpawnExecFailed(_)
        | Fdo::SpawnFailed(_)
        | Fdo::SpawnServiceNotFound(_) => nobody(),
        Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) => Trouble::TimedOut { after: ANSWER_WITHIN }.into(),
        Fdo::Disconnected(words) => Trouble::failed(format!("the system bus hung up: {words}")).into(),
        Fdo::ZBus(error) => CallError::from(error),
        other => {
            let name = zbus::DBusError::name(&other).to_string();
            let words = zbus::DBusError::description(&other).unwrap_or(&name).to_owned();
            CallError::Said { name, words }
        }
    }
}

/// An error of the transport, in words.
fn trouble_of(error: &zbus::Error) -> Trouble {
    match error {
        zbus::Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut => {
            Trouble::TimedOut { after: ANSWER_WITHIN }
        }
        zbus::Error::InputOutput(error) => Trouble::failed(format!("the connection to the system bus broke: {error}")),
        zbus::Error::Connection(error, address) => {
            let at = address.to_string();
            let at = at.strip_prefix("unix:path=").unwrap_or(&at);
            match error.kind() {
                ErrorKind::NotFound => Trouble::failed(format!("no D-Bus system bus here ({at}: {})", words(error))),
                ErrorKind::ConnectionRefused => {
                    Trouble::failed(format!("no D-Bus system bus runs here ({at}: {})", words(error)))
                }
                ErrorKind::PermissionDenied => Trouble::denied(format!("access to {at}")),
                _ => Trouble::failed(format!("the system bus at {at}: {}", words(error))),
            }
        }
        error => Trouble::failed(format!("the system bus: {error}")),
    }
}

/// An I/O error without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The system bus; without one, root may speak to systemd itself.
async fn connect() -> Result<Connection, Trouble> {
    let trouble = match within(Builder::system()).await {
        Ok(connection) => return Ok(connection),
        Err(trouble) => trouble,
    };
    // Somebody who names a bus means that one, not this host's systemd.
    if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_some() || !nix::unistd::geteuid().is_root() {
        return Err(trouble);
    }
    private().await.ok_or(trouble)
}

/// systemd's private socket: no bus in between, so no names and no match rules.
async fn private() -> Option<Connection> {
    if !Path::new(PRIVATE_SOCKET).exists() {
        return None;
    }
    let stream = tokio::net::UnixStream::connect(PRIVATE_SOCKET);
    let stream = tokio::time::timeout(CONNECT_WITHIN, stream).await.ok()?.ok()?.into_std().ok()?;
    within(Builder::unix_stream(stream).p2p()).await.ok()
}

async fn within(builder: Builder<'_>) -> Result<Connection, Trouble> {
    match tokio::time::timeout(CONNECT_WITHIN, builder.method_timeout(ANSWER_WITHIN).build()).await {
        Ok(built) => built.map_err(|error| trouble_of(&error)),
        Err(_) => Err(Trouble::TimedOut { after: CONNECT_WITHIN }),
    }
}

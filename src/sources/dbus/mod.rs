//! The system bus: one connection, opened on first use, shared by everybody who asks systemd something.
//!
//! A host without a bus, a bus that hangs and a bus that dies are ordinary here: each is said in plain words, within
//! half a second, and tried again a moment later.

pub mod firewalld;
mod private;
mod props;
mod sandbox;
pub mod systemd;

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use zbus::connection::{Builder, Connection};

use super::{Trouble, patient};

/// A healthy bus answers the handshake within 2 ms; one that hangs would make everybody wait.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// A GetAll takes about 2 ms; systemd answers late only while it reloads or is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// systemd reads its unit files for several seconds on a busy machine, and answers nobody meanwhile. Whoever changes
/// something waits: a call that was given up may be carried out all the same.
const CHANGED_WITHIN: Duration = Duration::from_secs(25);
/// Several questions are asked at once: those that come right after a failed attempt share its result.
const FAILURE_LASTS: Duration = Duration::from_secs(1);

/// A connection to the system bus, opened on first use and shared.
pub struct Bus {
    state: Mutex<State>,
    answer_within: Duration,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
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
        Self { state: Mutex::default(), answer_within: ANSWER_WITHIN }
    }

    /// The same for who changes something.
    pub fn patient() -> Self {
        Self { answer_within: CHANGED_WITHIN, ..Self::new() }
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
        let attempt = connect(self.answer_within).await;
        match &attempt {
            Ok(connection) => *state = State { connection: Some(connection.clone()), failed: None },
            Err(trouble) => *state = State { connection: None, failed: Some((Instant::now(), trouble.clone())) },
        }
        attempt
    }

    /// Calls a method of systemd, once more over a new connection when the old one turns out to be dead.
    pub(crate) async fn call<B>(&self, path: &str, method: (&str, &str), body: &B) -> Result<zbus::Message, CallError>
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
pub(crate) enum CallError {
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
        if let zbus::Error::MethodError(name, words, _) = &error {
            let words = words.clone().unwrap_or_else(|| name.to_string());
            return Self::Said { name: name.to_string(), words };
        }
        if let zbus::Error::FDO(error) = error {
            return said_by_the_bus(&error);
        }
        Self::Trouble(trouble_of(&error))
    }
}

/// Standard errors: some are the bus saying that nobody is there.
fn said_by_the_bus(error: &zbus::fdo::Error) -> CallError {
    let name = zbus::DBusError::name(error).to_string();
    match name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or(&name) {
        "ServiceUnknown" | "NameHasNoOwner" => nobody(),
        // A container has systemd's activation file, which runs /bin/false.
        spawn if spawn.starts_with("Spawn.") => nobody(),
        "NoReply" | "Timeout" | "TimedOut" => Trouble::TimedOut { after: ANSWER_WITHIN }.into(),
        "Disconnected" => Trouble::failed("the system bus hung up").into(),
        _ => {
            let words = zbus::DBusError::description(error).unwrap_or(&name).to_owned();
            CallError::Said { name, words }
        }
    }
}

fn nobody() -> CallError {
    Trouble::failed("systemd does not run here (nobody answers as org.freedesktop.systemd1)").into()
}

/// An error of the transport, in words.
fn trouble_of(error: &zbus::Error) -> Trouble {
    if let zbus::Error::InputOutput(error) = error {
        if error.kind() == ErrorKind::TimedOut {
            return Trouble::TimedOut { after: ANSWER_WITHIN };
        }
        return Trouble::failed(format!("the connection to the system bus broke: {}", words(error)));
    }
    let zbus::Error::Connection(error, address) = error else {
        return Trouble::failed(format!("the system bus: {error}"));
    };
    let at = address.to_string();
    let at = at.strip_prefix("unix:path=").unwrap_or(&at);
    let why = words(error);
    if error.kind() == ErrorKind::PermissionDenied {
        return Trouble::denied(format!("access to {at}"));
    }
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        return Trouble::failed(format!("no D-Bus system bus here ({at}: {why})"));
    }
    Trouble::failed(format!("the system bus at {at}: {why}"))
}

/// An I/O error without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The system bus; without one, root may speak to systemd itself.
async fn connect(answer: Duration) -> Result<Connection, Trouble> {
    let trouble = match within(Builder::system(), answer).await {
        Ok(connection) => return Ok(connection),
        Err(trouble) => trouble,
    };
    // Somebody who names a bus means that one, not this host's systemd.
    if std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_some() || !nix::unistd::geteuid().is_root() {
        return Err(trouble);
    }
    private::connect(answer).await.ok_or(trouble)
}

async fn within(builder: Builder<'_>, answer: Duration) -> Result<Connection, Trouble> {
    match tokio::time::timeout(patient(CONNECT_WITHIN), builder.method_timeout(patient(answer)).build()).await {
        Ok(built) => built.map_err(|error| trouble_of(&error)),
        Err(_) => Err(Trouble::TimedOut { after: CONNECT_WITHIN }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reach(path: &std::path::Path) -> Trouble {
        let address = format!("unix:path={}", path.display());
        within(Builder::address(address.as_str()), ANSWER_WITHIN).await.unwrap_err()
    }

    #[tokio::test]
    async fn no_bus_a_dead_one_and_a_hanging_one_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let at = place.path().join("bus");
        let shown = at.display();
        assert_eq!(
            reach(&at).await,
            Trouble::failed(format!("no D-Bus system bus here ({shown}: No such file or directory)"))
        );
        let listening = std::os::unix::net::UnixListener::bind(&at).unwrap();
        assert_eq!(reach(&at).await, Trouble::TimedOut { after: CONNECT_WITHIN }, "it takes us and says nothing");
        drop(listening);
        assert_eq!(
            reach(&at).await,
            Trouble::failed(format!("no D-Bus system bus here ({shown}: Connection refused)"))
        );
    }

    #[tokio::test]
    async fn a_failure_is_shared_for_a_moment() {
        let trouble = Trouble::failed("as before");
        let state = State { connection: None, failed: Some((Instant::now(), trouble.clone())) };
        let bus = Bus { state: Mutex::new(state), ..Bus::new() };
        assert_eq!(bus.connection().await.unwrap_err(), trouble);
    }

    #[test]
    fn a_bus_without_systemd_says_so() {
        for error in [
            zbus::fdo::Error::ServiceUnknown("x".into()),
            zbus::fdo::Error::SpawnChildExited("Process org.freedesktop.systemd1 exited with status 1".into()),
        ] {
            let told = Trouble::from(CallError::from(zbus::Error::FDO(Box::new(error))));
            assert!(matches!(told, Trouble::Failed { why } if why.starts_with("systemd does not run here")));
        }
        let denied = zbus::Error::FDO(Box::new(zbus::fdo::Error::AccessDenied("no".into())));
        assert!(matches!(Trouble::from(CallError::from(denied)), Trouble::Denied { .. }));
    }
}

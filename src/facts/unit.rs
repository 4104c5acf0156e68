//! A systemd unit as its manager tells it over D-Bus.

use serde::{Deserialize, Serialize};

use super::sandbox::Sandbox;
use super::socket::Transport;

/// A unit and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Its primary name (`nginx.service`).
    pub name: String,
    /// All its names.
    pub names: Vec<String>,
    /// `Description=`.
    pub description: String,
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load_state: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active_state: String,
    /// `running`, `exited`, `dead`, `failed`, `auto-restart`, `start-pre`, `listening` ...
    pub sub_state: String,
    /// `enabled`, `disabled`, `static`, `masked`, `indirect`, `generated` ...; empty when unknown.
    pub file_state: String,
    /// Path of the unit file.
    pub fragment: Option<String>,
    /// Paths of drop-ins.
    pub drop_ins: Vec<String>,
    /// Units that start this one (`ssh.socket`).
    pub triggered_by: Vec<String>,
    /// Units this one starts (a socket's service).
    pub triggers: Vec<String>,
    /// Requires=, Requisite= and BindsTo= together.
    pub requires: Vec<String>,
    /// After=.
    pub after: Vec<String>,
    /// PartOf= of others and Wants= that pull instances (`postgresql@15-main.service` of `postgresql.service`).
    pub pulls: Vec<String>,
    /// Did the last condition check pass, and was there one?
    pub condition_failed: Vec<String>,
    /// `LoadError` message, if any.
    pub load_error: Option<String>,
    /// When it last became active, microseconds since the Unix epoch (0: never in this boot).
    pub active_enter_us: u64,
    /// When it last became inactive, likewise.
    pub inactive_enter_us: u64,
    /// When its state last changed.
    pub state_change_us: u64,
    /// `NeedDaemonReload`: files changed since systemd read them.
    pub needs_reload: bool,
    /// Path of its control group, empty when it has none.
    pub control_group: String,
    /// Id of that control group (inode of its directory), which sock_diag gives for every socket made in it.
    pub cgroup_id: Option<u64>,
    /// Job that is waiting or running for it (`start`, `stop` ...).
    pub job: Option<String>,
    /// What it is kept from; none where it was not read, as in recordings of before, or has no processes of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Box<Sandbox>>,
    /// What only services have.
    pub service: Option<Service>,
    /// What only sockets have.
    pub socket: Option<SocketUnit>,
}

/// The service part of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Service {
    /// `simple`, `forking`, `notify`, `oneshot` ...
    pub kind: String,
    /// `success`, `exit-code`, `signal`, `core-dump`, `timeout`, `oom-kill`, `start-limit-hit`, `condition` ...
    pub result: String,
    /// Main process, 0 when none runs.
    pub main_pid: u32,
    /// CLD_ code of the last main process: 1 exited, 2 killed, 3 dumped; 0 when it never ended.
    pub exit_code: i32,
    /// Its exit status or signal number.
    pub exit_status: i32,
    /// When the last main process started, microseconds since the epoch.
    pub started_us: u64,
    /// When the last main process ended, likewise.
    pub exited_us: u64,
    /// How often it was restarted by Restart=.
    pub restarts: u32,
    /// `Restart=`.
    pub restart: String,
    /// The command lines of ExecStart=, each as its argv.
    pub exec_start: Vec<Vec<String>>,
    /// A command of ExecStartPre=, ExecStart= ... that failed: its argv joined by spaces and its status.
    pub failed_command: Option<(String, i32)>,
    /// `Environment=` entries that look like they name an address or a port; others may hold secrets and are left out.
    pub environment: Vec<String>,
    /// `User=`.
    pub user: String,
    /// `PrivateNetwork=`, `NetworkNamespacePath=` or `JoinsNamespaceOf=` with a network of its own.
    pub private_network: bool,
    /// `NetworkNamespacePath=`.
    pub network_namespace: Option<String>,
    /// `AmbientCapabilities=`, as a bit set.
    pub ambient_capabilities: u64,
}

/// The socket part of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SocketUnit {
    /// What it listens on: kind (`Stream`, `Datagram`, ...) and address as systemd prints it (`[::]:22`, `0.0.0.0:80`,
    /// `/run/x.sock`).
    pub listens: Vec<(String, String)>,
    /// `Accept=yes`: one service instance a connection.
    pub accept: bool,
    /// `success`, `trigger-limit-hit`, `service-start-limit-hit`, `resources` ...
    pub result: String,
    /// `BindToDevice=`.
    pub device: Option<String>,
    /// `BindIPv6Only=`: `default`, `both`, `ipv6-only`.
    pub bind_ipv6_only: String,
    /// `TriggerLimitBurst=` and `TriggerLimitIntervalUSec=`, where the running systemd tells them.
    pub trigger_limit: Option<(u32, u64)>,
}

impl Unit {
    /// There is such a unit (masked ones included).
    pub fn exists(&self) -> bool {
        self.load_state != "not-found" && !self.load_state.is_empty()
    }

    /// Active and not merely `exited`.
    pub fn is_running(&self) -> bool {
        matches!(self.active_state.as_str(), "active" | "reloading") && self.sub_state != "exited"
    }

    /// It runs or is about to, `exited` ones included. One that ended and waits for its next restart does not.
    pub fn is_up(&self) -> bool {
        match self.active_state.as_str() {
            "active" | "reloading" => true,
            "activating" => !self.sub_state.starts_with("auto-restart"),
            _ => false,
        }
    }

    /// `failed`, `active (running)` ... as systemctl shows it.
    pub fn shown_state(&self) -> String {
        format!("{} ({})", self.active_state, self.sub_state)
    }
}

impl SocketUnit {
    /// Internet ports it listens on.
    pub fn ports(&self) -> Vec<(Transport, u16)> {
        self.listens
            .iter()
            .filter_map(|(kind, address)| {
                let transport = match kind.as_str() {
                    "Stream" => Transport::Tcp,
                    "Datagram" => Transport::Udp,
                    _ => return None,
                };
                let port = address.rsplit_once(':').map_or(address.as_str(), |(_, port)| port);
                Some((transport, port.parse().ok()?))
            })
            .collect()
    }
}

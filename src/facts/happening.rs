//! What happened on a host, and when: what a fault that comes and goes is held against.

use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Happening {
    /// When, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// What.
    pub what: What,
    /// Who tells of it.
    pub source: Teller,
}

/// Who tells of a happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Teller {
    /// The journal.
    Journal,
    /// dpkg.log, apt's history or the log of dnf.
    PackageLog,
    /// The log of fail2ban.
    Fail2banLog,
    /// The kernel, as it happened.
    Netlink,
    /// A container engine.
    Engine,
    /// The clocks of this process.
    Clock,
}

impl Teller {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::PackageLog => "package log",
            Self::Fail2banLog => "fail2ban.log",
            Self::Netlink => "netlink",
            Self::Engine => "container engine",
            Self::Clock => "clock",
        }
    }

    /// How exact its times are, in microseconds: logs with whole seconds tell of what came up to a second later.
    pub fn exact_us(self) -> u64 {
        match self {
            Self::Journal | Self::Clock => 100_000,
            Self::Netlink => 300_000,
            Self::PackageLog | Self::Fail2banLog => 1_000_000,
            Self::Engine => 3_500_000,
        }
    }
}

/// What can happen. Names, commands and addresses are raw host text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A unit changed.
    Unit {
        /// Its name.
        unit: String,
        /// What became of it.
        change: Change,
        /// systemd's words, where they say more (`Main process exited, code=killed, status=9/KILL`); may be empty.
        words: String,
    },
    /// The kernel killed for want of memory.
    Oom {
        /// The unit it was of, where that is known.
        unit: Option<String>,
        /// The kernel's or systemd's words.
        words: String,
    },
    /// A process ended by a signal and left a core.
    Crash {
        /// The program.
        program: String,
        /// The signal (`SIGSEGV`).
        signal: String,
        /// Its unit, where it had one.
        unit: Option<String>,
    },
    /// Packages were installed, upgraded, configured or removed.
    Packages {
        /// `apt`, `dpkg` or `dnf`.
        tool: String,
        /// `upgrade`, `install`, `remove` ...
        verb: String,
        /// Names of the packages; a bounded number.
        packages: Vec<String>,
        /// The command line, where it is known.
        command: Option<String>,
        /// When it ended, in microseconds since the epoch; none while it runs.
        until_us: Option<u64>,
    },
    /// An address was banned, or let in again.
    Ban {
        /// Who.
        address: String,
        /// By which jail.
        jail: String,
        /// It was let in again.
        lifted: bool,
    },
    /// The rules of the packet filter changed.
    Rules {
        /// The program that changed them, where the kernel tells.
        by: Option<String>,
    },
    /// An address came or went.
    Address {
        /// The address.
        address: String,
        /// Its interface.
        interface: String,
        /// It came.
        came: bool,
    },
    /// An interface went up or down.
    Link {
        /// Its name.
        interface: String,
        /// It went up.
        up: bool,
    },
    /// A container started or ended.
    Container {
        /// Its name.
        name: String,
        /// It runs now.
        runs: bool,
    },
    /// The clock was set.
    Clock {
        /// By how much, in milliseconds; negative: back. None where only the fact is known.
        by_ms: Option<i64>,
    },
    /// The machine woke from sleep.
    Woke {
        /// How long it had slept, in milliseconds, where that is known.
        slept_ms: Option<u64>,
    },
    /// The machine goes to sleep.
    Sleeps,
    /// The machine has started up.
    Boot,
    /// Somebody ran a command as root, or cron did.
    Command {
        /// `alice (sudo)`, `cron (root)`.
        by: String,
        /// The command, without arguments unless it is one that manages services, packages or rules.
        command: String,
    },
}

/// What becomes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is being started.
    Starting,
    /// It is up.
    Started,
    /// It is being stopped, as somebody asked.
    Stopping,
    /// It is down, as somebody asked.
    Stopped,
    /// It reads its configuration again.
    Reloading,
    /// It has.
    Reloaded,
    /// Its main process ended by itself.
    Exited,
    /// It is in state failed.
    Failed,
    /// systemd will start it again by itself.
    RestartScheduled,
    /// It ended well by itself.
    Finished,
}

impl Change {
    /// As the end of a sentence that begins with the unit's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Starting => "is being started",
            Self::Started => "is up",
            Self::Stopping => "is being stopped",
            Self::Stopped => "is stopped",
            Self::Reloading => "is being reloaded",
            Self::Reloaded => "was reloaded",
            Self::Exited => "lost its main process",
            Self::Failed => "failed",
            Self::RestartScheduled => "will be restarted by systemd (Restart=)",
            Self::Finished => "ended",
        }
    }
}

/// A timer, and what it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Its name (`logrotate.timer`).
    pub name: String,
    /// The unit it starts.
    pub starts: String,
}

/// What happened in a stretch of time, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Past {
    /// From when on, in microseconds since the epoch.
    pub since_us: u64,
    /// What happened, oldest first; a bounded number, the latest.
    pub happenings: Vec<Happening>,
    /// The timers of this host.
    pub timers: Vec<Timer>,
    /// What could not be read, as clauses after "because".
    pub blind: Vec<String>,
}

impl Past {
    /// How many happenings are kept.
    pub const MOST: usize = 20_000;
    /// How far back a diagnosis looks, in microseconds.
    pub const LATELY_US: u64 = 15 * 60 * 1_000_000;
}

/// What happened, as a short sentence; host text in it is raw.
impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unit { unit, change, words } if words.is_empty() => write!(f, "{unit} {}", change.words()),
            Self::Unit { unit, change, words } => write!(f, "{unit} {}: {words}", change.words()),
            Self::Oom { unit: Some(unit), .. } => write!(f, "the OOM killer ended a process of {unit}"),
            Self::Oom { unit: None, words } => f.write_str(words),
            Self::Crash { program, signal, .. } => write!(f, "{program} ended by {signal} and left a core"),
            Self::Packages { tool, verb, packages, command, .. } => {
                write!(f, "{tool}: {verb} {}", some(packages))?;
                command.as_ref().map_or(Ok(()), |command| write!(f, " (`{command}`)"))
            }
            Self::Ban { address, jail, lifted: false } => write!(f, "{jail} banned {address}"),
            Self::Ban { address, jail, lifted: true } => write!(f, "{jail} let {address} in again"),
            Self::Rules { by: Some(by) } => write!(f, "the packet filter's rules were changed by {by}"),
            Self::Rules { by: None } => f.write_str("the packet filter's rules were changed"),
            Self::Address { address, interface, came: true } => write!(f, "{interface} got the address {address}"),
            Self::Address { address, interface, came: false } => write!(f, "{interface} lost the address {address}"),
            Self::Link { interface, up } => write!(f, "{interface} went {}", if *up { "up" } else { "down" }),
            Self::Container { name, runs: true } => write!(f, "container {name} started"),
            Self::Container { name, runs: false } => write!(f, "container {name} ended"),
            Self::Clock { by_ms: Some(ms) } if *ms < 0 => {
                write!(f, "the clock was set back by {} ms", ms.unsigned_abs())
            }
            Self::Clock { by_ms: Some(ms) } => write!(f, "the clock was set forward by {ms} ms"),
            Self::Clock { by_ms: None } => f.write_str("the clock was set"),
            Self::Woke { slept_ms: Some(ms) } => write!(f, "the machine woke after {} s of sleep", ms / 1000),
            Self::Woke { slept_ms: None } => f.write_str("the machine woke"),
            Self::Sleeps => f.write_str("the machine went to sleep"),
            Self::Boot => f.write_str("the machine had started up"),
            Self::Command { by, command } => write!(f, "{by} ran `{command}`"),
        }
    }
}

/// The first few of many.
pub fn some(of: &[String]) -> String {
    const SHOWN: usize = 3;
    let first = of.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if of.len() > SHOWN { format!("{first} and {} more", of.len() - SHOWN) } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told_in_a_sentence() {
        let packages = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
        let command = Some("apt upgrade".into());
        let what = What::Packages { tool: "apt".into(), verb: "upgrade".into(), packages, command, until_us: None };
        assert_eq!(what.to_string(), "apt: upgrade a, b, c and 2 more (`apt upgrade`)");
        let back = What::Clock { by_ms: Some(-1500) };
        assert_eq!(back.to_string(), "the clock was set back by 1500 ms");
        let unit = What::Unit { unit: "a.service".into(), change: Change::Failed, words: String::new() };
        assert_eq!(unit.to_string(), "a.service failed");
    }
}

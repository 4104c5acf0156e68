//! One real Debian host: booted by systemd from a copy of the root that lives in memory, and gone with the value.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cmd::{Ran, Step, While, command, feed, run, succeeded, wait_until};
use crate::dial::{self, Outcome};
use crate::lab::{complain, make_cgroups, remove_cgroups, remove_traces_of_nspawn};
use crate::root::{Root, lab_dir};

/// Where the program under test and the dialler appear inside.
pub(crate) const PROGRAM_INSIDE: &str = "/usr/local/bin/unrefuse";
const DIALLER_INSIDE: &str = "/usr/local/lib/unrefuse-tests/dialler";

/// No command inside may take longer (seconds).
const PATIENCE: &str = "60";

/// Mounts the copy in a mount namespace that ends with this process, and this process ends with its standard input.
const HOLD_COPY: &str = r#"
mount -t tmpfs -o size=3g,mode=755 unrefuse "$1" && mkdir "$1/up" "$1/work" "$1/root" &&
mount -t overlay unrefuse -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" "$1/root" && echo ready && exec cat
"#;

/// `CGROUP.PROCS... -- PROGRAM...`: joins the control groups, then becomes the program.
const JOIN_AND_RUN: &str = r#"while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; exec "$@""#;

/// `FILE PROGRAM...`: becomes the program, with all it prints in the file.
const LOG_AND_RUN: &str = r#"log=$1; shift; exec "$@" >>"$log" 2>&1 </dev/null"#;

/// `ROOT PROGRAM...`: runs the program in a root that is not booted.
const CHROOT_AND_RUN: &str = r#"root=$1; shift; mount -t proc proc "$root/proc" && exec chroot "$root" "$@""#;

/// What every command inside starts with.
const CLEAN: &[&str] = &[
    "env",
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
    "TERM=dumb",
    "DEBIAN_FRONTEND=noninteractive",
    "timeout",
    "--kill-after=5",
    PATIENCE,
];

/// A host that is being prepared, runs, or is switched off again.
#[derive(Debug)]
pub(crate) struct Host {
    id: String,
    name: &'static str,
    netns: String,
    copy: Child,
    mount: PathBuf,
    cgroups: Vec<PathBuf>,
    machine: RefCell<Option<Machine>>,
    powers: Cell<Powers>,
}

#[derive(Debug)]
struct Machine {
    nspawn: Child,
    /// Its systemd, as seen from outside.
    leader: u32,
}

/// What a host may do to the machine it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Powers {
    /// What most services want.
    Usual,
    /// Everything: containers and BPF programs are made in it.
    All,
}

impl Powers {
    /// In the words of systemd-nspawn. Docker's layers cannot lie on an overlay.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &["--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_PTRACE,CAP_SYSLOG"],
            Self::All => &["--capability=all", "--system-call-filter=@known", "--tmpfs=/var/lib/docker"],
        }
    }
}

/// What `unrefuse check --json` answered.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// Its exit status.
    pub exit: i32,
    /// Its answer; null where it was no JSON.
    pub json: serde_json::Value,
    /// All it printed, for when something is wrong with the answer.
    pub printed: String,
}

impl Host {
    /// A copy of the root, not booted yet: files can be changed, units enabled, packages removed.
    pub(crate) fn new(id: &str, name: &'static str, netns: &str, root: &Root) -> Step<Self> {
        let mount = lab_dir().join("mnt");
        fs::create_dir_all(&mount).while_(format!("making {}", mount.display()))?;
        let mut copy = command(&["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", HOLD_COPY, "sh"])
            .arg(&mount)
            .arg(&root.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .while_("copying the root")?;
        let mut answer = String::new();
        if let Some(stdout) = copy.stdout.take() {
            BufReader::new(stdout).read_line(&mut answer).while_("copying the root")?;
        }
        let host = Self {
            id: id.to_owned(),
            name,
            netns: netns.to_owned(),
            copy,
            mount,
            cgroups: make_cgroups(id)?,
            machine: RefCell::new(None),
            powers: Cell::new(Powers::Usual),
        };
        if answer.trim() != "ready" {
            return Err("the copy of the root could not be mounted (its message is above)".to_owned());
        }
        host.introduce()?;
        Ok(host)
    }

    /// Switches the host on and returns when it is up.
    pub(crate) fn boot(&self, powers: Powers) -> Step {
        self.powers.set(powers);
        let nspawn = self.start_nspawn(powers)?;
        self.machine.replace(Some(Machine { nspawn, leader: 0 }));
        wait_until("systemd runs in the host", Duration::from_secs(30), || self.found_leader())
            .and_then(|()| self.try_run(&["systemctl", "is-system-running", "--wait"]))
            .map(drop)
            .map_err(|why| format!("{why}\nconsole:\n{}", self.console()))
    }

    /// Shuts the host down properly and boots the same disk again.
    pub(crate) fn reboot(&self) -> Step {
        self.try_run(&["systemctl", "--no-block", "poweroff"])?;
        wait_until("the host has shut down", Duration::from_secs(30), || {
            let mut machine = self.machine.borrow_mut();
            let Some(machine) = machine.as_mut() else { return Ok(true) };
            machine.nspawn.try_wait().map(|ended| ended.is_some()).while_("waiting for nspawn")
        })?;
        self.machine.replace(None);
        self.boot(self.powers.get())
    }

    /// Takes its power away. Its disk is as it was at that moment; rules of the packet filter go with the kernel.
    pub(crate) fn cut_power(&self) -> Step {
        if let Some(mut machine) = self.machine.take() {
            machine.switch_off()?;
        }
        // Its network outlives it.
        let net = format!("--net={}", self.netns);
        run(&mut command(&["nsenter", &net, "--", "nft", "flush", "ruleset"])).map(drop)
    }

    /// Runs a command inside that must succeed. Before the boot it runs in the plain root.
    pub(crate) fn run(&self, words: &[&str]) -> Step {
        self.read(words).map(drop)
    }

    /// The same, returning what it printed.
    pub(crate) fn read(&self, words: &[&str]) -> Step<String> {
        succeeded(&format!("in the host, `{}`", words.join(" ")), self.try_run(words)?)
    }

    /// Runs a command inside that may fail.
    pub(crate) fn try_run(&self, words: &[&str]) -> Step<Ran> {
        run(&mut self.inside(words))
    }

    /// Runs a line of shell inside that must succeed.
    pub(crate) fn sh(&self, line: &str) -> Step {
        self.run(&["sh", "-ec", line])
    }

    /// Writes a file inside, with the directories it needs.
    pub(crate) fn write(&self, path: &str, text: &str) -> Step {
        let words = ["sh", "-ec", r#"mkdir -p "$(dirname "$1")"; cat >"$1""#, "sh", path];
        feed(&mut self.inside(&words), text).map(drop)
    }

    /// Adds lines to the end of a file inside.
    pub(crate) fn append(&self, path: &str, text: &str) -> Step {
        feed(&mut self.inside(&["sh", "-ec", r#"test -e "$1"; cat >>"$1""#, "sh", path]), text).map(drop)
    }

    /// Writes `/etc/systemd/system/NAME` (a unit or a drop-in) and makes systemd read it.
    pub(crate) fn unit(&self, name: &str, text: &str) -> Step {
        self.write(&format!("/etc/systemd/system/{name}"), text)?;
        self.run(&["systemctl", "daemon-reload"])
    }

    /// Waits until a line of shell succeeds inside.
    pub(crate) fn wait(&self, line: &str) -> Step {
        wait_until(line, Duration::from_secs(30), || Ok(self.try_run(&["sh", "-c", line])?.code == 0))
    }

    /// Connects from the host itself.
    pub(crate) fn connect(&self, target: &str) -> Step<Outcome> {
        Outcome::parse(&self.read(&[DIALLER_INSIDE, dial::FLAG, target])?)
    }

    /// Asks the program under test, as `user`.
    pub(crate) fn check(&self, user: &str, words: &[&str]) -> Step<Diagnosis> {
        let ran = self.program(user, &[&["check", "--json"], words].concat())?;
        let json = serde_json::from_str(&ran.stdout).unwrap_or_default();
        Ok(Diagnosis { exit: ran.code, json, printed: format!("{}{}", ran.stdout, ran.stderr) })
    }

    /// A recording of what the program under test sees, as `user`.
    pub(crate) fn record(&self, user: &str, words: &[&str]) -> Step<String> {
        succeeded("in the host, `unrefuse record`", self.program(user, &[&["record", "-o", "-"], words].concat())?)
    }

    /// Runs the program under test, as `user`, or within a slice of systemd.
    pub(crate) fn program(&self, user: &str, words: &[&str]) -> Step<Ran> {
        if let Some(slice) = user.strip_prefix("slice ") {
            let unit = ["systemd-run", "--quiet", "--pipe", "--wait", "--slice", slice, PROGRAM_INSIDE];
            return self.try_run(&[&unit[..], words].concat());
        }
        let as_user = ["runuser", "-u", user, "--"];
        let before = if user == "root" { &as_user[..0] } else { &as_user[..] };
        self.try_run(&[before, &[PROGRAM_INSIDE], words].concat())
    }

    /// What the host's console showed.
    pub(crate) fn console(&self) -> String {
        let log = self.mount.join("console");
        let holder = self.copy.id().to_string();
        run(command(&["nsenter", "-t", &holder, "-m", "--", "cat"]).arg(log)).map_or_else(|why| why, |ran| ran.stdout)
    }

    /// A command inside, ready to run.
    pub(crate) fn inside(&self, words: &[&str]) -> Command {
        let mut all = self.enter();
        all.args(CLEAN).args(words);
        all
    }

    /// A program in the host that is to have the terminal to itself (under `timeout` it would be in the background).
    pub(crate) fn on_terminal(&self, words: &[&str]) -> Command {
        let mut all = self.enter();
        let path = CLEAN.iter().find(|word| word.starts_with("PATH="));
        all.args(["env", "-i", "LANG=C.UTF-8", "HOME=/root", "TERM=xterm-256color"]).args(path).args(words);
        all
    }

    /// Runs a program in the host under strace, which stays outside: the host need not have it.
    pub(crate) fn traced(&self, strace: &[String], words: &[&str]) -> Step<Ran> {
        let inside = self.inside(words);
        let mut traced = command(&["timeout", "-k", "1", "60", "strace"]);
        traced.args(strace).arg("--").arg(inside.get_program()).args(inside.get_args());
        run(&mut traced)
    }

    /// Where a file of the running host is seen from outside.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        let leader = self.machine.borrow().as_ref().map_or(0, |machine| machine.leader);
        PathBuf::from(format!("/proc/{leader}/root{path}"))
    }

    fn enter(&self) -> Command {
        let leader = self.machine.borrow().as_ref().map(|machine| machine.leader.to_string());
        match leader {
            Some(pid) => command(&["nsenter", "-t", &pid, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]),
            None => self.inside_the_copy(),
        }
    }

    fn inside_the_copy(&self) -> Command {
        let mut enter = command(&["nsenter", "-t", &self.copy.id().to_string(), "-m", "--"]);
        enter.args(["unshare", "--mount", "sh", "-c", CHROOT_AND_RUN, "sh"]).arg(self.mount.join("root"));
        enter
    }

    /// Gives the copy a name, an identity and neighbours. Lookups of other names fail at once: there is no DNS.
    fn introduce(&self) -> Step {
        self.write("/etc/hostname", &format!("{}\n", self.name))?;
        self.write("/etc/machine-id", &format!("{:032x}\n", machine_id(&self.id)))?;
        self.write(
            "/etc/hosts",
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n\
             10.1.0.2 client\n10.1.0.1 router\n10.2.0.2 server\n",
        )
    }

    fn start_nspawn(&self, powers: Powers) -> Step<Child> {
        let mut start = command(&["setpriv", "--pdeathsig", "KILL", "sh", "-c", JOIN_AND_RUN, "sh"]);
        start.args(self.cgroups.iter().map(|group| group.join("cgroup.procs"))).arg("--");
        start.args(["nsenter", "-t", &self.copy.id().to_string(), "-m", "--"]);
        start.args(["sh", "-c", LOG_AND_RUN, "sh"]).arg(self.mount.join("console"));
        start
            .args(["systemd-nspawn", "--quiet", "--boot", "--keep-unit", "--register=no", "--link-journal=no"])
            .args(["--console=pipe", "--resolv-conf=off", "--timezone=off"])
            .args(powers.words())
            .arg(format!("--machine={}", self.id))
            .arg(format!("--hostname={}", self.name))
            .arg(format!("--network-namespace-path={}", self.netns))
            .arg(format!("--directory={}", self.mount.join("root").display()))
            .arg(format!("--bind-ro={}:{PROGRAM_INSIDE}", env!("CARGO_BIN_EXE_unrefuse")))
            .arg(format!("--bind-ro={}:{DIALLER_INSIDE}", dial::own_program()?))
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
            .stdin(Stdio::null())
            .spawn()
            .while_("starting systemd-nspawn")
    }

    /// Looks for the host's systemd, and whether it can be talked to already.
    fn found_leader(&self) -> Step<bool> {
        let mut machine = self.machine.borrow_mut();
        let Some(machine) = machine.as_mut() else { return Err("the host is switched off".to_owned()) };
        if let Some(ended) = machine.nspawn.try_wait().while_("looking at nspawn")? {
            return Err(format!("systemd-nspawn ended with {ended}"));
        }
        let nspawn = machine.nspawn.id();
        let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).unwrap_or_default();
        let is_systemd =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|n| n.trim() == "systemd");
        let found = children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_systemd);
        machine.leader = found.unwrap_or(0);
        Ok(found.is_some_and(|pid| fs::exists(format!("/proc/{pid}/root/run/systemd/private")).unwrap_or(false)))
    }
}

impl Machine {
    /// Ends the host's systemd; everything in it ends with that, and nspawn tidies up and ends by itself.
    fn switch_off(&mut self) -> Step {
        if self.leader != 0 {
            run(&mut command(&["kill", "-9", &self.leader.to_string()]))?;
            let ended = || self.nspawn.try_wait().map(|ended| ended.is_some()).while_("waiting for nspawn");
            if wait_until("nspawn has ended", Duration::from_secs(5), ended).is_ok() {
                return Ok(());
            }
        }
        end(&mut self.nspawn);
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(machine) = self.machine.get_mut() {
            complain(machine.switch_off());
        }
        complain(remove_cgroups(&self.cgroups));
        end(&mut self.copy);
        remove_traces_of_nspawn(&self.id);
    }
}

fn end(child: &mut Child) {
    // It may have ended already; waiting tells.
    drop(child.kill());
    complain(child.wait().while_("waiting for a killed process"));
}

/// Some number that no other lab has.
fn machine_id(id: &str) -> u128 {
    id.bytes().fold(1, |hash: u128, byte| (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b))
}

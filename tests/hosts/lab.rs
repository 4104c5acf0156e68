//! Three network namespaces, `client 10.1.0.2 – router – server 10.2.0.2` (and `fd00:1::2`, `fd00:2::2`), gone with the value.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cmd::{Step, While, command, feed, ok, run, wait_until};
use crate::dial::{self, Outcome};
use crate::host::{Host, Powers};
use crate::root::Root;

/// All that a lab makes starts with this word.
const PREFIX: &str = "unrefuse";

/// The ends of the wires.
const ENDS: &[&str] = &["client", "router", "server"];

/// Makes the router one.
const FORWARD: &str = "for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >/proc/sys/net/$f; done";
/// Linux sends one ICMP error a second to each address, after a few at once. What a trial has used up by looking itself must
/// not change what the program sees.
const TELL: &str = "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit";

static LABS: AtomicU32 = AtomicU32::new(0);

/// A private little network with nothing on it yet.
#[derive(Debug)]
pub(crate) struct Lab {
    id: String,
    /// Servers at the ends.
    servers: RefCell<Vec<Child>>,
}

impl Lab {
    /// Makes the namespaces and the wires between them.
    pub(crate) fn new() -> Step<Self> {
        let pid = std::process::id();
        let nth = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            id: format!("{PREFIX}-{pid}-{}-{nth}", started_at(pid).unwrap_or_default()),
            servers: RefCell::default(),
        };
        for end in ENDS {
            ok(&mut command(&["ip", "netns", "add", &lab.netns(end)]))?;
            ok(&mut lab.command_at(end, &["sh", "-c", TELL]))?;
        }
        lab.wire("client", 1)?;
        lab.wire("server", 2)?;
        ok(&mut lab.command_at("router", &["sh", "-c", FORWARD]))?;
        Ok(lab)
    }

    /// Boots the server from a copy of `root`, after `setup` has had its way with the files.
    pub(crate) fn boot_server(&self, root: &Root, powers: Powers, setup: impl FnOnce(&Host) -> Step) -> Step<Host> {
        let host = Host::new(&self.id, "server", &self.netns_path("server"), root)?;
        setup(&host)?;
        host.boot(powers)?;
        Ok(host)
    }

    /// Boots the client's host, too, which has no listener but what is started in it.
    pub(crate) fn boot_client(&self, root: &Root) -> Step<Host> {
        let host = Host::new(&format!("{}-client", self.id), "client", &self.netns_path("client"), root)?;
        host.boot(Powers::Usual)?;
        Ok(host)
    }

    /// Connects from the client's side of the network.
    pub(crate) fn client_connect(&self, target: &str) -> Step<Outcome> {
        let printed = ok(&mut self.command_at("client", &[&dial::own_program()?, dial::FLAG, target]))?;
        Outcome::parse(&printed)
    }

    /// Starts a server at one end of the network that takes every connection to this address.
    pub(crate) fn serve(&self, end: &str, at: &str) -> Step {
        let words = ["setpriv", "--pdeathsig", "KILL", &dial::own_program()?, dial::SERVE, at];
        let server = self.command_at(end, &words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut server = server.while_(format!("starting a server at {at}"))?;
        let mut answer = String::new();
        if let Some(stdout) = server.stdout.take() {
            BufReader::new(stdout).read_line(&mut answer).while_(format!("starting a server at {at}"))?;
        }
        self.servers.borrow_mut().push(server);
        if answer.trim() == "ready" { Ok(()) } else { Err(format!("no server at {at} (its message is above)")) }
    }

    /// Runs a program at one end of the network, in this machine's own file system.
    pub(crate) fn run_at(&self, end: &str, words: &[&str]) -> Step {
        ok(&mut self.command_at(end, words)).map(drop)
    }

    /// A program that will run at one end of the network, in this machine's own file system.
    pub(crate) fn command_at(&self, end: &str, words: &[&str]) -> std::process::Command {
        let net = format!("--net={}", self.netns_path(end));
        let mut all = vec!["nsenter", &net, "--"];
        all.extend(words);
        command(&all)
    }

    fn netns(&self, end: &str) -> String {
        format!("{}-{end}", self.id)
    }

    fn netns_path(&self, end: &str) -> String {
        format!("/run/netns/{}", self.netns(end))
    }

    /// A second wire between the server (10.8.0.2 on eth1) and the router (10.8.0.1), which takes from it what it likes.
    pub(crate) fn wire_beside(&self) -> Step {
        let (server, router) = (self.netns("server"), self.netns("router"));
        let words =
            ["ip", "link", "add", "eth1", "netns", &server, "type", "veth", "peer", "name", "beside", "netns", &router];
        ok(&mut command(&words))?;
        for (netns, lines) in [
            (&server, "addr add 10.8.0.2/24 dev eth1\nlink set eth1 up\n"),
            (&router, "addr add 10.8.0.1/24 dev beside\nlink set beside up\n"),
        ] {
            feed(&mut command(&["ip", "-n", netns, "-batch", "-"]), lines)?;
        }
        self.run_at("router", &["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.beside.rp_filter=0"])
    }

    /// Connects one end with the router; `net` is the number in both of the wire's addresses.
    fn wire(&self, end: &str, net: u8) -> Step {
        let (here, router, port) = (self.netns(end), self.netns("router"), format!("lan{net}"));
        let words =
            ["ip", "link", "add", "eth0", "netns", &here, "type", "veth", "peer", "name", &port, "netns", &router];
        ok(&mut command(&words))?;
        let host_end = format!(
            "link set lo up\naddr add 10.{net}.0.2/24 dev eth0\naddr add fd00:{net}::2/64 dev eth0 nodad\n\
             link set eth0 up\nroute add default via 10.{net}.0.1\n"
        );
        let router_end = format!(
            "link set lo up\naddr add 10.{net}.0.1/24 dev {port}\naddr add fd00:{net}::1/64 dev {port} nodad\n\
             link set {port} up\n"
        );
        feed(&mut command(&["ip", "-n", &router, "-batch", "-"]), &router_end)?;
        feed(&mut command(&["ip", "-n", &here, "-batch", "-"]), &host_end)?;
        let v6 = format!("fd00:{net}::1");
        ok(&mut command(&["ip", "-n", &here, "-6", "route", "add", "default", "via", &v6])).map(drop)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for server in self.servers.get_mut() {
            // It serves for ever.
            drop(server.kill());
            complain(server.wait().while_("waiting for a killed server"));
        }
        for end in ENDS {
            complain(ok(&mut command(&["ip", "netns", "del", &self.netns(end)])));
        }
    }
}

/// Removes what test processes that no longer live have left: their machines, control groups and namespaces.
pub(crate) fn sweep() -> Step {
    for group in all_in(&cgroup_roots()?).into_iter().filter(|path| is_stale(path)) {
        remove_cgroups(&[group])?;
    }
    for left in all_in(&["/run/netns".into(), "/run/systemd/nspawn/propagate".into()]).iter().filter(|p| is_stale(p)) {
        let name = left.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if left.starts_with("/run/netns") {
            ok(&mut command(&["ip", "netns", "del", &name]))?;
        } else {
            remove_traces_of_nspawn(&name);
        }
    }
    Ok(())
}

/// Makes a control group for the machine `id` in every hierarchy that systemd uses; nspawn needs one of its own.
pub(crate) fn make_cgroups(id: &str) -> Step<Vec<PathBuf>> {
    let groups: Vec<PathBuf> = cgroup_roots()?.into_iter().map(|root| root.join(id)).collect();
    for group in &groups {
        fs::create_dir_all(group).while_(format!("making {}", group.display()))?;
    }
    Ok(groups)
}

/// Kills what runs in these control groups and removes them.
pub(crate) fn remove_cgroups(groups: &[PathBuf]) -> Step {
    for group in groups {
        wait_until("the machine's control group is gone", std::time::Duration::from_secs(10), || {
            Ok(!group.exists() || emptied(group))
        })?;
    }
    Ok(())
}

/// Removes the directories that a killed nspawn leaves in /run.
pub(crate) fn remove_traces_of_nspawn(id: &str) {
    for kind in ["propagate", "unix-export"] {
        let path = format!("/run/systemd/nspawn/{kind}/{id}");
        if fs::exists(&path).unwrap_or(false) {
            complain(fs::remove_dir(&path).while_(format!("removing {path}")));
        }
    }
}

/// Says on the terminal what could not be cleaned up; a test's own failure is worth more than this.
pub(crate) fn complain<T>(cleaned: Step<T>) {
    if let Err(why) = cleaned {
        eprintln!("cleaning up: {why}");
    }
}

/// Where the hierarchies are mounted that a systemd in a container needs: cgroup2, and on hybrid machines systemd's own.
pub(crate) fn cgroup_roots() -> Step<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").while_("reading the mounts")?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    Ok(fields
        .filter_map(|row| match row.as_slice() {
            [_, at, "cgroup2", ..] => Some(PathBuf::from(at)),
            [_, at, "cgroup", options, ..] if options.contains("name=systemd") => Some(PathBuf::from(at)),
            _ => None,
        })
        .collect())
}

fn emptied(group: &PathBuf) -> bool {
    for child in all_in(std::slice::from_ref(group)).iter().filter(|path| path.is_dir()) {
        emptied(child);
    }
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in procs.lines() {
        // It may have ended by itself meanwhile: then there is nothing to say.
        drop(run(&mut command(&["kill", "-9", pid])));
    }
    fs::remove_dir(group).is_ok()
}

fn all_in(directories: &[PathBuf]) -> Vec<PathBuf> {
    let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok());
    entries.flat_map(|entries| entries.flatten().map(|entry| entry.path())).collect()
}

/// Whether this was made by a test process that is gone (the start time tells it from a later one with its number).
fn is_stale(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.split('-').collect::<Vec<_>>().as_slice() {
        [PREFIX, pid, started, ..] => pid.parse().is_ok_and(|pid| started_at(pid).as_deref() != Some(*started)),
        _ => false,
    }
}

/// When a process was started, in the kernel's clock ticks; none if it is gone.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything; the 22nd is what is wanted.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

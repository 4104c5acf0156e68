//! SELinux: whether it forbids, what a program runs as, and whether that may bind or connect to a port, as the kernel
//! itself decides it. No policy tools are run: semanage takes seconds.

pub(super) mod policy;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Trouble;
use crate::facts::Reading;
use crate::facts::confined::Confined;
use crate::facts::denial::type_of;
use crate::facts::selinux::{Domain, Mode, Opening, PortRule, PortType, Selinux};
use crate::facts::socket::Transport;
use policy::Ports;

const FS: &str = "/sys/fs/selinux";
const CONFIG: &str = "/etc/selinux/config";
/// Policies have a few megabytes.
const MOST_POLICY: u64 = 64 << 20;
/// Types of ports that are tried.
const MOST_TYPES: usize = 1000;
/// Switches that are told.
const MOST_SWITCHES: usize = 3;
/// Domains in which nothing particular runs: a daemon there has lost the label of its file.
const GENERAL: [&str; 5] = ["init_t", "initrc_t", "unconfined_service_t", "unconfined_t", "kernel_t"];

/// What SELinux says about a program and a port. None: it is not active on this kernel.
pub fn read(about: &Confined, transport: Transport, port: u16) -> Result<Option<Selinux>, Trouble> {
    let Some(enforce) = kernel_word("enforce")? else {
        // A host that was meant to have it says so in its configuration.
        let off = Selinux { mode: Mode::Off, ..Selinux::default() };
        return Ok(Path::new(CONFIG).exists().then_some(off));
    };
    if enforce != "1" {
        return Ok(Some(Selinux { mode: Mode::Permissive, ..Selinux::default() }));
    }
    let mut selinux = Selinux { mode: Mode::Enforcing, policy_changed_ms: policy_changed(), ..Selinux::default() };
    let context = if about.pid == 0 { of_program(&about.program) } else { of_process(about.pid) };
    match context {
        Ok(context) => selinux.with_domain(about, context, transport, port),
        Err(trouble) => selinux.domain = trouble.into(),
    }
    Ok(Some(selinux))
}

impl Selinux {
    fn with_domain(&mut self, about: &Confined, context: String, transport: Transport, port: u16) {
        let (rule, permissive) = match of_port(&context, transport, port) {
            Ok((rule, permissive)) => (Reading::known(rule), permissive),
            Err(trouble) => (trouble.into(), false),
        };
        self.port = rule;
        let domain = Domain { context, of_process: about.pid != 0, permissive };
        self.booleans = booleans(domain.name());
        if about.pid == 0 && GENERAL.contains(&domain.name()) {
            self.mislabelled = mislabelled(&about.program);
        }
        self.domain = Reading::known(domain);
    }
}

/// A word that the kernel keeps in its file system. None: there is none, SELinux is not active.
fn kernel_word(name: &str) -> Result<Option<String>, Trouble> {
    let path = Path::new(FS).join(name);
    match small(&path) {
        Ok(word) => Ok(Some(word.trim_matches(['\0', '\n', ' ']).to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::io(&path.to_string_lossy(), &error)),
    }
}

fn small(path: &Path) -> std::io::Result<String> {
    const MOST: u64 = 4 << 10;
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_process(pid: u32) -> Result<String, Trouble> {
    let path = format!("/proc/{pid}/attr/current");
    let context = small(Path::new(&path)).map_err(|error| Trouble::io(&path, &error))?;
    Ok(context.trim_matches(['\0', '\n']).to_owned())
}

/// What a process gets that systemd starts from this file.
fn of_program(program: &str) -> Result<String, Trouble> {
    let label = xattr::get_deref(program, "security.selinux");
    let label = label.map_err(|error| Trouble::io(&format!("reading the label of {program}"), &error))?;
    let label = label.map(|bytes| String::from_utf8_lossy(&bytes).trim_matches('\0').to_owned());
    let label = label.ok_or_else(|| Trouble::failed(format!("{program} has no label")))?;
    let class = number("class/process/index")?;
    let answer = ask("create", &format!("{} {label} {class}", of_process(1)?))?;
    Ok(answer.trim_matches(['\0', '\n']).to_owned())
}

/// Writes a request into a file of the kernel's and reads what it decides.
fn ask(file: &str, request: &str) -> Result<String, Trouble> {
    let path = Path::new(FS).join(file);
    let failed = |error: std::io::Error| Trouble::io(&format!("asking {}", path.display()), &error);
    let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
    file.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    file.take(4 << 10).read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}

fn number(file: &str) -> Result<u32, Trouble> {
    let word = kernel_word(file)?.and_then(|word| word.parse().ok());
    word.ok_or_else(|| Trouble::failed(format!("{FS}/{file} tells no number")))
}

/// What the kernel decides about a domain and ports of one label.
struct Decision {
    allowed: u32,
    /// What is logged when it is denied.
    logged: u32,
    permissive: bool,
}

/// The rights of a class of sockets.
struct Rights {
    class: u32,
    bind: u32,
    connect: u32,
    /// What contexts end with.
    level: &'static str,
}

impl Rights {
    fn of(transport: Transport) -> Result<Self, Trouble> {
        let class = if transport == Transport::Tcp { "tcp_socket" } else { "udp_socket" };
        let bit = |name: &str| -> Result<u32, Trouble> {
            let place = number(&format!("class/{class}/perms/{name}"))?;
            Ok(1u32.checked_shl(place.saturating_sub(1)).unwrap_or(0))
        };
        let level = if kernel_word("mls")?.as_deref() == Some("1") { ":s0" } else { "" };
        Ok(Self {
            class: number(&format!("class/{class}/index"))?,
            bind: bit("name_bind")?,
            // Policies before Linux 4.x know none for UDP.
            connect: bit("name_connect").unwrap_or(0),
            level,
        })
    }

    fn decide(&self, domain: &str, label: &str) -> Result<Decision, Trouble> {
        let answer = ask("access", &format!("{domain} {label}{} {}", self.level, self.class))?;
        let words: Vec<&str> = answer.trim_matches(['\0', '\n']).split_whitespace().collect();
        let hex = |at: usize| words.get(at).and_then(|word| u32::from_str_radix(word, 16).ok());
        let (Some(allowed), Some(logged), Some(flags)) = (hex(0), hex(3), hex(5)) else {
            return Err(Trouble::failed("the kernel's decision cannot be read"));
        };
        Ok(Decision { allowed, logged, permissive: flags & 1 != 0 })
    }
}

/// The port's label, what the domain may do with it, and whether the domain is permissive.
fn of_port(domain: &str, transport: Transport, port: u16) -> Result<(PortRule, bool), Trouble> {
    let protocol = if transport == Transport::Tcp { 6 } else { 17 };
    let ports = loaded_ports()?;
    let entry = ports.entries.iter().find(|e| e.protocol == protocol && (e.first..=e.last).contains(&port));
    let label = entry.map(|e| &e.label).or(ports.others.as_ref());
    let label = label.ok_or_else(|| Trouble::failed("the loaded policy does not say what a port is"))?;
    let rights = Rights::of(transport)?;
    let decision = rights.decide(domain, &label.context)?;
    let (bind, connect) = (decision.allowed & rights.bind != 0, decision.allowed & rights.connect != 0);
    let kinds = if bind && connect { Vec::new() } else { allowed(&rights, domain, &ports, protocol) };
    let with = |right: u32, already: bool| -> Vec<PortType> {
        let fits = kinds.iter().filter(|(_, allowed)| allowed & right != 0 && !already);
        fits.map(|(kind, _)| kind.clone()).collect()
    };
    let rule = PortRule {
        kind: label.kind.clone(),
        range: entry.map(|e| (e.first, e.last)),
        bind,
        bind_logged: decision.logged & rights.bind != 0,
        connect,
        connect_logged: decision.logged & rights.connect != 0,
        bindable: with(rights.bind, bind),
        connectable: with(rights.connect, connect),
        switches: if connect { Vec::new() } else { switches(&rights, domain, &ports, &label.kind) },
    };
    Ok((rule, decision.permissive))
}

/// The types of ports, with what the domain may do with each.
fn allowed(rights: &Rights, domain: &str, ports: &Ports, protocol: u8) -> Vec<(PortType, u32)> {
    let mut found: Vec<(PortType, u32)> = Vec::new();
    for entry in ports.entries.iter().filter(|e| e.protocol == protocol) {
        let (kind, range) = (&entry.label.kind, (entry.first, entry.last));
        if let Some((known, _)) = found.iter_mut().find(|(known, _)| known.name == *kind) {
            known.ports.push(range);
        } else if found.len() < MOST_TYPES {
            let allowed = rights.decide(domain, &entry.label.context).map_or(0, |decision| decision.allowed);
            found.push((PortType { name: kind.clone(), ports: vec![range] }, allowed));
        }
    }
    found
}

/// The switches that would let the domain connect to ports of a type.
fn switches(rights: &Rights, domain: &str, ports: &Ports, kind: &str) -> Vec<Opening> {
    let (Some(known), Some(domain)) = (&ports.switches, type_of(domain)) else { return Vec::new() };
    let what = (rights.class, rights.connect);
    if rights.connect == 0 {
        return Vec::new();
    }
    let mut all: Vec<&str> = ports.entries.iter().map(|entry| entry.label.kind.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    let opening = |(name, on): (String, bool)| {
        let kinds = known.opened((&name, on), domain, &all, what);
        Opening { name, on, kinds }
    };
    let mut found: Vec<Opening> = known.that_allow(domain, kind, what).into_iter().map(opening).collect();
    // Those that are called like the domain are about it alone.
    let stem = format!("{}_", domain.strip_suffix("_t").unwrap_or(domain));
    found.sort_by_key(|one| (!one.name.starts_with(&stem), one.kinds));
    found.truncate(MOST_SWITCHES);
    found
}

fn loaded_ports() -> Result<Ports, Trouble> {
    // The kernel lets one reader at a time have it; the file it was loaded from is the same.
    let failed = |error: std::io::Error| Trouble::io("reading the loaded policy", &error);
    let mut bytes = Vec::new();
    let read = File::open(Path::new(FS).join("policy")).and_then(|f| f.take(MOST_POLICY).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
        let file = policy_file().ok_or_else(|| Trouble::denied("root, to read the loaded policy"))?;
        File::open(file).and_then(|f| f.take(MOST_POLICY).read_to_end(&mut bytes)).map_err(failed)?;
    }
    policy::ports(&bytes).ok_or_else(|| Trouble::failed("the loaded policy is of a kind that this program cannot read"))
}

/// The file that the policy is loaded from: the one of the highest version.
fn policy_file() -> Option<PathBuf> {
    let text = small(Path::new(CONFIG)).ok()?;
    let kind = text.lines().find_map(|line| line.trim().strip_prefix("SELINUXTYPE="))?.trim().to_owned();
    let plain = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let directory = plain.then(|| Path::new("/etc/selinux").join(kind).join("policy"))?;
    let mut files: Vec<PathBuf> = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.pop()
}

fn policy_changed() -> u64 {
    let modified = policy_file().and_then(|file| fs::metadata(file).ok()?.modified().ok());
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Switches that are about the domain (`httpd_` of `httpd_t`) and the network.
fn booleans(domain: &str) -> Vec<(String, bool)> {
    let Some(stem) = domain.strip_suffix("_t") else { return Vec::new() };
    let Ok(entries) = fs::read_dir(Path::new(FS).join("booleans")) else { return Vec::new() };
    let about = |name: &str| {
        let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|rest| ["network", "connect", "bind", "port", "relay"].iter().any(|word| rest.contains(word)))
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| about(name));
    let mut found: Vec<(String, bool)> = names
        .filter_map(|name| {
            let set = small(&Path::new(FS).join("booleans").join(&name)).ok()?.starts_with('1');
            Some((name, set))
        })
        .collect();
    found.sort();
    found
}

/// The label that a file has and the one that it should have, where they differ. None too where nobody can tell.
fn mislabelled(program: &str) -> Option<(String, String)> {
    let real = fs::canonicalize(program).ok()?;
    let has = xattr::get_deref(&real, "security.selinux").ok()??;
    let has = String::from_utf8_lossy(&has).trim_matches('\0').to_owned();
    let ran = Command::new("matchpathcon").arg("-n").arg("--").arg(&real).env("LC_ALL", "C").output().ok()?;
    let should = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    let differ = ran.status.success() && type_of(&should).is_some() && type_of(&has) != type_of(&should);
    differ.then_some((has, should))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_it_has_none() {
        if !Path::new(FS).join("enforce").exists() && !Path::new(CONFIG).exists() {
            assert_eq!(read(&Confined { pid: 0, program: "/bin/sh".into() }, Transport::Tcp, 80), Ok(None));
        }
    }
}

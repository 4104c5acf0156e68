//! TCP wrappers: which programs are linked with libwrap, the files that it reads, and the name of a client as it finds it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader};

use super::Trouble;
use super::config::files::{Files as _, HostFiles, Unread};
use crate::facts::wrappers::{ClientName, HostsAccess, Libwrap, Used};

/// Bytes of a program or library that are read.
const LONGEST: u64 = 64 << 20;
/// Files of patterns that are read, with those that they name.
const MOST_LISTS: usize = 16;

/// Does this process, or else this program, use libwrap?
pub fn libwrap(pid: u32, program: &str) -> Result<Option<Libwrap>, Trouble> {
    look(pid, program).map(Some)
}

fn look(pid: u32, program: &str) -> Result<Libwrap, Trouble> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok().filter(|_| pid != 0);
    let shown = exe.as_deref().map(|p| p.to_string_lossy().trim_end_matches(" (deleted)").to_owned());
    let shown = shown.unwrap_or_else(|| program.to_owned());
    let by = match loaded(pid) {
        Some(true) => Some(format!("libwrap is loaded in process {pid}")),
        // Newer sshd leaves the client to a program of its own.
        Some(false) if !is_sshd(&shown) => None,
        Some(false) => needed_by_session(),
        None => needed(&shown)?.or_else(|| if is_sshd(&shown) { needed_by_session() } else { None }),
    };
    let name = shown.rsplit('/').next().unwrap_or_default().to_owned();
    let (used, daemon) = if by.is_some() { use_of(&name) } else { (Used::Yes, None) };
    Ok(Libwrap { program: shown, by, used, daemon })
}

/// Is it loaded? None: the process may not be looked into.
fn loaded(pid: u32) -> Option<bool> {
    const MOST: u64 = 4 << 20;
    if pid == 0 {
        return None;
    }
    let mut maps = String::new();
    fs::File::open(format!("/proc/{pid}/maps")).ok()?.take(MOST).read_to_string(&mut maps).ok()?;
    (!maps.is_empty()).then(|| maps.contains("/libwrap.so"))
}

fn is_sshd(program: &str) -> bool {
    program.ends_with("/sshd")
}

fn needed_by_session() -> Option<String> {
    const SESSIONS: [&str; 3] =
        ["/usr/lib/openssh/sshd-session", "/usr/libexec/openssh/sshd-session", "/usr/lib/ssh/sshd-session"];
    SESSIONS.into_iter().find_map(|path| needed(path).ok().flatten())
}

/// Whether a program needs libwrap, by itself or through one of its libraries.
fn needed(program: &str) -> Result<Option<String>, Trouble> {
    if program.is_empty() {
        return Err(Trouble::denied("root"));
    }
    let libraries = libraries(Path::new(program))?;
    if let Some(libwrap) = libraries.iter().find(|name| name.starts_with("libwrap.so")) {
        return Ok(Some(format!("{program} needs {libwrap}")));
    }
    let through = libraries.iter().find(|name| {
        let path = place(name);
        path.and_then(|path| libraries_of(&path).ok()).is_some_and(|l| l.iter().any(|n| n.starts_with("libwrap.so")))
    });
    Ok(through.map(|name| format!("{program} needs libwrap through {name}")))
}

fn libraries(path: &Path) -> Result<Vec<String>, Trouble> {
    libraries_of(path).map_err(|e| Trouble::io(&format!("reading {}", path.display()), &e))
}

/// Where the linker finds a library.
fn place(name: &str) -> Option<std::path::PathBuf> {
    const DIRECTORIES: [&str; 6] =
        ["/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"];
    DIRECTORIES.into_iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists())
}

/// What a program or library says that it needs. What is no ELF file needs nothing.
fn libraries_of(path: &Path) -> std::io::Result<Vec<String>> {
    let file = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == LONGEST {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", LONGEST >> 20)));
    }
    let wide = of_class::<FileHeader64<Endianness>>(&bytes);
    Ok(wide.or_else(|| of_class::<FileHeader32<Endianness>>(&bytes)).unwrap_or_default())
}

fn of_class<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Vec<String>> {
    let header = H::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let (entries, link) = sections.dynamic(endian, bytes).ok()??;
    let strings = sections.strings(endian, bytes, link).ok()?;
    let needed = entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED);
    Some(
        needed
            .filter_map(|entry| Some(String::from_utf8_lossy(entry.string(endian, strings).ok()?).into_owned()))
            .collect(),
    )
}

/// Some that are linked with it only ask when told to, and some ask in the names of others.
fn use_of(name: &str) -> (Used, Option<String>) {
    match name {
        "vsftpd" => (of_vsftpd(&HostFiles::own()), Some(name.into())),
        "stunnel" | "stunnel4" => {
            let why = "stunnel asks for those services only that say libwrap = yes, and in their names";
            (Used::Unknown(why.into()), None)
        }
        "xinetd" | "inetd" => (Used::Yes, None),
        _ => (Used::Yes, Some(name.into())),
    }
}

fn of_vsftpd(files: &HostFiles) -> Used {
    for path in ["/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"] {
        match files.read(path) {
            Ok(text) => {
                let last =
                    text.lines().filter_map(|line| line.strip_prefix("tcp_wrappers=")).next_back().unwrap_or("NO");
                let yes = matches!(last.trim_end().to_ascii_uppercase().as_str(), "YES" | "TRUE" | "1");
                return if yes { Used::Yes } else { Used::No(format!("{path} does not say tcp_wrappers=YES")) };
            }
            Err(Unread::Missing) => {}
            Err(why) => return Used::Unknown(format!("{path}: {why}")),
        }
    }
    Used::No("vsftpd has no configuration that says tcp_wrappers=YES".into())
}

/// The files that libwrap reads.
pub fn hosts_access() -> Result<Option<HostsAccess>, Trouble> {
    read(&HostFiles::own()).map(Some)
}

fn read(files: &HostFiles) -> Result<HostsAccess, Trouble> {
    let text = |path: &str| match files.read(path) {
        Ok(text) => Ok(Some(text)),
        Err(Unread::Missing) => Ok(None),
        Err(Unread::Denied) => Err(Trouble::denied("root")),
        Err(why @ Unread::Failed(_)) => Err(Trouble::failed(format!("{path}: {why}"))),
    };
    let (allow, deny) = (text("/etc/hosts.allow")?, text("/etc/hosts.deny")?);
    let mut lists = BTreeMap::new();
    let rules = [&allow, &deny].into_iter().flatten().flat_map(|text| text.lines());
    let mut wanted: Vec<String> = rules.filter(|line| !line.starts_with('#')).flat_map(named).collect();
    while let Some(path) = wanted.pop() {
        if lists.contains_key(&path) {
            continue;
        }
        let text = if lists.len() < MOST_LISTS {
            files.read(&path).map_err(|why| match why {
                Unread::Missing => HostsAccess::MISSING.to_owned(),
                other @ (Unread::Denied | Unread::Failed(_)) => other.to_string(),
            })
        } else {
            Err(format!("more than {MOST_LISTS} files of patterns"))
        };
        wanted.extend(text.iter().flat_map(|text| named(text)));
        lists.insert(path, text);
    }
    Ok(HostsAccess { allow, deny, lists })
}

/// The files that a text may name as lists of patterns.
fn named(text: &str) -> Vec<String> {
    let words = text.split([',', ' ', '\t', '\r', '\n', ':', '@']).filter(|word| word.starts_with('/'));
    words.take(MOST_LISTS * 4).map(str::to_owned).collect()
}

/// The name of a client as libwrap finds it: that of its address, if that leads back to the address.
pub fn client_name(address: IpAddr) -> Result<Option<ClientName>, Trouble> {
    let found = dns_lookup::lookup_addr(&address).ok().filter(|name| name.parse::<IpAddr>().is_err());
    let Some(name) = found else { return Ok(Some(ClientName::Unknown)) };
    let back = dns_lookup::lookup_host(&name);
    let leads = back.is_ok_and(|mut all| all.any(|ip| ip.to_canonical() == address.to_canonical()));
    Ok(Some(if leads { ClientName::Named(name) } else { ClientName::Paranoid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_linked_with_something_but_not_with_libwrap() {
        assert!(libraries(Path::new("/bin/sh")).unwrap().iter().any(|name| name.starts_with("libc.so")));
        assert_eq!(needed("/bin/sh").unwrap(), None);
        assert_eq!(loaded(std::process::id()), Some(false));
        assert!(libraries_of(Path::new("/etc/passwd")).unwrap().is_empty());
    }

    #[test]
    fn files_of_patterns_are_read_and_circles_end() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(dir.path().join("etc")).unwrap();
            fs::write(dir.path().join(path.trim_start_matches('/')), text).unwrap();
        };
        write("/etc/hosts.deny", "ALL: /etc/a, /etc/none\n");
        write("/etc/a", "10.1.0.2 /etc/b\n");
        write("/etc/b", "/etc/a");
        let told = read(&HostFiles::below(dir.path())).unwrap();
        assert_eq!((told.allow, told.lists.len()), (None, 3));
        assert_eq!(told.lists["/etc/none"], Err(HostsAccess::MISSING.to_owned()));
        assert_eq!(told.lists["/etc/b"].as_deref(), Ok("/etc/a"));
    }

    #[test]
    fn vsftpd_asks_only_when_told_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        let say = |text: &str| {
            fs::write(dir.path().join("etc/vsftpd.conf"), text).unwrap();
            of_vsftpd(&HostFiles::below(dir.path()))
        };
        assert_eq!(say("tcp_wrappers=NO\ntcp_wrappers=YES\n"), Used::Yes);
        assert!(matches!(say("# tcp_wrappers=YES\n"), Used::No(_)));
    }
}

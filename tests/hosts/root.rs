//! Builds the Debian roots that test hosts and virtual machines are throw-away copies of: once, and again when a recipe
//! changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cmd::{Step, While, command, feed, ok, run};

/// What debootstrap puts in before apt takes over.
const BASE: &str = "systemd,systemd-sysv,dbus,libpam-systemd,iproute2,procps,netbase,ca-certificates";

/// The real daemons under test and the tools an operator would have.
const PACKAGES: &[&str] = &[
    "nginx-light",
    "apache2",
    "haproxy",
    "openssh-server",
    "vsftpd",
    "tcpd",
    "mariadb-server",
    "postgresql",
    "redis-server",
    "memcached",
    "nftables",
    "iptables",
    "ipset",
    "ufw",
    "firewalld",
    "fail2ban",
    "docker.io",
    "busybox-static",
    "python3-systemd",
    "libnftnl11",
    "libmnl0",
    "python3",
    "curl",
    "netcat-openbsd",
    "sudo",
    "iproute2",
];

/// Run in the unfinished root before apt: small, without questions, and no daemon starts while it is only a directory.
const BEFORE_APT: &str = r#"
printf 'force-unsafe-io\npath-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/info/*\npath-exclude=/usr/share/locale/*\n' >/etc/dpkg/dpkg.cfg.d/test-root
printf 'APT::Install-Recommends "0";\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n' >/etc/apt/apt.conf.d/90test-root
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
"#;

/// Run after apt: nothing starts by itself, nothing waits for hardware or names, and apache keeps off nginx's port
/// (as on a real host that has both).
const AFTER_APT: &str = r#"
rm -f /usr/sbin/policy-rc.d
mkdir -p /etc/systemd/system-preset
echo 'disable *' >/etc/systemd/system-preset/00-nothing.preset
systemctl preset-all 2>/dev/null
rm -r /etc/systemd/system-preset
for script in /etc/init.d/*; do update-rc.d "${script##*/}" disable 2>/dev/null; done
systemctl set-default multi-user.target 2>/dev/null
systemctl mask console-getty.service getty.target timers.target systemd-logind.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
    systemd-networkd-wait-online.service 2>/dev/null
sed -i 's/^Listen 80$/Listen 8081/' /etc/apache2/ports.conf
sed -i 's/\*:80>/*:8081>/' /etc/apache2/sites-available/000-default.conf
mkdir -p /var/log/journal
: >/etc/fstab
: >/etc/machine-id
rm -f /etc/resolv.conf
: >/etc/resolv.conf
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
"#;

/// What goes into a root.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// What its directory is called, before the hash of the rest.
    pub kind: &'static str,
    /// Packages beyond those that every root has.
    pub packages: &'static [&'static str],
    /// Run in the root once they are in.
    pub after_apt: &'static str,
}

/// The root of the booted hosts.
pub(crate) const HOSTS: Recipe = Recipe { kind: "root", packages: PACKAGES, after_apt: AFTER_APT };

/// A finished root, or what was made of it; nobody removes it while this is held.
#[derive(Debug)]
pub(crate) struct Root {
    /// Where it lies.
    pub path: PathBuf,
    _in_use: File,
}

/// Where heavy state is kept between runs.
pub(crate) fn lab_dir() -> PathBuf {
    std::env::var_os("UNREFUSE_LAB").map_or_else(|| PathBuf::from("/var/tmp/unrefuse-tests"), PathBuf::from)
}

/// The root of the booted hosts.
pub(crate) fn ensure() -> Step<Root> {
    kept(&HOSTS, "", |root| root_of(&HOSTS, root))
}

/// What `build` makes of this recipe in a directory, made now if it is not there yet. Processes that want it at the same
/// time wait for one. `more` is what else decides what comes out.
pub(crate) fn kept(recipe: &Recipe, more: &str, build: impl Fn(&Path) -> Step) -> Step<Root> {
    let lab = lab_dir();
    fs::create_dir_all(&lab).while_(format!("making {}", lab.display()))?;
    let name = format!("{}-{:016x}", recipe.kind, recipe_hash(&suite()?, recipe, more));
    let (path, lock) = (lab.join(&name), lab.join(format!("{name}.lock")));
    loop {
        let file = File::create(&lock).while_(format!("making {}", lock.display()))?;
        file.lock_shared().while_("waiting for the root's lock")?;
        if path.exists() {
            return Ok(Root { path, _in_use: file });
        }
        file.unlock().while_("passing on the root's lock")?;
        file.lock().while_("waiting for the root's lock")?;
        if !path.exists() {
            // The work happens beside the final place and is moved there whole, so that a cut-off build is never taken for
            // a finished one.
            eprintln!("building {name} in {} (some minutes, once)", lab.display());
            let unfinished = path.with_extension("unfinished");
            remove_tree(&unfinished)?;
            build(&unfinished)?;
            fs::rename(&unfinished, &path).while_(format!("finishing {}", path.display()))?;
            remove_others(&lab, recipe.kind, &name)?;
        }
    }
}

/// Makes a root by this recipe.
pub(crate) fn root_of(recipe: &Recipe, root: &Path) -> Step {
    let debs = lab_dir().join("debs");
    fs::create_dir_all(&debs).while_(format!("making {}", debs.display()))?;
    let sources = Sources::of_this_machine()?;
    ok(command(&["unshare", "--mount", "debootstrap", "--variant=minbase"])
        .arg(format!("--cache-dir={}", debs.display()))
        .arg(format!("--include={BASE}"))
        .arg(&sources.suite)
        .arg(root)
        .arg(&sources.main))?;
    let list = root.join("etc/apt/sources.list");
    fs::write(&list, sources.list).while_(format!("writing {}", list.display()))?;
    fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).while_("copying resolv.conf")?;
    in_chroot(root, BEFORE_APT)?;
    in_chroot(root, &format!("apt-get -q update\napt-get -q -y install {}", recipe.packages.join(" ")))?;
    in_chroot(root, recipe.after_apt).map(drop)
}

/// Runs a script in the root. Its mounts are in a mount namespace of their own and cannot outlive it.
pub(crate) fn in_chroot(root: &Path, script: &str) -> Step<String> {
    const ENTER: &str =
        r#"mount --bind "$2" "$1/var/cache/apt/archives" && mount -t proc proc "$1/proc" && exec chroot "$1" sh -es"#;
    feed(
        command(&["unshare", "--mount", "sh", "-c", ENTER, "sh"])
            .arg(root)
            .arg(lab_dir().join("debs"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C"),
        script,
    )
}

/// Removes roots of older recipes, unless a running test still uses one.
fn remove_others(lab: &Path, kind: &str, keep: &str) -> Step {
    let begin = format!("{kind}-");
    for entry in fs::read_dir(lab).while_(format!("listing {}", lab.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(old) = name.strip_suffix(".lock").filter(|old| old.starts_with(&begin) && *old != keep) else {
            continue;
        };
        let lock = File::open(entry.path()).while_(format!("opening {name}"))?;
        if lock.try_lock().is_ok() {
            remove_tree(&lab.join(old))?;
            remove_tree(&lab.join(format!("{old}.unfinished")))?;
            fs::remove_file(entry.path()).while_(format!("removing {name}"))?;
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Step {
    ok(command(&["rm", "-rf", "--one-file-system", "--"]).arg(path)).map(drop)
}

/// Where this machine's own apt gets its packages from.
struct Sources {
    suite: String,
    main: String,
    list: String,
}

impl Sources {
    fn of_this_machine() -> Step<Self> {
        let suite = suite()?;
        let format = "$(SITE)|$(RELEASE)|$(COMPONENT)";
        let targets = ok(&mut command(&["apt-get", "indextargets", "--format", format, "Created-By: Packages"]))?;
        let wanted = [suite.clone(), format!("{suite}-updates"), format!("{suite}-security")];
        let rows: Vec<Vec<&str>> = targets
            .lines()
            .map(|line| line.split('|').collect::<Vec<_>>())
            .filter(|row| {
                matches!(row.as_slice(), [_, release, component]
                if wanted.iter().any(|w| w == release) && ["main", "universe"].contains(component))
            })
            .collect();
        let main = rows
            .iter()
            .find_map(|row| (row.get(1) == Some(&suite.as_str())).then(|| row.first().copied()).flatten())
            .ok_or(format!("apt knows no mirror for {suite}"))?;
        Ok(Self { main: main.to_owned(), list: rows.iter().map(|row| source_line(row)).collect(), suite })
    }
}

fn source_line(row: &[&str]) -> String {
    format!("deb {}\n", row.join(" "))
}

/// The release this machine runs; the test hosts run the same, so that binaries built here run there.
fn suite() -> Step<String> {
    fs::read_to_string("/etc/os-release")
        .while_("reading /etc/os-release")?
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| "this machine's /etc/os-release names no release to build a root of".to_owned())
}

/// A name for everything that decides what is in the root (FNV-1a: short, and the same with every compiler).
fn recipe_hash(suite: &str, recipe: &Recipe, more: &str) -> u64 {
    let mut recipe = [suite, BASE, &recipe.packages.join(" "), BEFORE_APT, recipe.after_apt].join("\n");
    recipe.push_str(more);
    recipe.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether a program is on this machine.
pub(crate) fn has_program(name: &str) -> bool {
    run(&mut command(&["sh", "-c", "command -v \"$1\"", "sh", name])).is_ok_and(|ran| ran.code == 0)
}

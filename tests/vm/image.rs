//! What the virtual machines are made from: one disk with Debian and its cloud kernel, booted once in each way and kept as
//! it was when it was ready, disk and memory. A trial goes on from there, in a second or two.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cmd::{Step, While, command, ok};
use crate::machine;
use crate::root::{self, Recipe, Root, kept, root_of};

/// The security module a machine is booted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// As Debian boots: AppArmor.
    Apparmor,
    /// SELinux with Debian's policy, enforcing, and auditd.
    Selinux,
}

impl Boot {
    /// The directory that holds its disk and memory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apparmor => "apparmor",
            Self::Selinux => "selinux",
        }
    }

    /// Its words on the kernel's command line.
    pub(crate) fn kernel_words(self) -> &'static str {
        match self {
            Self::Apparmor => "",
            Self::Selinux => "security=selinux selinux=1 enforcing=1 systemd.wants=auditd.service",
        }
    }
}

/// The root of the machines. One for all: the labels of SELinux do not matter where it is not active.
const MACHINES: Recipe = Recipe {
    kind: "vm",
    packages: &[
        "kmod",
        "busybox-static",
        "cpio",
        "apparmor",
        "selinux-policy-default",
        "policycoreutils",
        "policycoreutils-python-utils",
        "auditd",
        "nginx-light",
        "openssh-server",
        "nftables",
        "python3-minimal",
        "libnftnl11",
        "libmnl0",
    ],
    after_apt: AFTER_APT,
};

/// Run after apt: nothing starts by itself but what Debian starts, too; Debian's cloud kernel, of which only the modules
/// that trials may load are kept; an initramfs that knows one disk; the agent; and the labels of SELinux, so that no boot
/// has to set them.
const AFTER_APT: &str = r#"
rm -f /usr/sbin/policy-rc.d
mkdir -p /etc/systemd/system-preset
printf 'enable apparmor.service\nenable vm-agent.service\ndisable *\n' >/etc/systemd/system-preset/00-nothing.preset

mkdir /tmp/kernel; cd /tmp/kernel
package=$(apt-cache depends linux-image-cloud-$(dpkg --print-architecture) | sed -n 's/ *Depends: \(linux-image-\)/\1/p' | head -n 1)
apt-get -q download "$package"
dpkg-deb -x "$package"_*.deb .
version=$(ls lib/modules)
mv boot/vmlinuz-* /vmlinuz
depmod -b . "$version"
mkdir -p "/lib/modules/$version/kernel/drivers" init/bin init/m init/proc init/dev init/new
cp lib/modules/$version/modules.* "/lib/modules/$version/"
for part in net lib crypto arch/x86/crypto; do
    mkdir -p "/lib/modules/$version/kernel/$(dirname $part)"
    cp -a "lib/modules/$version/kernel/$part" "/lib/modules/$version/kernel/$part"
done
mkdir -p "/lib/modules/$version/kernel/drivers/net"
find "lib/modules/$version/kernel/drivers/net" -maxdepth 1 -type f -exec cp {} "/lib/modules/$version/kernel/drivers/net/" \;
cp -a lib/modules/$version/kernel/drivers/net/bonding "/lib/modules/$version/kernel/drivers/net/"
depmod "$version" 2>/dev/null

cp /bin/busybox init/bin/
for module in virtio_pci virtio_blk ext4; do
    modprobe -d /tmp/kernel -S "$version" -D $module | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ {print $1}' >list
while read -r file; do cp "$file" init/m/; basename "$file"; done <list >init/m/order
cat >init/init <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev
while read -r m; do $b insmod /m/$m; done </m/order
$b mount -t ext4 -o rw,noatime,nobarrier /dev/vda /new
$b mount -o move /dev /new/dev
exec $b switch_root /new /sbin/init
INIT
chmod 755 init/init
(cd init && find . | cpio -o -H newc --quiet) >/initrd
cd /; rm -rf /tmp/kernel

cat >/usr/local/sbin/vm-agent <<'AGENT'
#!/bin/sh
# Runs what comes in on the second serial line (its length, then the script), and answers with status, output, complaints.
ip netns add client
ip link add lan type veth peer name eth0 netns client
ip address add 10.1.0.1/24 dev lan; ip link set lan up
ip -n client address add 10.1.0.2/24 dev eth0; ip -n client link set eth0 up; ip -n client link set lo up
mkdir -p /run/vm; cd /run/vm
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo ready >&3
beat=
while read -r length <&3; do
    [ -z "$beat" ] || kill "$beat"
    beat=
    if [ "$length" = beat ]; then
        # Who goes on with a kept memory must not speak before it is in place.
        while :; do echo alive >&3; sleep 0.1; done &
        beat=$!
        continue
    fi
    head -c "$length" <&3 >job
    # Through pipes: confined programs may not write to these files.
    { { sh ./job </dev/null 3>&-; echo $? >code; } | cat >out; } 2>&1 | cat >err
    { echo "done $(cat code) $(stat -c %s out) $(stat -c %s err)"; cat out err; } >&3
done
AGENT
chmod 755 /usr/local/sbin/vm-agent
cat >/etc/systemd/system/vm-agent.service <<'UNIT'
[Unit]
After=apparmor.service auditd.service
[Service]
ExecStart=/usr/local/sbin/vm-agent
SELinuxContext=-unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
[Install]
WantedBy=multi-user.target
UNIT

systemctl preset-all 2>/dev/null
rm -r /etc/systemd/system-preset
for script in /etc/init.d/*; do update-rc.d "${script##*/}" disable 2>/dev/null; done
systemctl enable apparmor.service vm-agent.service 2>/dev/null
systemctl set-default multi-user.target 2>/dev/null
systemctl mask console-getty.service getty.target getty@tty1.service timers.target systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-random-seed.service \
    systemd-journal-flush.service modprobe@drm.service modprobe@fuse.service modprobe@configfs.service \
    systemd-networkd-wait-online.service systemd-pstore.service selinux-autorelabel.service \
    selinux-autorelabel-mark.service 2>/dev/null
echo server >/etc/hostname
printf '127.0.0.1 localhost\n10.1.0.1 server\n10.1.0.2 client\n' >/etc/hosts
: >/etc/fstab
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -f /etc/resolv.conf /var/log/nginx/*
: >/etc/resolv.conf
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

printf 'SELINUX=enforcing\nSELINUXTYPE=default\nSETLOCALDEFS=0\n' >/etc/selinux/config
rm -f /.autorelabel
setfiles -F -m -e /proc -e /sys -e /dev -e /tmp -e /var/cache/apt /etc/selinux/default/contexts/files/file_contexts / 2>/dev/null
"#;

/// The disk and the memory of each way to boot, made now if they are not there yet.
pub(crate) fn ensure() -> Step<Root> {
    kept(&MACHINES, machine::SHAPE, build)
}

fn build(at: &Path) -> Step {
    let tree = at.join("root");
    fs::create_dir_all(&tree).while_(format!("making {}", tree.display()))?;
    root_of(&MACHINES, &tree)?;
    for file in ["vmlinuz", "initrd"] {
        fs::rename(tree.join(file), at.join(file)).while_(format!("moving {file}"))?;
    }
    let disk = at.join("disk");
    let used = ok(command(&["du", "-sm"]).arg(&tree))?;
    let used: u64 = used.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(700);
    ok(command(&["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^64bit", "-I", "256", "-m", "0"])
        .args(["-E", "lazy_itable_init=1,root_owner=0:0", "-d"])
        .arg(&tree)
        .arg(&disk)
        .arg(format!("{}M", used * 13 / 10 + 150)))?;
    ok(command(&["rm", "-rf", "--one-file-system", "--"]).arg(&tree))?;
    let boots = [Boot::Apparmor, Boot::Selinux].map(|boot| {
        let at = at.to_owned();
        std::thread::spawn(move || machine::keep(&at, boot, Duration::from_secs(240)))
    });
    for boot in boots {
        boot.join().map_err(|_| "booting a machine broke off".to_owned())??;
    }
    fs::remove_file(&disk).while_("removing the disk that was booted")
}

/// Whether the root of the machines can be labelled and packed here.
pub(crate) fn missing() -> Option<String> {
    let programs = ["qemu-system-x86_64", "mke2fs", "debootstrap", "apt-get", "unshare", "setpriv", "chroot"];
    let lacks = programs.iter().find(|program| !root::has_program(program));
    lacks.map(|program| format!("needs the program {program}"))
}

//! The parsers of what a host says, for the fuzzers: each takes any bytes, and whatever they are it ends, soon, without
//! a panic. [`crate::fuzzing`] says how they are run.

use serde_json::Value;

use super::config::files::Memory;
use super::config::read_from;
use super::netlink::sock_diag::{inet, unix};
use super::netlink::wire::{Message, attributes, messages};
use super::netlink::{hooks, links, lookup, neighbour, route, rules};
use super::{audit, claims, container, firewalls, happenings, journal, resolver, selinux, tracefs, xinetd, xtables};
use crate::facts::daemon::Daemon;
use crate::facts::denial::Place;
use crate::facts::ruleset::{Backend, Family, TableId};
use crate::facts::socket::Transport;

/// Takes any bytes. It panics where something is wrong.
pub type Parser = fn(&[u8]);

/// What was read is of no interest.
pub(crate) fn read<T>(value: T) {
    std::hint::black_box(value);
}

/// All of them, with their names.
pub(crate) const PARSERS: &[(&str, Parser)] = &[
    ("audit", |bytes| read(text(bytes).lines().filter_map(|line| audit::line(line, Place::Ring)).count())),
    ("selinux-policy", |bytes| read(selinux::policy::ports(bytes))),
    ("containers", containers),
    ("fail2ban", |bytes| {
        let text = text(bytes);
        read((firewalls::fail2ban::jail_list(&text), firewalls::fail2ban::bans(&text, &jiff::tz::TimeZone::UTC)));
    }),
    ("ufw", |bytes| {
        let files = files(bytes, &["/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules"]);
        read(firewalls::ufw::read_from(&files.file("/usr/sbin/ufw", "")));
    }),
    ("packages", |bytes| {
        let text = text(bytes);
        let packages = (happenings::packages::dpkg_runs(&text, 0), happenings::packages::apt_runs(&text));
        read((packages, happenings::packages::dnf_runs(&text)));
    }),
    ("journal", |bytes| read(bytes.split(|b| *b == b'\n').filter_map(journal::parse::line).count())),
    ("own-log", |bytes| {
        for line in text(bytes).lines() {
            read((journal::own_log::redis(line).is_some(), journal::own_log::mysql(line).is_some()));
        }
    }),
    ("netlink", |bytes| messages(bytes).for_each(|message| netlink(&message))),
    #[cfg(feature = "libnftnl")]
    ("nftables", super::netlink::nftables::any),
    ("xtables-text", |bytes| {
        let (name, printed) = halves(bytes);
        let family = if name.starts_with(b"6") { Family::Ip6 } else { Family::Ip };
        let id = TableId { backend: Backend::Legacy, family, name: "filter".into() };
        read(xtables::text::table(&id, &text(printed)));
    }),
    ("xtables-binary", |bytes| {
        let (name, info) = halves(bytes);
        let name = text(name);
        for revision in 0..5 {
            for family in [Family::Ip, Family::Ip6] {
                read(xtables::binary::match_of(&name, revision, info, family));
                read(xtables::binary::target_of(&name, revision, info, family));
            }
        }
    }),
    ("recent", |bytes| {
        let (clock, list) = halves(bytes);
        let (now, rate) = xtables::recent::time(&text(clock)).unwrap_or((4_296_494_186, 250));
        read(xtables::recent::entries(&text(list), now, rate));
    }),
    ("nginx", |bytes| config(bytes, Daemon::Nginx, &["/etc/nginx/nginx.conf", "/etc/nginx/conf.d/a.conf"])),
    ("apache", |bytes| config(bytes, Daemon::Apache, &["/etc/apache2/apache2.conf", "/etc/apache2/ports.conf"])),
    ("sshd", |bytes| config(bytes, Daemon::Sshd, &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/a.conf"])),
    ("mysql", |bytes| config(bytes, Daemon::Mysql, &["/etc/mysql/my.cnf", "/etc/mysql/conf.d/a.cnf"])),
    ("postgres", |bytes| {
        let main = "/etc/postgresql/15/main";
        let paths = ["postgresql.conf", "pg_hba.conf", "a.conf"].map(|name| format!("{main}/{name}"));
        config(bytes, Daemon::Postgres, &paths.each_ref().map(String::as_str));
    }),
    ("redis", |bytes| config(bytes, Daemon::Redis, &["/etc/redis/redis.conf", "/etc/redis/a.conf"])),
    ("haproxy", |bytes| config(bytes, Daemon::Haproxy, &["/etc/haproxy/haproxy.cfg"])),
    ("vsftpd", |bytes| config(bytes, Daemon::Vsftpd, &["/etc/vsftpd.conf"])),
    ("memcached", |bytes| config(bytes, Daemon::Memcached, &["/etc/memcached.conf"])),
    ("units", |bytes| {
        let paths = ["app.service", "app.service.d/a.conf", "app.socket", "app@.service"];
        let paths = paths.map(|name| format!("/etc/systemd/system/{name}"));
        let files = files(bytes, &paths.each_ref().map(String::as_str));
        read(claims::read_from(&files, Transport::Tcp, 80));
    }),
    ("xinetd", |bytes| {
        read(xinetd::read_of(&files(bytes, &["/etc/xinetd.conf", "/etc/xinetd.d/a", "/etc/services"])));
    }),
    ("trace", |bytes| read(tracefs::lines::lines(bytes))),
    ("names", |bytes| {
        let (first, second) = halves(bytes);
        let all = text(first);
        read((resolver::files::hosts_lines(&all, "db1"), resolver::files::nsswitch_hosts(&all)));
        read((resolver::files::nameservers(&all), resolver::files::search(&all), resolver::beyond::addresses(&all)));
        if let Some(query) = resolver::beyond::query(&all) {
            read(resolver::beyond::code(second, &query));
        }
    }),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is before the first zero byte, and what is behind it.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default())
}

/// A host with these files, which are parted by zero bytes.
fn files(bytes: &[u8], paths: &[&str]) -> Memory {
    let texts = bytes.split(|byte| *byte == 0);
    texts.zip(paths).fold(Memory::default(), |files, (part, path)| files.file(path, &text(part)))
}

fn config(bytes: &[u8], daemon: Daemon, paths: &[&str]) {
    let unit = daemon.units().first().copied().unwrap_or_default();
    let files =
        files(bytes, paths).file(&format!("/lib/systemd/system/{unit}"), "[Service]\nExecStart=/usr/sbin/daemon\n");
    read(read_from(&files, daemon));
}

fn containers(bytes: &[u8]) {
    use container::parse::{listed, log_lines, near, settings, summary};
    read(log_lines(bytes, 20));
    read(settings("/etc/docker/daemon.json", &text(bytes)));
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        read((listed(&value), summary(&value), near(&value)));
    }
}

/// An answer of the kernel, whatever was asked.
fn netlink(message: &Message<'_>) {
    for transport in [Transport::Tcp, Transport::Udp] {
        for family in [inet::Family::V4, inet::Family::V6] {
            read(inet::Query { transport, family, port: None }.parse(message.kind, message.body));
        }
    }
    read(unix::parse(message));
    read((links::link(message), links::qdisc(message), links::kind_of(message)));
    read((route::link(message), route::address(message), route::route(message)));
    read((rules::rule(message), rules::refusing(message, 6), neighbour::told(message), lookup::found(message)));
    read(hooks::hooked(message, hooks::Place::any()));
    read(attributes(message.body).count());
}

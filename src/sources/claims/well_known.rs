//! Which program usually serves a port: its name in /etc/services, and the packages and units behind well-known names.

use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::daemon::Origin;
use crate::facts::socket::Transport;
use crate::sources::config::files::Files;
use crate::sources::config::reader::{lines, origin};
use crate::sources::config::unit_file;

const SERVICES: &str = "/etc/services";

/// A program that usually serves a port.
struct Usual {
    transports: &'static [Transport],
    ports: &'static [u16],
    /// The package.
    program: &'static str,
    /// Its unit's names, likeliest first; then those of other programs for the same port.
    units: &'static [&'static str],
}

/// For ports so many programs use that only an installed one is worth naming.
const NOBODY: &str = "";
const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

const fn usual(
    transports: &'static [Transport],
    ports: &'static [u16],
    program: &'static str,
    units: &'static [&'static str],
) -> Usual {
    Usual { transports, ports, program, units }
}

static USUAL: &[Usual] = &[
    usual(TCP, &[20, 21, 990], "vsftpd", &["vsftpd.service", "proftpd.service", "pure-ftpd.service"]),
    usual(TCP, &[22], "openssh-server", &["ssh.service", "sshd.service", "dropbear.service"]),
    usual(TCP, &[23], "telnetd", &["inetd.service", "telnet.socket", "xinetd.service"]),
    usual(
        TCP,
        &[25, 465, 587],
        "postfix",
        &["postfix.service", "exim4.service", "sendmail.service", "opensmtpd.service"],
    ),
    usual(BOTH, &[53], "bind9", &["named.service", "unbound.service", "dnsmasq.service", "systemd-resolved.service"]),
    usual(UDP, &[67], "isc-dhcp-server", &["isc-dhcp-server.service", "kea-dhcp4-server.service", "dnsmasq.service"]),
    usual(UDP, &[69], "tftpd-hpa", &["tftpd-hpa.service", "tftp.socket", "atftpd.service"]),
    usual(
        TCP,
        &[80, 443],
        "nginx",
        &["nginx.service", "apache2.service", "httpd.service", "caddy.service", "lighttpd.service"],
    ),
    usual(
        TCP,
        &[8080, 8443],
        NOBODY,
        &["tomcat10.service", "tomcat9.service", "tomcat.service", "jenkins.service", "caddy.service"],
    ),
    usual(BOTH, &[88, 464], "krb5-kdc", &["krb5-kdc.service", "krb5kdc.service"]),
    usual(TCP, &[110, 143, 993, 995], "dovecot", &["dovecot.service", "cyrus-imapd.service"]),
    usual(BOTH, &[111], "rpcbind", &["rpcbind.socket", "rpcbind.service"]),
    usual(
        UDP,
        &[123],
        "chrony",
        &["chrony.service", "chronyd.service", "ntpsec.service", "ntp.service", "ntpd.service"],
    ),
    usual(TCP, &[139, 445], "samba", &["smbd.service", "smb.service"]),
    usual(UDP, &[137, 138], "samba", &["nmbd.service", "nmb.service"]),
    usual(UDP, &[161], "snmpd", &["snmpd.service"]),
    usual(TCP, &[389, 636], "slapd", &["slapd.service", "dirsrv.target"]),
    usual(BOTH, &[514], "rsyslog", &["rsyslog.service", "syslog-ng.service"]),
    usual(TCP, &[515], "cups", &["cups-lpd.socket"]),
    usual(TCP, &[631], "cups", &["cups.socket", "cups.service"]),
    usual(TCP, &[873], "rsync", &["rsync.service", "rsyncd.service"]),
    usual(TCP, &[1433], "mssql-server", &["mssql-server.service"]),
    usual(TCP, &[1883, 8883], "mosquitto", &["mosquitto.service", "emqx.service"]),
    usual(BOTH, &[1194], "openvpn", &["openvpn.service"]),
    usual(BOTH, &[2049], "nfs-kernel-server", &["nfs-server.service", "nfs-kernel-server.service"]),
    usual(TCP, &[2181], "zookeeper", &["zookeeper.service"]),
    usual(TCP, &[2375, 2376], "docker", &["docker.service"]),
    usual(TCP, &[2379, 2380], "etcd", &["etcd.service"]),
    usual(TCP, &[3000], NOBODY, &["grafana-server.service", "grafana.service"]),
    usual(TCP, &[3128], "squid", &["squid.service"]),
    usual(TCP, &[3306], "mariadb-server", &["mariadb.service", "mysql.service", "mysqld.service"]),
    usual(TCP, &[3389], "xrdp", &["xrdp.service", "gnome-remote-desktop.service"]),
    usual(TCP, &[4369, 5672, 15672], "rabbitmq-server", &["rabbitmq-server.service"]),
    usual(UDP, &[5353], "avahi-daemon", &["avahi-daemon.socket", "avahi-daemon.service"]),
    usual(TCP, &[5432], "postgresql", &["postgresql.service"]),
    usual(TCP, &[5601], "kibana", &["kibana.service"]),
    usual(TCP, &[5900, 5901], "tigervnc", &["tigervncserver@:1.service", "vncserver@:1.service", "x11vnc.service"]),
    usual(TCP, &[6379], "redis", &["redis-server.service", "redis.service", "valkey.service"]),
    usual(TCP, &[6443], "kubernetes", &["k3s.service", "kubelet.service"]),
    usual(TCP, &[8086], "influxdb", &["influxdb.service"]),
    usual(TCP, &[9090], "cockpit", &["cockpit.socket", "prometheus.service"]),
    usual(TCP, &[9092], "kafka", &["kafka.service"]),
    usual(TCP, &[9100], "prometheus-node-exporter", &["prometheus-node-exporter.service", "node_exporter.service"]),
    usual(TCP, &[9200, 9300], "elasticsearch", &["elasticsearch.service", "opensearch.service"]),
    usual(TCP, &[10050], "zabbix-agent", &["zabbix-agent.service", "zabbix-agent2.service"]),
    usual(TCP, &[11211], "memcached", &["memcached.service"]),
    usual(TCP, &[27017], "mongodb", &["mongod.service", "mongodb.service"]),
    usual(UDP, &[51820], "wireguard", &["wg-quick@wg0.service"]),
];

/// The name of a port in /etc/services, and the line it stands on.
pub(super) fn name(files: &dyn Files, transport: Transport, port: u16) -> Option<(String, Origin)> {
    let text = files.read(SERVICES).ok()?;
    let wanted = format!("{port}/{}", transport.word());
    lines(&text).find_map(|(number, line)| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let name = words.next()?;
        (words.next()? == wanted).then(|| (name.to_owned(), origin(SERVICES, number, line)))
    })
}

/// The programs that usually serve a port: those that are installed, else the likeliest.
pub(super) fn claims(files: &dyn Files, transport: Transport, port: u16, named: Option<&Origin>) -> Vec<Claim> {
    let known = USUAL.iter().find(|u| u.ports.contains(&port) && u.transports.contains(&transport));
    let Some(known) = known else { return Vec::new() };
    let claim = |program: &str, unit: &str| Claim {
        unit: Some(unit.to_owned()),
        daemon: None,
        program: program.to_owned(),
        source: ClaimSource::EtcServices,
        origin: named.cloned(),
        listen: None,
    };
    let installed = known.units.iter().filter(|unit| unit_file(files, unit).is_some());
    let found: Vec<Claim> = installed.map(|unit| claim(unit.split(['.', '@']).next().unwrap_or(unit), unit)).collect();
    if !found.is_empty() || known.program == NOBODY {
        return found;
    }
    // Red Hat's names differ; which family this is shows in what it always has.
    let red_hat = files.exists("/etc/redhat-release");
    let other = known.units.get(1).filter(|_| red_hat && matches!(port, 22 | 123 | 873 | 139 | 445));
    other.or(known.units.first()).map(|unit| claim(known.program, unit)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::config::files::Memory;

    fn services() -> Memory {
        Memory::default().file(
            SERVICES,
            "# Network services\ntcpmux\t\t1/tcp\t\t\t# x\nssh\t\t22/tcp\ndomain\t53/tcp\ndomain\t53/udp\nx\n\u{0}/\n",
        )
    }

    #[test]
    fn names_of_ports() {
        let found = |transport, port| name(&services(), transport, port).map(|(n, at)| format!("{n} {}", at.line));
        assert_eq!(found(Transport::Tcp, 22).as_deref(), Some("ssh 3"));
        assert_eq!(found(Transport::Udp, 53).as_deref(), Some("domain 5"));
        assert_eq!(found(Transport::Udp, 22), None);
        assert_eq!(name(&Memory::default(), Transport::Tcp, 22), None);
    }

    #[test]
    fn the_usual_program_need_not_be_installed() {
        let found = claims(&services(), Transport::Tcp, 22, None);
        assert_eq!((found[0].program.as_str(), found[0].unit.as_deref()), ("openssh-server", Some("ssh.service")));
        assert_eq!(claims(&services(), Transport::Tcp, 4711, None), []);
        assert_eq!(claims(&services(), Transport::Tcp, 8080, None), []);
        let tomcat = services().file("/lib/systemd/system/tomcat9.service", "");
        assert_eq!(claims(&tomcat, Transport::Tcp, 8080, None)[0].program, "tomcat9");
        let red_hat = services().file("/etc/redhat-release", "");
        assert_eq!(claims(&red_hat, Transport::Tcp, 22, None)[0].unit.as_deref(), Some("sshd.service"));
    }

    #[test]
    fn an_installed_one_comes_first() {
        let files = services().file("/lib/systemd/system/exim4.service", "");
        let found = claims(&files, Transport::Tcp, 25, None);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].program.as_str(), found[0].unit.as_deref()), ("exim4", Some("exim4.service")));
    }
}

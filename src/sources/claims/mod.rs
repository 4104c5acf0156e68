//! Who is meant to serve a port: unit files, socket units, daemon configurations, default ports, /etc/services, in that
//! order of trust.

mod tree;
mod unit_text;
mod units;
mod well_known;

use super::Trouble;
use super::config;
use super::config::files::{Files, HostFiles};
use crate::facts::claim::{Claim, ClaimSource, Claims};
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::socket::Transport;
use tree::Tree;
use units::Search;

/// Everything that claims this port.
pub fn read(transport: Transport, port: u16) -> Result<Option<Claims>, Trouble> {
    Ok(Some(read_from(&HostFiles::own(), transport, port)))
}

/// The same from any files.
pub(in crate::sources) fn read_from(files: &dyn Files, transport: Transport, port: u16) -> Claims {
    let mut claims = Search::new(files, transport, port).claims(&Tree::list(files));
    let configs = configs(files, transport);
    claims.extend(configs.iter().filter_map(|c| configured(c, port)));
    claims.extend(configs.iter().filter_map(|c| by_default(c, port)));
    let named = well_known::name(files, transport, port);
    if claims.is_empty() {
        claims = well_known::claims(files, transport, port, named.as_ref().map(|(_, at)| at));
    }
    Claims { claims: one_a_unit(claims), service_name: named.map(|(name, _)| name) }
}

/// The configurations of all daemons. Only for TCP: what they say of UDP (QUIC, memcached -U) is not kept.
fn configs(files: &dyn Files, transport: Transport) -> Vec<DaemonConfig> {
    let daemons = Daemon::ALL.into_iter().filter(|_| transport == Transport::Tcp);
    daemons.flat_map(|daemon| config::read_from(files, daemon)).collect()
}

/// The configuration names the port.
fn configured(config: &DaemonConfig, port: u16) -> Option<Claim> {
    let listen = config.listens.iter().find(|l| l.port == Some(port))?;
    let mut claim = of_daemon(config, ClaimSource::Config);
    claim.origin = listen.port_set_by.clone().or_else(|| listen.address_set_by.clone());
    claim.listen = Some(listen.clone());
    Some(claim)
}

/// The port is the daemon's own default, but its configuration says otherwise.
fn by_default(config: &DaemonConfig, port: u16) -> Option<Claim> {
    let claimed = config.listens.iter().any(|l| l.port == Some(port));
    let fits = !claimed && config.unit.is_some() && config.daemon.default_ports().contains(&port);
    fits.then(|| of_daemon(config, ClaimSource::DefaultPort))
}

fn of_daemon(config: &DaemonConfig, source: ClaimSource) -> Claim {
    let unit = config.unit.as_deref().map(|u| u.strip_suffix(".service").unwrap_or(u));
    Claim {
        unit: config.unit.clone(),
        daemon: Some(config.daemon),
        program: unit.unwrap_or(config.daemon.name()).to_owned(),
        source,
        origin: None,
        listen: None,
    }
}

/// The best claim of each unit, with what the others of the same unit know besides.
fn one_a_unit(claims: Vec<Claim>) -> Vec<Claim> {
    let mut best: Vec<Claim> = Vec::new();
    for claim in claims {
        match best.iter_mut().find(|b| b.unit.is_some() && b.unit == claim.unit) {
            Some(known) => {
                known.daemon = known.daemon.or(claim.daemon);
                known.listen = known.listen.take().or(claim.listen);
            }
            None => best.push(claim),
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::config::files::Memory;
    use super::*;

    const LIB: &str = "/usr/lib/systemd/system";

    fn host() -> Memory {
        let mut files = Memory::default()
            .file("/etc/services", "ssh\t22/tcp\nhttp\t80/tcp\nhttps 443/tcp\npostgresql 5432/tcp\nsmtp 25/tcp\n")
            .file("/etc/nginx/nginx.conf", "http { server { listen 8080; } }")
            .file("/etc/ssh/sshd_config", "Port 2222\n")
            .file("/etc/postgresql/15/main/postgresql.conf", "port = 5433\n")
            .file("/etc/memcached.conf", "-p 11211\n")
            .file(&format!("{LIB}/ssh.socket"), "[Socket]\nListenStream=22\n");
        for unit in ["nginx", "ssh", "postgresql", "postgresql@", "memcached"] {
            files = files.file(&format!("{LIB}/{unit}.service"), "[Service]\nExecStart=/usr/sbin/x\n");
        }
        files
    }

    fn shown(files: &Memory, port: u16) -> Vec<String> {
        let show = |c: &Claim| format!("{} {:?}", c.unit.as_deref().unwrap_or(&c.program), c.source);
        read_from(files, Transport::Tcp, port).claims.iter().map(show).collect()
    }

    #[test]
    fn configurations_then_default_ports() {
        assert_eq!(shown(&host(), 8080), ["nginx.service Config"]);
        assert_eq!(shown(&host(), 80), ["nginx.service DefaultPort"]);
        assert_eq!(shown(&host(), 22), ["ssh.socket SocketUnit", "ssh.service DefaultPort"]);
        assert_eq!(shown(&host(), 2222), ["ssh.service Config"]);
        assert_eq!(shown(&host(), 5433), ["postgresql@15-main.service Config"]);
        assert_eq!(shown(&host(), 5432), ["postgresql@15-main.service DefaultPort"]);
        assert_eq!(shown(&host(), 11211), ["memcached.service Config"]);
    }

    #[test]
    fn a_configuration_brings_its_listen_and_its_line() {
        let claims = read_from(&host(), Transport::Tcp, 2222).claims;
        assert_eq!(claims[0].origin.as_ref().unwrap().to_string(), "/etc/ssh/sshd_config:1");
        assert_eq!(claims[0].listen.as_ref().unwrap().port, Some(2222));
        assert_eq!((claims[0].daemon, claims[0].program.as_str()), (Some(Daemon::Sshd), "ssh"));
    }

    #[test]
    fn the_unit_file_wins_and_keeps_what_the_configuration_knows() {
        let files = host().file(&format!("{LIB}/ssh.service"), "[Service]\nExecStart=/usr/sbin/sshd -D -p 2222\n");
        let claims = read_from(&files, Transport::Tcp, 2222).claims;
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].source, ClaimSource::UnitFile);
        assert!(claims[0].listen.is_some());
    }

    #[test]
    fn well_known_ports_only_when_nobody_else_claims_them() {
        let claims = read_from(&host(), Transport::Tcp, 25);
        assert_eq!(claims.service_name.as_deref(), Some("smtp"));
        assert_eq!(claims.claims[0].source, ClaimSource::EtcServices);
        assert_eq!(claims.claims[0].unit.as_deref(), Some("postfix.service"));
        let nobody = read_from(&host(), Transport::Tcp, 4711);
        assert_eq!((nobody.claims.len(), nobody.service_name), (0, None));
    }

    #[test]
    fn a_silenced_daemon_still_has_its_default_port() {
        let files = Memory::default()
            .file(&format!("{LIB}/mariadb.service"), "")
            .file("/etc/my.cnf", "[mysqld]\nskip-networking\nsocket=/run/m.sock\n");
        assert_eq!(shown(&files, 3306), ["mariadb.service DefaultPort"]);
    }
}

//! The program that usually serves the port is not installed.

use super::super::container::serves;
use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::daemon::Daemon;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-not-installed",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The service is not installed",
        what: "Nothing listens, and the unit that would serve the port does not exist on this host: desktops have the ssh \
               client but not the server, and a removed package leaves its configuration behind.",
        see: "systemctl cat UNIT\ndpkg -l PACKAGE    rpm -q PACKAGE",
        fix: "apt install PACKAGE, or dnf install PACKAGE and systemctl enable --now UNIT",
        undo: "apt remove PACKAGE, dnf remove PACKAGE",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let idle = idle(scene)?;
    match (idle.unit, idle.claim) {
        (Some(unit), None) if !unit.exists() => Some(no_such_unit(unit)),
        (None, Some(claim)) if claim.source == ClaimSource::EtcServices && serves(scene)? => None,
        (None, Some(claim)) => Some(not_installed(scene, claim)),
        (Some(unit), _) if is_hollow(scene, unit)? => Some(hollow(scene, unit)),
        _ => None,
    }
}

/// The unit that was asked for does not exist.
fn no_such_unit(unit: &Unit) -> Found {
    let name = &unit.name;
    let see = format!("systemctl cat {}", arg(name));
    let found = Found::new(name, format!("there is no unit {name} on this host{}", package_clause(name)))
        .seen(Evidence::new("systemd", format!("{name}: LoadState=not-found"), see));
    found.advise(package(name).map_or_else(
        || Advice::new("look for its right name", "systemctl list-unit-files --type=service", None),
        install,
    ))
}

/// A unit that does nothing but start instances, and has none: postgresql-common without a server.
fn is_hollow(scene: &Scene<'_, '_>, unit: &Unit) -> Option<bool> {
    let nothing =
        |argv: &Vec<String>| matches!(argv.as_slice(), [only] if only == "/bin/true" || only == "/usr/bin/true");
    let commands = unit.service.as_ref().map(|s| s.exec_start.as_slice()).unwrap_or_default();
    if !unit.pulls.is_empty() || commands.is_empty() || !commands.iter().all(nothing) {
        return Some(false);
    }
    let Some(daemon) = Daemon::ALL.into_iter().find(|daemon| daemon.runs_as(&unit.name)) else { return Some(false) };
    Some(scene.look.daemon(daemon)?.is_empty())
}

fn hollow(scene: &Scene<'_, '_>, unit: &Unit) -> Found {
    let name = &unit.name;
    let summary = format!("{name} has nothing to start: no server of it is installed{}", package_clause(name));
    let says = format!("{name} only runs /bin/true, and there is no instance of it");
    let found =
        found(scene, unit, summary).seen(Evidence::new("systemd", says, format!("systemctl cat {}", arg(name))));
    package(name).into_iter().fold(found, |found, package| found.advise(install(package)))
}

fn not_installed(scene: &Scene<'_, '_>, claim: &Claim) -> Found {
    let port = scene.subject.port.map(|port| format!(" (port {port})")).unwrap_or_default();
    let unit = claim.unit.clone().unwrap_or_else(|| format!("{}.service", claim.program));
    // A port that is only this program's by custom says nothing about what this host is for.
    let by_custom = matches!(claim.source, ClaimSource::DefaultPort | ClaimSource::EtcServices);
    let summary = match scene.subject.port.filter(|_| by_custom) {
        Some(port) => {
            format!("nothing serves port {port} here; by custom it is {}'s, which is not installed", claim.program)
        }
        None => format!("{} is not installed{port}{}", claim.program, package_clause(&unit)),
    };
    let see = format!("systemctl cat {}", arg(&unit));
    let found = Found::new(&claim.program, summary)
        .seen(Evidence::new("systemd", format!("there is no unit {unit}"), see))
        .seen(known_from(claim, scene.subject.port));
    let search = format!("apt-cache search {}", arg(&claim.program));
    let unknown = || Advice::new(format!("install {}", claim.program), search, None);
    let mut advice = package(&unit).map_or_else(unknown, install);
    if by_custom {
        advice.does = format!("if this host should serve {}: {}", claim.program, advice.does);
    }
    found.advise(advice)
}

/// How it is known that this program would serve the port.
fn known_from(claim: &Claim, port: Option<u16>) -> Evidence {
    let program = &claim.program;
    let see = port.map_or_else(|| "less /etc/services".into(), |port| format!("grep -w {port} /etc/services"));
    match (&claim.origin, claim.source) {
        (Some(origin), _) => {
            let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
            Evidence::new("config", format!("{origin}: {}", origin.text), see)
        }
        (None, ClaimSource::DefaultPort) => {
            Evidence::new("config", format!("{program} uses this port by default"), see)
        }
        (None, _) => Evidence::new("services", format!("this port is {program}'s by custom"), see),
    }
}

fn install((debian, fedora): (&str, &str)) -> Advice {
    let fedora = if debian == fedora { String::new() } else { format!(" ({fedora} on Fedora and RHEL)") };
    Advice::new(
        format!("install {debian}{fedora}"),
        format!("apt install {debian}"),
        Some(&format!("apt remove {debian}")),
    )
}

fn package_clause(unit: &str) -> String {
    package(unit).map(|(debian, _)| format!(": package {debian}")).unwrap_or_default()
}

/// The package that brings a unit: on Debian and Ubuntu, and on Fedora and RHEL.
fn package(unit: &str) -> Option<(&'static str, &'static str)> {
    const PACKAGES: [(&[&str], &str, &str); 21] = [
        (&["ssh", "sshd"], "openssh-server", "openssh-server"),
        (&["nginx"], "nginx", "nginx"),
        (&["apache2", "httpd"], "apache2", "httpd"),
        (&["mariadb"], "mariadb-server", "mariadb-server"),
        (&["mysql", "mysqld"], "mysql-server", "mysql-server"),
        (&["postgresql"], "postgresql", "postgresql-server"),
        (&["redis-server", "redis"], "redis-server", "redis"),
        (&["memcached"], "memcached", "memcached"),
        (&["vsftpd"], "vsftpd", "vsftpd"),
        (&["haproxy"], "haproxy", "haproxy"),
        (&["named", "bind9"], "bind9", "bind"),
        (&["dnsmasq"], "dnsmasq", "dnsmasq"),
        (&["postfix"], "postfix", "postfix"),
        (&["exim4"], "exim4", "exim"),
        (&["dovecot"], "dovecot-imapd", "dovecot"),
        (&["smbd", "smb"], "samba", "samba"),
        (&["nfs-server", "nfs-kernel-server"], "nfs-kernel-server", "nfs-utils"),
        (&["rpcbind"], "rpcbind", "rpcbind"),
        (&["cups"], "cups", "cups"),
        (&["docker"], "docker.io", "docker-ce"),
        (&["mosquitto"], "mosquitto", "mosquitto"),
    ];
    let stem = unit.split(['.', '@']).next()?;
    PACKAGES.iter().find(|(units, ..)| units.contains(&stem)).map(|(_, debian, fedora)| (*debian, *fedora))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::claim::{Claim, ClaimSource};

    fn ssh() -> Claim {
        Claim {
            unit: Some("ssh.service".into()),
            daemon: None,
            program: "ssh".into(),
            source: ClaimSource::EtcServices,
            origin: None,
            listen: None,
        }
    }

    #[test]
    fn the_usual_unit_of_the_port_does_not_exist() {
        let diagnosis = assert_culprit(&Host::refusing(22).claim(ssh()).case(), "svc-not-installed");
        let finding = diagnosis.culprit().unwrap();
        assert_eq!(finding.advice[0].run, "apt install openssh-server");
        assert!(finding.advice[0].does.starts_with("if this host should serve ssh: "), "{:?}", finding.advice);
        assert!(finding.summary.starts_with("nothing serves port 22 here"), "{}", finding.summary);
    }

    #[test]
    fn a_unit_that_was_asked_for_does_not_exist() {
        let diagnosis = assert_culprit(&Host::refusing(22).target("sshd").case(), "svc-not-installed");
        assert!(diagnosis.culprit().unwrap().summary.starts_with("there is no unit sshd.service on this host"));
    }

    #[test]
    fn a_unit_that_only_starts_instances_has_none() {
        let host = |instances: &[&str]| {
            let host = Host::refusing(5432).claimed_by("postgresql.service").unit("postgresql.service", |u| {
                u.service.as_mut().unwrap().exec_start = vec![vec!["/bin/true".into()]];
                u.pulls = instances.iter().map(|i| (*i).into()).collect();
            });
            host.case()
        };
        let diagnosis = assert_culprit(&host(&[]), "svc-not-installed");
        assert_eq!(diagnosis.culprit().unwrap().advice[0].run, "apt install postgresql");
        assert_not_found(&host(&["postgresql@15-main.service"]), "svc-not-installed");
    }

    #[test]
    fn a_unit_of_nobody_we_know_may_do_nothing() {
        let host = Host::refusing(1).target("once").unit("once.service", |u| {
            u.service.as_mut().unwrap().exec_start = vec![vec!["/bin/true".into()]];
        });
        assert_not_found(&host.case(), "svc-not-installed");
    }

    #[test]
    fn a_unit_that_exists_is_installed() {
        let host = Host::refusing(22).claim(ssh()).unit("ssh.service", |_| ());
        assert_not_found(&host.case(), "svc-not-installed");
    }

    #[test]
    fn who_is_meant_to_serve_cannot_be_told_without_the_bus() {
        let why = "no D-Bus system bus here";
        let case = Host::refusing(22).claim(ssh()).facts(|f| {
            f.units.insert("ssh.service".into(), crate::facts::Reading::Failed { why: why.into() });
        });
        let diagnosis = crate::diagnose::diagnose(&case.case());
        assert_eq!(diagnosis.culprit, None);
        let service = diagnosis.get(crate::diagnose::chart::BoxId::Service).unwrap();
        assert_eq!(service.because.as_deref(), Some(why));
    }
}

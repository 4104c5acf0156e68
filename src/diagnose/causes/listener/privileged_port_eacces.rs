//! A service without privileges wants a port below 1024.

use super::super::{Cause, Found, Words};
use super::failed_bind::{FailedBind, Said, failed_and_missed};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::connect::Outcome;
use crate::fixes::{self, Plan, Risk};

const FIRST_FREE: &str = "net/ipv4/ip_unprivileged_port_start";

/// Number of CAP_NET_BIND_SERVICE (capabilities(7)).
const NET_BIND_SERVICE: u64 = 10;

pub(crate) static CAUSE: Cause = Cause {
    id: "privileged-port-eacces",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service may not bind a port below 1024",
        what: "Ports below net.ipv4.ip_unprivileged_port_start (1024) need CAP_NET_BIND_SERVICE. The service runs as an \
               ordinary user without it, bind() says `Permission denied`, and the service ends. A package upgrade \
               drops a capability that setcap gave to the binary.",
        see: "journalctl -b -u UNIT\nsystemctl show -p User,AmbientCapabilities UNIT\nsysctl \
              net.ipv4.ip_unprivileged_port_start",
        fix: "AmbientCapabilities=CAP_NET_BIND_SERVICE in a drop-in, or setcap cap_net_bind_service=+ep on the binary, \
              or a socket unit, or a port from 1024 up behind a proxy",
        undo: "remove the drop-in (systemctl revert UNIT)",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    failed_and_missed(scene, Said::BindDenied).iter().find_map(|failed| found(scene, failed))
}

fn found(scene: &Scene<'_, '_>, failed: &FailedBind<'_>) -> Option<Found> {
    let service = failed.unit.service.as_ref()?;
    let user = Some(service.user.as_str()).filter(|user| !matches!(*user, "" | "root" | "0"))?;
    let may = service.ambient_capabilities & (1 << NET_BIND_SERVICE) != 0;
    let first_free: u16 = scene.look.sysctl(FIRST_FREE)?.trim().parse().ok()?;
    if may || failed.port >= first_free {
        return None;
    }
    let (unit, port) = (&failed.unit.name, failed.port);
    let unit_arg = arg(unit);
    let shown = format!("systemctl show -p User,AmbientCapabilities {unit_arg}");
    Some(
        Found::new(unit, format!("{unit} runs as {user} and may not bind port {port}: it is below {first_free}"))
            .seen(failed.evidence())
            .seen(Evidence::new("systemd", format!("User={user}, no CAP_NET_BIND_SERVICE"), shown))
            .seen(Evidence::new(
                "sysctl",
                format!("net.ipv4.ip_unprivileged_port_start = {first_free}"),
                "sysctl net.ipv4.ip_unprivileged_port_start",
            ))
            .fix(fixes::unit::bind_capability(failed.unit))
            .fix(open_to_all(failed, false))
            .fix(open_to_all(failed, true)),
    )
}

/// Where the service cannot be given the right (its bounding set is empty): nobody needs it any more from that port up.
fn open_to_all(failed: &FailedBind<'_>, for_good: bool) -> Plan {
    let port = failed.port.to_string();
    let (id, when) =
        if for_good { ("unprivileged-ports-for-good", ", also after a reboot") } else { ("unprivileged-ports", "") };
    let plan = Plan::new(id, format!("or let every user bind ports from {port} up{when}"))
        .risk(Risk::Medium)
        .warn(format!("every program of every user may then listen on ports from {port} up, while nobody else does"));
    let set = if for_good { fixes::sysctl::for_good } else { fixes::sysctl::now };
    fixes::unit::brought_up(set(plan, FIRST_FREE, &port), failed.unit)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};

    fn shop(user: &str, capabilities: u64, first_free: &str) -> Host {
        let line = "python3: PermissionError: [Errno 13] Permission denied";
        let trace = ["python3:     self.socket.bind(self.server_address)", line];
        failed(Host::refusing(81), "shop.service", &trace)
            .change_unit("shop.service", |u| {
                let service = u.service.as_mut().unwrap();
                service.user = user.into();
                service.ambient_capabilities = capabilities;
            })
            .claimed_by("shop.service")
            .sysctl("net/ipv4/ip_unprivileged_port_start", first_free)
    }

    #[test]
    fn an_ordinary_user_on_port_81() {
        let found = assert_culprit(&shop("www-data", 0, "1024").case(), "privileged-port-eacces").causes.remove(0);
        assert_eq!(found.summary, "shop.service runs as www-data and may not bind port 81: it is below 1024");
    }

    #[test]
    fn with_the_right_or_a_free_port_something_else_forbids_it() {
        assert_not_found(&shop("www-data", 1 << 10, "1024").case(), "privileged-port-eacces");
        assert_not_found(&shop("www-data", 0, "80").case(), "privileged-port-eacces");
        assert_not_found(&shop("root", 0, "1024").case(), "privileged-port-eacces");
    }
}

//! SELinux does not let the daemon bind a port of that type.

use super::super::{Cause, Found, Words};
use super::selinux::{permissive, refused};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "selinux-port-type",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "SELinux does not let the service bind this port",
        what: "Each port has a type, and a confined daemon may bind only ports of its own types: httpd_t those of \
               http_port_t, sshd_t those of ssh_port_t. After a port change in the daemon's configuration bind() says \
               `Permission denied`, although the daemon runs as root and nobody else has the port.",
        see: "getenforce\nausearch -m AVC -ts boot\nseinfo --portcon=PORT\nsemanage port -l | grep PORT\nps -eo label,comm",
        fix: "semanage port -a -t TYPE -p tcp PORT (-m where the port has an entry of its own), then start the service; \
              never setenforce 0",
        undo: "semanage port -d -p tcp PORT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let refused = refused(scene).filter(|refused| !refused.is_lost())?;
    let (unit, domain, kind, port) = (&refused.unit.name, &refused.domain, &refused.kind, refused.port);
    let silent = if refused.logged.is_some() { "" } else { ", and nothing in the audit tells it" };
    let summary = format!("SELinux does not let {unit} ({domain}) bind port {port}, which has the type {kind}{silent}");
    let found = refused.with_label(refused.found(summary), scene.subject.transport.word());
    Some(match refused.selinux.domain.value() {
        Some(domain) => found.fix(permissive(domain, refused.unit)),
        None => found,
    })
}

#[cfg(test)]
mod tests {
    use super::super::selinux::tests::{AVC, host, selinux};
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::selinux::Mode;
    use crate::fixes::{Lasting, Risk};

    const ID: &str = "selinux-port-type";

    #[test]
    fn a_port_of_another_type() {
        let found = assert_culprit(&host(selinux(), &[AVC]).case(), ID);
        let finding = &found.causes[0];
        let says = "SELinux does not let nginx.service (httpd_t) bind port 8099, which has the type unreserved_port_t";
        assert_eq!(finding.summary, says);
        let plan = finding.plans().next().unwrap();
        assert!(plan.commands().starts_with("semanage port -a -t http_port_t -p tcp 8099\n"), "{}", plan.commands());
        assert!(plan.undo_commands().unwrap().ends_with("semanage port -d -p tcp 8099"));
        let all = format!("{:?}", finding.advice);
        assert!(all.contains("(allow httpd_t unreserved_port_t (tcp_socket (name_bind)))"), "{all}");
        assert!(!all.contains("setenforce"), "{all}");
        let trial = finding.plans().last().unwrap();
        assert!(trial.commands().starts_with("semanage permissive -a httpd_t\n"), "{}", trial.commands());
        assert!(trial.undo_commands().unwrap().ends_with("semanage permissive -d httpd_t"));
        assert_eq!((trial.lasting, trial.risk), (Lasting::Trial, Risk::High));
    }

    #[test]
    fn a_silent_denial_is_told_by_the_policy() {
        let mut quiet = selinux();
        if let Reading::Known(known) = &mut quiet.port {
            known.value.bind_logged = false;
        }
        let found = assert_culprit(&host(quiet, &[]).case(), ID);
        assert!(found.causes[0].summary.ends_with("nothing in the audit tells it"));
        assert!(found.causes[0].evidence.iter().any(|e| e.says.contains("dontaudit")));
    }

    #[test]
    fn a_line_is_enough_where_the_policy_cannot_be_read() {
        let mut blind = selinux();
        blind.port = Reading::Failed { why: "of another kind".into() };
        let found = assert_culprit(&host(blind, &[AVC]).case(), ID);
        assert!(found.causes[0].advice[0].run.starts_with("semanage port -a -t TYPE -p tcp 8099"));
    }

    #[test]
    fn a_port_that_has_an_entry_of_its_own_is_changed() {
        let mut own = selinux();
        if let Reading::Known(known) = &mut own.port {
            known.value.range = Some((8099, 8099));
            known.value.kind = "transproxy_port_t".into();
        }
        let found = assert_culprit(&host(own, &[AVC]).case(), ID);
        let run = found.plans().next().unwrap().commands();
        assert!(run.starts_with("semanage port -m -t http_port_t -p tcp 8099\n"), "{run}");
    }

    #[test]
    fn where_it_forbids_nothing_it_is_innocent() {
        let mut other = selinux();
        other.mode = Mode::Permissive;
        assert_not_found(&host(other, &[]).case(), ID);
        let mut allowed = selinux();
        if let Reading::Known(known) = &mut allowed.port {
            known.value.bind = true;
        }
        assert_not_found(&host(allowed, &[]).case(), ID);
        let mut permissive = selinux();
        if let Reading::Known(known) = &mut permissive.domain {
            known.value.permissive = true;
        }
        assert_not_found(&host(permissive, &[]).case(), ID);
    }
}

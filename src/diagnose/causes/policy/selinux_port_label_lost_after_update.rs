//! A label that the daemon needs is gone since an update: that of its port, or that of its program.

use super::super::{Cause, Found, Words};
use super::selinux::{Refused, refused};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::denial::type_of;
use crate::fixes::selinux as plans;

pub(crate) static CAUSE: Cause = Cause {
    id: "selinux-port-label-lost-after-update",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "A label of SELinux that the service needs was lost",
        what: "The service bound its port before; since then the policy was built anew (an update, semanage, semodule) and \
               the port has lost the type that allowed it. Or the program's file has lost its own label, by a copy or an \
               installation by hand: it then runs in another domain, with other rights.",
        see: "ausearch -m AVC -ts boot\nsemanage port -l -C\nls -l /etc/selinux/*/policy\nls -Z PROGRAM; matchpathcon PROGRAM",
        fix: "semanage port -a -t TYPE -p tcp PORT, or restorecon -v PROGRAM; then start the service",
        undo: "semanage port -d -p tcp PORT, or chcon OLD-CONTEXT PROGRAM",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let refused = refused(scene).filter(Refused::is_lost)?;
    let (unit, domain, port) = (&refused.unit.name, &refused.domain, refused.port);
    if let Some((has, should)) = &refused.selinux.mislabelled {
        let program = &refused.program;
        let kind = |context| type_of(context).unwrap_or(context).to_owned();
        let summary = format!(
            "{unit} runs as {domain} and may not bind port {port}: {program} has the label {}, not {}",
            kind(has),
            kind(should)
        );
        let says = format!("{program} is {has}, and should be {should}");
        let see = format!("ls -Z {0}; matchpathcon {0}", arg(program));
        let found = refused.found(summary).seen(Evidence::new("selinux", says, see));
        return Some(found.fix(plans::relabel(refused.unit, program, should)));
    }
    let summary = format!(
        "SELinux does not let {unit} ({domain}) bind port {port} any more: since the policy was built anew the port has \
         the type {}",
        refused.kind
    );
    let mut found = refused.found(summary);
    if let Some(entry) = refused.worked {
        let says = format!("it started before the policy was built: {}", entry.message.trim_end());
        let see = format!("journalctl -b -u {}; ls -l --time-style=full-iso /etc/selinux/*/policy", arg(unit));
        found = found.seen(Evidence::new("journal", says, see));
    }
    Some(refused.with_label(found, scene.subject.transport.word()))
}

#[cfg(test)]
mod tests {
    use super::super::selinux::tests::{AVC, host, selinux};
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::journal::Entry;

    const ID: &str = "selinux-port-label-lost-after-update";

    #[test]
    fn it_worked_until_the_policy_was_built_anew() {
        let mut later = selinux();
        later.policy_changed_ms = 1_000;
        let host = host(later, &[AVC]).facts(|f| {
            if let Some(Reading::Known(known)) = f.journals.get_mut("nginx.service") {
                let message = "Started nginx.service - A web server.".to_owned();
                let (identifier, at_us) = ("systemd".to_owned(), 1);
                known.value.entries.insert(0, Entry { at_us, priority: 6, identifier, pid: 1, message });
            }
        });
        let case = host.case();
        let found = assert_culprit(&case, ID);
        assert!(found.causes[0].summary.contains("any more"), "{}", found.causes[0].summary);
        assert_eq!(found.plans().next().unwrap().id, "selinux-port-type");
        assert_not_found(&case, "selinux-port-type");
    }

    #[test]
    fn a_program_without_its_label() {
        let mut copied = selinux();
        let labels = ["system_u:object_r:user_home_t:s0", "system_u:object_r:httpd_exec_t:s0"].map(str::to_owned);
        copied.mislabelled = Some((labels[0].clone(), labels[1].clone()));
        let found = assert_culprit(&host(copied, &[]).case(), ID);
        assert!(found.causes[0].summary.ends_with("/usr/sbin/nginx has the label user_home_t, not httpd_exec_t"));
        let plan = found.plans().next().unwrap();
        assert!(plan.commands().starts_with("restorecon -v /usr/sbin/nginx\n"), "{}", plan.commands());
    }

    #[test]
    fn a_port_that_never_worked_is_another_matter() {
        assert_not_found(&host(selinux(), &[AVC]).case(), ID);
    }
}

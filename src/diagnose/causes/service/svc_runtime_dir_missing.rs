//! The daemon does not start because its directory below /run, or what must be made for it before, is not there.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, start_again, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-runtime-dir-missing",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The directory the daemon needs below /run is missing, or sshd has no host keys",
        what: "/run is empty after every boot. The distribution's own unit makes the directory (RuntimeDirectory=); a \
               home-made unit or a start by hand does not, and sshd then ends with \"Missing privilege separation \
               directory\". Its sibling: a cloned image without host keys, \"no hostkeys available\".",
        see: "journalctl -b -u UNIT\nls -ld /run/NAME\nls /etc/ssh/ssh_host_*",
        fix: "mkdir the directory now and add RuntimeDirectory= to the unit; for missing keys: ssh-keygen -A",
        undo: "systemctl revert UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, path) = failed_by(scene, |kind| {
        if let FailureKind::RuntimeDir { path } = kind {
            return Some(Some(path.clone()));
        }
        (*kind == FailureKind::NoHostKeys).then_some(None)
    })?;
    let what = path.as_ref().map_or_else(|| "it has no host keys".to_owned(), |path| format!("{path} is missing"));
    let found = found_failed(scene, unit, &failure, format!("{} does not start: {what}", unit.name));
    let Some(path) = path else {
        return Some(found.advise(Advice::new("make host keys", "ssh-keygen -A", None)).advise(start_again(unit)));
    };
    Some(match path.strip_prefix("/run/").and_then(|below| fixes::runtime_directory(unit, below)) {
        Some(plan) => found.fix(plan),
        None => found.advise(make(unit, &path)).advise(start_again(unit)),
    })
}

fn make(unit: &Unit, path: &str) -> Advice {
    let name = arg(&unit.name);
    let Some(below) = path.strip_prefix("/run/") else {
        return Advice::new(
            "make the directory",
            format!("mkdir -p {}", arg(path)),
            Some(&format!("rmdir {}", arg(path))),
        );
    };
    Advice::new(
        "let systemd make the directory at every start",
        format!("systemctl edit {name}    # [Service] RuntimeDirectory={below} RuntimeDirectoryMode=0755"),
        Some(&undo_edit(unit)),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn sshd(message: &str) -> Case {
        let line = format!("sshd: {message}");
        let host = Host::refusing(2200).claimed_by("sshd-admin.service").journal("sshd-admin.service", &[&line]);
        host.unit("sshd-admin.service", |u| u.active_state = "failed".into()).case()
    }

    #[test]
    fn the_directory_is_made_by_the_unit() {
        let diagnosis =
            assert_culprit(&sshd("Missing privilege separation directory: /run/sshd"), "svc-runtime-dir-missing");
        assert!(diagnosis.culprit().unwrap().advice[0].run.contains("RuntimeDirectory=sshd"));
    }

    #[test]
    fn host_keys_are_made() {
        let diagnosis = assert_culprit(&sshd("sshd: no hostkeys available -- exiting."), "svc-runtime-dir-missing");
        assert_eq!(diagnosis.culprit().unwrap().advice[0].run, "ssh-keygen -A");
    }

    #[test]
    fn another_directory_is_another_matter() {
        assert_not_found(&sshd("fatal: Cannot bind any address."), "svc-runtime-dir-missing");
    }
}

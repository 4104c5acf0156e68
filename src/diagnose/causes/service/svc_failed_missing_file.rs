//! The daemon does not start because a file it needs is missing, unreadable or no good: a certificate, a log directory.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, reason, start_again};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-failed-missing-file",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "A file the daemon needs is missing or unusable",
        what: "The configuration or the unit names a file (a certificate, a key, an include, a log directory, the program \
               itself) that is not there, may not be read by the daemon, or is empty. The whole daemon stays down, also \
               for the ports that have nothing to do with that file.",
        see: "journalctl -b -u UNIT\nls -l FILE\nnamei -l FILE",
        fix: "restore or re-issue the file with the right owner and mode, or remove the line that names it; then \
              systemctl start UNIT",
        undo: "put the line back, remove the file again",
    },
    detect,
};

/// What is wrong with the file.
enum Wrong {
    Missing,
    Denied,
    Bad,
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, (path, wrong)) = failed_by(scene, wrong_file)?;
    let summary = format!("{} does not start: {}", unit.name, reason(&failure));
    let found = found_failed(scene, unit, &failure, summary);
    Some(found.advise(cure(unit, &path, &wrong)).advise(start_again(unit)))
}

fn wrong_file(kind: &FailureKind) -> Option<(String, Wrong)> {
    if let FailureKind::MissingFile { path } = kind {
        return Some((path.clone(), Wrong::Missing));
    }
    if let FailureKind::FileDenied { path } = kind {
        return Some((path.clone(), Wrong::Denied));
    }
    let FailureKind::BadFile { path } = kind else { return None };
    Some((path.clone(), Wrong::Bad))
}

fn cure(unit: &Unit, path: &str, wrong: &Wrong) -> Advice {
    let file = arg(path);
    let user = unit.service.as_ref().map(|s| s.user.as_str()).filter(|user| !user.is_empty()).unwrap_or("root");
    match wrong {
        Wrong::Missing => Advice::new(
            format!("restore {path}, or remove the line that names it"),
            format!("namei -l {file}\ngrep -rn {file} /etc"),
            None,
        ),
        Wrong::Denied => Advice::new(
            format!("let {user} read {path}, and every directory above it"),
            format!("namei -l {file}"),
            Some("set the former owner and mode again"),
        ),
        Wrong::Bad => Advice::new(format!("put a good file in place of {path}"), format!("head {file}"), None),
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn nginx(state: &str, line: &str) -> Case {
        let lines = ["systemd: Starting nginx.service - nginx...", line];
        let host = Host::refusing(443).claimed_by("nginx.service").journal("nginx.service", &lines);
        host.unit("nginx.service", |u| u.active_state = state.into()).case()
    }

    const CERTIFICATE: &str = "nginx: 2026/01/02 03:04:05 [emerg] 81#81: cannot load certificate \"/etc/ssl/shop.pem\": \
                               BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory)";

    #[test]
    fn a_certificate_that_is_not_there() {
        let diagnosis = assert_culprit(&nginx("failed", CERTIFICATE), "svc-failed-missing-file");
        assert_eq!(diagnosis.culprit().unwrap().summary, "nginx.service does not start: /etc/ssl/shop.pem is missing");
    }

    #[test]
    fn a_key_that_may_not_be_read() {
        let line =
            "nginx: [emerg] cannot load certificate key \"/etc/ssl/k.pem\": BIO_new_file() failed (Permission denied)";
        let diagnosis = assert_culprit(&nginx("failed", line), "svc-failed-missing-file");
        assert!(diagnosis.culprit().unwrap().summary.contains("/etc/ssl/k.pem may not be opened"));
    }

    #[test]
    fn a_unit_that_was_stopped_has_not_failed() {
        assert_not_found(&nginx("inactive", CERTIFICATE), "svc-failed-missing-file");
    }
}

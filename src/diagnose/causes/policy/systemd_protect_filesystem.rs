//! The unit may not write, see or even set up a path that it needs.

use super::super::service::common::DOWN;
use super::super::{Cause, Found, Words};
use super::common::{Confined, confined};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::journal::Journal;
use crate::fixes::Plan;

pub(crate) static CAUSE: Cause = Cause {
    id: "systemd-protect-filesystem",
    in_box: BoxId::Policy,
    general: false,
    explains: DOWN,
    words: Words {
        title: "systemd keeps the service from a path that it needs",
        what: "ProtectSystem= or ReadOnlyPaths= of the unit makes a path read-only that the service writes (\"Read-only \
               file system\", 30); InaccessiblePaths= or ProtectHome= hides one that it reads (\"No such file\", 2, or \
               \"Permission denied\", 13); or a path named in ReadWritePaths= and the like does not exist, and systemd \
               cannot set up the name space at all (status=226/NAMESPACE). The same file is there for everybody else.",
        see: "journalctl -b -u UNIT\nsystemctl show -p \
              ProtectSystem,ProtectHome,ReadOnlyPaths,ReadWritePaths,InaccessiblePaths UNIT",
        fix: "a drop-in with ReadWritePaths= for what it writes, without the path that hides what it reads, or with a \"-\" \
              before a path that need not exist; then restart",
        undo: "remove the drop-in and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let confined = confined(scene, |kind| {
        matches!(
            kind,
            FailureKind::ReadOnly { .. }
                | FailureKind::MissingFile { .. }
                | FailureKind::FileDenied { .. }
                | FailureKind::BadFile { .. }
                | FailureKind::Sandbox { .. }
        )
    })?;
    let kind = confined.failure.kind.clone();
    if let FailureKind::ReadOnly { path } = &kind {
        return read_only(scene, &confined, path);
    }
    if let FailureKind::MissingFile { path } | FailureKind::FileDenied { path } | FailureKind::BadFile { path } = &kind
    {
        return hidden(scene, &confined, path);
    }
    let FailureKind::Sandbox { step } = &kind else { return None };
    if step == "NAMESPACE" { not_set_up(scene, &confined) } else { None }
}

/// Which setting makes the path read-only, if one does.
fn read_only(scene: &Scene<'_, '_>, confined: &Confined<'_>, path: &str) -> Option<Found> {
    let sandbox = confined.sandbox;
    let below = |tops: &[&str]| tops.iter().any(|top| is_below(path, top));
    let listed = sandbox.read_only.iter().find(|listed| is_below(path, bare(listed)));
    let by_system = match sandbox.protect_system.as_str() {
        "strict" => !below(&["/dev", "/proc", "/sys"]),
        "full" => below(&["/usr", "/boot", "/efi", "/etc"]),
        "yes" => below(&["/usr", "/boot", "/efi"]),
        _ => false,
    };
    let by_home = matches!(sandbox.protect_home.as_str(), "read-only" | "tmpfs") && below(&HOMES);
    let setting = match listed {
        Some(listed) => format!("ReadOnlyPaths={listed}"),
        None if by_system => format!("ProtectSystem={}", sandbox.protect_system),
        None if by_home => format!("ProtectHome={}", sandbox.protect_home),
        None => return None,
    };
    let unit = &confined.unit.name;
    let found = confined.found(scene, &setting, format!("{unit} may not write {path}: {setting}"));
    let directory =
        path.rsplit_once('/').map_or("/", |(directory, _)| if directory.is_empty() { "/" } else { directory });
    Some(match listed {
        Some(listed) if bare(listed) == path || bare(listed) == directory => {
            found.advise_all(plan(taken_off(confined, "ReadOnlyPaths", &sandbox.read_only, listed)))
        }
        None if by_system && sandbox.protect_system == "strict" && below(&["/run", "/var"]) => {
            // Whoever may not write one of these mostly needs more of them: the next start would fail at the log.
            let title = format!("let {unit} write below /run and /var; /usr, /etc and /home stay read-only");
            let line = "ReadWritePaths=-/run -/var";
            let narrow = writable(confined, directory);
            found.fix(confined.loosened("write-state", title, "paths", line)).advise_all(plan(narrow))
        }
        _ => found.advise_all(plan(writable(confined, directory))),
    })
}

const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Which setting hides the path, if one does.
fn hidden(scene: &Scene<'_, '_>, confined: &Confined<'_>, path: &str) -> Option<Found> {
    let sandbox = confined.sandbox;
    let listed = sandbox.inaccessible.iter().find(|listed| is_below(path, bare(listed)));
    let by_home =
        matches!(sandbox.protect_home.as_str(), "yes" | "tmpfs") && HOMES.iter().any(|top| is_below(path, top));
    let setting = match listed {
        Some(listed) => format!("InaccessiblePaths={listed}"),
        None if by_home => format!("ProtectHome={}", sandbox.protect_home),
        None => return None,
    };
    let unit = &confined.unit.name;
    let found = confined.found(scene, &setting, format!("{unit} may not see {path}: {setting}"));
    if let Some(listed) = listed {
        return Some(found.advise_all(plan(taken_off(confined, "InaccessiblePaths", &sandbox.inaccessible, listed))));
    }
    let title = format!("let {unit} read below /home and /root");
    Some(found.fix(confined.loosened("read-home", title, "paths", "ProtectHome=read-only")))
}

/// A path that a setting names and that is not there: nothing of the unit can start.
fn not_set_up(scene: &Scene<'_, '_>, confined: &Confined<'_>) -> Option<Found> {
    let sandbox = confined.sandbox;
    let said = format!("{} {}", confined.message(), namespacing(scene, confined));
    let lists = [
        ("ReadWritePaths", &sandbox.read_write),
        ("ReadOnlyPaths", &sandbox.read_only),
        ("InaccessiblePaths", &sandbox.inaccessible),
    ];
    let named = |(name, list): (&'static str, &'_ Vec<String>)| {
        let guilty = list.iter().find(|path| !path.starts_with('-') && names(&said, bare(path)))?;
        Some((name, guilty.clone()))
    };
    let unit = &confined.unit.name;
    let Some((name, path)) = lists.into_iter().find_map(named) else {
        let root = Some(sandbox.root.as_str()).filter(|root| !root.is_empty() && names(&said, root))?;
        let setting = format!("RootDirectory={root}");
        let summary = format!("systemd cannot set up the name space of {unit}: {root} of {setting} is not usable");
        let advice =
            Advice::new(format!("make {root} what it should be"), format!("ls -ld {}", crate::text::arg(root)), None);
        return Some(confined.found(scene, &setting, summary).advise(advice));
    };
    let shown = bare(&path);
    let setting = format!("{name}={path}");
    let summary = format!("systemd cannot set up the name space of {unit}: {shown} of {name}= does not exist");
    let list = lists.into_iter().find(|(other, _)| *other == name).map(|(_, list)| list.as_slice()).unwrap_or_default();
    let lines =
        rewritten(name, list, |other| if other == path { Some(format!("-{other}")) } else { Some(other.to_owned()) });
    let plan_of = lines.map(|lines| {
        let title = format!("let {unit} start although {shown} does not exist");
        confined.loosened("optional-path", title, "paths", &lines)
    });
    Some(confined.found(scene, &setting, summary).advise_all(plan(plan_of)))
}

/// What systemd says beside the step that failed: the path that it could not mount.
fn namespacing<'a>(scene: &Scene<'a, '_>, confined: &Confined<'_>) -> &'a str {
    let journal = scene.look.journal(&confined.unit.name);
    let entries = journal.map(Journal::last_start).unwrap_or_default();
    entries.iter().map(|e| e.message.as_str()).find(|m| m.contains("mount namespacing")).unwrap_or("")
}

/// Does a message name the path, as such or below the root that systemd builds?
fn names(said: &str, path: &str) -> bool {
    let end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.'));
    said.match_indices(path).any(|(at, _)| said.get(at + path.len()..).is_some_and(end))
}

fn plan(plan: Option<Plan>) -> Vec<Advice> {
    plan.map(Advice::of).into_iter().collect()
}

/// Lets it write a directory. None: its name cannot stand in a unit file as it is.
fn writable(confined: &Confined<'_>, directory: &str) -> Option<Plan> {
    let unit = &confined.unit.name;
    let title = format!("let {unit} write below {directory}");
    plain(directory).then(|| confined.loosened("writable-path", title, "paths", &format!("ReadWritePaths={directory}")))
}

/// Takes one path off a list.
fn taken_off(confined: &Confined<'_>, name: &str, list: &[String], path: &str) -> Option<Plan> {
    let lines = rewritten(name, list, |other| (other != path).then(|| other.to_owned()))?;
    let title = format!("take {} off {name}= of {}", bare(path), confined.unit.name);
    Some(confined.loosened("path-off-list", title, "paths", &lines))
}

/// A list anew: emptied, then what stays. None: a path in it cannot stand in a unit file as it is.
fn rewritten(name: &str, list: &[String], keep: impl Fn(&str) -> Option<String>) -> Option<String> {
    let kept: Vec<String> = list.iter().filter_map(|path| keep(path)).collect();
    if !kept.iter().all(|path| plain(path)) {
        return None;
    }
    Some(if kept.is_empty() { format!("{name}=") } else { format!("{name}=\n{name}={}", kept.join(" ")) })
}

/// Can it stand in a unit file as it is?
fn plain(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '/' | '+' | ':' | ','))
}

/// A path without the marks that say it may be missing, or is below the root of the unit.
fn bare(listed: &str) -> &str {
    listed.trim_start_matches(['-', '+']).trim_end_matches('/')
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::sandbox::Sandbox;

    const ID: &str = "systemd-protect-filesystem";
    const READ_ONLY: &str = "nginx: [emerg] open() \"/run/nginx.pid\" failed (30: Read-only file system)";
    const HIDDEN: &str = "nginx: [emerg] open() \"/etc/nginx/nginx.conf\" failed (2: No such file or directory)";

    fn host(lines: &[&str], change: impl FnOnce(&mut Sandbox)) -> Host {
        let mut sandbox = Sandbox::default();
        change(&mut sandbox);
        failed(Host::refusing(80).claimed_by("nginx.service"), "nginx.service", lines)
            .change_unit("nginx.service", |u| u.sandbox = Some(Box::new(sandbox)))
    }

    fn first_plan(host: Host) -> (String, String) {
        let told = assert_culprit(&host.case(), ID);
        let plan = told.plans().next().unwrap();
        (told.culprit().unwrap().summary.clone(), plan.commands())
    }

    #[test]
    fn a_strict_unit_that_writes() {
        let (summary, plan) = first_plan(host(&[READ_ONLY], |s| s.protect_system = "strict".into()));
        assert_eq!(summary, "nginx.service may not write /run/nginx.pid: ProtectSystem=strict");
        assert!(plan.contains("ReadWritePaths=-/run -/var"), "{plan}");
        let (_, plan) = first_plan(host(&[READ_ONLY], |s| s.read_only = vec!["/run".into(), "/srv".into()]));
        assert!(plan.contains("ReadOnlyPaths=\n    ReadOnlyPaths=/srv"), "{plan}");
        assert_not_found(&host(&[READ_ONLY], |s| s.protect_system = "full".into()).case(), ID);
    }

    #[test]
    fn a_configuration_out_of_sight() {
        let (summary, plan) = first_plan(host(&[HIDDEN], |s| s.inaccessible = vec!["-/etc/nginx".into()]));
        assert_eq!(summary, "nginx.service may not see /etc/nginx/nginx.conf: InaccessiblePaths=-/etc/nginx");
        assert!(plan.contains("    InaccessiblePaths=\n"), "{plan}");
        assert_not_found(&host(&[HIDDEN], |s| s.inaccessible = vec!["/etc/ngin".into()]).case(), ID);
    }

    #[test]
    fn a_path_that_should_be_writable_and_is_not_there() {
        let lines = [
            "(nginx): nginx.service: Failed to set up mount namespacing: /run/systemd/unit-root/srv/none: No such file or \
             directory",
            "(nginx): nginx.service: Failed at step NAMESPACE spawning /usr/sbin/nginx: No such file or directory",
        ];
        let (summary, plan) = first_plan(host(&lines, |s| s.read_write = vec!["/srv".into(), "/srv/none".into()]));
        assert!(summary.ends_with("/srv/none of ReadWritePaths= does not exist"), "{summary}");
        assert!(plan.contains("ReadWritePaths=/srv -/srv/none"), "{plan}");
        assert_not_found(&host(&lines, |s| s.read_write = vec!["-/srv/none".into()]).case(), ID);
    }
}

//! The daemon does not start because it cannot read its configuration.

use super::super::{Cause, Found, Words, apply};
use super::common::{DOWN, arg, complaint, failed_by, found_failed, place, start_again};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-failed-config-syntax",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The configuration has an error, so the daemon does not start",
        what: "A line of the configuration is not understood. A reload would have kept the old daemon running; a restart \
               stopped it first and then could not start the new one. The daemon's first message names the file and line.",
        see: "journalctl -b -u UNIT\nnginx -t    sshd -t    apachectl configtest    haproxy -c -f FILE",
        fix: "correct the named line, let the daemon check its configuration, then systemctl start UNIT",
        undo: "restore the saved copy of the file",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, (file, line)) = failed_by(scene, |kind| {
        let FailureKind::ConfigSyntax { file, line } = kind else { return None };
        Some((file.clone(), *line))
    })?;
    let complaint = complaint(&failure, file.as_deref());
    let file = file.or_else(|| named_on_command_line(unit));
    let at = place(file.as_deref(), line);
    let summary = format!("{} does not start: {complaint} in {at}", unit.name);
    let mut found = found_failed(scene, unit, &failure, summary).advise(correct(unit, file.as_deref(), line));
    if let Some(check) = apply::check(&unit.name) {
        found = found.advise(Advice::new("let it check its configuration", check, None));
    }
    Some(found.advise(start_again(unit)))
}

fn correct(unit: &Unit, file: Option<&str>, line: Option<u32>) -> Advice {
    let at = place(file, line);
    match file {
        Some(file) => apply::open_in_editor(format!("correct {at}"), file, line),
        None => Advice::new(format!("correct {at}"), format!("journalctl -b -u {}", arg(&unit.name)), None),
    }
}

/// Redis and others name only the line: the file is an argument of theirs.
fn named_on_command_line(unit: &Unit) -> Option<String> {
    const ENDINGS: [&str; 7] = [".conf", ".cfg", ".cnf", ".yml", ".yaml", ".toml", ".json"];
    let words = unit.service.as_ref()?.exec_start.iter().flatten().skip(1);
    let path = |word: &String| word.rsplit_once('=').map_or(word.clone(), |(_, value)| value.to_owned());
    words.map(path).find(|word| word.starts_with('/') && ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::Case;

    fn failed(unit: &str, lines: &[&str]) -> Case {
        let host = Host::refusing(80).claimed_by(unit).journal(unit, lines).unit(unit, |u| {
            u.active_state = "failed".into();
            u.sub_state = "failed".into();
            let service = u.service.as_mut().unwrap();
            service.result = "exit-code".into();
            service.exec_start = vec![vec!["/usr/bin/redis-server".into(), "/etc/redis/redis.conf".into()]];
        });
        host.case()
    }

    const BAD_LINE: &str = "nginx: 2026/01/02 03:04:05 [emerg] 81#81: unexpected end of file, expecting \";\" or \"}\" \
                            in /etc/nginx/conf.d/bad.conf:2";

    #[test]
    fn the_file_and_line_are_named_and_checked() {
        let case = failed("nginx.service", &["systemd: Starting nginx.service - nginx...", BAD_LINE]);
        let diagnosis = assert_culprit(&case, "svc-failed-config-syntax");
        let finding = diagnosis.culprit().unwrap();
        assert!(finding.summary.ends_with(
            "does not start: unexpected end of file, expecting \";\" or \"}\" in /etc/nginx/conf.d/bad.conf:2"
        ));
        assert!(finding.evidence[0].says.ends_with(BAD_LINE.split_once(": ").unwrap().1));
        assert_eq!(finding.advice[1].run, "nginx -t");
    }

    #[test]
    fn redis_names_the_line_its_command_line_the_file() {
        let case = failed(
            "redis-server.service",
            &[
                "redis-server: *** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***",
                "redis-server: Reading the configuration file, at line 88",
            ],
        );
        let diagnosis = assert_culprit(&case, "svc-failed-config-syntax");
        assert!(diagnosis.culprit().unwrap().summary.contains("/etc/redis/redis.conf:88"));
    }

    #[test]
    fn it_is_the_culprit_even_when_systemd_has_given_up() {
        let case = failed(
            "nginx.service",
            &[
                "systemd: Starting nginx.service - nginx...",
                BAD_LINE,
                "systemd: nginx.service: Control process exited, code=exited, status=1/FAILURE",
                "systemd: nginx.service: Failed with result 'exit-code'.",
                "systemd: nginx.service: Scheduled restart job, restart counter is at 1.",
                "systemd: nginx.service: Start request repeated too quickly.",
            ],
        );
        assert_culprit(&case, "svc-failed-config-syntax");
        assert_found(&case, "svc-start-limit-hit");
    }

    #[test]
    fn another_failure_is_none_of_the_configuration() {
        let case =
            failed("nginx.service", &["nginx: 2026/01/02 [emerg] bind() to 0.0.0.0:80 failed (98: Address in use)"]);
        assert_not_found(&case, "svc-failed-config-syntax");
    }
}

//! A profile of AppArmor keeps the daemon from its port.

use super::super::listener::failed_bind::{FailedBind, Said, failed_and_missed};
use super::super::{Cause, Found, Words};
use super::denied;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::confined;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::apparmor::{Need, Profile, ProfileRule, ProfileText};
use crate::facts::connect::Outcome;
use crate::facts::denial::Denial;
use crate::facts::socket::Transport;
use crate::fixes::apparmor as plans;

const FIRST_FREE: &str = "net/ipv4/ip_unprivileged_port_start";

pub(crate) static CAUSE: Cause = Cause {
    id: "apparmor-denied-bind",
    in_box: BoxId::Policy,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "AppArmor keeps the service from its port",
        what: "The program is confined by a profile that does not allow a socket of that kind (no `network inet stream` \
               rule) or a port below 1024 (no `capability net_bind_service`). socket() or bind() says `Permission \
               denied`, although the service runs as root. What a profile merely does not allow is logged; what it denies \
               with an explicit `deny` rule is not. Sockets that are open already survive a tighter profile: the fault \
               then shows at the next restart.",
        see: "aa-status\njournalctl -b _TRANSPORT=audit _AUDIT_TYPE=1400\ndmesg | grep 'apparmor=\"DENIED\"'\ngrep -n \
              network /etc/apparmor.d/PROFILE",
        fix: "add the rule to /etc/apparmor.d/local/PROFILE, load it with apparmor_parser -r /etc/apparmor.d/PROFILE, \
              start the service; take a deny rule out, because it goes before all that allow",
        undo: "take the rule out again and load the profile",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    failed_and_missed(scene, Said::BindDenied).iter().find_map(|failed| found(scene, failed))
}

/// What was found out about a refusal.
struct Refusal<'a> {
    profile: &'a Profile,
    /// The line that tells it.
    logged: Option<&'a Denial>,
    /// The rule that denies it.
    deny: Option<&'a ProfileRule>,
    /// Rules that the profile lacks.
    lacks: Vec<String>,
}

fn found(scene: &Scene<'_, '_>, failed: &FailedBind<'_>) -> Option<Found> {
    let unit = failed.unit;
    let apparmor = scene.look.apparmor(&confined::of_unit(unit)?)?;
    let profile = apparmor.profile.as_ref().filter(|profile| profile.enforces())?;
    let needs = needs(scene, failed)?;
    let denials = scene.look.denials();
    let logged =
        denials.and_then(|all| all.lines.iter().rev().find(|line| is_it(line, profile) && denied::then(line, failed)));
    let refusal = refusal(profile, logged, &needs, denials.is_some())?;
    let (summary, wanted) = (summary(failed, &refusal), refusal.lacks.clone());
    let mut found = Found::new(&unit.name, summary).seen(failed.evidence());
    if let Some(line) = logged {
        found = found.seen(denied::evidence(line));
    }
    if let Some(rule) = refusal.deny {
        let says = format!("{}:{}: {}", rule.file, rule.line, rule.text);
        let silent = if rule.is_silent() { ", which logs nothing" } else { "" };
        let see = format!("sed -n {}p {}", rule.line, arg(&rule.file));
        found = found.seen(Evidence::new("apparmor", format!("{says}{silent}"), see));
    }
    let text = profile.source.as_ref();
    let from = text.map(|text| format!(", made from {}", text.file)).unwrap_or_default();
    let program = confined::of_unit(unit).map(|about| about.program).unwrap_or_default();
    found = found.seen(Evidence::new(
        "apparmor",
        format!("profile {} ({}) confines {program}{from}", profile.name, profile.mode),
        "cat /sys/kernel/security/apparmor/profiles",
    ));
    Some(match text {
        Some(text) => planned(found, text, &refusal, failed),
        None => found.advise(Advice::new(
            format!("allow {} in the text that the profile is made from, and load that", wanted.join(" and ")),
            format!("grep -rn {} /etc/apparmor.d /var/lib/snapd/apparmor\napparmor_parser -r FILE", arg(&profile.name)),
            None,
        )),
    })
}

fn planned(found: Found, text: &ProfileText, refusal: &Refusal<'_>, failed: &FailedBind<'_>) -> Found {
    let unit = failed.unit;
    if let Some(rule) = refusal.deny {
        return match plans::without_deny(text, rule, unit) {
            Some(plan) => found.fix(plan),
            None => found.advise(Advice::new(
                "take the rule out of its line, load the profile and start the service",
                format!("edit {}:{}\napparmor_parser -r {}", rule.file, rule.line, arg(&text.file)),
                None,
            )),
        };
    }
    found.fix(plans::allow(text, &refusal.lacks, unit)).fix(plans::complain(&refusal.profile.name, &text.file, unit))
}

/// What the daemon needs, most telling first.
fn needs(scene: &Scene<'_, '_>, failed: &FailedBind<'_>) -> Option<Vec<Need<'static>>> {
    let kind = if scene.subject.transport == Transport::Tcp { "stream" } else { "dgram" };
    let first_free: u16 = scene.look.sysctl(FIRST_FREE)?.trim().parse().ok()?;
    let mut needs = vec![Need::Network("inet", kind), Need::Network("inet6", kind)];
    if failed.port < first_free {
        needs.push(Need::Capability("net_bind_service"));
    }
    Some(needs)
}

/// Is the line about a socket or a low port, and about this profile?
fn is_it(line: &Denial, profile: &Profile) -> bool {
    let own = line.field("profile").is_some_and(|name| {
        name == profile.name || name.strip_prefix(&profile.name).is_some_and(|rest| rest.starts_with("//"))
    });
    let network = line.field("family").is_some_and(|family| matches!(family, "inet" | "inet6"));
    own && line.is_apparmor() && (network || line.field("capname") == Some("net_bind_service"))
}

/// None: it is not AppArmor, as far as can be told.
fn refusal<'a>(
    profile: &'a Profile,
    logged: Option<&'a Denial>,
    needs: &[Need<'_>],
    log_read: bool,
) -> Option<Refusal<'a>> {
    let text = profile.source.as_ref();
    let deny = text.and_then(|text| needs.iter().find_map(|need| text.denies(*need)));
    let mut lacks: Vec<String> = logged.and_then(wanted).into_iter().collect();
    for need in needs.iter().filter(|need| text.is_some_and(|text| !text.allows(**need))) {
        if !lacks.contains(&need.rule()) {
            lacks.push(need.rule());
        }
    }
    // That the text lacks a rule proves something only where nobody could look whether it was logged.
    let proven = logged.is_some() || deny.is_some_and(ProfileRule::is_silent) || (!log_read && !lacks.is_empty());
    proven.then_some(Refusal { profile, logged, deny, lacks })
}

/// The rule that allows what a line says was denied.
fn wanted(line: &Denial) -> Option<String> {
    if let Some(name) = line.field("capname") {
        return Some(format!("capability {name}"));
    }
    Some(format!("network {} {}", line.field("family")?, line.field("sock_type")?))
}

fn summary(failed: &FailedBind<'_>, refusal: &Refusal<'_>) -> String {
    let (unit, port, profile) = (&failed.unit.name, failed.port, &refusal.profile.name);
    let begin = format!("AppArmor keeps {unit} from port {port}: its profile {profile}");
    match (refusal.deny, refusal.logged.and_then(wanted)) {
        (Some(rule), _) if rule.is_silent() => format!("{begin} says `{}`, which logs nothing", rule.text),
        (Some(rule), _) => format!("{begin} says `{}`", rule.text),
        (None, Some(rule)) => format!("{begin} does not allow `{rule}`"),
        (None, None) => format!("{begin} does not allow `{}`", refusal.lacks.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, failed};
    use crate::facts::Reading;
    use crate::facts::apparmor::{Apparmor, Profile, ProfileRule, ProfileText};
    use crate::facts::confined::Confined;
    use crate::facts::denial::{Denial, Denials, Place};

    const FILE: &str = "/etc/apparmor.d/usr.sbin.nginx";

    fn host(mode: &str, rules: &[&str], denials: Reading<Denials>) -> Host {
        let rule = |text: &&str| ProfileRule { file: FILE.into(), line: 7, text: (*text).into(), alone: true };
        let text = ProfileText {
            file: FILE.into(),
            local: None,
            last: (9, "  /etc/** r,".into()),
            rules: rules.iter().map(rule).collect(),
        };
        let profile = Profile { name: "nginx".into(), mode: mode.into(), of_process: false, source: Some(text) };
        let line = "nginx: [emerg] socket() 0.0.0.0:80 failed (13: Permission denied)";
        failed(Host::refusing(80), "nginx.service", &[line])
            .change_unit("nginx.service", |u| {
                u.service.as_mut().unwrap().exec_start = vec![vec!["/usr/sbin/nginx".into()]];
            })
            .claimed_by("nginx.service")
            .sysctl("net/ipv4/ip_unprivileged_port_start", "1024")
            .facts(|f| {
                let about = Confined { pid: 0, program: "/usr/sbin/nginx".into() };
                f.apparmor.insert(about, Reading::known(Apparmor { enabled: true, profile: Some(profile) }));
                // Right when the daemon said so.
                let at = f.journals["nginx.service"].value().unwrap().entries.iter().map(|e| e.at_us).max().unwrap();
                f.denials = denials.map(|mut all| {
                    all.lines.iter_mut().for_each(|line| line.at_ms = at / 1000);
                    all
                });
            })
    }

    fn logged(text: &str) -> Reading<Denials> {
        let line = Denial { at_ms: 0, serial: 25, place: Place::Ring, text: text.into() };
        Reading::known(Denials { lines: vec![line], read: vec![Place::Ring], unread: Vec::new() })
    }

    const CREATE: &str = r#"apparmor="DENIED" operation="create" profile="nginx" pid=209 comm="nginx" family="inet" sock_type="stream" protocol=0 requested_mask="create" denied_mask="create""#;

    #[test]
    fn a_line_of_the_log_tells_what_is_lacking() {
        let found = assert_culprit(
            &host("enforce", &["capability net_bind_service"], logged(CREATE)).case(),
            "apparmor-denied-bind",
        );
        let finding = &found.causes[0];
        assert!(finding.summary.ends_with("its profile nginx does not allow `network inet stream`"), "{finding:?}");
        assert!(finding.evidence.iter().any(|e| e.says.contains("operation=\"create\"")));
        let plans: Vec<&str> = finding.plans().map(|plan| plan.id.as_str()).collect();
        assert_eq!(plans, ["apparmor-rule", "apparmor-complain"]);
        let run = finding.plans().next().unwrap().commands();
        assert!(run.contains("add: network inet stream,\n") && run.contains("add: network inet6 stream,\n"), "{run}");
        assert!(!run.contains("net_bind_service"), "{run}");
    }

    #[test]
    fn an_explicit_deny_logs_nothing() {
        let rules = ["network", "capability net_bind_service", "deny network inet stream"];
        let found =
            assert_culprit(&host("enforce", &rules, Reading::known(Denials::default())).case(), "apparmor-denied-bind");
        assert!(found.causes[0].summary.ends_with("says `deny network inet stream`, which logs nothing"));
        assert_eq!(found.plans().next().unwrap().id, "apparmor-without-deny");
    }

    #[test]
    fn who_may_not_read_the_log_goes_by_the_text() {
        let denied = || Reading::Denied { needs: "root".into() };
        let found = assert_culprit(&host("enforce", &["network"], denied()).case(), "apparmor-denied-bind");
        assert!(found.causes[0].summary.ends_with("does not allow `capability net_bind_service`"));
        assert_not_found(&host("enforce", &["network", "capability"], denied()).case(), "apparmor-denied-bind");
    }

    #[test]
    fn a_profile_that_only_logs_or_was_not_asked_is_innocent() {
        assert_not_found(&host("complain", &[], logged(CREATE)).case(), "apparmor-denied-bind");
        let other = logged(&CREATE.replace("profile=\"nginx\"", "profile=\"nginx2\""));
        assert_not_found(&host("enforce", &["network", "capability"], other).case(), "apparmor-denied-bind");
        let nothing = Reading::known(Denials::default());
        assert_not_found(&host("enforce", &[], nothing).case(), "apparmor-denied-bind");
    }
}

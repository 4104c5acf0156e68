//! Redis takes no client of another host: it is in protected mode and has no password.

use super::super::{Cause, Found, Words};
use super::{AFTER, attempt, client, said, served_by};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::greeting::{Refusal, refusal};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::unit::Unit;
use crate::fixes::client::unprotected;

pub(crate) static CAUSE: Cause = Cause {
    id: "app-redis-protected-mode",
    in_box: BoxId::Connect,
    general: false,
    explains: AFTER,
    words: Words {
        title: "Redis is in protected mode",
        what: "The connection stands, and Redis says \"-DENIED Redis is running in protected mode\" and hangs up. It does \
               so with every client of another host while protected-mode is on (as it is unless something else is said) \
               and the default user has no password. Older versions do so only where no bind is configured. No firewall \
               has a part in it.",
        see: "redis-cli -h ADDRESS ping\nredis-cli config get protected-mode\nredis-cli config get requirepass",
        fix: "set a password (requirepass, or a user with one), which the clients give; on a closed network protected-mode \
              no lets everyone who reaches the port read and write",
        undo: "put the settings back, restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let dial = attempt(scene)?;
    if refusal(dial) == Some(Refusal::RedisProtected) {
        let summary = format!("{} connects, and Redis turns {} away: protected mode", dial.to, client(scene, dial));
        let found = Found::new(dial.to.to_string(), summary).seen(said(dial)?);
        return Some(match served_by(scene, Daemon::Redis) {
            Some((unit, config)) => mended(found, unit, config),
            None => found.advise(password(None)),
        });
    }
    // What waits behind a listener that cannot be reached now.
    let reached = matches!(dial.outcome, Outcome::Open | Outcome::Closed | Outcome::Reset);
    if reached || scene.subject.from == Asker::Here {
        return None;
    }
    let (unit, config) = served_by(scene, Daemon::Redis)?;
    let protected = protection(config?)?;
    let summary = format!("once it is reached, {} turns other hosts away: protected mode", unit.name);
    let mut found = mended(Found::new(unit.name.clone(), summary).seen(protected), unit, config);
    found.latent = true;
    Some(found)
}

/// Protected mode is on, and no password is set.
fn protection(config: &DaemonConfig) -> Option<Evidence> {
    let open = ["requirepass", "aclfile", "user default"];
    if !config.gaps.is_empty() || open.iter().any(|name| config.beyond.setting(name).is_some()) {
        return None;
    }
    let file = config.files.first()?;
    let see = format!("grep -nE '^(protected-mode|requirepass)' {}", arg(file));
    let says = match config.beyond.setting("protected-mode") {
        Some(setting) if setting.value == "no" => return None,
        Some(setting) => format!("{}: {}, and no requirepass", setting.by, setting.by.text),
        None => format!("{file}: no requirepass, and protected-mode is on unless it says otherwise"),
    };
    Some(Evidence::new("config", says, see))
}

fn mended(mut found: Found, unit: &Unit, config: Option<&DaemonConfig>) -> Found {
    let shown = config.and_then(protection);
    if let Some(shown) = shown.filter(|shown| !found.evidence.contains(shown)) {
        found = found.seen(shown);
    }
    found = found.advise(password(config.and_then(|config| config.files.first()).map(String::as_str)));
    match config.and_then(|config| unprotected(config, &unit.name)) {
        Some(plan) => found.fix(plan),
        None => found,
    }
}

fn password(file: Option<&str>) -> Advice {
    let file = file.unwrap_or("/etc/redis/redis.conf");
    let run = format!(
        "edit {}: add: requirepass A-LONG-PASSWORD\nredis-cli config set requirepass A-LONG-PASSWORD",
        arg(file)
    );
    Advice::new("set a password, and give it to the clients", run, Some("redis-cli config set requirepass ''"))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::diagnose::diagnose;
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Daemon;
    use crate::fixes::Risk;
    use crate::target::From;

    const ID: &str = "app-redis-protected-mode";
    const DENIED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
                          set for the default user. In this mode connections are only accepted from the loopback";
    const UNIT: &str = "redis-server.service";

    fn redis(address: &str, settings: &[(&str, &str)]) -> Host {
        Host::refusing(6379)
            .listens(address, UNIT, |_| ())
            .running(UNIT)
            .configured(Daemon::Redis, UNIT, &[(address, 6379, "/etc/redis/redis.conf:3: bind")])
            .settings(Daemon::Redis, settings)
    }

    #[test]
    fn it_says_so_itself() {
        let host = redis("0.0.0.0", &[("protected-mode", "yes")]).dial(OUTSIDE, Outcome::Open).banner(DENIED);
        let told = assert_culprit(&host.case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let found = told.culprit().unwrap();
        assert!(found.summary.contains("turns other hosts away"), "{}", found.summary);
        assert!(found.evidence[0].says.contains("-DENIED Redis is running"), "{found:?}");
        let plan = found.plans().next().unwrap();
        assert_eq!((plan.id.as_str(), plan.risk), ("no-protected-mode", Risk::High));
        assert!(plan.commands().contains("protected-mode no\nsystemctl restart redis-server.service"), "{plan:?}");
    }

    #[test]
    fn it_is_known_before_the_listener_is_opened() {
        let told = assert_culprit(&redis("127.0.0.1", &[]).case(), "bind-loopback-only");
        let next = told.causes.iter().find(|found| found.cause == ID).unwrap();
        assert!(next.latent);
        let plan = told.plans().next().unwrap();
        assert_eq!((plan.then, plan.next.as_deref()), (Some(Outcome::Closed), Some(ID)));
    }

    #[test]
    fn a_password_or_no_protection_ends_it() {
        for settings in [&[("requirepass", "set")][..], &[("protected-mode", "no")], &[("user default", "set")]] {
            let case = redis("127.0.0.1", settings).case();
            assert_not_found(&case, ID);
            assert_ne!(diagnose(&case).plans().next().unwrap().then, Some(Outcome::Closed));
        }
        assert_not_found(&redis("127.0.0.1", &[]).from(From::Here).case(), ID);
    }
}

//! A fix that its daemon does not take: the file is as it was before, and the daemon serves as before.

use libtest_mimic::Trial;

use crate::cmd::Step;
use crate::dial::Outcome;
use crate::fixing::Snapshot;
use crate::host::Host;
use crate::lab::Lab;
use crate::scenarios;
use crate::trial::trial;

/// A fix that is not taken.
#[derive(Clone, Copy)]
struct Refused {
    /// The scenario it is tried in: cause and name.
    of: (&'static str, &'static str),
    /// What else is wrong with the host.
    besides: fn(&Host) -> Step,
    /// The plan.
    plan: &'static str,
    /// What the program says of it.
    says: &'static str,
    /// What the host can reach before and after.
    serves: &'static str,
}

const ALL: [Refused; 2] = [
    // Another file is broken: the running nginx does not know yet, and a restart would leave nothing.
    Refused {
        of: ("bind-one-specific-ip", "nginx-asked-on-loopback"),
        besides: |host| host.write("/etc/nginx/conf.d/zz-broken.conf", "server { listen 8085 }\n"),
        plan: "listen-address",
        says: "nginx -t is not content",
        serves: "10.2.0.2:80",
    },
    // Nothing checks it before, and it does not start with it.
    Refused {
        of: ("bind-loopback-only", "redis"),
        besides: |host| {
            let choosy = "[Service]\nExecStartPre=+/bin/sh -c '! grep -q ^bind.*10.2.0.2 /etc/redis/redis.conf'\n";
            host.unit("redis-server.service.d/50-local.conf", choosy)?;
            host.run(&["systemctl", "restart", "redis-server"])
        },
        plan: "listen-address",
        says: "restart redis-server.service",
        serves: "127.0.0.1:6379",
    },
];

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let named = |refused: &Refused| {
        let refused = *refused;
        trial(format!("put-back::{}::{}", refused.of.0, refused.of.1), missing, move || play(refused))
    };
    ALL.iter().map(named).collect()
}

fn play(refused: Refused) -> Step {
    let (cause, name) = refused.of;
    let scenario = scenarios::named(cause, name)?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    (scenario.break_it)(&host)?;
    (refused.besides)(&host)?;
    serves(&host, refused.serves)?;
    let before = Snapshot::of(&host)?;
    let ran = host.program("root", &["fix", scenario.target, "--yes", "--plan", refused.plan])?;
    let told = format!("{}{}", ran.stdout, ran.stderr);
    if ran.code == 0 || !told.contains("was put back") || !told.contains(refused.says) {
        return Err(format!("`unrefuse fix` ends with {} and does not say {:?}\n{told}", ran.code, refused.says));
    }
    if told.contains("left as it is") {
        return Err(format!("something is left\n{told}"));
    }
    let differences = before.differences(&Snapshot::of(&host)?, false);
    if !differences.is_empty() {
        return Err(format!("the host is not as it was:\n{}\n{told}", differences.join("\n")));
    }
    serves(&host, refused.serves)
}

fn serves(host: &Host, at: &str) -> Step {
    let got = host.connect(at)?;
    if got == Outcome::Open { Ok(()) } else { Err(format!("{at} gives {got:?}")) }
}

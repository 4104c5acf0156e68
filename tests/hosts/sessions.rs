//! A fix that is made from a real ssh session of the client: one that would keep the session from coming in again is
//! refused before anything is done.

use std::path::Path;

use libtest_mimic::Trial;

use crate::cmd::{Ran, Step, While, ok, run};
use crate::dial::Outcome;
use crate::fixing::Snapshot;
use crate::host::Host;
use crate::lab::Lab;
use crate::scenario::nothing;
use crate::scenarios;
use crate::trial::trial;

/// A fix that is made from a session.
#[derive(Clone, Copy)]
struct Session {
    name: &'static str,
    /// The scenario it is made in: cause and name.
    of: (&'static str, &'static str),
    /// What else is done to the host.
    besides: fn(&Host) -> Step,
    /// Who logs in, at which port.
    at: (&'static str, &'static str),
    /// The words of the fix.
    fix: &'static [&'static str],
    /// What it says of the session. None: it is none of its business.
    refused: Option<&'static [&'static str]>,
    /// Where the client gets in once it is forced, or was not refused.
    opens: &'static str,
}

const OVERRIDDEN: (&str, &str) = ("socket-unit-overrides-daemon-config", "sshd-port-2222");
const CUTS: &[&str] = &[
    "would cut off your own session from 10.1.0.2",
    "ssh.socket is stopped, by which it came in at 10.2.0.2:22",
    "ssh.service then listens on",
    "/etc/ssh/sshd_config.d/50-port.conf:1: Port 2222",
    "--force does it all the same",
];
const ALL: [Session; 5] = [
    // The operator came in at port 22, which only the socket unit has.
    Session {
        name: "socket-turned-off",
        of: OVERRIDDEN,
        besides: nothing,
        at: ("root", "22"),
        fix: &["fix", "2222", "--yes", "--plan", "turn-socket-off"],
        refused: Some(CUTS),
        opens: "10.2.0.2:2222",
    },
    // The same as an ordinary user: the side that is root is told of the session.
    Session {
        name: "socket-turned-off-by-a-user",
        of: OVERRIDDEN,
        besides: nothing,
        at: ("ops", "22"),
        fix: &["fix", "2222", "--yes", "--plan", "turn-socket-off"],
        refused: Some(CUTS),
        opens: "10.2.0.2:2222",
    },
    // Somebody moved it in its file, and systemd has not read that yet.
    Session {
        name: "socket-opened-elsewhere",
        of: ("healthy", "sshd-by-socket-unit"),
        besides: |host| {
            host.write("/etc/systemd/system/ssh.socket.d/50-port.conf", "[Socket]\nListenStream=\nListenStream=2222\n")
        },
        at: ("root", "22"),
        fix: &["fix", "2222", "--yes", "--plan", "reopen-socket"],
        refused: Some(&[
            "would cut off your own session from 10.1.0.2",
            "the files of ssh.socket no longer name port 22",
        ]),
        opens: "10.2.0.2:2222",
    },
    // One more address, opened anew: both ports are there afterwards.
    Session {
        name: "socket-opened-anew",
        of: OVERRIDDEN,
        besides: nothing,
        at: ("root", "22"),
        fix: &["fix", "2222", "--yes", "--plan", "listen-address"],
        refused: None,
        opens: "10.2.0.2:22",
    },
    // sshd is restarted and keeps the port the operator came in at.
    Session {
        name: "one-port-more",
        of: ("listen-wrong-port", "sshd"),
        besides: nothing,
        at: ("root", "2222"),
        fix: &["fix", "22", "--yes", "--plan", "listen-port"],
        refused: None,
        opens: "10.2.0.2:2222",
    },
];

/// Lets the key in as root and as an ordinary user.
const LET_IN: &str = r#"
useradd --create-home --shell /bin/sh ops
echo 'ops ALL=(root) NOPASSWD: /usr/local/bin/unrefuse apply-plan' >/etc/sudoers.d/unrefuse
chmod 440 /etc/sudoers.d/unrefuse
for home in /root /home/ops; do
    mkdir -p $home/.ssh; printf '%s\n' "$1" >$home/.ssh/authorized_keys; chmod -R go= $home/.ssh
done
chown -R ops /home/ops/.ssh
"#;

/// One for each, and one for what is done to sshd's own configuration.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let ssh = run(&mut crate::cmd::command(&["ssh", "-V"])).is_ok_and(|ran| ran.code == 0);
    let missing = missing.or((!ssh).then_some("there is no ssh"));
    let named = |session: &Session| {
        let session = *session;
        trial(format!("session::{}", session.name), missing, move || play(session))
    };
    ALL.iter().map(named).collect()
}

fn play(session: Session) -> Step {
    let (cause, name) = session.of;
    let scenario = scenarios::named(cause, name)?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    let home = tempfile::tempdir().while_("making a directory")?;
    let key = key(&host, home.path())?;
    (scenario.break_it)(&host)?;
    (session.besides)(&host)?;
    let before = Snapshot::of(&host)?;
    let ran = log_in(&lab, session, &key, session.fix)?;
    let told = format!("{}{}", ran.stdout, ran.stderr);
    if let Some(says) = session.refused {
        let unsaid: Vec<_> = says.iter().filter(|words| !told.contains(**words)).collect();
        if ran.code != 2 || !unsaid.is_empty() {
            return Err(format!("it ended with {} and did not say {unsaid:?}:\n{told}", ran.code));
        }
        // What runs for the session itself ends with it.
        let differences = before.differences(&Snapshot::of(&host)?, true);
        if !differences.is_empty() {
            return Err(format!("the host changed:\n{}\n{told}", differences.join("\n")));
        }
        let forced = log_in(&lab, session, &key, &[session.fix, &["--force"]].concat())?;
        kept(&forced)?;
    } else {
        kept(&ran)?;
    }
    let got = lab.client_connect(session.opens)?;
    if got == Outcome::Open { Ok(()) } else { Err(format!("{} gives {got:?}\n{told}", session.opens)) }
}

fn kept(ran: &Ran) -> Step {
    let told = format!("{}{}", ran.stdout, ran.stderr);
    let done = ran.code == 0 && told.contains("guarded by") && told.contains("kept as entry");
    if done { Ok(()) } else { Err(format!("it ended with {}:\n{told}", ran.code)) }
}

/// A new key of the client's that the host lets in.
fn key(host: &Host, home: &Path) -> Step<String> {
    let key = home.join("key").to_string_lossy().into_owned();
    ok(&mut crate::cmd::command(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &key]))?;
    let public = std::fs::read_to_string(format!("{key}.pub")).while_("reading the key")?;
    host.run(&["sh", "-ec", LET_IN, "sh", public.trim()])?;
    Ok(key)
}

fn log_in(lab: &Lab, session: Session, key: &str, words: &[&str]) -> Step<Ran> {
    let (user, port) = session.at;
    let at = format!("{user}@10.2.0.2");
    let ssh = ["timeout", "60", "ssh", "-F", "/dev/null", "-p", port, "-i", key, "-o", "BatchMode=yes", "-o"];
    let more = ["StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", &at];
    run(&mut lab.command_at("client", &[&ssh[..], &more, &["/usr/local/bin/unrefuse"], words].concat()))
}

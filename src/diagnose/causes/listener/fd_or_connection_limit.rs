//! The server cannot take another connection: it may not open another file, or has as many clients as it lets in.

use super::super::{Cause, Found, Words};
use super::rows::{Holder, holder, see};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure;
use crate::diagnose::greeting::{Refusal, refusal, words};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::limits::Limits;
use crate::facts::socket::{Listener, Process, Transport};
use crate::fixes::{self, Plan};

/// What a unit gets that has too few: systemd's own default of the hard limit.
const ENOUGH: u64 = 524_288;
/// What the kernel told a server that wanted one more file (EMFILE, ENFILE).
const NO_FILES: [&str; 3] = ["Too many open files", "(24: ", "Errno 24"];

pub(crate) static CAUSE: Cause = Cause {
    id: "fd-or-connection-limit",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Closed, Outcome::Reset, Outcome::Open],
    words: Words {
        title: "The server has no file left for a connection, or enough clients",
        what: "Each connection is an open file. When a process has as many as RLIMIT_NOFILE lets it, accept() fails with \
               \"Too many open files\": the kernel still completes handshakes, so clients connect and hear nothing, and \
               once the accept queue is full they get no answer at all. A limit of the server's own (max_connections, \
               maxclients) is told to the client instead, and the connection closed.",
        see: "grep 'open files' /proc/PID/limits\nls /proc/PID/fd | wc -l\njournalctl -b -u UNIT -g 'Too many'",
        fix: "LimitNOFILE= in a drop-in of the unit, then restart it; or raise the server's own limit; or find out why it \
              does not close connections",
        undo: "take the drop-in out again and restart",
    },
    detect,
};

/// A process that has all the files it may.
pub(super) struct Spent<'a> {
    process: &'a Process,
    limits: &'a Limits,
}

/// What takes the address and has no file left for another connection. Asked only where something points to it.
pub(super) fn spent<'a>(scene: &Scene<'a, '_>) -> Option<Spent<'a>> {
    let row = taking(scene)?;
    let dial = scene.look.dialled(&scene.subject.endpoint()?)?;
    if row.queue == 0 && !matches!(dial.outcome, Outcome::Timeout | Outcome::Closed | Outcome::Reset) {
        return None;
    }
    let owner = scene.look.owner(row)?;
    // A shared listener: each of its processes takes connections, so one with room is enough.
    let mut full = None;
    for process in owner.processes.iter().filter(|p| p.pid > 1).take(8) {
        let limits = scene.look.limits(process.pid)?;
        if !limits.is_spent() {
            return None;
        }
        full = full.or(Some(Spent { process, limits }));
    }
    full
}

fn taking<'a>(scene: &Scene<'a, '_>) -> Option<&'a Listener> {
    let subject = scene.subject;
    let (address, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) || subject.transport != Transport::Tcp {
        return None;
    }
    scene.look.listeners(subject.transport, port)?.iter().find(|l| l.takes(address))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let dial = scene.look.dialled(&scene.subject.endpoint()?)?;
    if !CAUSE.explains.contains(&dial.outcome) {
        return None;
    }
    match refusal(dial) {
        Some(Refusal::Full) => return own_limit(scene, dial),
        Some(Refusal::FullOfOne) => {
            let of_others = scene.subject.local == Some(true) && scene.subject.from != Asker::Here;
            return if of_others { None } else { own_limit(scene, dial) };
        }
        Some(_) | None => {}
    }
    let row = taking(scene)?;
    let Spent { process, limits } = spent(scene)?;
    let holder = holder(scene, std::slice::from_ref(row));
    let summary = format!(
        "{}[{}] has {} files open and may have {}: it can accept no further connection",
        process.name, process.pid, limits.open, limits.soft
    );
    let pid = process.pid;
    let mut found = Found::new(holder.subject(), summary)
        .seen(Evidence::new(
            "procfs",
            format!("{} of {} files open", limits.open, limits.soft),
            format!("grep 'open files' /proc/{pid}/limits; ls /proc/{pid}/fd | wc -l"),
        ))
        .seen(Evidence::new(
            "sock_diag",
            format!("LISTEN {} Recv-Q {} Send-Q {}", row.shown(), row.queue, row.backlog),
            see(scene.subject.transport, row.port),
        ));
    found.evidence.extend(said(scene, &holder));
    Some(with_fixes(scene, found, &holder, limits))
}

/// Its own words about it, where it has any.
fn said(scene: &Scene<'_, '_>, holder: &Holder<'_>) -> Option<Evidence> {
    let unit = scene.look.unit(holder.unit()?)?;
    let entries = &scene.look.journal(&unit.name)?.entries;
    let told = entries.iter().rev().find(|entry| NO_FILES.iter().any(|words| entry.message.contains(words)))?;
    Some(failure::evidence(unit, told))
}

fn with_fixes(scene: &Scene<'_, '_>, found: Found, holder: &Holder<'_>, limits: &Limits) -> Found {
    let unit = holder.unit().and_then(|name| scene.look.unit(name)).filter(|unit| unit.service.is_some());
    let Some(unit) = unit else {
        let run = format!("ulimit -n {ENOUGH}    # before it is started");
        return found.advise(Advice::new("start it with a higher limit", run, None));
    };
    let files = ENOUGH.max(limits.soft.saturating_mul(4));
    let title = format!("let {} have {files} files open, and restart it", unit.name);
    let plan = Plan::new("raise-open-files", title);
    let text = format!("[Service]\nLimitNOFILE={files}\n");
    let mut restart = fixes::unit::restart(&unit.name);
    restart.title = format!("only restart {}, which closes what it holds", unit.name);
    found.fix(fixes::unit::with_drop_in(plan, unit, "files", &text)).fix(restart)
}

/// The server lets no further client in, and says so.
fn own_limit(scene: &Scene<'_, '_>, dial: &Dial) -> Option<Found> {
    let Endpoint::Tcp(at) = dial.to else { return None };
    let said = words(dial)?;
    let row = taking(scene);
    let holder = row.map(|row| holder(scene, std::slice::from_ref(row)));
    let (subject, who) = match &holder {
        Some(holder) => (holder.subject(), holder.name.clone()),
        None => (at.to_string(), at.to_string()),
    };
    let mut run = format!("ss -Htn state established 'sport = :{}'", at.port());
    if row.is_none() {
        run.push_str("    # on the server itself");
    }
    let does = "find out who holds the connections, and raise the server's own limit (max_connections, maxclients, \
                MaxClients) if they are needed";
    Some(
        Found::new(subject, format!("{who} has as many connections as it allows: {said}"))
            .seen(Evidence::new("dial", format!("{at} says: {said}"), format!("nc -w1 {} {}", at.ip(), at.port())))
            .advise(Advice::new(does, run, None)),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Counter, Outcome};
    use crate::facts::limits::Limits;
    use crate::target::From;

    const ID: &str = "fd-or-connection-limit";

    fn board(outcome: Outcome, queue: u32, open: u64) -> Host {
        let host =
            Host::with_outcome(7200, outcome).running("board.service").listens("0.0.0.0", "board.service", |l| {
                l.queue = queue;
                l.backlog = 1;
            });
        host.journal("board.service", &["board: OSError: [Errno 24] Too many open files"]).facts(|f| {
            f.limits.insert(812, Reading::known(Limits { soft: 16, hard: 16, open }));
            for dial in f.dials.values_mut() {
                let mut value = dial.value().cloned().unwrap();
                value.counters.push(Counter { name: "TcpExt.ListenDrops".into(), delta: 1 });
                *dial = Reading::known(value);
            }
        })
    }

    #[test]
    fn no_file_is_left() {
        for (outcome, queue) in [(Outcome::Timeout, 2), (Outcome::Open, 1)] {
            let case = board(outcome, queue, 16).case();
            let told = assert_culprit(&case, ID);
            let finding = &told.causes[0];
            assert!(finding.summary.contains("16 files open and may have 16"), "{}", finding.summary);
            assert!(finding.evidence.iter().any(|e| e.says.contains("Errno 24")), "{finding:#?}");
            let plan = finding.plans().next().unwrap();
            assert!(plan.commands().contains("LimitNOFILE=524288"), "{}", plan.commands());
            assert_not_found(&case, "accept-queue-overflow");
        }
    }

    #[test]
    fn with_files_left_the_queue_is_full_for_another_reason() {
        let case = board(Outcome::Timeout, 2, 9).case();
        assert_culprit(&case, "accept-queue-overflow");
        assert_not_found(&case, ID);
    }

    #[test]
    fn a_server_without_waiting_clients_is_not_looked_into() {
        let case = board(Outcome::Open, 0, 16).case();
        assert_not_found(&case, ID);
        assert!(crate::diagnose::diagnose(&case).wants.is_empty());
    }

    #[test]
    fn a_limit_of_the_servers_own_is_told_by_it() {
        let host = board(Outcome::Closed, 0, 3).facts(|f| {
            for dial in f.dials.values_mut() {
                let mut value = dial.value().cloned().unwrap();
                value.banner = Some("-ERR max number of clients reached".into());
                *dial = Reading::known(value);
            }
        });
        let told = assert_culprit(&host.case(), ID);
        assert!(told.causes[0].summary.contains("max number of clients reached"), "{told:#?}");
    }

    #[test]
    fn who_is_told_so_and_hung_up_on_is_not_let_in() {
        let full = "-ERR max number of clients reached\r\n";
        let told = assert_culprit(&board(Outcome::Open, 0, 3).banner(full).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let yours = "421 There are too many connections from your internet address.\r\n";
        assert_not_found(&board(Outcome::Open, 0, 3).banner(yours).case(), ID);
        let told = assert_culprit(&board(Outcome::Open, 0, 3).banner(yours).from(From::Here).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
    }

    #[test]
    fn a_server_elsewhere_that_is_full_says_so_too() {
        let host = Host::with_outcome(6379, Outcome::Open).target("192.0.2.7:6379");
        let host = host.dial("192.0.2.7".parse().unwrap(), Outcome::Open).banner("-ERR max number of clients reached");
        let told = assert_culprit(&host.case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let finding = told.culprit().unwrap();
        assert!(finding.summary.starts_with("192.0.2.7:6379 has as many connections"), "{}", finding.summary);
        assert_eq!(finding.plans().count(), 0);
    }
}

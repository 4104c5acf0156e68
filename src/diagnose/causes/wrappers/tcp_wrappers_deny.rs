//! A line of hosts.allow or hosts.deny turns the client away.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Evidence, arg};
use crate::diagnose::wrappers::{Line, Says, network_of, opening, others, says};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::wrappers::Libwrap;
use crate::fixes::Scope;
use crate::fixes::wrappers::allow;

pub(crate) static CAUSE: Cause = Cause {
    id: "tcp-wrappers-deny",
    in_box: BoxId::Wrappers,
    general: false,
    explains: &[Outcome::Closed, Outcome::Reset],
    words: Words {
        title: "TCP wrappers turn the client away",
        what: "The daemon is linked with libwrap, which reads /etc/hosts.allow and then /etc/hosts.deny for every \
               connection; the first line that fits decides. The kernel has made the connection by then, so the client \
               connects and is hung up on: sshd says nothing for five seconds and closes (\"Connection reset by peer\" \
               or \"closed by remote host\"), vsftpd says \"421 Service not available\". Most daemons do not ask libwrap \
               at all, and for them the files mean nothing.",
        see: "tcpdmatch DAEMON CLIENT\ngrep -n . /etc/hosts.allow /etc/hosts.deny\njournalctl -b -u UNIT -g 'refused connect'\nldd \
              PROGRAM | grep libwrap",
        fix: "a line for the client in /etc/hosts.allow, before any that turns it away; it counts at once",
        undo: "take the line out again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (look, subject) = (scene.look, scene.subject);
    let dial = look.dialled(&subject.endpoint()?)?;
    if !matches!(dial.outcome, Outcome::Open | Outcome::Closed | Outcome::Reset) {
        return None;
    }
    let Says::Denied { libwrap, by } = says(look, subject, dial)? else { return None };
    let who = match subject.from {
        Asker::Any => "other hosts".to_owned(),
        Asker::Here => "this host".to_owned(),
        Asker::Address(address) => address.to_string(),
    };
    let daemon = libwrap.daemon.clone().unwrap_or_else(|| libwrap.program.clone());
    let summary = format!("{}:{} turns {who} away from {daemon}: {}", by.file, by.line, by.text);
    let mut found = Found::new(by.file, summary).seen(line_says(&by, &daemon, scene)).seen(linked(libwrap));
    found.evidence.extend(refusals(scene));
    found.evidence.extend(silence(scene, dial));
    let better = others(look, subject, dial, libwrap, true)?;
    if !better.is_empty() {
        let shown: Vec<String> = better.iter().map(|l| format!("{}:{}: {}", l.file, l.line, l.text)).collect();
        let says = format!("lets in only: {}", shown.join("; "));
        found = found.seen(Evidence::new("hosts_access", says, "grep -n . /etc/hosts.allow /etc/hosts.deny"));
    }
    for (clients, scope) in clients(scene, dial) {
        if let Some(opening) = opening(look, subject, dial, libwrap, &clients) {
            found = found.fix(allow(&opening.text, opening.before, opening.new_file, scope));
        }
    }
    Some(found)
}

/// Whom a line in hosts.allow may let in, narrowest first.
fn clients(scene: &Scene<'_, '_>, dial: &Dial) -> Vec<(String, Scope)> {
    let address = match scene.subject.from {
        Asker::Any => None,
        Asker::Address(address) => Some(address.to_canonical()),
        Asker::Here => dial.source.map(|at| at.ip().to_canonical()),
    };
    let mut all = Vec::new();
    if let Some(address) = address {
        let shown = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        all.push((shown, Scope::Client));
        let near = scene.look.addresses().map(|mine| mine.all.as_slice()).unwrap_or_default();
        let own = near.iter().filter(|mine| mine.prefix != 0).find(|mine| {
            let of = |ip| network_of(ip, Some(mine.prefix));
            mine.address.is_ipv4() == address.is_ipv4() && of(mine.address) == of(address)
        });
        all.extend(network_of(address, own.map(|mine| mine.prefix)).map(|net| (net, Scope::Network)));
    }
    all.push(("ALL".to_owned(), Scope::Everyone));
    all
}

fn line_says(by: &Line, daemon: &str, scene: &Scene<'_, '_>) -> Evidence {
    let says = format!("{}:{}: {}", by.file, by.line, by.text);
    let see = match scene.subject.from {
        Asker::Any => format!("sed -n {}p {}", by.line, by.file),
        Asker::Here => format!("tcpdmatch {} {}", arg(daemon), scene.subject.address().unwrap_or(LOCALHOST)),
        Asker::Address(address) => format!("tcpdmatch {} {address}", arg(daemon)),
    };
    let runs = if by.runs { " (it runs a command, too)" } else { "" };
    Evidence::new("hosts_access", format!("{says}{runs}"), see)
}

const LOCALHOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn linked(libwrap: &Libwrap) -> Evidence {
    let by = libwrap.by.as_deref().unwrap_or("libwrap");
    Evidence::new("procfs", by, format!("ldd {} | grep libwrap", arg(&libwrap.program)))
}

/// Its last refusals, where the daemon tells them.
fn refusals(scene: &Scene<'_, '_>) -> Option<Evidence> {
    let unit = crate::diagnose::sandbox::taking(scene.look, scene.subject)?;
    let journal = scene.look.journal(&unit.name)?;
    let told = journal
        .entries
        .iter()
        .rev()
        .find(|e| e.message.contains("refused connect from") || e.message.contains("tcp_wrappers denial"))?;
    Some(failure::evidence(unit, told))
}

/// The attempt from here was taken, and got no word.
fn silence(scene: &Scene<'_, '_>, dial: &Dial) -> Option<Evidence> {
    let silent = scene.subject.from == Asker::Here && dial.outcome == Outcome::Open && dial.banner.is_none();
    let says = format!("{} takes the connection and does not greet; libwrap waits five seconds and hangs up", dial.to);
    silent.then(|| Evidence::new("dial", says, format!("nc -v {}", dial.to.to_string().replace(':', " "))))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::wrappers::{ClientName, HostsAccess, Libwrap, Used};
    use crate::target::From;

    const ID: &str = "tcp-wrappers-deny";

    fn host(allow: Option<&str>, deny: &str, by: Option<&str>) -> Host {
        let libwrap = Libwrap {
            program: "/usr/sbin/sshd".into(),
            by: by.map(Into::into),
            used: Used::Yes,
            daemon: Some("sshd".into()),
        };
        let files = HostsAccess { allow: allow.map(Into::into), deny: Some(deny.into()), ..HostsAccess::default() };
        Host::with_outcome(22, Outcome::Open)
            .listens("0.0.0.0", "ssh.service", |_| ())
            .running("ssh.service")
            .change_unit("ssh.service", |u| u.sandbox = Some(Box::default()))
            .facts(|f| {
                f.libwraps.insert((812, String::new()), Reading::known(libwrap));
                f.hosts_access = Reading::known(files);
                for dial in f.dials.values_mut() {
                    let mut made = dial.value().cloned().unwrap();
                    made.source = Some((OUTSIDE, 40_000).into());
                    *dial = Reading::known(made);
                }
            })
    }

    const LINKED: Option<&str> = Some("libwrap.so.0 is loaded in process 812");

    #[test]
    fn everybody_but_one_is_turned_away() {
        let told = assert_culprit(&host(None, "sshd: ALL EXCEPT 192.0.2.7\n", LINKED).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let plan = told.plans().next().unwrap();
        assert_eq!(
            (plan.id.as_str(), plan.undo_commands().as_deref()),
            ("allow-everyone", Some("rm /etc/hosts.allow"))
        );
    }

    #[test]
    fn one_client_is_turned_away_and_let_in_before_the_line_that_does_it() {
        let from = From::Address("10.1.0.2".parse().unwrap());
        let case = host(Some("# mine\nvsftpd: ALL\nsshd: 10.1. : deny\n"), "", LINKED).from(from).case();
        let told = assert_culprit(&case, ID);
        let finding = told.culprit().unwrap();
        assert_eq!(finding.summary, "/etc/hosts.allow:3 turns 10.1.0.2 away from sshd: sshd: 10.1. : deny");
        assert_eq!(finding.evidence[0].see, "tcpdmatch sshd 10.1.0.2");
        let plans: Vec<&str> = told.plans().map(|plan| plan.id.as_str()).collect();
        assert_eq!(plans, ["allow-client", "allow-network", "allow-everyone"]);
        assert!(told.plans().next().unwrap().commands().contains("/etc/hosts.allow:3"));
        assert_eq!(diagnose(&host(Some(""), "sshd: 10.1.\n", LINKED).case()).outcome, Some(Outcome::Open));
    }

    #[test]
    fn the_name_of_the_client_is_asked_for_where_it_decides() {
        let from = From::Address("10.1.0.2".parse().unwrap());
        let case = host(None, "sshd: .example.org\n", LINKED).from(from).facts(|f| {
            let name = ClientName::Named("a.example.org".into());
            f.client_names.insert("10.1.0.2".parse().unwrap(), Reading::known(name));
        });
        assert_culprit(&case.case(), ID);
    }

    #[test]
    fn a_daemon_without_libwrap_does_not_ask() {
        let case = host(None, "ALL: ALL\n", None).case();
        assert_not_found(&case, ID);
        let told = diagnose(&case);
        assert_eq!(told.outcome, Some(Outcome::Open));
        let wrappers = told.get(BoxId::Wrappers).unwrap();
        assert_eq!(wrappers.verdict, Verdict::Unneeded);
        assert!(wrappers.summary.contains("not linked with libwrap"), "{wrappers:?}");
    }
}

//! xinetd takes the connection and hangs up: only_from or no_access keeps the client out.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::diagnose::xinetd::{Says, says};
use crate::facts::connect::Outcome;
use crate::facts::xinetd::AccessList;
use crate::fixes::{self, Scope};

pub(crate) static CAUSE: Cause = Cause {
    id: "xinetd-only-from",
    in_box: BoxId::Wrappers,
    general: false,
    explains: &[Outcome::Closed, Outcome::Reset],
    words: Words {
        title: "xinetd does not let the client in",
        what: "xinetd accepts every connection and then compares the client with only_from and no_access of the service \
               and of its defaults; the better match decides. Whoever is kept out has connected by then, and is hung up \
               on. A zero at the end of an address stands for anything (10.1.0.0), and an only_from without a value for \
               nobody. Without blanks around it the = is not read.",
        see: "grep -rn -e only_from -e no_access /etc/xinetd.conf /etc/xinetd.d\njournalctl -b -u xinetd -g FAIL",
        fix: "name the client in only_from, then restart xinetd",
        undo: "take it out again and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (look, subject) = (scene.look, scene.subject);
    let dial = look.dialled(&subject.endpoint()?)?;
    if !matches!(dial.outcome, Outcome::Open | Outcome::Closed | Outcome::Reset) {
        return None;
    }
    let Says::Denied { service, list, names_denied } = says(look, subject, dial)? else { return None };
    let who = match subject.from {
        Asker::Any => "other hosts".to_owned(),
        Asker::Here => "this host".to_owned(),
        Asker::Address(address) => address.to_string(),
    };
    let (name, says) = (&service.name, list.set_by.text.trim());
    let summary = format!("xinetd keeps {who} from its service {name}: {}: {says}", list.set_by);
    let see = format!("sed -n {}p {}", list.set_by.line, arg(&list.set_by.file));
    let mut found =
        Found::new(&list.set_by.file, summary).seen(Evidence::new("config", format!("{}: {says}", list.set_by), see));
    let refused = look.journal("xinetd.service").and_then(|journal| {
        journal
            .entries
            .iter()
            .rev()
            .find(|entry| entry.message.starts_with("FAIL: ") && entry.message.contains(name.as_str()))
    });
    if let Some(entry) = refused {
        let told = format!("{}: {}", entry.identifier, entry.message.trim_end());
        found = found.seen(Evidence::new("journal", told, "journalctl -b -u xinetd.service -g FAIL"));
    }
    if names_denied {
        let does = "take the client out of no_access, if it should be let in, and restart xinetd";
        let undo = format!("edit {}: {says}", list.set_by);
        let run = format!("edit {}\nsystemctl restart xinetd.service", list.set_by);
        return Some(found.advise(Advice::new(does, run, Some(&undo))));
    }
    Some(let_in(scene, found, list))
}

fn let_in(scene: &Scene<'_, '_>, found: Found, list: &AccessList) -> Found {
    let everyone = ("0.0.0.0/0".to_owned(), Scope::Everyone);
    let client = match scene.subject.from {
        Asker::Address(client) => Some((client.to_canonical().to_string(), Scope::Client)),
        Asker::Here => scene.subject.address().map(|own| (own.to_canonical().to_string(), Scope::Client)),
        Asker::Any => None,
    };
    let whole = [client, Some(everyone)].into_iter().flatten();
    whole.fold(found, |found, (who, scope)| found.fix(fixes::xinetd::allow(list, &who, scope)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Origin;
    use crate::facts::xinetd::{AccessList, XinetdService};
    use crate::target::From;

    const ID: &str = "xinetd-only-from";

    fn served(port: u16, only_from: &[&str]) -> Host {
        let set_by = Origin { file: "/etc/xinetd.d/x2".into(), line: 7, text: "\tonly_from = 192.168.1.0/24".into() };
        let entries = only_from.iter().map(ToString::to_string).collect();
        let only_from = Some(AccessList { entries, set_by });
        let service = XinetdService { name: "x2".into(), port: Some(port), only_from, ..XinetdService::default() };
        Host::with_outcome(7002, Outcome::Open)
            .running("xinetd.service")
            .listens("::", "xinetd.service", |_| ())
            .journal("xinetd.service", &["xinetd: FAIL: x2 address from=10.1.0.2"])
            .facts(|f| f.xinetd = Reading::known(vec![service]))
    }

    #[test]
    fn a_client_that_is_not_named_is_hung_up_on() {
        let host = served(7002, &["192.168.1.0/24"]).from(From::Address([10, 1, 0, 2].into()));
        let told = assert_culprit(&host.case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Closed));
        let finding = &told.causes[0];
        assert!(finding.summary.contains("keeps 10.1.0.2 from its service x2: /etc/xinetd.d/x2:7"), "{finding:?}");
        let plan = finding.plans().next().unwrap();
        let edit = "edit /etc/xinetd.d/x2:7: only_from = 192.168.1.0/24 10.1.0.2\n";
        assert!(plan.commands().starts_with(edit), "{}", plan.commands());
        assert!(finding.evidence.iter().any(|e| e.says.contains("FAIL: x2")), "{finding:?}");
        assert_culprit(&served(7002, &[]).case(), ID);
    }

    #[test]
    fn those_that_are_named_and_other_services_are_no_fault() {
        let host = served(7002, &["10.0.0.0"]).from(From::Address([10, 1, 0, 2].into()));
        assert_not_found(&host.case(), ID);
        assert_not_found(&served(7002, &["0.0.0.0/0"]).case(), ID);
        assert_not_found(&served(7003, &["192.168.1.0/24"]).case(), ID);
    }
}

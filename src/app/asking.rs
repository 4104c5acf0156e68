//! Which questions are under way, so that late and doubled answers are told apart.

use std::collections::BTreeMap;

use crate::facts::exchange::Request;
use crate::facts::{Fact, Facts, Question, Reading};

/// The questions under way, each with the number it was last asked under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    under_way: BTreeMap<Question, Asked>,
    last: u64,
}

/// One question under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    number: u64,
    how: How,
}

/// How a question was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Quietly: the first time, or by itself.
    Quietly,
    /// The user asked to look again; the screen marks what is being looked at.
    Again,
}

impl Asking {
    /// Notes that a question is asked now and yields its number.
    pub fn ask(&mut self, question: &Question, how: How) -> u64 {
        self.last += 1;
        self.under_way.insert(key(question), Asked { number: self.last, how });
        self.last
    }

    /// Takes an answer: true when it is the one waited for.
    pub fn answered(&mut self, fact: &Fact, number: u64) -> bool {
        let Some(question) = question_of(fact) else { return false };
        let awaited = self.under_way.get(&question).is_some_and(|asked| asked.number == number);
        if awaited {
            self.under_way.remove(&question);
        }
        awaited
    }

    /// Is it under way?
    pub fn has(&self, question: &Question) -> bool {
        self.under_way.contains_key(&key(question))
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.under_way.len()
    }

    /// Questions the user asked again and that have not been answered yet.
    pub fn again(&self) -> impl Iterator<Item = &Question> {
        self.under_way.iter().filter(|(_, asked)| asked.how == How::Again).map(|(question, _)| question)
    }

    /// Forgets everything under way; numbers go on, so that old answers stay old.
    pub fn forget(&mut self) {
        self.under_way.clear();
    }
}

/// The question as a key: an owner is known by its inode alone.
fn key(question: &Question) -> Question {
    if let Question::Owner { inode, .. } = question {
        return Question::Owner { inode: *inode, cgroup: None };
    }
    if let Question::Exchange(request) = question {
        return Question::Exchange(Request::key(request.to, request.tls));
    }
    question.clone()
}

/// The question that a fact answers; none for a journal entry, which nobody asked for.
fn question_of(fact: &Fact) -> Option<Question> {
    Some(match fact {
        Fact::Host(_) => Question::Host,
        Fact::Addresses(_) => Question::Addresses,
        Fact::Name(name, _) => Question::Name(name.clone()),
        Fact::Dial(to, _) => Question::Dial(to.clone()),
        Fact::Listeners(transport, port, _) => Question::Listeners(*transport, *port),
        Fact::AllListeners(_) => Question::AllListeners,
        Fact::UnixSocket(name, _) => Question::UnixSocket(name.clone()),
        Fact::Owner(inode, _) => Question::Owner { inode: *inode, cgroup: None },
        Fact::Unit(name, _) => Question::Unit(name.clone()),
        Fact::Journal(unit, _) => Question::Journal(unit.clone()),
        Fact::JournalEntry(..) => return None,
        Fact::Happenings(_) => Question::Happenings,
        Fact::Claims(transport, port, _) => Question::Claims(*transport, *port),
        Fact::Daemon(daemon, _) => Question::Daemon(*daemon),
        Fact::OtherNetwork(pid, transport, port, _) => {
            Question::OtherNetwork { pid: *pid, transport: *transport, port: *port }
        }
        Fact::Sysctl(path, _) => Question::Sysctl(path.clone()),
        Fact::FailedUnits(_) => Question::FailedUnits,
        Fact::Ruleset(_) => Question::Ruleset,
        Fact::ChainRules(key, _) => Question::ChainRules(key.clone()),
        Fact::Elements(key, _) => Question::Elements(key.clone()),
        Fact::Member(set, key, _) => Question::Member(set.clone(), key.clone()),
        Fact::Legacy(_) => Question::Legacy,
        Fact::Recent(key, _) => Question::Recent(key.clone()),
        Fact::Links(_) => Question::Links,
        Fact::Route(key, _) => Question::Route(key.clone()),
        Fact::Routing(_) => Question::Routing,
        Fact::Path(to, _) => Question::Path(to.clone()),
        Fact::Neighbour(ip, interface, _) => Question::Neighbour(*ip, interface.clone()),
        Fact::Firewalld(_) => Question::Firewalld,
        Fact::Ufw(_) => Question::Ufw,
        Fact::Fail2ban(_) => Question::Fail2ban,
        Fact::RuleFiles(_) => Question::RuleFiles,
        Fact::Containers(_) => Question::Containers,
        Fact::Container(key, _) => Question::Container(key.clone()),
        Fact::Watched(key, _) => Question::Watched(key.clone()),
        Fact::Apparmor(about, _) => Question::Apparmor(about.clone()),
        Fact::Selinux(about, transport, port, _) => Question::Selinux(about.clone(), *transport, *port),
        Fact::Denials(_) => Question::Denials,
        Fact::Libwrap(pid, program, _) => Question::Libwrap { pid: *pid, program: program.clone() },
        Fact::HostsAccess(_) => Question::HostsAccess,
        Fact::ClientName(key, _) => Question::ClientName(*key),
        // As a key: what is asked for is not part of the answer.
        Fact::Exchange(to, tls, _) => Question::Exchange(Request::key(*to, *tls)),
        Fact::Limits(pid, _) => Question::Limits(*pid),
        Fact::Proxies(pid, _) => Question::Proxies(*pid),
        Fact::Xinetd(_) => Question::Xinetd,
    })
}

/// Everything that was asked about a host besides dials and journals: what a second look looks at.
pub fn known_questions(facts: &Facts) -> Vec<Question> {
    let mut all = Vec::new();
    all.extend(asked(&facts.addresses).then_some(Question::Addresses));
    all.extend(facts.names.keys().map(|name| Question::Name(name.clone())));
    all.extend(facts.listeners.keys().map(|(transport, port)| Question::Listeners(*transport, *port)));
    all.extend(asked(&facts.all_listeners).then_some(Question::AllListeners));
    all.extend(facts.unix_sockets.keys().map(|name| Question::UnixSocket(name.clone())));
    all.extend(facts.units.keys().map(|name| Question::Unit(name.clone())));
    all.extend(facts.claims.keys().map(|(transport, port)| Question::Claims(*transport, *port)));
    all.extend(facts.daemons.keys().map(|daemon| Question::Daemon(*daemon)));
    all.extend(facts.sysctls.keys().map(|path| Question::Sysctl(path.clone())));
    all.extend(asked(&facts.ruleset).then_some(Question::Ruleset));
    all.extend(facts.chains.keys().map(|key| Question::ChainRules(key.clone())));
    all.extend(facts.elements.keys().map(|key| Question::Elements(key.clone())));
    all.extend(facts.members.keys().map(|(set, key)| Question::Member(set.clone(), key.clone())));
    all.extend(asked(&facts.legacy).then_some(Question::Legacy));
    all.extend(facts.recent.keys().map(|key| Question::Recent(key.clone())));
    all.extend(asked(&facts.links).then_some(Question::Links));
    all.extend(facts.routes.keys().map(|key| Question::Route(key.clone())));
    all.extend(asked(&facts.routing).then_some(Question::Routing));
    all.extend(facts.neighbours.keys().map(|(ip, interface)| Question::Neighbour(*ip, interface.clone())));
    all.extend(asked(&facts.firewalld).then_some(Question::Firewalld));
    all.extend(asked(&facts.ufw).then_some(Question::Ufw));
    all.extend(asked(&facts.fail2ban).then_some(Question::Fail2ban));
    all.extend(asked(&facts.rule_files).then_some(Question::RuleFiles));
    all.extend(asked(&facts.containers).then_some(Question::Containers));
    all.extend(facts.inspected.keys().map(|key| Question::Container(key.clone())));
    all.extend(facts.apparmor.keys().map(|about| Question::Apparmor(about.clone())));
    all.extend(facts.selinux.keys().map(|(about, t, port)| Question::Selinux(about.clone(), *t, *port)));
    all.extend(asked(&facts.denials).then_some(Question::Denials));
    all.extend(asked(&facts.hosts_access).then_some(Question::HostsAccess));
    all.extend(facts.libwraps.keys().map(|(pid, program)| Question::Libwrap { pid: *pid, program: program.clone() }));
    all.extend(facts.client_names.keys().map(|address| Question::ClientName(*address)));
    all.extend(facts.limits.keys().map(|pid| Question::Limits(*pid)));
    all.extend(facts.proxies.keys().map(|pid| Question::Proxies(*pid)));
    all.extend(asked(&facts.xinetd).then_some(Question::Xinetd));
    all.extend(facts.other_networks.keys().map(|(pid, transport, port)| Question::OtherNetwork {
        pid: *pid,
        transport: *transport,
        port: *port,
    }));
    all
}

fn asked<T>(reading: &Reading<T>) -> bool {
    !matches!(reading, Reading::NotAsked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Fact {
        Fact::Host(Reading::Absent)
    }

    #[test]
    fn only_the_latest_answer_is_taken_and_only_once() {
        let mut asking = Asking::default();
        let first = asking.ask(&Question::Host, How::Quietly);
        let second = asking.ask(&Question::Host, How::Again);
        assert_eq!(asking.again().count(), 1);
        assert!(!asking.answered(&host(), first), "superseded");
        assert!(asking.answered(&host(), second));
        assert!(!asking.answered(&host(), second), "answered before");
        assert_eq!(asking.count(), 0);
    }

    #[test]
    fn what_was_forgotten_is_not_taken() {
        let mut asking = Asking::default();
        let number = asking.ask(&Question::Host, How::Quietly);
        asking.forget();
        assert!(!asking.answered(&host(), number));
        let later = asking.ask(&Question::Host, How::Quietly);
        assert!(later > number);
    }

    #[test]
    fn an_owner_is_known_by_its_inode() {
        let mut asking = Asking::default();
        let number = asking.ask(&Question::Owner { inode: 7, cgroup: Some(9) }, How::Quietly);
        assert!(asking.answered(&Fact::Owner(7, Reading::Absent), number));
    }
}

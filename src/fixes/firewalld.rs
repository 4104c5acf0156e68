//! Plans in the language of firewalld: for one client, for an hour, for everyone, and for good.

use std::net::IpAddr;

use super::action::{Action, FirewalldEntry, ZoneEntry};
use super::plan::{Lasting, Plan, Risk, Scope};
use crate::facts::socket::Transport;

/// How long a trial lasts, in seconds.
const HOUR: u32 = 3600;

/// The port that a zone is to let in.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// Zone.
    pub zone: &'a str,
    /// Port.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// A rich rule refuses, which comes before the ports of the zone: what is entered has to come before that.
    pub before_rich_rules: bool,
}

impl Gate<'_> {
    fn shown(&self) -> String {
        format!("{}/{}", self.port, self.transport.word())
    }

    fn entry(&self, entry: ZoneEntry, permanent: bool, timeout: u32) -> Action {
        Action::Firewalld(FirewalldEntry { zone: self.zone.to_owned(), entry, permanent, timeout })
    }

    /// The port itself, or the rule that comes before others.
    fn port(&self) -> ZoneEntry {
        if self.before_rich_rules {
            return ZoneEntry::RichRule(self.rule(None));
        }
        ZoneEntry::Port(self.port.to_string(), self.transport.word().to_owned())
    }

    /// A rich rule that accepts, from one client or from everyone.
    fn rule(&self, client: Option<IpAddr>) -> String {
        let priority = if self.before_rich_rules { "priority=\"-1\" " } else { "" };
        let source = client.map_or_else(String::new, |client| {
            let family = if client.is_ipv4() { "ipv4" } else { "ipv6" };
            format!("family=\"{family}\" source address=\"{client}\" ")
        });
        format!("rule {priority}{source}port port=\"{}\" protocol=\"{}\" accept", self.port, self.transport.word())
    }

    fn everyone(&self) -> String {
        format!("whoever zone {} is for can reach {}", self.zone, self.shown())
    }
}

/// All of them, narrowest first.
pub fn plans(gate: &Gate<'_>, client: Option<IpAddr>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = client.map(|client| allow_client(gate, client)).into_iter().collect();
    plans.extend([allow_for_an_hour(gate), allow(gate), allow_permanently(gate)]);
    plans
}

/// Lets one client in, until the next reload.
pub fn allow_client(gate: &Gate<'_>, client: IpAddr) -> Plan {
    let does = format!("let {client} in to {}, for now", gate.shown());
    Plan::new("firewalld-allow-client", &does)
        .scope(Scope::Client)
        .lasting(Lasting::Runtime)
        .step(does, gate.entry(ZoneEntry::RichRule(gate.rule(Some(client))), false, 0))
}

/// Lets everyone in for an hour; firewalld ends it by itself.
pub fn allow_for_an_hour(gate: &Gate<'_>) -> Plan {
    let does = format!("let everyone in to {}, for one hour", gate.shown());
    Plan::new("firewalld-allow-for-an-hour", &does)
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .lasting(Lasting::For(HOUR))
        .warn(gate.everyone())
        .step(does, gate.entry(gate.port(), false, HOUR))
}

/// Lets everyone in, until the next reload.
pub fn allow(gate: &Gate<'_>) -> Plan {
    let does = format!("let {} in, for now", gate.shown());
    Plan::new("firewalld-allow", &does)
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .lasting(Lasting::Runtime)
        .warn(gate.everyone())
        .step(does, gate.entry(gate.port(), false, 0))
}

/// Lets everyone in, now and after every reload. Nothing else of what holds now is saved with it.
pub fn allow_permanently(gate: &Gate<'_>) -> Plan {
    let shown = gate.shown();
    Plan::new("firewalld-allow-permanently", format!("let {shown} in, now and for good"))
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn(gate.everyone())
        .step(format!("let {shown} in, for now"), gate.entry(gate.port(), false, 0))
        .step(format!("let {shown} in after every reload"), gate.entry(gate.port(), true, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Gate<'_> = Gate { zone: "public", port: 80, transport: Transport::Tcp, before_rich_rules: false };

    #[test]
    fn the_narrowest_comes_first_and_each_is_taken_back() {
        let plans = plans(&GATE, Some("10.1.0.2".parse().unwrap()));
        let scopes: Vec<Scope> = plans.iter().map(|plan| plan.scope).collect();
        assert!(scopes.is_sorted());
        let commands: Vec<String> = plans.iter().map(Plan::commands).collect();
        assert_eq!(
            commands,
            [
                "firewall-cmd --zone=public '--add-rich-rule=rule family=\"ipv4\" source address=\"10.1.0.2\" port \
                 port=\"80\" protocol=\"tcp\" accept'",
                "firewall-cmd --zone=public --add-port=80/tcp --timeout=3600",
                "firewall-cmd --zone=public --add-port=80/tcp",
                "firewall-cmd --zone=public --add-port=80/tcp\nfirewall-cmd --permanent --zone=public --add-port=80/tcp",
            ]
        );
        let undo = plans.last().unwrap().undo_commands().unwrap();
        assert_eq!(
            undo,
            "firewall-cmd --permanent --zone=public --remove-port=80/tcp\n\
             firewall-cmd --zone=public --remove-port=80/tcp"
        );
        assert!(plans.iter().all(Plan::guarded));
    }

    #[test]
    fn what_a_rich_rule_refuses_is_let_in_before_it() {
        let gate = Gate { before_rich_rules: true, ..GATE };
        let plan = allow(&gate);
        assert!(plan.commands().contains("rule priority=\"-1\" port port=\"80\""), "{}", plan.commands());
        let plan = allow_client(&gate, "fd00:1::2".parse().unwrap());
        assert!(plan.commands().contains("priority=\"-1\" family=\"ipv6\" source"), "{}", plan.commands());
    }
}

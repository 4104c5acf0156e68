//! Plans that let in what a rule or policy refuses, the narrowest first.

use std::net::IpAddr;

use super::{Lets, Opening, Rule, Spot, Way, network};
use crate::facts::socket::Transport;
use crate::fixes::{Action, Lasting, Plan, Risk, Scope};

/// What is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The place before the rule or policy that refuses.
    pub spot: Spot,
    /// TCP or UDP.
    pub transport: Transport,
    /// The service's port, as packets have it there.
    pub port: u16,
    /// How the packet gets there.
    pub passage: Passage,
}

/// How a packet gets to the place that refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It comes from another host.
    In {
        /// The client that was asked about.
        client: Option<IpAddr>,
        /// The network that is to get in, if not everybody.
        network: Option<(IpAddr, u8)>,
    },
    /// It is an answer to another host.
    Back {
        /// The client that was asked about.
        client: Option<IpAddr>,
    },
    /// It is this host's own, and goes to another one.
    Out {
        /// There.
        to: IpAddr,
    },
    /// It is this host's own, and comes back in over lo.
    Loopback,
}

/// Every way to let it pass, the narrowest first. Whether one is enough is for the caller to see, by the rule in its
/// only step.
pub fn let_in(refused: &Refused) -> Vec<Plan> {
    let whole = |ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 });
    match refused.passage {
        Passage::In { client, network } => {
            let one = client.map(|client| refused.allow_from("allow-client", whole(client), Scope::Client));
            let some = network.map(|network| refused.allow_from("allow-network", network, Scope::Network));
            one.into_iter().chain(some).chain([refused.allow_everyone()]).collect()
        }
        Passage::Back { client } => {
            let to_one = client.map(|client| {
                let does = format!("let out the answers of {} to {client}", refused.service());
                let lets = refused.opening(Way::Back, Some(whole(client)), None);
                refused.plan("allow-client", does, lets)
            });
            let all = refused.plan(
                "allow-answers",
                "let out the answers of connections that were let in".into(),
                Lets::Answers,
            );
            let does = format!("let out the answers of {} to everyone", refused.service());
            let port = refused.plan("allow-everyone", does, refused.opening(Way::Back, None, None));
            to_one.into_iter().chain([all, port]).collect()
        }
        Passage::Out { to } => {
            let there = refused.opening(Way::There, None, Some(to));
            let anywhere = refused.opening(Way::There, None, None);
            vec![
                refused.plan("allow-target", format!("let {} to {to} out", refused.service()), there),
                refused.plan("allow-port", format!("let {} to everywhere out", refused.service()), anywhere),
            ]
        }
        Passage::Loopback => {
            vec![refused.plan("allow-loopback", "let in what comes from this host itself".into(), Lets::Loopback)]
        }
    }
}

impl Refused {
    /// `tcp port 80`.
    fn service(&self) -> String {
        format!("{} port {}", self.transport.word(), self.port)
    }

    fn opening(&self, way: Way, from: Option<(IpAddr, u8)>, to: Option<IpAddr>) -> Lets {
        Lets::Service(Opening { transport: self.transport, port: self.port, from, to, way })
    }

    fn allow_from(&self, id: &str, from: (IpAddr, u8), scope: Scope) -> Plan {
        let does = format!("let in {} from {} only", self.service(), network(from));
        let risk = if scope == Scope::Client { Risk::Low } else { Risk::Medium };
        self.plan(id, does, self.opening(Way::There, Some(from), None)).scope(scope).risk(risk)
    }

    fn allow_everyone(&self) -> Plan {
        let does = format!("let in {} from everyone", self.service());
        self.plan("allow-everyone", does, self.opening(Way::There, None, None))
            .scope(Scope::Everyone)
            .risk(Risk::Medium)
            .warn(format!("everyone who reaches this host can connect to {} then", self.service()))
    }

    fn plan(&self, id: &str, does: String, lets: Lets) -> Plan {
        let rule = Rule { spot: self.spot.clone(), lets };
        Plan::new(id, does.clone()).lasting(Lasting::Runtime).step(does, Action::Rule(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::Family;
    use crate::fixes::rule::RuleTool;
    use crate::fixes::rule::tests::spot;

    fn refused(passage: Passage) -> Refused {
        Refused { spot: spot(RuleTool::IptablesNft, Family::Ip, Some(4)), transport: Transport::Tcp, port: 80, passage }
    }

    #[test]
    fn the_narrowest_comes_first() {
        let client = Some("10.1.0.2".parse().unwrap());
        let network = Some(("10.0.0.0".parse().unwrap(), 8));
        let plans = let_in(&refused(Passage::In { client, network }));
        let told: Vec<_> = plans.iter().map(|plan| (plan.id.as_str(), plan.scope, plan.title.as_str())).collect();
        let expected = [
            ("allow-client", Scope::Client, "let in tcp port 80 from 10.1.0.2 only"),
            ("allow-network", Scope::Network, "let in tcp port 80 from 10.0.0.0/8 only"),
            ("allow-everyone", Scope::Everyone, "let in tcp port 80 from everyone"),
        ];
        assert_eq!(told, expected);
        assert!(plans.iter().all(|plan| plan.guarded() && plan.lasting == Lasting::Runtime));
    }

    #[test]
    fn answers_and_own_packets_let_nobody_in() {
        for passage in
            [Passage::Back { client: None }, Passage::Out { to: "192.0.2.1".parse().unwrap() }, Passage::Loopback]
        {
            let plans = let_in(&refused(passage));
            assert!(!plans.is_empty() && plans.iter().all(|plan| plan.scope == Scope::Nobody), "{plans:?}");
        }
    }
}

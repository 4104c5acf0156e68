//! What leaves a machine in a redacted recording: no address, neither as text nor as bytes, and rules that give every
//! source what it got before.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use serde_json::Value;
use unrefuse::facts::connect::Endpoint;
use unrefuse::facts::container::{
    Attached, Container, ContainerKey, Engine, EngineKind, Inspected, Made, Settings, State,
};
use unrefuse::facts::daemon::Origin;
use unrefuse::facts::denial::{Denial, Denials, Place};
use unrefuse::facts::firewalls::{Fail2ban, Firewalld, Jail, RuleFile, RuleFormat, Ufw, UfwRule, Zone};
use unrefuse::facts::host::{Addresses, LocalAddress};
use unrefuse::facts::path::{Control, Hop, Path};
use unrefuse::facts::proxy::{Proxies, ProxySetting, SetIn};
use unrefuse::facts::recording::Recording;
use unrefuse::facts::redact::redact;
use unrefuse::facts::route::{Link, Route, RouteKey, RouteKind};
use unrefuse::facts::routing::{Prefix, RefusingRoute, Routing, RoutingRule, RuleAction};
use unrefuse::facts::ruleset::expr::{Base as From, BitOp, CmpOp, Expr, LookupTo, RejectWith, Verdict};
use unrefuse::facts::ruleset::xt::{IpMatch, Match, NatRange, Target as XtTarget, Xt};
use unrefuse::facts::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, ChainRules, Element, Elements, Family, Hook, Leads, LegacyTable, MapsTo,
    Policy, Recent, Rule, Ruleset, Set, SetId, Table, TableId,
};
use unrefuse::facts::socket::Transport;
use unrefuse::facts::wrappers::HostsAccess;
use unrefuse::facts::xinetd::{AccessList, XinetdService};
use unrefuse::facts::{Case, Facts, Reading};
use unrefuse::firewall::{Client, Fate, Known, Missing, Packet, Walk, follow};
use unrefuse::target::{From as Asker, Target};

/// Facts that are all there are.
struct Host(Facts);

fn known<T>(reading: Option<&Reading<T>>) -> Result<&T, Missing> {
    reading.and_then(Reading::value).ok_or_else(|| Missing::Blind("it was not read".into()))
}

impl Known for Host {
    fn ruleset(&self) -> Result<&Ruleset, Missing> {
        known(Some(&self.0.ruleset))
    }
    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, Missing> {
        known(self.0.chains.get(id))
    }
    fn elements(&self, id: &SetId) -> Result<&Elements, Missing> {
        known(self.0.elements.get(id))
    }
    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, Missing> {
        let reading = self.0.members.get(&(set.clone(), key.to_vec()));
        if matches!(reading, Some(Reading::Absent)) { Ok(None) } else { known(reading).map(Some) }
    }
    fn legacy(&self) -> Result<&[LegacyTable], Missing> {
        if self.0.legacy.is_not_asked() { Ok(&[]) } else { known(Some(&self.0.legacy)).map(Vec::as_slice) }
    }
    fn recent(&self, name: &str) -> Result<&Recent, Missing> {
        known(self.0.recent.get(name))
    }
    fn links(&self) -> Result<&[Link], Missing> {
        known(Some(&self.0.links)).map(Vec::as_slice)
    }
    fn addresses(&self) -> Result<&Addresses, Missing> {
        known(Some(&self.0.addresses))
    }
    fn route(&self, key: &RouteKey) -> Result<&Route, Missing> {
        known(self.0.routes.get(key))
    }
}

fn table(family: Family) -> TableId {
    TableId { backend: Backend::Nftables, family, name: "filter".into() }
}

fn input(table: TableId) -> Chain {
    let base = Base {
        kind: ChainKind::Filter,
        hook: Hook::Input,
        priority: 0,
        policy: Policy::Accept,
        devices: Vec::new(),
        packets: None,
    };
    Chain { id: ChainId { table, name: "input".into() }, handle: 1, base: Some(base), comment: None }
}

fn local(address: &str, prefix: u8) -> LocalAddress {
    let address = address.parse().unwrap();
    LocalAddress { address, interface: "eth0".into(), ifindex: 2, up: true, link_local: false, prefix }
}

/// A host with these rules, which bans these clients.
fn host(family: Family, rules: Vec<Vec<Expr>>, sets: Vec<(Set, Elements)>, clients: &[IpAddr]) -> Facts {
    let mut facts = Facts::default();
    let chain = input(table(family));
    let rules = (1..).zip(rules).map(|(handle, exprs)| Rule { handle, exprs, comment: None, text: None }).collect();
    let rules = ChainRules { generation: 1, rules, more: false };
    facts.chains.insert(chain.id.clone(), Reading::known(rules));
    let mut ruleset = Ruleset { generation: 1, ..Ruleset::default() };
    ruleset.tables.push(Table { id: chain.id.table.clone(), handle: 1, dormant: false, comment: None });
    ruleset.chains.push(chain);
    for (set, elements) in sets {
        facts.elements.insert(set.id.clone(), Reading::known(elements));
        ruleset.sets.push(set);
    }
    facts.ruleset = Reading::known(ruleset);
    let link = |index, name: &str, hardware| {
        let name = name.into();
        Link { index, name, hardware, up: true, ..Link::default() }
    };
    facts.links = Reading::known(vec![link(1, "lo", 772), link(2, "eth0", 1)]);
    let all = vec![local("10.20.30.5", 24), local("2a01:4f8:7::5", 64)];
    facts.addresses = Reading::known(Addresses { all, default_interface: Some("eth0".into()) });
    let banned = clients.iter().map(|client| (*client, None)).collect();
    facts.fail2ban = Reading::known(Fail2ban { jails: vec![Jail { name: "sshd".into(), banned }] });
    for client in clients {
        let to = if client.is_ipv6() { "2a01:4f8:7::5" } else { "10.20.30.5" }.parse().unwrap();
        let key = RouteKey { to: *client, from: Some(to), input: None, mark: 0 };
        let interface = Some("eth0".into());
        let route = Route { kind: RouteKind::Unicast, interface, gateway: None, source: Some(to), table: 254 };
        facts.routes.insert(key, Reading::known(route));
    }
    facts
}

fn safe(facts: Facts) -> Facts {
    let mut case = Case::new(Target::parse("10.20.30.5:80").unwrap(), Asker::Unsaid);
    case.here = facts;
    redact(&Recording::new(case, 1, 2)).unwrap().case.here
}

/// The host's own address, and the clients it bans.
fn people(facts: &Facts, v6: bool) -> (IpAddr, Vec<IpAddr>) {
    let own = facts.addresses.value().unwrap().all[usize::from(v6)].address;
    let clients = facts.fail2ban.value().unwrap().jails[0].banned.iter().map(|(client, _)| *client).collect();
    (own, clients)
}

fn fate(walk: &Walk, client: IpAddr) -> Vec<Fate> {
    walk.parts.iter().filter(|part| part.sources.contains(client, 40_000)).map(|part| part.fate.clone()).collect()
}

fn walk(host: &Host, client: Client, to: IpAddr) -> Walk {
    follow(&Packet { transport: Transport::Tcp, client, to: (to, 80).into() }, host)
}

/// Each client gets the same before and after, and the same share of all sources gets it.
fn assert_same(before: Facts, v6: bool) -> Result<(), proptest::test_runner::TestCaseError> {
    let (before, after) = (Host(before.clone()), Host(safe(before)));
    let ((own, clients), (own_after, clients_after)) = (people(&before.0, v6), people(&after.0, v6));
    let (all, all_after) = (walk(&before, Client::Any, own), walk(&after, Client::Any, own_after));
    for (client, stand_in) in clients.into_iter().zip(clients_after) {
        let about = format!("{client} {stand_in}\n{:#?}\n{:#?}", before.0.chains, after.0.chains);
        let decided = fate(&all, client);
        prop_assert!(
            !decided.is_empty() && !decided.iter().any(|fate| matches!(fate, Fate::Unknown { .. })),
            "{}",
            about
        );
        prop_assert_eq!(decided, fate(&all_after, stand_in), "{}", about);
        let one = walk(&before, Client::Address(client), own);
        let one_after = walk(&after, Client::Address(stand_in), own_after);
        prop_assert_eq!(fate(&one, client), fate(&one_after, stand_in), "{}", about);
    }
    let shares = |walk: &Walk| {
        let mut all: BTreeMap<String, f64> = BTreeMap::new();
        for part in &walk.parts {
            *all.entry(format!("{:?}", part.fate)).or_default() += part.sources.share();
        }
        all.into_iter().map(|(fate, share)| (fate, format!("{share:.9}"))).collect::<Vec<_>>()
    };
    prop_assert_eq!(shares(&all), shares(&all_after));
    Ok(())
}

/// Bytes of a source as rules of nft look at it: how the rest of the rule is made.
#[derive(Debug, Clone)]
enum Look {
    Network { address: u128, len: u32, neq: bool },
    Range { one: u128, other: u128, inverted: bool },
    Between { one: u128, other: u128 },
    Order { address: u128, op: CmpOp },
    Among { elements: Vec<(u128, u128)>, inverted: bool },
    Verdicts { elements: Vec<(u128, u128)> },
    Odd { address: u128 },
}

fn near(v6: bool) -> impl Strategy<Value = u128> + Clone {
    let nets: Vec<u128> = if v6 {
        vec![0x2a01_04f8_0007 << 80, 0x2a01_04f8_0008 << 80, 0xfd12 << 112, 0xfe80 << 112, 0]
    } else {
        vec![0x0a14_1e00, 0x0a14_0000, 0xc0a8_0100, 0xcb00_7100, 0x0a00_0000, 0]
    };
    let any_one = any::<u128>().prop_map(move |value| if v6 { value } else { value & 0xffff_ffff });
    let close = (0..nets.len(), any::<u16>()).prop_map(move |(net, low)| nets[net] | u128::from(low));
    prop_oneof![6 => close, 1 => any_one]
}

fn look(v6: bool) -> impl Strategy<Value = Look> {
    let width: u32 = if v6 { 128 } else { 32 };
    let ordered = |(one, other): (u128, u128)| (one.min(other), one.max(other));
    let pair = move || (near(v6), near(v6)).prop_map(ordered);
    let op = prop_oneof![Just(CmpOp::Lt), Just(CmpOp::Lte), Just(CmpOp::Gt), Just(CmpOp::Gte)];
    prop_oneof![
        (near(v6), 0..=width, any::<bool>()).prop_map(|(address, len, neq)| Look::Network { address, len, neq }),
        (pair(), any::<bool>()).prop_map(|((one, other), inverted)| Look::Range { one, other, inverted }),
        pair().prop_map(|(one, other)| Look::Between { one, other }),
        (near(v6), op).prop_map(|(address, op)| Look::Order { address, op }),
        (proptest::collection::vec(pair(), 0..4), any::<bool>())
            .prop_map(|(elements, inverted)| Look::Among { elements, inverted }),
        pair().prop_map(|pair| Look::Verdicts { elements: vec![pair] }),
        near(v6).prop_map(|address| Look::Odd { address }),
    ]
}

fn bytes(v6: bool, value: u128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    bytes[if v6 { 0 } else { 12 }..].to_vec()
}

fn load(v6: bool, len: u32) -> Expr {
    Expr::Payload { base: From::Network, offset: if v6 { 8 } else { 12 }, len, to: 0 }
}

fn element(v6: bool, (low, high): (u128, u128), leads_to: Option<Leads>) -> Element {
    let (from, to) = (bytes(v6, low), bytes(v6, high));
    Element { from, to, leads_to, expires_ms: None, exprs: Vec::new(), comment: None }
}

fn set(family: Family, name: &str, maps_to: MapsTo, len: u32, elements: Vec<Element>) -> (Set, Elements) {
    let set = Set {
        id: SetId { table: table(family), name: name.into() },
        anonymous: false,
        interval: true,
        dynamic: false,
        maps_to,
        key_len: len,
        fields: vec![len],
        timeout_ms: None,
        size: None,
        exprs: Vec::new(),
        comment: None,
    };
    (set, Elements { generation: 1, elements, catchall: None, more: false })
}

/// The matches of a rule, and the set it looks into.
fn made(v6: bool, number: usize, look: &Look) -> (Vec<Expr>, Option<(Set, Elements)>) {
    let len: u32 = if v6 { 16 } else { 4 };
    let family = if v6 { Family::Ip6 } else { Family::Ip };
    let name = format!("s{number}");
    let cmp = |op, value| Expr::Cmp { from: 0, op, data: bytes(v6, value) };
    let mask_of = |bits: u32| bytes(v6, if bits == 0 { 0 } else { u128::MAX << (len * 8 - bits) });
    match look {
        Look::Network { address, len: bits, neq } => {
            let op = if *neq { CmpOp::Neq } else { CmpOp::Eq };
            let mask = mask_of(*bits);
            let data: Vec<u8> = bytes(v6, *address).iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
            if bits % 8 == 0 && *bits > 0 {
                let data = data[..usize::try_from(bits / 8).unwrap()].to_vec();
                return (vec![load(v6, bits / 8), Expr::Cmp { from: 0, op, data }], None);
            }
            let xor = vec![0; data.len()];
            let bits = Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { mask, xor } };
            (vec![load(v6, len), bits, Expr::Cmp { from: 0, op, data }], None)
        }
        Look::Range { one, other, inverted } => {
            let (low, high) = (bytes(v6, *one), bytes(v6, *other));
            (vec![load(v6, len), Expr::Range { from: 0, inverted: *inverted, low, high }], None)
        }
        Look::Between { one, other } => (vec![load(v6, len), cmp(CmpOp::Gte, *one), cmp(CmpOp::Lte, *other)], None),
        Look::Order { address, op } => (vec![load(v6, len), cmp(*op, *address)], None),
        Look::Among { elements, inverted } => {
            let elements = elements.iter().map(|range| element(v6, *range, None)).collect();
            let lookup = Expr::Lookup { set: name.clone(), from: 0, to: LookupTo::Match, inverted: *inverted };
            (vec![load(v6, len), lookup], Some(set(family, &name, MapsTo::Nothing, len, elements)))
        }
        Look::Verdicts { elements } => {
            let drop = || Some(Leads::Verdict(Verdict::Drop));
            let elements = elements.iter().map(|range| element(v6, *range, drop())).collect();
            let lookup = Expr::Lookup { set: name.clone(), from: 0, to: LookupTo::Verdict, inverted: false };
            (vec![load(v6, len), lookup], Some(set(family, &name, MapsTo::Verdict, len, elements)))
        }
        // All bits are first bits.
        Look::Odd { address } => {
            let op = BitOp::Mask { mask: vec![255; bytes(v6, 0).len()], xor: vec![0; bytes(v6, 0).len()] };
            (vec![load(v6, len), Expr::Bitwise { from: 0, to: 0, len, op }, cmp(CmpOp::Eq, *address)], None)
        }
    }
}

fn rules(v6: bool) -> impl Strategy<Value = (Vec<(Look, u8)>, Vec<u128>)> {
    (proptest::collection::vec((look(v6), 0u8..3), 1..6), proptest::collection::vec(near(v6), 1..12))
}

fn followed(v6: bool, rules: &[(Look, u8)], clients: &[u128]) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut sets = Vec::new();
    let chain = rules.iter().enumerate().map(|(number, (look, end))| {
        let (mut exprs, set) = made(v6, number, look);
        sets.extend(set);
        // What stays in a register of the address is no part of a shorter key.
        let port = Expr::Payload { base: From::Transport, offset: 2, len: 2, to: 0 };
        exprs.extend([port, Expr::Lookup { set: "ports".into(), from: 0, to: LookupTo::Match, inverted: false }]);
        exprs.push(match end {
            0 => Expr::Verdict(Verdict::Accept),
            1 => Expr::Verdict(Verdict::Drop),
            _ => Expr::Reject(RejectWith::TcpReset),
        });
        exprs
    });
    let chain = chain.collect();
    let family = if v6 { Family::Ip6 } else { Family::Ip };
    let port = Element { from: vec![0, 80], to: vec![0, 80], ..element(v6, (0, 0), None) };
    sets.push(set(family, "ports", MapsTo::Nothing, 2, vec![port]));
    let ip = |value: &u128| -> IpAddr {
        if v6 {
            std::net::Ipv6Addr::from(*value).into()
        } else {
            std::net::Ipv4Addr::from(u32::try_from(*value).unwrap()).into()
        }
    };
    // The ends of what rules look at are clients, too.
    let ends = rules.iter().flat_map(|(look, _)| match look {
        Look::Network { address, .. } | Look::Odd { address } => vec![*address],
        Look::Order { address, .. } => vec![address.saturating_sub(1), *address],
        Look::Range { one, other, .. } | Look::Between { one, other } => vec![*one, *other, one.saturating_sub(1)],
        Look::Among { elements, .. } | Look::Verdicts { elements } => {
            elements.iter().flat_map(|(low, high)| [*low, *high]).collect()
        }
    });
    let strange = |ip: &IpAddr| ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    let all: Vec<u128> = clients.iter().copied().chain(ends).collect();
    let clients: Vec<IpAddr> = all.iter().map(ip).filter(|ip| !strange(ip)).collect();
    assert_same(host(family, chain, sets, &clients), v6)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn rules_of_ipv4_decide_as_before((rules, clients) in rules(false)) {
        followed(false, &rules, &clients)?;
    }

    #[test]
    fn rules_of_ipv6_decide_as_before((rules, clients) in rules(true)) {
        followed(true, &rules, &clients)?;
    }
}

/// Addresses that are nobody else's business.
const SECRETS: [&str; 8] = [
    "10.77.3.4",
    "10.77.3.9",
    "192.168.37.12",
    "172.19.5.6",
    "91.44.7.8",
    "203.0.114.9",
    "2a01:4f8:99:3::7",
    "fd12:3456:78::9",
];
const MAC: [u8; 6] = [0x00, 0x1b, 0x21, 0x3c, 0x4d, 0x5e];

fn secrets() -> Vec<IpAddr> {
    SECRETS.iter().map(|secret| secret.parse().unwrap()).collect()
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Every text in which a tool says an address.
fn texts(secret: IpAddr) -> Vec<String> {
    let len = octets(secret).len() * 8;
    vec![
        format!("-A INPUT -s {secret}/{len} -d {secret} -j DNAT --to-destination {secret}:80"),
        format!("rule family=\"ipv4\" source address=\"{secret}\" port port=\"80\" protocol=\"tcp\" reject"),
        format!("from {secret} to any port 80; ip saddr {{ {secret}-{secret}, {secret}, ::ffff:10.77.3.4 }} drop"),
        format!("SRC={secret} DST={secret} MAC=00:1b:21:3c:4d:5e:00:1b:21:3c:4d:5e:08:00 [{secret}]:80 {secret}."),
    ]
}

/// Rules of nft that hold an address in every way, known and unknown ones.
fn holding(secret: IpAddr) -> Vec<Vec<Expr>> {
    let data = octets(secret);
    let len = u32::try_from(data.len()).unwrap();
    let load = |offset| Expr::Payload { base: From::Network, offset, len, to: 0 };
    let (source, destination) = if secret.is_ipv6() { (8, 24) } else { (12, 16) };
    let cmp = |op| Expr::Cmp { from: 0, op, data: data.clone() };
    let mask =
        |mask: Vec<u8>| Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { xor: vec![0; data.len()], mask } };
    let immediate = Expr::Immediate { to: 0, data: data.clone() };
    let family = if secret.is_ipv6() { Family::Ip6 } else { Family::Ip };
    let nat = Expr::Nat { source: false, family, address: Some((0, 0)), port: None, flags: 0 };
    let reversed = |at: usize| u8::from(at.is_multiple_of(2));
    let xor = Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { mask: vec![0; data.len()], xor: data.clone() } };
    let write = Expr::PayloadSet { base: From::Network, offset: destination, len, from: 0 };
    let prefix = usize::from(secret.is_ipv4());
    let structure = [vec![7; prefix], data.clone(), vec![0; 4]].concat();
    vec![
        vec![load(source), cmp(CmpOp::Eq)],
        vec![load(destination), cmp(CmpOp::Neq)],
        vec![load(source), cmp(CmpOp::Gte), cmp(CmpOp::Lte)],
        vec![load(source), cmp(CmpOp::Gt)],
        vec![load(source), Expr::Range { from: 0, inverted: true, low: data.clone(), high: data.clone() }],
        vec![load(source), mask((0..data.len()).map(reversed).collect()), cmp(CmpOp::Eq)],
        vec![load(source), xor, write.clone()],
        vec![immediate.clone(), write],
        vec![immediate.clone(), nat],
        vec![immediate],
        vec![Expr::Opaque { name: "inner".into(), raw: structure.clone() }],
        vec![Expr::Xt(Xt::Match(Match::Other { name: "policy".into(), revision: 0, info: structure }))],
        vec![Expr::Xt(Xt::Match(Match::Iprange {
            source: Some((secret, secret)),
            source_inverted: false,
            destination: Some((secret, secret)),
            destination_inverted: true,
        }))],
        vec![
            Expr::Payload { base: From::Link, offset: 6, len: 6, to: 0 },
            Expr::Cmp { from: 0, op: CmpOp::Eq, data: MAC.to_vec() },
        ],
        vec![Expr::Xt(Xt::Match(Match::Comment(texts(secret).remove(0))))],
        vec![Expr::Log { prefix: Some(texts(secret).remove(1)), group: None }],
    ]
}

fn legacy(secret: IpAddr) -> LegacyTable {
    let id = TableId { backend: Backend::Legacy, ..table(Family::Ip) };
    let mask = if secret.is_ipv6() { "ffff:ffff::" } else { "255.255.0.0" }.parse().unwrap();
    let odd = if secret.is_ipv6() { "::ffff" } else { "0.0.255.255" }.parse().unwrap();
    let ip = |mask| Xt::Match(Match::Ip(IpMatch { source: Some((secret, mask)), ..IpMatch::default() }));
    let all = if secret.is_ipv6() { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" } else { "255.255.255.255" };
    let nat = Xt::Target(XtTarget::Dnat(NatRange { addresses: Some((secret, secret)), ports: None }));
    let exprs = [ip(mask), ip(odd), ip(all.parse().unwrap()), nat].map(Expr::Xt).to_vec();
    let rule = Rule { handle: 1, exprs, comment: Some(secret.to_string()), text: Some(texts(secret).remove(0)) };
    LegacyTable { chains: vec![(input(id.clone()), vec![rule])], id }
}

/// A host with every secret everywhere.
fn telling() -> Facts {
    let mut rules = Vec::new();
    let mut sets = Vec::new();
    let mut facts_of = Facts::default();
    for (number, secret) in secrets().into_iter().enumerate() {
        rules.extend(holding(secret));
        let data = octets(secret);
        let len = u32::try_from(data.len()).unwrap();
        let one = |leads_to, comment| Element {
            from: data.clone(),
            to: data.clone(),
            leads_to,
            expires_ms: None,
            exprs: Vec::new(),
            comment,
        };
        let value = one(Some(Leads::Data(data.clone())), Some(secret.to_string()));
        let (name, family) = (format!("of {secret}"), Family::Inet);
        sets.push(set(family, &name, MapsTo::Data, len, vec![value.clone()]));
        // A concatenation that no rule explains.
        let (mut both, mut elements) =
            set(family, &format!("c{number}"), MapsTo::Nothing, len + 4, vec![value.clone()]);
        both.fields = vec![2, len];
        let long = [vec![0, 80, 0, 0], data.clone()].concat();
        elements.elements[0].from.clone_from(&long);
        elements.elements[0].to.clone_from(&long);
        let id = both.id.clone();
        sets.push((both, elements.clone()));
        facts_of.members.insert((id, long), Reading::known(elements.elements.remove(0)));
        facts_of.recent.insert(secret.to_string(), Reading::known(Recent { seen: vec![(secret, vec![1])] }));
    }
    let mut facts = host(Family::Inet, rules, sets, &secrets());
    facts.members = facts_of.members;
    facts.recent = facts_of.recent;
    facts.legacy = Reading::known(secrets().into_iter().map(legacy).collect());
    let words: Vec<String> = secrets().into_iter().flat_map(texts).collect();
    let zone = Zone { sources: SECRETS.map(str::to_owned).to_vec(), rich_rules: words.clone(), ..Zone::default() };
    facts.firewalld = Reading::known(Firewalld { zones: vec![zone], ..Firewalld::default() });
    let rule = |(number, spec): (u32, &String)| UfwRule {
        action: "deny".into(),
        spec: spec.clone(),
        number,
        v6: false,
        routed: false,
        file: "/etc/ufw/user.rules".into(),
        line: 1,
    };
    facts.ufw = Reading::known(Ufw { rules: (1..).zip(&words).map(rule).collect(), ..Ufw::default() });
    let file = RuleFile { path: "/etc/nftables.conf".into(), format: RuleFormat::Nft, text: words.join("\n") };
    facts.rule_files = Reading::known(vec![file]);
    facts.routing = Reading::known(routing());
    facts.paths = secrets().into_iter().map(path).collect();
    facts.neighbours = secrets().into_iter().map(|ip| ((ip, "eth0".into()), Reading::Absent)).collect();
    let denied = |text: &String| Denial { at_ms: 1, serial: 1, place: Place::Ring, text: format!("avc: laddr={text}") };
    let lines = words.iter().map(denied).collect();
    facts.denials = Reading::known(Denials { lines, ..Denials::default() });
    facts
}

/// A way over each to itself.
fn path(ip: IpAddr) -> (Endpoint, Reading<Path>) {
    let hops = vec![Hop { distance: 1, from: Some(ip), after: None }];
    let (to, control) = (SocketAddr::new(ip, 80), Some(Control::Beyond(ip)));
    (Endpoint::Tcp(to), Reading::known(Path { to, hops, end: None, control, probes: 6 }))
}

/// Rules and routes about each.
fn routing() -> Routing {
    let net = |ip: IpAddr| Prefix::new(ip, if ip.is_ipv4() { 32 } else { 128 });
    let rule = |ip: IpAddr| RoutingRule {
        v6: ip.is_ipv6(),
        from: Some(net(ip)),
        to: Some(net(ip)),
        ..RoutingRule::new(90, RuleAction::Prohibit)
    };
    let route = |ip: IpAddr| RefusingRoute { to: net(ip), kind: RouteKind::Blackhole, table: 254, metric: 0 };
    Routing {
        rules: secrets().into_iter().map(rule).collect(),
        refusing: secrets().into_iter().map(route).collect(),
        partial: false,
    }
}

/// Lists of numbers and texts, wherever they are.
fn leaves<'a>(tree: &'a Value, texts: &mut Vec<&'a str>, lists: &mut Vec<Vec<u64>>) {
    match tree {
        Value::String(text) => texts.push(text),
        Value::Array(items) => {
            lists.push(items.iter().filter_map(Value::as_u64).collect());
            for item in items {
                leaves(item, texts, lists);
            }
        }
        Value::Object(map) => map.values().for_each(|item| leaves(item, texts, lists)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_address_leaves_as_text_or_bytes() {
    let facts = telling();
    let raw = serde_json::to_value(&facts).unwrap();
    let tree = serde_json::to_value(safe(facts)).unwrap();
    let found = |tree: &Value| {
        let (mut texts, mut lists) = (Vec::new(), Vec::new());
        leaves(tree, &mut texts, &mut lists);
        let known = secrets().into_iter().map(octets).chain([MAC.to_vec()]);
        let bytes = known.filter(|secret| {
            let secret: Vec<u64> = secret.iter().map(|byte| u64::from(*byte)).collect();
            lists.iter().any(|list| list.windows(secret.len()).any(|window| window == secret))
        });
        let said = SECRETS
            .iter()
            .chain(["00:1b:21:3c:4d:5e"].iter())
            .filter(|secret| texts.iter().any(|text| text.contains(**secret)));
        (bytes.count(), said.count())
    };
    assert_eq!(found(&raw), (SECRETS.len() + 1, SECRETS.len() + 1));
    assert_eq!(found(&tree), (0, 0), "{tree:#}");
    // Parts of networks would tell, too.
    let text = tree.to_string();
    for part in ["10.77", "192.168.37", "172.19", "91.44", "203.0.114", "2a01", "fd12", "3456", "[10,77", "[91,44"] {
        assert!(!text.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_kept_says_so() {
    let facts = safe(telling());
    let rules = facts.chains.values().next().unwrap().value().unwrap();
    let opaque = |rule: &&Rule| rule.exprs.iter().any(|e| matches!(e, Expr::Opaque { name, .. } if name == "redacted"));
    // For each secret: a mask of other bits than the first, and new bits for an address.
    assert_eq!(rules.rules.iter().filter(opaque).count(), 2 * SECRETS.len());
}

#[test]
fn a_mapped_network_holds_its_addresses() {
    let facts = host(Family::Ip, Vec::new(), Vec::new(), &["10.77.3.4".parse().unwrap()]);
    let mut before = facts;
    let zone = Zone { sources: vec!["10.77.0.0/16".into(), "10.0.0.0/8".into()], ..Zone::default() };
    before.firewalld = Reading::known(Firewalld { zones: vec![zone], ..Firewalld::default() });
    let after = safe(before);
    let (_, clients) = people(&after, false);
    let sources = &after.firewalld.value().unwrap().zones[0].sources;
    let IpAddr::V4(client) = clients[0] else { panic!("{clients:?}") };
    let [a, b, ..] = client.octets();
    assert_eq!(*sources, [format!("{a}.{b}.0.0/16"), "10.0.0.0/8".into()]);
    assert_ne!((a, b), (10, 77));
}

#[test]
fn lists_of_clients_hold_whom_they_held() {
    let mut facts = Facts::default();
    let allow = "sshd: .corp.example, db7.corp.example EXCEPT joe@web3 10.77. 10.20.30.0/24\nALL: LOCAL\n";
    let lists = [("/etc/blocked".to_owned(), Ok("10.66.1. *.shop.example\n".to_owned()))].into();
    facts.hosts_access = Reading::known(HostsAccess { allow: Some(allow.into()), deny: None, lists });
    let set_by =
        Origin { file: "/etc/xinetd.d/x".into(), line: 3, text: "only_from = 10.77.0.0 db7.corp.example".into() };
    let entries = vec!["10.77.0.0".to_owned(), "db7.corp.example".to_owned()];
    let only_from = Some(AccessList { entries, set_by });
    facts.xinetd = Reading::known(vec![XinetdService { only_from, ..XinetdService::default() }]);
    let setting = ProxySetting {
        name: "https_proxy".into(),
        host: "proxy.corp.example".into(),
        port: 3128,
        set_in: SetIn::Environment,
    };
    let proxies = Proxies { settings: vec![setting], except: vec![".corp.example".into(), "10.77.3.4".into()] };
    facts.proxies.insert(0, Reading::known(proxies));
    let client: IpAddr = "10.77.3.4".parse().unwrap();
    facts.client_names.insert(client, Reading::Absent);
    let after = safe(facts);
    let text = serde_json::to_string(&after).unwrap();
    for secret in ["corp.example", "shop.example", "db7", "web3", "joe", "10.77", "10.66", "10.20"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let IpAddr::V4(client) = after.client_names.keys().next().unwrap() else { panic!("{text}") };
    let [a, b, ..] = client.octets();
    let allow = after.hosts_access.value().unwrap().allow.clone().unwrap();
    assert!(allow.contains(&format!(" {a}.{b}. ")) && allow.contains("ALL: LOCAL"), "{allow}");
    let proxies = after.proxies[&0].value().unwrap();
    let domain = allow.split([' ', ',']).nth(1).unwrap();
    assert!(domain.starts_with('.') && proxies.except[0] == domain, "{allow} {proxies:?}");
    assert!(proxies.settings[0].host.ends_with(domain), "{proxies:?}");
    let list = after.xinetd.value().unwrap()[0].only_from.clone().unwrap();
    assert_eq!(list.entries[0], format!("{a}.{b}.0.0/16"));
    assert!(list.entries[1].ends_with(domain), "{list:?}");
}

#[test]
fn a_container_tells_no_secret_of_its_command_line() {
    let mut facts = Facts::default();
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let made = Made {
        command: words(&["redis-server", "--requirepass-token", "hunter2", "--bind", "10.77.3.4"]),
        environment: words(&["PASSWORD"]),
        mounts: words(&["/home/joe/data:/data"]),
        ..Made::default()
    };
    let key = ContainerKey { kind: EngineKind::Docker, via: "/run/docker.sock".into(), id: "0123456789ab".into() };
    let near = Inspected { pid: None, made, log: words(&["password=hunter2 from 10.77.3.4"]) };
    facts.inspected.insert(key, Reading::known(near));
    let container = Container {
        id: "0123456789ab".into(),
        name: "web".into(),
        image: "registry.corp.example:5000/team/shop:7".into(),
        state: State::Running,
        status: "Up".into(),
        published: Vec::new(),
        exposed: Vec::new(),
        network_mode: "bridge".into(),
        networks: vec![Attached { name: "bridge".into(), address: "10.77.3.4".parse().ok(), gateway: None }],
        compose: None,
        end: None,
    };
    let (via, settings, containers) = ("/run/docker.sock".into(), Settings::default(), Reading::known(vec![container]));
    let engine = Engine { kind: EngineKind::Docker, via, user: None, runs: true, settings, containers };
    facts.containers = Reading::known(vec![engine]);
    let after = safe(facts);
    let text = serde_json::to_string(&after).unwrap();
    for secret in ["hunter2", "10.77.3.4", "joe", "corp.example"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let container = &after.containers.value().unwrap()[0].containers.value().unwrap()[0];
    assert_eq!((container.image.as_str(), container.name.as_str()), ("registry/team/shop:7", "web"));
    assert!(after.inspected.keys().all(|key| key.via == "/run/docker.sock"));
}

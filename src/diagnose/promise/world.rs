//! Hosts made at random: a seed decides the answer to every question, whenever it is asked.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use crate::diagnose::causes::testing::nothing;
use crate::facts::apparmor::{Apparmor, Profile, ProfileRule, ProfileText};
use crate::facts::beyond::{Beyond, Setting};
use crate::facts::claim::{Claim, ClaimSource, Claims};
use crate::facts::connect::{Counter, Dial, Endpoint, Icmp, Outcome};
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};
use crate::facts::denial::{Denial, Denials, Place};
use crate::facts::happening::{Change, Happening, Past, Teller, What};
use crate::facts::host::{Addresses, Host, LocalAddress};
use crate::facts::journal::{Entry, Journal};
use crate::facts::limits::Limits;
use crate::facts::name::{HostsLine, Resolution, ServerSays};
use crate::facts::namespace::OtherNetwork;
use crate::facts::path::{Control, End, EndAnswer, Hop, Path};
use crate::facts::proxy::{Proxies, ProxySetting, SetIn};
use crate::facts::route::{Route, RouteKind};
use crate::facts::routing::NeighbourState;
use crate::facts::sandbox::{List, Network, Sandbox};
use crate::facts::socket::{Listener, Owner, Process, Transport, UnixBound, UnixFile, UnixSocket};
use crate::facts::unit::{Service, SocketUnit, Unit};
use crate::facts::wrappers::{ClientName, HostsAccess, Libwrap, Used};
use crate::facts::{Fact, Question, Reading};
use crate::target::{From, Target};

/// Numbers that look random and are the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance(50) { Some(make(self)) } else { None }
    }

    fn list<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}

const ADDRESSES: [&str; 9] =
    ["10.2.0.2", "127.0.0.1", "::1", "0.0.0.0", "::", "fd00::2", "10.9.9.9", "127.0.1.1", "127.0.0.53"];
const PORTS: [u16; 8] = [80, 443, 22, 2222, 53, 3306, 5432, 5433];
const UNITS: [&str; 9] = [
    "nginx.service",
    "apache2.service",
    "ssh.service",
    "ssh.socket",
    "postgresql.service",
    "postgresql@15-main.service",
    "mariadb.service",
    "shop.service",
    "session-3.scope",
];
const PROGRAMS: [&str; 6] = ["nginx", "apache2", "sshd", "postgres", "vite", "python3"];
const LINES: [&str; 14] = [
    "bind() to 0.0.0.0:80 failed (98: Address already in use)",
    "bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)",
    "Bind to port 22 on 10.2.0.2 failed: Cannot assign requested address.",
    "bind() to 0.0.0.0:80 failed (13: Permission denied)",
    "socket() [::]:80 failed (97: Address family not supported by protocol)",
    "nginx: [emerg] unknown directive \"lisen\" in /etc/nginx/nginx.conf:3",
    "write error: No space left on device",
    "Configured to not listen anywhere, exiting.",
    "Main process exited, code=exited, status=1/FAILURE",
    "Main process exited, code=killed, status=11/SEGV",
    "Failed with result 'exit-code'.",
    "Scheduled restart job, restart counter is at 1.",
    "Start request repeated too quickly.",
    "Started the service.",
];
const TARGETS: [&str; 16] = [
    "80",
    "443",
    "22",
    "5432",
    "udp://10.2.0.2:53",
    "10.2.0.2:80",
    "127.0.0.1:80",
    "[::1]:80",
    "localhost:3306",
    "db.example:5432",
    "server:80",
    "192.0.2.9:80",
    "nginx",
    "postgresql",
    "unix:/run/nginx/nginx.sock",
    "unix:@shop",
];

/// A host of which every fact is decided by the seed.
pub(super) struct World {
    seed: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn dice(&self, about: impl Hash) -> Dice {
        let mut hasher = DefaultHasher::new();
        (self.seed, about).hash(&mut hasher);
        Dice::new(hasher.finish())
    }

    pub(super) fn target(&self) -> Target {
        let target: &str = self.dice("target").pick::<&str>(&TARGETS);
        Target::parse(target).unwrap()
    }

    pub(super) fn from(&self) -> From {
        let other = From::Address("203.0.113.7".parse().unwrap());
        *self.dice("from").pick(&[From::Unsaid, From::Unsaid, From::Here, From::Any, other])
    }

    fn is_without_systemd(&self) -> bool {
        matches!(self.answer(&Question::Host), Fact::Host(Reading::Known(known)) if !known.value.systemd)
    }

    /// Those of all ports.
    fn all_listeners(&self) -> Fact {
        let of = |port: &u16| {
            let answer = self.answer(&Question::Listeners(Transport::Tcp, *port));
            if let Fact::Listeners(_, _, Reading::Known(known)) = answer { known.value } else { Vec::new() }
        };
        Fact::AllListeners(Reading::known(PORTS.iter().flat_map(of).collect()))
    }

    /// The answer to a question; now and then there is none.
    #[expect(clippy::too_many_lines, reason = "one line a question")]
    pub(super) fn answer(&self, question: &Question) -> Fact {
        let dice = &mut self.dice(question);
        let denied = Reading::Denied { needs: "root".into() };
        let none = [Reading::Absent, denied, Reading::Failed { why: "it broke".into() }];
        let missing = dice.chance(6).then(|| Fact::without_value(question, dice.pick(&none).clone()));
        let special = missing.or_else(|| of_the_network(dice, question)).or_else(|| of_who_allows(dice, question));
        if let Some(fact) = special {
            return fact;
        }
        match question.clone() {
            Question::Host => Fact::Host(Reading::known(host(dice))),
            Question::Addresses => Fact::Addresses(Reading::known(addresses(dice))),
            Question::Name(name) => Fact::Name(name.clone(), Reading::known(resolution(dice, name))),
            Question::Dial(to) => Fact::Dial(to.clone(), Reading::known(dial(dice, to))),
            Question::Listeners(t, p) => Fact::Listeners(t, p, Reading::known(dice.list(3, |d| listener(d, t, p)))),
            Question::AllListeners => self.all_listeners(),
            Question::UnixSocket(path) => Fact::UnixSocket(path.clone(), Reading::known(unix_socket(dice, path))),
            Question::Owner { inode, .. } => Fact::Owner(inode, Reading::known(owner(dice))),
            // Where systemd does not run, nobody tells of units.
            Question::Unit(_) if self.is_without_systemd() => {
                Fact::without_value(question, Reading::Failed { why: "systemd does not run here".into() })
            }
            Question::Unit(name) => Fact::Unit(name.clone(), Reading::known(unit(dice, name))),
            Question::Journal(name) => Fact::Journal(name.clone(), Reading::known(journal(dice, name))),
            Question::Claims(t, p) => Fact::Claims(t, p, Reading::known(claims(dice, p))),
            Question::Daemon(daemon) => Fact::Daemon(daemon, Reading::known(dice.list(2, |d| config(d, daemon)))),
            Question::OtherNetwork { pid, transport, port } => {
                Fact::OtherNetwork(pid, transport, port, Reading::known(other_network(dice, (pid, transport, port))))
            }
            Question::Sysctl(path) => {
                Fact::Sysctl(path, Reading::known((*dice.pick(&["0", "1", "1024", "4096", ""])).into()))
            }
            Question::FailedUnits => Fact::FailedUnits(Reading::known(dice.list(2, |d| unit(d, "x.service".into())))),
            // The rules of these hosts are made by the tests of `firewall`.
            Question::Ruleset
            | Question::ChainRules(_)
            | Question::Elements(_)
            | Question::Links
            | Question::Member(..)
            | Question::Legacy
            | Question::Recent(_)
            | Question::Route(_)
            | Question::Routing
            | Question::Neighbour(..)
            | Question::Path(_)
            | Question::Firewalld
            | Question::Ufw
            | Question::Fail2ban
            | Question::RuleFiles
            | Question::Containers
            | Question::Container(_)
            | Question::Watched(_)
            | Question::Libwrap { .. }
            | Question::HostsAccess
            | Question::ClientName(_)
            | Question::Limits(_)
            | Question::Proxies(_)
            | Question::Xinetd
            | Question::Apparmor(_)
            | Question::Denials
            | Question::Exchange(_)
            | Question::Happenings
            | Question::Selinux(..) => nothing(question),
        }
    }
}

/// What AppArmor says; who asks libwrap, and what its files say.
fn of_who_allows(dice: &mut Dice, question: &Question) -> Option<Fact> {
    if let Question::Libwrap { pid, program } = question {
        return Some(Fact::Libwrap(*pid, program.clone(), Reading::known(libwrap(dice))));
    }
    if let Question::Apparmor(about) = question {
        return Some(Fact::Apparmor(about.clone(), Reading::known(apparmor(dice))));
    }
    if let Question::Happenings = question {
        return Some(Fact::Happenings(Reading::known(past(dice))));
    }
    if let Question::Denials = question {
        let denials = Denials { lines: dice.list(2, denial), ..Denials::default() };
        return Some(Fact::Denials(Reading::known(denials)));
    }
    if let Question::Limits(pid) = question {
        let open = *dice.pick(&[3, 1024]);
        return Some(Fact::Limits(*pid, Reading::known(Limits { soft: 1024, hard: 4096, open })));
    }
    if let Question::Proxies(pid) = question {
        return Some(Fact::Proxies(*pid, Reading::known(proxies(dice))));
    }
    if let Question::ClientName(address) = question {
        return Some(Fact::ClientName(*address, Reading::known(client_name(dice))));
    }
    (*question == Question::HostsAccess).then(|| Fact::HostsAccess(Reading::known(hosts_access(dice))))
}

/// Now and then a way leads nowhere or a neighbour is gone.
fn of_the_network(dice: &mut Dice, question: &Question) -> Option<Fact> {
    if let (Question::Route(key), true) = (question, dice.chance(20)) {
        return Some(Fact::Route(key.clone(), Reading::known(refusing(dice))));
    }
    if let Question::Neighbour(ip, interface) = question {
        let states = [NeighbourState::Known, NeighbourState::Failed, NeighbourState::Incomplete];
        return Some(Fact::Neighbour(*ip, interface.clone(), Reading::known(*dice.pick(&states))));
    }
    if let Question::Path(to) = question {
        return Some(Fact::Path(to.clone(), path(dice, to)));
    }
    None
}

fn refusing(dice: &mut Dice) -> Route {
    let kinds =
        [RouteKind::NoRoute, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Blackhole, RouteKind::Martian];
    Route { kind: *dice.pick(&kinds), interface: None, gateway: None, source: None, table: 0 }
}

fn path(dice: &mut Dice, to: &Endpoint) -> Reading<Path> {
    let Endpoint::Tcp(to) = to else { return Reading::Absent };
    let distance = u8::try_from(dice.below(4)).unwrap() + 1;
    let hop = |distance| Hop { distance, from: Some([198, 51, 100, distance].into()), after: None };
    let answer = if dice.chance(80) { EndAnswer::Reset } else { EndAnswer::Open };
    let end = dice.some(|_| End { distance, answer, after: Duration::from_millis(1) });
    let controls = [Control::Beyond([198, 51, 100, distance].into()), Control::Target, Control::Silent];
    let control = dice.some(|d| d.pick(&controls).clone());
    Reading::known(Path { to: *to, hops: (1..distance).map(hop).collect(), end, control, probes: 4 })
}

fn other_network(dice: &mut Dice, (pid, transport, port): (u32, Transport, u16)) -> OtherNetwork {
    let listeners = dice.list(2, |d| listener(d, transport, port));
    OtherNetwork { pid, netns: 1, separate: dice.chance(50), listeners }
}

fn claims(dice: &mut Dice, port: u16) -> Claims {
    Claims { claims: dice.list(3, |d| claim(d, port)), service_name: None }
}

fn past(dice: &mut Dice) -> Past {
    let unit = |change| What::Unit { unit: "nginx.service".into(), change, words: String::new() };
    let packages = What::Packages {
        tool: "apt".into(),
        verb: "upgrade".into(),
        packages: vec!["nginx".into()],
        command: None,
        until_us: Some(1_700_000_200_000_000),
    };
    let whats = [unit(Change::Stopping), unit(Change::Started), unit(Change::Exited), packages];
    let happening = |dice: &mut Dice| Happening {
        at_us: 1_700_000_000_000_000 + u64::try_from(dice.below(200)).unwrap() * 1_000_000,
        what: dice.pick(&whats).clone(),
        source: Teller::Journal,
    };
    Past { since_us: 1_700_000_000_000_000, happenings: dice.list(4, happening), ..Past::default() }
}

fn apparmor(dice: &mut Dice) -> Apparmor {
    let rule = |dice: &mut Dice| ProfileRule {
        file: "/etc/apparmor.d/nginx".into(),
        line: 3,
        text: (*dice.pick(&["network", "capability", "deny network inet stream"])).into(),
        alone: dice.chance(50),
    };
    let source = dice.some(|dice| ProfileText { rules: dice.list(3, rule), ..ProfileText::default() });
    let mode = (*dice.pick(&["enforce", "complain"])).into();
    let profile = dice.some(|_| Profile { name: "nginx".into(), mode, of_process: false, source });
    Apparmor { enabled: dice.chance(90), profile }
}

fn denial(dice: &mut Dice) -> Denial {
    let by_apparmor = r#"apparmor="DENIED" operation="create" profile="nginx" family="inet" sock_type="stream""#;
    let by_selinux = "avc:  denied  { name_bind } for  comm=\"nginx\" src=80 scontext=a:b:httpd_t:s0 \
                      tcontext=a:b:unreserved_port_t:s0 tclass=tcp_socket permissive=0";
    let text = (*dice.pick(&[by_apparmor, by_selinux])).into();
    Denial { at_ms: u64::from(dice.chance(50)), serial: 0, place: Place::Ring, text }
}

fn ip(dice: &mut Dice) -> IpAddr {
    dice.pick(&ADDRESSES).parse().unwrap()
}

fn host(dice: &mut Dice) -> Host {
    Host {
        hostname: "server".into(),
        boot_id: "b".into(),
        booted_at: 1_700_000_000,
        kernel: "6.1.0".into(),
        uid: 0,
        user: dice.some(|_| "root".into()),
        systemd: dice.chance(90),
        container: None,
    }
}

fn proxies(dice: &mut Dice) -> Proxies {
    let setting = |dice: &mut Dice| ProxySetting {
        name: "http_proxy".into(),
        host: (*dice.pick(&["127.0.0.1", "localhost", "10.9.9.9"])).into(),
        port: *dice.pick(&PORTS),
        set_in: SetIn::Environment,
    };
    Proxies { settings: dice.list(2, setting), except: Vec::new() }
}

fn client_name(dice: &mut Dice) -> ClientName {
    let names = [ClientName::Unknown, ClientName::Paranoid, ClientName::Named("a.example.org".into())];
    dice.pick(&names).clone()
}

fn libwrap(dice: &mut Dice) -> Libwrap {
    let used = [Used::Yes, Used::No("it was not told to".into()), Used::Unknown("it does not say".into())];
    Libwrap {
        program: "/usr/sbin/sshd".into(),
        by: dice.some(|_| "libwrap is loaded".into()),
        used: dice.pick(&used).clone(),
        daemon: dice.some(|_| "sshd".into()),
    }
}

fn hosts_access(dice: &mut Dice) -> HostsAccess {
    const LINES: [&str; 6] = [
        "sshd: ALL\n",
        "ALL: 10.\n",
        "ALL: .example.org : deny\n",
        "sshd: @group\n",
        "nginx: ALL\n",
        "ALL: ALL EXCEPT 10.2.0.2 : spawn x\n",
    ];
    let text = |d: &mut Dice| d.list(3, |d| *d.pick(&LINES)).concat();
    HostsAccess { allow: dice.some(text), deny: dice.some(text), ..HostsAccess::default() }
}

/// Mostly one that forbids nothing; recordings of before have none.
fn sandbox(dice: &mut Dice) -> Sandbox {
    let any = || Network { address: "0.0.0.0".parse().unwrap(), prefix: 0 };
    let ours = || Network { address: "10.2.0.2".parse().unwrap(), prefix: 32 };
    Sandbox {
        families: dice.chance(10).then(|| List { allow: true, names: vec!["AF_UNIX".into()] }),
        bounding: dice.some(|d| if d.chance(80) { u64::MAX } else { 0 }),
        system_calls: dice.chance(10).then(|| List { allow: false, names: vec!["bind".into()] }),
        protect_system: (*dice.pick(&["no", "strict"])).into(),
        address_deny: dice.chance(15).then(any).into_iter().collect(),
        address_allow: dice.chance(20).then(ours).into_iter().collect(),
        interfaces: dice.chance(10).then(|| List { allow: true, names: vec!["lo".into()] }),
        slice: (*dice.pick(&["", "system.slice"])).into(),
        ..Sandbox::default()
    }
}

fn addresses(dice: &mut Dice) -> Addresses {
    let lo = ["127.0.0.1", "::1"];
    let mut all: Vec<LocalAddress> = Vec::new();
    let lo_is_up = dice.chance(90);
    for address in lo.iter().chain(["10.2.0.2", "fd00::2", "10.2.0.3"].iter()) {
        if dice.chance(85) {
            let interface = if lo.contains(address) { "lo" } else { "eth0" };
            all.push(LocalAddress {
                address: address.parse().unwrap(),
                interface: interface.into(),
                ifindex: 1,
                up: interface != "lo" || lo_is_up,
                link_local: false,
                prefix: 24,
            });
        }
    }
    Addresses { all, default_interface: dice.some(|_| "eth0".into()) }
}

fn resolution(dice: &mut Dice, name: String) -> Resolution {
    let hosts_lines = dice.list(2, |d| {
        let address = ip(d);
        HostsLine { line: 3, address, text: format!("{address} {name}") }
    });
    let mut addresses: Vec<IpAddr> = hosts_lines.iter().map(|line| line.address).collect();
    addresses.extend(dice.list(2, ip));
    addresses.dedup();
    Resolution {
        error: addresses.is_empty().then(|| "Name or service not known".into()),
        name,
        addresses,
        hosts_lines,
        nsswitch: None,
        nameservers: Vec::new(),
        beyond_hosts: dice.some(|d| d.list(2, ip)),
        search: Vec::new(),
        servers: dice.list(1, |d| (ip(d), *d.pick(&[ServerSays::Code(3), ServerSays::NotThere, ServerSays::Nothing]))),
    }
}

fn dial(dice: &mut Dice, to: Endpoint) -> Dial {
    const OUTCOMES: [Outcome; 12] = [
        Outcome::Open,
        Outcome::Open,
        Outcome::Refused,
        Outcome::Refused,
        Outcome::Reset,
        Outcome::Closed,
        Outcome::Timeout,
        Outcome::Unreachable,
        Outcome::Denied,
        Outcome::Unresolved,
        Outcome::Silent,
        Outcome::Error,
    ];
    let names = ["Tcp.OutRsts", "TcpExt.ListenOverflows", "TcpExt.ListenDrops"];
    Dial {
        to,
        source: None,
        outcome: *dice.pick(&OUTCOMES),
        errno: None,
        icmp: dice.chance(15).then_some(Icmp { v6: false, kind: 3, code: 3, from: None }),
        after: Duration::from_millis(1),
        retransmits: 0,
        banner: dice.some(|d| (*d.pick(&BANNERS)).into()),
        counters: dice.list(2, |d| Counter { name: (*d.pick(&names)).into(), delta: i64::from(d.chance(50)) }),
    }
}

fn listener(dice: &mut Dice, transport: Transport, port: u16) -> Listener {
    let address = ip(dice);
    Listener {
        transport,
        address,
        port,
        v6only: if address.is_ipv6() { dice.some(|d| d.chance(50)) } else { None },
        device: dice.chance(15).then(|| (*dice.pick(&["lo", "eth0", "eth1"])).into()),
        queue: u32::try_from(dice.below(4)).unwrap(),
        backlog: u32::try_from(dice.below(4)).unwrap(),
        uid: 0,
        inode: u32::try_from(dice.below(6)).unwrap(),
        cgroup: dice.some(|d| d.below(4) as u64),
    }
}

fn owner(dice: &mut Dice) -> Owner {
    let process = |d: &mut Dice| Process {
        pid: u32::try_from(d.below(3)).unwrap(),
        name: (*d.pick(&PROGRAMS)).into(),
        command: (*d.pick(&["", "node /srv/vite", "python3 -m http.server"])).into(),
        started_at: 0,
        started: 0,
    };
    Owner {
        cgroup: None,
        unit: dice.some(|d| (*d.pick(&UNITS)).into()).or_else(|| dice.chance(30).then(|| "init.scope".into())),
        processes: dice.list(1, process),
        partial: dice.chance(20),
    }
}

fn unit(dice: &mut Dice, name: String) -> Unit {
    const STATES: [(&str, &str); 11] = [
        ("active", "running"),
        ("active", "running"),
        ("active", "exited"),
        ("active", "listening"),
        ("inactive", "dead"),
        ("failed", "failed"),
        ("failed", "failed"),
        ("activating", "auto-restart"),
        ("activating", "start-pre"),
        ("deactivating", "stop"),
        ("reloading", "reload"),
    ];
    let (active, sub) = *dice.pick(&STATES);
    let names = |d: &mut Dice| -> Vec<String> { d.list(2, |d| (*d.pick(&UNITS)).into()) };
    Unit {
        names: vec![name.clone()],
        load_state: (*dice.pick(&["loaded", "loaded", "loaded", "not-found", "masked", "bad-setting"])).into(),
        active_state: active.into(),
        sub_state: sub.into(),
        file_state: (*dice.pick(&["enabled", "disabled", "static", "masked", ""])).into(),
        fragment: dice.some(|_| "/lib/systemd/system/x".into()),
        triggered_by: names(dice),
        triggers: names(dice),
        requires: names(dice),
        after: names(dice),
        pulls: names(dice),
        condition_failed: dice.list(1, |_| "ConditionPathExists=/x".into()),
        active_enter_us: dice.below(3) as u64,
        inactive_enter_us: dice.below(3) as u64,
        state_change_us: dice.below(3) as u64,
        needs_reload: dice.chance(20),
        control_group: String::new(),
        cgroup_id: dice.some(|d| d.below(4) as u64),
        job: dice.chance(15).then(|| "start".into()),
        service: name.ends_with(".service").then(|| service(dice, active)),
        socket: name.ends_with(".socket").then(|| socket_unit(dice)),
        sandbox: dice.chance(70).then(|| Box::new(sandbox(dice))),
        name,
        ..Unit::default()
    }
}

fn service(dice: &mut Dice, active: &str) -> Service {
    const RESULTS: [&str; 6] = ["success", "exit-code", "signal", "oom-kill", "start-limit-hit", "timeout"];
    Service {
        kind: (*dice.pick(&["simple", "forking", "notify", "oneshot"])).into(),
        // A start forgets how the run before it ended.
        result: if matches!(active, "active" | "reloading") { "success" } else { dice.pick(&RESULTS) }.into(),
        main_pid: u32::try_from(dice.below(3)).unwrap(),
        exit_code: 1,
        exit_status: 1,
        started_us: dice.below(3) as u64,
        restarts: u32::try_from(dice.below(3)).unwrap(),
        restart: (*dice.pick(&["no", "always"])).into(),
        exec_start: dice
            .list(1, |d| vec!["/usr/bin/app".into(), "--bind".into(), format!("127.0.0.1:{}", d.pick(&PORTS))]),
        user: (*dice.pick(&["", "root", "www-data"])).into(),
        private_network: dice.chance(30),
        ambient_capabilities: *dice.pick(&[0, 1 << 10]),
        ..Service::default()
    }
}

fn socket_unit(dice: &mut Dice) -> SocketUnit {
    SocketUnit {
        listens: dice.list(2, |d| ("Stream".into(), format!("{}:{}", d.pick(&["[::]", "127.0.0.1"]), d.pick(&PORTS)))),
        accept: dice.chance(30),
        result: (*dice.pick(&["success", "trigger-limit-hit", "service-start-limit-hit", "resources"])).into(),
        device: None,
        bind_ipv6_only: "default".into(),
        trigger_limit: None,
    }
}

fn journal(dice: &mut Dice, unit: String) -> Journal {
    let mut at_us = 1_700_000_100_000_000;
    let entries = dice.list(6, |d| {
        at_us += 1_000_000;
        let identifier = (*d.pick(&["systemd", "nginx", "sshd", "postgres"])).to_owned();
        let message = if identifier == "systemd" && d.chance(40) { "Starting x..." } else { *d.pick(&LINES) };
        Entry { at_us, priority: 6, identifier, pid: 1, message: message.into() }
    });
    Journal { unit, entries, ran_before_this_boot: dice.some(|d| d.chance(50)) }
}

fn claim(dice: &mut Dice, port: u16) -> Claim {
    const SOURCES: [ClaimSource; 5] = [
        ClaimSource::UnitFile,
        ClaimSource::SocketUnit,
        ClaimSource::Config,
        ClaimSource::DefaultPort,
        ClaimSource::EtcServices,
    ];
    Claim {
        unit: dice.chance(85).then(|| (*dice.pick(&UNITS)).into()),
        daemon: dice.some(|d| *d.pick(&Daemon::ALL)),
        program: (*dice.pick(&PROGRAMS)).into(),
        source: *dice.pick(&SOURCES),
        origin: None,
        listen: dice.some(|d| configured(d, port)),
    }
}

fn configured(dice: &mut Dice, port: u16) -> ConfiguredListen {
    let addresses = [
        ListenAddress::Ip(ip(dice)),
        ListenAddress::Ip(ip(dice)),
        ListenAddress::Any,
        ListenAddress::Name("localhost".into()),
        ListenAddress::Path("/run/x.sock".into()),
    ];
    ConfiguredListen {
        address: dice.pick(&addresses).clone(),
        port: Some(port),
        v6only: dice.some(|d| d.chance(50)),
        address_set_by: dice.some(origin),
        port_set_by: dice.some(origin),
    }
}

fn origin(dice: &mut Dice) -> Origin {
    Origin { file: "/etc/x.conf".into(), line: 3, text: format!("listen {}", dice.pick(&ADDRESSES)) }
}

fn config(dice: &mut Dice, daemon: Daemon) -> DaemonConfig {
    DaemonConfig {
        daemon,
        unit: dice.some(|d| (*d.pick(&UNITS)).into()),
        listens: dice.list(3, |d| {
            let port = *d.pick(&PORTS);
            configured(d, port)
        }),
        silenced_by: dice.list(1, origin),
        files: dice.list(1, |_| "/etc/x.conf".into()),
        gaps: Vec::new(),
        beyond: beyond(dice),
    }
}

/// What servers say first.
const BANNERS: [&str; 5] = [
    "SSH-2.0-x",
    "-DENIED Redis is running in protected mode because",
    "j\u{4}Host '10.2.0.2' is not allowed to connect to this MariaDB server",
    "Exceeded MaxStartups\r\n",
    "Not allowed at this time\r\n",
];

fn beyond(dice: &mut Dice) -> Beyond {
    let name = *dice.pick(&["protected-mode", "requirepass", "maxstartups"]);
    let setting = |d: &mut Dice| Setting { name: name.into(), value: (*d.pick(&["yes", "no"])).into(), by: origin(d) };
    Beyond { settings: dice.list(1, setting), ..Beyond::default() }
}

fn unix_socket(dice: &mut Dice, path: String) -> UnixSocket {
    let there = UnixFile::There {
        kind: (*dice.pick(&["socket", "socket", "directory"])).into(),
        mode: 0o660,
        uid: 0,
        user: None,
        gid: 0,
        group: Some("shop".into()),
        writable: dice.chance(70),
    };
    let missing = UnixFile::Missing { missing: path.clone() };
    let kinds = if path.starts_with('@') {
        vec![UnixFile::Abstract]
    } else {
        vec![there, missing, UnixFile::Hidden { at: "/run".into() }]
    };
    let bound = |d: &mut Dice| UnixBound {
        kind: "stream".into(),
        listening: d.chance(70),
        inode: u32::try_from(d.below(6)).unwrap(),
        queue: 0,
        backlog: 1,
    };
    UnixSocket { file: dice.pick(&kinds).clone(), bound: dice.list(1, bound), path }
}

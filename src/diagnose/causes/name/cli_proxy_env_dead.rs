//! Programs are told to use a proxy, and the proxy itself does not answer.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::proxy::{Used, of_unit, used};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::proxy::{ProxySetting, SetIn};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;
use crate::fixes::{self, Plan};

/// Services that ask others by a proxy, and complain when it is gone.
const ASKING: [&str; 3] = ["docker.service", "containerd.service", "snapd.service"];
const FAILS: [Outcome; 4] = [Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Reset];

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-proxy-env-dead",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Reset, Outcome::Open],
    words: Words {
        title: "A proxy is set, and nothing answers there",
        what: "Programs that find http_proxy, https_proxy or ALL_PROXY in their environment connect to the proxy and not to \
               the target, so everything is \"refused\" at an address that nobody typed (127.0.0.1:3128). Each program has \
               the environment it was started with: a service that of its unit, apt its own setting.",
        see: "env | grep -i _proxy\ntr '\\0' '\\n' < /proc/PID/environ | grep -i _proxy\ngrep -i proxy /etc/environment\ngrep -r \
              Proxy /etc/apt/apt.conf.d\ncurl -v URL",
        fix: "unset the variable, or start the proxy, or name the target in no_proxy; for a service a drop-in with \
              UnsetEnvironment=",
        undo: "set it again; take the drop-in out",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if scene.subject.transport != Transport::Tcp || scene.subject.path.is_some() {
        return None;
    }
    of_those_used(scene).or_else(|| asked_itself(scene))
}

/// Clients ask for the target by a proxy. This program does not: what it gets itself is none of the proxy's doing, so the
/// proxy is to blame only where the direct way works.
fn of_those_used(scene: &Scene<'_, '_>) -> Option<Found> {
    let all = used(scene.look, scene.subject)?;
    let (proxy, dial) = all.iter().find_map(|proxy| {
        let dial = scene.look.dialled(proxy.at.as_ref()?)?;
        FAILS.contains(&dial.outcome).then_some((proxy, dial))
    })?;
    let place = place(proxy.setting, proxy.by);
    let at = proxy.setting.shown();
    let (name, got) = (&proxy.setting.name, dial.outcome.word());
    let summary = format!("programs here that go by it ask {at} first ({name} {place}), which is {got}");
    let mut found = Found::new(&at, summary).seen(set(proxy)).seen(tried(dial));
    found.latent = scene.outcome()? != Outcome::Open;
    Some(with_fixes(found, proxy))
}

/// The target is itself a proxy that something here is told to use.
fn asked_itself(scene: &Scene<'_, '_>) -> Option<Found> {
    let (look, subject) = (scene.look, scene.subject);
    let (address, port) = (subject.address()?, subject.port.filter(|_| subject.unit.is_none())?);
    let dial = look.dialled(&subject.endpoint()?)?;
    if !FAILS.contains(&dial.outcome) {
        return None;
    }
    let is_meant = |setting: &ProxySetting| {
        setting.port == port
            && (subject.host.as_ref() == Some(&setting.host)
                || setting.host.parse::<IpAddr>().is_ok_and(|ip| ip == address)
                || setting.host == "localhost" && address.is_loopback())
    };
    let own = look.proxies(0)?.settings.iter().find(|setting| is_meant(setting));
    let proxy = match own {
        Some(setting) => Used { setting, at: subject.endpoint(), by: None },
        None => of_services(scene)?.into_iter().find(|used| is_meant(used.setting))?,
    };
    // One of this host's services that is only down is what is wrong.
    let down = subject.local? && is_down(scene)?;
    let place = place(proxy.setting, proxy.by);
    let whose = proxy.by.map_or_else(|| "programs here".to_owned(), |unit| unit.name.clone());
    let at = proxy.setting.shown();
    let summary = format!("{at} is the proxy that {whose} are told to use ({} {place})", proxy.setting.name);
    let mut found = Found::new(&at, summary).seen(set(&proxy));
    found.latent = down;
    Some(with_fixes(found.seen(tried(dial)), &proxy))
}

fn of_services<'a>(scene: &Scene<'a, '_>) -> Option<Vec<Used<'a>>> {
    let mut all = Vec::new();
    for name in ASKING {
        all.extend(of_unit(scene.look, scene.look.unit(name)?)?);
    }
    Some(all)
}

/// Is a unit meant to serve it? None: not known (yet).
fn is_down(scene: &Scene<'_, '_>) -> Option<bool> {
    let claims = scene.look.claims(scene.subject.transport, scene.subject.port?)?;
    for name in claims.claims.iter().filter_map(|claim| claim.unit.as_deref()) {
        if scene.look.unit(name)?.exists() {
            return Some(true);
        }
    }
    Some(false)
}

fn place(setting: &ProxySetting, by: Option<&Unit>) -> String {
    match (&setting.set_in, by) {
        (SetIn::File { file, line }, _) => format!("in {file}:{line}"),
        (SetIn::Environment, Some(unit)) => format!("in the environment of {}", unit.name),
        (SetIn::Environment, None) => "in the environment".into(),
        (SetIn::Caller, _) => "in the environment of whoever called sudo".into(),
    }
}

fn set(proxy: &Used<'_>) -> Evidence {
    let says = format!("{} is {} {}", proxy.setting.name, proxy.setting.shown(), place(proxy.setting, proxy.by));
    match (&proxy.setting.set_in, proxy.by) {
        (SetIn::File { file, line }, _) => Evidence::new("config", says, format!("sed -n {line}p {}", arg(file))),
        (_, Some(unit)) => {
            let pid = unit.service.as_ref().map_or(0, |service| service.main_pid);
            Evidence::new("procfs", says, format!("tr '\\0' '\\n' < /proc/{pid}/environ | grep -i _proxy"))
        }
        (_, None) => Evidence::new("environment", says, "env | grep -i _proxy"),
    }
}

fn tried(dial: &Dial) -> Evidence {
    let see = match &dial.to {
        Endpoint::Tcp(at) => format!("nc -vz {} {}", at.ip(), at.port()),
        Endpoint::Udp(_) | Endpoint::Unix(_) | Endpoint::Abstract(_) => "unrefuse check".into(),
    };
    Evidence::new("dial", format!("{} is {}", dial.to, dial.outcome.word()), see)
}

fn with_fixes(found: Found, proxy: &Used<'_>) -> Found {
    let (setting, at) = (proxy.setting, proxy.setting.shown());
    let start =
        Advice::new("or start the proxy, or find out why it does not answer", format!("unrefuse check {at}"), None);
    if let Some(unit) = proxy.by {
        let title = format!("let {} do without the proxy", unit.name);
        let text = "[Service]\nUnsetEnvironment=http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY\n";
        let plan = Plan::new("without-proxy", title)
            .warn("where nothing gets out but by a proxy, it then gets nowhere: correct the address in that case");
        return found.fix(fixes::unit::with_drop_in(plan, unit, "proxy", text)).advise(start);
    }
    let name = &setting.name;
    let advice = match &setting.set_in {
        SetIn::Environment | SetIn::Caller => {
            let undo = format!("export {}=http://{at}", arg(name));
            Advice::new("do without the proxy in this shell", format!("unset {}", arg(name)), Some(&undo))
        }
        SetIn::File { file, line } => Advice::new(
            format!("take the setting out of {file}; sessions that are open keep what they have"),
            format!("edit {file}:{line}: take it out"),
            Some(&format!("edit {file}:{line}: put it back")),
        ),
    };
    found.advise(advice).advise(start)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::proxy::{Proxies, ProxySetting, SetIn};

    const ID: &str = "cli-proxy-env-dead";
    const LO: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn proxies(port: u16, set_in: SetIn) -> Proxies {
        let setting = ProxySetting { name: "https_proxy".into(), host: "127.0.0.1".into(), port, set_in };
        Proxies { settings: vec![setting], except: vec!["spared.example".into()] }
    }

    fn with(host: Host, pid: u32, proxies: Proxies) -> Host {
        host.facts(|f| {
            f.proxies.insert(pid, Reading::known(proxies));
        })
    }

    fn at_proxy() -> Host {
        Host::refusing(3128).target("127.0.0.1:3128").dial(LO, Outcome::Refused)
    }

    #[test]
    fn the_address_of_the_complaint_is_a_proxy() {
        let file = SetIn::File { file: "/etc/environment".into(), line: 4 };
        let told = assert_culprit(&with(at_proxy(), 0, proxies(3128, file)).case(), ID);
        let finding = &told.causes[0];
        assert!(finding.summary.contains("(https_proxy in /etc/environment:4)"), "{}", finding.summary);
        assert_eq!(finding.evidence[0].see, "sed -n 4p /etc/environment");
        assert_not_found(&with(at_proxy(), 0, proxies(3129, SetIn::Environment)).case(), ID);
    }

    #[test]
    fn a_proxy_of_this_host_that_is_down_is_that() {
        let host = at_proxy().claimed_by("squid.service").unit("squid.service", |_| ());
        let told = assert_found(&with(host, 0, proxies(3128, SetIn::Environment)).case(), ID);
        assert_eq!(told.culprit, Some("svc-not-running"));
    }

    #[test]
    fn a_service_that_complains_is_told_to_do_without() {
        let host = with(at_proxy().running("docker.service"), 812, proxies(3128, SetIn::Environment));
        let told = assert_culprit(&host.case(), ID);
        let plan = told.causes[0].plans().next().unwrap();
        assert_eq!(plan.id, "without-proxy");
        assert!(plan.commands().contains("UnsetEnvironment=http_proxy"), "{}", plan.commands());
    }

    #[test]
    fn a_url_is_asked_by_the_proxy() {
        let url = |target: &str, direct: Outcome| {
            let host = Host::with_outcome(443, Outcome::Open).named("shop.example", &["192.0.2.7"], |_| ());
            let host = host.named("spared.example", &["192.0.2.7"], |_| ()).target(target);
            let host = host.dial("192.0.2.7".parse().unwrap(), direct).facts(|f| {
                let refused = crate::diagnose::causes::testing::dialled("127.0.0.1:3128", Outcome::Refused);
                f.dials.insert(refused.to.clone(), Reading::known(refused));
            });
            with(host, 0, proxies(3128, SetIn::Environment)).case()
        };
        let host = |target: &str| url(target, Outcome::Open);
        let told = assert_culprit(&host("https://shop.example/"), ID);
        assert_eq!(told.outcome, Some(Outcome::Open), "the target itself answers");
        assert_not_found(&host("https://spared.example/"), ID);
        assert_not_found(&host("shop.example:443"), ID);
        assert_not_found(&host("http://shop.example:443/"), ID);
        for direct in [Outcome::Refused, Outcome::Timeout] {
            let told = assert_found(&url("https://shop.example/", direct), ID);
            assert_ne!(told.culprit, Some(ID), "this program asked without the proxy");
            assert!(told.causes.iter().any(|found| found.cause == ID && found.latent), "{told:#?}");
        }
    }

    #[test]
    fn how_a_unit_asks_others_does_not_matter_to_who_asks_it() {
        let host = Host::refusing(443).target("app.service").running("app.service").claimed_by("app.service");
        let host = with(host, 812, proxies(3128, SetIn::Environment)).facts(|f| {
            let refused = crate::diagnose::causes::testing::dialled("127.0.0.1:3128", Outcome::Refused);
            f.dials.insert(refused.to.clone(), Reading::known(refused));
        });
        assert_not_found(&host.case(), ID);
    }
}

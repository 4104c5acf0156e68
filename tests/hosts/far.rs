//! Both ends of a connection, asked over real ssh between two booted hosts.

use libtest_mimic::Trial;
use serde_json::Value;

use crate::cmd::{Step, ok};
use crate::host::{Diagnosis, Host, PROGRAM_INSIDE, Powers};
use crate::lab::Lab;
use crate::scenario::shared_root;
use crate::trial::trial;

type Play = fn() -> Step;

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let named = |(name, play): &(&str, Play)| {
        let play = *play;
        trial(format!("far::{name}"), missing, play)
    };
    let all: [(&str, Play); 3] = [
        ("the-server-elsewhere", server_elsewhere),
        ("the-client-elsewhere", client_elsewhere),
        ("an-end-that-cannot-be-asked", not_asked),
    ];
    all.iter().map(named).collect()
}

/// Two hosts, each of which may log into the other as root.
struct Two {
    lab: Lab,
    client: Host,
    server: Host,
}

fn two() -> Step<Two> {
    let lab = Lab::new()?;
    let server = lab.boot_server(shared_root()?, Powers::Usual, |_| Ok(()))?;
    let client = lab.boot_client(shared_root()?)?;
    client.sh("mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")?;
    let (private, public) =
        (client.read(&["cat", "/root/.ssh/id_ed25519"])?, client.read(&["cat", "/root/.ssh/id_ed25519.pub"])?);
    for host in [&client, &server] {
        host.write("/root/.ssh/id_ed25519", &private)?;
        host.write("/root/.ssh/authorized_keys", &public)?;
        host.write("/root/.ssh/config", "Host *\n    StrictHostKeyChecking accept-new\n")?;
        host.sh("chmod -R go= /root/.ssh")?;
        // Login shells that talk, and that are no POSIX shells, are met every day.
        host.sh("sed -i '1iecho mind the step' /root/.bashrc")?;
        host.run(&["systemctl", "start", "ssh"])?;
    }
    Ok(Two { lab, client, server })
}

/// Checks outcome and culprit, and where the first symptom was seen.
fn expect(told: &Diagnosis, outcome: &str, culprit: &[&str]) -> Step {
    let word = |at: &str| told.json.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let said = (word("/outcome"), word("/culprit"), word("/symptoms/0/from"));
    let fits = culprit.is_empty() && said.1.is_none() || culprit.iter().any(|id| said.1.as_deref() == Some(*id));
    if said.0.as_deref() == Some(outcome) && fits && said.2.as_deref() == Some("client") {
        return Ok(());
    }
    Err(format!("expected {outcome} by {culprit:?} as the client sees it, got {said:?}:\n{}", told.printed))
}

const SERVER: &str = "ssh://root@10.2.0.2";

fn server_elsewhere() -> Step {
    let Two { lab, client, server } = two()?;
    let check = |target: &str| client.check("root", &[target, "--server", SERVER]);

    server.run(&["systemctl", "start", "redis-server"])?;
    expect(&check("10.2.0.2:6379")?, "refused", &["bind-loopback-only"])?;

    server.run(&["systemctl", "start", "nginx"])?;
    let healthy = check("80")?;
    expect(&healthy, "open", &[])?;
    if healthy.exit != 0 {
        return Err(format!("a healthy target ends with {}", healthy.exit));
    }

    // By the server's own rules.
    server.sh("nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'")?;
    server.sh("nft add rule inet f in ip saddr 10.1.0.2 tcp dport 80 drop")?;
    expect(&check("10.2.0.2:80")?, "timeout", &["fw-input-drop"])?;
    server.sh("nft delete table inet f")?;

    // By somebody between both.
    let rules =
        "table inet mid { chain f { type filter hook forward priority 0; tcp dport 80 reject with tcp reset; }; }";
    ok(&mut lab.command_at("router", &["nft", rules]))?;
    let between = check("10.2.0.2:80")?;
    expect(&between, "refused", &["path-middlebox-reset", "fw-upstream"])?;
    ok(&mut lab.command_at("router", &["nft", "delete", "table", "inet", "mid"]))?;

    // A host without the program gets it for as long as it is asked.
    server.sh("echo 'SetEnv PATH=/usr/bin:/bin' >>/etc/ssh/sshd_config; systemctl restart ssh")?;
    expect(&check("10.2.0.2:6379")?, "refused", &["bind-loopback-only"])?;
    server.wait("! ls -d /tmp/tmp.* && ! pgrep -f [a]nswer-questions")
}

fn client_elsewhere() -> Step {
    let Two { lab: _lab, client: _client, server } = two()?;
    server.run(&["systemctl", "start", "nginx"])?;
    let check = |target: &str| server.check("root", &[target, "--client", "ssh://root@10.1.0.2"]);
    expect(&check("80")?, "open", &[])?;
    server.sh("nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'")?;
    server.sh("nft add rule inet f in ip saddr 10.1.0.2 tcp dport 80 reject")?;
    expect(&check("nginx")?, "refused", &["fw-input-reject"])?;
    // Both ends in one recording, which can be told again elsewhere.
    server.run(&[PROGRAM_INSIDE, "record", "80", "--client", "ssh://root@10.1.0.2", "-o", "/root/both.json"])?;
    expect(&server.check("root", &["--replay", "/root/both.json"])?, "refused", &["fw-input-reject"])
}

/// Nobody there, a wrong key, an ssh that dies: what this end knows is told all the same, in time.
fn not_asked() -> Step {
    let Two { lab: _lab, client, server } = two()?;
    server.run(&["systemctl", "start", "nginx"])?;
    let silent = |told: &Diagnosis, why: &str| {
        let boxes = told.json.pointer("/boxes").and_then(Value::as_array).cloned().unwrap_or_default();
        let is = |state: &Value, key: &str, value: &str| state.get(key).and_then(Value::as_str) == Some(value);
        let grey = boxes.iter().find(|b| is(b, "id", "service") && is(b, "verdict", "unknown"));
        let because = grey.and_then(|b| b.get("because")?.as_str()).unwrap_or_default().to_owned();
        if because.contains(why) { Ok(()) } else { Err(format!("expected {why:?} in {because:?}:\n{}", told.printed)) }
    };
    let told = client.check("root", &["10.2.0.2:80", "--server", "ssh://root@10.2.0.2:2222"])?;
    silent(&told, "Connection refused")?;
    expect(&told, "open", &[])?;
    server.sh("rm /root/.ssh/authorized_keys")?;
    silent(&client.check("root", &["10.2.0.2:80", "--server", SERVER])?, "Permission denied")?;
    let odd = client.check("root", &["10.2.0.2:80", "--server", "ssh://-oProxyCommand=touch /tmp/x"])?;
    if odd.exit == 2 { Ok(()) } else { Err(format!("it is an error of input:\n{}", odd.printed)) }
}

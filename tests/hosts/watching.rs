//! `unrefuse watch` on real hosts: services, rules and packages come and go while it dials, and it says what went with
//! each failure, or that nothing known did.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::cmd::{Step, While};
use crate::host::{Host, PROGRAM_INSIDE, Powers};
use crate::lab::Lab;
use crate::needs;
use crate::scenario::{nothing, shared_root};
use crate::trial::trial;

type Play = fn(&Host) -> Step;

/// What is played, and whether it needs a memory controller.
const PLAYED: [(&str, Play, bool); 8] = [
    ("nginx-restarted-by-systemctl", restarted, false),
    ("package-with-a-restart", upgraded, false),
    ("flapping", flapping, false),
    ("rule-for-a-while", rule, false),
    ("out-of-memory", out_of_memory, true),
    ("timer", timer, false),
    ("nothing-known", nothing_known, false),
    ("hostile-names", hostile, false),
];

/// The trials of this file.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let named = |(name, play, memory): &(&'static str, Play, bool)| {
        let no_memory = (*memory && !needs::memory_can_be_limited())
            .then_some("the unified control groups of this machine have no memory controller");
        let play = *play;
        trial(format!("watch::{name}"), missing.or(no_memory), move || on_a_host(play))
    };
    PLAYED.iter().map(named).collect()
}

fn on_a_host(play: Play) -> Step {
    let lab = Lab::new()?;
    let host = lab.boot_server(shared_root()?, Powers::Usual, nothing)?;
    play(&host)
}

/// A watch under way.
struct Watch {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    lines: Vec<Value>,
}

/// Begins to watch, and waits until the first attempt was made.
fn begin(host: &Host, words: &[&str]) -> Step<Watch> {
    let mut command = host.inside(&[&[PROGRAM_INSIDE, "watch", "--json", "--every", "0.4"], words].concat());
    let mut child = command.stdout(Stdio::piped()).spawn().while_("starting to watch")?;
    let out = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut watch = Watch { child, out, lines: Vec::new() };
    while !watch.lines.iter().any(|line| line["event"] == "state") {
        if !watch.next()? {
            return Err(format!("it ended at once: {:?}", watch.lines));
        }
    }
    Ok(watch)
}

/// What a watch told.
struct Told {
    lines: Vec<Value>,
    exit: i32,
}

impl Watch {
    fn next(&mut self) -> Step<bool> {
        let mut line = String::new();
        if self.out.read_line(&mut line).while_("reading what is told")? == 0 {
            return Ok(false);
        }
        let line: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        if line["schema"] != "unrefuse.watch/1" {
            return Err(format!("another schema: {line}"));
        }
        self.lines.push(line);
        Ok(true)
    }

    fn end(mut self) -> Step<Told> {
        while self.next()? {}
        let exit = self.child.wait().while_("waiting for the end")?.code().unwrap_or(-1);
        Ok(Told { lines: self.lines, exit })
    }
}

impl Told {
    fn summary(&self) -> &Value {
        self.lines.last().unwrap_or(&Value::Null)
    }

    fn outages(&self) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["event"] == "outage").collect()
    }

    /// The first outage goes with this first of all.
    fn first_is(&self, proof: &str, words: &[&str]) -> Step {
        let outages = self.outages();
        let first = outages.first().map_or(&Value::Null, |outage| &outage["with"][0]);
        let says = first["says"].as_str().unwrap_or_default();
        if first["proof"] != proof || !words.iter().all(|word| says.contains(word)) {
            return Err(format!("not {proof} with {words:?}: {}", self.all()));
        }
        self.ends(1)
    }

    fn ends(&self, exit: i32) -> Step {
        let told = self.summary()["exit"].as_i64();
        if self.exit == exit && told == Some(i64::from(exit)) && self.summary()["event"] == "summary" {
            return Ok(());
        }
        Err(format!("ended with {}, told {told:?}: {}", self.exit, self.all()))
    }

    fn all(&self) -> String {
        self.lines.iter().fold(String::new(), |all, line| format!("{all}\n  {line}"))
    }
}

/// A service that takes two seconds to come up.
const SHOP: &str = "[Service]\nExecStartPre=/bin/sleep 2\nExecStart=/usr/bin/python3 -m http.server 8000\n";

fn shop(host: &Host, more: &str) -> Step {
    host.unit("shop.service", &format!("{SHOP}{more}"))?;
    host.run(&["systemctl", "start", "shop"])?;
    host.wait("ss -Hltn 'sport = :8000' | grep -q .")
}

fn restarted(host: &Host) -> Step {
    host.unit("nginx.service.d/slow.conf", "[Service]\nExecStartPre=/bin/sleep 2\n")?;
    host.run(&["systemctl", "restart", "nginx"])?;
    let watch = begin(host, &["80", "--for", "9"])?;
    host.run(&["systemctl", "restart", "nginx"])?;
    let told = watch.end()?;
    told.first_is("shown", &["nginx.service was restarted"])?;
    if told.outages().len() != 1 || told.summary()["failed_share"].as_f64().is_none_or(|share| share <= 0.0) {
        return Err(told.all());
    }
    // The past tells the same without an attempt.
    let past = host.program("root", &["watch", "nginx", "--since", "-10m", "--no-dial"])?;
    if past.code != 1 || !past.stdout.contains("not running") || !past.stdout.contains("nginx.service was restarted") {
        return Err(format!("{}: {}{}", past.code, past.stdout, past.stderr));
    }
    // And a check of the target that answers again remarks it.
    let check = host.check("root", &["80"])?;
    if check.exit != 0 || !check.printed.contains("nginx.service was down") {
        return Err(check.printed);
    }
    Ok(())
}

/// A package whose maintainer script restarts its service.
fn upgraded(host: &Host) -> Step {
    shop(host, "")?;
    host.write(
        "/tmp/shop/DEBIAN/control",
        "Package: shop\nVersion: 2\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a shop\n",
    )?;
    host.write("/tmp/shop/DEBIAN/postinst", "#!/bin/sh\nset -e\nsystemctl restart shop.service\n")?;
    host.sh("chmod 755 /tmp/shop/DEBIAN/postinst; dpkg-deb -b /tmp/shop /tmp/shop.deb >/dev/null")?;
    let watch = begin(host, &["8000", "--for", "11"])?;
    host.run(&["dpkg", "-i", "/tmp/shop.deb"])?;
    let told = watch.end()?;
    told.first_is("shown", &["shop.service was restarted by dpkg (install shop)"])
}

fn flapping(host: &Host) -> Step {
    let unit = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=2\n\
                ExecStart=/usr/bin/timeout 3 /usr/bin/python3 -m http.server 8000\n";
    host.unit("shop.service", unit)?;
    host.run(&["systemctl", "start", "shop"])?;
    host.wait("ss -Hltn 'sport = :8000' | grep -q .")?;
    let told = begin(host, &["8000", "--for", "14"])?.end()?;
    told.first_is("shown", &["shop.service ended", "was restarted by systemd (Restart=)"])?;
    if told.outages().len() < 2 { Err(told.all()) } else { Ok(()) }
}

fn rule(host: &Host) -> Step {
    host.run(&["systemctl", "start", "nginx"])?;
    let watch = begin(host, &["80", "--for", "8"])?;
    host.sh("nft add table inet ban; nft 'add chain inet ban in { type filter hook input priority 0; }'; \
             nft add rule inet ban in tcp dport 80 reject with tcp reset; sleep 3; nft delete table inet ban")?;
    let told = watch.end()?;
    told.first_is("fits", &["the packet filter's rules were changed by nft", "as it ended"])
}

fn out_of_memory(host: &Host) -> Step {
    shop(host, "MemoryMax=40M\nMemorySwapMax=0\nRestart=always\nRestartSec=2\n")?;
    let watch = begin(host, &["8000", "--for", "12"])?;
    host.sh("echo $$ >/sys/fs/cgroup$(systemctl show -p ControlGroup --value shop)/cgroup.procs; \
             exec python3 -c 'x = [bytes(1 << 20) for _ in range(400)]' || true")?;
    watch.end()?.first_is("shown", &["shop.service", "memory (OOM)"])
}

fn timer(host: &Host) -> Step {
    shop(host, "")?;
    host.unit("again.service", "[Service]\nType=oneshot\nExecStart=/bin/systemctl restart shop.service\n")?;
    host.unit("again.timer", "[Timer]\nOnCalendar=*:*:0/6\nAccuracySec=10ms\n")?;
    host.run(&["systemctl", "start", "again.timer"])?;
    let told = begin(host, &["8000", "--for", "30"])?.end()?;
    told.first_is("shown", &["shop.service was restarted"])?;
    let period = &told.summary()["period"];
    let every = period["every_ms"].as_u64().unwrap_or_default();
    let named = period["with"].as_str().is_some_and(|with| with.contains("again.timer"));
    if named && (5_000..7_000).contains(&every) { Ok(()) } else { Err(told.all()) }
}

/// A program that no unit knows closes its listener for a while.
fn nothing_known(host: &Host) -> Step {
    const PROGRAM: &str = "import socket, time
def listen():
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('0.0.0.0', 8000)); s.listen(64); return s
s = listen()
time.sleep(14); s.close(); time.sleep(2); s = listen(); time.sleep(60)
";
    host.write("/tmp/shop.py", PROGRAM)?;
    host.sh("setsid python3 /tmp/shop.py >/dev/null 2>&1 </dev/null &")?;
    host.wait("ss -Hltn 'sport = :8000' | grep -q .")?;
    let told = begin(host, &["8000", "--for", "19"])?.end()?;
    if told.outages().len() != 1 {
        return Err(told.all());
    }
    told.ends(3)
}

/// Names that a terminal would obey never reach it as they are.
fn hostile(host: &Host) -> Step {
    shop(host, "")?;
    host.append("/var/log/dpkg.log", "")?;
    let mut text = host.inside(&[PROGRAM_INSIDE, "watch", "8000", "--every", "0.4", "--for", "8"]);
    let mut child = text.stdout(Stdio::piped()).spawn().while_("starting to watch")?;
    host.wait("pgrep -f 'journalctl.*--follow' >/dev/null")?;
    host.sh(r#"printf '%s startup archives unpack\n%s install e\033]52;c;x\007vil:all <none> 1\n' \
               "$(date '+%F %T')" "$(date '+%F %T')" >>/var/log/dpkg.log; systemctl restart shop"#)?;
    let mut told = String::new();
    let mut out = child.stdout.take().ok_or("no output")?;
    out.read_to_string(&mut told).while_("reading what is told")?;
    child.wait().while_("waiting for the end")?;
    let safe = !told.contains(['\u{1b}', '\u{7}']);
    if safe && told.contains("vil") && told.contains("shop.service was restarted") { Ok(()) } else { Err(told) }
}

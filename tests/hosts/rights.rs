//! An ordinary user changes a host through a real sudo: what it lets through is done, and nothing else.

use std::time::Duration;

use libtest_mimic::Trial;
use unrefuse::apply::rights::order::{Job, Order, PROTOCOL, Wanted};
use unrefuse::facts::recording::Recording;
use unrefuse::fixes::action::{Action, Create, Verb};
use unrefuse::fixes::{MadeOn, Plan};

use crate::cmd::{Ran, Step, While, wait_until};
use crate::fixing::Snapshot;
use crate::host::{Host, PROGRAM_INSIDE};
use crate::lab::Lab;
use crate::pty::{ENTER, LEAVE, Pty};
use crate::scenarios;
use crate::trial::trial;

/// Two may have this program do one plan as root, one of them only with a password; the third may nothing.
const USERS: &str = r"
for user in ops clerk stranger; do useradd --create-home --shell /bin/sh $user; done
echo clerk:secret | chpasswd
echo stranger:secret | chpasswd
echo 'ops ALL=(root) NOPASSWD: /usr/local/bin/unrefuse apply-plan' >/etc/sudoers.d/unrefuse
echo 'clerk ALL=(root) /usr/local/bin/unrefuse apply-plan' >>/etc/sudoers.d/unrefuse
chmod 440 /etc/sudoers.d/unrefuse
";

/// What is done in each trial; the plan is always the same.
const PLAN: &str = "unmask-unit";
const FIX: &[&str] = &["fix", "80", "--plan", PLAN];
type Play = fn(&Host) -> Step;
const ALL: [(&str, Play); 7] = [
    ("without-a-password", without_a_password),
    ("password-on-the-screen", password_on_the_screen),
    ("wrong-password", wrong_password),
    ("interrupted-password", interrupted_password),
    ("refused", refused),
    ("tampered", tampered),
    ("killed", killed),
];

/// One for each.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let named = |(name, play): &(&'static str, Play)| {
        let play = *play;
        trial(format!("rights::{name}"), missing, move || prepared(play))
    };
    ALL.iter().map(named).collect()
}

fn prepared(play: Play) -> Step {
    let scenario = scenarios::named("svc-masked", "nginx")?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    host.sh(USERS)?;
    (scenario.break_it)(&host)?;
    play(&host)
}

fn without_a_password(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let ran = host.program("ops", &[FIX, &["--yes"]].concat())?;
    expect(&ran, 0, &["kept as entry 1", "80 is open"])?;
    let who = host.program("root", &["history"])?.stdout;
    if !who.contains("ops as root") {
        return Err(format!("the history does not say who it was:\n{who}"));
    }
    expect(&host.program("ops", &["undo"])?, 0, &["entry 1 is undone"])?;
    unchanged(host, &before)
}

fn password_on_the_screen(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let mut screen = asked_for_password(host);
    // Ctrl-Z: no shell here could bring sudo back. It asks again.
    screen.within(Duration::from_secs(1));
    screen.send("\u{1a}");
    screen.wait_for("password for clerk");
    // Keys of the screen are no keys while somebody asks.
    screen.send("secret\n");
    screen.wait_for(ENTER);
    screen.wait_until_shown("It works. Keep it?");
    screen.send("y");
    screen.wait_until_shown("kept, as entry 1");
    screen.send("\r");
    screen.wait_until_shown("OPEN");
    screen.send("u");
    screen.wait_until_shown("Undo it?");
    screen.send("y");
    // sudo knows the terminal and asks no more.
    screen.wait_until_shown("entry 1 is undone");
    screen.send("\r");
    screen.wait_until_shown("svc-masked");
    screen.send("q");
    ended(&mut screen)?;
    unchanged(host, &before)
}

fn wrong_password(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let mut screen = asked_for_password(host);
    for _ in 0..2 {
        screen.send("wrong\n");
        screen.wait_for("try again");
        screen.wait_for("password for clerk");
    }
    screen.send("wrong\n");
    back_again(&mut screen)?;
    unchanged(host, &before)
}

fn interrupted_password(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let mut screen = asked_for_password(host);
    screen.send("sec");
    // sudo does not heed a signal that comes before it reads.
    screen.within(Duration::from_secs(1));
    screen.send("\u{3}");
    back_again(&mut screen)?;
    unchanged(host, &before)
}

/// The screen is there again, says that nothing was changed and what would do it, and works.
fn back_again(screen: &mut Pty) -> Step {
    screen.wait_for(ENTER);
    screen.wait_until_shown("nothing was changed: sudo did not let it through");
    screen.wait_until_shown("by hand, as root: unrefuse fix 80 --plan unmask-unit");
    screen.send("\r");
    screen.wait_until_shown("What to do");
    screen.send("q");
    ended(screen)
}

/// Nobody can be asked, nobody may, or there is nobody to ask: it is said, with what would do it by hand.
fn refused(host: &Host) -> Step {
    let by_hand = "by hand, as root: unrefuse fix 80 --plan unmask-unit";
    let before = Snapshot::of(host)?;
    for user in ["clerk", "stranger"] {
        let ran = host.program(user, &[FIX, &["--yes"]].concat())?;
        expect(&ran, 2, &["sudo did not let it through: sudo: a password is required", by_hand])?;
    }
    let mut terminal = on_terminal(host, "stranger", &[FIX, &["--yes"]].concat());
    terminal.wait_for("password for stranger");
    terminal.send("secret\n");
    terminal.wait_for("not in the sudoers file");
    terminal.wait_for(by_hand);
    if terminal.end().code() != Some(2) {
        return Err("a refusal by sudo does not end with 2".into());
    }
    host.sh("mv /usr/bin/sudo /root/sudo; rm -f /usr/bin/pkexec")?;
    let ran = host.program("ops", &[FIX, &["--yes"]].concat())?;
    expect(&ran, 2, &["takes root, and there is no sudo, run0, pkexec here that works", by_hand])?;
    host.sh("mv /root/sudo /usr/bin/sudo")?;
    expect(&host.program("ops", &["apply-plan"])?, 2, &["for root only"])?;
    unchanged(host, &before)
}

/// The side that is root does what it would propose itself, whatever is ordered.
fn tampered(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let good = planned(host)?;
    let mut orders: Vec<(&str, &str, Order)> = Vec::new();
    let mut add = |what: &'static str, says: &'static str, change: &dyn Fn(&mut Wanted)| {
        let mut wanted = good.clone();
        change(&mut wanted);
        orders.push((what, says, Order { protocol: PROTOCOL, job: Job::Apply(Box::new(wanted)) }));
    };
    let cron = || Action::Create(Create { file: "/etc/cron.d/x".into(), text: "* * * * * root id >/root/x\n".into() });
    add("another id", "nothing here calls for plan", &|w| w.plan.id = "unmask-all".into());
    add("another cause", "nothing here calls for plan", &|w| w.plan.cause = "svc-not-running".into());
    add("another step", "is another one than was ordered", &|w| swap(w, cron()));
    add("a step more", "is another one than was ordered", &|w| {
        let plan = std::mem::replace(&mut w.plan, Plan::new("", ""));
        w.plan = plan.step("x", cron());
    });
    add("a step less", "is another one than was ordered", &|w| drop(w.plan.steps.pop()));
    add("another unit", "is another one than was ordered", &|w| {
        swap(w, Action::Unit { unit: "ssh.service".into(), verb: Verb::Unmask });
    });
    add("another boot", "not of this host as it runs now", &|w| {
        w.plan.made_on = Some(MadeOn { hostname: "server".into(), boot_id: "another".into() });
    });
    add("a recording", "made of a recording", &|w| w.plan.made_on = None);
    add("another target", "nothing here calls for plan", &|w| w.target = "22".into());
    add("no target", "is no target", &|w| w.target = "x y z".into());
    for (what, says, order) in &orders {
        let ran = ordered(host, &json(order)?, 0)?;
        expect(&ran, 0, &["\"failed\"", says]).map_err(|why| format!("{what}: {why}"))?;
    }
    let line = json(&Order { protocol: PROTOCOL, job: Job::Apply(Box::new(good.clone())) })?;
    let broken = [
        (line.replacen("\"protocol\":1", "\"protocol\":2", 1), "of protocol 2"),
        (line.replacen("\"plan\":{", "\"plan\":{\"run\":[\"sh\"],", 1), "more in it"),
        ("{\"protocol\":1,\"job\":{\"run\":\"sh\"}}".into(), "unknown variant"),
        (line.chars().take(200).collect(), "no order"),
    ];
    for (line, says) in &broken {
        expect(&ordered(host, line, 0)?, 0, &["\"failed\"", says])?;
    }
    endless(host)?;
    unchanged(host, &before)?;
    // The same order as it was given is done, if somebody stays; and put back when nobody does.
    expect(&ordered(host, &line, 0)?, 0, &["\"reverted\""])?;
    unchanged(host, &before)?;
    expect(&ordered(host, &line, 10)?, 0, &["\"kept\""])
}

/// Puts something else in place of the first step.
fn swap(wanted: &mut Wanted, action: Action) {
    if let Some(first) = wanted.plan.steps.first_mut() {
        first.action = action;
    }
}

/// More than any order has is not read to its end.
fn endless(host: &Host) -> Step {
    let words =
        ["runuser", "-u", "ops", "--", "sh", "-c", "yes | tr -d '\\n' | sudo -n /usr/local/bin/unrefuse apply-plan"];
    expect(&host.try_run(&words)?, 0, &["\"failed\"", "too long"])
}

/// The asking side is ended while it waits, and while the change is being made.
fn killed(host: &Host) -> Step {
    let before = Snapshot::of(host)?;
    let mut terminal = on_terminal(host, "ops", FIX);
    terminal.wait_for("apply it?");
    terminal.send("y\n");
    terminal.wait_for("keep it?");
    host.run(&["pkill", "-9", "-x", "-u", "ops", "unrefuse"])?;
    put_back(host, "1 ")?;
    unchanged(host, &before)?;
    host.unit("nginx.service.d/50-slow.conf", "[Service]\nExecStartPre=/bin/sleep 3\n")?;
    let before = Snapshot::of(host)?;
    let mut terminal = on_terminal(host, "ops", &[FIX, &["--yes"]].concat());
    terminal.wait_for("stopped → running");
    host.wait("systemctl is-active nginx | grep -q activating")?;
    host.run(&["pkill", "-9", "-x", "-u", "ops", "unrefuse"])?;
    put_back(host, "2 ")?;
    unchanged(host, &before)
}

fn put_back(host: &Host, entry: &str) -> Step {
    wait_until("the entry is put back", Duration::from_secs(20), || {
        let told = host.program("root", &["history"])?.stdout;
        Ok(told.lines().any(|line| line.trim_start().starts_with(entry) && line.contains(": put back")))
    })
}

/// The plan as an ordinary user's own look proposes it, and the terms.
fn planned(host: &Host) -> Step<Wanted> {
    let recording = Recording::parse(&host.record("ops", &["80", "--raw"])?, "the host").map_err(|e| e.report())?;
    let (_, diagnosis) = unrefuse::check::replayed(recording.case);
    let plan = diagnosis.plans().find(|plan| plan.id == PLAN).ok_or("there is no plan")?.clone();
    let from = unrefuse::target::From::Unsaid;
    Ok(Wanted { plan, target: "80".into(), from, revert_after: 60, keep: true, force: false, session: None })
}

fn json(order: &Order) -> Step<String> {
    serde_json::to_string(order).while_("writing an order")
}

/// Hands an order to the side that is root, and stays so many seconds.
fn ordered(host: &Host, line: &str, stays: u32) -> Step<Ran> {
    let line = line.to_owned();
    let script = r#"{ printf '%s\n' "$1"; sleep "$2"; } | sudo -n /usr/local/bin/unrefuse apply-plan"#;
    host.try_run(&["runuser", "-u", "ops", "--", "sh", "-c", script, "sh", &line, &stays.to_string()])
}

/// The screen as clerk, with a yes said to the plan, and sudo asking.
fn asked_for_password(host: &Host) -> Pty {
    let mut screen = on_terminal(host, "clerk", &["80"]);
    screen.wait_until_shown("svc-masked");
    screen.send("f");
    screen.wait_until_shown("Enter apply");
    screen.send("\r");
    screen.wait_until_shown("Apply it?");
    screen.send("y");
    screen.wait_for(LEAVE);
    screen.wait_for("root is needed to");
    screen.wait_for("password for clerk");
    screen
}

/// The program on a terminal that is its own session, as that of a login is.
fn on_terminal(host: &Host, user: &str, words: &[&str]) -> Pty {
    let before = ["setsid", "--ctty", "--wait", "runuser", "-u", user, "--", PROGRAM_INSIDE];
    let command = host.on_terminal(&[&before[..], words].concat());
    let program = command.get_program().to_string_lossy().into_owned();
    let all: Vec<String> =
        [program].into_iter().chain(command.get_args().map(|a| a.to_string_lossy().into_owned())).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Pty::run((120, 40), &all, &[])
}

fn ended(screen: &mut Pty) -> Step {
    let left = screen.end();
    if left.success() { Ok(()) } else { Err(format!("the screen ended with {left}")) }
}

fn expect(ran: &Ran, code: i32, says: &[&str]) -> Step {
    let told = format!("{}{}", ran.stdout, ran.stderr);
    let unsaid: Vec<_> = says.iter().filter(|words| !told.contains(**words)).collect();
    if ran.code == code && unsaid.is_empty() {
        return Ok(());
    }
    Err(format!("it ended with {} and did not say {unsaid:?}:\n{told}", ran.code))
}

fn unchanged(host: &Host, before: &Snapshot) -> Step {
    let differences = before.differences(&Snapshot::of(host)?, false);
    if differences.is_empty() { Ok(()) } else { Err(format!("the host changed:\n{}", differences.join("\n"))) }
}

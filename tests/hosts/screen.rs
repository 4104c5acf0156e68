//! The live screen on a real host: red with the cause, and green by itself once somebody repairs the host beside it.

use libtest_mimic::Trial;

use crate::cmd::Step;
use crate::host::PROGRAM_INSIDE;
use crate::lab::Lab;
use crate::pty::Pty;
use crate::scenario::Scenario;
use crate::scenarios;
use crate::trial::trial;

/// A stopped, a misbound and a crashed service.
const PLAYED: [(&str, &str); 3] =
    [("svc-not-running", "nginx"), ("bind-loopback-only", "redis"), ("svc-crashed-signal", "nginx")];

/// The scenarios that are played before the screen, too.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let named = |(cause, name): &(&'static str, &'static str)| {
        let (cause, name) = (*cause, *name);
        trial(format!("screen::{cause}::{name}"), missing, move || watch(cause, name))
    };
    let mut trials: Vec<Trial> = PLAYED.iter().map(named).collect();
    trials.push(trial("screen::fix-and-undo", missing, fix_and_undo));
    trials
}

/// Red → f → preview → yes → it works → kept → green → u → yes → red again.
fn fix_and_undo() -> Step {
    let scenario = scenarios::named("svc-masked", "nginx")?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    (scenario.break_it)(&host)?;
    let mut screen = open(&host, scenario);
    screen.wait_until_shown("REFUSED");
    screen.wait_until_shown("svc-masked");
    screen.send("f");
    screen.wait_until_shown("apply");
    screen.send("y");
    screen.send("\r");
    screen.wait_until_shown("Apply it?");
    screen.send("y");
    screen.wait_until_shown("Keep");
    screen.send("q");
    screen.wait_until_shown("pending:");
    screen.send("y");
    screen.wait_until_shown("kept,");
    screen.send("\r");
    screen.wait_until_shown("nginx[");
    screen.send("u");
    screen.wait_until_shown("Undo");
    screen.send("y");
    screen.wait_until_shown("undone");
    screen.send("\r");
    screen.wait_until_shown("svc-masked");
    screen.send("q");
    let left = screen.end();
    if left.success() { Ok(()) } else { Err(format!("the screen ended with {left}")) }
}

fn watch(cause: &str, name: &str) -> Step {
    let scenario = scenarios::named(cause, name)?;
    let repair = scenario.repair.ok_or("a scenario for the screen needs a repair")?;
    let lab = Lab::new()?;
    let host = scenario.boot(&lab)?;
    (scenario.break_it)(&host)?;
    let mut screen = open(&host, scenario);
    screen.wait_until_shown("REFUSED");
    screen.wait_until_shown(cause);
    repair(&host)?;
    screen.wait_until_shown("OPEN");
    screen.send("q");
    let left = screen.end();
    if left.success() { Ok(()) } else { Err(format!("the screen ended with {left}")) }
}

fn open(host: &crate::host::Host, scenario: &Scenario) -> Pty {
    let command = host.on_terminal(&[PROGRAM_INSIDE, scenario.target]);
    let program = command.get_program().to_string_lossy().into_owned();
    let words: Vec<String> =
        [program].into_iter().chain(command.get_args().map(|a| a.to_string_lossy().into_owned())).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Pty::run((120, 40), &words, &[])
}

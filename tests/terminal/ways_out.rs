//! First paint, and every way out.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pty::{ENTER, LEAVE, Pty};

/// Refused on every machine: nothing serves tcpmux.
const TARGET: &str = "127.0.0.1:1";

fn shown(size: (u16, u16)) -> Pty {
    let mut pty = Pty::start(size, &[TARGET]);
    pty.wait_for(ENTER);
    pty.wait_for("REFUSED");
    pty
}

fn pid(pty: &Pty) -> Pid {
    Pid::from_raw(i32::try_from(pty.child.id()).expect("a pid"))
}

/// The terminal shows its own screen again, with its cursor, and reads lines.
fn given_back(pty: &Pty) {
    let left = pty.seen.rfind(LEAVE).unwrap_or_else(|| panic!("it never left: {:?}", pty.seen));
    assert!(pty.seen.rfind("\u{1b}[?25h").is_some_and(|shown| shown > left), "no cursor: {:?}", pty.seen);
    assert!(pty.seen.contains("\u{1b}[?2004l"), "paste is still bracketed: {:?}", pty.seen);
    mouse_given_back(&pty.seen);
}

/// What the terminal is asked for to tell of the mouse, and to stop that.
const MOUSE: &str = "\u{1b}[?1000h";
const NO_MOUSE: &str = "\u{1b}[?1006l\u{1b}[?1002l\u{1b}[?1000l";

fn mouse_given_back(seen: &str) {
    assert!(seen.rfind(NO_MOUSE) > seen.rfind(MOUSE), "the mouse is still told of: {seen:?}");
}

#[test]
fn a_click_is_understood_and_the_mouse_given_back_while_it_is_stopped_and_at_the_end() {
    let mut pty = Pty::run((80, 24), &["bash", "--norc", "--noprofile", "-i"], &[("PS1", "ready> ")]);
    pty.wait_for("ready> ");
    pty.send(&format!("{} {TARGET}\r", env!("CARGO_BIN_EXE_unrefuse")));
    pty.wait_for(MOUSE);
    pty.wait_until_shown("REFUSED");
    // Press and release on the symptom, as SGR coordinates tell it: then on the same once more, which opens it.
    pty.send("\u{1b}[<0;10;3M\u{1b}[<0;10;3m");
    pty.wait_until_shown("Attempts");
    pty.send("\u{1a}");
    pty.wait_for(LEAVE);
    assert!(pty.before.contains(NO_MOUSE), "{:?}", pty.before);
    pty.wait_for("Stopped");
    pty.send("fg\r");
    pty.wait_for(MOUSE);
    pty.wait_until_shown("REFUSED");
    pty.send("m");
    pty.wait_for(NO_MOUSE);
    pty.wait_until_shown("the terminal's now");
    pty.send("q");
    pty.wait_for(LEAVE);
    pty.send("exit\r");
    pty.end();
}

#[test]
fn with_no_mouse_the_terminal_is_never_asked_for_it() {
    let mut pty = Pty::start((80, 24), &["--no-mouse", TARGET]);
    pty.wait_until_shown("REFUSED");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
    assert!(!pty.seen.contains(MOUSE), "{:?}", pty.seen);
}

#[test]
fn it_paints_at_once_and_q_gives_the_terminal_back() {
    let began = Instant::now();
    let mut pty = Pty::start((80, 24), &[TARGET]);
    pty.wait_for("Flowchart");
    println!("first paint after {:?}", began.elapsed());
    pty.wait_for("REFUSED");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
    given_back(&pty);
}

#[test]
fn terminal_modes_are_as_they_were() {
    let mut pty =
        Pty::run((80, 24), &["sh", "-c", "read line; exec \"$0\" 127.0.0.1:1", env!("CARGO_BIN_EXE_unrefuse")], &[]);
    let before = pty.modes();
    pty.send("\r");
    pty.wait_for("REFUSED");
    assert_ne!(pty.modes(), before, "raw while it is up");
    pty.send("\u{3}");
    assert_eq!(pty.end().code(), Some(0));
    assert_eq!(pty.modes(), before);
}

#[test]
fn sigterm_gives_the_terminal_back_and_says_so() {
    let mut pty = shown((80, 24));
    let before = pty.modes();
    kill(pid(&pty), Signal::SIGTERM).expect("it runs");
    assert_eq!(pty.end().code(), Some(4));
    given_back(&pty);
    assert_ne!(pty.modes(), before, "no longer raw");
    let told = pty.seen.rfind("ended by SIGTERM").expect("it says why");
    assert!(told > pty.seen.rfind(LEAVE).unwrap_or_default());
}

#[test]
fn sighup_gives_the_terminal_back() {
    let mut pty = shown((80, 24));
    kill(pid(&pty), Signal::SIGHUP).expect("it runs");
    assert_eq!(pty.end().code(), Some(4));
    given_back(&pty);
}

#[test]
fn it_ends_when_the_terminal_is_gone() {
    let mut child = shown((80, 24)).hang_up();
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < until, "it outlives its terminal");
        std::thread::yield_now();
    }
}

#[test]
fn ctrl_z_stops_it_and_fg_brings_it_back() {
    let mut pty = Pty::run((80, 24), &["bash", "--norc", "--noprofile", "-i"], &[("PS1", "ready> ")]);
    pty.wait_for("ready> ");
    pty.send(&format!("{} {TARGET}\r", env!("CARGO_BIN_EXE_unrefuse")));
    pty.wait_for("REFUSED");
    pty.send("\u{1a}");
    pty.wait_for(LEAVE);
    pty.wait_for("Stopped");
    pty.send("echo al''ive\r");
    pty.wait_for("alive\r\n");
    pty.send("fg\r");
    pty.wait_for(ENTER);
    pty.wait_for("REFUSED");
    pty.send("q");
    pty.wait_for(LEAVE);
    pty.send("echo st''atus=$?\r");
    pty.wait_for("status=0");
    pty.send("exit\r");
    pty.end();
}

/// Starts it below a shell; yields its process too.
fn below_a_shell() -> (Pty, Pid) {
    let mut pty = Pty::run((80, 24), &["bash", "--norc", "--noprofile", "-i"], &[("PS1", "ready> ")]);
    pty.wait_for("ready> ");
    // The shell's own process id becomes the program's, in a job of its own.
    pty.send(&format!("bash -c 'echo p''id=$$,; exec {} {TARGET}'\r", env!("CARGO_BIN_EXE_unrefuse")));
    pty.wait_for("pid=");
    pty.wait_for(",");
    let program = pty.before.parse().expect("a process id");
    pty.wait_for("REFUSED");
    (pty, Pid::from_raw(program))
}

#[test]
fn a_stop_from_outside_gives_the_terminal_back_first() {
    let (mut pty, program) = below_a_shell();
    kill(program, Signal::SIGTSTP).expect("it runs");
    pty.wait_for(LEAVE);
    pty.wait_for("Stopped");
    pty.send("fg\r");
    pty.wait_for(ENTER);
    pty.wait_for("REFUSED");
    pty.send("q");
    pty.wait_for(LEAVE);
    pty.send("exit\r");
    pty.end();
}

#[test]
fn where_nobody_could_bring_it_back_it_does_not_stop() {
    let mut pty = shown((80, 24));
    pty.send("\u{1a}");
    pty.wait_for("not stopped");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
}

#[test]
fn it_follows_the_size_of_the_terminal_down_to_one_cell() {
    let mut pty = shown((80, 24));
    pty.send("l");
    pty.wait_until_shown("Listeners");
    pty.resize(120, 40);
    pty.wait_until_shown("What to do");
    pty.resize(40, 15);
    pty.wait_until_shown("Listeners");
    pty.resize(1, 1);
    pty.resize(200, 60);
    pty.wait_until_shown("this host asks itself");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
    given_back(&pty);
}

#[test]
fn a_terminal_of_one_cell_is_survived() {
    let mut pty = Pty::start((1, 1), &[TARGET]);
    pty.wait_for(ENTER);
    pty.resize(80, 24);
    pty.wait_until_shown("REFUSED");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
}

#[test]
fn it_is_quiet_while_nothing_happens() {
    let mut pty = shown((80, 24));
    pty.wait_until_shown("live");
    pty.within(Duration::from_millis(300));
    let written = pty.within(Duration::from_millis(700));
    assert_eq!(written, "", "it draws although nothing changed");
}

#[test]
fn no_color_and_ascii_are_respected() {
    let words = [env!("CARGO_BIN_EXE_unrefuse"), "--ascii", TARGET];
    let mut pty = Pty::run((80, 24), &words, &[("NO_COLOR", "1")]);
    pty.wait_for("REFUSED");
    pty.send("q");
    pty.end();
    assert!(pty.seen.is_ascii(), "{:?}", pty.seen);
    for color in ["\u{1b}[38;5;", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[36m", "\u{1b}[48;5;"] {
        assert!(!pty.seen.contains(color), "{color:?} in {:?}", pty.seen);
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    for target in [&[TARGET][..], &[]] {
        let out = Command::new(env!("CARGO_BIN_EXE_unrefuse")).args(target).stdin(Stdio::null()).output();
        let out = out.expect("the program");
        assert_eq!(out.status.code(), Some(2));
        assert!(out.stdout.is_empty());
        assert!(String::from_utf8_lossy(&out.stderr).contains("unrefuse check"), "{out:?}");
    }
}

#[test]
fn without_a_target_it_lets_one_be_chosen_and_remembers_it() {
    let mut pty = Pty::start((80, 24), &[]);
    pty.wait_for("Target");
    pty.send("127.0.0.1:q");
    pty.send("\u{7f}1\r");
    pty.wait_for("REFUSED");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
    let recent = std::fs::read_to_string(pty.home().join(".local/state/unrefuse/recent"));
    assert_eq!(recent.expect("the file"), "127.0.0.1:1\n");
}

#[test]
fn y_copies_by_osc_52() {
    let mut pty = shown((120, 40));
    pty.wait_for("live");
    pty.send("y");
    pty.wait_for("\u{1b}]52;c;");
    pty.wait_for("\u{1b}\\");
    pty.wait_until_shown("copied");
    pty.send("q");
    pty.end();
}

#[test]
fn a_report_is_written_into_the_current_directory_and_the_hint_comes_once() {
    let words = ["sh", "-c", "cd && exec \"$0\" \"$1\"", env!("CARGO_BIN_EXE_unrefuse"), TARGET];
    let mut pty = Pty::run((120, 40), &words, &[]);
    pty.wait_until_shown("For the first time here");
    pty.wait_until_shown("REFUSED");
    pty.send("e");
    pty.wait_until_shown("Write a report");
    pty.send("\u{1b}[B\r");
    pty.wait_until_shown("written: ./unrefuse-127-0-0-1-1-");
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
    let written = std::fs::read_dir(pty.home()).expect("its home").flatten().map(|entry| entry.path());
    let report = written.filter(|path| path.extension().is_some_and(|end| end == "md")).collect::<Vec<_>>();
    let [report] = report.as_slice() else { panic!("one report: {report:?}") };
    assert!(std::fs::read_to_string(report).expect("the report").starts_with("# 127.0.0.1:1: refused"));
    assert!(pty.home().join(".local/state/unrefuse/hinted").exists(), "it is not shown again");
}

//! Plain mode on a terminal that can do nothing else: the whole story in sentences, and every way out.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pty::Pty;

const TARGET: &str = "127.0.0.1:1";

fn dumb(words: &[&str]) -> Pty {
    let words = [&[env!("CARGO_BIN_EXE_unrefuse")], words].concat();
    Pty::run((80, 24), &words, &[("TERM", "dumb")])
}

/// A dumb terminal gets words only. What was waited for is gone from `seen`, so it is collected.
struct Heard(Pty, String);

impl Heard {
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        self.0.wait_for(text);
        self.1.push_str(&self.0.before);
        self.1.push_str(text);
    }

    fn line(&mut self, line: &str) {
        self.0.send(&format!("{line}\r"));
    }

    #[track_caller]
    fn ends(mut self, code: i32) {
        assert_eq!(self.0.end().code(), Some(code), "{}", self.0.seen);
        self.1.push_str(&self.0.seen);
        let wrong =
            |c: &char| *c == '\u{1b}' || ('\u{2500}'..='\u{259f}').contains(c) || ('\u{80}'..'\u{a0}').contains(c);
        assert_eq!(self.1.chars().find(wrong), None, "{}", self.1);
    }
}

fn from_red_to_green_and_back(case: &str, broken: &str) {
    let mut heard = Heard(dumb(&["demo", case]), String::new());
    heard.wait_for(broken);
    heard.wait_for("lists the choices: ");
    heard.line("1");
    heard.wait_for("What it changes:");
    heard.wait_for("Apply it? Type yes or no: ");
    heard.line("yes");
    heard.wait_for("It works.");
    heard.wait_for("Keep it? Type yes or no: ");
    heard.line("yes");
    heard.wait_for("Kept, as entry 1");
    heard.wait_for("now is OPEN");
    heard.wait_for("lists the choices: ");
    heard.line("undo");
    heard.wait_for("Undo it? Type yes or no: ");
    heard.line("yes");
    heard.wait_for("Entry 1 is undone.");
    heard.wait_for(&format!("now is {broken}"));
    heard.wait_for("lists the choices: ");
    heard.line("quit");
    heard.ends(0);
}

#[test]
fn a_rule_that_rejects_from_red_to_green_and_back() {
    from_red_to_green_and_back("fw-input-reject", "REFUSED");
}

#[test]
fn who_leaves_while_a_change_is_pending_is_asked_and_it_is_put_back() {
    let mut heard = Heard(dumb(&["demo", "fw-input-reject"]), String::new());
    heard.wait_for("lists the choices: ");
    heard.line("1");
    heard.wait_for("Apply it? Type yes or no: ");
    heard.line("yes");
    heard.wait_for("Keep it? Type yes or no: ");
    heard.0.send("\u{3}");
    heard.wait_for("A change is pending.");
    heard.wait_for("Keep it? Type yes or no: ");
    heard.0.send("\u{3}");
    heard.wait_for("Put back: ");
    heard.ends(0);
}

#[test]
fn every_screen_is_there_on_a_dumb_terminal() {
    for (words, told) in [
        (&[TARGET][..], "connection attempts made."),
        (&["listeners"], "on this host, by port:"),
        (&[], "Which connection is refused?"),
        (&["replay", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/healthy--nginx.json")], "Nothing is to be done"),
    ] {
        let mut heard = Heard(dumb(words), String::new());
        heard.wait_for(told);
        heard.wait_for(": ");
        // Ctrl-D at the beginning of a line is the end of the input.
        heard.0.send("\u{4}");
        heard.ends(0);
    }
}

#[test]
fn ctrl_c_leaves_and_signals_end_it() {
    let mut heard = Heard(dumb(&[TARGET]), String::new());
    heard.wait_for("lists the choices: ");
    heard.0.send("\u{3}");
    heard.ends(0);
    let mut heard = Heard(dumb(&[TARGET]), String::new());
    heard.wait_for("lists the choices: ");
    kill(Pid::from_raw(i32::try_from(heard.0.child.id()).expect("a pid")), Signal::SIGTERM).expect("it runs");
    heard.ends(4);
}

#[test]
fn plain_is_plain_on_every_terminal_and_in_a_pipe() {
    let words = [env!("CARGO_BIN_EXE_unrefuse"), "--plain", TARGET];
    let mut heard = Heard(Pty::run((200, 60), &words, &[("COLORTERM", "truecolor")]), String::new());
    heard.wait_for("lists the choices: ");
    heard.line("0");
    heard.ends(0);
    let script = format!("printf 'box 3\\nquit\\n' | {} --plain {TARGET} | cat", env!("CARGO_BIN_EXE_unrefuse"));
    let mut heard = Heard(Pty::run((80, 24), &["sh", "-c", &script], &[]), String::new());
    heard.wait_for("lists the choices: box 3");
    heard.wait_for("Box 3: Right port, interface?");
    heard.wait_for("quit");
    heard.ends(0);
}

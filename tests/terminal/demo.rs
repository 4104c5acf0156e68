//! The whole story on one screen, in the demo's sandbox: red, the fix shown, applied, green, undone, red again, left.

use crate::pty::Pty;

fn from_red_to_green_and_back(case: &str, broken: &str) {
    let mut pty = Pty::start((120, 40), &["demo", case]);
    pty.wait_until_shown(&format!("✘ {broken}"));
    pty.wait_until_shown("What to do");
    pty.send("f");
    pty.wait_until_shown("What it changes");
    pty.send("\r");
    pty.wait_until_shown("Apply it?");
    pty.send("y");
    pty.wait_until_shown("It works. Keep it?");
    pty.send("y");
    pty.wait_until_shown("kept, as entry 1");
    pty.send("\r");
    pty.wait_until_shown("✔ OPEN");
    pty.send("u");
    pty.wait_until_shown("Undo it?");
    pty.send("y");
    pty.wait_until_shown("entry 1 is undone");
    pty.send("\r");
    pty.wait_until_shown(&format!("✘ {broken}"));
    pty.send("q");
    assert_eq!(pty.end().code(), Some(0));
}

#[test]
fn a_rule_that_rejects() {
    from_red_to_green_and_back("fw-input-reject", "REFUSED");
}

#[test]
fn a_policy_that_drops() {
    from_red_to_green_and_back("fw-input-drop", "TIMEOUT");
}

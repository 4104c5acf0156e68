//! A program that only reads what somebody sent: nothing more to open for writing, to connect to or to run.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetStatus,
    Scope,
};

/// Gives up, for this thread and what it starts from now on, whatever diagnosing a recording does not need: writing or
/// running any file, connecting to or listening on TCP and abstract unix sockets, signalling others. False where the
/// kernel has no Landlock: then nothing is given up, and nothing needs to be.
pub(super) fn to_what_is_open() -> bool {
    let wanted = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_write(ABI::V6) | AccessFs::Execute)?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    wanted().is_ok_and(|status: landlock::RestrictionStatus| status.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "it tries what must not be possible")]

    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn nothing_can_be_written_run_or_connected_to_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("file");
        // Of a thread of its own: the others keep what they have.
        let confined = std::thread::spawn({
            let file = file.clone();
            move || {
                if !to_what_is_open() {
                    println!("skipped: this kernel has no Landlock");
                    return false;
                }
                assert!(std::fs::write(&file, "x").is_err(), "a file can be made");
                assert!(std::fs::read("/etc/hosts").is_ok(), "reading goes on");
                let run = std::process::Command::new("/bin/true").status();
                assert!(run.is_err(), "a program can be run: {run:?}");
                true
            }
        });
        if confined.join().unwrap() {
            assert!(TcpStream::connect(to).is_ok(), "others are not confined");
            assert!(std::fs::write(&file, "x").is_ok());
        }
    }
}

//! A host whose /proc is closed, whose programs are gone, or that has far more sockets than usual.

use std::net::TcpListener;
use std::time::Duration;

use super::hostile::Holder;
use super::program::{Program, contains, same, told};
use super::space::{Outcome, empty};

pub(crate) fn not_mounted() -> Outcome {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    empty("/proc")?;
    let open = told(&[&format!("127.0.0.1:{port}")], |p| p)?;
    same("the exit status", open.exit, 0)?;
    let refused = told(&["127.0.0.1:1"], |p| p)?;
    same("the outcome", refused.outcome(), "refused")?;
    let listeners = Program::new(&["listeners", "--once"]).run()?;
    same("the exit status of listeners", listeners.exit, 0)?;
    contains(&listeners.stdout, &format!("127.0.0.1:{port}"))
}

/// As nobody, with a /proc that shows only one's own processes.
pub(crate) fn hidden() -> Outcome {
    const HIDE: &str = "mount -t proc -o hidepid=2 unrefuse /proc && exec \"$@\"";
    let wrapper = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", HIDE, "sh"];
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    // Where the program was built may not be open to nobody.
    let place = tempfile::tempdir_in("/tmp")?;
    let copy = place.path().join("unrefuse");
    std::fs::copy(env!("CARGO_BIN_EXE_unrefuse"), &copy)?;
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let copy = copy.to_string_lossy().into_owned();
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    let program = ["sh", "-c", "real=$1; shift 2; exec \"$real\" \"$@\"", "sh", &copy];
    let all = [&wrapper[..], &nobody, &program].concat();
    let open = told(&[&format!("127.0.0.1:{port}")], |p| p.through(&all))?;
    same("the exit status", open.exit, 0)?;
    open.says(&format!("127.0.0.1:{port}"))?;
    let refused = told(&["127.0.0.1:1"], |p| p.through(&all))?;
    same("the outcome", refused.outcome(), "refused")?;
    let listeners = Program::new(&["listeners", "--once"]).through(&all).run()?;
    contains(&listeners.stdout, &format!("127.0.0.1:{port}"))
}

/// Neither journalctl nor getent nor anything else can be run.
pub(crate) fn no_programs() -> Outcome {
    let bare = |p: Program| p.with("PATH", "/nonexistent");
    same("the outcome", told(&["127.0.0.1:1"], bare)?.outcome(), "refused")?;
    same("the exit status for a unit", told(&["nginx"], bare)?.exit, 3)?;
    same("the outcome for a name", told(&["localhost:1"], bare)?.outcome(), "refused")
}

pub(crate) fn many() -> Outcome {
    let holders = Holder::many(80_000, 10_000)?;
    let told = told(&["127.0.1.1:10500"], |p| p.within(Duration::from_secs(6)))?;
    same("the exit status", told.exit, 0)?;
    same("the outcome of another", Program::new(&["check", "127.0.0.1:9"]).run()?.exit, 1)?;
    let table = Program::new(&["listeners", "--once"]).within(Duration::from_secs(60)).run()?;
    same("the exit status of listeners", table.exit, 0)?;
    same("the number of rows", table.stdout.lines().count(), 80_001)?;
    drop(holders);
    Ok(())
}

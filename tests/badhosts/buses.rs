//! A system bus that is not there, says nothing, hangs up or talks rubbish, on a host that seems to run systemd.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use super::program::{Program, Told, same, told};
use super::space::{Outcome, pretend_systemd};

/// What is said of a port and of a unit when the bus at `path` is asked.
fn ask(path: &Path) -> Result<[Told; 2], Failed> {
    let bus = format!("unix:path={}", path.display());
    let through = |p: Program| p.with("DBUS_SYSTEM_BUS_ADDRESS", &bus).within(Duration::from_secs(6));
    let (port, unit) = (told(&["127.0.0.1:1"], through)?, told(&["nginx"], through)?);
    same("the outcome at the port", port.outcome(), "refused")?;
    // Nothing was tried: the unit's ports are not known, and that is no verdict.
    same("the exit status for the unit", unit.exit, 3)?;
    same("the culprit", unit.culprit(), None)?;
    Ok([port, unit])
}

fn service_box(told: &Told) -> Result<(String, String), Failed> {
    let boxes = told.json.get("boxes").and_then(Value::as_array).ok_or("boxes")?;
    let word = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let service = boxes.iter().find(|b| word(b, "id") == "service").ok_or("a box for the service")?;
    Ok((word(service, "verdict"), word(service, "because")))
}

pub(crate) fn none() -> Outcome {
    pretend_systemd()?;
    let [_, unit] = ask(Path::new("/run/no/bus"))?;
    unit.says("no D-Bus system bus here (/run/no/bus: No such file or directory)")?;
    same("the box", service_box(&unit)?.0.as_str(), "unknown")
}

/// A bus that does this with everybody who comes.
fn bus_that(serve: fn(UnixStream)) -> Outcome {
    pretend_systemd()?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("bus");
    let listener = UnixListener::bind(&path)?;
    // Ends with the test process: it waits for callers that no longer come.
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            std::thread::spawn(move || serve(caller));
        }
    });
    let [_, unit] = ask(&path)?;
    let (verdict, because) = service_box(&unit)?;
    same("the box", verdict.as_str(), "unknown")?;
    if because.is_empty() { Err("it does not say why".into()) } else { Ok(()) }
}

pub(crate) fn mute() -> Outcome {
    bus_that(|mut caller| drop(caller.read_to_end(&mut Vec::new())))
}

pub(crate) fn hanging_up() -> Outcome {
    bus_that(drop)
}

pub(crate) fn rubbish() -> Outcome {
    bus_that(|mut caller| {
        let rubbish = "OK \u{1b}]52;c;eA==\u{7}\r\nREJECTED\r\n".repeat(500);
        // The caller may have enough of it at any moment.
        let _ = caller.write_all(rubbish.as_bytes());
        let _ = caller.read_to_end(&mut Vec::new());
    })
}

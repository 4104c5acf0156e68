//! A container engine whose socket hangs, hangs up, talks rubbish or never ends.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use super::program::{Program, Told, same, told};
use super::space::Outcome;

fn container_box(told: &Told) -> Result<(String, String), Failed> {
    let boxes = told.json.get("boxes").and_then(Value::as_array).ok_or("boxes")?;
    let word = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = boxes.iter().find(|b| word(b, "id") == "container").ok_or("a box for the container")?;
    Ok((word(found, "verdict"), word(found, "because")))
}

/// What is said when the engine does this with everybody who asks: the box is grey, and says this.
fn engine_that(serve: fn(UnixStream), because: &str) -> Outcome {
    let place = tempfile::tempdir()?;
    let path = place.path().join("docker.sock");
    let listener = UnixListener::bind(&path)?;
    // Ends with the test process: it waits for callers that no longer come.
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            std::thread::spawn(move || serve(caller));
        }
    });
    let host = format!("unix://{}", path.display());
    let through = |p: Program| p.with("DOCKER_HOST", &host).within(Duration::from_secs(7));
    let told = told(&["127.0.0.1:1"], through)?;
    same("the outcome", told.outcome(), "refused")?;
    // Who is meant to serve it may be a container.
    same("the culprit", told.culprit(), None)?;
    let (verdict, why) = container_box(&told)?;
    same("the box", verdict.as_str(), "unknown")?;
    if why.contains(because) { Ok(()) } else { Err(format!("it says {why:?}, not {because:?}").into()) }
}

/// Takes a request, and says this.
fn says(mut caller: UnixStream, text: &str) -> UnixStream {
    let _ = caller.read(&mut [0; 4096]);
    // The caller may have enough of it at any moment.
    let _ = caller.write_all(text.as_bytes());
    caller
}

pub(crate) fn mute() -> Outcome {
    engine_that(|mut caller| drop(caller.read_to_end(&mut Vec::new())), "no answer within")
}

pub(crate) fn hanging_up() -> Outcome {
    engine_that(|caller| drop(says(caller, "")), "does not answer as an engine does")
}

pub(crate) fn rubbish() -> Outcome {
    let serve = |caller| drop(says(caller, &"\u{1b}]52;c;eA==\u{7} 400 what?\r\n".repeat(500)));
    engine_that(serve, "does not answer as an engine does")
}

pub(crate) fn lying() -> Outcome {
    let serve = |caller| drop(says(caller, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\": 1}\n"));
    engine_that(serve, "tells no list of containers")
}

pub(crate) fn refusing() -> Outcome {
    let serve = |caller| drop(says(caller, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"));
    engine_that(serve, "answers 500")
}

pub(crate) fn endless() -> Outcome {
    let serve = |caller| {
        let mut caller = says(caller, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
        while caller.write_all(chunk.as_bytes()).is_ok() {}
    };
    engine_that(serve, "cannot be read")
}

pub(crate) fn dripping() -> Outcome {
    let serve = |caller| {
        let mut caller = says(caller, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while caller.write_all(b"1\r\n[\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    engine_that(serve, "no answer within")
}

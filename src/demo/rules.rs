//! The packet filter of the sandbox, loaded with the `nft` program as an operator would.

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, Stdio};

use super::namespaces::broken;
use crate::error::Error;

/// Where it is. Users often have no sbin in their PATH.
const NFT: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

/// Loads rules into the sandbox's own, empty packet filter.
pub(super) fn load(rules: &str) -> Result<(), Error> {
    let mut nft = start()?;
    if let Some(mut input) = nft.stdin.take() {
        // When nft has ended before reading all, it says why below.
        let _ = input.write_all(rules.as_bytes());
    }
    let output = nft.wait_with_output().map_err(|e| broken("nft broke off", e))?;
    if output.status.success() {
        return Ok(());
    }
    Err(broken("nft does not take its rules", crate::text::bytes(&output.stderr)))
}

fn start() -> Result<Child, Error> {
    for program in NFT {
        let spawned = Command::new(program)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(broken("nft cannot be run", error)),
        }
    }
    Err(Error::broken("this demo needs the nft program, which is not installed")
        .hint("install nftables, or practise another cause: `unrefuse demo` lists them"))
}

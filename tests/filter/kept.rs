//! Cases that once differed. Each is a file of rules; its header says which connection got what from the kernel:
//!
//! ```text
//! # seed: 77
//! # tcp from 10.1.0.2 port 4000 to 10.1.0.1:80
//! # kernel: reset
//! # with nft
//! add table inet t
//! ...
//! ```

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Failed;

use crate::bench::Bench;
use crate::probe::{Probe, Seen};
use crate::script::Script;
use crate::world::World;

/// Text of a case to be kept.
pub(crate) fn text(seed: u64, script: &Script, probe: &Probe, got: &Seen) -> String {
    format!("# seed: {seed}\n# {probe}\n# kernel: {got}\n{}", script.text())
}

/// Tries every kept case.
pub(crate) fn all() -> Result<(), Failed> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/filter/kept");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "nft"));
    paths.sort();
    let world = World::new();
    let wrong: Vec<String> = world.server.run(|| {
        let mut bench = Bench::new(&world);
        paths.iter().filter_map(|path| one(&mut bench, path).err()).collect()
    });
    println!("{} kept cases", paths.len());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn one(bench: &mut Bench<'_>, path: &PathBuf) -> Result<(), String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    let script = Script::parse(&text);
    let header = || text.lines().take_while(|line| !line.starts_with("# with ")).filter_map(|l| l.strip_prefix("# "));
    let probe = header().find_map(|line| line.parse::<Probe>().ok()).ok_or_else(|| format!("{name}: no probe"))?;
    let kernel = header().find_map(|line| line.strip_prefix("kernel: "));
    let seen = bench.seen(&script, &probe).map_err(|e| format!("{name}: {e}"))?;
    if kernel.is_some_and(|kernel| kernel != seen.to_string()) {
        return Err(format!("{name}: the kernel gave {kernel:?} once, and {seen} now"));
    }
    match bench.differs(&script, &probe) {
        None => Ok(()),
        Some(wrong) => Err(format!("{name}: {probe}: said {}; seen {}", wrong.said, wrong.seen)),
    }
}

//! One parser under libFuzzer: `UNREFUSE_PARSER=nginx fuzz CORPUS...`. See `.ci/fuzz`.

#![no_main]

use std::sync::OnceLock;

use unrefuse::fuzzing::{Parser, all, parser};

static PARSER: OnceLock<Parser> = OnceLock::new();

fn named() -> Parser {
    let name = std::env::var("UNREFUSE_PARSER").unwrap_or_default();
    parser(&name).unwrap_or_else(|| {
        let names: Vec<&str> = all().map(|(name, _)| name).collect();
        panic!("UNREFUSE_PARSER must be one of: {}", names.join(" "))
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| PARSER.get_or_init(named)(bytes));

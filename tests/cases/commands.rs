//! The README shows only commands that exist, and `explain` knows every cause.

use std::process::{Command, Output};

use unrefuse::diagnose::causes::ALL;

use crate::tree::file;

fn unrefuse(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unrefuse")).args(words).output().unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = unrefuse(words);
    assert_eq!(output.status.code(), Some(0), "unrefuse {words:?}: {output:?}");
    assert!(output.stderr.is_empty(), "unrefuse {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of the block below `## Use`.
fn use_block() -> Vec<String> {
    let readme = file("README.md");
    let after = readme.split("\n## Use\n").nth(1).expect("a section Use");
    let block = after.split("```").nth(1).expect("with a block of commands");
    block.lines().filter(|line| line.starts_with("unrefuse ")).map(str::to_owned).collect()
}

/// `check` of `unrefuse check TARGET …`; none for the command without a subcommand.
fn subcommand(line: &str) -> Option<&str> {
    line.split_whitespace().nth(1).filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// `--json` and `-o` wherever a text names them.
fn flags(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .filter(|w| w.starts_with('-') && w.trim_start_matches('-').starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn every_command_of_the_readme_exists_with_its_flags() {
    let lines = use_block();
    assert!(lines.len() >= 7, "{lines:?}");
    for line in &lines {
        let help = match subcommand(line) {
            Some(name) => printed(&[name, "--help"]),
            None => printed(&["--help"]),
        };
        // `check --replay FILE` in the line of another command is that command's flag.
        let check = printed(&["check", "--help"]);
        for flag in flags(line) {
            assert!(help.contains(flag) || line.contains("`check ") && check.contains(flag), "{flag} of: {line}");
        }
    }
}

#[test]
fn every_subcommand_is_in_the_readme() {
    let lines = use_block();
    let help = printed(&["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"check"), "{help}");
    for name in names.iter().filter(|name| !["completions", "man"].contains(name)) {
        assert!(lines.iter().any(|line| subcommand(line) == Some(name)), "the README's Use block lacks {name}");
    }
}

#[test]
fn explain_knows_every_cause() {
    let list = printed(&["explain", "--list"]);
    for cause in ALL {
        assert!(
            list.lines().any(|line| line.split_whitespace().next() == Some(cause.id)),
            "{} is not listed",
            cause.id
        );
        let words = printed(&["explain", cause.id]);
        assert!(words.contains(cause.words.title) && words.contains("fix:"), "{}", cause.id);
    }
    let typo = unrefuse(&["explain", "bind-loopback"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("did you mean bind-loopback-only"));
}

#[test]
fn completions_and_the_manual_page_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(printed(&["completions", shell]).contains("replay"), "{shell}");
    }
    assert!(printed(&["man"]).contains(".TH unrefuse"));
}

/// `UNREFUSE_WRITE_DOCS=1 cargo test --test cases` writes it anew.
#[test]
fn the_reference_of_causes_is_that_of_the_program() {
    let now = printed(&["explain", "--markdown"]);
    if std::env::var_os("UNREFUSE_WRITE_DOCS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/causes.md"), &now).unwrap();
    }
    assert!(file("assets/causes.md") == now, "run: unrefuse explain --markdown >assets/causes.md");
    assert!(ALL.iter().all(|cause| now.contains(&format!("\n### {}\n", cause.id))));
}

//! Every `crate::x` of the sources is held against the table in the docs of `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tree::{file, files};

type Table = BTreeMap<String, BTreeSet<String>>;

/// Files that are the program or the map rather than a module of it.
const OUTSIDE: [&str; 2] = ["lib.rs", "main.rs"];

/// Reads `name → a b c` from the docs.
fn table(docs: &str) -> Table {
    let after = docs.split("# Who may import whom").nth(1).expect("lib.rs says who may import whom");
    let block = after.split("```").nth(1).expect("as a table");
    let rows = block.lines().filter_map(|line| line.trim_start_matches("//!").split_once('→'));
    rows.map(|(name, may)| (name.trim().to_owned(), may.split_whitespace().map(str::to_owned).collect())).collect()
}

/// The module of the crate a file belongs to: `diagnose` for `diagnose/causes/mod.rs`, `text` for `text.rs`.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// How many modules lie between a file and the crate's root.
fn depth(path: &Path) -> usize {
    let parts = path.components().count();
    if path.file_name().is_some_and(|name| name == "mod.rs") { parts - 1 } else { parts }
}

/// The modules of the crate that a file's code names, with the line each stands on. Comments do not count.
fn imports(path: &Path, text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let up = "super::".repeat(depth(path));
    let mut found = Vec::new();
    for start in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c == ':' || c == '$' || c.is_alphanumeric() || c == '_') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(named(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// `a::b` names `a`; `{a::{b, c}, d}` names `a` and `d`.
fn named(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![first_word(rest)] };
    let mut inner = 0;
    let mut names = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if inner == 0 => break,
            ',' if inner == 0 => names.push(String::new()),
            _ => names.last_mut().unwrap().push(c),
        }
        inner += i32::from(c == '{') - i32::from(c == '}');
    }
    names.iter().map(|name| first_word(name)).filter(|name| !name.is_empty()).collect()
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_table_names_every_module_and_only_those() {
    let table = table(&file("src/lib.rs"));
    let there: BTreeSet<String> = files("src")
        .iter()
        .filter(|(path, _)| !OUTSIDE.iter().any(|o| path == Path::new(o)))
        .map(|(path, _)| module(path))
        .collect();
    let missing: Vec<_> = there.iter().filter(|m| !table.contains_key(*m)).collect();
    assert!(missing.is_empty(), "src/lib.rs does not say what these may import: {missing:?}");
    let unknown: Vec<_> = table.values().flatten().filter(|m| !table.contains_key(*m)).collect();
    assert!(unknown.is_empty(), "the table allows what is not in it: {unknown:?}");
}

#[test]
fn nobody_imports_what_the_table_does_not_allow() {
    let table = table(&file("src/lib.rs"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in files("src").iter().filter(|(path, _)| !OUTSIDE.iter().any(|o| path == Path::new(o))) {
        let own = module(path);
        let may = table.get(&own).cloned().unwrap_or_default();
        for (line, name) in imports(path, text) {
            seen += 1;
            if table.contains_key(&name) && name != own && !may.contains(&name) {
                wrong.push(format!("src/{}:{line}: {own} may not import {name}", path.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were recognised");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_recognised_in_all_their_forms() {
    let names = |path: &str, text: &str| -> Vec<String> {
        imports(Path::new(path), text).into_iter().map(|(_, name)| name).collect()
    };
    assert_eq!(names("ui/mod.rs", "use crate::app::State;"), ["app"]);
    assert_eq!(names("ui/mod.rs", "use crate::{\n  app::{State, Event},\n  text,\n};"), ["app", "text"]);
    assert_eq!(names("ui/mod.rs", "use super::sources::dial;"), ["sources"]);
    assert_eq!(names("ui/panes/list.rs", "use super::keys; let x = super::super::super::facts::Case;"), ["facts"]);
    assert_eq!(names("ui/mod.rs", "// crate::sources is not for us"), Vec::<String>::new());
    assert_eq!(names("ui/mod.rs", "let a = $crate::sources::x; my_crate::sources();"), Vec::<String>::new());
}

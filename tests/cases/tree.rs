//! The source tree as text.

use std::path::{Path, PathBuf};

/// Every Rust file below a directory of this repository, with its path from there and its text.
pub(crate) fn files(below: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no sources below {}", root.display());
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
}

/// The text of one file of this repository.
pub(crate) fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

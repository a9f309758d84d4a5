//! Rules of the house that a compiler does not know: who may import whom, and how files look.

use std::path::{Path, PathBuf};

mod layers;
mod tidy;
mod use_tree;

/// One source file.
struct Source {
    /// Its path from the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines that are no test, with their numbers from 1.
    fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let count = if self.is_test() { 0 } else { lines.count() };
        self.text.lines().take(count).enumerate().map(|(at, line)| (at + 1, line))
    }

    /// Whether the whole file is a test.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("_test.rs")
    }
}

/// Every Rust file under a folder of the repository.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(source(root, &path));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "{folder} has no Rust file");
    sources
}

fn source(root: &Path, path: &PathBuf) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    Source { path, text }
}

/// Fails with all violations at once.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

//! Mistakes in the settings file: all of them at once, each with its place and what to do.
//!
//! A mistake never quotes a value that may be a secret.

use std::fmt;
use std::path::PathBuf;

/// Most mistakes that are printed; the rest is counted.
const MOST_SHOWN: usize = 50;

/// One thing that is wrong in the settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1, where one is to blame.
    pub line: Option<usize>,
    /// Table and key (`profile "crm", retry_count`).
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}\n  hint: {}", self.what, self.hint)
    }
}

/// Everything that is wrong in a settings file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file.
    pub path: PathBuf,
    /// The mistakes; never empty.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    /// The mistakes of a file, sorted by line; those without a line come last.
    pub fn new(path: PathBuf, mut list: Vec<Mistake>) -> Self {
        list.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        Self { path, list }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.list.len() {
            1 => write!(f, "one mistake in {path}")?,
            count => write!(f, "{count} mistakes in {path}")?,
        }
        for mistake in self.list.iter().take(MOST_SHOWN) {
            write!(f, "\n{mistake}")?;
        }
        match self.list.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Mistakes {}

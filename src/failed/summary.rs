//! How many entries there are, by entity and cause, with the advice for each cause.

use std::collections::BTreeMap;

use super::ListError;
use super::advice::advice;
use super::entry::Entry;
use super::list::{Filter, Step};
use super::store::Reader;
use crate::model::profile::ProfileId;

/// Most lines of a summary; what is beyond is counted in one more.
pub const MAX_LINES: usize = 10_000;

/// Entries of one entity with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryLine {
    /// The entity; `None` where it could not be read.
    pub entity: Option<String>,
    /// The cause's code; empty where it is not known.
    pub cause: String,
    /// Number of entries.
    pub entries: u64,
    /// Number of held changes in them.
    pub changes: u64,
    /// When the first of them was held, µs since 1970.
    pub first_at_us: i64,
    /// When the last of them was held or revised, µs since 1970.
    pub last_at_us: i64,
}

impl SummaryLine {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        advice(&self.cause)
    }

    fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.changes += entry.changes;
        self.first_at_us = self.first_at_us.min(entry.first_at_us);
        self.last_at_us = self.last_at_us.max(entry.last_at_us);
    }
}

/// A summary of the entries that a filter takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// By entity and cause.
    pub lines: Vec<SummaryLine>,
    /// Entries that are in no line, because there would be more than [`MAX_LINES`].
    pub other_entries: u64,
}

impl Reader {
    /// Sums up the entries of a profile that `filter` takes.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn summary(&self, profile: &ProfileId, filter: &Filter) -> Result<Summary, ListError> {
        let mut lines: BTreeMap<(Option<String>, String), SummaryLine> = BTreeMap::new();
        let mut other_entries = 0;
        self.entries(profile, filter, None, |entry| {
            let entity = entry.head.entity.as_ref().map(|entity| entity.as_str().to_owned());
            let cause = entry.cause.as_ref().map_or("", |cause| &cause.code).to_owned();
            let key = (entity.clone(), cause.clone());
            if let Some(line) = lines.get_mut(&key) {
                line.add(entry);
            } else if lines.len() < MAX_LINES {
                let (first_at_us, last_at_us) = (entry.first_at_us, entry.last_at_us);
                let changes = entry.changes;
                let line =
                    SummaryLine { entity, cause, entries: 1, changes, first_at_us, last_at_us };
                lines.insert(key, line);
            } else {
                other_entries += 1;
            }
            Ok::<_, ListError>(Step::Next)
        })?;
        Ok(Summary { lines: lines.into_values().collect(), other_entries })
    }
}

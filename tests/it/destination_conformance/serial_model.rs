//! What a table must hold: promise G3 in ten lines, applied change by change.
//!
//! It shares nothing with any adapter, nor with the code that merges changes into batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use keepstep::destination::TableCounts;
use keepstep::model::cell::Cell;
use keepstep::model::mapping::{Cells, Effect, Fitted, Mapping};
use keepstep::model::record::RecordId;

use super::laboratory::{Database, Moments};
use super::outcome::{Outcome, equal, holds};
use super::printed::{moment, printed};
use super::scene;

/// A row: its version and its printed cells.
pub type ModelRow = (Option<i64>, Vec<Option<String>>);

/// A table and its tombstones.
#[derive(Clone, Debug)]
pub struct Model {
    mapping: Arc<Mapping>,
    moments: Moments,
    /// Rows by record.
    pub rows: BTreeMap<RecordId, ModelRow>,
    /// Versions of deletes by record.
    pub tombstones: BTreeMap<RecordId, i64>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It made or changed the row.
    Written,
    /// It deleted the row.
    Deleted,
    /// It deleted a row that was not there.
    NothingToDelete,
    /// The guard dropped it.
    Superseded,
    /// It is a patch without a base: the batch is rejected.
    NoBase,
}

impl Model {
    /// An empty table.
    pub fn new(mapping: &Arc<Mapping>) -> Self {
        Self::of_moments(mapping, Moments::ALL)
    }

    /// An empty table of a database that stores these moments.
    pub fn of_moments(mapping: &Arc<Mapping>, moments: Moments) -> Self {
        let mapping = Arc::clone(mapping);
        Self { mapping, moments, rows: BTreeMap::new(), tombstones: BTreeMap::new() }
    }

    fn with(&self, mut row: Vec<Option<String>>, cells: &Cells) -> Vec<Option<String>> {
        for (column, cell) in cells {
            row[usize::from(*column)] = match cell {
                Cell::Timestamp(ticks) => Some(moment((self.moments.stored)(ticks.to_unix_ms()))),
                _ => printed(cell),
            };
        }
        row
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Fitted) -> Did {
        let (id, versioned) = (change.record_id, self.mapping.versioned);
        let version = change.version.map_or(0, |version| version.0);
        let row = self.rows.get(&id).map(|row| row.0.unwrap_or(i64::MIN));
        let buried = self.tombstones.get(&id).copied();
        match &change.effect {
            Effect::Delete if versioned && row.is_some_and(|row| row > version) => Did::Superseded,
            Effect::Delete => {
                self.tombstones.insert(id, buried.map_or(version, |buried| buried.max(version)));
                if self.rows.remove(&id).is_some() { Did::Deleted } else { Did::NothingToDelete }
            }
            Effect::Image { create, cells } => {
                let applies = match versioned {
                    true => row.is_none_or(|row| row <= version) && buried < Some(version),
                    false => *create || row.is_some() || buried.is_none(),
                };
                if !applies {
                    return Did::Superseded;
                }
                let empty = vec![None; self.mapping.table.columns.len()];
                self.rows.insert(id, (versioned.then_some(version), self.with(empty, cells)));
                Did::Written
            }
            Effect::Patch { cells } => match (self.rows.get(&id).cloned(), buried) {
                (Some((old, _)), _) if versioned && old >= Some(version) => Did::Superseded,
                (Some((old, row)), _) => {
                    let version = if versioned { Some(version) } else { old };
                    let row = self.with(row, cells);
                    self.rows.insert(id, (version, row));
                    Did::Written
                }
                (None, Some(_)) => Did::Superseded,
                (None, None) => Did::NoBase,
            },
        }
    }

    /// Applies changes of different records and counts as a destination counts.
    pub fn apply_all(&mut self, changes: &[Fitted]) -> TableCounts {
        let entity = self.mapping.entity.clone();
        let mut counts = TableCounts { entity, written: 0, deleted: 0, superseded: 0 };
        for change in changes {
            match self.apply(change) {
                Did::Written => counts.written += 1,
                Did::Deleted => counts.deleted += 1,
                Did::Superseded => counts.superseded += 1,
                Did::NothingToDelete => {}
                Did::NoBase => panic!("the case must not hold a patch without a base"),
            }
        }
        counts
    }

    /// Compares the table and its tombstones with this model.
    pub async fn is_in(&self, what: &str, database: &dyn Database) -> Outcome {
        let rows = database.rows(&self.mapping.table).await;
        for row in &rows {
            // The destination in memory has no sink columns.
            let (created, modified) = (row.created_ms, row.modified_ms);
            holds(
                &format!("{what}: sink columns of {row:?}"),
                created.is_some() == modified.is_some() && created <= modified,
            )?;
        }
        let rows: BTreeMap<RecordId, ModelRow> =
            rows.into_iter().map(|row| (row.id, (row.version, row.cells))).collect();
        same_rows(what, &rows, &self.rows)?;
        let tombstones = database.tombstones(&scene::profile()).await;
        let mine =
            tombstones.into_iter().filter(|stone| stone.entity == self.mapping.entity.as_str());
        let tombstones: BTreeMap<RecordId, i64> =
            mine.map(|stone| (stone.record_id, stone.version)).collect();
        equal(&format!("{what}: tombstones"), &tombstones, &self.tombstones)
    }
}

/// Row by row, so that a failure shows the row and not the table.
fn same_rows(
    what: &str,
    actual: &BTreeMap<RecordId, ModelRow>,
    expected: &BTreeMap<RecordId, ModelRow>,
) -> Outcome {
    for (id, row) in expected {
        equal(&format!("{what}: row {id}"), &actual.get(id), &Some(row))?;
    }
    let surplus: Vec<_> = actual.iter().filter(|(id, _)| !expected.contains_key(id)).collect();
    equal(&format!("{what}: rows that should not be there"), &surplus, &Vec::new())
}

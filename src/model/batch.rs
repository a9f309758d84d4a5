//! A batch: what is written in one transaction.
//!
//! At most one net change per record, grouped by table in a fixed order, from one lane. A batch
//! also settles offsets that left no change in it (superseded, skipped, markers), so where its
//! checkpoint goes is told by the lane, not by its last change.

use std::sync::Arc;

use super::held::{Hold, Release};
use super::mapping::Mapping;
use super::net_change::NetChange;

/// The net changes of one table.
#[derive(Clone, Debug)]
pub struct TableBatch {
    /// How they fit their table.
    pub mapping: Arc<Mapping>,
    /// One per record, in the order of first appearance. Never empty.
    pub changes: Vec<NetChange>,
}

/// What is written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// By table, ascending by entity name, so that every lane locks tables in one order.
    pub tables: Vec<TableBatch>,
    /// Changes that are held from this transaction on. One that is held already keeps the time of
    /// its first hold.
    pub holds: Vec<Hold>,
    /// Held changes that this transaction releases. One that is not held is passed over.
    pub releases: Vec<Release>,
    /// In a batch that tries held changes of a record again: the first of them, as it stays held if
    /// that comes to nothing. `None` for a batch of the journey.
    pub retried: Option<Hold>,
    /// Number of changes that went into it, superseded ones included.
    pub change_count: usize,
    /// Changes dropped inside the batch because a later one made them void, or could not apply.
    pub superseded_count: u64,
    /// Bytes that it takes in memory, as the budget counts them.
    pub memory_bytes: usize,
}

impl Batch {
    /// Whether there is anything to write but the checkpoint.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.holds.is_empty() && self.releases.is_empty()
    }
}

//! Counts what the organisation said.

use crate::model::change::{Image, Operation};

/// Numbers of changes by what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app::demo) struct Said {
    /// Records that were there from the beginning.
    pub(in crate::app::demo) snapshots: u64,
    /// New records, and deleted ones that came back.
    pub(in crate::app::demo) creates: u64,
    /// Of these, those that came back.
    pub(in crate::app::demo) again: u64,
    /// Updates that say only what changed.
    pub(in crate::app::demo) patches: u64,
    /// Updates that say everything.
    pub(in crate::app::demo) images: u64,
    /// Deleted records.
    pub(in crate::app::demo) deletes: u64,
    /// Notifications that came a second time, late.
    pub(in crate::app::demo) late: u64,
}

impl Said {
    /// All changes.
    pub(in crate::app::demo) fn changes(&self) -> u64 {
        self.snapshots + self.creates + self.patches + self.images + self.deletes + self.late
    }

    /// Counts a change that is new.
    pub(super) fn count(&mut self, operation: Operation, image: Image) {
        match (operation, image) {
            (Operation::Snapshot, _) => self.snapshots += 1,
            (Operation::Create, _) => self.creates += 1,
            (Operation::Update, Image::Patch) => self.patches += 1,
            (Operation::Update, Image::Full) => self.images += 1,
            (Operation::Delete, _) => self.deletes += 1,
        }
    }
}

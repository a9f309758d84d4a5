//! What the net changes of one table have in common, seen once before anything is sent.
//!
//! The statements of a batch depend on it: a batch without deletes has no statement for them, and
//! patches that all name the same columns need no test per cell. Every destination that stages
//! changes and applies them set by set looks at them here. Pure; knows no database: what only one
//! of them asks of the cells, its [`Watch`] sees in the same walk.

use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::net_change::{NetChange, PatchPart};
use crate::model::record::RecordId;

/// How the patches of one table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchFlavour {
    /// All name the same columns, and each has one version: plain columns.
    Uniform,
    /// Each has one version, but they name different columns: a flag says whether a cell counts.
    Sparse,
    /// Some were merged of several versions: a version per cell.
    Layered,
}

/// The patches of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patches {
    /// How many have no image beside them, and so may lack a base.
    pub alone: u64,
    /// How many have one.
    pub based: u64,
    /// How they are written.
    pub flavour: PatchFlavour,
    /// The columns that any of them names, ascending.
    pub columns: Vec<u16>,
}

/// What the net changes of one table have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Number of deletes.
    pub deletes: u64,
    /// Number of images that no later patch was merged into.
    pub images: u64,
    /// Number of images guarded by another version than they leave.
    pub merged: u64,
    /// The patches, if there are any.
    pub patches: Option<Patches>,
    /// Number of net changes with an image or a patch.
    pub upserts: u64,
    /// Columns that some cell fills with more than null, ascending.
    pub filled: Vec<u16>,
}

/// What one database looks at beside, cell by cell.
pub(super) trait Watch {
    /// A staging row begins: the image or the patch of the table's change of this number.
    fn row(&mut self, change: usize);
    /// A cell of it.
    fn cell(&mut self, column: u16, cell: &Cell);
}

impl Parts {
    /// Looks at every cell once.
    pub(super) fn of(table: &TableBatch, watch: &mut impl Watch) -> Self {
        let mut seen = Seen::new(table.mapping.table.columns.len());
        for (at, change) in table.changes.iter().enumerate() {
            seen.add(at, change, watch);
        }
        let patches = seen.patches();
        Self {
            deletes: seen.deletes,
            images: seen.images,
            merged: seen.merged,
            patches,
            upserts: seen.upserts,
            filled: marked(&seen.filled),
        }
    }

    /// How the patches are written, if there are any.
    pub(super) fn flavour(&self) -> Option<PatchFlavour> {
        self.patches.as_ref().map(|patches| patches.flavour)
    }
}

/// The changes of a table by number, in the order in which its database compares record ids: so
/// indexes are walked fastest.
pub(super) fn in_order<K: Ord>(table: &TableBatch, key: impl Fn(RecordId) -> K) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(table.changes.len()).collect();
    order.sort_unstable_by_key(|at| key(table.changes[*at as usize].record_id));
    order
}

/// What was seen so far.
struct Seen<'a> {
    deletes: u64,
    images: u64,
    merged: u64,
    upserts: u64,
    patches: u64,
    based_patches: u64,
    filled: Vec<bool>,
    named: Vec<bool>,
    first_patch: Option<&'a PatchPart>,
    same_columns: bool,
    one_version_each: bool,
}

impl<'a> Seen<'a> {
    fn new(width: usize) -> Self {
        Self {
            deletes: 0,
            images: 0,
            merged: 0,
            upserts: 0,
            patches: 0,
            based_patches: 0,
            filled: vec![false; width],
            named: vec![false; width],
            first_patch: None,
            same_columns: true,
            one_version_each: true,
        }
    }

    fn add(&mut self, at: usize, change: &'a NetChange, watch: &mut impl Watch) {
        self.deletes += u64::from(change.delete.is_some());
        self.upserts += u64::from(change.image.is_some() || change.patch.is_some());
        if let Some(image) = &change.image {
            let plain = image.guard == image.version;
            self.images += u64::from(plain);
            self.merged += u64::from(!plain);
            watch.row(at);
            self.fill(image.cells.iter().map(|(column, cell)| (*column, cell)), watch);
        }
        if let Some(patch) = &change.patch {
            self.patches += 1;
            self.based_patches += u64::from(change.image.is_some());
            for (column, ..) in &patch.cells {
                self.named[usize::from(*column)] = true;
            }
            watch.row(at);
            self.fill(patch.cells.iter().map(|(column, _, cell)| (*column, cell)), watch);
            self.one_version_each &= patch.first_version == patch.version;
            let first = *self.first_patch.get_or_insert(patch);
            let columns = |part: &'a PatchPart| part.cells.iter().map(|(column, ..)| *column);
            self.same_columns &= columns(first).eq(columns(patch));
        }
    }

    /// Marks the columns of one staging row.
    fn fill(&mut self, cells: impl Iterator<Item = (u16, &'a Cell)>, watch: &mut impl Watch) {
        for (column, cell) in cells {
            self.filled[usize::from(column)] |= !matches!(cell, Cell::Null);
            watch.cell(column, cell);
        }
    }

    fn patches(&self) -> Option<Patches> {
        let flavour = match (self.one_version_each, self.same_columns) {
            (true, true) => PatchFlavour::Uniform,
            (true, false) => PatchFlavour::Sparse,
            (false, _) => PatchFlavour::Layered,
        };
        (self.patches > 0).then(|| Patches {
            alone: self.patches - self.based_patches,
            based: self.based_patches,
            flavour,
            columns: marked(&self.named),
        })
    }
}

/// Indexes of the columns that are marked.
fn marked(columns: &[bool]) -> Vec<u16> {
    (0_u16..).zip(columns).filter(|(_, marked)| **marked).map(|(at, _)| at).collect()
}

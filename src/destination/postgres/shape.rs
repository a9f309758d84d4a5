//! What the changes of one table have in common, seen once before anything is sent.
//!
//! The statements of a batch depend on it: a batch without deletes has no statement for them, and
//! patches that all name the same columns need no test per cell. Pure.

use crate::model::cell::Cell;
use crate::model::net_change::{NetChange, PatchPart};

use super::copy_columns::CopyColumns;
use super::ddl::Room;
use crate::model::batch::TableBatch;

/// Longest text header with its padding, in bytes.
const LONGEST_HEADER_BYTES: usize = 8;
/// Longest value that is no text (a decimal of 38 digits), in bytes, with its padding.
const LONGEST_FIXED_BYTES: usize = 40;
/// Cells and what tells which of them count, of one row, beyond which the row may not fit a page:
/// 8,160 bytes less the row's header, the bits of its nulls and the other control columns.
const PLAIN_ROW_BYTES: usize = 7_600;

/// How the patches of one table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchFlavour {
    /// All name the same columns, and each has one version: plain columns.
    Uniform,
    /// Each has one version, but they name different columns: a bit says whether a cell counts.
    Sparse,
    /// Some were merged of several versions: a version per cell.
    Layered,
}

/// The patches of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patches {
    /// How many have no image beside them, and so may lack a base.
    pub alone: u64,
    /// How they are written.
    pub flavour: PatchFlavour,
    /// The columns that any of them names, ascending.
    pub columns: Vec<u16>,
}

impl Patches {
    /// Bytes that tell which cells of a patch count.
    fn control_bytes(&self) -> usize {
        match self.flavour {
            PatchFlavour::Uniform => 0,
            PatchFlavour::Sparse => self.columns.len() / 8 + LONGEST_HEADER_BYTES,
            PatchFlavour::Layered => 8 * self.columns.len() + LONGEST_FIXED_BYTES,
        }
    }
}

/// What the changes of one table have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
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
    /// What the staging table has to hold.
    pub columns: CopyColumns,
    /// How long its rows get.
    pub room: Room,
    /// The changes in the order of their record ids, in which indexes are walked fastest.
    pub order: Vec<u32>,
}

impl Shape {
    /// Looks at every cell once.
    pub(super) fn of(table: &TableBatch) -> Self {
        let mapping = &table.mapping;
        let width = mapping.table.columns.len();
        let mut seen = Seen::new(width);
        for change in &table.changes {
            seen.add(change);
        }
        let patches = seen.patches();
        let flavour = patches.as_ref().map(|patches| patches.flavour);
        let longest_bytes = seen.longest_bytes + patches.as_ref().map_or(0, Patches::control_bytes);
        let columns = CopyColumns {
            version: mapping.versioned,
            guard: seen.merged > 0,
            record_offset: seen.deletes > 0,
            present: flavour == Some(PatchFlavour::Sparse),
            versions: flavour == Some(PatchFlavour::Layered),
            cells: marked(&seen.filled),
        };
        let mut order: Vec<u32> = (0..).take(table.changes.len()).collect();
        order.sort_unstable_by_key(|at| table.changes[*at as usize].record_id);
        Self {
            deletes: seen.deletes,
            images: seen.images,
            merged: seen.merged,
            patches,
            upserts: seen.upserts,
            columns,
            room: if longest_bytes > PLAIN_ROW_BYTES { Room::Roomy } else { Room::Plain },
            order,
        }
    }
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
    longest_bytes: usize,
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
            longest_bytes: 0,
            first_patch: None,
            same_columns: true,
            one_version_each: true,
        }
    }

    fn add(&mut self, change: &'a NetChange) {
        self.deletes += u64::from(change.delete.is_some());
        self.upserts += u64::from(change.image.is_some() || change.patch.is_some());
        if let Some(image) = &change.image {
            let plain = image.guard == image.version;
            self.images += u64::from(plain);
            self.merged += u64::from(!plain);
            self.fill(image.cells.iter().map(|(column, cell)| (*column, cell)));
        }
        if let Some(patch) = &change.patch {
            self.patches += 1;
            self.based_patches += u64::from(change.image.is_some());
            for (column, ..) in &patch.cells {
                self.named[usize::from(*column)] = true;
            }
            self.fill(patch.cells.iter().map(|(column, _, cell)| (*column, cell)));
            self.one_version_each &= patch.first_version == patch.version;
            let first = *self.first_patch.get_or_insert(patch);
            let columns = |part: &'a PatchPart| part.cells.iter().map(|(column, ..)| *column);
            self.same_columns &= columns(first).eq(columns(patch));
        }
    }

    /// Marks the columns of one staging row, and measures it.
    fn fill(&mut self, cells: impl Iterator<Item = (u16, &'a Cell)>) {
        let mut bytes = 0;
        for (column, cell) in cells {
            self.filled[usize::from(column)] |= !matches!(cell, Cell::Null);
            bytes += match cell {
                Cell::Null => 0,
                Cell::Text(text) => text.len() + LONGEST_HEADER_BYTES,
                _ => LONGEST_FIXED_BYTES,
            };
        }
        self.longest_bytes = self.longest_bytes.max(bytes);
    }

    fn patches(&self) -> Option<Patches> {
        let flavour = match (self.one_version_each, self.same_columns) {
            (true, true) => PatchFlavour::Uniform,
            (true, false) => PatchFlavour::Sparse,
            (false, _) => PatchFlavour::Layered,
        };
        (self.patches > 0).then(|| Patches {
            alone: self.patches - self.based_patches,
            flavour,
            columns: marked(&self.named),
        })
    }
}

/// Indexes of the columns that are marked.
fn marked(columns: &[bool]) -> Vec<u16> {
    (0_u16..).zip(columns).filter(|(_, marked)| **marked).map(|(at, _)| at).collect()
}

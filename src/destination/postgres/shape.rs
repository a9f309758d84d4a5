//! What the changes of one table ask of PostgreSQL's staging: its columns and its room.
//!
//! What they have in common for every database is `destination::shape`'s to see. Pure.

use super::copy_columns::CopyColumns;
use super::ddl::Room;
use crate::destination::shape::{Parts, PatchFlavour, Patches, Watch, in_order};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;

/// Longest text header with its padding, in bytes.
const LONGEST_HEADER_BYTES: usize = 8;
/// Longest value that is no text (a decimal of 38 digits), in bytes, with its padding.
const LONGEST_FIXED_BYTES: usize = 40;
/// Cells and what tells which of them count, of one row, beyond which the row may not fit a page:
/// 8,160 bytes less the row's header, the bits of its nulls and the other control columns.
const PLAIN_ROW_BYTES: usize = 7_600;

/// What the changes of one table have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// What they consist of.
    pub parts: Parts,
    /// What the staging table has to hold.
    pub columns: CopyColumns,
    /// How long its rows get.
    pub room: Room,
    /// The changes in the order of their record ids.
    pub order: Vec<u32>,
}

impl Shape {
    /// Looks at every cell once.
    pub(super) fn of(table: &TableBatch) -> Self {
        let mut rows = Rows::default();
        let parts = Parts::of(table, &mut rows);
        let control = parts.patches.as_ref().map_or(0, control_bytes);
        let flavour = parts.flavour();
        let columns = CopyColumns {
            version: table.mapping.versioned,
            guard: parts.merged > 0,
            record_offset: parts.deletes > 0,
            present: flavour == Some(PatchFlavour::Sparse),
            versions: flavour == Some(PatchFlavour::Layered),
            cells: parts.filled.clone(),
        };
        let roomy = rows.longest_bytes.max(rows.bytes) + control > PLAIN_ROW_BYTES;
        let room = if roomy { Room::Roomy } else { Room::Plain };
        let order = in_order(table, |record_id| record_id);
        Self { parts, columns, room, order }
    }
}

/// Bytes that tell which cells of a patch count.
fn control_bytes(patches: &Patches) -> usize {
    match patches.flavour {
        PatchFlavour::Uniform => 0,
        PatchFlavour::Sparse => patches.columns.len() / 8 + LONGEST_HEADER_BYTES,
        PatchFlavour::Layered => 8 * patches.columns.len() + LONGEST_FIXED_BYTES,
    }
}

/// Measures staging rows.
#[derive(Default)]
struct Rows {
    /// Of the present row.
    bytes: usize,
    /// Of the longest of those before.
    longest_bytes: usize,
}

impl Watch for Rows {
    fn row(&mut self, _change: usize) {
        self.longest_bytes = self.longest_bytes.max(self.bytes);
        self.bytes = 0;
    }

    fn cell(&mut self, _column: u16, cell: &Cell) {
        self.bytes += match cell {
            Cell::Null => 0,
            Cell::Text(text) => text.len() + LONGEST_HEADER_BYTES,
            _ => LONGEST_FIXED_BYTES,
        };
    }
}

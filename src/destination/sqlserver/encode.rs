//! The staging rows of changes, as the driver sends them.
//!
//! One row per part of a net change, in the order of `StagedColumns`. Each cell is built from its
//! column's type, never from the value: the driver writes a number at the width of what it is
//! given, and a server that expects another one reads on in the wrong place. Texts that the driver
//! cannot send in bulk are set aside. Values were fitted to their columns before. Pure.

use std::borrow::Cow;

use tiberius::numeric::Numeric;
use tiberius::time::DateTime;
use tiberius::{ColumnData, TokenRow};
use uuid::Uuid;

use super::shape::Shape;
use super::staging::StagedColumns;
use crate::destination::shape::PatchFlavour;
use crate::model::cell::{Cell, utf16_units};
use crate::model::net_change::{ImagePart, NetChange, PatchPart};
use crate::model::table::{ColumnType, Table};
use crate::model::value::Ticks;

/// A delete.
pub(super) const KIND_DELETE: u8 = 0;
/// An image.
pub(super) const KIND_IMAGE: u8 = 1;
/// An image that applies after a tombstone too (a create without versions).
pub(super) const KIND_CREATE: u8 = 2;
/// A patch.
pub(super) const KIND_PATCH: u8 = 3;
/// A patch beside an image of its record, which leaves it a row, or had a reason not to: a newer
/// row or a tombstone. So it is never without a base.
pub(super) const KIND_BASED_PATCH: u8 = 4;

/// Longest text that the driver sends in bulk, in UTF-16 units: it holds the bytes of every text
/// against 65,535, that of columns without a limit, too.
pub(super) const LONGEST_BULK_UNITS: usize = 32_767;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// 1/300 s of a day.
const DAY_PARTS: i64 = 25_920_000;
/// From the first day of `datetime`'s count to that of Unix'.
const DAYS_1900_TO_1970: i64 = 25_567;

/// A text that goes into its staged cell by a statement of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongText<'a> {
    /// Kind of the staging row.
    pub kind: u8,
    /// Its record.
    pub id: Uuid,
    /// The table's column.
    pub column: u16,
    /// The text.
    pub text: &'a str,
}

/// Makes the staging rows of one table.
pub(super) struct Encoder<'a> {
    columns: &'a StagedColumns,
    count: usize,
    /// How patches are written, and the columns that their flags or versions stand for.
    flavour: PatchFlavour,
    patched: &'a [u16],
    versioned: bool,
    /// Type of each staged cell.
    types: Vec<ColumnType>,
    /// Texts that were set aside.
    pub long_texts: Vec<LongText<'a>>,
}

/// The control columns of one staging row.
struct Control<'a> {
    kind: u8,
    version: i64,
    guard: Option<i64>,
    record_offset: Option<i64>,
    patch: Option<&'a PatchPart>,
}

impl<'a> Encoder<'a> {
    /// An encoder of what a shape says is staged.
    pub(super) fn new(shape: &'a Shape, table: &Table, versioned: bool) -> Self {
        let columns = &shape.columns;
        let patches = shape.parts.patches.as_ref();
        let column_type = |at: &u16| table.columns[usize::from(*at)].column_type;
        Self {
            columns,
            count: columns.count(),
            flavour: patches.map_or(PatchFlavour::Uniform, |patches| patches.flavour),
            patched: patches.map_or(&[], |patches| &patches.columns),
            versioned,
            types: columns.cells.iter().map(column_type).collect(),
            long_texts: Vec::new(),
        }
    }

    /// The staging rows of a net change: of its delete, its image and its patch.
    pub(super) fn rows(&mut self, change: &'a NetChange) -> [Option<TokenRow<'a>>; 3] {
        let id = change.record_id.0;
        let delete = change.delete.map(|version| {
            let control = Control {
                kind: KIND_DELETE,
                version: version.0,
                guard: None,
                record_offset: Some(change.first_offset.0),
                patch: None,
            };
            self.row(id, &control, std::iter::empty())
        });
        let image = change.image.as_ref().map(|image| {
            let cells = image.cells.iter().map(|(column, cell)| (*column, cell));
            self.row(id, &self.image_control(image), cells)
        });
        let patch = change.patch.as_ref().map(|patch| {
            let control = Control {
                kind: if change.image.is_some() { KIND_BASED_PATCH } else { KIND_PATCH },
                version: patch.version.0,
                guard: None,
                record_offset: None,
                patch: Some(patch),
            };
            self.row(id, &control, patch.cells.iter().map(|(column, _, cell)| (*column, cell)))
        });
        [delete, image, patch]
    }

    fn image_control(&self, image: &ImagePart) -> Control<'a> {
        let kind = if image.create && !self.versioned { KIND_CREATE } else { KIND_IMAGE };
        let guard = Some(image.guard.0);
        Control { kind, version: image.version.0, guard, record_offset: None, patch: None }
    }

    fn row(
        &mut self,
        id: Uuid,
        control: &Control<'_>,
        cells: impl Iterator<Item = (u16, &'a Cell)>,
    ) -> TokenRow<'a> {
        let mut row = TokenRow::with_capacity(self.count);
        row.push(ColumnData::U8(Some(control.kind)));
        row.push(ColumnData::Guid(Some(id)));
        if self.columns.version {
            row.push(ColumnData::I64(Some(control.version)));
        }
        if self.columns.guard {
            row.push(ColumnData::I64(control.guard));
        }
        if self.columns.record_offset {
            row.push(ColumnData::I64(control.record_offset));
        }
        if self.columns.present {
            let patch = control.patch.filter(|_| self.flavour == PatchFlavour::Sparse);
            row.push(ColumnData::Binary(patch.map(|patch| present(self.patched, patch))));
        }
        if self.columns.versions {
            let patch = control.patch.filter(|_| self.flavour == PatchFlavour::Layered);
            row.push(ColumnData::Binary(patch.map(|patch| versions(self.patched, patch))));
        }
        self.cells(id, control.kind, cells, &mut row);
        row
    }

    /// The cells of a row, ascending by column; columns without one are null.
    fn cells(
        &mut self,
        id: Uuid,
        kind: u8,
        cells: impl Iterator<Item = (u16, &'a Cell)>,
        row: &mut TokenRow<'a>,
    ) {
        let mut cells = cells.peekable();
        for (column, column_type) in self.columns.cells.iter().zip(&self.types) {
            // Cells of columns that are not staged are null in the whole batch.
            while cells.next_if(|(at, _)| at < column).is_some() {}
            let cell = cells.next_if(|(at, _)| at == column);
            let cell = cell.map_or(&Cell::Null, |(_, cell)| cell);
            if let Cell::Text(text) = cell
                && text.len() > LONGEST_BULK_UNITS
                && utf16_units(text) > LONGEST_BULK_UNITS
            {
                self.long_texts.push(LongText { kind, id, column: *column, text });
                row.push(ColumnData::String(None));
                continue;
            }
            row.push(datum(*column_type, cell));
        }
    }
}

/// A cell in the form that its column's type asks for.
fn datum(column_type: ColumnType, cell: &Cell) -> ColumnData<'_> {
    match column_type {
        ColumnType::Guid => ColumnData::Guid(match cell {
            Cell::Guid(id) => Some(id.0),
            _ => None,
        }),
        ColumnType::Text { .. } => ColumnData::String(match cell {
            Cell::Text(text) => Some(Cow::Borrowed(text.as_str())),
            _ => None,
        }),
        ColumnType::Integer => ColumnData::I32(match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }),
        ColumnType::Long => ColumnData::I64(match cell {
            Cell::Long(number) => Some(*number),
            _ => None,
        }),
        ColumnType::Boolean => ColumnData::Bit(match cell {
            Cell::Boolean(flag) => Some(*flag),
            _ => None,
        }),
        ColumnType::Timestamp => ColumnData::DateTime(match cell {
            Cell::Timestamp(ticks) => moment(*ticks),
            _ => None,
        }),
        ColumnType::Decimal { .. } => ColumnData::Numeric(match cell {
            // At the column's scale, which is at most 38, as the driver's.
            Cell::Decimal(number) => {
                Some(Numeric::new_with_scale(number.unscaled(), number.scale()))
            }
            _ => None,
        }),
    }
}

/// A moment, to the nearest 1/300 s, as the server itself would round milliseconds.
/// Source: SQL Server documentation, "datetime (Transact-SQL)".
fn moment(ticks: Ticks) -> Option<DateTime> {
    let ms = ticks.to_unix_ms();
    let parts = (ms.rem_euclid(DAY_MS) * 3 + 5) / 10;
    // The last of a day may be the first of the next.
    let days = ms.div_euclid(DAY_MS) + DAYS_1900_TO_1970 + parts / DAY_PARTS;
    let of_day = u32::try_from(parts % DAY_PARTS).ok()?;
    Some(DateTime::new(i32::try_from(days).ok()?, of_day))
}

/// A byte per patched column of the batch: 1 for one that this patch names.
fn present<'b>(patched: &[u16], patch: &PatchPart) -> Cow<'b, [u8]> {
    let mut cells = patch.cells.iter().peekable();
    let flag = |column: &u16| u8::from(cells.next_if(|(at, ..)| at == column).is_some());
    Cow::Owned(patched.iter().map(flag).collect())
}

/// Eight bytes per patched column of the batch, the highest first, as the server reads a `bigint`
/// from bytes; the lowest number there is for a column that this patch does not name.
fn versions<'b>(patched: &[u16], patch: &PatchPart) -> Cow<'b, [u8]> {
    let mut cells = patch.cells.iter().peekable();
    let mut bytes = Vec::with_capacity(8 * patched.len());
    for column in patched {
        let version = cells.next_if(|(at, ..)| at == column).map_or(i64::MIN, |(_, v, _)| v.0);
        bytes.extend_from_slice(&version.to_be_bytes());
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
#[path = "encode_test.rs"]
mod tests;

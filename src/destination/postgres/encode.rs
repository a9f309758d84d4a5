//! The binary COPY form of changes, written straight into one buffer.
//!
//! One staging row per part of a net change, in the order of `CopyColumns`. Values were fitted to
//! their columns before, so nothing can fail here. Pure.
//! Source: PostgreSQL documentation, COPY, "Binary Format"; the values' forms are those of the
//! types' `recv` functions.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::copy_columns::CopyColumns;
use super::numeric;
use super::shape::Shape;
use crate::destination::shape::PatchFlavour;
use crate::model::cell::Cell;
use crate::model::net_change::{ImagePart, NetChange, PatchPart};

/// A delete.
pub(super) const KIND_DELETE: i16 = 0;
/// An image.
pub(super) const KIND_IMAGE: i16 = 1;
/// An image that applies after a tombstone too (a create without versions).
pub(super) const KIND_CREATE: i16 = 2;
/// An image that leaves a higher version than it is guarded by.
pub(super) const KIND_MERGED: i16 = 3;
/// A patch.
pub(super) const KIND_PATCH: i16 = 4;
/// A patch beside an image of its record, which leaves it a row, or had a reason not to: a newer
/// row or a tombstone. So it is never without a base.
pub(super) const KIND_BASED_PATCH: i16 = 5;

/// A frame is given away once it is this long, in bytes: long enough to cost next to nothing
/// each, short enough for the allocator to hand out quickly.
const FRAME_BYTES: usize = 60 * 1024;
/// Room for one more row of usual size in a frame.
const FRAME_SLACK_BYTES: usize = 4 * 1024;

/// Signature, flags and header extension of the binary format.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const NULL: i32 = -1;
/// Microseconds from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const EPOCH_US: i64 = 946_684_800_000_000;
/// Type of the elements of `versions`.
const BIGINT_OID: u32 = 20;

/// Writes the changes of one table.
pub(super) struct Encoder<'a> {
    columns: &'a CopyColumns,
    field_count: i16,
    /// How patches are written, and the columns that their bits or versions stand for.
    flavour: PatchFlavour,
    patched: &'a [u16],
    versioned: bool,
    /// Which of the COPY's cells a table's column is, if any.
    places: Vec<Option<u16>>,
    buffer: BytesMut,
}

/// The control columns of one staging row.
struct Control<'a> {
    kind: i16,
    version: i64,
    guard: Option<i64>,
    record_offset: Option<i64>,
    patch: Option<&'a PatchPart>,
}

impl<'a> Encoder<'a> {
    /// An encoder for a COPY of `columns`, which cover those of the shape.
    pub(super) fn new(columns: &'a CopyColumns, shape: &'a Shape, versioned: bool) -> Self {
        let mut buffer = BytesMut::with_capacity(FRAME_BYTES + FRAME_SLACK_BYTES);
        buffer.extend_from_slice(HEADER);
        let patches = shape.parts.patches.as_ref();
        let mut places = vec![None; columns.cells.last().map_or(0, |last| usize::from(*last) + 1)];
        for (place, column) in (0..).zip(&columns.cells) {
            places[usize::from(*column)] = Some(place);
        }
        Self {
            columns,
            places,
            field_count: i16::try_from(columns.count()).unwrap_or(i16::MAX),
            flavour: patches.map_or(PatchFlavour::Uniform, |patches| patches.flavour),
            patched: patches.map_or(&[], |patches| &patches.columns),
            versioned,
            buffer,
        }
    }

    /// Adds a net change; gives away a frame when one is full.
    pub(super) fn add(&mut self, change: &NetChange) -> Option<Bytes> {
        let id = change.record_id.0.as_bytes();
        if let Some(version) = change.delete {
            let control = Control {
                kind: KIND_DELETE,
                version: version.0,
                guard: None,
                record_offset: Some(change.first_offset.0),
                patch: None,
            };
            self.begin(id, &control);
            self.cells(std::iter::empty());
        }
        if let Some(image) = &change.image {
            self.begin(id, &self.image_control(image));
            self.cells(image.cells.iter().map(|(column, cell)| (*column, cell)));
        }
        if let Some(patch) = &change.patch {
            let control = Control {
                kind: if change.image.is_some() { KIND_BASED_PATCH } else { KIND_PATCH },
                version: patch.version.0,
                guard: None,
                record_offset: None,
                patch: Some(patch),
            };
            self.begin(id, &control);
            self.cells(patch.cells.iter().map(|(column, _, cell)| (*column, cell)));
        }
        (self.buffer.len() >= FRAME_BYTES).then(|| self.give_away())
    }

    /// Ends the data and gives the last frame away.
    pub(super) fn finish(mut self) -> Bytes {
        self.buffer.put_i16(TRAILER);
        self.buffer.freeze()
    }

    fn give_away(&mut self) -> Bytes {
        let next = BytesMut::with_capacity(FRAME_BYTES + FRAME_SLACK_BYTES);
        std::mem::replace(&mut self.buffer, next).freeze()
    }

    fn image_control(&self, image: &ImagePart) -> Control<'a> {
        let kind = match (image.guard == image.version, image.create && !self.versioned) {
            (false, _) => KIND_MERGED,
            (true, true) => KIND_CREATE,
            (true, false) => KIND_IMAGE,
        };
        let guard = (kind == KIND_MERGED).then_some(image.guard.0);
        Control { kind, version: image.version.0, guard, record_offset: None, patch: None }
    }

    /// Field count and control columns of a row.
    fn begin(&mut self, id: &[u8; 16], control: &Control<'_>) {
        let buffer = &mut self.buffer;
        buffer.put_i16(self.field_count);
        buffer.put_i32(2);
        buffer.put_i16(control.kind);
        buffer.put_i32(16);
        buffer.put_slice(id);
        if self.columns.version {
            put_bigint(buffer, Some(control.version));
        }
        if self.columns.guard {
            put_bigint(buffer, control.guard);
        }
        if self.columns.record_offset {
            put_bigint(buffer, control.record_offset);
        }
        if self.columns.present {
            match control.patch.filter(|_| self.flavour == PatchFlavour::Sparse) {
                Some(patch) => put_present(buffer, self.patched, patch),
                None => buffer.put_i32(NULL),
            }
        }
        if self.columns.versions {
            match control.patch.filter(|_| self.flavour == PatchFlavour::Layered) {
                Some(patch) => put_versions(buffer, self.patched, patch),
                None => buffer.put_i32(NULL),
            }
        }
    }

    /// The cells of a row, ascending by column; columns without one are null.
    fn cells<'b>(&mut self, cells: impl Iterator<Item = (u16, &'b Cell)>) {
        let mut next = 0;
        for (column, cell) in cells {
            // Cells of columns that the COPY leaves out are null in the whole batch.
            let Some(place) = self.places.get(usize::from(column)).copied().flatten() else {
                continue;
            };
            put_nulls(&mut self.buffer, usize::from(place) - next);
            put_cell(&mut self.buffer, cell);
            next = usize::from(place) + 1;
        }
        put_nulls(&mut self.buffer, self.columns.cells.len() - next);
    }
}

/// So many nulls, each a length of -1: nothing but set bits.
fn put_nulls(buffer: &mut BytesMut, count: usize) {
    buffer.put_bytes(0xff, count * size_of_val(&NULL));
}

fn put_bigint(buffer: &mut BytesMut, value: Option<i64>) {
    match value {
        Some(value) => {
            buffer.put_i32(8);
            buffer.put_i64(value);
        }
        None => buffer.put_i32(NULL),
    }
}

/// A bit per patched column of the batch, the lowest first in each byte, as `get_bit` counts.
fn put_present(buffer: &mut BytesMut, patched: &[u16], patch: &PatchPart) {
    let mut cells = patch.cells.iter().peekable();
    buffer.put_i32(i32::try_from(patched.len().div_ceil(8)).unwrap_or(0));
    for columns in patched.chunks(8) {
        let mut byte = 0_u8;
        for (bit, column) in columns.iter().enumerate() {
            byte |= u8::from(cells.next_if(|(at, ..)| at == column).is_some()) << bit;
        }
        buffer.put_u8(byte);
    }
}

/// An array of one version per patched column of the batch; the lowest number there is for a
/// column that this patch does not name.
fn put_versions(buffer: &mut BytesMut, patched: &[u16], patch: &PatchPart) {
    let mut cells = patch.cells.iter().peekable();
    let length = i32::try_from(patched.len()).unwrap_or(0);
    // Dimensions, no nulls, element type, length, lower bound; then each with its length.
    buffer.put_i32(20 + 12 * length);
    buffer.put_i32(1);
    buffer.put_i32(0);
    buffer.put_u32(BIGINT_OID);
    buffer.put_i32(length);
    buffer.put_i32(1);
    for column in patched {
        let version = cells.next_if(|(at, ..)| at == column).map_or(i64::MIN, |(_, v, _)| v.0);
        put_bigint(buffer, Some(version));
    }
}

fn put_cell(buffer: &mut BytesMut, cell: &Cell) {
    match cell {
        Cell::Null => buffer.put_i32(NULL),
        Cell::Boolean(flag) => {
            buffer.put_i32(1);
            buffer.put_u8(u8::from(*flag));
        }
        Cell::Integer(number) => {
            buffer.put_i32(4);
            buffer.put_i32(*number);
        }
        Cell::Long(number) => put_bigint(buffer, Some(*number)),
        Cell::Decimal(number) => numeric::put(buffer, *number),
        Cell::Text(text) => {
            // A notification is far shorter than 2 GiB, and so are its texts.
            buffer.put_i32(i32::try_from(text.len()).unwrap_or(i32::MAX));
            buffer.put_slice(text.as_bytes());
        }
        Cell::Guid(id) => {
            buffer.put_i32(16);
            buffer.put_slice(id.0.as_bytes());
        }
        Cell::Timestamp(ticks) => put_bigint(buffer, Some(ticks.to_unix_us() - EPOCH_US)),
    }
}

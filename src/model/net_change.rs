//! The net effect of several changes of one record within one batch.
//!
//! A set-based statement may touch a row only once, so a batch holds one net change per record.
//! [`NetChange::merge`] composes the next change into it **only where the result is exactly what
//! the changes would do one after the other, whatever the row in the table is**; anywhere else it
//! answers [`Merge::Border`] and the batch ends there. So coalescing can make batches smaller,
//! never wrong. The property test at the foot compares it with a serial replay.
//!
//! The rules are those of promise G3. Versioned: an image applies at a version ≥ the row's and >
//! the tombstone's, a delete at ≥, a patch at >. Unversioned: log order; after a tombstone only a
//! create applies.

use super::cell::Cell;
use super::change::Version;
use super::mapping::{Cells, Effect, Fitted};
use super::position::Offset;
use super::record::RecordId;

/// A column of a patch, its cell, and the version of the change that set it.
///
/// The version travels per cell: of several merged patches, those that are not newer than the row
/// must not apply, and the others must.
pub type PatchCells = Vec<(u16, Version, Cell)>;

/// What an image makes of the row.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePart {
    /// Whether one of its changes was a create (matters after a tombstone, unversioned).
    pub create: bool,
    /// Version of the image itself: it applies where the row's is not higher.
    pub guard: Version,
    /// Version of the row afterwards: that of the last patch merged in.
    pub version: Version,
    /// All columns that are not null.
    pub cells: Cells,
}

/// What patches make of the row, guarded apart from the image.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPart {
    /// Version of its oldest patch; a row below it takes all cells.
    pub first_version: Version,
    /// Version of its newest patch.
    pub version: Version,
    /// The columns, ascending.
    pub cells: PatchCells,
}

/// The net effect on one record: its parts apply in the order delete, image, patch, each guarded
/// by its own version. Unversioned changes carry [`UNVERSIONED`].
#[derive(Clone, Debug, PartialEq)]
pub struct NetChange {
    /// The record.
    pub record_id: RecordId,
    /// The row goes, at this version.
    pub delete: Option<Version>,
    /// The row becomes this.
    pub image: Option<ImagePart>,
    /// The row changes by this.
    pub patch: Option<PatchPart>,
    /// First of the positions it was made of, counted from its last image or delete.
    pub first_offset: Offset,
    /// The further ones.
    pub more_offsets: Vec<Offset>,
}

/// The version of changes of entities that have none.
pub const UNVERSIONED: Version = Version(0);

/// What became of a change that was to be merged.
#[derive(Debug, PartialEq)]
pub enum Merge {
    /// It is part of the net change now.
    Done,
    /// It could not have had an effect, whatever the table holds: dropped, to be counted.
    Superseded,
    /// It cannot be composed exactly: it must start a new batch.
    Border(Fitted),
}

impl NetChange {
    /// The net change of a single change.
    pub fn of(fitted: Fitted, offset: Offset) -> Self {
        let version = fitted.version.unwrap_or(UNVERSIONED);
        let mut net = Self {
            record_id: fitted.record_id,
            delete: None,
            image: None,
            patch: None,
            first_offset: offset,
            more_offsets: Vec::new(),
        };
        match fitted.effect {
            Effect::Delete => net.delete = Some(version),
            Effect::Image { create, cells } => {
                net.image = Some(ImagePart { create, guard: version, version, cells });
            }
            Effect::Patch { cells } => net.patch = Some(patch_part(version, cells)),
        }
        net
    }

    /// All positions, in log order.
    pub fn offsets(&self) -> impl Iterator<Item = Offset> + '_ {
        std::iter::once(self.first_offset).chain(self.more_offsets.iter().copied())
    }

    /// Composes the record's next change.
    pub fn merge(&mut self, fitted: Fitted, offset: Offset) -> Merge {
        match fitted.version {
            Some(version) => self.merge_versioned(fitted, version, offset),
            None => self.merge_unversioned(fitted, offset),
        }
    }

    fn merge_versioned(&mut self, fitted: Fitted, version: Version, offset: Offset) -> Merge {
        if self.can_never_apply(&fitted.effect, version) {
            return Merge::Superseded;
        }
        if !self.composes(&fitted.effect, version) {
            return Merge::Border(fitted);
        }
        match fitted.effect {
            Effect::Delete => {
                // Of two deletes the tombstone keeps the higher version.
                let version = self.delete.map_or(version, |earlier| earlier.max(version));
                self.restart(offset);
                self.delete = Some(version);
                (self.image, self.patch) = (None, None);
            }
            Effect::Image { create, cells } => {
                self.restart(offset);
                self.image = Some(ImagePart { create, guard: version, version, cells });
                self.patch = None;
            }
            Effect::Patch { cells } => {
                self.more_offsets.push(offset);
                if let Some(image) = &mut self.image {
                    overlay(&mut image.cells, &cells);
                    image.version = version;
                }
                let patch = patch_part(version, cells);
                match &mut self.patch {
                    Some(earlier) => extend(earlier, patch),
                    none => *none = Some(patch),
                }
            }
        }
        Merge::Done
    }

    /// Version of the row after the image and the patches, if all of them apply.
    fn newest(&self) -> Option<Version> {
        let image = self.image.as_ref().map(|part| part.guard);
        self.patch.as_ref().map(|part| part.version).max(image)
    }

    /// Whether a change can have no effect after this net change, whatever the row is.
    fn can_never_apply(&self, effect: &Effect, version: Version) -> bool {
        match (effect, &self.image, &self.patch) {
            // Below the image: the image applied, or the row or its tombstone was newer still.
            (Effect::Image { .. } | Effect::Delete, Some(image), _) => version < image.guard,
            (Effect::Image { .. }, None, None) => {
                self.delete.is_some_and(|delete| version <= delete)
            }
            (Effect::Patch { .. }, None, None) => {
                self.delete.is_some_and(|delete| version <= delete)
            }
            (Effect::Patch { .. }, _, _) => self.newest().is_some_and(|newest| version <= newest),
            _ => false,
        }
    }

    /// Whether merging gives exactly the serial result.
    fn composes(&self, effect: &Effect, version: Version) -> bool {
        match effect {
            // A delete or an image replaces everything that is not newer than itself.
            Effect::Delete | Effect::Image { .. } => {
                self.newest().is_none_or(|newest| version >= newest)
            }
            // After a bare delete a patch would need a row that the delete left standing.
            Effect::Patch { .. } => self.image.is_some() || self.patch.is_some(),
        }
    }

    fn merge_unversioned(&mut self, fitted: Fitted, offset: Offset) -> Merge {
        let only_deleted = self.delete.is_some() && self.image.is_none();
        match fitted.effect {
            Effect::Delete => {
                self.restart(offset);
                self.delete = Some(UNVERSIONED);
                (self.image, self.patch) = (None, None);
            }
            Effect::Image { create: false, .. } | Effect::Patch { .. } if only_deleted => {
                return Merge::Superseded;
            }
            Effect::Image { create, cells } => {
                let create = create || self.image.as_ref().is_some_and(|earlier| earlier.create);
                self.restart(offset);
                self.image =
                    Some(ImagePart { create, guard: UNVERSIONED, version: UNVERSIONED, cells });
                self.patch = None;
            }
            Effect::Patch { cells } => {
                self.more_offsets.push(offset);
                match (&mut self.image, &mut self.patch) {
                    // Without versions an image that is not applied means no row, so its patches
                    // are not applied either: they need no guard of their own.
                    (Some(image), _) => overlay(&mut image.cells, &cells),
                    (None, Some(earlier)) => extend(earlier, patch_part(UNVERSIONED, cells)),
                    (None, none) => *none = Some(patch_part(UNVERSIONED, cells)),
                }
            }
        }
        Merge::Done
    }

    /// Positions count from the last image or delete on: it settles those before it.
    fn restart(&mut self, offset: Offset) {
        self.first_offset = offset;
        self.more_offsets.clear();
    }
}

fn patch_part(version: Version, cells: Cells) -> PatchPart {
    let cells = cells.into_iter().map(|(column, cell)| (column, version, cell)).collect();
    PatchPart { first_version: version, version, cells }
}

/// `patch` over `cells`; both ascending by column.
fn overlay(cells: &mut Cells, patch: &Cells) {
    for (column, cell) in patch {
        match cells.binary_search_by_key(column, |(at, _)| *at) {
            Ok(at) => cells[at].1 = cell.clone(),
            Err(at) => cells.insert(at, (*column, cell.clone())),
        }
    }
}

/// The later patch over the earlier one.
fn extend(earlier: &mut PatchPart, later: PatchPart) {
    for (column, version, cell) in later.cells {
        match earlier.cells.binary_search_by_key(&column, |(at, ..)| *at) {
            Ok(at) => earlier.cells[at] = (column, version, cell),
            Err(at) => earlier.cells.insert(at, (column, version, cell)),
        }
    }
    earlier.version = later.version;
}

#[cfg(test)]
#[path = "net_change_test.rs"]
mod tests;

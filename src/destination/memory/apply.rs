//! The guard, row by row: the plainest statement of what every adapter does in sets.

use crate::destination::{RejectedRecord, TableCounts, WriteError, Written};
use crate::model::batch::{Batch, TableBatch};
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::Fence;
use crate::model::failure::{Cause, Rejection};
use crate::model::layout::SINK_DELETED_ON;
use crate::model::mapping::Mapping;
use crate::model::metadata_tables::logged_name;
use crate::model::mutation::Mutations;
use crate::model::net_change::{ImagePart, NetChange, PatchPart};
use crate::model::profile::ProfileId;
use crate::model::value::Ticks;

use super::state::{MemoryState, StoredRow, StoredTombstone};

impl MemoryState {
    /// Moves the cursors and makes every change, or does neither.
    pub(super) fn write(
        &mut self,
        fence: &Fence,
        batch: &Batch,
        clock_us: impl Fn() -> i64,
        mutations: Mutations,
    ) -> Result<Written, WriteError> {
        if !mutations.fence_off() && !self.fence_holds(fence, mutations.token_only()) {
            return Err(WriteError::Fenced);
        }
        let mut after = self.clone();
        let now = || Ticks::nearest_to_unix_us(clock_us());
        let written = after.apply(&fence.lane.profile, batch, &now, mutations)?;
        after.hold_and_release(&fence.lane, batch, clock_us);
        after.move_cursors(fence);
        *self = after;
        Ok(written)
    }

    fn apply(
        &mut self,
        profile: &ProfileId,
        batch: &Batch,
        now: &dyn Fn() -> Ticks,
        mutations: Mutations,
    ) -> Result<Written, WriteError> {
        let mut written = Written::default();
        let mut rejected = Vec::new();
        for table in &batch.tables {
            written.tables.push(self.apply_table(profile, table, now, mutations, &mut rejected));
        }
        if rejected.is_empty() { Ok(written) } else { Err(WriteError::Rejected(rejected)) }
    }

    fn apply_table(
        &mut self,
        profile: &ProfileId,
        table: &TableBatch,
        now: &dyn Fn() -> Ticks,
        mutations: Mutations,
        rejected: &mut Vec<RejectedRecord>,
    ) -> TableCounts {
        let mapping = &table.mapping;
        let entity = mapping.entity.clone();
        let mut counts = TableCounts { entity, written: 0, deleted: 0, superseded: 0 };
        for change in &table.changes {
            let mut row = OneRow { state: self, profile, mapping, change, now, mutations };
            if let Some(version) = change.delete {
                match row.delete(version) {
                    Outcome::Applied => counts.deleted += 1,
                    Outcome::Dropped => counts.superseded += 1,
                    Outcome::Nothing => {}
                }
            }
            let image = change.image.as_ref().map(|part| row.image(part));
            // The image holds its patches already; the patch part speaks where it was dropped.
            let patch = match (&change.patch, image) {
                (None, _) | (Some(_), Some(true)) => None,
                (Some(part), _) => match row.patch(part) {
                    Ok(applied) => Some(applied),
                    Err(rejection) => {
                        let (entity, record_id) =
                            (Some(mapping.entity.clone()), Some(change.record_id));
                        rejected.push(RejectedRecord { entity, record_id, rejection });
                        None
                    }
                },
            };
            if image == Some(true) || patch == Some(true) {
                counts.written += 1;
            } else if image.is_some() || patch.is_some() {
                counts.superseded += 1;
            }
        }
        counts
    }
}

enum Outcome {
    Applied,
    Dropped,
    Nothing,
}

struct OneRow<'a> {
    state: &'a mut MemoryState,
    profile: &'a ProfileId,
    mapping: &'a Mapping,
    change: &'a NetChange,
    now: &'a dyn Fn() -> Ticks,
    mutations: Mutations,
}

impl OneRow<'_> {
    fn row_key(&self) -> (String, crate::model::record::RecordId) {
        (self.mapping.table.name.to_string(), self.change.record_id)
    }

    /// The row's version; `None` without a row, and below any version if it has none.
    fn row_version(&self) -> Option<Version> {
        let row = self.state.rows.get(&self.row_key())?;
        if self.mapping.table.deletes.keep_row && row.cells.contains_key(SINK_DELETED_ON) {
            return None;
        }
        Some(row.version.unwrap_or(Version(i64::MIN)))
    }

    fn tombstone(&self) -> Option<StoredTombstone> {
        let key = (self.profile.clone(), self.mapping.entity.clone(), self.change.record_id);
        self.state.tombstones.get(&key).copied()
    }

    fn guarded(&self) -> bool {
        self.mapping.versioned && !self.mutations.guard_off()
    }

    fn delete(&mut self, version: Version) -> Outcome {
        let row_version = self.row_version();
        if self.guarded() && row_version.is_some_and(|row| row > version) {
            return Outcome::Dropped;
        }
        if let Some(found) = row_version {
            let found = if found == Version(i64::MIN) { Version(0) } else { found };
            self.log_delete(if self.mapping.versioned { version } else { found });
        }
        let version = self.mapping.versioned.then_some(version);
        if !self.mutations.tombstone_forgotten() {
            let key = (self.profile.clone(), self.mapping.entity.clone(), self.change.record_id);
            let tombstone = self.state.tombstones.entry(key).or_insert(StoredTombstone { version });
            tombstone.version = tombstone.version.max(version);
        }
        if row_version.is_none() {
            return Outcome::Nothing;
        }
        let key = self.row_key();
        if !self.mapping.table.deletes.keep_row {
            self.state.rows.remove(&key);
        } else if let Some(row) = self.state.rows.get_mut(&key) {
            row.version = version.or(row.version);
            if let Some(now) = (self.now)().rounded_to_ms() {
                row.cells.insert(SINK_DELETED_ON.to_owned(), Cell::Timestamp(now));
            }
        }
        Outcome::Applied
    }

    /// Notes the row that is about to go.
    fn log_delete(&mut self, version: Version) {
        let Some(log) = &self.mapping.table.deletes.logged_in else { return };
        let line = vec![
            Cell::Text(logged_name(self.mapping.entity.as_str()).into()),
            Cell::Text(self.change.record_id.canonical().into()),
            (self.now)().rounded_to_ms().map_or(Cell::Null, Cell::Timestamp),
            Cell::Long(version.0),
        ];
        self.state.beside.entry(log.to_string()).or_default().push(line);
    }

    fn image(&mut self, part: &ImagePart) -> bool {
        let row_version = self.row_version();
        let applies = if self.guarded() {
            let newer_tombstone = |stone: StoredTombstone| stone.version >= Some(part.guard);
            row_version.is_none_or(|row| row <= part.guard)
                && !self.tombstone().is_some_and(newer_tombstone)
        } else {
            self.mapping.versioned
                || part.create
                || row_version.is_some()
                || self.tombstone().is_none()
        };
        if applies {
            let mut cells = std::collections::BTreeMap::new();
            for (column, cell) in &part.cells {
                set(&mut cells, self.mapping, *column, cell);
            }
            let version = self.mapping.versioned.then_some(part.version);
            let key = self.row_key();
            self.state.rows.insert(key, StoredRow { version, cells });
        }
        applies
    }

    fn patch(&mut self, part: &PatchPart) -> Result<bool, Rejection> {
        let Some(row_version) = self.row_version() else {
            if self.tombstone().is_some() {
                return Ok(false);
            }
            return Err(Rejection::of(Cause::NoBase));
        };
        let guarded = self.guarded();
        if guarded && part.version <= row_version {
            return Ok(false);
        }
        let key = self.row_key();
        let (mapping, clears) = (self.mapping, self.mutations.patch_as_image());
        let Some(row) = self.state.rows.get_mut(&key) else { return Ok(false) };
        if clears {
            row.cells.clear();
        }
        for (column, version, cell) in &part.cells {
            if !guarded || *version > row_version {
                set(&mut row.cells, mapping, *column, cell);
            }
        }
        if mapping.versioned {
            row.version = Some(part.version);
        }
        Ok(true)
    }
}

fn set(
    cells: &mut std::collections::BTreeMap<String, Cell>,
    mapping: &Mapping,
    column: u16,
    cell: &Cell,
) {
    let name = mapping.table.columns[usize::from(column)].name.to_string();
    match cell {
        Cell::Null => cells.remove(&name),
        _ => cells.insert(name, cell.clone()),
    };
}

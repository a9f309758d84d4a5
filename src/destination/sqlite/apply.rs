//! Applies net changes to one table, each part guarded as promise G3 says.

use std::collections::HashMap;

use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Connection};

use super::blame::Blame;
use super::cell_text::{Scratch, TextBytes};
use super::metadata_statements;
use super::statements::{self, ImageGuard, PatchGuard};
use super::stop::Stop;
use super::write::any_tombstone;
use crate::destination::{TableCounts, Trouble};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::LaneId;
use crate::model::failure::{Cause, Rejection};
use crate::model::mapping::Mapping;
use crate::model::metadata_tables::logged_name;
use crate::model::mutation::Mutations;
use crate::model::net_change::{ImagePart, NetChange, PatchPart};
use crate::model::record::RecordId;

/// Most patch statements that a batch keeps ready for one table, one for each set of columns.
const READY_PATCHES: usize = 128;

/// A moment as it is stored.
pub(super) type Moment = [u8; 23];

/// The database's present, for the sink columns: one moment for a whole batch.
///
/// # Errors
/// What SQLite says.
pub(super) fn now(connection: &Connection) -> Result<Moment, Stop> {
    let mut statement = connection.prepare_cached(statements::now())?;
    let text: String = statement.query_row([], |row| row.get(0))?;
    Moment::try_from(text.as_bytes()).map_err(|_| {
        Stop::Refused(Trouble {
            what: "reading this machine's clock".to_owned(),
            code: "clock".into(),
            hint: "It stands outside the years 1 to 9999; set it right.".to_owned(),
        })
    })
}

/// Writes the net changes of one table within the caller's transaction.
pub(super) struct TableWriter<'a> {
    connection: &'a Connection,
    lane: &'a LaneId,
    mapping: &'a Mapping,
    now: Moment,
    mutations: Mutations,
    /// Whether the entity has tombstones; while it has none, images need not look for theirs.
    tombstones: bool,
    counts: TableCounts,
    /// By [`ImageGuard`].
    images: [Option<CachedStatement<'a>>; 4],
    patches: HashMap<(PatchGuard, Vec<u16>), CachedStatement<'a>>,
    delete: Option<CachedStatement<'a>>,
    log_delete: Option<CachedStatement<'a>>,
    bury: Option<CachedStatement<'a>>,
    row_version: Option<CachedStatement<'a>>,
    scratch: Scratch,
}

impl<'a> TableWriter<'a> {
    /// A writer for one table of a batch.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn new(
        connection: &'a Connection,
        lane: &'a LaneId,
        table: &'a TableBatch,
        now: Moment,
        mutations: Mutations,
    ) -> Result<Self, Stop> {
        let entity = table.mapping.entity.clone();
        let tombstones = any_tombstone(connection, lane.profile.as_str(), entity.as_str())?;
        Ok(Self {
            connection,
            lane,
            mapping: &table.mapping,
            now,
            mutations,
            tombstones,
            counts: TableCounts { entity, written: 0, deleted: 0, superseded: 0 },
            images: [const { None }; 4],
            patches: HashMap::new(),
            delete: None,
            log_delete: None,
            bury: None,
            row_version: None,
            scratch: Scratch::default(),
        })
    }

    /// What was done.
    pub(super) fn counts(self) -> TableCounts {
        self.counts
    }

    /// Applies the parts of one net change: delete, image, patch.
    ///
    /// # Errors
    /// [`Stop::Rejected`] with the record, [`Stop::Table`], or what SQLite says.
    pub(super) fn apply(&mut self, change: &NetChange) -> Result<(), Stop> {
        if let Some(version) = change.delete {
            self.delete(change, version)?;
        }
        let image = match &change.image {
            Some(part) => Some(self.image(change, part)?),
            None => None,
        };
        // An image that applied has its patches in it already.
        let patch = match &change.patch {
            Some(part) if image != Some(true) => Some(self.patch(change, part)?),
            _ => None,
        };
        if image == Some(true) || patch == Some(true) {
            self.counts.written += 1;
        } else if image.is_some() || patch.is_some() {
            self.counts.superseded += 1;
        }
        Ok(())
    }

    fn guarded(&self) -> bool {
        self.mapping.versioned && !self.mutations.guard_off()
    }

    fn blame<'b>(&self, change: &'b NetChange) -> Blame<'b>
    where
        'a: 'b,
    {
        Blame { connection: self.connection, mapping: self.mapping, change }
    }

    fn delete(&mut self, change: &NetChange, version: Version) -> Result<(), Stop> {
        let blame = self.blame(change);
        if self.delete_row(change, version).map_err(|stop| blame.put(stop, None))? {
            self.counts.deleted += 1;
        } else if self.guarded() && self.row_version(change)?.is_some() {
            self.counts.superseded += 1;
            return Ok(());
        }
        if self.mutations.tombstone_forgotten() {
            return Ok(());
        }
        self.bury(change, version)
    }

    /// Whether there was a row, old enough where guarded.
    fn delete_row(&mut self, change: &NetChange, version: Version) -> Result<bool, Stop> {
        let guarded = self.guarded();
        let table = &self.mapping.table;
        if let Some(log) = &table.deletes.logged_in {
            let versioned = self.mapping.versioned;
            let noting = ready(&mut self.log_delete, self.connection, || {
                metadata_statements::log_delete(table, log, versioned, guarded)
            })?;
            noting.raw_bind_parameter(1, TextBytes(self.scratch.uuid(change.record_id.0)))?;
            noting.raw_bind_parameter(2, logged_name(self.mapping.entity.as_str()))?;
            noting.raw_bind_parameter(3, TextBytes(&self.now))?;
            if versioned {
                noting.raw_bind_parameter(4, version.0)?;
            }
            noting.raw_execute()?;
        }
        let statement =
            ready(&mut self.delete, self.connection, || statements::delete_row(table, guarded))?;
        statement.raw_bind_parameter(1, TextBytes(self.scratch.uuid(change.record_id.0)))?;
        if table.deletes.keep_row {
            statement.raw_bind_parameter(2, self.mapping.versioned.then_some(version.0))?;
            statement.raw_bind_parameter(3, TextBytes(&self.now))?;
        } else if guarded {
            statement.raw_bind_parameter(2, version.0)?;
        }
        Ok(statement.raw_execute()? == 1)
    }

    fn bury(&mut self, change: &NetChange, version: Version) -> Result<(), Stop> {
        let at = &self.lane.topic_partition;
        let bury = ready(&mut self.bury, self.connection, statements::bury)?;
        bury.raw_bind_parameter(1, self.lane.profile.as_str())?;
        bury.raw_bind_parameter(2, self.mapping.entity.as_str())?;
        bury.raw_bind_parameter(3, TextBytes(self.scratch.uuid(change.record_id.0)))?;
        bury.raw_bind_parameter(4, version.0)?;
        bury.raw_bind_parameter(5, at.topic.as_str())?;
        bury.raw_bind_parameter(6, at.partition.0)?;
        bury.raw_bind_parameter(7, change.first_offset.0)?;
        bury.raw_execute()?;
        self.tombstones = true;
        Ok(())
    }

    fn image_guard(&self, part: &ImagePart) -> ImageGuard {
        match (self.mapping.versioned, self.tombstones) {
            (true, _) if self.mutations.guard_off() => ImageGuard::None,
            (true, true) => ImageGuard::RowAndTombstone,
            (true, false) => ImageGuard::Row,
            (false, true) if !part.create => ImageGuard::RowOrNoTombstone,
            (false, _) => ImageGuard::None,
        }
    }

    /// Whether the image applied.
    fn image(&mut self, change: &NetChange, part: &ImagePart) -> Result<bool, Stop> {
        let guard = self.image_guard(part);
        let blame = self.blame(change);
        let table = &self.mapping.table;
        let slot = &mut self.images[guard as usize];
        let statement = ready(slot, self.connection, || statements::image(table, guard))
            .map_err(|stop| blame.put(stop, None))?;
        if part.cells.len() < table.columns.len() {
            // What is not bound is null, and not what the row before had.
            statement.clear_bindings();
        }
        statement.raw_bind_parameter(1, TextBytes(self.scratch.uuid(change.record_id.0)))?;
        statement.raw_bind_parameter(2, TextBytes(&self.now))?;
        for (column, cell) in &part.cells {
            let parameter = statements::image_parameter(table, Some(*column));
            bind(statement, parameter, cell, &mut self.scratch)
                .map_err(|stop| blame.put(stop, Some(*column)))?;
        }
        if self.mapping.versioned {
            let parameter = statements::image_parameter(table, None);
            statement.raw_bind_parameter(parameter, part.version.0)?;
        }
        if guard != ImageGuard::None {
            let first = table.columns.len() + 4;
            statement.raw_bind_parameter(first, part.guard.0)?;
            if guard != ImageGuard::Row {
                statement.raw_bind_parameter(first + 1, self.lane.profile.as_str())?;
                statement.raw_bind_parameter(first + 2, self.mapping.entity.as_str())?;
            }
        }
        let rows = statement.raw_execute();
        rows.map(|rows| rows == 1).map_err(|error| blame.put(Stop::Database(error), None))
    }

    /// Whether any of the patch applied.
    fn patch(&mut self, change: &NetChange, part: &PatchPart) -> Result<bool, Stop> {
        let guard = if self.guarded() { PatchGuard::RowOlder } else { PatchGuard::None };
        // Most often the row is older than all of the patch: one statement then.
        if self.update(change, part, guard, |_| true)? {
            return Ok(true);
        }
        match self.row_version(change)? {
            None if self.has_tombstone(change.record_id)? => Ok(false),
            None => {
                let cause = Rejection::of(Cause::NoBase);
                Err(Stop::rejected(&self.mapping.entity, change, cause))
            }
            Some(Some(row)) if row < part.version => {
                self.update(change, part, PatchGuard::None, |version| version > row)
            }
            Some(_) => Ok(false),
        }
    }

    /// Changes the columns whose version `applies`, and says whether the row was there and, where
    /// guarded, old enough.
    fn update(
        &mut self,
        change: &NetChange,
        part: &PatchPart,
        guard: PatchGuard,
        applies: impl Fn(Version) -> bool,
    ) -> Result<bool, Stop> {
        let blame = self.blame(change);
        let cells = part.cells.iter().filter(|(_, version, _)| applies(*version));
        let mut cells: Vec<(u16, &Cell)> = cells.map(|(column, _, cell)| (*column, cell)).collect();
        if self.mutations.patch_as_image() {
            clear_the_rest(&mut cells, self.mapping);
        }
        if self.patches.len() >= READY_PATCHES {
            self.patches.clear();
        }
        let key = (guard, cells.iter().map(|(column, _)| *column).collect::<Vec<u16>>());
        let statement = match self.patches.entry(key) {
            std::collections::hash_map::Entry::Occupied(ready) => ready.into_mut(),
            std::collections::hash_map::Entry::Vacant(slot) => {
                let text = statements::patch(&self.mapping.table, &slot.key().1, guard);
                let statement = self.connection.prepare_cached(&text);
                slot.insert(statement.map_err(|error| blame.put(Stop::Database(error), None))?)
            }
        };
        statement.raw_bind_parameter(1, TextBytes(self.scratch.uuid(change.record_id.0)))?;
        statement.raw_bind_parameter(2, TextBytes(&self.now))?;
        statement.raw_bind_parameter(3, self.mapping.versioned.then_some(part.version.0))?;
        if guard == PatchGuard::RowOlder {
            statement.raw_bind_parameter(4, part.first_version.0)?;
        }
        for (parameter, (column, cell)) in (5..).zip(cells) {
            bind(statement, parameter, cell, &mut self.scratch)
                .map_err(|stop| blame.put(stop, Some(column)))?;
        }
        let rows = statement.raw_execute();
        rows.map(|rows| rows == 1).map_err(|error| blame.put(Stop::Database(error), None))
    }

    /// `None` without a row, `Some(None)` for a row without a version.
    fn row_version(&mut self, change: &NetChange) -> Result<Option<Option<Version>>, Stop> {
        let blame = self.blame(change);
        self.read_version(change.record_id).map_err(|stop| blame.put(stop, None))
    }

    fn read_version(&mut self, record_id: RecordId) -> Result<Option<Option<Version>>, Stop> {
        let table = &self.mapping.table;
        let statement =
            ready(&mut self.row_version, self.connection, || statements::row_version(table))?;
        statement.raw_bind_parameter(1, TextBytes(self.scratch.uuid(record_id.0)))?;
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => Ok(Some(row.get::<_, Option<i64>>(0)?.map(Version))),
            None => Ok(None),
        }
    }

    fn has_tombstone(&mut self, record_id: RecordId) -> Result<bool, Stop> {
        let mut statement = self.connection.prepare_cached(&statements::tombstone())?;
        statement.raw_bind_parameter(1, self.lane.profile.as_str())?;
        statement.raw_bind_parameter(2, self.mapping.entity.as_str())?;
        statement.raw_bind_parameter(3, TextBytes(self.scratch.uuid(record_id.0)))?;
        let found = statement.raw_query().next()?.is_some();
        Ok(found)
    }
}

/// The statement, prepared at its first use.
fn ready<'s, 'a>(
    slot: &'s mut Option<CachedStatement<'a>>,
    connection: &'a Connection,
    text: impl FnOnce() -> String,
) -> Result<&'s mut CachedStatement<'a>, Stop> {
    match slot {
        Some(statement) => Ok(statement),
        none => Ok(none.insert(connection.prepare_cached(&text())?)),
    }
}

fn bind(
    statement: &mut CachedStatement<'_>,
    parameter: usize,
    cell: &Cell,
    scratch: &mut Scratch,
) -> Result<(), Stop> {
    Ok(statement.raw_bind_parameter(parameter, ToSqlOutput::Borrowed(scratch.cell(cell)))?)
}

/// A fault for tests: columns that a patch does not name become null.
fn clear_the_rest(cells: &mut Vec<(u16, &Cell)>, mapping: &Mapping) {
    for column in (0..).take(mapping.table.columns.len()) {
        if let Err(at) = cells.binary_search_by_key(&column, |(at, _)| *at) {
            cells.insert(at, (column, &Cell::Null));
        }
    }
}

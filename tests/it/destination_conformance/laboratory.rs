//! What the suite asks of a database beside the trait: to open it, to look into it past the
//! adapter, and to do to it what the world does.
//!
//! An adapter joins the suite with one [`Laboratory`]. Everything that it shows is read past the
//! adapter, by plain statements of its own, and printed in the one form that stands at
//! [`StoredRow::cells`], so that a value stored in a wrong type cannot hide.

use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::Destination;
use keepstep::model::checkpoint::{Fingerprint, LaneId, OwnerToken};
use keepstep::model::mutation::Mutations;
use keepstep::model::profile::ProfileId;
use keepstep::model::record::RecordId;
use keepstep::model::table::Table;

use super::held_up;

/// Makes databases of one kind.
#[async_trait]
pub trait Laboratory: Send + Sync {
    /// Name of the kind, for failures.
    fn name(&self) -> &'static str;

    /// What this kind of database can do, and its limits.
    fn abilities(&self) -> Abilities;

    /// A new, empty database, gone when the last handle on it is dropped.
    async fn new_database(&self) -> Arc<dyn Database>;
}

/// What a kind of database can do, and its limits. A case that needs what is missing is not run;
/// the adapter's test states which, so nothing is skipped unseen.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// It has tables of its own that someone else can change: [`Database::tamper`] does more than
    /// lose checkpoints and versions.
    pub has_schema: bool,
    /// Longest name of a table or column, in bytes of UTF-8. One more is refused at activation.
    pub longest_name_bytes: usize,
    /// Names that differ only in case are the same name.
    pub names_ignore_case: bool,
    /// Most columns of a table, the four system columns included. One more is refused at
    /// activation. `None`: no limit of its own.
    pub most_columns: Option<usize>,
    /// Whether a name may hold any character but U+0000.
    pub takes_any_name: bool,
    /// The moments that it stores.
    pub moments: Moments,
}

/// The moments that a kind of database stores.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// The first, ms since 1970.
    pub first_ms: i64,
    /// The last, ms since 1970.
    pub last_ms: i64,
    /// What becomes of a moment that is stored.
    pub stored: fn(i64) -> i64,
}

impl Moments {
    /// Every millisecond of the years 1 to 9999.
    pub const ALL: Self =
        Self { first_ms: -62_135_596_800_000, last_ms: 253_402_300_799_999, stored: |ms| ms };
}

/// One database.
#[async_trait]
pub trait Database: Send + Sync {
    /// A new handle with connections of its own, as another process would have.
    async fn open(&self, mutations: Mutations) -> Arc<dyn Destination>;

    /// A handle whose first write is held up on its way to the database, before its fence is
    /// looked at, until it is released. An adapter with a wire of its own holds up the bytes.
    async fn open_stalling(&self, mutations: Mutations) -> (Arc<dyn Destination>, Box<dyn Stall>) {
        held_up::hold_first_write(self.open(mutations).await)
    }

    /// A handle whose first write is committed, and whose answer is lost. An adapter with a wire
    /// of its own cuts it.
    async fn open_losing_answer(&self, mutations: Mutations) -> Arc<dyn Destination> {
        held_up::lose_first_answer(self.open(mutations).await)
    }

    /// The rows of a table, ascending by id.
    async fn rows(&self, table: &Table) -> Vec<StoredRow>;

    /// The names of all columns of a table, system columns too, in the table's order.
    async fn columns(&self, table: &Table) -> Vec<String>;

    /// The tombstones of a profile, ascending by entity and record.
    async fn tombstones(&self, profile: &ProfileId) -> Vec<StoredTombstone>;

    /// The checkpoint of a lane as it is stored, ascending by entity.
    async fn cursors(&self, lane: &LaneId) -> Vec<StoredCursor>;

    /// Columns of a table that stands beside those of entities, its rows ascending by them; booleans
    /// as `true` and `false`. None if the table is not there.
    async fn lines(&self, schema: &str, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>>;

    /// Keeps the present state of all tables, own tables too.
    async fn back_up(&self);

    /// Goes back to the state that was kept. Handles stay open, as after a failover.
    async fn set_back(&self);

    /// Does to the database what the adapter never would.
    async fn tamper(&self, act: Tamper);
}

/// The hold on a stalled write.
#[async_trait]
pub trait Stall: Send + Sync {
    /// Ends once a write is held up.
    async fn reached(&self);

    /// Lets it go on.
    async fn release(&self);
}

/// What someone else did to the database. The first three are for every kind, the others for those
/// with a schema.
#[derive(Clone, Debug)]
pub enum Tamper {
    /// The row loses its version, as a row that was there before keepstep.
    RowWithoutVersion(Table, RecordId),
    /// The checkpoint of a lane is gone, all its cursors.
    CheckpointLost(LaneId),
    /// The registry has forgotten a table: it is there, with its rows, and nobody's.
    Unregistered(Table),
    /// The own tables are of a version that no program knows yet.
    OwnTablesNewer,
    /// A column of a table is gone.
    ColumnDropped(Table, String),
    /// A table is gone.
    TableDropped(Table),
}

/// One row, read past the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its key.
    pub id: RecordId,
    /// `SinkCreatedOn`, ms since 1970.
    pub created_ms: Option<i64>,
    /// `SinkModifiedOn`, ms since 1970.
    pub modified_ms: Option<i64>,
    /// `versionnumber`.
    pub version: Option<i64>,
    /// The attribute columns in the order of [`Table::columns`], printed: booleans `true` and
    /// `false`, whole numbers plainly, decimals with all digits of their scale, GUIDs in lower
    /// case, times as `YYYY-MM-DD HH:MM:SS.fff` in UTC, text as it is.
    pub cells: Vec<Option<String>>,
}

/// One tombstone, read past the adapter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredTombstone {
    /// Entity of the record.
    pub entity: String,
    /// The record.
    pub record_id: RecordId,
    /// Version of the delete; 0 for entities without versions.
    pub version: i64,
}

/// One cursor, read past the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCursor {
    /// The entity; empty for all.
    pub entity: String,
    /// The next offset.
    pub next: i64,
    /// Who took it last; `None` before the first take.
    pub owner: Option<OwnerToken>,
    /// Fingerprint of the last record.
    pub fingerprint: Option<Fingerprint>,
}

//! What a world's destination stores, as the oracle reads it: the twin in memory or a real SQLite
//! file. Reading shares no code with the adapters but the twin's own state.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::WhichHeld;
use keepstep::destination::desk::Desk;
use keepstep::destination::memory::{MemoryDestination, MemoryState};
use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::destination::survey::TableSurvey;
use keepstep::destination::{
    Activated, Activation, Destination, DestinationError, Finding, WriteError, Written,
};
use keepstep::model::batch::Batch;
use keepstep::model::cell::Cell;
use keepstep::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken, Scope};
use keepstep::model::held::{HeldCause, HeldChange, HeldKey, Revision};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use keepstep::model::record::{EntityName, RecordId};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::source::ENTITIES;

/// One row: its version (0 without one) and its columns as text; null ones are absent.
pub(super) type Row = (i64, BTreeMap<String, String>);

/// Everything that is stored.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) cursors: BTreeMap<(LaneId, Scope), NextOffset>,
    /// Entities that an activation has bound.
    pub(super) bound: Vec<String>,
    /// By entity, whose table has its name, and record.
    pub(super) rows: BTreeMap<(String, RecordId), Row>,
    /// Versions, by entity and record.
    pub(super) tombstones: BTreeMap<(String, RecordId), i64>,
    /// Held changes, open and released.
    pub(super) held: Vec<(LaneId, HeldChange)>,
}

/// A world's destination.
#[derive(Clone)]
pub(super) enum Store {
    Memory(MemoryDestination),
    Sqlite(Arc<TempDir>),
}

impl Store {
    pub(super) fn new(sqlite: bool, mutations: Mutations) -> Self {
        if sqlite {
            return Self::Sqlite(Arc::new(tempfile::tempdir().unwrap()));
        }
        Self::Memory(MemoryDestination::new(mutations))
    }

    pub(super) fn destination(&self, mutations: Mutations) -> Arc<dyn Destination> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Sqlite(folder) => {
                let settings = SqliteSettings::new(folder.path().join("world.db"));
                let sqlite = SqliteDestination::start(settings, mutations).unwrap();
                Arc::new(Waiting(Arc::new(sqlite)))
            }
        }
    }

    /// The twin, where it is one: only it can fall back to an older state.
    pub(super) fn memory(&self) -> Option<&MemoryDestination> {
        match self {
            Self::Memory(memory) => Some(memory),
            Self::Sqlite(_) => None,
        }
    }

    pub(super) fn read(&self) -> Stored {
        match self {
            Self::Memory(memory) => memory.look(of_memory),
            Self::Sqlite(folder) => {
                let connection = Connection::open(folder.path().join("world.db")).unwrap();
                // One moment for all of it: what a dead process had asked for may still be written.
                connection.execute_batch("BEGIN").unwrap();
                of_sqlite(&connection).unwrap_or_default()
            }
        }
    }
}

fn of_memory(state: &MemoryState) -> Stored {
    let text = |cell: &Cell| match cell {
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) => text.to_string(),
        Cell::Guid(id) => id.to_string(),
        other => panic!("the world's tables do not hold {other:?}"),
    };
    let rows = state.rows.iter().map(|((table, id), row)| {
        let cells = row.cells.iter().map(|(name, cell)| (name.clone(), text(cell)));
        ((table.clone(), *id), (row.version.map_or(0, |version| version.0), cells.collect()))
    });
    let stones = state.tombstones.iter().map(|((_, entity, id), stone)| {
        ((entity.to_string(), *id), stone.version.map_or(0, |version| version.0))
    });
    Stored {
        cursors: state.checkpoints(),
        bound: names().filter(|name| state.is_bound(name)).map(ToOwned::to_owned).collect(),
        rows: rows.collect(),
        tombstones: stones.collect(),
        held: state.held.iter().map(|((lane, _), held)| (lane.clone(), held.clone())).collect(),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    ENTITIES.iter().map(|(name, _)| *name)
}

fn id(text: &str) -> RecordId {
    RecordId::from_canonical(text.as_bytes()).unwrap()
}

/// An error means that the tables are not there yet.
fn of_sqlite(connection: &Connection) -> rusqlite::Result<Stored> {
    let mut stored = Stored::default();
    let text = "SELECT profile, topic, partition, entity, next_offset FROM keepstep_checkpoint";
    let mut statement = connection.prepare(text)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (profile, topic): (String, String) = (row.get(0)?, row.get(1)?);
        let topic_partition = TopicPartition::new(&Topic::new(&topic), row.get(2)?);
        let lane = LaneId { profile: ProfileId::new(&profile).unwrap(), topic_partition };
        let scope = Scope::from_stored(&row.get::<_, String>(3)?);
        stored.cursors.insert((lane, scope), NextOffset(row.get(4)?));
    }
    let mut statement = connection.prepare("SELECT entity FROM keepstep_object_registry")?;
    let bound = statement.query_map([], |row| row.get(0))?;
    stored.bound = bound.collect::<rusqlite::Result<_>>()?;
    let text = "SELECT entity, record_id, version FROM keepstep_tombstone";
    let mut statement = connection.prepare(text)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (entity, record): (String, String) = (row.get(0)?, row.get(1)?);
        stored.tombstones.insert((entity, id(&record)), row.get(2)?);
    }
    let text = "SELECT profile, topic, partition, change_offset, entity, record_id, cause, open,
         revision, published FROM keepstep_held_change";
    let mut statement = connection.prepare(text)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (profile, topic): (String, String) = (row.get(0)?, row.get(1)?);
        let topic_partition = TopicPartition::new(&Topic::new(&topic), row.get(2)?);
        let lane = LaneId { profile: ProfileId::new(&profile).unwrap(), topic_partition };
        let (entity, record): (String, String) = (row.get(4)?, row.get(5)?);
        let key = HeldKey {
            offset: Offset(row.get(3)?),
            entity: (!entity.is_empty()).then(|| EntityName::new(&entity)),
            record_id: Some(id(&record)).filter(|id| !id.0.is_nil()),
        };
        let code: String = row.get(6)?;
        let cause = HeldCause { code: code.into(), column: None, detail: String::new() };
        let held = HeldChange {
            key,
            version: None,
            creates: false,
            cause,
            attempt: 0,
            held_at_us: 0,
            open: row.get(7)?,
            revision: Revision(row.get(8)?),
            published: row.get::<_, Option<i64>>(9)?.map(Revision),
        };
        stored.held.push((lane, held));
    }
    for entity in stored.bound.clone() {
        let own_key = format!("{entity}id");
        let mut statement = connection.prepare(&format!("SELECT * FROM {entity}"))?;
        // A table may lack a column until a newer definition has it.
        let there: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let record: String = row.get("Id")?;
            let version: Option<i64> = row.get("versionnumber")?;
            let mut cells = BTreeMap::new();
            let wanted = [own_key.as_str(), "n0", "n1", "n2", "n3", "t"];
            for name in wanted.into_iter().filter(|name| there.iter().any(|it| it == name)) {
                match row.get::<_, rusqlite::types::Value>(name)? {
                    rusqlite::types::Value::Null => {}
                    rusqlite::types::Value::Integer(number) => {
                        cells.insert(name.to_owned(), number.to_string());
                    }
                    rusqlite::types::Value::Text(text) => {
                        cells.insert(name.to_owned(), text);
                    }
                    other => panic!("the world's tables do not hold {other:?}"),
                }
            }
            stored.rows.insert((entity.clone(), id(&record)), (version.unwrap_or(0), cells));
        }
    }
    Ok(stored)
}

/// Waits for the adapter's thread in a way that holds Tokio's paused time: a real thread's work
/// takes no simulated time.
struct Waiting(Arc<SqliteDestination>);

impl Waiting {
    async fn ask<T: Send + 'static>(
        &self,
        call: impl for<'a> FnOnce(&'a SqliteDestination, &'a Handle) -> T + Send + 'static,
    ) -> T {
        let (inner, runtime) = (Arc::clone(&self.0), Handle::current());
        tokio::task::spawn_blocking(move || call(&inner, &runtime)).await.unwrap()
    }
}

#[async_trait]
impl Destination for Waiting {
    fn desk(&self) -> &dyn Desk {
        self.0.desk()
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let (fence, batch) = (fence.clone(), Arc::clone(batch));
        self.ask(move |inner, runtime| runtime.block_on(inner.try_out(&fence, &batch))).await
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        let (lane, after) = (lane.clone(), after.cloned());
        self.ask(move |inner, runtime| {
            runtime.block_on(inner.held(&lane, which, after.as_ref(), limit))
        })
        .await
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        let (lane, published) = (lane.clone(), published.to_vec());
        self.ask(move |inner, runtime| runtime.block_on(inner.mark_published(&lane, &published)))
            .await
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        let activation = activation.clone();
        self.ask(move |inner, runtime| runtime.block_on(inner.check(&activation))).await
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        let activation = activation.clone();
        self.ask(move |inner, runtime| runtime.block_on(inner.survey(&activation))).await
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        let activation = activation.clone();
        self.ask(move |inner, runtime| runtime.block_on(inner.activate(&activation))).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        let lane = lane.clone();
        self.ask(move |inner, runtime| runtime.block_on(inner.take(&lane, token))).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let (fence, batch) = (fence.clone(), Arc::clone(batch));
        self.ask(move |inner, runtime| runtime.block_on(inner.write(&fence, &batch))).await
    }
}

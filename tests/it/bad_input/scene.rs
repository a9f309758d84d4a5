//! One pipeline per run: an embedded log in memory, and the twin in memory or a real SQLite file.
//! What is in the tables and in the list of held changes is read without the adapter's code.

use keepstep::model::layout::{Existing, Layout, Widen};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keepstep::codec::{Contract, DecoderSettings, SchemaId};
use keepstep::destination::memory::{MemoryDestination, MemoryState};
use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::destination::{Destination, WhichHeld};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, NewRecord};
use keepstep::metrics::Metrics;
use keepstep::model::batcher::BatchLimits;
use keepstep::model::cell::Cell;
use keepstep::model::checkpoint::LaneId;
use keepstep::model::entity::{Attribute, AttributeKind, EntityDefinition};
use keepstep::model::held::HeldChange;
use keepstep::model::mapping::{Mapping, UnknownAttribute};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use keepstep::model::profile::{Profile, ProfileEntity, ProfileId, Start};
use keepstep::model::record::EntityName;
use keepstep::model::table::Table;
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::{LaneState, StatusBoard};
use keepstep::pipeline::{Definitions, Pipeline, PipelineParts};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longest wait for a run to settle everything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Schema id of a registry that stands in the settings.
pub const REGISTERED: u32 = 7;
/// An entity whose changes have versions.
pub const VERSIONED: &str = "thing";
/// One whose changes have none, as Dataverse's own.
pub const UNVERSIONED: &str = "plain";

/// Where the run writes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Memory,
    Sqlite,
}

/// A row: columns as text, null ones absent.
pub type Row = BTreeMap<String, String>;

/// What a run left behind.
pub struct Left {
    /// Rows by table and the text of their id.
    pub rows: HashMap<(String, String), Row>,
    /// Held changes by their offset in partition 0.
    pub held: HashMap<usize, Vec<HeldChange>>,
    /// Why entities were paused.
    pub paused: Vec<String>,
    /// All that keepstep keeps and says of it, in which no content may be.
    pub said: String,
}

/// The columns of both entities, one of each type.
pub fn definition(name: &str) -> EntityDefinition {
    let id = format!("{name}id");
    let attributes = [
        (id.as_str(), AttributeKind::Guid),
        ("name", AttributeKind::Text { max_length: Some(40) }),
        ("memo", AttributeKind::Memo),
        ("whole", AttributeKind::Integer),
        ("big", AttributeKind::BigInt),
        ("amount", AttributeKind::Decimal { precision: 4 }),
        ("flag", AttributeKind::Boolean),
        ("at", AttributeKind::DateTime),
        ("other", AttributeKind::Lookup { targets: Vec::new() }),
        ("kind", AttributeKind::Choice { option_set: None, options: Vec::new() }),
        ("several", AttributeKind::Choices { options: Vec::new() }),
    ];
    let attribute = |(name, kind): (&str, _)| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: keepstep::model::entity::Origin::default(),
    };
    EntityDefinition {
        name: EntityName::new(name),
        primary_id: id.as_str().into(),
        intersect: None,
        attributes: attributes.map(attribute).into(),
    }
}

/// The settings of the lanes' decoders.
pub fn decoder_settings() -> DecoderSettings {
    let mut settings = DecoderSettings::default();
    settings.schemas.insert(SchemaId::Confluent(REGISTERED), Contract::ChangeNotification);
    settings
}

enum Store {
    Memory(MemoryDestination),
    Sqlite(TempDir, Arc<SqliteDestination>),
}

impl Store {
    fn new(kind: Kind) -> Self {
        if matches!(kind, Kind::Memory) {
            return Self::Memory(MemoryDestination::default());
        }
        let folder = tempfile::tempdir().unwrap();
        let settings = SqliteSettings::new(folder.path().join("crm.sqlite"));
        let sqlite = SqliteDestination::start(settings, Mutations::default()).unwrap();
        Self::Sqlite(folder, Arc::new(sqlite))
    }

    fn destination(&self) -> Arc<dyn Destination> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Sqlite(_, sqlite) => Arc::<SqliteDestination>::clone(sqlite),
        }
    }
}

/// Runs a pipeline over these records, all in partition 0 of two, until all are settled.
pub async fn run(kind: Kind, records: Vec<NewRecord>, unknown: UnknownAttribute) -> Left {
    let clock = Arc::new(|| 1_700_000_000_000);
    let log = EmbeddedLog::in_memory(EmbeddedSettings::new(clock));
    let topic = Topic::new("crm.org");
    log.create_topic(&topic, 2, false).await.unwrap();
    let end = NextOffset(i64::try_from(records.len()).unwrap());
    for record in records {
        // One by one: together they may be more than one append takes.
        log.append(&topic, vec![NewRecord { partition: Some(0), ..record }]).await.unwrap();
    }
    let store = Store::new(kind);
    let status: Arc<StatusBoard> = Arc::default();
    let parts = parts(&topic, &log, store.destination(), &status, unknown);
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    running.spawn(Pipeline::new(parts).run(stopped));
    let lane = TopicPartition::new(&topic, 0);
    let settled = settle(&status, &lane, end);
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    assert!(settled.is_ok(), "{kind:?}: not settled up to {end:?}: {:?}", status.lanes());
    let lanes = status.lanes();
    let (mut held, mut said) = (HashMap::<usize, Vec<HeldChange>>::new(), format!("{lanes:?}"));
    let id = LaneId { profile: ProfileId::new("test").unwrap(), topic_partition: lane };
    for change in store.destination().held(&id, WhichHeld::All, None, 10_000).await.unwrap() {
        assert!(change.open, "nothing releases what is held here: {change:?}");
        said += &format!("{change:?}");
        held.entry(usize::try_from(change.key.offset.0).unwrap()).or_default().push(change);
    }
    stop.send_replace(true);
    let ended = running.join_next().await.unwrap();
    ended.expect("no panic").expect("no error");
    let rows = match &store {
        Store::Memory(memory) => memory.look(rows_of_memory),
        Store::Sqlite(folder, _) => {
            let (rows, own) = rows_of_file(&folder.path().join("crm.sqlite"));
            said += &own;
            rows
        }
    };
    let paused = lanes.values().flat_map(|lane| lane.paused.values().cloned()).collect();
    Left { rows, held, paused, said }
}

/// Waits until everything is settled, and says so at once if the lane will never get there.
async fn settle(status: &StatusBoard, lane: &TopicPartition, end: NextOffset) {
    let mut notices = status.subscribe();
    loop {
        let lanes = status.lanes();
        if lanes.get(lane).is_some_and(|lane| lane.settled == Some(end)) {
            return;
        }
        let stopped = lanes.values().find(|lane| matches!(lane.state, LaneState::Stopped(_)));
        assert!(stopped.is_none(), "{stopped:?}");
        notices.changed().await.unwrap();
    }
}

fn parts(
    topic: &Topic,
    log: &EmbeddedLog,
    destination: Arc<dyn Destination>,
    status: &Arc<StatusBoard>,
    unknown_attributes: UnknownAttribute,
) -> PipelineParts {
    let entities = [(VERSIONED, true), (UNVERSIONED, false)];
    let entity = |(name, versioned): (&str, bool)| ProfileEntity {
        name: name.into(),
        versioned,
        topic: topic.clone(),
    };
    let profile = Profile {
        id: ProfileId::new("test").unwrap(),
        name: "test".to_owned(),
        layout: Layout::plain("dbo", None),
        existing: Existing::Adopt,
        keep_deleted: false,
        widen: Widen::default(),
        entities: entities.map(entity).into(),
        unknown_attributes,
        images_only: false,
        start: Start::Earliest,
        batch: BatchLimits { changes: 50, bytes: 4 << 20, linger: Duration::from_millis(5) },
        retry_count: 0,
        retry_interval: Duration::ZERO,
        drain: Duration::from_secs(3),
    };
    let mapping = |(name, versioned): (&str, bool)| {
        let definition = definition(name);
        let table = Table::of(&definition, "dbo", None);
        Arc::new(Mapping::new(&definition, table, versioned, unknown_attributes))
    };
    let names = entities.map(|(name, _)| name);
    PipelineParts {
        profile: Arc::new(profile),
        definitions: Definitions::fixed(entities.map(mapping).into()),
        decoder: Arc::new(decoder_settings()),
        log: Arc::new(log.clone()),
        destination,
        budget: MemoryBudget::new(16 << 20),
        status: Arc::clone(status),
        metrics: Arc::new(Metrics::new().unwrap().profile("test", names)),
        clock: Arc::new(|| 1_700_000_000_100),
        seed: 1,
        mutations: Mutations::default(),
    }
}

fn rows_of_memory(state: &MemoryState) -> HashMap<(String, String), Row> {
    let rows = state.rows.iter().map(|((table, id), row)| {
        let cells = row.cells.iter().map(|(name, cell)| (name.clone(), text(cell)));
        ((table.clone(), id.canonical()), cells.collect())
    });
    rows.collect()
}

/// A cell in the text that SQLite stores.
fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Boolean(flag) => i32::from(*flag).to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Long(number) => number.to_string(),
        Cell::Decimal(number) => number.to_string(),
        Cell::Text(text) => text.to_string(),
        Cell::Guid(id) => id.canonical(),
        Cell::Timestamp(ticks) => {
            let moment = time::OffsetDateTime::from_unix_timestamp_nanos(
                i128::from(ticks.to_unix_ms()) * 1_000_000,
            );
            let (date, time) = (moment.unwrap().date(), moment.unwrap().time());
            let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
            let (hour, minute, second, ms) = time.as_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}")
        }
    }
}

/// The rows of both tables, and everything in keepstep's own.
fn rows_of_file(file: &PathBuf) -> (HashMap<(String, String), Row>, String) {
    let database = rusqlite::Connection::open(file).unwrap();
    let tables: Vec<String> = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let (mut rows, mut own) = (HashMap::new(), String::new());
    for table in tables {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let mut cells = Row::new();
            for (at, name) in names.iter().enumerate() {
                let text = match row.get_ref(at).unwrap() {
                    rusqlite::types::ValueRef::Null => continue,
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => format!("{number:?}"),
                    rusqlite::types::ValueRef::Text(text)
                    | rusqlite::types::ValueRef::Blob(text) => {
                        String::from_utf8_lossy(text).into_owned()
                    }
                };
                cells.insert(name.clone(), text);
            }
            if [VERSIONED, UNVERSIONED].contains(&table.as_str()) {
                rows.insert((table.clone(), cells["Id"].clone()), cells);
            } else {
                own += &format!("{table} {cells:?}\n");
            }
        }
    }
    (rows, own)
}

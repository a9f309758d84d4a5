//! The source of a simulated world: an organisation whose records change, and what it published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keepstep::codec::encode_change;
use keepstep::log::{Log, NewRecord, partition_of};
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::entity::{Attribute, AttributeKind, EntityDefinition};
use keepstep::model::mapping::{Mapping, UnknownAttribute};
use keepstep::model::position::{Topic, TopicPartition};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::table::Table;
use keepstep::model::value::Value;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Duration, sleep};
use uuid::Uuid;

/// Entities of the organisation, and whether each is versioned. The last one is in no profile.
pub(super) const ENTITIES: [(&str, bool); 4] =
    [("alpha", true), ("beta", true), ("gamma", false), ("stranger", true)];

/// What is wrong with a published change, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poison {
    Fine,
    /// Its bytes say nothing.
    Garbled,
    /// It has no payload.
    Empty,
    /// A number does not fit its column.
    TooBig,
    /// The destination refuses one of its values, now and then.
    Refused,
}

/// The value that the destination refuses.
pub(super) const REFUSED_VALUE: i32 = 666;

/// Everything published, by partition, in log order: what the oracle replays.
pub(super) type Published = Arc<Mutex<BTreeMap<TopicPartition, Vec<(Change, Poison)>>>>;

pub(crate) fn mapping(entity: &str, versioned: bool) -> Arc<Mapping> {
    mapping_of(entity, versioned, &["n0", "n1", "n2", "n3"])
}

/// A mapping by a definition that has only some of the numbers.
pub(crate) fn mapping_of(entity: &str, versioned: bool, numbers: &[&str]) -> Arc<Mapping> {
    mapping_with(entity, versioned, numbers, AttributeKind::Integer)
}

/// The same with numbers of another kind.
pub(crate) fn mapping_with(
    entity: &str,
    versioned: bool,
    numbers: &[&str],
    kind: AttributeKind,
) -> Arc<Mapping> {
    let attribute = |name: String, kind| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: keepstep::model::entity::Origin::default(),
    };
    let primary_id = format!("{entity}id");
    let mut attributes = vec![attribute(primary_id.clone(), AttributeKind::Guid)];
    for number in numbers {
        attributes.push(attribute((*number).to_owned(), kind.clone()));
    }
    attributes.push(attribute("t".to_owned(), AttributeKind::Memo));
    let definition = EntityDefinition {
        name: EntityName::new(entity),
        primary_id: primary_id.into(),
        intersect: None,
        attributes,
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, versioned, UnknownAttribute::Stop))
}

/// What the source knows of one of its records.
#[derive(Default)]
struct SourceRecord {
    live: bool,
    values: BTreeMap<String, Value>,
    history: Vec<Change>,
}

pub(super) struct Source {
    rng: SmallRng,
    topic: Topic,
    partitions: u32,
    records: BTreeMap<(usize, u128), SourceRecord>,
    pool: u128,
    version: i64,
    poison_share: f64,
    published: Published,
}

impl Source {
    pub(super) fn new(
        seed: u64,
        topic: Topic,
        partitions: u32,
        poison_share: f64,
        published: Published,
    ) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pool = rng.random_range(2..12);
        let records = BTreeMap::new();
        Self { rng, topic, partitions, records, pool, version: 1, poison_share, published }
    }

    /// Publishes `count` changes over time.
    pub(super) async fn publish(mut self, log: Arc<dyn Log>, count: usize) {
        let mut left = count;
        while left > 0 {
            let burst = self.rng.random_range(1..20).min(left);
            left -= burst;
            let changes: Vec<(Change, Poison)> = (0..burst)
                .map(|_| {
                    let mut change = self.next_change();
                    let poison = self.poison(&mut change);
                    (change, poison)
                })
                .collect();
            let records = changes.iter().map(|(change, it)| record(change, *it)).collect();
            self.remember(changes);
            log.append(&self.topic, records).await.unwrap();
            sleep(Duration::from_millis(self.rng.random_range(0..400))).await;
        }
    }

    /// Spoils a change, now and then.
    fn poison(&mut self, change: &mut Change) -> Poison {
        let is_delete = change.operation == Operation::Delete;
        if !self.rng.random_bool(self.poison_share) {
            let found = change.attributes.iter().find_map(|(_, value)| match value {
                Value::Integer(value) if *value == REFUSED_VALUE => Some(Poison::Refused),
                Value::Long(_) => Some(Poison::TooBig),
                _ => None,
            });
            return found.unwrap_or(Poison::Fine);
        }
        let mut set = |name: &str, value| {
            change.attributes.retain(|(it, _)| it != name);
            change.attributes.push((name.into(), value));
        };
        match self.rng.random_range(0..4) {
            0 => Poison::Garbled,
            1 => Poison::Empty,
            2 if !is_delete => {
                set("n0", Value::Long(3_000_000_000));
                Poison::TooBig
            }
            3 if !is_delete => {
                set("n1", Value::Integer(REFUSED_VALUE));
                Poison::Refused
            }
            _ => Poison::Fine,
        }
    }

    /// Before the append, so that nobody can have read what the oracle does not know. There is one
    /// producer, so offsets are the order.
    fn remember(&self, changes: Vec<(Change, Poison)>) {
        let mut published = self.published.lock().unwrap();
        for (change, poison) in changes {
            let partition = partition_of(change.record_id.canonical().as_bytes(), self.partitions);
            let key = TopicPartition::new(&self.topic, partition);
            published.entry(key).or_default().push((change, poison));
        }
    }

    fn next_change(&mut self) -> Change {
        let entity = self.rng.random_range(0..ENTITIES.len());
        // A few records are hot.
        let hot = self.rng.random_bool(0.5);
        let number = self.rng.random_range(0..if hot { 2 } else { self.pool });
        let versioned = ENTITIES[entity].1;
        let mut record = self.records.remove(&(entity, number)).unwrap_or_default();
        let stale = versioned && !record.history.is_empty() && self.rng.random_bool(0.1);
        let change = if stale {
            // A re-sync that was under way, or a producer's late retry: an old change comes again.
            let at = self.rng.random_range(0..record.history.len());
            let mut change = record.history[at].clone();
            if change.operation != Operation::Delete && change.image == Image::Full {
                change.operation = Operation::Snapshot;
            }
            change
        } else {
            let id = RecordId(Uuid::from_u128((entity as u128 + 1) << 64 | number));
            self.fresh_change(entity, id, &mut record)
        };
        record.history.push(change.clone());
        self.records.insert((entity, number), record);
        change
    }

    fn fresh_change(&mut self, entity: usize, id: RecordId, record: &mut SourceRecord) -> Change {
        let (name, versioned) = ENTITIES[entity];
        self.version += 1;
        let roll = self.rng.random_range(0..100);
        let (operation, image) = match roll {
            _ if !record.live => (Operation::Create, Image::Full),
            0..55 => (Operation::Update, Image::Patch),
            55..75 => (Operation::Update, Image::Full),
            75..88 => (Operation::Snapshot, Image::Full),
            _ => (Operation::Delete, Image::Full),
        };
        let attributes = self.attributes(operation, image, record);
        Change {
            organization_id: None,
            entity: EntityName::new(name),
            record_id: id,
            operation,
            image,
            version: versioned.then_some(Version(self.version)),
            changed_at: None,
            attributes,
            correlation_id: None,
            payload_reference: None,
        }
    }

    fn attributes(
        &mut self,
        operation: Operation,
        image: Image,
        record: &mut SourceRecord,
    ) -> Vec<(compact_str::CompactString, Value)> {
        match operation {
            Operation::Delete => {
                *record = SourceRecord {
                    history: std::mem::take(&mut record.history),
                    ..SourceRecord::default()
                };
                return Vec::new();
            }
            Operation::Create => record.live = true,
            Operation::Update | Operation::Snapshot => {}
        }
        let mut changed = BTreeMap::new();
        for number in 0..4 {
            if self.rng.random_bool(0.4) {
                let value = self.rng.random_range(0..1_000);
                let value = if value < 100 { Value::Null } else { Value::Integer(value) };
                changed.insert(format!("n{number}"), value);
            }
        }
        if self.rng.random_bool(0.2) {
            let length = self.rng.random_range(0..3_000);
            changed.insert("t".to_owned(), Value::Text("x".repeat(length).into()));
        }
        record.values.extend(changed.clone());
        let said = if image == Image::Patch { changed } else { record.values.clone() };
        said.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

fn record(change: &Change, poison: Poison) -> NewRecord {
    NewRecord {
        key: Some(change.record_id.canonical().into_bytes().into()),
        payload: match poison {
            Poison::Empty => None,
            Poison::Garbled => Some("nothing that one could read".into()),
            _ => Some(encode_change(change).into()),
        },
        ..NewRecord::default()
    }
}

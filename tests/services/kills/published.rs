//! What is published, and what it must become: a serial replay of a few lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use keepstep::codec::encode_change;
use keepstep::log::{Log, NewRecord};
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::position::Topic;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

/// Entities, and whether each is versioned. They share one topic.
pub(super) const ENTITIES: [(&str, bool); 2] = [("alpha", true), ("gamma", false)];
/// Records per entity: few, so that they are hot.
const RECORDS: u128 = 400;
/// Changes appended at once.
const BURST: usize = 50;

/// A row as text: version and the four columns.
pub(super) type Row = (Option<i64>, [Option<i32>; 4]);

/// All changes, in order.
#[derive(Clone)]
pub(super) struct Published {
    changes: Arc<Vec<Change>>,
}

impl Published {
    /// Changes of a believable source: versions grow, patches follow creates.
    pub(super) fn new(seed: u64, count: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut live: BTreeMap<(usize, u128), [Option<i32>; 4]> = BTreeMap::new();
        let changes = (0..count).map(|at| {
            let entity = rng.random_range(0..ENTITIES.len());
            let number = rng.random_range(0..RECORDS);
            let version = i64::try_from(at).expect("few") + 1;
            next_change(&mut rng, &mut live, (entity, number), version)
        });
        Self { changes: Arc::new(changes.collect()) }
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Appends everything, a little at a time.
    pub(super) async fn publish(self, log: Arc<dyn Log>, topic: Topic) {
        for burst in self.changes.chunks(BURST) {
            let records: Vec<NewRecord> = burst.iter().map(record).collect();
            // A broker that is restarted: the producer tries again by itself, for a while.
            let appended = log.append(&topic, records).await;
            appended.expect("the log takes the records");
            tokio::task::yield_now().await;
        }
    }

    /// Every row that must be there in the end.
    pub(super) fn replayed(&self, entity: &str) -> BTreeMap<Uuid, Row> {
        let mut rows: BTreeMap<Uuid, Row> = BTreeMap::new();
        for change in self.changes.iter().filter(|change| change.entity.as_str() == entity) {
            let id = change.record_id.0;
            if change.operation == Operation::Delete {
                rows.remove(&id);
                continue;
            }
            let row = rows.entry(id).or_default();
            if change.image == Image::Full {
                *row = Row::default();
            }
            row.0 = change.version.map(|version| version.0);
            for (name, value) in &change.attributes {
                let at: usize = name[1..].parse().expect("a number");
                row.1[at] = match value {
                    Value::Integer(number) => Some(*number),
                    _ => None,
                };
            }
        }
        rows
    }
}

fn record(change: &Change) -> NewRecord {
    NewRecord {
        key: Some(change.record_id.canonical().into_bytes().into()),
        payload: Some(encode_change(change).into()),
        ..NewRecord::default()
    }
}

fn next_change(
    rng: &mut SmallRng,
    live: &mut BTreeMap<(usize, u128), [Option<i32>; 4]>,
    key: (usize, u128),
    version: i64,
) -> Change {
    let mut said: BTreeMap<usize, Option<i32>> = BTreeMap::new();
    let mut say = |rng: &mut SmallRng| {
        let value = rng.random_range(0..1_000);
        said.insert(rng.random_range(0..4), (value > 100).then_some(value));
    };
    let roll = rng.random_range(0..100);
    let (operation, image) = match (live.get_mut(&key), roll) {
        (None, _) => {
            (0..4).for_each(|_| say(rng));
            (Operation::Create, Image::Full)
        }
        (Some(_), 0..10) => (Operation::Delete, Image::Full),
        (Some(_), 10..75) => {
            (0..2).for_each(|_| say(rng));
            (Operation::Update, Image::Patch)
        }
        (Some(_), _) => {
            (0..4).for_each(|_| say(rng));
            (Operation::Update, Image::Full)
        }
    };
    match operation {
        Operation::Delete => drop(live.remove(&key)),
        _ => drop(live.insert(key, [None; 4])),
    }
    let (name, versioned) = ENTITIES[key.0];
    let value = |value: Option<i32>| value.map_or(Value::Null, Value::Integer);
    let attributes = said.into_iter().map(|(at, said)| (format!("n{at}").into(), value(said)));
    Change {
        organization_id: None,
        entity: EntityName::new(name),
        record_id: RecordId(Uuid::from_u128((key.0 as u128 + 1) << 64 | key.1)),
        operation,
        image,
        version: versioned.then_some(Version(version)),
        changed_at: None,
        attributes: attributes.collect(),
        correlation_id: None,
        payload_reference: None,
    }
}

//! What cases are made of: one database, entities, lanes, changes, fences.

use std::sync::Arc;

use compact_str::CompactString;
use keepstep::destination::{ActivatedEntity, Activation, Destination};
use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::cell::Cell;
use keepstep::model::change::Version;
use keepstep::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use keepstep::model::entity::{Attribute, AttributeKind, EntityDefinition};
use keepstep::model::layout::{DELETE_LOG, Deletes, Existing, Layout};
use keepstep::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use keepstep::model::mutation::Mutations;
use keepstep::model::net_change::NetChange;
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::table::Table;
use uuid::Uuid;

use super::laboratory::{Abilities, Database, StoredCursor};
use super::outcome::{Outcome, worked};

/// One database and the fault, if any, that its adapter has.
pub struct Scene {
    /// The database.
    pub database: Arc<dyn Database>,
    /// What it can do.
    pub abilities: Abilities,
    /// Faults built into every handle.
    pub mutations: Mutations,
}

impl Scene {
    /// A scene on an empty database.
    pub fn new(database: Arc<dyn Database>, abilities: Abilities, mutations: Mutations) -> Self {
        Self { database, abilities, mutations }
    }

    /// A new handle.
    pub async fn open(&self) -> Arc<dyn Destination> {
        self.database.open(self.mutations).await
    }

    /// A new handle, activated.
    pub async fn activated(&self, activation: &Activation) -> Outcome<Arc<dyn Destination>> {
        let destination = self.open().await;
        worked("the activation", destination.activate(activation).await)?;
        Ok(destination)
    }

    /// The cursor for all of a lane, as it is stored.
    pub async fn cursor(&self, lane: &LaneId) -> Outcome<StoredCursor> {
        let mut cursors = self.database.cursors(lane).await.into_iter();
        let all = cursors.find(|cursor| cursor.entity.is_empty());
        all.ok_or_else(|| format!("lane {lane} has no cursor for all"))
    }

    /// A new handle, activated, and its lane taken.
    pub async fn lane(&self, activation: &Activation) -> Outcome<Lane> {
        Lane::take(self.activated(activation).await?, &lane_id(activation, 0)).await
    }
}

/// A lane as a pipeline holds it: handle, token, checkpoint.
pub struct Lane {
    /// The handle.
    pub destination: Arc<dyn Destination>,
    /// The lane.
    pub id: LaneId,
    /// The token of the last take.
    pub token: OwnerToken,
    /// The checkpoint, as far as this lane knows.
    pub checkpoint: Checkpoint,
}

impl Lane {
    /// Takes a lane with a fresh token.
    pub async fn take(destination: Arc<dyn Destination>, id: &LaneId) -> Outcome<Self> {
        let token = OwnerToken(Uuid::new_v4());
        let checkpoint = worked("the take", destination.take(id, token).await)?;
        Ok(Self { destination, id: id.clone(), token, checkpoint })
    }

    /// The fence that moves the checkpoint to `to`.
    pub fn fence(&self, to: i64) -> Fence {
        Fence {
            lane: self.id.clone(),
            token: self.token,
            moves: self.checkpoint.moves_to(NextOffset(to)),
            splits: Vec::new(),
            fingerprint: None,
        }
    }

    /// The fence that moves the checkpoint one further.
    pub fn next_fence(&self) -> Fence {
        self.fence(self.checkpoint.lowest().0 + 1)
    }

    /// Writes a batch and moves the checkpoint one further.
    pub async fn write(
        &mut self,
        batch: &Arc<Batch>,
    ) -> Result<keepstep::destination::Written, keepstep::destination::WriteError> {
        let to = NextOffset(self.checkpoint.lowest().0 + 1);
        let written = self.destination.write(&self.fence(to.0), batch).await?;
        self.checkpoint.advance(to, None);
        Ok(written)
    }
}

/// The profile of the cases.
pub fn profile() -> ProfileId {
    ProfileId::new("conformance").expect("a valid id")
}

/// The lane of a partition of an activation's first topic.
pub fn lane_id(activation: &Activation, partition: u32) -> LaneId {
    let topic = &activation.entities[0].topic;
    LaneId {
        profile: activation.profile.clone(),
        topic_partition: TopicPartition::new(topic, partition),
    }
}

/// An attribute.
pub fn attribute(name: &str, kind: AttributeKind) -> Attribute {
    Attribute {
        name: CompactString::new(name),
        kind,
        labels: Vec::new(),
        origin: keepstep::model::entity::Origin::default(),
    }
}

/// A mapping of an entity with these attributes to a table of the same name.
pub fn mapping(entity: &str, versioned: bool, attributes: Vec<Attribute>) -> Arc<Mapping> {
    let definition = EntityDefinition {
        name: EntityName::new(entity),
        primary_id: CompactString::default(),
        intersect: None,
        attributes,
    };
    let table = Table::of(&definition, "conformance", None);
    Arc::new(Mapping::new(&definition, table, versioned, UnknownAttribute::Stop))
}

/// A mapping with text columns `a`, `b` and `c`.
pub fn letters(entity: &str, versioned: bool) -> Arc<Mapping> {
    let text = || AttributeKind::Text { max_length: Some(100) };
    let attributes = ["a", "b", "c"].map(|name| attribute(name, text())).into();
    mapping(entity, versioned, attributes)
}

/// The same with rows that stay after their delete, and a log, which its activation must want.
pub fn kept(mapping: &Mapping) -> Arc<Mapping> {
    with_deletes(mapping, Deletes { logged_in: Some(DELETE_LOG.into()), keep_row: true })
}

fn with_deletes(mapping: &Mapping, deletes: Deletes) -> Arc<Mapping> {
    let table = Table { deletes, ..mapping.table.clone() };
    let unknown = UnknownAttribute::Stop;
    Arc::new(Mapping::new(&mapping.definition, table, mapping.versioned, unknown))
}

/// An activation of entities on one topic of two partitions, from offset 0.
pub fn activation(mappings: &[&Arc<Mapping>]) -> Activation {
    let topic = Topic::new("conformance.topic");
    let entity = |mapping: &&Arc<Mapping>| ActivatedEntity {
        mapping: Arc::clone(mapping),
        topic: topic.clone(),
        partitions: 2,
    };
    let start = |partition| (TopicPartition::new(&topic, partition), NextOffset::ZERO);
    Activation {
        profile: profile(),
        entities: mappings.iter().map(entity).collect(),
        starts: (0..2).map(start).collect(),
        layout: Layout::plain("conformance", None),
        existing: Existing::Adopt,
    }
}

/// The record number `number`.
pub fn record(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(0x6b65_6570_0000_4000_8000_0000_0000_0000 + number))
}

/// A text cell.
pub fn text(text: &str) -> Cell {
    Cell::Text(CompactString::new(text))
}

/// An image, as its change would come out of the mapping.
pub fn image(record_id: RecordId, version: Option<i64>, cells: &[(u16, Cell)]) -> Fitted {
    fitted(record_id, version, Effect::Image { create: false, cells: cells.to_vec() })
}

/// A create with a full image.
pub fn create(record_id: RecordId, version: Option<i64>, cells: &[(u16, Cell)]) -> Fitted {
    fitted(record_id, version, Effect::Image { create: true, cells: cells.to_vec() })
}

/// A patch.
pub fn patch(record_id: RecordId, version: Option<i64>, cells: &[(u16, Cell)]) -> Fitted {
    fitted(record_id, version, Effect::Patch { cells: cells.to_vec() })
}

/// A delete.
pub fn delete(record_id: RecordId, version: Option<i64>) -> Fitted {
    fitted(record_id, version, Effect::Delete)
}

fn fitted(record_id: RecordId, version: Option<i64>, effect: Effect) -> Fitted {
    Fitted { record_id, version: version.map(Version), effect, dropped_attributes: 0 }
}

/// A batch of one table; every change of another record, at offsets from 0.
pub fn batch(mapping: &Arc<Mapping>, changes: Vec<Fitted>) -> Arc<Batch> {
    let change_count = changes.len();
    let net = |(offset, fitted): (i64, Fitted)| NetChange::of(fitted, Offset(offset));
    let changes = (0..).zip(changes).map(net).collect();
    let table = TableBatch { mapping: Arc::clone(mapping), changes };
    Arc::new(Batch { tables: vec![table], change_count, ..Batch::default() })
}

//! What the destination in memory stores, and the rules of activation and take.

use std::collections::BTreeMap;

use crate::destination::{Activation, Trouble};
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{Checkpoint, Cursor, Fence, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::position::NextOffset;
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

/// One row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRow {
    /// The row's version, if its entity is versioned.
    pub version: Option<Version>,
    /// Its columns by name; null ones are absent.
    pub cells: BTreeMap<String, Cell>,
}

/// The memory of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTombstone {
    /// Version of the delete, if its entity is versioned.
    pub version: Option<Version>,
}

#[derive(Clone, Debug)]
struct StoredCursor {
    next: NextOffset,
    owner: Option<OwnerToken>,
    fingerprint: Option<Fingerprint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Registration {
    profile: ProfileId,
    topic: String,
    partitions: u32,
}

/// Everything that the destination in memory stores.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    cursors: BTreeMap<(LaneId, Scope), StoredCursor>,
    registry: BTreeMap<(String, EntityName), Registration>,
    /// Rows by table and record.
    pub rows: BTreeMap<(String, RecordId), StoredRow>,
    /// Tombstones by profile, entity and record.
    pub tombstones: BTreeMap<(ProfileId, EntityName, RecordId), StoredTombstone>,
}

fn refusal(what: String, code: &str, hint: &str) -> Trouble {
    Trouble { what, code: code.into(), hint: hint.to_owned() }
}

impl MemoryState {
    pub(super) fn activate(&mut self, activation: &Activation) -> Result<(), Trouble> {
        let lane =
            |topic_partition| LaneId { profile: activation.profile.clone(), topic_partition };
        for entity in &activation.entities {
            let table = entity.mapping.table.name.to_string();
            let wanted = Registration {
                profile: activation.profile.clone(),
                topic: entity.topic.to_string(),
                partitions: entity.partitions,
            };
            let key = (table.clone(), entity.mapping.entity.clone());
            if self.registry.get(&key).is_some_and(|stored| *stored != wanted) {
                return Err(refusal(
                    format!("binding table {table}"),
                    "table_bound",
                    "It belongs to another profile, topic or partition count.",
                ));
            }
            let newly_bound = self.registry.insert(key, wanted).is_none();
            for (topic_partition, start) in &activation.starts {
                let lane = lane(topic_partition.clone());
                let all = self.cursors.get(&(lane.clone(), Scope::All)).map(|cursor| cursor.next);
                if newly_bound
                    && topic_partition.topic == entity.topic
                    && all.is_some_and(|all| all > *start)
                {
                    let scope = Scope::Entity(entity.mapping.entity.clone());
                    self.start(lane, scope, *start);
                }
            }
        }
        for (topic_partition, start) in &activation.starts {
            self.start(lane(topic_partition.clone()), Scope::All, *start);
        }
        Ok(())
    }

    fn start(&mut self, lane: LaneId, scope: Scope, next: NextOffset) {
        let cursor = StoredCursor { next, owner: None, fingerprint: None };
        self.cursors.entry((lane, scope)).or_insert(cursor);
    }

    pub(super) fn take(&mut self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, Trouble> {
        let all = self.cursors.get(&(lane.clone(), Scope::All)).map(|cursor| cursor.next);
        self.cursors.retain(|(of, scope), cursor| {
            of != lane || *scope == Scope::All || Some(cursor.next) != all
        });
        let mut cursors = Vec::new();
        for ((of, scope), cursor) in &mut self.cursors {
            if of == lane {
                cursor.owner = Some(token);
                let (next, fingerprint) = (cursor.next, cursor.fingerprint);
                cursors.push(Cursor { scope: scope.clone(), next, fingerprint });
            }
        }
        Checkpoint::new(cursors).ok_or_else(|| {
            refusal(
                format!("taking lane {lane}"),
                "checkpoint_missing",
                "Its checkpoint was there and is gone: re-sync needed.",
            )
        })
    }

    /// Whether every cursor of the fence stands where it must and is owned by its token.
    pub(super) fn fence_holds(&self, fence: &Fence, token_only: bool) -> bool {
        fence.moves.iter().all(|step| {
            let stored = self.cursors.get(&(fence.lane.clone(), step.scope.clone()));
            stored.is_some_and(|cursor| {
                cursor.owner == Some(fence.token) && (token_only || cursor.next == step.from)
            })
        })
    }

    /// Moves every cursor of the fence, whatever stands there.
    pub(super) fn move_cursors(&mut self, fence: &Fence) {
        for step in &fence.moves {
            if let Some(cursor) = self.cursors.get_mut(&(fence.lane.clone(), step.scope.clone())) {
                cursor.next = step.to;
                cursor.fingerprint = fence.fingerprint.or(cursor.fingerprint);
            }
        }
    }

    /// Next offset of every lane and scope.
    pub fn checkpoints(&self) -> BTreeMap<(LaneId, Scope), NextOffset> {
        self.cursors.iter().map(|(key, cursor)| (key.clone(), cursor.next)).collect()
    }
}

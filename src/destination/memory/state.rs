//! What the destination in memory stores, and the rules of activation and take.

use std::collections::BTreeMap;

use super::desk::MemoryDesk;
use crate::destination::own_tables::{
    Found, Registration, StartedCursor, TableKey, bind_alone, checkpoint_lost, plan,
};
use crate::destination::survey::{Rows, TableSurvey};
use crate::destination::{Activated, ActivatedEntity, Activation, Trouble};
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{Checkpoint, Cursor, Fence, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::held::{HeldChange, HeldKey};
use crate::model::layout::DELETE_LOG;
use crate::model::metadata_tables::{MetadataRow, metadata_rows};
use crate::model::position::NextOffset;
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

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

/// One cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCursor {
    /// The next offset.
    pub next: NextOffset,
    /// Who took it last.
    pub owner: Option<OwnerToken>,
    /// The last record before it.
    pub fingerprint: Option<Fingerprint>,
}

/// Everything that the destination in memory stores.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    registry: Vec<Registration>,
    /// Cursors by lane and scope.
    pub cursors: BTreeMap<(LaneId, Scope), StoredCursor>,
    /// Rows by table and record.
    pub rows: BTreeMap<(String, RecordId), StoredRow>,
    /// Tombstones by profile, entity and record.
    pub tombstones: BTreeMap<(ProfileId, EntityName, RecordId), StoredTombstone>,
    pub(super) desk: MemoryDesk,
    /// Held changes, open and released.
    pub held: BTreeMap<(LaneId, HeldKey), HeldChange>,
    /// Metadata tables and logs of deletes, by name.
    pub beside: BTreeMap<String, Vec<MetadataRow>>,
}

/// A table is known by its name, as in databases without schemas.
fn table_key(table: &Table) -> TableKey {
    TableKey { schema: String::new(), name: table.name.to_string() }
}

impl MemoryState {
    pub(super) fn activate(&mut self, activation: &Activation) -> Result<Activated, Trouble> {
        let profile = &activation.profile;
        let cursors = self.cursors_of(profile);
        let keys = activation.entities.iter().map(|entity| table_key(&entity.mapping.table));
        let filled: Vec<TableKey> = keys.filter(|key| self.has_rows(&key.name)).collect();
        let found =
            Found { registry: &self.registry, cursors: &cursors, filled: &filled, misfits: &[] };
        let plan = plan(activation, table_key, &found)?;
        for table in &plan.truncate {
            self.rows.retain(|(of, _), _| *of != table.name);
        }
        self.registry.retain(|line| plan.register.iter().all(|new| new.table != line.table));
        self.registry.extend(plan.register);
        for line in &mut self.registry {
            line.active &= !plan.retire.contains(&line.table);
        }
        for started in plan.start {
            let topic_partition = started.topic_partition;
            let lane = LaneId { profile: profile.clone(), topic_partition };
            let cursor = StoredCursor { next: started.next, owner: None, fingerprint: None };
            self.cursors.insert((lane, started.scope), cursor);
        }
        self.lay_out(activation);
        Ok(Activated { refused: plan.refused, left_over: Vec::new() })
    }

    fn cursors_of(&self, profile: &ProfileId) -> Vec<StartedCursor> {
        let mine = self.cursors.iter().filter(|((lane, _), _)| lane.profile == *profile);
        mine.map(|((lane, scope), cursor)| StartedCursor {
            topic_partition: lane.topic_partition.clone(),
            scope: scope.clone(),
            next: cursor.next,
        })
        .collect()
    }

    /// A table here has every column that anybody asks for.
    pub(super) fn survey(&self, activation: &Activation) -> Vec<TableSurvey> {
        let cursors = self.cursors_of(&activation.profile);
        let found =
            Found { registry: &self.registry, cursors: &cursors, filled: &[], misfits: &[] };
        let survey = |entity: &ActivatedEntity| {
            let (name, table) = (&entity.mapping.entity, &entity.mapping.table);
            let mut survey = TableSurvey::of(name, table.name.to_string());
            let rows = self.rows.keys().filter(|(of, _)| *of == table.name).count();
            let bound = bind_alone(activation, entity, table_key, &found, &mut survey);
            if rows > 0 || bound {
                survey.rows = Some(Rows::Exactly(u64::try_from(rows).unwrap_or(u64::MAX)));
                survey.fits = table.columns.len() + 1;
            }
            survey
        };
        activation.entities.iter().map(survey).collect()
    }

    fn has_rows(&self, table: &str) -> bool {
        let first = (table.to_owned(), RecordId(uuid::Uuid::nil()));
        self.rows.range(first..).next().is_some_and(|((of, _), _)| of == table)
    }

    /// Brings the tables beside those of the entities in step.
    fn lay_out(&mut self, activation: &Activation) {
        let layout = &activation.layout;
        if layout.metadata {
            let entities = activation.entities.iter();
            let definitions: Vec<_> =
                entities.map(|entity| entity.mapping.definition.as_ref()).collect();
            for made in metadata_rows(&definitions) {
                let name = layout.name(made.table.name).to_string();
                let rows = self.beside.entry(name).or_default();
                let owned = |row: &MetadataRow| match row.first() {
                    Some(Cell::Text(owner)) => made.owners.contains(owner),
                    _ => false,
                };
                rows.retain(|row| !owned(row));
                rows.extend(made.rows);
            }
        }
        if layout.delete_log {
            self.beside.entry(layout.name(DELETE_LOG).to_string()).or_default();
        }
    }

    /// Takes a table out of the registry: it is there, with its rows, and nobody's.
    pub fn forget_table(&mut self, table: &str) {
        self.registry.retain(|line| line.table.name != table);
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
        Checkpoint::new(cursors).ok_or_else(|| checkpoint_lost(&lane.to_string()))
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

    /// Moves every cursor of the fence, whatever stands there, and makes its new ones.
    pub(super) fn move_cursors(&mut self, fence: &Fence) {
        for split in &fence.splits {
            let key = (fence.lane.clone(), Scope::Entity(split.entity.clone()));
            let all = self.cursors.get(&(fence.lane.clone(), Scope::All));
            let fingerprint = all.and_then(|all| all.fingerprint);
            let owner = Some(fence.token);
            self.cursors.insert(key, StoredCursor { next: split.next, owner, fingerprint });
        }
        for step in &fence.moves {
            if let Some(cursor) = self.cursors.get_mut(&(fence.lane.clone(), step.scope.clone())) {
                cursor.next = step.to;
                cursor.fingerprint = fence.fingerprint.or(cursor.fingerprint);
            }
        }
    }

    /// Whether an activation has bound this entity.
    pub fn is_bound(&self, entity: &str) -> bool {
        self.registry.iter().any(|bound| bound.entity.as_str() == entity)
    }

    /// Next offset of every lane and scope.
    pub fn checkpoints(&self) -> BTreeMap<(LaneId, Scope), NextOffset> {
        self.cursors.iter().map(|(key, cursor)| (key.clone(), cursor.next)).collect()
    }
}

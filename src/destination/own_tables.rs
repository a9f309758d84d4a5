//! keepstep's own tables in a destination: their names, their version, and the rules of activation.
//!
//! The rules are pure: an adapter reads what is stored, asks [`plan`], and writes what it answers,
//! all in one transaction. So every destination binds tables and starts checkpoints alike. Nothing
//! here knows a database; how the tables are made and named in full is the dialect's work.

use std::collections::HashSet;

use super::survey::TableSurvey;
use super::{ActivatedEntity, Activation, Refused, Trouble};
use crate::model::checkpoint::Scope;
use crate::model::layout::Existing;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;
use crate::model::table::Table;

/// Schema that holds the own tables; where a database has no schemas, `keepstep_` goes before
/// their names.
pub const OWN_SCHEMA: &str = "keepstep";

/// Version of the own tables that this program writes. An older one is upgraded in a transaction,
/// a newer one is refused.
pub const OWN_VERSION: i64 = 2;

/// The tables, by what they hold.
pub mod name {
    /// The next offset of each lane and scope.
    pub const CHECKPOINT: &str = "checkpoint";
    /// Deleted records.
    pub const TOMBSTONE: &str = "tombstone";
    /// Which table belongs to which profile, entity, topic and partition count.
    pub const OBJECT_REGISTRY: &str = "object_registry";
    /// Changes that could not be written, and what is told of them. Since version 2.
    pub const HELD_CHANGE: &str = "held_change";
    /// What people ask of lanes. Since version 2.
    pub const REQUEST: &str = "request";
    /// How lanes are. Since version 2.
    pub const LANE_STATE: &str = "lane_state";
    /// All of them.
    pub const ALL: [&str; 7] =
        [CHECKPOINT, TOMBSTONE, OBJECT_REGISTRY, SCHEMA_VERSION, HELD_CHANGE, REQUEST, LANE_STATE];
    /// One row: the version of the own tables.
    pub const SCHEMA_VERSION: &str = "schema_version";
}

/// A table of the destination as its registry names it: equal keys are one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableKey {
    /// Database schema; empty where there is none.
    pub schema: String,
    /// Name, prefix included.
    pub name: String,
}

impl std::fmt::Display for TableKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.schema.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.schema, self.name)
        }
    }
}

/// One line of the object registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The table.
    pub table: TableKey,
    /// The profile that writes it.
    pub profile: ProfileId,
    /// The entity that it holds.
    pub entity: EntityName,
    /// The topic that carries the entity.
    pub topic: Topic,
    /// Number of partitions of the topic.
    pub partitions: u32,
    /// Whether the profile still has the entity. One that comes back after it was taken out has
    /// missed changes, and starts anew.
    pub active: bool,
}

/// A cursor as the rules need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedCursor {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// What it speaks for.
    pub scope: Scope,
    /// The next offset.
    pub next: NextOffset,
}

/// What an activation has to write, in one transaction with what it read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Lines of the registry to insert, or to replace where their table has one.
    pub register: Vec<Registration>,
    /// Tables of entities that the profile no longer has: their lines become inactive.
    pub retire: Vec<TableKey>,
    /// Tables to empty, each once and for ever: those of [`Self::register`] that were there, with
    /// rows, and are not to be kept.
    pub truncate: Vec<TableKey>,
    /// Cursors to insert, or to put to this offset without an owner where one stands already.
    pub start: Vec<StartedCursor>,
    /// Entities for which nothing may be written, with the reason.
    pub refused: Vec<Refused>,
}

/// What an activation found in the destination.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// The whole registry, or the lines of the activation's tables and of its profile.
    pub registry: &'a [Registration],
    /// All cursors of the profile.
    pub cursors: &'a [StartedCursor],
    /// Those of the activation's tables that are there and hold rows.
    pub filled: &'a [TableKey],
    /// Entities whose tables cannot be used, as far as the adapter knows already.
    pub misfits: &'a [Refused],
}

impl Plan {
    /// Does with a table that is there and holds rows what a person wants; whether it is used.
    fn takes_over(&mut self, wanted: &Registration, existing: Existing) -> bool {
        match existing {
            Existing::Adopt => {}
            Existing::Truncate => self.truncate.push(wanted.table.clone()),
            Existing::Refuse => {
                let trouble = table_is_there(&wanted.table, &wanted.entity);
                self.refused.push(Refused { entity: wanted.entity.clone(), trouble });
            }
        }
        existing != Existing::Refuse
    }
}

/// What an activation has to write, given what it found.
///
/// A table that this profile registered once is its own, whatever it holds: it is neither refused
/// nor emptied. One that is there, holds rows and was never registered is somebody else's, until
/// a person says what shall become of them. One without rows is used as it is.
///
/// An entity that stood back before it was ever bound has a cursor of its own, made by the lane
/// that paused it: it goes on there, or at its start where that comes earlier.
///
/// # Errors
/// A refusal to be answered as fatal; nothing may be written then.
pub fn plan(
    activation: &Activation,
    key_of: impl Fn(&Table) -> TableKey,
    found: &Found<'_>,
) -> Result<Plan, Trouble> {
    let Found { registry, cursors, .. } = *found;
    let mut plan = Plan { refused: found.misfits.to_vec(), ..Plan::default() };
    let mut tables = HashSet::new();
    let mut new_entities: Vec<&ActivatedEntity> = Vec::new();
    for entity in &activation.entities {
        let wanted = Registration {
            table: key_of(&entity.mapping.table),
            profile: activation.profile.clone(),
            entity: entity.mapping.entity.clone(),
            topic: entity.topic.clone(),
            partitions: entity.partitions,
            active: true,
        };
        if !tables.insert(wanted.table.clone()) {
            return Err(refusal(
                format!("binding table {} to entity {}", wanted.table, wanted.entity),
                "table_wanted_twice",
                "Two entities of the profile name one table; give them different prefixes or \
                 remove one.",
            ));
        }
        compare(&wanted, registry)?;
        let stored = registry.iter().find(|stored| stored.table == wanted.table);
        if plan.refused.iter().any(|refused| refused.entity == wanted.entity) {
            continue;
        }
        let is_somebody_elses = stored.is_none() && found.filled.contains(&wanted.table);
        if is_somebody_elses && !plan.takes_over(&wanted, activation.existing) {
            continue;
        }
        if stored.is_none_or(|stored| !stored.active) {
            new_entities.push(entity);
            plan.register.push(wanted);
        }
    }
    let mine = registry.iter().filter(|stored| stored.profile == activation.profile);
    plan.retire = mine
        .filter(|stored| stored.active && !tables.contains(&stored.table))
        .map(|stored| stored.table.clone())
        .collect();
    for (topic_partition, start) in &activation.starts {
        let all = next_of_all(cursors, topic_partition);
        let Some(all) = all else {
            refuse_lost_checkpoint(activation, topic_partition, registry)?;
            plan.start.push(StartedCursor {
                topic_partition: topic_partition.clone(),
                scope: Scope::All,
                next: *start,
            });
            continue;
        };
        for entity in new_entities.iter().filter(|entity| entity.topic == topic_partition.topic) {
            let scope = Scope::Entity(entity.mapping.entity.clone());
            let key = key_of(&entity.mapping.table);
            let bound_once = registry.iter().any(|stored| stored.table == key);
            let own = cursors
                .iter()
                .find(|cursor| cursor.topic_partition == *topic_partition && cursor.scope == scope);
            // It stood back until now, and what waited for it must not be skipped.
            let next = match own.map(|own| own.next).filter(|_| !bound_once) {
                Some(own) if own <= *start => continue,
                _ => *start,
            };
            if all != next {
                let topic_partition = topic_partition.clone();
                plan.start.push(StartedCursor { topic_partition, scope, next });
            }
        }
    }
    Ok(plan)
}

/// Notes in a survey to whom an entity's table is bound, and what the rules have against binding it,
/// as if it were the profile's only one. Whether it is bound to anybody.
pub fn bind_alone(
    activation: &Activation,
    entity: &ActivatedEntity,
    key_of: impl Fn(&Table) -> TableKey,
    found: &Found<'_>,
    survey: &mut TableSurvey,
) -> bool {
    let key = key_of(&entity.mapping.table);
    let line = found.registry.iter().find(|line| line.table == key);
    survey.bound_to = line.map(|line| (line.profile.clone(), line.entity.clone()));
    let alone = Activation { entities: vec![entity.clone()], ..activation.clone() };
    survey.in_the_way.extend(plan(&alone, key_of, found).err());
    line.is_some()
}

/// The trouble of a table that is there, holds rows, and is nobody's yet (F30).
fn table_is_there(table: &TableKey, entity: &EntityName) -> Trouble {
    refusal(
        format!("making table {table} for entity {entity}"),
        "table_has_rows",
        "A table of that name is there, holds rows, and was not filled by this profile, so nothing \
         was done to it. To keep its rows and go on from them, set existing_tables = \"adopt\" or run \
         `keepstep adopt`; to empty it once, set existing_tables = \"truncate\"; to leave it alone, \
         give the profile a schema or a prefix of its own.",
    )
}

fn next_of_all(cursors: &[StartedCursor], topic_partition: &TopicPartition) -> Option<NextOffset> {
    let mut here = cursors.iter().filter(|cursor| cursor.topic_partition == *topic_partition);
    here.find(|cursor| cursor.scope == Scope::All).map(|cursor| cursor.next)
}

/// Refuses a binding that contradicts the registry.
fn compare(wanted: &Registration, registry: &[Registration]) -> Result<(), Trouble> {
    let binding = || format!("binding table {} to entity {}", wanted.table, wanted.entity);
    for stored in registry {
        let same_entity = stored.profile == wanted.profile && stored.entity == wanted.entity;
        if stored.table != wanted.table {
            if same_entity {
                return Err(refusal(
                    binding(),
                    "entity_bound_to_other_table",
                    "The profile keeps this entity in another table already (see \
                     object_registry). Give the profile its old schema and prefix back, or use a \
                     new profile.",
                ));
            }
            continue;
        }
        if stored.profile != wanted.profile {
            return Err(refusal(
                binding(),
                "table_bound_to_other_profile",
                "Another profile writes this table (see object_registry). Give this profile a \
                 schema or a prefix of its own.",
            ));
        }
        if stored.entity != wanted.entity {
            return Err(refusal(
                binding(),
                "table_bound_to_other_entity",
                "The table holds another entity of the profile (see object_registry).",
            ));
        }
        if stored.topic != wanted.topic {
            return Err(refusal(
                binding(),
                "table_bound_to_other_topic",
                "The table is filled from another topic, whose offsets its checkpoint counts (see \
                 object_registry). Name that topic again, or use a new profile.",
            ));
        }
        if stored.partitions != wanted.partitions {
            return Err(refusal(
                binding(),
                "partition_count_changed",
                "The topic had another number of partitions when the table was bound, so its \
                 records may have moved to other partitions and their order is lost. Make a topic \
                 with the right number, and a new profile.",
            ));
        }
    }
    Ok(())
}

/// A topic whose entities are registered had a checkpoint for each of its partitions.
fn refuse_lost_checkpoint(
    activation: &Activation,
    topic_partition: &TopicPartition,
    registry: &[Registration],
) -> Result<(), Trouble> {
    let known = registry.iter().any(|stored| {
        stored.profile == activation.profile && stored.topic == topic_partition.topic
    });
    if known { Err(checkpoint_lost(&topic_partition.to_string())) } else { Ok(()) }
}

/// The trouble of a lane whose checkpoint was there and is gone (promise G10).
pub fn checkpoint_lost(lane: &str) -> Trouble {
    refusal(
        format!("finding the checkpoint of {lane}"),
        "checkpoint_lost",
        "It was written at activation and is gone, so changes could be skipped unseen: re-sync \
         needed. Restore the destination, or remove the profile's lines from object_registry and \
         checkpoint and start anew.",
    )
}

/// The trouble of own tables that a newer program has upgraded.
pub fn newer_version(found: i64) -> Trouble {
    refusal(
        format!("opening keepstep's own tables of version {found}"),
        "own_tables_newer",
        "A newer keepstep has upgraded them; this one knows older versions only. Use the newer one.",
    )
}

fn refusal(what: String, code: &str, hint: &str) -> Trouble {
    Trouble { what, code: code.into(), hint: hint.to_owned() }
}

#[cfg(test)]
#[path = "own_tables_test.rs"]
mod tests;

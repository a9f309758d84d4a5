//! The rules of activation as tables: what is stored, what is wanted, what comes out.

use std::sync::Arc;

use super::*;
use crate::destination::ActivatedEntity;
use crate::model::entity::EntityDefinition;
use crate::model::layout::{Existing, Layout};
use crate::model::mapping::{Mapping, UnknownAttribute};

fn activation(profile: &str, entities: &[(&str, &str, u32)], start: i64) -> Activation {
    let mut starts = Vec::new();
    let mut activated = Vec::new();
    for (entity, topic, partitions) in entities {
        let definition = EntityDefinition {
            name: EntityName::new(entity),
            primary_id: "".into(),
            intersect: None,
            attributes: Vec::new(),
        };
        let table = Table::of(&definition, "dbo", None);
        let mapping = Mapping::new(&definition, table, true, UnknownAttribute::Stop);
        let topic = Topic::new(topic);
        for partition in 0..*partitions {
            let topic_partition = TopicPartition::new(&topic, partition);
            if starts.iter().all(|(known, _)| *known != topic_partition) {
                starts.push((topic_partition, NextOffset(start)));
            }
        }
        let mapping = Arc::new(mapping);
        activated.push(ActivatedEntity { mapping, topic, partitions: *partitions });
    }
    Activation {
        profile: ProfileId::new(profile).unwrap(),
        entities: activated,
        starts,
        layout: Layout::plain("dbo", None),
        existing: Existing::Adopt,
    }
}

fn key_of(table: &Table) -> TableKey {
    TableKey { schema: table.schema.to_string(), name: table.name.to_string() }
}

/// Registry and cursors after a plan is carried out.
fn carried_out(
    plan: Plan,
    mut registry: Vec<Registration>,
    mut cursors: Vec<StartedCursor>,
) -> (Vec<Registration>, Vec<StartedCursor>) {
    registry.retain(|stored| plan.register.iter().all(|new| new.table != stored.table));
    registry.extend(plan.register);
    for stored in &mut registry {
        stored.active &= !plan.retire.contains(&stored.table);
    }
    cursors.retain(|old| {
        plan.start
            .iter()
            .all(|new| (&new.topic_partition, &new.scope) != (&old.topic_partition, &old.scope))
    });
    cursors.extend(plan.start);
    (registry, cursors)
}

fn activated(activation: &Activation) -> (Vec<Registration>, Vec<StartedCursor>) {
    carried_out(plan(activation, key_of, &[], &[]).unwrap(), Vec::new(), Vec::new())
}

fn refused(
    activation: &Activation,
    registry: &[Registration],
    cursors: &[StartedCursor],
) -> String {
    plan(activation, key_of, registry, cursors).unwrap_err().code.to_string()
}

#[test]
fn a_first_activation_starts_every_partition_and_a_second_changes_nothing() {
    let wanted = activation("p", &[("account", "t", 3), ("contact", "t", 3)], 5);
    let (registry, cursors) = activated(&wanted);
    assert_eq!(registry.len(), 2);
    assert_eq!(cursors.len(), 3);
    assert!(cursors.iter().all(|cursor| cursor.scope == Scope::All && cursor.next.0 == 5));
    assert_eq!(plan(&wanted, key_of, &registry, &cursors).unwrap(), Plan::default());
}

#[test]
fn an_entity_that_is_new_on_a_known_topic_starts_by_itself() {
    let (registry, mut cursors) = activated(&activation("p", &[("account", "t", 2)], 0));
    cursors[1].next = NextOffset(9);
    let wanted = activation("p", &[("account", "t", 2), ("contact", "t", 2)], 0);
    let plan = plan(&wanted, key_of, &registry, &cursors).unwrap();
    // Partition 0 stands at the start already; one cursor for all is right there.
    assert_eq!(plan.start.len(), 1);
    assert_eq!(plan.start[0].scope, Scope::Entity(EntityName::new("contact")));
    assert_eq!((plan.start[0].topic_partition.partition.0, plan.start[0].next.0), (1, 0));
}

#[test]
fn an_entity_that_was_out_of_the_profile_starts_anew() {
    let both = activation("p", &[("account", "t", 1), ("contact", "t", 1)], 0);
    let (registry, mut cursors) = activated(&both);
    cursors[0].next = NextOffset(4);
    let alone = plan(&activation("p", &[("account", "t", 1)], 0), key_of, &registry, &cursors);
    let (registry, cursors) = carried_out(alone.unwrap(), registry, cursors);
    let back = plan(&both, key_of, &registry, &cursors).unwrap();
    assert_eq!(back.register.len(), 1);
    assert_eq!(back.start[0].scope, Scope::Entity(EntityName::new("contact")));
    assert_eq!(back.start[0].next, NextOffset::ZERO);
}

#[test]
fn contradictions_to_the_registry_are_refused() {
    let (registry, cursors) = activated(&activation("p", &[("account", "t", 2)], 0));
    let code = |wanted| refused(&wanted, &registry, &cursors);
    assert_eq!(code(activation("q", &[("account", "t", 2)], 0)), "table_bound_to_other_profile");
    assert_eq!(code(activation("p", &[("account", "u", 2)], 0)), "table_bound_to_other_topic");
    assert_eq!(code(activation("p", &[("account", "t", 3)], 0)), "partition_count_changed");
    let mut moved = registry.clone();
    moved[0].table.name = "crm_account".to_owned();
    let wanted = activation("p", &[("account", "t", 2)], 0);
    assert_eq!(refused(&wanted, &moved, &cursors), "entity_bound_to_other_table");
    moved[0].table.name = "account".to_owned();
    moved[0].entity = EntityName::new("lead");
    assert_eq!(refused(&wanted, &moved, &cursors), "table_bound_to_other_entity");
    let twice = activation("p", &[("account", "t", 2), ("account", "t", 2)], 0);
    assert_eq!(refused(&twice, &[], &[]), "table_wanted_twice");
}

#[test]
fn a_lost_checkpoint_of_a_known_topic_is_refused() {
    let wanted = activation("p", &[("account", "t", 2)], 0);
    let (registry, mut cursors) = activated(&wanted);
    cursors.remove(1);
    assert_eq!(refused(&wanted, &registry, &cursors), "checkpoint_lost");
    // A topic that is new to the profile has none to lose.
    let more = activation("p", &[("account", "t", 2), ("contact", "u", 1)], 0);
    let (registry, cursors) = activated(&wanted);
    assert_eq!(plan(&more, key_of, &registry, &cursors).unwrap().start.len(), 1);
}

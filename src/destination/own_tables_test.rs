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

fn planned(
    activation: &Activation,
    registry: &[Registration],
    cursors: &[StartedCursor],
) -> Result<Plan, Trouble> {
    plan(activation, key_of, &Found { registry, cursors, ..Found::default() })
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
    carried_out(planned(activation, &[], &[]).unwrap(), Vec::new(), Vec::new())
}

fn refused(
    activation: &Activation,
    registry: &[Registration],
    cursors: &[StartedCursor],
) -> String {
    planned(activation, registry, cursors).unwrap_err().code.to_string()
}

#[test]
fn a_first_activation_starts_every_partition_and_a_second_changes_nothing() {
    let wanted = activation("p", &[("account", "t", 3), ("contact", "t", 3)], 5);
    let (registry, cursors) = activated(&wanted);
    assert_eq!(registry.len(), 2);
    assert_eq!(cursors.len(), 3);
    assert!(cursors.iter().all(|cursor| cursor.scope == Scope::All && cursor.next.0 == 5));
    assert_eq!(planned(&wanted, &registry, &cursors).unwrap(), Plan::default());
}

#[test]
fn an_entity_that_is_new_on_a_known_topic_starts_by_itself() {
    let (registry, mut cursors) = activated(&activation("p", &[("account", "t", 2)], 0));
    cursors[1].next = NextOffset(9);
    let wanted = activation("p", &[("account", "t", 2), ("contact", "t", 2)], 0);
    let plan = planned(&wanted, &registry, &cursors).unwrap();
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
    let alone = activation("p", &[("account", "t", 1)], 0);
    let alone = planned(&alone, &registry, &cursors);
    let (registry, cursors) = carried_out(alone.unwrap(), registry, cursors);
    let back = planned(&both, &registry, &cursors).unwrap();
    assert_eq!(back.register.len(), 1);
    assert_eq!(back.start[0].scope, Scope::Entity(EntityName::new("contact")));
    assert_eq!(back.start[0].next, NextOffset::ZERO);
}

#[test]
fn an_entity_that_stood_back_goes_on_where_it_stopped_or_at_its_start() {
    let (registry, mut cursors) = activated(&activation("p", &[("account", "t", 1)], 0));
    cursors[0].next = NextOffset(9);
    let own = |next| StartedCursor {
        scope: Scope::Entity(EntityName::new("contact")),
        next: NextOffset(next),
        ..cursors[0].clone()
    };
    for (start, stood, expected) in [(0, 5, Some(0)), (5, 5, None), (9, 5, None), (12, 5, None)] {
        let wanted = activation("p", &[("account", "t", 1), ("contact", "t", 1)], start);
        let cursors = [cursors[0].clone(), own(stood)];
        let plan = planned(&wanted, &registry, &cursors).unwrap();
        let starts: Vec<i64> = plan.start.iter().map(|cursor| cursor.next.0).collect();
        assert_eq!(starts, Vec::from_iter(expected), "{start}");
    }
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
    assert_eq!(planned(&more, &registry, &cursors).unwrap().start.len(), 1);
}

/// What becomes of a table that is there, by what it holds and whose it is.
#[test]
fn tables_that_are_there_are_used_kept_emptied_or_refused() {
    let one = [("account", "t", 1)];
    let table = TableKey { schema: "dbo".into(), name: "account".into() };
    let filled = [table.clone()];
    let ask =
        |existing, registry: &[Registration], cursors: &[StartedCursor], filled: &[TableKey]| {
            let activation = Activation { existing, ..activation("p", &one, 0) };
            let found = Found { registry, cursors, filled, misfits: &[] };
            plan(&activation, key_of, &found).unwrap()
        };
    for existing in [Existing::Refuse, Existing::Adopt, Existing::Truncate] {
        let plan = ask(existing, &[], &[], &[]);
        assert_eq!((plan.register.len(), plan.truncate.len(), plan.refused.len()), (1, 0, 0));
    }
    let kept = ask(Existing::Adopt, &[], &[], &filled);
    assert_eq!((kept.register.len(), kept.truncate.len(), kept.refused.len()), (1, 0, 0));
    let emptied = ask(Existing::Truncate, &[], &[], &filled);
    assert_eq!((emptied.register.len(), emptied.refused.len()), (1, 0));
    assert_eq!(emptied.truncate, filled);
    let refused = ask(Existing::Refuse, &[], &[], &filled);
    assert_eq!((refused.register.len(), refused.truncate.len()), (0, 0));
    let told = refused.refused[0].trouble.to_string();
    for part in ["dbo.account", "existing_tables = \"adopt\"", "\"truncate\"", "keepstep adopt"] {
        assert!(told.contains(part), "{told}");
    }
    // The topic's checkpoints are made all the same, for the other entities.
    assert_eq!(refused.start.len(), 1);

    // Its own table is none of these, whether the profile had the entity all the time or not.
    let (mut registry, cursors) = activated(&activation("p", &one, 0));
    for active in [true, false] {
        registry[0].active = active;
        for existing in [Existing::Refuse, Existing::Truncate] {
            let plan = ask(existing, &registry, &cursors, &filled);
            assert_eq!((plan.truncate.len(), plan.refused.len()), (0, 0), "{existing:?} {active}");
        }
    }
}

/// What cannot be used is left out, and taken once it can.
#[test]
fn a_table_that_does_not_fit_is_left_out_alone() {
    let both = activation("p", &[("account", "t", 1), ("contact", "t", 1)], 7);
    let entity = EntityName::new("account");
    let trouble = refusal("x".to_owned(), "column_type", "y");
    let misfits = [Refused { entity: entity.clone(), trouble }];
    let first = plan(&both, key_of, &Found { misfits: &misfits, ..Found::default() }).unwrap();
    assert_eq!(first.refused, misfits);
    assert_eq!(first.register.len(), 1);
    assert_eq!(first.register[0].entity.as_str(), "contact");
    let (registry, mut cursors) = carried_out(first, Vec::new(), Vec::new());
    cursors[0].next = NextOffset(100);
    let later = planned(&both, &registry, &cursors).unwrap();
    assert_eq!(later.register[0].entity, entity);
    // It begins at its start, though its neighbour is far ahead.
    assert_eq!(
        (&later.start[0].scope, later.start[0].next),
        (&Scope::Entity(entity), NextOffset(7))
    );
    assert_eq!(later.retire, []);
}

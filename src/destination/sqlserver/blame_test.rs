//! Whom each failure is laid to.

use std::sync::Arc;

use super::*;
use crate::destination::sqlserver::failure::ServerError;
use crate::model::batch::TableBatch;
use crate::model::entity::EntityDefinition;
use crate::model::mapping::{Mapping, UnknownAttribute};
use crate::model::record::EntityName;
use crate::model::table::Table;

fn batch(entities: &[&str]) -> Batch {
    let table = |name: &&str| {
        let definition = EntityDefinition {
            name: EntityName::new(name),
            primary_id: "".into(),
            intersect: None,
            attributes: Vec::new(),
        };
        let table = Table::of(&definition, "dbo", None);
        let mapping = Mapping::new(&definition, table, true, UnknownAttribute::Stop);
        TableBatch { mapping: Arc::new(mapping), changes: Vec::new() }
    };
    Batch { tables: entities.iter().map(table).collect(), ..Batch::default() }
}

fn blow(number: u32, place: Place) -> Blow {
    let error = ServerError { number, class: 16, ..ServerError::default() };
    let failure = Failure::Server(error);
    Blow { moment: Moment::Committing, place, failure, record_id: None }
}

fn entity_of(error: &WriteError) -> Option<&str> {
    match error {
        WriteError::Rejected(rejected) => rejected[0].entity.as_ref().map(EntityName::as_str),
        WriteError::Table { entity, .. } => entity.as_ref().map(EntityName::as_str),
        other => panic!("nobody is blamed: {other:?}"),
    }
}

#[test]
fn a_truncation_is_its_tables() {
    let two = batch(&["account", "contact"]);
    let error = judge(&two, &blow(2628, Place::Table(1)));
    assert!(matches!(&error, WriteError::Rejected(rejected)
        if rejected[0].rejection == Rejection::of(Cause::Refused { code: "2628".into() })));
    assert_eq!(entity_of(&error), Some("contact"));
}

#[test]
fn of_several_tables_nobody_knows_which() {
    let two = batch(&["account", "contact"]);
    assert_eq!(entity_of(&judge(&two, &blow(207, Place::Batch))), None);
    assert_eq!(entity_of(&judge(&batch(&["account"]), &blow(207, Place::Batch))), Some("account"));
}

#[test]
fn our_own_tables_are_nobodys_records() {
    for number in [207, 208, 2628, 547] {
        let error = judge(&batch(&["account"]), &blow(number, Place::Own));
        assert!(matches!(error, WriteError::Fatal(_)), "{number}: {error:?}");
    }
}

#[test]
fn a_lost_answer_is_unclear_and_a_deadlock_is_not() {
    let mut lost = blow(0, Place::Batch);
    lost.failure = Failure::Connection;
    assert!(matches!(judge(&batch(&["account"]), &lost), WriteError::Unclear(_)));
    lost.moment = Moment::Before;
    assert!(matches!(judge(&batch(&["account"]), &lost), WriteError::Retry(_)));
    let deadlock = blow(1205, Place::Table(0));
    assert!(matches!(judge(&batch(&["account"]), &deadlock), WriteError::Retry(_)));
    assert!(Obstacle::Failed(deadlock).leaves_session());
    assert!(!Obstacle::Failed(lost).leaves_session());
}

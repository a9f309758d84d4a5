//! Who is to blame, from what the server tells.

use std::sync::Arc;

use super::*;
use crate::destination::own_tables::{TableKey, name as own};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::mapping::{Mapping, UnknownAttribute};
use crate::model::record::EntityName;
use crate::model::table::Table;

fn table(entity: &str) -> TableBatch {
    let kind = AttributeKind::Text { max_length: Some(10) };
    let definition = EntityDefinition {
        name: EntityName::new(entity),
        primary_id: "".into(),
        intersect: None,
        attributes: vec![Attribute {
            name: "name".into(),
            kind,
            labels: Vec::new(),
            origin: crate::model::entity::Origin::default(),
        }],
    };
    let table = Table::of(&definition, "crm", None);
    let mapping = Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop));
    TableBatch { mapping, changes: Vec::new() }
}

fn batch() -> Batch {
    Batch { tables: vec![table("account"), table("contact")], ..Batch::default() }
}

fn server(state: &str, told: Option<(&str, &str)>, column: Option<&str>) -> Failure {
    Failure::Server(ServerError {
        state: state.into(),
        table: told.map(|(schema, name)| {
            Box::new(TableKey { schema: schema.to_owned(), name: name.to_owned() })
        }),
        column: column.map(Into::into),
        ..ServerError::default()
    })
}

fn judged(place: Place, failure: Failure) -> WriteError {
    let blow = Blow { moment: Moment::Committing, place, failure, record_id: None };
    judge(&batch(), &blow)
}

fn refused(entity: Option<&str>, column: Option<&str>, state: &str) -> WriteError {
    WriteError::Rejected(vec![RejectedRecord {
        entity: entity.map(EntityName::new),
        record_id: None,
        rejection: Rejection {
            column: column.map(Into::into),
            cause: Cause::Refused { code: state.into() },
        },
    }])
}

#[test]
fn the_table_and_column_that_the_server_names_are_told() {
    let contact = Some(("crm", "contact"));
    let place = Place::Table(0);
    assert_eq!(judged(place, server("22003", None, None)), refused(Some("account"), None, "22003"));
    let told = judged(place, server("23502", contact, Some("name")));
    assert_eq!(told, refused(Some("contact"), Some("name"), "23502"));
    // A constraint that is asked at the commit.
    let told = judged(Place::Batch, server("23503", contact, None));
    assert_eq!(told, refused(Some("contact"), None, "23503"));
    assert_eq!(judged(Place::Batch, server("23503", None, None)), refused(None, None, "23503"));
}

#[test]
fn a_name_that_is_not_ours_is_not_told() {
    let told = judged(Place::Table(1), server("23502", Some(("audit", "secret")), Some("secret")));
    assert_eq!(told, refused(Some("contact"), None, "23502"));
}

#[test]
fn a_table_is_to_blame_for_what_its_statement_does_not_find() {
    match judged(Place::Table(1), server("42703", None, None)) {
        WriteError::Table { entity, trouble } => {
            assert_eq!(entity, Some(EntityName::new("contact")));
            assert_eq!(trouble.code, "42703");
        }
        other => panic!("{other:?}"),
    }
    let untold = judged(Place::Batch, server("42P01", None, None));
    assert!(matches!(untold, WriteError::Table { entity: None, .. }), "{untold:?}");
}

#[test]
fn nobody_is_to_blame_for_our_own_tables() {
    for state in ["42P01", "42703", "23514", "22P05", "54000"] {
        let judged = judged(Place::Own, server(state, None, None));
        assert!(matches!(judged, WriteError::Fatal(_)), "{state}: {judged:?}");
    }
    let told = judged(Place::Table(0), server("23514", Some((OWN_SCHEMA, own::TOMBSTONE)), None));
    assert!(matches!(told, WriteError::Fatal(_)), "{told:?}");
    let lost = judged(Place::Own, server("42501", None, None));
    assert!(matches!(lost, WriteError::Retry(_)), "{lost:?}");
}

#[test]
fn a_session_is_kept_only_after_an_answer() {
    let failed = |moment, failure| {
        Obstacle::Failed(Blow { moment, place: Place::Batch, failure, record_id: None })
    };
    assert!(Obstacle::Fenced.leaves_session());
    assert!(failed(Moment::Committing, server("23505", None, None)).leaves_session());
    assert!(!failed(Moment::Before, server("22P05", None, None)).leaves_session());
    assert!(!failed(Moment::Committing, Failure::Connection).leaves_session());
    assert!(!failed(Moment::Committing, Failure::TimedOut).leaves_session());
}

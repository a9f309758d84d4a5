//! Who is blamed in SQLite for what cannot be written: records, all at once, or their table; and
//! that a trial says the same.

use std::sync::Arc;

use keepstep::destination::{RejectedRecord, WriteError};
use keepstep::model::batch::Batch;
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::mapping::Fitted;
use keepstep::model::record::RecordId;

use super::file::File;
use crate::destination_conformance::scene::{self, Lane, text};

/// The answer of a trial and of a write, which must be the same.
async fn answer(lane: &mut Lane, batch: &Arc<Batch>) -> Result<(), WriteError> {
    let tried = lane.destination.try_out(&lane.next_fence(), batch).await;
    let written = lane.write(batch).await;
    assert_eq!(tried, written, "the trial and the write");
    written.map(drop)
}

async fn rejected(lane: &mut Lane, batch: &Arc<Batch>) -> Vec<RejectedRecord> {
    match answer(lane, batch).await {
        Err(WriteError::Rejected(rejected)) => rejected,
        other => panic!("{other:?}"),
    }
}

fn refused(record_id: RecordId, column: Option<&str>, code: &str) -> RejectedRecord {
    let cause = Cause::Refused { code: code.into() };
    let rejection = match column {
        Some(column) => Rejection::in_column(column, cause),
        None => Rejection::of(cause),
    };
    let entity = Some(keepstep::model::record::EntityName::new("account"));
    RejectedRecord { entity, record_id: Some(record_id), rejection }
}

fn create(number: u128, a: &str) -> Fitted {
    scene::create(scene::record(number), Some(2), &[(0, text(a))])
}

#[tokio::test]
async fn one_answer_names_every_record_and_what_refuses_it() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.connection()
        .execute_batch(
            "INSERT INTO account (Id, a) VALUES ('there', 'taken');
             CREATE UNIQUE INDEX one_a ON account (a);
             CREATE TRIGGER no_delete BEFORE DELETE ON account BEGIN SELECT raise(FAIL, 'no'); END;
             CREATE TRIGGER no_c BEFORE INSERT ON account WHEN new.c = 'bad'
             BEGIN SELECT raise(ABORT, 'no'); END;
             INSERT INTO account (Id, a, versionnumber)
             VALUES ('6b656570-0000-4000-8000-000000000004', 'four', 1);",
        )
        .unwrap();
    let good = [create(1, "one"), create(6, "six"), create(9, "nine")];
    let bad = [
        create(2, "taken"),
        scene::create(scene::record(3), Some(2), &[(2, text("bad"))]),
        scene::delete(scene::record(4), Some(2)),
        scene::patch(scene::record(5), Some(2), &[(0, text("nowhere"))]),
        create(7, "one"),
        scene::patch(scene::record(8), Some(2), &[]),
    ];
    let [one, six, nine] = good.clone();
    let [taken, c, delete, patch, again, empty] = bad;
    let all = vec![one, taken, c, delete, patch, six, again, empty, nine];
    let expected = [
        refused(scene::record(2), Some("a"), "SQLITE_CONSTRAINT_UNIQUE (2067)"),
        refused(scene::record(3), None, "SQLITE_CONSTRAINT_TRIGGER (1811)"),
        refused(scene::record(4), None, "SQLITE_CONSTRAINT_TRIGGER (1811)"),
        RejectedRecord {
            rejection: Rejection::of(Cause::NoBase),
            ..refused(scene::record(5), None, "")
        },
        refused(scene::record(7), Some("a"), "SQLITE_CONSTRAINT_UNIQUE (2067)"),
        RejectedRecord {
            rejection: Rejection::of(Cause::NoBase),
            ..refused(scene::record(8), None, "")
        },
    ];
    assert_eq!(rejected(&mut lane, &scene::batch(&file.mapping, all)).await, expected);
    assert_eq!(file.count(), 2, "nothing was written");
    lane.write(&scene::batch(&file.mapping, good.into())).await.unwrap();
    assert_eq!(file.count(), 5);
}

#[tokio::test]
async fn a_trigger_that_rolls_back_takes_nothing_else_along() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.connection()
        .execute_batch(
            "CREATE TRIGGER object BEFORE INSERT ON account WHEN new.a = 'bad'
             BEGIN SELECT raise(ROLLBACK, 'no'); END",
        )
        .unwrap();
    let changes = vec![create(1, "one"), create(2, "bad"), create(3, "three"), create(4, "bad")];
    let found = rejected(&mut lane, &scene::batch(&file.mapping, changes)).await;
    assert_eq!(found, [refused(scene::record(2), None, "SQLITE_CONSTRAINT_TRIGGER (1811)")]);
    assert_eq!(file.count(), 0, "what came after it was not written outside a transaction");
    lane.write(&file.one(1)).await.unwrap();
}

#[tokio::test]
async fn a_constraint_of_the_commit_is_found_by_a_trial() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.connection()
        .execute_batch(
            "DROP TABLE account; CREATE TABLE parent (Id TEXT PRIMARY KEY);
             CREATE TABLE account (Id TEXT PRIMARY KEY, SinkCreatedOn TEXT, SinkModifiedOn TEXT,
             a TEXT REFERENCES parent (Id) DEFERRABLE INITIALLY DEFERRED, b TEXT, c TEXT,
             versionnumber INTEGER); INSERT INTO parent VALUES ('there')",
        )
        .unwrap();
    let good = scene::batch(&file.mapping, vec![create(1, "there")]);
    let bad = scene::batch(&file.mapping, vec![create(1, "there"), create(2, "nowhere")]);
    for _ in 0..2 {
        let unknown = RejectedRecord {
            entity: None,
            record_id: None,
            ..refused(scene::record(2), None, "SQLITE_CONSTRAINT_FOREIGNKEY (787)")
        };
        assert_eq!(rejected(&mut lane, &bad).await, [unknown]);
        lane.destination.try_out(&lane.next_fence(), &good).await.unwrap();
    }
    assert_eq!(file.count(), 0);
    answer(&mut lane, &good).await.unwrap();
    assert_eq!(file.count(), 1, "a trial before it denies no commit");
}

#[tokio::test]
async fn a_value_that_a_function_cannot_take_is_its_records() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.connection()
        .execute_batch("CREATE INDEX object ON account (json_extract(a, '$.x'))")
        .unwrap();
    let changes = vec![create(1, "{}"), create(2, "no JSON"), create(3, "{\"x\": 1}")];
    let found = rejected(&mut lane, &scene::batch(&file.mapping, changes)).await;
    assert_eq!(found, [refused(scene::record(2), None, "SQLITE_ERROR (1)")]);
}

#[tokio::test]
async fn a_version_that_is_none_is_its_records() {
    let file = File::new();
    let mut lane = file.lane().await;
    file.connection()
        .execute_batch(
            "INSERT INTO account (Id, versionnumber)
             VALUES ('6b656570-0000-4000-8000-000000000002', 'young')",
        )
        .unwrap();
    let patch = scene::patch(scene::record(2), Some(2), &[(0, text("x"))]);
    let batch = scene::batch(&file.mapping, vec![create(1, "one"), patch]);
    let found = rejected(&mut lane, &batch).await;
    assert_eq!(found, [refused(scene::record(2), None, "stored_value")]);
}

#[tokio::test]
async fn a_table_of_other_types_or_with_a_broken_trigger_is_to_blame_itself() {
    let columns = "SinkCreatedOn TEXT, SinkModifiedOn TEXT, b TEXT, c TEXT, versionnumber INTEGER";
    for (changed, code) in [
        (
            format!(
                "DROP TABLE account; \
                 CREATE TABLE account (Id TEXT PRIMARY KEY, a INTEGER, {columns}) STRICT"
            ),
            "SQLITE_CONSTRAINT_DATATYPE (3091)",
        ),
        (
            format!(
                "DROP TABLE account; \
                 CREATE TABLE account (Id INTEGER PRIMARY KEY, a TEXT, {columns})"
            ),
            "SQLITE_MISMATCH (20)",
        ),
        (
            format!("DROP TABLE account; CREATE TABLE account (Id TEXT, a TEXT, {columns})"),
            "SQLITE_ERROR (1)",
        ),
        (
            "DROP TABLE account; CREATE VIEW account AS SELECT 1 AS Id".to_owned(),
            "SQLITE_ERROR (1)",
        ),
        (
            "CREATE TABLE log (x); CREATE TRIGGER object AFTER INSERT ON account \
             BEGIN INSERT INTO log VALUES (1); END; PRAGMA legacy_alter_table = 1; \
             DROP TABLE log"
                .to_owned(),
            "SQLITE_ERROR (1)",
        ),
    ] {
        let file = File::new();
        let mut lane = file.lane().await;
        // The handle has the statement ready before the table changes.
        lane.write(&file.one(1)).await.unwrap();
        file.connection().execute_batch(&changed).unwrap();
        match answer(&mut lane, &file.one(2)).await {
            Err(WriteError::Table { entity, trouble }) => {
                assert_eq!(entity.as_ref(), Some(&file.mapping.entity), "{changed}");
                assert_eq!(trouble.code, code, "{changed}");
                assert!(!format!("{trouble}").contains("leak"));
            }
            other => panic!("{changed}: {other:?}"),
        }
    }
}

//! Records that a CHECK refuses are named all at once, and only those.

use keepstep::destination::{Destination, RejectedRecord, WriteError};
use keepstep::model::failure::Cause;
use keepstep::model::mapping::Fitted;
use keepstep::model::mutation::Mutations;

use super::case::Case;
use super::server::{Plain, TestDatabase};
use crate::destination_conformance::scene::{self, text};

/// A lane on a table that has this CHECK, and more.
async fn case(database: &TestDatabase, more: &str) -> (Case, Plain) {
    let case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    plain.execute("ALTER TABLE conformance.account ADD CHECK (a <> 'hunter2')").await;
    plain.execute(more).await;
    (case, plain)
}

fn create(record: u128, version: i64, a: &str) -> Fitted {
    let cells = [(0, text(a)), (1, text("b"))];
    scene::create(scene::record(record), Some(version), &cells)
}

/// The records named by a write, which must be those that a trial names; empty if none is.
async fn named(case: &mut Case, changes: Vec<Fitted>) -> Vec<u128> {
    let batch = case.batch(vec![changes]);
    let tried = case.destination.try_out(&case.fence(), &batch).await.unwrap_err();
    let written = case.destination.write(&case.fence(), &batch).await.unwrap_err();
    assert_eq!(tried, written);
    let WriteError::Rejected(rejected) = written else { panic!("{written:?}") };
    let number = |record: &RejectedRecord| {
        assert_eq!(record.entity.as_ref().unwrap().as_str(), "account");
        assert_eq!(record.rejection.cause, Cause::Refused { code: "23514".into() });
        let id = record.record_id?;
        (0..1_000).find(|number| scene::record(*number) == id)
    };
    rejected.iter().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_records_that_a_check_refuses_are_named_at_once() {
    let database = TestDatabase::new().await;
    let more = "ALTER TABLE conformance.account ADD CHECK (c IS NULL OR length(b) < 5)";
    let (mut case, _plain) = case(&database, more).await;
    let mut changes: Vec<Fitted> = (0..300).map(|number| create(number, 1, "a")).collect();
    for number in [0, 7, 150, 299] {
        changes[number as usize] = create(number, 1, "hunter2");
    }
    let long = [(1, text("longer")), (2, text("c"))];
    changes[42] = scene::create(scene::record(42), Some(1), &long);
    // What is null breaks no CHECK.
    changes[43] = scene::create(scene::record(43), Some(1), &[]);
    assert_eq!(named(&mut case, changes.clone()).await, [0, 7, 42, 150, 299]);
    for number in [299, 150, 42, 7, 0] {
        changes.remove(number);
    }
    case.write(changes).await.unwrap();
}

/// Then the table is at fault, and a write must not hold them all: a search by trials tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_of_a_table_is_named_by_a_trial_alone() {
    let database = TestDatabase::new().await;
    let (case, _plain) = case(&database, "SELECT").await;
    let batch = case.batch(vec![(0..100).map(|number| create(number, 1, "hunter2")).collect()]);
    let named = |error: WriteError| match error {
        WriteError::Rejected(rejected) => {
            rejected.iter().filter(|record| record.record_id.is_some()).count()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(named(case.destination.try_out(&case.fence(), &batch).await.unwrap_err()), 100);
    assert_eq!(named(case.destination.write(&case.fence(), &batch).await.unwrap_err()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_looked_at_as_it_would_be_stored() {
    let database = TestDatabase::new().await;
    let more =
        "ALTER TABLE conformance.account ALTER b TYPE char(10), ADD CHECK (octet_length(b) = 10)";
    let (mut case, _plain) = case(&database, more).await;
    let changes = vec![create(1, 1, "a"), create(2, 1, "hunter2"), create(3, 1, "a")];
    assert_eq!(named(&mut case, changes).await, [2]);
    case.write(vec![create(1, 1, "a"), create(3, 1, "a")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_kept_out_is_not_named() {
    let database = TestDatabase::new().await;
    let (mut case, _plain) = case(&database, "SELECT").await;
    case.write(vec![create(1, 1, "a"), create(2, 1, "a")]).await.unwrap();
    case.write(vec![scene::delete(scene::record(1), Some(9))]).await.unwrap();
    // The first one comes too late for its delete; the database refuses the second alone.
    let changes = vec![create(1, 5, "hunter2"), create(2, 5, "hunter2"), create(3, 5, "a")];
    assert_eq!(named(&mut case, changes).await, [2]);
    case.write(vec![create(1, 5, "hunter2"), create(3, 5, "a")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_not_certain_nobody_is_named() {
    for more in [
        // A trigger that may mend the row, and does not mend all.
        "CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN IF NEW.b = ''mend'' THEN NEW.a := ''a''; END IF; RETURN NEW; END';
         CREATE TRIGGER mend BEFORE INSERT ON conformance.account FOR EACH ROW EXECUTE FUNCTION mend()",
        // A CHECK of a column that keepstep does not write.
        "ALTER TABLE conformance.account ADD COLUMN added integer DEFAULT 1 CHECK (added > 0)",
    ] {
        let database = TestDatabase::new().await;
        let (mut case, _plain) = case(&database, more).await;
        let changes = vec![create(1, 1, "a"), create(2, 1, "hunter2")];
        assert_eq!(named(&mut case, changes).await, [] as [u128; 0], "{more}");
    }
    // A patch has no whole row to ask about.
    let database = TestDatabase::new().await;
    let (mut case, _plain) = case(&database, "SELECT").await;
    case.write(vec![create(1, 1, "a")]).await.unwrap();
    let patch = scene::patch(scene::record(1), Some(2), &[(0, text("hunter2"))]);
    assert_eq!(named(&mut case, vec![patch, create(2, 1, "a")]).await, [] as [u128; 0]);
    case.write(vec![create(2, 1, "a")]).await.unwrap();
}

//! Held changes and trials where PostgreSQL has ways of its own: plans, constraints that wait for
//! the commit, triggers, tables that were renamed, sessions that outlive a failure.

use std::sync::Arc;
use std::time::Duration;

use keepstep::destination::postgres::PostgresDestination;
use keepstep::destination::{Destination, RejectedRecord, WhichHeld, WriteError};
use keepstep::model::batch::Batch;
use keepstep::model::change::Version;
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::held::{HeldCause, HeldKey, Hold, Release, ReleaseReason, Revision};
use keepstep::model::mapping::Fitted;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Offset;

use super::case::Case;
use super::server::TestDatabase;
use crate::destination_conformance::scene::{self, text};

fn create(record: u128) -> Fitted {
    scene::create(scene::record(record), Some(1), &[(0, text("a"))])
}

fn key(number: u128) -> HeldKey {
    HeldKey {
        offset: Offset(i64::try_from(number).unwrap()),
        entity: Some(scene::letters("account", true).entity.clone()),
        record_id: Some(scene::record(number)),
    }
}

fn hold(number: u128) -> Hold {
    Hold {
        key: key(number),
        version: Some(Version(1)),
        creates: false,
        cause: HeldCause::waits(),
        attempt: 0,
    }
}

/// Answers of a trial and of a write, which must be the same.
async fn refusal(case: &mut Case, changes: Vec<Fitted>) -> WriteError {
    let batch = case.batch(vec![changes]);
    let tried = case.destination.try_out(&case.fence(), &batch).await.unwrap_err();
    let written = case.destination.write(&case.fence(), &batch).await.unwrap_err();
    assert_eq!(tried, written);
    written
}

fn refused(code: &str, column: Option<&str>) -> WriteError {
    WriteError::Rejected(vec![RejectedRecord {
        entity: Some(scene::letters("account", true).entity.clone()),
        record_id: None,
        rejection: Rejection {
            column: column.map(Into::into),
            cause: Cause::Refused { code: code.into() },
        },
    }])
}

/// Every statement within a time in which none of a batch's changes can meet each row of a table,
/// though the server knows no statistics of any of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_grows_with_the_square() {
    const MANY: u128 = 40_000;
    const BATCH: u128 = 5_000;
    let database = TestDatabase::new().await;
    let mut settings = database.settings(None);
    settings.statement_timeout = Duration::from_secs(5);
    let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let mut case = Case::new(destination).await;
    let plain = database.plain().await;
    for table in ["conformance.account", "keepstep.tombstone", "keepstep.held_change"] {
        plain.execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await;
    }
    let delete = |number| scene::delete(scene::record(number), Some(1));
    case.write((0..MANY).map(delete).collect()).await.unwrap();
    // Deletes, images and patches of as many records each, in a table that was empty.
    let change = |number: u128| match number % 3 {
        0 => scene::delete(scene::record(number), Some(2)),
        1 => scene::create(scene::record(number), Some(2), &[(0, text("a"))]),
        _ => scene::patch(scene::record(number), Some(2), &[(0, text("a"))]),
    };
    case.write((0..BATCH).map(change).collect()).await.unwrap();
    let patch = |number| scene::patch(scene::record(number), Some(2), &[(0, text("a"))]);
    match case.write((MANY..MANY + BATCH).map(patch).collect()).await {
        Err(WriteError::Rejected(all)) => assert_eq!(all.len(), usize::try_from(BATCH).unwrap()),
        other => panic!("{other:?}"),
    }
    let holds = Batch { holds: (0..BATCH).map(hold).collect(), ..Batch::default() };
    case.destination.write(&case.fence(), &Arc::new(holds)).await.unwrap();
    case.next += 1;
    publish_all(&case).await;
    let release = |number| Release { key: key(number), reason: ReleaseReason::Superseded };
    let releases = Batch { releases: (0..BATCH).map(release).collect(), ..Batch::default() };
    case.destination.write(&case.fence(), &Arc::new(releases)).await.unwrap();
    publish_all(&case).await;
    let left = case.destination.held(&case.lane, WhichHeld::All, None, 10).await.unwrap();
    assert_eq!(left, []);
}

/// Marks what is unpublished as published, at once.
async fn publish_all(case: &Case) {
    let read = case.destination.held(&case.lane, WhichHeld::Unpublished, None, 100_000).await;
    let all: Vec<(HeldKey, Revision)> =
        read.unwrap().into_iter().map(|held| (held.key, held.revision)).collect();
    assert_eq!(all.len(), 5_000);
    case.destination.mark_published(&case.lane, &all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_asks_what_the_commit_would_ask() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    plain
        .execute("ALTER TABLE conformance.account ADD CONSTRAINT one UNIQUE (a) DEFERRABLE INITIALLY DEFERRED")
        .await;
    assert_eq!(refusal(&mut case, vec![create(1), create(2)]).await, refused("23505", None));
    case.write(vec![create(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_trigger_raises_is_the_records() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    for (body, code, column) in [
        ("RAISE EXCEPTION 'hunter2'", "P0001", None),
        ("RAISE EXCEPTION 'hunter2' USING ERRCODE = 'UE001'", "UE001", None),
        (
            "RAISE EXCEPTION 'hunter2' USING ERRCODE = '23514', SCHEMA = 'conformance', TABLE = 'account', COLUMN = 'b'",
            "23514",
            Some("b"),
        ),
        // The very code that a patch without a base fails with on purpose.
        ("NEW.b := 'hunter2'::integer", "22P02", None),
    ] {
        plain
            .execute(&format!(
                "CREATE OR REPLACE FUNCTION conformance.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.a = 'bad' THEN {body}; END IF; RETURN NEW; END $$; CREATE OR REPLACE TRIGGER refuse BEFORE INSERT OR UPDATE ON conformance.account FOR EACH ROW EXECUTE FUNCTION conformance.refuse()"
            ))
            .await;
        let row = case.next.unsigned_abs().into();
        case.write(vec![create(row)]).await.unwrap();
        let bad = [(0, text("bad"))];
        let image = scene::image(scene::record(row), Some(2), &bad);
        let patch = scene::patch(scene::record(row), Some(2), &bad);
        for change in [image, patch] {
            let refusal = refusal(&mut case, vec![create(1_000), change]).await;
            assert_eq!(refusal, refused(code, column));
            assert!(!format!("{refusal:?} {refusal}").contains("hunter2"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changed_is_told_by_its_names() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    for (there, back, code, named) in [
        (
            "RENAME COLUMN b TO was_b",
            "RENAME COLUMN was_b TO b",
            "42703",
            "finding column \"b\" of",
        ),
        ("RENAME TO elsewhere", "", "42P01", "finding table \"conformance\".\"account\""),
        (
            "ALTER COLUMN c TYPE integer USING NULL",
            "ALTER COLUMN c TYPE varchar(100)",
            "column_type",
            "writing to column \"c\" of table",
        ),
        (
            "DROP CONSTRAINT \"EPK[conformance].[account]\"",
            "ADD CONSTRAINT \"EPK[conformance].[account]\" PRIMARY KEY (\"Id\")",
            "key_not_unique",
            "finding the key of table",
        ),
    ] {
        plain.execute(&format!("ALTER TABLE conformance.account {there}")).await;
        match refusal(&mut case, vec![create(1)]).await {
            WriteError::Table { entity, trouble } => {
                assert_eq!(entity.unwrap().as_str(), "account");
                assert_eq!(trouble.code, code);
                assert!(trouble.what.contains(named), "{trouble}");
            }
            other => panic!("{there}: {other:?}"),
        }
        let back = match back {
            "" => "ALTER TABLE conformance.elsewhere RENAME TO account".to_owned(),
            back => format!("ALTER TABLE conformance.account {back}"),
        };
        plain.execute(&back).await;
        case.write(vec![create(1)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_was_answered_costs_no_connection() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    case.write(vec![create(1)]).await.unwrap();
    let plain = database.plain().await;
    plain.execute("ALTER TABLE conformance.account ADD CHECK (a <> 'bad')").await;
    let text_of_pids = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keepstep'";
    let pids =
        async || plain.client.query_one(text_of_pids, &[]).await.unwrap().get::<_, Vec<i32>>(0);
    let before = pids().await;
    let bad = scene::create(scene::record(2), Some(1), &[(0, text("bad"))]);
    for change in [bad, scene::patch(scene::record(3), Some(1), &[(0, text("a"))])] {
        assert!(matches!(refusal(&mut case, vec![change]).await, WriteError::Rejected(_)));
    }
    let mut fence = case.fence();
    fence.moves[0].from.0 += 1;
    let batch = case.batch(vec![vec![create(4)]]);
    assert_eq!(case.destination.try_out(&fence, &batch).await, Err(WriteError::Fenced));
    case.destination.try_out(&case.fence(), &batch).await.unwrap();
    assert_eq!(pids().await, before);
    case.write(vec![create(4)]).await.unwrap();
}

/// A search for a bad record is many trials on one connection, and each reads over what those
/// before it left in the staging table: that must not pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trials_do_not_pile_up_dead_rows() {
    let database = TestDatabase::new().await;
    let plain = database.plain().await;
    let case = Case::new(database.open(Mutations::default())).await;
    let batch = case.batch(vec![(1..=100).map(create).collect()]);
    for _ in 0..200 {
        case.destination.try_out(&case.fence(), &batch).await.unwrap();
    }
    let text = "SELECT sum(pg_relation_size(oid))::bigint FROM pg_class WHERE relname LIKE 'keepstep\\_stage\\_%'";
    let staged: i64 = plain.client.query_one(text, &[]).await.unwrap().get(0);
    // 200 trials of 100 rows are more than a million bytes.
    assert!((1..200_000).contains(&staged), "{staged}");
}

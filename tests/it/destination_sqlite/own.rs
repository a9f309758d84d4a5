//! What SQLite alone promises: files, locks, limits, constraints, and tables that were there.

use keepstep::destination::sqlite::SqliteDestination;
use keepstep::destination::{Destination, DestinationError, WriteError};
use keepstep::model::checkpoint::OwnerToken;
use keepstep::model::failure::Cause;
use keepstep::model::mutation::Mutations;
use uuid::Uuid;

use super::file::{File, fatal_code};
use crate::destination_conformance::scene;

#[tokio::test]
async fn a_file_that_another_program_has_locked_is_an_outage() {
    let file = File::new();
    let mut lane = file.lane().await;
    let other = file.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    match lane.write(&file.one(1)).await {
        Err(WriteError::Retry(trouble)) => assert_eq!(trouble.code, "SQLITE_BUSY (5)"),
        other => panic!("{other:?}"),
    }
    let taken = lane.destination.take(&lane.id, lane.token).await;
    assert!(matches!(taken, Err(DestinationError::Retry(_))), "{taken:?}");
    other.execute_batch("ROLLBACK").unwrap();
    lane.write(&file.one(1)).await.unwrap();
    assert_eq!(file.count(), 1);
}

#[tokio::test]
async fn readers_and_keepstep_do_not_wait_for_each_other() {
    let file = File::new();
    let mut lane = file.lane().await;
    lane.write(&file.one(1)).await.unwrap();
    let reader = file.connection();
    reader.execute_batch("BEGIN").unwrap();
    let count = || reader.query_row("SELECT count(*) FROM account", [], |row| row.get::<_, i64>(0));
    assert_eq!(count().unwrap(), 1);
    lane.write(&file.one(2)).await.unwrap();
    assert_eq!(count().unwrap(), 1, "the reader sees its own moment");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count().unwrap(), 2);
}

#[tokio::test]
async fn only_an_activation_makes_the_file() {
    let file = File::new();
    let id = scene::lane_id(&scene::activation(&[&file.mapping]), 0);
    let taken = file.start().take(&id, OwnerToken(Uuid::nil())).await.unwrap_err();
    assert_eq!(fatal_code(taken), "SQLITE_CANTOPEN (14)");
    let findings = file.start().check(&scene::activation(&[&file.mapping])).await;
    assert!(findings.iter().all(|finding| finding.problem.is_none()), "{findings:?}");
    assert!(!file.settings().path.exists(), "a check or a take made the file");
}

#[tokio::test]
async fn a_file_that_was_removed_is_noticed() {
    let file = File::new();
    let mut lane = file.lane().await;
    lane.write(&file.one(1)).await.unwrap();
    for name in ["destination.db", "destination.db-wal", "destination.db-shm"] {
        std::fs::remove_file(file.folder.path().join(name)).unwrap();
    }
    match lane.write(&file.one(2)).await {
        Err(WriteError::Fatal(trouble)) => assert_eq!(trouble.code, "SQLITE_CANTOPEN (14)"),
        other => panic!("{other:?}"),
    }
    assert!(!file.settings().path.exists(), "a write made the file");
}

#[tokio::test]
async fn what_is_no_database_or_no_folder_is_fatal() {
    let file = File::new();
    std::fs::write(file.settings().path, "no database, but long enough to be one ".repeat(50))
        .unwrap();
    assert_eq!(fatal_code(file.activation_error().await), "SQLITE_NOTADB (26)");
    let findings = file.start().check(&scene::activation(&[&file.mapping])).await;
    assert!(findings.iter().any(|finding| finding.problem.is_some()), "{findings:?}");

    let mut settings = file.settings();
    settings.path = file.folder.path().join("missing/destination.db");
    let nowhere = SqliteDestination::start(settings, Mutations::default()).unwrap();
    let activation = scene::activation(&[&file.mapping]);
    let error = nowhere.activate(&activation).await.unwrap_err();
    assert_eq!(fatal_code(error), "SQLITE_CANTOPEN (14)");
    let findings = nowhere.check(&activation).await;
    assert_eq!(findings[0].problem.as_ref().unwrap().code, "no_folder");
}

#[tokio::test]
async fn a_damaged_file_is_fatal() {
    let file = File::new();
    let mut lane = file.lane().await;
    lane.write(&file.one(1)).await.unwrap();
    let id = lane.id.clone();
    drop(lane);
    // The first page of the schema is overwritten beyond the header.
    let mut bytes = std::fs::read(file.settings().path).unwrap();
    bytes[100..4_096].fill(0xff);
    std::fs::write(file.settings().path, bytes).unwrap();
    let error = file.start().take(&id, OwnerToken(Uuid::nil())).await.unwrap_err();
    assert_eq!(fatal_code(error), "SQLITE_CORRUPT (11)");
}

#[tokio::test]
async fn a_constraint_or_a_trigger_rejects_the_record_and_names_it() {
    let file = File::new();
    let mut lane = file.lane().await;
    lane.write(&file.one(1)).await.unwrap();
    for (object, code) in [
        ("CREATE UNIQUE INDEX object ON account (a)", "SQLITE_CONSTRAINT_UNIQUE (2067)"),
        (
            "CREATE TRIGGER object BEFORE INSERT ON account BEGIN \
             SELECT raise(ABORT, 'no'); END",
            "SQLITE_CONSTRAINT_TRIGGER (1811)",
        ),
    ] {
        file.connection().execute_batch(object).unwrap();
        match lane.write(&file.one(2)).await {
            Err(WriteError::Rejected(rejected)) => {
                let rejected = &rejected[0];
                assert_eq!(rejected.record_id, Some(scene::record(2)));
                assert_eq!(rejected.entity, Some(file.mapping.entity.clone()));
                assert_eq!(rejected.rejection.cause, Cause::Refused { code: code.into() });
                assert!(!format!("{rejected:?}").contains("leak"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(file.count(), 1);
        file.connection()
            .execute_batch("DROP INDEX IF EXISTS object; DROP TRIGGER IF EXISTS object")
            .unwrap();
    }
    lane.write(&file.one(2)).await.unwrap();
    assert_eq!(file.count(), 2);
}

#[tokio::test]
async fn tables_that_were_there_are_used_where_they_fit() {
    for (made, problem) in [
        // As a person may have made it, in another order, with more, without a version.
        (
            "CREATE TABLE Account (more REAL, c nvarchar(100), A, Id TEXT NOT NULL UNIQUE, \
             b CLOB)",
            None,
        ),
        ("CREATE TABLE account (Id TEXT, a TEXT)", Some("table_key")),
        ("CREATE TABLE account (a TEXT)", Some("table_key")),
        ("CREATE VIEW account AS SELECT 1 AS Id, 2 AS a", Some("table_key")),
        ("CREATE TABLE account (Id TEXT PRIMARY KEY, a INTEGER)", Some("column_type")),
        ("CREATE TABLE account (Id TEXT PRIMARY KEY, b DECIMAL(38,2))", Some("column_type")),
        ("CREATE TABLE account (Id INTEGER PRIMARY KEY, a TEXT)", Some("column_type")),
        ("CREATE TABLE account (Id TEXT PRIMARY KEY, versionnumber TEXT)", Some("column_type")),
    ] {
        let file = File::new();
        file.connection().execute_batch(made).unwrap();
        let findings = file.start().check(&scene::activation(&[&file.mapping])).await;
        let found = findings.iter().find_map(|finding| finding.problem.as_ref());
        assert_eq!(found.map(|trouble| trouble.code.as_str()), problem, "{made}");
        match problem {
            Some(problem) => {
                let activation = scene::activation(&[&file.mapping]);
                let answer = file.start().activate(&activation).await.unwrap();
                assert_eq!(answer.refused[0].trouble.code, problem);
            }
            None => {
                let mut lane = file.lane().await;
                lane.write(&file.one(1)).await.unwrap();
                assert_eq!(file.count(), 1);
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_handle_has_done_what_was_asked() {
    let file = File::new();
    let lane = file.lane().await;
    let changes =
        (0..2_000).map(|number| scene::create(scene::record(number), Some(1), &[])).collect();
    let batch = scene::batch(&file.mapping, changes);
    let fence = lane.next_fence();
    {
        let mut call = lane.destination.write(&fence, &batch);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        // One poll hands the request over; the caller then goes, and the handle with it.
        let _ = call.as_mut().poll(&mut context);
    }
    drop(lane);
    // All or nothing, and the thread is gone: the file can be opened exclusively.
    let count = file.count();
    assert!(count == 0 || count == 2_000, "{count}");
    file.connection().execute_batch("BEGIN EXCLUSIVE; COMMIT").unwrap();
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_found_by_the_check() {
    let file = File::new();
    let writable = std::fs::metadata(file.folder.path()).unwrap().permissions();
    let mut readonly = writable.clone();
    readonly.set_readonly(true);
    std::fs::set_permissions(file.folder.path(), readonly).unwrap();
    let findings = file.start().check(&scene::activation(&[&file.mapping])).await;
    std::fs::set_permissions(file.folder.path(), writable).unwrap();
    assert_eq!(findings[0].problem.as_ref().unwrap().code, "folder_readonly");
}

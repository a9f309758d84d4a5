//! Outages, limits of time, and errors that tell nothing of a record.

use std::sync::Arc;
use std::time::Duration;

use keepstep::destination::postgres::{PostgresDestination, PostgresSettings};
use keepstep::destination::{Destination, DestinationError, WriteError};
use keepstep::model::cell::Cell;
use keepstep::model::failure::Cause;
use keepstep::model::mapping::Mapping;
use keepstep::model::mutation::Mutations;

use super::case::Case;
use super::locks::by_wire;
use super::server::TestDatabase;
use super::wire::Mischief;
use crate::destination_conformance::scene::{self, text};

fn change(record: u128) -> keepstep::model::mapping::Fitted {
    scene::create(scene::record(record), Some(1), &[(0, text("a"))])
}

async fn with_settings(
    database: &TestDatabase,
    adjust: impl FnOnce(&mut PostgresSettings),
) -> Case {
    let mut settings = database.settings(None);
    adjust(&mut settings);
    Case::new(PostgresDestination::new(settings, Mutations::default()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_reached_is_an_outage() {
    let database = TestDatabase::new().await;
    let case = Case::new(database.open(Mutations::default())).await;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = database.settings(Some(port));
    let away = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let error = away.write(&case.fence(), &case.batch(vec![vec![change(1)]])).await.unwrap_err();
    assert!(matches!(error, WriteError::Retry(_)), "{error:?}");
    let error = away.activate(&case.activation).await.unwrap_err();
    assert!(matches!(error, DestinationError::Retry(_)), "{error:?}");
    let findings = away.check(&case.activation).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].problem.as_ref().unwrap().code, "connection_lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_ended_are_made_anew() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    case.write(vec![change(1)]).await.unwrap();
    database
        .plain()
        .await
        .execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;
    // The end may be noticed only by writing; then it is an outage, and over by the next call.
    if let Err(error) = case.write(vec![change(2)]).await {
        assert!(matches!(error, WriteError::Retry(_) | WriteError::Unclear(_)), "{error:?}");
        case.write(vec![change(2)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_waits_for_a_lock_is_given_up() {
    let database = TestDatabase::new().await;
    let mut case =
        with_settings(&database, |s| s.statement_timeout = Duration::from_millis(300)).await;
    let plain = database.plain().await;
    plain.execute("BEGIN; LOCK TABLE conformance.account IN ACCESS EXCLUSIVE MODE").await;
    match case.write(vec![change(1)]).await.unwrap_err() {
        WriteError::Retry(trouble) => assert_eq!(trouble.code, "57014"),
        other => panic!("{other:?}"),
    }
    plain.execute("ROLLBACK").await;
    case.write(vec![change(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_given_up() {
    let database = TestDatabase::new().await;
    let (case, wire) = by_wire(&database, Mischief::HoldBurst).await;
    let port = Some(wire.port);
    let mut settings = database.settings(port);
    // Long enough to connect on a busy machine.
    settings.answer_timeout = Duration::from_secs(3);
    let hanging = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let batch = case.batch(vec![vec![change(1)]]);
    match hanging.write(&case.fence(), &batch).await.unwrap_err() {
        // The server gives up a session that waits for its client after as long.
        WriteError::Unclear(trouble) => {
            assert!(["timed_out", "25P03"].contains(&trouble.code.as_str()), "{trouble}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_database_is_waited_for() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    let name = database.config().get_dbname().unwrap().to_owned();
    plain
        .execute(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"))
        .await;
    let read_only = database.open(Mutations::default());
    let batch = case.batch(vec![vec![change(1)]]);
    match read_only.write(&case.fence(), &batch).await.unwrap_err() {
        WriteError::Retry(trouble) => assert_eq!(trouble.code, "25006"),
        other => panic!("{other:?}"),
    }
    plain.execute("SET default_transaction_read_only = off").await;
    plain.execute(&format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).await;
    case.write(vec![change(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_in_use_delays_its_new_columns_and_nobody_else() {
    let database = TestDatabase::new().await;
    let case = with_settings(&database, |s| s.lock_timeout = Duration::from_millis(300)).await;
    let plain = database.plain().await;
    plain.execute("BEGIN; SELECT FROM conformance.account").await;
    let grown: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| {
            let kind = keepstep::model::entity::AttributeKind::Text { max_length: Some(100) };
            scene::attribute(name, kind)
        })
        .into();
    let grown = scene::mapping("account", true, grown);
    let activation = scene::activation(&[&grown]);
    match case.destination.activate(&activation).await.unwrap_err() {
        DestinationError::Retry(trouble) => assert_eq!(trouble.code, "55P03"),
        other => panic!("{other:?}"),
    }
    plain.execute("COMMIT").await;
    case.destination.activate(&activation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_the_set_number_of_connections() {
    let database = TestDatabase::new().await;
    let case = with_settings(&database, |settings| settings.connections = 2).await;
    let plain = database.plain().await;
    plain.execute("BEGIN; LOCK TABLE conformance.account IN ACCESS EXCLUSIVE MODE").await;
    let writes = (0..6).map(|record| {
        let (fence, batch) = (case.fence(), case.batch(vec![vec![change(record)]]));
        let destination = Arc::clone(&case.destination);
        async move { destination.write(&fence, &batch).await }
    });
    let writes = futures_util::future::join_all(writes);
    // Outside the transaction that holds the lock: within one, the server keeps the list of
    // sessions as it was at the first look.
    let watch = database.plain().await;
    let counting = async {
        let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keepstep' AND wait_event_type = 'Lock'";
        // Both connections wait: one for the table, one for the checkpoint that the first holds.
        loop {
            let count: i64 = watch.client.query_one(text, &[]).await.unwrap().get(0);
            if count == 2 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let all = text.replace(" AND wait_event_type = 'Lock'", "");
        let count: i64 = watch.client.query_one(&all, &[]).await.unwrap().get(0);
        plain.execute("ROLLBACK").await;
        count
    };
    let both =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(writes, counting) });
    let (written, count) = both.await.expect("both connections wait for a lock");
    assert_eq!(count, 2);
    // All had the same fence: one wrote.
    assert_eq!(written.iter().filter(|result| result.is_ok()).count(), 1);
}

/// Nothing of a record, and nothing of the server's words, is in an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_table_refuses_is_told_without_its_content() {
    let database = TestDatabase::new().await;
    let mut case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    for (constraint, code, column) in [
        ("ADD CONSTRAINT secret_check CHECK (a <> 'hunter2')", "23514", None),
        ("ALTER COLUMN b SET NOT NULL", "23502", Some("b")),
        ("ADD CONSTRAINT one UNIQUE (c)", "23505", None),
    ] {
        plain.execute(&format!("ALTER TABLE conformance.account {constraint}")).await;
        let good =
            scene::create(scene::record(9), Some(1), &[(1, text("b")), (2, text("hunter2"))]);
        let bad = match code {
            "23514" => vec![(0, text("hunter2"))],
            "23502" => vec![(0, text("hunter2 too"))],
            _ => vec![(1, text("hunter2")), (2, text("hunter2"))],
        };
        let bad = scene::create(scene::record(1), Some(1), &bad);
        let error = case.write(vec![good, bad]).await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("secret_check"), "{error:?}");
        let WriteError::Rejected(rejected) = error else { panic!("{error:?}") };
        let rejected = rejected.into_iter().next().unwrap();
        assert_eq!(rejected.entity.unwrap().as_str(), "account");
        assert_eq!(rejected.rejection.cause, Cause::Refused { code: code.into() });
        assert_eq!(rejected.rejection.column.as_deref(), column);
    }
}

/// A value that the COPY itself refuses is traced to its record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_database_cannot_store_names_its_record() {
    let database = TestDatabase::new().await;
    let plain = database.plain().await;
    let name = format!("{}_latin", database.config().get_dbname().unwrap());
    plain
        .execute(&format!(
            "CREATE DATABASE \"{name}\" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        ))
        .await;
    let url = database.url(None).replace(database.config().get_dbname().unwrap(), &name);
    let settings = PostgresSettings::new(Arc::new(move || Ok(url.clone())));
    let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let mut case = Case::new(destination).await;
    let mut changes: Vec<_> = (1..200).map(change).collect();
    changes[120] = scene::create(scene::record(121), Some(1), &[(1, text("名前"))]);
    let error = case.write(changes).await.unwrap_err();
    let WriteError::Rejected(rejected) = error else { panic!("{error:?}") };
    let rejected = rejected.into_iter().next().unwrap();
    assert_eq!(rejected.record_id, Some(scene::record(121)));
    assert_eq!(rejected.rejection.cause, Cause::Refused { code: "22P05".into() });
    let findings = case.destination.check(&case.activation).await;
    let problem = findings.iter().find_map(|finding| finding.problem.as_ref()).unwrap();
    assert_eq!(problem.code, "encoding");
    drop(case);
    plain.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
}

/// More tables in a batch than a connection keeps staging tables for, twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_very_many_tables_is_written() {
    let database = TestDatabase::new().await;
    let mappings: Vec<Arc<Mapping>> =
        (0..70).map(|number| scene::letters(&format!("entity_{number:02}"), true)).collect();
    let case = Case::with(database.open(Mutations::default()), mappings).await;
    let mut case = case;
    for record in 1..3 {
        let changes = vec![vec![change(record)]; case.mappings.len()];
        let batch = case.batch(changes);
        let written = case.destination.write(&case.fence(), &batch).await.unwrap();
        assert!(written.tables.iter().all(|table| table.written == 1));
        case.next += 1;
        // Another set of tables in between, on the same connection.
        case.write(vec![change(record + 10)]).await.unwrap();
    }
}

/// Rows longer than a page go by way of a staging table that takes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_longer_than_a_page_are_written() {
    let database = TestDatabase::new().await;
    let kind = keepstep::model::entity::AttributeKind::Memo;
    let mapping = scene::mapping("note", true, vec![scene::attribute("text", kind)]);
    let mut case = Case::with(database.open(Mutations::default()), vec![mapping]).await;
    // Random, so that it cannot be compressed below a page.
    let long: String = (0..40_000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for (record, length) in [(1, 7_000), (2, 7_590), (3, 7_600), (4, 8_200), (5, 1_400_000)] {
        let cell: Cell = text(&long[..length]);
        let change = scene::create(scene::record(record), Some(1), &[(0, cell)]);
        case.write(vec![change]).await.unwrap();
    }
    let plain = database.plain().await;
    let rows = plain
        .client
        .query("SELECT length(text) FROM conformance.note ORDER BY \"Id\"", &[])
        .await
        .unwrap();
    let lengths: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(lengths, [7_000, 7_590, 7_600, 8_200, 1_400_000]);
}

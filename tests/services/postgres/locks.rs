//! From the fence to the commit everything is one message, and nothing shared is locked before
//! the server has all of it, whatever becomes of its sender.

use std::net::SocketAddr;
use std::sync::Arc;

use keepstep::destination::postgres::PostgresDestination;
use keepstep::destination::{Destination, WriteError};
use keepstep::model::checkpoint::OwnerToken;
use keepstep::model::mutation::Mutations;
use uuid::Uuid;

use super::case::Case;
use super::server::{Plain, TestDatabase};
use super::wire::{Mischief, Wire};
use crate::destination_conformance::scene::{self, text};

fn server(database: &TestDatabase) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], database.config().get_ports()[0]))
}

/// A case whose adapter speaks by way of a wire.
pub async fn by_wire(database: &TestDatabase, mischief: Mischief) -> (Case, Wire) {
    let wire = Wire::to(server(database), mischief).await;
    let settings = database.settings(Some(wire.port));
    let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
    (Case::new(destination).await, wire)
}

/// Locks everything that a batch touches, without waiting.
async fn lock_everything(plain: &Plain) {
    plain
        .execute(
            "BEGIN; LOCK TABLE conformance.account, keepstep.checkpoint, keepstep.tombstone IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK",
        )
        .await;
}

async fn a_frozen_client_locks_nothing(mischief: Mischief) {
    let database = TestDatabase::new().await;
    let (case, wire) = by_wire(&database, mischief).await;
    let plain = database.plain().await;
    let batch = case.batch(vec![vec![
        scene::create(scene::record(1), Some(1), &[(0, text("a"))]),
        scene::delete(scene::record(2), Some(1)),
    ]]);
    let fence = case.fence();
    let (written, ()) = tokio::join!(case.destination.write(&fence, &batch), async {
        wire.held().await;
        lock_everything(&plain).await;
        // Another owner is not kept waiting either, and the frozen one does nothing when it thaws.
        let other = database.open(Mutations::default());
        other.take(&case.lane, OwnerToken(Uuid::new_v4())).await.unwrap();
        wire.release();
    });
    assert_eq!(written, Err(WriteError::Fenced));
    let rows = plain.client.query("SELECT FROM conformance.account", &[]).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_freezes_before_the_fence_locks_nothing() {
    a_frozen_client_locks_nothing(Mischief::HoldBurst).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_freezes_one_byte_before_the_end_locks_nothing() {
    a_frozen_client_locks_nothing(Mischief::HoldLastByte).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_fence_to_the_commit_is_one_message() {
    let database = TestDatabase::new().await;
    let wire = Wire::to(server(&database), Mischief::None).await;
    let settings = database.settings(Some(wire.port));
    let destination = PostgresDestination::new(settings, Mutations::default()).unwrap();
    let mappings = ["account", "contact"].map(|entity| scene::letters(entity, true));
    let case = Case::with(destination, mappings.to_vec()).await;
    let changes = |record| {
        vec![
            scene::create(scene::record(record), Some(1), &[(0, text("a"))]),
            scene::delete(scene::record(record + 1), Some(1)),
        ]
    };
    let batch = case.batch(vec![changes(1), changes(5)]);
    let before = wire.seen().len();
    case.destination.write(&case.fence(), &batch).await.unwrap();
    let seen = wire.seen().split_off(before);
    let statements: Vec<&str> =
        seen.iter().filter(|one| one.kind == 'Q').map(|one| one.text.as_str()).collect();
    let burst = statements.iter().position(|text| text.starts_with("WITH moved AS")).unwrap();
    // Staging and BEGIN come before; after the fence's message there is none.
    assert!(statements[..burst].iter().any(|text| text.starts_with("BEGIN")), "{statements:?}");
    assert_eq!(burst, statements.len() - 1, "{statements:?}");
    let rows: Vec<char> = seen.iter().map(|one| one.kind).collect();
    assert_eq!(rows.last(), Some(&'Q'), "{rows:?}");
    assert_eq!(rows.iter().filter(|kind| **kind == 'c').count(), 2, "one COPY per table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_batch_makes_nothing_anew() {
    let database = TestDatabase::new().await;
    let (mut case, wire) = by_wire(&database, Mischief::None).await;
    let change = |record| scene::create(scene::record(record), Some(1), &[(0, text("a"))]);
    case.write(vec![change(1)]).await.unwrap();
    let before = wire.seen().len();
    case.write(vec![change(2)]).await.unwrap();
    let seen = wire.seen().split_off(before);
    let kinds: String = seen.iter().map(|one| one.kind).collect();
    // BEGIN; bind, execute and sync of the COPY; its rows, its end and a sync; the burst.
    assert_eq!(kinds, "QBESdcSQ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_cut_around_the_commit_is_unclear() {
    for (mischief, expected) in [(Mischief::CutBefore, 0), (Mischief::LoseAnswer, 1)] {
        let database = TestDatabase::new().await;
        let (mut case, _wire) = by_wire(&database, mischief).await;
        let change = scene::create(scene::record(1), Some(1), &[(0, text("a"))]);
        let error = case.write(vec![change]).await.unwrap_err();
        assert!(matches!(error, WriteError::Unclear(_)), "{mischief:?}: {error:?}");
        let checkpoint =
            case.destination.take(&case.lane, OwnerToken(Uuid::new_v4())).await.unwrap();
        assert_eq!(checkpoint.lowest().0, expected, "{mischief:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_lane_locks_and_writes_nothing() {
    let database = TestDatabase::new().await;
    let case = Case::new(database.open(Mutations::default())).await;
    let plain = database.plain().await;
    plain.execute("BEGIN; LOCK TABLE keepstep.checkpoint IN SHARE ROW EXCLUSIVE MODE").await;
    let mut fence = case.fence();
    fence.moves[0].to = fence.moves[0].from;
    let empty = Arc::default();
    // A writer would wait for the lock; a reader does not.
    case.destination.write(&fence, &empty).await.unwrap();
    fence.token = OwnerToken(Uuid::new_v4());
    assert_eq!(case.destination.write(&fence, &empty).await, Err(WriteError::Fenced));
}

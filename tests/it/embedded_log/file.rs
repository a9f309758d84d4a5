//! The file of a log on disk: what is refused, what damage does, what retention leaves.

use std::path::Path;
use std::time::Duration;

use keepstep::log::embedded::limits::{MAX_PARTITIONS, MAX_TOPICS};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode, Retention};
use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, LogError, Member};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{counting_clock, payloads, write};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> EmbeddedSettings {
    EmbeddedSettings::new(counting_clock())
}

async fn open(folder: &Path) -> Result<EmbeddedLog, LogError> {
    EmbeddedLog::open(folder, OpenMode::Consume, settings()).await
}

/// A topic with one partition.
async fn made(log: &EmbeddedLog) -> TopicPartition {
    let topic = Topic::new("t");
    log.create_topic(&topic, 1, false).await.unwrap();
    TopicPartition::new(&topic, 0)
}

fn database(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("log.db")).unwrap()
}

async fn only_feed(log: &EmbeddedLog) -> (Box<dyn Member>, Box<dyn Feed>) {
    let limits = FeedLimits { bytes: 1_000_000 };
    let mut member = log.join("g", &[Topic::new("t")], limits).await.unwrap();
    let Some(GroupEvent::Assigned(mut feeds)) = member.next().await.unwrap() else {
        panic!("no partition");
    };
    (member, feeds.remove(0))
}

#[tokio::test]
async fn a_damaged_batch_is_an_error_that_names_its_place() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path()).await.unwrap();
    let it = made(&log).await;
    for portion in [["a", "b"], ["c", "d"], ["e", "f"]] {
        write(&log, &it, &portion).await;
    }
    let damage = "UPDATE record_batch SET records = CAST(replace(records, x'63', x'7A') AS BLOB)
                  WHERE first_offset = 2";
    assert_eq!(database(&folder).execute(damage, []).unwrap(), 1);

    let (_member, mut feed) = only_feed(&log).await;
    feed.start(NextOffset::ZERO).await.unwrap();
    let before = timeout(PATIENCE, feed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(payloads(&before.records), ["a", "b"], "what lies before the damage is delivered");
    for _ in 0..2 {
        let error = timeout(PATIENCE, feed.next()).await.unwrap().unwrap_err();
        assert_eq!((error.retry, error.code.as_str()), (false, "CRC_MISMATCH"));
        assert!(error.what.contains("t/0 at offset 2"), "{error}");
        assert!(!error.to_string().contains('z'), "no content: {error}");
    }
    assert_eq!(log.read_at(&it, Offset(3)).await.unwrap_err().code, "CRC_MISMATCH");
    let behind = log.read_at(&it, Offset(4)).await.unwrap().unwrap();
    assert_eq!(payloads(&[behind]), ["e"]);

    log.trim(&it, NextOffset(4)).await.unwrap();
    feed.start(NextOffset(4)).await.unwrap();
    let after = timeout(PATIENCE, feed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(payloads(&after.records), ["e", "f"]);
}

#[tokio::test]
async fn a_batch_in_another_place_is_damage_too() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path()).await.unwrap();
    let it = made(&log).await;
    for payload in ["a", "b"] {
        write(&log, &it, &[payload]).await;
    }
    let swap = "UPDATE record_batch SET (crc, records) =
                (SELECT crc, records FROM record_batch WHERE first_offset = 1)";
    database(&folder).execute(swap, []).unwrap();
    assert_eq!(log.read_at(&it, Offset(0)).await.unwrap_err().code, "CRC_MISMATCH");
}

#[tokio::test]
async fn a_later_version_and_a_foreign_database_are_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).await.unwrap());
    database(&folder).execute("UPDATE log_version SET version = 2", []).unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert_eq!((error.retry, error.code.as_str()), (false, "UNKNOWN_LOG_VERSION"));
    assert!(error.hint.contains("version 2"), "{error}");

    let folder = TempDir::new().unwrap();
    database(&folder).execute_batch("CREATE TABLE other (id INTEGER)").unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert_eq!(error.code, "NOT_A_LOG");
    let mode: String =
        database(&folder).query_one("PRAGMA journal_mode", [], |it| it.get(0)).unwrap();
    assert_eq!(mode, "delete", "nothing was changed in it");

    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("log.db"), "no database at all, but long enough".repeat(9))
        .unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert!(error.code.starts_with("NotADatabase"), "{error}");

    let error = open(&folder.path().join("log.db").join("below-a-file")).await.err().unwrap();
    assert!(error.what.contains("below-a-file"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_log_at_once() {
    let folder = TempDir::new().unwrap();
    let mut opening = JoinSet::new();
    for _ in 0..8 {
        opening.spawn(EmbeddedLog::open(folder.path().to_owned(), OpenMode::Append, settings()));
    }
    for log in opening.join_all().await {
        made(&log.unwrap()).await;
    }
}

#[tokio::test]
async fn another_handle_on_the_same_folder_is_noticed_too() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path()).await.unwrap();
    assert_eq!(open(folder.path()).await.err().unwrap().code, "LOG_IN_USE");
    let it = made(&log).await;
    let (mut member, mut feed) = only_feed(&log).await;
    feed.start(NextOffset::ZERO).await.unwrap();
    let other = EmbeddedLog::open(folder.path(), OpenMode::Append, settings()).await.unwrap();
    for payload in ["a", "b", "c"] {
        write(&other, &it, &[payload]).await;
        let chunk = timeout(PATIENCE, feed.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(payloads(&chunk.records), [payload]);
    }
    other.add_partitions(&it.topic, 2).await.unwrap();
    let told = timeout(PATIENCE, member.next()).await.unwrap().unwrap();
    assert!(matches!(told, Some(GroupEvent::Assigned(feeds)) if feeds.len() == 1));
    other.recreate_topic(&it.topic).await.unwrap();
    let told = timeout(PATIENCE, member.next()).await.unwrap().unwrap();
    assert!(matches!(told, Some(GroupEvent::Lost { partitions }) if partitions.len() == 2));
    assert!(feed.next().await.unwrap().is_none());
}

#[tokio::test]
async fn how_far_a_group_has_come_outlives_the_log_but_not_the_topic() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path()).await.unwrap();
    let it = made(&log).await;
    let (member, feed) = only_feed(&log).await;
    assert_eq!(log.committed("g", &it).await.unwrap(), None);
    for next in [3, 7] {
        member.commit(&[(it.clone(), NextOffset(next))]);
        assert_eq!(log.committed("g", &it).await.unwrap(), Some(NextOffset(next)));
    }
    drop((member, feed, log));
    let log = open(folder.path()).await.unwrap();
    assert_eq!(log.committed("g", &it).await.unwrap(), Some(NextOffset(7)));
    assert_eq!(log.committed("another", &it).await.unwrap(), None);
    log.recreate_topic(&it.topic).await.unwrap();
    assert_eq!(log.committed("g", &it).await.unwrap(), None);
}

/// A log with this retention, in memory and on disk.
async fn retaining(folder: &TempDir, retention: Retention) -> [EmbeddedLog; 2] {
    let mut settings = settings();
    settings.retention = retention;
    let disk = EmbeddedLog::open(folder.path(), OpenMode::Consume, settings.clone()).await;
    [EmbeddedLog::in_memory(settings), disk.unwrap()]
}

#[tokio::test]
async fn topics_are_made_up_to_the_limit_and_only_once() {
    let folder = TempDir::new().unwrap();
    for log in retaining(&folder, Retention::default()).await {
        for number in 0..MAX_TOPICS {
            log.create_topic(&Topic::new(&format!("t{number}")), 1, false).await.unwrap();
        }
        let over = log.create_topic(&Topic::new("one-more"), 1, false).await.unwrap_err();
        assert_eq!(over.code, "TOO_MANY_TOPICS");
        let first = Topic::new("t0");
        log.create_topic(&first, 1, false).await.unwrap();
        for (partitions, compacted) in [(2, false), (1, true)] {
            let other = log.create_topic(&first, partitions, compacted).await.unwrap_err();
            assert_eq!(other.code, "TOPIC_EXISTS");
        }
        log.add_partitions(&first, MAX_PARTITIONS).await.unwrap();
        for partitions in [MAX_PARTITIONS + 1, 1] {
            let error = log.add_partitions(&first, partitions).await.unwrap_err();
            assert_eq!(error.code, "INVALID_PARTITIONS");
        }
    }
}

#[tokio::test]
async fn retention_by_bytes_drops_the_oldest_and_keeps_the_newest() {
    let folder = TempDir::new().unwrap();
    let retention = Retention { partition_bytes: Some(2_000), ..Retention::default() };
    for log in retaining(&folder, retention).await {
        let it = made(&log).await;
        let payload = "x".repeat(500);
        for _ in 0..20 {
            write(&log, &it, &[&payload]).await;
        }
        let bounds = log.bounds(&it).await.unwrap();
        assert_eq!(bounds.end, NextOffset(20));
        assert!((16..=18).contains(&bounds.start.0), "{bounds:?}");
        let first = log.read_at(&it, Offset(0)).await.unwrap().unwrap();
        assert_eq!(first.offset.0, bounds.start.0);
        write(&log, &it, &[&"y".repeat(9_000)]).await;
        let bounds = log.bounds(&it).await.unwrap();
        assert_eq!((bounds.start.0, bounds.end.0), (20, 21), "the newest stays, however large");
    }
}

#[tokio::test]
async fn retention_by_age_drops_what_is_older() {
    let folder = TempDir::new().unwrap();
    // The clock moves one ms at every look, and an append looks at it twice.
    let retention = Retention { age_ms: Some(10), ..Retention::default() };
    for log in retaining(&folder, retention).await {
        let it = made(&log).await;
        for _ in 0..50 {
            write(&log, &it, &["x"]).await;
        }
        let bounds = log.bounds(&it).await.unwrap();
        assert_eq!(bounds.end, NextOffset(50));
        assert!((43..=46).contains(&bounds.start.0), "{bounds:?}");
    }
}

#[tokio::test]
async fn without_retention_nothing_goes() {
    let folder = TempDir::new().unwrap();
    for log in retaining(&folder, Retention::default()).await {
        let it = made(&log).await;
        for _ in 0..50 {
            write(&log, &it, &["x"]).await;
        }
        assert_eq!(log.bounds(&it).await.unwrap().start, NextOffset::ZERO);
    }
}

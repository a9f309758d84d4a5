//! The compactor on the embedded log, in memory and on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keepstep::codec::{DecoderSettings, encode_dead_letter};
use keepstep::destination::memory::MemoryDestination;
use keepstep::failed::change::ChangeType;
use keepstep::failed::compactor::{CompactorParts, ListedProfile, run};
use keepstep::failed::lock::CompactorLock;
use keepstep::failed::store::{Progress, Reader};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::{Log, NewRecord};
use keepstep::metrics::Metrics;
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::held::ReleaseReason;
use keepstep::model::profile::ProfileId;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::kafka_mock::cluster::Cluster;

use super::{
    CANARY, DAY_US, NOON_US, held, lane, letter, no_canary_in, open_entries, original, profile,
    released, resolved_entries, waiting,
};

/// Longest wait for anything that must happen; rebalances of the mock cluster take up to 10 s.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench<L = EmbeddedLog> {
    folder: TempDir,
    log: Arc<L>,
    metrics: Metrics,
}

/// A compactor at work.
struct Working {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Working {
    async fn stop(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }

    /// Ends as a process does that is killed.
    async fn kill(self) {
        self.task.abort();
        let _cancelled = self.task.await;
    }
}

impl Bench {
    async fn over(log: EmbeddedLog) -> Self {
        log.create_topic(&profile().failed_topic(), 1, true).await.unwrap();
        Self::new(log)
    }

    async fn in_memory() -> Self {
        Self::over(EmbeddedLog::in_memory(EmbeddedSettings::new(clock()))).await
    }
}

impl<L: Log + 'static> Bench<L> {
    fn new(log: L) -> Self {
        let metrics = Metrics::new().unwrap();
        Self { folder: TempDir::new().unwrap(), log: Arc::new(log), metrics }
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("failed.sqlite")
    }

    fn start(&self) -> Working {
        self.start_at(NOON_US)
    }

    fn start_at(&self, now_us: i64) -> Working {
        let parts = CompactorParts {
            path: self.list(),
            profiles: vec![ListedProfile {
                id: profile(),
                metrics: self.metrics.failed_list("crm"),
                topics: Vec::new(),
                destination: Arc::new(MemoryDestination::default()),
            }],
            log: Arc::<L>::clone(&self.log),
            decoder: Arc::new(DecoderSettings::default()),
            keep_resolved_days: 30,
            clock_us: Arc::new(move || now_us),
            takeover_period: Duration::from_millis(20),
            compare_period: Duration::from_secs(3_600),
        };
        let (stop, stopped) = watch::channel(false);
        // The test awaits it, or aborts it on purpose.
        #[expect(clippy::disallowed_methods, reason = "a process that is killed is one task here")]
        let task = tokio::spawn(run(parts, stopped));
        Working { stop, task }
    }

    async fn publish(&self, letters: &[DeadLetter]) {
        let record = |letter: &DeadLetter| NewRecord {
            key: Some(Bytes::from(letter.key())),
            payload: Some(Bytes::from(encode_dead_letter(letter))),
            ..NewRecord::default()
        };
        let records = letters.iter().map(record).collect();
        self.log.append(&profile().failed_topic(), records).await.unwrap();
    }

    fn progress(&self) -> Option<Progress> {
        let reader = Reader::open(&self.list()).ok()??;
        reader.progress(&profile()).ok()?.into_iter().next()
    }

    /// Waits until so many records of the topic are in the list.
    async fn wait_for(&self, next_offset: i64) {
        wait("the list reads on", || {
            self.progress().is_some_and(|progress| progress.next_offset >= next_offset)
        })
        .await;
    }

    /// Publishes half, kills who reads it, publishes the rest and has it read.
    async fn killed_half_way(&self) -> Working {
        self.publish(&first_half()).await;
        let killed = self.start();
        self.wait_for(3).await;
        killed.kill().await;
        self.publish(&second_half()).await;
        let working = self.start();
        self.wait_for(6).await;
        working
    }

    fn metric(&self, name: &str) -> String {
        let text = self.metrics.render().unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.unwrap_or_default()
    }
}

fn clock() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    let now_ms = AtomicI64::new(1_700_000_000_000);
    Arc::new(move || now_ms.fetch_add(1, Ordering::Relaxed))
}

async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks, up to the deadline
    }
}

fn first_half() -> Vec<DeadLetter> {
    vec![
        DeadLetter::of(&lane(), &held(1, 10, 0), Some(original(1))),
        letter(&waiting(held(1, 11, 1))),
        DeadLetter::of(&lane(), &held(2, 12, 2), Some(original(2))),
    ]
}

fn second_half() -> Vec<DeadLetter> {
    vec![
        letter(&released(held(2, 12, 2), ReleaseReason::Written, 5)),
        letter(&held(3, 13, 3)),
        // A repetition, as after a crash of the outbox.
        letter(&held(2, 12, 2)),
    ]
}

fn open_numbers(list: &Path) -> Vec<u128> {
    let numbers = open_entries(list);
    numbers.iter().map(|entry| entry.head.record_id.unwrap().0.as_u128()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_become_entries_without_content() {
    let bench = Bench::in_memory().await;
    bench.publish(&first_half()).await;
    let working = bench.start();
    bench.wait_for(3).await;
    bench.publish(&second_half()).await;
    bench.wait_for(6).await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    let open = open_entries(&bench.list());
    // What the notification says of itself is known, what it says of the record is not.
    assert_eq!(open[0].change_type, Some(ChangeType::Update));
    assert_eq!(open[0].notified_at_ms, Some(NOON_US / 1_000 - 1));
    assert!(open[0].content_kept && !open[1].content_kept);
    assert_eq!(resolved_entries(&bench.list()).len(), 1);
    let read = "keepstep_dead_letters_read_total{profile=\"crm\"}";
    assert_eq!(bench.metric(read), format!("{read} 6"));
    no_canary_in(bench.folder.path());
    working.stop().await;
    no_canary_in(bench.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_goes_on_where_the_file_says() {
    let bench = Bench::in_memory().await;
    let working = bench.killed_half_way().await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    // Only the second half was read again.
    let read = "keepstep_dead_letters_read_total{profile=\"crm\"}";
    assert_eq!(bench.metric(read), format!("{read} 6"));
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_read_again_from_its_start_changes_nothing() {
    let bench = Bench::in_memory().await;
    bench.publish(&[first_half(), second_half()].concat()).await;
    let working = bench.start();
    bench.wait_for(6).await;
    working.stop().await;
    let before = (open_entries(&bench.list()), resolved_entries(&bench.list()));
    // The topic is made anew and is shorter than what the file has read.
    bench.log.recreate_topic(&profile().failed_topic()).await.unwrap();
    bench.publish(&first_half()).await;
    let working = bench.start();
    wait("the place moves back", || {
        bench.progress().is_some_and(|progress| progress.next_offset == 3)
    })
    .await;
    assert_eq!((open_entries(&bench.list()), resolved_entries(&bench.list())), before);
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_compacts_and_another_takes_over() {
    let bench = Bench::in_memory().await;
    bench.publish(&first_half()).await;
    let first = bench.start();
    bench.wait_for(3).await;
    assert!(CompactorLock::try_take(&bench.list()).unwrap().is_none());
    let second = bench.start();
    assert_eq!(bench.log.members("keepstep.crm.failed-list").len(), 1);
    first.kill().await;
    bench.publish(&second_half()).await;
    bench.wait_for(6).await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    second.stop().await;
    assert!(CompactorLock::try_take(&bench.list()).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_dead_letter_is_counted_and_passed_over() {
    let bench = Bench::in_memory().await;
    let garbage = |payload: Option<&'static [u8]>| NewRecord {
        payload: payload.map(Bytes::from_static),
        partition: Some(0),
        ..NewRecord::default()
    };
    let records = vec![garbage(Some(b"{}")), garbage(None), garbage(Some(CANARY.as_bytes()))];
    bench.log.append(&profile().failed_topic(), records).await.unwrap();
    let stranger = ProfileId::new("stranger").unwrap();
    bench.publish(&[DeadLetter { profile: stranger, ..letter(&held(9, 9, 9)) }]).await;
    bench.publish(&first_half()).await;
    let working = bench.start();
    bench.wait_for(7).await;
    assert_eq!(open_numbers(&bench.list()), [1, 2]);
    assert_eq!(bench.progress().unwrap().unreadable, 4);
    let unreadable = "keepstep_dead_letters_unreadable_total{profile=\"crm\"}";
    assert_eq!(bench.metric(unreadable), format!("{unreadable} 4"));
    working.stop().await;
    no_canary_in(bench.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_cut_by_the_clock() {
    let bench = Bench::in_memory().await;
    bench.publish(&[first_half(), second_half()].concat()).await;
    let working = bench.start();
    bench.wait_for(6).await;
    assert_eq!(resolved_entries(&bench.list()).len(), 1);
    working.stop().await;
    let later = bench.start_at(NOON_US + 31 * DAY_US);
    wait("the history is cut", || resolved_entries(&bench.list()).is_empty()).await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    later.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_comes_later_is_waited_for() {
    let bench = Bench::new(EmbeddedLog::in_memory(EmbeddedSettings::new(clock())));
    let working = bench.start();
    wait("the list is made", || bench.list().exists()).await;
    bench.log.create_topic(&profile().failed_topic(), 1, true).await.unwrap();
    bench.publish(&first_half()).await;
    bench.wait_for(3).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_a_log_on_disk_survives_both_restarts() {
    let folder = TempDir::new().unwrap();
    let open =
        || EmbeddedLog::open(folder.path(), OpenMode::Consume, EmbeddedSettings::new(clock()));
    let bench = Bench::over(open().await.unwrap()).await;
    bench.publish(&first_half()).await;
    let working = bench.start();
    bench.wait_for(3).await;
    working.stop().await;
    let Bench { folder: list_folder, log, metrics } = bench;
    drop(log);
    let bench = Bench { folder: list_folder, log: Arc::new(open().await.unwrap()), metrics };
    bench.publish(&second_half()).await;
    let working = bench.start();
    bench.wait_for(6).await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    working.stop().await;
    no_canary_in(bench.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_kafka() {
    let cluster = Cluster::start();
    let topic = profile().failed_topic();
    cluster.controls().create_topic(topic.as_str(), 1, 1).unwrap();
    let bench = Bench::new(cluster.log());
    let working = bench.killed_half_way().await;
    assert_eq!(open_numbers(&bench.list()), [1, 3]);
    working.stop().await;
    no_canary_in(bench.folder.path());
}

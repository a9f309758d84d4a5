//! The log on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::{FeedLimits, GroupEvent, Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::counting_clock;
use crate::log_conformance::conforms;
use crate::log_conformance::laboratory::{Abilities, Laboratory, TestedLog};

/// Opens the log in a folder to consume.
async fn open(folder: &Path) -> EmbeddedLog {
    let settings = EmbeddedSettings::new(counting_clock());
    EmbeddedLog::open(folder, OpenMode::Consume, settings).await.unwrap()
}

struct Disk;

#[async_trait]
impl Laboratory for Disk {
    fn name(&self) -> &'static str {
        "embedded log on disk"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            offset_for_time: true,
            trim: true,
            holes: true,
            recreate: true,
            add_partitions: true,
            restart: true,
            kill: true,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn quiet(&self) -> Duration {
        Duration::from_millis(60)
    }

    fn cases_at_once(&self) -> usize {
        4
    }

    async fn new_log(&self) -> Arc<dyn TestedLog> {
        let folder = TempDir::new().unwrap();
        let log = Mutex::new(Some(open(folder.path()).await));
        Arc::new(DiskLog { log, folder })
    }
}

struct DiskLog {
    /// Before the folder, which goes last.
    log: Mutex<Option<EmbeddedLog>>,
    folder: TempDir,
}

impl DiskLog {
    async fn handle(&self) -> EmbeddedLog {
        self.log.lock().await.clone().unwrap()
    }
}

#[async_trait]
impl TestedLog for DiskLog {
    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.handle().await)
    }

    async fn create_topic(&self, name: &str, partitions: u32) -> Topic {
        let topic = Topic::new(name);
        self.handle().await.create_topic(&topic, partitions, false).await.unwrap();
        topic
    }

    /// Opening again succeeds only if the old log has let go of everything.
    async fn restart(&self) {
        let mut log = self.log.lock().await;
        drop(log.take());
        *log = Some(open(self.folder.path()).await);
    }

    async fn kill(&self, member: Box<dyn Member>) {
        drop(member);
    }

    async fn trim(&self, topic_partition: &TopicPartition, before: NextOffset) {
        self.handle().await.trim(topic_partition, before).await.unwrap();
    }

    async fn recreate(&self, topic: &Topic) {
        self.handle().await.recreate_topic(topic).await.unwrap();
    }

    async fn add_partitions(&self, topic: &Topic, partitions: u32) {
        self.handle().await.add_partitions(topic, partitions).await.unwrap();
    }

    async fn leave_hole(&self, topic_partition: &TopicPartition) {
        self.handle().await.leave_hole(topic_partition, 2).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_on_disk_conforms() {
    assert_eq!(conforms(&Disk).await, [""; 0]);
}

/// Feeds that nobody asks any more once held all turns of the readers: whoever then asked for
/// bounds waited for ever.
#[tokio::test]
async fn feeds_left_in_the_middle_of_a_read_keep_no_reader_from_others() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path()).await;
    let topic = Topic::new("left");
    log.create_topic(&topic, 8, false).await.unwrap();
    let limits = FeedLimits { bytes: 1_000_000 };
    let mut member = log.join("g", std::slice::from_ref(&topic), limits).await.unwrap();
    let Some(GroupEvent::Assigned(mut feeds)) = member.next().await.unwrap() else {
        panic!("no partition");
    };
    for feed in &mut feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
        tokio::select! {
            biased;
            _ = feed.next() => panic!("there is nothing to deliver"),
            () = std::future::ready(()) => {} // begun, and left
        }
    }
    let first = TopicPartition::new(&topic, 0);
    let bounds = log.bounds(&first);
    let bounds = tokio::time::timeout(Duration::from_secs(20), bounds)
        .await
        .expect("there is a reader left")
        .unwrap();
    assert_eq!(bounds.end, NextOffset::ZERO);
}

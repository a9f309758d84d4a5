//! What cases are made of: one log, topics, numbered records, waits with a deadline.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use keepstep::log::{Bounds, Feed, FeedLimits, Log, LogRecord, NewRecord};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};

use super::laboratory::{Laboratory, TestedLog};

/// Limits that no case with small records reaches.
pub const ROOMY: FeedLimits = FeedLimits { bytes: 4 * 1024 * 1024 };

/// One log and how patient to be with it.
pub struct Scene {
    /// The log under test.
    pub tested: Arc<dyn TestedLog>,
    /// How long to wait for what must come.
    pub patience: Duration,
    /// How long to wait to see that nothing comes.
    pub quiet: Duration,
}

impl Scene {
    /// A scene on a log.
    pub fn new(tested: Arc<dyn TestedLog>, laboratory: &dyn Laboratory) -> Self {
        Self { tested, patience: laboratory.patience(), quiet: laboratory.quiet() }
    }

    /// Waits for what must come.
    pub async fn soon<T>(&self, what: &str, wait: impl Future<Output = T>) -> T {
        let outcome = tokio::time::timeout(self.patience, wait).await;
        outcome.unwrap_or_else(|_| panic!("waited {:?} in vain for {what}", self.patience))
    }

    /// Demands that something does not come.
    pub async fn never<T>(&self, what: &str, wait: impl Future<Output = T>) {
        let outcome = tokio::time::timeout(self.quiet, wait).await;
        assert!(outcome.is_err(), "{what}");
    }

    /// The next `count` records of a feed, at least.
    pub async fn read(&self, feed: &mut dyn Feed, count: usize) -> Vec<LogRecord> {
        let mut records = Vec::new();
        while records.len() < count {
            let what = format!("record {} of {count} of {}", records.len(), feed.topic_partition());
            let chunk = self.soon(&what, feed.next()).await.unwrap();
            records.extend(chunk.unwrap_or_else(|| panic!("feed ended before {what}")).records);
        }
        records
    }
}

/// A record whose payload is its number.
pub fn numbered(partition: u32, number: u32) -> NewRecord {
    NewRecord {
        partition: Some(partition),
        key: Some(Bytes::from(format!("key {number}"))),
        payload: Some(Bytes::from(number.to_string())),
        ..NewRecord::default()
    }
}

/// The numbers of numbered records.
pub fn numbers(records: &[LogRecord]) -> Vec<u32> {
    let text = |record: &LogRecord| String::from_utf8(record.payload.clone().unwrap().to_vec());
    records.iter().map(|record| text(record).unwrap().parse().unwrap()).collect()
}

/// Appends records with these numbers to one partition.
pub async fn append(log: &dyn Log, to: &TopicPartition, numbers: std::ops::Range<u32>) {
    let records = numbers.map(|number| numbered(to.partition.0, number)).collect();
    log.append(&to.topic, records).await.unwrap();
}

/// Bounds as two numbers.
pub async fn bounds(log: &dyn Log, of: &TopicPartition) -> (i64, i64) {
    let Bounds { start, end } = log.bounds(of).await.unwrap();
    (start.0, end.0)
}

/// The next offset after the last of these records.
pub fn after(records: &[LogRecord]) -> NextOffset {
    records.last().unwrap().offset.next()
}

/// Offsets of records.
pub fn offsets(records: &[LogRecord]) -> Vec<Offset> {
    records.iter().map(|record| record.offset).collect()
}

/// Partition 0 of a topic.
pub fn only(topic: &Topic) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

/// Begins to wait and gives up at once, whatever that has set going.
pub async fn poll_once(wait: impl Future) {
    let mut wait = std::pin::pin!(wait);
    std::future::poll_fn(|context| {
        let _ = wait.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

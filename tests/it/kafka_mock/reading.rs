//! A member that is polled in the background, for tests that look at its feeds.

use std::time::Duration;

use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, LogError, LogRecord, NewRecord};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Longest wait for what must come: rebalances of the mock take up to 10 s.
pub const SOON: Duration = Duration::from_secs(40);

/// What the member tells. Dropped, the member is dropped.
pub struct Told {
    events: mpsc::Receiver<Result<GroupEvent, LogError>>,
    _polling: JoinSet<()>,
}

impl Told {
    /// Joins a group of the topic's name.
    pub async fn join(log: &dyn Log, topic: &Topic, limits: FeedLimits) -> Self {
        let mut member =
            log.join(topic.as_str(), std::slice::from_ref(topic), limits).await.unwrap();
        let (tell, events) = mpsc::channel(64);
        let polling = JoinSet::from_iter([async move {
            while let Some(event) = member.next().await.transpose() {
                if tell.send(event).await.is_err() {
                    return;
                }
            }
        }]);
        Self { events, _polling: polling }
    }

    /// The next event.
    pub async fn event(&mut self) -> Result<GroupEvent, LogError> {
        soon("an event", self.events.recv()).await.expect("the member left")
    }

    /// The next partitions that are assigned, in order; what is taken away meanwhile is given back.
    pub async fn assigned(&mut self) -> Vec<Box<dyn Feed>> {
        loop {
            if let GroupEvent::Assigned(mut feeds) = self.event().await.unwrap()
                && !feeds.is_empty()
            {
                feeds.sort_by_key(|feed| feed.topic_partition().clone());
                return feeds;
            }
        }
    }
}

/// Waits for what must come.
pub async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(SOON, wait).await;
    outcome.unwrap_or_else(|_| panic!("waited {SOON:?} in vain for {what}"))
}

/// Appends records with these numbers, `bytes` each.
pub async fn append(
    log: &dyn Log,
    to: &TopicPartition,
    numbers: std::ops::Range<u32>,
    bytes: usize,
) {
    let records = numbers
        .map(|number| {
            let mut payload = vec![b'x'; bytes.max(4)];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            NewRecord {
                partition: Some(to.partition.0),
                payload: Some(payload.into()),
                ..NewRecord::default()
            }
        })
        .collect();
    log.append(&to.topic, records).await.unwrap();
}

/// Reads until `count` records came; answers their numbers.
pub async fn read(feed: &mut dyn Feed, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let what = format!("record {} of {}", numbers.len(), feed.topic_partition());
        let chunk = soon(&what, feed.next()).await.unwrap().expect("the feed ended");
        numbers.extend(chunk.records.iter().map(number));
    }
    numbers
}

/// Starts at the beginning.
pub async fn start(feed: &mut dyn Feed) {
    soon("the start", feed.start(NextOffset::ZERO)).await.unwrap();
}

fn number(record: &LogRecord) -> u32 {
    u32::from_be_bytes(record.payload.as_ref().unwrap()[..4].try_into().unwrap())
}

//! Reads the source of a relay: one member of a group, all its feeds, records in one order.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::sleep;

use super::merge::AtHand;
use crate::app::failure::Failure;
use crate::app::shutdown::Stop;
use crate::log::{Chunk, Feed, GroupEvent, LogError, LogRecord, Member};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// How long records at hand wait for those of partitions that have none.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long to wait after a feed could not be read.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);
/// Most records, and bytes, of one batch.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 1024 * 1024;

/// What comes next.
pub(super) enum Step {
    /// These partitions came, and wait for [`Intake::start`].
    Assigned(Vec<u32>),
    /// These records, in the order in which they are to be written.
    Records(Vec<(u32, LogRecord)>),
    /// Nothing is at hand.
    Idle,
    /// A stop was asked for.
    Stopped,
}

/// The source.
pub(super) struct Intake {
    topic: Topic,
    member: Box<dyn Member>,
    feeds: BTreeMap<u32, Box<dyn Feed>>,
    at_hand: AtHand,
}

impl Intake {
    pub(super) fn new(topic: Topic, member: Box<dyn Member>) -> Self {
        Self { topic, member, feeds: BTreeMap::new(), at_hand: AtHand::default() }
    }

    /// Begins to read a partition that came.
    pub(super) async fn start(&mut self, partition: u32, from: NextOffset) -> Result<(), Failure> {
        if let Some(feed) = self.feeds.get_mut(&partition) {
            feed.start(from).await?;
        }
        Ok(())
    }

    /// Tells lag tools how far the relay is.
    pub(super) fn commit(&self, settled: &BTreeMap<u32, NextOffset>) {
        let settled: Vec<(TopicPartition, NextOffset)> = settled
            .iter()
            .map(|(partition, next)| (TopicPartition::new(&self.topic, *partition), *next))
            .collect();
        self.member.commit(&settled);
    }

    /// Waits for what comes next.
    pub(super) async fn next(&mut self, stop: &mut Stop) -> Result<Step, Failure> {
        loop {
            let lacking = self.feeds.keys().any(|partition| self.at_hand.lacks(*partition));
            if !lacking && !self.at_hand.is_empty() {
                return Ok(Step::Records(self.at_hand.take(MOST_RECORDS, MOST_BYTES)));
            }
            tokio::select! {
                // The group must be answered first, and a stop comes before more work.
                biased;
                event = self.member.next() => match event? {
                    Some(GroupEvent::Assigned(feeds)) => return Ok(self.assigned(feeds)),
                    Some(GroupEvent::Revoked { done, .. }) => {
                        // Nothing is in flight here: batches are written before the next step.
                        let _unheard = done.send(());
                        return Err(another_relay(&self.topic));
                    }
                    Some(GroupEvent::Lost { .. }) | None => return Err(another_relay(&self.topic)),
                },
                () = stop.asked() => return Ok(Step::Stopped),
                (partition, chunk) = next_chunk(&mut self.feeds, &self.at_hand) => match chunk {
                    Ok(Some(chunk)) => self.at_hand.add(partition, chunk.records),
                    Ok(None) => {
                        self.feeds.remove(&partition);
                    }
                    Err(error) if error.retry => {
                        tracing::warn!(%error, partition, "the source is not available, trying again");
                        tokio::select! {
                            () = stop.asked() => return Ok(Step::Stopped),
                            () = sleep(AFTER_AN_ERROR) => {}
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
                () = sleep(PATIENCE) => {
                    let records = self.at_hand.take(MOST_RECORDS, MOST_BYTES);
                    return Ok(if records.is_empty() { Step::Idle } else { Step::Records(records) });
                }
            }
        }
    }

    fn assigned(&mut self, feeds: Vec<Box<dyn Feed>>) -> Step {
        let mut partitions = Vec::new();
        for feed in feeds {
            let partition = feed.topic_partition().partition.0;
            self.at_hand.open(partition);
            self.feeds.insert(partition, feed);
            partitions.push(partition);
        }
        Step::Assigned(partitions)
    }

    /// Leaves the group, so that whoever comes next need not wait for its session to end.
    pub(super) async fn leave(mut self) -> Result<(), Failure> {
        self.member.leave();
        while let Some(event) = self.member.next().await? {
            if let GroupEvent::Revoked { done, .. } = event {
                let _unheard = done.send(());
            }
        }
        Ok(())
    }
}

/// The next chunk of a partition that has no records at hand; waits for ever if there is none.
async fn next_chunk(
    feeds: &mut BTreeMap<u32, Box<dyn Feed>>,
    at_hand: &AtHand,
) -> (u32, Result<Option<Chunk>, LogError>) {
    let waiting = feeds.iter_mut().filter(|(partition, _)| at_hand.lacks(**partition));
    let futures: Vec<_> = waiting
        .map(|(partition, feed)| Box::pin(async move { (*partition, feed.next().await) }))
        .collect();
    if futures.is_empty() {
        return std::future::pending().await;
    }
    select_all(futures).await.0
}

fn another_relay(topic: &Topic) -> Failure {
    Failure::new(
        format!("the partitions of {topic} were taken away: another relay of it has started"),
        "run one relay per source and target; this one has stopped, and what it wrote stands",
    )
}

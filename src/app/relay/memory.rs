//! Reads back, from the end of the target, how far the relay had come.
//!
//! Everything that was settled before its last batch is told by that batch's headers. Of the batch
//! itself some records may be on the target and some not; those that are, are found by walking
//! back from the end of each partition.

use std::collections::{BTreeMap, HashMap};

use super::header::{Origin, Settled, parse};
use crate::app::failure::Failure;
use crate::log::{Log, LogRecord};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

/// Most records at the end of one partition that are looked at.
const LONGEST_WALK: usize = 20_000;

/// How far the relay had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Everything below is on the target.
    pub settled: Settled,
    /// What is on the target beyond that, and in which partition of it.
    pub written: HashMap<Origin, u32>,
}

impl Memory {
    /// The next offset of a partition of the source of which something is missing on the target,
    /// as far as can be told: offsets without a record, and records that became nothing, hide what
    /// comes after them.
    pub(super) fn complete_up_to(&self, partition: u32) -> Option<NextOffset> {
        let mut next = *self.settled.get(&partition)?;
        let mut there: BTreeMap<Offset, (usize, u32)> = BTreeMap::new();
        for origin in self.written.keys().filter(|origin| origin.partition == partition) {
            let (count, parts) = there.entry(origin.offset).or_default();
            *count += 1;
            *parts = origin.parts;
        }
        while let Some((count, parts)) = there.get(&next.offset())
            && u32::try_from(*count) == Ok(*parts)
        {
            next = next.offset().next();
        }
        Some(next)
    }

    /// The first of these that is missing on the target although a later one of its partition of
    /// the source is there, in the same partition of the target: written now, it would come too
    /// late.
    pub(super) fn overtaken(
        &self,
        missing: impl IntoIterator<Item = (Origin, u32)>,
    ) -> Option<Origin> {
        let mut latest: HashMap<(u32, u32), Origin> = HashMap::new();
        for (origin, target) in &self.written {
            let known = latest.entry((origin.partition, *target)).or_insert(*origin);
            *known = (*known).max(*origin);
        }
        let overtaken = |(origin, target): &(Origin, u32)| {
            latest.get(&(origin.partition, *target)).is_some_and(|latest| latest > origin)
        };
        missing.into_iter().find(overtaken).map(|(origin, _)| origin)
    }
}

/// What the end of the target tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// The target has never held a record.
    Fresh,
    /// The target holds or held records, and none at its end is the relay's.
    Unknown,
    /// How far it had come.
    Known(Memory),
}

/// Walks back from the end of the target.
pub(super) async fn read_back(
    log: &dyn Log,
    from: &Topic,
    to: &Topic,
    partitions: u32,
) -> Result<Remembered, Failure> {
    let mut ends = Vec::new();
    let mut fresh = true;
    for partition in 0..partitions {
        let mut walk = Walk::open(log, TopicPartition::new(to, partition)).await?;
        fresh &= walk.never_held_any();
        if let Some(last) = walk.back_to_ours(log, from).await? {
            ends.push((walk, last));
        }
    }
    // Settled offsets only ever grow, so that the furthest one belongs to the last batch.
    let mut settled = Settled::new();
    for (_, (_, other)) in &ends {
        for (partition, next) in other {
            let known = settled.entry(*partition).or_insert(*next);
            *known = (*known).max(*next);
        }
    }
    if ends.is_empty() {
        return Ok(if fresh { Remembered::Fresh } else { Remembered::Unknown });
    }
    let mut written = HashMap::new();
    for (mut walk, last) in ends {
        let mut next = Some(last);
        while let Some((origin, its_settled)) = next {
            if its_settled != settled {
                break;
            }
            written.insert(origin, walk.topic_partition.partition.0);
            next = walk.back_to_ours(log, from).await?;
        }
    }
    Ok(Remembered::Known(Memory { settled, written }))
}

/// A walk through a partition from its end towards its start.
struct Walk {
    topic_partition: TopicPartition,
    start: Offset,
    /// Records at or after this offset were looked at.
    before: Offset,
    steps: usize,
}

impl Walk {
    async fn open(log: &dyn Log, topic_partition: TopicPartition) -> Result<Self, Failure> {
        let bounds = log.bounds(&topic_partition).await?;
        let (start, before) = (bounds.start.offset(), bounds.end.offset());
        Ok(Self { topic_partition, start, before, steps: 0 })
    }

    fn never_held_any(&self) -> bool {
        self.before.0 == 0
    }

    /// The next record towards the start; offsets may have holes.
    async fn back(&mut self, log: &dyn Log) -> Result<Option<LogRecord>, Failure> {
        let mut at = self.before.0 - 1;
        while at >= self.start.0 {
            self.steps += 1;
            if self.steps > LONGEST_WALK {
                return Err(too_far(&self.topic_partition));
            }
            let found = log.read_at(&self.topic_partition, Offset(at)).await?;
            if let Some(record) = found.filter(|record| record.offset < self.before) {
                self.before = Offset(at);
                return Ok(Some(record));
            }
            at -= 1;
        }
        self.before = self.start;
        Ok(None)
    }

    /// The next record towards the start that the relay wrote.
    async fn back_to_ours(
        &mut self,
        log: &dyn Log,
        from: &Topic,
    ) -> Result<Option<(Origin, Settled)>, Failure> {
        while let Some(record) = self.back(log).await? {
            if let Some(ours) = parse(from, &record.headers) {
                return Ok(Some(ours));
            }
        }
        Ok(None)
    }
}

fn too_far(topic_partition: &TopicPartition) -> Failure {
    Failure::new(
        format!(
            "the last {LONGEST_WALK} records of {topic_partition} do not tell how far the relay had \
             come: others write there too"
        ),
        "let the relay have a topic of its own, or name where to begin with --from",
    )
}

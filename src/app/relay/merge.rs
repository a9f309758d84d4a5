//! Puts the records of several partitions into one order: by their time on the log, as far as they
//! are at hand; within a partition never otherwise than they lie there. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::log::LogRecord;

/// Records at hand, by partition.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    queues: BTreeMap<u32, VecDeque<LogRecord>>,
}

impl AtHand {
    /// Begins to hold records of a partition.
    pub(super) fn open(&mut self, partition: u32) {
        self.queues.insert(partition, VecDeque::new());
    }

    /// Adds records of a partition, in order.
    pub(super) fn add(&mut self, partition: u32, records: Vec<LogRecord>) {
        self.queues.entry(partition).or_default().extend(records);
    }

    /// Whether a partition has none at hand.
    pub(super) fn lacks(&self, partition: u32) -> bool {
        self.queues.get(&partition).is_none_or(VecDeque::is_empty)
    }

    /// Whether no partition has any at hand.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
    }

    /// The next records: oldest first, up to the limits, and no further than where a partition
    /// runs out, for its next record may be older than what the others still have.
    pub(super) fn take(&mut self, most: usize, most_bytes: usize) -> Vec<(u32, LogRecord)> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < most && bytes < most_bytes {
            let heads = self.queues.iter().filter_map(|(partition, queue)| {
                queue.front().map(|record| (record.timestamp_ms, *partition))
            });
            let Some((_, partition)) = heads.min() else {
                break;
            };
            let Some(queue) = self.queues.get_mut(&partition) else {
                break;
            };
            if let Some(record) = queue.pop_front() {
                bytes += record.size_bytes();
                taken.push((partition, record));
            }
            if queue.is_empty() {
                break;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Offset;

    fn record(offset: i64, timestamp_ms: i64) -> LogRecord {
        let (offset, headers) = (Offset(offset), Vec::new());
        LogRecord { offset, timestamp_ms, key: None, payload: None, headers }
    }

    fn positions(taken: &[(u32, LogRecord)]) -> Vec<(u32, i64)> {
        taken.iter().map(|(partition, record)| (*partition, record.offset.0)).collect()
    }

    #[test]
    fn records_come_in_the_order_of_their_time() {
        let mut at_hand = AtHand::default();
        at_hand.add(0, vec![record(0, 10), record(1, 30), record(2, 50)]);
        at_hand.add(1, vec![record(0, 20), record(1, 40), record(2, 60)]);
        assert_eq!(positions(&at_hand.take(10, 1_000)), [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]);
        assert!(at_hand.lacks(0) && !at_hand.lacks(1) && !at_hand.is_empty());
        assert_eq!(positions(&at_hand.take(10, 1_000)), [(1, 2)]);
        assert!(at_hand.is_empty());
    }

    #[test]
    fn a_partition_keeps_its_own_order_whatever_the_times() {
        let mut at_hand = AtHand::default();
        at_hand.add(0, vec![record(0, 90), record(1, 10)]);
        at_hand.add(1, vec![record(0, 50), record(1, 95)]);
        assert_eq!(positions(&at_hand.take(10, 1_000)), [(1, 0), (0, 0), (0, 1)]);
    }

    #[test]
    fn limits_are_kept() {
        let mut at_hand = AtHand::default();
        at_hand.add(0, (0..10).map(|offset| record(offset, 0)).collect());
        assert_eq!(at_hand.take(3, 1_000).len(), 3);
        assert_eq!(at_hand.take(3, 0).len(), 0);
    }
}

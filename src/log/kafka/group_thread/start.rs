//! Starts partitions where their feeds or slots ask for it: pause, seek, resume.
//!
//! A start that librdkafka refuses for now is tried again at the next short tick; one that it
//! refuses for good is the answer to who asked, and never a silent jump.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::RDKafkaErrorCode;
use tracing::debug;

use super::super::failure;
use super::super::slot::{Phase, Slot, Start};
use super::{GroupThread, code_of, list_of};
use crate::model::position::{NextOffset, TopicPartition};

/// How long librdkafka may take for a seek, which is done in this process.
const SEEK: Duration = Duration::from_secs(1);
/// Tries of a start, one a short tick, before it is given up.
const START_TRIES: u32 = 1_000;

impl GroupThread {
    /// Starts the partitions whose feeds or slots ask for it.
    pub(super) fn start_what_wants_to(&mut self) {
        let wanting: Vec<(Arc<Slot>, Start)> = self
            .slots
            .values()
            .filter_map(|slot| Some((Arc::clone(slot), slot.lock().start.take()?)))
            .collect();
        for (slot, start) in wanting {
            self.start(&slot, start);
        }
    }

    fn start(&self, slot: &Arc<Slot>, mut start: Start) {
        let list = list_of(std::slice::from_ref(&slot.topic_partition), |_| start.from);
        // Pausing throws away what was fetched; seeking alone would leave it counted.
        self.pause(&list);
        let sought = match self.seek(&list) {
            Err(RDKafkaErrorCode::State) => self.assign_anew(slot, start.from),
            other => other,
        };
        let mut state = slot.lock();
        let outcome = match sought {
            Ok(()) => {
                state.started(start.from);
                Ok(())
            }
            Err(_) if start.tries < START_TRIES => {
                start.tries += 1;
                // A start asked for meanwhile is newer.
                state.start.get_or_insert(start);
                return;
            }
            Err(code) => {
                let what = format!("cannot start {} at {}", slot.topic_partition, start.from);
                Err(failure::of_code(what, code))
            }
        };
        if outcome.is_ok()
            && let Err(error) = self.consumer.resume(&list)
        {
            debug!(%error, "resume");
        }
        match (start.answer, outcome) {
            (Some(answer), outcome) => {
                // Nobody listens any more if the feed was dropped.
                drop(answer.send(outcome));
            }
            (None, Err(error)) => state.phase = Phase::Failed(error),
            (None, Ok(())) => {}
        }
        drop(state);
        slot.arrived.notify_one();
    }

    fn seek(&self, list: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        let sought = self
            .consumer
            .seek_partitions(list.clone(), SEEK)
            .map_err(|_| RDKafkaErrorCode::OperationTimedOut)?;
        let failed = sought.elements().iter().find_map(|element| element.error().err());
        failed.map_or(Ok(()), |error| Err(code_of(&error)))
    }

    /// After an error librdkafka has stopped the partition for good, and a seek is refused; given
    /// back and taken again, it reads from where it is told.
    fn assign_anew(&self, slot: &Arc<Slot>, from: NextOffset) -> Result<(), RDKafkaErrorCode> {
        if self.revoking.is_some() {
            // It would be taken for the answer to the revocation.
            return Err(RDKafkaErrorCode::State);
        }
        let done = if matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            let list = list_of(std::slice::from_ref(&slot.topic_partition), |_| from);
            self.consumer
                .incremental_unassign(&list)
                .and_then(|()| self.consumer.incremental_assign(&list))
        } else {
            // An eager assignment is made as a whole. The others go on from where their feeds are,
            // which must not move meanwhile.
            let others = self.slots.values().filter(|other| !Arc::ptr_eq(other, slot));
            let states: Vec<_> = others.map(|other| (other, other.lock())).collect();
            let mut positions: HashMap<TopicPartition, NextOffset> = states
                .iter()
                .map(|(other, state)| (other.topic_partition.clone(), state.position()))
                .collect();
            positions.insert(slot.topic_partition.clone(), from);
            let partitions: Vec<TopicPartition> = positions.keys().cloned().collect();
            let list = list_of(&partitions, |partition| {
                positions.get(partition).copied().unwrap_or(NextOffset::ZERO)
            });
            self.consumer.assign(&list)
        };
        done.map_err(|_| RDKafkaErrorCode::State)
    }

    pub(super) fn pause(&self, list: &TopicPartitionList) {
        if let Err(error) = self.consumer.pause(list) {
            debug!(%error, "pause");
        }
    }
}

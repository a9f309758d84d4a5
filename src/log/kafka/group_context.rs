//! What librdkafka calls back for a member. Callbacks only write down what happened; the member's
//! thread, which polls and therefore runs them, reads it right after and answers in its own time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tracing::debug;

use super::observer::Observer;
use crate::model::position::{Topic, TopicPartition};

/// A change of the assignment that waits for its answer (`assign` or `unassign`).
#[derive(Debug)]
pub(super) struct Rebalance {
    /// Given, or taken away.
    pub(super) given: bool,
    /// Taken away without asking: another owner may already be at work.
    pub(super) lost: bool,
    /// The partitions.
    pub(super) partitions: Vec<TopicPartition>,
}

/// The callbacks of one member.
pub(super) struct GroupContext {
    observer: Observer,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    /// Callbacks so far.
    calls: AtomicU64,
}

impl GroupContext {
    pub(super) fn new(client: String, debug: bool) -> Self {
        Self {
            observer: Observer::new(client, debug),
            rebalances: Mutex::new(VecDeque::new()),
            closing: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        }
    }

    /// The oldest rebalance that has not been looked at.
    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// A topic that was made anew since it was last asked for.
    pub(super) fn next_made_anew(&self) -> Option<Topic> {
        self.observer.next_made_anew()
    }

    /// Number of callbacks so far: a poll that served one answers as one that found nothing.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on whatever is taken away is given back at once.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

/// Gives partitions back, as the group's protocol wants it.
pub(super) fn unassign(
    consumer: &BaseConsumer<GroupContext>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}

/// Takes partitions, as the group's protocol wants it.
pub(super) fn assign(
    consumer: &BaseConsumer<GroupContext>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.count_call();
        self.observer.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count_call();
        self.observer.error(error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.count_call();
        let given = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // The consumer waits in its destructor for this answer; nobody else would give it.
            let answered = if given { assign(consumer, list) } else { unassign(consumer, list) };
            if let Err(error) = answered {
                debug!(%error, "giving partitions back while leaving");
            }
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .filter_map(|element| {
                let partition = u32::try_from(element.partition()).ok()?;
                Some(TopicPartition::new(&Topic::new(element.topic()), partition))
            })
            .collect();
        let lost = !given && consumer.assignment_lost();
        let rebalance = Rebalance { given, lost, partitions };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.count_call();
        if let Err(error) = result {
            // Normal during a rebalance; the next commit covers it, and lanes do not start from it.
            let code = error.rdkafka_error_code();
            debug!(?code, partitions = offsets.count(), "the group did not take offsets");
        }
    }
}

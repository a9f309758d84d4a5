//! The thread of a member: it alone polls the consumer, answers rebalances, starts and parks
//! partitions, and commits.
//!
//! Nothing here waits for a lane: a revocation is an event with an answer, and polling goes on
//! until the answer comes or the deadline passes. So a member never leaves the group because a lane
//! is slow. Records do not pass through this thread (see [`super::slot`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::failure;
use super::feed::KafkaFeed;
use super::group_context::{GroupContext, Rebalance, assign, unassign};
use super::member::Wishes;
use super::number;
use super::slot::{Common, Slot};
use crate::log::{Feed, GroupEvent, LogError};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// The thread looks around at least this often; arrivals and wishes wake it earlier.
const TICK: Duration = Duration::from_millis(100);
/// The same while a revocation or a start waits.
const SHORT_TICK: Duration = Duration::from_millis(5);
/// Brokers may allow few commits a second (Event Hubs: four a partition).
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Callbacks served in one turn.
const POLLS: usize = 1_000;

mod start;

type Events = mpsc::Sender<Result<GroupEvent, LogError>>;

/// What the thread owns.
pub(super) struct GroupThread {
    consumer: Arc<BaseConsumer<GroupContext>>,
    common: Arc<Common>,
    events: Events,
    wishes: Arc<Wishes>,
    slots: HashMap<TopicPartition, Arc<Slot>>,
    revoke_deadline: Duration,
    revoking: Option<Revoking>,
    commit_at: Instant,
    /// An error after which the member is of no more use.
    broken: bool,
}

/// A revocation whose answer is awaited.
struct Revoking {
    partitions: Vec<TopicPartition>,
    done: oneshot::Receiver<()>,
    until: Instant,
}

impl GroupThread {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<GroupContext>>,
        common: Arc<Common>,
        events: Events,
        wishes: Arc<Wishes>,
        revoke_deadline: Duration,
    ) -> Self {
        Self {
            consumer,
            common,
            events,
            wishes,
            slots: HashMap::new(),
            revoke_deadline,
            revoking: None,
            commit_at: Instant::now(),
            broken: false,
        }
    }

    /// Runs until the member leaves or is of no more use; then the group has been left.
    pub(super) fn run(mut self) {
        while !self.wishes.leave() && !self.broken {
            self.turn();
            std::thread::park_timeout(if self.is_waiting() { SHORT_TICK } else { TICK });
        }
        self.leave();
    }

    /// Whether something is under way that no callback announces.
    fn is_waiting(&self) -> bool {
        self.revoking.is_some() || self.slots.values().any(|slot| slot.lock().start.is_some())
    }

    /// One look at everything there is to do.
    fn turn(&mut self) {
        self.poll();
        self.finish_revocation();
        while self.revoking.is_none()
            && let Some(rebalance) = self.consumer.context().next_rebalance()
        {
            self.rebalance(rebalance);
        }
        while self.revoking.is_none()
            && let Some(topic) = self.consumer.context().next_made_anew()
        {
            self.hand_out_anew(&topic);
        }
        self.park_neglected();
        self.start_what_wants_to();
        self.commit_when_due();
    }

    /// Serves callbacks and errors until there is nothing left, or for long enough.
    fn poll(&mut self) {
        for _ in 0..POLLS {
            let calls = self.consumer.context().calls();
            match self.consumer.poll(Duration::ZERO) {
                None if self.consumer.context().calls() == calls => return,
                None => {}
                // Every partition has a queue of its own before it is assigned.
                Some(Ok(_)) => warn!("a record came outside of its partition's queue"),
                Some(Err(error)) => self.on_error(&error),
            }
        }
        // Not to wait before the next turn.
        self.common.thread.unpark();
    }

    fn on_error(&mut self, error: &KafkaError) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        if fatal || failure::ends_member(code) {
            self.broken = true;
            self.send(Err(failure::of_code("cannot stay in the consumer group", code)));
        } else if code != RDKafkaErrorCode::AllBrokersDown {
            debug!(?code, "the consumer group goes on after an error");
        }
    }

    fn rebalance(&mut self, rebalance: Rebalance) {
        if rebalance.given {
            self.assign(rebalance.partitions);
        } else if rebalance.lost {
            self.end(&rebalance.partitions);
            self.give_back(&rebalance.partitions);
            self.send(Ok(GroupEvent::Lost { partitions: rebalance.partitions }));
        } else {
            self.ask_back(rebalance.partitions);
        }
    }

    fn assign(&mut self, partitions: Vec<TopicPartition>) {
        let list = list_of(&partitions, |_| NextOffset::ZERO);
        // Queues of their own and a pause before the assignment: no record can go anywhere else,
        // and the offset given here is never read from.
        let feeds = self.new_feeds(partitions);
        self.pause(&list);
        if let Err(error) = assign(&self.consumer, &list) {
            warn!(%error, "librdkafka did not take an assignment; the group will give it anew");
        }
        self.send(Ok(GroupEvent::Assigned(feeds)));
    }

    /// A topic that was made anew has other records at the old offsets. Its partitions are the
    /// same to the group; to the lanes they must be new ones, which look before they start.
    fn hand_out_anew(&mut self, topic: &Topic) {
        let of_topic = self.slots.keys().filter(|it| it.topic == *topic);
        let partitions: Vec<TopicPartition> = of_topic.cloned().collect();
        if partitions.is_empty() {
            return;
        }
        self.end(&partitions);
        self.pause(&list_of(&partitions, |_| NextOffset::ZERO));
        self.send(Ok(GroupEvent::Lost { partitions: partitions.clone() }));
        let feeds = self.new_feeds(partitions);
        self.send(Ok(GroupEvent::Assigned(feeds)));
    }

    fn new_feeds(&mut self, partitions: Vec<TopicPartition>) -> Vec<Box<dyn Feed>> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::with_capacity(partitions.len());
        for topic_partition in partitions {
            let slot = Slot::new(topic_partition, &self.common);
            self.split(&slot);
            feeds.push(Box::new(KafkaFeed::new(Arc::clone(&slot))));
            if let Some(former) = self.slots.insert(slot.topic_partition.clone(), slot) {
                former.end();
            }
        }
        feeds
    }

    fn split(&self, slot: &Arc<Slot>) {
        let TopicPartition { topic, partition } = &slot.topic_partition;
        let queue = self.consumer.split_partition_queue(topic.as_str(), number(partition.0));
        let Some(mut queue) = queue else {
            warn!(partition = %slot.topic_partition, "librdkafka has no queue for the partition");
            return;
        };
        // Not a strong reference: the slot owns the queue, and the queue the callback.
        let observed = Arc::downgrade(slot);
        queue.set_nonempty_callback(move || {
            if let Some(slot) = observed.upgrade() {
                slot.on_arrival();
            }
        });
        slot.lock().queue = Some(queue);
    }

    /// Ends the feeds of partitions.
    fn end(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            if let Some(slot) = self.slots.remove(topic_partition) {
                slot.end();
            }
        }
    }

    /// Asks the lanes to give partitions back; [`Self::finish_revocation`] goes on from there.
    fn ask_back(&mut self, partitions: Vec<TopicPartition>) {
        self.end(&partitions);
        let (done, answered) = oneshot::channel();
        let until = Instant::now() + self.revoke_deadline;
        self.revoking = Some(Revoking { partitions: partitions.clone(), done: answered, until });
        self.send(Ok(GroupEvent::Revoked { partitions, done }));
    }

    /// Gives the partitions back once the lanes have answered, or have taken too long.
    fn finish_revocation(&mut self) {
        let Some(mut revoking) = self.revoking.take() else { return };
        let waits = matches!(revoking.done.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        if waits && Instant::now() < revoking.until {
            self.revoking = Some(revoking);
            return;
        }
        if waits {
            warn!(partitions = revoking.partitions.len(), "lanes took too long to give back");
        }
        self.commit(&revoking.partitions);
        self.give_back(&revoking.partitions);
    }

    fn give_back(&self, partitions: &[TopicPartition]) {
        let list = list_of(partitions, |_| NextOffset::ZERO);
        if let Err(error) = unassign(&self.consumer, &list) {
            warn!(%error, "librdkafka did not give partitions back");
        }
    }

    /// Parks the partitions that nobody asks for while the others move on.
    fn park_neglected(&self) {
        for slot in self.slots.values().filter(|slot| slot.is_neglected()) {
            if slot.lock().park() {
                let it = std::slice::from_ref(&slot.topic_partition);
                self.pause(&list_of(it, |_| NextOffset::ZERO));
            }
        }
    }

    fn commit_when_due(&mut self) {
        if Instant::now() >= self.commit_at {
            self.commit(&[]);
            self.commit_at = Instant::now() + COMMIT_EVERY;
        }
    }

    /// Tells the group how far its partitions have come. Not those of others: a late word would
    /// move the group back behind what their new owner said.
    fn commit(&self, leaving: &[TopicPartition]) {
        let mut commits = self.wishes.take_commits();
        commits.retain(|it, _| self.slots.contains_key(it) || leaving.contains(it));
        if commits.is_empty() {
            return;
        }
        let partitions: Vec<TopicPartition> = commits.keys().cloned().collect();
        let list = list_of(&partitions, |partition| {
            commits.get(partition).copied().unwrap_or(NextOffset::ZERO)
        });
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            debug!(code = ?error.rdkafka_error_code(), "the group did not take offsets");
        }
    }

    /// Revokes what is left, waits for the answer, leaves.
    fn leave(mut self) {
        while self.revoking.is_some() {
            self.poll();
            self.finish_revocation();
            std::thread::park_timeout(SHORT_TICK);
        }
        let left: Vec<TopicPartition> = self.slots.keys().cloned().collect();
        if !left.is_empty() {
            self.end(&left);
            let (done, mut answered) = oneshot::channel();
            let until = Instant::now() + self.revoke_deadline;
            self.send(Ok(GroupEvent::Revoked { partitions: left.clone(), done }));
            while matches!(answered.try_recv(), Err(oneshot::error::TryRecvError::Empty))
                && Instant::now() < until
            {
                self.poll();
                std::thread::park_timeout(SHORT_TICK);
            }
        }
        self.commit(&left);
        self.consumer.context().close();
        // Rebalances that came meanwhile still wait for their answer.
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            if rebalance.given {
                let list = list_of(&rebalance.partitions, |_| NextOffset::ZERO);
                drop(assign(&self.consumer, &list));
            } else {
                self.give_back(&rebalance.partitions);
            }
        }
        // Dropping the consumer tells the group; the end of the events comes after that.
        let Self { consumer, events, .. } = self;
        drop(consumer);
        drop(events);
    }

    /// Hands an event over. Waits when the member is not polled: then it may as well leave the
    /// group, which is what happens after `max.poll.interval.ms`.
    fn send(&self, event: Result<GroupEvent, LogError>) {
        // A dropped member has no use for events; a revocation in it counts as answered.
        drop(self.events.blocking_send(event));
    }
}

/// librdkafka's form of partitions and offsets.
fn list_of(
    partitions: &[TopicPartition],
    offset: impl Fn(&TopicPartition) -> NextOffset,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for topic_partition in partitions {
        let mut element =
            list.add_partition(topic_partition.topic.as_str(), number(topic_partition.partition.0));
        let offset = rdkafka::Offset::Offset(offset(topic_partition).0.max(0));
        if let Err(error) = element.set_offset(offset) {
            debug!(%error, "offset");
        }
    }
    list
}

fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

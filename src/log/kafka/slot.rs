//! One assigned partition as the member's thread and its feed share it.
//!
//! The records stay in librdkafka's queue of the partition until the feed asks for them, so they
//! are in memory once, and a lane that does not ask is all the back-pressure there is. The thread
//! does what must not race with a rebalance: it starts, parks and ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use tokio::sync::{Notify, oneshot};

use super::chunk::ChunkBuilder;
use super::failure;
use super::group_context::GroupContext;
use crate::log::{Chunk, FeedLimits, LogError, LogRecord};
use crate::model::position::{NextOffset, Offset, TopicPartition};

/// What the slots of a member have in common.
pub(super) struct Common {
    /// The member's thread, to be woken.
    pub(super) thread: Thread,
    /// Bytes that all feeds took so far.
    pub(super) taken_bytes: AtomicU64,
    /// A partition that is not asked for while the others take this much is parked: each record in
    /// its queue keeps the whole answer of its fetch alive, with the records of the others in it.
    pub(super) park_after_bytes: u64,
    /// The most bytes in a chunk.
    pub(super) chunk_bytes: usize,
}

impl Common {
    /// For a member with `limits`, whose thread is `thread`.
    pub(super) fn new(thread: Thread, limits: FeedLimits) -> Self {
        Self {
            thread,
            taken_bytes: AtomicU64::new(0),
            park_after_bytes: (limits.bytes as u64 / 4).max(64 * 1024),
            chunk_bytes: limits.bytes,
        }
    }
}

/// One assigned partition.
pub(super) struct Slot {
    pub(super) topic_partition: TopicPartition,
    pub(super) common: Arc<Common>,
    /// Something for the feed to look at: records, an end, an answer.
    pub(super) arrived: Notify,
    /// Records came since the feed last began to look.
    pub(super) fresh: AtomicBool,
    /// `taken_bytes` when the feed last looked.
    pub(super) looked_at_bytes: AtomicU64,
    state: Mutex<SlotState>,
}

/// What changes under the lock. The lock is held for microseconds; never over an await.
pub(super) struct SlotState {
    /// The partition's queue; `None` once the partition is no longer ours.
    pub(super) queue: Option<PartitionQueue<GroupContext>>,
    pub(super) phase: Phase,
    /// The offset that the next record delivered has at least.
    pub(super) next: NextOffset,
    /// A start that the thread has not done yet; a later one replaces it.
    pub(super) start: Option<Start>,
    held: Option<LogRecord>,
    builder: ChunkBuilder,
}

/// What a partition is doing.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Not started, or waiting for the thread to start it.
    Stopped,
    /// Delivering.
    Running,
    /// Stopped by the thread because nobody asked; starts again when asked.
    Parked,
    /// Cannot be read on; the error has not been delivered yet.
    Failed(LogError),
}

/// The wish to deliver from an offset.
pub(super) struct Start {
    pub(super) from: NextOffset,
    /// Whom to answer; nobody if the slot itself wants to go on.
    pub(super) answer: Option<oneshot::Sender<Result<(), LogError>>>,
    /// Tries so far.
    pub(super) tries: u32,
}

/// What a look into the slot finds.
pub(super) enum Look {
    /// Records.
    Chunk(Chunk),
    /// Nothing now.
    Nothing,
    /// The partition is no longer ours.
    Ended,
}

impl Slot {
    pub(super) fn new(topic_partition: TopicPartition, common: &Arc<Common>) -> Arc<Self> {
        Arc::new(Self {
            topic_partition,
            common: Arc::clone(common),
            arrived: Notify::new(),
            fresh: AtomicBool::new(false),
            looked_at_bytes: AtomicU64::new(0),
            state: Mutex::new(SlotState {
                queue: None,
                phase: Phase::Stopped,
                next: NextOffset::ZERO,
                start: None,
                held: None,
                builder: ChunkBuilder::new(common.chunk_bytes),
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by librdkafka, under the lock of its queue, when the queue is no longer empty.
    pub(super) fn on_arrival(&self) {
        // Being neglected begins here, however long nothing came before.
        let taken = self.common.taken_bytes.load(Ordering::Relaxed);
        self.looked_at_bytes.store(taken, Ordering::Relaxed);
        self.fresh.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Asks the thread to deliver from `from`.
    pub(super) fn ask_to_start(&self, from: NextOffset) -> oneshot::Receiver<Result<(), LogError>> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        if state.queue.is_some() {
            state.phase = Phase::Stopped;
            state.start = Some(Start { from, answer: Some(answer), tries: 0 });
            drop(state);
            self.common.thread.unpark();
        }
        answered
    }

    /// Ends the feed: the partition is no longer ours.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        // Dropping the queue ends the callback; what it still holds is outdated and goes with it.
        state.queue = None;
        state.start = None;
        state.held = None;
        state.phase = Phase::Stopped;
        drop(state);
        self.arrived.notify_one();
    }

    /// Takes what has arrived, up to one chunk. Does not block.
    ///
    /// # Errors
    /// If the partition cannot be read on; the next look tries again from the same place.
    pub(super) fn look(&self) -> Result<Look, LogError> {
        // Cleared before looking: what arrives meanwhile sets it again.
        self.fresh.store(false, Ordering::Release);
        let mut state = self.lock();
        let state = &mut *state;
        let Some(queue) = &state.queue else { return Ok(Look::Ended) };
        match &state.phase {
            Phase::Stopped => return Ok(Look::Nothing),
            Phase::Parked => {
                state.resume(&self.common.thread);
                return Ok(Look::Nothing);
            }
            Phase::Failed(error) => {
                let error = error.clone();
                state.resume(&self.common.thread);
                return Err(error);
            }
            Phase::Running => {}
        }
        if let Some(record) = state.held.take() {
            let size = record.size_bytes();
            self.count(size);
            return Ok(Look::Chunk(Chunk { records: vec![record] }));
        }
        while !state.builder.is_full() {
            match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(record)) => {
                    // Only an offset below what was asked for could be a leftover; never skip ahead.
                    if record.offset() < state.next.0 {
                        continue;
                    }
                    state.next = Offset(record.offset()).next();
                    state.builder.push(&record);
                    state.held = state.builder.overflow();
                    if state.held.is_some() {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => {
                    let what =
                        format!("cannot read {} on from {}", self.topic_partition, state.next);
                    state.phase = Phase::Failed(failure::of(what, &error));
                    break;
                }
            }
        }
        if state.builder.is_full() || state.held.is_some() {
            // The queue was not seen empty, so librdkafka will not say that there is more.
            self.fresh.store(true, Ordering::Release);
        }
        self.count(state.builder.bytes());
        match (state.builder.take(), &state.phase) {
            (Some(chunk), _) => Ok(Look::Chunk(chunk)),
            (None, Phase::Failed(error)) => {
                let error = error.clone();
                state.resume(&self.common.thread);
                Err(error)
            }
            (None, _) => Ok(Look::Nothing),
        }
    }

    /// Counts what was taken, and wakes the thread when it is time to look for idle neighbours.
    fn count(&self, bytes: usize) {
        let before = self.common.taken_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let after = before + bytes as u64;
        self.looked_at_bytes.store(after, Ordering::Relaxed);
        let step = self.common.park_after_bytes;
        if before / step != after / step {
            self.common.thread.unpark();
        }
    }

    /// Whether records wait here that nobody asked for while the others took much.
    pub(super) fn is_neglected(&self) -> bool {
        let taken = self.common.taken_bytes.load(Ordering::Relaxed);
        let since = taken.saturating_sub(self.looked_at_bytes.load(Ordering::Relaxed));
        self.fresh.load(Ordering::Acquire) && since >= self.common.park_after_bytes
    }
}

impl SlotState {
    /// Wants to go on from where it is, with nobody to answer.
    fn resume(&mut self, thread: &Thread) {
        self.phase = Phase::Stopped;
        self.start = Some(Start { from: self.position(), answer: None, tries: 0 });
        thread.unpark();
    }

    /// The offset of the next record that the feed has not been given.
    pub(super) fn position(&self) -> NextOffset {
        self.held.as_ref().map_or(self.next, |held| NextOffset(held.offset.0))
    }

    /// Stops until it is asked again; whether there was anything to stop. An error that waits to be
    /// told stays so: asking again follows it.
    pub(super) fn park(&mut self) -> bool {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Parked;
                true
            }
            Phase::Failed(_) => true,
            Phase::Stopped | Phase::Parked => false,
        }
    }

    /// The thread has started delivery at `from`.
    pub(super) fn started(&mut self, from: NextOffset) {
        self.phase = Phase::Running;
        self.next = from;
        self.held = None;
        self.builder.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Topic;

    fn slots() -> (Arc<Slot>, Arc<Slot>) {
        let limits = FeedLimits { bytes: 4 * 1024 * 1024 };
        let common = Arc::new(Common::new(std::thread::current(), limits));
        let slot =
            |partition| Slot::new(TopicPartition::new(&Topic::new("topic"), partition), &common);
        (slot(0), slot(1))
    }

    #[test]
    fn a_partition_is_neglected_when_the_others_took_a_quarter_of_the_limits() {
        let (idle, busy) = slots();
        busy.count(3 * 1024 * 1024);
        assert!(!idle.is_neglected(), "nothing waits");
        idle.on_arrival();
        busy.count(1024 * 1024 - 1);
        assert!(!idle.is_neglected(), "not much since it came");
        busy.count(1);
        assert!(idle.is_neglected());
    }

    #[test]
    fn one_that_is_no_longer_ours_has_ended_for_good() {
        let (slot, _) = slots();
        assert!(matches!(slot.look(), Ok(Look::Ended)));
        slot.end();
        assert!(matches!(slot.look(), Ok(Look::Ended)));
        let mut answered = slot.ask_to_start(NextOffset(3));
        assert!(answered.try_recv().is_err(), "nobody will start it");
        assert!(slot.lock().start.is_none());
    }
}

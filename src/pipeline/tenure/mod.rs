//! One tenure of a lane: from a take to the next, the time in which its token is the owner's.
//!
//! One batch is being written while the next one is read, decoded and fitted ([`Reading`]).
//! Everything written is below the checkpoint's cursors. A batch settles all offsets up to where
//! was read, also those that left no change in it.

mod asked;
mod learned;
mod replayed;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use super::gap;
use super::held_set::MAX_HELD_PER_LANE;
use super::lane::{FRUITLESS_TENURES, Lane};
use super::memory_budget::Reservation;
use super::outbox::Outbox;
use super::reading::{Closed, Reading};
use super::requests::Ask;
use super::status::LaneState;
use super::writer::{WriteEnd, wait_or_closing};
use crate::log::{Chunk, LogError};
use crate::metrics::RetryCause;
use crate::model::batcher::Batcher;
use crate::model::checkpoint::{Checkpoint, Fence, Fingerprint, OwnerToken};
use crate::model::position::NextOffset;

/// How often an idle lane looks whether it still owns its partition and the log still has it.
const IDLE_PERIOD: Duration = Duration::from_secs(30);
/// Wait after the log could not be read on.
const FEED_WAIT: Duration = Duration::from_secs(1);

/// How a tenure ended.
#[derive(Debug)]
pub(super) enum TenureEnd {
    /// The checkpoint must be taken again.
    Retake,
    /// The partition was taken away.
    Revoked,
    /// The lane cannot go on.
    Stopped(String),
}

/// What a tenure waits for.
enum Happened {
    /// The write ended; `None` if its task panicked.
    WriteEnded(Option<WriteEnd>),
    /// The feed delivered, ended, or failed.
    Delivered(Result<Option<Chunk>, LogError>),
    /// The partition is to be given back.
    Closing,
    /// The open batch is old enough, or the lane was idle for long.
    Time,
    /// Somebody wants something.
    Asked(Ask),
    /// Tables have another form from now on.
    Remapped,
    /// There is more to do at once.
    Nothing,
}

/// What is settled once the batch being written is.
struct Settles {
    to: NextOffset,
    fingerprint: Option<Fingerprint>,
    last_timestamp_ms: Option<i64>,
    appended_ms: Vec<(i64, u64)>,
    _memory: Reservation,
}

/// What is being written: a batch of the journey, or a retry, which settles nothing.
struct InFlight {
    settles: Option<Settles>,
    started: Instant,
}

/// See the module.
pub(super) struct Tenure<'a> {
    lane: &'a mut Lane,
    token: OwnerToken,
    checkpoint: Checkpoint,
    reading: Reading,
    draining: bool,
    /// Every entity of the topic stands back: there is nobody to read for.
    for_nobody: bool,
    /// Definitions have changed: the lane goes on with the new ones once nothing is being written.
    remapped: bool,
    writes: JoinSet<WriteEnd>,
    in_flight: Option<InFlight>,
    outbox: Outbox,
    idle_at: Instant,
}

impl<'a> Tenure<'a> {
    pub(super) fn new(lane: &'a mut Lane, token: OwnerToken, checkpoint: Checkpoint) -> Self {
        let parts = &lane.parts;
        let reading = Reading::new(
            checkpoint.lowest(),
            Batcher::new(lane.pace.limits(), parts.mutations),
            parts.profile.batch.changes,
            parts.budget.reservation(),
            parts.mutations,
        );
        let here = parts.profile.entities_of(&lane.id.topic_partition.topic);
        let for_nobody = here.count() == lane.pauses.standing().count();
        let outbox = Outbox::start(lane);
        Self {
            lane,
            token,
            checkpoint,
            reading,
            draining: false,
            for_nobody,
            remapped: false,
            writes: JoinSet::new(),
            in_flight: None,
            outbox,
            idle_at: Instant::now() + IDLE_PERIOD,
        }
    }

    /// Copies until something ends the tenure. A write that is under way when it does is dropped;
    /// the destination's contract makes that safe.
    pub(super) async fn run(mut self) -> TenureEnd {
        loop {
            if self.draining {
                self.reading.forget_pending();
            }
            if self.in_flight.is_none() {
                if self.remapped {
                    return self.retaken();
                }
                self.reading.write_is_over();
                if self.is_due() {
                    self.start_write();
                } else if let Some(end) = self.between_batches() {
                    return end;
                }
            }
            let writing = self.in_flight.is_some();
            let lane = &mut *self.lane;
            self.reading.fill(&mut lane.intake, &self.checkpoint, &lane.held, writing);
            if let Some(end) = self.wait().await {
                return end;
            }
        }
    }

    /// What is done while nothing is written: the end, a pause, a try of what is held or paused.
    fn between_batches(&mut self) -> Option<TenureEnd> {
        let now = Instant::now().into_std();
        if !self.has_progress() {
            if self.draining {
                return Some(TenureEnd::Revoked);
            }
            if let Some(paused) = self.reading.paused().cloned() {
                return Some(self.pause(paused));
            }
            if self.lane.pauses.probe(now) {
                return Some(TenureEnd::Retake);
            }
        }
        if !self.draining
            && !self.end_with_replays()
            && let Some(held) = self.next_retry(now)
        {
            self.start_retry(held);
        }
        None
    }

    /// Waits for whatever comes next.
    async fn wait(&mut self) -> Option<TenureEnd> {
        let writing = self.in_flight.is_some();
        let idle = !self.has_progress();
        let over = idle && (self.draining || self.reading.paused().is_some());
        let busy = self.reading.can_fill() || (!writing && (over || self.is_due()));
        let going_on = !self.draining && !self.remapped;
        let wants_more = going_on && !self.for_nobody && self.reading.wants_more();
        let due_at = if idle { None } else { self.reading.due_at() }.unwrap_or(self.idle_at);
        let (retry_at, probe_at) = (self.lane.held.due_at(), self.lane.pauses.probe_at());
        let others = [retry_at, probe_at.filter(|_| idle)].into_iter().flatten();
        let due_at = others.map(Instant::from_std).fold(due_at, Instant::min);
        let lane = &mut *self.lane;
        let happened = tokio::select! {
            // The write first: what it settles makes room for everything else.
            biased;
            Some(end) = self.writes.join_next(), if writing => Happened::WriteEnded(end.ok()),
            Some(ask) = lane.asks.recv(), if !writing && !self.draining => Happened::Asked(ask),
            () = yield_now(), if busy => Happened::Nothing,
            delivered = lane.feed.next(), if wants_more => Happened::Delivered(delivered),
            _ = lane.closing.wait_for(|closing| *closing), if !self.draining => Happened::Closing,
            Ok(()) = lane.schema.changed(), if going_on => Happened::Remapped,
            () = sleep_until(due_at), if !writing => Happened::Time,
        };
        match happened {
            Happened::WriteEnded(Some(end)) => return self.write_ended(end),
            // A panic in an adapter: the outcome is unclear.
            Happened::WriteEnded(None) => return Some(TenureEnd::Retake),
            Happened::Asked(ask) => return self.grant(ask).await,
            Happened::Delivered(Ok(Some(chunk))) => self.reading.deliver(chunk.records),
            Happened::Delivered(Ok(None)) | Happened::Closing => self.draining = true,
            Happened::Delivered(Err(error)) => return self.feed_failed(error).await,
            Happened::Time if idle && Instant::now() >= self.idle_at => {
                return self.look_around().await;
            }
            Happened::Remapped => self.remapped = true,
            Happened::Time | Happened::Nothing => {}
        }
        None
    }

    /// Whether something was read that is not settled, apart from the batch being written.
    fn has_progress(&self) -> bool {
        let settles = self.in_flight.as_ref().and_then(|write| write.settles.as_ref());
        let settled = settles.map_or(self.checkpoint.lowest(), |settles| settles.to);
        self.reading.read() > settled
    }

    fn is_due(&self) -> bool {
        self.has_progress() && (self.draining || self.reading.is_due())
    }

    fn start_write(&mut self) {
        let Closed { mut batch, to, fingerprint, last_timestamp_ms, appended_ms, memory } =
            self.reading.close();
        let doubts = self.lane.held.gate(&mut batch);
        let fence = Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.moves_to(to),
            splits: self.checkpoint.splits(),
            fingerprint,
        };
        let writer = self.lane.writer();
        self.writes.spawn(writer.write(fence, Arc::new(batch), doubts));
        let settles = Settles { to, fingerprint, last_timestamp_ms, appended_ms, _memory: memory };
        self.in_flight = Some(InFlight { settles: Some(settles), started: Instant::now() });
    }

    /// A fence that moves nothing.
    fn standing_fence(&self) -> Fence {
        Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.standing(),
            splits: Vec::new(),
            fingerprint: None,
        }
    }

    fn write_ended(&mut self, end: WriteEnd) -> Option<TenureEnd> {
        let Some(in_flight) = self.in_flight.take() else { return Some(TenureEnd::Retake) };
        match end {
            WriteEnd::Written(written, batch) => {
                self.lane.fruitless = 0;
                if self.lane.pace.written() {
                    self.reading.limit(self.lane.pace.limits());
                }
                if let Some(settles) = &in_flight.settles {
                    self.checkpoint.advance(settles.to, settles.fingerprint);
                    self.lane.replays.count(&batch, &written);
                    self.lane.tell_replays(&self.checkpoint);
                }
                self.idle_at = Instant::now() + IDLE_PERIOD;
                self.report(&in_flight, &batch, &written);
                let end = self.learn(&batch, &written);
                // A retry moves no cursor, so that an older state of the destination would not be
                // noticed by the fence: a fresh token makes sure that it is.
                let is_retry = in_flight.settles.is_none();
                end.or_else(|| is_retry.then(|| self.retaken()))
            }
            WriteEnd::Smaller => {
                self.lane.shrink();
                Some(self.retaken())
            }
            WriteEnd::Retake => {
                // A retry is of one record, and may end so because the log is away.
                if in_flight.settles.is_some() && self.lane.fruitless >= FRUITLESS_TENURES {
                    self.lane.shrink();
                }
                Some(TenureEnd::Retake)
            }
            WriteEnd::GaveUp => Some(TenureEnd::Revoked),
            WriteEnd::Pause(paused) => Some(self.pause(paused)),
        }
    }

    /// The log cannot be read on from here: an outage, a gap, or damage.
    async fn feed_failed(&mut self, error: LogError) -> Option<TenureEnd> {
        self.lane.parts.metrics.count_retry(RetryCause::Log);
        let (log, topic_partition) = (&self.lane.parts.log, &self.lane.id.topic_partition);
        if !error.retry {
            let bounds = log.bounds(topic_partition).await;
            let gap = bounds.map(|bounds| gap::check_bounds(&self.checkpoint, bounds));
            return Some(match gap {
                // The next take meets it, too, and asks for a person.
                Ok(Err(_)) => TenureEnd::Retake,
                _ => TenureEnd::Stopped(error.to_string()),
            });
        }
        tracing::warn!(lane = %self.lane.id, "{error}");
        self.lane.status.state(LaneState::Waiting(error.to_string()));
        let closing = wait_or_closing(&mut self.lane.closing, FEED_WAIT).await;
        closing.then_some(TenureEnd::Revoked)
    }

    /// An idle lane looks whether it still owns its partition, and whether the log went on without
    /// it (retention may pass a reader that hears nothing).
    async fn look_around(&mut self) -> Option<TenureEnd> {
        self.idle_at = Instant::now() + IDLE_PERIOD;
        let (log, topic_partition) = (&self.lane.parts.log, &self.lane.id.topic_partition);
        if let Ok(bounds) = log.bounds(topic_partition).await {
            let now_ms = (self.lane.parts.clock)();
            self.lane.parts.status.measured(topic_partition, bounds.end, now_ms);
            if gap::check_bounds(&self.checkpoint, bounds).is_err() {
                return Some(TenureEnd::Retake);
            }
        }
        let fence = self.standing_fence();
        match self.lane.writer().write(fence, Arc::default(), Vec::new()).await {
            WriteEnd::Written(..) => None,
            WriteEnd::GaveUp => Some(TenureEnd::Revoked),
            WriteEnd::Retake | WriteEnd::Smaller | WriteEnd::Pause(_) => Some(TenureEnd::Retake),
        }
    }
}

/// What a lane that holds too much says to its operator.
fn too_many_held(count: usize) -> String {
    format!(
        "{count} changes of this partition are held, more than the limit of {MAX_HELD_PER_LANE}. \
         Look at the failed-record list, mend the cause or dismiss what cannot be mended, and \
         restart"
    )
}

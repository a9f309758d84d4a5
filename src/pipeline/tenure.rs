//! One tenure of a lane: from a take to the next, the time in which its token is the owner's.
//!
//! One batch is being written while the next one is read, decoded and fitted ([`Reading`]).
//! Everything written is below the checkpoint's cursors. A batch settles all offsets up to where
//! was read, also those that left no change in it.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use super::gap;
use super::lane::Lane;
use super::memory_budget::Reservation;
use super::reading::{Closed, Reading};
use super::status::{LaneState, Totals};
use super::writer::{WriteEnd, Writer, wait_or_closing};
use crate::destination::{RejectedRecord, Written};
use crate::log::{Chunk, LogError};
use crate::metrics::{EntityCounts, RetryCause};
use crate::model::batch::Batch;
use crate::model::batcher::Batcher;
use crate::model::checkpoint::{Checkpoint, Cursor, CursorMove, Fence, Fingerprint, OwnerToken};
use crate::model::failure::RejectedChange;
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
    /// There is more to do at once.
    Nothing,
}

/// What is settled once the batch being written is.
struct InFlight {
    batch: Arc<Batch>,
    to: NextOffset,
    fingerprint: Option<Fingerprint>,
    last_timestamp_ms: Option<i64>,
    appended_ms: Vec<(i64, u64)>,
    started: Instant,
    _memory: Reservation,
}

/// See the module.
pub(super) struct Tenure<'a> {
    lane: &'a mut Lane,
    token: OwnerToken,
    checkpoint: Checkpoint,
    reading: Reading,
    draining: bool,
    writes: JoinSet<WriteEnd>,
    in_flight: Option<InFlight>,
    idle_at: Instant,
}

impl<'a> Tenure<'a> {
    pub(super) fn new(lane: &'a mut Lane, token: OwnerToken, checkpoint: Checkpoint) -> Self {
        let parts = &lane.parts;
        let reading = Reading::new(
            lane.id.topic_partition.clone(),
            checkpoint.lowest(),
            Batcher::new(parts.profile.batch, parts.mutations),
            parts.budget.reservation(),
            parts.mutations,
        );
        Self {
            lane,
            token,
            checkpoint,
            reading,
            draining: false,
            writes: JoinSet::new(),
            in_flight: None,
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
                self.reading.write_is_over();
                if self.is_due() {
                    self.start_write();
                } else if !self.has_progress() {
                    if let Some(rejected) = self.reading.rejected() {
                        return TenureEnd::Stopped(stop_reason(rejected));
                    }
                    if self.draining {
                        return TenureEnd::Revoked;
                    }
                }
            }
            let writing = self.in_flight.is_some();
            self.reading.fill(&mut self.lane.intake, &self.checkpoint, writing);
            if let Some(end) = self.wait().await {
                return end;
            }
        }
    }

    /// Waits for whatever comes next.
    async fn wait(&mut self) -> Option<TenureEnd> {
        let writing = self.in_flight.is_some();
        let idle = !self.has_progress();
        let over = idle && (self.draining || self.reading.rejected().is_some());
        let busy = self.reading.can_fill() || (!writing && (over || self.is_due()));
        let wants_more = !self.draining && self.reading.wants_more();
        let due_at = if idle { None } else { self.reading.due_at() }.unwrap_or(self.idle_at);
        let lane = &mut *self.lane;
        let happened = tokio::select! {
            // The write first: what it settles makes room for everything else.
            biased;
            Some(end) = self.writes.join_next(), if writing => Happened::WriteEnded(end.ok()),
            () = yield_now(), if busy => Happened::Nothing,
            delivered = lane.feed.next(), if wants_more => Happened::Delivered(delivered),
            _ = lane.closing.wait_for(|closing| *closing), if !self.draining => Happened::Closing,
            () = sleep_until(due_at), if !writing => Happened::Time,
        };
        match happened {
            Happened::WriteEnded(Some(end)) => return self.write_ended(end),
            // A panic in an adapter: the outcome is unclear.
            Happened::WriteEnded(None) => return Some(TenureEnd::Retake),
            Happened::Delivered(Ok(Some(chunk))) => self.reading.deliver(chunk.records),
            Happened::Delivered(Ok(None)) | Happened::Closing => self.draining = true,
            Happened::Delivered(Err(error)) => return self.feed_failed(error).await,
            Happened::Time if idle => return self.look_around().await,
            Happened::Time | Happened::Nothing => {}
        }
        None
    }

    /// Whether something was read that is not settled, apart from the batch being written.
    fn has_progress(&self) -> bool {
        let settled = self.in_flight.as_ref().map_or(self.checkpoint.lowest(), |write| write.to);
        self.reading.read() > settled
    }

    fn is_due(&self) -> bool {
        self.has_progress() && (self.draining || self.reading.is_due())
    }

    fn start_write(&mut self) {
        let Closed { batch, to, fingerprint, last_timestamp_ms, appended_ms, memory } =
            self.reading.close();
        let batch = Arc::new(batch);
        let fence = Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.moves_to(to),
            splits: self.checkpoint.splits(),
            fingerprint,
        };
        let writer = self.writer();
        self.writes.spawn(writer.write(fence, Arc::clone(&batch)));
        let started = Instant::now();
        self.in_flight = Some(InFlight {
            batch,
            to,
            fingerprint,
            last_timestamp_ms,
            appended_ms,
            started,
            _memory: memory,
        });
    }

    fn writer(&mut self) -> Writer {
        Writer {
            destination: Arc::clone(&self.lane.parts.destination),
            metrics: Arc::clone(&self.lane.parts.metrics),
            status: self.lane.status.clone(),
            closing: self.lane.closing.clone(),
            rng: SmallRng::seed_from_u64(self.lane.rng.random()),
        }
    }

    fn write_ended(&mut self, end: WriteEnd) -> Option<TenureEnd> {
        let Some(in_flight) = self.in_flight.take() else { return Some(TenureEnd::Retake) };
        match end {
            WriteEnd::Written(written) => {
                self.checkpoint.advance(in_flight.to, in_flight.fingerprint);
                self.idle_at = Instant::now() + IDLE_PERIOD;
                self.report(&in_flight, &written);
                None
            }
            WriteEnd::Retake => Some(TenureEnd::Retake),
            WriteEnd::GaveUp => Some(TenureEnd::Revoked),
            WriteEnd::Rejected(rejected) => {
                let change = self.locate(&in_flight, rejected);
                Some(TenureEnd::Stopped(stop_reason(&change)))
            }
        }
    }

    /// Where on the log the rejected record's change lies.
    fn locate(&self, in_flight: &InFlight, rejected: RejectedRecord) -> RejectedChange {
        let tables = in_flight.batch.tables.iter();
        let mut of_entity = tables.filter(|table| {
            rejected.entity.as_ref().is_none_or(|entity| *entity == table.mapping.entity)
        });
        let found = of_entity.find_map(|table| {
            let mut changes = table.changes.iter();
            changes.find(|change| rejected.record_id.is_none_or(|id| id == change.record_id))
        });
        let offset = found.map_or(self.checkpoint.lowest().offset(), |change| change.first_offset);
        RejectedChange {
            position: self.lane.id.topic_partition.at(offset),
            entity: rejected.entity,
            record_id: rejected.record_id,
            rejection: rejected.rejection,
        }
    }

    /// Counts a written batch, once.
    fn report(&self, in_flight: &InFlight, written: &Written) {
        let (metrics, now_ms) = (&self.lane.parts.metrics, (self.lane.parts.clock)());
        let mut done = Totals {
            changes: in_flight.batch.change_count as u64,
            batches: 1,
            superseded: in_flight.batch.superseded_count,
            ..Totals::default()
        };
        for table in &written.tables {
            done.written += table.written;
            done.deleted += table.deleted;
            done.superseded += table.superseded;
            let counts = EntityCounts {
                written: table.written,
                deleted: table.deleted,
                superseded: table.superseded,
                dropped_attributes: 0,
            };
            metrics.count_entity(table.entity.as_str(), counts);
        }
        let appended = || in_flight.appended_ms.iter();
        let latencies: Vec<(i64, u64)> =
            appended().map(|(at, count)| (now_ms - at, *count)).collect();
        let each = appended().flat_map(|(at, count)| (0..*count).map(|_| *at));
        metrics.observe_append_to_commit(each, now_ms);
        let settled = self.checkpoint.lowest();
        self.lane.status.settled(settled, in_flight.last_timestamp_ms, done, &latencies);
        tracing::debug!(
            lane = %self.lane.id, batch.changes = done.changes, settled = %settled,
            took_ms = in_flight.started.elapsed().as_millis(), "batch written"
        );
    }

    /// The log cannot be read on from here: an outage, a gap, or damage.
    async fn feed_failed(&mut self, error: LogError) -> Option<TenureEnd> {
        self.lane.parts.metrics.count_retry(RetryCause::Log);
        let (log, topic_partition) = (&self.lane.parts.log, &self.lane.id.topic_partition);
        if !error.retry {
            let bounds = log.bounds(topic_partition).await;
            let gap = bounds.map(|bounds| gap::check_bounds(&self.checkpoint, bounds));
            return Some(match gap {
                Ok(Err(gap)) => TenureEnd::Stopped(gap.to_string()),
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
            if let Err(gap) = gap::check_bounds(&self.checkpoint, bounds) {
                return Some(TenureEnd::Stopped(gap.to_string()));
            }
        }
        let stay = |cursor: &Cursor| CursorMove {
            scope: cursor.scope.clone(),
            from: cursor.next,
            to: cursor.next,
        };
        let fence = Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.cursors().iter().map(stay).collect(),
            splits: Vec::new(),
            fingerprint: None,
        };
        match self.writer().write(fence, Arc::new(Batch::default())).await {
            WriteEnd::Written(_) => None,
            WriteEnd::GaveUp => Some(TenureEnd::Revoked),
            WriteEnd::Retake | WriteEnd::Rejected(_) => Some(TenureEnd::Retake),
        }
    }
}

/// What a lane that met a rejected change says to its operator.
fn stop_reason(rejected: &RejectedChange) -> String {
    format!(
        "{rejected}. The lane stands before this change. Mend the definition, the column or the \
         producer, then start again"
    )
}

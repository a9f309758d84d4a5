//! One tenure of a lane: from a take to the next, the time in which its token is the owner's.
//!
//! One batch is being written while the next one is read, decoded and fitted. Everything read is
//! below `read`; everything written is below the checkpoint's cursors. A batch settles all offsets
//! up to `read`, also those that left no change in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until};

use super::gap::{self, fingerprint};
use super::intake::Intaken;
use super::lane::Lane;
use super::memory_budget::Reservation;
use super::status::{LaneState, Totals};
use super::writer::{WriteEnd, Writer, wait_or_closing};
use crate::destination::{RejectedRecord, Written};
use crate::log::{Chunk, LogError, LogRecord};
use crate::metrics::{EntityCounts, RetryCause};
use crate::model::batch::Batch;
use crate::model::batcher::{Batcher, Piece, fitted_bytes};
use crate::model::checkpoint::{Checkpoint, CursorMove, Fence, Fingerprint, OwnerToken};
use crate::model::failure::{Cause, RejectedChange, Rejection};
use crate::model::position::{NextOffset, Offset};

/// Records that are decoded before the lane looks whether its write has ended.
const SLICE_RECORDS: usize = 64;
/// Longest time that offsets without a change stay unsettled.
const SETTLE_PERIOD: Duration = Duration::from_secs(1);
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

/// A record that was read and found no room yet.
struct Carried {
    record: LogRecord,
    intaken: Intaken,
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

/// See the module.
pub(super) struct Tenure<'a> {
    lane: &'a mut Lane,
    token: OwnerToken,
    checkpoint: Checkpoint,
    read: NextOffset,
    last: Option<LogRecord>,
    read_since: Option<Instant>,
    pending: VecDeque<LogRecord>,
    carried: Option<Carried>,
    batcher: Batcher,
    memory: Reservation,
    appended_ms: Vec<(i64, u64)>,
    must_close: bool,
    draining: bool,
    rejected: Option<RejectedChange>,
    writes: JoinSet<WriteEnd>,
    in_flight: Option<InFlight>,
    idle_at: Instant,
}

impl<'a> Tenure<'a> {
    pub(super) fn new(lane: &'a mut Lane, token: OwnerToken, checkpoint: Checkpoint) -> Self {
        let batcher = Batcher::new(lane.parts.profile.batch, lane.parts.mutations);
        let memory = lane.parts.budget.reservation();
        let read = checkpoint.lowest();
        Self {
            lane,
            token,
            checkpoint,
            read,
            last: None,
            read_since: None,
            pending: VecDeque::new(),
            carried: None,
            batcher,
            memory,
            appended_ms: Vec::new(),
            must_close: false,
            draining: false,
            rejected: None,
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
                // What was not admitted yet is read again by the partition's next owner.
                self.pending.clear();
                self.carried = None;
            }
            if self.in_flight.is_none() && self.batcher.is_empty() {
                // What had no room beside the write has it now.
                self.must_close = false;
            }
            if self.in_flight.is_none() && self.is_due() {
                self.start_write();
            }
            if self.in_flight.is_none() && !self.has_progress() {
                if let Some(rejected) = &self.rejected {
                    return TenureEnd::Stopped(stop_reason(rejected));
                }
                if self.draining {
                    return TenureEnd::Revoked;
                }
            }
            self.fill();
            if let Some(end) = self.wait().await {
                return end;
            }
        }
    }

    /// Waits for whatever comes next.
    async fn wait(&mut self) -> Option<TenureEnd> {
        let writing = self.in_flight.is_some();
        let can_fill = self.can_fill();
        let hungry = self.pending.is_empty() && self.carried.is_none();
        let wants_more = hungry && !self.must_close && !self.draining && self.rejected.is_none();
        let ready = !writing && self.is_due() || !writing && self.is_over();
        let due_at = if self.has_progress() { self.due_at() } else { None };
        let due_at = due_at.unwrap_or(self.idle_at);
        let lane = &mut *self.lane;
        let happened = tokio::select! {
            // The write first: what it settles makes room for everything else.
            biased;
            Some(end) = self.writes.join_next(), if writing => Happened::WriteEnded(end.ok()),
            () = yield_now(), if can_fill || ready => Happened::Nothing,
            delivered = lane.feed.next(), if wants_more => Happened::Delivered(delivered),
            _ = lane.closing.wait_for(|closing| *closing), if !self.draining => Happened::Closing,
            () = sleep_until(due_at), if !writing => Happened::Time,
        };
        match happened {
            Happened::WriteEnded(Some(end)) => return self.write_ended(end),
            // A panic in an adapter: the outcome is unclear.
            Happened::WriteEnded(None) => return Some(TenureEnd::Retake),
            Happened::Delivered(Ok(Some(chunk))) => self.pending.extend(chunk.records),
            Happened::Delivered(Ok(None)) | Happened::Closing => self.draining = true,
            Happened::Delivered(Err(error)) => return self.feed_failed(error).await,
            Happened::Time if !self.has_progress() => return self.look_around().await,
            Happened::Time | Happened::Nothing => {}
        }
        None
    }

    fn can_fill(&self) -> bool {
        let waiting = !self.pending.is_empty() || self.carried.is_some();
        waiting && !self.must_close && self.rejected.is_none() && !self.draining
    }

    fn has_progress(&self) -> bool {
        self.read > self.checkpoint.lowest()
    }

    fn is_over(&self) -> bool {
        !self.has_progress() && (self.draining || self.rejected.is_some())
    }

    fn due_at(&self) -> Option<Instant> {
        let batch = self.batcher.deadline().map(Instant::from_std);
        batch.or_else(|| self.read_since.map(|since| since + SETTLE_PERIOD))
    }

    /// Whether the open batch should be written now.
    fn is_due(&self) -> bool {
        self.has_progress()
            && (self.must_close
                || self.draining
                || self.rejected.is_some()
                || self.batcher.is_full()
                || self.due_at().is_some_and(|due_at| due_at <= Instant::now()))
    }

    /// Decodes a slice of what was delivered into the open batch.
    fn fill(&mut self) {
        for _ in 0..SLICE_RECORDS {
            if !self.can_fill() {
                return;
            }
            let Some(Carried { record, intaken }) = self.next_read() else { return };
            self.admit(record, intaken);
        }
    }

    fn next_read(&mut self) -> Option<Carried> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        loop {
            let record = self.pending.pop_front()?;
            // A log may deliver again what was read already.
            if self.read.covers(record.offset) {
                continue;
            }
            match self.lane.intake.read(&record, &self.checkpoint) {
                Ok(intaken) => return Some(Carried { record, intaken }),
                Err(rejected) => {
                    self.rejected = Some(rejected);
                    return None;
                }
            }
        }
    }

    /// Puts what was read into the open batch, or carries it over to the next one.
    fn admit(&mut self, record: LogRecord, intaken: Intaken) {
        let bytes = match &intaken {
            Intaken::One((_, fitted)) => fitted_bytes(fitted),
            Intaken::Several(pieces) => pieces.iter().map(|(_, fitted)| fitted_bytes(fitted)).sum(),
            Intaken::Nothing => return self.settle(record),
        };
        if self.batcher.is_full() || !self.memory.grow(bytes) {
            let ignored = self.lane.parts.mutations.budget_ignored();
            if !ignored && (!self.batcher.is_empty() || self.in_flight.is_some()) {
                self.must_close = true;
                self.carried = Some(Carried { record, intaken });
                return;
            }
            // A lane that holds nothing may always admit one record.
            self.memory.force(bytes);
        }
        let now = Instant::now().into_std();
        let back = match intaken {
            Intaken::One(piece) => {
                self.batcher.push(piece, record.offset, now).err().map(Intaken::One)
            }
            Intaken::Several(pieces) => self.push_all(pieces, record.offset, now),
            Intaken::Nothing => None,
        };
        match back {
            None => self.settle(record),
            Some(_) if self.batcher.is_empty() => {
                let rejection = Rejection::of(Cause::Contradiction);
                let position = self.lane.id.topic_partition.at(record.offset);
                self.rejected =
                    Some(RejectedChange { position, entity: None, record_id: None, rejection });
            }
            Some(intaken) => {
                self.must_close = true;
                self.carried = Some(Carried { record, intaken });
            }
        }
    }

    fn push_all(
        &mut self,
        pieces: Vec<Piece>,
        offset: Offset,
        now: std::time::Instant,
    ) -> Option<Intaken> {
        self.batcher.push_all(pieces, offset, now).err().map(Intaken::Several)
    }

    /// The record has its place: everything up to it is read.
    fn settle(&mut self, record: LogRecord) {
        self.read = record.offset.next();
        self.read_since.get_or_insert_with(Instant::now);
        match self.appended_ms.last_mut() {
            Some((timestamp_ms, count)) if *timestamp_ms == record.timestamp_ms => *count += 1,
            _ => self.appended_ms.push((record.timestamp_ms, 1)),
        }
        self.last = Some(record);
    }

    fn start_write(&mut self) {
        let batch = Arc::new(self.batcher.take());
        let fence = Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.moves_to(self.read),
            fingerprint: self.last.as_ref().map(fingerprint),
        };
        self.in_flight = Some(InFlight {
            batch: Arc::clone(&batch),
            to: self.read,
            fingerprint: fence.fingerprint,
            last_timestamp_ms: self.last.as_ref().map(|record| record.timestamp_ms),
            appended_ms: std::mem::take(&mut self.appended_ms),
            started: Instant::now(),
            _memory: self.memory.take(),
        });
        (self.must_close, self.read_since) = (false, None);
        let writer = self.writer();
        self.writes.spawn(writer.write(fence, batch));
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

    fn report(&self, in_flight: &InFlight, written: &Written) {
        let now_ms = (self.lane.parts.clock)();
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
            self.lane.parts.metrics.count_entity(table.entity.as_str(), counts);
        }
        let appended = in_flight.appended_ms.iter();
        let latencies: Vec<(i64, u64)> =
            appended.map(|(at, count)| (now_ms - at, *count)).collect();
        let stamps = in_flight.appended_ms.iter();
        let stamps = stamps.flat_map(|(at, count)| (0..*count).map(|_| *at));
        self.lane.parts.metrics.observe_append_to_commit(stamps, now_ms);
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
        let stay = |cursor: &crate::model::checkpoint::Cursor| CursorMove {
            scope: cursor.scope.clone(),
            from: cursor.next,
            to: cursor.next,
        };
        let fence = Fence {
            lane: self.lane.id.clone(),
            token: self.token,
            moves: self.checkpoint.cursors().iter().map(stay).collect(),
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

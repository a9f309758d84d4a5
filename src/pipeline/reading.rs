//! What a tenure has read: from delivered records to the open batch.
//!
//! Everything below `read` went through the intake and is in the open batch, in an earlier one, or
//! left nothing to write. What found no room, in the batch or in the memory budget, is carried over
//! to the next batch: one record, never dropped.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use super::gap::fingerprint;
use super::held_set::HeldSet;
use super::intake::{Intake, Intaken, PausedEntity, Pieces};
use super::memory_budget::Reservation;
use super::rejected::Rejected;
use crate::log::LogRecord;
use crate::model::batch::Batch;
use crate::model::batcher::{BatchLimits, Batcher, Piece, fitted_bytes};
use crate::model::checkpoint::{Checkpoint, Fingerprint};
use crate::model::mutation::Mutations;
use crate::model::position::NextOffset;

/// Records that are decoded before the lane looks whether its write has ended.
const SLICE_RECORDS: usize = 64;
/// Bytes of one change that is to be held, an estimate from above.
const HOLD_BYTES: usize = 512;
/// Longest time that offsets without a change stay unsettled.
const SETTLE_PERIOD: Duration = Duration::from_secs(1);

/// A record that was read and found no room yet.
struct Carried {
    record: LogRecord,
    intaken: Intaken,
}

/// A closed batch and what it settles.
pub(super) struct Closed {
    pub(super) batch: Batch,
    pub(super) to: NextOffset,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) last_timestamp_ms: Option<i64>,
    /// Times of the records on the log, ms since 1970, each with its number of records.
    pub(super) appended_ms: Vec<(i64, u64)>,
    pub(super) memory: Reservation,
}

/// See the module.
pub(super) struct Reading {
    read: NextOffset,
    last: Option<LogRecord>,
    read_since: Option<Instant>,
    pending: VecDeque<LogRecord>,
    carried: Option<Carried>,
    batcher: Batcher,
    memory: Reservation,
    appended_ms: Vec<(i64, u64)>,
    must_close: bool,
    rejected: Rejected,
    paused: Option<PausedEntity>,
    most_rejected: usize,
    mutations: Mutations,
}

impl Reading {
    pub(super) fn new(
        from: NextOffset,
        batcher: Batcher,
        most_rejected: usize,
        memory: Reservation,
        mutations: Mutations,
    ) -> Self {
        Self {
            read: from,
            last: None,
            read_since: None,
            pending: VecDeque::new(),
            carried: None,
            batcher,
            memory,
            appended_ms: Vec::new(),
            must_close: false,
            rejected: Rejected::default(),
            paused: None,
            most_rejected,
            mutations,
        }
    }

    /// Collects by other limits from now on.
    pub(super) fn limit(&mut self, limits: BatchLimits) {
        self.batcher.limit(limits);
    }

    /// Everything below is read.
    pub(super) fn read(&self) -> NextOffset {
        self.read
    }

    /// The entity that must be paused before reading can go on, if there is one.
    pub(super) fn paused(&self) -> Option<&PausedEntity> {
        self.paused.as_ref()
    }

    /// Takes what the feed delivered.
    pub(super) fn deliver(&mut self, records: Vec<LogRecord>) {
        self.pending.extend(records);
    }

    /// Forgets what was delivered and not read: the partition's next owner reads it again.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
        self.carried = None;
    }

    /// Whether the feed should deliver more.
    pub(super) fn wants_more(&self) -> bool {
        self.pending.is_empty()
            && self.carried.is_none()
            && !self.must_close
            && self.paused.is_none()
    }

    /// Whether [`Self::fill`] has something to do.
    pub(super) fn can_fill(&self) -> bool {
        let waiting = !self.pending.is_empty() || self.carried.is_some();
        waiting && !self.must_close && self.paused.is_none()
    }

    /// When the open batch must be written; `None` without one.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let batch = self.batcher.deadline().map(Instant::from_std);
        batch.or_else(|| self.read_since.map(|since| since + SETTLE_PERIOD))
    }

    /// Whether the open batch should be written now, given that something is read.
    pub(super) fn is_due(&self) -> bool {
        self.must_close
            || self.paused.is_some()
            || self.is_full()
            || self.due_at().is_some_and(|due_at| due_at <= Instant::now())
    }

    /// No batch is being written: what had no room beside it has it now.
    pub(super) fn write_is_over(&mut self) {
        if self.batcher.is_empty() && self.rejected.is_empty() {
            self.must_close = false;
        }
    }

    /// Decodes a slice of what was delivered into the open batch. `writing` says whether the lane
    /// holds another batch, too.
    pub(super) fn fill(
        &mut self,
        intake: &mut Intake,
        checkpoint: &Checkpoint,
        held: &HeldSet,
        writing: bool,
    ) {
        for _ in 0..SLICE_RECORDS {
            if !self.can_fill() {
                return;
            }
            let Some(Carried { record, intaken }) = self.next_read(intake, checkpoint, held) else {
                return;
            };
            self.admit(record, intaken, writing);
        }
    }

    /// Closes the open batch; everything read is settled with it.
    pub(super) fn close(&mut self) -> Closed {
        (self.must_close, self.read_since) = (false, None);
        let mut batch = self.batcher.take();
        batch.holds = self.rejected.take();
        Closed {
            batch,
            to: self.read,
            fingerprint: self.last.as_ref().map(fingerprint),
            last_timestamp_ms: self.last.as_ref().map(|record| record.timestamp_ms),
            appended_ms: std::mem::take(&mut self.appended_ms),
            memory: self.memory.take(),
        }
    }

    fn next_read(
        &mut self,
        intake: &mut Intake,
        checkpoint: &Checkpoint,
        held: &HeldSet,
    ) -> Option<Carried> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        loop {
            let record = self.pending.pop_front()?;
            // A log may deliver again what was read already.
            if self.read.covers(record.offset) {
                continue;
            }
            match intake.read(&record, checkpoint, held) {
                Ok(intaken) => return Some(Carried { record, intaken }),
                Err(paused) => {
                    self.paused = Some(paused);
                    return None;
                }
            }
        }
    }

    /// Puts what was read into the open batch, or carries it over to the next one.
    fn admit(&mut self, record: LogRecord, mut intaken: Intaken, writing: bool) {
        self.rejected.divide(&mut intaken, record.offset);
        let Intaken { mut pieces, rejected } = intaken;
        if self.rejected.leaves_doubt(&pieces) {
            self.must_close = true;
            self.carried = Some(Carried { record, intaken: Intaken { pieces, rejected } });
            return;
        }
        let held_bytes = rejected.len() * HOLD_BYTES;
        let bytes = held_bytes
            + match &pieces {
                Pieces::One(piece) => fitted_bytes(&piece.1),
                Pieces::Several(pieces) => {
                    pieces.iter().map(|(_, fitted)| fitted_bytes(fitted)).sum()
                }
                Pieces::Nothing if rejected.is_empty() => return self.settle(record),
                Pieces::Nothing => 0,
            };
        if self.is_full() || !self.memory.grow(bytes) {
            let holds_something = !self.batcher.is_empty() || !self.rejected.is_empty() || writing;
            if holds_something && !self.mutations.budget_ignored() {
                self.must_close = true;
                self.carried = Some(Carried { record, intaken: Intaken { pieces, rejected } });
                return;
            }
            // A lane that holds nothing may always admit one record.
            self.memory.force(bytes);
        }
        let replaced = self.rejected.replaced_by(&mut pieces);
        match self.push(pieces, &record) {
            None => {
                self.rejected.forget(&replaced);
                self.rejected.extend(rejected);
                self.settle(record);
            }
            Some(Pieces::Several(pieces)) if self.batcher.is_empty() => {
                self.rejected.extend(rejected);
                self.rejected.contradiction(&pieces, record.offset);
                self.settle(record);
            }
            Some(pieces) => {
                self.must_close = true;
                self.carried = Some(Carried { record, intaken: Intaken { pieces, rejected } });
            }
        }
    }

    fn is_full(&self) -> bool {
        self.batcher.is_full() || self.rejected.len() >= self.most_rejected
    }

    fn push(&mut self, pieces: Pieces, record: &LogRecord) -> Option<Pieces> {
        let now = Instant::now().into_std();
        match pieces {
            Pieces::One(piece) => {
                let back: Option<Piece> = self.batcher.push(piece, record.offset, now).err();
                back.map(Pieces::One)
            }
            Pieces::Several(pieces) => {
                self.batcher.push_all(pieces, record.offset, now).err().map(Pieces::Several)
            }
            Pieces::Nothing => None,
        }
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
}

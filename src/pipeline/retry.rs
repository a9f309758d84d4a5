//! Tries the held changes of one record again: all of them in order, in one transaction.
//!
//! The lane's owner does it between two batches, so nothing of the record can change meanwhile. The
//! changes are read back from where they lie on the log; nothing of them was kept. Where they
//! cannot be composed into one net change, the first ones that can are written, and the others stay
//! held behind them: never a later one before an earlier one. What still cannot be written gives way
//! to a later image or delete that is not lower in version, as it does on the journey.

use std::sync::Arc;

use super::PipelineParts;
use super::held_set::{Doubt, HeldSet, RetryRule};
use super::intake::{Intake, Pieces};
use crate::log::{Log, LogError, LogRecord};
use crate::model::batch::{Batch, TableBatch};
use crate::model::batcher::Piece;
use crate::model::checkpoint::{Checkpoint, LaneId};
use crate::model::failure::Cause;
use crate::model::held::{HeldCause, Hold, Release, ReleaseReason};
use crate::model::mapping::{Effect, Mapping};
use crate::model::mutation::Mutations;
use crate::model::net_change::{Merge, NetChange};
use crate::model::position::{Offset, TopicPartition};
use crate::model::record::RecordId;

/// What is needed to read held changes back.
pub(super) struct Retry {
    pub(super) lane: LaneId,
    pub(super) parts: PipelineParts,
    pub(super) intake: Intake,
    /// The held changes of one record, in order.
    pub(super) held: Vec<Hold>,
}

/// One held change, read back.
enum Again {
    Piece(Piece),
    /// It is nothing that concerns the record any more.
    Nothing,
    /// It cannot be written, for this reason.
    Bad(HeldCause),
}

/// What a retry has come to.
#[derive(Default)]
struct Tried {
    /// What cannot be written, and whatever waits behind it.
    behind: Vec<Hold>,
    releases: Vec<Release>,
    net: Option<(Arc<Mapping>, NetChange)>,
    creates: bool,
    /// Whether only the table can tell if the net change is newer than what could not be read.
    doubtful: bool,
}

impl Tried {
    /// Takes the next held change. Whether later ones may be taken, too.
    fn take(&mut self, mut hold: Hold, again: Again, mutations: Mutations) -> bool {
        match again {
            Again::Bad(_) if !self.releases.is_empty() => return false,
            Again::Bad(cause) => {
                // As long as a replay has to come past it, it is what it was.
                if hold.cause.code != HeldCause::MET_AGAIN {
                    hold.cause = cause;
                }
                self.behind.push(hold);
            }
            Again::Nothing if self.behind.is_empty() => self.release(&hold, ReleaseReason::Written),
            Again::Nothing => self.behind.push(hold),
            Again::Piece(piece) if !self.behind.is_empty() && self.net.is_none() => {
                self.behind_something_bad(hold, piece);
            }
            Again::Piece((mapping, fitted)) => {
                let offset = hold.key.offset;
                match &mut self.net {
                    None => self.net = Some((mapping, NetChange::of(fitted, offset))),
                    Some(_) if mutations.retry_of_one() => {}
                    Some((first, _)) if !Arc::ptr_eq(first, &mapping) => return false,
                    Some((_, net)) => {
                        if let Merge::Border(_) = net.merge(fitted, offset) {
                            return false;
                        }
                    }
                }
                // An image keeps it of a create whose place it took in its batch.
                self.creates |= hold.creates;
                self.release(&hold, ReleaseReason::Written);
            }
        }
        true
    }

    /// An image or a delete that is not lower in version takes the place of what cannot be written;
    /// anything else waits behind it.
    fn behind_something_bad(&mut self, hold: Hold, (mapping, fitted): Piece) {
        let replaces = !matches!(fitted.effect, Effect::Patch { .. });
        let newer = |bad: &Hold| bad.version.is_none_or(|bad| Some(bad) <= fitted.version);
        if !replaces || !self.behind.iter().all(newer) {
            return self.behind.push(hold);
        }
        self.doubtful = mapping.versioned && self.behind.iter().any(|bad| bad.version.is_none());
        for bad in std::mem::take(&mut self.behind) {
            self.creates |= bad.creates;
            self.release(&bad, ReleaseReason::Superseded);
        }
        self.creates |= hold.creates;
        self.release(&hold, ReleaseReason::Written);
        self.net = Some((mapping, NetChange::of(fitted, hold.key.offset)));
    }

    fn release(&mut self, hold: &Hold, reason: ReleaseReason) {
        self.releases.push(Release { key: hold.key.clone(), reason });
    }

    /// The batch, and what is in doubt. `first` is the first held change.
    fn batch(self, first: Hold) -> (Batch, Vec<Doubt>) {
        let mut batch = Batch { releases: self.releases, ..Batch::default() };
        let mut doubts = Vec::new();
        if let Some((mapping, mut change)) = self.net {
            if let Some(image) = &mut change.image {
                image.create |= self.creates;
            }
            if self.doubtful {
                doubts.push((mapping.entity.clone(), change.record_id));
            }
            batch.change_count = 1;
            batch.tables.push(TableBatch { mapping, changes: vec![change] });
        }
        if batch.releases.is_empty() {
            batch.holds.push(first.clone());
        }
        batch.retried = Some(first);
        (batch, doubts)
    }
}

impl Retry {
    /// The batch that writes what can be written, and whose effect is in doubt. It moves no
    /// checkpoint.
    ///
    /// # Errors
    /// What the log said when a change was read back.
    pub(super) async fn prepare(mut self) -> Result<(Batch, Vec<Doubt>), LogError> {
        let mut tried = Tried::default();
        let mut first: Option<Hold> = None;
        for hold in std::mem::take(&mut self.held) {
            let again = self.read_back(&hold).await?;
            let first = first.get_or_insert_with(|| hold.clone());
            if let (Again::Bad(cause), true) = (&again, first.key == hold.key)
                && first.cause.code != HeldCause::MET_AGAIN
            {
                first.cause = cause.clone();
            }
            if !tried.take(hold, again, self.parts.mutations) {
                break;
            }
        }
        Ok(match first {
            Some(mut first) => {
                first.attempt = first.attempt.saturating_add(1);
                tried.batch(first)
            }
            None => (Batch::default(), Vec::new()),
        })
    }

    async fn read_back(&mut self, hold: &Hold) -> Result<Again, LogError> {
        let log = self.parts.log.as_ref();
        let found = read_exactly(log, &self.lane.topic_partition, hold.key.offset).await?;
        let Some(record) = found else { return Ok(Again::Bad(HeldCause::gone())) };
        // Read back, a change is looked at as if nothing were settled and nothing held.
        let (unsettled, mutations) = (Checkpoint::beginning(), self.parts.mutations);
        let nothing_held = HeldSet::new(RetryRule::NONE, mutations);
        let intaken = match self.intake.read(&record, &unsettled, &nothing_held) {
            Ok(intaken) => intaken,
            Err(paused) => {
                let code = Cause::UnknownAttribute.code().into();
                return Ok(Again::Bad(HeldCause { code, column: None, detail: paused.why }));
            }
        };
        let rejected = intaken.rejected.into_iter().find(|rejected| {
            // One of the two may not know the entity.
            let (found, wanted) = (&rejected.key.entity, &hold.key.entity);
            rejected.key.record_id == hold.key.record_id
                && (found == wanted || found.is_none() || wanted.is_none())
        });
        if let Some(rejected) = rejected {
            return Ok(Again::Bad(rejected.cause));
        }
        let mine = |(mapping, fitted): &Piece| {
            hold.key.record_id == Some(fitted.record_id)
                && hold.key.entity.as_ref().is_none_or(|held| *held == mapping.entity)
        };
        let piece = match intaken.pieces {
            Pieces::One(piece) => Some(piece).filter(mine),
            Pieces::Several(pieces) => pieces.into_iter().find(mine),
            Pieces::Nothing => None,
        };
        // Another record's key in its place says that the topic was made anew.
        let id = record.key.as_deref().and_then(RecordId::from_canonical);
        let another = id.is_some_and(|id| hold.key.record_id.is_some_and(|held| held != id));
        Ok(match piece {
            Some(piece) => Again::Piece(piece),
            None if another => Again::Bad(HeldCause::gone()),
            None => Again::Nothing,
        })
    }
}

/// The record at exactly this offset; `None` if the log no longer has it.
///
/// # Errors
/// What the log said, if trying again may help.
pub(super) async fn read_exactly(
    log: &dyn Log,
    topic_partition: &TopicPartition,
    offset: Offset,
) -> Result<Option<LogRecord>, LogError> {
    match log.read_at(topic_partition, offset).await {
        Ok(found) => Ok(found.filter(|record| record.offset == offset)),
        // Trimmed: the log says so as an error that trying again does not mend.
        Err(error) if !error.retry => Ok(None),
        Err(error) => Err(error),
    }
}

//! Tries the held changes of one record again: all of them in order, in one transaction.
//!
//! The lane's owner does it between two batches, so nothing of the record can change meanwhile. The
//! changes are read back from where they lie on the log; nothing of them was kept. Where they
//! cannot be composed into one net change, the first ones that can are written, and the others stay
//! held behind them: never a later one before an earlier one.

use std::sync::Arc;

use super::PipelineParts;
use super::held_set::{HeldSet, RetryRule};
use super::intake::{Intake, Pieces};
use crate::log::{Log, LogError, LogRecord};
use crate::model::batch::{Batch, TableBatch};
use crate::model::batcher::Piece;
use crate::model::checkpoint::{Checkpoint, LaneId};
use crate::model::failure::Cause;
use crate::model::held::{HeldCause, Hold, Release, ReleaseReason};
use crate::model::mapping::Mapping;
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

impl Retry {
    /// The batch that writes what can be written. It moves no checkpoint.
    ///
    /// # Errors
    /// What the log said when a change was read back.
    pub(super) async fn prepare(mut self) -> Result<Batch, LogError> {
        let attempt = self.held.first().map_or(0, |hold| hold.attempt).saturating_add(1);
        let mut batch = Batch { retry_attempt: attempt, ..Batch::default() };
        let mut net: Option<(Arc<Mapping>, NetChange)> = None;
        let mut creates = false;
        for hold in std::mem::take(&mut self.held) {
            let release = Release { key: hold.key.clone(), reason: ReleaseReason::Written };
            match self.read_back(&hold).await? {
                Again::Nothing => batch.releases.push(release),
                Again::Bad(cause) => {
                    if batch.releases.is_empty() {
                        // As long as a replay has to come past it, it is what it was.
                        let met_again = hold.cause.code == HeldCause::MET_AGAIN;
                        let cause = if met_again { hold.cause } else { cause };
                        batch.holds.push(Hold { cause, attempt, ..hold });
                    }
                    break;
                }
                Again::Piece((mapping, fitted)) => {
                    let offset = hold.key.offset;
                    match &mut net {
                        None => net = Some((mapping, NetChange::of(fitted, offset))),
                        Some(_) if self.parts.mutations.retry_of_one() => {}
                        Some((first, _)) if !Arc::ptr_eq(first, &mapping) => break,
                        Some((_, net)) => {
                            if let Merge::Border(_) = net.merge(fitted, offset) {
                                break;
                            }
                        }
                    }
                    // An image keeps it of a create whose place it took in its batch.
                    creates |= hold.creates;
                    batch.releases.push(release);
                }
            }
        }
        if let Some((mapping, mut change)) = net {
            if let Some(image) = &mut change.image {
                image.create |= creates;
            }
            batch.change_count = 1;
            batch.tables.push(TableBatch { mapping, changes: vec![change] });
        }
        Ok(batch)
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

//! Tries the held changes of one record again: all of them in order, in one transaction.
//!
//! The lane's owner does it between two batches, so nothing of the record can change meanwhile. The
//! changes are read back from where they lie on the log; nothing of them was kept. Where they
//! cannot be composed into one net change, the first ones that can are written, and the others stay
//! held behind them: never a later one before an earlier one.

use std::sync::Arc;

use super::PipelineParts;
use super::held_set::HeldSet;
use super::intake::{Intake, Pieces};
use crate::log::LogError;
use crate::model::batch::{Batch, TableBatch};
use crate::model::batcher::Piece;
use crate::model::checkpoint::{Checkpoint, LaneId};
use crate::model::held::{HeldCause, Hold, Release, ReleaseReason};
use crate::model::net_change::{Merge, NetChange};

/// What is needed to read held changes back.
pub(super) struct Retry {
    pub(super) lane: LaneId,
    pub(super) parts: PipelineParts,
    pub(super) intake: Intake,
    /// Read back, a change is looked at as if nothing were held.
    pub(super) nothing_held: HeldSet,
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
        let mut net: Option<(Piece, NetChange)> = None;
        for hold in std::mem::take(&mut self.held) {
            let release = Release { key: hold.key.clone(), reason: ReleaseReason::Written };
            match self.read_back(&hold).await? {
                Again::Nothing => batch.releases.push(release),
                Again::Bad(cause) => {
                    if batch.releases.is_empty() {
                        batch.holds.push(Hold { cause, attempt, ..hold });
                    }
                    break;
                }
                Again::Piece(piece) => {
                    let offset = hold.key.offset;
                    match &mut net {
                        None => {
                            let change = NetChange::of(piece.1.clone(), offset);
                            net = Some((piece, change));
                        }
                        Some(_) if self.parts.mutations.retry_of_one() => {}
                        Some((first, _)) if !Arc::ptr_eq(&first.0, &piece.0) => break,
                        Some((_, net)) => {
                            if let Merge::Border(_) = net.merge(piece.1, offset) {
                                break;
                            }
                        }
                    }
                    batch.releases.push(release);
                }
            }
        }
        if let Some(((mapping, _), change)) = net {
            batch.change_count = 1;
            batch.tables.push(TableBatch { mapping, changes: vec![change] });
        }
        Ok(batch)
    }

    async fn read_back(&mut self, hold: &Hold) -> Result<Again, LogError> {
        let topic_partition = &self.lane.topic_partition;
        let found = self.parts.log.read_at(topic_partition, hold.key.offset).await;
        let record = match found {
            Ok(Some(record)) if record.offset == hold.key.offset => record,
            Ok(_) => return Ok(Again::Bad(HeldCause::gone())),
            // Trimmed: the log says so as an error that trying again does not mend.
            Err(error) if !error.retry => return Ok(Again::Bad(HeldCause::gone())),
            Err(error) => return Err(error),
        };
        let intaken = match self.intake.read(&record, &Checkpoint::beginning(), &self.nothing_held)
        {
            Ok(intaken) => intaken,
            Err(paused) => {
                return Ok(Again::Bad(HeldCause {
                    code: crate::model::failure::Cause::UnknownAttribute.code().into(),
                    column: None,
                    detail: paused.why,
                }));
            }
        };
        let same_record = |hold: &Hold, entity: &str| {
            hold.key.entity.as_ref().is_none_or(|held| held.as_str() == entity)
        };
        let mine = |piece: &Piece| {
            hold.key.record_id == Some(piece.1.record_id)
                && same_record(hold, piece.0.entity.as_str())
        };
        let rejected = intaken.rejected.iter().find(|rejected| {
            rejected.key == hold.key
                || (hold.key.entity.is_none() && rejected.key.record_id == hold.key.record_id)
        });
        if let Some(rejected) = rejected {
            return Ok(Again::Bad(rejected.cause.clone()));
        }
        let piece = match intaken.pieces {
            Pieces::One(piece) => Some(piece).filter(mine),
            Pieces::Several(pieces) => pieces.into_iter().find(mine),
            Pieces::Nothing => None,
        };
        Ok(piece.map_or(Again::Nothing, Again::Piece))
    }
}

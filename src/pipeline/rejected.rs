//! What the open batch has to hold, as far as reading found it.
//!
//! A rejected change makes the later changes of its record wait, also within one batch: they never
//! reach the batcher, which would compose them with what came before. An image or a delete that is
//! not lower in version takes the place of what was rejected. Pure.

use super::holding::key_of;
use super::intake::{Intaken, Pieces};
use crate::model::batcher::Piece;
use crate::model::change::Version;
use crate::model::failure::{Cause, Rejection};
use crate::model::held::{HeldCause, Hold};
use crate::model::mapping::Effect;
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    holds: Vec<Hold>,
}

impl Rejected {
    pub(super) fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.holds.len()
    }

    /// The holds, in order; none are left.
    pub(super) fn take(&mut self) -> Vec<Hold> {
        std::mem::take(&mut self.holds)
    }

    /// Adds holds of one position. Two changes of one record there have one name, and one hold.
    pub(super) fn extend(&mut self, holds: Vec<Hold>) {
        for hold in holds {
            let here = self.holds.iter().rev().take_while(|it| it.key.offset == hold.key.offset);
            if here.into_iter().all(|it| it.key != hold.key) {
                self.holds.push(hold);
            }
        }
    }

    /// Moves what must wait behind a rejected change from the pieces to the rejected.
    pub(super) fn divide(&self, intaken: &mut Intaken, offset: Offset) {
        if self.holds.is_empty() {
            return;
        }
        let Intaken { pieces, rejected } = intaken;
        match std::mem::replace(pieces, Pieces::Nothing) {
            Pieces::One(piece) if self.must_wait(&piece) => rejected.push(waits(&piece, offset)),
            Pieces::Several(several) => {
                let (wait, go) = several.into_iter().partition(|piece| self.must_wait(piece));
                let wait: Vec<Piece> = wait;
                rejected.extend(wait.iter().map(|piece| waits(piece, offset)));
                *pieces = if Vec::is_empty(&go) { Pieces::Nothing } else { Pieces::Several(go) };
            }
            other => *pieces = other,
        }
    }

    /// Whether one of these pieces would take the place of something here that could not be read.
    /// Which of the two is newer, only the destination can tell: it is asked once the bad one is
    /// held, so the piece belongs into a later batch. Without versions the later one always is.
    pub(super) fn leaves_doubt(&self, pieces: &Pieces) -> bool {
        let pieces = match pieces {
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Several(pieces) => pieces.as_slice(),
            Pieces::Nothing => return false,
        };
        let mut whole = pieces.iter().filter(|(mapping, fitted)| {
            mapping.versioned && !matches!(fitted.effect, Effect::Patch { .. })
        });
        whole.any(|(mapping, fitted)| {
            let unread = self.holds.iter().filter(|hold| hold.version.is_none());
            unread.into_iter().any(|hold| is_of(hold, &mapping.entity, fitted.record_id))
        })
    }

    /// The records whose rejected changes these pieces would take the place of. An image that takes
    /// the place of a create is one.
    pub(super) fn replaced_by(&self, pieces: &mut Pieces) -> Vec<(EntityName, RecordId)> {
        if self.holds.is_empty() {
            return Vec::new();
        }
        let pieces = match pieces {
            Pieces::One(piece) => std::slice::from_mut(piece),
            Pieces::Several(pieces) => pieces.as_mut_slice(),
            Pieces::Nothing => &mut [],
        };
        let mut replaced = Vec::new();
        for (mapping, fitted) in pieces {
            let (entity, record_id) = (&mapping.entity, fitted.record_id);
            let of_record = || self.holds.iter().filter(|hold| is_of(hold, entity, record_id));
            match &mut fitted.effect {
                Effect::Patch { .. } => continue,
                Effect::Delete => {}
                Effect::Image { create, .. } => *create |= of_record().any(|hold| hold.creates),
            }
            if of_record().next().is_some() {
                replaced.push((entity.clone(), record_id));
            }
        }
        replaced
    }

    /// Forgets what was rejected of these records.
    pub(super) fn forget(&mut self, records: &[(EntityName, RecordId)]) {
        for (entity, record_id) in records {
            self.holds.retain(|hold| !is_of(hold, entity, *record_id));
        }
    }

    /// Holds changes of one notification that contradict each other.
    pub(super) fn contradiction(&mut self, pieces: &[Piece], offset: Offset) {
        let cause = HeldCause::from(&Rejection::of(Cause::Contradiction));
        let hold = |piece| Hold { cause: cause.clone(), ..waits(piece, offset) };
        self.extend(pieces.iter().map(hold).collect());
    }

    fn must_wait(&self, (mapping, fitted): &Piece) -> bool {
        let of_record =
            || self.holds.iter().filter(|hold| is_of(hold, &mapping.entity, fitted.record_id));
        match fitted.effect {
            Effect::Patch { .. } => of_record().next().is_some(),
            Effect::Image { .. } | Effect::Delete => {
                let version: Option<Version> = fitted.version;
                of_record().any(|hold| hold.version.is_some() && hold.version > version)
            }
        }
    }
}

fn is_of(hold: &Hold, entity: &EntityName, record_id: RecordId) -> bool {
    hold.key.record_id == Some(record_id)
        && hold.key.entity.as_ref().is_none_or(|held_entity| held_entity == entity)
}

fn waits((mapping, fitted): &Piece, offset: Offset) -> Hold {
    let key = key_of(offset, &mapping.entity, fitted.record_id);
    let creates = matches!(fitted.effect, Effect::Image { create: true, .. });
    Hold { key, version: fitted.version, creates, cause: HeldCause::waits(), attempt: 0 }
}

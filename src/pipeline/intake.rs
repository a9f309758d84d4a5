//! From a record on the log to pieces of a batch: decode, check the key, fit.
//!
//! What does not decode or fit is to be held, with its position and cause; nothing is skipped but
//! what is not the profile's business, and that is counted.

use std::collections::HashMap;
use std::sync::Arc;

use super::held_set::HeldSet;
use super::holding::key_of;
use crate::codec::{Decoder, DecoderSettings};
use crate::log::LogRecord;
use crate::metrics::{ProfileMetrics, SkipReason};
use crate::model::batcher::Piece;
use crate::model::change::{Change, Image, Notification, Operation};
use crate::model::checkpoint::Checkpoint;
use crate::model::failure::{Cause, Rejection};
use crate::model::held::{HeldCause, HeldKey, Hold};
use crate::model::mapping::Mapping;
use crate::model::position::TopicPartition;
use crate::model::record::{EntityName, RecordId};

/// The changes of one record that can be written.
#[derive(Debug)]
pub(super) enum Pieces {
    /// One change: the usual case.
    One(Piece),
    /// Several changes of one notification, which stay together.
    Several(Vec<Piece>),
    /// Nothing to write; the position is settled all the same.
    Nothing,
}

/// What became of one record.
#[derive(Debug)]
pub(super) struct Intaken {
    /// What can be written.
    pub(super) pieces: Pieces,
    /// What cannot, and must be held.
    pub(super) rejected: Vec<Hold>,
}

/// An entity that cannot go on as its definition is now; its changes are not bad, they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PausedEntity {
    pub(super) entity: EntityName,
    /// Why, and what to do.
    pub(super) why: String,
}

fn by_entity(mappings: &[Arc<Mapping>]) -> HashMap<EntityName, Arc<Mapping>> {
    mappings.iter().map(|mapping| (mapping.entity.clone(), Arc::clone(mapping))).collect()
}

/// Decodes and fits the records of one lane.
pub(super) struct Intake {
    topic_partition: TopicPartition,
    decoder: Decoder,
    settings: Arc<DecoderSettings>,
    mappings: HashMap<EntityName, Arc<Mapping>>,
    metrics: Arc<ProfileMetrics>,
    /// Records without a key keep their order only where there is one partition.
    single_partition: bool,
    /// The topics are declared to carry no patches.
    images_only: bool,
}

impl Intake {
    pub(super) fn new(
        topic_partition: TopicPartition,
        decoder: Arc<DecoderSettings>,
        mappings: &[Arc<Mapping>],
        metrics: Arc<ProfileMetrics>,
        single_partition: bool,
        images_only: bool,
    ) -> Self {
        Self {
            topic_partition,
            decoder: Decoder::new(Arc::clone(&decoder)),
            settings: decoder,
            mappings: by_entity(mappings),
            metrics,
            single_partition,
            images_only,
        }
    }

    /// Fits changes by these mappings from now on.
    pub(super) fn remap(&mut self, mappings: &[Arc<Mapping>]) {
        self.mappings = by_entity(mappings);
    }

    /// Another one for the same lane, which may read beside it.
    pub(super) fn another(&self) -> Self {
        Self {
            topic_partition: self.topic_partition.clone(),
            decoder: Decoder::new(Arc::clone(&self.settings)),
            settings: Arc::clone(&self.settings),
            mappings: self.mappings.clone(),
            metrics: Arc::clone(&self.metrics),
            single_partition: self.single_partition,
            images_only: self.images_only,
        }
    }

    /// What can be written of one record, and what must be held.
    ///
    /// # Errors
    /// If an entity has to be paused before this record.
    pub(super) fn read(
        &mut self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
        held: &HeldSet,
    ) -> Result<Intaken, PausedEntity> {
        let nothing = || Intaken { pieces: Pieces::Nothing, rejected: Vec::new() };
        let Some(payload) = &record.payload else {
            return Ok(self.unreadable(
                record,
                checkpoint,
                held,
                &Rejection::of(Cause::NullPayload),
            ));
        };
        match self.decoder.decode(&record.headers, payload) {
            Ok(Notification::Change(change)) => self.one(record, checkpoint, change),
            Ok(Notification::Changes(changes)) => {
                let several = changes.len() > 1;
                let (mut pieces, mut rejected) = (Vec::with_capacity(changes.len()), Vec::new());
                for change in changes {
                    match self.piece(record, checkpoint, change, several)? {
                        Ok(piece) => pieces.extend(piece),
                        Err(hold) => rejected.push(*hold),
                    }
                }
                let none = pieces.is_empty();
                let pieces = if none { Pieces::Nothing } else { Pieces::Several(pieces) };
                Ok(Intaken { pieces, rejected })
            }
            Ok(Notification::Marker(_)) => {
                self.metrics.count_skipped(SkipReason::Marker, 1);
                Ok(nothing())
            }
            Ok(Notification::OtherLinks { .. }) => {
                self.metrics.count_skipped(SkipReason::OtherEntity, 1);
                Ok(nothing())
            }
            Err(error) => {
                Ok(self.unreadable(record, checkpoint, held, &Rejection::of(error.cause())))
            }
        }
    }

    fn one(
        &self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
        change: Change,
    ) -> Result<Intaken, PausedEntity> {
        let (pieces, rejected) = match self.piece(record, checkpoint, change, false)? {
            Ok(Some(piece)) => (Pieces::One(piece), Vec::new()),
            Ok(None) => (Pieces::Nothing, Vec::new()),
            Err(hold) => (Pieces::Nothing, vec![*hold]),
        };
        Ok(Intaken { pieces, rejected })
    }

    fn piece(
        &self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
        change: Change,
        several: bool,
    ) -> Result<Result<Option<Piece>, Box<Hold>>, PausedEntity> {
        let Some(mapping) = self.mappings.get(change.entity.as_str()) else {
            self.metrics.count_skipped(SkipReason::OtherEntity, 1);
            return Ok(Ok(None));
        };
        if checkpoint.covers(change.entity.as_str(), record.offset) {
            self.metrics.count_skipped(SkipReason::Settled, 1);
            return Ok(Ok(None));
        }
        if checkpoint.is_paused(change.entity.as_str()) {
            return Ok(Ok(None));
        }
        let (entity, record_id, version) =
            (change.entity.clone(), change.record_id, change.version);
        let creates = change.operation == Operation::Create;
        let is_patch = change.image == Image::Patch && change.operation != Operation::Delete;
        let fitted = if record_id.0.is_nil() {
            Err(Rejection::of(Cause::Undecodable("the record id is nil".into())))
        } else if !self.key_fits(record, &change, several) {
            Err(Rejection::of(Cause::KeyMismatch))
        } else if self.images_only && is_patch {
            Err(Rejection::of(Cause::UnexpectedPatch))
        } else {
            mapping.apply(change)
        };
        let rejection = match fitted {
            Ok(fitted) => return Ok(Ok(Some((Arc::clone(mapping), fitted)))),
            Err(rejection) => rejection,
        };
        if rejection.cause == Cause::UnknownAttribute {
            let column = rejection.column.unwrap_or_default();
            return Err(PausedEntity {
                why: format!(
                    "the definition of {entity} has no attribute {column}, which the change at \
                     {} has. Give the profile the newer definition, or set unknown_attributes to \
                     \"drop\", and restart",
                    self.topic_partition.at(record.offset)
                ),
                entity,
            });
        }
        self.metrics.count_decode_failure(rejection.cause.code());
        let mut key = key_of(record.offset, &entity, record_id);
        // In the own tables it means that the record is not known: it holds up nobody.
        key.record_id = key.record_id.filter(|id| !id.0.is_nil());
        let version = version.filter(|_| mapping.versioned);
        let cause = (&rejection).into();
        Ok(Err(Box::new(Hold { key, version, creates, cause, attempt: 0 })))
    }

    /// What cannot be read is held under its key, and holds up the record of that id.
    fn unreadable(
        &self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
        held: &HeldSet,
        rejection: &Rejection,
    ) -> Intaken {
        let mut rejected = Vec::new();
        let record_id = record.key.as_deref().and_then(RecordId::from_canonical);
        let key = HeldKey { offset: record.offset, entity: None, record_id };
        let hold = |key, cause| Hold { key, version: None, creates: true, cause, attempt: 0 };
        // Its entity is not known: what counts is how far the others are. For one that reads this
        // part again it stands in the way as long as it is held.
        if !checkpoint.covers("", record.offset) || held.contains(&key) {
            self.metrics.count_decode_failure(rejection.cause.code());
            rejected.push(hold(key, rejection.into()));
        } else if record_id.is_some() {
            // It was settled, and a replay has come to it. Without versions, what follows must
            // find the record as it did then: after a delete, only what takes the place of a
            // create makes it anew.
            let behind = checkpoint.behind(record.offset);
            let unversioned = |entity: &&EntityName| {
                self.mappings.get(*entity).is_some_and(|mapping| !mapping.versioned)
            };
            rejected.extend(behind.filter(unversioned).map(|entity| {
                let key = HeldKey { entity: Some(entity.clone()), ..key.clone() };
                hold(key, HeldCause::met_again())
            }));
        }
        Intaken { pieces: Pieces::Nothing, rejected }
    }

    /// Order per record rests on the key: it must be the id of the one record that changes. In a
    /// topic of one partition everything is in order anyhow.
    fn key_fits(&self, record: &LogRecord, change: &Change, several: bool) -> bool {
        if self.single_partition {
            return true;
        }
        let Some(key) = &record.key else { return false };
        let mut canonical = [0_u8; uuid::fmt::Hyphenated::LENGTH];
        let expected = change.record_id.0.hyphenated().encode_lower(&mut canonical);
        !several && key.as_ref() == expected.as_bytes()
    }
}

//! From a record on the log to pieces of a batch: decode, check the key, fit.
//!
//! What does not decode or fit is rejected with its position and cause; nothing is skipped but
//! what is not the profile's business, and that is counted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{Decoder, DecoderSettings};
use crate::log::LogRecord;
use crate::metrics::{ProfileMetrics, SkipReason};
use crate::model::batcher::Piece;
use crate::model::change::{Change, Image, Notification, Operation};
use crate::model::checkpoint::Checkpoint;
use crate::model::failure::{Cause, RejectedChange, Rejection};
use crate::model::mapping::Mapping;
use crate::model::position::TopicPartition;
use crate::model::record::EntityName;

/// What became of one record.
#[derive(Debug)]
pub(super) enum Intaken {
    /// One change: the usual case.
    One(Piece),
    /// Several changes of one notification, which stay together.
    Several(Vec<Piece>),
    /// Nothing to write; the position is settled all the same.
    Nothing,
}

/// Decodes and fits the records of one lane.
pub(super) struct Intake {
    topic_partition: TopicPartition,
    decoder: Decoder,
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
        let mappings = mappings.iter().map(|mapping| (mapping.entity.clone(), Arc::clone(mapping)));
        Self {
            topic_partition,
            decoder: Decoder::new(decoder),
            mappings: mappings.collect(),
            metrics,
            single_partition,
            images_only,
        }
    }

    /// The pieces of one record.
    ///
    /// # Errors
    /// The rejected change, with its position and as much of its record as could be read.
    pub(super) fn read(
        &mut self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
    ) -> Result<Intaken, Box<RejectedChange>> {
        let Some(payload) = &record.payload else {
            return Err(self.rejected(record, None, Rejection::of(Cause::NullPayload)));
        };
        let decoded = self.decoder.decode(&record.headers, payload);
        match decoded {
            Ok(Notification::Change(change)) => {
                Ok(match self.piece(record, checkpoint, change, false)? {
                    Some(piece) => Intaken::One(piece),
                    None => Intaken::Nothing,
                })
            }
            Ok(Notification::Changes(changes)) => {
                let several = changes.len() > 1;
                let mut pieces = Vec::with_capacity(changes.len());
                for change in changes {
                    pieces.extend(self.piece(record, checkpoint, change, several)?);
                }
                Ok(if pieces.is_empty() { Intaken::Nothing } else { Intaken::Several(pieces) })
            }
            Ok(Notification::Marker(_)) => {
                self.metrics.count_skipped(SkipReason::Marker, 1);
                Ok(Intaken::Nothing)
            }
            Ok(Notification::OtherLinks { .. }) => {
                self.metrics.count_skipped(SkipReason::OtherEntity, 1);
                Ok(Intaken::Nothing)
            }
            Err(error) => Err(self.rejected(record, None, Rejection::of(error.cause()))),
        }
    }

    fn piece(
        &self,
        record: &LogRecord,
        checkpoint: &Checkpoint,
        change: Change,
        several: bool,
    ) -> Result<Option<Piece>, Box<RejectedChange>> {
        let Some(mapping) = self.mappings.get(change.entity.as_str()) else {
            self.metrics.count_skipped(SkipReason::OtherEntity, 1);
            return Ok(None);
        };
        if checkpoint.covers(change.entity.as_str(), record.offset) {
            self.metrics.count_skipped(SkipReason::Settled, 1);
            return Ok(None);
        }
        let about = Some((change.entity.clone(), change.record_id));
        if !self.key_fits(record, &change, several) {
            return Err(self.rejected(record, about, Rejection::of(Cause::KeyMismatch)));
        }
        let is_patch = change.image == Image::Patch && change.operation != Operation::Delete;
        if self.images_only && is_patch {
            return Err(self.rejected(record, about, Rejection::of(Cause::UnexpectedPatch)));
        }
        match mapping.apply(change) {
            Ok(fitted) => Ok(Some((Arc::clone(mapping), fitted))),
            Err(rejection) => Err(self.rejected(record, about, rejection)),
        }
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

    fn rejected(
        &self,
        record: &LogRecord,
        about: Option<(EntityName, crate::model::record::RecordId)>,
        rejection: Rejection,
    ) -> Box<RejectedChange> {
        self.metrics.count_decode_failure(rejection.cause.code());
        let (entity, record_id) = about.unzip();
        let position = self.topic_partition.at(record.offset);
        Box::new(RejectedChange { position, entity, record_id, rejection })
    }
}

//! Dead letters as Avro in single-object framing, version 1 of `failed_record.avsc`.
//!
//! Promises: what [`encode_dead_letter`] writes of a [`DeadLetter`] of the model is read back the
//! same; no input makes the reader panic or take memory beyond its limits; an error names the field
//! and the byte, never content.

use bytes::Bytes;
use compact_str::CompactString;
use uuid::Uuid;

use super::cursor::AvroCursor;
use super::encode::{bytes, length, long, optional, text};
use crate::codec::contract::{FAILED_RECORD_FINGERPRINT, SINGLE_OBJECT, SINGLE_OBJECT_BYTES};
use crate::codec::error::{DecodeCode, DecodeError};
use crate::codec::limit::{MAX_DEAD_LETTER_BYTES, MAX_NAME_BYTES, MAX_TOPIC_BYTES};
use crate::model::dead_letter::{
    DeadLetter, HeldState, MAX_DETAIL_BYTES, MAX_HEADERS, OriginalRecord,
};
use crate::model::held::{HeldCause, Revision};
use crate::model::position::{Offset, Partition, Position, Topic};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::value::Ticks;

/// Fewest bytes of a header: the lengths of its name and value.
const MIN_HEADER_BYTES: usize = 2;

/// A dead letter as the payload of a record on the dead-letter topic.
pub fn encode_dead_letter(letter: &DeadLetter) -> Vec<u8> {
    let content = letter.original.as_ref().and_then(|original| original.payload.as_ref());
    let mut out = Vec::with_capacity(512 + content.map_or(0, Bytes::len));
    out.extend_from_slice(&SINGLE_OBJECT);
    out.extend_from_slice(&FAILED_RECORD_FINGERPRINT);
    text(&mut out, letter.profile.as_str());
    optional(&mut out, letter.entity.as_ref(), |out, entity| text(out, entity.as_str()));
    optional(&mut out, letter.record_id, |out, id| out.extend_from_slice(id.0.as_bytes()));
    text(&mut out, letter.position.topic.as_str());
    long(&mut out, i64::from(letter.position.partition.0));
    long(&mut out, letter.position.offset.0);
    long(&mut out, letter.revision.0);
    long(&mut out, i64::from(letter.state == HeldState::Released));
    text(&mut out, &letter.cause.code);
    optional(&mut out, letter.cause.column.as_ref(), |out, column| text(out, column));
    let detail = Some(&letter.cause.detail).filter(|detail| !detail.is_empty());
    optional(&mut out, detail, |out, detail| text(out, detail));
    long(&mut out, i64::from(i32::try_from(letter.attempt).unwrap_or(i32::MAX)));
    long(&mut out, letter.held_at.get());
    long(&mut out, letter.revised_at.get());
    optional(&mut out, letter.original.as_ref(), original);
    out
}

fn original(out: &mut Vec<u8>, original: &OriginalRecord) {
    optional(out, original.key.as_ref(), |out, key| bytes(out, key));
    optional(out, original.payload.as_ref(), |out, payload| bytes(out, payload));
    if !original.headers.is_empty() {
        length(out, original.headers.len());
        for (name, value) in &original.headers {
            text(out, name);
            bytes(out, value);
        }
    }
    out.push(0);
    long(out, original.timestamp_ms);
}

/// What a record on the dead-letter topic says. The original's bytes share the payload's memory.
///
/// # Errors
/// [`DecodeError`] if it is no dead letter of a released version.
pub fn decode_dead_letter(payload: &Bytes) -> Result<DeadLetter, DecodeError> {
    if payload.len() > MAX_DEAD_LETTER_BYTES {
        let detail = format_args!("{} bytes, the limit is {MAX_DEAD_LETTER_BYTES}", payload.len());
        return Err(DecodeError::new(DecodeCode::TooLarge, detail));
    }
    let Some((framing, bare)) = payload.split_at_checked(SINGLE_OBJECT_BYTES) else {
        return Err(DecodeError::new(DecodeCode::Truncated, format_args!("single-object framing")));
    };
    let (mark, fingerprint) = framing.split_at(SINGLE_OBJECT.len());
    if mark != SINGLE_OBJECT || fingerprint != FAILED_RECORD_FINGERPRINT {
        let detail = format_args!("not keepstep.v1.FailedRecord in single-object framing");
        return Err(DecodeError::new(DecodeCode::UnknownSchema, detail));
    }
    let mut reader = Reader { cursor: AvroCursor::new(bare), payload, field: "" };
    reader.letter().map_err(|code| {
        let offset = SINGLE_OBJECT_BYTES + reader.cursor.offset();
        DecodeError::new(code, format_args!("field {}, at byte {offset}", reader.field))
    })
}

/// A cursor that remembers what it is reading, for errors.
struct Reader<'a> {
    cursor: AvroCursor<'a>,
    payload: &'a Bytes,
    field: &'static str,
}

impl<'a> Reader<'a> {
    fn letter(&mut self) -> Result<DeadLetter, DecodeCode> {
        self.field = "profile_id";
        let profile = ProfileId::new(self.cursor.text()?).ok_or(DecodeCode::Malformed)?;
        self.field = "entity";
        let entity = self.optional(|reader| reader.short(MAX_NAME_BYTES))?.map(EntityName::new);
        self.field = "record_id";
        let record_id = self.optional(|reader| reader.cursor.fixed::<16>())?;
        let record_id = record_id.map(|id| RecordId(Uuid::from_bytes(*id)));
        let position = self.position()?;
        self.field = "revision";
        let revision = Revision(self.cursor.long()?);
        self.field = "state";
        let state = if self.cursor.index(2)? == 0 { HeldState::Held } else { HeldState::Released };
        let cause = self.cause()?;
        self.field = "attempt";
        let attempt = u32::try_from(self.cursor.int()?).map_err(|_| DecodeCode::OutOfRange)?;
        self.field = "held_at";
        let held_at = self.ticks()?;
        self.field = "revised_at";
        let revised_at = self.ticks()?;
        self.field = "original";
        let original = self.optional(Self::original)?;
        self.field = "end";
        if self.cursor.remaining() != 0 {
            return Err(DecodeCode::Trailing);
        }
        Ok(DeadLetter {
            profile,
            position,
            entity,
            record_id,
            revision,
            state,
            cause,
            attempt,
            held_at,
            revised_at,
            original,
        })
    }

    fn position(&mut self) -> Result<Position, DecodeCode> {
        self.field = "topic";
        let topic = Topic::new(self.short(MAX_TOPIC_BYTES)?);
        self.field = "partition";
        let partition = u32::try_from(self.cursor.int()?).map_err(|_| DecodeCode::OutOfRange)?;
        self.field = "offset";
        let offset = self.cursor.long()?;
        if offset < 0 {
            return Err(DecodeCode::OutOfRange);
        }
        Ok(Position { topic, partition: Partition(partition), offset: Offset(offset) })
    }

    fn cause(&mut self) -> Result<HeldCause, DecodeCode> {
        self.field = "cause";
        let code = CompactString::new(self.short(MAX_NAME_BYTES)?);
        self.field = "column";
        let column = self.optional(|reader| reader.short(MAX_NAME_BYTES))?.map(CompactString::new);
        self.field = "detail";
        let detail = self.optional(|reader| reader.cursor.text())?.unwrap_or_default();
        if detail.len() > MAX_DETAIL_BYTES {
            return Err(DecodeCode::TooLarge);
        }
        Ok(HeldCause { code, column, detail: detail.to_owned() })
    }

    fn original(&mut self) -> Result<OriginalRecord, DecodeCode> {
        self.field = "original key";
        let key = self.optional(Self::shared)?;
        self.field = "original payload";
        let payload = self.optional(Self::shared)?;
        self.field = "original headers";
        let mut headers = Vec::new();
        loop {
            let count = self.cursor.block(MIN_HEADER_BYTES)?;
            if count == 0 {
                break;
            }
            if count > MAX_HEADERS - headers.len() {
                return Err(DecodeCode::TooMany);
            }
            for _ in 0..count {
                let name = CompactString::new(self.cursor.text()?);
                headers.push((name, self.shared()?));
            }
        }
        self.field = "original timestamp_ms";
        let timestamp_ms = self.cursor.long()?;
        Ok(OriginalRecord { key, payload, headers, timestamp_ms })
    }

    /// Bytes that share the payload's memory.
    fn shared(&mut self) -> Result<Bytes, DecodeCode> {
        Ok(self.payload.slice_ref(self.cursor.bytes()?))
    }

    fn short(&mut self, most_bytes: usize) -> Result<&'a str, DecodeCode> {
        let name = self.cursor.text()?;
        if (1..=most_bytes).contains(&name.len()) { Ok(name) } else { Err(DecodeCode::NameLength) }
    }

    fn ticks(&mut self) -> Result<Ticks, DecodeCode> {
        Ticks::new(self.cursor.long()?).ok_or(DecodeCode::OutOfRange)
    }

    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeCode>,
    ) -> Result<Option<T>, DecodeCode> {
        if self.cursor.index(2)? == 1 { read(self).map(Some) } else { Ok(None) }
    }
}

//! Records of the dead-letter topic to what the list knows. Pure; content goes no further.

use bytes::Bytes;

use crate::codec::{Decoder, decode_dead_letter};
use crate::failed::change::{ChangeType, KnownChange};
use crate::log::{Chunk, LogRecord};
use crate::model::change::{Change, Notification};
use crate::model::dead_letter::DeadLetter;
use crate::model::position::Offset;
use crate::model::profile::ProfileId;

/// What some records of the dead-letter topic say.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// What is known by them.
    pub changes: Vec<KnownChange>,
    /// How many could be read.
    pub read: u64,
    /// How many could not.
    pub unreadable: u64,
    /// The first of these, and why.
    pub first_unreadable: Option<(Offset, &'static str)>,
}

/// Reads a chunk.
pub(super) fn read_letters(profile: &ProfileId, decoder: &mut Decoder, chunk: &Chunk) -> Letters {
    let mut letters = Letters::default();
    for record in &chunk.records {
        match read(profile, record) {
            Ok(letter) => {
                letters.read += 1;
                let change_type = change_type(decoder, &letter);
                letters.changes.push(KnownChange::of(&letter, change_type));
            }
            Err(code) => {
                letters.unreadable += 1;
                letters.first_unreadable.get_or_insert((record.offset, code));
            }
        }
    }
    letters
}

fn read(profile: &ProfileId, record: &LogRecord) -> Result<DeadLetter, &'static str> {
    let payload: &Bytes = record.payload.as_ref().ok_or("null_payload")?;
    let letter = decode_dead_letter(payload).map_err(|error| error.code.as_str())?;
    if letter.profile == *profile { Ok(letter) } else { Err("other_profile") }
}

/// What the notification says that happened to the record, if it can be read.
fn change_type(decoder: &mut Decoder, letter: &DeadLetter) -> Option<ChangeType> {
    let original = letter.original.as_ref()?;
    let is_meant = |change: &Change| {
        Some(&change.entity) == letter.entity.as_ref() && Some(change.record_id) == letter.record_id
    };
    match decoder.decode(&original.headers, original.payload.as_ref()?).ok()? {
        Notification::Change(change) => Some(ChangeType::of(&change)),
        Notification::Changes(changes) => {
            changes.iter().find(|change| is_meant(change)).map(ChangeType::of)
        }
        Notification::Marker(_) | Notification::OtherLinks { .. } => None,
    }
}

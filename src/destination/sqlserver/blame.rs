//! What stood in the way, in the words of the trait.
//!
//! Pure: from a failure, where and when it happened, to who is to blame. The trouble that comes
//! out holds numbers and names of ours, never a word of the database's message.

use compact_str::{CompactString, ToCompactString as _};

use super::classify::{Meaning, Moment, classify};
use super::failure::Failure;
use crate::destination::{DestinationError, RejectedRecord, Trouble, WriteError};
use crate::model::batch::Batch;
use crate::model::failure::{Cause, Rejection};
use crate::model::record::RecordId;

/// Where in a write something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// With all of it: beginning, ending.
    Batch,
    /// In keepstep's own tables.
    Own,
    /// In the batch's table of this number.
    Table(usize),
}

/// What stands in the way of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The cursors do not stand where they must.
    Fenced,
    /// A patch of the batch's table of this number may have no row to change.
    NoBase(usize),
    /// Something failed.
    Failed(Blow),
}

/// Something that failed in a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blow {
    /// Before or after the commit was sent.
    pub moment: Moment,
    /// Where.
    pub place: Place,
    /// What failed.
    pub failure: Failure,
    /// The record of the batch that it happened at, where that is known.
    pub record_id: Option<RecordId>,
}

impl Obstacle {
    /// Whether the server answered, so that the session is as good as before. An error in a bulk
    /// load is no such answer: the rest of the rows may be on its way.
    pub(super) fn leaves_session(&self) -> bool {
        match self {
            Self::Fenced | Self::NoBase(_) => true,
            Self::Failed(blow) => {
                blow.moment == Moment::Committing && blow.failure.leaves_session()
            }
        }
    }
}

/// What a failed write means. Nothing was written unless it says that it is unclear.
pub(super) fn judge(batch: &Batch, blow: &Blow) -> WriteError {
    // Where a batch has one table only, it is that one, if it is any.
    let place = match (blow.place, batch.tables.len()) {
        (Place::Batch, 1) => Place::Table(0),
        (place, _) => place,
    };
    let verdict = classify(&blow.failure, blow.moment);
    let of_table = matches!(verdict.meaning, Meaning::Rejected | Meaning::Table);
    let table = match place {
        Place::Table(at) if of_table || blow.place == place => batch.tables.get(at),
        _ => None,
    };
    let entity = table.map(|table| table.mapping.entity.clone());
    let what = match (&entity, place) {
        (Some(entity), _) => format!("writing {entity} to SQL Server"),
        (None, Place::Own) => "writing keepstep's own tables in SQL Server".to_owned(),
        (None, _) => "writing a batch to SQL Server".to_owned(),
    };
    let trouble = trouble(what, &blow.failure, verdict.hint);
    match (verdict.meaning, place) {
        (Meaning::Retry, _) => WriteError::Retry(trouble),
        (Meaning::Unclear, _) => WriteError::Unclear(trouble),
        (Meaning::Fatal, _) => WriteError::Fatal(trouble),
        // No record is to blame for our own tables, and no entity.
        (Meaning::Rejected | Meaning::Table, Place::Own) => {
            let hint = "keepstep's own tables are not as it made them: run `keepstep check`, and \
                        take out what was added to them.";
            WriteError::Fatal(Trouble { hint: hint.to_owned(), ..trouble })
        }
        (Meaning::Table, _) => WriteError::Table { entity, trouble },
        (Meaning::Rejected, _) => {
            let rejection = Rejection::of(Cause::Refused { code: code(&blow.failure) });
            let record_id = blow.record_id;
            WriteError::Rejected(vec![RejectedRecord { entity, record_id, rejection }])
        }
    }
}

/// A failure in a word or a number.
pub(super) fn code(failure: &Failure) -> CompactString {
    match failure {
        Failure::Server(error) => error.number.to_compact_string(),
        Failure::Connection => "connection_lost".into(),
        Failure::TimedOut => "timed_out".into(),
        Failure::Tls => "tls".into(),
        Failure::BadAuthorities => "bad_authorities".into(),
        Failure::NoConnectionString(_) => "connection_string_missing".into(),
        Failure::BadConnectionString(_) => "connection_string_wrong".into(),
        Failure::NoToken(_) => "access_token_missing".into(),
        Failure::Redirected => "redirected".into(),
        Failure::Bulk => "bulk_load".into(),
        Failure::Protocol => "protocol".into(),
    }
}

/// Codes and names of our own, for people.
pub(super) fn trouble(what: String, failure: &Failure, hint: &str) -> Trouble {
    let hint = match failure {
        Failure::NoConnectionString(why)
        | Failure::BadConnectionString(why)
        | Failure::NoToken(why) => format!("{hint} {why}"),
        _ => hint.to_owned(),
    };
    Trouble { what, code: code(failure), hint }
}

/// What a failed activation means.
pub(super) fn activation_error(what: String, failure: &Failure) -> DestinationError {
    destination_error(what, failure, Moment::Activating)
}

/// What it means that something failed that a lane asked for beside its batches.
pub(super) fn lane_error(what: String, failure: &Failure) -> DestinationError {
    destination_error(what, failure, Moment::Asking)
}

fn destination_error(what: String, failure: &Failure, moment: Moment) -> DestinationError {
    let verdict = classify(failure, moment);
    let trouble = trouble(what, failure, verdict.hint);
    match verdict.meaning {
        Meaning::Retry | Meaning::Unclear => DestinationError::Retry(trouble),
        Meaning::Rejected | Meaning::Table | Meaning::Fatal => DestinationError::Fatal(trouble),
    }
}

#[cfg(test)]
#[path = "blame_test.rs"]
mod tests;

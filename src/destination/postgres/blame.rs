//! What stood in the way, in the words of the trait.
//!
//! Pure: from a failure, where and when it happened, to who is to blame. The trouble that comes
//! out holds codes and names of ours, never a word of the database's message.

use super::activate::key_of;
use super::classify::{Meaning, Moment, classify};
use super::failure::{Failure, ServerError};
use crate::destination::own_tables::OWN_SCHEMA;
use crate::destination::{DestinationError, RejectedRecord, Trouble, WriteError};
use crate::model::batch::{Batch, TableBatch};
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
    /// The record of the batch that it happened at, where the server says so.
    pub record_id: Option<RecordId>,
}

impl Obstacle {
    /// Whether the server answered, so that the session is as good as new after a ROLLBACK. An
    /// error in the middle of a COPY is no such answer: the rest of the rows is still on its way.
    pub(super) fn leaves_session(&self) -> bool {
        match self {
            Self::Fenced | Self::NoBase(_) => true,
            Self::Failed(blow) => {
                blow.moment == Moment::Committing
                    && matches!(&blow.failure, Failure::Server(error) if !error.ends_connection)
            }
        }
    }
}

/// What a failed write means. Nothing was written unless it says that it is unclear.
pub(super) fn judge(batch: &Batch, blow: &Blow) -> WriteError {
    let place = told_place(batch, &blow.failure, blow.place);
    let table = match place {
        Place::Table(at) => batch.tables.get(at),
        Place::Batch | Place::Own => None,
    };
    let entity = table.map(|table| table.mapping.entity.clone());
    let what = match (&entity, place) {
        (Some(entity), _) => format!("writing {entity} to PostgreSQL"),
        (None, Place::Own) => "writing keepstep's own tables in PostgreSQL".to_owned(),
        (None, _) => "writing a batch to PostgreSQL".to_owned(),
    };
    let verdict = classify(&blow.failure, blow.moment);
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
            let rejection = rejection(table, &blow.failure);
            let record_id = blow.record_id;
            WriteError::Rejected(vec![RejectedRecord { entity, record_id, rejection }])
        }
    }
}

/// The table that the server names, where it is one of the batch's or of our own; else the place
/// where it happened.
pub(super) fn told_place(batch: &Batch, failure: &Failure, place: Place) -> Place {
    let Failure::Server(ServerError { table: Some(told), .. }) = failure else { return place };
    if told.schema == OWN_SCHEMA {
        return Place::Own;
    }
    let told = batch.tables.iter().position(|table| key_of(&table.mapping.table) == **told);
    told.map_or(place, Place::Table)
}

/// Why the database refused a record. The column it names is told only if it is the table's.
fn rejection(table: Option<&TableBatch>, failure: &Failure) -> Rejection {
    let Failure::Server(error) = failure else {
        return Rejection::of(Cause::Refused { code: "unknown".into() });
    };
    let column = table.zip(error.column.as_ref()).and_then(|(table, column)| {
        table.mapping.table.column_index(column).map(|_| column.clone())
    });
    Rejection { column, cause: Cause::Refused { code: error.state.clone() } }
}

/// Codes and names of our own, for people.
pub(super) fn trouble(what: String, failure: &Failure, hint: &str) -> Trouble {
    let code = match failure {
        Failure::Server(error) => error.state.clone(),
        Failure::Connection => "connection_lost".into(),
        Failure::TimedOut => "timed_out".into(),
        Failure::Untrusted => "certificate_untrusted".into(),
        Failure::NoTls => "no_tls".into(),
        Failure::BadAuthorities => "bad_authorities".into(),
        Failure::SignIn => "sign_in".into(),
        Failure::NoUrl(_) => "url_missing".into(),
        Failure::BadUrl(_) => "url_wrong".into(),
        Failure::Protocol => "protocol".into(),
    };
    let hint = match failure {
        Failure::NoUrl(why) | Failure::BadUrl(why) => format!("{hint} {why}"),
        _ => hint.to_owned(),
    };
    Trouble { what, code, hint }
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

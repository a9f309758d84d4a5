//! Why a transaction ends without a commit, and what the caller hears.

use super::classify::{Class, judge};
use crate::destination::{DestinationError, RejectedRecord, Trouble, WriteError};
use crate::model::failure::{Cause, Rejection};
use crate::model::net_change::NetChange;
use crate::model::record::EntityName;

/// Why a transaction ends without a commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// SQLite says so, before the commit: nothing was written.
    Database(rusqlite::Error),
    /// SQLite says so at the commit.
    Commit(rusqlite::Error),
    /// The fence does not hold.
    Fenced,
    /// A record cannot be written.
    Rejected(RejectedRecord),
    /// A rule of ours forbids it.
    Refused(Trouble),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl Stop {
    /// A record is rejected.
    pub(super) fn rejected(entity: &EntityName, change: &NetChange, rejection: Rejection) -> Self {
        Self::Rejected(RejectedRecord {
            entity: Some(entity.clone()),
            record_id: Some(change.record_id),
            rejection,
        })
    }

    /// Puts the blame on a record if the error is one of records.
    pub(super) fn blame(
        self,
        entity: &EntityName,
        change: &NetChange,
        column: Option<&str>,
    ) -> Self {
        let Self::Database(error) = &self else {
            return self;
        };
        let judged = judge(error, "");
        if judged.class != Class::Reject {
            return self;
        }
        let cause = Cause::Refused { code: judged.trouble.code };
        let rejection = match column {
            Some(column) => Rejection::in_column(column, cause),
            None => Rejection::of(cause),
        };
        Self::rejected(entity, change, rejection)
    }

    /// Whether the connection should be opened anew: an outage of the file, not of its lock, and
    /// no refusal of a record.
    pub(super) fn spoils_connection(&self) -> bool {
        let (Self::Database(error) | Self::Commit(error)) = self else {
            return false;
        };
        !is_locked(error) && judge(error, "").class != Class::Reject
    }

    /// As the answer of a write. `what` says what was done, and to what.
    pub(super) fn into_write_error(self, what: &str) -> WriteError {
        match self {
            Self::Fenced => WriteError::Fenced,
            Self::Rejected(record) => WriteError::Rejected(vec![record]),
            Self::Refused(trouble) => WriteError::Fatal(trouble),
            // The commit may be in the log on disk although its sync failed: SQLite rolled back,
            // but after a crash it could be found there. Only a refusal or a lock is clear.
            Self::Commit(error)
                if !is_locked(&error) && judge(&error, what).class != Class::Reject =>
            {
                WriteError::Unclear(judge(&error, what).trouble)
            }
            Self::Database(error) | Self::Commit(error) => {
                let judged = judge(&error, what);
                match judged.class {
                    Class::Retry => WriteError::Retry(judged.trouble),
                    Class::Fatal => WriteError::Fatal(judged.trouble),
                    Class::Reject => WriteError::Rejected(vec![RejectedRecord {
                        entity: None,
                        record_id: None,
                        rejection: Rejection::of(Cause::Refused { code: judged.trouble.code }),
                    }]),
                }
            }
        }
    }

    /// As the answer of an activation or a take.
    pub(super) fn into_destination_error(self, what: &str) -> DestinationError {
        match self.into_write_error(what) {
            WriteError::Retry(trouble) | WriteError::Unclear(trouble) => {
                DestinationError::Retry(trouble)
            }
            WriteError::Fatal(trouble) | WriteError::Table { trouble, .. } => {
                DestinationError::Fatal(trouble)
            }
            WriteError::Fenced | WriteError::Rejected(_) => DestinationError::Fatal(Trouble {
                what: what.to_owned(),
                code: "constraint".into(),
                hint: "A constraint or trigger on keepstep's own tables refuses it; remove it."
                    .to_owned(),
            }),
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

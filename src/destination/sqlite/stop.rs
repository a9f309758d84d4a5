//! Why a transaction ends without a commit, and what the caller hears.

use super::classify::{Class, is_denied_commit, is_locked, judge};
use crate::destination::{DestinationError, RejectedRecord, Trouble, WriteError};
use crate::model::failure::{Cause, Rejection};
use crate::model::net_change::NetChange;
use crate::model::record::EntityName;

const OWN_REFUSED: &str = "A constraint or trigger on keepstep's own tables refuses it; remove it.";

/// Why a transaction ends without a commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// SQLite says so, before the commit: nothing was written. Neither a record nor a table of the
    /// profile is to blame.
    Database(rusqlite::Error),
    /// SQLite says so at the commit.
    Commit(rusqlite::Error),
    /// The fence does not hold.
    Fenced,
    /// Records cannot be written. Never empty.
    Rejected(Vec<RejectedRecord>),
    /// A table of the profile is not as keepstep made it.
    Table(EntityName, rusqlite::Error),
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
        Self::Rejected(vec![RejectedRecord {
            entity: Some(entity.clone()),
            record_id: Some(change.record_id),
            rejection,
        }])
    }

    /// What a trial answers that ended so: a commit that was denied as it should be is success,
    /// and whatever else SQLite said to the commit, nothing is unclear.
    pub(super) fn of_trial(self) -> Result<(), Self> {
        match self {
            Self::Commit(error) if is_denied_commit(&error) => Ok(()),
            Self::Commit(error) if judge(&error, "").class != Class::Reject => {
                Err(Self::Database(error))
            }
            other => Err(other),
        }
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
            Self::Rejected(records) => WriteError::Rejected(records),
            Self::Refused(trouble) => WriteError::Fatal(trouble),
            Self::Table(entity, error) => {
                WriteError::Table { entity: Some(entity), trouble: judge(&error, what).trouble }
            }
            Self::Commit(error) => {
                let judged = judge(&error, what);
                match judged.class {
                    _ if is_locked(&error) => WriteError::Retry(judged.trouble),
                    // Constraints that SQLite looks at no earlier: nobody knows whose they are.
                    Class::Reject => WriteError::Rejected(vec![RejectedRecord {
                        entity: None,
                        record_id: None,
                        rejection: Rejection::of(Cause::Refused { code: judged.trouble.code }),
                    }]),
                    // The commit may be in the log on disk although its sync failed: SQLite
                    // rolled back, but after a crash it could be found there.
                    Class::Retry | Class::Table | Class::Fatal => {
                        WriteError::Unclear(judged.trouble)
                    }
                }
            }
            Self::Database(error) => {
                let judged = judge(&error, what);
                match judged.class {
                    Class::Retry => WriteError::Retry(judged.trouble),
                    Class::Table | Class::Fatal => WriteError::Fatal(judged.trouble),
                    Class::Reject => {
                        WriteError::Fatal(Trouble { hint: OWN_REFUSED.into(), ..judged.trouble })
                    }
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
                hint: OWN_REFUSED.to_owned(),
            }),
        }
    }
}

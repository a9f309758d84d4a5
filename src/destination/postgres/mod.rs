//! The destination PostgreSQL.
//!
//! A batch travels in two parts. First its changes go by binary COPY into staging tables, private
//! to the connection, in a transaction that touches nothing else. Then one message holds all that
//! is left: the fence, the guarded statements of each table, the commit. The server has that
//! message whole before it begins with it, so from the first lock on a shared row to the commit it
//! never waits for us, whatever becomes of this process.
//!
//! What is pure is apart from what is sent: `ddl`, `statements`, `table_statements` (texts, pinned
//! by golden files), `shape`, `copy_columns`, `encode`, `numeric` (bytes), `url`, `classify`.
//!
//! Must never: put a record's content into a statement's text, an error or a log; lend a
//! connection again whose call did not end well; drop or narrow anything.
//!
//! Needs sessions of its own: a pooler between must hand out whole sessions, not transactions.

use std::sync::Arc;

use async_trait::async_trait;

use self::classify::{Meaning, Moment, classify};
use self::connection::Connections;
use self::failure::Failure;
use self::shape::Shape;
use self::write::{Obstacle, Place, Write};
use super::{
    Activation, Destination, DestinationError, Finding, RejectedRecord, Trouble, WriteError,
    Written,
};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::failure::{Cause, Rejection};
use crate::model::mutation::Mutations;
use crate::model::record::RecordId;

mod activate;
mod burst;
mod catalog;
mod check;
mod classify;
mod connection;
mod copy_columns;
mod ddl;
mod encode;
mod failure;
mod numeric;
mod quote;
mod registry;
mod settings;
mod shape;
mod statements;
mod table_statements;
mod take;
mod tls;
mod url;
mod write;

#[cfg(test)]
mod golden_test;

pub use ddl::{LONGEST_NAME_BYTES, MOST_COLUMNS};
pub use settings::{PostgresSettings, UrlSource};

/// A PostgreSQL database that is kept in step.
pub struct PostgresDestination {
    connections: Connections,
    settings: PostgresSettings,
    mutations: Mutations,
}

impl PostgresDestination {
    /// A destination; it connects when it is first used.
    ///
    /// # Errors
    /// Never in practice: if the pool of connections refuses its limits.
    pub fn new(settings: PostgresSettings, mutations: Mutations) -> Result<Self, Trouble> {
        let connections = Connections::new(settings.clone()).map_err(|_| Trouble {
            what: "making the pool of connections to PostgreSQL".to_owned(),
            code: "pool".into(),
            hint: "Report it: the limits of the pool are keepstep's own.".to_owned(),
        })?;
        Ok(Self { connections, settings, mutations })
    }

    /// Everything that an activation would make in an empty database, as statements, for a
    /// database owner who grants no right to create.
    pub fn schema(activation: &Activation) -> Vec<String> {
        activate::everything(activation)
    }

    /// What stood in the way of a write, in the words of the trait.
    async fn write_error(&self, fence: &Fence, batch: &Batch, obstacle: Obstacle) -> WriteError {
        let (place, failure, moment, record_id) = match obstacle {
            Obstacle::Fenced => return WriteError::Fenced,
            Obstacle::NoBase(at) => return self.no_base(fence, batch, at).await,
            Obstacle::Before { place, failure, record_id } => {
                (place, failure, Moment::Before, record_id)
            }
            Obstacle::Committing { place, failure } => (place, failure, Moment::Committing, None),
        };
        let entity = match place {
            Place::Batch => None,
            Place::Table(at) => batch.tables.get(at).map(|table| table.mapping.entity.clone()),
        };
        let what = match &entity {
            Some(entity) => format!("writing {entity} to PostgreSQL"),
            None => "writing a batch to PostgreSQL".to_owned(),
        };
        let verdict = classify(&failure, moment);
        let trouble = || trouble(what, &failure, verdict.hint);
        match verdict.meaning {
            Meaning::Retry => WriteError::Retry(trouble()),
            Meaning::Unclear => WriteError::Unclear(trouble()),
            Meaning::Fatal => WriteError::Fatal(trouble()),
            Meaning::Rejected => {
                let rejection = rejection(batch, place, &failure);
                WriteError::Rejected(RejectedRecord { entity, record_id, rejection })
            }
        }
    }

    /// Finds the first patch without a row, in a transaction of its own that changes nothing.
    async fn no_base(&self, fence: &Fence, batch: &Batch, at: usize) -> WriteError {
        let Some(table) = batch.tables.get(at) else { return WriteError::Fenced };
        let entity = table.mapping.entity.clone();
        let what = format!("looking for the row that a patch of {entity} needs in PostgreSQL");
        let patched = table.changes.iter().filter(|change| change.image.is_none());
        let ids: Vec<uuid::Uuid> = patched
            .filter(|change| change.patch.is_some())
            .map(|change| change.record_id.0)
            .collect();
        let text = statements::first_without_base(&table.mapping, &fence.lane.profile);
        let asked = async {
            let lease = self.connections.lend().await?;
            let row = lease.connection.client.query_opt(&text, &[&ids]).await?;
            let found = row.map(|row| row.try_get::<_, uuid::Uuid>(0)).transpose()?;
            lease.give_back();
            Ok(found)
        };
        let asked = tokio::time::timeout(self.settings.answer_timeout, asked).await;
        match asked.unwrap_or(Err(Failure::TimedOut)) {
            Ok(Some(id)) => WriteError::Rejected(RejectedRecord {
                entity: Some(entity),
                record_id: Some(RecordId(id)),
                rejection: Rejection::of(Cause::NoBase),
            }),
            Ok(None) => WriteError::Retry(Trouble {
                what,
                code: "row_appeared".into(),
                hint: "The row is there now; keepstep tries again.".to_owned(),
            }),
            Err(failure) => {
                let hint = classify(&failure, Moment::Before).hint;
                WriteError::Retry(trouble(what, &failure, hint))
            }
        }
    }
}

/// Codes and names of our own, for people.
fn trouble(what: String, failure: &Failure, hint: &str) -> Trouble {
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

/// An outage or a matter for a person, for calls that have no record to blame.
fn destination_error(what: String, failure: &Failure) -> DestinationError {
    let verdict = classify(failure, Moment::Connecting);
    let trouble = trouble(what, failure, verdict.hint);
    match verdict.meaning {
        Meaning::Retry | Meaning::Unclear => DestinationError::Retry(trouble),
        Meaning::Rejected | Meaning::Fatal => DestinationError::Fatal(trouble),
    }
}

/// Why the database refused a record. The column it names is told only if it is the table's.
fn rejection(batch: &Batch, place: Place, failure: &Failure) -> Rejection {
    let Failure::Server(error) = failure else {
        return Rejection::of(Cause::Refused { code: "unknown".into() });
    };
    let column = match place {
        Place::Batch => None,
        Place::Table(at) => {
            batch.tables.get(at).zip(error.column.as_ref()).and_then(|(table, column)| {
                table.mapping.table.column_index(column).map(|_| column.clone())
            })
        }
    };
    Rejection { column, cause: Cause::Refused { code: error.state.clone() } }
}

#[async_trait]
impl Destination for PostgresDestination {
    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        check::check(&self.connections, activation).await
    }

    async fn activate(&self, activation: &Activation) -> Result<(), DestinationError> {
        activate::activate(&self.connections, &self.settings, activation).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        take::take(&self.connections, &self.settings, lane, token).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let write = Write {
            fence,
            batch,
            // Looked at before a connection is asked for, so that none waits for it.
            shapes: batch.tables.iter().map(Shape::of).collect(),
            mutations: self.mutations,
            answer_timeout: self.settings.answer_timeout,
        };
        let written = match self.connections.lend().await {
            Ok(mut lease) => {
                let written = write.run(&mut lease.connection).await;
                if written.is_ok() {
                    lease.give_back();
                }
                written
            }
            Err(failure) => Err(Obstacle::Before { place: Place::Batch, failure, record_id: None }),
        };
        match written {
            Ok(written) => Ok(written),
            Err(obstacle) => Err(self.write_error(fence, batch, obstacle).await),
        }
    }
}

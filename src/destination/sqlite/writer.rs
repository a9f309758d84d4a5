//! The thread that owns the connection: it takes one request after the other.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::open::{Missing, identity, open};
use super::stop::Stop;
use super::{SqliteSettings, activate, check, take, write};
use crate::destination::{Activation, DestinationError, Finding, WriteError, Written};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::mutation::Mutations;

/// One call, and where its answer goes.
#[derive(Debug)]
pub(super) enum Request {
    /// [`crate::destination::Destination::check`].
    Check { activation: Activation, answer: oneshot::Sender<Vec<Finding>> },
    /// [`crate::destination::Destination::activate`].
    Activate { activation: Activation, answer: oneshot::Sender<Result<(), DestinationError>> },
    /// [`crate::destination::Destination::take`].
    Take {
        lane: LaneId,
        token: OwnerToken,
        answer: oneshot::Sender<Result<Checkpoint, DestinationError>>,
    },
    /// [`crate::destination::Destination::write`].
    Write { fence: Fence, batch: Arc<Batch>, answer: oneshot::Sender<Result<Written, WriteError>> },
}

/// Works off requests until every sender is gone.
pub(super) fn run(
    settings: SqliteSettings,
    mutations: Mutations,
    mut waiting: mpsc::Receiver<Request>,
) {
    let mut writer = Writer { settings, mutations, open: None };
    while let Some(request) = waiting.blocking_recv() {
        writer.answer(request);
    }
}

/// An open file and which one it was.
struct OpenFile {
    connection: Connection,
    identity: Option<(u64, u64)>,
}

/// The connection and what to do with it.
pub(super) struct Writer {
    settings: SqliteSettings,
    mutations: Mutations,
    open: Option<OpenFile>,
}

impl Writer {
    /// Does what is asked. A caller that is gone before its turn asks for nothing any more; one
    /// that goes later does not hear the answer, and that is all.
    fn answer(&mut self, request: Request) {
        match request {
            Request::Check { activation, answer } if !answer.is_closed() => {
                let _ = answer.send(check::findings(&self.settings, &activation));
            }
            Request::Activate { activation, answer } if !answer.is_closed() => {
                let what = format!("activating a profile in {}", self.settings.path.display());
                let done = self.with_connection(Missing::Create, |connection, _| {
                    in_transaction(connection, |transaction| {
                        activate::activate(transaction, &activation)
                    })
                });
                let _ = answer.send(done.map_err(|stop| stop.into_destination_error(&what)));
            }
            Request::Take { lane, token, answer } if !answer.is_closed() => {
                let what = format!("taking lane {lane} in {}", self.settings.path.display());
                let done = self.with_connection(Missing::Refuse, |connection, _| {
                    in_transaction(connection, |transaction| take::take(transaction, &lane, token))
                });
                let _ = answer.send(done.map_err(|stop| stop.into_destination_error(&what)));
            }
            Request::Write { fence, batch, answer } if !answer.is_closed() => {
                let path = self.settings.path.display();
                let what = format!("writing a batch of lane {} to {path}", fence.lane);
                let done = self.with_connection(Missing::Refuse, |connection, mutations| {
                    write::write(connection, &fence, &batch, mutations)
                });
                let _ = answer.send(done.map_err(|stop| stop.into_write_error(&what)));
            }
            _ => {}
        }
    }

    /// Opens the file where it is not open, or is not the one that was opened, and works with it.
    fn with_connection<T>(
        &mut self,
        missing: Missing,
        work: impl FnOnce(&Connection, Mutations) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let now = identity(&self.settings.path);
        let file = match self.open.take() {
            Some(file) if file.identity == now && now.is_some() => file,
            _ => {
                let connection = open(&self.settings, missing)?;
                OpenFile { connection, identity: identity(&self.settings.path) }
            }
        };
        let done = work(&file.connection, self.mutations);
        let spoilt = done.as_ref().is_err_and(Stop::spoils_connection);
        if !spoilt && file.connection.is_autocommit() {
            self.open = Some(file);
        }
        done
    }
}

/// All of `work` in one transaction that has the write lock from its beginning, or nothing of it.
///
/// # Errors
/// What `work` answers, or SQLite.
pub(super) fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    // Where the commit fails the drop rolls back.
    transaction.commit().map_err(Stop::Commit)?;
    Ok(value)
}

//! The thread that owns the connection: it takes one request after the other.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::open::{Missing, identity, open};
use super::stop::Stop;
use super::{SqliteSettings, check, survey};
use crate::destination::survey::TableSurvey;
use crate::destination::{Activation, DestinationError, Finding};
use crate::model::mutation::Mutations;

/// What one call wants done. It sends its answer itself.
pub(super) type Request = Box<dyn FnOnce(&mut Writer) + Send>;

/// Works off requests until every sender is gone.
pub(super) fn run(
    settings: SqliteSettings,
    mutations: Mutations,
    mut waiting: mpsc::Receiver<Request>,
) {
    let mut writer = Writer { settings, mutations, clock: Clock::default(), open: None };
    while let Some(request) = waiting.blocking_recv() {
        request(&mut writer);
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
    clock: Clock,
    open: Option<OpenFile>,
}

/// What a request works with beside the connection.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    /// Tells the time.
    pub clock: &'a Clock,
    /// Faults for tests.
    pub mutations: Mutations,
}

impl Writer {
    /// Everything that a check finds.
    pub(super) fn findings(&self, activation: &Activation) -> Vec<Finding> {
        check::findings(&self.settings, activation)
    }

    /// What stands in the file.
    pub(super) fn survey(
        &self,
        activation: &Activation,
    ) -> Result<Vec<TableSurvey>, DestinationError> {
        survey::survey(&self.settings, activation)
    }

    /// Opens the file where it is not open, or is not the one that was opened, and works with it.
    ///
    /// # Errors
    /// What `work` answers, or why the file cannot be opened.
    pub(super) fn with_connection<T>(
        &mut self,
        missing: Missing,
        work: impl FnOnce(&mut Connection, Means<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let now = identity(&self.settings.path);
        let mut file = match self.open.take() {
            Some(file) if file.identity == now && now.is_some() => file,
            _ => {
                let connection = open(&self.settings, missing)?;
                OpenFile { connection, identity: identity(&self.settings.path) }
            }
        };
        let means = Means { clock: &self.clock, mutations: self.mutations };
        let done = work(&mut file.connection, means);
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

/// All of `work` in one transaction that is denied its commit: SQLite checks everything that it
/// checks at a commit, and then rolls back.
///
/// # Errors
/// What `work` answers, or what SQLite would have said to the commit.
pub(super) fn in_trial<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let mut answer = None;
    connection.commit_hook(Some(|| true))?;
    let tried = in_transaction(connection, |inner| {
        answer = Some(work(inner)?);
        Ok(())
    });
    connection.commit_hook(None::<fn() -> bool>)?;
    if let Err(stop) = tried {
        stop.of_trial()?;
    }
    // Without an answer the work has failed, and that was told above.
    answer.ok_or(Stop::Fenced)
}

//! SQLite as a destination: one file, one thread that writes it.
//!
//! Every handle has a thread with a connection of its own. Calls reach it through a bounded
//! channel and wait for its answer; the thread never waits for a caller, so a call that is dropped
//! half-way is either done completely or, if it had not begun, not at all. Several handles, and
//! other programs, may use the file at the same time: SQLite locks it, and the fence does the rest.
//!
//! The file is in WAL mode: others read while keepstep writes. See [`Durability`] for what a crash
//! costs. Types are SQLite's nearest (`ddl`): **SQLite has no exact decimal**, so decimals are
//! text with all digits of their scale; compare them with `CAST`, knowing that this makes them
//! binary floats, or in the program that reads them. Times are text in UTC, to the millisecond;
//! GUIDs are lower-case text.
//!
//! Limits, tested: 2,000 columns a table; 512 bytes a name; 1,000,000,000 bytes a text and a row
//! (a record beyond is rejected, with the column where it is one); [`WAITING_CALLS`] waiting calls.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::desk::Desk;
use super::survey::TableSurvey;
use super::{
    Activated, Activation, Destination, DestinationError, Finding, Trouble, WhichHeld, WriteError,
    Written,
};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::layout::Layout;
use crate::model::mutation::Mutations;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

mod activate;
mod apply;
mod blame;
mod cell_text;
mod check;
mod classify;
mod clean_up;
mod clock;
mod codes;
pub mod ddl;
mod desk;
pub mod desk_statements;
mod held;
pub mod held_statements;
mod metadata;
pub mod metadata_statements;
mod names;
mod open;
pub mod statements;
mod stop;
mod survey;
mod take;
mod write;
mod writer;

use open::Missing;
use stop::Stop;
use writer::{Means, Request, Writer, in_transaction};

/// Most calls that wait for the thread; further ones wait for a place.
pub const WAITING_CALLS: usize = 16;

/// What a crash may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// `synchronous=NORMAL`: survives a killed process whole. A crash of the operating system or a
    /// power cut may take back the last commits, never a part of one: tables and checkpoint go
    /// back together, and the lanes write those changes again from the log.
    #[default]
    Normal,
    /// `synchronous=FULL`: survives a power cut too, at the price of one sync of the disk per
    /// commit. Needed where the log does not keep what was written once (it always should).
    Full,
}

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// The file. Its folder must exist; SQLite makes a `-wal` and a `-shm` file beside it.
    pub path: PathBuf,
    /// What a crash may cost.
    pub durability: Durability,
    /// Longest time that a call waits for the lock of another program before it answers "retry".
    pub busy_timeout: Duration,
}

impl SqliteSettings {
    /// The settings that fit most: normal durability, five seconds for a lock.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// A handle on a SQLite file. Dropping it waits until its thread has done what was asked.
#[derive(Debug)]
pub struct SqliteDestination {
    /// Gone only while the handle is dropped.
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl SqliteDestination {
    /// Starts the thread. The file is opened by the first call, so that a file that cannot be
    /// opened now is tried again like any outage.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn start(settings: SqliteSettings, mutations: Mutations) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel(WAITING_CALLS);
        let path = settings.path.clone();
        let thread = std::thread::Builder::new()
            .name("sqlite-destination".to_owned())
            .spawn(move || writer::run(settings, mutations, waiting))?;
        Ok(Self { requests: Some(requests), thread: Some(thread), path })
    }

    /// Everything that an activation would make in an empty file, as statements, for those who want
    /// to see it or make it themselves.
    pub fn schema(activation: &Activation) -> Vec<String> {
        ddl::everything(activation)
    }

    /// A query that answers with a script, which takes away what a profile made, or one entity of it, for a person to run.
    pub fn clean_up(
        profile: &ProfileId,
        layout: &Layout,
        entity: Option<&EntityName>,
    ) -> Vec<String> {
        let tables = metadata::wanted(layout).into_iter();
        match entity {
            Some(entity) => {
                let beside: Vec<&str> = tables
                    .filter(|table| table.owner().name == "EntityName" && table.key_columns > 0)
                    .map(|table| table.name)
                    .collect();
                vec![clean_up::query(profile, layout, Some(entity), &beside)]
            }
            None => {
                let beside: Vec<&str> = tables.map(|table| table.name).collect();
                vec![clean_up::query(profile, layout, None, &beside)]
            }
        }
    }

    /// Has the thread do something and waits for its answer. A caller that is gone before its turn
    /// asks for nothing any more; one that goes later does not hear the answer, and that is all.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let (answer, answered) = oneshot::channel();
        let request: Request = Box::new(move |writer| {
            if !answer.is_closed() {
                let _ = answer.send(work(writer));
            }
        });
        if let Some(requests) = &self.requests
            && requests.send(request).await.is_ok()
            && let Ok(answer) = answered.await
        {
            return Ok(answer);
        }
        // Only a panic ends the thread before its handle.
        Err(Trouble {
            what: format!("asking the thread that writes {}", self.path.display()),
            code: "thread_ended".into(),
            hint: "This is a fault of keepstep; please report it, and restart the process."
                .to_owned(),
        })
    }

    /// Works with the connection; `what` says what is done, for an error.
    async fn work<T: Send + 'static>(
        &self,
        what: &str,
        missing: Missing,
        work: impl FnOnce(&mut Connection, Means<'_>) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, DestinationError> {
        let what = format!("{what} in {}", self.path.display());
        let answer = self.ask(move |writer| {
            let done = writer.with_connection(missing, work);
            done.map_err(|stop| stop.into_destination_error(&what))
        });
        answer.await.unwrap_or_else(|trouble| Err(DestinationError::Fatal(trouble)))
    }

    /// Writes, or tries to.
    async fn write_with<T: Send + 'static>(
        &self,
        fence: &Fence,
        batch: &Arc<Batch>,
        work: fn(&mut Connection, Means<'_>, &Fence, &Batch) -> Result<T, Stop>,
    ) -> Result<T, WriteError> {
        let what = format!("writing a batch of lane {} to {}", fence.lane, self.path.display());
        let (fence, batch) = (fence.clone(), Arc::clone(batch));
        let answer = self.ask(move |writer| {
            let done = writer.with_connection(Missing::Refuse, |connection, means| {
                work(connection, means, &fence, &batch)
            });
            done.map_err(|stop| stop.into_write_error(&what))
        });
        answer.await.unwrap_or_else(|trouble| Err(WriteError::Unclear(trouble)))
    }
}

impl Drop for SqliteDestination {
    fn drop(&mut self) {
        // Without senders the thread ends, once it has done what was asked.
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the thread of a SQLite file panicked");
        }
    }
}

#[async_trait]
impl Destination for SqliteDestination {
    fn desk(&self) -> &dyn Desk {
        self
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        let activation = activation.clone();
        match self.ask(move |writer| writer.findings(&activation)).await {
            Ok(findings) => findings,
            Err(trouble) => {
                vec![Finding { what: "the SQLite file".to_owned(), problem: Some(trouble) }]
            }
        }
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        let activation = activation.clone();
        let answer = self.ask(move |writer| writer.survey(&activation)).await;
        answer.unwrap_or_else(|trouble| Err(DestinationError::Fatal(trouble)))
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        let activation = activation.clone();
        self.work("activating a profile", Missing::Create, move |connection, _| {
            in_transaction(connection, |inner| activate::activate(inner, &activation))
        })
        .await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        let (what, lane) = (format!("taking lane {lane}"), lane.clone());
        self.work(&what, Missing::Refuse, move |connection, _| {
            in_transaction(connection, |inner| take::take(inner, &lane, token))
        })
        .await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.write_with(fence, batch, write::write).await
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.write_with(fence, batch, write::try_out).await
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        let what = format!("reading the held changes of lane {lane}");
        let (lane, after) = (lane.clone(), after.cloned());
        self.work(&what, Missing::Refuse, move |connection, _| {
            held::held(connection, &lane, which, after.as_ref(), limit)
        })
        .await
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        let what = format!("marking held changes of lane {lane} as published");
        let (lane, published) = (lane.clone(), published.to_vec());
        self.work(&what, Missing::Refuse, move |connection, means| {
            in_transaction(connection, |inner| {
                held::mark_published(inner, means.clock, &lane, &published)
            })
        })
        .await
    }
}

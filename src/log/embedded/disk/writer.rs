//! The one thread of this process that writes to a log on disk.
//!
//! Appends that wait while a transaction runs go into the next one together. It answers after the
//! commit, and writes on the notice board then. While someone consumes, it looks every few
//! milliseconds whether another process has written. It never holds SQLite's write lock while it
//! waits for anything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::alter::{Failure, Survey, alter, find_partition, survey};
use super::append::{append_one, put_offsets, retain};
use super::error::sqlite_error;
use crate::log::LogError;
use crate::log::embedded::board::Board;
use crate::log::embedded::record_batch::EncodedBatch;
use crate::log::embedded::store::Alteration;
use crate::log::embedded::{Clock, Retention};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// How often to look for what other processes wrote.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often to store how far groups have come.
const OFFSETS_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes beyond which a transaction takes no more appends.
const TRANSACTION_BYTES: usize = 8 * 1024 * 1024;

/// How far groups have come.
pub(super) type GroupOffsets = BTreeMap<(String, TopicPartition), NextOffset>;

/// What the writer and the store's callers share.
#[derive(Debug, Default)]
pub(super) struct WriterShared {
    /// Members in this process.
    pub(super) consumers: AtomicUsize,
    /// Whether [`Request::Wake`] is on its way; one is enough.
    pub(super) woken: AtomicBool,
    unstored: Mutex<GroupOffsets>,
}

impl WriterShared {
    fn consumers(&self) -> usize {
        self.consumers.load(Ordering::Acquire)
    }

    /// How far groups have come and it is not stored yet.
    pub(super) fn unstored(&self) -> MutexGuard<'_, GroupOffsets> {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the answer to a request goes.
type Answer<T> = oneshot::Sender<Result<T, LogError>>;

/// Something to do.
pub(super) enum Request {
    Append(AppendRequest),
    Alter {
        alteration: Alteration,
        answer: Answer<()>,
        _permit: OwnedSemaphorePermit,
    },
    /// Someone has begun or ceased to consume.
    Wake,
}

/// Batches for one topic.
pub(super) struct AppendRequest {
    pub(super) topic: Topic,
    /// How many partitions the topic had when keys were turned into partitions.
    pub(super) partitions: u32,
    pub(super) batches: Vec<(u32, EncodedBatch)>,
    /// The first offset of each batch.
    pub(super) answer: Answer<Vec<i64>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl AppendRequest {
    fn bytes(&self) -> usize {
        self.batches.iter().map(|(_, batch)| batch.blob.len()).sum()
    }
}

/// See the module.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
    pub(super) board: Arc<Board>,
    pub(super) shared: Arc<WriterShared>,
    pub(super) clock: Clock,
    pub(super) retention: Retention,
    /// SQLite's count of commits by others, as last seen.
    pub(super) seen_version: Option<i64>,
    /// Whether what goes on in the background failed last time.
    pub(super) failing: bool,
}

impl Writer {
    /// Tells the board of what the file held before.
    pub(super) fn begin(&self) -> Result<(), LogError> {
        self.survey().map_err(|error| self.failed("reading topics", &error))
    }

    /// Works until all senders are gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut offsets_stored = Instant::now();
        let mut looked = Instant::now();
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => Ok(request),
                None if self.shared.consumers() > 0 => requests.recv_timeout(LOOK_INTERVAL),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match request {
                Ok(Request::Append(first)) => next = self.append_all(first, requests),
                Ok(Request::Alter { alteration, answer, .. }) => {
                    let _ = answer.send(self.alter(&alteration));
                }
                Ok(Request::Wake) => {
                    self.shared.woken.store(false, Ordering::Release);
                    self.look();
                    self.store_offsets();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.shared.consumers() > 0 && looked.elapsed() >= LOOK_INTERVAL {
                self.look();
                looked = Instant::now();
            }
            if offsets_stored.elapsed() >= OFFSETS_INTERVAL {
                self.store_offsets();
                offsets_stored = Instant::now();
            }
        }
        self.store_offsets();
    }

    /// Appends a request and those that wait behind it; answers the first that is something else.
    fn append_all(
        &mut self,
        first: AppendRequest,
        requests: &Receiver<Request>,
    ) -> Option<Request> {
        let mut bytes = first.bytes();
        let mut appends = vec![first];
        let mut other = None;
        while bytes < TRANSACTION_BYTES {
            match requests.try_recv() {
                Ok(Request::Append(append)) => {
                    bytes += append.bytes();
                    appends.push(append);
                }
                Ok(request) => {
                    other = Some(request);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.append_in_transaction(&appends) {
            Ok(outcomes) => {
                for (append, outcome) in appends.into_iter().zip(outcomes) {
                    let _ = append.answer.send(outcome);
                }
            }
            Err(error) => {
                let error = self.failed("appending", &error);
                for append in appends {
                    let _ = append.answer.send(Err(error.clone()));
                }
            }
        }
        other
    }

    /// One outcome per request, all of them committed; or an error, and nothing was.
    fn append_in_transaction(
        &mut self,
        appends: &[AppendRequest],
    ) -> Result<Vec<Result<Vec<i64>, LogError>>, rusqlite::Error> {
        let now_ms = (self.clock)();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(appends.len());
        let mut touched = BTreeMap::new();
        for append in appends {
            outcomes.push(match append_one(&transaction, append, &mut touched) {
                Ok(offsets) => Ok(offsets),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Database(error)) => return Err(error),
            });
        }
        let mut stand = Vec::with_capacity(touched.len());
        for (it, partition_id) in touched {
            retain(&transaction, partition_id, self.retention, now_ms)?;
            stand.extend(find_partition(&transaction, &it)?.map(|found| (it, found)));
        }
        transaction.commit()?;
        for (it, found) in stand {
            self.board.set_bounds(&it, found.topic_id, found.bounds);
        }
        Ok(outcomes)
    }

    fn alter(&mut self, alteration: &Alteration) -> Result<(), LogError> {
        let altered = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failure::Database)
            .and_then(|transaction| {
                alter(&transaction, alteration)?;
                Ok(transaction.commit()?)
            });
        altered.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Database(error) => self.failed("changing topics", &error),
        })?;
        self.survey().map_err(|error| self.failed("reading topics", &error))
    }

    /// Looks whether another process has written, and says so on the board.
    fn look(&mut self) {
        let version = self.connection.query_one("PRAGMA data_version", [], |row| row.get(0));
        let outcome = match version {
            Ok(version) if Some(version) == self.seen_version => Ok(()),
            // The version comes first: what is committed in between is looked at again.
            Ok(version) => self.survey().inspect(|()| self.seen_version = Some(version)),
            Err(error) => Err(error),
        };
        self.log_once("looking for records of other processes", outcome);
    }

    /// Writes on the board what is in the file.
    fn survey(&self) -> Result<(), rusqlite::Error> {
        let Survey { topics, partitions } = survey(&self.connection)?;
        self.board.set_topics(topics);
        for (it, generation, at) in partitions {
            self.board.set_bounds(&it, generation, at);
        }
        Ok(())
    }

    fn store_offsets(&mut self) {
        let unstored = std::mem::take(&mut *self.shared.unstored());
        if unstored.is_empty() {
            return;
        }
        let stored = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                put_offsets(&transaction, &unstored)?;
                transaction.commit()
            });
        if stored.is_err() {
            let mut newer = self.shared.unstored();
            for (key, next) in unstored {
                newer.entry(key).or_insert(next);
            }
        }
        self.log_once("storing how far groups have come", stored);
    }

    /// What is tried again and again is logged when it begins to fail, and when it works again.
    fn log_once(&mut self, what: &str, outcome: Result<(), rusqlite::Error>) {
        match outcome {
            Ok(()) if self.failing => tracing::info!(what, "the log on disk works again"),
            Err(error) if !self.failing => {
                tracing::warn!(error = %self.failed(what, &error), "the log on disk fails");
            }
            Ok(()) | Err(_) => return,
        }
        self.failing = !self.failing;
    }

    fn failed(&self, what: &str, error: &rusqlite::Error) -> LogError {
        sqlite_error(&format!("{what} on the log {}", self.file.display()), &self.file, error)
    }
}

//! Reads the dead-letter topics of profiles into the list.
//!
//! A consumer of its own, in a group of its own: lanes never wait for it. It starts each partition
//! where the list's own file says, and moves that place in the transaction of the entries, so a kill
//! at any instant loses and doubles nothing. Under the lock of the file one process compacts;
//! another waits and takes over. Outages of log and file are waited for. A dead letter that cannot
//! be read is counted, logged and passed over: it stops nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use self::reading::{Letters, read_letters};
use super::ListError;
use super::comparison::{Comparison, ComparisonParts};
use super::lock::CompactorLock;
use super::store::{Progress, Store};
use crate::codec::{Decoder, DecoderSettings};
use crate::destination::Destination;
use crate::log::{Chunk, Feed, FeedLimits, GroupEvent, Log, LogError};
use crate::metrics::FailedListMetrics;
use crate::model::backoff::Backoff;
use crate::model::position::{NextOffset, Topic};
use crate::model::profile::ProfileId;

mod reading;

/// Bytes that the log may read ahead, per profile.
const READ_AHEAD_BYTES: usize = 8 * 1024 * 1024;
/// First and longest wait after an error.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often the history is looked through.
const HISTORY_PERIOD: Duration = Duration::from_secs(3_600);
const US_PER_DAY: i64 = 86_400_000_000;

/// What a compactor works with.
#[derive(Clone)]
pub struct CompactorParts {
    /// The list's file.
    pub path: PathBuf,
    /// The profiles whose dead letters it reads.
    pub profiles: Vec<ListedProfile>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// How notifications are read, to know what kind of change they are.
    pub decoder: Arc<DecoderSettings>,
    /// How long what ended is kept, in days.
    pub keep_resolved_days: u32,
    /// Tells the time, µs since 1970.
    pub clock_us: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// How often a process that waits looks whether it may take over.
    pub takeover_period: Duration,
    /// How often the list is compared with what the destinations hold.
    pub compare_period: Duration,
}

/// A profile whose failed records are listed.
#[derive(Clone)]
pub struct ListedProfile {
    /// Its id.
    pub id: ProfileId,
    /// How its dead letters are counted.
    pub metrics: FailedListMetrics,
    /// Its topics.
    pub topics: Vec<Topic>,
    /// Where the truth about its list is.
    pub destination: Arc<dyn Destination>,
}

/// Why one try to compact ended early.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("the dead-letter topic {0} is not there")]
    NoTopic(String),
    #[error("a thread of this program failed; please report it")]
    Fault,
}

/// The list's file, shared by what reads several partitions.
type SharedStore = Arc<Mutex<Store>>;

/// Keeps the list up to date until `stop` is asked for.
pub async fn run(parts: CompactorParts, stop: watch::Receiver<bool>) {
    let Some(_lock) = take_lock(&parts, stop.clone()).await else {
        return;
    };
    let Some(store) = open(&parts, stop.clone()).await else {
        return;
    };
    tracing::info!(list = %parts.path.display(), "this process makes the failed-record list");
    let mut work = JoinSet::new();
    work.spawn(keep_history(parts.clone(), Arc::clone(&store), stop.clone()));
    for listed in &parts.profiles {
        let compactor = Compactor {
            profile: listed.id.clone(),
            metrics: listed.metrics.clone(),
            parts: parts.clone(),
            store: Arc::clone(&store),
        };
        work.spawn(compactor.run(stop.clone()));
        let comparison = Comparison::new(ComparisonParts {
            path: parts.path.clone(),
            profile: listed.id.clone(),
            topics: listed.topics.clone(),
            destination: Arc::clone(&listed.destination),
            log: Arc::clone(&parts.log),
        });
        let (clock_us, metrics) = (Arc::clone(&parts.clock_us), listed.metrics.clone());
        work.spawn(comparison.run(parts.compare_period, clock_us, metrics, stop.clone()));
    }
    while let Some(ended) = work.join_next().await {
        if ended.is_err() {
            tracing::error!("a part of the compactor failed by a fault of this program");
        }
    }
}

/// Waits until `stop` is asked for.
pub(super) async fn asked(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could ask is gone, which asks as well.
    let _gone = stop.wait_for(|asked| *asked).await;
}

/// Waits for the lock; `None` if a stop is asked for.
async fn take_lock(
    parts: &CompactorParts,
    mut stop: watch::Receiver<bool>,
) -> Option<CompactorLock> {
    let mut said = false;
    loop {
        let path = parts.path.clone();
        let taken = tokio::task::spawn_blocking(move || CompactorLock::try_take(&path)).await;
        match taken {
            Ok(Ok(Some(lock))) => return Some(lock),
            Ok(Ok(None)) if !said => {
                tracing::info!(list = %parts.path.display(), "another process makes the list");
                said = true;
            }
            Ok(Err(error)) if !said => {
                tracing::warn!(%error, "the failed-record list cannot be made, trying again");
                said = true;
            }
            _ => {}
        }
        tokio::select! {
            () = sleep(parts.takeover_period) => {}
            () = asked(&mut stop) => return None,
        }
    }
}

async fn open(parts: &CompactorParts, mut stop: watch::Receiver<bool>) -> Option<SharedStore> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let path = parts.path.clone();
        match tokio::task::spawn_blocking(move || Store::open(&path)).await {
            Ok(Ok(store)) => return Some(Arc::new(Mutex::new(store))),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the failed-record list cannot be opened, trying again");
            }
            Err(_) => tracing::error!("opening the failed-record list failed by a fault"),
        }
        tokio::select! {
            () = sleep(backoff.next_wait(rand::random())) => {}
            () = asked(&mut stop) => return None,
        }
    }
}

/// Forgets what ended longer ago than the settings say.
async fn keep_history(parts: CompactorParts, store: SharedStore, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(HISTORY_PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = asked(&mut stop) => return,
        }
        let kept_us = i64::from(parts.keep_resolved_days).saturating_mul(US_PER_DAY);
        let before_us = (parts.clock_us)().saturating_sub(kept_us);
        loop {
            let dropped = with_store(&store, move |store| store.drop_released(before_us)).await;
            match dropped {
                Ok((_, true)) => {}
                Ok((_, false)) => break,
                Err(error) => {
                    tracing::warn!(%error, "the history of the list was not cut; tried again later");
                    break;
                }
            }
        }
    }
}

/// Does something with the file, in a thread for it.
async fn with_store<T: Send + 'static>(
    store: &SharedStore,
    work: impl FnOnce(&mut Store) -> Result<T, ListError> + Send + 'static,
) -> Result<T, Trouble> {
    let store = Arc::clone(store);
    let work = move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Trouble::Fault),
    }
}

/// One profile's topic.
#[derive(Clone)]
struct Compactor {
    profile: ProfileId,
    metrics: FailedListMetrics,
    parts: CompactorParts,
    store: SharedStore,
}

impl Compactor {
    /// Reads until a stop is asked for, through outages.
    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let Err(trouble) = self.read(&mut stop).await else {
                return;
            };
            tracing::warn!(
                profile.id = %self.profile, error = %trouble,
                "the failed-record list is not up to date, trying again"
            );
            tokio::select! {
                () = sleep(backoff.next_wait(rand::random())) => {}
                () = asked(&mut stop) => return,
            }
        }
    }

    /// One membership of the group; ends well only when a stop is asked for.
    async fn read(&self, stop: &mut watch::Receiver<bool>) -> Result<(), Trouble> {
        let topic = self.profile.failed_topic();
        if self.parts.log.describe(&topic).await?.is_none() {
            return Err(Trouble::NoTopic(topic.to_string()));
        }
        let group = self.profile.failed_list_group_id();
        let limits = FeedLimits { bytes: READ_AHEAD_BYTES };
        let log = &self.parts.log;
        let mut member = log.join(&group, std::slice::from_ref(&topic), limits).await?;
        let mut feeds = JoinSet::new();
        let mut left = false;
        let mut trouble = None;
        loop {
            tokio::select! {
                biased;
                event = member.next() => match event {
                    Ok(Some(GroupEvent::Assigned(assigned))) => {
                        for feed in assigned {
                            feeds.spawn(self.clone().feed(feed));
                        }
                    }
                    // A feed ends by itself when its partition is taken away. One that is at work
                    // still does no harm: what two apply is the same list.
                    Ok(Some(GroupEvent::Revoked { .. } | GroupEvent::Lost { .. })) => {}
                    Ok(None) => break,
                    Err(error) => {
                        trouble = Some(Trouble::from(error));
                        break;
                    }
                },
                () = asked(stop), if !left => {
                    left = true;
                    member.leave();
                }
                Some(ended) = feeds.join_next() => {
                    if let Err(error) = ended.unwrap_or(Err(Trouble::Fault)) && !left {
                        trouble = Some(error);
                        left = true;
                        member.leave();
                    }
                }
            }
        }
        feeds.shutdown().await;
        trouble.map_or(Ok(()), Err)
    }

    /// Reads one partition until it is taken away.
    async fn feed(self, mut feed: Box<dyn Feed>) -> Result<(), Trouble> {
        let number = feed.topic_partition().partition.0;
        let mut progress = self.start(&mut feed, number).await?;
        let mut decoder = Decoder::new(Arc::clone(&self.parts.decoder));
        while let Some(chunk) = self.next(&mut feed).await? {
            let Some(last) = chunk.records.last() else {
                continue;
            };
            progress.next_offset = last.offset.next().0;
            let letters = read_letters(&self.profile, &mut decoder, &chunk);
            self.count(&*feed, &letters);
            progress.unreadable = progress
                .unreadable
                .saturating_add(u32::try_from(letters.unreadable).unwrap_or(u32::MAX));
            progress.read_at_us = (self.parts.clock_us)();
            let (profile, changes) = (self.profile.clone(), letters.changes);
            let moved = progress;
            let applied =
                with_store(&self.store, move |store| store.apply(&profile, changes, Some(&moved)));
            applied.await?;
        }
        Ok(())
    }

    /// The next chunk, through outages of the log.
    async fn next(&self, feed: &mut Box<dyn Feed>) -> Result<Option<Chunk>, Trouble> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            match feed.next().await {
                Ok(chunk) => return Ok(chunk),
                Err(error) if error.retry => {
                    tracing::warn!(profile.id = %self.profile, %error, "dead letters cannot be read");
                    sleep(backoff.next_wait(rand::random())).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Starts a partition where the list's file says, or at its beginning.
    async fn start(&self, feed: &mut Box<dyn Feed>, number: u32) -> Result<Progress, Trouble> {
        let bounds = self.parts.log.bounds(feed.topic_partition()).await?;
        let profile = self.profile.clone();
        let known = with_store(&self.store, move |store| store.progress(&profile)).await?;
        let found = known.into_iter().find(|progress| progress.partition == number);
        let mut progress = found.unwrap_or(Progress { partition: number, ..Progress::default() });
        let next = progress.next();
        if found.is_some() && (next < bounds.start || next > bounds.end) {
            tracing::warn!(
                profile.id = %self.profile, partition = number, next = next.0,
                start = bounds.start.0, end = bounds.end.0,
                "the dead-letter topic was cut or made anew and is read from its beginning; \
                 `keepstep failed rebuild` makes sure that nothing is missing"
            );
        }
        let from = if next > bounds.end { bounds.start } else { next.max(bounds.start) };
        progress.next_offset = from.0;
        feed.start(NextOffset(from.0)).await?;
        Ok(progress)
    }

    fn count(&self, feed: &dyn Feed, letters: &Letters) {
        self.metrics.count(letters.read, letters.unreadable);
        if let Some((offset, code)) = letters.first_unreadable {
            let position = feed.topic_partition().at(offset);
            tracing::error!(
                profile.id = %self.profile, %position, code, count = letters.unreadable,
                "dead letters cannot be read and are passed over; `keepstep failed rebuild` makes \
                 sure that nothing is missing on the list"
            );
        }
    }
}

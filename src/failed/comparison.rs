//! Keeps the list true after the destination was set back: compares it with what the destination
//! holds, about once a minute, and rebuilds it when they differ.
//!
//! The dead-letter topic tells all that was held and released, in the order of revisions. A
//! destination that was restored from a backup, or failed over to a lagging replica, has lost some
//! of that, and will never tell so: a change that it lost stays open on the list, and one whose
//! release it lost stays closed. So the list is compared with `held_change` itself.
//!
//! It must never take what is under way for a difference, however busy the lanes are. One *look*
//! finds suspects; then the compactor reads on until everything has arrived that was on the topic
//! when the look ended; then the suspects are looked at once more.
//!
//! - *Open on the list, and not kept by the destination at all.* The destination keeps a released
//!   change until its release is on the topic. So if it was released before the look, the list has
//!   read the release by now; if it was held again since, then with another revision. Still open
//!   with the same revision: the destination has lost it.
//! - *Held by the destination, published, and not open on the list.* By now the list has read the
//!   hold. If it is still not open, then it knows of a later release, and the destination has a
//!   higher revision, or has forgotten the change. Asked after that and still held with the same
//!   revision: the destination has lost its release (or the topic has lost the hold).
//!
//! One proven suspect is enough for a rebuild. A rebuild is harmless at any time; the proof spares
//! the work and a false word in the log. Afterwards the list goes on from the destination's own
//! revisions. Where the destination's clock is behind the lost ones, a change that is held or
//! released again may be passed over by the list; a later look finds that, too.
//!
//! Memory is one page and some suspects per lane. A look reads every held change once; it takes at
//! most one fiftieth of the time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::ListError;
use super::change::ChangeKey;
use super::rebuild::{RebuildError, Rebuilt, blocking, rebuild};
use super::store::Store;
use super::store::compare::Suspect;
use crate::destination::{Destination, WhichHeld};
use crate::log::{Log, LogError};
use crate::metrics::FailedListMetrics;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldChange, HeldKey};
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::ProfileId;

/// Held changes that are asked for at once.
const PAGE: usize = 1_000;
/// Suspects of one lane and one side that are kept; one is enough.
const SUSPECTS_PER_LANE: usize = 50;
/// Changes that may have been held right before a suspect since the look.
const NEAR: usize = 10;
/// Longest wait until suspects are looked at again.
const SOON: Duration = Duration::from_secs(5);
/// The wait after a step is so many times what the step took, at least.
const REST: u32 = 50;

/// What is compared.
#[derive(Clone)]
pub struct ComparisonParts {
    /// The list's file.
    pub path: PathBuf,
    /// The profile.
    pub profile: ProfileId,
    /// Its topics.
    pub topics: Vec<Topic>,
    /// Its destination.
    pub destination: Arc<dyn Destination>,
    /// The log.
    pub log: Arc<dyn Log>,
}

/// What a step has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The list says what the destination holds, or what differed was under way.
    Agrees,
    /// Something may differ; the next step knows more once the list has read on.
    Doubtful,
    /// Something did, and the list was rebuilt.
    Rebuilt(Rebuilt),
}

/// Why a step failed; the next one begins anew.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ComparisonError {
    /// The list or the destination.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Without its topics the lanes are not known, and without dead letters there is no list.
    #[error("there is no topic {0}")]
    NoTopic(Topic),
}

impl From<ListError> for ComparisonError {
    fn from(error: ListError) -> Self {
        Self::Rebuild(error.into())
    }
}

/// A change that the destination holds and the list does not.
struct Unlisted {
    lane: LaneId,
    suspect: Suspect,
    /// The held change before it, when the look was.
    before: Option<HeldKey>,
    name: HeldKey,
}

/// What one look has found.
struct Doubts {
    lanes: Vec<LaneId>,
    /// Open on the list, and not kept by the destination.
    lost: Vec<Suspect>,
    unlisted: Vec<Unlisted>,
    /// Where the partitions of the dead-letter topic ended after the look.
    ends: Vec<(TopicPartition, NextOffset)>,
}

/// See the module: one profile's comparison, step by step.
pub struct Comparison {
    parts: ComparisonParts,
    doubts: Option<Doubts>,
}

impl Comparison {
    /// Has not looked yet.
    pub fn new(parts: ComparisonParts) -> Self {
        Self { parts, doubts: None }
    }

    /// Looks, or looks again at what the last step doubted. `now_us` is the time, µs since 1970.
    ///
    /// # Errors
    /// [`ComparisonError`].
    pub async fn step(&mut self, now_us: i64) -> Result<Step, ComparisonError> {
        let Some(doubts) = self.doubts.take() else {
            let doubts = self.look().await?;
            let found = !doubts.lost.is_empty() || !doubts.unlisted.is_empty();
            self.doubts = found.then_some(doubts);
            return Ok(if found { Step::Doubtful } else { Step::Agrees });
        };
        if !self.has_read(&doubts.ends).await? {
            self.doubts = Some(doubts);
            return Ok(Step::Doubtful);
        }
        if !self.is_lost(doubts.lost).await? && !self.is_unlisted(doubts.unlisted).await? {
            return Ok(Step::Agrees);
        }
        let ComparisonParts { profile, destination, .. } = &self.parts;
        let store = self.open().await?;
        Ok(Step::Rebuilt(rebuild(store, destination, profile, &doubts.lanes, now_us).await?))
    }

    async fn open(&self) -> Result<Store, ComparisonError> {
        let path = self.parts.path.clone();
        Ok(blocking(move || Store::open(&path)).await?)
    }

    /// Every partition of a topic.
    async fn partitions(&self, topic: &Topic) -> Result<Vec<TopicPartition>, ComparisonError> {
        let Some(description) = self.parts.log.describe(topic).await? else {
            return Err(ComparisonError::NoTopic(topic.clone()));
        };
        Ok((0..description.partitions).map(|number| TopicPartition::new(topic, number)).collect())
    }

    /// Finds suspects.
    async fn look(&self) -> Result<Doubts, ComparisonError> {
        let profile = &self.parts.profile;
        let failed_topic = self.partitions(&profile.failed_topic()).await?;
        let mut partitions = Vec::new();
        for topic in &self.parts.topics {
            partitions.extend(self.partitions(topic).await?);
        }
        let lane_of = |topic_partition: &TopicPartition| LaneId {
            profile: profile.clone(),
            topic_partition: topic_partition.clone(),
        };
        let lanes: Vec<LaneId> = partitions.iter().map(lane_of).collect();
        let (mut store, about) = (self.open().await?, profile.clone());
        store = blocking(move || {
            store.begin_look(&about)?;
            Ok(store)
        })
        .await?;
        let mut unlisted = Vec::new();
        for lane in &lanes {
            store = self.look_at(lane, store, &mut unlisted).await?;
        }
        let lost = blocking(move || store.end_look(&partitions, SUSPECTS_PER_LANE)).await?;
        let mut ends = Vec::new();
        for topic_partition in failed_topic {
            let end = self.parts.log.bounds(&topic_partition).await?.end;
            ends.push((topic_partition, end));
        }
        Ok(Doubts { lanes, lost, unlisted, ends })
    }

    /// Compares one lane, page by page.
    async fn look_at(
        &self,
        lane: &LaneId,
        mut store: Store,
        unlisted: &mut Vec<Unlisted>,
    ) -> Result<Store, ComparisonError> {
        let mut room = SUSPECTS_PER_LANE;
        let mut after: Option<HeldKey> = None;
        loop {
            let destination = &self.parts.destination;
            let page = destination.held(lane, WhichHeld::All, after.as_ref(), PAGE).await;
            let page = page.map_err(RebuildError::from)?;
            let Some(last) = page.last() else { return Ok(store) };
            let (next, full) = (Some(last.key.clone()), page.len() == PAGE);
            let (lane, before) = (lane.clone(), after);
            let (back, found) = blocking(move || {
                let found = compare(&mut store, &lane, page, before, room)?;
                Ok((store, found))
            })
            .await?;
            store = back;
            room -= found.len();
            unlisted.extend(found);
            after = next;
            if !full {
                return Ok(store);
            }
        }
    }

    /// Whether the compactor has read up to these ends, or as far as the topic goes now.
    async fn has_read(
        &self,
        ends: &[(TopicPartition, NextOffset)],
    ) -> Result<bool, ComparisonError> {
        let (store, profile) = (self.open().await?, self.parts.profile.clone());
        let progress = blocking(move || store.progress(&profile)).await?;
        for (topic_partition, end) in ends {
            let number = topic_partition.partition.0;
            let read = progress.iter().find(|progress| progress.partition == number);
            let bounds = self.parts.log.bounds(topic_partition).await?;
            let next = read.map_or(bounds.start, |read| read.next().max(bounds.start));
            if next < bounds.end.min(*end) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the destination has lost one of these.
    async fn is_lost(&self, suspects: Vec<Suspect>) -> Result<bool, ComparisonError> {
        let (store, profile) = (self.open().await?, self.parts.profile.clone());
        let is_lost = blocking(move || {
            for suspect in &suspects {
                if store.open_revision(&profile, &suspect.key)? == Some(suspect.revision) {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        Ok(is_lost.await?)
    }

    /// Whether the list has missed one of these, or the destination has lost its release.
    async fn is_unlisted(&self, suspects: Vec<Unlisted>) -> Result<bool, ComparisonError> {
        let (store, profile) = (self.open().await?, self.parts.profile.clone());
        // The list first: what it has learned meanwhile is no difference.
        let left = blocking(move || {
            let mut left = Vec::new();
            for unlisted in suspects {
                if store.open_revision(&profile, &unlisted.suspect.key)?.is_none() {
                    left.push(unlisted);
                }
            }
            Ok(left)
        });
        for Unlisted { lane, suspect, before, name } in left.await? {
            let near = self.parts.destination.held(&lane, WhichHeld::All, before.as_ref(), NEAR);
            let near = near.await.map_err(RebuildError::from)?;
            let still = |held: &HeldChange| {
                held.key == name && held.open && held.revision == suspect.revision
            };
            if near.iter().any(still) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes on until `stop` is asked for.
    pub(super) async fn run(
        mut self,
        period: Duration,
        clock_us: Arc<dyn Fn() -> i64 + Send + Sync>,
        metrics: FailedListMetrics,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut wait = period;
        let mut failing = false;
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                () = super::compactor::asked(&mut stop) => return,
            }
            let began = Instant::now();
            let step = tokio::select! {
                step = self.step(clock_us()) => step,
                () = super::compactor::asked(&mut stop) => return,
            };
            wait = period.max(began.elapsed() * REST);
            let profile = &self.parts.profile;
            match &step {
                Ok(Step::Agrees) => {}
                Ok(Step::Doubtful) => wait = period.min(SOON),
                Ok(Step::Rebuilt(rebuilt)) => {
                    metrics.count_rebuild();
                    tracing::warn!(
                        profile.id = %profile, open = rebuilt.open, closed = rebuilt.closed,
                        "the failed-record list did not say what the destination holds, as after \
                         the destination was set back to an older state, and was rebuilt from it"
                    );
                }
                Err(error) if !failing => {
                    tracing::info!(
                        profile.id = %profile, %error,
                        "the failed-record list cannot be compared with the destination now"
                    );
                }
                Err(_) => {}
            }
            failing = step.is_err();
        }
    }
}

/// Compares a page of what the destination keeps with the list; `before` is the last held change
/// before the page. Answers what the list does not have open, though it was told: `most` at most.
fn compare(
    store: &mut Store,
    lane: &LaneId,
    page: Vec<HeldChange>,
    before: Option<HeldKey>,
    most: usize,
) -> Result<Vec<Unlisted>, ListError> {
    let key_of = |held: &HeldChange| ChangeKey {
        entity: held.key.entity.clone(),
        record_id: held.key.record_id,
        position: lane.topic_partition.at(held.key.offset),
    };
    let were_open = store.pass_over(&page.iter().map(key_of).collect::<Vec<_>>())?;
    let mut unlisted = Vec::new();
    let mut before = before;
    for (held, was_open) in page.into_iter().zip(were_open) {
        if unlisted.len() == most {
            break;
        }
        let key = key_of(&held);
        let told = held.open && !held.is_unpublished();
        if told && !was_open && store.open_revision(&lane.profile, &key)?.is_none() {
            unlisted.push(Unlisted {
                lane: lane.clone(),
                suspect: Suspect { key, revision: held.revision },
                before: before.clone(),
                name: held.key.clone(),
            });
        }
        before = Some(held.key);
    }
    Ok(unlisted)
}

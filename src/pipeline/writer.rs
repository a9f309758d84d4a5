//! Has one batch written, to the end or to a reason why not.
//!
//! Changes that the destination refuses are found, taken out, and held in the transaction that
//! writes the rest; a table that refuses everything pauses its entity instead.
//!
//! An outage is waited for, with back-off and without an end: the lane stands still, keeps its
//! partition, and shows it. After some tries it is smaller batches that are tried. Whatever is unclear or fenced is never tried again as it is: the lane
//! takes its checkpoint anew and reads on from what that says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::breaker::systemic;
use super::held_set::{Doubt, HeldSet};
use super::holding::{creates, highest_version, key_of, waits};
use super::intake::PausedEntity;
use super::isolation::{Found, Isolated, Isolation, Place, named};
use super::status::{LaneReporter, LaneState};
use super::{FIRST_WAIT, LONGEST_WAIT};
use crate::destination::{Destination, RejectedRecord, Trouble, WriteError, Written};
use crate::metrics::{BatchOutcome, ProfileMetrics, RetryCause};
use crate::model::backoff::Backoff;
use crate::model::batch::{Batch, TableBatch};
use crate::model::checkpoint::Fence;
use crate::model::held::{HeldCause, Hold, Release};
use crate::model::mapping::{Cells, Mapping};
use crate::model::mutation::Mutations;
use crate::model::net_change::{ImagePart, NetChange};
use crate::model::record::{EntityName, RecordId};

/// First wait after an error that a person must mend.
const FIRST_SLOW_WAIT: Duration = Duration::from_secs(5);
/// Longest wait then.
const LONGEST_SLOW_WAIT: Duration = Duration::from_secs(60);

/// So many times a batch may fail to get through before smaller ones are tried.
const MOST_TRIES: u32 = 4;

/// How the writing of a batch ended.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// It is in the destination: this much of it, and the rest is held.
    Written(Written, Arc<Batch>),
    /// Only the checkpoint knows: take it again.
    Retake,
    /// It does not get through as it is; less of it might. Nothing was written.
    Smaller,
    /// An entity must be paused first; nothing was written.
    Pause(PausedEntity),
    /// The lane is closing and the destination is away.
    GaveUp,
}

/// What a writer needs beside the batch.
pub(super) struct Writer {
    pub(super) destination: Arc<dyn Destination>,
    pub(super) metrics: Arc<ProfileMetrics>,
    pub(super) status: LaneReporter,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) rng: SmallRng,
    pub(super) mutations: Mutations,
    /// What is held before the batch.
    pub(super) held: Arc<HeldSet>,
}

impl Writer {
    /// Writes the batch behind its fence. What the destination rejects is found, taken out of the
    /// batch, and held in the same transaction in which the rest is written.
    ///
    /// Of the records in `doubts` it is tried out first whether their changes have an effect; those
    /// that have none wait behind what is held.
    pub(super) async fn write(
        mut self,
        fence: Fence,
        mut batch: Arc<Batch>,
        mut doubts: Vec<Doubt>,
    ) -> WriteEnd {
        let mut quick = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut slow = Backoff::new(FIRST_SLOW_WAIT, LONGEST_SLOW_WAIT);
        let mut tries = 0;
        loop {
            let error = match self.attempt(&fence, &mut batch, &mut doubts).await {
                Ok(written) => return WriteEnd::Written(written, batch),
                Err(WriteError::Rejected(rejected)) => {
                    self.metrics.count_batch(BatchOutcome::Rejected);
                    match self.without(&fence, &batch, &rejected).await {
                        Ok(Ok(mut rest)) => {
                            self.held.cap(&mut rest.holds);
                            batch = Arc::new(rest);
                            continue;
                        }
                        Ok(Err(paused)) => return WriteEnd::Pause(paused),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let wait = match error {
                // A trial answered so, and the batch is as it was: the lane looks anew.
                WriteError::Fenced | WriteError::Rejected(_) => {
                    self.metrics.count_batch(BatchOutcome::Fenced);
                    return WriteEnd::Retake;
                }
                WriteError::Unclear(trouble) => {
                    self.metrics.count_batch(BatchOutcome::Unclear);
                    self.tell(&fence, RetryCause::Unclear, &trouble);
                    return WriteEnd::Retake;
                }
                WriteError::Table { entity, trouble } => {
                    self.metrics.count_batch(BatchOutcome::Fatal);
                    self.tell(&fence, RetryCause::Fatal, &trouble);
                    match self.broken_table(&fence, &batch, entity).await {
                        Some(entity) => {
                            return WriteEnd::Pause(PausedEntity {
                                entity,
                                why: trouble.to_string(),
                            });
                        }
                        None => slow.next_wait(self.rng.random()),
                    }
                }
                WriteError::Retry(trouble) => {
                    self.metrics.count_batch(BatchOutcome::Retry);
                    self.tell(&fence, RetryCause::Destination, &trouble);
                    tries += 1;
                    if tries == MOST_TRIES && batch.change_count > 1 && batch.retried.is_none() {
                        return WriteEnd::Smaller;
                    }
                    quick.next_wait(self.rng.random())
                }
                WriteError::Fatal(trouble) => {
                    self.metrics.count_batch(BatchOutcome::Fatal);
                    self.tell(&fence, RetryCause::Fatal, &trouble);
                    slow.next_wait(self.rng.random())
                }
            };
            if wait_or_closing(&mut self.closing, wait).await {
                return WriteEnd::GaveUp;
            }
        }
    }

    /// Writes it once.
    async fn attempt(
        &self,
        fence: &Fence,
        batch: &mut Arc<Batch>,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Written, WriteError> {
        self.settle_doubts(fence, batch, doubts).await?;
        let started = Instant::now();
        let written = self.destination.write(fence, batch).await?;
        self.metrics.count_batch(BatchOutcome::Written);
        self.metrics.observe_batch_write(started.elapsed());
        Ok(written)
    }

    /// Lets those wait whose changes have no effect beside what is held and could not be read.
    async fn settle_doubts(
        &self,
        fence: &Fence,
        batch: &mut Arc<Batch>,
        doubts: &mut Vec<Doubt>,
    ) -> Result<(), WriteError> {
        while let Some((entity, record_id)) = doubts.last() {
            let mut tables = batch.tables.iter().enumerate();
            let Some((at, table)) = tables.find(|(_, table)| table.mapping.entity == *entity)
            else {
                doubts.pop();
                continue;
            };
            let Some(index) =
                table.changes.iter().position(|change| change.record_id == *record_id)
            else {
                doubts.pop();
                continue;
            };
            let (mapping, change) = (Arc::clone(&table.mapping), table.changes[index].clone());
            let has_effect = self.has_effect(fence, mapping, change).await?;
            if !has_effect {
                let mut rest = let_wait(batch, at, index);
                self.held.cap(&mut rest.holds);
                *batch = Arc::new(rest);
            }
            doubts.pop();
        }
        Ok(())
    }

    /// Whether an image or a delete is newer than what the table knows of its record.
    async fn has_effect(
        &self,
        fence: &Fence,
        mapping: Arc<Mapping>,
        mut change: NetChange,
    ) -> Result<bool, WriteError> {
        // Its patches would have an effect of their own.
        change.patch = None;
        let only_delete = change.delete.filter(|_| change.image.is_none());
        match self.try_alone(fence, &mapping, change.clone()).await {
            Ok(0) => {}
            // The write itself will tell more.
            Ok(_) | Err(WriteError::Rejected(_) | WriteError::Table { .. }) => return Ok(true),
            Err(error) => return Err(error),
        }
        let Some(version) = only_delete else { return Ok(false) };
        // Without a row a delete leaves nothing but a tombstone. It is newer than the one that is
        // there if an image in its place would apply.
        change.delete = None;
        let cells = Cells::default();
        change.image = Some(ImagePart { create: true, guard: version, version, cells });
        match self.try_alone(fence, &mapping, change).await {
            Ok(count) => Ok(count > 0),
            Err(WriteError::Rejected(_) | WriteError::Table { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many rows a change would write or delete.
    async fn try_alone(
        &self,
        fence: &Fence,
        mapping: &Arc<Mapping>,
        change: NetChange,
    ) -> Result<u64, WriteError> {
        let table = TableBatch { mapping: Arc::clone(mapping), changes: vec![change] };
        let alone = Arc::new(Batch { tables: vec![table], ..Batch::default() });
        let written = self.destination.try_out(fence, &alone).await?;
        Ok(written.tables.iter().map(|it| it.written + it.deleted).sum())
    }

    /// The batch without what was rejected, which is held instead.
    ///
    /// # Errors
    /// What a trial said instead of an answer.
    async fn without(
        &self,
        fence: &Fence,
        batch: &Batch,
        rejected: &[RejectedRecord],
    ) -> Result<Result<Batch, PausedEntity>, WriteError> {
        let mut found = named(batch, rejected);
        if found.is_empty() {
            // An adapter that blames a record which is not there blames the whole batch.
            let nameless = rejected.iter().find(|record| record.record_id.is_none());
            let Some(blamed) = nameless.or(rejected.first()) else {
                return Err(WriteError::Fenced);
            };
            let mut isolation =
                Isolation::new(self.destination.as_ref(), fence, batch, self.mutations);
            let ended = isolation.find(blamed).await;
            self.metrics.count_trials(isolation.trials);
            found = match ended? {
                Isolated::Records(found) => found,
                Isolated::Nothing => return Err(WriteError::Retry(refused_no_more())),
                Isolated::Table(entity, rejection) => {
                    let alike = (rejection.cause.code().into(), rejection.column.clone());
                    return Ok(Err(PausedEntity { why: systemic(&entity, &alike), entity }));
                }
            };
        }
        Ok(Ok(hold_back(batch, &found)))
    }

    /// The entity whose table does not fit, found by trying one table at a time.
    async fn broken_table(
        &self,
        fence: &Fence,
        batch: &Batch,
        told: Option<EntityName>,
    ) -> Option<EntityName> {
        if told.is_some() {
            return told;
        }
        for table in &batch.tables {
            let alone = Batch { tables: vec![table.clone()], ..Batch::default() };
            let tried = self.destination.try_out(fence, &Arc::new(alone)).await;
            if let Err(WriteError::Table { .. }) = tried {
                return Some(table.mapping.entity.clone());
            }
        }
        None
    }

    fn tell(&self, fence: &Fence, cause: RetryCause, trouble: &Trouble) {
        self.metrics.count_retry(cause);
        let (from, to) = fence.moves.first().map_or((0, 0), |step| (step.from.0, step.to.0));
        tracing::warn!(lane = %fence.lane, from, to, code = %trouble.code, "{trouble}");
        self.status.state(LaneState::Waiting(trouble.to_string()));
    }
}

/// The database refused a batch, and then no part of it.
fn refused_no_more() -> Trouble {
    Trouble {
        what: "writing a batch".to_owned(),
        code: "refused_no_more".into(),
        hint:
            "The database refused it, and a moment later took all of it in a trial. It is written \
               again; if that goes on, look for triggers and constraints that depend on other rows."
                .to_owned(),
    }
}

/// Waits; says whether the lane is closing instead.
pub(super) async fn wait_or_closing(closing: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    tokio::select! {
        biased;
        // A sender that is gone means that the pipeline is: closing, too.
        _ = closing.wait_for(|closing| *closing) => true,
        () = sleep(wait) => false,
    }
}

/// The batch without one net change, whose changes wait instead.
fn let_wait(batch: &Batch, at: usize, index: usize) -> Batch {
    let mut rest = batch.clone();
    let change = rest.tables[at].changes.remove(index);
    let entity = rest.tables[at].mapping.entity.clone();
    match &batch.retried {
        // They are held already, and stay so.
        Some(retried) => rest.holds.push(retried.clone()),
        None => rest.holds.extend(waits(&change, &entity)),
    }
    rest.holds.sort_by(|a, b| a.key.cmp(&b.key));
    rest.releases.retain(|release| !is_of(release, &entity, change.record_id));
    rest.tables.retain(|table| !table.changes.is_empty());
    rest
}

fn is_of(release: &Release, entity: &EntityName, record_id: RecordId) -> bool {
    release.key.record_id == Some(record_id)
        && release.key.entity.as_ref().is_none_or(|released| released == entity)
}

/// The batch without these records: each of their changes is held, the first of each for the cause
/// that was found, the others because they wait for it. What they would have released stays held.
fn hold_back(batch: &Batch, found: &Found) -> Batch {
    let mut rest = batch.clone();
    for ((at, index), rejection) in found {
        let table = &batch.tables[*at];
        let (entity, change) = (&table.mapping.entity, &table.changes[*index]);
        let of_record = |release: &Release| is_of(release, entity, change.record_id);
        let version = highest_version(change);
        if let Some(retried) = &batch.retried {
            // They are held already; the first one tells how often, and the one that was refused
            // tells why, which is another where it was to take the first one's place.
            let of_batch = batch.releases.iter().filter(|release| of_record(release));
            let refused = of_batch
                .map(|release| &release.key)
                .find(|key| change.offsets().next().is_some_and(|offset| offset == key.offset));
            if refused != Some(&retried.key) {
                rest.holds.push(retried.clone());
            }
            rest.holds.extend(refused.map(|key| Hold {
                key: key.clone(),
                version,
                creates: creates(change),
                cause: rejection.into(),
                attempt: retried.attempt,
            }));
        } else {
            for (number, offset) in change.offsets().enumerate() {
                let key = key_of(offset, entity, change.record_id);
                let cause = if number == 0 { rejection.into() } else { HeldCause::waits() };
                let creates = creates(change);
                rest.holds.push(Hold { key, version, creates, cause, attempt: 0 });
            }
        }
        rest.releases.retain(|release| !of_record(release));
    }
    let bad_places: HashSet<Place> = found.iter().map(|(place, _)| *place).collect();
    for (at, table) in rest.tables.iter_mut().enumerate() {
        let mut index = 0;
        table.changes.retain(|_| {
            let bad = bad_places.contains(&(at, index));
            index += 1;
            !bad
        });
    }
    rest.tables.retain(|table| !table.changes.is_empty());
    rest.holds.sort_by(|a, b| a.key.cmp(&b.key));
    rest.holds.dedup_by(|a, b| a.key == b.key);
    rest
}

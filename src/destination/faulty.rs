//! Wraps a destination in a script of faults: what databases and networks do to a request.
//!
//! It can refuse, do the work and lose the answer, answer slowly, or let a request arrive long
//! after its sender has given it up. An observer sees every commit. For tests and the simulation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::desk::Desk;
use super::survey::TableSurvey;
use super::{
    Activated, Activation, Destination, DestinationError, Finding, RejectedRecord, Trouble,
    WhichHeld, WriteError, Written,
};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, CursorMove, Fence, LaneId, OwnerToken};
use crate::model::failure::{Cause, Rejection};
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::mapping::Mapping;
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It works.
    None,
    /// It is refused before anything happens: an outage.
    Refuse,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is done after this time, and answered.
    Slow(Duration),
    /// The caller hears that the outcome is unclear; the request arrives after this time.
    ArriveLate(Duration),
}

/// Which method was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Destination::take`].
    Take,
    /// [`Destination::write`] and [`Destination::try_out`].
    Write,
    /// [`Destination::held`] and [`Destination::mark_published`].
    Held,
}

/// Decides the fate of each call, in order.
pub type FaultScript = Box<dyn FnMut(Call) -> Fault + Send>;

/// Sees every write right after it returned, before anything else can run.
pub type Observer = Arc<dyn Fn(&Fence, &Result<Written, WriteError>) + Send + Sync>;

/// What a destination thinks of one net change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// It takes it.
    Fine,
    /// It refuses the record, and does not say which it was.
    Refused,
    /// Its table does not fit.
    Broken,
}

/// Judges every net change that comes.
pub type Judge = Arc<dyn Fn(&Mapping, &NetChange) -> Opinion + Send + Sync>;

/// A destination in which things go wrong. Clones share the script.
#[derive(Clone)]
pub struct Faulty {
    judge: Judge,
    /// What happens to a write of more net changes than so many.
    too_many: Option<(usize, Fault)>,
    inner: Arc<dyn Destination>,
    script: Arc<Mutex<FaultScript>>,
    observer: Observer,
    mutations: Mutations,
}

impl Faulty {
    /// Wraps `inner`.
    pub fn new(
        inner: Arc<dyn Destination>,
        script: FaultScript,
        observer: Observer,
        mutations: Mutations,
    ) -> Self {
        let judge: Judge = Arc::new(|_, _| Opinion::Fine);
        Self {
            judge,
            too_many: None,
            inner,
            script: Arc::new(Mutex::new(script)),
            observer,
            mutations,
        }
    }

    /// The same, with somebody who judges what is written.
    #[must_use]
    pub fn with_judge(self, judge: Judge) -> Self {
        Self { judge, ..self }
    }

    /// The same, with this fault for each write of more net changes than `most`.
    #[must_use]
    pub fn with_most(self, most: usize, fault: Fault) -> Self {
        Self { too_many: Some((most, fault)), ..self }
    }

    /// What the judge has against a batch.
    fn judge(&self, batch: &Batch) -> Result<(), WriteError> {
        for table in &batch.tables {
            for change in &table.changes {
                match (self.judge)(&table.mapping, change) {
                    Opinion::Fine => {}
                    Opinion::Refused => {
                        let cause = Cause::Refused { code: "scripted".into() };
                        let entity = Some(table.mapping.entity.clone());
                        let rejection = Rejection::of(cause);
                        let rejected = RejectedRecord { entity, record_id: None, rejection };
                        return Err(WriteError::Rejected(vec![rejected]));
                    }
                    Opinion::Broken => {
                        return Err(WriteError::Table { entity: None, trouble: outage() });
                    }
                }
            }
        }
        Ok(())
    }

    fn fate(&self, call: Call) -> Fault {
        (self.script.lock().unwrap_or_else(PoisonError::into_inner))(call)
    }

    /// One request that reaches the destination.
    async fn arrive(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        // A fence that does not hold is told before anything else.
        let judged = self.judge(batch);
        let result = match &judged {
            Err(refused) => {
                let look = Arc::new(Batch::default());
                match self.inner.try_out(fence, &look).await {
                    Ok(_) => Err(refused.clone()),
                    Err(error) => Err(error),
                }
            }
            Ok(()) => self.inner.write(fence, batch).await,
        };
        (self.observer)(fence, &result);
        result
    }

    /// The faults of `Mutation::CheckpointBeforeWrite`, `CheckpointOutsideTransaction` and
    /// `ReleaseOutside`: two
    /// transactions where there must be one, with a crash between them where `fault` says so.
    async fn arrive_in_two(
        &self,
        fence: &Fence,
        batch: &Arc<Batch>,
        fault: Fault,
    ) -> Result<Written, WriteError> {
        let standing = |at: fn(&CursorMove) -> crate::model::position::NextOffset| Fence {
            moves: fence
                .moves
                .iter()
                .map(|step| CursorMove { scope: step.scope.clone(), from: at(step), to: at(step) })
                .collect(),
            ..fence.clone()
        };
        let nothing = Arc::new(Batch::default());
        let (releases, rest) = (Arc::new(releases_of(batch)), Arc::new(without_releases(batch)));
        let (first, second) = if self.mutations.release_outside() {
            ((standing(|step| step.from), &releases), (fence.clone(), &rest))
        } else if self.mutations.checkpoint_before_write() {
            ((fence.clone(), &nothing), (standing(|step| step.to), batch))
        } else {
            ((standing(|step| step.from), batch), (fence.clone(), &nothing))
        };
        self.arrive(&first.0, first.1).await?;
        if fault != Fault::None {
            return Err(WriteError::Retry(outage()));
        }
        self.arrive(&second.0, second.1).await
    }
}

fn releases_of(batch: &Batch) -> Batch {
    Batch { releases: batch.releases.clone(), ..Batch::default() }
}

fn without_releases(batch: &Batch) -> Batch {
    Batch { releases: Vec::new(), ..batch.clone() }
}

fn outage() -> Trouble {
    Trouble {
        what: "reaching the destination".to_owned(),
        code: "scripted".into(),
        hint: "The fault script says so; try again.".to_owned(),
    }
}

#[async_trait]
impl Destination for Faulty {
    fn desk(&self) -> &dyn Desk {
        self.inner.desk()
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        self.inner.check(activation).await
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        self.inner.survey(activation).await
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        self.inner.activate(activation).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        match self.fate(Call::Take) {
            Fault::Refuse => Err(DestinationError::Retry(outage())),
            Fault::LoseAnswer => {
                self.inner.take(lane, token).await?;
                Err(DestinationError::Retry(outage()))
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                self.inner.take(lane, token).await
            }
            Fault::ArriveLate(_) | Fault::None => self.inner.take(lane, token).await,
        }
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let changes: usize = batch.tables.iter().map(|table| table.changes.len()).sum();
        let fault = match self.too_many {
            Some((most, fault)) if changes > most => fault,
            _ => self.fate(Call::Write),
        };
        let mutations = self.mutations;
        let in_two = mutations.checkpoint_before_write()
            || mutations.checkpoint_outside_transaction()
            || (mutations.release_outside() && !batch.releases.is_empty());
        if in_two {
            return self.arrive_in_two(fence, batch, fault).await;
        }
        match fault {
            Fault::None => self.arrive(fence, batch).await,
            Fault::Refuse => Err(WriteError::Retry(outage())),
            Fault::LoseAnswer => {
                self.arrive(fence, batch).await?;
                Err(WriteError::Unclear(outage()))
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                self.arrive(fence, batch).await
            }
            Fault::ArriveLate(time) => {
                let (late, fence, batch) = (self.clone(), fence.clone(), Arc::clone(batch));
                // The request is on its way whether its sender lives on or not: nobody owns it.
                #[expect(clippy::disallowed_methods, reason = "a request in the network")]
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    drop(late.arrive(&fence, &batch).await);
                });
                Err(WriteError::Unclear(outage()))
            }
        }
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        match self.fate(Call::Write) {
            Fault::None | Fault::ArriveLate(_) => {
                self.judge(batch)?;
                self.inner.try_out(fence, batch).await
            }
            Fault::Refuse => Err(WriteError::Retry(outage())),
            Fault::LoseAnswer => Err(WriteError::Unclear(outage())),
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                self.judge(batch)?;
                self.inner.try_out(fence, batch).await
            }
        }
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        match self.fate(Call::Held) {
            Fault::None | Fault::ArriveLate(_) | Fault::Slow(_) => {
                self.inner.held(lane, which, after, limit).await
            }
            Fault::Refuse | Fault::LoseAnswer => Err(DestinationError::Retry(outage())),
        }
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        match self.fate(Call::Held) {
            Fault::None | Fault::ArriveLate(_) | Fault::Slow(_) => {
                self.inner.mark_published(lane, published).await
            }
            Fault::Refuse => Err(DestinationError::Retry(outage())),
            Fault::LoseAnswer => {
                self.inner.mark_published(lane, published).await?;
                Err(DestinationError::Retry(outage()))
            }
        }
    }
}

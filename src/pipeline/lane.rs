//! A lane: one assigned partition, from its assignment to its end.
//!
//! A lane *takes* its checkpoint, checks that the log is still the one that the checkpoint speaks
//! of, starts its feed there, and copies for one [`Tenure`]. After anything unclear the tenure ends
//! and the lane takes again. What it learned of its tables (which entities fail as a whole and stand
//! back, what people asked for) is kept from one tenure to the next; what the destination knows
//! better (cursors, held changes) is read anew.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::breaker::Breaker;
use super::gap::{self, Gap};
use super::held_set::{HeldSet, RetryRule};
use super::intake::Intake;
use super::pace::Pace;
use super::pauses::Pauses;
use super::replay::Replays;
use super::requests::Ask;
use super::schema::Schema;
use super::status::{LaneReporter, LaneState};
use super::tenure::{Tenure, TenureEnd};
use super::writer::{Writer, wait_or_closing};
use super::{FIRST_WAIT, LONGEST_WAIT, PipelineParts};
use crate::destination::{DestinationError, WhichHeld};
use crate::log::{Bounds, Feed};
use crate::metrics::RetryCause;
use crate::model::backoff::Backoff;
use crate::model::checkpoint::{Checkpoint, LaneId, OwnerToken};
use crate::model::held::HeldKey;

/// So many tenures in a row may write nothing before the next one waits.
pub(super) const FRUITLESS_TENURES: u32 = 2;
/// Held changes that are read at once.
const HELD_PAGE: usize = 1_000;

/// Why a lane ended.
#[derive(Debug)]
pub(super) enum LaneEnd {
    /// Its partition was taken away.
    Revoked,
    /// It cannot go on; why, and what to do.
    Stopped(String),
}

/// One assigned partition.
pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) feed: Box<dyn Feed>,
    pub(super) parts: PipelineParts,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) status: LaneReporter,
    pub(super) rng: SmallRng,
    pub(super) intake: Intake,
    /// Read anew at each take; shared with whoever is writing a batch.
    pub(super) held: Arc<HeldSet>,
    pub(super) breaker: Breaker,
    pub(super) pauses: Pauses,
    /// What is activated, and what of it this lane works by.
    pub(super) schema: watch::Receiver<Arc<Schema>>,
    pub(super) mapped: Arc<Schema>,
    pub(super) replays: Replays,
    /// Tenures that wrote nothing, one after the other.
    pub(super) fruitless: u32,
    /// How large its batches may be.
    pub(super) pace: Pace,
    /// What people want of it.
    pub(super) asks: mpsc::Receiver<Ask>,
}

impl Lane {
    /// Runs until the partition is taken away or the lane cannot go on.
    pub(super) async fn run(mut self) -> LaneEnd {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let (token, checkpoint) = match self.take().await {
                Some(Ok(taken)) => taken,
                Some(Err(gap)) => {
                    if self.wait_for_mending(&gap).await {
                        continue;
                    }
                    return LaneEnd::Revoked;
                }
                None => return LaneEnd::Revoked,
            };
            match Tenure::new(&mut self, token, checkpoint).run().await {
                TenureEnd::Retake => {
                    tracing::info!(lane = %self.id, "taking the checkpoint again");
                    if self.fruitless == 0 {
                        backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
                    }
                    self.fruitless = self.fruitless.saturating_add(1);
                    // Two who both believe to own the lane would fence each other for ever.
                    let wait = backoff.next_wait(self.rng.random());
                    if self.fruitless > FRUITLESS_TENURES
                        && wait_or_closing(&mut self.closing, wait).await
                    {
                        return LaneEnd::Revoked;
                    }
                }
                TenureEnd::Revoked => return LaneEnd::Revoked,
                TenureEnd::Stopped(reason) => return LaneEnd::Stopped(reason),
            }
        }
    }

    /// Tries smaller batches, if there are any.
    pub(super) fn shrink(&mut self) {
        if self.pace.shrink() {
            let changes = self.pace.limits().changes;
            tracing::warn!(lane = %self.id, changes, "a batch did not get through; smaller ones are tried");
        }
    }

    /// Randomness of its own for a part of the lane.
    pub(super) fn fork_rng(&mut self) -> SmallRng {
        SmallRng::seed_from_u64(self.rng.random())
    }

    /// Says how far every replay has come.
    pub(super) fn tell_replays(&mut self, checkpoint: &Checkpoint) {
        for (id, state, progress) in self.replays.pass(checkpoint) {
            self.status.replay(id, state, progress.to_json());
        }
    }

    /// Whoever writes one batch for this lane.
    pub(super) fn writer(&mut self) -> Writer {
        Writer {
            destination: Arc::clone(&self.parts.destination),
            metrics: Arc::clone(&self.parts.metrics),
            status: self.status.clone(),
            closing: self.closing.clone(),
            rng: self.fork_rng(),
            mutations: self.parts.mutations,
            held: Arc::clone(&self.held),
        }
    }

    /// Takes the checkpoint and starts the feed there; waits for outages. `None` if the partition
    /// was taken away meanwhile.
    async fn take(&mut self) -> Option<Result<(OwnerToken, Checkpoint), Gap>> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            self.status.state(LaneState::Taking);
            let token = OwnerToken(Uuid::from_u128(self.rng.random()));
            let (cause, why) = match self.try_take(token).await {
                Ok(Ok(checkpoint)) => return Some(Ok((token, checkpoint))),
                Ok(Err(gap)) => return Some(Err(gap)),
                Err(failed) => failed,
            };
            tracing::warn!(lane = %self.id, "{why}");
            self.parts.metrics.count_retry(cause);
            self.status.state(LaneState::Waiting(why));
            let wait = backoff.next_wait(self.rng.random());
            if wait_or_closing(&mut self.closing, wait).await {
                return None;
            }
        }
    }

    async fn try_take(
        &mut self,
        token: OwnerToken,
    ) -> Result<Result<Checkpoint, Gap>, (RetryCause, String)> {
        let log_error = |error: crate::log::LogError| (RetryCause::Log, error.to_string());
        let checkpoint = self.parts.destination.take(&self.id, token).await;
        let mut checkpoint = checkpoint.map_err(destination_error)?;
        self.remap();
        let (log, topic_partition) = (self.parts.log.as_ref(), &self.id.topic_partition);
        let checked = gap::check(log, topic_partition, &checkpoint).await.map_err(log_error)?;
        let Bounds { end, .. } = match checked {
            Ok(bounds) => bounds,
            Err(gap) => return Ok(Err(gap)),
        };
        self.load_held().await.map_err(destination_error)?;
        let standing: Vec<_> = self.pauses.standing().collect();
        standing.iter().for_each(|(entity, _)| checkpoint.pause(entity));
        self.status.paused(&standing);
        let mut start = checkpoint.lowest();
        if self.parts.mutations.start_at_end() {
            start = end;
        }
        self.feed.start(start).await.map_err(log_error)?;
        self.status.taken(checkpoint.lowest(), end);
        self.status.cursors(&checkpoint);
        self.tell_replays(&checkpoint);
        Ok(Ok(checkpoint))
    }

    /// Goes on by what is activated now. Whatever an entity stood back for may be over with its
    /// new mapping, and what did not fit the old one may fit: both are tried at once.
    fn remap(&mut self) {
        let schema = Arc::clone(&self.schema.borrow_and_update());
        for entity in schema.changes_since(&self.mapped) {
            self.pauses.renew(entity, schema.refused.get(entity));
            self.breaker.forget(entity);
            let now = Instant::now().into_std();
            let of_entity = |key: &HeldKey, _: &str| key.entity.as_ref() == Some(entity);
            Arc::make_mut(&mut self.held).retry_now(now, of_entity);
        }
        self.intake.remap(&schema.mappings);
        self.mapped = schema;
    }

    /// Reads which records are held. Nobody else changes that as long as the token is ours.
    async fn load_held(&mut self) -> Result<(), DestinationError> {
        let profile = &self.parts.profile;
        let rule = RetryRule { count: profile.retry_count, interval: profile.retry_interval };
        let mut set = HeldSet::new(rule, self.parts.mutations);
        let mut after: Option<HeldKey> = None;
        loop {
            let page =
                self.parts.destination.held(&self.id, WhichHeld::All, after.as_ref(), HELD_PAGE);
            let page = page.await?;
            set.load(&page, Instant::now().into_std());
            match page.last() {
                Some(last) if page.len() == HELD_PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
        set.keep_plans(&self.held, Instant::now().into_std());
        self.status.held(set.len(), set.of_entity());
        self.held = Arc::new(set);
        Ok(())
    }
}

fn destination_error(error: DestinationError) -> (RetryCause, String) {
    let cause = match &error {
        DestinationError::Retry(_) => RetryCause::Destination,
        DestinationError::Fatal(_) => RetryCause::Fatal,
    };
    (cause, error.to_string())
}

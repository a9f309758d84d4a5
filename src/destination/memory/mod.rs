//! A destination in memory: the twin of the real ones.
//!
//! It keeps the contract of `destination` in the plainest way that one can check by reading. With
//! `destination::faulty` around it, it fails as real ones do. For tests and the simulation, never
//! for data.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::desk::Desk;
use super::survey::TableSurvey;
use super::{
    Activated, Activation, Destination, DestinationError, Finding, WhichHeld, WriteError, Written,
};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::mutation::Mutations;

mod apply;
mod desk;
mod held;
mod state;

pub use state::{MemoryState, StoredCursor, StoredRow, StoredTombstone};

/// A destination in memory. Clones share their state, as connections to one database do.
#[derive(Clone, Debug, Default)]
pub struct MemoryDestination {
    state: Arc<Mutex<MemoryState>>,
    /// Its clock: µs that go on whatever the state falls back to.
    clock_us: Arc<AtomicI64>,
    mutations: Mutations,
}

impl MemoryDestination {
    /// An empty destination.
    pub fn new(mutations: Mutations) -> Self {
        Self { mutations, ..Self::default() }
    }

    /// A further handle on the same state, with a fault of its own.
    pub fn with_mutations(&self, mutations: Mutations) -> Self {
        Self { state: Arc::clone(&self.state), clock_us: Arc::clone(&self.clock_us), mutations }
    }

    /// A copy of all that is stored.
    pub fn state(&self) -> MemoryState {
        self.lock().clone()
    }

    /// Looks at what is stored without a copy.
    pub fn look<T>(&self, at: impl FnOnce(&MemoryState) -> T) -> T {
        at(&self.lock())
    }

    /// Puts an older copy back, as a failover to a lagging replica does.
    pub fn restore(&self, older: MemoryState) {
        *self.lock() = older;
    }

    /// Tells the time.
    fn clock(&self) -> impl Fn() -> i64 + use<> {
        let clock_us = Arc::clone(&self.clock_us);
        move || 1_700_000_000_000_000 + clock_us.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    fn desk(&self) -> &dyn Desk {
        self
    }

    async fn check(&self, _activation: &Activation) -> Vec<Finding> {
        vec![Finding { what: "the destination in memory".to_owned(), problem: None }]
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        Ok(self.lock().survey(activation))
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        self.lock().activate(activation).map_err(DestinationError::Fatal)
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        self.lock().take(lane, token).map_err(DestinationError::Fatal)
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.lock().write(fence, batch, self.clock(), self.mutations)
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.state().write(fence, batch, self.clock(), self.mutations)
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        Ok(self.lock().held_of(lane, which, after, limit))
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        self.lock().mark_published(lane, published);
        Ok(())
    }
}

//! A destination in memory: the twin of the real ones, with a script of faults.
//!
//! It keeps the contract of `destination` in the plainest way that one can check by reading, and
//! it can misbehave as databases and networks do: refuse, do the work and lose the answer, stall
//! and arrive late, fall back to an older state. For tests and the simulation, never for data.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Activation, Destination, DestinationError, Finding, Trouble, WriteError, Written};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::mutation::Mutations;

mod apply;
mod state;

pub use state::{MemoryState, StoredRow, StoredTombstone};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It works.
    None,
    /// It is refused before anything happens: an outage.
    Refuse,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is done after this time.
    Slow(Duration),
    /// The caller hears that the outcome is unclear; the request arrives after this time.
    ArriveLate(Duration),
}

/// Decides the fate of each call, in order.
pub type FaultScript = Box<dyn FnMut(Call) -> Fault + Send>;

/// Which method was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Destination::take`].
    Take,
    /// [`Destination::write`].
    Write,
}

/// A destination in memory. Clones share their state, as connections to one database do.
#[derive(Clone)]
pub struct MemoryDestination {
    state: Arc<Mutex<MemoryState>>,
    script: Arc<Mutex<FaultScript>>,
    mutations: Mutations,
}

impl Default for MemoryDestination {
    fn default() -> Self {
        Self::new(Mutations::default())
    }
}

impl MemoryDestination {
    /// An empty destination in which nothing goes wrong.
    pub fn new(mutations: Mutations) -> Self {
        Self {
            state: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(|_| Fault::None))),
            mutations,
        }
    }

    /// Lets `script` decide the fate of every call from now on.
    pub fn set_faults(&self, script: FaultScript) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    /// A copy of all that is stored.
    pub fn state(&self) -> MemoryState {
        self.lock().clone()
    }

    /// Puts an older copy back, as a failover to a lagging replica does.
    pub fn restore(&self, older: MemoryState) {
        *self.lock() = older;
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, call: Call) -> Fault {
        (self.script.lock().unwrap_or_else(PoisonError::into_inner))(call)
    }
}

fn outage() -> Trouble {
    Trouble {
        what: "writing to the destination in memory".to_owned(),
        code: "scripted".into(),
        hint: "The fault script says so; try again.".to_owned(),
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    async fn check(&self, _activation: &Activation) -> Vec<Finding> {
        vec![Finding { what: "the destination in memory".to_owned(), problem: None }]
    }

    async fn activate(&self, activation: &Activation) -> Result<(), DestinationError> {
        self.lock().activate(activation).map_err(DestinationError::Fatal)
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        match self.fate(Call::Take) {
            Fault::Refuse => return Err(DestinationError::Retry(outage())),
            Fault::LoseAnswer => {
                self.lock().take(lane, token).map_err(DestinationError::Fatal)?;
                return Err(DestinationError::Retry(outage()));
            }
            Fault::Slow(time) => tokio::time::sleep(time).await,
            Fault::ArriveLate(_) | Fault::None => {}
        }
        self.lock().take(lane, token).map_err(DestinationError::Fatal)
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let mutations = self.mutations;
        match self.fate(Call::Write) {
            Fault::None => self.lock().write(fence, batch, mutations),
            Fault::Refuse => {
                if mutations.checkpoint_before_write() {
                    self.lock().move_cursors(fence);
                }
                Err(WriteError::Retry(outage()))
            }
            Fault::LoseAnswer => {
                self.lock().write(fence, batch, mutations)?;
                Err(WriteError::Unclear(outage()))
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                self.lock().write(fence, batch, mutations)
            }
            Fault::ArriveLate(time) => {
                let (late, fence, batch) = (self.clone(), fence.clone(), Arc::clone(batch));
                // The request is on its way whether its sender lives on or not.
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a request in the network has no owner"
                )]
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let answer = late.lock().write(&fence, &batch, mutations);
                    drop(answer);
                });
                Err(WriteError::Unclear(outage()))
            }
        }
    }
}

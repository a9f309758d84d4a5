//! Requests that are late or whose answers are lost, for adapters without a wire to cut.

use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::WhichHeld;
use keepstep::destination::desk::Desk;
use keepstep::destination::faulty::{Call, Fault, Faulty};
use keepstep::destination::survey::TableSurvey;
use keepstep::destination::{
    Activated, Activation, Destination, DestinationError, Finding, WriteError, Written,
};
use keepstep::model::batch::Batch;
use keepstep::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use keepstep::model::held::{HeldChange, HeldKey, Revision};
use keepstep::model::mutation::Mutations;
use tokio::sync::watch;

use super::laboratory::Stall;

/// A handle whose first write is done and unheard.
pub fn lose_first_answer(inner: Arc<dyn Destination>) -> Arc<dyn Destination> {
    let mut writes = 0;
    let script = move |call| {
        writes += u32::from(call == Call::Write);
        if call == Call::Write && writes == 1 { Fault::LoseAnswer } else { Fault::None }
    };
    // The fault is built into the adapter; the wrapper is sound.
    Arc::new(Faulty::new(inner, Box::new(script), Arc::new(|_, _| {}), Mutations::default()))
}

/// A handle whose first write waits, and the hold on it.
pub fn hold_first_write(inner: Arc<dyn Destination>) -> (Arc<dyn Destination>, Box<dyn Stall>) {
    let (state, _) = watch::channel(State::Open);
    let state = Arc::new(state);
    let held = HeldUp { inner, state: Arc::clone(&state) };
    (Arc::new(held), Box::new(Hold { state }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Held,
    Released,
}

struct Hold {
    state: Arc<watch::Sender<State>>,
}

#[async_trait]
impl Stall for Hold {
    async fn reached(&self) {
        wait_until(&self.state, State::Held).await;
    }

    async fn release(&self) {
        self.state.send_replace(State::Released);
    }
}

async fn wait_until(state: &watch::Sender<State>, wanted: State) {
    let waited = state.subscribe().wait_for(|state| *state == wanted).await.map(|_| ());
    waited.expect("the sender is held here");
}

struct HeldUp {
    inner: Arc<dyn Destination>,
    state: Arc<watch::Sender<State>>,
}

#[async_trait]
impl Destination for HeldUp {
    fn desk(&self) -> &dyn Desk {
        self.inner.desk()
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.inner.try_out(fence, batch).await
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        self.inner.held(lane, which, after, limit).await
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        self.inner.mark_published(lane, published).await
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
        self.inner.take(lane, token).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let first = self.state.send_if_modified(|state| {
            let first = *state == State::Open;
            if first {
                *state = State::Held;
            }
            first
        });
        if first {
            wait_until(&self.state, State::Released).await;
        }
        self.inner.write(fence, batch).await
    }
}

//! What the tests of this folder are made of: an activation, a lane, batches.

use std::sync::Arc;

use keepstep::destination::postgres::PostgresDestination;
use keepstep::destination::{Activation, Destination, WriteError, Written};
use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::checkpoint::{Fence, LaneId, OwnerToken};
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::net_change::NetChange;
use keepstep::model::position::{NextOffset, Offset};
use uuid::Uuid;

use crate::destination_conformance::scene;

/// A lane that was taken on an adapter.
pub struct Case {
    pub destination: Arc<PostgresDestination>,
    pub activation: Activation,
    pub mappings: Vec<Arc<Mapping>>,
    pub lane: LaneId,
    pub token: OwnerToken,
    pub next: i64,
}

impl Case {
    /// Activates one entity with text columns `a`, `b` and `c`, and takes its first lane.
    pub async fn new(destination: PostgresDestination) -> Self {
        Self::with(destination, vec![scene::letters("account", true)]).await
    }

    /// Activates entities and takes their first lane.
    pub async fn with(destination: PostgresDestination, mappings: Vec<Arc<Mapping>>) -> Self {
        let activation = scene::activation(&mappings.iter().collect::<Vec<_>>());
        destination.activate(&activation).await.unwrap();
        Self::taken(destination, activation, mappings).await
    }

    /// Takes the first lane of what was activated before.
    pub async fn taken(
        destination: PostgresDestination,
        activation: Activation,
        mappings: Vec<Arc<Mapping>>,
    ) -> Self {
        let lane = scene::lane_id(&activation, 0);
        let token = OwnerToken(Uuid::new_v4());
        let checkpoint = destination.take(&lane, token).await.unwrap();
        let next = checkpoint.lowest().0;
        let destination = Arc::new(destination);
        Self { destination, activation, mappings, lane, token, next }
    }

    /// The fence that moves the checkpoint one further.
    pub fn fence(&self) -> Fence {
        Fence {
            lane: self.lane.clone(),
            token: self.token,
            moves: vec![keepstep::model::checkpoint::CursorMove {
                scope: keepstep::model::checkpoint::Scope::All,
                from: NextOffset(self.next),
                to: NextOffset(self.next + 1),
            }],
            splits: Vec::new(),
            fingerprint: None,
        }
    }

    /// A batch of one change each for the entities.
    pub fn batch(&self, changes: Vec<Vec<Fitted>>) -> Arc<Batch> {
        let tables = self.mappings.iter().zip(changes).map(|(mapping, changes)| TableBatch {
            mapping: Arc::clone(mapping),
            changes: changes.into_iter().map(|one| NetChange::of(one, Offset(0))).collect(),
        });
        Arc::new(Batch { tables: tables.collect(), ..Batch::default() })
    }

    /// Writes changes of the first entity, and moves on.
    pub async fn write(&mut self, changes: Vec<Fitted>) -> Result<Written, WriteError> {
        let written = self.destination.write(&self.fence(), &self.batch(vec![changes])).await?;
        self.next += 1;
        Ok(written)
    }
}

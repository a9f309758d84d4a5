//! What the tables of a profile look like now, and how that changes while lanes run.
//!
//! Definitions come in as whole sets of mappings ([`Definitions`]). Each set is activated in the
//! destination beside the work, so that columns are there before a lane writes to them; then the
//! lanes take their checkpoints again and go on with it. Until then, and as long as the destination
//! is away, they go on with the former one. An entity whose table cannot be made to fit stands
//! back alone, with the reason, and is looked at again slowly.
//!
//! Promises: a lane never writes by a mapping that was not activated; nothing is skipped when the
//! mapping changes, for a lane goes on from its checkpoint.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::activation::{self, ActivationError};
use super::parts::PipelineParts;
use crate::model::mapping::Mapping;
use crate::model::position::Topic;
use crate::model::record::EntityName;

/// How long it takes until a set that could not be activated, whole or in part, is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// One mapping per entity of a profile.
pub type Mappings = Arc<[Arc<Mapping>]>;

/// The mappings of a profile, now and whenever its definitions change. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Definitions(watch::Receiver<Mappings>);

impl Definitions {
    /// Mappings that never change.
    pub fn fixed(mappings: Vec<Arc<Mapping>>) -> Self {
        Self::changing(mappings).1
    }

    /// Mappings, and where newer ones are put in.
    pub fn changing(mappings: Vec<Arc<Mapping>>) -> (watch::Sender<Mappings>, Self) {
        let (sender, receiver) = watch::channel(mappings.into());
        (sender, Self(receiver))
    }

    /// The mappings as they are now.
    pub fn now(&self) -> Mappings {
        Arc::clone(&self.0.borrow())
    }

    fn take(&mut self) -> Mappings {
        Arc::clone(&self.0.borrow_and_update())
    }

    /// Waits for newer ones; for ever if none can come. Safe to drop at any await.
    async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

/// What is activated.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// How the changes of each entity fit its table.
    pub(super) mappings: Mappings,
    /// Entities whose tables cannot be made to fit, each with what is wrong and what to do.
    pub(super) refused: BTreeMap<EntityName, String>,
}

impl Schema {
    /// Entities that are mapped, or refused, otherwise than in `former`.
    pub(super) fn changes_since(&self, former: &Self) -> impl Iterator<Item = &EntityName> {
        let mappings = self.mappings.iter().filter(|mapping| {
            let entity = &mapping.entity;
            let same = former.mappings.iter().any(|other| Arc::ptr_eq(other, mapping));
            !same || self.refused.get(entity) != former.refused.get(entity)
        });
        mappings.map(|mapping| &mapping.entity)
    }
}

/// What an activation came to.
pub(super) struct Activated {
    pub(super) schema: Schema,
    pub(super) partitions: BTreeMap<Topic, u32>,
}

/// Follows the definitions of one profile.
pub(super) struct SchemaKeeper {
    definitions: Definitions,
    current: Arc<Schema>,
    activating: JoinSet<Result<Activated, ActivationError>>,
    again_at: Option<Instant>,
}

impl SchemaKeeper {
    pub(super) fn new(definitions: Definitions) -> Self {
        let schema = Schema { mappings: definitions.now(), refused: BTreeMap::new() };
        Self { definitions, current: Arc::new(schema), activating: JoinSet::new(), again_at: None }
    }

    /// Activates the definitions as they are now; answers with the partitions of each topic.
    pub(super) async fn activate(
        &mut self,
        parts: &PipelineParts,
    ) -> Result<BTreeMap<Topic, u32>, ActivationError> {
        let activated = activation::activate(parts, self.definitions.take()).await?;
        self.adopt(activated.schema);
        Ok(activated.partitions)
    }

    /// What is activated.
    pub(super) fn current(&self) -> Arc<Schema> {
        Arc::clone(&self.current)
    }

    /// Waits until something newer is activated. Safe to drop at any await, and to be called again
    /// then.
    pub(super) async fn follow(&mut self, parts: &PipelineParts) -> Arc<Schema> {
        loop {
            let idle = self.activating.is_empty();
            tokio::select! {
                biased;
                Some(ended) = self.activating.join_next() => {
                    if self.ended(parts, ended.ok()) {
                        return self.current();
                    }
                    continue;
                }
                () = self.definitions.changed(), if idle => {}
                () = until(self.again_at), if idle => {}
            }
            self.again_at = None;
            let (parts, mappings) = (parts.clone(), self.definitions.take());
            self.activating.spawn(async move { activation::activate(&parts, mappings).await });
        }
    }

    /// Whether there is something new for the lanes.
    fn ended(
        &mut self,
        parts: &PipelineParts,
        ended: Option<Result<Activated, ActivationError>>,
    ) -> bool {
        match ended {
            Some(Ok(activated)) => return self.adopt(activated.schema),
            Some(Err(error)) => tracing::warn!(
                profile.id = %parts.profile.id, %error,
                "newer definitions cannot be activated yet; the lanes go on with the former ones"
            ),
            None => tracing::error!(
                profile.id = %parts.profile.id,
                "an activation failed by a fault of this program; please report it"
            ),
        }
        self.again_at = Some(Instant::now() + TRY_AGAIN);
        false
    }

    /// Whether it is another one than before.
    fn adopt(&mut self, schema: Schema) -> bool {
        self.again_at = (!schema.refused.is_empty()).then(|| Instant::now() + TRY_AGAIN);
        let other = self.current.mappings.len() != schema.mappings.len()
            || schema.changes_since(&self.current).next().is_some();
        if other {
            for (entity, why) in &schema.refused {
                tracing::warn!(entity = %entity, why, "the entity stands back, the others go on");
            }
            self.current = Arc::new(schema);
        }
        other
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

//! What a pipeline is made of, and why one ends by itself.

use std::sync::Arc;

use super::activation::ActivationError;
use super::memory_budget::MemoryBudget;
use super::schema::Definitions;
use super::status::StatusBoard;
use crate::codec::DecoderSettings;
use crate::destination::Destination;
use crate::log::Log;
use crate::metrics::ProfileMetrics;
use crate::model::mutation::Mutations;
use crate::model::profile::Profile;

/// Wall clock in ms since 1970, for stamps only; waiting uses Tokio's time.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a pipeline is made of. Everything comes in; nothing is looked up.
#[derive(Clone)]
pub struct PipelineParts {
    /// What is copied where.
    pub profile: Arc<Profile>,
    /// How the changes of its entities fit their tables, now and later.
    pub definitions: Definitions,
    /// How notifications are decoded.
    pub decoder: Arc<DecoderSettings>,
    /// Where notifications come from.
    pub log: Arc<dyn Log>,
    /// Where they go.
    pub destination: Arc<dyn Destination>,
    /// The process' one memory budget.
    pub budget: Arc<MemoryBudget>,
    /// Where its lanes say how they are.
    pub status: Arc<StatusBoard>,
    /// Its metrics.
    pub metrics: Arc<ProfileMetrics>,
    /// Wall clock.
    pub clock: Clock,
    /// Seed of jitter and owner tokens.
    pub seed: u64,
    /// Faults built in on purpose; none in a release.
    pub mutations: Mutations,
}

/// Why a pipeline ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// It could not be activated.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The log will not have it.
    #[error(transparent)]
    Log(#[from] crate::log::LogError),
}

//! Every metric, once.
//!
//! What the operator sees on `/metrics` is defined here and nowhere else; `docs/metrics.md` is
//! generated from it and the dashboards are compared with it. A registry of one's own, no statics:
//! tests and several processes in one never share counts.
//!
//! Promises: counting a batch takes no look-up and no allocation per change, for the handles are
//! bound per profile ([`ProfileMetrics`]) and per lane ([`LaneMetrics`]); every label has a bounded
//! set of values (ids from the settings, closed enums, partitions of named topics); the gauges of a
//! lane go when the lane goes. Must never carry a record id, a key, a value or a secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

pub use self::definition::{Definition, Kind};
pub use self::failed_list::FailedListMetrics;
pub use self::handle::{EntityCounts, LaneMetrics, ProfileMetrics};
pub use self::label::{BatchOutcome, LaneState, RetryCause, SkipReason};

mod definition;
mod failed_list;
mod handle;
mod label;
mod reference;

/// Seconds from 1 ms to 10 min: latencies of a batch and of a whole journey.
const SECONDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
];

/// Registers metrics and remembers their definitions.
struct Builder {
    registry: Registry,
    definitions: Vec<Definition>,
}

impl Builder {
    fn register<M: Collector + Clone + 'static>(
        &mut self,
        definition: Definition,
        metric: M,
    ) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        self.definitions.push(definition);
        Ok(metric)
    }

    fn counter(&mut self, definition: Definition) -> Result<IntCounterVec, prometheus::Error> {
        let metric =
            IntCounterVec::new(Opts::new(definition.name, definition.help), definition.labels)?;
        self.register(definition, metric)
    }

    fn gauge(&mut self, definition: Definition) -> Result<IntGaugeVec, prometheus::Error> {
        let metric =
            IntGaugeVec::new(Opts::new(definition.name, definition.help), definition.labels)?;
        self.register(definition, metric)
    }

    fn gauge_of_seconds(&mut self, definition: Definition) -> Result<GaugeVec, prometheus::Error> {
        let metric = GaugeVec::new(Opts::new(definition.name, definition.help), definition.labels)?;
        self.register(definition, metric)
    }

    fn seconds(&mut self, definition: Definition) -> Result<HistogramVec, prometheus::Error> {
        let options =
            HistogramOpts::new(definition.name, definition.help).buckets(SECONDS.to_vec());
        let metric = HistogramVec::new(options, definition.labels)?;
        self.register(definition, metric)
    }
}

/// All metrics of one process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    definitions: Arc<[Definition]>,
    written: IntCounterVec,
    deleted: IntCounterVec,
    superseded: IntCounterVec,
    dropped_attributes: IntCounterVec,
    skipped: IntCounterVec,
    batches: IntCounterVec,
    batch_write: HistogramVec,
    append_to_commit: HistogramVec,
    lag_changes: IntGaugeVec,
    lag_seconds: GaugeVec,
    lane_state: IntGaugeVec,
    retries: IntCounterVec,
    fenced: IntCounterVec,
    memory_used: IntGauge,
    memory_budget: IntGauge,
    decode_failures: IntCounterVec,
    rebalances: IntCounterVec,
    held_total: IntCounterVec,
    released_total: IntCounterVec,
    held: IntGaugeVec,
    entity_held: IntGaugeVec,
    last_commit: GaugeVec,
    paused: IntGaugeVec,
    trials: IntCounterVec,
    dead_letters: IntCounterVec,
    dead_letters_read: IntCounterVec,
    dead_letters_unreadable: IntCounterVec,
    failed_list_rebuilds: IntCounterVec,
    /// Lanes that show gauges, with the number of their handles: the last one to go removes them.
    live: Arc<Mutex<HashMap<[String; 3], usize>>>,
}

impl Metrics {
    /// All metrics, at nought, in a registry of their own.
    ///
    /// # Errors
    /// If two metrics have one name, or a name is not valid; a test sees that neither happens.
    pub fn new() -> Result<Self, prometheus::Error> {
        let mut new = Builder { registry: Registry::new(), definitions: Vec::new() };
        Ok(Self {
            written: new.counter(definition::WRITTEN)?,
            deleted: new.counter(definition::DELETED)?,
            superseded: new.counter(definition::SUPERSEDED)?,
            dropped_attributes: new.counter(definition::DROPPED_ATTRIBUTES)?,
            skipped: new.counter(definition::SKIPPED)?,
            batches: new.counter(definition::BATCHES)?,
            batch_write: new.seconds(definition::BATCH_WRITE)?,
            append_to_commit: new.seconds(definition::APPEND_TO_COMMIT)?,
            lag_changes: new.gauge(definition::LAG_CHANGES)?,
            lag_seconds: new.gauge_of_seconds(definition::LAG_SECONDS)?,
            lane_state: new.gauge(definition::LANE_STATE)?,
            retries: new.counter(definition::RETRIES)?,
            fenced: new.counter(definition::FENCED)?,
            memory_used: new.gauge(definition::MEMORY_USED)?.with_label_values::<&str>(&[]),
            memory_budget: new.gauge(definition::MEMORY_BUDGET)?.with_label_values::<&str>(&[]),
            decode_failures: new.counter(definition::DECODE_FAILURES)?,
            rebalances: new.counter(definition::REBALANCES)?,
            held_total: new.counter(definition::HELD_TOTAL)?,
            released_total: new.counter(definition::RELEASED_TOTAL)?,
            held: new.gauge(definition::HELD)?,
            entity_held: new.gauge(definition::ENTITY_HELD)?,
            last_commit: new.gauge_of_seconds(definition::LAST_COMMIT)?,
            paused: new.gauge(definition::PAUSED)?,
            trials: new.counter(definition::TRIALS)?,
            dead_letters: new.counter(definition::DEAD_LETTERS)?,
            dead_letters_read: new.counter(definition::DEAD_LETTERS_READ)?,
            dead_letters_unreadable: new.counter(definition::DEAD_LETTERS_UNREADABLE)?,
            failed_list_rebuilds: new.counter(definition::FAILED_LIST_REBUILDS)?,
            live: Arc::default(),
            registry: new.registry,
            definitions: new.definitions.into(),
        })
    }

    /// Every metric, in the order of their definition.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// All values in Prometheus's text format.
    ///
    /// # Errors
    /// If the text cannot be encoded.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// Says how many bytes the memory budget has.
    pub fn set_memory_budget(&self, bytes: usize) {
        self.memory_budget.set(whole(bytes));
    }

    /// Says how many bytes of the memory budget are used.
    pub fn set_memory_used(&self, bytes: usize) {
        self.memory_used.set(whole(bytes));
    }
}

/// A number of bytes as a gauge holds it.
fn whole(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

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

pub use self::handle::{EntityCounts, LaneMetrics, ProfileMetrics};
pub use self::label::{BatchOutcome, LaneState, RetryCause, SkipReason};

mod handle;
mod label;

/// What kind of metric it is, in Prometheus's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts per bucket, with a sum.
    Histogram,
}

/// The one definition of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says, as Prometheus and `docs/metrics.md` show it.
    pub help: &'static str,
}

/// Seconds from 1 ms to 10 min: latencies of a batch and of a whole journey.
const SECONDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
];

const LANE: &[&str] = &["profile", "topic", "partition"];

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

    fn counter(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.register(Definition { name, kind: Kind::Counter, labels, help }, metric)
    }

    fn gauge(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.register(Definition { name, kind: Kind::Gauge, labels, help }, metric)
    }

    fn gauge_of_seconds(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<GaugeVec, prometheus::Error> {
        let metric = GaugeVec::new(Opts::new(name, help), labels)?;
        self.register(Definition { name, kind: Kind::Gauge, labels, help }, metric)
    }

    fn seconds(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let metric = HistogramVec::new(options, labels)?;
        self.register(Definition { name, kind: Kind::Histogram, labels, help }, metric)
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
        let entity = &["profile", "entity"];
        Ok(Self {
            written: new.counter(
                "keepstep_changes_written_total",
                entity,
                "Rows inserted or updated in the destination.",
            )?,
            deleted: new.counter(
                "keepstep_changes_deleted_total",
                entity,
                "Rows deleted in the destination.",
            )?,
            superseded: new.counter(
                "keepstep_changes_superseded_total",
                entity,
                "Changes without effect because a newer one of their record was there already.",
            )?,
            dropped_attributes: new.counter(
                "keepstep_attributes_dropped_total",
                entity,
                "Attributes left out because the entity's definition lacks them.",
            )?,
            skipped: new.counter(
                "keepstep_changes_skipped_total",
                &["profile", "reason"],
                "Changes passed over: other_entity (not part of the profile), settled (the \
                 checkpoint is past them), marker (begin or end of an initial sync).",
            )?,
            batches: new.counter(
                "keepstep_batches_total",
                &["profile", "outcome"],
                "Attempts to write a batch, by how they ended: written, retry, unclear, fenced, \
                 rejected, fatal.",
            )?,
            batch_write: new.seconds(
                "keepstep_batch_write_seconds",
                &["profile"],
                "Time that the destination took to write a batch, successful attempts only.",
            )?,
            append_to_commit: new.seconds(
                "keepstep_append_to_commit_seconds",
                &["profile"],
                "Time from a change's append to the log to the commit of its row.",
            )?,
            lag_changes: new.gauge(
                "keepstep_lane_lag_changes",
                LANE,
                "Offsets between the end of the partition and the checkpoint.",
            )?,
            lag_seconds: new.gauge_of_seconds(
                "keepstep_lane_lag_seconds",
                LANE,
                "Age of the oldest change that is not yet committed; 0 when there is none.",
            )?,
            lane_state: new.gauge(
                "keepstep_lane_state",
                &["profile", "topic", "partition", "state"],
                "1 for the state that the lane is in, else 0: taking, running, waiting, stopped.",
            )?,
            retries: new.counter(
                "keepstep_retries_total",
                &["profile", "cause"],
                "Tries repeated: destination (not available), unclear (answer lost), log (not \
                 available), fatal (a person must act, tried slowly).",
            )?,
            fenced: new.counter(
                "keepstep_fenced_total",
                &["profile"],
                "Batches refused because another owner or another offset stood in the checkpoint.",
            )?,
            memory_used: new
                .gauge(
                    "keepstep_memory_budget_used_bytes",
                    &[],
                    "Bytes of changes held in memory, as the budget counts them.",
                )?
                .with_label_values::<&str>(&[]),
            memory_budget: new
                .gauge(
                    "keepstep_memory_budget_bytes",
                    &[],
                    "Bytes of changes that may be held in memory, from the settings.",
                )?
                .with_label_values::<&str>(&[]),
            decode_failures: new.counter(
                "keepstep_decode_failures_total",
                &["profile", "cause"],
                "Notifications that could not be decoded or do not fit, by cause.",
            )?,
            rebalances: new.counter(
                "keepstep_rebalances_total",
                &["profile"],
                "Times that partitions were assigned to this process or taken from it.",
            )?,
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

//! Name, kind, labels and help of every metric: the only place where they are written.

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

const PROFILE: &[&str] = &["profile"];
const LANE: &[&str] = &["profile", "topic", "partition"];
const ENTITY: &[&str] = &["profile", "entity"];

pub(super) const WRITTEN: Definition = Definition {
    name: "keepstep_changes_written_total",
    kind: Kind::Counter,
    labels: ENTITY,
    help: "Rows inserted or updated in the destination.",
};

pub(super) const DELETED: Definition = Definition {
    name: "keepstep_changes_deleted_total",
    kind: Kind::Counter,
    labels: ENTITY,
    help: "Rows deleted in the destination.",
};

pub(super) const SUPERSEDED: Definition = Definition {
    name: "keepstep_changes_superseded_total",
    kind: Kind::Counter,
    labels: ENTITY,
    help: "Changes without effect because a newer one of their record was there already.",
};

pub(super) const DROPPED_ATTRIBUTES: Definition = Definition {
    name: "keepstep_attributes_dropped_total",
    kind: Kind::Counter,
    labels: ENTITY,
    help: "Attributes left out because the entity's definition lacks them.",
};

pub(super) const SKIPPED: Definition = Definition {
    name: "keepstep_changes_skipped_total",
    kind: Kind::Counter,
    labels: &["profile", "reason"],
    help: "Changes passed over: other_entity (not part of the profile), settled (the checkpoint is \
           past them), marker (begin or end of an initial sync).",
};

pub(super) const BATCHES: Definition = Definition {
    name: "keepstep_batches_total",
    kind: Kind::Counter,
    labels: &["profile", "outcome"],
    help: "Attempts to write a batch, by how they ended: written, retry, unclear, fenced, rejected, \
           fatal.",
};

pub(super) const BATCH_WRITE: Definition = Definition {
    name: "keepstep_batch_write_seconds",
    kind: Kind::Histogram,
    labels: PROFILE,
    help: "Time that the destination took to write a batch, successful attempts only.",
};

pub(super) const APPEND_TO_COMMIT: Definition = Definition {
    name: "keepstep_append_to_commit_seconds",
    kind: Kind::Histogram,
    labels: PROFILE,
    help: "Time from a change's append to the log to the commit of its row.",
};

pub(super) const LAG_CHANGES: Definition = Definition {
    name: "keepstep_lane_lag_changes",
    kind: Kind::Gauge,
    labels: LANE,
    help: "Offsets between the end of the partition and the checkpoint.",
};

pub(super) const LAG_SECONDS: Definition = Definition {
    name: "keepstep_lane_lag_seconds",
    kind: Kind::Gauge,
    labels: LANE,
    help: "Age of the oldest change that is not yet committed; 0 when there is none.",
};

pub(super) const LANE_STATE: Definition = Definition {
    name: "keepstep_lane_state",
    kind: Kind::Gauge,
    labels: &["profile", "topic", "partition", "state"],
    help: "1 for the state that the lane is in, else 0: taking, running, waiting, stopped.",
};

pub(super) const RETRIES: Definition = Definition {
    name: "keepstep_retries_total",
    kind: Kind::Counter,
    labels: &["profile", "cause"],
    help: "Tries repeated: destination (not available), unclear (answer lost), log (not available), \
           fatal (a person must act, tried slowly).",
};

pub(super) const FENCED: Definition = Definition {
    name: "keepstep_fenced_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Batches refused because another owner or another offset stood in the checkpoint.",
};

pub(super) const MEMORY_USED: Definition = Definition {
    name: "keepstep_memory_budget_used_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes of changes held in memory, as the budget counts them.",
};

pub(super) const MEMORY_BUDGET: Definition = Definition {
    name: "keepstep_memory_budget_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Bytes of changes that may be held in memory, from the settings.",
};

pub(super) const DECODE_FAILURES: Definition = Definition {
    name: "keepstep_decode_failures_total",
    kind: Kind::Counter,
    labels: &["profile", "cause"],
    help: "Notifications that could not be decoded or do not fit, by cause.",
};

pub(super) const DEAD_LETTERS_READ: Definition = Definition {
    name: "keepstep_dead_letters_read_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Dead letters and releases that the failed-record list was made of.",
};

pub(super) const DEAD_LETTERS_UNREADABLE: Definition = Definition {
    name: "keepstep_dead_letters_unreadable_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Records of the dead-letter topic that are no dead letters of the profile; the \
           failed-record list passes over them.",
};

pub(super) const FAILED_LIST_REBUILDS: Definition = Definition {
    name: "keepstep_failed_list_rebuilds_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Times that the failed-record list was rebuilt by itself, for it did not say what the \
           destination holds.",
};

pub(super) const REBALANCES: Definition = Definition {
    name: "keepstep_rebalances_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Times that partitions were assigned to this process or taken from it.",
};

pub(super) const HELD_TOTAL: Definition = Definition {
    name: "keepstep_changes_held_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Changes that could not be written and were held, waiting ones included.",
};

pub(super) const RELEASED_TOTAL: Definition = Definition {
    name: "keepstep_changes_released_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Held changes that were released: superseded, written at another try, or dismissed.",
};

pub(super) const HELD: Definition = Definition {
    name: "keepstep_lane_held_changes",
    kind: Kind::Gauge,
    labels: LANE,
    help: "Changes of the lane that are held now.",
};

pub(super) const ENTITY_HELD: Definition = Definition {
    name: "keepstep_entity_held_changes",
    kind: Kind::Gauge,
    labels: ENTITY,
    help: "Changes of the entity that are held now in the lanes of this process; those whose entity \
           could not be read count for their lane only.",
};

pub(super) const LAST_COMMIT: Definition = Definition {
    name: "keepstep_entity_last_commit_timestamp_seconds",
    kind: Kind::Gauge,
    labels: ENTITY,
    help: "When a batch with changes of the entity was last written, seconds since 1970; 0 if none \
           was since this process started.",
};

pub(super) const PAUSED: Definition = Definition {
    name: "keepstep_lane_paused_entities",
    kind: Kind::Gauge,
    labels: LANE,
    help: "Entities of the lane that stand back because their table or definition does not fit.",
};

pub(super) const TRIALS: Definition = Definition {
    name: "keepstep_trials_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Trial transactions, rolled back, to find which records a destination refuses.",
};

pub(super) const DEAD_LETTERS: Definition = Definition {
    name: "keepstep_dead_letters_total",
    kind: Kind::Counter,
    labels: PROFILE,
    help: "Dead letters and releases that the dead-letter topic has acknowledged.",
};

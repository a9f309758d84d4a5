//! Handles by which the pipeline counts: bound once, so that counting is an addition.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::label::{BatchOutcome, LaneState, RetryCause, SkipReason};

impl Metrics {
    /// The metrics of one profile, bound to its entities.
    pub fn profile<'a>(
        &self,
        profile: &str,
        entities: impl IntoIterator<Item = &'a str>,
    ) -> ProfileMetrics {
        let bind = |entity: &str| EntityMetrics {
            written: self.written.with_label_values(&[profile, entity]),
            deleted: self.deleted.with_label_values(&[profile, entity]),
            superseded: self.superseded.with_label_values(&[profile, entity]),
            dropped_attributes: self.dropped_attributes.with_label_values(&[profile, entity]),
            held: self.entity_held.with_label_values(&[profile, entity]),
            last_commit: self.last_commit.with_label_values(&[profile, entity]),
        };
        let one = |family: &IntCounterVec| family.with_label_values(&[profile]);
        ProfileMetrics {
            entities: entities.into_iter().map(|name| (name.to_owned(), bind(name))).collect(),
            skipped: SkipReason::ALL
                .map(|(_, word)| self.skipped.with_label_values(&[profile, word])),
            batches: BatchOutcome::ALL
                .map(|(_, word)| self.batches.with_label_values(&[profile, word])),
            retries: RetryCause::ALL
                .map(|(_, word)| self.retries.with_label_values(&[profile, word])),
            batch_write: self.batch_write.with_label_values(&[profile]),
            append_to_commit: self.append_to_commit.with_label_values(&[profile]),
            fenced: one(&self.fenced),
            rebalances: one(&self.rebalances),
            held_total: one(&self.held_total),
            released_total: one(&self.released_total),
            trials: one(&self.trials),
            dead_letters: one(&self.dead_letters),
            profile: profile.to_owned(),
            all: self.clone(),
        }
    }
}

/// The metrics of one profile. Made once, shared by its lanes.
#[derive(Debug)]
pub struct ProfileMetrics {
    profile: String,
    all: Metrics,
    entities: HashMap<String, EntityMetrics>,
    skipped: [IntCounter; SkipReason::ALL.len()],
    batches: [IntCounter; BatchOutcome::ALL.len()],
    retries: [IntCounter; RetryCause::ALL.len()],
    batch_write: Histogram,
    append_to_commit: Histogram,
    fenced: IntCounter,
    rebalances: IntCounter,
    held_total: IntCounter,
    released_total: IntCounter,
    trials: IntCounter,
    dead_letters: IntCounter,
}

/// What a batch did to one entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntityCounts {
    /// Rows inserted or updated.
    pub written: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Changes without effect.
    pub superseded: u64,
    /// Attributes left out.
    pub dropped_attributes: u64,
}

#[derive(Debug)]
struct EntityMetrics {
    written: IntCounter,
    deleted: IntCounter,
    superseded: IntCounter,
    dropped_attributes: IntCounter,
    held: IntGauge,
    last_commit: Gauge,
}

impl ProfileMetrics {
    /// Counts what a batch written at `now_ms` (since 1970) did to one entity. An entity outside the
    /// profile is not counted.
    pub fn count_entity(&self, entity: &str, counts: EntityCounts, now_ms: i64) {
        let Some(metrics) = self.entities.get(entity) else {
            return;
        };
        metrics.written.inc_by(counts.written);
        metrics.deleted.inc_by(counts.deleted);
        metrics.superseded.inc_by(counts.superseded);
        metrics.dropped_attributes.inc_by(counts.dropped_attributes);
        let since_1970 = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        metrics.last_commit.set(since_1970.as_secs_f64());
    }

    /// Counts changes that were passed over.
    pub fn count_skipped(&self, reason: SkipReason, changes: u64) {
        self.skipped[reason as usize].inc_by(changes);
    }

    /// Counts an attempt to write a batch.
    pub fn count_batch(&self, outcome: BatchOutcome) {
        self.batches[outcome as usize].inc();
        if outcome == BatchOutcome::Fenced {
            self.fenced.inc();
        }
    }

    /// Counts what a written batch held and released.
    pub fn count_held(&self, held: u64, released: u64) {
        self.held_total.inc_by(held);
        self.released_total.inc_by(released);
    }

    /// Counts what the dead-letter topic has acknowledged.
    pub fn count_dead_letters(&self, letters: u64) {
        self.dead_letters.inc_by(letters);
    }

    /// Counts trial transactions.
    pub fn count_trials(&self, trials: u32) {
        self.trials.inc_by(u64::from(trials));
    }

    /// Counts something that is tried again.
    pub fn count_retry(&self, cause: RetryCause) {
        self.retries[cause as usize].inc();
    }

    /// Counts a notification that could not be decoded or does not fit; `cause` is a word of a
    /// closed set, which its type keeps bounded.
    pub fn count_decode_failure(&self, cause: &'static str) {
        self.all.decode_failures.with_label_values(&[self.profile.as_str(), cause]).inc();
    }

    /// Counts an assignment or a revocation.
    pub fn count_rebalance(&self) {
        self.rebalances.inc();
    }

    /// Notes how long the destination took to write a batch.
    pub fn observe_batch_write(&self, took: Duration) {
        self.batch_write.observe(took.as_secs_f64());
    }

    /// Notes for each change how long it took from its append (ms since 1970) to the commit.
    pub fn observe_append_to_commit(
        &self,
        appended_ms: impl IntoIterator<Item = i64>,
        committed_ms: i64,
    ) {
        let local = self.append_to_commit.local();
        for appended_ms in appended_ms {
            let took_ms = u64::try_from(committed_ms.saturating_sub(appended_ms)).unwrap_or(0);
            local.observe(Duration::from_millis(took_ms).as_secs_f64());
        }
        local.flush();
    }

    /// The gauges of one lane; they are shown until the handle is dropped.
    pub fn lane(&self, topic: &str, partition: u32) -> LaneMetrics {
        let id = [self.profile.clone(), topic.to_owned(), partition.to_string()];
        let mut live = self.all.live.lock().unwrap_or_else(PoisonError::into_inner);
        *live.entry(id.clone()).or_insert(0) += 1;
        let state =
            |word: &str| self.all.lane_state.with_label_values(&[&id[0], &id[1], &id[2], word]);
        LaneMetrics {
            lag_changes: self.all.lag_changes.with_label_values(&id),
            lag_seconds: self.all.lag_seconds.with_label_values(&id),
            held: self.all.held.with_label_values(&id),
            paused: self.all.paused.with_label_values(&id),
            states: LaneState::ALL.map(|(_, word)| state(word)),
            entities: self
                .entities
                .iter()
                .map(|(name, of)| (name.clone(), (of.held.clone(), 0)))
                .collect(),
            id,
            all: self.all.clone(),
        }
    }
}

/// The gauges of one lane.
#[derive(Debug)]
pub struct LaneMetrics {
    id: [String; 3],
    all: Metrics,
    lag_changes: IntGauge,
    lag_seconds: Gauge,
    held: IntGauge,
    paused: IntGauge,
    states: [IntGauge; LaneState::ALL.len()],
    /// Per entity, the gauge that all lanes share, and this lane's part of it.
    entities: HashMap<String, (IntGauge, i64)>,
}

impl LaneMetrics {
    /// Says how far behind the lane is: in offsets, and how old its oldest open change is.
    pub fn set_lag(&self, changes: u64, oldest: Duration) {
        self.lag_changes.set(i64::try_from(changes).unwrap_or(i64::MAX));
        self.lag_seconds.set(oldest.as_secs_f64());
    }

    /// Says how many changes are held.
    pub fn set_held(&self, changes: usize) {
        self.held.set(i64::try_from(changes).unwrap_or(i64::MAX));
    }

    /// Says how many changes of an entity are held in this lane.
    pub fn set_entity_held(&mut self, entity: &str, changes: usize) {
        if let Some((gauge, part)) = self.entities.get_mut(entity) {
            let changes = i64::try_from(changes).unwrap_or(i64::MAX);
            gauge.add(changes.saturating_sub(*part));
            *part = changes;
        }
    }

    /// Says how many entities stand back.
    pub fn set_paused(&self, entities: usize) {
        self.paused.set(i64::try_from(entities).unwrap_or(i64::MAX));
    }

    /// Says what the lane is doing.
    pub fn set_state(&self, state: LaneState) {
        for (at, gauge) in self.states.iter().enumerate() {
            gauge.set(i64::from(at == state as usize));
        }
    }
}

impl Drop for LaneMetrics {
    fn drop(&mut self) {
        self.entities.values().for_each(|(gauge, part)| gauge.sub(*part));
        let mut live = self.all.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handles) = live.get_mut(&self.id) {
            *handles -= 1;
            if *handles > 0 {
                return;
            }
        }
        live.remove(&self.id);
        // A gauge that is not there is as good as removed.
        let _ = self.all.lag_changes.remove_label_values(&self.id);
        let _ = self.all.lag_seconds.remove_label_values(&self.id);
        let _ = self.all.held.remove_label_values(&self.id);
        let _ = self.all.paused.remove_label_values(&self.id);
        for (_, word) in LaneState::ALL {
            let [profile, topic, partition] = &self.id;
            let _ = self.all.lane_state.remove_label_values(&[
                profile.as_str(),
                topic.as_str(),
                partition.as_str(),
                word,
            ]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> (Metrics, ProfileMetrics) {
        let metrics = Metrics::new().unwrap();
        let profile = metrics.profile("crm", ["contact"]);
        (metrics, profile)
    }

    #[test]
    fn counts_are_shown_under_their_names() {
        let (metrics, profile) = contact();
        profile.count_entity(
            "contact",
            EntityCounts { written: 3, deleted: 1, ..Default::default() },
            1_500,
        );
        profile.count_entity("unknown", EntityCounts { written: 9, ..Default::default() }, 0);
        profile.count_batch(BatchOutcome::Fenced);
        profile.count_skipped(SkipReason::Marker, 2);
        profile.count_retry(RetryCause::Fatal);
        profile.count_decode_failure("key_mismatch");
        metrics.set_memory_budget(1_000);
        let text = metrics.render().unwrap();
        for line in [
            "keepstep_changes_written_total{entity=\"contact\",profile=\"crm\"} 3",
            "keepstep_changes_deleted_total{entity=\"contact\",profile=\"crm\"} 1",
            "keepstep_entity_last_commit_timestamp_seconds{entity=\"contact\",profile=\"crm\"} 1.5",
            "keepstep_batches_total{outcome=\"fenced\",profile=\"crm\"} 1",
            "keepstep_fenced_total{profile=\"crm\"} 1",
            "keepstep_changes_skipped_total{profile=\"crm\",reason=\"marker\"} 2",
            "keepstep_retries_total{cause=\"fatal\",profile=\"crm\"} 1",
            "keepstep_decode_failures_total{cause=\"key_mismatch\",profile=\"crm\"} 1",
            "keepstep_memory_budget_bytes 1000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        assert!(!text.contains("unknown"));
    }

    #[test]
    fn latencies_reach_the_outermost_buckets() {
        let (metrics, profile) = contact();
        profile.observe_append_to_commit([0, 599_999, 600_000, 700_000], 600_000);
        let text = metrics.render().unwrap();
        let bucket = |le: &str| {
            format!("keepstep_append_to_commit_seconds_bucket{{profile=\"crm\",le=\"{le}\"}}")
        };
        assert!(text.contains(&format!("{} 3", bucket("0.001"))), "{text}");
        assert!(text.contains(&format!("{} 4", bucket("600"))), "{text}");
    }

    #[test]
    fn what_is_held_of_an_entity_is_the_sum_over_lanes() {
        let (metrics, profile) = contact();
        let shown = |held: i64| {
            let line = format!(
                "keepstep_entity_held_changes{{entity=\"contact\",profile=\"crm\"}} {held}\n"
            );
            metrics.render().unwrap().contains(&line)
        };
        let (mut first, mut second) = (profile.lane("contacts", 0), profile.lane("contacts", 1));
        first.set_entity_held("contact", 5);
        second.set_entity_held("contact", 2);
        second.set_entity_held("stranger", 9);
        assert!(shown(7));
        first.set_entity_held("contact", 1);
        assert!(shown(3));
        drop(second);
        assert!(shown(1));
        drop(first);
        assert!(shown(0));
    }

    #[test]
    fn the_gauges_of_a_lane_go_with_its_last_handle() {
        let (metrics, profile) = contact();
        let shown = || metrics.render().unwrap().contains("keepstep_lane");
        let first = profile.lane("contacts", 0);
        first.set_state(LaneState::Running);
        let second = profile.lane("contacts", 0);
        drop(first);
        assert!(shown());
        second.set_lag(5, Duration::from_millis(1_500));
        let text = metrics.render().unwrap();
        assert!(text.contains(
            "keepstep_lane_lag_seconds{partition=\"0\",profile=\"crm\",topic=\"contacts\"} 1.5"
        ));
        drop(second);
        assert!(!shown());
    }
}

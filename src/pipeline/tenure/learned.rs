//! What a tenure learns from a written batch, and tells.

use std::sync::Arc;

use tokio::time::Instant;

use super::{InFlight, Tenure, TenureEnd, too_many_held};
use crate::destination::Written;
use crate::metrics::EntityCounts;
use crate::model::batch::Batch;
use crate::pipeline::breaker::systemic;
use crate::pipeline::held_set::MAX_HELD_PER_LANE;
use crate::pipeline::intake::PausedEntity;
use crate::pipeline::status::Totals;

impl Tenure<'_> {
    /// Lets an entity stand back: the checkpoint is taken anew, and read on without it.
    pub(super) fn pause(&mut self, paused: PausedEntity) -> TenureEnd {
        tracing::warn!(
            lane = %self.lane.id, entity = %paused.entity, why = paused.why, "entity paused"
        );
        self.lane.breaker.forget(&paused.entity);
        self.lane.pauses.pause(paused, Instant::now().into_std());
        self.retaken()
    }

    pub(super) fn retaken(&self) -> TenureEnd {
        if self.draining { TenureEnd::Revoked } else { TenureEnd::Retake }
    }

    /// What a written batch says of held records and broken tables.
    pub(super) fn learn(&mut self, batch: &Batch, written: &Written) -> Option<TenureEnd> {
        let lane = &mut *self.lane;
        if batch.retried.is_none() {
            for table in &batch.tables {
                lane.breaker.written(&table.mapping.entity, table.changes.len());
            }
            lane.breaker.rejected(&batch.holds);
        }
        written.tables.iter().for_each(|table| lane.pauses.worked(&table.entity));
        if batch.holds.is_empty() && batch.releases.is_empty() {
            return None;
        }
        let metrics = &lane.parts.metrics;
        metrics.count_held(batch.holds.len() as u64, batch.releases.len() as u64);
        let held_before = lane.held.len();
        // Whoever wrote the batch has ended: nothing is copied here.
        Arc::make_mut(&mut lane.held).settle(batch, Instant::now().into_std());
        lane.status.held(lane.held.len(), lane.held.of_entity());
        // Told once, however many follow: the list has them all.
        match (held_before, lane.held.len()) {
            (0, 1..) => tracing::warn!(
                lane = %lane.id,
                "changes that cannot be written are held; `keepstep failed summary` says why"
            ),
            (1.., 0) => tracing::info!(lane = %lane.id, "no change is held any more"),
            _ => {}
        }
        self.outbox.wake();
        if lane.held.len() > MAX_HELD_PER_LANE {
            return Some(TenureEnd::Stopped(too_many_held(lane.held.len())));
        }
        let (entity, alike) = lane.breaker.verdict()?;
        let why = systemic(&entity, &alike);
        Some(self.pause(PausedEntity { entity, why }))
    }

    /// Counts a written batch, once.
    pub(super) fn report(&self, in_flight: &InFlight, batch: &Batch, written: &Written) {
        let (metrics, now_ms) = (&self.lane.parts.metrics, (self.lane.parts.clock)());
        let mut done = Totals {
            changes: batch.change_count as u64,
            batches: 1,
            superseded: batch.superseded_count,
            ..Totals::default()
        };
        for table in &written.tables {
            done.written += table.written;
            done.deleted += table.deleted;
            done.superseded += table.superseded;
            let counts = EntityCounts {
                written: table.written,
                deleted: table.deleted,
                superseded: table.superseded,
                dropped_attributes: 0,
            };
            metrics.count_entity(table.entity.as_str(), counts, now_ms);
        }
        self.lane.status.written(&written.tables, now_ms);
        self.lane.status.cursors(&self.checkpoint);
        let Some(settles) = &in_flight.settles else { return };
        let appended = || settles.appended_ms.iter();
        let latencies: Vec<(i64, u64)> =
            appended().map(|(at, count)| (now_ms - at, *count)).collect();
        let each = appended().flat_map(|(at, count)| (0..*count).map(|_| *at));
        metrics.observe_append_to_commit(each, now_ms);
        let settled = self.checkpoint.lowest();
        self.lane.status.settled(settled, settles.last_timestamp_ms, done, &latencies);
        tracing::debug!(
            lane = %self.lane.id, batch.changes = done.changes, settled = %settled,
            took_ms = in_flight.started.elapsed().as_millis(), "batch written"
        );
    }
}

//! What a tenure does between two batches because somebody wants it, or because it is time: tries
//! of held records, requests of people.

use std::sync::Arc;

use tokio::time::Instant;

use super::{InFlight, Tenure, TenureEnd};
use crate::destination::desk::RequestState;
use crate::model::batch::Batch;
use crate::model::held::{HeldKey, Hold, Release, ReleaseReason};
use crate::model::record::{EntityName, RecordId};
use crate::pipeline::requests::{Ask, Wish};
use crate::pipeline::retry::Retry;
use crate::pipeline::writer::WriteEnd;

impl Tenure<'_> {
    /// The held changes of a record whose time to be tried again has come.
    pub(super) fn next_retry(&mut self, now: std::time::Instant) -> Option<Vec<Hold>> {
        let checkpoint = &self.checkpoint;
        let settled = |key: &HeldKey| match &key.entity {
            // Of one that stands back a try would only say again why.
            Some(entity) => {
                checkpoint.covers(entity.as_str(), key.offset)
                    && !checkpoint.is_paused(entity.as_str())
            }
            // It may be of any of them.
            None => checkpoint.lowest().covers(key.offset),
        };
        Arc::make_mut(&mut self.lane.held).next_due(now, settled)
    }

    /// Begins to release what was held only until its entity's replay is over. Whether it did.
    pub(super) fn end_with_replays(&mut self) -> bool {
        let all = self.checkpoint.next_of("");
        let is_over = |entity: &EntityName| self.checkpoint.next_of(entity.as_str()) >= all;
        let releases = self.lane.held.ended_with_replays(is_over);
        if releases.is_empty() {
            return false;
        }
        let (fence, writer) = (self.standing_fence(), self.lane.writer());
        let batch = Arc::new(Batch { releases, ..Batch::default() });
        self.writes.spawn(writer.write(fence, batch, Vec::new()));
        self.in_flight = Some(InFlight { settles: None, started: Instant::now() });
        true
    }

    /// Begins to try held changes of one record again.
    pub(super) fn start_retry(&mut self, held: Vec<Hold>) {
        let parts = self.lane.parts.clone();
        let retry =
            Retry { lane: self.lane.id.clone(), intake: self.lane.intake.another(), parts, held };
        let (fence, writer) = (self.standing_fence(), self.lane.writer());
        self.writes.spawn(async move {
            match retry.prepare().await {
                Ok((batch, doubts)) => writer.write(fence, Arc::new(batch), doubts).await,
                // The log is away: the lane's own reading meets that, too.
                Err(_) => WriteEnd::Retake,
            }
        });
        self.in_flight = Some(InFlight { settles: None, started: Instant::now() });
    }

    /// Does what a person wants, or begins it. Safe to do twice: a request whose end could not be
    /// noted comes again.
    pub(super) async fn grant(&mut self, ask: Ask) -> Option<TenureEnd> {
        let mut end = None;
        let now = Instant::now().into_std();
        let progress = match &ask.wish {
            Wish::Dismiss { entity, record_id, offset } => {
                let key = Wish::dismissed(entity.as_deref(), record_id.as_deref(), *offset);
                let is_held = self.lane.held.contains(&key);
                if is_held && !self.dismiss(key).await {
                    // It is not done, and comes again.
                    return Some(self.retaken());
                }
                end = is_held.then(|| self.retaken());
                format!(r#"{{"dismissed":{is_held}}}"#)
            }
            Wish::Retry { entity, cause, record_id } => {
                let fits = |wanted: &Option<String>, found: Option<&str>| {
                    wanted.is_none() || wanted.as_deref() == found
                };
                let held = Arc::make_mut(&mut self.lane.held);
                let records = held.retry_now(now, |key, held_for| {
                    let id = key.record_id.map(RecordId::canonical);
                    fits(entity, key.entity.as_ref().map(EntityName::as_str))
                        && fits(cause, Some(held_for))
                        && fits(record_id, id.as_deref())
                });
                format!(r#"{{"records":{records}}}"#)
            }
            Wish::Replay { entity, from } => {
                return self.replay(&ask, entity.as_deref(), *from).await;
            }
            Wish::Resume { entity } => {
                let resumed = self.lane.pauses.resume(entity.as_deref(), now);
                format!(r#"{{"resumed":{resumed}}}"#)
            }
        };
        let (desk, lane) = (self.lane.parts.destination.desk(), &self.lane.id);
        let (asked, done) = (RequestState::Asked, RequestState::Done);
        if let Err(error) = desk.move_request((ask.id, lane), asked, done, &progress).await {
            tracing::warn!(lane = %lane, %error, "the end of a request could not be noted");
        }
        end
    }

    /// Gives a held change up. Whether it was done.
    async fn dismiss(&mut self, key: HeldKey) -> bool {
        let release = Release { key, reason: ReleaseReason::Dismissed };
        let batch = Batch { releases: vec![release], ..Batch::default() };
        let (fence, writer) = (self.standing_fence(), self.lane.writer());
        match writer.write(fence, Arc::new(batch), Vec::new()).await {
            WriteEnd::Written(written, batch) => {
                self.learn(&batch, &written);
                true
            }
            _ => false,
        }
    }
}

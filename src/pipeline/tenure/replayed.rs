//! How a tenure begins a replay that a person asked for, goes on with another owner's, and gives
//! one up.
//!
//! The request is moved to *running* before the cursors are put back, with all that is needed to
//! put them back again: whoever owns the lane after a crash does that, as often as it takes, until
//! the request says that it was done.

use std::sync::Arc;

use uuid::Uuid;

use super::{Tenure, TenureEnd};
use crate::destination::desk::RequestState;
use crate::model::batch::Batch;
use crate::model::position::NextOffset;
use crate::model::record::EntityName;
use crate::pipeline::replay::{ReplayProgress, first_offset};
use crate::pipeline::requests::{Ask, ReplayFrom};
use crate::pipeline::writer::WriteEnd;

impl Tenure<'_> {
    /// Begins a replay, adopts one that a former owner began, or stops one.
    pub(super) async fn replay(
        &mut self,
        ask: &Ask,
        entity: Option<&str>,
        from: ReplayFrom,
    ) -> Option<TenureEnd> {
        let (desk, lane) = (self.lane.parts.destination.desk(), &self.lane.id);
        let progress = match ask.state {
            RequestState::Asked => {
                let log = Arc::clone(&self.lane.parts.log);
                let planned = match first_offset(log.as_ref(), &lane.topic_partition, from).await {
                    Ok(Ok(from)) => {
                        let nothing = "the profile has no such entity on this topic";
                        self.plan(entity, from).ok_or_else(|| nothing.to_owned())
                    }
                    Ok(Err(why)) => Err(why),
                    // The request stays where it is, and comes again.
                    Err(error) => return self.feed_failed(error).await,
                };
                let (to, text) = match &planned {
                    Ok(progress) => (RequestState::Running, progress.to_json()),
                    Err(why) => {
                        (RequestState::Refused, serde_json::json!({ "why": why }).to_string())
                    }
                };
                let moved = desk.move_request((ask.id, lane), ask.state, to, &text).await;
                match (planned, moved) {
                    (Ok(progress), Ok(true)) => progress,
                    // Refused, stopped by a person meanwhile, or not noted: it comes again.
                    _ => return None,
                }
            }
            _ if self.is_over(ask.id) => return None,
            RequestState::Running if self.lane.replays.knows(ask.id) => return None,
            // What a former owner noted; without a word of it there is nothing to put back.
            _ => serde_json::from_str(&ask.progress).unwrap_or_default(),
        };
        if ask.state == RequestState::StopAsked {
            return self.stop_replay(ask, progress).await;
        }
        self.put_back(ask, progress).await
    }

    /// Whether the end of this replay is only to be noted yet.
    fn is_over(&self, id: Uuid) -> bool {
        let told = self.lane.parts.status.replay(&self.lane.id.topic_partition, id);
        told.is_some_and(|(state, _)| state.is_finished())
    }

    /// What a replay from `from` on has to do in this lane; `None` without such an entity.
    fn plan(&self, entity: Option<&str>, from: NextOffset) -> Option<ReplayProgress> {
        let here = self.lane.parts.profile.entities_of(&self.lane.id.topic_partition.topic);
        let meant = here.filter(|name| entity.is_none_or(|wanted| wanted == name.as_str()));
        let ends = meant.map(|name| {
            let end = self.lane.replays.end_of(&name, self.checkpoint.next_of(name.as_str()));
            (name, end)
        });
        let mut ends = ends.peekable();
        ends.peek()?;
        Some(ReplayProgress::new(from, ends))
    }

    /// Puts the cursors back, if that was not done yet, and runs the replay.
    async fn put_back(&mut self, ask: &Ask, mut progress: ReplayProgress) -> Option<TenureEnd> {
        if progress.begun {
            self.lane.replays.adopt(ask.id, progress);
            self.lane.tell_replays(&self.checkpoint);
            return None;
        }
        let from = NextOffset(progress.from);
        let names = progress.to.keys().map(|name| EntityName::new(name));
        let back = names.filter(|entity| self.checkpoint.next_of(entity.as_str()) > from);
        let places: Vec<(EntityName, NextOffset)> = back.map(|entity| (entity, from)).collect();
        if !places.is_empty() && !self.put_cursors(&places).await {
            // It is not done: the request is running, and comes again.
            return Some(self.retaken());
        }
        progress.begun = true;
        tracing::info!(
            lane = %self.lane.id, from = %from, entities = places.len(), "reading again, as asked"
        );
        self.lane.replays.adopt(ask.id, progress);
        Some(self.retaken())
    }

    /// Ends a replay early. What has versions is skipped: its rows have not changed but for the
    /// better. An entity without versions passes through old values, so it runs to its end.
    async fn stop_replay(&mut self, ask: &Ask, progress: ReplayProgress) -> Option<TenureEnd> {
        let entities = self.lane.parts.profile.entities.iter();
        let versioned = entities.filter(|it| it.versioned).filter_map(|it| {
            let end = NextOffset(*progress.to.get(it.name.as_str())?);
            Some((EntityName::new(&it.name), end))
        });
        let skipped: Vec<(EntityName, NextOffset)> = versioned.collect();
        let behind =
            skipped.iter().filter(|(entity, end)| self.checkpoint.next_of(entity.as_str()) < *end);
        let forward: Vec<(EntityName, NextOffset)> = behind.cloned().collect();
        if progress.begun && !forward.is_empty() && !self.put_cursors(&forward).await {
            return Some(self.retaken());
        }
        self.lane.replays.adopt(ask.id, progress);
        let names: Vec<EntityName> = skipped.into_iter().map(|(entity, _)| entity).collect();
        self.lane.replays.stop(ask.id, &names);
        self.lane.tell_replays(&self.checkpoint);
        (!forward.is_empty()).then(|| self.retaken())
    }

    /// Puts cursors of entities elsewhere, behind the fence. Whether it was done.
    async fn put_cursors(&mut self, places: &[(EntityName, NextOffset)]) -> bool {
        let mut fence = self.standing_fence();
        (fence.moves, fence.splits) = self.checkpoint.put(places);
        let writer = self.lane.writer();
        let end = writer.write(fence, Arc::new(Batch::default()), Vec::new()).await;
        matches!(end, WriteEnd::Written(..))
    }
}

//! A lane with a gap: it stands still until a person says where to start anew.
//!
//! Nothing is guessed: only a request to write again all that the log holds (from its start, an
//! offset, a time) puts every cursor there, forward or back, and forgets the record by which the
//! former log was known. Whatever else is asked is refused with the reason. What is held stays held,
//! unless the topic was made anew: then the places of the held changes are another topic's, and
//! they are given up.

use std::sync::Arc;

use rand::RngExt as _;
use uuid::Uuid;

use super::gap::Gap;
use super::lane::Lane;
use super::replay::{ReplayProgress, first_offset};
use super::requests::{Ask, ReplayFrom, Wish};
use super::status::LaneState;
use super::writer::WriteEnd;
use crate::destination::WhichHeld;
use crate::destination::desk::RequestState;
use crate::log::LogError;
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, Fingerprint, OwnerToken};
use crate::model::held::{Release, ReleaseReason};
use crate::model::position::NextOffset;

/// Held changes that are given up in one transaction.
const GIVEN_UP_AT_ONCE: usize = 1_000;

impl Lane {
    /// Waits for a person. Whether the lane may take its checkpoint again; if not, its partition
    /// was taken away.
    pub(super) async fn wait_for_mending(&mut self, gap: &Gap) -> bool {
        let reason = gap.to_string();
        tracing::error!(
            lane = %self.id, reason,
            "lane stopped; nothing is lost, and nothing behind it is written"
        );
        self.status.state(LaneState::Stopped(reason));
        loop {
            let ask = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return false,
                ask = self.asks.recv() => ask,
            };
            let Some(ask) = ask else { return false };
            if self.is_mended_by(&ask, gap).await {
                return true;
            }
        }
    }

    /// Whether the lane may go on after this request.
    async fn is_mended_by(&mut self, ask: &Ask, gap: &Gap) -> bool {
        let planned = match &ask.wish {
            Wish::Replay { .. } if ask.state == RequestState::StopAsked => {
                self.end_replay(ask, RequestState::Stopped, &ask.progress).await;
                return false;
            }
            // A former owner was about to start anew. Any other replay that ran before the gap came
            // is nobody's word on it.
            Wish::Replay { .. } if ask.state == RequestState::Running => {
                let noted = serde_json::from_str(&ask.progress).ok();
                let about_to = |progress: &ReplayProgress| progress.anew && !progress.begun;
                noted.filter(about_to).ok_or_else(|| gap.to_string())
            }
            Wish::Replay { entity: None, from } => match self.plan_anew(*from).await {
                Ok(planned) => planned,
                // The log is away: the request comes again.
                Err(_) => return false,
            },
            _ => Err(gap.to_string()),
        };
        let progress: ReplayProgress = match planned {
            Ok(progress) => progress,
            Err(why) => {
                let why = serde_json::json!({ "why": why }).to_string();
                self.end_replay(ask, RequestState::Refused, &why).await;
                return false;
            }
        };
        if !self.note(ask, RequestState::Running, &progress.to_json()).await {
            return false;
        }
        let token = OwnerToken(Uuid::from_u128(self.rng.random()));
        let Ok(checkpoint) = self.parts.destination.take(&self.id, token).await else {
            return false;
        };
        let done = self.start_anew(token, &checkpoint, gap, NextOffset(progress.from)).await;
        if done {
            tracing::info!(lane = %self.id, from = progress.from, "starts anew, as asked");
            self.replays.adopt(ask.id, ReplayProgress { begun: true, ..progress });
        }
        done
    }

    /// Everything from there to the end of the log.
    async fn plan_anew(
        &mut self,
        from: ReplayFrom,
    ) -> Result<Result<ReplayProgress, String>, LogError> {
        let (log, topic_partition) = (Arc::clone(&self.parts.log), &self.id.topic_partition);
        let from = match first_offset(log.as_ref(), topic_partition, from).await? {
            Ok(from) => from,
            Err(why) => return Ok(Err(why)),
        };
        let end = log.bounds(topic_partition).await?.end;
        let ends = self.parts.profile.entities_of(&topic_partition.topic);
        let planned = ReplayProgress::new(from, ends.map(|entity| (entity, end)));
        Ok(Ok(ReplayProgress { anew: true, ..planned }))
    }

    async fn start_anew(
        &mut self,
        token: OwnerToken,
        checkpoint: &Checkpoint,
        gap: &Gap,
        from: NextOffset,
    ) -> bool {
        let standing = Fence {
            lane: self.id.clone(),
            token,
            moves: checkpoint.standing(),
            splits: Vec::new(),
            fingerprint: None,
        };
        if gap.made_anew && !self.give_up_held(&standing).await {
            return false;
        }
        let mut fence = Fence { fingerprint: Some(Fingerprint::FORGOTTEN), ..standing };
        fence.moves.iter_mut().for_each(|step| step.to = from);
        let written = self.writer().write(fence, Arc::default(), Vec::new()).await;
        matches!(written, WriteEnd::Written(..))
    }

    /// Gives up what is held at places of a topic that is no more.
    async fn give_up_held(&mut self, fence: &Fence) -> bool {
        let mut after = None;
        loop {
            let page = self.parts.destination.held(
                &self.id,
                WhichHeld::All,
                after.as_ref(),
                GIVEN_UP_AT_ONCE,
            );
            let Ok(page) = page.await else { return false };
            let Some(last) = page.last() else { return true };
            after = Some(last.key.clone());
            let open = page.into_iter().filter(|held| held.open);
            let release = |key| Release { key, reason: ReleaseReason::Dismissed };
            let releases = open.map(|held| release(held.key)).collect();
            let batch = Arc::new(Batch { releases, ..Batch::default() });
            let written = self.writer().write(fence.clone(), batch, Vec::new()).await;
            if !matches!(written, WriteEnd::Written(..)) {
                return false;
            }
        }
    }

    /// Ends a request that does not mend the gap, and whatever replay it was.
    async fn end_replay(&mut self, ask: &Ask, to: RequestState, progress: &str) {
        self.note(ask, to, progress).await;
        self.replays.forget(ask.id);
        self.parts.status.forget_replay(&self.id.topic_partition, ask.id);
    }

    /// Notes on the desk how a request stands. Whether it stood where the lane thought.
    async fn note(&mut self, ask: &Ask, to: RequestState, progress: &str) -> bool {
        let desk = self.parts.destination.desk();
        let noted = desk.move_request((ask.id, &self.id), ask.state, to, progress).await;
        noted.unwrap_or(false)
    }
}

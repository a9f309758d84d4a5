//! What people ask of lanes, and what lanes say of themselves, by way of the destination's desk.
//!
//! One task per pipeline looks about once a second. It hands each request to the lane that this
//! process owns, which does it between two batches; a request for another's lane stays where it
//! is. A desk that cannot be reached delays requests and states, nothing else. Bodies and states
//! are JSON without record content; a request that nobody understands is refused, not dropped.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::PipelineParts;
use super::replay::ReplayProgress;
use super::status::{EntityStatus, LaneState, LaneStatus};
use crate::destination::desk::{LaneRequest, RequestState, StoredLaneState, WhichRequests};
use crate::model::held::HeldKey;
use crate::model::position::{Offset, TopicPartition};
use crate::model::record::{EntityName, RecordId};

/// How often the desk is looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Every so many looks the lanes' states are written.
const LOOKS_PER_STATE: u32 = 5;
/// Requests that may wait for one lane; further ones are handed over at a later look.
const WAITING_ASKS: usize = 16;

/// What a person wants of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Wish {
    /// Give a held change up.
    Dismiss {
        /// Its entity, where known.
        entity: Option<String>,
        /// Its record, where known.
        record_id: Option<String>,
        /// Where it lies in the lane's partition.
        offset: i64,
    },
    /// Try held records again now.
    Retry {
        /// Only those of this entity.
        entity: Option<String>,
        /// Only those of this cause.
        cause: Option<String>,
        /// Only this record.
        record_id: Option<String>,
    },
    /// Write again what the log holds.
    Replay {
        /// Only changes of this entity; else of all of the lane's topic.
        entity: Option<String>,
        /// Where to begin.
        from: ReplayFrom,
    },
    /// Try paused entities now.
    Resume {
        /// Only this one.
        entity: Option<String>,
    },
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReplayFrom {
    /// At the oldest record of the partition.
    Start,
    /// At this offset.
    Offset(i64),
    /// At the first record of this time or later, ms since 1970.
    TimeMs(i64),
}

impl Wish {
    /// The held change that is to be given up.
    pub(super) fn dismissed(entity: Option<&str>, record_id: Option<&str>, offset: i64) -> HeldKey {
        HeldKey {
            offset: Offset(offset),
            entity: entity.map(EntityName::new),
            record_id: record_id.and_then(|id| RecordId::from_canonical(id.as_bytes())),
        }
    }
}

/// Requests that lanes have, each as it stood then; kept for some looks.
type Handed = HashSet<(Uuid, TopicPartition, RequestState)>;

/// A request on its way to its lane.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) id: Uuid,
    pub(super) wish: Wish,
    /// Where the request stands.
    pub(super) state: RequestState,
    /// What a lane has noted of it.
    pub(super) progress: String,
}

/// Where the lanes of this pipeline receive requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Desks {
    lanes: Arc<Mutex<BTreeMap<TopicPartition, mpsc::Sender<Ask>>>>,
}

impl Desks {
    /// A place for a lane that has just been assigned; the former owner's is gone.
    pub(super) fn open(&self, topic_partition: &TopicPartition) -> mpsc::Receiver<Ask> {
        let (asks, waiting) = mpsc::channel(WAITING_ASKS);
        self.lock().insert(topic_partition.clone(), asks);
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, mpsc::Sender<Ask>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the desk until dropped.
    pub(super) async fn serve(self, parts: PipelineParts, owner: String) {
        let mut ticks = interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looks, mut failing) = (0_u32, false);
        let mut handed = Handed::new();
        loop {
            ticks.tick().await;
            let outcome = self.look(&parts, &owner, &mut handed, looks).await;
            looks = (looks + 1) % LOOKS_PER_STATE;
            if let Err(why) = &outcome
                && !failing
            {
                tracing::warn!(profile.id = %parts.profile.id, why, "requests cannot be read; copying goes on");
            }
            failing = outcome.is_err();
        }
    }

    async fn look(
        &self,
        parts: &PipelineParts,
        owner: &str,
        handed: &mut Handed,
        looks: u32,
    ) -> Result<(), String> {
        let (desk, profile) = (parts.destination.desk(), &parts.profile.id);
        if looks == 0 {
            // What a lane could not do comes to it again.
            handed.clear();
            let states: Vec<StoredLaneState> = parts
                .status
                .lanes()
                .into_iter()
                .map(|(topic_partition, status)| StoredLaneState {
                    topic_partition,
                    owner: owner.into(),
                    body: state_body(&status),
                    age_us: 0,
                })
                .collect();
            if !states.is_empty() {
                let put = desk.put_lane_states(profile, &states).await;
                put.map_err(|error| error.to_string())?;
            }
        }
        let requests = desk.requests(profile, WhichRequests::Unfinished).await;
        for request in &requests.map_err(|error| error.to_string())? {
            let topic_partition = &request.lane.topic_partition;
            let Some(asks) = self.lock().get(topic_partition).cloned() else { continue };
            // A lane that is gone meanwhile gets it again from its next owner.
            if asks.is_closed() || note_progress(parts, request).await? {
                continue;
            }
            let Ok(wish) = serde_json::from_str::<Wish>(&request.body) else {
                let progress = r#"{"why":"this version does not know the request"}"#;
                let (from, to) = (request.state, RequestState::Refused);
                let refused = desk.move_request((request.id, &request.lane), from, to, progress);
                refused.await.map_err(|error| error.to_string())?;
                continue;
            };
            let key = (request.id, topic_partition.clone(), request.state);
            let (state, progress) = (request.state, request.progress.clone());
            if !handed.contains(&key)
                && asks.try_send(Ask { id: request.id, wish, state, progress }).is_ok()
            {
                handed.insert(key);
            }
        }
        Ok(())
    }
}

/// Notes on the desk how far the lane has come with a replay. Whether that was its last word.
async fn note_progress(parts: &PipelineParts, request: &LaneRequest) -> Result<bool, String> {
    let lane = &request.lane;
    let Some((state, progress)) = parts.status.replay(&lane.topic_partition, request.id) else {
        return Ok(false);
    };
    let to = if state.is_finished() { state } else { request.state };
    if to == request.state && progress == request.progress {
        return Ok(false);
    }
    let desk = parts.destination.desk();
    let moved = desk.move_request((request.id, lane), request.state, to, &progress).await;
    // Where it stood elsewhere, the next look sees.
    let moved = moved.map_err(|error| error.to_string())?;
    if moved && state.is_finished() {
        parts.status.forget_replay(&lane.topic_partition, request.id);
    }
    Ok(state.is_finished())
}

/// How a lane is, as `keepstep status` reads it.
#[derive(Serialize)]
struct StateBody<'a> {
    state: &'static str,
    reason: Option<&'a str>,
    settled: Option<i64>,
    end: Option<i64>,
    settled_ms: Option<i64>,
    next: Option<i64>,
    held: usize,
    entities: BTreeMap<&'a str, EntityBody>,
    paused: BTreeMap<&'a str, &'a str>,
    outbox: Option<&'a str>,
    /// Entities that are replayed, each with how much of it was read again.
    replays: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct EntityBody {
    written: u64,
    deleted: u64,
    superseded: u64,
    held: usize,
    next: Option<i64>,
    committed_ms: Option<i64>,
}

impl From<&EntityStatus> for EntityBody {
    fn from(status: &EntityStatus) -> Self {
        Self {
            written: status.written,
            deleted: status.deleted,
            superseded: status.superseded,
            held: status.held,
            next: status.next.map(|next| next.0),
            committed_ms: status.committed_ms,
        }
    }
}

fn state_body(status: &LaneStatus) -> String {
    let (state, reason) = match &status.state {
        LaneState::Taking => ("taking", None),
        LaneState::Running => ("running", None),
        LaneState::Waiting(why) => ("waiting", Some(why.as_str())),
        LaneState::Stopped(why) => ("stopped", Some(why.as_str())),
    };
    let body = StateBody {
        state,
        reason,
        settled: status.settled.map(|next| next.0),
        end: status.end.map(|next| next.0),
        settled_ms: status.settled_timestamp_ms,
        next: status.next.map(|next| next.0),
        held: status.held,
        entities: status.entities.iter().map(|(name, it)| (name.as_str(), it.into())).collect(),
        paused: status.paused.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect(),
        outbox: status.outbox.as_deref(),
        replays: status
            .replays
            .values()
            .filter(|(state, _)| !state.is_finished())
            .filter_map(|(_, progress)| serde_json::from_str::<ReplayProgress>(progress).ok())
            .flat_map(ReplayProgress::in_words)
            .collect(),
    };
    // Plain fields always have a JSON form.
    serde_json::to_string(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_the_commands_write_them() {
        let read = |text: &str| serde_json::from_str::<Wish>(text).ok();
        let dismiss =
            r#"{"kind":"dismiss","entity":null,"record_id":null,"offset":7,"reason":"x"}"#;
        let expected = Wish::Dismiss { entity: None, record_id: None, offset: 7 };
        assert_eq!(read(dismiss), Some(expected));
        let retry = r#"{"kind":"retry","entity":"account","cause":null,"record_id":null}"#;
        let entity = Some("account".to_owned());
        assert_eq!(read(retry), Some(Wish::Retry { entity, cause: None, record_id: None }));
        assert_eq!(read(r#"{"kind":"resume"}"#), Some(Wish::Resume { entity: None }));
        assert_eq!(read(r#"{"kind":"explode"}"#), None);
        for (text, from) in [
            (r#""start""#, ReplayFrom::Start),
            (r#"{"offset":7}"#, ReplayFrom::Offset(7)),
            (r#"{"time_ms":1700000000000}"#, ReplayFrom::TimeMs(1_700_000_000_000)),
        ] {
            let text = format!(r#"{{"kind":"replay","entity":null,"from":{text}}}"#);
            assert_eq!(read(&text), Some(Wish::Replay { entity: None, from }));
        }
    }
}

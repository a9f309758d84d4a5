//! The desk: what people and processes tell each other through the destination.
//!
//! Two own tables. *Requests* come from people (re-sync, pause, resume, dismiss) and are done by
//! whichever process owns the lane; *lane states* go the other way. So `keepstep resync` and
//! `keepstep status` work with any number of processes and without a server of their own. Read and
//! written about once a second; never in the way of rows. Bodies are JSON of ours, without record
//! content; what they mean is the pipeline's business.

use async_trait::async_trait;
use compact_str::CompactString;
use uuid::Uuid;

use super::{DestinationError, Trouble};
use crate::model::checkpoint::LaneId;
use crate::model::position::TopicPartition;
use crate::model::profile::ProfileId;

/// Finished requests are forgotten after so long.
pub const FINISHED_DAYS: i64 = 30;
/// Lane states that nobody renewed are forgotten after so long.
pub const STALE_STATE_DAYS: i64 = 7;
/// Most requests of one profile that are not finished.
pub const MAX_OPEN_REQUESTS: usize = 10_000;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestState {
    /// Nobody has begun.
    Asked,
    /// The lane's owner is at it.
    Running,
    /// A person wants it to end early.
    StopAsked,
    /// It is done.
    Done,
    /// It was stopped before its end.
    Stopped,
    /// It cannot be done; the progress says why.
    Refused,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Asked, Self::Running, Self::StopAsked, Self::Done, Self::Stopped, Self::Refused];

    /// The word in the own table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Running => "running",
            Self::StopAsked => "stop_asked",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
        }
    }

    /// From the stored word.
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing more will happen.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Refused)
    }
}

/// Which requests are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichRequests {
    /// All that are still kept.
    All,
    /// Those that are not finished: what the owners of lanes look for every second.
    Unfinished,
}

/// One lane's part of what a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRequest {
    /// Names what was asked for; all lanes' parts share it.
    pub id: Uuid,
    /// The lane that does this part.
    pub lane: LaneId,
    /// What is wanted, JSON.
    pub body: String,
    /// Where it stands.
    pub state: RequestState,
    /// How far it has come, JSON; empty before it begins.
    pub progress: String,
    /// When it was asked, µs since 1970 by the destination's clock; ignored when it is put.
    pub asked_at_us: i64,
}

/// What the owner of a lane says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLaneState {
    /// The lane's partition.
    pub topic_partition: TopicPartition,
    /// The process that owns it: host name and process id.
    pub owner: CompactString,
    /// How it is, JSON.
    pub body: String,
    /// How long ago that was said, µs by the destination's clock; ignored when it is put.
    pub age_us: i64,
}

/// See the module. Every call is safe to repeat.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Writes new requests, all or none, and forgets finished ones after [`FINISHED_DAYS`]. One
    /// that is there already (same id and lane) stays as it is.
    ///
    /// # Errors
    /// Fatal with more than [`MAX_OPEN_REQUESTS`] open ones.
    async fn put_requests(
        &self,
        profile: &ProfileId,
        requests: &[LaneRequest],
    ) -> Result<(), DestinationError>;

    /// Requests of a profile, oldest first.
    async fn requests(
        &self,
        profile: &ProfileId,
        which: WhichRequests,
    ) -> Result<Vec<LaneRequest>, DestinationError>;

    /// Moves a request from one state to another and sets its progress; the states may be equal.
    /// Answers whether it stood where `from` says.
    async fn move_request(
        &self,
        request: (Uuid, &LaneId),
        from: RequestState,
        to: RequestState,
        progress: &str,
    ) -> Result<bool, DestinationError>;

    /// Says how lanes are; forgets states that nobody renewed for [`STALE_STATE_DAYS`].
    async fn put_lane_states(
        &self,
        profile: &ProfileId,
        states: &[StoredLaneState],
    ) -> Result<(), DestinationError>;

    /// How the lanes of a profile are, by topic and partition.
    async fn lane_states(
        &self,
        profile: &ProfileId,
    ) -> Result<Vec<StoredLaneState>, DestinationError>;
}

/// The trouble of more open requests than may be.
pub(super) fn too_many_requests(profile: &ProfileId) -> Trouble {
    Trouble {
        what: format!("asking something of profile {profile}"),
        code: "too_many_requests".into(),
        hint: format!(
            "It has {MAX_OPEN_REQUESTS} open requests. Start its processes, or wait until they \
             are done."
        ),
    }
}

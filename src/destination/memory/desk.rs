//! The desk in memory.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryDestination;
use crate::destination::DestinationError;
use crate::destination::desk::{
    Desk, LaneRequest, MAX_OPEN_REQUESTS, RequestState, StoredLaneState, WhichRequests,
    too_many_requests,
};
use crate::model::checkpoint::LaneId;
use crate::model::position::TopicPartition;
use crate::model::profile::ProfileId;

/// What lies on the desk.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDesk {
    requests: Vec<LaneRequest>,
    states: BTreeMap<(ProfileId, TopicPartition), (StoredLaneState, i64)>,
}

#[async_trait]
impl Desk for MemoryDestination {
    async fn put_requests(
        &self,
        profile: &ProfileId,
        requests: &[LaneRequest],
    ) -> Result<(), DestinationError> {
        let asked_at_us = self.clock()();
        let stored = &mut self.lock().desk.requests;
        let known: HashSet<(Uuid, &LaneId)> = stored.iter().map(|it| (it.id, &it.lane)).collect();
        let new = requests.iter().filter(|request| !known.contains(&(request.id, &request.lane)));
        let new: Vec<LaneRequest> =
            new.map(|request| LaneRequest { asked_at_us, ..request.clone() }).collect();
        let is_open = |it: &&LaneRequest| it.lane.profile == *profile && !it.state.is_finished();
        if stored.iter().chain(&new).filter(is_open).count() > MAX_OPEN_REQUESTS {
            return Err(DestinationError::Fatal(too_many_requests(profile)));
        }
        stored.extend(new);
        Ok(())
    }

    async fn requests(
        &self,
        profile: &ProfileId,
        which: WhichRequests,
    ) -> Result<Vec<LaneRequest>, DestinationError> {
        let state = self.lock();
        let mine = state.desk.requests.iter().filter(|request| request.lane.profile == *profile);
        let all = which == WhichRequests::All;
        Ok(mine.filter(|request| all || !request.state.is_finished()).cloned().collect())
    }

    async fn move_request(
        &self,
        (id, lane): (Uuid, &LaneId),
        from: RequestState,
        to: RequestState,
        progress: &str,
    ) -> Result<bool, DestinationError> {
        let mut state = self.lock();
        let mut requests = state.desk.requests.iter_mut();
        let found = requests.find(|it| it.id == id && it.lane == *lane && it.state == from);
        Ok(found.is_some_and(|request| {
            request.state = to;
            progress.clone_into(&mut request.progress);
            true
        }))
    }

    async fn put_lane_states(
        &self,
        profile: &ProfileId,
        states: &[StoredLaneState],
    ) -> Result<(), DestinationError> {
        let now_us = self.clock()();
        for state in states {
            let key = (profile.clone(), state.topic_partition.clone());
            self.lock().desk.states.insert(key, (state.clone(), now_us));
        }
        Ok(())
    }

    async fn lane_states(
        &self,
        profile: &ProfileId,
    ) -> Result<Vec<StoredLaneState>, DestinationError> {
        let now_us = self.clock()();
        let state = self.lock();
        let mine = state.desk.states.iter().filter(|((of, _), _)| of == profile);
        Ok(mine
            .map(|(_, (said, at_us))| StoredLaneState { age_us: now_us - at_us, ..said.clone() })
            .collect())
    }
}

//! The people of a world: they want things written again, and change their minds.

use keepstep::destination::desk::{LaneRequest, RequestState, WhichRequests};
use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::{Stage, profile_id};
use crate::simulation::source::ENTITIES;

impl Stage {
    /// A person wants something written again.
    pub(super) async fn ask_for_a_replay(&self, rng: &mut SmallRng) {
        let from = match rng.random_range(0..3) {
            0 => serde_json::json!("start"),
            1 => serde_json::json!({ "offset": rng.random_range(0..150) }),
            _ => serde_json::json!({ "time_ms": (self.clock)() - rng.random_range(0..40_000) }),
        };
        let entity = rng.random_bool(0.5).then(|| ENTITIES[rng.random_range(0..3)].0);
        let lanes = self.lanes();
        let request = LaneRequest {
            id: uuid::Uuid::from_u128(rng.random()),
            lane: lanes[rng.random_range(0..lanes.len())].clone(),
            body: serde_json::json!({ "kind": "replay", "entity": entity, "from": from })
                .to_string(),
            state: RequestState::Asked,
            progress: String::new(),
            asked_at_us: 0,
        };
        self.tell(format!("replay {} {}", request.lane, request.body));
        // The tables may not be there yet.
        if self.destination.desk().put_requests(&profile_id(), &[request]).await.is_ok() {
            self.count(|seen| seen.replays += 1);
        }
    }

    pub(super) async fn stop_replays(&self) {
        let desk = self.destination.desk();
        for request in desk.requests(&profile_id(), WhichRequests::All).await.unwrap_or_default() {
            let running = (RequestState::Running, RequestState::StopAsked);
            let name = (request.id, &request.lane);
            let moved = desk.move_request(name, running.0, running.1, &request.progress).await;
            self.count(|seen| seen.stops += u64::from(moved.unwrap_or(false)));
        }
    }

    pub(super) async fn all_answered(&self) -> bool {
        let requests = self.destination.desk().requests(&profile_id(), WhichRequests::All).await;
        requests.is_ok_and(|all| all.iter().all(|request| request.state.is_finished()))
    }
}

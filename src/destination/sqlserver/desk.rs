//! The desk: requests and lane states, in tables of their own.
//!
//! Far from the batches' tables and short: nothing here waits for a batch or makes one wait. Times
//! are the server's clock.

use std::collections::BTreeMap;

use async_trait::async_trait;
use compact_str::CompactString;
use tiberius::{Row, ToSql};
use uuid::Uuid;

use super::blame::lane_error;
use super::desk_statements::{self as statements, MOST_LANES};
use super::failure::Failure;
use super::{SqlServerDestination, cells};
use crate::destination::desk::{
    Desk, LaneRequest, RequestState, StoredLaneState, WhichRequests, too_many_requests,
};
use crate::destination::{DestinationError, Trouble};
use crate::model::checkpoint::LaneId;
use crate::model::position::{Topic, TopicPartition};
use crate::model::profile::ProfileId;

fn partition_of(place: &TopicPartition) -> Result<i32, Failure> {
    i32::try_from(place.partition.0).map_err(|_| Failure::Protocol)
}

fn place(row: &Row, topic: usize, partition: usize) -> Result<TopicPartition, Failure> {
    Ok(TopicPartition::new(&Topic::new(cells::text(row, topic)?), cells::small(row, partition)?))
}

fn request(row: &Row) -> Result<LaneRequest, Failure> {
    Ok(LaneRequest {
        id: cells::id(row, 0)?,
        lane: LaneId {
            profile: ProfileId::new(cells::text(row, 1)?).ok_or(Failure::Protocol)?,
            topic_partition: place(row, 2, 3)?,
        },
        body: cells::text(row, 4)?.to_owned(),
        state: RequestState::from_stored(cells::text(row, 5)?).ok_or(Failure::Protocol)?,
        progress: cells::text(row, 6)?.to_owned(),
        asked_at_us: cells::number(row, 7)?,
    })
}

fn lane_state(row: &Row) -> Result<StoredLaneState, Failure> {
    Ok(StoredLaneState {
        topic_partition: place(row, 0, 1)?,
        owner: CompactString::new(cells::text(row, 2)?),
        body: cells::text(row, 3)?.to_owned(),
        age_us: cells::number(row, 4)?,
    })
}

/// Whether a turn came, and what was answered behind it.
fn turn_came(answers: &[Vec<Row>]) -> Result<bool, Failure> {
    Ok(cells::only_number(answers)? >= 0)
}

/// Others were there first for too long.
fn not_my_turn(what: String) -> DestinationError {
    DestinationError::Retry(Trouble {
        what,
        code: "turn".into(),
        hint: "Other processes write there; it is tried again.".to_owned(),
    })
}

impl SqlServerDestination {
    fn turn_limit_ms(&self) -> u128 {
        self.settings.lock_timeout.as_millis()
    }

    /// The rows that a statement answers.
    async fn rows(&self, text: &str, values: &[&dyn ToSql]) -> Result<Vec<Row>, Failure> {
        let mut lease = self.connections.lend().await?;
        let rows = lease.connection.query(text, values).await?;
        lease.give_back();
        Ok(rows)
    }

    /// Says how some lanes are; answers whether the turn came.
    async fn put_some(
        &self,
        profile: &ProfileId,
        states: &[(&TopicPartition, &StoredLaneState)],
    ) -> Result<bool, Failure> {
        let partitions =
            states.iter().map(|(place, _)| partition_of(place)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<[&str; 3]> = states
            .iter()
            .map(|(place, state)| [place.topic.as_str(), state.owner.as_str(), state.body.as_str()])
            .collect();
        let mut values: Vec<&dyn ToSql> = Vec::with_capacity(states.len() * 4);
        for ([topic, owner, body], partition) in texts.iter().zip(&partitions) {
            values.extend([topic as &dyn ToSql, partition, owner, body]);
        }
        let text = statements::put_lane_states(profile, states.len(), self.turn_limit_ms());
        let rows = self.rows(&text, &values).await?;
        turn_came(std::slice::from_ref(&rows))
    }
}

#[async_trait]
impl Desk for SqlServerDestination {
    async fn put_requests(
        &self,
        profile: &ProfileId,
        requests: &[LaneRequest],
    ) -> Result<(), DestinationError> {
        let what = || format!("asking something of profile {profile} in SQL Server");
        let put = async {
            let text = statements::put_requests(profile, requests, self.turn_limit_ms());
            let mut lease = self.connections.lend().await?;
            let answers = lease.connection.batch(&text).await?;
            lease.give_back();
            let fits = answers.get(1).and_then(|rows| rows.first());
            Ok((turn_came(&answers)?, fits.map(|row| cells::truth(row, 0)).transpose()?))
        };
        match put.await.map_err(|failure| lane_error(what(), &failure))? {
            (true, Some(true)) => Ok(()),
            (true, Some(false)) => Err(DestinationError::Fatal(too_many_requests(profile))),
            (false, _) => Err(not_my_turn(what())),
            (true, None) => Err(lane_error(what(), &Failure::Protocol)),
        }
    }

    async fn requests(
        &self,
        profile: &ProfileId,
        which: WhichRequests,
    ) -> Result<Vec<LaneRequest>, DestinationError> {
        let what = || format!("reading the requests of profile {profile} in SQL Server");
        let read = async {
            let (of, all) = (profile.as_str(), i32::from(which == WhichRequests::All));
            let rows = self.rows(&statements::requests(), &[&of, &all]).await?;
            rows.iter().map(request).collect::<Result<_, _>>()
        };
        read.await.map_err(|failure| lane_error(what(), &failure))
    }

    async fn move_request(
        &self,
        (id, lane): (Uuid, &LaneId),
        from: RequestState,
        to: RequestState,
        progress: &str,
    ) -> Result<bool, DestinationError> {
        let what = || format!("noting how far request {id} has come in SQL Server");
        let write = async {
            let place = &lane.topic_partition;
            let (profile, topic) = (lane.profile.as_str(), place.topic.as_str());
            let (partition, from, to) = (partition_of(place)?, from.as_str(), to.as_str());
            let values: [&dyn ToSql; 7] =
                [&id, &profile, &topic, &partition, &from, &to, &progress];
            let rows = self.rows(&statements::move_request(), &values).await?;
            Ok(cells::only_number(&[rows])? == 1)
        };
        write.await.map_err(|failure: Failure| lane_error(what(), &failure))
    }

    async fn put_lane_states(
        &self,
        profile: &ProfileId,
        states: &[StoredLaneState],
    ) -> Result<(), DestinationError> {
        let what = || format!("saying how the lanes of profile {profile} are in SQL Server");
        // One per lane, of several the last; ascending, so that rows are locked in one order.
        let by_place: BTreeMap<&TopicPartition, &StoredLaneState> =
            states.iter().map(|state| (&state.topic_partition, state)).collect();
        let by_place: Vec<_> = by_place.into_iter().collect();
        // Without states, too: what is stale is forgotten all the same.
        let mut parts: Vec<_> = by_place.chunks(MOST_LANES).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for part in parts {
            let came = self.put_some(profile, part).await;
            if !came.map_err(|failure| lane_error(what(), &failure))? {
                return Err(not_my_turn(what()));
            }
        }
        Ok(())
    }

    async fn lane_states(
        &self,
        profile: &ProfileId,
    ) -> Result<Vec<StoredLaneState>, DestinationError> {
        let what = || format!("reading how the lanes of profile {profile} are in SQL Server");
        let read = async {
            let of = profile.as_str();
            let rows = self.rows(&statements::lane_states(), &[&of]).await?;
            rows.iter().map(lane_state).collect::<Result<_, _>>()
        };
        read.await.map_err(|failure| lane_error(what(), &failure))
    }
}

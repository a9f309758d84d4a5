//! The desk: requests and lane states, in tables of their own.
//!
//! Far from the batches' tables and short: nothing here waits for a batch or makes one wait. Times
//! are the server's clock.

use std::collections::BTreeMap;

use async_trait::async_trait;
use compact_str::CompactString;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::PostgresDestination;
use super::blame::lane_error;
use super::desk_statements::{self as statements, DESK_LOCK};
use super::failure::Failure;
use super::statements::BEGIN;
use crate::destination::DestinationError;
use crate::destination::desk::{
    Desk, LaneRequest, MAX_OPEN_REQUESTS, RequestState, StoredLaneState, WhichRequests,
    too_many_requests,
};
use crate::model::checkpoint::LaneId;
use crate::model::position::{Topic, TopicPartition};
use crate::model::profile::ProfileId;

/// A value of a statement and its type.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

impl PostgresDestination {
    /// Does work within the time that an answer may take, and names it where it fails.
    async fn at_desk<T>(
        &self,
        what: impl FnOnce() -> String,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, DestinationError> {
        let worked = tokio::time::timeout(self.settings.answer_timeout, work).await;
        worked.unwrap_or(Err(Failure::TimedOut)).map_err(|failure| lane_error(what(), &failure))
    }

    /// The rows that a statement answers.
    async fn rows(&self, text: String, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let lease = self.connections.lend().await?;
        let rows = lease.connection.client.query_typed(&text, values).await?;
        lease.give_back();
        Ok(rows)
    }
}

fn partition_of(place: &TopicPartition) -> Result<i32, Failure> {
    i32::try_from(place.partition.0).map_err(|_| Failure::Protocol)
}

fn place(row: &Row, topic: usize, partition: usize) -> Result<TopicPartition, Failure> {
    let number: i32 = row.try_get(partition)?;
    let number = u32::try_from(number).map_err(|_| Failure::Protocol)?;
    Ok(TopicPartition::new(&Topic::new(row.try_get(topic)?), number))
}

/// Puts requests in a transaction; answers whether there was room for them.
async fn put_requests(
    client: &Client,
    profile: &ProfileId,
    requests: &[LaneRequest],
) -> Result<bool, Failure> {
    let ids: Vec<Uuid> = requests.iter().map(|request| request.id).collect();
    let places: Vec<&TopicPartition> =
        requests.iter().map(|request| &request.lane.topic_partition).collect();
    let topics: Vec<&str> = places.iter().map(|place| place.topic.as_str()).collect();
    let partitions: Vec<i32> =
        places.iter().map(|place| partition_of(place)).collect::<Result<_, _>>()?;
    let bodies: Vec<&str> = requests.iter().map(|request| request.body.as_str()).collect();
    let states: Vec<&str> = requests.iter().map(|request| request.state.as_str()).collect();
    let progress: Vec<&str> = requests.iter().map(|request| request.progress.as_str()).collect();
    let profile = profile.as_str();
    client.batch_execute(&format!("{BEGIN}; SELECT pg_advisory_xact_lock({DESK_LOCK})")).await?;
    let keys: [Value<'_>; 4] = [
        (&profile, Type::TEXT),
        (&ids, Type::UUID_ARRAY),
        (&topics, Type::TEXT_ARRAY),
        (&partitions, Type::INT4_ARRAY),
    ];
    let open = client.query_typed_one(&statements::count_open(), &keys).await?;
    let open: i64 = open.try_get(0)?;
    let fits = usize::try_from(open).is_ok_and(|open| open <= MAX_OPEN_REQUESTS);
    if fits {
        client.execute_typed(&statements::forget_finished(), &[(&profile, Type::TEXT)]).await?;
        let [profile, ids, topics, partitions] = keys;
        let values: [Value<'_>; 7] = [
            profile,
            ids,
            topics,
            partitions,
            (&bodies, Type::TEXT_ARRAY),
            (&states, Type::TEXT_ARRAY),
            (&progress, Type::TEXT_ARRAY),
        ];
        client.execute_typed(&statements::put_requests(), &values).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(fits)
}

fn request(row: &Row) -> Result<LaneRequest, Failure> {
    let state: &str = row.try_get(5)?;
    Ok(LaneRequest {
        id: row.try_get(0)?,
        lane: LaneId {
            profile: ProfileId::new(row.try_get(1)?).ok_or(Failure::Protocol)?,
            topic_partition: place(row, 2, 3)?,
        },
        body: row.try_get(4)?,
        state: RequestState::from_stored(state).ok_or(Failure::Protocol)?,
        progress: row.try_get(6)?,
        asked_at_us: row.try_get(7)?,
    })
}

async fn put_lane_states(
    client: &Client,
    profile: &ProfileId,
    states: &[StoredLaneState],
) -> Result<(), Failure> {
    // One per lane, of several the last; ascending, so that rows are locked in one order.
    let by_place: BTreeMap<&TopicPartition, &StoredLaneState> =
        states.iter().map(|state| (&state.topic_partition, state)).collect();
    let topics: Vec<&str> = by_place.keys().map(|place| place.topic.as_str()).collect();
    let partitions: Vec<i32> =
        by_place.keys().map(|place| partition_of(place)).collect::<Result<_, _>>()?;
    let owners: Vec<&str> = by_place.values().map(|state| state.owner.as_str()).collect();
    let bodies: Vec<&str> = by_place.values().map(|state| state.body.as_str()).collect();
    let profile = profile.as_str();
    let values: [Value<'_>; 5] = [
        (&profile, Type::TEXT),
        (&topics, Type::TEXT_ARRAY),
        (&partitions, Type::INT4_ARRAY),
        (&owners, Type::TEXT_ARRAY),
        (&bodies, Type::TEXT_ARRAY),
    ];
    client.execute_typed(&statements::put_lane_states(), &values).await?;
    client.execute_typed(&statements::forget_stale_states(), &[(&profile, Type::TEXT)]).await?;
    Ok(())
}

fn lane_state(row: &Row) -> Result<StoredLaneState, Failure> {
    Ok(StoredLaneState {
        topic_partition: place(row, 0, 1)?,
        owner: CompactString::new(row.try_get::<_, &str>(2)?),
        body: row.try_get(3)?,
        age_us: row.try_get(4)?,
    })
}

#[async_trait]
impl Desk for PostgresDestination {
    async fn put_requests(
        &self,
        profile: &ProfileId,
        requests: &[LaneRequest],
    ) -> Result<(), DestinationError> {
        let what = || format!("asking something of profile {profile} in PostgreSQL");
        let put = async {
            let lease = self.connections.lend().await?;
            let fits = put_requests(&lease.connection.client, profile, requests).await?;
            lease.give_back();
            Ok(fits)
        };
        match self.at_desk(what, put).await? {
            true => Ok(()),
            false => Err(DestinationError::Fatal(too_many_requests(profile))),
        }
    }

    async fn requests(
        &self,
        profile: &ProfileId,
        which: WhichRequests,
    ) -> Result<Vec<LaneRequest>, DestinationError> {
        let what = || format!("reading the requests of profile {profile} in PostgreSQL");
        let read = async {
            let (of, all) = (profile.as_str(), which == WhichRequests::All);
            let values: [Value<'_>; 2] = [(&of, Type::TEXT), (&all, Type::BOOL)];
            let rows = self.rows(statements::requests(), &values).await?;
            rows.iter().map(request).collect()
        };
        self.at_desk(what, read).await
    }

    async fn move_request(
        &self,
        (id, lane): (Uuid, &LaneId),
        from: RequestState,
        to: RequestState,
        progress: &str,
    ) -> Result<bool, DestinationError> {
        let what = || format!("noting how far request {id} has come in PostgreSQL");
        let write = async {
            let place = &lane.topic_partition;
            let (profile, topic) = (lane.profile.as_str(), place.topic.as_str());
            let (partition, from, to) = (partition_of(place)?, from.as_str(), to.as_str());
            let values: [Value<'_>; 7] = [
                (&id, Type::UUID),
                (&profile, Type::TEXT),
                (&topic, Type::TEXT),
                (&partition, Type::INT4),
                (&from, Type::TEXT),
                (&to, Type::TEXT),
                (&progress, Type::TEXT),
            ];
            let lease = self.connections.lend().await?;
            let client = &lease.connection.client;
            let moved = client.execute_typed(&statements::move_request(), &values).await?;
            lease.give_back();
            Ok(moved == 1)
        };
        self.at_desk(what, write).await
    }

    async fn put_lane_states(
        &self,
        profile: &ProfileId,
        states: &[StoredLaneState],
    ) -> Result<(), DestinationError> {
        let what = || format!("saying how the lanes of profile {profile} are in PostgreSQL");
        let put = async {
            let lease = self.connections.lend().await?;
            put_lane_states(&lease.connection.client, profile, states).await?;
            lease.give_back();
            Ok(())
        };
        self.at_desk(what, put).await
    }

    async fn lane_states(
        &self,
        profile: &ProfileId,
    ) -> Result<Vec<StoredLaneState>, DestinationError> {
        let what = || format!("reading how the lanes of profile {profile} are in PostgreSQL");
        let read = async {
            let of: &str = profile.as_str();
            let rows = self.rows(statements::lane_states(), &[(&of, Type::TEXT)]).await?;
            rows.iter().map(lane_state).collect()
        };
        self.at_desk(what, read).await
    }
}

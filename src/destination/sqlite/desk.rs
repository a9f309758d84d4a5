//! The desk in SQLite.

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::SqliteDestination;
use super::clock::Clock;
use super::desk_statements as statements;
use super::open::Missing;
use super::stop::Stop;
use super::writer::in_transaction;
use crate::destination::DestinationError;
use crate::destination::desk::{
    Desk, FINISHED_DAYS, LaneRequest, MAX_OPEN_REQUESTS, RequestState, STALE_STATE_DAYS,
    StoredLaneState, WhichRequests, too_many_requests,
};
use crate::model::checkpoint::LaneId;
use crate::model::position::{Topic, TopicPartition};
use crate::model::profile::ProfileId;

const DAY_US: i64 = 86_400_000_000;

#[async_trait]
impl Desk for SqliteDestination {
    async fn put_requests(
        &self,
        profile: &ProfileId,
        requests: &[LaneRequest],
    ) -> Result<(), DestinationError> {
        let what = format!("asking something of profile {profile}");
        let (profile, requests) = (profile.clone(), requests.to_vec());
        self.work(&what, Missing::Refuse, move |connection, means| {
            in_transaction(connection, |inner| {
                put_requests(inner, means.clock, &profile, &requests)
            })
        })
        .await
    }

    async fn requests(
        &self,
        profile: &ProfileId,
        which: WhichRequests,
    ) -> Result<Vec<LaneRequest>, DestinationError> {
        let what = format!("reading the requests of profile {profile}");
        let profile = profile.clone();
        self.work(&what, Missing::Refuse, move |connection, _| {
            requests(connection, &profile, which)
        })
        .await
    }

    async fn move_request(
        &self,
        (id, lane): (Uuid, &LaneId),
        from: RequestState,
        to: RequestState,
        progress: &str,
    ) -> Result<bool, DestinationError> {
        let what = format!("moving a request to lane {lane} on");
        let (lane, progress) = (lane.clone(), progress.to_owned());
        self.work(&what, Missing::Refuse, move |connection, means| {
            in_transaction(connection, |inner| {
                let now_us = means.clock.now_us(inner)?;
                let moved = inner.prepare_cached(&statements::move_request())?.execute(params![
                    id.hyphenated().to_string(),
                    lane.profile.as_str(),
                    lane.topic_partition.topic.as_str(),
                    lane.topic_partition.partition.0,
                    from.as_str(),
                    to.as_str(),
                    progress,
                    now_us
                ])?;
                Ok(moved == 1)
            })
        })
        .await
    }

    async fn put_lane_states(
        &self,
        profile: &ProfileId,
        states: &[StoredLaneState],
    ) -> Result<(), DestinationError> {
        let what = format!("saying how lanes of profile {profile} are");
        let (profile, states) = (profile.clone(), states.to_vec());
        self.work(&what, Missing::Refuse, move |connection, means| {
            in_transaction(connection, |inner| {
                put_lane_states(inner, means.clock, &profile, &states)
            })
        })
        .await
    }

    async fn lane_states(
        &self,
        profile: &ProfileId,
    ) -> Result<Vec<StoredLaneState>, DestinationError> {
        let what = format!("reading how the lanes of profile {profile} are");
        let profile = profile.clone();
        self.work(&what, Missing::Refuse, move |connection, means| {
            let now_us = means.clock.now_us(connection)?;
            let mut statement = connection.prepare_cached(&statements::lane_states())?;
            let rows = statement.query_map(params![profile.as_str(), now_us], lane_state)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn put_requests(
    connection: &Connection,
    clock: &Clock,
    profile: &ProfileId,
    requests: &[LaneRequest],
) -> Result<(), Stop> {
    let now_us = clock.now_us(connection)?;
    connection
        .prepare_cached(&statements::forget_requests())?
        .execute(params![profile.as_str(), now_us - FINISHED_DAYS * DAY_US])?;
    let mut put = connection.prepare_cached(&statements::put_request())?;
    for request in requests {
        let lane = &request.lane;
        put.execute(params![
            request.id.hyphenated().to_string(),
            lane.profile.as_str(),
            lane.topic_partition.topic.as_str(),
            lane.topic_partition.partition.0,
            request.body,
            request.state.as_str(),
            request.progress,
            now_us
        ])?;
    }
    let mut count = connection.prepare_cached(&statements::open_requests())?;
    let open: i64 = count.query_row(params![profile.as_str()], |row| row.get(0))?;
    if usize::try_from(open).is_ok_and(|open| open > MAX_OPEN_REQUESTS) {
        return Err(Stop::Refused(too_many_requests(profile)));
    }
    Ok(())
}

fn requests(
    connection: &Connection,
    profile: &ProfileId,
    which: WhichRequests,
) -> Result<Vec<LaneRequest>, Stop> {
    let mut statement = connection.prepare_cached(&statements::requests())?;
    let all = which == WhichRequests::All;
    let rows = statement.query_map(params![profile.as_str(), all], |row| request(row, profile))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn request(row: &Row<'_>, profile: &ProfileId) -> rusqlite::Result<LaneRequest> {
    let (id, state): (String, String) = (row.get(0)?, row.get(4)?);
    let id = Uuid::parse_str(&id).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
    })?;
    let unknown = || rusqlite::Error::InvalidColumnType(4, "state".to_owned(), Type::Text);
    Ok(LaneRequest {
        id,
        lane: LaneId { profile: profile.clone(), topic_partition: topic_partition(row, 1)? },
        body: row.get(3)?,
        state: RequestState::from_stored(&state).ok_or_else(unknown)?,
        progress: row.get(5)?,
        asked_at_us: row.get(6)?,
    })
}

fn put_lane_states(
    connection: &Connection,
    clock: &Clock,
    profile: &ProfileId,
    states: &[StoredLaneState],
) -> Result<(), Stop> {
    let now_us = clock.now_us(connection)?;
    let mut put = connection.prepare_cached(&statements::put_lane_state())?;
    for state in states {
        put.execute(params![
            profile.as_str(),
            state.topic_partition.topic.as_str(),
            state.topic_partition.partition.0,
            state.owner.as_str(),
            state.body,
            now_us
        ])?;
    }
    connection
        .prepare_cached(&statements::forget_lane_states())?
        .execute(params![profile.as_str(), now_us - STALE_STATE_DAYS * DAY_US])?;
    Ok(())
}

fn lane_state(row: &Row<'_>) -> rusqlite::Result<StoredLaneState> {
    let owner: String = row.get(2)?;
    Ok(StoredLaneState {
        topic_partition: topic_partition(row, 0)?,
        owner: owner.into(),
        body: row.get(3)?,
        age_us: row.get(4)?,
    })
}

/// Topic and partition from two columns, the first being number `at`.
fn topic_partition(row: &Row<'_>, at: usize) -> rusqlite::Result<TopicPartition> {
    let topic: String = row.get(at)?;
    Ok(TopicPartition::new(&Topic::new(&topic), row.get(at + 1)?))
}

//! Text of the statements on requests and lane states. Pure; pinned by golden files.

use super::names::own_table;
use crate::destination::desk::RequestState;
use crate::destination::own_tables::name;

/// Writes a request where there is none of its id and lane. 1 id, 2 profile, 3 topic, 4 partition,
/// 5 body, 6 state, 7 progress, 8 the time in µs.
pub fn put_request() -> String {
    format!(
        "INSERT INTO {} (\"id\", \"profile\", \"topic\", \"partition\", \"body\", \"state\", \
         \"progress\", \"asked_at_us\", \"updated_at_us\") \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) \
         ON CONFLICT (\"id\", \"topic\", \"partition\") DO NOTHING",
        own_table(name::REQUEST)
    )
}

/// Number of a profile's requests that are not finished. 1 profile.
pub fn open_requests() -> String {
    format!(
        "SELECT count(*) FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"state\" NOT IN ({})",
        own_table(name::REQUEST),
        finished()
    )
}

/// Forgets finished requests. 1 profile, 2 the time before which they were finished, in µs.
pub fn forget_requests() -> String {
    format!(
        "DELETE FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"updated_at_us\" < ?2 \
         AND t.\"state\" IN ({})",
        own_table(name::REQUEST),
        finished()
    )
}

/// A profile's requests, oldest first: id, topic, partition, body, state, progress, when it was
/// asked. 1 profile, 2 whether finished ones are wanted, too.
pub fn requests() -> String {
    format!(
        "SELECT t.\"id\", t.\"topic\", t.\"partition\", t.\"body\", t.\"state\", t.\"progress\", \
         t.\"asked_at_us\" FROM {} AS t WHERE t.\"profile\" = ?1 \
         AND (?2 OR t.\"state\" NOT IN ({})) \
         ORDER BY t.\"asked_at_us\", t.\"id\", t.\"topic\", t.\"partition\"",
        own_table(name::REQUEST),
        finished()
    )
}

/// Moves a request by compare-and-set. 1 id, 2 profile, 3 topic, 4 partition, 5 from, 6 to,
/// 7 progress, 8 the time in µs.
pub fn move_request() -> String {
    format!(
        "UPDATE {} AS t SET \"state\" = ?6, \"progress\" = ?7, \"updated_at_us\" = ?8 \
         WHERE t.\"id\" = ?1 AND t.\"profile\" = ?2 AND t.\"topic\" = ?3 \
         AND t.\"partition\" = ?4 AND t.\"state\" = ?5",
        own_table(name::REQUEST)
    )
}

/// Says how a lane is. 1 profile, 2 topic, 3 partition, 4 owner, 5 body, 6 the time in µs.
pub fn put_lane_state() -> String {
    format!(
        "INSERT OR REPLACE INTO {} (\"profile\", \"topic\", \"partition\", \"owner\", \"body\", \
         \"said_at_us\") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        own_table(name::LANE_STATE)
    )
}

/// Forgets lane states. 1 profile, 2 the time before which they were said, in µs.
pub fn forget_lane_states() -> String {
    format!(
        "DELETE FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"said_at_us\" < ?2",
        own_table(name::LANE_STATE)
    )
}

/// How the lanes of a profile are: topic, partition, owner, body, age in µs. 1 profile, 2 the time
/// in µs.
pub fn lane_states() -> String {
    format!(
        "SELECT t.\"topic\", t.\"partition\", t.\"owner\", t.\"body\", \
         max(?2 - t.\"said_at_us\", 0) FROM {} AS t WHERE t.\"profile\" = ?1 \
         ORDER BY t.\"topic\", t.\"partition\"",
        own_table(name::LANE_STATE)
    )
}

/// The words of states in which nothing more will happen.
fn finished() -> String {
    let finished = RequestState::ALL.into_iter().filter(|state| state.is_finished());
    finished.map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ")
}

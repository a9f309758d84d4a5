//! Text of the statements about requests and lane states. Pure, and pinned by golden files.

use super::own_ddl::own_table;
use crate::destination::desk::{FINISHED_DAYS, RequestState, STALE_STATE_DAYS};
use crate::destination::own_tables::name as own;

/// Key of the advisory lock under which requests are put, so that they can be counted: "keepdesk"
/// in ASCII.
pub(super) const DESK_LOCK: i64 = 0x6b65_6570_6465_736b;

/// The server's clock, µs since 1970.
const NOW_US: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const DAY_US: i64 = 86_400_000_000;

/// The states in which nothing more will happen, as a list.
fn finished() -> String {
    let finished = RequestState::ALL.into_iter().filter(|state| state.is_finished());
    finished.map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ")
}

/// How many requests of profile `$1` would be open if those of `$2`, `$3` and `$4` were put.
pub(super) fn count_open() -> String {
    let table = own_table(own::REQUEST);
    format!(
        "SELECT (SELECT count(*) FROM {table} AS r WHERE r.profile = $1 AND r.state NOT IN ({})) + (SELECT count(*) FROM unnest($2, $3, $4) AS n (id, topic, partition) WHERE NOT EXISTS (SELECT FROM {table} AS r WHERE r.id = n.id AND r.topic = n.topic AND r.partition = n.partition))",
        finished()
    )
}

/// Forgets requests of profile `$1` that were finished long ago.
pub(super) fn forget_finished() -> String {
    format!(
        "DELETE FROM {} AS r WHERE r.profile = $1 AND r.state IN ({}) AND r.updated_at_us < {NOW_US} - {}",
        own_table(own::REQUEST),
        finished(),
        FINISHED_DAYS * DAY_US
    )
}

/// Puts requests of profile `$1`: id, topic, partition, body, state, progress, a column each. All
/// have one time.
pub(super) fn put_requests() -> String {
    format!(
        "INSERT INTO {} (id, profile, topic, partition, body, state, progress, asked_at_us, updated_at_us) SELECT n.id, $1, n.topic, n.partition, n.body, n.state, n.progress, clock.now_us, clock.now_us FROM unnest($2, $3, $4, $5, $6, $7) AS n (id, topic, partition, body, state, progress), (SELECT {NOW_US}) AS clock (now_us) ON CONFLICT (id, topic, partition) DO NOTHING",
        own_table(own::REQUEST)
    )
}

/// The requests of profile `$1`, oldest first; if `$2`, finished ones, too.
pub(super) fn requests() -> String {
    format!(
        "SELECT r.id, r.profile, r.topic, r.partition, r.body, r.state, r.progress, r.asked_at_us FROM {} AS r WHERE r.profile = $1 AND ($2 OR r.state NOT IN ({})) ORDER BY r.asked_at_us, r.id, r.topic, r.partition",
        own_table(own::REQUEST),
        finished()
    )
}

/// Moves a request from state `$5` to `$6` with progress `$7`.
pub(super) fn move_request() -> String {
    format!(
        "UPDATE {} AS r SET state = $6, progress = $7, updated_at_us = {NOW_US} WHERE r.id = $1 AND r.profile = $2 AND r.topic = $3 AND r.partition = $4 AND r.state = $5",
        own_table(own::REQUEST)
    )
}

/// Says how lanes of profile `$1` are: topic, partition, owner, body, a column each.
pub(super) fn put_lane_states() -> String {
    format!(
        "INSERT INTO {} (profile, topic, partition, owner, body, said_at_us) SELECT $1, n.topic, n.partition, n.owner, n.body, clock.now_us FROM unnest($2, $3, $4, $5) AS n (topic, partition, owner, body), (SELECT {NOW_US}) AS clock (now_us) ON CONFLICT (profile, topic, partition) DO UPDATE SET owner = excluded.owner, body = excluded.body, said_at_us = excluded.said_at_us",
        own_table(own::LANE_STATE)
    )
}

/// Forgets states of profile `$1` that nobody renewed for long.
pub(super) fn forget_stale_states() -> String {
    format!(
        "DELETE FROM {} AS s WHERE s.profile = $1 AND s.said_at_us < {NOW_US} - {}",
        own_table(own::LANE_STATE),
        STALE_STATE_DAYS * DAY_US
    )
}

/// How the lanes of profile `$1` are, by topic and partition.
pub(super) fn lane_states() -> String {
    format!(
        "SELECT s.topic, s.partition, s.owner, s.body, {NOW_US} - s.said_at_us FROM {} AS s WHERE s.profile = $1 ORDER BY s.topic, s.partition",
        own_table(own::LANE_STATE)
    )
}

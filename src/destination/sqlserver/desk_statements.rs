//! Text of the statements of the desk: requests and lane states.
//!
//! Pure, and pinned by golden files. What is written once a second has the same text each time for
//! the same number of lanes, its values are parameters; what a person asks for stands in the text.

use super::own_ddl::{KEY_COLLATION, NOW_US, own_table};
use super::quote;
use crate::destination::desk::{
    FINISHED_DAYS, LaneRequest, MAX_OPEN_REQUESTS, RequestState, STALE_STATE_DAYS,
};
use crate::destination::own_tables::name as own;
use crate::model::profile::ProfileId;

/// Most lines that one INSERT lists: a list of values ends at 1,000.
/// Source: SQL Server documentation, "Table Value Constructor".
pub(super) const MOST_LINES: usize = 500;

/// Most lanes that one statement says the state of: four parameters each, of 2,100.
pub(super) const MOST_LANES: usize = 250;

const DAY_US: i64 = 86_400_000_000;

/// Begins a transaction in which everything is undone by whatever fails.
pub(super) const BEGIN: &str = "SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION";

/// Waits for the turn of this transaction among all that name the same resource; answers a line
/// with a negative number if it did not come within the time.
pub(super) fn wait_for_turn(resource: &str, limit_ms: u128) -> String {
    format!(
        "DECLARE @turn int; EXEC @turn = sp_getapplock @Resource = {}, @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = {limit_ms}; SELECT @turn AS turn",
        quote::text(resource)
    )
}

/// The resource that those wait for who put requests, so that these can be counted.
pub(super) const REQUESTS_TURN: &str = "keepstep.request";

/// The resource that those wait for who say how the lanes of a profile are.
pub(super) fn lane_states_turn(profile: &ProfileId) -> String {
    format!("keepstep.lane_state.{profile}")
}

/// The states in which nothing more will happen, as a list.
fn finished() -> String {
    let finished = RequestState::ALL.into_iter().filter(|state| state.is_finished());
    finished.map(|state| quote::word(state.as_str())).collect::<Vec<_>>().join(", ")
}

/// Puts requests of a profile that are not there, and forgets finished ones after long: a whole
/// transaction. Answers whether its turn came, and whether there was room. All have one time.
pub(super) fn put_requests(
    profile: &ProfileId,
    requests: &[LaneRequest],
    limit_ms: u128,
) -> String {
    let table = own_table(own::REQUEST);
    let (profile, finished) = (quote::word(profile.as_str()), finished());
    let mut text = format!(
        "{BEGIN};\n{};\n\
         IF @turn < 0\nBEGIN\nROLLBACK TRANSACTION;\nRETURN;\nEND;\n\
         DECLARE @now_us bigint = {NOW_US};\n\
         DECLARE @n TABLE (id uniqueidentifier NOT NULL, topic nvarchar(249) {KEY_COLLATION} NOT NULL, [partition] int NOT NULL, body nvarchar(max) NOT NULL, state varchar(16) {KEY_COLLATION} NOT NULL, progress nvarchar(max) NOT NULL);\n",
        wait_for_turn(REQUESTS_TURN, limit_ms)
    );
    for some in requests.chunks(MOST_LINES) {
        let lines: Vec<String> = some.iter().map(line).collect();
        text.push_str("INSERT INTO @n (id, topic, [partition], body, state, progress) VALUES\n");
        text.push_str(&lines.join(",\n"));
        text.push_str(";\n");
    }
    text.push_str(&format!(
        "INSERT INTO {table} (id, profile, topic, [partition], body, state, progress, asked_at_us, updated_at_us) SELECT n.id, {profile}, n.topic, n.[partition], n.body, n.state, n.progress, @now_us, @now_us FROM @n AS n WHERE NOT EXISTS (SELECT 1 FROM {table} AS r WHERE r.id = n.id AND r.topic = n.topic AND r.[partition] = n.[partition]);\n\
         DECLARE @open int = (SELECT COUNT(*) FROM {table} AS r WHERE r.profile = {profile} AND r.state NOT IN ({finished}));\n\
         IF @open > {MAX_OPEN_REQUESTS}\nBEGIN\nROLLBACK TRANSACTION;\nSELECT 0 AS fits;\nRETURN;\nEND;\n\
         DELETE r FROM {table} AS r WHERE r.profile = {profile} AND r.state IN ({finished}) AND r.updated_at_us < @now_us - {};\n\
         COMMIT TRANSACTION;\nSELECT 1 AS fits",
        FINISHED_DAYS * DAY_US
    ));
    text
}

fn line(request: &LaneRequest) -> String {
    let place = &request.lane.topic_partition;
    format!(
        "('{}', {}, {}, {}, {}, {})",
        request.id,
        quote::text(place.topic.as_str()),
        place.partition,
        quote::text(&request.body),
        quote::word(request.state.as_str()),
        quote::text(&request.progress)
    )
}

/// The requests of profile `@P1`, oldest first; if `@P2` is 1, finished ones, too.
pub(super) fn requests() -> String {
    format!(
        "SELECT r.id, r.profile, r.topic, r.[partition], r.body, r.state, r.progress, r.asked_at_us FROM {} AS r WHERE r.profile = CAST(@P1 AS varchar(64)) AND (@P2 = 1 OR r.state NOT IN ({})) ORDER BY r.asked_at_us, r.id, r.topic, r.[partition]",
        own_table(own::REQUEST),
        finished()
    )
}

/// Moves a request: `@P1` id, `@P2` profile, `@P3` topic, `@P4` partition, from state `@P5` to
/// `@P6` with progress `@P7`; answers how many it moved.
pub(super) fn move_request() -> String {
    format!(
        "SET NOCOUNT ON; UPDATE r SET state = CAST(@P6 AS varchar(16)), progress = @P7, updated_at_us = {NOW_US} FROM {} AS r WHERE r.id = @P1 AND r.profile = CAST(@P2 AS varchar(64)) AND r.topic = @P3 AND r.[partition] = @P4 AND r.state = CAST(@P5 AS varchar(16)); SELECT @@ROWCOUNT AS moved",
        own_table(own::REQUEST)
    )
}

/// Says how so many lanes of a profile are, and forgets states that nobody renewed for long: a
/// whole transaction. Parameters: topic, partition, owner, body of each lane.
pub(super) fn put_lane_states(profile: &ProfileId, lanes: usize, limit_ms: u128) -> String {
    let table = own_table(own::LANE_STATE);
    let lines: Vec<String> = (0..lanes)
        .map(|lane| {
            let at = lane * 4;
            format!("(@P{}, @P{}, @P{}, @P{})", at + 1, at + 2, at + 3, at + 4)
        })
        .collect();
    let profile_text = quote::word(profile.as_str());
    let same = "s.topic = n.topic AND s.[partition] = n.[partition]";
    let put = match lanes {
        0 => String::new(),
        _ => format!(
            "INSERT INTO @n (topic, [partition], owner, body) VALUES\n{};\n\
             UPDATE s SET owner = n.owner, body = n.body, said_at_us = @now_us FROM {table} AS s JOIN @n AS n ON {same} WHERE s.profile = {profile_text};\n\
             INSERT INTO {table} (profile, topic, [partition], owner, body, said_at_us) SELECT {profile_text}, n.topic, n.[partition], n.owner, n.body, @now_us FROM @n AS n WHERE NOT EXISTS (SELECT 1 FROM {table} AS s WHERE s.profile = {profile_text} AND {same});\n",
            lines.join(",\n")
        ),
    };
    format!(
        "{BEGIN};\n{};\n\
         DECLARE @now_us bigint = {NOW_US}; DECLARE @n TABLE (topic nvarchar(249) {KEY_COLLATION} NOT NULL, [partition] int NOT NULL, owner nvarchar(max) NOT NULL, body nvarchar(max) NOT NULL);\n\
         IF @turn >= 0\nBEGIN\n{put}\
         DELETE s FROM {table} AS s WHERE s.profile = {profile_text} AND s.said_at_us < @now_us - {};\nEND;\n\
         COMMIT TRANSACTION",
        wait_for_turn(&lane_states_turn(profile), limit_ms),
        STALE_STATE_DAYS * DAY_US
    )
}

/// How the lanes of profile `@P1` are, by topic and partition.
pub(super) fn lane_states() -> String {
    format!(
        "SELECT s.topic, s.[partition], s.owner, s.body, {NOW_US} - s.said_at_us AS age_us FROM {} AS s WHERE s.profile = CAST(@P1 AS varchar(64)) ORDER BY s.topic, s.[partition]",
        own_table(own::LANE_STATE)
    )
}

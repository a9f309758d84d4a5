//! Text of the statements that hold and release changes, in the transaction of the rows.
//!
//! Pure, and pinned by golden files. A batch without holds and releases has none of them. Their
//! values are names, codes and numbers, never a record's content, so they stand in the text: in a
//! list of the batch's own, filled before the transaction begins.

use std::collections::BTreeMap;

use super::held_reading::{stored_entity, stored_record};
use super::own_ddl::{KEY_COLLATION, NOW_US, lane_condition, own_table};
use super::quote;
use crate::destination::own_tables::name as own;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldKey, Hold, Release};

/// Most lines that one INSERT lists: a list of values ends at 1,000.
/// Source: SQL Server documentation, "Table Value Constructor".
const MOST_LINES: usize = 500;

/// The list of what is to be held.
const HOLDS: &str = "@holds";
/// The list of what is to be released.
const RELEASES: &str = "@releases";

/// The variable that the clock is read into.
pub(super) const CLOCK: &str = "@clock";

/// The columns that name held changes within their lane.
fn key_columns() -> String {
    format!(
        "change_offset bigint NOT NULL, entity nvarchar(128) {KEY_COLLATION} NOT NULL, record_id uniqueidentifier NOT NULL"
    )
}

fn key_values(key: &HeldKey) -> String {
    format!("{}, {}, '{}'", key.offset.0, quote::text(stored_entity(key)), stored_record(key))
}

/// The held change that a line names.
const NAMED: &str =
    "h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id";

/// Makes and fills a list.
fn list(name: &str, columns: &str, lines: &[String]) -> Vec<String> {
    let declare = format!("DECLARE {name} TABLE ({}, {columns})", key_columns());
    let fill = lines
        .chunks(MOST_LINES)
        .map(|some| format!("INSERT INTO {name} VALUES\n{}", some.join(",\n")));
    [declare].into_iter().chain(fill).collect()
}

/// Lists holds. Of two for one change the last counts.
pub(super) fn list_holds(holds: &[Hold]) -> Vec<String> {
    let by_key: BTreeMap<&HeldKey, &Hold> = holds.iter().map(|hold| (&hold.key, hold)).collect();
    let lines: Vec<String> = by_key
        .values()
        .map(|hold| {
            let version = hold.version.map_or_else(|| "NULL".to_owned(), |v| v.0.to_string());
            let column = hold.cause.column.as_deref().map_or("NULL".to_owned(), quote::text);
            format!(
                "({}, {version}, {}, {column}, {}, {}, {})",
                key_values(&hold.key),
                quote::text(&hold.cause.code),
                quote::text(&hold.cause.detail),
                hold.attempt,
                u8::from(hold.creates),
            )
        })
        .collect();
    let columns = "version bigint NULL, cause nvarchar(128) NOT NULL, column_name nvarchar(max) NULL, detail nvarchar(max) NOT NULL, attempt bigint NOT NULL, creates bit NOT NULL";
    list(HOLDS, columns, &lines)
}

/// Reads the clock, once for all lines of what follows; not when the batch begins, for it may have
/// waited at the fence.
fn read_clock() -> String {
    format!("SET {CLOCK} = {NOW_US}")
}

/// The next revision of a held change: by the clock, or one more where that is higher.
fn next_revision() -> String {
    format!("CASE WHEN h.revision >= {CLOCK} THEN h.revision + 1 ELSE {CLOCK} END")
}

/// Revises the holds that are there, and makes the others.
pub(super) fn hold(lane: &LaneId) -> [String; 2] {
    let table = own_table(own::HELD_CHANGE);
    let of_lane = lane_condition("h", lane);
    [
        format!(
            "{};\nUPDATE h SET version = n.version, cause = n.cause, column_name = n.column_name, detail = n.detail, attempt = n.attempt, revision = {}, [open] = 1, creates = n.creates FROM {HOLDS} AS n JOIN {table} AS h ON {NAMED} WHERE {of_lane}",
            read_clock(),
            next_revision(),
        ),
        format!(
            "INSERT INTO {table} (profile, topic, [partition], change_offset, entity, record_id, version, cause, column_name, detail, attempt, held_at_us, revision, [open], creates) SELECT {}, {}, {}, n.change_offset, n.entity, n.record_id, n.version, n.cause, n.column_name, n.detail, n.attempt, {CLOCK}, {CLOCK}, 1, n.creates FROM {HOLDS} AS n WHERE NOT EXISTS (SELECT 1 FROM {table} AS h WHERE {of_lane} AND {NAMED})",
            quote::word(lane.profile.as_str()),
            quote::text(lane.topic_partition.topic.as_str()),
            lane.topic_partition.partition,
        ),
    ]
}

/// Lists releases. Of two for one change the first counts.
pub(super) fn list_releases(releases: &[Release]) -> Vec<String> {
    let by_key: BTreeMap<&HeldKey, &Release> =
        releases.iter().rev().map(|release| (&release.key, release)).collect();
    let lines: Vec<String> = by_key
        .values()
        .map(|release| {
            format!("({}, {})", key_values(&release.key), quote::text(release.reason.as_str()))
        })
        .collect();
    list(RELEASES, "cause nvarchar(128) NOT NULL", &lines)
}

/// Closes held changes; what is not held is passed over.
pub(super) fn release(lane: &LaneId) -> String {
    format!(
        "{};\nUPDATE h SET [open] = 0, cause = n.cause, column_name = NULL, detail = N'', revision = {} FROM {RELEASES} AS n JOIN {} AS h ON {NAMED} WHERE {} AND h.[open] = 1",
        read_clock(),
        next_revision(),
        own_table(own::HELD_CHANGE),
        lane_condition("h", lane),
    )
}

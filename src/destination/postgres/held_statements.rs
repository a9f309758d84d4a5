//! Text of the statements about held changes.
//!
//! Pure, and pinned by golden files. A batch without holds and releases has none of them. Their
//! values are names, codes and numbers, never a record's content, so they stand in the text, each
//! in quotes of its own: that needs no staging table, whose emptying every commit would pay for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::own_ddl::own_table;
use super::quote;
use super::statements::{BEGIN, lane_condition};
use crate::destination::WhichHeld;
use crate::destination::own_tables::name as own;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldKey, Hold, Release, Revision};
use crate::model::record::RecordId;

/// A cell of a column of values.
type Value<'a> = Option<Cow<'a, str>>;

/// A column of values: its name, its type, a value per line.
type Column<'a> = (&'static str, &'static str, Vec<Value<'a>>);

/// The clock that revisions count by, read once per statement, as a table of one line. Not the
/// time of the transaction, which may have begun long before.
const CLOCK: &str =
    "(SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS clock (now_us)";

/// Entity of a key as it is stored: an empty text for an unknown one.
pub(super) fn stored_entity(key: &HeldKey) -> &str {
    key.entity.as_ref().map_or("", |entity| entity.as_str())
}

/// Record id of a key as it is stored: zeros for an unknown one.
pub(super) fn stored_record(key: &HeldKey) -> Uuid {
    key.record_id.map_or(Uuid::nil(), |RecordId(id)| id)
}

/// Columns of values as a table, one literal per column.
fn unnest(columns: &[Column<'_>]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let arrays = columns
        .iter()
        .map(|(_, type_text, values)| quote::array(values.iter().cloned(), type_text))
        .collect::<Vec<_>>();
    format!("unnest({}) AS n ({})", arrays.join(", "), names.join(", "))
}

fn number(number: impl ToString) -> Cow<'static, str> {
    Cow::Owned(number.to_string())
}

/// The columns that name held changes within their lane.
fn keys<'a>(keys: impl Iterator<Item = &'a HeldKey> + Clone) -> Vec<Column<'a>> {
    let entity = |key: &'a HeldKey| Some(Cow::Borrowed(stored_entity(key)));
    vec![
        ("change_offset", "bigint", keys.clone().map(|key| Some(number(key.offset.0))).collect()),
        ("entity", "text", keys.clone().map(entity).collect()),
        ("record_id", "uuid", keys.map(|key| Some(number(stored_record(key)))).collect()),
    ]
}

/// A column of the held change that a line of values names; null where there is none. Asked line
/// by line, for it is then always found by its key: a join of the values and the table may be
/// planned as all against all while the planner knows no statistics (measured: 11 s for 5,000).
fn of_named(lane: &LaneId, column: &str) -> String {
    format!(
        "(SELECT {column} FROM {} AS e WHERE {} AND e.change_offset = n.change_offset AND e.entity = n.entity AND e.record_id = n.record_id)",
        own_table(own::HELD_CHANGE),
        lane_condition("e", lane)
    )
}

/// The lane's key as values of a select.
fn lane_values(lane: &LaneId) -> String {
    format!(
        "{}, {}, {}",
        quote::text(lane.profile.as_str()),
        quote::text(lane.topic_partition.topic.as_str()),
        lane.topic_partition.partition
    )
}

/// Makes holds, or revises those that are there. Of two for one change the last counts; ascending
/// by key, so that rows are locked in one order.
pub(super) fn hold(lane: &LaneId, holds: &[Hold]) -> String {
    let by_key: BTreeMap<&HeldKey, &Hold> = holds.iter().map(|hold| (&hold.key, hold)).collect();
    let cells = |cell: fn(&Hold) -> Value<'_>| by_key.values().map(|hold| cell(hold)).collect();
    let mut columns = keys(by_key.keys().copied());
    columns.extend([
        ("version", "bigint", cells(|hold| hold.version.map(|version| number(version.0)))),
        ("cause", "text", cells(|hold| Some(Cow::Borrowed(hold.cause.code.as_str())))),
        (
            "column_name",
            "text",
            cells(|hold| hold.cause.column.as_ref().map(|column| Cow::Borrowed(column.as_str()))),
        ),
        ("detail", "text", cells(|hold| Some(Cow::Borrowed(hold.cause.detail.as_str())))),
        ("attempt", "bigint", cells(|hold| Some(number(hold.attempt)))),
        ("creates", "boolean", cells(|hold| Some(number(hold.creates)))),
    ]);
    format!(
        "INSERT INTO {} AS h (profile, topic, partition, change_offset, entity, record_id, version, cause, column_name, detail, attempt, held_at_us, revision, open, creates) SELECT {}, n.change_offset, n.entity, n.record_id, n.version, n.cause, n.column_name, n.detail, n.attempt, clock.now_us, clock.now_us, true, n.creates FROM {}, {CLOCK} ON CONFLICT (profile, topic, partition, change_offset, entity, record_id) DO UPDATE SET version = excluded.version, cause = excluded.cause, column_name = excluded.column_name, detail = excluded.detail, attempt = excluded.attempt, revision = greatest(h.revision + 1, excluded.revision), open = true, creates = excluded.creates",
        own_table(own::HELD_CHANGE),
        lane_values(lane),
        unnest(&columns),
    )
}

/// Closes held changes; what is not held is passed over. An open one is never forgotten, and its
/// lane is fenced, so the insert meets every one that the condition lets through.
pub(super) fn release(lane: &LaneId, releases: &[Release]) -> String {
    let by_key: BTreeMap<&HeldKey, &Release> =
        releases.iter().rev().map(|release| (&release.key, release)).collect();
    let mut columns = keys(by_key.keys().copied());
    let reason = |release: &&Release| Some(Cow::Borrowed(release.reason.as_str()));
    columns.push(("cause", "text", by_key.values().map(reason).collect()));
    format!(
        "INSERT INTO {} AS h (profile, topic, partition, change_offset, entity, record_id, cause, detail, attempt, held_at_us, revision, open) SELECT {}, n.change_offset, n.entity, n.record_id, n.cause, '', 0, clock.now_us, clock.now_us, false FROM {}, {CLOCK} WHERE {} ON CONFLICT (profile, topic, partition, change_offset, entity, record_id) DO UPDATE SET open = false, cause = excluded.cause, column_name = NULL, detail = '', revision = greatest(h.revision + 1, excluded.revision)",
        own_table(own::HELD_CHANGE),
        lane_values(lane),
        unnest(&columns),
        of_named(lane, "e.open"),
    )
}

/// Notes what the dead-letter topic has, and forgets what is released and published: a whole
/// transaction. A revision that is not the newest leaves its change unpublished.
///
/// One that another process forgets between the condition and the insert would be made anew: it is
/// made as released and published, which the second statement forgets.
pub(super) fn publish(lane: &LaneId, published: &[(HeldKey, Revision)]) -> Vec<String> {
    let mut by_key: BTreeMap<&HeldKey, Revision> = BTreeMap::new();
    for (key, revision) in published {
        let highest = by_key.entry(key).or_insert(*revision);
        *highest = (*highest).max(*revision);
    }
    let table = own_table(own::HELD_CHANGE);
    let mut columns = keys(by_key.keys().copied());
    let revisions = by_key.values().map(|revision| Some(number(revision.0))).collect();
    columns.push(("revision", "bigint", revisions));
    let note = format!(
        "INSERT INTO {table} AS h (profile, topic, partition, change_offset, entity, record_id, cause, detail, attempt, held_at_us, revision, open, published) SELECT {}, n.change_offset, n.entity, n.record_id, '', '', 0, 0, n.revision, false, n.revision FROM {} WHERE {} ON CONFLICT (profile, topic, partition, change_offset, entity, record_id) DO UPDATE SET published = greatest(h.published, excluded.published)",
        lane_values(lane),
        unnest(&columns),
        of_named(lane, "true"),
    );
    let mut offsets: Vec<i64> = by_key.keys().map(|key| key.offset.0).collect();
    offsets.dedup();
    let offsets = offsets.into_iter().map(|offset| Some(number(offset)));
    let forget = format!(
        "DELETE FROM {table} AS h WHERE {} AND h.change_offset = ANY ({}) AND NOT h.open AND h.published >= h.revision",
        lane_condition("h", lane),
        quote::array(offsets, "bigint"),
    );
    vec![BEGIN.to_owned(), note, forget, "COMMIT".to_owned()]
}

/// Which held changes to read.
pub(super) struct Wanted<'a> {
    /// Of which lane.
    pub lane: &'a LaneId,
    /// All, or those to be sent.
    pub which: WhichHeld,
    /// After which key.
    pub after: Option<&'a HeldKey>,
    /// Most of them.
    pub limit: usize,
}

/// Reads held changes, ascending by key; the key that they come after stands in `$1` to `$3`.
pub(super) fn held(wanted: &Wanted<'_>) -> String {
    let after = match wanted.after {
        Some(_) => " AND (h.change_offset, h.entity, h.record_id) > ($1, $2, $3)",
        None => "",
    };
    // In the words of the index that holds those alone.
    let which = match wanted.which {
        WhichHeld::All => "",
        WhichHeld::Unpublished => " AND (h.published IS NULL OR h.published < h.revision)",
    };
    format!(
        "SELECT h.change_offset, h.entity, h.record_id, h.version, h.cause, h.column_name, h.detail, h.attempt, h.held_at_us, h.revision, h.open, h.published, h.creates FROM {} AS h WHERE {}{which}{after} ORDER BY h.change_offset, h.entity, h.record_id LIMIT {}",
        own_table(own::HELD_CHANGE),
        lane_condition("h", wanted.lane),
        wanted.limit,
    )
}

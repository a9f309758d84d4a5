//! Text of the statements that read held changes and note what the dead-letter topic has of them.
//!
//! Pure, and pinned by golden files. Holds and releases are made by `held_statements`, in the
//! transactions of the rows.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::own_ddl::{KEY_COLLATION, lane_condition, own_table};
use super::quote;
use crate::destination::WhichHeld;
use crate::destination::own_tables::name as own;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldKey, Revision};
use crate::model::record::RecordId;

/// Most lines that one INSERT lists: a list of values ends at 1,000.
/// Source: SQL Server documentation, "Table Value Constructor".
const MOST_LINES: usize = 500;

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

/// Entity of a key as it is stored: an empty text for an unknown one.
pub(super) fn stored_entity(key: &HeldKey) -> &str {
    key.entity.as_ref().map_or("", |entity| entity.as_str())
}

/// Record id of a key as it is stored: zeros for an unknown one.
pub(super) fn stored_record(key: &HeldKey) -> Uuid {
    key.record_id.map_or(Uuid::nil(), |RecordId(id)| id)
}

/// A record id in the order of the model's keys, as text: the server itself compares the last
/// group of a `uniqueidentifier` first.
fn in_key_order(column: &str) -> String {
    format!("LOWER(CAST({column} AS char(36))) COLLATE Latin1_General_BIN2")
}

/// Reads held changes, ascending by key as the model orders keys.
pub(super) fn held(wanted: &Wanted<'_>) -> String {
    let record = in_key_order("h.record_id");
    let after = wanted.after.map_or_else(String::new, |key| {
        let (offset, entity) = (key.offset.0, quote::text(stored_entity(key)));
        format!(
            " AND (h.change_offset > {offset} OR (h.change_offset = {offset} AND (h.entity > {entity} OR (h.entity = {entity} AND {record} > '{}'))))",
            stored_record(key)
        )
    });
    let which = match wanted.which {
        WhichHeld::All => "",
        WhichHeld::Unpublished => " AND h.unpublished = 1",
    };
    format!(
        "SELECT TOP ({}) h.change_offset, h.entity, h.record_id, h.version, h.cause, h.column_name, h.detail, h.attempt, h.held_at_us, h.revision, h.[open], h.published, h.creates FROM {} AS h WHERE {}{which}{after} ORDER BY h.change_offset, h.entity, {record}",
        wanted.limit,
        own_table(own::HELD_CHANGE),
        lane_condition("h", wanted.lane),
    )
}

/// Notes what the dead-letter topic has, and forgets what is released and published: a whole
/// transaction. A revision that is not the newest leaves its change unpublished, and an older one
/// never replaces a newer one.
pub(super) fn publish(lane: &LaneId, published: &[(HeldKey, Revision)]) -> String {
    let mut by_key: BTreeMap<&HeldKey, Revision> = BTreeMap::new();
    for (key, revision) in published {
        let highest = by_key.entry(key).or_insert(*revision);
        *highest = (*highest).max(*revision);
    }
    let lines: Vec<String> = by_key
        .iter()
        .map(|(key, revision)| {
            format!(
                "({}, {}, '{}', {})",
                key.offset.0,
                quote::text(stored_entity(key)),
                stored_record(key),
                revision.0
            )
        })
        .collect();
    let mut text = format!(
        "SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;\n\
         DECLARE @n TABLE (change_offset bigint NOT NULL, entity nvarchar(128) {KEY_COLLATION} NOT NULL, record_id uniqueidentifier NOT NULL, revision bigint NOT NULL);\n"
    );
    for some in lines.chunks(MOST_LINES) {
        let columns = "(change_offset, entity, record_id, revision)";
        text.push_str(&format!("INSERT INTO @n {columns} VALUES\n{};\n", some.join(",\n")));
    }
    let table = own_table(own::HELD_CHANGE);
    let lane = lane_condition("h", lane);
    let named =
        "h.change_offset = n.change_offset AND h.entity = n.entity AND h.record_id = n.record_id";
    text.push_str(&format!(
        "UPDATE h SET published = n.revision FROM {table} AS h JOIN @n AS n ON {named} WHERE {lane} AND (h.published IS NULL OR h.published < n.revision);\n\
         DELETE h FROM {table} AS h JOIN @n AS n ON {named} WHERE {lane} AND h.[open] = 0 AND h.published >= h.revision;\n\
         COMMIT TRANSACTION"
    ));
    text
}

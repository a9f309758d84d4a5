//! Text of the statements on held changes. Pure; pinned by golden files.
//!
//! 1 to 6 are the key everywhere: profile, topic, partition, offset, entity, record.

use super::names::own_table;
use crate::destination::WhichHeld;
use crate::destination::own_tables::name;

/// The columns of a held change, without its lane, in the order in which they are read.
const READ: &str = "t.\"change_offset\", t.\"entity\", t.\"record_id\", t.\"version\", \
                    t.\"cause\", t.\"column_name\", t.\"detail\", t.\"attempt\", \
                    t.\"held_at_us\", t.\"revision\", t.\"open\", t.\"published\", \
                    t.\"creates\"";

const KEY: &str = "t.\"profile\" = ?1 AND t.\"topic\" = ?2 AND t.\"partition\" = ?3 \
                   AND t.\"change_offset\" = ?4 AND t.\"entity\" = ?5 AND t.\"record_id\" = ?6";

/// What the index of unpublished changes holds; a statement that says the same finds them in it.
pub(super) const UNPUBLISHED: &str = "\"published\" IS NULL OR \"published\" < \"revision\"";

/// Name of the index of unpublished changes.
pub(super) fn unpublished_index() -> String {
    format!("{}_unpublished", own_table(name::HELD_CHANGE))
}

/// This machine's clock in µs since 1970, to the millisecond.
pub fn clock_us() -> &'static str {
    "SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) * 1000"
}

/// Holds a change, or holds it on. 7 version, 8 cause, 9 column, 10 detail, 11 attempt, 12 the
/// time, 13 whether it creates.
pub fn hold() -> String {
    format!(
        "INSERT INTO {} AS t (\"profile\", \"topic\", \"partition\", \"change_offset\", \
         \"entity\", \"record_id\", \"version\", \"cause\", \"column_name\", \"detail\", \
         \"attempt\", \"held_at_us\", \"revision\", \"open\", \"creates\") \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, 1, ?13) \
         ON CONFLICT (\"profile\", \"topic\", \"partition\", \"change_offset\", \"entity\", \
         \"record_id\") DO UPDATE SET \"version\" = excluded.\"version\", \
         \"cause\" = excluded.\"cause\", \"column_name\" = excluded.\"column_name\", \
         \"detail\" = excluded.\"detail\", \"attempt\" = excluded.\"attempt\", \
         \"revision\" = max(t.\"revision\" + 1, excluded.\"revision\"), \"open\" = 1, \
         \"creates\" = excluded.\"creates\"",
        own_table(name::HELD_CHANGE)
    )
}

/// Releases a change that is held. 7 reason, 8 the time.
pub fn release() -> String {
    format!(
        "UPDATE {} AS t SET \"cause\" = ?7, \"column_name\" = NULL, \"detail\" = '', \
         \"revision\" = max(t.\"revision\" + 1, ?8), \"open\" = 0 WHERE {KEY} AND t.\"open\" = 1",
        own_table(name::HELD_CHANGE)
    )
}

/// Held changes of a lane beyond a key, in order. 7 how many at most.
pub fn held(which: WhichHeld) -> String {
    let (index, wanted) = match which {
        WhichHeld::All => (String::new(), String::new()),
        // SQLite would take the primary key, not knowing how few of many are unpublished.
        WhichHeld::Unpublished => {
            (format!(" INDEXED BY {}", unpublished_index()), format!(" AND ({UNPUBLISHED})"))
        }
    };
    format!(
        "SELECT {READ} FROM {} AS t{index} WHERE t.\"profile\" = ?1 \
         AND t.\"topic\" = ?2 AND t.\"partition\" = ?3 \
         AND (t.\"change_offset\", t.\"entity\", t.\"record_id\") > (?4, ?5, ?6){wanted} \
         ORDER BY t.\"change_offset\", t.\"entity\", t.\"record_id\" LIMIT ?7",
        own_table(name::HELD_CHANGE)
    )
}

/// Notes what is published. 7 revision.
pub fn publish() -> String {
    format!(
        "UPDATE {} AS t SET \"published\" = max(ifnull(t.\"published\", ?7), ?7) WHERE {KEY}",
        own_table(name::HELD_CHANGE)
    )
}

/// Forgets a change whose release is published, and says its revision.
pub fn forget() -> String {
    format!(
        "DELETE FROM {} AS t WHERE {KEY} AND t.\"open\" = 0 \
         AND t.\"published\" >= t.\"revision\" RETURNING \"revision\"",
        own_table(name::HELD_CHANGE)
    )
}

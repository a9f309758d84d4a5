//! Text of the statements that read and write. Pure; pinned by golden files.
//!
//! Columns are named through the alias `t` wherever they are compared: SQLite takes a bare quoted
//! name that it does not know for a text, so a guard on a column that someone dropped would
//! compare with the column's name instead of failing. What a parameter means stands beside it.

use std::fmt::Write as _;

use super::names::{own_table, quoted};
use crate::destination::own_tables::{TableKey, name};
use crate::model::layout::SINK_DELETED_ON;
use crate::model::table::{ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER};

/// What an image has to look at before it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageGuard {
    /// Nothing: it applies.
    None,
    /// The row's version.
    Row,
    /// The row's version and the tombstone's.
    RowAndTombstone,
    /// Whether there is a row or no tombstone (unversioned, no create).
    RowOrNoTombstone,
}

/// What the fence compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceGuard {
    /// Owner and offset, as promise G2 says.
    OwnerAndOffset,
    /// The owner alone: a fault for tests.
    Owner,
    /// Nothing: a fault for tests.
    None,
}

/// Moves one cursor. 1 profile, 2 topic, 3 partition, 4 entity, 5 owner, 6 from, 7 to, 8 to 11
/// the fingerprint; null leaves the old one.
pub fn move_cursor(guard: FenceGuard) -> String {
    let checkpoint = own_table(name::CHECKPOINT);
    let mut text = format!(
        "UPDATE {checkpoint} AS t SET \"next_offset\" = ?7, \
         \"last_offset\" = ifnull(?8, t.\"last_offset\"), \
         \"last_timestamp_ms\" = ifnull(?9, t.\"last_timestamp_ms\"), \
         \"last_length_bytes\" = ifnull(?10, t.\"last_length_bytes\"), \
         \"last_crc\" = ifnull(?11, t.\"last_crc\") \
         WHERE t.\"profile\" = ?1 AND t.\"topic\" = ?2 AND t.\"partition\" = ?3 \
         AND t.\"entity\" = ?4"
    );
    match guard {
        FenceGuard::OwnerAndOffset => {
            text.push_str(" AND t.\"owner\" = ?5 AND t.\"next_offset\" = ?6");
        }
        FenceGuard::Owner => text.push_str(" AND t.\"owner\" = ?5"),
        FenceGuard::None => {}
    }
    text
}

/// Gives an entity a cursor of its own, made of the one for all. 1 to 5 as in [`move_cursor`],
/// 6 next offset.
pub fn split_cursor() -> String {
    let checkpoint = own_table(name::CHECKPOINT);
    format!(
        "INSERT OR REPLACE INTO {checkpoint} (\"profile\", \"topic\", \"partition\", \"entity\", \
         \"next_offset\", \"owner\", \"last_offset\", \"last_timestamp_ms\", \
         \"last_length_bytes\", \"last_crc\") SELECT a.\"profile\", a.\"topic\", a.\"partition\", \
         ?4, ?6, ?5, a.\"last_offset\", a.\"last_timestamp_ms\", a.\"last_length_bytes\", \
         a.\"last_crc\" FROM {checkpoint} AS a WHERE a.\"profile\" = ?1 AND a.\"topic\" = ?2 \
         AND a.\"partition\" = ?3 AND a.\"entity\" = ''"
    )
}

/// Looks whether one cursor stands where it must. 1 to 6 as in [`move_cursor`].
pub fn look_at_cursor() -> String {
    format!(
        "SELECT 1 FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"topic\" = ?2 \
         AND t.\"partition\" = ?3 AND t.\"entity\" = ?4 AND t.\"owner\" = ?5 \
         AND t.\"next_offset\" = ?6",
        own_table(name::CHECKPOINT)
    )
}

/// Drops the cursors of a lane's entities that have caught up with the one for all. 1 profile,
/// 2 topic, 3 partition.
pub fn fold_cursors() -> String {
    let checkpoint = own_table(name::CHECKPOINT);
    format!(
        "DELETE FROM {checkpoint} AS t WHERE t.\"profile\" = ?1 AND t.\"topic\" = ?2 \
         AND t.\"partition\" = ?3 AND t.\"entity\" <> '' AND t.\"next_offset\" = \
         (SELECT a.\"next_offset\" FROM {checkpoint} AS a WHERE a.\"profile\" = ?1 \
         AND a.\"topic\" = ?2 AND a.\"partition\" = ?3 AND a.\"entity\" = '')"
    )
}

/// Takes a lane and reads it. 1 profile, 2 topic, 3 partition, 4 owner.
pub fn take_cursors() -> String {
    format!(
        "UPDATE {} AS t SET \"owner\" = ?4 WHERE t.\"profile\" = ?1 AND t.\"topic\" = ?2 \
         AND t.\"partition\" = ?3 RETURNING \"entity\", \"next_offset\", \"last_offset\", \
         \"last_timestamp_ms\", \"last_length_bytes\", \"last_crc\"",
        own_table(name::CHECKPOINT)
    )
}

/// All cursors of a profile: topic, partition, entity, next offset. 1 profile.
pub fn cursors_of_profile() -> String {
    format!(
        "SELECT t.\"topic\", t.\"partition\", t.\"entity\", t.\"next_offset\" FROM {} AS t \
         WHERE t.\"profile\" = ?1",
        own_table(name::CHECKPOINT)
    )
}

/// Writes a cursor at its start, without an owner. 1 profile, 2 topic, 3 partition, 4 entity,
/// 5 next offset.
pub fn start_cursor() -> String {
    format!(
        "INSERT OR REPLACE INTO {} (\"profile\", \"topic\", \"partition\", \"entity\", \
         \"next_offset\") VALUES (?1, ?2, ?3, ?4, ?5)",
        own_table(name::CHECKPOINT)
    )
}

/// The whole registry: table, profile, entity, topic, partition count, active.
pub fn registry() -> String {
    format!(
        "SELECT t.\"table_name\", t.\"profile\", t.\"entity\", t.\"topic\", \
         t.\"partition_count\", t.\"active\" FROM {} AS t",
        own_table(name::OBJECT_REGISTRY)
    )
}

/// Writes a line of the registry. 1 to 6 in the order of [`registry`].
pub fn register() -> String {
    format!(
        "INSERT OR REPLACE INTO {} (\"table_name\", \"profile\", \"entity\", \"topic\", \
         \"partition_count\", \"active\") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        own_table(name::OBJECT_REGISTRY)
    )
}

/// Makes a line of the registry inactive. 1 table.
pub fn retire() -> String {
    format!(
        "UPDATE {} AS t SET \"active\" = 0 WHERE t.\"table_name\" = ?1",
        own_table(name::OBJECT_REGISTRY)
    )
}

/// Begins what may be undone alone, undoes it, ends it.
pub const SAVE: &str = "SAVEPOINT keepstep_table";
/// See [`SAVE`].
pub const UNDO: &str = "ROLLBACK TO keepstep_table";
/// See [`SAVE`].
pub const KEEP: &str = "RELEASE keepstep_table";

/// Whether a table has any row.
pub fn any_row(table: &Table) -> String {
    format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name))
}

/// Can be prepared only where "Id" is unique.
pub fn key_trial(table: &Table) -> String {
    let (name, id) = (quoted(&table.name), quoted(ID));
    format!("INSERT INTO {name} ({id}) VALUES (?1) ON CONFLICT ({id}) DO NOTHING")
}

/// How many rows a table has.
pub fn count_rows(table: &Table) -> String {
    format!("SELECT count(*) FROM {}", quoted(&table.name))
}

/// Takes all rows out of a table.
pub fn empty(table: &TableKey) -> String {
    format!("DELETE FROM {}", quoted(&table.name))
}

/// Version of the own tables.
pub fn own_version() -> String {
    format!("SELECT t.\"version\" FROM {} AS t", own_table(name::SCHEMA_VERSION))
}

/// Sets the version of the own tables. 1 version.
pub fn set_own_version() -> String {
    format!(
        "INSERT OR REPLACE INTO {} (\"id\", \"version\") VALUES (1, ?1)",
        own_table(name::SCHEMA_VERSION)
    )
}

/// The present in UTC, to the millisecond.
pub fn now() -> &'static str {
    "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
}

/// What there is of a name, a table or a view. 1 name.
pub fn what_is_there() -> &'static str {
    "SELECT t.type FROM sqlite_schema AS t WHERE t.type IN ('table', 'view') \
     AND lower(t.name) = lower(?1)"
}

/// Names and declared types of a table's columns. 1 name.
pub fn columns_of_table() -> &'static str {
    "SELECT t.name, t.type FROM pragma_table_xinfo(?1) AS t ORDER BY t.cid"
}

/// Whether an entity has any tombstone. 1 profile, 2 entity.
pub fn any_tombstone() -> String {
    format!(
        "SELECT 1 FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"entity\" = ?2 LIMIT 1",
        own_table(name::TOMBSTONE)
    )
}

/// Whether a record has a tombstone. 1 profile, 2 entity, 3 record.
pub fn tombstone() -> String {
    format!(
        "SELECT 1 FROM {} AS t WHERE t.\"profile\" = ?1 AND t.\"entity\" = ?2 \
         AND t.\"record_id\" = ?3",
        own_table(name::TOMBSTONE)
    )
}

/// Leaves a tombstone with the higher of both versions. 1 profile, 2 entity, 3 record,
/// 4 version, 5 topic, 6 partition, 7 offset.
pub fn bury() -> String {
    format!(
        "INSERT INTO {} AS t (\"profile\", \"entity\", \"record_id\", \"version\", \"topic\", \
         \"partition\", \"offset\") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (\"profile\", \"entity\", \"record_id\") DO UPDATE SET \
         \"version\" = max(t.\"version\", excluded.\"version\"), \"topic\" = excluded.\"topic\", \
         \"partition\" = excluded.\"partition\", \"offset\" = excluded.\"offset\"",
        own_table(name::TOMBSTONE)
    )
}

/// Whether a row is there, and its version. 1 record.
pub fn row_version(table: &Table) -> String {
    format!(
        "SELECT t.{} FROM {} AS t WHERE t.{} = ?1{}",
        quoted(VERSION_NUMBER),
        quoted(&table.name),
        quoted(ID),
        alive(table, "t")
    )
}

/// A further condition: the row is not one that was kept after its delete.
pub(super) fn alive(table: &Table, alias: &str) -> String {
    match table.deletes.keep_row {
        true => format!(" AND {alias}.{} IS NULL", quoted(SINK_DELETED_ON)),
        false => String::new(),
    }
}

/// Deletes a row. 1 record, 2 version where guarded. Where the table keeps its rows, 2 is the
/// version (unversioned: null, which leaves the old one), and 3 now.
pub fn delete_row(table: &Table, guarded: bool) -> String {
    let mut text = if table.deletes.keep_row {
        format!(
            "UPDATE {} AS t SET {} = ?3, {} = ?3, {version} = ifnull(?2, t.{version}) \
             WHERE t.{} = ?1{}",
            quoted(&table.name),
            quoted(SINK_DELETED_ON),
            quoted(SINK_MODIFIED_ON),
            quoted(ID),
            alive(table, "t"),
            version = quoted(VERSION_NUMBER),
        )
    } else {
        format!("DELETE FROM {} AS t WHERE t.{} = ?1", quoted(&table.name), quoted(ID))
    };
    if guarded {
        let _ = write!(text, " AND {}", row_is_at_most("?2"));
    }
    text
}

/// Number of the parameter of a table's column in [`image`]; `None` is the version.
pub fn image_parameter(table: &Table, column: Option<u16>) -> usize {
    3 + column.map_or(table.columns.len(), usize::from)
}

/// Makes or replaces a row. 1 record, 2 now, then one for each column of the table, the version,
/// then where guarded: the version that the image itself has, profile, entity.
pub fn image(table: &Table, guard: ImageGuard) -> String {
    let columns = table.columns.len();
    let (guard_at, profile_at, entity_at) = (columns + 4, columns + 5, columns + 6);
    let mut text = format!("INSERT INTO {} AS t (", quoted(&table.name));
    for column in [ID, SINK_CREATED_ON, SINK_MODIFIED_ON] {
        let _ = write!(text, "{}, ", quoted(column));
    }
    for column in &table.columns {
        let _ = write!(text, "{}, ", quoted(&column.name));
    }
    let _ = write!(text, "{})", quoted(VERSION_NUMBER));
    let tombstone = own_table(name::TOMBSTONE);
    let buried = format!(
        "EXISTS (SELECT 1 FROM {tombstone} AS d WHERE d.\"profile\" = ?{profile_at} \
         AND d.\"entity\" = ?{entity_at} AND d.\"record_id\" = ?1"
    );
    let plain = matches!(guard, ImageGuard::None | ImageGuard::Row);
    text.push_str(if plain { " VALUES (?1, ?2, ?2" } else { " SELECT ?1, ?2, ?2" });
    for parameter in 3..=columns + 3 {
        let _ = write!(text, ", ?{parameter}");
    }
    match guard {
        ImageGuard::None | ImageGuard::Row => text.push(')'),
        ImageGuard::RowAndTombstone => {
            let _ = write!(text, " WHERE NOT {buried} AND d.\"version\" >= ?{guard_at})");
        }
        ImageGuard::RowOrNoTombstone => {
            let _ = write!(
                text,
                " WHERE NOT {buried}) OR EXISTS (SELECT 1 FROM {} AS r WHERE r.{} = ?1{})",
                quoted(&table.name),
                quoted(ID),
                alive(table, "r")
            );
        }
    }
    let _ = write!(text, " ON CONFLICT ({}) DO UPDATE SET ", quoted(ID));
    let named = table.columns.iter().map(|column| column.name.as_str());
    for column in std::iter::once(SINK_MODIFIED_ON).chain(named) {
        let column = quoted(column);
        let _ = write!(text, "{column} = excluded.{column}, ");
    }
    if table.deletes.keep_row {
        let (created, deleted) = (quoted(SINK_CREATED_ON), quoted(SINK_DELETED_ON));
        let _ = write!(
            text,
            "{created} = CASE WHEN t.{deleted} IS NULL THEN t.{created} \
             ELSE excluded.{created} END, {deleted} = NULL, "
        );
    }
    let version = quoted(VERSION_NUMBER);
    let _ = write!(text, "{version} = excluded.{version}");
    if matches!(guard, ImageGuard::Row | ImageGuard::RowAndTombstone) {
        let _ = write!(text, " WHERE {}", row_is_at_most(&format!("?{guard_at}")));
    }
    text
}

/// What a patch has to look at before it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatchGuard {
    /// Nothing but the row.
    None,
    /// The row must be older than the patch's oldest cell.
    RowOlder,
}

/// Changes the named columns of a row. 1 record, 2 now, 3 version (unversioned: null, which leaves
/// the old one), 4 the version that the row must be below, then one for each column.
pub fn patch(table: &Table, columns: &[u16], guard: PatchGuard) -> String {
    let mut text = format!(
        "UPDATE {} AS t SET {} = ?2, {version} = ifnull(?3, t.{version})",
        quoted(&table.name),
        quoted(SINK_MODIFIED_ON),
        version = quoted(VERSION_NUMBER),
    );
    for (parameter, column) in (5..).zip(columns) {
        let _ =
            write!(text, ", {} = ?{parameter}", quoted(&table.columns[usize::from(*column)].name));
    }
    let _ = write!(text, " WHERE t.{} = ?1{}", quoted(ID), alive(table, "t"));
    if guard == PatchGuard::RowOlder {
        let version = quoted(VERSION_NUMBER);
        let _ = write!(text, " AND (t.{version} IS NULL OR t.{version} < ?4)");
    }
    text
}

pub(super) fn row_is_at_most(parameter: &str) -> String {
    let version = quoted(VERSION_NUMBER);
    format!("(t.{version} IS NULL OR t.{version} <= {parameter})")
}

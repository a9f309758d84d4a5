//! Text of every statement that makes something: tables, columns, own tables, staging tables.
//!
//! Pure. Nothing here drops or narrows, and what may exist already is made "if not exists"; only
//! a staging table, private to its connection, is ever dropped.

use compact_str::CompactString;

use super::copy_columns;
use super::quote;
use crate::model::layout::SINK_DELETED_ON;
use crate::model::table::{
    Column, ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER,
};

/// Longest name that PostgreSQL keeps, in bytes; longer ones it cuts without an error.
/// Source: PostgreSQL documentation, "Identifiers and Key Words" (`NAMEDATALEN` - 1).
pub const LONGEST_NAME_BYTES: usize = 63;

/// Most columns of a table, the four system columns included.
///
/// PostgreSQL's own limit is 1,600; a staging table has three more than its table.
/// Source: PostgreSQL documentation, appendix "PostgreSQL Limits".
pub const MOST_COLUMNS: usize = 1_597;

/// Digits that a decimal column holds.
const DECIMAL_DIGITS: u8 = 38;

/// Largest row that a staging table keeps in one piece, in bytes: staging rows live for one batch,
/// so compressing them or moving parts of them elsewhere would be work for nothing. The largest
/// value that PostgreSQL allows for pages of 8 KiB.
const STAGING_INLINE_BYTES: u16 = 8_160;

/// The type of a column, as PostgreSQL spells it.
///
/// `varchar(n)` counts characters, of which a text never has more than UTF-16 units.
pub(super) fn type_text(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Guid => "uuid".to_owned(),
        ColumnType::Text { max_units: Some(units) } => format!("varchar({units})"),
        ColumnType::Text { max_units: None } => "text".to_owned(),
        ColumnType::Integer => "integer".to_owned(),
        ColumnType::Long => "bigint".to_owned(),
        ColumnType::Boolean => "boolean".to_owned(),
        ColumnType::Timestamp => "timestamp(3)".to_owned(),
        ColumnType::Decimal { scale } => format!("numeric({DECIMAL_DIGITS},{scale})"),
    }
}

/// All columns of a table but the key, in the table's order.
pub(super) fn nullable_columns(table: &Table) -> Vec<Column> {
    let system = |name: &str, column_type| Column { name: CompactString::new(name), column_type };
    let mut columns = vec![
        system(SINK_CREATED_ON, ColumnType::Timestamp),
        system(SINK_MODIFIED_ON, ColumnType::Timestamp),
    ];
    if table.deletes.keep_row {
        columns.push(system(SINK_DELETED_ON, ColumnType::Timestamp));
    }
    columns.extend(table.columns.iter().cloned());
    columns.push(system(VERSION_NUMBER, ColumnType::Long));
    columns
}

/// Schema and name of a table, quoted.
pub(super) fn table_name(table: &Table) -> String {
    quote::qualified(&table.schema, &table.name)
}

/// Name of the primary key: `EPK[schema].[table]`, as Data Export Service named it. One that
/// PostgreSQL would cut is cut here, and told apart from its neighbours by a checksum.
pub(super) fn primary_key_name(table: &Table) -> String {
    let full = format!("EPK[{}].[{}]", table.schema, table.name);
    if full.len() <= LONGEST_NAME_BYTES {
        return full;
    }
    let suffix = format!("~{:08x}", crc32fast::hash(full.as_bytes()));
    let mut end = LONGEST_NAME_BYTES - suffix.len();
    while !full.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &full[..end])
}

/// Makes a schema.
pub(super) fn create_schema(schema: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", quote::name(schema))
}

/// Makes a table with all its columns.
pub(super) fn create_table(table: &Table) -> String {
    let columns: String = nullable_columns(table)
        .iter()
        .map(|column| {
            format!("  {} {},\n", quote::name(&column.name), type_text(column.column_type))
        })
        .collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  {} uuid NOT NULL,\n{columns}  CONSTRAINT {} PRIMARY KEY ({})\n)",
        table_name(table),
        quote::name(ID),
        quote::name(&primary_key_name(table)),
        quote::name(ID),
    )
}

/// Adds columns to a table.
pub(super) fn add_columns(table: &Table, columns: &[Column]) -> String {
    let added: Vec<String> = columns
        .iter()
        .map(|column| {
            format!(
                "\n  ADD COLUMN IF NOT EXISTS {} {}",
                quote::name(&column.name),
                type_text(column.column_type)
            )
        })
        .collect();
    format!("ALTER TABLE {}{}", table_name(table), added.join(","))
}

/// Gives columns wider types.
pub(super) fn widen_columns(table: &Table, columns: &[Column]) -> String {
    let widened: Vec<String> = columns
        .iter()
        .map(|column| {
            format!(
                "\n  ALTER COLUMN {} TYPE {}",
                quote::name(&column.name),
                type_text(column.column_type)
            )
        })
        .collect();
    format!("ALTER TABLE {}{}", table_name(table), widened.join(","))
}

/// How a staging table stores long values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Every row within one page. Such a table has no second one for long values, whose emptying
    /// at each commit would cost as much as a hundred rows (measured: 2.5 ms).
    Plain,
    /// Rows of any length.
    Roomy,
}

/// Makes the staging table of a table. Its columns have the types that keepstep gives the table's,
/// so that nothing is converted between the two.
pub(super) fn create_staging(table: &Table, staging: &str, room: Room) -> String {
    let control =
        copy_columns::CONTROL.iter().map(|(name, type_text)| format!("{name} {type_text}"));
    let (fixed, long): (Vec<_>, Vec<_>) = control.partition(|column| !is_long(column));
    let cells = table.columns.iter().enumerate().map(|(at, column)| {
        format!("{} {}", copy_columns::cell_name(at), type_text(column.column_type))
    });
    let rest: Vec<String> = long.into_iter().chain(cells).collect();
    if room == Room::Roomy {
        let columns = [fixed, rest].concat().join(", ");
        return format!(
            "CREATE TEMP TABLE {staging} ({columns}) WITH (toast_tuple_target = {STAGING_INLINE_BYTES}) ON COMMIT DELETE ROWS"
        );
    }
    // Columns come and get their storage in one statement, so that the second table is never made.
    let added: Vec<String> = rest.iter().map(|column| format!("ADD COLUMN {column}")).collect();
    let stored: Vec<String> = rest
        .iter()
        .filter(|column| is_long(column))
        .filter_map(|column| column.split(' ').next())
        .map(|name| format!("ALTER COLUMN {name} SET STORAGE PLAIN"))
        .collect();
    format!(
        "CREATE TEMP TABLE {staging} ({}) ON COMMIT DELETE ROWS; ALTER TABLE {} {}",
        fixed.join(", "),
        in_session(staging),
        [added, stored].concat().join(", ")
    )
}

/// Whether a column's values have no fixed length.
fn is_long(column: &str) -> bool {
    let type_text = column.split(' ').nth(1).unwrap_or_default();
    ["text", "varchar", "numeric", "bytea", "bigint[]"]
        .iter()
        .any(|long| type_text.starts_with(long))
}

/// Drops a staging table of this connection.
pub(super) fn drop_staging(staging: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", in_session(staging))
}

/// A staging table of this connection, by its full name.
pub(super) fn in_session(staging: &str) -> String {
    format!("pg_temp.{staging}")
}

/// A statement that touches a staging table and reads nothing.
pub(super) fn look_at_staging(staging: &str) -> String {
    format!("SELECT FROM {} LIMIT 0", in_session(staging))
}

//! Text of the statements that make tables. Pure; pinned by golden files.
//!
//! Types: SQLite stores by *affinity*, which it reads out of a declared type's name, and has no
//! exact decimal. So decimals are text with all digits of their scale, under a declared type that
//! says so and still means text (`DECIMAL` alone would turn them into binary floats). GUIDs and
//! times are text too, whole numbers and yes/no are integers.

use super::held_statements::{UNPUBLISHED, unpublished_index};
use super::names::{own_table, quoted};
use crate::destination::Activation;
use crate::destination::own_tables::{OWN_VERSION, name};
use crate::model::layout::SINK_DELETED_ON;
use crate::model::table::{
    Column, ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER,
};

/// How SQLite stores what is written into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// As text.
    Text,
    /// As a whole number where possible.
    Integer,
    /// As it comes.
    Blob,
    /// As a number where possible, whole or binary floating point.
    Numeric,
}

/// Declared type of a column.
pub fn declared_type(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Guid | ColumnType::Text { .. } | ColumnType::Timestamp => "TEXT".to_owned(),
        ColumnType::Integer | ColumnType::Long | ColumnType::Boolean => "INTEGER".to_owned(),
        ColumnType::Decimal { scale } => format!("DECIMAL_TEXT(38,{scale})"),
    }
}

/// The affinity that a column of this type needs.
pub fn wanted_affinity(column_type: ColumnType) -> Affinity {
    match column_type {
        ColumnType::Integer | ColumnType::Long | ColumnType::Boolean => Affinity::Integer,
        _ => Affinity::Text,
    }
}

/// The affinity that SQLite reads out of a declared type (its documentation, "Datatypes", 3.1).
pub fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let says = |word: &str| declared.contains(word);
    if says("INT") {
        Affinity::Integer
    } else if says("CHAR") || says("CLOB") || says("TEXT") {
        Affinity::Text
    } else if says("BLOB") || declared.is_empty() {
        Affinity::Blob
    } else {
        Affinity::Numeric
    }
}

/// Makes a table. Rows are kept by rowid: with the key as the storage order (`WITHOUT ROWID`)
/// random keys halved the rate of narrow inserts and quartered that of wide ones.
pub fn create_table(table: &Table) -> String {
    let mut lines = vec![
        format!("  {} TEXT NOT NULL PRIMARY KEY", quoted(ID)),
        format!("  {} TEXT", quoted(SINK_CREATED_ON)),
        format!("  {} TEXT", quoted(SINK_MODIFIED_ON)),
    ];
    if table.deletes.keep_row {
        lines.push(format!("  {} TEXT", quoted(SINK_DELETED_ON)));
    }
    lines.extend(table.columns.iter().map(|column| format!("  {}", column_text(column))));
    lines.push(format!("  {} INTEGER", quoted(VERSION_NUMBER)));
    format!("CREATE TABLE {} (\n{}\n)", quoted(&table.name), lines.join(",\n"))
}

/// Adds one column.
pub fn add_column(table: &Table, column: &Column) -> String {
    format!("ALTER TABLE {} ADD COLUMN {}", quoted(&table.name), column_text(column))
}

fn column_text(column: &Column) -> String {
    format!("{} {}", quoted(&column.name), declared_type(column.column_type))
}

/// The statements that bring the own tables from a version to the next one; empty if there is no
/// such step. Version 0 is a database without them.
pub fn own_tables_step(from_version: i64) -> Vec<String> {
    match from_version {
        0 => own_tables_1(),
        1 => own_tables_2(),
        _ => Vec::new(),
    }
}

fn own_tables_1() -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE {} (\n  \"id\" INTEGER NOT NULL PRIMARY KEY CHECK (\"id\" = 1),\n  \
             \"version\" INTEGER NOT NULL\n)",
            own_table(name::SCHEMA_VERSION)
        ),
        format!(
            "CREATE TABLE {} (\n  \"table_name\" TEXT NOT NULL PRIMARY KEY,\n  \
             \"profile\" TEXT NOT NULL,\n  \"entity\" TEXT NOT NULL,\n  \
             \"topic\" TEXT NOT NULL,\n  \"partition_count\" INTEGER NOT NULL,\n  \
             \"active\" INTEGER NOT NULL\n) WITHOUT ROWID",
            own_table(name::OBJECT_REGISTRY)
        ),
        format!(
            "CREATE TABLE {} (\n  \"profile\" TEXT NOT NULL,\n  \"topic\" TEXT NOT NULL,\n  \
             \"partition\" INTEGER NOT NULL,\n  \"entity\" TEXT NOT NULL,\n  \
             \"next_offset\" INTEGER NOT NULL,\n  \"owner\" TEXT,\n  \
             \"last_offset\" INTEGER,\n  \"last_timestamp_ms\" INTEGER,\n  \
             \"last_length_bytes\" INTEGER,\n  \"last_crc\" INTEGER,\n  \
             PRIMARY KEY (\"profile\", \"topic\", \"partition\", \"entity\")\n) WITHOUT ROWID",
            own_table(name::CHECKPOINT)
        ),
        format!(
            "CREATE TABLE {} (\n  \"profile\" TEXT NOT NULL,\n  \"entity\" TEXT NOT NULL,\n  \
             \"record_id\" TEXT NOT NULL,\n  \"version\" INTEGER NOT NULL,\n  \
             \"topic\" TEXT NOT NULL,\n  \"partition\" INTEGER NOT NULL,\n  \
             \"offset\" INTEGER NOT NULL,\n  \
             PRIMARY KEY (\"profile\", \"entity\", \"record_id\")\n) WITHOUT ROWID",
            own_table(name::TOMBSTONE)
        ),
    ]
}

/// Held changes, and the desk.
fn own_tables_2() -> Vec<String> {
    let create = |table: &str, lines: &[&str]| {
        format!("CREATE TABLE {} (\n  {}\n) WITHOUT ROWID", own_table(table), lines.join(",\n  "))
    };
    vec![
        create(
            name::HELD_CHANGE,
            &[
                "\"profile\" TEXT NOT NULL",
                "\"topic\" TEXT NOT NULL",
                "\"partition\" INTEGER NOT NULL",
                "\"change_offset\" INTEGER NOT NULL",
                "\"entity\" TEXT NOT NULL",
                "\"record_id\" TEXT NOT NULL",
                "\"version\" INTEGER",
                "\"creates\" INTEGER NOT NULL",
                "\"cause\" TEXT NOT NULL",
                "\"column_name\" TEXT",
                "\"detail\" TEXT NOT NULL",
                "\"attempt\" INTEGER NOT NULL",
                "\"held_at_us\" INTEGER NOT NULL",
                "\"revision\" INTEGER NOT NULL",
                "\"open\" INTEGER NOT NULL",
                "\"published\" INTEGER",
                "PRIMARY KEY (\"profile\", \"topic\", \"partition\", \"change_offset\", \
                 \"entity\", \"record_id\")",
            ],
        ),
        format!(
            "CREATE INDEX {} ON {} (\"profile\", \"topic\", \"partition\", \"change_offset\", \
             \"entity\", \"record_id\") WHERE {UNPUBLISHED}",
            unpublished_index(),
            own_table(name::HELD_CHANGE)
        ),
        create(
            name::REQUEST,
            &[
                "\"id\" TEXT NOT NULL",
                "\"profile\" TEXT NOT NULL",
                "\"topic\" TEXT NOT NULL",
                "\"partition\" INTEGER NOT NULL",
                "\"body\" TEXT NOT NULL",
                "\"state\" TEXT NOT NULL",
                "\"progress\" TEXT NOT NULL",
                "\"asked_at_us\" INTEGER NOT NULL",
                "\"updated_at_us\" INTEGER NOT NULL",
                "PRIMARY KEY (\"id\", \"topic\", \"partition\")",
            ],
        ),
        create(
            name::LANE_STATE,
            &[
                "\"profile\" TEXT NOT NULL",
                "\"topic\" TEXT NOT NULL",
                "\"partition\" INTEGER NOT NULL",
                "\"owner\" TEXT NOT NULL",
                "\"body\" TEXT NOT NULL",
                "\"said_at_us\" INTEGER NOT NULL",
                "PRIMARY KEY (\"profile\", \"topic\", \"partition\")",
            ],
        ),
    ]
}

/// Everything that an activation would make in an empty file.
pub(super) fn everything(activation: &Activation) -> Vec<String> {
    let mut statements: Vec<String> = (0..OWN_VERSION).flat_map(own_tables_step).collect();
    statements.push(format!(
        "INSERT INTO {} (\"id\", \"version\") VALUES (1, {OWN_VERSION})",
        own_table(name::SCHEMA_VERSION)
    ));
    let tables = activation.entities.iter().map(|entity| &entity.mapping.table);
    statements.extend(tables.map(create_table));
    statements.extend(super::metadata::wanted(&activation.layout).into_iter().map(|table| {
        super::metadata_statements::create(table, &activation.layout.name(table.name))
    }));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_type_has_the_affinity_that_it_needs() {
        let mut types = vec![
            ColumnType::Guid,
            ColumnType::Text { max_units: Some(100) },
            ColumnType::Text { max_units: None },
            ColumnType::Integer,
            ColumnType::Long,
            ColumnType::Boolean,
            ColumnType::Timestamp,
        ];
        types.extend((0..=38).map(|scale| ColumnType::Decimal { scale }));
        for column_type in types {
            let declared = declared_type(column_type);
            assert_eq!(affinity(&declared), wanted_affinity(column_type), "{declared}");
        }
    }

    #[test]
    fn affinity_is_what_sqlite_says() {
        for (declared, expected) in [
            ("INT", Affinity::Integer),
            ("POINT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("nvarchar(100)", Affinity::Text),
            ("DECIMAL_TEXT(38,2)", Affinity::Text),
            ("BLOB", Affinity::Blob),
            ("", Affinity::Blob),
            ("DECIMAL(38,2)", Affinity::Numeric),
            ("REAL", Affinity::Numeric),
            ("BOOLEAN", Affinity::Numeric),
        ] {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }
}

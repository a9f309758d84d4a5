//! Text of the statements of the metadata tables and the log of deletes. Pure; pinned by golden
//! files.

use std::fmt::Write as _;

use super::ddl::declared_type;
use super::names::quoted;
use super::statements::{alive, row_is_at_most};
use crate::model::metadata_tables::{DELETE_LOG_TABLE, IDENTITY, MetadataTable};
use crate::model::table::{ID, Table, VERSION_NUMBER};

/// Makes a table. `name` has the prefix. Ids are never given twice, so that a reader may go on
/// from the last one that it has seen.
pub fn create(table: &MetadataTable, name: &str) -> String {
    let mut lines = Vec::new();
    if table.identity {
        lines.push(format!("  {} INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", quoted(IDENTITY)));
    }
    lines.extend(table.columns.iter().map(|column| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("  {} {}{null}", quoted(column.name), declared_type(column.column_type))
    }));
    if !table.identity {
        let key: Vec<String> = table.key().iter().map(|column| quoted(column.name)).collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n{}\n)", quoted(name), lines.join(",\n"))
}

/// The rows of one owner. 1 owner.
pub fn select(table: &MetadataTable, name: &str) -> String {
    format!(
        "SELECT {} FROM {} AS t WHERE t.{} = ?1",
        columns(table, "t."),
        quoted(name),
        quoted(table.owner().name)
    )
}

/// Puts a row in. One parameter for each column.
pub fn insert(table: &MetadataTable, name: &str) -> String {
    let values: Vec<String> = (1..=table.columns.len()).map(|at| format!("?{at}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", quoted(name), columns(table, ""), values.join(", "))
}

/// Takes the rows of a key away. One parameter for each column of the key.
pub fn delete(table: &MetadataTable, name: &str) -> String {
    let same: Vec<String> = (table.key().iter().zip(1..))
        .map(|(column, at)| format!("t.{} = ?{at}", quoted(column.name)))
        .collect();
    format!("DELETE FROM {} AS t WHERE {}", quoted(name), same.join(" AND "))
}

fn columns(table: &MetadataTable, before: &str) -> String {
    let names: Vec<String> =
        table.columns.iter().map(|column| format!("{before}{}", quoted(column.name))).collect();
    names.join(", ")
}

/// Notes a row that is about to be deleted. 1 record, 2 entity, 3 now, 4 the delete's version where
/// there are versions.
pub fn log_delete(table: &Table, log: &str, versioned: bool, guarded: bool) -> String {
    let columns: Vec<String> =
        DELETE_LOG_TABLE.columns.iter().map(|column| quoted(column.name)).collect();
    let version = if versioned {
        "?4".to_owned()
    } else {
        format!("coalesce(t.{}, 0)", quoted(VERSION_NUMBER))
    };
    let mut text = format!(
        "INSERT INTO {} ({}) SELECT ?2, ?1, ?3, {version} FROM {} AS t WHERE t.{} = ?1{}",
        quoted(log),
        columns.join(", "),
        quoted(&table.name),
        quoted(ID),
        alive(table, "t")
    );
    if guarded {
        let _ = write!(text, " AND {}", row_is_at_most("?4"));
    }
    text
}

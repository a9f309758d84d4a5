//! Text of the statements of the metadata tables and the log of deletes.
//!
//! Pure, and pinned by golden files. What these tables hold are names, numbers and labels of
//! definitions, never a record's content, so it stands in the text.

use super::ddl::type_text;
use super::quote;
use crate::model::cell::Cell;
use crate::model::layout::Layout;
use crate::model::metadata_tables::{IDENTITY, MetadataColumn, MetadataRow, MetadataTable};
use crate::model::table::ColumnType;

/// Most lines that one statement lists: a list of values ends at 1,000.
/// Source: SQL Server documentation, "Table Value Constructor".
const MOST_LINES: usize = 500;

/// Schema and name of a table, quoted.
pub(super) fn full_name(table: &MetadataTable, layout: &Layout) -> String {
    quote::qualified(&layout.schema, &layout.name(table.name))
}

/// Makes a table.
pub(super) fn create(table: &MetadataTable, layout: &Layout) -> String {
    let full_name = full_name(table, layout);
    let mut lines = Vec::new();
    if table.identity {
        lines.push(format!("  {} bigint IDENTITY(1,1) NOT NULL", quote::name(IDENTITY)));
    }
    lines.extend(table.columns.iter().map(|column| {
        let null = if column.nullable { "NULL" } else { "NOT NULL" };
        format!("  {} {} {null}", quote::name(column.name), type_text(column.column_type))
    }));
    let key = if table.identity { quote::name(IDENTITY) } else { names(table.key(), "") };
    let key_name = format!("PK_{}", layout.name(table.name));
    lines.push(format!("  CONSTRAINT {} PRIMARY KEY CLUSTERED ({key})", quote::name(&key_name)));
    format!(
        "IF OBJECT_ID({}) IS NULL CREATE TABLE {full_name} (\n{}\n)",
        quote::text(&full_name),
        lines.join(",\n")
    )
}

/// The rows of some owners, times as ms since 1970.
pub(super) fn select(table: &MetadataTable, layout: &Layout, owners: &[&str]) -> String {
    let cells: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let name = quote::name(column.name);
            match column.column_type {
                ColumnType::Timestamp => {
                    format!("DATEDIFF_BIG(millisecond, '19700101', t.{name}) AS {name}")
                }
                _ => format!("t.{name}"),
            }
        })
        .collect();
    // A condition that nothing meets, where nobody is asked about.
    let owners: Vec<String> = owners.iter().map(|owner| quote::text(owner)).collect();
    let owners = if owners.is_empty() { "NULL".to_owned() } else { owners.join(", ") };
    format!(
        "SELECT {} FROM {} AS t WHERE t.{} IN ({owners})",
        cells.join(", "),
        full_name(table, layout),
        quote::name(table.owner().name)
    )
}

/// Puts rows in.
pub(super) fn insert(table: &MetadataTable, layout: &Layout, rows: &[MetadataRow]) -> Vec<String> {
    let (full_name, columns) = (full_name(table, layout), names(table.columns, ""));
    let statement = |some: &[MetadataRow]| {
        format!("INSERT INTO {full_name} ({columns}) VALUES\n{}", lines(some))
    };
    rows.chunks(MOST_LINES).map(statement).collect()
}

/// Takes the rows of some keys away.
pub(super) fn delete(table: &MetadataTable, layout: &Layout, keys: &[Vec<Cell>]) -> Vec<String> {
    let full_name = full_name(table, layout);
    let same: Vec<String> = table
        .key()
        .iter()
        .enumerate()
        .map(|(at, column)| format!("t.{} = s.c{at}", quote::name(column.name)))
        .collect();
    let columns: Vec<String> = (0..table.key_columns).map(|at| format!("c{at}")).collect();
    let (same, columns) = (same.join(" AND "), columns.join(", "));
    let statement = |some: &[Vec<Cell>]| {
        format!(
            "DELETE t FROM {full_name} AS t JOIN (VALUES\n{}) AS s ({columns}) ON {same}",
            lines(some)
        )
    };
    keys.chunks(MOST_LINES).map(statement).collect()
}

fn lines(rows: &[Vec<Cell>]) -> String {
    let line =
        |row: &Vec<Cell>| format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "));
    rows.iter().map(line).collect::<Vec<_>>().join(",\n")
}

/// A cell as these tables have them; what they never have is null.
fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Boolean(flag) => i32::from(*flag).to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Long(number) => number.to_string(),
        Cell::Text(text) => quote::text(text),
        Cell::Timestamp(moment) => {
            let (days, ms) = (
                moment.to_unix_ms().div_euclid(86_400_000),
                moment.to_unix_ms().rem_euclid(86_400_000),
            );
            format!(
                "DATEADD(millisecond, {ms}, DATEADD(day, {days}, CAST('19700101' AS datetime)))"
            )
        }
        _ => "NULL".to_owned(),
    }
}

fn names(columns: &[MetadataColumn], before: &str) -> String {
    let names: Vec<String> =
        columns.iter().map(|column| format!("{before}{}", quote::name(column.name))).collect();
    names.join(", ")
}

//! Keeps the rows of a profile's entities in the metadata tables in step with their definitions.
//!
//! What is read and what is sent lie in one transaction of an activation, so that two of them take
//! turns.

use tiberius::Row;

use super::catalog::FoundTable;
use super::cells;
use super::failure::Failure;
use super::metadata_statements as text;
use crate::destination::{Activation, Trouble};
use crate::model::cell::Cell;
use crate::model::layout::Layout;
use crate::model::metadata_tables::{
    DELETE_LOG_TABLE, METADATA_TABLES, MetadataRow, MetadataRows, MetadataTable, difference,
    metadata_rows,
};
use crate::model::table::ColumnType;
use crate::model::value::Ticks;

/// The tables that a layout has beside those of the entities.
pub(super) fn wanted(layout: &Layout) -> Vec<&'static MetadataTable> {
    let mut tables = Vec::new();
    if layout.metadata {
        tables.extend(METADATA_TABLES);
    }
    if layout.delete_log {
        tables.push(&DELETE_LOG_TABLE);
    }
    tables
}

/// Whether a table that is there can be the wanted one.
///
/// # Errors
/// The trouble of one that lacks a column.
pub(super) fn check(
    table: &MetadataTable,
    layout: &Layout,
    found: &FoundTable,
) -> Result<(), Trouble> {
    match table.columns.iter().find(|column| found.column(column.name).is_none()) {
        Some(column) => Err(Trouble {
            what: format!(
                "using table {} that is there already, without a column {}",
                text::full_name(table, layout),
                column.name
            ),
            code: "layout_table".into(),
            hint: "It is none of this layout: rename it, give the profile a prefix or a schema of \
                   its own, or set layout = \"plain\"."
                .to_owned(),
        }),
        None => Ok(()),
    }
}

/// What the definitions say.
pub(super) fn of(activation: &Activation) -> Vec<MetadataRows> {
    let entities = activation.entities.iter();
    let definitions: Vec<_> = entities.map(|entity| entity.mapping.definition.as_ref()).collect();
    metadata_rows(&definitions)
}

/// Reads the rows that the same owners have now: a statement for each table.
pub(super) fn select(layout: &Layout, made: &[MetadataRows]) -> Vec<String> {
    let of_one = |made: &MetadataRows| {
        let owners: Vec<&str> =
            made.owners.iter().map(compact_str::CompactString::as_str).collect();
        text::select(made.table, layout, &owners)
    };
    made.iter().map(of_one).collect()
}

/// The statements that make what was read the same as what the definitions say.
pub(super) fn changes(
    layout: &Layout,
    made: &[MetadataRows],
    answers: &[Vec<Row>],
) -> Result<Vec<String>, Failure> {
    if made.len() != answers.len() {
        return Err(Failure::Protocol);
    }
    let mut statements = Vec::new();
    for (made, rows) in made.iter().zip(answers) {
        let table = made.table;
        let found: Vec<MetadataRow> =
            rows.iter().map(|row| read(table, row)).collect::<Result<_, Failure>>()?;
        let change = difference(table, &made.rows, &found);
        statements.extend(text::delete(table, layout, &change.delete));
        statements.extend(text::insert(table, layout, &change.insert));
    }
    Ok(statements)
}

fn read(table: &MetadataTable, row: &Row) -> Result<MetadataRow, Failure> {
    let cells = table.columns.iter().enumerate().map(|(at, column)| {
        Ok(match column.column_type {
            ColumnType::Boolean => {
                cells::number_or_null(row, at)?.map(|flag| Cell::Boolean(flag != 0))
            }
            ColumnType::Integer => {
                let number = cells::number_or_null(row, at)?.map(i32::try_from).transpose();
                number.map_err(|_| Failure::Protocol)?.map(Cell::Integer)
            }
            ColumnType::Long => cells::number_or_null(row, at)?.map(Cell::Long),
            ColumnType::Timestamp => {
                let moment = cells::number_or_null(row, at)?.and_then(Ticks::from_unix_ms);
                moment.map(Cell::Timestamp)
            }
            _ => cells::text_or_null(row, at)?.map(|text| Cell::Text(text.into())),
        }
        .unwrap_or(Cell::Null))
    });
    cells.collect()
}

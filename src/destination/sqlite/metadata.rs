//! Makes the metadata tables and the log of deletes, and keeps the rows of a profile's entities in
//! the former in step with their definitions. Within the activation's transaction.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, params};

use super::activate::what_is_there;
use super::cell_text::Scratch;
use super::metadata_statements as text;
use super::stop::Stop;
use crate::destination::{Activation, Trouble};
use crate::model::cell::Cell;
use crate::model::instant_text::read_instant;
use crate::model::layout::Layout;
use crate::model::metadata_tables::{
    DELETE_LOG_TABLE, METADATA_TABLES, MetadataRow, MetadataRows, MetadataTable, difference,
    metadata_rows,
};
use crate::model::table::ColumnType;

/// The tables that a layout has beside those of the entities.
pub(super) fn wanted(layout: &Layout) -> Vec<&'static MetadataTable> {
    let metadata = METADATA_TABLES.into_iter().filter(|_| layout.metadata);
    metadata.chain(layout.delete_log.then_some(&DELETE_LOG_TABLE)).collect()
}

/// Makes what is missing and changes what differs.
///
/// # Errors
/// A refusal of a table of that name that is another; or what SQLite says.
pub(super) fn lay_out(connection: &Connection, activation: &Activation) -> Result<(), Stop> {
    let layout = &activation.layout;
    if layout.metadata {
        let entities = activation.entities.iter();
        let definitions: Vec<_> =
            entities.map(|entity| entity.mapping.definition.as_ref()).collect();
        for made in metadata_rows(&definitions) {
            let name = layout.name(made.table.name);
            ensure(connection, made.table, &name)?;
            fill(connection, &made, &name)?;
        }
    }
    if layout.delete_log {
        let name = layout.name(DELETE_LOG_TABLE.name);
        ensure(connection, &DELETE_LOG_TABLE, &name)?;
    }
    Ok(())
}

fn ensure(connection: &Connection, table: &MetadataTable, name: &str) -> Result<(), Stop> {
    match what_is_there(connection, name)?.as_deref() {
        None => Ok(connection.execute_batch(&text::create(table, name))?),
        Some("table") if has_columns(connection, table, name)? => Ok(()),
        Some(_) => Err(Stop::Refused(Trouble {
            what: format!("using the table {name} that is there already"),
            code: "layout_table".into(),
            hint: "It is none of this layout: rename it, give the profile a prefix, or set layout \
                   = \"plain\"."
                .to_owned(),
        })),
    }
}

fn has_columns(connection: &Connection, table: &MetadataTable, name: &str) -> Result<bool, Stop> {
    let mut statement = connection.prepare_cached(super::statements::columns_of_table())?;
    let found = statement.query_map(params![name], |row| row.get(0))?;
    let found: Vec<String> = found.collect::<rusqlite::Result<_>>()?;
    let there = |wanted: &str| found.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    Ok(table.columns.iter().all(|column| there(column.name)))
}

fn fill(connection: &Connection, made: &MetadataRows, name: &str) -> Result<(), Stop> {
    let mut found = Vec::new();
    let mut select = connection.prepare(&text::select(made.table, name))?;
    for owner in &made.owners {
        let mut rows = select.query(params![owner.as_str()])?;
        while let Some(row) = rows.next()? {
            let cells = made.table.columns.iter().enumerate();
            let cells: rusqlite::Result<MetadataRow> =
                cells.map(|(at, column)| Ok(cell(row.get(at)?, column.column_type))).collect();
            found.push(cells?);
        }
    }
    let change = difference(made.table, &made.rows, &found);
    if change.is_empty() {
        return Ok(());
    }
    let mut delete = connection.prepare_cached(&text::delete(made.table, name))?;
    for key in &change.delete {
        execute(&mut delete, key)?;
    }
    let mut insert = connection.prepare_cached(&text::insert(made.table, name))?;
    for row in &change.insert {
        execute(&mut insert, row)?;
    }
    Ok(())
}

fn execute(statement: &mut CachedStatement<'_>, cells: &[Cell]) -> Result<(), Stop> {
    let mut scratch = Scratch::default();
    for (at, cell) in cells.iter().enumerate() {
        let value: ValueRef<'_> = scratch.cell(cell);
        statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(value))?;
    }
    statement.raw_execute()?;
    Ok(())
}

/// What is stored, as a cell of the column's type; null where it is none, and so never as wanted.
fn cell(value: Value, column_type: ColumnType) -> Cell {
    match (column_type, value) {
        (ColumnType::Boolean, Value::Integer(flag)) => Cell::Boolean(flag != 0),
        (ColumnType::Integer, Value::Integer(number)) => {
            i32::try_from(number).map_or(Cell::Null, Cell::Integer)
        }
        (ColumnType::Long, Value::Integer(number)) => Cell::Long(number),
        (ColumnType::Timestamp, Value::Text(text)) => {
            read_instant(&text.replace(' ', "T")).map_or(Cell::Null, Cell::Timestamp)
        }
        (ColumnType::Text { .. }, Value::Text(text)) => Cell::Text(text.into()),
        _ => Cell::Null,
    }
}

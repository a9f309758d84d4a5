//! Keeps the rows of a profile's entities in the metadata tables in step with their definitions.
//!
//! Must be called within the transaction of an activation, so that two of them take turns.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::catalog::FoundTable;
use super::failure::Failure;
use super::metadata_statements as text;
use crate::destination::{Activation, Trouble};
use crate::model::cell::Cell;
use crate::model::layout::Layout;
use crate::model::metadata_tables::{
    DELETE_LOG_TABLE, METADATA_TABLES, MetadataColumn, MetadataRow, MetadataRows, MetadataTable,
    difference, metadata_rows,
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
    let lacks = table.columns.iter().find(|column| !found.columns.contains_key(column.name));
    match lacks {
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

/// Changes the rows that differ from what the definitions say.
pub(super) async fn fill(client: &Client, activation: &Activation) -> Result<(), Failure> {
    let entities = activation.entities.iter();
    let definitions: Vec<_> = entities.map(|entity| entity.mapping.definition.as_ref()).collect();
    for made in metadata_rows(&definitions) {
        fill_one(client, &activation.layout, &made).await?;
    }
    Ok(())
}

async fn fill_one(client: &Client, layout: &Layout, made: &MetadataRows) -> Result<(), Failure> {
    let table = made.table;
    let owners: Vec<&str> = made.owners.iter().map(compact_str::CompactString::as_str).collect();
    let rows = client.query(&text::select(table, layout), &[&owners]).await?;
    let found: Vec<MetadataRow> =
        rows.iter().map(|row| read(table, row)).collect::<Result<_, Failure>>()?;
    let change = difference(table, &made.rows, &found);
    if !change.delete.is_empty() {
        send(client, &text::delete(table, layout), table.key(), &change.delete).await?;
    }
    if !change.insert.is_empty() {
        send(client, &text::insert(table, layout), table.columns, &change.insert).await?;
    }
    Ok(())
}

fn read(table: &MetadataTable, row: &Row) -> Result<MetadataRow, Failure> {
    let cells = table.columns.iter().enumerate().map(|(at, column)| {
        Ok(match column.column_type {
            ColumnType::Boolean => row.try_get::<_, Option<bool>>(at)?.map(Cell::Boolean),
            ColumnType::Integer => row.try_get::<_, Option<i32>>(at)?.map(Cell::Integer),
            ColumnType::Long => row.try_get::<_, Option<i64>>(at)?.map(Cell::Long),
            ColumnType::Timestamp => {
                let moment = row.try_get::<_, Option<i64>>(at)?.and_then(Ticks::from_unix_ms);
                moment.map(Cell::Timestamp)
            }
            _ => row.try_get::<_, Option<&str>>(at)?.map(|text| Cell::Text(text.into())),
        }
        .unwrap_or(Cell::Null))
    });
    cells.collect()
}

/// Sends rows as one array for each column.
async fn send(
    client: &Client,
    statement: &str,
    columns: &[MetadataColumn],
    rows: &[Vec<Cell>],
) -> Result<(), Failure> {
    let arrays: Vec<Box<dyn ToSql + Sync + Send + '_>> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| array(column.column_type, rows.iter().map(move |row| row.get(at))))
        .collect();
    let arrays: Vec<&(dyn ToSql + Sync)> =
        arrays.iter().map(|array| array.as_ref() as &(dyn ToSql + Sync)).collect();
    client.execute(statement, &arrays).await?;
    Ok(())
}

/// One column of all rows; what is not of its type is null.
fn array<'a>(
    column_type: ColumnType,
    cells: impl Iterator<Item = Option<&'a Cell>>,
) -> Box<dyn ToSql + Sync + Send + 'a> {
    match column_type {
        ColumnType::Boolean => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Boolean(flag)) => Some(*flag),
                    _ => None,
                })
                .collect::<Vec<Option<bool>>>(),
        ),
        ColumnType::Integer => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Integer(number)) => Some(*number),
                    _ => None,
                })
                .collect::<Vec<Option<i32>>>(),
        ),
        ColumnType::Long | ColumnType::Timestamp => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Long(number)) => Some(*number),
                    Some(Cell::Timestamp(moment)) => Some(moment.to_unix_ms()),
                    _ => None,
                })
                .collect::<Vec<Option<i64>>>(),
        ),
        _ => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Text(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect::<Vec<Option<&str>>>(),
        ),
    }
}

//! What the database must show, table by table, row by row, as text and whole numbers.
//!
//! Computed from the books alone. Must never use the product's mapping, batches, or destinations.

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::Organisation;
use super::book::{Book, Record};
use super::plain::{Plain, Shown};
use super::said::Said;

/// What one table must hold.
pub(in crate::app::demo) struct ExpectedTable<'a> {
    book: &'a Book,
    records: Vec<(&'a Uuid, &'a Record)>,
    gone: HashSet<Uuid>,
}

impl Organisation {
    /// What was said so far.
    pub(in crate::app::demo) fn said(&self) -> Said {
        self.said
    }

    /// Whether all changes have happened.
    pub(in crate::app::demo) fn is_over(&self) -> bool {
        self.said.changes() >= self.changes
    }

    /// What the tables must hold now.
    pub(in crate::app::demo) fn expected_tables(&self) -> Vec<ExpectedTable<'_>> {
        let table = |book| ExpectedTable::of(book);
        self.books.iter().map(table).collect()
    }
}

impl<'a> ExpectedTable<'a> {
    fn of(book: &'a Book) -> Self {
        let gone = book.gone.iter().map(|gone| gone.id).collect();
        Self { book, records: book.sorted(), gone }
    }

    /// Name of the table.
    pub(in crate::app::demo) fn name(&self) -> &'a str {
        self.book.name.as_str()
    }

    /// Names of its columns, without the two that tell when the destination got the row.
    pub(in crate::app::demo) fn columns(&self) -> Vec<String> {
        let mut columns = vec!["Id".to_owned()];
        for field in self.book.fields.iter().filter(|field| field.has_column()) {
            columns.push(field.name.to_string());
            if field.is_link() {
                columns.push(format!("{}_entitytype", field.name));
            }
        }
        columns.push("versionnumber".to_owned());
        columns
    }

    /// Id of a row; rows are in the order of their ids.
    pub(in crate::app::demo) fn id(&self, row: usize) -> Option<String> {
        self.records.get(row).map(|(id, _)| id.hyphenated().to_string())
    }

    /// The cells of a row, in the order of the columns.
    pub(in crate::app::demo) fn cells(&self, row: usize) -> Vec<Shown<'a>> {
        let Some((id, record)) = self.records.get(row) else {
            return Vec::new();
        };
        let mut cells = Vec::with_capacity(2 * record.values.len());
        cells.push(Shown::Text(Cow::Owned(id.hyphenated().to_string())));
        for (field, value) in self.book.fields.iter().zip(&record.values) {
            if !field.has_column() {
                continue;
            }
            cells.push(value.shown(field.places));
            if field.is_link() {
                cells.push(match value {
                    Plain::Link(_, party) => Shown::Text(Cow::Borrowed(party.entity())),
                    _ => Shown::Null,
                });
            }
        }
        let versioned = self.book.kept.is_versioned();
        cells.push(if versioned { Shown::Whole(record.version) } else { Shown::Null });
        cells
    }

    /// Whether a record was there once and is deleted.
    pub(in crate::app::demo) fn is_gone(&self, id: &str) -> bool {
        Uuid::try_parse(id).is_ok_and(|id| self.gone.contains(&id))
    }
}

//! Compares the database with what the generator knows, cell by cell.
//!
//! Reads with a connection of its own that can only read, by plain SELECTs, and shares nothing with
//! the destination that wrote. Looks in both directions: rows, columns and tables that are missing,
//! and those that should not be there. Memory is bounded by one row; of each table only the first
//! [`FIRST_DIFFERENCES`] differences are kept, the others are counted.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::organisation::{ExpectedTable, Organisation, Shown};

/// Differences of one table that are shown.
pub(super) const FIRST_DIFFERENCES: usize = 3;
/// Longest text of a cell that is shown, in characters.
const LONGEST_SHOWN: usize = 60;
/// When the destination got a row first and last: known to the destination alone.
const OWN_COLUMNS: [&str; 2] = ["SinkCreatedOn", "SinkModifiedOn"];

/// What was found in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableFinding {
    /// Its name.
    pub(super) table: String,
    /// Rows that are there.
    pub(super) rows: u64,
    /// Cells that were compared.
    pub(super) cells: u64,
    /// Columns that are there.
    pub(super) columns: usize,
    /// All differences.
    pub(super) differences: u64,
    /// The first of them, for people.
    pub(super) first: Vec<String>,
}

impl TableFinding {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        self.differences += 1;
        if self.first.len() < FIRST_DIFFERENCES {
            self.first.push(what());
        }
    }
}

/// The database cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}")]
pub(super) struct Unreadable {
    /// SQLite's code.
    code: String,
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        Self { code: code.map_or_else(|| "NotADatabase".to_owned(), |code| format!("{code:?}")) }
    }
}

/// Compares all tables. `None` if it was stopped.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn compare(
    database: &Path,
    organisation: &Organisation,
    stopped: &AtomicBool,
) -> Result<Option<Vec<TableFinding>>, Unreadable> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    // One look at everything: what another program writes meanwhile is not seen.
    connection.execute_batch("BEGIN")?;
    let expected = organisation.expected_tables();
    let present = tables(&connection)?;
    let mut findings = Vec::new();
    for table in &expected {
        let mut finding =
            TableFinding { table: table.name().to_owned(), ..TableFinding::default() };
        if present.iter().any(|name| name == table.name()) {
            if !compare_table(&connection, table, &mut finding, stopped)? {
                return Ok(None);
            }
        } else {
            finding.differs(|| "the table is missing".to_owned());
        }
        findings.push(finding);
    }
    for name in present {
        if !expected.iter().any(|table| table.name() == name) {
            let mut finding = TableFinding { table: name, ..TableFinding::default() };
            finding.differs(|| "no such table is expected".to_owned());
            findings.push(finding);
        }
    }
    Ok(Some(findings))
}

/// The tables that are there, without keepstep's own and SQLite's.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') \
         AND name NOT LIKE 'keepstep\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY name",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Compares one table; false if it was stopped.
fn compare_table(
    connection: &Connection,
    table: &ExpectedTable<'_>,
    finding: &mut TableFinding,
    stopped: &AtomicBool,
) -> rusqlite::Result<bool> {
    let columns = table.columns();
    let mut statement =
        connection.prepare(&format!("PRAGMA table_info({})", quoted(table.name())))?;
    let present: Vec<String> =
        statement.query_map([], |row| row.get("name"))?.collect::<Result<_, _>>()?;
    finding.columns = present.len();
    let wanted: Vec<&str> = columns.iter().map(String::as_str).chain(OWN_COLUMNS).collect();
    for column in &wanted {
        if !present.iter().any(|name| name == column) {
            finding.differs(|| format!("column {column} is missing"));
        }
    }
    for column in &present {
        if !wanted.contains(&column.as_str()) {
            finding.differs(|| format!("no column {column} is expected"));
        }
    }
    if finding.differences > 0 {
        // Without the same columns there are no cells to compare.
        return Ok(true);
    }
    let list: Vec<String> = wanted.iter().map(|column| quoted(column)).collect();
    let select =
        format!("SELECT {} FROM {} ORDER BY \"Id\"", list.join(", "), quoted(table.name()));
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    let mut next = 0;
    while let Some(row) = rows.next()? {
        if stopped.load(Memory::Relaxed) {
            return Ok(false);
        }
        finding.rows += 1;
        let id = shown(row.get_ref(0)?);
        next = pass_missing(table, next, &id, finding);
        let expected = table.id(next).filter(|expected| text_of(&id) == Some(expected));
        match expected {
            Some(id) => {
                compare_row(row, &id, &columns, &table.cells(next), finding)?;
                next += 1;
            }
            None => finding.differs(|| extra_row(table, &id)),
        }
    }
    while let Some(id) = table.id(next) {
        finding.differs(|| format!("row {id} is missing"));
        next += 1;
    }
    Ok(true)
}

/// Counts the expected rows before `id` as missing; gives the number of the first one at or after it.
fn pass_missing(
    table: &ExpectedTable<'_>,
    mut next: usize,
    id: &Shown<'_>,
    finding: &mut TableFinding,
) -> usize {
    while let Some(expected) = table.id(next) {
        let before = match text_of(id) {
            Some(id) => expected.as_str().cmp(id),
            // What is no text comes first, and is expected nowhere.
            None => Ordering::Greater,
        };
        if before != Ordering::Less {
            break;
        }
        finding.differs(|| format!("row {expected} is missing"));
        next += 1;
    }
    next
}

fn extra_row(table: &ExpectedTable<'_>, id: &Shown<'_>) -> String {
    let id = text_of(id).map_or_else(|| id.to_string(), str::to_owned);
    if table.is_gone(&id) {
        format!("row {id} is there, but the record was deleted")
    } else {
        format!("row {id} is there, but no such record ever was, or it is there twice")
    }
}

fn compare_row(
    row: &Row<'_>,
    id: &str,
    columns: &[String],
    expected: &[Shown<'_>],
    finding: &mut TableFinding,
) -> rusqlite::Result<()> {
    for (at, (column, expected)) in columns.iter().zip(expected).enumerate() {
        finding.cells += 1;
        let found = shown(row.get_ref(at)?);
        if found != *expected {
            finding.differs(|| {
                format!("row {id}, {column}: {} instead of {}", cut(&found), cut(expected))
            });
        }
    }
    for (at, column) in OWN_COLUMNS.iter().enumerate() {
        finding.cells += 1;
        if !matches!(row.get_ref(columns.len() + at)?, ValueRef::Text(text) if text.len() == 23) {
            finding.differs(|| format!("row {id}, {column}: no time"));
        }
    }
    Ok(())
}

/// A cell as the database shows it.
fn shown(value: ValueRef<'_>) -> Shown<'_> {
    match value {
        ValueRef::Null => Shown::Null,
        ValueRef::Integer(number) => Shown::Whole(number),
        // Neither of these is ever expected, so any text that says what it is will do.
        ValueRef::Real(number) => Shown::Text(format!("(real number {number})").into()),
        ValueRef::Blob(bytes) => Shown::Text(format!("({} bytes)", bytes.len()).into()),
        ValueRef::Text(text) => Shown::Text(String::from_utf8_lossy(text)),
    }
}

fn text_of<'a>(shown: &'a Shown<'_>) -> Option<&'a str> {
    match shown {
        Shown::Text(text) => Some(text),
        Shown::Null | Shown::Whole(_) => None,
    }
}

fn cut(shown: &Shown<'_>) -> String {
    let text = shown.to_string();
    if text.chars().count() <= LONGEST_SHOWN {
        return text;
    }
    text.chars().take(LONGEST_SHOWN).chain("…".chars()).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

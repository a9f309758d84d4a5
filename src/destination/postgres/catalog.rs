//! What is there already: tables, columns and keys, from PostgreSQL's catalog.
//!
//! Reading is apart from judging: what a table lacks, and what of it does not fit, is decided by
//! pure functions on what was found. Must never change anything.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Row};

use super::ddl;
use super::failure::Failure;
use super::quote;
use crate::destination::Trouble;
use crate::destination::fitting::{Fit, FoundType, Spelt, fit, unfit, wider};
use crate::model::table::{Column, ColumnType, ID, Table};

/// A column, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundColumn {
    /// Name of its type, in the catalog's own spelling (`int4`).
    pub type_name: String,
    /// The type's modifier; -1 for none.
    pub modifier: i32,
}

/// A table, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundTable {
    /// Its columns by name.
    pub columns: HashMap<String, FoundColumn>,
    /// Whether it is an ordinary or partitioned table, not a view or a foreign one.
    pub ordinary: bool,
    /// Whether it has a unique index on its key column alone.
    pub keyed: bool,
    /// Whether the user may change its columns.
    pub owned: bool,
}

impl FoundTable {
    /// The names of its columns, ascending.
    pub(super) fn into_names(self) -> Vec<String> {
        let mut names: Vec<String> = self.columns.into_keys().collect();
        names.sort_unstable();
        names
    }
}

const FIND_TABLE: &str = "SELECT c.oid, c.relkind IN ('r', 'p') AS ordinary, pg_has_role(c.relowner, 'USAGE') AS owned, EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $3) AS keyed FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
const FIND_COLUMNS: &str = "SELECT a.attname::text, t.typname::text, a.atttypmod FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped";
const FIND_SCHEMA: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";

/// Looks for a table.
pub(super) async fn find_table(
    client: &Client,
    schema: &str,
    name: &str,
) -> Result<Option<FoundTable>, Failure> {
    let Some(found) = client.query_opt(FIND_TABLE, &[&schema, &name, &ID]).await? else {
        return Ok(None);
    };
    let oid: u32 = found.try_get("oid")?;
    let rows = client.query(FIND_COLUMNS, &[&oid]).await?;
    let columns = rows.iter().map(column).collect::<Result<_, Failure>>()?;
    Ok(Some(FoundTable {
        columns,
        ordinary: found.try_get("ordinary")?,
        keyed: found.try_get("keyed")?,
        owned: found.try_get("owned")?,
    }))
}

fn column(row: &Row) -> Result<(String, FoundColumn), Failure> {
    let found = FoundColumn { type_name: row.try_get(1)?, modifier: row.try_get(2)? };
    Ok((row.try_get(0)?, found))
}

/// Whether a schema exists.
pub(super) async fn schema_exists(client: &Client, schema: &str) -> Result<bool, Failure> {
    Ok(client.query_one(FIND_SCHEMA, &[&schema]).await?.try_get(0)?)
}

/// The columns that a table lacks.
pub(super) fn missing_columns(table: &Table, found: &FoundTable) -> Vec<Column> {
    let mut columns = ddl::nullable_columns(table);
    columns.retain(|column| !found.columns.contains_key(column.name.as_str()));
    columns
}

/// What of a table that exists stands in the way of writing to it: all of it, not only the first.
pub(super) fn misfits(table: &Table, found: &FoundTable) -> Vec<Trouble> {
    let full_name = ddl::table_name(table);
    let trouble =
        |code: &str, what: String, hint: String| Trouble { what, code: code.into(), hint };
    if !found.ordinary {
        return vec![trouble(
            "no_ordinary_table",
            format!("writing to {full_name}"),
            "It is a view or a foreign table: name another schema or prefix.".to_owned(),
        )];
    }
    let mut misfits = Vec::new();
    let key = Column { name: ID.into(), column_type: ColumnType::Guid };
    if !found.columns.contains_key(ID) {
        misfits.push(trouble(
            "key_missing",
            format!("finding column {} of table {full_name}", quote::name(ID)),
            format!("Add it: ALTER TABLE {full_name} ADD {} uuid PRIMARY KEY", quote::name(ID)),
        ));
    } else if !found.keyed {
        misfits.push(trouble(
            "key_not_unique",
            format!("finding the key of table {full_name}"),
            format!("Make it one: ALTER TABLE {full_name} ADD PRIMARY KEY ({})", quote::name(ID)),
        ));
    }
    for column in std::iter::once(key).chain(ddl::nullable_columns(table)) {
        let Some(there) = found.columns.get(column.name.as_str()) else { continue };
        misfits.extend(why_unfit(table, &column, there));
    }
    misfits
}

/// Why a column cannot take what it must.
fn why_unfit(table: &Table, column: &Column, there: &FoundColumn) -> Option<Trouble> {
    let (table_name, name) = (ddl::table_name(table), quote::name(&column.name));
    let spelt = Spelt { table: &table_name, column: &name, found: &there.type_name };
    let statement = |wider| ddl::widen_columns(table, &[wider]);
    unfit((column, found_type(there)), table.widen, &spelt, ddl::type_text, statement)
}

/// The columns of a table that must be widened, with the types that they must get.
pub(super) fn too_narrow(table: &Table, found: &FoundTable) -> Vec<Column> {
    let columns = ddl::nullable_columns(table).into_iter();
    let widened = columns.filter_map(|column| {
        let there = found_type(found.columns.get(column.name.as_str())?);
        wider(column, there, table.widen)
    });
    widened.collect()
}

/// How many columns take their values as they are, the key among them.
pub(super) fn fitting_columns(table: &Table, found: &FoundTable) -> usize {
    let key = Column { name: ID.into(), column_type: ColumnType::Guid };
    let columns = std::iter::once(key).chain(ddl::nullable_columns(table));
    let fits = |column: &Column| {
        let there = found.columns.get(column.name.as_str());
        there.is_some_and(|there| fit(column.column_type, found_type(there)) == Fit::Fits)
    };
    columns.filter(fits).count()
}

/// A type as `ddl` would write it.
pub(super) fn found_type_text(found: &FoundColumn) -> String {
    match found_type(found) {
        FoundType::Integer => ddl::type_text(ColumnType::Integer),
        FoundType::Text { max_units } => ddl::type_text(ColumnType::Text { max_units }),
        FoundType::Decimal { digits: Some(digits), scale } => format!("numeric({digits},{scale})"),
        _ => found.type_name.clone(),
    }
}

/// The type of a column, as far as it matters.
fn found_type(found: &FoundColumn) -> FoundType {
    let modifier = found.modifier;
    match found.type_name.as_str() {
        "uuid" => FoundType::Guid,
        "int4" => FoundType::Integer,
        "int8" => FoundType::Long,
        "bool" => FoundType::Boolean,
        "text" => FoundType::Text { max_units: None },
        // The modifier of varchar(n) is n + 4.
        "varchar" => FoundType::Text { max_units: u32::try_from(modifier - 4).ok() },
        "timestamp" if !(0..3).contains(&modifier) => FoundType::Timestamp,
        "numeric" if modifier < 0 => FoundType::Decimal { digits: None, scale: 0 },
        "numeric" => numeric(modifier),
        _ => FoundType::Other,
    }
}

/// A numeric column's modifier, less 4, holds the precision above and the scale in the lowest 11
/// bits. Source: `numerictypmodin` in PostgreSQL's `src/backend/utils/adt/numeric.c`.
fn numeric(modifier: i32) -> FoundType {
    let packed = modifier - 4;
    let part = |bits: i32| u8::try_from(bits).unwrap_or(u8::MAX);
    FoundType::Decimal { digits: Some(part((packed >> 16) & 0xffff)), scale: part(packed & 0x7ff) }
}

/// Columns that every table of PostgreSQL has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// What of a table PostgreSQL would cut or refuse, told before anything is made: names of wrong
/// length, names that stand for two columns, too many columns.
pub(super) fn beyond_limits(table: &Table) -> Vec<Trouble> {
    let full_name = ddl::table_name(table);
    let columns = ddl::nullable_columns(table);
    let mut troubles = Vec::new();
    let mut add = |code: &str, what: String, hint: String| {
        troubles.push(Trouble { what, code: code.into(), hint });
    };
    let names = [&table.schema, &table.name].into_iter().chain(columns.iter().map(|c| &c.name));
    for name in names {
        if name.is_empty() || name.len() > ddl::LONGEST_NAME_BYTES || name.contains('\0') {
            add(
                "name_length",
                format!("using the name {} for table {full_name}", quote::name(name)),
                format!(
                    "PostgreSQL keeps names of 1 to {} bytes: use a shorter schema or prefix, or \
                     leave the attribute out.",
                    ddl::LONGEST_NAME_BYTES
                ),
            );
        }
    }
    let mut taken: HashSet<&str> = SYSTEM_COLUMNS.into_iter().chain([ID]).collect();
    for column in &columns {
        if !taken.insert(column.name.as_str()) {
            add(
                "name_taken",
                format!("making column {} of table {full_name}", quote::name(&column.name)),
                "The name stands for another column already: leave the attribute out.".to_owned(),
            );
        }
    }
    if columns.len() >= ddl::MOST_COLUMNS {
        add(
            "column_count",
            format!("making table {full_name} with {} columns", columns.len() + 1),
            format!(
                "{} are written at most: leave attributes of the entity out.",
                ddl::MOST_COLUMNS
            ),
        );
    }
    troubles
}

#[cfg(test)]
#[path = "catalog_test.rs"]
mod tests;

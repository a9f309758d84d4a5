//! What is there already: tables, columns and keys, from SQL Server's catalog.
//!
//! Reading is apart from judging: what a table lacks, and what of it does not fit, is decided by
//! pure functions on what was found. Must never change anything.

use std::collections::{BTreeMap, HashSet};

use super::connection::Connection;
use super::ddl::Dialect;
use super::failure::Failure;
use super::{cells, ddl, quote};
use crate::destination::Trouble;
use crate::destination::fitting::{Fit, FoundType, Spelt, fit, unfit, wider};
use crate::destination::own_tables::TableKey;
use crate::model::table::{Column, ColumnType, ID, Table};

/// A column, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Name of its type, of the type behind it if it has one of its own (`nvarchar`).
    pub type_name: String,
    /// Most bytes of a value; -1 without bound.
    pub max_bytes: i32,
    /// Digits of a decimal.
    pub precision: i32,
    /// Digits after the point.
    pub scale: i32,
    /// Whether it takes a null.
    pub nullable: bool,
    /// Whether the server fills it: computed, identity, a row version of its own.
    pub filled: bool,
    /// Whether a new row may leave it out although it takes no null.
    pub has_default: bool,
}

/// A table, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct FoundTable {
    /// Its columns by name, as [`FoundTable::key`] spells it.
    pub columns: BTreeMap<String, FoundColumn>,
    /// Whether names that differ in case alone are one name.
    pub ignores_case: bool,
    /// Whether it is a table, not a view or a synonym.
    pub ordinary: bool,
    /// Whether it has a unique index on its key column alone.
    pub keyed: bool,
    /// Whether the user may change its columns.
    pub alterable: bool,
    /// Triggers that are on, by name, and whether each runs instead of what was asked for.
    pub triggers: Vec<(String, bool)>,
}

impl FoundTable {
    /// A column's name as [`FoundTable::columns`] spells it.
    pub(super) fn key(&self, name: &str) -> String {
        if self.ignores_case { name.to_lowercase() } else { name.to_owned() }
    }

    /// Whether two names are one.
    pub(super) fn same(&self, one: &str, other: &str) -> bool {
        self.key(one) == self.key(other)
    }

    /// A column by its name.
    pub(super) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.get(&self.key(name))
    }
}

/// Looks for a table: a line with what it is, or none; its columns; its triggers. Every number
/// and answer is an `int`.
pub(super) fn find_table(key: &TableKey) -> String {
    let full_name = quote::text(&quote::key(key));
    format!(
        "SELECT CASE WHEN o.type = 'U' THEN 1 ELSE 0 END AS ordinary, CASE WHEN N'a' COLLATE DATABASE_DEFAULT = N'A' THEN 1 ELSE 0 END AS ignores_case, ISNULL(HAS_PERMS_BY_NAME({full_name}, N'OBJECT', N'ALTER'), 0) AS alterable, CASE WHEN EXISTS (SELECT 1 FROM sys.indexes AS i JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id WHERE i.object_id = o.object_id AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0 GROUP BY i.index_id HAVING COUNT(*) = 1 AND MIN(c.name) = {id}) THEN 1 ELSE 0 END AS keyed FROM sys.objects AS o WHERE o.object_id = OBJECT_ID({full_name});\n\
         SELECT c.name, ISNULL(t.name, N'') AS type_name, CAST(c.max_length AS int) AS max_bytes, CAST(c.[precision] AS int) AS number_precision, CAST(c.[scale] AS int) AS number_scale, CAST(c.is_nullable AS int) AS nullable, CASE WHEN c.is_computed = 1 OR c.is_identity = 1 OR t.name = N'timestamp' THEN 1 ELSE 0 END AS filled, CASE WHEN c.default_object_id <> 0 THEN 1 ELSE 0 END AS has_default FROM sys.columns AS c LEFT JOIN sys.types AS t ON t.user_type_id = c.system_type_id WHERE c.object_id = OBJECT_ID({full_name}) ORDER BY c.column_id;\n\
         SELECT g.name, CAST(g.is_instead_of_trigger AS int) AS instead FROM sys.triggers AS g WHERE g.parent_id = OBJECT_ID({full_name}) AND g.is_disabled = 0 ORDER BY g.name",
        id = quote::text(ID),
    )
}

/// Whether a table holds any row: one line with 1 or 0.
pub(super) fn any_row(table: &Table) -> String {
    let table = ddl::table_name(table);
    format!("SELECT CASE WHEN EXISTS (SELECT 1 FROM {table} AS t) THEN 1 ELSE 0 END AS found")
}

/// Whether a schema exists: one line with 1 or 0.
pub(super) fn schema_exists(schema: &str) -> String {
    let schema = quote::text(schema);
    format!("SELECT CASE WHEN SCHEMA_ID({schema}) IS NULL THEN 0 ELSE 1 END AS found")
}

/// Reads what there is of a table; `None` if it is not there.
pub(super) async fn read_table(
    connection: &mut Connection,
    key: &TableKey,
) -> Result<Option<FoundTable>, Failure> {
    let answers = connection.batch(&find_table(key)).await?;
    let [table, columns, triggers] = answers.as_slice() else { return Err(Failure::Protocol) };
    let Some(row) = table.first() else { return Ok(None) };
    let mut found = FoundTable {
        ordinary: cells::truth(row, 0)?,
        ignores_case: cells::truth(row, 1)?,
        alterable: cells::truth(row, 2)?,
        keyed: cells::truth(row, 3)?,
        ..FoundTable::default()
    };
    for row in columns {
        let column = FoundColumn {
            name: cells::text(row, 0)?.to_owned(),
            type_name: cells::text(row, 1)?.to_owned(),
            max_bytes: cells::small(row, 2)?,
            precision: cells::small(row, 3)?,
            scale: cells::small(row, 4)?,
            nullable: cells::truth(row, 5)?,
            filled: cells::truth(row, 6)?,
            has_default: cells::truth(row, 7)?,
        };
        found.columns.insert(found.key(&column.name), column);
    }
    for row in triggers {
        found.triggers.push((cells::text(row, 0)?.to_owned(), cells::truth(row, 1)?));
    }
    Ok(Some(found))
}

/// The columns that a table lacks.
pub(super) fn missing_columns(table: &Table, found: &FoundTable) -> Vec<Column> {
    let mut columns = ddl::nullable_columns(table);
    columns.retain(|column| found.column(&column.name).is_none());
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
            "It is no table but a view or something else: name another schema or prefix."
                .to_owned(),
        )];
    }
    let mut misfits = key_misfits(&full_name, found);
    let key = Column { name: ID.into(), column_type: ColumnType::Guid };
    let wanted: Vec<Column> = std::iter::once(key).chain(ddl::nullable_columns(table)).collect();
    for column in &wanted {
        let Some(there) = found.column(&column.name) else { continue };
        let named = format!("column {} of table {full_name}", quote::name(&column.name));
        if there.filled {
            misfits.push(trouble(
                "column_filled",
                format!("writing to {named}"),
                "The server fills it itself (computed, identity or row version): make it an \
                 ordinary column, or name another schema or prefix."
                    .to_owned(),
            ));
        } else {
            misfits.extend(why_unfit(table, column, there));
        }
    }
    let written: HashSet<String> = wanted.iter().map(|column| found.key(&column.name)).collect();
    for (name, column) in &found.columns {
        let required = !(column.nullable || column.filled || column.has_default);
        if required && !written.contains(name) {
            misfits.push(trouble(
                "column_required",
                format!("leaving column {} of table {full_name} out", quote::name(name)),
                "keepstep does not write it, and it takes no null: give it a default, or let it \
                 take null."
                    .to_owned(),
            ));
        }
    }
    for (name, _) in found.triggers.iter().filter(|(_, instead)| *instead) {
        misfits.push(trouble(
            "trigger_instead",
            format!("writing to {full_name}, which has trigger {}", quote::name(name)),
            "It runs instead of what is written, so nothing tells whether the rows are: disable \
             it, or make it an AFTER trigger."
                .to_owned(),
        ));
    }
    misfits
}

/// Why a column cannot take what it must.
fn why_unfit(table: &Table, column: &Column, there: &FoundColumn) -> Option<Trouble> {
    let (name, found) = (quote::name(&column.name), found_type_text(there));
    let spelt = Spelt { table: &ddl::table_name(table), column: &name, found: &found };
    let statement = |wider| ddl::widen_column(table, &wider, Dialect::SqlServer);
    unfit((column, found_type(there)), table.widen, &spelt, ddl::type_text, statement)
}

fn key_misfits(full_name: &str, found: &FoundTable) -> Vec<Trouble> {
    let id = quote::name(ID);
    if found.column(ID).is_none() {
        return vec![Trouble {
            what: format!("finding column {id} of table {full_name}"),
            code: "key_missing".into(),
            hint: format!(
                "Add it: ALTER TABLE {full_name} ADD {id} uniqueidentifier NOT NULL PRIMARY KEY"
            ),
        }];
    }
    if !found.keyed {
        return vec![Trouble {
            what: format!("finding the key of table {full_name}"),
            code: "key_not_unique".into(),
            hint: format!("Make it one: ALTER TABLE {full_name} ADD PRIMARY KEY ({id})"),
        }];
    }
    Vec::new()
}

/// The columns of a table that must be widened, with the types that they must get.
pub(super) fn too_narrow(table: &Table, found: &FoundTable) -> Vec<Column> {
    let columns = ddl::nullable_columns(table).into_iter();
    let widened = columns.filter_map(|column| {
        let there = found_type(found.column(&column.name)?);
        wider(column, there, table.widen)
    });
    widened.collect()
}

/// How many columns take their values as they are, the key among them.
pub(super) fn fitting_columns(table: &Table, found: &FoundTable) -> usize {
    let key = Column { name: ID.into(), column_type: ColumnType::Guid };
    let columns = std::iter::once(key).chain(ddl::nullable_columns(table));
    let fits = |column: &Column| {
        let there = found.column(&column.name);
        there.is_some_and(|there| fit(column.column_type, found_type(there)) == Fit::Fits)
    };
    columns.filter(fits).count()
}

/// The type of a column, as far as it matters.
fn found_type(found: &FoundColumn) -> FoundType {
    let part = |digits: i32| u8::try_from(digits).unwrap_or(u8::MAX);
    match found.type_name.as_str() {
        "uniqueidentifier" => FoundType::Guid,
        "int" => FoundType::Integer,
        "bigint" => FoundType::Long,
        "bit" => FoundType::Boolean,
        "nvarchar" => FoundType::Text {
            max_units: u32::try_from(found.max_bytes / 2).ok().filter(|_| found.max_bytes >= 0),
        },
        "datetime" => FoundType::Timestamp,
        "datetime2" if found.scale >= 3 => FoundType::Timestamp,
        "decimal" | "numeric" => {
            FoundType::Decimal { digits: Some(part(found.precision)), scale: part(found.scale) }
        }
        _ => FoundType::Other,
    }
}

/// A found type as a person would write it.
pub(super) fn found_type_text(found: &FoundColumn) -> String {
    let name = &found.type_name;
    match (name.as_str(), found.max_bytes) {
        ("nvarchar" | "varchar" | "varbinary", -1) => format!("{name}(max)"),
        ("nvarchar" | "nchar", bytes) => format!("{name}({})", bytes / 2),
        ("varchar" | "char" | "varbinary" | "binary", bytes) => format!("{name}({bytes})"),
        ("decimal" | "numeric", _) => format!("{name}({},{})", found.precision, found.scale),
        ("datetime2", _) => format!("{name}({})", found.scale),
        _ => name.clone(),
    }
}

/// What of a table SQL Server would refuse, told before anything is made: names of wrong length,
/// names that stand for two columns, too many columns, rows that cannot be stored.
pub(super) fn beyond_limits(table: &Table) -> Vec<Trouble> {
    let full_name = ddl::table_name(table);
    let columns = ddl::nullable_columns(table);
    let mut troubles = Vec::new();
    let mut add = |code: &str, what: String, hint: String| {
        troubles.push(Trouble { what, code: code.into(), hint });
    };
    let names = [&table.schema, &table.name].into_iter().chain(columns.iter().map(|c| &c.name));
    for name in names {
        let units = name.encode_utf16().count();
        if name.is_empty() || units > ddl::LONGEST_NAME_UNITS || name.contains('\0') {
            add(
                "name_length",
                format!("using the name {} for table {full_name}", quote::name(name)),
                format!(
                    "SQL Server takes names of 1 to {} characters: use a shorter schema or \
                     prefix, or leave the attribute out.",
                    ddl::LONGEST_NAME_UNITS
                ),
            );
        }
    }
    let mut taken: HashSet<String> = HashSet::from([ID.to_lowercase()]);
    for column in &columns {
        if !taken.insert(column.name.to_lowercase().into()) {
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
    let row_bytes = ddl::fixed_row_bytes(table);
    if row_bytes > ddl::MOST_ROW_BYTES {
        add(
            "row_size",
            format!("making table {full_name} with rows of {row_bytes} bytes and their texts"),
            format!(
                "SQL Server stores {} bytes of a row at most, columns of fixed length in full: \
                 leave attributes of the entity out.",
                ddl::MOST_ROW_BYTES
            ),
        );
    }
    troubles
}

#[cfg(test)]
#[path = "catalog_test.rs"]
mod tests;

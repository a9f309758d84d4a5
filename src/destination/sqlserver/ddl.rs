//! Text of every statement that makes or changes tables of entities.
//!
//! Pure. Nothing here drops or narrows. Every statement looks first whether what it makes is there,
//! so that it may be repeated, and stands for itself: no statement needs a batch of its own.

use compact_str::CompactString;

use super::connection::Capabilities;
use super::quote;
use crate::model::layout::SINK_DELETED_ON;
use crate::model::table::{
    Column, ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER,
};

/// Longest name, in UTF-16 units.
/// Source: SQL Server documentation, "Maximum capacity specifications".
pub const LONGEST_NAME_UNITS: usize = 128;

/// Most columns of a table, the system columns included. SQL Server's own limit is 1,024; a
/// staging table has more beside the attributes than its table.
/// Source: SQL Server documentation, "Maximum capacity specifications".
pub const MOST_COLUMNS: usize = 1_008;

/// Most bytes of a row without what can be stored elsewhere.
/// Source: SQL Server documentation, "Maximum capacity specifications".
pub(super) const MOST_ROW_BYTES: usize = 8_060;

/// Digits that a decimal column holds.
const DECIMAL_DIGITS: u8 = 38;

/// Longest text with a length of its own; `nvarchar(n)` goes no further.
const LONGEST_BOUNDED_UNITS: u32 = 4_000;

/// Whose T-SQL it is. All texts are SQL Server's but for what the other engine cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// SQL Server and Azure SQL.
    SqlServer,
    /// Babelfish for PostgreSQL: names hold no doubled bracket, and a column that is changed keeps
    /// its nullability and must not name it.
    Babelfish,
}

impl Dialect {
    /// That of the server at the other end.
    pub(super) fn of(server: Capabilities) -> Self {
        if server.babelfish { Self::Babelfish } else { Self::SqlServer }
    }
}

/// The type of a column, as SQL Server spells it.
pub(super) fn type_text(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Guid => "uniqueidentifier".to_owned(),
        ColumnType::Text { max_units: Some(units) } if units <= LONGEST_BOUNDED_UNITS => {
            format!("nvarchar({units})")
        }
        ColumnType::Text { .. } => "nvarchar(max)".to_owned(),
        ColumnType::Integer => "int".to_owned(),
        ColumnType::Long => "bigint".to_owned(),
        ColumnType::Boolean => "bit".to_owned(),
        ColumnType::Timestamp => "datetime".to_owned(),
        ColumnType::Decimal { scale } => format!("decimal({DECIMAL_DIGITS},{scale})"),
    }
}

/// All columns of a table but the key, in the table's order.
pub(super) fn nullable_columns(table: &Table) -> Vec<Column> {
    let system = |name: &str, column_type| Column { name: CompactString::new(name), column_type };
    let mut columns = vec![
        system(SINK_CREATED_ON, ColumnType::Timestamp),
        system(SINK_MODIFIED_ON, ColumnType::Timestamp),
    ];
    columns.extend(table.columns.iter().cloned());
    columns.push(system(VERSION_NUMBER, ColumnType::Long));
    if table.deletes.keep_row {
        columns.push(system(SINK_DELETED_ON, ColumnType::Timestamp));
    }
    columns
}

/// Schema and name of a table, quoted.
pub(super) fn table_name(table: &Table) -> String {
    quote::qualified(&table.schema, &table.name)
}

/// Name of the primary key: `EPK[schema].[table]`, as Data Export Service named it. One that
/// would be too long is cut, and told apart from its neighbours by a checksum.
pub(super) fn primary_key_name(table: &Table) -> String {
    let full = format!("EPK[{}].[{}]", table.schema, table.name);
    if full.encode_utf16().count() <= LONGEST_NAME_UNITS {
        return full;
    }
    let suffix = format!("~{:08x}", crc32fast::hash(full.as_bytes()));
    let mut units_left = LONGEST_NAME_UNITS - suffix.len();
    let kept: String = full
        .chars()
        .take_while(|letter| {
            let fits = letter.len_utf16() <= units_left;
            units_left = units_left.saturating_sub(letter.len_utf16());
            fits
        })
        .collect();
    format!("{kept}{suffix}")
}

/// Makes a schema. It would need a batch of its own, so it is a text within the statement.
pub(super) fn create_schema(schema: &str) -> String {
    let making = format!("CREATE SCHEMA {}", quote::name(schema));
    format!("IF SCHEMA_ID({}) IS NULL EXEC({})", quote::text(schema), quote::text(&making))
}

/// Makes a table with all its columns.
pub(super) fn create_table(table: &Table, dialect: Dialect) -> String {
    let columns: String = nullable_columns(table)
        .iter()
        .map(|column| {
            format!("  {} {} NULL,\n", quote::name(&column.name), type_text(column.column_type))
        })
        .collect();
    let key_name = primary_key_name(table);
    let key_name = match dialect {
        Dialect::SqlServer => quote::name(&key_name),
        Dialect::Babelfish => quote::name_in_double_quotes(&key_name),
    };
    let full_name = table_name(table);
    format!(
        "IF OBJECT_ID({}) IS NULL CREATE TABLE {full_name} (\n  {} uniqueidentifier NOT NULL,\n{columns}  CONSTRAINT {key_name} PRIMARY KEY CLUSTERED ({})\n)",
        quote::text(&full_name),
        quote::name(ID),
        quote::name(ID),
    )
}

/// Adds columns to a table, each by a statement of its own.
pub(super) fn add_columns(table: &Table, columns: &[Column]) -> Vec<String> {
    let full_name = table_name(table);
    let add = |column: &Column| {
        format!(
            "IF COL_LENGTH({}, {}) IS NULL ALTER TABLE {full_name} ADD {} {} NULL",
            quote::text(&full_name),
            quote::text(&column.name),
            quote::name(&column.name),
            type_text(column.column_type)
        )
    };
    columns.iter().map(add).collect()
}

/// Gives a column a wider type. What may be widened, and how far, is decided elsewhere.
pub(super) fn widen_column(table: &Table, column: &Column, dialect: Dialect) -> String {
    let nullable = match dialect {
        Dialect::SqlServer => " NULL",
        Dialect::Babelfish => "",
    };
    format!(
        "ALTER TABLE {} ALTER COLUMN {} {}{nullable}",
        table_name(table),
        quote::name(&column.name),
        type_text(column.column_type)
    )
}

/// Bytes that the columns of fixed length take of every row, filled or not: beyond
/// [`MOST_ROW_BYTES`] the table cannot be made.
/// Source: SQL Server documentation, "Estimate the size of a clustered index".
pub(super) fn fixed_row_bytes(table: &Table) -> usize {
    let columns = nullable_columns(table);
    let (mut fixed, mut bits, mut variable) = (16, 0_usize, 0_usize);
    for column in &columns {
        match column.column_type {
            ColumnType::Guid => fixed += 16,
            ColumnType::Decimal { .. } => fixed += 17,
            ColumnType::Long | ColumnType::Timestamp => fixed += 8,
            ColumnType::Integer => fixed += 4,
            ColumnType::Boolean => bits += 1,
            ColumnType::Text { .. } => variable += 1,
        }
    }
    // Header, null bitmap with its count, and the count of columns of variable length.
    let bitmap = 2 + (columns.len() + 1).div_ceil(8);
    4 + fixed + bits.div_ceil(8) + bitmap + if variable > 0 { 2 } else { 0 }
}

/// Bytes of a row whose texts are all long, and stored elsewhere as far as they can be: each
/// leaves a pointer of 24 bytes and an offset of 2.
/// Source: SQL Server documentation, "Large row support".
pub(super) fn longest_row_bytes(table: &Table) -> usize {
    let columns = nullable_columns(table);
    let texts = columns.iter().filter_map(|column| match column.column_type {
        // What takes no more than its pointer would stays where it is.
        ColumnType::Text { max_units: Some(units) } if units <= 12 => Some(2 + 2 * units as usize),
        ColumnType::Text { .. } => Some(26),
        _ => None,
    });
    fixed_row_bytes(table) + texts.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::{Deletes, Widen};

    fn table(columns: &[ColumnType]) -> Table {
        let column = |(at, column_type): (usize, &ColumnType)| Column {
            name: CompactString::from(format!("c{at}")),
            column_type: *column_type,
        };
        Table {
            schema: "dbo".into(),
            name: "account".into(),
            columns: columns.iter().enumerate().map(column).collect(),
            deletes: Deletes::default(),
            widen: Widen::default(),
        }
    }

    #[test]
    fn the_primary_key_is_named_as_data_export_service_named_it() {
        let mut table = table(&[]);
        assert_eq!(quote::name(&primary_key_name(&table)), "[EPK[dbo]].[account]]]");
        table.name = "x".repeat(128).into();
        let name = primary_key_name(&table);
        assert_eq!(name.len(), 128);
        table.name = format!("{}y", "x".repeat(127)).into();
        assert_ne!(primary_key_name(&table), name, "told apart from its neighbour");
        table.name = "\u{1f600}".repeat(64).into();
        assert!(primary_key_name(&table).encode_utf16().count() <= 128);
    }

    #[test]
    fn rows_are_measured_as_the_server_counts() {
        // 4 + 16 (Id) + 24 (two times, version) + bitmap of 4 columns 3.
        assert_eq!(fixed_row_bytes(&table(&[])), 47);
        let nine_bits = [ColumnType::Boolean; 9];
        // Two bytes of bits, and one more of the bitmap.
        assert_eq!(fixed_row_bytes(&table(&nine_bits)), 50);
        let texts = [ColumnType::Text { max_units: None }, ColumnType::Text { max_units: Some(5) }];
        assert_eq!(longest_row_bytes(&table(&texts)), 47 + 2 + 26 + 12);
        let decimals = [ColumnType::Decimal { scale: 2 }; 471];
        assert!(fixed_row_bytes(&table(&decimals)) > MOST_ROW_BYTES);
    }
}

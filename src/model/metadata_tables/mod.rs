//! The metadata tables and the log of deletes of Data Export Service databases: what they look
//! like, and what an activation writes into them.
//!
//! Promises: names, columns, types, lengths and keys are those of the old service, so that reports
//! find what they join with; rows are the same for the same definitions, so that an activation with
//! nothing new changes nothing. Rows of an owner (an entity, or a shared option set) are kept in
//! step as a whole; those of owners that are not asked about are nobody's business here. How a
//! database spells and sends this is its dialect's work. Pure.

use super::cell::Cell;
use super::layout::DELETE_LOG;
use super::table::ColumnType;

pub use self::difference::{Difference, difference};
pub use self::rows::{MetadataRows, metadata_rows};

mod difference;
mod rows;

/// Longest name that these tables hold, in UTF-16 units. What has a longer one is left out of them.
pub const NAME_UNITS: u32 = 64;
/// Longest label that they hold, in UTF-16 units; longer ones are cut.
pub const LABEL_UNITS: u32 = 350;
/// The identity column of those that have one: whole numbers that the database gives, 64-bit.
pub const IDENTITY: &str = "Id";

/// One of the tables.
#[derive(Debug, PartialEq, Eq)]
pub struct MetadataTable {
    /// Its name, without a prefix.
    pub name: &'static str,
    /// Whether its primary key is a column [`IDENTITY`], which stands first.
    pub identity: bool,
    /// Its columns in order, the identity left out. The first names the owner of a row.
    pub columns: &'static [MetadataColumn],
    /// So many columns from the first on tell a row from the others: the primary key where there
    /// is no identity. 0 for the log, in which nothing is ever looked for.
    pub key_columns: usize,
}

/// A column of one of the tables.
#[derive(Debug, PartialEq, Eq)]
pub struct MetadataColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
}

impl MetadataTable {
    /// The columns that tell a row from the others.
    pub fn key(&self) -> &'static [MetadataColumn] {
        &self.columns[..self.key_columns]
    }

    /// The column that names the owner of a row.
    pub fn owner(&self) -> &'static MetadataColumn {
        &self.columns[0]
    }
}

/// The cells of a row, in the order of the table's columns.
pub type MetadataRow = Vec<Cell>;

const fn column(name: &'static str, column_type: ColumnType) -> MetadataColumn {
    MetadataColumn { name, column_type, nullable: false }
}

const fn optional(name: &'static str, column_type: ColumnType) -> MetadataColumn {
    MetadataColumn { name, column_type, nullable: true }
}

const NAME: ColumnType = ColumnType::Text { max_units: Some(NAME_UNITS) };

const fn name(name: &'static str) -> MetadataColumn {
    column(name, NAME)
}

const fn number(name: &'static str) -> MetadataColumn {
    column(name, ColumnType::Integer)
}

const USER: MetadataColumn = column("IsUserLocalizedLabel", ColumnType::Boolean);
const LANGUAGE: MetadataColumn = number("LocalizedLabelLanguageCode");
const LABEL: MetadataColumn =
    optional("LocalizedLabel", ColumnType::Text { max_units: Some(LABEL_UNITS) });

/// Labels of the options of choices, multi-select choices and booleans that are an attribute's own.
pub const OPTION_SET: MetadataTable = MetadataTable {
    name: "OptionSetMetadata",
    identity: false,
    columns: &[name("EntityName"), name("OptionSetName"), number("Option"), USER, LANGUAGE, LABEL],
    key_columns: 5,
};
/// Labels of option sets that attributes share.
pub const GLOBAL_OPTION_SET: MetadataTable = MetadataTable {
    name: "GlobalOptionSetMetadata",
    identity: false,
    columns: &[name("OptionSetName"), number("Option"), USER, LANGUAGE, LABEL],
    key_columns: 4,
};
/// Labels of states.
pub const STATE: MetadataTable = MetadataTable {
    name: "StateMetadata",
    identity: false,
    columns: &[name("EntityName"), number("State"), USER, LANGUAGE, LABEL],
    key_columns: 4,
};
/// Labels of status reasons, with the state that each belongs to.
pub const STATUS: MetadataTable = MetadataTable {
    name: "StatusMetadata",
    identity: false,
    columns: &[name("EntityName"), number("State"), number("Status"), USER, LANGUAGE, LABEL],
    key_columns: 5,
};
/// Which entities a lookup may point to.
pub const TARGET: MetadataTable = MetadataTable {
    name: "TargetMetadata",
    identity: false,
    columns: &[
        name("EntityName"),
        name("AttributeName"),
        name("ReferencedEntity"),
        optional("ReferencedAttribute", NAME),
    ],
    key_columns: 3,
};
/// The attributes that have columns, with the source's types.
pub const ATTRIBUTE: MetadataTable = MetadataTable {
    name: "AttributeMetadata",
    identity: true,
    columns: &[
        name("EntityName"),
        name("AttributeName"),
        name("AttributeType"),
        number("AttributeTypeCode"),
        optional("Version", ColumnType::Long),
        optional("Timestamp", ColumnType::Timestamp),
        optional("MetadataId", NAME),
        optional("Precision", ColumnType::Integer),
    ],
    key_columns: 2,
};
/// All metadata tables.
pub const METADATA_TABLES: [&MetadataTable; 6] =
    [&OPTION_SET, &GLOBAL_OPTION_SET, &STATE, &STATUS, &TARGET, &ATTRIBUTE];

/// The log of deletes: a line for each row that a delete took away. `RecordId` is the canonical
/// text of the id.
pub const DELETE_LOG_TABLE: MetadataTable = MetadataTable {
    name: DELETE_LOG,
    identity: true,
    columns: &[
        name("EntityName"),
        name("RecordId"),
        column("SinkDeleteTime", ColumnType::Timestamp),
        column("VersionNumber", ColumnType::Long),
    ],
    key_columns: 0,
};

/// The name of an entity as the log holds it: names of the source fit, longer ones are cut.
pub fn logged_name(entity: &str) -> String {
    let mut units = 0;
    let fits = |letter: &char| {
        units += letter.len_utf16();
        units <= NAME_UNITS as usize
    };
    entity.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a database that the old service left behind.
    #[test]
    fn the_tables_are_those_of_the_old_service() {
        let shape = |table: &MetadataTable| -> Vec<String> {
            let columns = table.columns.iter().enumerate().map(|(at, column)| {
                let word = match column.column_type {
                    ColumnType::Text { max_units: Some(units) } => format!("text {units}"),
                    other => other.word().to_owned(),
                };
                let key = if at < table.key_columns { " key" } else { "" };
                let null = if column.nullable { " null" } else { "" };
                format!("{} {word}{key}{null}", column.name)
            });
            columns.collect()
        };
        assert_eq!(
            shape(&OPTION_SET),
            [
                "EntityName text 64 key",
                "OptionSetName text 64 key",
                "Option integer key",
                "IsUserLocalizedLabel boolean key",
                "LocalizedLabelLanguageCode integer key",
                "LocalizedLabel text 350 null",
            ]
        );
        assert_eq!(shape(&GLOBAL_OPTION_SET), shape(&OPTION_SET)[1..]);
        assert_eq!(shape(&STATE)[..2], ["EntityName text 64 key", "State integer key"]);
        assert_eq!(shape(&STATE)[2..], shape(&OPTION_SET)[3..]);
        assert_eq!(shape(&STATUS)[2], "Status integer key");
        assert_eq!(shape(&STATUS)[3..], shape(&OPTION_SET)[3..]);
        assert_eq!(
            shape(&TARGET),
            [
                "EntityName text 64 key",
                "AttributeName text 64 key",
                "ReferencedEntity text 64 key",
                "ReferencedAttribute text 64 null",
            ]
        );
        assert_eq!(
            shape(&ATTRIBUTE),
            [
                "EntityName text 64 key",
                "AttributeName text 64 key",
                "AttributeType text 64",
                "AttributeTypeCode integer",
                "Version long null",
                "Timestamp timestamp null",
                "MetadataId text 64 null",
                "Precision integer null",
            ]
        );
        assert_eq!(
            shape(&DELETE_LOG_TABLE),
            [
                "EntityName text 64",
                "RecordId text 64",
                "SinkDeleteTime timestamp",
                "VersionNumber long",
            ]
        );
        let with_identity = METADATA_TABLES.iter().filter(|table| table.identity);
        assert_eq!(
            with_identity.map(|table| table.name).collect::<Vec<_>>(),
            ["AttributeMetadata"]
        );
    }
}

//! The destination's table of an entity, in terms that every database shares.
//!
//! The layout is the one that Data Export Service databases have: `Id`, `SinkCreatedOn`,
//! `SinkModifiedOn`, one column per attribute under its logical name, a lookup followed by its
//! `_entitytype`, and `versionnumber` last. How a database spells a type is its dialect's work.

use compact_str::{CompactString, format_compact};

use super::entity::{Attribute, AttributeKind, EntityDefinition};
use super::layout::{Deletes, Widen, prefixed};

/// The key column of every table.
pub const ID: &str = "Id";
/// When the destination got the record first.
pub const SINK_CREATED_ON: &str = "SinkCreatedOn";
/// When the destination got the record last.
pub const SINK_MODIFIED_ON: &str = "SinkModifiedOn";
/// The source's row version.
pub const VERSION_NUMBER: &str = "versionnumber";
/// Longest logical name of an entity, as an `_entitytype` column holds it.
pub const ENTITY_TYPE_UNITS: u32 = 128;
/// Length of text columns for which the source declares none, and of multi-select choices.
pub const UNDECLARED_TEXT_UNITS: u32 = 4_000;
/// Longest text that has a length of its own; longer columns are unbounded.
pub const LONGEST_BOUNDED_TEXT_UNITS: u32 = 4_000;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// A GUID.
    Guid,
    /// Text of at most so many UTF-16 units; `None` is unbounded.
    Text {
        /// Longest text in UTF-16 units.
        max_units: Option<u32>,
    },
    /// 32-bit whole number.
    Integer,
    /// 64-bit whole number.
    Long,
    /// Yes or no.
    Boolean,
    /// A moment in UTC, to the millisecond.
    Timestamp,
    /// Decimal of 38 digits with so many after the point.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
}

/// One attribute column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: CompactString,
    /// Its type.
    pub column_type: ColumnType,
}

/// A table: its name and its attribute columns (the system columns are the same everywhere).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Database schema; SQLite has none and ignores it.
    pub schema: CompactString,
    /// Name, prefix included.
    pub name: CompactString,
    /// Attribute columns, in order, without `Id`, the two sink columns and `versionnumber`.
    pub columns: Vec<Column>,
    /// What a delete leaves behind.
    pub deletes: Deletes,
    /// How far its columns may be widened, if it is there already.
    pub widen: Widen,
}

/// Columns that one attribute becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeColumns {
    /// None: the type has no column, or a system column holds it.
    None,
    /// One column of this type.
    One(ColumnType),
    /// `x` and `x_entitytype`.
    Lookup,
}

/// Columns of an attribute in the layout of Data Export Service.
pub fn attribute_columns(attribute: &Attribute) -> AttributeColumns {
    use AttributeColumns::{Lookup, None as NoColumn, One};
    if attribute.name == VERSION_NUMBER {
        return NoColumn;
    }
    match &attribute.kind {
        AttributeKind::Boolean => One(ColumnType::Boolean),
        AttributeKind::Integer | AttributeKind::Choice { .. } => One(ColumnType::Integer),
        AttributeKind::BigInt => One(ColumnType::Long),
        AttributeKind::Decimal { precision }
        | AttributeKind::Double { precision }
        | AttributeKind::Money { precision } => One(ColumnType::Decimal { scale: *precision }),
        AttributeKind::Text { max_length: Some(units) } if *units <= LONGEST_BOUNDED_TEXT_UNITS => {
            One(ColumnType::Text { max_units: Some(*units) })
        }
        AttributeKind::Text { max_length: Some(_) } | AttributeKind::Memo => {
            One(ColumnType::Text { max_units: None })
        }
        AttributeKind::Text { max_length: None }
        | AttributeKind::Choices { .. }
        | AttributeKind::EntityName => {
            One(ColumnType::Text { max_units: Some(UNDECLARED_TEXT_UNITS) })
        }
        AttributeKind::Guid | AttributeKind::PartyList => One(ColumnType::Guid),
        AttributeKind::DateTime => One(ColumnType::Timestamp),
        AttributeKind::Lookup { .. } => Lookup,
        // A picture's id, time and address are attributes of their own; its bytes are not exported.
        AttributeKind::Image | AttributeKind::NoColumn => NoColumn,
    }
}

/// Name of the column beside a lookup that names the entity it points to.
pub fn entity_type_column(lookup: &str) -> CompactString {
    format_compact!("{lookup}_entitytype")
}

impl Table {
    /// The table of an entity: `<schema>.<prefix>_<entity>`, without a prefix no underscore.
    ///
    /// A column that a lookup adds (`x_entitytype`) gives way to an attribute of that very name.
    pub fn of(definition: &EntityDefinition, schema: &str, prefix: Option<&str>) -> Self {
        let name = prefixed(prefix, definition.name.as_str());
        let mut columns: Vec<Column> = Vec::with_capacity(definition.attributes.len());
        for attribute in &definition.attributes {
            match attribute_columns(attribute) {
                AttributeColumns::None => {}
                AttributeColumns::One(column_type) => {
                    columns.push(Column { name: attribute.name.clone(), column_type });
                }
                AttributeColumns::Lookup => {
                    columns.push(Column {
                        name: attribute.name.clone(),
                        column_type: ColumnType::Guid,
                    });
                    let name = entity_type_column(&attribute.name);
                    if !definition.attributes.iter().any(|other| other.name == name) {
                        let column_type = ColumnType::Text { max_units: Some(ENTITY_TYPE_UNITS) };
                        columns.push(Column { name, column_type });
                    }
                }
            }
        }
        Self {
            schema: CompactString::new(schema),
            name,
            columns,
            deletes: Deletes::default(),
            widen: Widen::default(),
        }
    }

    /// Index of a column by name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

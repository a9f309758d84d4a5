//! The rows of the metadata tables, out of entity definitions.
//!
//! An option has one row for each of its languages, twice: once for the label of that language
//! and once for that of a user who reads it (reports ask for either). An option set of an
//! attribute's own goes by the attribute's logical name, which is what reports of the old service
//! join by; a shared one by its own name, for its table has no column for an entity, and attributes
//! of one name may share different sets.

use std::collections::HashSet;

use compact_str::{CompactString, format_compact};

use super::{
    ATTRIBUTE, GLOBAL_OPTION_SET, LABEL_UNITS, METADATA_TABLES, MetadataRow, MetadataTable,
    NAME_UNITS, OPTION_SET, STATE, STATUS, TARGET,
};
use crate::model::cell::{Cell, utf16_units};
use crate::model::entity::{Attribute, AttributeKind, ChoiceOption, EntityDefinition};
use crate::model::table::{AttributeColumns, VERSION_NUMBER, attribute_columns};

/// What one table holds of its owners, in full.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRows {
    /// The table.
    pub table: &'static MetadataTable,
    /// Values of the column that names the owner; each once.
    pub owners: Vec<CompactString>,
    /// All rows that these owners have, no key twice.
    pub rows: Vec<MetadataRow>,
}

/// What the six tables hold of these entities and of the option sets that they share, in the order
/// of [`METADATA_TABLES`].
pub fn metadata_rows(definitions: &[&EntityDefinition]) -> Vec<MetadataRows> {
    METADATA_TABLES
        .into_iter()
        .map(|table| {
            let mut made =
                Maker { table, owners: Vec::new(), keys: HashSet::new(), rows: Vec::new() };
            for definition in definitions {
                if *table != GLOBAL_OPTION_SET {
                    made.own(definition.name.as_str());
                }
                for attribute in &definition.attributes {
                    made.add(definition, attribute, definitions);
                }
            }
            MetadataRows { table, owners: made.owners, rows: made.rows }
        })
        .collect()
}

/// The rows of one table, as they come.
struct Maker {
    table: &'static MetadataTable,
    owners: Vec<CompactString>,
    keys: HashSet<Vec<Cell>>,
    rows: Vec<MetadataRow>,
}

impl Maker {
    fn own(&mut self, owner: &str) {
        if self.owners.iter().all(|known| known != owner) {
            self.owners.push(CompactString::new(owner));
        }
    }

    /// Adds a row, unless its key is there already or a name in it is too long for its column.
    fn push(&mut self, row: MetadataRow) {
        let too_long = |cell: &Cell| match cell {
            Cell::Text(text) => utf16_units(text) > NAME_UNITS as usize,
            _ => false,
        };
        let key = row[..self.table.key_columns].to_vec();
        if !key.iter().any(too_long) && self.keys.insert(key) {
            self.rows.push(row);
        }
    }

    fn add(
        &mut self,
        definition: &EntityDefinition,
        attribute: &Attribute,
        definitions: &[&EntityDefinition],
    ) {
        let entity = text(definition.name.as_str());
        let name = text(&attribute.name);
        if *self.table == TARGET {
            self.targets(&entity, attribute, definitions);
        } else if *self.table == ATTRIBUTE {
            if let Some(row) = attribute_row(entity, attribute) {
                self.push(row);
            }
        } else if let Some((table, options)) = option_table(attribute)
            && self.table == table
        {
            for option in options {
                if *table == GLOBAL_OPTION_SET {
                    let set = attribute.option_set().unwrap_or(&attribute.name);
                    self.own(set);
                    self.labels(&[text(set), Cell::Integer(option.value)], option);
                } else if *table == STATUS {
                    // Without its state a status reason has no place in the table.
                    if let Some(state) = option.state {
                        let key =
                            [entity.clone(), Cell::Integer(state), Cell::Integer(option.value)];
                        self.labels(&key, option);
                    }
                } else if *table == STATE {
                    self.labels(&[entity.clone(), Cell::Integer(option.value)], option);
                } else {
                    let key = [entity.clone(), name.clone(), Cell::Integer(option.value)];
                    self.labels(&key, option);
                }
            }
        }
    }

    fn labels(&mut self, key: &[Cell], option: &ChoiceOption) {
        for user_localised in [false, true] {
            for label in &option.labels {
                let mut row = key.to_vec();
                row.extend([
                    Cell::Boolean(user_localised),
                    Cell::Integer(label.language),
                    text(cut(&label.text)),
                ]);
                self.push(row);
            }
        }
    }

    fn targets(&mut self, entity: &Cell, attribute: &Attribute, definitions: &[&EntityDefinition]) {
        let AttributeKind::Lookup { targets } = &attribute.kind else { return };
        for target in targets {
            let found = definitions.iter().find(|other| other.name.as_str() == target);
            let key = match found {
                Some(other) => other.primary_id.clone(),
                None => usual_primary_id(target),
            };
            let fits = utf16_units(&key) <= NAME_UNITS as usize;
            let key = if fits { text(&key) } else { Cell::Null };
            self.push(vec![entity.clone(), text(&attribute.name), text(target), key]);
        }
    }
}

/// The primary id of an entity whose definition is not at hand: its name and `id`, but for the
/// activities of the source, which have one in common.
fn usual_primary_id(entity: &str) -> CompactString {
    const ACTIVITIES: [&str; 12] = [
        "activitypointer",
        "appointment",
        "campaignactivity",
        "campaignresponse",
        "email",
        "fax",
        "letter",
        "phonecall",
        "recurringappointmentmaster",
        "serviceappointment",
        "socialactivity",
        "task",
    ];
    if ACTIVITIES.contains(&entity) {
        return CompactString::const_new("activityid");
    }
    format_compact!("{entity}id")
}

/// The table that holds the options of an attribute, and the options.
fn option_table(attribute: &Attribute) -> Option<(&'static MetadataTable, &[ChoiceOption])> {
    let options = match &attribute.kind {
        AttributeKind::Choice { .. } | AttributeKind::Choices { .. } | AttributeKind::Boolean => {
            attribute.options()
        }
        _ => return None,
    };
    let table = match attribute.type_name() {
        "State" => &STATE,
        "Status" => &STATUS,
        _ if attribute.origin.global_option_set => &GLOBAL_OPTION_SET,
        _ => &OPTION_SET,
    };
    Some((table, options))
}

/// The source's numbers of the types whose names those are (`AttributeTypeCode` of the Web API).
const TYPE_CODES: [&str; 21] = [
    "Boolean",
    "Customer",
    "DateTime",
    "Decimal",
    "Double",
    "Integer",
    "Lookup",
    "Memo",
    "Money",
    "Owner",
    "PartyList",
    "Picklist",
    "State",
    "Status",
    "String",
    "Uniqueidentifier",
    "CalendarRules",
    "Virtual",
    "BigInt",
    "ManagedProperty",
    "EntityName",
];
/// The number of `Virtual`, which is also that of all younger types.
const VIRTUAL: i32 = 17;

/// The source's number of a type.
fn type_code(type_name: &str) -> i32 {
    let at = TYPE_CODES.iter().position(|known| *known == type_name);
    at.and_then(|at| i32::try_from(at).ok()).unwrap_or(VIRTUAL)
}

/// `None` for an attribute that has no column.
fn attribute_row(entity: Cell, attribute: &Attribute) -> Option<MetadataRow> {
    let has_column =
        attribute.name == VERSION_NUMBER || attribute_columns(attribute) != AttributeColumns::None;
    if !has_column {
        return None;
    }
    let precision = match attribute.kind {
        AttributeKind::Decimal { precision }
        | AttributeKind::Double { precision }
        | AttributeKind::Money { precision } => Cell::Integer(i32::from(precision)),
        _ => Cell::Null,
    };
    let id = attribute.origin.metadata_id.map(|id| id.hyphenated().to_string());
    Some(vec![
        entity,
        text(&attribute.name),
        text(attribute.type_name()),
        Cell::Integer(type_code(attribute.type_name())),
        // Version and time of an attribute's definition: no definition tells them.
        Cell::Null,
        Cell::Null,
        id.as_deref().map_or(Cell::Null, text),
        precision,
    ])
}

fn text(text: &str) -> Cell {
    Cell::Text(CompactString::new(text))
}

/// A label as far as its column holds it, whole characters only, and without what no text column
/// may hold.
fn cut(label: &str) -> &str {
    let mut units = 0;
    for (at, character) in label.char_indices() {
        units += character.len_utf16();
        if units > LABEL_UNITS as usize || character == '\0' {
            return &label[..at];
        }
    }
    label
}

#[cfg(test)]
#[path = "rows_test.rs"]
mod tests;

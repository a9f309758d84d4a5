//! Fits a change to its table: every value checked against its column before anything is sent.
//!
//! Promises: a value that comes out fits its column exactly; one that does not is rejected with
//! the column named; values finer than the column are rounded half away from zero, and that is
//! the only change a value ever suffers. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::{CompactString, ToCompactString as _};

use super::cell::{Cell, fit_value};
use super::change::{Change, Image, Operation, Version};
use super::entity::EntityDefinition;
use super::failure::{Cause, Rejection};
use super::record::{EntityName, RecordId};
use super::shown::Shown;
use super::table::{
    AttributeColumns, ColumnType, ENTITY_TYPE_UNITS, Table, VERSION_NUMBER, attribute_columns,
    entity_type_column,
};
use super::value::Value;

/// What to do with an attribute that the entity's definition lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnknownAttribute {
    /// Pause the entity, so that nothing is lost, until the definition knows it.
    #[default]
    Stop,
    /// Leave it out and count it.
    Drop,
}

/// Columns of the table by their index, with their cells; ascending, no column twice.
pub type Cells = Vec<(u16, Cell)>;

/// What a change does to its table.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The row goes.
    Delete,
    /// The row becomes this; columns that are not named become null.
    Image {
        /// Whether the source said that the record came into being.
        create: bool,
        /// The columns.
        cells: Cells,
    },
    /// The named columns change.
    Patch {
        /// The columns.
        cells: Cells,
    },
}

/// A change that fits its table.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The record.
    pub record_id: RecordId,
    /// Its version; present exactly if the mapping is versioned.
    pub version: Option<Version>,
    /// What happens to the row.
    pub effect: Effect,
    /// Attributes left out because the definition lacks them.
    pub dropped_attributes: u32,
}

/// Where an attribute goes.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Into no column, on purpose.
    Nowhere,
    /// Into one column.
    Column(u16, ColumnType),
    /// Into the id and, where the table has it, the `_entitytype` column of a lookup.
    Lookup(u16, Option<u16>),
}

/// So many attributes ahead are compared before one is looked up by hash, which costs as much.
const NEAR_ATTRIBUTES: usize = 6;

/// How the changes of one entity go into one table.
#[derive(Debug)]
pub struct Mapping {
    /// The entity.
    pub entity: EntityName,
    /// What the source says the entity looks like.
    pub definition: Arc<EntityDefinition>,
    /// Its table.
    pub table: Table,
    /// Whether every change of the entity carries a row version (promise G3).
    pub versioned: bool,
    unknown_attributes: UnknownAttribute,
    primary_id_column: Option<u16>,
    /// Attribute names in definition order, so that a change whose attributes come in that order
    /// needs no look-up by hash.
    ordered: Vec<(CompactString, Target)>,
    by_name: HashMap<CompactString, usize>,
}

impl Mapping {
    /// A mapping of an entity to its table.
    pub fn new(
        definition: &EntityDefinition,
        table: Table,
        versioned: bool,
        unknown_attributes: UnknownAttribute,
    ) -> Self {
        let index = |name: &str| table.column_index(name).and_then(|at| u16::try_from(at).ok());
        let ordered: Vec<(CompactString, Target)> = definition
            .attributes
            .iter()
            .map(|attribute| {
                let target = match (attribute_columns(attribute), index(&attribute.name)) {
                    (AttributeColumns::One(column_type), Some(at)) => {
                        Target::Column(at, column_type)
                    }
                    (AttributeColumns::Lookup, Some(at)) => {
                        Target::Lookup(at, index(&entity_type_column(&attribute.name)))
                    }
                    _ => Target::Nowhere,
                };
                (attribute.name.clone(), target)
            })
            .collect();
        let by_name =
            ordered.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self {
            entity: definition.name.clone(),
            definition: Arc::new(definition.clone()),
            primary_id_column: index(&definition.primary_id),
            table,
            versioned,
            unknown_attributes,
            ordered,
            by_name,
        }
    }

    /// The change in terms of the table, or why it does not fit.
    ///
    /// # Errors
    /// A [`Rejection`] that names the column and the limit, never the value.
    pub fn apply(&self, change: Change) -> Result<Fitted, Rejection> {
        if change.payload_reference.is_some() {
            return Err(Rejection::of(Cause::Stripped));
        }
        let version = self.version(&change)?;
        let mut dropped_attributes = 0;
        let effect = match (change.operation, change.image) {
            (Operation::Delete, _) => Effect::Delete,
            (operation, Image::Full) => {
                let mut cells = self.cells(change.attributes, &mut dropped_attributes)?;
                self.set_primary_id(&mut cells, change.record_id);
                Effect::Image { create: operation == Operation::Create, cells }
            }
            (_, Image::Patch) => {
                Effect::Patch { cells: self.cells(change.attributes, &mut dropped_attributes)? }
            }
        };
        Ok(Fitted { record_id: change.record_id, version, effect, dropped_attributes })
    }

    fn version(&self, change: &Change) -> Result<Option<Version>, Rejection> {
        match (self.versioned, change.version) {
            (true, None) => Err(Rejection::in_column(VERSION_NUMBER, Cause::VersionMissing)),
            (false, Some(_)) => Err(Rejection::in_column(VERSION_NUMBER, Cause::VersionUnexpected)),
            (_, version) => Ok(version),
        }
    }

    fn cells(
        &self,
        attributes: Vec<(CompactString, Value)>,
        dropped: &mut u32,
    ) -> Result<Cells, Rejection> {
        // A lookup fills two columns, and the record's own id may be added. One cell too few here
        // would double what the batch holds in memory.
        let lookups = attributes.iter().filter(|(_, value)| matches!(value, Value::Lookup(_)));
        let mut cells: Cells = Vec::with_capacity(attributes.len() + lookups.count() + 1);
        let mut expected = 0;
        for (name, value) in attributes {
            let Some(at) = self.find(&name, expected) else {
                match self.unknown_attributes {
                    UnknownAttribute::Drop => *dropped += 1,
                    UnknownAttribute::Stop => {
                        let name = Shown(&name).to_compact_string();
                        return Err(Rejection::in_column(&name, Cause::UnknownAttribute));
                    }
                }
                continue;
            };
            expected = at + 1;
            self.push(&name, self.ordered[at].1, value, &mut cells)?;
        }
        if !cells.is_sorted_by_key(|(column, _)| *column) {
            cells.sort_by_key(|(column, _)| *column);
        }
        if let Some(pair) = cells.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let column = &self.table.columns[usize::from(pair[0].0)].name;
            return Err(Rejection::in_column(column, Cause::RepeatedAttribute));
        }
        Ok(cells)
    }

    /// The attribute of this name: most likely the next one, or near it where some are left out.
    fn find(&self, name: &str, expected: usize) -> Option<usize> {
        let near = self.ordered.iter().skip(expected).take(NEAR_ATTRIBUTES);
        match near.into_iter().position(|(candidate, _)| candidate == name) {
            Some(ahead) => Some(expected + ahead),
            None => self.by_name.get(name).copied(),
        }
    }

    fn push(
        &self,
        name: &str,
        target: Target,
        value: Value,
        cells: &mut Cells,
    ) -> Result<(), Rejection> {
        let rejected = |cause| Rejection::in_column(name, cause);
        match target {
            Target::Nowhere => {}
            Target::Column(at, column_type) => {
                cells.push((at, fit_value(value, column_type).map_err(rejected)?));
            }
            Target::Lookup(at, type_at) => {
                let (id, entity) = match value {
                    Value::Lookup(lookup) => (Cell::Guid(lookup.id), Some(lookup.entity)),
                    other => (fit_value(other, ColumnType::Guid).map_err(rejected)?, None),
                };
                // A reference that is cleared clears the entity it pointed to; one that came
                // without its entity says nothing of it.
                let entity_type = match entity {
                    Some(entity) => {
                        let column = ColumnType::Text { max_units: Some(ENTITY_TYPE_UNITS) };
                        Some(fit_value(Value::Text(entity), column).map_err(rejected)?)
                    }
                    None if id == Cell::Null => Some(Cell::Null),
                    None => None,
                };
                cells.push((at, id));
                if let (Some(type_at), Some(cell)) = (type_at, entity_type) {
                    cells.push((type_at, cell));
                }
            }
        }
        Ok(())
    }

    /// The native key column repeats the record's id (F40), whether the source sent it or not.
    fn set_primary_id(&self, cells: &mut Cells, record_id: RecordId) {
        let Some(column) = self.primary_id_column else {
            return;
        };
        match cells.binary_search_by_key(&column, |(at, _)| *at) {
            Ok(at) => cells[at].1 = Cell::Guid(record_id),
            Err(at) => cells.insert(at, (column, Cell::Guid(record_id))),
        }
    }
}

/// Bytes that the cells take in memory, for the budget.
pub fn memory_bytes(cells: &Cells) -> usize {
    let heap: usize = cells
        .iter()
        .map(|(_, cell)| match cell {
            Cell::Text(text) if text.is_heap_allocated() => text.len(),
            _ => 0,
        })
        .sum();
    heap + cells.capacity() * size_of::<(u16, Cell)>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entity::{Attribute, AttributeKind};
    use crate::model::value::Lookup;
    use uuid::Uuid;

    /// Lookups and numbers in turn; every third is left out of the change.
    fn mapping() -> Mapping {
        let attribute = |at: u32| Attribute {
            name: format!("a{at:02}").into(),
            kind: match at % 2 {
                0 => AttributeKind::Lookup { targets: Vec::new() },
                _ => AttributeKind::Integer,
            },
            labels: Vec::new(),
            origin: crate::model::entity::Origin::default(),
        };
        let definition = EntityDefinition {
            name: EntityName::new("account"),
            primary_id: "a99".into(),
            intersect: None,
            attributes: (0..60).chain([99]).map(attribute).collect(),
        };
        let table = Table::of(&definition, "public", None);
        Mapping::new(&definition, table, false, UnknownAttribute::Stop)
    }

    fn value(at: u32) -> Value {
        match at % 2 {
            0 => Value::Lookup(Box::new(Lookup {
                id: RecordId(Uuid::nil()),
                entity: "contact".into(),
            })),
            _ => Value::Integer(i32::try_from(at).unwrap()),
        }
    }

    #[test]
    fn a_change_takes_no_more_memory_than_its_cells() {
        let mapping = mapping();
        let named = |at: u32| (CompactString::from(format!("a{at:02}")), value(at));
        let attributes: Vec<_> = (0..60).filter(|at| at % 3 != 0).map(named).collect();
        let mut cells = mapping.cells(attributes, &mut 0).unwrap();
        mapping.set_primary_id(&mut cells, RecordId(Uuid::nil()));
        assert_eq!(cells.len(), 40 + 20 + 1);
        assert_eq!(memory_bytes(&cells), cells.len() * size_of::<(u16, Cell)>());
    }

    #[test]
    fn attributes_are_found_wherever_they_stand() {
        let mapping = mapping();
        for expected in 0..=mapping.ordered.len() {
            for (at, (name, _)) in mapping.ordered.iter().enumerate() {
                assert_eq!(mapping.find(name, expected), Some(at));
            }
            assert_eq!(mapping.find("b", expected), None);
        }
    }
}

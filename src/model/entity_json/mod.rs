//! Entity definitions from JSON, in the two shapes in which they are at hand.
//!
//! The Dataverse Web API's own answer (`EntityDefinitions`, one entity or a list under `value`,
//! with attributes, option sets and N:N relationships expanded), and a flat one that people can
//! write by hand (`Options` beside the attribute, a label as plain text). Both have the same names
//! for the same things, so one reader serves both. Promises: nothing is guessed, names are checked
//! and unique, and an error names the entity and the attribute.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use serde_json::Value;

use self::attribute::attribute;
use self::member::{Object, list, number, object, text};
use super::entity::{EntityDefinition, Intersect, IntersectSide};
use super::record::EntityName;
use super::shown::is_deceptive;

mod attribute;
mod member;

/// Largest document in bytes; the Web API's answer for one entity is below one million.
pub const MAX_DOCUMENT_BYTES: usize = 32 * 1_048_576;
/// Most attributes of one entity.
pub const MAX_ATTRIBUTES: usize = 4_096;
/// Longest name of an entity, attribute, option set or relationship, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The document is too large.
    #[error("the document has {0} bytes, the limit is {MAX_DOCUMENT_BYTES}")]
    TooLarge(usize),
    /// The document is no JSON.
    #[error("no JSON, at line {line}, column {column}")]
    NoJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A field that is needed is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value of another type.
    #[error("{field} must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A number outside of what it may be.
    #[error("{field} must be from {least} to {most}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Smallest value.
        least: i64,
        /// Largest value.
        most: i64,
    },
    /// A name that cannot be one.
    #[error(
        "{0} must have 1 to {MAX_NAME_BYTES} bytes, no control characters, nothing that turns \
         the direction of text, and no upper-case letters"
    )]
    Name(&'static str),
    /// The same thing twice.
    #[error("{0} stands twice")]
    Repeated(&'static str),
    /// Too many attributes.
    #[error("more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// A type of attribute that is not known.
    #[error("attributes of type {0} are not known: a newer version may know them")]
    UnknownType(CompactString),
    /// The primary id is no attribute of the entity.
    #[error("{0} is not among the Attributes: give the entity with all of them")]
    NoSuchAttribute(&'static str),
    /// An intersect entity without its relationship.
    #[error(
        "it is an intersect entity, and no ManyToManyRelationships of any entity names it as \
         IntersectEntityName"
    )]
    NoRelationship,
}

/// A definition that cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// The entity, as far as it is known.
    pub entity: Option<CompactString>,
    /// The attribute, where it is about one.
    pub attribute: Option<CompactString>,
    /// What is wrong.
    pub problem: Problem,
}

impl From<Problem> for DefinitionError {
    fn from(problem: Problem) -> Self {
        Self { entity: None, attribute: None, problem }
    }
}

impl std::fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.entity, &self.attribute) {
            (Some(entity), Some(attribute)) => {
                write!(f, "entity {entity:?}, attribute {attribute:?}: {}", self.problem)
            }
            (Some(entity), None) => write!(f, "entity {entity:?}: {}", self.problem),
            (None, Some(attribute)) => write!(f, "attribute {attribute:?}: {}", self.problem),
            (None, None) => write!(f, "entity definitions: {}", self.problem),
        }
    }
}

impl std::error::Error for DefinitionError {}

impl DefinitionError {
    fn in_entity(self, entity: &str) -> Self {
        Self { entity: Some(shortened(entity)), ..self }
    }

    fn in_attribute(self, attribute: &str) -> Self {
        Self { attribute: Some(shortened(attribute)), ..self }
    }
}

/// A name as far as an error repeats it.
fn shortened(name: &str) -> CompactString {
    name.chars().take(MAX_NAME_BYTES).collect()
}

/// The definitions of one document.
///
/// # Errors
/// [`DefinitionError`] names the place; nothing is read in part.
pub fn read_definitions(document: &[u8]) -> Result<Vec<EntityDefinition>, DefinitionError> {
    let mut reader = DefinitionReader::default();
    reader.add(document)?;
    reader.finish()
}

/// Definitions from several documents: an intersect entity and the relationship that makes it one
/// may stand in different ones.
#[derive(Debug, Default)]
pub struct DefinitionReader {
    definitions: Vec<Found>,
    relationships: HashMap<CompactString, Intersect>,
}

/// A definition whose relationship is not looked for yet.
#[derive(Debug)]
struct Found {
    definition: EntityDefinition,
    is_intersect: bool,
}

impl DefinitionReader {
    /// Reads one document.
    ///
    /// # Errors
    /// [`DefinitionError`] if the document is no JSON, too large, or a definition in it cannot be
    /// used; the reader is then of no more use.
    pub fn add(&mut self, document: &[u8]) -> Result<(), DefinitionError> {
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err(Problem::TooLarge(document.len()).into());
        }
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let json: Value = serde_json::from_slice(document).map_err(|error| {
            DefinitionError::from(Problem::NoJson { line: error.line(), column: error.column() })
        })?;
        self.add_json(&json)
    }

    /// Reads one document that is parsed already.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_json(&mut self, json: &Value) -> Result<(), DefinitionError> {
        match json {
            Value::Array(entities) => self.add_all(entities),
            Value::Object(members) => match members.get("value") {
                Some(Value::Array(entities)) => self.add_all(entities),
                Some(_) => {
                    Err(Problem::WrongType { field: "value", expected: "a list of entities" }
                        .into())
                }
                None => self.add_entity(members),
            },
            _ => Err(Problem::WrongType {
                field: "the document",
                expected: "an entity or a list of entities",
            }
            .into()),
        }
    }

    /// The definitions, in the order in which they were read.
    ///
    /// # Errors
    /// [`DefinitionError`] if an intersect entity has no relationship.
    pub fn finish(mut self) -> Result<Vec<EntityDefinition>, DefinitionError> {
        let mut definitions = Vec::with_capacity(self.definitions.len());
        for Found { mut definition, is_intersect } in self.definitions {
            let name = definition.name.as_str();
            definition.intersect = self.relationships.remove(name);
            match &definition.intersect {
                Some(intersect) => check_sides(&definition, intersect)?,
                None if is_intersect => {
                    return Err(DefinitionError::from(Problem::NoRelationship).in_entity(name));
                }
                None => {}
            }
            definitions.push(definition);
        }
        Ok(definitions)
    }

    fn add_all(&mut self, entities: &[Value]) -> Result<(), DefinitionError> {
        entities.iter().try_for_each(|entity| {
            let members = entity
                .as_object()
                .ok_or(Problem::WrongType { field: "an entity", expected: "an object" })?;
            self.add_entity(members)
        })
    }

    fn add_entity(&mut self, members: &Object) -> Result<(), DefinitionError> {
        let name = logical_name(text(members, "LogicalName")?, "LogicalName")?;
        let entity = self.entity(&name, members).map_err(|error| error.in_entity(&name))?;
        let known = |found: &Found| found.definition.name == entity.definition.name;
        if self.definitions.iter().any(known) {
            return Err(DefinitionError::from(Problem::Repeated("the entity")).in_entity(&name));
        }
        self.definitions.push(entity);
        Ok(())
    }

    fn entity(&mut self, name: &str, members: &Object) -> Result<Found, DefinitionError> {
        let primary_id = logical_name(text(members, "PrimaryIdAttribute")?, "PrimaryIdAttribute")?;
        let listed = list(members, "Attributes")?.ok_or(Problem::Missing("Attributes"))?;
        if listed.len() > MAX_ATTRIBUTES {
            return Err(Problem::TooManyAttributes.into());
        }
        let mut attributes = Vec::with_capacity(listed.len());
        let mut names = HashSet::new();
        for value in listed {
            let members = value
                .as_object()
                .ok_or(Problem::WrongType { field: "Attributes", expected: "a list of objects" })?;
            let name = logical_name(text(members, "LogicalName")?, "LogicalName of an attribute")?;
            let read = attribute(name.clone(), members)
                .map_err(|problem| DefinitionError::from(problem).in_attribute(&name))?;
            if !names.insert(name.clone()) {
                let error = DefinitionError::from(Problem::Repeated("the attribute"));
                return Err(error.in_attribute(&name));
            }
            attributes.push(read);
        }
        if !names.contains(&primary_id) {
            let error = DefinitionError::from(Problem::NoSuchAttribute("PrimaryIdAttribute"));
            return Err(error.in_attribute(&primary_id));
        }
        for relationship in list(members, "ManyToManyRelationships")?.unwrap_or_default() {
            self.relationship(object(relationship, "ManyToManyRelationships")?)?;
        }
        let is_intersect = members.get("IsIntersect").and_then(Value::as_bool).unwrap_or(false);
        let definition = EntityDefinition {
            name: EntityName::new(name),
            primary_id,
            intersect: None,
            attributes,
        };
        Ok(Found { definition, is_intersect })
    }

    /// Both sides of a relationship list it; they must agree.
    fn relationship(&mut self, members: &Object) -> Result<(), DefinitionError> {
        let side = |entity, attribute| -> Result<IntersectSide, Problem> {
            Ok(IntersectSide {
                entity: EntityName::new(&logical_name(text(members, entity)?, entity)?),
                attribute: logical_name(text(members, attribute)?, attribute)?,
            })
        };
        let intersect = Intersect {
            relationship: bounded_name(text(members, "SchemaName")?, "SchemaName")?,
            first: side("Entity1LogicalName", "Entity1IntersectAttribute")?,
            second: side("Entity2LogicalName", "Entity2IntersectAttribute")?,
        };
        let name = logical_name(text(members, "IntersectEntityName")?, "IntersectEntityName")?;
        if self.relationships.get(&name).is_some_and(|known| *known != intersect) {
            return Err(Problem::Repeated("the relationship, differently,").into());
        }
        self.relationships.insert(name, intersect);
        Ok(())
    }
}

fn check_sides(
    definition: &EntityDefinition,
    intersect: &Intersect,
) -> Result<(), DefinitionError> {
    for (side, field) in [
        (&intersect.first, "Entity1IntersectAttribute"),
        (&intersect.second, "Entity2IntersectAttribute"),
    ] {
        let known = definition.attributes.iter().any(|known| known.name == side.attribute);
        if !known {
            return Err(DefinitionError::from(Problem::NoSuchAttribute(field))
                .in_attribute(&side.attribute)
                .in_entity(definition.name.as_str()));
        }
    }
    Ok(())
}

/// A name of a length that every part can hold.
fn bounded_name(name: &str, field: &'static str) -> Result<CompactString, Problem> {
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(is_deceptive);
    if fits { Ok(CompactString::new(name)) } else { Err(Problem::Name(field)) }
}

/// A logical name; two that differ in case only would be one column.
fn logical_name(name: &str, field: &'static str) -> Result<CompactString, Problem> {
    let name = bounded_name(name, field)?;
    if name.chars().any(char::is_uppercase) { Err(Problem::Name(field)) } else { Ok(name) }
}

/// A whole number of that range.
fn ranged(
    members: &Object,
    field: &'static str,
    (least, most): (i64, i64),
) -> Result<Option<i64>, Problem> {
    match number(members, field)? {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Problem::OutOfRange { field, least, most })
        }
        value => Ok(value),
    }
}

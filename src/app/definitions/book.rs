//! What is known of the entities of one profile, and the mappings that follow from it.
//!
//! Definitions come from files and from a topic; of an entity that both define, the topic's counts.
//! An attribute that a newer definition lacks is kept as it was: its column stays, and changes that
//! still name it fit. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::entity::EntityDefinition;
use crate::model::mapping::Mapping;
use crate::model::profile::Profile;
use crate::model::record::EntityName;
use crate::model::table::Table;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct DefinitionBook {
    files: BTreeMap<EntityName, EntityDefinition>,
    published: BTreeMap<EntityName, EntityDefinition>,
    mapped: BTreeMap<EntityName, Mapped>,
}

/// A mapping that was made, with the attributes that a later definition lacks.
#[derive(Clone, Debug)]
struct Mapped {
    mapping: Arc<Mapping>,
    /// How many of its attributes, the first ones, the definition states; the rest is kept.
    stated: usize,
}

/// How an entity's definition differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The entity.
    pub entity: EntityName,
    /// Attributes that are new.
    pub added: Vec<String>,
    /// Attributes that are of another type, length, precision, or have other labels or options.
    pub changed: Vec<String>,
    /// Attributes that are gone.
    pub removed: Vec<String>,
}

impl DefinitionBook {
    /// What the files say now, all of them.
    pub fn put_files(&mut self, definitions: Vec<EntityDefinition>) {
        self.files = definitions.into_iter().map(|it| (it.name.clone(), it)).collect();
    }

    /// What the topic says now of one entity.
    pub fn put_published(&mut self, definition: EntityDefinition) {
        self.published.insert(definition.name.clone(), definition);
    }

    /// Every definition.
    pub fn definitions(&self) -> impl Iterator<Item = &EntityDefinition> {
        let files = self.files.iter().filter(|(name, _)| !self.published.contains_key(*name));
        files.map(|(_, definition)| definition).chain(self.published.values())
    }

    /// The names of the profile's entities that nothing defines.
    pub fn missing(&self, profile: &Profile) -> Vec<EntityName> {
        let names = profile.entities.iter().map(|entity| EntityName::new(&entity.name));
        names.filter(|name| self.find(name).is_none()).collect()
    }

    /// One mapping per entity of the profile that is defined, in its order, and how they differ
    /// from those that were made before. What did not change is the same mapping as before.
    pub fn mappings(&mut self, profile: &Profile) -> (Vec<Arc<Mapping>>, Vec<Difference>) {
        let (mut mappings, mut differences) = (Vec::new(), Vec::new());
        for entity in &profile.entities {
            let name = EntityName::new(&entity.name);
            let Some(definition) = self.find(&name) else { continue };
            let stated = definition.attributes.len();
            let former = self.mapped.get(&name);
            let definition = with_kept(definition, former.map(|it| it.mapping.definition.as_ref()));
            let mapping = match former {
                Some(former) if *former.mapping.definition == definition => {
                    Arc::clone(&former.mapping)
                }
                _ => {
                    differences
                        .extend(former.map(|former| difference(former, &definition, stated)));
                    Arc::new(mapping(profile, &definition, entity.versioned))
                }
            };
            self.mapped.insert(name, Mapped { mapping: Arc::clone(&mapping), stated });
            mappings.push(mapping);
        }
        (mappings, differences)
    }

    fn find(&self, name: &EntityName) -> Option<&EntityDefinition> {
        self.published.get(name).or_else(|| self.files.get(name))
    }
}

fn mapping(profile: &Profile, definition: &EntityDefinition, versioned: bool) -> Mapping {
    let layout = &profile.layout;
    let mut table = Table::of(definition, &layout.schema, layout.prefix.as_deref());
    table.deletes = profile.deletes();
    table.widen = profile.widen;
    Mapping::new(definition, table, versioned, profile.unknown_attributes)
}

/// A definition, followed by the attributes that only the former one has.
fn with_kept(newer: &EntityDefinition, former: Option<&EntityDefinition>) -> EntityDefinition {
    let mut definition = newer.clone();
    let former = former.map(|it| it.attributes.as_slice()).unwrap_or_default();
    let kept = former.iter().filter(|it| newer.attributes.iter().all(|new| new.name != it.name));
    definition.attributes.extend(kept.cloned());
    definition
}

/// The first `stated` attributes of `newer` are those that its definition states; the rest is kept.
fn difference(former: &Mapped, newer: &EntityDefinition, stated: usize) -> Difference {
    let before = &former.mapping.definition.attributes;
    let find = |name: &str| before.iter().position(|attribute| attribute.name == name);
    let mut difference = Difference {
        entity: newer.name.clone(),
        added: Vec::new(),
        changed: Vec::new(),
        removed: Vec::new(),
    };
    for (at, attribute) in newer.attributes.iter().enumerate() {
        let list = match find(&attribute.name) {
            None => &mut difference.added,
            Some(found) if at >= stated && found < former.stated => &mut difference.removed,
            Some(found) if before[found] != *attribute => &mut difference.changed,
            Some(_) => continue,
        };
        list.push(attribute.name.to_string());
    }
    difference
}

#[cfg(test)]
#[path = "book_test.rs"]
mod tests;

//! What a decoder is told in advance, for it may ask nobody.

use std::collections::HashMap;

use compact_str::CompactString;

use super::contract::{Contract, SchemaId};
use super::limit::DEFAULT_MAX_PAYLOAD_BYTES;
use crate::model::entity::{EntityDefinition, Intersect};
use crate::model::record::EntityName;

/// What a decoder is told.
#[derive(Clone, Debug)]
pub struct DecoderSettings {
    /// Largest payload in bytes.
    pub max_payload_bytes: usize,
    /// Schemas by the id that a registry gave them. No registry is ever asked.
    pub schemas: HashMap<SchemaId, Contract>,
    /// The N:N relationships whose links are wanted.
    pub relationships: Relationships,
    /// Alias of the post image that the source's steps were registered with. It is a full image,
    /// and used instead of the sparse target where a notification has it.
    pub post_image_alias: Option<CompactString>,
    /// Alias of the pre image, from which a delete gets its row version.
    pub pre_image_alias: Option<CompactString>,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self {
            max_payload_bytes: DEFAULT_MAX_PAYLOAD_BYTES,
            schemas: HashMap::new(),
            relationships: Relationships::default(),
            post_image_alias: None,
            pre_image_alias: None,
        }
    }
}

/// N:N relationships by their schema name, in any case of its letters.
#[derive(Clone, Debug, Default)]
pub struct Relationships {
    by_name: HashMap<CompactString, Relationship>,
}

/// One N:N relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relationship {
    /// Its intersect entity.
    pub entity: EntityName,
    /// Its two sides.
    pub intersect: Intersect,
}

impl Relationships {
    /// The relationships of all intersect entities among the definitions.
    pub fn of<'a>(definitions: impl IntoIterator<Item = &'a EntityDefinition>) -> Self {
        let by_name = definitions
            .into_iter()
            .filter_map(|definition| {
                let intersect = definition.intersect.clone()?;
                let name = intersect.relationship.to_ascii_lowercase();
                Some((name, Relationship { entity: definition.name.clone(), intersect }))
            })
            .collect();
        Self { by_name }
    }

    /// The relationship of that schema name.
    pub(super) fn get(&self, name: &str) -> Option<&Relationship> {
        self.by_name.get(name.to_ascii_lowercase().as_str())
    }
}

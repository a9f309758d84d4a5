//! The fields of an entity as the demo's organisation fills them.

use compact_str::CompactString;

use super::maker::{Maker, maker};
use crate::model::entity::{AttributeKind, EntityDefinition};

/// One field of the records of one entity.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Logical name.
    pub(super) name: CompactString,
    /// Its type in the source.
    pub(super) kind: AttributeKind,
    /// How its values are made.
    pub(super) maker: Maker,
    /// How often in a thousand it is filled.
    pub(super) fill: usize,
    /// Digits after the point that its column shows; 0 for what is no number.
    pub(super) places: u8,
}

impl Field {
    /// Whether the database has a column for it.
    pub(super) fn has_column(&self) -> bool {
        // Pictures and what the source computes when it is asked have none.
        !matches!(self.kind, AttributeKind::NoColumn | AttributeKind::Image)
            && self.name != "versionnumber"
    }

    /// Whether the database has a second column, for the entity that it refers to.
    pub(super) fn is_link(&self) -> bool {
        matches!(self.kind, AttributeKind::Lookup { .. })
    }

    /// Longest text in UTF-16 units.
    pub(super) fn max_units(&self) -> Option<usize> {
        match self.kind {
            AttributeKind::Text { max_length } => {
                Some(usize::try_from(max_length.unwrap_or(4_000)).unwrap_or(4_000))
            }
            _ => None,
        }
    }

    /// Whether a user may change it later.
    pub(super) fn is_editable(&self) -> bool {
        !matches!(
            self.maker,
            Maker::Never | Maker::OwnId | Maker::Ruled | Maker::MadeAt | Maker::ChangedAt
        ) && !matches!(self.name.as_str(), "createdby" | "accountnumber" | "productnumber")
    }
}

/// The fields of an entity, in the order of its definition.
pub(super) fn fields(definition: &EntityDefinition) -> Vec<Field> {
    let field = |attribute: &crate::model::entity::Attribute| {
        let (maker, fill) = maker(attribute, &definition.primary_id);
        let places = match attribute.kind {
            AttributeKind::Decimal { precision }
            | AttributeKind::Double { precision }
            | AttributeKind::Money { precision } => precision,
            _ => 0,
        };
        Field { name: attribute.name.clone(), kind: attribute.kind.clone(), maker, fill, places }
    };
    definition.attributes.iter().map(field).collect()
}

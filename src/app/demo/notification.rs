//! From what the organisation says to records of the log: our own Avro for versioned entities,
//! Dataverse's own JSON for the others.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use uuid::Uuid;

use super::organisation::{Item, Kept};
use crate::codec::{
    DataverseOrigin, NotExpressible, encode_change, encode_dataverse, encode_marker,
};
use crate::model::change::Change;
use crate::model::entity::EntityDefinition;

/// Alias of the post image, as the demo's settings file names it.
const POST_IMAGE_ALIAS: CompactString = CompactString::const_new("PostImage");

/// Encodes what the organisation says.
pub(super) struct Encoder {
    definitions: Vec<Arc<EntityDefinition>>,
    origin: DataverseOrigin,
}

impl Encoder {
    /// An encoder of these entities, in the order of [`Kept::ALL`].
    pub(super) fn new(definitions: Vec<Arc<EntityDefinition>>) -> Self {
        let origin = DataverseOrigin {
            organization_id: Uuid::nil(),
            organization_name: "rivermark".into(),
            user_id: Uuid::from_u128(0x1f0e_8a44_9c1d_4f67_8a35_52d1_0b6e_7a01),
            business_unit_id: Uuid::from_u128(0x5b1c_77f2_03de_4c80_9e11_a4f7_6d20_7a02),
            post_image_alias: Some(POST_IMAGE_ALIAS),
        };
        Self { definitions, origin }
    }

    /// The key of an item; markers have none, and go to every partition.
    pub(super) fn key(item: &Item) -> Option<Bytes> {
        match item {
            Item::Change(_, change) => Some(Bytes::from(change.record_id.canonical())),
            Item::Marker(..) => None,
        }
    }

    /// The payload of an item.
    ///
    /// # Errors
    /// If a change has no place in its encoding, which would be a fault of the generator.
    pub(super) fn payload(&self, item: &Item) -> Result<Bytes, NotExpressible> {
        match item {
            Item::Marker(_, marker) => Ok(encode_marker(marker).into()),
            Item::Change(kept, change) if kept.is_versioned() => Ok(encode_change(change).into()),
            Item::Change(kept, change) => self.dataverse(*kept, change),
        }
    }

    fn dataverse(&self, kept: Kept, change: &Change) -> Result<Bytes, NotExpressible> {
        let definition = self.definitions.get(kept as usize).ok_or(NotExpressible::Nothing)?;
        encode_dataverse(change, definition, &self.origin).map(Bytes::from)
    }
}

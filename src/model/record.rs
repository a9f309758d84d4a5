//! What a change is about: a record in the source, named by its entity and id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// Logical name of an entity of the source (`contact`). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName(Arc<str>);

impl EntityName {
    /// Wraps a logical name as given.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for EntityName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Id of a record: the source's GUID. Its text on the log is canonical lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub Uuid);

impl RecordId {
    /// Reads the only accepted text of a key: 36 characters, lower case, with hyphens.
    /// Anything else is a producer fault (design §4) and gives `None`, and so does the nil id: it is
    /// no record's, and stands for "not known" in the own tables.
    pub fn from_canonical(text: &[u8]) -> Option<Self> {
        if text.len() != 36 || text.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        let id = Uuid::try_parse_ascii(text).ok()?;
        (!id.is_nil()).then_some(Self(id))
    }

    /// The bytes of the canonical text, for a key on the log.
    pub fn canonical(self) -> String {
        self.0.hyphenated().to_string()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl FromStr for RecordId {
    type Err = uuid::Error;

    /// Reads any usual spelling of a GUID (upper case, braces).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// Namespace of link ids, fixed for ever (`schemas/README.md`).
pub const LINK_NAMESPACE: Uuid = Uuid::from_u128(0x6b65_6570_7374_5570_8c1f_6c69_6e6b_0001);

/// Record id of an N:N link: UUIDv5 of the intersect entity and both ids, in the order in which
/// the relationship names its two entities.
pub fn link_id(intersect: &str, first: RecordId, second: RecordId) -> RecordId {
    let name = format!("{intersect}/{first}/{second}");
    RecordId(Uuid::new_v5(&LINK_NAMESPACE, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_a_key() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(RecordId::from_canonical(id.as_bytes()).unwrap().canonical(), id);
        for wrong in [
            "",
            "0F8FAD5B-D9CB-469F-A165-70867728950E",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}",
            "0f8fad5bd9cb469fa16570867728950e",
            "0f8fad5b-d9cb-469f-a165-70867728950g",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(RecordId::from_canonical(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn link_ids_depend_on_every_part_and_never_change() {
        let (a, b) = (RecordId(Uuid::from_u128(1)), RecordId(Uuid::from_u128(2)));
        assert_ne!(link_id("accountleads", a, b), link_id("accountleads", b, a));
        assert_ne!(link_id("accountleads", a, b), link_id("contactleads", a, b));
        assert_eq!(
            link_id("accountleads", a, b).canonical(),
            link_id("accountleads", a, b).canonical()
        );
    }
}

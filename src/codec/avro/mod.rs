//! Our own Avro, version 1 of the schemas: bare binary in, notifications in single-object framing
//! out. Knows nothing of framings other than its own, and nothing of registries.

pub(super) mod cursor;
pub(super) mod dead_letter;
pub(super) mod decode;
pub(super) mod encode;
pub(super) mod entity_metadata;

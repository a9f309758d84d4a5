//! What a decoder accepts at most. Everything beyond is refused by name, before memory is taken.

use super::error::{DecodeCode, DecodeError, Name};

/// Largest payload by default, in bytes; a setting. Kafka's own default for a record is as large.
pub const DEFAULT_MAX_PAYLOAD_BYTES: usize = 1_048_576;
/// Most attributes of one change. A wide entity of a real CRM has a few hundred.
pub const MAX_ATTRIBUTES: usize = 4_096;
/// Most changes of one notification (links of one request).
pub const MAX_CHANGES: usize = 4_096;
/// Longest name of an entity, attribute or relationship, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Longest reference to a payload that lies elsewhere, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 2_048;
/// Largest dead letter, in bytes: the largest notification that can be set, and what is said of it.
pub const MAX_DEAD_LETTER_BYTES: usize = 17 * 1024 * 1024;
/// Longest name of a topic, in bytes. Kafka allows no longer one.
pub const MAX_TOPIC_BYTES: usize = 249;
/// Deepest nesting of JSON, in objects and lists.
pub const MAX_DEPTH: usize = 128;
/// Most entity names that a decoder keeps; beyond that each change makes its own.
pub const MAX_KEPT_ENTITY_NAMES: usize = 256;

/// Refuses a name that is empty or too long.
pub(super) fn checked_name(name: &str) -> Result<(), DecodeError> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(DecodeError::new(
        DecodeCode::NameLength,
        format_args!(
            "name {} of {} bytes, allowed are 1 to {MAX_NAME_BYTES}",
            Name(name),
            name.len()
        ),
    ))
}

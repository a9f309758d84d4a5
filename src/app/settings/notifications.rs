//! `[notifications]`: how notifications are read, whatever log they come from.

use std::path::PathBuf;

use compact_str::CompactString;
use uuid::Uuid;

use super::reader::TableReader;
use super::reading::{Complaint, Field, Found, Reading};
use crate::codec::SchemaId;

const HEADING: (&str, &str) = ("[notifications]", "How notifications are read.");
const SCHEMAS: (&str, &str) = (
    "[notifications.schemas]",
    "Avro schemas by the id that a registry gave them: Confluent's number or Azure's 32 hexadecimal \
     digits, and a file with the schema's text as the registry returns it (`17 = \"change.avsc\"`). \
     keepstep never asks a registry.",
);

/// How notifications are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSettings {
    /// Largest payload, in bytes.
    pub max_bytes: usize,
    /// Alias of the post image of Dataverse's steps, if they have one.
    pub post_image_alias: Option<CompactString>,
    /// Alias of the pre image of Dataverse's steps, if they have one.
    pub pre_image_alias: Option<CompactString>,
    /// Files with schemas, by their ids.
    pub schemas: Vec<(SchemaId, PathBuf)>,
}

/// Reads `[notifications]` and `[notifications.schemas]`.
pub(super) fn read(
    reading: &mut Reading,
    found: Option<Found<'_>>,
) -> Option<NotificationSettings> {
    let mut table = TableReader::new(reading, HEADING, "notifications", found);
    let max_bytes = table.whole(
        "max_bytes",
        1_024..=16_777_216,
        1_048_576,
        "Largest notification. A larger one is rejected.",
    );
    let alias = |text: &str| Ok(CompactString::new(text));
    let post_image_alias = table.text(
        Field::optional(
            "post_image_alias",
            "a text",
            "For Dataverse's own JSON: alias of the post image that the steps were registered \
             with. It holds the whole record and is used instead of the changed attributes.",
        ),
        alias,
    );
    let pre_image_alias = table.text(
        Field::optional(
            "pre_image_alias",
            "a text",
            "For Dataverse's own JSON: alias of the pre image. It gives a delete its row version.",
        ),
        alias,
    );
    let schemas = table.table("schemas");
    table.finish();
    let schemas = read_schemas(reading, schemas);
    let max_bytes = usize::try_from(max_bytes).ok()?;
    Some(NotificationSettings { max_bytes, post_image_alias, pre_image_alias, schemas })
}

fn read_schemas(reading: &mut Reading, found: Option<Found<'_>>) -> Vec<(SchemaId, PathBuf)> {
    let mut table = TableReader::new(reading, SCHEMAS, "notifications.schemas", found);
    let mut schemas = Vec::new();
    for (name, path) in table.named_texts() {
        if let Some(id) = parse_id(&name) {
            schemas.push((id, PathBuf::from(path)));
        } else {
            let hint = "write Confluent's number or Azure's 32 hexadecimal digits";
            table.mistake(&name, Complaint::new("is no id of a registry", hint));
        }
    }
    table.finish();
    schemas
}

fn parse_id(text: &str) -> Option<SchemaId> {
    if text.len() == 32 {
        return Uuid::try_parse(text).ok().map(SchemaId::Azure);
    }
    text.parse().ok().map(SchemaId::Confluent)
}

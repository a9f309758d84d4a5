//! One record of a topic as `inspect` shows it: a line per change, or a JSON object per change.
//!
//! Without being asked for content it shows none: names, sizes and counts only.

use serde_json::json;

use super::text::{time_text, value_json};
use crate::codec::DecodeError;
use crate::log::LogRecord;
use crate::model::change::{Change, Image, Notification, Operation, SnapshotMarker, SnapshotPhase};
use crate::model::position::TopicPartition;

/// How records are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Whether values are shown.
    pub content: bool,
    /// Whether as JSON.
    pub json: bool,
    /// Width of the first column.
    pub position_width: usize,
}

/// A record and what it decoded to; `None` for a null payload.
pub(super) struct Shown<'a> {
    /// Where it lies.
    pub topic_partition: &'a TopicPartition,
    /// The record.
    pub record: &'a LogRecord,
    /// What it says.
    pub decoded: Option<Result<Notification, DecodeError>>,
}

impl Shown<'_> {
    /// The lines of the record.
    pub(super) fn lines(&self, style: Style) -> Vec<String> {
        if style.json {
            return self.objects(style).iter().map(ToString::to_string).collect();
        }
        let position = self.topic_partition.at(self.record.offset).to_string();
        let time = time_text(self.record.timestamp_ms);
        let begin = format!("{position:width$}  {time}", width = style.position_width);
        match &self.decoded {
            None => vec![format!("{begin}  null payload{}", self.key_note(None))],
            Some(Err(error)) => vec![format!("{begin}  cannot be decoded: {error}")],
            Some(Ok(Notification::Marker(marker))) => {
                vec![format!("{begin}  {}", of_marker(marker))]
            }
            Some(Ok(Notification::OtherLinks { relationship })) => {
                vec![format!("{begin}  links of {relationship}, which no definition knows")]
            }
            Some(Ok(Notification::Change(change))) => self.of_change(&begin, change, style),
            Some(Ok(Notification::Changes(changes))) => {
                changes.iter().flat_map(|change| self.of_change(&begin, change, style)).collect()
            }
        }
    }

    fn of_change(&self, begin: &str, change: &Change, style: Style) -> Vec<String> {
        let version = change.version.map_or("-".to_owned(), |version| version.0.to_string());
        let attributes = match change.attributes.len() {
            1 => "1 attribute".to_owned(),
            count => format!("{count} attributes"),
        };
        let mut lines = vec![format!(
            "{begin}  {:14}  {} {}  version {version}  {attributes}{}",
            operation(change),
            change.entity,
            change.record_id,
            self.key_note(Some(change))
        )];
        if style.content {
            let values = change.attributes.iter();
            lines.extend(values.map(|(name, value)| format!("    {name} = {}", value_json(value))));
        }
        lines
    }

    fn key_note(&self, change: Option<&Change>) -> &'static str {
        match (&self.record.key, change) {
            (None, _) => "  NO KEY",
            (Some(key), Some(change))
                if key.as_ref() != change.record_id.canonical().as_bytes() =>
            {
                "  KEY IS NOT THE RECORD'S ID"
            }
            _ => "",
        }
    }

    fn objects(&self, style: Style) -> Vec<serde_json::Value> {
        let base = json!({
            "topic": self.topic_partition.topic.as_str(),
            "partition": self.topic_partition.partition.0,
            "offset": self.record.offset.0,
            "time": time_text(self.record.timestamp_ms),
            "bytes": self.record.size_bytes(),
            "has_key": self.record.key.is_some(),
        });
        let with = |more: serde_json::Value| {
            let mut object = base.clone();
            if let (Some(object), serde_json::Value::Object(more)) = (object.as_object_mut(), more)
            {
                object.extend(more);
            }
            object
        };
        match &self.decoded {
            None => vec![with(json!({"kind": "null"}))],
            Some(Err(error)) => vec![with(json!({
                "kind": "undecodable", "code": error.code.as_str(), "detail": error.detail.as_str(),
            }))],
            Some(Ok(Notification::Marker(marker))) => vec![with(json!({
                "kind": "marker", "entity": marker.entity.as_str(),
                "phase": phase(marker), "sync_id": marker.sync_id.to_string(),
            }))],
            Some(Ok(Notification::OtherLinks { relationship })) => {
                vec![with(json!({"kind": "other_links", "relationship": relationship.as_str()}))]
            }
            Some(Ok(Notification::Change(change))) => {
                vec![with(self.object_of_change(change, style))]
            }
            Some(Ok(Notification::Changes(changes))) => {
                changes.iter().map(|change| with(self.object_of_change(change, style))).collect()
            }
        }
    }

    fn object_of_change(&self, change: &Change, style: Style) -> serde_json::Value {
        let key = self.record.key.as_ref();
        let mut object = json!({
            "kind": "change",
            "entity": change.entity.as_str(),
            "record_id": change.record_id.canonical(),
            "operation": change.operation.as_str(),
            "image": if change.image == Image::Full { "full" } else { "patch" },
            "row_version": change.version.map(|version| version.0),
            "key_is_record_id":
                key.is_some_and(|key| key.as_ref() == change.record_id.canonical().as_bytes()),
            "attribute_count": change.attributes.len(),
        });
        if style.content {
            let attributes = change.attributes.iter();
            let attributes: serde_json::Map<_, _> =
                attributes.map(|(name, value)| (name.to_string(), value_json(value))).collect();
            object["attributes"] = attributes.into();
        }
        object
    }
}

/// `update patch`; a delete has no image.
fn operation(change: &Change) -> String {
    match (change.operation, change.image) {
        (Operation::Delete, _) => "delete".to_owned(),
        (operation, Image::Full) => format!("{} full", operation.as_str()),
        (operation, Image::Patch) => format!("{} patch", operation.as_str()),
    }
}

fn of_marker(marker: &SnapshotMarker) -> String {
    format!(
        "{:14}  {} sync {}",
        format!("{} of sync", phase(marker)),
        marker.entity,
        marker.sync_id
    )
}

fn phase(marker: &SnapshotMarker) -> &'static str {
    match marker.phase {
        SnapshotPhase::Begin => "begin",
        SnapshotPhase::End => "end",
    }
}

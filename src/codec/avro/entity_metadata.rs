//! Entity definitions as Avro in single-object framing, version 1 of `entity_metadata.avsc`.
//!
//! What is read is handed on in the shape of the Web API's answer, whose reader
//! (`model::entity_json`) checks names, lengths and types: one place knows what a definition may
//! say. Promises: what is written of a definition is read back the same; no input makes the reader
//! panic or take memory beyond its limits; an error names the field and the byte, never content.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::cursor::AvroCursor;
use super::encode::{length, long, optional, text};
use crate::codec::contract::{ENTITY_METADATA_FINGERPRINT, SINGLE_OBJECT, SINGLE_OBJECT_BYTES};
use crate::codec::error::{DecodeCode, DecodeError};
use crate::model::entity::{
    Attribute, AttributeKind, ChoiceOption, EntityDefinition, IntersectSide, Label,
};

/// Most attributes, options, labels and targets of one definition, all together.
const MOST_ITEMS: usize = 500_000;
/// Fewest bytes of an attribute, an option, a label, a target.
const ATTRIBUTE_BYTES: usize = 10;
const OPTION_BYTES: usize = 3;
const LABEL_BYTES: usize = 2;
const TARGET_BYTES: usize = 1;
/// Types whose names the reader of definitions knows.
const KNOWN_TYPES: [&str; 22] = [
    "Boolean",
    "Integer",
    "BigInt",
    "Decimal",
    "Double",
    "Money",
    "String",
    "Memo",
    "Uniqueidentifier",
    "DateTime",
    "Lookup",
    "Customer",
    "Owner",
    "Picklist",
    "State",
    "Status",
    "MultiSelectPicklist",
    "PartyList",
    "EntityName",
    "Image",
    "File",
    "CalendarRules",
];

/// A definition as the payload of a record.
pub(in crate::codec) fn encode(definition: &EntityDefinition) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * definition.attributes.len() + 256);
    out.extend_from_slice(&SINGLE_OBJECT);
    out.extend_from_slice(&ENTITY_METADATA_FINGERPRINT);
    text(&mut out, definition.name.as_str());
    // Organisation and time: nobody here knows them.
    out.extend_from_slice(&[0, 0]);
    text(&mut out, &definition.primary_id);
    optional(&mut out, definition.intersect.as_ref(), |out, intersect| {
        text(out, &intersect.relationship);
        let side = |out: &mut Vec<u8>, side: &IntersectSide| {
            text(out, side.entity.as_str());
            text(out, &side.attribute);
        };
        side(out, &intersect.first);
        side(out, &intersect.second);
    });
    list(&mut out, &definition.attributes, attribute);
    out
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: fn(&mut Vec<u8>, &T)) {
    if !items.is_empty() {
        length(out, items.len());
        items.iter().for_each(|item| write(out, item));
    }
    out.push(0);
}

fn attribute(out: &mut Vec<u8>, attribute: &Attribute) {
    use AttributeKind::{Decimal, Double, Lookup, Money, Text};
    let kind = &attribute.kind;
    text(out, &attribute.name);
    text(out, attribute.type_name());
    let max_length = match kind {
        Text { max_length } => *max_length,
        _ => None,
    };
    optional(out, max_length, |out, length| long(out, i64::from(length)));
    let precision = match kind {
        Decimal { precision } | Double { precision } | Money { precision } => Some(*precision),
        _ => None,
    };
    optional(out, precision, |out, precision| long(out, i64::from(precision)));
    let targets = match kind {
        Lookup { targets } => targets.as_slice(),
        _ => &[],
    };
    list(out, targets, |out, target| text(out, target));
    optional(out, attribute.option_set(), |out, name| text(out, name));
    list(out, attribute.options(), option);
    list(out, &attribute.labels, label);
    out.push(u8::from(attribute.origin.global_option_set));
    optional(out, attribute.origin.metadata_id, |out, id| out.extend_from_slice(id.as_bytes()));
}

fn option(out: &mut Vec<u8>, option: &ChoiceOption) {
    long(out, i64::from(option.value));
    optional(out, option.state, |out, state| long(out, i64::from(state)));
    list(out, &option.labels, label);
}

fn label(out: &mut Vec<u8>, label: &Label) {
    long(out, i64::from(label.language));
    text(out, &label.text);
}

/// What the payload says, as the Web API would.
pub(in crate::codec) fn decode(payload: &[u8]) -> Result<Value, DecodeError> {
    let Some((framing, bare)) = payload.split_at_checked(SINGLE_OBJECT_BYTES) else {
        return Err(DecodeError::new(DecodeCode::Truncated, format_args!("single-object framing")));
    };
    let (mark, fingerprint) = framing.split_at(SINGLE_OBJECT.len());
    if mark != SINGLE_OBJECT || fingerprint != ENTITY_METADATA_FINGERPRINT {
        let detail = format_args!("not keepstep.v1.EntityMetadata in single-object framing");
        return Err(DecodeError::new(DecodeCode::UnknownSchema, detail));
    }
    let mut reader = Reader { cursor: AvroCursor::new(bare), field: "", items: 0 };
    reader.entity().map_err(|code| {
        let offset = SINGLE_OBJECT_BYTES + reader.cursor.offset();
        DecodeError::new(code, format_args!("field {}, at byte {offset}", reader.field))
    })
}

/// A cursor that remembers what it is reading, for errors.
struct Reader<'a> {
    cursor: AvroCursor<'a>,
    field: &'static str,
    items: usize,
}

impl<'a> Reader<'a> {
    fn entity(&mut self) -> Result<Value, DecodeCode> {
        let name = self.text("entity")?;
        self.field = "organization_id";
        self.optional(|reader| reader.cursor.fixed::<16>())?;
        self.field = "defined_at";
        self.optional(|reader| reader.cursor.long())?;
        let primary_id = self.text("primary_id")?;
        self.field = "intersect";
        let intersect = self.optional(|reader| reader.intersect(name))?;
        let attributes = self.list("attributes", ATTRIBUTE_BYTES, Self::attribute)?;
        self.field = "end";
        if self.cursor.remaining() != 0 {
            return Err(DecodeCode::Trailing);
        }
        Ok(json!({
            "LogicalName": name,
            "PrimaryIdAttribute": primary_id,
            "Attributes": attributes,
            "IsIntersect": intersect.is_some(),
            "ManyToManyRelationships": intersect.into_iter().collect::<Vec<Value>>(),
        }))
    }

    fn intersect(&mut self, name: &str) -> Result<Value, DecodeCode> {
        let relationship = self.text("intersect relationship")?;
        let first = (self.text("intersect first")?, self.text("intersect first")?);
        let second = (self.text("intersect second")?, self.text("intersect second")?);
        Ok(json!({
            "SchemaName": relationship,
            "IntersectEntityName": name,
            "Entity1LogicalName": first.0,
            "Entity1IntersectAttribute": first.1,
            "Entity2LogicalName": second.0,
            "Entity2IntersectAttribute": second.1,
        }))
    }

    fn attribute(&mut self) -> Result<Value, DecodeCode> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("LogicalName", self.text("attribute name")?.into());
        let kind = self.text("attribute kind")?;
        // What a newer source has is no column here.
        let known = KNOWN_TYPES.contains(&kind);
        put("AttributeType", if known { kind } else { "Virtual" }.into());
        self.field = "attribute max_length";
        if let Some(length) = self.optional(|reader| reader.cursor.int())? {
            put("MaxLength", length.into());
        }
        self.field = "attribute precision";
        if let Some(precision) = self.optional(|reader| reader.cursor.int())? {
            put("Precision", precision.into());
        }
        let target = |reader: &mut Self| Ok(Value::from(reader.cursor.text()?));
        put("Targets", self.list("attribute targets", TARGET_BYTES, target)?.into());
        self.field = "attribute option_set";
        let set_name = self.optional(|reader| reader.cursor.text())?;
        let options = self.list("attribute options", OPTION_BYTES, Self::option)?;
        let labels = self.list("attribute labels", LABEL_BYTES, Self::label)?;
        put("DisplayName", json!({ "LocalizedLabels": labels }));
        self.field = "attribute global_option_set";
        let is_global = self.cursor.boolean()?;
        put("OptionSet", json!({ "Name": set_name, "IsGlobal": is_global, "Options": options }));
        self.field = "attribute metadata_id";
        if let Some(id) = self.optional(|reader| reader.cursor.fixed::<16>())? {
            put("MetadataId", Uuid::from_bytes(*id).to_string().into());
        }
        Ok(Value::Object(members))
    }

    fn option(&mut self) -> Result<Value, DecodeCode> {
        let value = self.cursor.int()?;
        let state = self.optional(|reader| reader.cursor.int())?;
        let labels = self.list("option labels", LABEL_BYTES, Self::label)?;
        Ok(json!({ "Value": value, "State": state, "Label": { "LocalizedLabels": labels } }))
    }

    fn label(&mut self) -> Result<Value, DecodeCode> {
        let language = self.cursor.int()?;
        Ok(json!({ "LanguageCode": language, "Label": self.cursor.text()? }))
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeCode> {
        self.field = field;
        self.cursor.text()
    }

    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeCode>,
    ) -> Result<Option<T>, DecodeCode> {
        match self.cursor.index(2)? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn list(
        &mut self,
        field: &'static str,
        item_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<Value, DecodeCode>,
    ) -> Result<Vec<Value>, DecodeCode> {
        self.field = field;
        let mut items = Vec::new();
        loop {
            let count = self.cursor.block(item_bytes)?;
            if count == 0 {
                return Ok(items);
            }
            if count > MOST_ITEMS - self.items {
                return Err(DecodeCode::TooMany);
            }
            self.items += count;
            for _ in 0..count {
                items.push(read(self)?);
            }
            self.field = field;
        }
    }
}

//! One attribute of an entity definition: its type with what its column needs, and its labels.

use std::collections::HashSet;

use compact_str::CompactString;
use serde_json::Value;

use super::member::{Object, list, member, object, optional_text, text};
use super::{Problem, bounded_name, logical_name, ranged, shortened};
use crate::model::entity::{Attribute, AttributeKind, ChoiceOption, Label, Origin};

/// Windows language code of labels that are plain text.
const ENGLISH: i32 = 1_033;
/// Digits after the point where the definition does not say: the most that the source allows.
const DECIMAL_PRECISION: u8 = 10;
const DOUBLE_PRECISION: u8 = 5;
const MONEY_PRECISION: u8 = 4;
/// Most digits after the point that a definition may ask for.
const MAX_PRECISION: i64 = 10;
/// Longest text that a definition may declare; a memo of the source has a million.
const MAX_TEXT_LENGTH: i64 = 1_073_741_823;

/// Reads one attribute.
pub(super) fn attribute(name: CompactString, members: &Object) -> Result<Attribute, Problem> {
    let kind = kind(members)?;
    let labels = labels(members, "DisplayName")?;
    let origin = origin(&kind, members)?;
    Ok(Attribute { name, kind, labels, origin })
}

fn origin(kind: &AttributeKind, members: &Object) -> Result<Origin, Problem> {
    let virtual_type = match member(members, "AttributeTypeName") {
        None => None,
        Some(value) => optional_text(object(value, "AttributeTypeName")?, "Value")?,
    };
    let type_name = match (text(members, "AttributeType")?, virtual_type) {
        ("Virtual", Some("MultiSelectPicklistType")) => "MultiSelectPicklist",
        ("Virtual", Some("ImageType")) => "Image",
        ("Virtual", Some("FileType")) => "File",
        (name, _) => name,
    };
    let expected = "a GUID";
    let metadata_id = optional_text(members, "MetadataId")?
        .map(|id| id.parse().map_err(|_| Problem::WrongType { field: "MetadataId", expected }))
        .transpose()?;
    let is_global = option_set_members(members)?.get("IsGlobal").and_then(Value::as_bool);
    // What stands there alone is shared, whether it says so or not.
    let alone =
        member(members, "OptionSet").is_none() && member(members, "GlobalOptionSet").is_some();
    let (option_set, boolean_options) = match kind {
        AttributeKind::Choices { .. } => (option_set(members)?.0, Vec::new()),
        AttributeKind::Boolean => (None, boolean_options(members)?),
        _ => (None, Vec::new()),
    };
    Ok(Origin {
        type_name: shortened(type_name),
        metadata_id,
        global_option_set: is_global.unwrap_or(alone),
        option_set,
        boolean_options,
    })
}

/// The options of a boolean: its two by name, as the Web API has them, or a list as choices have.
fn boolean_options(members: &Object) -> Result<Vec<ChoiceOption>, Problem> {
    let set = option_set_members(members)?;
    let mut named = Vec::new();
    for field in ["FalseOption", "TrueOption"] {
        if let Some(option) = member(set, field) {
            named.push(choice_option(object(option, field)?)?);
        }
    }
    if named.windows(2).any(|pair| pair[0].value == pair[1].value) {
        return Err(Problem::Repeated("an option"));
    }
    if named.is_empty() { Ok(option_set(members)?.1) } else { Ok(named) }
}

fn kind(members: &Object) -> Result<AttributeKind, Problem> {
    let precision = |default| precision(members, default);
    Ok(match text(members, "AttributeType")? {
        "Boolean" => AttributeKind::Boolean,
        "Integer" => AttributeKind::Integer,
        "BigInt" => AttributeKind::BigInt,
        "Decimal" => AttributeKind::Decimal { precision: precision(DECIMAL_PRECISION)? },
        "Double" => AttributeKind::Double { precision: precision(DOUBLE_PRECISION)? },
        "Money" => AttributeKind::Money { precision: precision(MONEY_PRECISION)? },
        "String" => AttributeKind::Text { max_length: max_length(members)? },
        "Memo" => AttributeKind::Memo,
        "Uniqueidentifier" => AttributeKind::Guid,
        "DateTime" => AttributeKind::DateTime,
        "Lookup" | "Customer" | "Owner" => AttributeKind::Lookup { targets: targets(members)? },
        "Picklist" | "State" | "Status" => {
            let (option_set, options) = option_set(members)?;
            AttributeKind::Choice { option_set, options }
        }
        "MultiSelectPicklist" => AttributeKind::Choices { options: option_set(members)?.1 },
        "PartyList" => AttributeKind::PartyList,
        "EntityName" => AttributeKind::EntityName,
        "Image" => AttributeKind::Image,
        "File" | "CalendarRules" | "ManagedProperty" => AttributeKind::NoColumn,
        "Virtual" => virtual_kind(members)?,
        other => return Err(Problem::UnknownType(shortened(other))),
    })
}

/// The Web API calls its younger types virtual and names them in `AttributeTypeName`. What belongs
/// to another attribute (`AttributeOf`: the label of an option, for one) is truly virtual.
fn virtual_kind(members: &Object) -> Result<AttributeKind, Problem> {
    if member(members, "AttributeOf").is_some() {
        return Ok(AttributeKind::NoColumn);
    }
    let name = match member(members, "AttributeTypeName") {
        None => None,
        Some(value) => optional_text(object(value, "AttributeTypeName")?, "Value")?,
    };
    Ok(match name {
        Some("MultiSelectPicklistType") => {
            AttributeKind::Choices { options: option_set(members)?.1 }
        }
        Some("ImageType") => AttributeKind::Image,
        None | Some("VirtualType" | "FileType" | "ManagedPropertyType") => AttributeKind::NoColumn,
        Some(other) => return Err(Problem::UnknownType(shortened(other))),
    })
}

fn precision(members: &Object, default: u8) -> Result<u8, Problem> {
    let precision = ranged(members, "Precision", (0, MAX_PRECISION))?;
    Ok(precision.and_then(|precision| u8::try_from(precision).ok()).unwrap_or(default))
}

fn max_length(members: &Object) -> Result<Option<u32>, Problem> {
    let length = ranged(members, "MaxLength", (1, MAX_TEXT_LENGTH))?;
    Ok(length.and_then(|length| u32::try_from(length).ok()))
}

fn targets(members: &Object) -> Result<Vec<CompactString>, Problem> {
    let targets = list(members, "Targets")?.unwrap_or_default();
    targets
        .iter()
        .map(|target| {
            let expected = "a list of entity names";
            let name = target.as_str().ok_or(Problem::WrongType { field: "Targets", expected })?;
            logical_name(name, "Targets")
        })
        .collect()
}

/// Where the option set stands: its own object, or beside the attribute.
fn option_set_members(members: &Object) -> Result<&Object, Problem> {
    match member(members, "OptionSet").or_else(|| member(members, "GlobalOptionSet")) {
        None => Ok(members),
        Some(set) => object(set, "OptionSet"),
    }
}

/// Name and options: of `OptionSet`, of `GlobalOptionSet`, or beside the attribute.
fn option_set(members: &Object) -> Result<(Option<CompactString>, Vec<ChoiceOption>), Problem> {
    let set = option_set_members(members)?;
    let name = match optional_text(set, "Name")? {
        None => None,
        Some(name) => Some(bounded_name(name, "Name of the option set")?),
    };
    let mut values = HashSet::new();
    let mut options = Vec::new();
    for option in list(set, "Options")?.unwrap_or_default() {
        let option = choice_option(object(option, "Options")?)?;
        if !values.insert(option.value) {
            return Err(Problem::Repeated("an option"));
        }
        options.push(option);
    }
    Ok((name, options))
}

fn choice_option(members: &Object) -> Result<ChoiceOption, Problem> {
    let whole = |field| -> Result<Option<i32>, Problem> {
        let number = ranged(members, field, (i64::from(i32::MIN), i64::from(i32::MAX)))?;
        Ok(number.and_then(|number| i32::try_from(number).ok()))
    };
    Ok(ChoiceOption {
        value: whole("Value")?.ok_or(Problem::Missing("Value of an option"))?,
        state: whole("State")?,
        labels: labels(members, "Label")?,
    })
}

/// Labels by language, or one English text.
fn labels(members: &Object, field: &'static str) -> Result<Vec<Label>, Problem> {
    let localized = match member(members, field) {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => {
            return Ok(vec![Label { language: ENGLISH, text: text.clone() }]);
        }
        Some(value) => list(object(value, field)?, "LocalizedLabels")?.unwrap_or_default(),
    };
    let mut labels: Vec<Label> = Vec::with_capacity(localized.len());
    for label in localized {
        let members = object(label, "LocalizedLabels")?;
        let language = ranged(members, "LanguageCode", (1, i64::from(i32::MAX)))?
            .and_then(|language| i32::try_from(language).ok())
            .ok_or(Problem::Missing("LanguageCode of a label"))?;
        if labels.iter().any(|known| known.language == language) {
            return Err(Problem::Repeated("a label of one language"));
        }
        labels.push(Label { language, text: text(members, "Label")?.to_owned() });
    }
    Ok(labels)
}

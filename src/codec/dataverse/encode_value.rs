//! Entities and values as the SDK's types look in JSON; the counterpart of `entity` and `value`.

use super::encode::NotExpressible;
use crate::codec::json::write::{Escape, push, text};
use crate::model::change::{Change, Operation};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::record::RecordId;
use crate::model::value::{Ticks, Value};

/// Namespace behind the names of types.
pub(super) const CONTRACTS: &str = r"http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts";

/// The image that the platform adds to asynchronous steps; the primary key is enough of it.
pub(super) fn automatic_image(out: &mut String, change: &Change, definition: &EntityDefinition) {
    out.push_str(r#"{"key":"AsynchronousStepPrimaryName","value":{"Attributes":[{"key":"#);
    escaped(out, &definition.primary_id);
    push(out, format_args!(r#","value":"{}"}}],"#, change.record_id));
    body_end(out, change);
    out.push('}');
}

/// An entity; within images it has no `__type`.
pub(super) fn body(
    out: &mut String,
    change: &Change,
    definition: &EntityDefinition,
    typed: bool,
) -> Result<(), NotExpressible> {
    out.push('{');
    if typed {
        push(out, format_args!(r#""__type":"Entity:{CONTRACTS}","#));
    }
    out.push_str("\"Attributes\":[");
    let mut labels = String::new();
    for (at, (name, attribute)) in change.attributes.iter().enumerate() {
        let known = definition.attributes.iter().find(|known| known.name == *name);
        out.push_str(if at == 0 { "{\"key\":" } else { ",{\"key\":" });
        escaped(out, name);
        out.push_str(",\"value\":");
        value(out, attribute, known.map(|known| &known.kind))
            .ok_or_else(|| NotExpressible::NotFinite(name.clone()))?;
        out.push('}');
        if let Some(label) = known.and_then(|known| label(known, attribute)) {
            labels.push_str(if labels.is_empty() { "{\"key\":" } else { ",{\"key\":" });
            escaped(&mut labels, name);
            labels.push_str(",\"value\":");
            escaped(&mut labels, label);
            labels.push('}');
        }
    }
    if typed && change.operation == Operation::Update {
        // Targets of updates come without them.
        labels.clear();
    }
    push(out, format_args!(r#"],"EntityState":null,"FormattedValues":[{labels}],"#));
    body_end(out, change);
    Ok(())
}

/// What follows the attributes of an entity.
fn body_end(out: &mut String, change: &Change) {
    push(out, format_args!(r#""Id":"{}","KeyAttributes":[],"LogicalName":"#, change.record_id));
    escaped(out, change.entity.as_str());
    out.push_str(",\"RelatedEntities\":[],\"RowVersion\":");
    match change.version {
        Some(version) => push(out, format_args!(r#""{}"}}"#, version.0)),
        None => out.push_str("null}"),
    }
}

/// The label of an option, as the source adds it for people.
fn label<'a>(attribute: &'a Attribute, value: &Value) -> Option<&'a str> {
    let (AttributeKind::Choice { options, .. }, Value::Choice(number)) = (&attribute.kind, value)
    else {
        return None;
    };
    let option = options.iter().find(|option| option.value == *number)?;
    option.labels.first().map(|label| label.text.as_str())
}

/// Text, escaped as .NET's serialiser does.
pub(super) fn escaped(out: &mut String, content: &str) {
    text(out, content, Escape::Solidus);
}

/// A reference to a record.
pub(super) fn reference(out: &mut String, id: RecordId, entity: &str) {
    push(
        out,
        format_args!(
            r#"{{"__type":"EntityReference:{CONTRACTS}","Id":"{id}","KeyAttributes":[],"LogicalName":"#
        ),
    );
    escaped(out, entity);
    out.push_str(",\"Name\":null,\"RowVersion\":null}");
}

fn typed(out: &mut String, name: &str, value: impl std::fmt::Display) {
    push(out, format_args!(r#"{{"__type":"{name}:{CONTRACTS}","Value":{value}}}"#));
}

fn date(out: &mut String, ticks: Ticks) {
    push(out, format_args!(r#""\/Date({})\/""#, ticks.to_unix_ms()));
}

/// `None` for a float that is not finite.
fn value(out: &mut String, value: &Value, kind: Option<&AttributeKind>) -> Option<()> {
    let money = matches!(kind, Some(AttributeKind::Money { .. }));
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => push(out, format_args!("{flag}")),
        Value::Integer(number) if money => typed(out, "Money", number),
        Value::Integer(number) => push(out, format_args!("{number}")),
        Value::Long(number) if money => typed(out, "Money", number),
        Value::Long(number) => push(out, format_args!("{number}")),
        Value::Double(number) if !number.is_finite() => return None,
        Value::Double(number) => push(out, format_args!("{number:?}")),
        Value::Decimal(number) if money => typed(out, "Money", number),
        Value::Decimal(number) => push(out, format_args!("{number}")),
        Value::Text(content) | Value::Untyped(content) => escaped(out, content),
        Value::Guid(id) => push(out, format_args!("\"{id}\"")),
        Value::Timestamp(ticks) => date(out, *ticks),
        Value::Date(days) => match Ticks::from_unix_days(*days) {
            Some(ticks) => date(out, ticks),
            None => push(out, format_args!(r#""\/Date({})\/""#, i64::from(*days) * 86_400_000)),
        },
        Value::Bytes(content) => list(out, content.iter(), |out, byte| {
            push(out, format_args!("{byte}"));
        }),
        Value::Lookup(lookup) => reference(out, lookup.id, &lookup.entity),
        Value::Choice(option) => typed(out, "OptionSetValue", option),
        Value::Choices(options) => list(out, options.iter(), |out, option| {
            typed(out, "OptionSetValue", option);
        }),
    }
    Some(())
}

fn list<T>(out: &mut String, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

//! Writes our own shape as JSON, for people to read and for `keepstep produce` to read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::write::{Escape, push, text};
use crate::model::change::{Change, Image, SnapshotMarker, SnapshotPhase};
use crate::model::value::{TICKS_PER_SECOND, Ticks, UNIX_EPOCH_DAYS, Value};

/// A change as one line of JSON, without an end of line.
pub fn encode_change_json(change: &Change) -> String {
    let mut out = String::with_capacity(256 + 64 * change.attributes.len());
    out.push_str("{\"entity\":");
    plain(&mut out, change.entity.as_str());
    let image = if change.image == Image::Full { "full" } else { "patch" };
    push(
        &mut out,
        format_args!(
            r#","record_id":"{}","operation":"{}","image":"{image}""#,
            change.record_id,
            change.operation.as_str(),
        ),
    );
    if let Some(version) = change.version {
        push(&mut out, format_args!(r#","row_version":{}"#, version.0));
    }
    if let Some(ticks) = change.changed_at {
        push(&mut out, format_args!(r#","changed_at":"{}""#, iso(ticks)));
    }
    if let Some(id) = change.organization_id {
        push(&mut out, format_args!(r#","organization_id":"{id}""#));
    }
    if let Some(id) = change.correlation_id {
        push(&mut out, format_args!(r#","correlation_id":"{id}""#));
    }
    if let Some(reference) = &change.payload_reference {
        out.push_str(",\"payload_reference\":");
        plain(&mut out, reference);
    }
    out.push_str(",\"attributes\":[");
    for (at, (name, attribute)) in change.attributes.iter().enumerate() {
        out.push_str(if at == 0 { "{\"name\":" } else { ",{\"name\":" });
        plain(&mut out, name);
        out.push_str(",\"value\":");
        value(&mut out, attribute);
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// A marker of an initial sync as one line of JSON, without an end of line.
pub fn encode_marker_json(marker: &SnapshotMarker) -> String {
    let mut out = String::from("{\"entity\":");
    plain(&mut out, marker.entity.as_str());
    let phase = if marker.phase == SnapshotPhase::Begin { "begin" } else { "end" };
    push(&mut out, format_args!(r#","phase":"{phase}","sync_id":"{}""#, marker.sync_id));
    if let Some(ticks) = marker.marked_at {
        push(&mut out, format_args!(r#","marked_at":"{}""#, iso(ticks)));
    }
    if let Some(id) = marker.organization_id {
        push(&mut out, format_args!(r#","organization_id":"{id}""#));
    }
    out.push('}');
    out
}

fn plain(out: &mut String, content: &str) {
    text(out, content, Escape::Least);
}

/// ISO 8601 with all seven digits of a tick.
fn iso(ticks: Ticks) -> String {
    let per_day = 86_400 * TICKS_PER_SECOND;
    let of_day = ticks.get() % per_day;
    let seconds = of_day / TICKS_PER_SECOND;
    format!(
        "{}T{:02}:{:02}:{:02}.{:07}Z",
        calendar(ticks.get() / per_day).unwrap_or_default(),
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        of_day % TICKS_PER_SECOND
    )
}

/// `YYYY-MM-DD` of a day counted from 0001-01-01; `None` outside the years 1 to 9999.
fn calendar(days: i64) -> Option<String> {
    let days = i32::try_from(days - UNIX_EPOCH_DAYS).ok()?;
    let julian = time::OffsetDateTime::UNIX_EPOCH.to_julian_day().checked_add(days)?;
    let date = time::Date::from_julian_day(julian).ok()?;
    let (year, month, day) = date.to_calendar_date();
    (1..=9999).contains(&year).then(|| format!("{year:04}-{:02}-{day:02}", u8::from(month)))
}

fn value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => push(out, format_args!(r#"{{"boolean":{flag}}}"#)),
        Value::Integer(number) => push(out, format_args!(r#"{{"int":{number}}}"#)),
        Value::Long(number) => push(out, format_args!(r#"{{"long":{number}}}"#)),
        Value::Double(number) if number.is_finite() => {
            push(out, format_args!(r#"{{"double":{number:?}}}"#));
        }
        Value::Double(number) => {
            let word = match number {
                _ if number.is_nan() => "NaN",
                _ if number.is_sign_positive() => "Infinity",
                _ => "-Infinity",
            };
            push(out, format_args!(r#"{{"double":"{word}"}}"#));
        }
        Value::Decimal(number) => push(out, format_args!(r#"{{"decimal":"{number}"}}"#)),
        Value::Text(content) => tagged(out, "string", content),
        Value::Guid(id) => push(out, format_args!(r#"{{"guid":"{id}"}}"#)),
        Value::Timestamp(ticks) => push(out, format_args!(r#"{{"timestamp":"{}"}}"#, iso(*ticks))),
        Value::Date(days) => match calendar(i64::from(*days) + UNIX_EPOCH_DAYS) {
            Some(date) => push(out, format_args!(r#"{{"date":"{date}"}}"#)),
            None => push(out, format_args!(r#"{{"date":{days}}}"#)),
        },
        Value::Bytes(content) => {
            push(out, format_args!(r#"{{"bytes":"{}"}}"#, BASE64.encode(content)));
        }
        Value::Lookup(lookup) => {
            push(out, format_args!(r#"{{"lookup":{{"id":"{}","entity":"#, lookup.id));
            plain(out, &lookup.entity);
            out.push_str("}}");
        }
        Value::Choice(option) => push(out, format_args!(r#"{{"choice":{option}}}"#)),
        Value::Choices(options) => {
            out.push_str("{\"choices\":[");
            for (at, option) in options.iter().enumerate() {
                push(out, format_args!("{}{option}", if at == 0 { "" } else { "," }));
            }
            out.push_str("]}");
        }
        Value::Untyped(content) => tagged(out, "untyped", content),
    }
}

fn tagged(out: &mut String, tag: &str, content: &str) {
    push(out, format_args!("{{\"{tag}\":"));
    plain(out, content);
    out.push('}');
}

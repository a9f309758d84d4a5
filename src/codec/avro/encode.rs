//! Writes our own notifications as Avro in single-object framing, version 1 of the schemas.
//!
//! Promise: whatever a decoder of this room makes can be written and read back the same. Writing
//! cannot fail; what a reader would refuse (too long a name, too many attributes) is refused there.

use uuid::Uuid;

use crate::codec::contract::{Contract, SINGLE_OBJECT};
use crate::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase};
use crate::model::decimal::Decimal;
use crate::model::value::{Ticks, Value};

/// A change as the payload of a notification.
pub fn encode_change(change: &Change) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + 32 * change.attributes.len());
    encode_change_into(change, &mut out);
    out
}

/// Appends a change as the payload of a notification, for those who reuse their buffer.
pub fn encode_change_into(change: &Change, out: &mut Vec<u8>) {
    header(out, Contract::ChangeNotification);
    text(out, change.entity.as_str());
    out.extend_from_slice(change.record_id.0.as_bytes());
    long(
        out,
        match change.operation {
            Operation::Create => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
            Operation::Snapshot => 3,
        },
    );
    long(out, i64::from(change.image == Image::Patch));
    optional(out, change.version, |out, version| long(out, version.0));
    optional_ticks(out, change.changed_at);
    optional_guid(out, change.organization_id);
    optional_guid(out, change.correlation_id);
    optional(out, change.payload_reference.as_ref(), |out, reference| text(out, reference));
    if !change.attributes.is_empty() {
        length(out, change.attributes.len());
        for (name, attribute) in &change.attributes {
            text(out, name);
            value(out, attribute);
        }
    }
    out.push(0);
}

/// A marker of an initial sync as the payload of a notification.
pub fn encode_marker(marker: &SnapshotMarker) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    header(&mut out, Contract::SnapshotMarker);
    text(&mut out, marker.entity.as_str());
    long(&mut out, i64::from(marker.phase == SnapshotPhase::End));
    out.extend_from_slice(marker.sync_id.as_bytes());
    optional_ticks(&mut out, marker.marked_at);
    optional_guid(&mut out, marker.organization_id);
    out
}

fn header(out: &mut Vec<u8>, contract: Contract) {
    out.extend_from_slice(&SINGLE_OBJECT);
    out.extend_from_slice(&contract.fingerprint());
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => long(out, 0),
        Value::Boolean(flag) => out.extend_from_slice(&[2, u8::from(*flag)]),
        Value::Integer(number) => member(out, 2, i64::from(*number)),
        Value::Long(number) => member(out, 3, *number),
        Value::Double(number) => {
            long(out, 4);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Decimal(number) => {
            long(out, 5);
            decimal(out, *number);
        }
        Value::Text(content) => {
            long(out, 6);
            text(out, content);
        }
        Value::Guid(id) => {
            long(out, 7);
            out.extend_from_slice(id.0.as_bytes());
        }
        Value::Timestamp(ticks) => member(out, 8, ticks.get()),
        Value::Date(days) => member(out, 9, i64::from(*days)),
        Value::Bytes(content) => {
            long(out, 10);
            bytes(out, content);
        }
        Value::Lookup(lookup) => {
            long(out, 11);
            out.extend_from_slice(lookup.id.0.as_bytes());
            text(out, &lookup.entity);
        }
        Value::Choice(option) => member(out, 12, i64::from(*option)),
        Value::Choices(options) => {
            long(out, 13);
            if !options.is_empty() {
                length(out, options.len());
                for option in options {
                    long(out, i64::from(*option));
                }
            }
            out.push(0);
        }
        Value::Untyped(content) => {
            long(out, 14);
            text(out, content);
        }
    }
}

/// A member of the value union that is one number.
fn member(out: &mut Vec<u8>, index: i64, number: i64) {
    long(out, index);
    long(out, number);
}

/// A variable-length zig-zag number.
pub(super) fn long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let [low, ..] = (rest & 0x7f).to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A length; no buffer in memory is longer than the largest number.
pub(super) fn length(out: &mut Vec<u8>, length: usize) {
    long(out, i64::try_from(length).unwrap_or(i64::MAX));
}

pub(super) fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    length(out, content.len());
    out.extend_from_slice(content);
}

pub(super) fn text(out: &mut Vec<u8>, content: &str) {
    bytes(out, content.as_bytes());
}

/// Unscaled value in as few bytes as two's complement allows, at least one; then the scale.
fn decimal(out: &mut Vec<u8>, number: Decimal) {
    let unscaled = number.unscaled();
    let wide = unscaled.to_be_bytes();
    let sign = if unscaled < 0 { 0xff } else { 0x00 };
    let needless = (0..wide.len() - 1)
        .take_while(|at| wide[*at] == sign && (wide[at + 1] ^ sign) & 0x80 == 0)
        .count();
    bytes(out, &wide[needless..]);
    long(out, i64::from(number.scale()));
}

pub(super) fn optional<T>(
    out: &mut Vec<u8>,
    value: Option<T>,
    write: impl FnOnce(&mut Vec<u8>, T),
) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            write(out, value);
        }
    }
}

fn optional_ticks(out: &mut Vec<u8>, ticks: Option<Ticks>) {
    optional(out, ticks, |out, ticks| long(out, ticks.get()));
}

fn optional_guid(out: &mut Vec<u8>, id: Option<Uuid>) {
    optional(out, id, |out, id| out.extend_from_slice(id.as_bytes()));
}

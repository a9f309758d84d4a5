//! How numbers, times and values look on a terminal.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::value::{Ticks, Value};

/// A number with a comma before every third digit: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 change`, `2 changes`.
pub(super) fn counted(number: u64, singular: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", grouped(number))
}

/// A text of others for a terminal: without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time in UTC to the millisecond, from ms since 1970; the number itself if no calendar has it.
pub(super) fn time_text(unix_ms: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    let Ok(moment) = moment else {
        return unix_ms.to_string();
    };
    let (hour, minute, second, ms) = moment.to_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", moment.date())
}

/// A time or the text of one (`2026-01-31T00:00:00Z`), in ms since 1970.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A value as JSON: numbers as numbers where JSON holds them exactly, the rest as text.
pub(super) fn value_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => json!(null),
        Value::Boolean(flag) => json!(flag),
        Value::Integer(number) | Value::Choice(number) => json!(number),
        Value::Long(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::Decimal(number) => json!(number.to_string()),
        Value::Text(text) | Value::Untyped(text) => json!(text.as_str()),
        Value::Guid(id) => json!(id.canonical()),
        Value::Timestamp(ticks) => json!(time_text(ticks.to_unix_ms())),
        Value::Date(days) => json!(day_text(*days)),
        Value::Bytes(bytes) => json!(format!("{} bytes", bytes.len())),
        Value::Lookup(lookup) => {
            json!({"id": lookup.id.canonical(), "entity": lookup.entity.as_str()})
        }
        Value::Choices(numbers) => json!(numbers),
    }
}

fn day_text(days: i32) -> String {
    match Ticks::from_unix_days(days) {
        Some(ticks) => time_text(ticks.to_unix_ms()).chars().take_while(|c| *c != 'T').collect(),
        None => format!("day {days}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(1_000, "change"), "1,000 changes");
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(time_text(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time_text(i64::MAX), i64::MAX.to_string());
        assert_eq!(parse_time("2023-11-14T22:13:20.123Z"), Some(1_700_000_000_123));
        assert_eq!(parse_time("2023-11-14"), None);
    }

    #[test]
    fn values_are_readable() {
        assert_eq!(value_json(&Value::Decimal("1.50".parse().unwrap())), json!("1.50"));
        assert_eq!(value_json(&Value::Date(1)), json!("1970-01-02"));
        assert_eq!(value_json(&Value::Bytes(Box::new([1, 2]))), json!("2 bytes"));
    }
}

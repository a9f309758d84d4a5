//! Moments as Dataverse writes them in JSON: `/Date(ms)/`, `/Date(ms+hhmm)/` and ISO 8601.
//!
//! Times in attributes are UTC; the offset inside `/Date(…)/` only marks the kind of time in .NET
//! and does not move the moment.

use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::value::Ticks;

/// The moment that `text` names, or `None` if it names none in the years 1 to 9999.
pub fn parse_instant(text: &str) -> Option<Ticks> {
    match text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        Some(inner) => parse_epoch(inner).and_then(|(ms, _)| Ticks::from_unix_ms(ms)),
        None => parse_iso(text),
    }
}

/// Milliseconds since 1970 and the offset in minutes of the inside of `/Date(…)/`.
pub fn parse_epoch(inner: &str) -> Option<(i64, i32)> {
    let sign_at = inner.get(1..)?.find(['+', '-']).map(|at| at + 1);
    let Some(at) = sign_at else {
        return Some((inner.parse().ok()?, 0));
    };
    let (ms, offset) = inner.split_at(at);
    let (sign, digits) = offset.split_at(1);
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    Some((ms.parse().ok()?, if sign == "-" { -minutes } else { minutes }))
}

fn parse_iso(text: &str) -> Option<Ticks> {
    let moment = OffsetDateTime::parse(text, &Iso8601::DEFAULT)
        .or_else(|_| {
            PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc)
        })
        .or_else(|_| {
            time::Date::parse(text, &Iso8601::DEFAULT).map(|date| date.midnight().assume_utc())
        })
        .ok()?
        .checked_to_offset(UtcOffset::UTC)?;
    let unix_ticks = moment.unix_timestamp_nanos() / 100;
    let epoch = i128::from(Ticks::from_unix_ms(0)?.get());
    Ticks::new(i64::try_from(unix_ticks + epoch).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix_ms(text: &str) -> Option<i64> {
        parse_instant(text).map(Ticks::to_unix_ms)
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(unix_ms("/Date(1608015600000)/"), Some(1_608_015_600_000));
        assert_eq!(unix_ms("/Date(-1000)/"), Some(-1_000));
        assert_eq!(unix_ms("/Date(1608015600000+0200)/"), Some(1_608_015_600_000));
        assert_eq!(unix_ms("2023-04-07T21:59:01Z"), Some(1_680_904_741_000));
        assert_eq!(unix_ms("2023-04-07T21:59:01.250Z"), Some(1_680_904_741_250));
        assert_eq!(unix_ms("2023-04-07T23:59:01+02:00"), Some(1_680_904_741_000));
        assert_eq!(unix_ms("1970-01-02"), Some(86_400_000));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "/Date()/",
            "/Date(x)/",
            "/Date(1+99999)/",
            "/Date(9223372036854775807)/",
            "next week",
            "10000-01-01",
            "0000-01-01T00:00:00Z",
            "/Date(1)",
        ] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}

//! Moments as Dataverse writes them in JSON: `/Date(ms)/`, `/Date(ms+hhmm)/` and ISO 8601.
//!
//! Times in attributes are UTC; the offset inside `/Date(…)/` only marks the kind of time in .NET
//! and does not move the moment.

use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::value::Ticks;

/// Why a text names no moment that can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstantError {
    /// It names none.
    NoInstant,
    /// It names one outside the years 1 to 9999.
    OutOfRange,
}

/// The moment that `text` names, or `None` if it names none in the years 1 to 9999.
pub fn parse_instant(text: &str) -> Option<Ticks> {
    read_instant(text).ok()
}

/// The moment that `text` names.
///
/// # Errors
/// [`InstantError`] tells what names none from what lies beyond the calendar.
pub fn read_instant(text: &str) -> Result<Ticks, InstantError> {
    match text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        Some(inner) => {
            let moment = parse_epoch(inner).map(|(ms, _)| Ticks::from_unix_ms(ms));
            let too_long = || beyond_if(is_long_number(inner));
            moment.ok_or_else(too_long)?.ok_or(InstantError::OutOfRange)
        }
        None => match parse_iso(text) {
            Some(moment) => moment.ok_or(InstantError::OutOfRange),
            None => Err(beyond_if(has_other_year(text))),
        },
    }
}

fn beyond_if(beyond: bool) -> InstantError {
    if beyond { InstantError::OutOfRange } else { InstantError::NoInstant }
}

/// Whether these are more milliseconds than 64 bits hold.
fn is_long_number(inner: &str) -> bool {
    let digits = inner.strip_prefix('-').unwrap_or(inner);
    digits.len() >= 19 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a date stands there whose year has more than four digits, or a sign.
fn has_other_year(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let long = digits >= 4 + usize::from(unsigned.len() == text.len());
    // The rest must be that of a date: with another year it is one.
    long && parse_iso(&format!("2000{}", &unsigned[digits..])).is_some()
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

/// The moment of ISO 8601; within, `None` if it lies outside the years 1 to 9999.
fn parse_iso(text: &str) -> Option<Option<Ticks>> {
    let moment = OffsetDateTime::parse(text, &Iso8601::DEFAULT)
        .or_else(|_| {
            PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc)
        })
        .or_else(|_| {
            time::Date::parse(text, &Iso8601::DEFAULT).map(|date| date.midnight().assume_utc())
        })
        .ok()?;
    // Beyond the year 9999 in UTC there is no such moment for the calendar either.
    let Some(moment) = moment.checked_to_offset(UtcOffset::UTC) else { return Some(None) };
    let unix_ticks = moment.unix_timestamp_nanos() / 100;
    let epoch = Ticks::from_unix_ms(0).map_or(0, |epoch| i128::from(epoch.get()));
    Some(i64::try_from(unix_ticks + epoch).ok().and_then(Ticks::new))
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

    #[test]
    fn what_lies_beyond_the_calendar_is_told_from_what_is_no_moment() {
        for text in [
            "0000-12-31",
            "0001-01-01T00:30:00+01:00",
            "9999-12-31T23:30:00-01:00",
            "10000-01-01T00:00:00Z",
            "+10000-01-01",
            "-0001-01-01",
            "/Date(253402300800000)/",
            "/Date(-99999999999999999999)/",
        ] {
            assert_eq!(read_instant(text), Err(InstantError::OutOfRange), "{text}");
        }
        for text in ["", "-", "10000", "10000-13-01", "2023-02-29", "/Date(1+2)/", "/Date(é)/"] {
            assert_eq!(read_instant(text), Err(InstantError::NoInstant), "{text}");
        }
    }
}

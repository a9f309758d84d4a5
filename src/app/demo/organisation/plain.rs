//! Plain values: what the demo's organisation knows, before any encoding and apart from any column.
//!
//! A plain value turns into two things: the value that a notification carries, and what the
//! database must show in the end. The second is computed here from the value itself, with rules of
//! its own for digits, moments and lists; it must never use the product's mapping, codec or
//! destination, for it is what these are judged by.

use std::borrow::Cow;

use compact_str::CompactString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::party::Party;
use crate::model::decimal::Decimal;
use crate::model::entity::AttributeKind;
use crate::model::record::RecordId;
use crate::model::value::{Lookup, Ticks, Value};

/// One value of one field of one record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    /// None.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number of which so many digits stand after the point.
    Number {
        /// All its digits.
        digits: i64,
        /// How many of them are behind the point.
        places: u8,
    },
    /// Text.
    Text(CompactString),
    /// An id that refers to nothing in particular.
    Id(Uuid),
    /// A moment, in 100 ns since 1970.
    Moment(i64),
    /// A calendar day, counted from 1970.
    Day(i32),
    /// One option of a choice.
    Option(i32),
    /// Several options of a choice, ascending; at least one.
    Options(Box<[i32]>),
    /// A reference to something of the organisation.
    Link(Uuid, Party),
}

/// What the database must show in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::app::demo) enum Shown<'a> {
    /// Null.
    Null,
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(Cow<'a, str>),
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Ticks at 1970-01-01, as .NET counts them.
const TICKS_AT_1970: i64 = 621_355_968_000_000_000;

impl Plain {
    /// The value as a notification carries it.
    pub(super) fn to_value(&self, kind: &AttributeKind) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Flag(flag) => Value::Boolean(*flag),
            Self::Whole(number) => match i32::try_from(*number) {
                Ok(number) if matches!(kind, AttributeKind::Integer) => Value::Integer(number),
                _ => Value::Long(*number),
            },
            Self::Number { digits, places } => match kind {
                AttributeKind::Double { .. } => Value::Double(as_float(*digits, *places)),
                _ => Decimal::new(i128::from(*digits), *places).map_or(Value::Null, Value::Decimal),
            },
            Self::Text(text) => Value::Text(text.clone()),
            Self::Id(id) => Value::Guid(RecordId(*id)),
            Self::Moment(ticks) => {
                Ticks::new(ticks + TICKS_AT_1970).map_or(Value::Null, Value::Timestamp)
            }
            Self::Day(day) => Value::Date(*day),
            Self::Option(option) => Value::Choice(*option),
            Self::Options(options) => Value::Choices(options.clone()),
            Self::Link(id, party) => {
                let entity = CompactString::const_new(party.entity());
                Value::Lookup(Box::new(Lookup { id: RecordId(*id), entity }))
            }
        }
    }

    /// What the database shows for it, in a column of so many digits after the point.
    pub(super) fn shown(&self, column_places: u8) -> Shown<'_> {
        let text = |text: String| Shown::Text(Cow::Owned(text));
        match self {
            Self::Nothing => Shown::Null,
            Self::Flag(flag) => Shown::Whole(i64::from(*flag)),
            Self::Whole(number) => Shown::Whole(*number),
            Self::Number { digits, places } => text(fixed(*digits, *places, column_places)),
            Self::Text(content) => Shown::Text(Cow::Borrowed(content)),
            Self::Id(id) | Self::Link(id, _) => text(id.to_string()),
            Self::Moment(ticks) => text(moment(*ticks)),
            Self::Day(day) => text(moment(i64::from(*day) * 86_400 * 10_000_000)),
            Self::Option(option) => Shown::Whole(i64::from(*option)),
            Self::Options(options) => {
                text(options.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// The float whose shortest text has these digits (exact for up to 15 of them).
fn as_float(digits: i64, places: u8) -> f64 {
    format!("{digits}e-{places}").parse().unwrap_or(0.0)
}

/// A number with exactly `column_places` digits after the point; what is finer is rounded half away
/// from zero. Done on the written digits, as one would by hand.
fn fixed(digits: i64, places: u8, column_places: u8) -> String {
    let written = format!("{:0>width$}", digits.unsigned_abs(), width = usize::from(places) + 1);
    let (whole, fraction) = written.split_at(written.len() - usize::from(places));
    let kept = usize::from(column_places);
    let mut figures: Vec<u8> = whole.bytes().collect();
    figures.extend(fraction.bytes().chain(std::iter::repeat(b'0')).take(kept));
    if fraction.as_bytes().get(kept).is_some_and(|next| *next >= b'5') {
        add_one(&mut figures);
    }
    let mut text = String::with_capacity(figures.len() + 2);
    if digits < 0 && figures.iter().any(|figure| *figure != b'0') {
        text.push('-');
    }
    let point_at = figures.len() - kept;
    for (at, figure) in figures.into_iter().enumerate() {
        if at == point_at {
            text.push('.');
        }
        text.push(char::from(figure));
    }
    text
}

/// Adds one to the last of the figures, and carries.
fn add_one(figures: &mut Vec<u8>) {
    for figure in figures.iter_mut().rev() {
        if *figure != b'9' {
            *figure += 1;
            return;
        }
        *figure = b'0';
    }
    figures.insert(0, b'1');
}

/// `YYYY-MM-DD HH:MM:SS.fff` of a moment in 100 ns since 1970, to the nearest millisecond.
fn moment(ticks: i64) -> String {
    let ms = (ticks + 5_000).div_euclid(10_000);
    let moment = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(ms);
    let (date, time) = (moment.date(), moment.time());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_stays_small() {
        // The organisation holds millions of them.
        assert_eq!(size_of::<Plain>(), 24);
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        for (digits, places, column_places, expected) in [
            (1_005, 3, 2, "1.01"),
            (-1_005, 3, 2, "-1.01"),
            (1_004, 3, 2, "1.00"),
            (-4, 3, 2, "0.00"),
            (-5, 3, 2, "-0.01"),
            (9_995, 3, 2, "10.00"),
            (7, 0, 2, "7.00"),
            (7, 0, 0, "7"),
            (15, 1, 0, "2"),
            (-95, 1, 0, "-10"),
            (123_456, 5, 5, "1.23456"),
            (42_675, 4, 10, "4.2675000000"),
            (0, 4, 2, "0.00"),
        ] {
            assert_eq!(fixed(digits, places, column_places), expected);
        }
    }

    #[test]
    fn moments_are_shown_to_the_nearest_millisecond() {
        assert_eq!(moment(0), "1970-01-01 00:00:00.000");
        assert_eq!(moment(4_999), "1970-01-01 00:00:00.000");
        assert_eq!(moment(5_000), "1970-01-01 00:00:00.001");
        assert_eq!(moment(-1), "1970-01-01 00:00:00.000");
        assert_eq!(moment(-10_000), "1969-12-31 23:59:59.999");
        assert_eq!(moment(9_999_999), "1970-01-01 00:00:01.000");
        assert_eq!(Plain::Day(-1).shown(0), Shown::Text(Cow::Borrowed("1969-12-31 00:00:00.000")));
    }

    #[test]
    fn floats_have_the_digits_that_they_are_made_of() {
        assert_eq!(as_float(-4_712_345, 5).to_string(), "-47.12345");
        assert_eq!(as_float(1_005, 3).to_string(), "1.005");
    }
}

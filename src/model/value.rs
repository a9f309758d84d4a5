//! The value of one attribute, as the source said it.
//!
//! A value is typed by its encoding, or [`Value::Untyped`] where the encoding has only text
//! (Dataverse's JSON: text, ids and dates look alike); the column's type decides then.
//! A value knows nothing of columns: fitting is `model::mapping`'s work.

use compact_str::CompactString;

use super::decimal::Decimal;
use super::record::RecordId;

/// 100 ns ticks since 0001-01-01T00:00:00 UTC, as .NET counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(i64);

/// Ticks in one second.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Ticks in one millisecond.
pub const TICKS_PER_MILLISECOND: i64 = 10_000;
/// Ticks at 1970-01-01.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
/// Ticks at 9999-12-31T23:59:59.9999999, the last moment that a calendar year of four digits has.
const MAX_TICKS: i64 = 3_155_378_975_999_999_999;
/// Days from 0001-01-01 to 1970-01-01.
pub const UNIX_EPOCH_DAYS: i64 = 719_162;

impl Ticks {
    /// A moment in the years 1 to 9999; `None` outside.
    pub fn new(ticks: i64) -> Option<Self> {
        (0..=MAX_TICKS).contains(&ticks).then_some(Self(ticks))
    }

    /// The number of ticks.
    pub fn get(self) -> i64 {
        self.0
    }

    /// From milliseconds since 1970; `None` outside the years 1 to 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Option<Self> {
        Self::new(unix_ms.checked_mul(TICKS_PER_MILLISECOND)?.checked_add(UNIX_EPOCH_TICKS)?)
    }

    /// Milliseconds since 1970, rounded half away from zero of the tick count.
    pub fn to_unix_ms(self) -> i64 {
        (self.0 + TICKS_PER_MILLISECOND / 2).div_euclid(TICKS_PER_MILLISECOND)
            - UNIX_EPOCH_TICKS / TICKS_PER_MILLISECOND
    }

    /// From microseconds since 1970; outside the years 1 to 9999 the nearest moment of them.
    pub fn nearest_to_unix_us(unix_us: i64) -> Self {
        let ticks = unix_us.saturating_mul(10).saturating_add(UNIX_EPOCH_TICKS);
        Self(ticks.clamp(0, MAX_TICKS))
    }

    /// Microseconds since 1970-01-01, cut.
    pub fn to_unix_us(self) -> i64 {
        (self.0 - UNIX_EPOCH_TICKS).div_euclid(10)
    }

    /// The same moment in whole milliseconds, rounded half up (ticks are never negative);
    /// `None` if that is beyond the year 9999.
    pub fn rounded_to_ms(self) -> Option<Self> {
        let ms = (self.0 + TICKS_PER_MILLISECOND / 2) / TICKS_PER_MILLISECOND;
        Self::new(ms * TICKS_PER_MILLISECOND)
    }

    /// Midnight of a day counted from 1970-01-01; `None` outside the years 1 to 9999.
    pub fn from_unix_days(days: i32) -> Option<Self> {
        let days = i64::from(days) + UNIX_EPOCH_DAYS;
        Self::new(days.checked_mul(86_400 * TICKS_PER_SECOND)?)
    }
}

/// The value of one attribute of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Set to nothing. (An attribute that is absent is not a value at all.)
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// A whole number of 64 bits.
    Long(i64),
    /// A binary floating point number.
    Double(f64),
    /// An exact decimal, money too.
    Decimal(Decimal),
    /// Text.
    Text(CompactString),
    /// A GUID that is no lookup.
    Guid(RecordId),
    /// A moment in UTC.
    Timestamp(Ticks),
    /// A calendar day, counted from 1970-01-01.
    Date(i32),
    /// Binary content.
    Bytes(Box<[u8]>),
    /// A reference to a record.
    Lookup(Box<Lookup>),
    /// One option of a choice, its number.
    Choice(i32),
    /// Several options of a choice, their numbers.
    Choices(Box<[i32]>),
    /// Text whose type only the column knows: text, GUID or date.
    Untyped(CompactString),
}

/// A reference to a record of another entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The record referred to.
    pub id: RecordId,
    /// Logical name of its entity.
    pub entity: CompactString,
}

impl Value {
    /// The kind of value, for causes: never the value itself.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Long(_) => "long",
            Self::Double(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "text",
            Self::Guid(_) => "guid",
            Self::Timestamp(_) => "timestamp",
            Self::Date(_) => "date",
            Self::Bytes(_) => "bytes",
            Self::Lookup(_) => "lookup",
            Self::Choice(_) => "choice",
            Self::Choices(_) => "multi-choice",
            Self::Untyped(_) => "untyped text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_small() {
        // A wide change holds a hundred of them.
        assert!(size_of::<Value>() <= 32, "{}", size_of::<Value>());
    }

    #[test]
    fn ticks_know_their_range() {
        assert_eq!(Ticks::new(-1), None);
        assert_eq!(Ticks::new(MAX_TICKS + 1), None);
        assert_eq!(Ticks::from_unix_ms(0).unwrap().get(), UNIX_EPOCH_TICKS);
        assert_eq!(Ticks::from_unix_ms(-62_135_596_800_000).unwrap().get(), 0);
        assert_eq!(Ticks::from_unix_ms(-62_135_596_800_001), None);
        assert_eq!(Ticks::from_unix_ms(i64::MAX), None);
        assert_eq!(Ticks::from_unix_days(0).unwrap().get(), UNIX_EPOCH_TICKS);
        assert_eq!(Ticks::from_unix_days(i32::MAX), None);
    }

    #[test]
    fn ticks_of_microseconds_stay_in_the_calendar() {
        for unix_us in [0, 1_714_564_800_123_456, -1] {
            assert_eq!(Ticks::nearest_to_unix_us(unix_us).to_unix_us(), unix_us);
        }
        assert_eq!(Ticks::nearest_to_unix_us(i64::MAX).get(), MAX_TICKS);
        assert_eq!(Ticks::nearest_to_unix_us(i64::MIN).get(), 0);
    }

    #[test]
    fn ticks_round_to_milliseconds() {
        assert_eq!(Ticks::new(5_000).unwrap().rounded_to_ms().unwrap().get(), 10_000);
        assert_eq!(Ticks::new(4_999).unwrap().rounded_to_ms().unwrap().get(), 0);
        assert_eq!(Ticks::new(MAX_TICKS).unwrap().rounded_to_ms(), None);
        assert_eq!(Ticks::from_unix_ms(1_700_000_000_123).unwrap().to_unix_ms(), 1_700_000_000_123);
    }
}

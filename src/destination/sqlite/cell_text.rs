//! Cells as SQLite stores them, written into a buffer on the stack.
//!
//! A batch binds tens of thousands of cells; none of them may cost an allocation.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use uuid::Uuid;

use crate::model::cell::Cell;
use crate::model::decimal::Decimal;
use crate::model::value::{TICKS_PER_MILLISECOND, Ticks};

/// Room for the longest text of a cell that is no text: sign, 38 digits, point and a zero.
const ROOM_BYTES: usize = 48;

/// Bytes of `YYYY-MM-DD HH:MM:SS.fff`.
const MOMENT_BYTES: usize = 23;

/// Scratch room for the text of one value.
#[derive(Debug)]
pub(super) struct Scratch([u8; ROOM_BYTES]);

/// Bytes that are text, bound without a copy of our own.
pub(super) struct TextBytes<'a>(pub &'a [u8]);

impl ToSql for TextBytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self([0; ROOM_BYTES])
    }
}

impl Scratch {
    /// The cell as SQLite stores it.
    pub(super) fn cell<'a>(&'a mut self, cell: &'a Cell) -> ValueRef<'a> {
        match cell {
            Cell::Null => ValueRef::Null,
            Cell::Boolean(flag) => ValueRef::Integer(i64::from(*flag)),
            Cell::Integer(number) => ValueRef::Integer(i64::from(*number)),
            Cell::Long(number) => ValueRef::Integer(*number),
            Cell::Decimal(number) => ValueRef::Text(self.decimal(*number)),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Guid(id) => ValueRef::Text(self.uuid(id.0)),
            Cell::Timestamp(ticks) => ValueRef::Text(self.moment(*ticks)),
        }
    }

    /// Canonical lower-case text of a UUID.
    pub(super) fn uuid(&mut self, id: Uuid) -> &[u8] {
        id.hyphenated().encode_lower(&mut self.0).as_bytes()
    }

    /// `YYYY-MM-DD HH:MM:SS.fff` in UTC.
    pub(super) fn moment(&mut self, ticks: Ticks) -> &[u8] {
        let ms = ticks.get() / TICKS_PER_MILLISECOND;
        let (days, ms_of_day) = (ms / 86_400_000, ms % 86_400_000);
        let (year, month, day) = civil_date(days);
        let seconds = ms_of_day / 1_000;
        let text = &mut self.0;
        text[..MOMENT_BYTES].copy_from_slice(b"0000-00-00 00:00:00.000");
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], seconds / 3_600);
        put(&mut text[14..16], seconds / 60 % 60);
        put(&mut text[17..19], seconds % 60);
        put(&mut text[20..23], ms_of_day % 1_000);
        &self.0[..MOMENT_BYTES]
    }

    /// All digits of a decimal and of its scale.
    pub(super) fn decimal(&mut self, number: Decimal) -> &[u8] {
        let unscaled = number.unscaled();
        let scale = usize::from(number.scale());
        let mut at = ROOM_BYTES;
        let mut digits = 0;
        let mut rest = unscaled.unsigned_abs();
        loop {
            if digits == scale && scale > 0 {
                at -= 1;
                self.0[at] = b'.';
            }
            // Most numbers fit 64 bits, where a division is many times cheaper.
            let digit = if let Ok(small) = u64::try_from(rest) {
                rest = u128::from(small / 10);
                small % 10
            } else {
                let digit = rest % 10;
                rest /= 10;
                u64::try_from(digit).unwrap_or_default()
            };
            at -= 1;
            self.0[at] = b'0' + u8::try_from(digit).unwrap_or_default();
            digits += 1;
            if rest == 0 && digits > scale {
                break;
            }
        }
        if unscaled < 0 {
            at -= 1;
            self.0[at] = b'-';
        }
        &self.0[at..]
    }
}

/// Writes a number that is not negative into all of `room`.
fn put(room: &mut [u8], mut number: i64) {
    for byte in room.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Year, month and day of a day counted from 0001-01-01 (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`).
fn civil_date(days: i64) -> (i64, i64, i64) {
    // Years begin in March there, so that a leap day comes last; eras of 400 years from 0000-03-01.
    let shifted = days + 306;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    fn expected_moment(unix_ms: i64) -> String {
        let moment = datetime!(1970-01-01 00:00:00 UTC) + time::Duration::milliseconds(unix_ms);
        let (date, clock) = (moment.date(), moment.time());
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond()
        )
    }

    #[test]
    fn every_day_of_the_calendar_is_right() {
        let mut scratch = Scratch::default();
        let first = datetime!(0001-01-01 00:00:00 UTC).unix_timestamp() / 86_400;
        let last = datetime!(9999-12-31 00:00:00 UTC).unix_timestamp() / 86_400;
        for day in first..=last {
            // Another time of day each day, to the last millisecond of it.
            let unix_ms = day * 86_400_000 + (day - first) * 86_399_999 / (last - first);
            let ticks = Ticks::from_unix_ms(unix_ms).unwrap();
            assert_eq!(text(scratch.moment(ticks)), expected_moment(unix_ms));
        }
    }

    proptest! {
        #[test]
        fn decimals_print_as_the_model_does(
            unscaled in prop_oneof![
                any::<i64>().prop_map(i128::from),
                -(10_i128.pow(38) - 1)..10_i128.pow(38),
                -1_000..1_000_i128,
            ],
            scale in 0..=38_u8,
        ) {
            let number = Decimal::new(unscaled, scale).unwrap();
            let mut scratch = Scratch::default();
            prop_assert_eq!(text(scratch.decimal(number)), number.to_string());
        }
    }

    #[test]
    fn the_longest_decimal_fits() {
        let number = Decimal::new(-(10_i128.pow(38) - 1), 38).unwrap();
        let expected = format!("-0.{}", "9".repeat(38));
        let mut scratch = Scratch::default();
        assert_eq!(text(scratch.decimal(number)), expected);
    }
}

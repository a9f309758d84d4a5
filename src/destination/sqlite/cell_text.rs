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
        // Days of ten thousand years and the milliseconds of a day fit 32 bits with ease.
        let days = u32::try_from(ms / 86_400_000).unwrap_or_default();
        let ms_of_day = u32::try_from(ms % 86_400_000).unwrap_or_default();
        let (year, month, day) = civil_date(days);
        let (seconds, fraction) = (ms_of_day / 1_000, ms_of_day % 1_000);
        let (minutes, second) = (seconds / 60, seconds % 60);
        let (hour, minute) = (minutes / 60, minutes % 60);
        let digit = |number: u32| b'0' + u8::try_from(number % 10).unwrap_or_default();
        let text: [u8; MOMENT_BYTES] = [
            digit(year / 1_000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
            b' ',
            digit(hour / 10),
            digit(hour),
            b':',
            digit(minute / 10),
            digit(minute),
            b':',
            digit(second / 10),
            digit(second),
            b'.',
            digit(fraction / 100),
            digit(fraction / 10),
            digit(fraction),
        ];
        self.0[..MOMENT_BYTES].copy_from_slice(&text);
        &self.0[..MOMENT_BYTES]
    }

    /// All digits of a decimal and of its scale.
    pub(super) fn decimal(&mut self, number: Decimal) -> &[u8] {
        /// Digits that surely fit 64 bits, in which a division is many times cheaper.
        const CHUNK_DIGITS: usize = 19;
        const CHUNK: u128 = 10_u128.pow(19);
        let unscaled = number.unscaled();
        let scale = usize::from(number.scale());
        let mut rest = unscaled.unsigned_abs();
        let mut end = ROOM_BYTES;
        let low = loop {
            match u64::try_from(rest) {
                Ok(low) => break low,
                Err(_) => {
                    let chunk = u64::try_from(rest % CHUNK).unwrap_or_default();
                    rest /= CHUNK;
                    put(&mut self.0[end - CHUNK_DIGITS..end], chunk);
                    end -= CHUNK_DIGITS;
                }
            }
        };
        let digits = if low == 0 { 0 } else { low.ilog10() as usize + 1 };
        put(&mut self.0[end - digits..end], low);
        let mut start = end - digits;
        // A zero before the point, and as many after it as the scale says.
        let least = ROOM_BYTES - scale - 1;
        if start > least {
            self.0[least..start].fill(b'0');
            start = least;
        }
        if scale > 0 {
            self.0.copy_within(start..ROOM_BYTES - scale, start - 1);
            start -= 1;
            self.0[ROOM_BYTES - scale - 1] = b'.';
        }
        if unscaled < 0 {
            start -= 1;
            self.0[start] = b'-';
        }
        &self.0[start..]
    }
}

/// Writes a number into all of `room`, with zeros before it.
fn put(room: &mut [u8], mut number: u64) {
    for byte in room.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Year, month and day of a day counted from 0001-01-01 (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`).
fn civil_date(days: u32) -> (u32, u32, u32) {
    // Years begin in March there, so that a leap day comes last; eras of 400 years from 0000-03-01.
    let shifted = days + 306;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
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

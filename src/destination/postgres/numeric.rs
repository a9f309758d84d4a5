//! PostgreSQL's binary form of `numeric`, from an integer and a scale.
//!
//! Digits of base 10,000, most significant first, aligned at the decimal point, without zeros at
//! either end. Source: `numeric_send` and `numeric_recv` in PostgreSQL's
//! `src/backend/utils/adt/numeric.c`. Pure; exact for every decimal of 38 digits.

use bytes::{BufMut as _, BytesMut};

use crate::model::decimal::Decimal;

/// Most digits of base 10,000 that 38 decimal digits take, wherever the point lies.
const MOST_DIGITS: usize = 11;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Appends the value with its length before it.
pub(super) fn put(buffer: &mut BytesMut, value: Decimal) {
    let scale = value.scale();
    let unscaled = value.unscaled();
    let sign = if unscaled < 0 { NEGATIVE } else { POSITIVE };
    let mut digits = Digits::default();
    // The digit that holds the last decimals is only partly filled; whole ones follow.
    let partial = u32::from(scale % 4);
    match u64::try_from(unscaled.unsigned_abs()) {
        Ok(rest) => digits.read_u64(rest, partial),
        Err(_) => digits.read_u128(unscaled.unsigned_abs(), partial),
    }
    let fraction_digits = i16::from(scale).div_euclid(4) + i16::from(partial > 0);
    let digits = digits.trimmed();
    // Weight is the power of 10,000 of the first digit.
    let weight = digits.most_significant - fraction_digits;
    buffer.reserve(12 + 2 * digits.values.len());
    buffer.put_i32(8 + 2 * i32::from(digits.count()));
    buffer.put_i16(digits.count());
    buffer.put_i16(if digits.values.is_empty() { 0 } else { weight });
    buffer.put_u16(sign);
    buffer.put_u16(u16::from(scale));
    for digit in digits.values.iter().rev() {
        buffer.put_i16(*digit);
    }
}

/// Digits of base 10,000, least significant first.
#[derive(Default)]
struct Digits {
    values: [i16; MOST_DIGITS],
    length: usize,
}

/// Digits without zeros at either end.
struct Trimmed<'a> {
    values: &'a [i16],
    /// Place of the most significant digit, counted from the least one before trimming.
    most_significant: i16,
}

impl Trimmed<'_> {
    fn count(&self) -> i16 {
        i16::try_from(self.values.len()).unwrap_or(0)
    }
}

impl Digits {
    fn push(&mut self, digit: u64) {
        // Below 10,000 by construction, and never more than fit.
        if let Some(place) = self.values.get_mut(self.length) {
            *place = i16::try_from(digit).unwrap_or(0);
            self.length += 1;
        }
    }

    fn read_u64(&mut self, mut rest: u64, partial: u32) {
        if partial > 0 {
            let unit = 10_u64.pow(partial);
            self.push(rest % unit * 10_u64.pow(4 - partial));
            rest /= unit;
        }
        while rest > 0 {
            self.push(rest % 10_000);
            rest /= 10_000;
        }
    }

    fn read_u128(&mut self, mut rest: u128, partial: u32) {
        let low = |value: u128| u64::try_from(value).unwrap_or(0);
        if partial > 0 {
            let unit = 10_u128.pow(partial);
            self.push(low(rest % unit) * 10_u64.pow(4 - partial));
            rest /= unit;
        }
        while rest > 0 {
            self.push(low(rest % 10_000));
            rest /= 10_000;
        }
    }

    fn trimmed(&self) -> Trimmed<'_> {
        let digits = &self.values[..self.length];
        let end = digits.iter().rposition(|digit| *digit != 0).map_or(0, |at| at + 1);
        let start = digits[..end].iter().position(|digit| *digit != 0).unwrap_or(0);
        let most_significant = i16::try_from(end).unwrap_or(0) - 1;
        Trimmed { values: &digits[start..end], most_significant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the form back into text, by PostgreSQL's own description of it.
    fn read(bytes: &[u8]) -> String {
        let word = |at: usize| i16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(bytes.len() - 4, u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize);
        let (count, weight, sign, scale) = (word(4), word(6), word(8), word(10));
        let digit = |power: i16| {
            let at = weight - power;
            usize::try_from(at).ok().filter(|_| at < count).map_or(0, |at| word(12 + 2 * at))
        };
        if count > 0 {
            assert_ne!(digit(weight), 0, "a leading zero");
            assert_ne!(digit(weight - count + 1), 0, "a trailing zero");
        }
        let whole: String = (0..=weight.max(0)).rev().map(|p| format!("{:04}", digit(p))).collect();
        let fraction: String = (1..=10).map(|p| format!("{:04}", digit(-p))).collect();
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let sign = if sign == 0x4000 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{}", &fraction[..usize::try_from(scale).unwrap()])
    }

    #[test]
    fn every_scale_reads_back_as_it_was() {
        let nines = "9".repeat(38);
        let mut unscaled: Vec<i128> =
            vec![0, 1, -1, 9_999, 10_000, 10_001, 100_000_000, -123_456_789];
        unscaled.extend([nines.parse::<i128>().unwrap(), -nines.parse::<i128>().unwrap()]);
        unscaled.extend([i128::from(u64::MAX), i128::from(u64::MAX) + 1, i128::from(i64::MIN)]);
        unscaled.extend((0..38).map(|power| 10_i128.pow(power)));
        unscaled.extend((0..37).map(|power| -7 * 10_i128.pow(power)));
        for number in unscaled {
            for scale in 0..=38 {
                let decimal = Decimal::new(number, scale).unwrap();
                let mut buffer = BytesMut::new();
                put(&mut buffer, decimal);
                assert_eq!(read(&buffer), decimal.to_string(), "{number} scale {scale}");
            }
        }
    }
}

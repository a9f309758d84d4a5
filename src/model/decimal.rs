//! Exact decimals: an integer of up to 38 digits and a scale.
//!
//! Money and decimal columns must arrive as they left; a binary float never touches them.
//! Arithmetic is checked: what does not fit is `None`, never wrapped and never silently rounded,
//! except in [`Decimal::rescale`], whose rounding (half away from zero) is its stated purpose.

use std::fmt;
use std::str::FromStr;

/// Largest number of decimal digits: what `decimal(38, s)` of SQL Server holds.
pub const MAX_DIGITS: u32 = 38;

/// Largest absolute unscaled value: 38 nines.
const MAX_UNSCALED: i128 = 10_i128.pow(MAX_DIGITS) - 1;

/// `unscaled / 10^scale`, exactly. At most 38 digits, scale 0 to 38.
///
/// Stored as bytes, which ask for no alignment: a cell, of which a batch holds hundreds of
/// thousands, then is no larger than a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: [u8; 16],
    scale: u8,
}

impl Decimal {
    /// A decimal from its parts; `None` beyond 38 digits or scale 38.
    pub fn new(unscaled: i128, scale: u8) -> Option<Self> {
        if unscaled.unsigned_abs() > MAX_UNSCALED.unsigned_abs() || u32::from(scale) > MAX_DIGITS {
            return None;
        }
        Some(Self { unscaled: unscaled.to_ne_bytes(), scale })
    }

    /// The integer before the scale is applied.
    pub fn unscaled(self) -> i128 {
        i128::from_ne_bytes(self.unscaled)
    }

    /// Number of digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The same value with `scale` digits after the point, rounded half away from zero;
    /// `None` if it then has more than 38 digits.
    pub fn rescale(self, scale: u8) -> Option<Self> {
        let unscaled = self.unscaled();
        if scale >= self.scale {
            let factor = 10_i128.checked_pow(u32::from(scale - self.scale))?;
            return Self::new(unscaled.checked_mul(factor)?, scale);
        }
        let divisor = 10_i128.checked_pow(u32::from(self.scale - scale))?;
        let quotient = unscaled / divisor;
        let remainder = unscaled % divisor;
        let away = if remainder.abs() >= divisor - remainder.abs() { unscaled.signum() } else { 0 };
        Self::new(quotient + away, scale)
    }

    /// The nearest decimal to a finite float with `scale` digits after the point, rounded half
    /// away from zero on the float's shortest decimal text; `None` if it does not fit or is not
    /// finite.
    pub fn from_f64(value: f64, scale: u8) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value.abs() < 1e-30 {
            // Far below half a unit of any scale that a column may have (at most 10 digits).
            return Self::new(0, scale);
        }
        format!("{value:e}").parse::<Self>().ok()?.rescale(scale)
    }

    /// Digits before the point (0 for values below one).
    pub fn integer_digits(self) -> u32 {
        let whole = self.unscaled().unsigned_abs() / 10_u128.pow(u32::from(self.scale));
        if whole == 0 { 0 } else { whole.ilog10() + 1 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unscaled = self.unscaled();
        let sign = if unscaled < 0 { "-" } else { "" };
        let digits = unscaled.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            return write!(f, "{sign}{whole}.{fraction}");
        }
        write!(f, "{sign}0.{digits:0>scale$}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no decimal, or has more than 38 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 38 digits")]
pub struct ParseDecimalError;

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Reads `-12.340`, `1e3`, `2.5E-4`; keeps the written scale of plain notation.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let exponent: i32 = text[at + 1..].parse().map_err(|_| ParseDecimalError)?;
                (&text[..at], exponent)
            }
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (unscaled, fraction_digits) = read_digits(digits)?;
        let unscaled = if negative { -unscaled } else { unscaled };
        shift(unscaled, fraction_digits.checked_sub(exponent).ok_or(ParseDecimalError)?)
    }
}

/// The digits as one integer, and how many of them stood after the point.
fn read_digits(digits: &str) -> Result<(i128, i32), ParseDecimalError> {
    let mut unscaled: i128 = 0;
    let mut fraction_digits: i32 = 0;
    let (mut point_seen, mut any) = (false, false);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                any = true;
                unscaled = unscaled
                    .checked_mul(10)
                    .and_then(|value| value.checked_add(i128::from(byte - b'0')))
                    .ok_or(ParseDecimalError)?;
                fraction_digits += i32::from(point_seen);
            }
            b'.' if !point_seen => point_seen = true,
            _ => return Err(ParseDecimalError),
        }
    }
    if any { Ok((unscaled, fraction_digits)) } else { Err(ParseDecimalError) }
}

/// `unscaled / 10^scale` for any scale, brought into 0..=38.
fn shift(mut unscaled: i128, mut scale: i32) -> Result<Decimal, ParseDecimalError> {
    if unscaled == 0 {
        scale = scale.clamp(0, MAX_DIGITS.cast_signed());
    }
    while scale > MAX_DIGITS.cast_signed() && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    if scale < 0 {
        let factor = 10_i128.checked_pow(scale.unsigned_abs()).ok_or(ParseDecimalError)?;
        unscaled = unscaled.checked_mul(factor).ok_or(ParseDecimalError)?;
        scale = 0;
    }
    let scale = u8::try_from(scale).map_err(|_| ParseDecimalError)?;
    Decimal::new(unscaled, scale).ok_or(ParseDecimalError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_prints_the_same_text() {
        for text in
            ["0", "-1", "12.340", "0.0000000001", "-0.50", "99999999999999999999999999999999999999"]
        {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal("1e3").to_string(), "1000");
        assert_eq!(decimal("2.5E-4").to_string(), "0.00025");
        assert_eq!(decimal("-0").unscaled(), 0);
    }

    #[test]
    fn refuses_what_is_no_decimal_or_too_long() {
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1e",
            "NaN",
            "1 ",
            "100000000000000000000000000000000000000",
            "1e99",
            "1e-99",
            "1e2147483648",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (text, scale, expected) in [
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("2.49", 0, "2"),
            ("1.005", 2, "1.01"),
            ("-1.004", 2, "-1.00"),
            ("0.5", 0, "1"),
            ("7", 2, "7.00"),
        ] {
            assert_eq!(decimal(text).rescale(scale).unwrap().to_string(), expected);
        }
        assert_eq!(decimal("99999999999999999999999999999999999999").rescale(1), None);
    }

    #[test]
    fn floats_round_on_their_shortest_text() {
        assert_eq!(Decimal::from_f64(1.005, 2).unwrap().to_string(), "1.01");
        assert_eq!(Decimal::from_f64(-47.123_456, 5).unwrap().to_string(), "-47.12346");
        assert_eq!(Decimal::from_f64(f64::NAN, 2), None);
        assert_eq!(Decimal::from_f64(1e300, 2), None);
        assert_eq!(Decimal::from_f64(1e-300, 2).unwrap().to_string(), "0.00");
    }

    #[test]
    fn counts_digits_before_the_point() {
        assert_eq!(decimal("0.99").integer_digits(), 0);
        assert_eq!(decimal("-123.4").integer_digits(), 3);
    }
}

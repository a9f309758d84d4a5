//! One value, fitted to the type of its column.
//!
//! The conversions here are the only place where a value may change its form; each is exact or
//! stated: times to the millisecond and decimals to the column's scale, half away from zero.

use compact_str::{CompactString, CompactStringExt as _, ToCompactString as _};

use super::decimal::{Decimal, MAX_DIGITS};
use super::failure::Cause;
use super::instant_text::{InstantError, read_instant};
use super::record::RecordId;
use super::table::ColumnType;
use super::value::{Ticks, Value};

/// A value that fits its column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Null.
    Null,
    /// For [`ColumnType::Boolean`].
    Boolean(bool),
    /// For [`ColumnType::Integer`].
    Integer(i32),
    /// For [`ColumnType::Long`].
    Long(i64),
    /// For [`ColumnType::Decimal`], at the column's scale.
    Decimal(Decimal),
    /// For [`ColumnType::Text`].
    Text(CompactString),
    /// For [`ColumnType::Guid`].
    Guid(RecordId),
    /// For [`ColumnType::Timestamp`], in whole milliseconds.
    Timestamp(Ticks),
}

impl ColumnType {
    /// The word for causes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Guid => "guid",
            Self::Text { .. } => "text",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Decimal { .. } => "decimal",
        }
    }
}

/// `value` as a cell of `column_type`.
///
/// # Errors
/// The [`Cause`] with the column's limit, never with the value.
pub fn fit_value(value: Value, column_type: ColumnType) -> Result<Cell, Cause> {
    if value == Value::Null {
        return Ok(Cell::Null);
    }
    match column_type {
        ColumnType::Guid => guid(value),
        ColumnType::Text { max_units } => text(value, max_units),
        ColumnType::Integer => integer(&value),
        ColumnType::Long => long(&value),
        ColumnType::Boolean => boolean(value),
        ColumnType::Timestamp => timestamp(value),
        ColumnType::Decimal { scale } => decimal(value, scale),
    }
}

fn wrong_type(value: &Value, column_type: &'static str) -> Cause {
    Cause::WrongType { kind: value.kind(), column_type }
}

fn guid(value: Value) -> Result<Cell, Cause> {
    match &value {
        Value::Guid(id) => Ok(Cell::Guid(*id)),
        Value::Lookup(lookup) => Ok(Cell::Guid(lookup.id)),
        Value::Untyped(text) | Value::Text(text) => {
            text.parse::<RecordId>().map(Cell::Guid).map_err(|_| wrong_type(&value, "guid"))
        }
        _ => Err(wrong_type(&value, "guid")),
    }
}

fn text(value: Value, max_units: Option<u32>) -> Result<Cell, Cause> {
    let text = match value {
        Value::Text(text) | Value::Untyped(text) => text,
        Value::Guid(id) => id.to_compact_string(),
        // Numbers of the options, ascending as the source sends them, joined by commas.
        Value::Choices(options) => {
            options.iter().map(ToString::to_string).collect::<Vec<_>>().join_compact(",")
        }
        other => return Err(wrong_type(&other, "text")),
    };
    check_text(&text, max_units)?;
    Ok(Cell::Text(text))
}

/// Length in UTF-16 units, as the source and SQL Server count.
pub fn utf16_units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn check_text(text: &str, max_units: Option<u32>) -> Result<(), Cause> {
    if text.as_bytes().contains(&0) {
        return Err(Cause::TextHasNul);
    }
    let Some(limit_units) = max_units else {
        return Ok(());
    };
    // A text never has more UTF-16 units than bytes, so most are settled by their length.
    let limit = limit_units as usize;
    if text.len() > limit {
        let size_units = utf16_units(text);
        if size_units > limit {
            return Err(Cause::TextTooLong { limit_units, size_units });
        }
    }
    Ok(())
}

/// A whole number of the column's type; one that no type holds is out of range all the same.
fn whole<T: TryFrom<i64>>(value: &Value, column_type: &'static str) -> Result<T, Cause> {
    let number = match value {
        Value::Integer(number) | Value::Choice(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        Value::Decimal(number) if is_whole(*number) => {
            number.rescale(0).and_then(|whole| i64::try_from(whole.unscaled()).ok())
        }
        Value::Untyped(text) if is_whole_text(text) => text.parse().ok(),
        other => return Err(wrong_type(other, column_type)),
    };
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or(Cause::NumberOutOfRange { column_type })
}

fn is_whole(number: Decimal) -> bool {
    number.rescale(0).and_then(|whole| whole.rescale(number.scale())) == Some(number)
}

fn is_whole_text(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn integer(value: &Value) -> Result<Cell, Cause> {
    whole(value, "integer").map(Cell::Integer)
}

fn long(value: &Value) -> Result<Cell, Cause> {
    whole(value, "long").map(Cell::Long)
}

fn boolean(value: Value) -> Result<Cell, Cause> {
    match value {
        Value::Boolean(flag) => Ok(Cell::Boolean(flag)),
        other => Err(wrong_type(&other, "boolean")),
    }
}

fn timestamp(value: Value) -> Result<Cell, Cause> {
    let ticks = match &value {
        Value::Timestamp(ticks) => Some(*ticks),
        Value::Date(days) => Ticks::from_unix_days(*days),
        Value::Untyped(text) => {
            let read = read_instant(text);
            let read = read.map_err(|error| match error {
                InstantError::OutOfRange => Cause::TimeOutOfRange,
                InstantError::NoInstant => wrong_type(&value, "timestamp"),
            });
            Some(read?)
        }
        _ => return Err(wrong_type(&value, "timestamp")),
    };
    ticks.and_then(Ticks::rounded_to_ms).map(Cell::Timestamp).ok_or(Cause::TimeOutOfRange)
}

fn decimal(value: Value, scale: u8) -> Result<Cell, Cause> {
    let out_of_range = Cause::NumberOutOfRange { column_type: "decimal" };
    let number = match &value {
        Value::Decimal(number) => number.rescale(scale),
        Value::Double(number) => Decimal::from_f64(*number, scale),
        Value::Integer(number) | Value::Choice(number) => {
            Decimal::new(i128::from(*number), 0).and_then(|number| number.rescale(scale))
        }
        Value::Long(number) => {
            Decimal::new(i128::from(*number), 0).and_then(|number| number.rescale(scale))
        }
        Value::Untyped(text) => {
            match text.parse::<Decimal>() {
                Ok(number) => number.rescale(scale),
                // A number all the same, of more digits than any column has.
                Err(_) if is_number_text(text) => None,
                Err(_) => return Err(wrong_type(&value, "decimal")),
            }
        }
        _ => return Err(wrong_type(&value, "decimal")),
    };
    let number = number.ok_or_else(|| out_of_range.clone())?;
    if number.integer_digits() + u32::from(scale) > MAX_DIGITS {
        return Err(out_of_range);
    }
    Ok(Cell::Decimal(number))
}

/// Whether the text is a number in plain or scientific notation, however large.
fn is_number_text(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_larger_than_a_text() {
        assert_eq!(size_of::<Cell>(), size_of::<CompactString>());
        assert_eq!(size_of::<(u16, Cell)>(), 32);
    }

    fn long_text(units: usize) -> Value {
        Value::Text("x".repeat(units).into())
    }

    #[test]
    fn text_is_measured_in_utf16_units() {
        let four = ColumnType::Text { max_units: Some(4) };
        assert!(fit_value(long_text(4), four).is_ok());
        assert_eq!(
            fit_value(long_text(5), four),
            Err(Cause::TextTooLong { limit_units: 4, size_units: 5 })
        );
        // Two surrogate pairs: four units, eight bytes.
        assert!(fit_value(Value::Text("😀😀".into()), four).is_ok());
        assert_eq!(
            fit_value(Value::Text("😀😀a".into()), four),
            Err(Cause::TextTooLong { limit_units: 4, size_units: 5 })
        );
        assert_eq!(fit_value(Value::Text("a\0".into()), four), Err(Cause::TextHasNul));
    }

    #[test]
    fn the_column_decides_what_untyped_text_is() {
        let untyped = |text: &str| Value::Untyped(text.into());
        let date = "/Date(0)/";
        assert_eq!(
            fit_value(untyped(date), ColumnType::Text { max_units: None }),
            Ok(Cell::Text(date.into()))
        );
        assert_eq!(
            fit_value(untyped(date), ColumnType::Timestamp),
            Ok(Cell::Timestamp(Ticks::from_unix_ms(0).unwrap()))
        );
        assert!(
            fit_value(untyped("0F8FAD5B-D9CB-469F-A165-70867728950E"), ColumnType::Guid).is_ok()
        );
        assert!(fit_value(untyped("no id"), ColumnType::Guid).is_err());
    }

    #[test]
    fn whole_numbers_have_limits() {
        assert_eq!(
            fit_value(Value::Long(i64::from(i32::MAX)), ColumnType::Integer),
            Ok(Cell::Integer(i32::MAX))
        );
        assert_eq!(
            fit_value(Value::Long(i64::from(i32::MAX) + 1), ColumnType::Integer),
            Err(Cause::NumberOutOfRange { column_type: "integer" })
        );
        assert_eq!(
            fit_value(Value::Decimal("5.0".parse().unwrap()), ColumnType::Integer),
            Ok(Cell::Integer(5))
        );
        let fraction = Value::Decimal("5.5".parse().unwrap());
        let wrong = Cause::WrongType { kind: "decimal", column_type: "integer" };
        assert_eq!(fit_value(fraction, ColumnType::Integer), Err(wrong));
        // A number of more digits than the type holds is too large, not of another type.
        let untyped = |text: &str| Value::Untyped(text.into());
        let large = Value::Decimal("9223372036854775808".parse().unwrap());
        for value in [large, untyped("9223372036854775808"), untyped("-99999999999999999999")] {
            let beyond = Err(Cause::NumberOutOfRange { column_type: "long" });
            assert_eq!(fit_value(value, ColumnType::Long), beyond);
        }
        for text in ["", "-", "1.0", "0x1", "1 "] {
            let wrong = Cause::WrongType { kind: "untyped text", column_type: "long" };
            assert_eq!(fit_value(untyped(text), ColumnType::Long), Err(wrong), "{text}");
        }
    }

    #[test]
    fn decimals_round_to_the_scale_and_keep_38_digits() {
        let scale = ColumnType::Decimal { scale: 2 };
        assert_eq!(
            fit_value(Value::Decimal("1.005".parse().unwrap()), scale),
            Ok(Cell::Decimal("1.01".parse().unwrap()))
        );
        assert!(fit_value(Value::Decimal("9".repeat(36).parse().unwrap()), scale).is_ok());
        assert_eq!(
            fit_value(Value::Decimal("9".repeat(37).parse().unwrap()), scale),
            Err(Cause::NumberOutOfRange { column_type: "decimal" })
        );
    }

    #[test]
    fn null_fits_everywhere() {
        assert_eq!(fit_value(Value::Null, ColumnType::Guid), Ok(Cell::Null));
    }
}

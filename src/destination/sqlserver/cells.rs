//! Reads the cells of what the server answers.
//!
//! Numbers are taken in whatever width the server chose; anything else than what was asked for is
//! a fault of the protocol.

use tiberius::{ColumnData, Row};
use uuid::Uuid;

use super::failure::Failure;

/// A whole number or a bit; `None` for null.
pub(super) fn number_or_null(row: &Row, at: usize) -> Result<Option<i64>, Failure> {
    match row.get_column_data(at)? {
        ColumnData::I64(number) => Ok(*number),
        ColumnData::I32(number) => Ok(number.map(i64::from)),
        ColumnData::I16(number) => Ok(number.map(i64::from)),
        ColumnData::U8(number) => Ok(number.map(i64::from)),
        ColumnData::Bit(bit) => Ok(bit.map(i64::from)),
        _ => Err(Failure::Protocol),
    }
}

/// A whole number or a bit.
pub(super) fn number(row: &Row, at: usize) -> Result<i64, Failure> {
    number_or_null(row, at)?.ok_or(Failure::Protocol)
}

/// A number that fits another type.
pub(super) fn small<T: TryFrom<i64>>(row: &Row, at: usize) -> Result<T, Failure> {
    T::try_from(number(row, at)?).map_err(|_| Failure::Protocol)
}

/// Whether a number or a bit is not 0.
pub(super) fn truth(row: &Row, at: usize) -> Result<bool, Failure> {
    Ok(number(row, at)? != 0)
}

/// A text; `None` for null.
pub(super) fn text_or_null(row: &Row, at: usize) -> Result<Option<&str>, Failure> {
    Ok(row.try_get::<&str, _>(at)?)
}

/// A text.
pub(super) fn text(row: &Row, at: usize) -> Result<&str, Failure> {
    text_or_null(row, at)?.ok_or(Failure::Protocol)
}

/// An id.
pub(super) fn id(row: &Row, at: usize) -> Result<Uuid, Failure> {
    row.try_get::<Uuid, _>(at)?.ok_or(Failure::Protocol)
}

/// The first number that was answered.
pub(super) fn only_number(answers: &[Vec<Row>]) -> Result<i64, Failure> {
    answers.iter().flatten().next().ok_or(Failure::Protocol).and_then(|row| number(row, 0))
}

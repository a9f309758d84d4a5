//! A cell in the one printed form of the suite; see `StoredRow::cells`.
//!
//! Written apart from every adapter, with the calendar of the crate `time`, so that an adapter's
//! own printing is compared with something else.

use keepstep::model::cell::Cell;
use time::OffsetDateTime;
use time::macros::format_description;

/// The cell as it must be read back; `None` is null.
pub fn printed(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Boolean(flag) => Some(flag.to_string()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Long(number) => Some(number.to_string()),
        Cell::Decimal(number) => Some(number.to_string()),
        Cell::Text(text) => Some(text.to_string()),
        Cell::Guid(id) => Some(id.canonical()),
        Cell::Timestamp(ticks) => Some(moment(ticks.to_unix_ms())),
    }
}

/// `YYYY-MM-DD HH:MM:SS.fff` of milliseconds since 1970.
pub fn moment(unix_ms: i64) -> String {
    let format = format_description!(
        "[year repr:full padding:zero]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]"
    );
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    moment.expect("a year of four digits").format(format).expect("a moment has these parts")
}

//! Entries as lines of a file: the old service's lines, CSV, or JSON.
//!
//! Promises: one entry is one line, whatever its names hold; a CSV cell never begins a formula in a
//! spreadsheet. Pure but for the writer; memory is one line.

use std::io::{self, Write};

use serde::Serialize;
use time::OffsetDateTime;

use super::advice::advice;
use super::change::ChangeType;
use super::entry::Entry;
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The lines of the old service's failure log.
    Lines,
    /// Comma-separated values with a line of names.
    Csv,
    /// One JSON object a line.
    Json,
}

/// The names of the CSV columns.
const CSV_NAMES: &str = "profile,entity,record_id,state,cause,column,reason,advice,attempt,changes,\
                         first_at,last_at,change_type,notified_at,topic,partition,offset,content,\
                         ended,ended_at";

/// Writes what comes before the first entry.
///
/// # Errors
/// If the output cannot be written.
pub fn begin(format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Csv => writeln!(out, "{CSV_NAMES}"),
        Format::Lines | Format::Json => Ok(()),
    }
}

/// Writes one entry.
///
/// # Errors
/// If the output cannot be written.
pub fn write(
    format: Format,
    profile: &ProfileId,
    entry: &Entry,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Lines => old_line(entry, out),
        Format::Csv => csv_line(profile, entry, out),
        Format::Json => {
            serde_json::to_writer(&mut *out, &object(profile, entry))?;
            out.write_all(b"\n")
        }
    }
}

/// `Entity: …, RecordId: …, NotificationTime: …, ChangeType: …, FailureReason: …`.
fn old_line(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    write!(out, "Entity: ")?;
    match &entry.head.entity {
        Some(entity) => plain(entity.as_str(), out)?,
        None => out.write_all(b"N/A")?,
    }
    match entry.head.record_id {
        Some(id) => write!(out, ", RecordId: {id}, NotificationTime: ")?,
        None => write!(out, ", RecordId: N/A, NotificationTime: ")?,
    }
    if let Some(time) = entry.notified_at_ms.and_then(moment) {
        let (hour, minute, second) = time.to_hms();
        let half = if hour < 12 { "AM" } else { "PM" };
        let hour = (hour + 11) % 12 + 1;
        let (year, month, day) = time.to_calendar_date();
        let month = u8::from(month);
        write!(out, "{month}/{day}/{year:04} {hour}:{minute:02}:{second:02} {half}")?;
    }
    let change_type = entry.change_type.map_or("N/A", ChangeType::as_str);
    write!(out, ", ChangeType: {change_type}, FailureReason: ")?;
    plain(&reason(entry), out)?;
    out.write_all(b"\n")
}

/// The cause in words, with its column.
pub fn reason(entry: &Entry) -> String {
    let Some(cause) = &entry.cause else {
        return "not known: only the release was published".to_owned();
    };
    let words = if cause.detail.is_empty() { cause.code.as_str() } else { cause.detail.as_str() };
    match &cause.column {
        Some(column) => format!("column {column}: {words}"),
        None => words.to_owned(),
    }
}

fn csv_line(profile: &ProfileId, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    let position = &entry.head.position;
    let cause = entry.cause.as_ref();
    let code = cause.map_or("", |cause| cause.code.as_str());
    write!(out, "{profile},")?;
    cell(entry.head.entity.as_ref().map_or("", |entity| entity.as_str()), out)?;
    if let Some(id) = entry.head.record_id {
        write!(out, ",{id}")?;
    } else {
        write!(out, ",")?;
    }
    write!(out, ",{},", state(entry))?;
    cell(code, out)?;
    write!(out, ",")?;
    cell(cause.and_then(|cause| cause.column.as_deref()).unwrap_or(""), out)?;
    write!(out, ",")?;
    cell(&reason(entry), out)?;
    write!(out, ",")?;
    cell(if cause.is_some() { advice(code) } else { "" }, out)?;
    write!(out, ",{},{},", entry.attempt, entry.changes)?;
    time_cell(Some(entry.first_at_us), out)?;
    write!(out, ",")?;
    time_cell(Some(entry.last_at_us), out)?;
    write!(out, ",{},", entry.change_type.map_or("", ChangeType::as_str))?;
    time_cell(entry.notified_at_ms.map(|ms| ms.saturating_mul(1_000)), out)?;
    write!(out, ",")?;
    cell(position.topic.as_str(), out)?;
    write!(out, ",{},{},{},", position.partition, position.offset, content(entry))?;
    cell(entry.ended.as_ref().map_or("", |ended| ended.reason.as_str()), out)?;
    write!(out, ",")?;
    time_cell(entry.ended.as_ref().map(|ended| ended.at_us), out)?;
    writeln!(out)
}

/// An entry as a JSON object.
#[derive(Debug, Serialize)]
pub struct Object<'a> {
    profile: &'a str,
    entity: Option<&'a str>,
    record_id: Option<String>,
    state: &'static str,
    cause: Option<&'a str>,
    column: Option<&'a str>,
    reason: String,
    advice: Option<&'static str>,
    attempt: u32,
    changes: u64,
    first_at: String,
    last_at: String,
    change_type: Option<&'static str>,
    notified_at: Option<String>,
    topic: &'a str,
    partition: u32,
    offset: i64,
    content: &'static str,
    ended: Option<&'a str>,
    ended_at: Option<String>,
    key: String,
}

/// An entry as a JSON object.
pub fn object<'a>(profile: &'a ProfileId, entry: &'a Entry) -> Object<'a> {
    let cause = entry.cause.as_ref();
    let ended = entry.ended.as_ref();
    Object {
        profile: profile.as_str(),
        entity: entry.head.entity.as_ref().map(EntityName::as_str),
        record_id: entry.head.record_id.map(RecordId::canonical),
        state: state(entry),
        cause: cause.map(|cause| cause.code.as_str()),
        column: cause.and_then(|cause| cause.column.as_deref()),
        reason: reason(entry),
        advice: cause.map(|cause| advice(&cause.code)),
        attempt: entry.attempt,
        changes: entry.changes,
        first_at: time_text(entry.first_at_us),
        last_at: time_text(entry.last_at_us),
        change_type: entry.change_type.map(ChangeType::as_str),
        notified_at: entry.notified_at_ms.map(|ms| time_text(ms.saturating_mul(1_000))),
        topic: entry.head.position.topic.as_str(),
        partition: entry.head.position.partition.0,
        offset: entry.head.position.offset.0,
        content: content(entry),
        ended: ended.map(|ended| ended.reason.as_str()),
        ended_at: ended.map(|ended| time_text(ended.at_us)),
        key: entry.head.text(),
    }
}

fn state(entry: &Entry) -> &'static str {
    if entry.ended.is_some() { "resolved" } else { "open" }
}

/// Where the notification itself can be found.
fn content(entry: &Entry) -> &'static str {
    if entry.content_kept { "dead_letter" } else { "source_position" }
}

/// A time in UTC to the millisecond, from µs since 1970; the number itself if no calendar has it.
pub fn time_text(unix_us: i64) -> String {
    let Some(time) = moment(unix_us.div_euclid(1_000)) else {
        return unix_us.to_string();
    };
    let (hour, minute, second, ms) = time.to_hms_milli();
    let (year, month, day) = time.to_calendar_date();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

fn time_cell(unix_us: Option<i64>, out: &mut impl Write) -> io::Result<()> {
    unix_us.map_or(Ok(()), |unix_us| out.write_all(time_text(unix_us).as_bytes()))
}

fn moment(unix_ms: i64) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()?;
    (1..=9_999).contains(&moment.year()).then_some(moment)
}

/// Text without control characters: names come from the wire.
fn plain(text: &str, out: &mut impl Write) -> io::Result<()> {
    if !text.chars().any(char::is_control) {
        return out.write_all(text.as_bytes());
    }
    let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    out.write_all(clean.as_bytes())
}

/// A CSV cell (RFC 4180). One that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(text: &str, out: &mut impl Write) -> io::Result<()> {
    let formula = text.starts_with(['=', '+', '-', '@']);
    if !formula && !text.contains(['"', ',']) {
        return plain(text, out);
    }
    out.write_all(if formula { b"\"'" } else { b"\"" })?;
    plain(&text.replace('"', "\"\""), out)?;
    out.write_all(b"\"")
}

/// A text as a CSV cell.
pub fn csv_cell(text: &str) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _written = cell(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

//! `[failed_list]`, `[limits]`, `[http]` and `[telemetry]`: the process itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::TableReader;
use super::reading::{Complaint, Field, Found, Reading};

const LIMITS: (&str, &str) = ("[limits]", "Limits of the whole process.");
const FAILED_LIST: (&str, &str) =
    ("[failed_list]", "The failed-record list: what `keepstep failed` shows.");
const HTTP: (&str, &str) =
    ("[http]", "The small HTTP server for `/metrics`, `/healthz` and `/readyz`.");
const TELEMETRY: (&str, &str) = ("[telemetry]", "What the process writes to standard error.");

/// How the process writes its log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the process writes to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The least important level that is written.
    pub level: tracing::Level,
    /// In what form.
    pub format: LineFormat,
}

/// The failed-record list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedListSettings {
    /// Its file.
    pub path: PathBuf,
    /// How long what ended is kept, in days.
    pub keep_resolved_days: u32,
    /// Whether this process makes the list, beside the pipelines.
    pub compact: bool,
}

/// Reads `[failed_list]`.
pub(super) fn read_failed_list(
    reading: &mut Reading,
    found: Option<Found<'_>>,
) -> Option<FailedListSettings> {
    let mut table = TableReader::new(reading, FAILED_LIST, "failed_list", found);
    let path = table.path(Field::with_default(
        "path",
        "a path",
        "failed.sqlite",
        "The file of the list, made when it is missing. Relative paths begin at the settings file. \
         Of several processes with one file one makes the list, and another takes over when it ends.",
    ));
    let keep_resolved_days = table.whole(
        "keep_resolved_days",
        1..=3_650,
        30,
        "How long entries that were settled stay in the history.",
    );
    let compact = table.flag(
        "compact",
        true,
        "Whether `keepstep run` makes the list from the dead-letter topics, beside the profiles.",
    );
    table.finish();
    let keep_resolved_days = u32::try_from(keep_resolved_days).ok()?;
    Some(FailedListSettings { path: path?, keep_resolved_days, compact })
}

/// Reads `[limits]`: bytes of changes in memory.
pub(super) fn read_limits(reading: &mut Reading, found: Option<Found<'_>>) -> u64 {
    let mut table = TableReader::new(reading, LIMITS, "limits", found);
    let memory_mb = table.whole(
        "memory_mb",
        16..=65_536,
        128,
        "Megabytes (of 1,048,576 bytes) of changes that may be held in memory, over all profiles, \
         whatever the backlog.",
    );
    table.finish();
    memory_mb.saturating_mul(1024 * 1024)
}

/// Reads `[http]`: where to listen.
pub(super) fn read_http(reading: &mut Reading, found: Option<Found<'_>>) -> Option<SocketAddr> {
    let mut table = TableReader::new(reading, HTTP, "http", found);
    let field = Field::with_default(
        "listen",
        "\"address:port\" or \"off\"",
        "127.0.0.1:9187",
        "Where to listen. It has no log-in: do not open it to the world.",
    );
    let listen = table.text(field, |text| match text {
        "off" => Ok(None),
        address => address.parse().map(Some).map_err(|_| {
            let hint =
                "write an IP address and a port (\"127.0.0.1:9187\", \"0.0.0.0:9187\") or \"off\"";
            Complaint::new(format!("{address:?} is no address to listen on"), hint)
        }),
    });
    table.finish();
    listen.flatten()
}

/// Reads `[telemetry]`.
pub(super) fn read_telemetry(
    reading: &mut Reading,
    found: Option<Found<'_>>,
) -> Option<TelemetrySettings> {
    use tracing::Level;
    let mut table = TableReader::new(reading, TELEMETRY, "telemetry", found);
    let level = table.choice(
        "level",
        &[
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ],
        Some("info"),
        "The least important level that is written.",
    );
    let format = table.choice(
        "format",
        &[("text", LineFormat::Text), ("json", LineFormat::Json)],
        Some("text"),
        "Lines for people, or one JSON object a line.",
    );
    table.finish();
    Some(TelemetrySettings { level: level?, format: format? })
}

//! What `[[profile]]` says about its source: where to begin, what to make of it, how much at a time.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::destination::{BATCH_CHANGES, DatabaseSettings};
use super::reader::TableReader;
use super::reading::{Complaint, Field};
use crate::model::batcher::BatchLimits;
use crate::model::mapping::UnknownAttribute;
use crate::model::profile::Start;

/// How the profile reads.
pub(super) struct Source {
    /// Where it begins on its topics.
    pub start: Option<Start>,
    /// Whether its topics carry no patches.
    pub images_only: bool,
    /// What to do with attributes that no definition has.
    pub unknown_attributes: Option<UnknownAttribute>,
    /// How much goes into one transaction.
    pub batch: Option<BatchLimits>,
    /// How long a lane may go on when it is told to stop.
    pub drain: Duration,
}

/// Reads them.
pub(super) fn read(table: &mut TableReader<'_, '_>, database: Option<&DatabaseSettings>) -> Source {
    let unknown_attributes = table.choice(
        "unknown_attributes",
        &[("stop", UnknownAttribute::Stop), ("drop", UnknownAttribute::Drop)],
        Some("stop"),
        "What to do with an attribute that the definition lacks: stop, so that nothing is lost, or \
         leave it out and count it.",
    );
    let field = Field::with_default(
        "start",
        "\"earliest\", \"latest\" or a time (\"2026-01-31T00:00:00Z\")",
        "earliest",
        "Where to begin on the topics when the profile is activated for the first time. From then \
         on the checkpoint in the destination decides.",
    );
    let form = field.form.clone();
    let start = table.text(field, |text| {
        let complaint = || Complaint::new(format!("{text:?} is no start"), format!("write {form}"));
        parse_start(text).ok_or_else(complaint)
    });
    let images_only = table.flag(
        "images_only",
        false,
        "Says that the topics carry full images and deletes only, no patches: they may be \
         compacted then, and a patch is held.",
    );
    let (range, most) = database.map_or(BATCH_CHANGES, DatabaseSettings::batch_changes);
    let changes = table.whole(
        "batch_changes",
        range,
        most,
        "Most changes in one transaction. In SQL Server 2000 is the default and the most: the locks \
         of their rows and pages stay below the 5,000 at which it locks the whole table.",
    );
    let bytes = table.whole(
        "batch_bytes",
        65_536..=67_108_864,
        8_388_608,
        "Most bytes of changes in one transaction. One larger notification is written alone.",
    );
    let linger_ms = table.whole(
        "batch_linger_ms",
        0..=60_000,
        50,
        "Longest time that a change waits for others to share its transaction.",
    );
    let drain_ms = table.whole(
        "drain_ms",
        0..=30_000,
        10_000,
        "How long a lane may go on writing when its partition is taken away or the process stops.",
    );
    let limits = usize::try_from(changes).ok().zip(usize::try_from(bytes).ok());
    let linger = Duration::from_millis(linger_ms);
    let batch = limits.map(|(changes, bytes)| BatchLimits { changes, bytes, linger });
    let drain = Duration::from_millis(drain_ms);
    Source { start, images_only, unknown_attributes, batch, drain }
}

/// The moment to start at, or the end of the topic that is named.
fn parse_start(text: &str) -> Option<Start> {
    match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        time => {
            let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
            i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok().map(Start::Time)
        }
    }
}

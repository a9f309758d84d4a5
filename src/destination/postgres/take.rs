//! Takes a lane: a new owner for its cursors, which are answered.

use std::time::Duration;

use super::blame::lane_error;
use super::burst::{self, Answer};
use super::connection::Connections;
use super::failure::Failure;
use super::settings::PostgresSettings;
use super::statements;
use crate::destination::{DestinationError, own_tables};
use crate::model::checkpoint::{Checkpoint, Cursor, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::position::{NextOffset, Offset};

/// Takes a lane.
pub(super) async fn take(
    connections: &Connections,
    settings: &PostgresSettings,
    lane: &LaneId,
    token: OwnerToken,
) -> Result<Checkpoint, DestinationError> {
    let cursors = cursors(connections, settings.answer_timeout, lane, token).await;
    let cursors =
        cursors.map_err(|failure| lane_error(format!("taking {lane} in PostgreSQL"), &failure))?;
    let lost = || DestinationError::Fatal(own_tables::checkpoint_lost(&lane.to_string()));
    Checkpoint::new(cursors).ok_or_else(lost)
}

async fn cursors(
    connections: &Connections,
    limit: Duration,
    lane: &LaneId,
    token: OwnerToken,
) -> Result<Vec<Cursor>, Failure> {
    let lease = connections.lend().await?;
    let statements = statements::take(lane, token);
    let text = statements.join(";\n");
    let sending = burst::send(&lease.connection.client, &text, statements.len());
    let answers = tokio::time::timeout(limit, sending).await.map_err(|_| Failure::TimedOut)?;
    let answers = answers.map_err(|failed| failed.failure)?;
    lease.give_back();
    // The rows that were updated are those of the statement before the commit.
    let updated =
        answers.iter().rev().nth(1).unwrap_or(&Answer { count: 0, rows: Vec::new() }).rows.clone();
    updated.iter().map(|row| cursor(row).ok_or(Failure::Protocol)).collect()
}

/// Reads a cursor from the columns that the statement answers.
fn cursor(row: &[Option<String>]) -> Option<Cursor> {
    let [entity, next, offset, timestamp_ms, length_bytes, crc] = row else { return None };
    let number = |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse::<i64>().ok());
    let fingerprint =
        match (number(offset), number(timestamp_ms), number(length_bytes), number(crc)) {
            (Some(offset), Some(timestamp_ms), Some(length_bytes), Some(crc)) => {
                Some(Fingerprint {
                    offset: Offset(offset),
                    timestamp_ms,
                    length_bytes: u32::try_from(length_bytes).ok()?,
                    crc: u32::try_from(crc).ok()?,
                })
            }
            _ => None,
        };
    Some(Cursor {
        scope: Scope::from_stored(entity.as_deref()?),
        next: NextOffset(number(next)?),
        fingerprint,
    })
}

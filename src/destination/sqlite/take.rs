//! Takes a lane: folds its cursors, writes the new owner, reads where it stands.

use rusqlite::{Connection, Row, params};

use super::cell_text::{Scratch, TextBytes};
use super::statements;
use super::stop::Stop;
use crate::destination::own_tables::checkpoint_lost;
use crate::model::checkpoint::{Checkpoint, Cursor, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::position::{NextOffset, Offset};

/// Takes a lane, within the caller's transaction.
///
/// # Errors
/// A refusal where the lane has no cursor for all entities, or what SQLite says.
pub(super) fn take(
    connection: &Connection,
    lane: &LaneId,
    token: OwnerToken,
) -> Result<Checkpoint, Stop> {
    let profile = lane.profile.as_str();
    let topic = lane.topic_partition.topic.as_str();
    let partition = lane.topic_partition.partition.0;
    connection
        .prepare_cached(&statements::fold_cursors())?
        .execute(params![profile, topic, partition])?;
    let mut scratch = Scratch::default();
    let owner = TextBytes(scratch.uuid(token.0));
    let mut statement = connection.prepare_cached(&statements::take_cursors())?;
    let rows = statement.query_map(params![profile, topic, partition, owner], cursor)?;
    let cursors = rows.collect::<rusqlite::Result<Vec<Cursor>>>()?;
    Checkpoint::new(cursors).ok_or_else(|| Stop::Refused(checkpoint_lost(&lane.to_string())))
}

fn cursor(row: &Row<'_>) -> rusqlite::Result<Cursor> {
    let entity: String = row.get(0)?;
    let last_offset: Option<i64> = row.get(2)?;
    let fingerprint = match last_offset {
        Some(offset) => Some(Fingerprint {
            offset: Offset(offset),
            timestamp_ms: row.get(3)?,
            length_bytes: row.get(4)?,
            crc: row.get(5)?,
        }),
        None => None,
    };
    Ok(Cursor { scope: Scope::from_stored(&entity), next: NextOffset(row.get(1)?), fingerprint })
}

//! Takes a lane: a new owner for its cursors, which are answered.

use tiberius::Row;

use super::blame::lane_error;
use super::cells;
use super::connection::Connections;
use super::failure::Failure;
use super::own_ddl::{lane_condition, own_table};
use crate::destination::own_tables::name as own;
use crate::destination::{DestinationError, own_tables};
use crate::model::checkpoint::{Checkpoint, Cursor, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::position::{NextOffset, Offset};

/// Writes the token as the owner of all the lane's cursors, and answers them: a whole transaction.
/// A cursor of one entity that has come as far as that of all others is one of them again.
pub(super) fn statements(lane: &LaneId, token: OwnerToken) -> String {
    let table = own_table(own::CHECKPOINT);
    let (cursor, all) = (lane_condition("c", lane), lane_condition("a", lane));
    format!(
        "SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRANSACTION;\n\
         DELETE c FROM {table} AS c JOIN {table} AS a ON a.next_offset = c.next_offset WHERE {cursor} AND c.entity <> N'' AND {all} AND a.entity = N'';\n\
         UPDATE c SET owner = '{}', updated_at = SYSUTCDATETIME() FROM {table} AS c WHERE {cursor};\n\
         SELECT c.entity, c.next_offset, c.last_offset, c.last_timestamp_ms, c.last_length_bytes, c.last_crc FROM {table} AS c WHERE {cursor} ORDER BY c.entity;\n\
         COMMIT TRANSACTION",
        token.0
    )
}

/// Takes a lane.
pub(super) async fn take(
    connections: &Connections,
    lane: &LaneId,
    token: OwnerToken,
) -> Result<Checkpoint, DestinationError> {
    let cursors = cursors(connections, lane, token).await;
    let cursors =
        cursors.map_err(|failure| lane_error(format!("taking {lane} in SQL Server"), &failure))?;
    let lost = || DestinationError::Fatal(own_tables::checkpoint_lost(&lane.to_string()));
    Checkpoint::new(cursors).ok_or_else(lost)
}

async fn cursors(
    connections: &Connections,
    lane: &LaneId,
    token: OwnerToken,
) -> Result<Vec<Cursor>, Failure> {
    let mut lease = connections.lend().await?;
    let answers = lease.connection.batch(&statements(lane, token)).await?;
    lease.give_back();
    answers.iter().flatten().map(cursor).collect()
}

/// Reads a cursor from the columns that are answered.
fn cursor(row: &Row) -> Result<Cursor, Failure> {
    let number = |at| cells::number_or_null(row, at);
    let fingerprint = match (number(2)?, number(3)?, number(4)?, number(5)?) {
        (Some(offset), Some(timestamp_ms), Some(length_bytes), Some(crc)) => Some(Fingerprint {
            offset: Offset(offset),
            timestamp_ms,
            length_bytes: u32::try_from(length_bytes).map_err(|_| Failure::Protocol)?,
            crc: u32::try_from(crc).map_err(|_| Failure::Protocol)?,
        }),
        _ => None,
    };
    Ok(Cursor {
        scope: Scope::from_stored(cells::text(row, 0)?),
        next: NextOffset(cells::number(row, 1)?),
        fingerprint,
    })
}

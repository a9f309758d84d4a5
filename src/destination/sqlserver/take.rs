//! Takes a lane: a new owner for its cursors, which are answered.

use super::own_ddl::{lane_condition, own_table};
use crate::destination::own_tables::name as own;
use crate::model::checkpoint::{LaneId, OwnerToken};

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

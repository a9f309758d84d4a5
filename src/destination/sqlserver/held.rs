//! Reads held changes and notes what the dead-letter topic has of them.
//!
//! They are made and released by `write`, in the transactions of the rows.

use compact_str::CompactString;
use tiberius::Row;

use super::cells;
use super::connection::Connections;
use super::failure::Failure;
use super::held_reading::{self, Wanted};
use crate::model::change::Version;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldCause, HeldChange, HeldKey, Revision};
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// Most held changes that one batch notes as published: the text stays of bounded length.
const MOST_AT_ONCE: usize = 2_000;

/// Reads held changes of a lane.
pub(super) async fn held(
    connections: &Connections,
    wanted: &Wanted<'_>,
) -> Result<Vec<HeldChange>, Failure> {
    let mut lease = connections.lend().await?;
    let answers = lease.connection.batch(&held_reading::held(wanted)).await?;
    lease.give_back();
    answers.iter().flatten().map(held_change).collect()
}

fn held_change(row: &Row) -> Result<HeldChange, Failure> {
    let (entity, record_id) = (cells::text(row, 1)?, cells::id(row, 2)?);
    Ok(HeldChange {
        key: HeldKey {
            offset: Offset(cells::number(row, 0)?),
            entity: (!entity.is_empty()).then(|| EntityName::new(entity)),
            record_id: (!record_id.is_nil()).then_some(RecordId(record_id)),
        },
        version: cells::number_or_null(row, 3)?.map(Version),
        creates: cells::truth(row, 12)?,
        cause: HeldCause {
            code: CompactString::new(cells::text(row, 4)?),
            column: cells::text_or_null(row, 5)?.map(CompactString::new),
            detail: cells::text(row, 6)?.to_owned(),
        },
        attempt: cells::small(row, 7)?,
        held_at_us: cells::number(row, 8)?,
        revision: Revision(cells::number(row, 9)?),
        open: cells::truth(row, 10)?,
        published: cells::number_or_null(row, 11)?.map(Revision),
    })
}

/// Notes revisions as published.
pub(super) async fn mark_published(
    connections: &Connections,
    lane: &LaneId,
    published: &[(HeldKey, Revision)],
) -> Result<(), Failure> {
    if published.is_empty() {
        return Ok(());
    }
    let mut lease = connections.lend().await?;
    for part in published.chunks(MOST_AT_ONCE) {
        lease.connection.batch(&held_reading::publish(lane, part)).await?;
    }
    lease.give_back();
    Ok(())
}

//! Reads held changes and notes what the dead-letter topic has of them.
//!
//! They are made and released by `write`, in the transactions of the rows.

use std::time::Duration;

use compact_str::CompactString;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::burst;
use super::connection::Connections;
use super::failure::Failure;
use super::held_statements::{self, Wanted, stored_entity, stored_record};
use crate::model::change::Version;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldCause, HeldChange, HeldKey, Revision};
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// Most held changes that one statement notes as published: the text stays of bounded length.
const MOST_AT_ONCE: usize = 5_000;

/// Reads held changes of a lane.
pub(super) async fn held(
    connections: &Connections,
    answer_timeout: Duration,
    wanted: &Wanted<'_>,
) -> Result<Vec<HeldChange>, Failure> {
    let text = held_statements::held(wanted);
    let key = wanted.after.map(|key| (key.offset.0, stored_entity(key), stored_record(key)));
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = Vec::new();
    if let Some((offset, entity, record)) = &key {
        values = vec![(offset, Type::INT8), (entity, Type::TEXT), (record, Type::UUID)];
    }
    let lease = connections.lend().await?;
    let asking = lease.connection.client.query_typed(&text, &values);
    let rows = tokio::time::timeout(answer_timeout, asking).await;
    let rows = rows.map_err(|_| Failure::TimedOut)??;
    lease.give_back();
    rows.iter().map(held_change).collect()
}

fn held_change(row: &Row) -> Result<HeldChange, Failure> {
    let (entity, record_id): (&str, Uuid) = (row.try_get(1)?, row.try_get(2)?);
    let attempt: i64 = row.try_get(7)?;
    let text = |at: usize| Ok::<_, Failure>(CompactString::new(row.try_get::<_, &str>(at)?));
    Ok(HeldChange {
        key: HeldKey {
            offset: Offset(row.try_get(0)?),
            entity: (!entity.is_empty()).then(|| EntityName::new(entity)),
            record_id: (!record_id.is_nil()).then_some(RecordId(record_id)),
        },
        version: row.try_get::<_, Option<i64>>(3)?.map(Version),
        creates: row.try_get(12)?,
        cause: HeldCause {
            code: text(4)?,
            column: row.try_get::<_, Option<&str>>(5)?.map(CompactString::new),
            detail: row.try_get(6)?,
        },
        attempt: u32::try_from(attempt).map_err(|_| Failure::Protocol)?,
        held_at_us: row.try_get(8)?,
        revision: Revision(row.try_get(9)?),
        open: row.try_get(10)?,
        published: row.try_get::<_, Option<i64>>(11)?.map(Revision),
    })
}

/// Notes revisions as published.
pub(super) async fn mark_published(
    connections: &Connections,
    answer_timeout: Duration,
    lane: &LaneId,
    published: &[(HeldKey, Revision)],
) -> Result<(), Failure> {
    if published.is_empty() {
        return Ok(());
    }
    let lease = connections.lend().await?;
    for part in published.chunks(MOST_AT_ONCE) {
        let statements = held_statements::publish(lane, part);
        let text = statements.join(";\n");
        let sending = burst::send(&lease.connection.client, &text, statements.len());
        let sent = tokio::time::timeout(answer_timeout, sending).await;
        sent.map_err(|_| Failure::TimedOut)?.map_err(|failed| failed.failure)?;
    }
    lease.give_back();
    Ok(())
}

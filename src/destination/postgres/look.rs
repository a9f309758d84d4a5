//! Looks up what an error does not tell: which patches have no row, what a table has become.
//!
//! In a session that has no transaction open; changes nothing. Where looking fails too, the
//! answer is what was known before.

use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::blame::trouble;
use super::catalog;
use super::classify::{Meaning, Moment, classify};
use super::connection::Connections;
use super::ddl;
use super::failure::Failure;
use super::quote;
use super::statements;
use crate::destination::{RejectedRecord, Trouble, WriteError};
use crate::model::batch::{Batch, TableBatch};
use crate::model::checkpoint::Fence;
use crate::model::failure::{Cause, Rejection};
use crate::model::record::RecordId;
use crate::model::table::Table;

/// SQLSTATE of a text that is not what its type asks for.
pub(super) const INVALID_TEXT_REPRESENTATION: &str = "22P02";

/// All patches of a batch that have neither row nor tombstone, in the batch's order. `suspect` is
/// the number of the table at which one was noticed.
pub(super) async fn without_base(
    connections: &Connections,
    answer_timeout: Duration,
    fence: &Fence,
    batch: &Batch,
    suspect: usize,
) -> WriteError {
    let looking = async {
        let lease = connections.lend().await?;
        let mut rejected = Vec::new();
        for table in &batch.tables {
            let ids = patched(table);
            if ids.is_empty() {
                continue;
            }
            let text = statements::without_base(&table.mapping, &fence.lane.profile);
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
                [(&ids, Type::UUID_ARRAY)];
            for row in lease.connection.client.query_typed(&text, &values).await? {
                rejected.push(RejectedRecord {
                    entity: Some(table.mapping.entity.clone()),
                    record_id: Some(RecordId(row.try_get(0)?)),
                    rejection: Rejection::of(Cause::NoBase),
                });
            }
        }
        lease.give_back();
        Ok(rejected)
    };
    let looked = tokio::time::timeout(answer_timeout, looking).await;
    let entity = batch.tables.get(suspect).map(|table| table.mapping.entity.clone());
    match looked.unwrap_or(Err(Failure::TimedOut)) {
        // A trigger of the table failed with the very code that our statement fails with, or the
        // row is there by now: trials tell.
        Ok(rejected) if rejected.is_empty() => WriteError::Rejected(vec![RejectedRecord {
            entity,
            record_id: None,
            rejection: Rejection::of(Cause::Refused { code: INVALID_TEXT_REPRESENTATION.into() }),
        }]),
        Ok(rejected) => WriteError::Rejected(rejected),
        Err(failure) => {
            let what = "looking for rows that patches need in PostgreSQL".to_owned();
            let verdict = classify(&failure, Moment::Before);
            let trouble = trouble(what, &failure, verdict.hint);
            match verdict.meaning {
                Meaning::Table => WriteError::Table { entity, trouble },
                _ => WriteError::Retry(trouble),
            }
        }
    }
}

/// The records of a table that have a patch and nothing else. A delete in the same net change
/// leaves a tombstone, and an image a row, or both are there already.
fn patched(table: &TableBatch) -> Vec<Uuid> {
    let bare = table.changes.iter().filter(|change| {
        change.patch.is_some() && change.image.is_none() && change.delete.is_none()
    });
    bare.map(|change| change.record_id.0).collect()
}

/// What is wrong with a table that the statements do not fit, as far as the catalog tells.
pub(super) async fn at_table(
    connections: &Connections,
    answer_timeout: Duration,
    table: &Table,
    told: Trouble,
) -> Trouble {
    let looking = async {
        let lease = connections.lend().await?;
        let client = &lease.connection.client;
        let found = catalog::find_table(client, &table.schema, &table.name).await?;
        lease.give_back();
        Ok::<_, Failure>(found)
    };
    let looked = tokio::time::timeout(answer_timeout, looking).await;
    let full_name = ddl::table_name(table);
    let found = match looked.unwrap_or(Err(Failure::TimedOut)) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Trouble {
                what: format!("finding table {full_name} in PostgreSQL"),
                hint: "It was dropped or renamed: give it its name back. keepstep makes an empty \
                       one when it starts; its records then need a re-sync."
                    .to_owned(),
                ..told
            };
        }
        Err(_) => return told,
    };
    let missing = catalog::missing_columns(table, &found);
    if let Some(first) = missing.first() {
        let others = match missing.len() {
            1 => String::new(),
            more => format!(" and {} others", more - 1),
        };
        return Trouble {
            what: format!(
                "finding column {}{others} of table {full_name} in PostgreSQL",
                quote::name(&first.name)
            ),
            hint: "It was dropped or renamed: give it its name back. keepstep adds an empty one \
                   when it starts; its records then need a re-sync."
                .to_owned(),
            ..told
        };
    }
    catalog::misfits(table, &found).into_iter().next().unwrap_or(told)
}

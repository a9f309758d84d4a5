//! Which records a CHECK of the table refuses, asked of all of a batch at once.
//!
//! The server says that some row breaks a constraint, and not which. To find it by trials takes
//! hundreds of them where one record in a hundred is bad; what a CHECK says can be asked of the
//! staged rows themselves. Promises: a record is named only if its image breaks a CHECK in the very
//! form in which it would be stored. Where that is not certain nobody is named, and trials tell: a
//! trigger may change the row before, a delete comes before the image, only a patch is sent, the
//! CHECK asks for a column that keepstep does not write.

use std::collections::HashMap;

use super::blame::{Obstacle, Place, told_place};
use super::burst;
use super::connection::{Connection, Need};
use super::ddl::table_name;
use super::failure::Failure;
use super::quote;
use super::statements::Ending;
use super::table_statements::TableStatements;
use super::write::{Write, load_table, table_work};
use crate::destination::RejectedRecord;
use crate::model::record::RecordId;
use crate::model::table::Table;

/// SQLSTATE of a row that breaks a CHECK.
const CHECK_VIOLATION: &str = "23514";

/// So many records are many.
const MANY: usize = 50;

/// What is asked of the catalog, line by line: what it is, a name, a text.
const CHECK: &str = "check";
const TYPE: &str = "type";
const TRIGGER: &str = "trigger";

/// The same refusal, of each of these records.
pub(super) fn named(rejected: &[RejectedRecord], records: &[RecordId]) -> Vec<RejectedRecord> {
    let Some(first) = rejected.first() else { return Vec::new() };
    let of = |record: &RecordId| RejectedRecord { record_id: Some(*record), ..first.clone() };
    records.iter().map(of).collect()
}

/// The CHECKs that are in force, the types of the columns, and triggers that may change a row.
/// `conenforced` is a column of PostgreSQL 18 and later.
pub(super) fn catalog(table: &Table) -> String {
    let table = quote::text(&table_name(table));
    format!(
        "SELECT '{CHECK}', '', pg_get_expr(c.conbin, c.conrelid) FROM pg_constraint AS c WHERE c.conrelid = {table}::regclass AND c.contype = 'c' AND to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false' \
         UNION ALL SELECT '{TYPE}', a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL SELECT '{TRIGGER}', '', '' FROM pg_trigger AS g WHERE g.tgrelid = {table}::regclass AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 3 = 3"
    )
}

impl Write<'_> {
    /// The records of the batch that a CHECK refuses, if that was the obstacle; none if it was
    /// another, or if it is not certain. The connection must have no transaction open.
    ///
    /// # Errors
    /// What the server said instead of an answer; the connection is then of no more use.
    pub(super) async fn refused_by_checks(
        &self,
        connection: &mut Connection,
        obstacle: &Obstacle,
    ) -> Result<Vec<RecordId>, Failure> {
        let Obstacle::Failed(blow) = obstacle else { return Ok(Vec::new()) };
        let place = told_place(self.batch, &blow.failure, blow.place);
        match (&blow.failure, place) {
            (Failure::Server(error), Place::Table(at))
                if error.state == CHECK_VIOLATION && !error.raised =>
            {
                let asking = self.images_that_break(connection, at);
                let asked = tokio::time::timeout(self.answer_timeout, asking).await;
                asked.unwrap_or(Err(Failure::TimedOut))
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn images_that_break(
        &self,
        connection: &mut Connection,
        at: usize,
    ) -> Result<Vec<RecordId>, Failure> {
        let (table, shape) = (&self.batch.tables[at], &self.shapes[at]);
        let send = async |connection: &Connection, text: &str, count| {
            burst::send(&connection.client, text, count).await.map_err(|failed| failed.failure)
        };
        let answers = send(connection, &catalog(&table.mapping.table), 1).await?;
        let mut types = HashMap::new();
        let mut checks = Vec::new();
        for row in answers.into_iter().flat_map(|answer| answer.rows) {
            match <[Option<String>; 3]>::try_from(row) {
                Ok([Some(what), _, Some(check)]) if what == CHECK => checks.push(check),
                Ok([Some(what), Some(name), Some(text)]) if what == TYPE => {
                    types.insert(name, text);
                }
                _ => return Ok(Vec::new()),
            }
        }
        let (columns, room) = (&shape.columns, shape.room);
        let need = Need { table: &table.mapping.table, columns, room };
        connection.prepare(&[need]).await.map_err(|(_, failure)| failure)?;
        connection.stages(shape.order.len());
        let need = Need { table: &table.mapping.table, columns, room };
        let Some(staging) = connection.staged(&need) else { return Ok(Vec::new()) };
        let work = table_work(table, shape, staging);
        let (lane, mutations) = (&self.fence.lane, self.mutations);
        let texts = TableStatements { at, work: &work, lane, mutations };
        let Some(text) = texts.images_that_break(&checks, &types).filter(|_| !checks.is_empty())
        else {
            return Ok(Vec::new());
        };
        let mut sink = load_table(&connection.client, true, table, shape, staging).await?;
        sink.as_mut().finish().await?;
        // A CHECK may ask for what is not there: then this fails, and trials tell.
        let answers = send(connection, &format!("{text}; COMMIT"), 2).await?;
        connection.committed();
        let broken = answers.into_iter().flat_map(|answer| answer.rows);
        let ids = broken.filter_map(|row| row.into_iter().next().flatten()?.parse().ok());
        let mut ids: Vec<RecordId> = ids.collect();
        ids.sort_unstable();
        // A delete in the same net change may have left a tombstone that keeps its image out.
        let alone = table.changes.iter().filter(|change| change.delete.is_none());
        let mut records: Vec<RecordId> = alone.map(|change| change.record_id).collect();
        records.retain(|record| ids.binary_search(record).is_ok());
        // Most of a table refused at once looks like a broken table: who wrote looks closer, by
        // trials, before it holds so many.
        let most = records.len() >= MANY && 2 * records.len() > table.changes.len();
        Ok(if most && self.ending == Ending::Commit { Vec::new() } else { records })
    }
}

//! Looks up what an error does not tell: which patches have no row, which texts are too long, what
//! a table has become.
//!
//! On the connection whose batch failed: its staging tables still hold what was to be written, and
//! no transaction is open. Changes nothing. A record is named only if it would be refused in the
//! very form in which it would be written; where nothing is certain, nobody is named, and trials
//! tell.

use compact_str::{CompactString, ToCompactString as _};
use uuid::Uuid;

use super::blame::{self, Obstacle, Place};
use super::catalog;
use super::connection::Connection;
use super::ddl;
use super::failure::Failure;
use super::numbers::BABELFISH_UNKNOWN;
use super::quote;
use super::statements::{Ending, TableWork};
use super::table_statements::TableStatements;
use super::write::Write;
use crate::destination::own_tables::TableKey;
use crate::destination::{RejectedRecord, Trouble, WriteError};
use crate::model::batch::TableBatch;
use crate::model::failure::{Cause, Rejection};
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

/// A text is longer than its column: with its name in the message, and without.
/// Source: SQL Server documentation, "Database Engine Events and Errors".
const TRUNCATED: [u32; 2] = [2628, 8152];

/// So many records are many.
const MANY: usize = 50;

impl Write<'_> {
    /// What became of the batch, told better than the obstacle alone does; `None` where there is no
    /// more to tell.
    ///
    /// # Errors
    /// What the server said instead of an answer; the connection is then of no more use.
    pub(super) async fn look(
        &self,
        connection: &mut Connection,
        obstacle: &Obstacle,
    ) -> Result<Option<WriteError>, Failure> {
        let blow = match obstacle {
            Obstacle::Fenced => return Ok(None),
            Obstacle::NoBase(_) => return self.without_base(connection).await,
            Obstacle::Failed(blow) => blow,
        };
        match (blame::judge(self.batch, blow), &blow.failure, blow.place) {
            (WriteError::Table { entity: Some(entity), trouble }, ..) => {
                let mut tables = self.batch.tables.iter().map(|table| &table.mapping);
                let Some(mapping) = tables.find(|mapping| mapping.entity == entity) else {
                    return Ok(None);
                };
                let found = at_table(connection, &mapping.table, &trouble.code).await?;
                let trouble = found.unwrap_or(trouble);
                Ok(Some(WriteError::Table { entity: Some(entity), trouble }))
            }
            (WriteError::Rejected(rejected), Failure::Server(error), _)
                if error.number == BABELFISH_UNKNOWN =>
            {
                let entity = rejected.into_iter().find_map(|rejected| rejected.entity);
                self.behind_untranslated(connection, entity).await
            }
            (WriteError::Rejected(_), Failure::Server(error), Place::Table(at))
                if TRUNCATED.contains(&error.number) =>
            {
                self.too_long(connection, at).await
            }
            _ => Ok(None),
        }
    }

    /// Whether it is the table that an error without a number of its own is about.
    async fn behind_untranslated(
        &self,
        connection: &mut Connection,
        entity: Option<EntityName>,
    ) -> Result<Option<WriteError>, Failure> {
        let mut tables = self.batch.tables.iter().map(|table| &table.mapping);
        let Some(mapping) = tables.find(|mapping| Some(&mapping.entity) == entity.as_ref()) else {
            return Ok(None);
        };
        let code = BABELFISH_UNKNOWN.to_compact_string();
        let found = at_table(connection, &mapping.table, &code).await?;
        Ok(found.map(|trouble| WriteError::Table { entity, trouble }))
    }

    /// Asks one question of the staged changes of a table.
    async fn ask(
        &self,
        connection: &mut Connection,
        at: usize,
        question: impl Fn(&TableStatements<'_>) -> Option<String>,
    ) -> Result<Vec<tiberius::Row>, Failure> {
        let text = {
            let works = self.works(connection).map_err(|_| Failure::Protocol)?;
            let work: &TableWork<'_> = works.get(at).ok_or(Failure::Protocol)?;
            let (lane, mutations) = (&self.fence.lane, self.mutations);
            question(&TableStatements { at, work, lane, mutations })
        };
        let Some(text) = text else { return Ok(Vec::new()) };
        Ok(connection.batch(&text).await?.into_iter().next().unwrap_or_default())
    }

    /// All patches of the batch that have neither row nor tombstone, in the batch's order.
    async fn without_base(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<WriteError>, Failure> {
        let mut rejected = Vec::new();
        for (at, (table, shape)) in self.batch.tables.iter().zip(&self.shapes).enumerate() {
            if shape.parts.patches.as_ref().is_none_or(|patches| patches.alone == 0) {
                continue;
            }
            let question = |texts: &TableStatements<'_>| Some(texts.records_without_base());
            let rows = self.ask(connection, at, question).await?;
            let ids = rows.iter().filter_map(|row| row.try_get::<Uuid, _>(0).ok().flatten());
            let records = records(table, ids.collect());
            rejected.extend(records.into_iter().map(|record_id| RejectedRecord {
                entity: Some(table.mapping.entity.clone()),
                record_id: Some(record_id),
                rejection: Rejection::of(Cause::NoBase),
            }));
        }
        // None: the row is there by now.
        Ok((!rejected.is_empty()).then_some(WriteError::Rejected(rejected)))
    }

    /// The records of a table whose text is longer than its column is in the database.
    async fn too_long(
        &self,
        connection: &mut Connection,
        at: usize,
    ) -> Result<Option<WriteError>, Failure> {
        let table = &self.batch.tables[at];
        let question = |texts: &TableStatements<'_>| texts.too_long();
        let rows = self.ask(connection, at, question).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = |place: usize| row.try_get::<i32, _>(place).ok().flatten();
            let id = row.try_get::<Uuid, _>(0).ok().flatten();
            let (Some(id), Some(place), Some(bytes), Some(most)) =
                (id, number(1), number(2), number(3))
            else {
                return Err(Failure::Protocol);
            };
            found.push((id, place, bytes, most));
        }
        found.sort_unstable();
        // One cause per record is enough.
        found.dedup_by_key(|(id, ..)| *id);
        let rejected: Vec<RejectedRecord> = (table.changes.iter())
            // A delete in the same net change may leave a tombstone that keeps its image out.
            .filter(|change| change.delete.is_none())
            .filter_map(|change| {
                let at = found.binary_search_by_key(&change.record_id.0, |(id, ..)| *id).ok()?;
                let (_, place, bytes, most) = found[at];
                let cause = Cause::TextTooLong {
                    limit_units: u32::try_from(most).ok()? / 2,
                    size_units: usize::try_from(bytes).ok()? / 2,
                };
                let column = table.mapping.table.columns.get(usize::try_from(place).ok()?)?;
                Some(RejectedRecord {
                    entity: Some(table.mapping.entity.clone()),
                    record_id: Some(change.record_id),
                    rejection: Rejection::in_column(&column.name, cause),
                })
            })
            .collect();
        // Most of a table refused at once looks like a broken table: who wrote looks closer, by
        // trials, before it holds so many.
        let most = rejected.len() >= MANY && 2 * rejected.len() > table.changes.len();
        let nobody = rejected.is_empty() || (most && self.ending == Ending::Commit);
        Ok((!nobody).then_some(WriteError::Rejected(rejected)))
    }
}

/// Those of a table's records that are among these ids, in the batch's order.
fn records(table: &TableBatch, mut ids: Vec<Uuid>) -> Vec<RecordId> {
    ids.sort_unstable();
    let all = table.changes.iter().map(|change| change.record_id);
    all.filter(|record| ids.binary_search(&record.0).is_ok()).collect()
}

/// What is wrong with a table that the statements do not fit, as far as the catalog tells; under
/// the code that was told.
async fn at_table(
    connection: &mut Connection,
    table: &Table,
    code: &CompactString,
) -> Result<Option<Trouble>, Failure> {
    let key = TableKey { schema: table.schema.to_string(), name: table.name.to_string() };
    let full_name = ddl::table_name(table);
    let Some(found) = catalog::read_table(connection, &key).await? else {
        return Ok(Some(Trouble {
            what: format!("finding table {full_name} in SQL Server"),
            code: code.clone(),
            hint: "It was dropped or renamed: give it its name back. keepstep makes an empty one \
                   when it starts; its records then need a re-sync."
                .to_owned(),
        }));
    };
    let missing = catalog::missing_columns(table, &found);
    if let Some(first) = missing.first() {
        let others = match missing.len() {
            1 => String::new(),
            more => format!(" and {} others", more - 1),
        };
        return Ok(Some(Trouble {
            what: format!(
                "finding column {}{others} of table {full_name} in SQL Server",
                quote::name(&first.name)
            ),
            code: code.clone(),
            hint: format!(
                "It was dropped or renamed: give it its name back. keepstep adds an empty one \
                 when it starts, as this does: {}; its records then need a re-sync.",
                ddl::add_columns(table, std::slice::from_ref(first)).join("; ")
            ),
        }));
    }
    Ok(catalog::misfits(table, &found).into_iter().next())
}

//! What stands in a SQL Server database before a profile is activated. Reads only.

use super::activate::key_of;
use super::blame::activation_error;
use super::catalog::{self, FoundTable};
use super::connection::{Connection, Connections};
use super::failure::Failure;
use super::{cells, ddl, quote, registry};
use crate::destination::own_tables::{
    self, Found, OWN_VERSION, Registration, StartedCursor, bind_alone, name,
};
use crate::destination::survey::{COUNTED_ROWS, NewColumn, Rows, TableSurvey, Widening};
use crate::destination::{ActivatedEntity, Activation, DestinationError, fitting};
use crate::model::table::Table;

/// Looks at the table of each entity.
pub(super) async fn survey(
    connections: &Connections,
    activation: &Activation,
) -> Result<Vec<TableSurvey>, DestinationError> {
    let failed = |what: &str, failure: Failure| activation_error(what.to_owned(), &failure);
    let mut lease =
        connections.lend().await.map_err(|at| failed("connecting to SQL Server", at))?;
    let connection = &mut lease.connection;
    let what = "reading keepstep's own tables in SQL Server";
    let own = own_tables(connection, activation).await.map_err(|at| failed(what, at))?;
    if own.version > OWN_VERSION {
        return Err(DestinationError::Fatal(own_tables::newer_version(own.version)));
    }
    let found = Found { registry: &own.registry, cursors: &own.cursors, filled: &[], misfits: &[] };
    let mut surveys = Vec::with_capacity(activation.entities.len());
    for entity in &activation.entities {
        let name = ddl::table_name(&entity.mapping.table);
        let mut survey = TableSurvey::of(&entity.mapping.entity, name.clone());
        let key = |table: &Table| key_of(table, &own.registry);
        bind_alone(activation, entity, key, &found, &mut survey);
        if let Err(failure) = look(connection, entity, &mut survey).await {
            let goes_on = failure.leaves_session();
            match failed(&format!("looking at table {name} in SQL Server"), failure) {
                DestinationError::Fatal(trouble) if goes_on => survey.in_the_way.push(trouble),
                other => return Err(other),
            }
        }
        surveys.push(survey);
    }
    lease.give_back();
    Ok(surveys)
}

struct Own {
    version: i64,
    registry: Vec<Registration>,
    cursors: Vec<StartedCursor>,
}

async fn own_tables(connection: &mut Connection, activation: &Activation) -> Result<Own, Failure> {
    let version = registry::read_version(connection).await?;
    let missing = registry::read_missing_tables(connection).await?;
    if missing.contains(&name::OBJECT_REGISTRY) || missing.contains(&name::CHECKPOINT) {
        return Ok(Own { version, registry: Vec::new(), cursors: Vec::new() });
    }
    let text =
        format!("{};\n{}", registry::registrations(), registry::cursors(&activation.profile));
    let (registry, cursors) = registry::registered(&connection.batch(&text).await?)?;
    Ok(Own { version, registry, cursors })
}

async fn look(
    connection: &mut Connection,
    entity: &ActivatedEntity,
    survey: &mut TableSurvey,
) -> Result<(), Failure> {
    let table = &entity.mapping.table;
    survey.in_the_way.extend(catalog::beyond_limits(table));
    let key = key_of(table, &[]);
    let Some(found) = catalog::read_table(connection, &key).await? else { return Ok(()) };
    survey.in_the_way.extend(catalog::misfits(table, &found));
    if !found.ordinary {
        return Ok(());
    }
    describe(entity, &found, survey);
    survey.rows = Some(rows(connection, table).await?);
    Ok(())
}

/// What of a table fits, lacks, is too narrow, is left over. Pure.
fn describe(entity: &ActivatedEntity, found: &FoundTable, survey: &mut TableSurvey) {
    let table = &entity.mapping.table;
    let missing = catalog::missing_columns(table, found).into_iter();
    survey.missing = missing
        .map(|column| NewColumn {
            column_type: ddl::type_text(column.column_type),
            name: column.name.into(),
        })
        .collect();
    let narrow = catalog::too_narrow(table, found).into_iter();
    survey.narrow = narrow
        .map(|column| Widening {
            from: found.column(&column.name).map_or_else(String::new, catalog::found_type_text),
            to: ddl::type_text(column.column_type),
            name: column.name.into(),
        })
        .collect();
    survey.fits = catalog::fitting_columns(table, found);
    let names = found.columns.values().map(|column| column.name.as_str());
    let same = |one: &str, other: &str| found.same(one, other);
    let left_over = fitting::left_over(&entity.mapping.entity, table, names, same);
    survey.left_over = left_over.map_or_else(Vec::new, |left_over| left_over.columns);
}

/// Counts so many, and believes the server's own reckoning of more.
async fn rows(connection: &mut Connection, table: &Table) -> Result<Rows, Failure> {
    let answers = connection.batch(&some_rows(table)).await?;
    let counted = u64::try_from(cells::only_number(&answers)?).map_err(|_| Failure::Protocol)?;
    if counted <= COUNTED_ROWS {
        return Ok(Rows::Exactly(counted));
    }
    let answers = connection.batch(&reckoned_rows(table)).await?;
    let reckoned = u64::try_from(cells::only_number(&answers)?).unwrap_or(0);
    Ok(Rows::About(reckoned.max(counted)))
}

/// How many rows a table has, up to one more than are counted.
pub(super) fn some_rows(table: &Table) -> String {
    format!(
        "SELECT COUNT(*) AS counted FROM (SELECT TOP ({}) 1 AS one FROM {} AS t) AS some_rows",
        COUNTED_ROWS + 1,
        ddl::table_name(table)
    )
}

/// How many rows the server reckons.
pub(super) fn reckoned_rows(table: &Table) -> String {
    let full_name = quote::text(&ddl::table_name(table));
    format!(
        "SELECT CAST(ISNULL(SUM(p.rows), 0) AS bigint) AS reckoned FROM sys.partitions AS p WHERE p.object_id = OBJECT_ID({full_name}) AND p.index_id IN (0, 1)"
    )
}

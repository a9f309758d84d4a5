//! What stands in a PostgreSQL database before a profile is activated. Reads only.

use tokio_postgres::Client;

use super::activate::key_of;
use super::blame::activation_error;
use super::catalog::{self, FoundTable};
use super::connection::Connections;
use super::ddl;
use super::failure::Failure;
use super::registry;
use super::settings::PostgresSettings;
use crate::destination::own_tables::{
    self, Found, OWN_VERSION, Registration, StartedCursor, bind_alone, name,
};
use crate::destination::survey::{COUNTED_ROWS, NewColumn, Rows, TableSurvey, Widening};
use crate::destination::{ActivatedEntity, Activation, DestinationError, fitting};
use crate::model::table::Table;

/// Looks at the table of each entity.
pub(super) async fn survey(
    connections: &Connections,
    settings: &PostgresSettings,
    activation: &Activation,
) -> Result<Vec<TableSurvey>, DestinationError> {
    let failed = |what: &str, failure: Failure| activation_error(what.to_owned(), &failure);
    let lease = connections.lend().await.map_err(|at| failed("connecting to PostgreSQL", at))?;
    let client = &lease.connection.client;
    let limit = settings.answer_timeout;
    let reading = tokio::time::timeout(limit, own_tables(client, activation)).await;
    let what = "reading keepstep's own tables in PostgreSQL";
    let own = reading.unwrap_or(Err(Failure::TimedOut)).map_err(|at| failed(what, at))?;
    if own.version > OWN_VERSION {
        return Err(DestinationError::Fatal(own_tables::newer_version(own.version)));
    }
    let found = Found { registry: &own.registry, cursors: &own.cursors, filled: &[], misfits: &[] };
    let mut surveys = Vec::with_capacity(activation.entities.len());
    for entity in &activation.entities {
        let name = ddl::table_name(&entity.mapping.table);
        let mut survey = TableSurvey::of(&entity.mapping.entity, name.clone());
        bind_alone(activation, entity, key_of, &found, &mut survey);
        let looking = tokio::time::timeout(limit, look(client, entity, &mut survey)).await;
        if let Err(failure) = looking.unwrap_or(Err(Failure::TimedOut)) {
            match failed(&format!("looking at table {name} in PostgreSQL"), failure) {
                DestinationError::Fatal(trouble) => survey.in_the_way.push(trouble),
                outage @ DestinationError::Retry(_) => return Err(outage),
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

async fn own_tables(client: &Client, activation: &Activation) -> Result<Own, Failure> {
    let version = registry::version(client).await?;
    let missing = registry::missing_tables(client).await?;
    let mut own = Own { version, registry: Vec::new(), cursors: Vec::new() };
    if !missing.contains(&name::OBJECT_REGISTRY) {
        own.registry = registry::registrations(client).await?;
    }
    if !missing.contains(&name::CHECKPOINT) {
        own.cursors = registry::cursors(client, &activation.profile).await?;
    }
    Ok(own)
}

async fn look(
    client: &Client,
    entity: &ActivatedEntity,
    survey: &mut TableSurvey,
) -> Result<(), Failure> {
    let table = &entity.mapping.table;
    survey.in_the_way.extend(catalog::beyond_limits(table));
    let Some(found) = catalog::find_table(client, &table.schema, &table.name).await? else {
        return Ok(());
    };
    survey.in_the_way.extend(catalog::misfits(table, &found));
    if !found.ordinary {
        return Ok(());
    }
    describe(entity, &found, survey);
    survey.rows = Some(rows(client, table).await?);
    Ok(())
}

/// What of a table fits, lacks, is too narrow, is left over. Pure.
fn describe(entity: &ActivatedEntity, found: &FoundTable, survey: &mut TableSurvey) {
    let table = &entity.mapping.table;
    let missing = catalog::missing_columns(table, found).into_iter();
    survey.missing = missing
        .map(|column| NewColumn {
            name: column.name.to_string(),
            column_type: ddl::type_text(column.column_type),
        })
        .collect();
    let narrow = catalog::too_narrow(table, found).into_iter();
    survey.narrow = narrow
        .map(|column| Widening {
            from: found
                .columns
                .get(column.name.as_str())
                .map_or_else(String::new, catalog::found_type_text),
            to: ddl::type_text(column.column_type),
            name: column.name.into(),
        })
        .collect();
    survey.fits = catalog::fitting_columns(table, found);
    let mut names: Vec<&str> = found.columns.keys().map(String::as_str).collect();
    names.sort_unstable();
    let left_over =
        fitting::left_over(&entity.mapping.entity, table, names.into_iter(), |a, b| a == b);
    survey.left_over = left_over.map_or_else(Vec::new, |left_over| left_over.columns);
}

/// Counts so many, and believes the database's own reckoning of more.
async fn rows(client: &Client, table: &Table) -> Result<Rows, Failure> {
    let name = ddl::table_name(table);
    let text =
        format!("SELECT count(*) FROM (SELECT FROM {name} LIMIT {}) AS counted", COUNTED_ROWS + 1);
    let counted: i64 = client.query_one(&text, &[]).await?.try_get(0)?;
    let counted = u64::try_from(counted).map_err(|_| Failure::Protocol)?;
    if counted <= COUNTED_ROWS {
        return Ok(Rows::Exactly(counted));
    }
    let text = "SELECT greatest(c.reltuples, 0)::bigint FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    let (schema, name) = (table.schema.as_str(), table.name.as_str());
    let reckoned: i64 = client.query_one(text, &[&schema, &name]).await?.try_get(0)?;
    Ok(Rows::About(u64::try_from(reckoned).unwrap_or(0).max(counted)))
}

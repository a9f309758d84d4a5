//! What stands in a SQLite file before a profile is activated. Reads only, and in one transaction.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::activate::{Looked, look, own_version, read_own, what_is_there};
use super::ddl;
use super::names::{own_table, table_key};
use super::open::{Missing, open_plainly};
use super::statements;
use super::stop::Stop;
use super::{SqliteSettings, names};
use crate::destination::fitting::left_over;
use crate::destination::own_tables::{Found, OWN_VERSION, bind_alone, name, newer_version};
use crate::destination::survey::{NewColumn, Rows, TableSurvey};
use crate::destination::{ActivatedEntity, Activation, DestinationError};

/// Looks at the table of each entity. A file that is not there is not made.
pub(super) fn survey(
    settings: &SqliteSettings,
    activation: &Activation,
) -> Result<Vec<TableSurvey>, DestinationError> {
    if !settings.path.exists() {
        return Ok(activation.entities.iter().map(of_no_file).collect());
    }
    let work = || {
        let connection = open_plainly(settings, Missing::Refuse)?;
        let reading = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)?;
        all(&reading, activation)
    };
    let what = format!("looking at the tables in {}", settings.path.display());
    work().map_err(|stop: Stop| stop.into_destination_error(&what))
}

fn of_no_file(entity: &ActivatedEntity) -> TableSurvey {
    let table = &entity.mapping.table;
    let mut survey = TableSurvey::of(&entity.mapping.entity, table.name.to_string());
    survey.in_the_way.extend(names::check_names(table).err());
    survey
}

fn all(connection: &Connection, activation: &Activation) -> Result<Vec<TableSurvey>, Stop> {
    let version = own_version(connection)?;
    if version > OWN_VERSION {
        return Err(Stop::Refused(newer_version(version)));
    }
    let mut own = (Vec::new(), Vec::new());
    let registry = what_is_there(connection, &own_table(name::OBJECT_REGISTRY))?;
    if registry.is_some() && what_is_there(connection, &own_table(name::CHECKPOINT))?.is_some() {
        own = read_own(connection, &activation.profile)?;
    }
    let found = Found { registry: &own.0, cursors: &own.1, filled: &[], misfits: &[] };
    let mut surveys = Vec::with_capacity(activation.entities.len());
    for entity in &activation.entities {
        let table = &entity.mapping.table;
        let mut survey = TableSurvey::of(&entity.mapping.entity, table.name.to_string());
        bind_alone(activation, entity, table_key, &found, &mut survey);
        let looked = look(connection, table)?;
        if looked.columns.is_some() {
            let rows: i64 =
                connection.query_row(&statements::count_rows(table), [], |row| row.get(0))?;
            survey.rows = Some(Rows::Exactly(u64::try_from(rows).unwrap_or(0)));
        }
        describe(entity, looked, &mut survey);
        surveys.push(survey);
    }
    Ok(surveys)
}

/// What of a table fits, lacks, is left over. Pure.
fn describe(entity: &ActivatedEntity, looked: Looked, survey: &mut TableSurvey) {
    let table = &entity.mapping.table;
    let of_other_types =
        looked.misfits.iter().filter(|misfit| misfit.code == "column_type").count();
    survey.in_the_way.extend(looked.misfits);
    let Some(columns) = looked.columns else { return };
    let names = || columns.iter().map(|(name, _)| name.as_str());
    let same = str::eq_ignore_ascii_case;
    let over = left_over(&entity.mapping.entity, table, names(), same);
    survey.left_over = over.map_or_else(Vec::new, |over| over.columns);
    let foreign: HashSet<&str> = survey.left_over.iter().map(String::as_str).collect();
    survey.fits = names().filter(|name| !foreign.contains(name)).count();
    survey.fits = survey.fits.saturating_sub(of_other_types);
    survey.missing = looked
        .missing
        .into_iter()
        .map(|column| NewColumn {
            column_type: ddl::declared_type(column.column_type),
            name: column.name.into(),
        })
        .collect();
}

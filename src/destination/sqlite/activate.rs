//! Makes what a profile needs, within one transaction: own tables, tables, columns, bindings,
//! checkpoints. Nothing is ever dropped or narrowed.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::ddl::{self, Affinity, affinity, wanted_affinity};
use super::metadata;
use super::names::{SYSTEM_COLUMNS, check_names, own_table, table_key};
use super::statements::{self, ImageGuard};
use super::stop::Stop;
use crate::destination::fitting::left_over;
use crate::destination::own_tables::{
    Found, OWN_VERSION, Plan, Registration, StartedCursor, TableKey, name, newer_version, plan,
};
use crate::destination::{Activated, Activation, Refused, Trouble};
use crate::model::checkpoint::Scope;
use crate::model::layout::SINK_DELETED_ON;
use crate::model::position::{NextOffset, Partition, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;
use crate::model::table::{Column, ColumnType, ID, Table, VERSION_NUMBER};

/// Does all of an activation that is not done yet.
///
/// # Errors
/// A refusal of the registry, of a name; or what SQLite says.
pub(super) fn activate(
    connection: &Connection,
    activation: &Activation,
) -> Result<Activated, Stop> {
    upgrade_own_tables(connection)?;
    for entity in &activation.entities {
        check_names(&entity.mapping.table).map_err(Stop::Refused)?;
    }
    // Asked before anything is made, and again with what does not fit.
    let mut misfits = read_plan(connection, activation, &[])?.refused;
    let mut answer = Activated::default();
    for entity in &activation.entities {
        let (name, table) = (&entity.mapping.entity, &entity.mapping.table);
        if misfits.iter().any(|refused| refused.entity == *name) {
            continue;
        }
        connection.execute_batch(statements::SAVE)?;
        match ensure_table(connection, table) {
            Ok(columns) => {
                let names = columns.iter().map(String::as_str);
                let left_over = left_over(name, table, names, str::eq_ignore_ascii_case);
                answer.left_over.extend(left_over);
            }
            Err(Stop::Refused(trouble)) => {
                connection.execute_batch(statements::UNDO)?;
                misfits.push(Refused { entity: name.clone(), trouble });
            }
            Err(other) => return Err(other),
        }
        connection.execute_batch(statements::KEEP)?;
    }
    let plan = read_plan(connection, activation, &misfits)?;
    carry_out(connection, activation, &plan)?;
    metadata::lay_out(connection, activation)?;
    answer.refused = plan.refused;
    Ok(answer)
}

/// Brings the own tables to this program's version.
///
/// # Errors
/// A refusal if a newer program has upgraded them; or what SQLite says.
pub(super) fn upgrade_own_tables(connection: &Connection) -> Result<(), Stop> {
    let version = own_version(connection)?;
    if version > OWN_VERSION {
        return Err(Stop::Refused(newer_version(version)));
    }
    if version == OWN_VERSION {
        return own_tables_are_there(connection);
    }
    for from in version..OWN_VERSION {
        for statement in ddl::own_tables_step(from) {
            connection.execute_batch(&statement)?;
        }
    }
    connection.execute(&statements::set_own_version(), params![OWN_VERSION])?;
    Ok(())
}

/// Whether somebody has taken one of the own tables away: it must not come back empty unseen.
fn own_tables_are_there(connection: &Connection) -> Result<(), Stop> {
    for name in name::ALL {
        if what_is_there(connection, &own_table(name))?.as_deref() != Some("table") {
            return Err(Stop::Refused(Trouble {
                what: format!("looking for {}", own_table(name)),
                code: "own_table_missing".into(),
                hint: "keepstep's own tables belong together; restore the file, or remove them \
                       all and start anew."
                    .to_owned(),
            }));
        }
    }
    Ok(())
}

/// Version of the own tables; 0 if there are none.
pub(super) fn own_version(connection: &Connection) -> Result<i64, Stop> {
    if what_is_there(connection, &own_table(name::SCHEMA_VERSION))?.is_none() {
        return Ok(0);
    }
    let version = connection.query_row(&statements::own_version(), [], |row| row.get(0));
    Ok(version.optional()?.unwrap_or(0))
}

/// `table`, `view`, or nothing.
pub(super) fn what_is_there(connection: &Connection, name: &str) -> Result<Option<String>, Stop> {
    let mut statement = connection.prepare_cached(statements::what_is_there())?;
    Ok(statement.query_row(params![name], |row| row.get(0)).optional()?)
}

/// The whole registry, and all cursors of a profile.
///
/// # Errors
/// A refusal where the registry cannot be read; or what SQLite says.
pub(super) fn read_own(
    connection: &Connection,
    profile: &ProfileId,
) -> Result<(Vec<Registration>, Vec<StartedCursor>), Stop> {
    let mut registry = connection.prepare_cached(&statements::registry())?;
    let registry = registry.query_map([], registration)?;
    let registry: Vec<Option<Registration>> = registry.collect::<rusqlite::Result<_>>()?;
    let registry: Option<Vec<Registration>> = registry.into_iter().collect();
    let registry = registry.ok_or_else(|| {
        Stop::Refused(Trouble {
            what: "reading the object registry".to_owned(),
            code: "registry_profile".into(),
            hint: "A line names a profile that cannot be one; restore keepstep_object_registry."
                .to_owned(),
        })
    })?;
    let mut cursors = connection.prepare_cached(&statements::cursors_of_profile())?;
    let cursors = cursors.query_map(params![profile.as_str()], started_cursor)?;
    Ok((registry, cursors.collect::<rusqlite::Result<_>>()?))
}

/// What the registry and the cursors ask for.
///
/// # Errors
/// A refusal of the registry; or what SQLite says.
pub(super) fn read_plan(
    connection: &Connection,
    activation: &Activation,
    misfits: &[Refused],
) -> Result<Plan, Stop> {
    let (registry, cursors) = read_own(connection, &activation.profile)?;
    let mut filled = Vec::new();
    for entity in &activation.entities {
        let table = &entity.mapping.table;
        if what_is_there(connection, &table.name)?.as_deref() == Some("table")
            && connection.prepare(&statements::any_row(table))?.exists([])?
        {
            filled.push(table_key(table));
        }
    }
    let found = Found { registry: &registry, cursors: &cursors, filled: &filled, misfits };
    plan(activation, table_key, &found).map_err(Stop::Refused)
}

/// `None` if the profile is none.
fn registration(row: &Row<'_>) -> rusqlite::Result<Option<Registration>> {
    let name: String = row.get(0)?;
    let (profile, entity, topic): (String, String, String) =
        (row.get(1)?, row.get(2)?, row.get(3)?);
    let (partitions, active) = (row.get(4)?, row.get(5)?);
    Ok(ProfileId::new(&profile).map(|profile| Registration {
        table: TableKey { schema: String::new(), name },
        profile,
        entity: EntityName::new(&entity),
        topic: Topic::new(&topic),
        partitions,
        active,
    }))
}

fn started_cursor(row: &Row<'_>) -> rusqlite::Result<StartedCursor> {
    let (topic, entity): (String, String) = (row.get(0)?, row.get(2)?);
    Ok(StartedCursor {
        topic_partition: TopicPartition {
            topic: Topic::new(&topic),
            partition: Partition(row.get(1)?),
        },
        scope: Scope::from_stored(&entity),
        next: NextOffset(row.get(3)?),
    })
}

fn carry_out(connection: &Connection, activation: &Activation, plan: &Plan) -> Result<(), Stop> {
    let profile = activation.profile.as_str();
    for line in &plan.register {
        connection.prepare_cached(&statements::register())?.execute(params![
            line.table.name,
            profile,
            line.entity.as_str(),
            line.topic.as_str(),
            line.partitions,
            line.active
        ])?;
    }
    for table in &plan.truncate {
        connection.execute(&statements::empty(table), [])?;
    }
    for table in &plan.retire {
        connection.prepare_cached(&statements::retire())?.execute(params![table.name])?;
    }
    for cursor in &plan.start {
        connection.prepare_cached(&statements::start_cursor())?.execute(params![
            profile,
            cursor.topic_partition.topic.as_str(),
            cursor.topic_partition.partition.0,
            cursor.scope.as_str(),
            cursor.next.0
        ])?;
    }
    Ok(())
}

/// What is there of a table, and what of it does not do.
pub(super) struct Looked {
    /// Names and declared types of its columns; `None` if there is no such table.
    pub columns: Option<Vec<(String, String)>>,
    /// Columns that it lacks, in the table's order.
    pub missing: Vec<Column>,
    /// What stands in the way of writing to it.
    pub misfits: Vec<Trouble>,
}

/// Looks at a table and changes nothing.
///
/// # Errors
/// What SQLite says.
pub(super) fn look(connection: &Connection, table: &Table) -> Result<Looked, Stop> {
    let mut looked = Looked {
        columns: None,
        missing: Vec::new(),
        misfits: Vec::from_iter(check_names(table).err()),
    };
    match what_is_there(connection, &table.name)?.as_deref() {
        _ if !looked.misfits.is_empty() => return Ok(looked),
        None => return Ok(looked),
        Some("table") => {}
        Some(_) => {
            looked.misfits.push(no_key(table));
            return Ok(looked);
        }
    }
    let mut found = connection.prepare_cached(statements::columns_of_table())?;
    let found = found.query_map(params![table.name.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let columns: Vec<(String, String)> = found.collect::<rusqlite::Result<_>>()?;
    let found: HashMap<String, Affinity> = columns
        .iter()
        .map(|(name, declared)| (name.to_ascii_lowercase(), affinity(declared)))
        .collect();
    let system = SYSTEM_COLUMNS.iter().map(|name| Column {
        name: (*name).into(),
        column_type: if *name == VERSION_NUMBER { ColumnType::Long } else { ColumnType::Guid },
    });
    let deleted_on = Column { name: SINK_DELETED_ON.into(), column_type: ColumnType::Timestamp };
    let deleted_on = table.deletes.keep_row.then_some(deleted_on);
    for column in system.chain(deleted_on).chain(table.columns.iter().cloned()) {
        let wanted = wanted_affinity(column.column_type);
        match found.get(&column.name.as_str().to_ascii_lowercase()) {
            None if column.name == ID => looked.misfits.push(no_key(table)),
            None => looked.missing.push(column),
            Some(found) if *found == wanted || *found == Affinity::Blob => {}
            Some(_) => looked.misfits.push(other_type(table, &column)),
        }
    }
    // A trial: an upsert can only be prepared where "Id" is unique.
    if looked.misfits.is_empty() && connection.prepare(&statements::key_trial(table)).is_err() {
        looked.misfits.push(no_key(table));
    }
    looked.columns = Some(columns);
    Ok(looked)
}

/// Makes a table, or adds the columns that one lacks; answers with the names of all that were
/// there. Nothing needs widening: SQLite keeps every text and number as long as it is.
///
/// # Errors
/// A refusal of a name, or of a table that is there and does not fit; or what SQLite says.
pub(super) fn ensure_table(connection: &Connection, table: &Table) -> Result<Vec<String>, Stop> {
    let looked = look(connection, table)?;
    if let Some(misfit) = looked.misfits.into_iter().next() {
        return Err(Stop::Refused(misfit));
    }
    let Some(columns) = looked.columns else {
        connection.execute_batch(&ddl::create_table(table))?;
        return Ok(Vec::new());
    };
    for column in &looked.missing {
        connection.execute_batch(&ddl::add_column(table, column))?;
    }
    // A trial of all that will be written: a column that SQLite fills itself shows here.
    match connection.prepare(&statements::image(table, ImageGuard::None)) {
        Ok(_) => Ok(columns.into_iter().map(|(name, _)| name).collect()),
        Err(_) => Err(Stop::Refused(no_key(table))),
    }
}

fn no_key(table: &Table) -> Trouble {
    Trouble {
        what: format!("using the table {} that is there already", table.name),
        code: "table_key".into(),
        hint: "It must be a table whose column \"Id\" is its primary key, or unique; rename it, \
               or give the profile a prefix."
            .to_owned(),
    }
}

fn other_type(table: &Table, column: &Column) -> Trouble {
    Trouble {
        what: format!("using column {} of table {} that is there", column.name, table.name),
        code: "column_type".into(),
        hint: format!(
            "It would change the values; its declared type must be {} or mean the same to SQLite.",
            ddl::declared_type(column.column_type)
        ),
    }
}

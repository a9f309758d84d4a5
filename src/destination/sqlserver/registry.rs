//! Reads and writes keepstep's own tables for an activation: the texts, and what their answers say.

use tiberius::Row;

use super::connection::Connection;
use super::failure::Failure;
use super::own_ddl::{self, own_table};
use super::{cells, quote};
use crate::destination::Trouble;
use crate::destination::own_tables::{Plan, Registration, StartedCursor, TableKey, name};
use crate::model::checkpoint::Scope;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// The version of the own tables; 0 where there are none.
pub(super) fn version() -> String {
    let table = own_table(name::SCHEMA_VERSION);
    format!(
        "IF OBJECT_ID({}) IS NULL SELECT CAST(0 AS bigint) AS version ELSE SELECT ISNULL(MAX(v.version), 0) AS version FROM {table} AS v",
        quote::text(&table)
    )
}

/// The own tables of the present version that are not there, by name.
pub(super) fn missing_tables() -> String {
    let names: Vec<String> = own_ddl::names_since(0)
        .into_iter()
        .map(|name| format!("({}, {})", quote::text(name), quote::text(&own_table(name))))
        .collect();
    format!(
        "SELECT n.name FROM (VALUES {}) AS n (name, full_name) WHERE OBJECT_ID(n.full_name) IS NULL",
        names.join(", ")
    )
}

/// The trouble of an own table that is gone.
pub(super) fn own_table_lost(table: &str) -> Trouble {
    Trouble {
        what: format!("finding keepstep's own table {}", own_table(table)),
        code: "own_table_lost".into(),
        hint: "It was there and is gone, and what it knew with it: restore the database, or drop \
               the schema keepstep and all tables that it filled, and start anew."
            .to_owned(),
    }
}

/// The whole registry.
pub(super) fn registrations() -> String {
    format!(
        "SELECT r.table_schema, r.table_name, r.profile, r.entity, r.topic, r.partition_count, CAST(r.active AS int) AS active FROM {} AS r",
        own_table(name::OBJECT_REGISTRY)
    )
}

/// All cursors of a profile.
pub(super) fn cursors(profile: &ProfileId) -> String {
    format!(
        "SELECT c.topic, c.[partition], c.entity, c.next_offset FROM {} AS c WHERE c.profile = {}",
        own_table(name::CHECKPOINT),
        quote::word(profile.as_str())
    )
}

/// Writes what the rules answered.
pub(super) fn write(profile: &ProfileId, plan: &Plan) -> Vec<String> {
    let registry = own_table(name::OBJECT_REGISTRY);
    let mut statements = Vec::new();
    for line in &plan.register {
        let (schema, table) = (quote::text(&line.table.schema), quote::text(&line.table.name));
        let (profile, entity) =
            (quote::word(line.profile.as_str()), quote::text(line.entity.as_str()));
        let (topic, partitions) = (quote::text(line.topic.as_str()), line.partitions);
        let active = i32::from(line.active);
        let same = format!("r.table_schema = {schema} AND r.table_name = {table}");
        statements.push(format!(
            "UPDATE r SET profile = {profile}, entity = {entity}, topic = {topic}, partition_count = {partitions}, active = {active}, updated_at = SYSUTCDATETIME() FROM {registry} AS r WHERE {same}"
        ));
        statements.push(format!(
            "IF @@ROWCOUNT = 0 INSERT INTO {registry} (table_schema, table_name, profile, entity, topic, partition_count, active) VALUES ({schema}, {table}, {profile}, {entity}, {topic}, {partitions}, {active})"
        ));
    }
    for table in &plan.truncate {
        let full_name = quote::key(table);
        // Without the right to it, row by row.
        statements.push(format!(
            "IF HAS_PERMS_BY_NAME({}, N'OBJECT', N'ALTER') = 1 TRUNCATE TABLE {full_name} ELSE DELETE FROM {full_name}",
            quote::text(&full_name)
        ));
    }
    for table in &plan.retire {
        statements.push(format!(
            "UPDATE r SET active = 0, updated_at = SYSUTCDATETIME() FROM {registry} AS r WHERE r.table_schema = {} AND r.table_name = {}",
            quote::text(&table.schema),
            quote::text(&table.name)
        ));
    }
    let checkpoint = own_table(name::CHECKPOINT);
    for cursor in &plan.start {
        let place = &cursor.topic_partition;
        let (profile, topic) = (quote::word(profile.as_str()), quote::text(place.topic.as_str()));
        let (partition, entity) = (place.partition, quote::text(cursor.scope.as_str()));
        let next = cursor.next.0;
        statements.push(format!(
            "UPDATE c SET next_offset = {next}, owner = NULL, last_offset = NULL, last_timestamp_ms = NULL, last_length_bytes = NULL, last_crc = NULL, updated_at = SYSUTCDATETIME() FROM {checkpoint} AS c WHERE c.profile = {profile} AND c.topic = {topic} AND c.[partition] = {partition} AND c.entity = {entity}"
        ));
        statements.push(format!(
            "IF @@ROWCOUNT = 0 INSERT INTO {checkpoint} (profile, topic, [partition], entity, next_offset) VALUES ({profile}, {topic}, {partition}, {entity}, {next})"
        ));
    }
    statements
}

/// Reads the version of the own tables; 0 where there are none.
pub(super) async fn read_version(connection: &mut Connection) -> Result<i64, Failure> {
    cells::only_number(&connection.batch(&version()).await?)
}

/// Reads which own tables of the present version are not there.
pub(super) async fn read_missing_tables(
    connection: &mut Connection,
) -> Result<Vec<&'static str>, Failure> {
    let answers = connection.batch(&missing_tables()).await?;
    let mut missing = Vec::new();
    for row in answers.iter().flatten() {
        let found = cells::text(row, 0)?;
        missing.extend(own_ddl::names_since(0).into_iter().filter(|name| *name == found));
    }
    Ok(missing)
}

/// The registry and the cursors, of answers to [`registrations`] and [`cursors`].
pub(super) fn registered(
    answers: &[Vec<Row>],
) -> Result<(Vec<Registration>, Vec<StartedCursor>), Failure> {
    let [lines, cursors] = answers else { return Err(Failure::Protocol) };
    let lines = lines.iter().map(registration).collect::<Result<_, _>>()?;
    let cursors = cursors.iter().map(cursor).collect::<Result<_, _>>()?;
    Ok((lines, cursors))
}

fn registration(row: &Row) -> Result<Registration, Failure> {
    let (schema, name) = (cells::text(row, 0)?.to_owned(), cells::text(row, 1)?.to_owned());
    Ok(Registration {
        table: TableKey { schema, name },
        profile: ProfileId::new(cells::text(row, 2)?).ok_or(Failure::Protocol)?,
        entity: EntityName::new(cells::text(row, 3)?),
        topic: Topic::new(cells::text(row, 4)?),
        partitions: cells::small(row, 5)?,
        active: cells::truth(row, 6)?,
    })
}

fn cursor(row: &Row) -> Result<StartedCursor, Failure> {
    let topic = Topic::new(cells::text(row, 0)?);
    Ok(StartedCursor {
        topic_partition: TopicPartition::new(&topic, cells::small(row, 1)?),
        scope: Scope::from_stored(cells::text(row, 2)?),
        next: NextOffset(cells::number(row, 3)?),
    })
}

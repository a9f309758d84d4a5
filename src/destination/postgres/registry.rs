//! Reads and writes keepstep's own tables for an activation.

use tokio_postgres::{Client, Row};

use super::ddl::table_name;
use super::failure::Failure;
use super::own_ddl::{self, own_table};
use super::quote;
use crate::destination::Trouble;
use crate::destination::own_tables::{Plan, Registration, StartedCursor, TableKey, name};
use crate::model::checkpoint::Scope;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;
use crate::model::table::Table;

/// The version of the own tables; 0 where there are none.
pub(super) async fn version(client: &Client) -> Result<i64, Failure> {
    if !exists(client, name::SCHEMA_VERSION).await? {
        return Ok(0);
    }
    let text = format!("SELECT version FROM {}", own_table(name::SCHEMA_VERSION));
    let row = client.query_opt(&text, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}

/// The own tables of the present version that are not there.
pub(super) async fn missing_tables(client: &Client) -> Result<Vec<&'static str>, Failure> {
    let mut missing = Vec::new();
    for table in own_ddl::names_since(0) {
        if !exists(client, table).await? {
            missing.push(table);
        }
    }
    Ok(missing)
}

async fn exists(client: &Client, table: &str) -> Result<bool, Failure> {
    let text = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";
    let schema = crate::destination::own_tables::OWN_SCHEMA;
    Ok(client.query_one(text, &[&schema, &table]).await?.try_get(0)?)
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
pub(super) async fn registrations(client: &Client) -> Result<Vec<Registration>, Failure> {
    let text = format!(
        "SELECT table_schema, table_name, profile, entity, topic, partition_count, active FROM {}",
        own_table(name::OBJECT_REGISTRY)
    );
    client.query(&text, &[]).await?.iter().map(registration).collect()
}

fn registration(row: &Row) -> Result<Registration, Failure> {
    let partitions: i32 = row.try_get(5)?;
    Ok(Registration {
        table: TableKey { schema: row.try_get(0)?, name: row.try_get(1)? },
        profile: ProfileId::new(row.try_get(2)?).ok_or(Failure::Protocol)?,
        entity: EntityName::new(row.try_get(3)?),
        topic: Topic::new(row.try_get(4)?),
        partitions: u32::try_from(partitions).map_err(|_| Failure::Protocol)?,
        active: row.try_get(6)?,
    })
}

/// All cursors of a profile.
pub(super) async fn cursors(
    client: &Client,
    profile: &ProfileId,
) -> Result<Vec<StartedCursor>, Failure> {
    let text = format!(
        "SELECT topic, partition, entity, next_offset FROM {} WHERE profile = $1",
        own_table(name::CHECKPOINT)
    );
    client.query(&text, &[&profile.as_str()]).await?.iter().map(cursor).collect()
}

fn cursor(row: &Row) -> Result<StartedCursor, Failure> {
    let partition: i32 = row.try_get(1)?;
    let partition = u32::try_from(partition).map_err(|_| Failure::Protocol)?;
    Ok(StartedCursor {
        topic_partition: TopicPartition::new(&Topic::new(row.try_get(0)?), partition),
        scope: Scope::from_stored(row.try_get(2)?),
        next: NextOffset(row.try_get(3)?),
    })
}

/// Whether a table holds any row.
pub(super) async fn any_row(client: &Client, table: &Table) -> Result<bool, Failure> {
    let text = format!("SELECT EXISTS (SELECT FROM {})", table_name(table));
    Ok(client.query_one(&text, &[]).await?.try_get(0)?)
}

/// Writes what the rules answered.
pub(super) async fn write(
    client: &Client,
    profile: &ProfileId,
    plan: &Plan,
) -> Result<(), Failure> {
    let registry = own_table(name::OBJECT_REGISTRY);
    let register = format!(
        "INSERT INTO {registry} (table_schema, table_name, profile, entity, topic, partition_count, active) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (table_schema, table_name) DO UPDATE SET profile = excluded.profile, entity = excluded.entity, topic = excluded.topic, partition_count = excluded.partition_count, active = excluded.active, updated_at = now()"
    );
    for line in &plan.register {
        let partitions = i32::try_from(line.partitions).map_err(|_| Failure::Protocol)?;
        let (schema, table) = (&line.table.schema, &line.table.name);
        let (entity, topic) = (line.entity.as_str(), line.topic.as_str());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [schema, table, &line.profile.as_str(), &entity, &topic, &partitions, &line.active];
        client.execute(&register, &values).await?;
    }
    for table in &plan.truncate {
        let text = format!("DELETE FROM {}", quote::qualified(&table.schema, &table.name));
        client.execute(&text, &[]).await?;
    }
    let retire = format!(
        "UPDATE {registry} SET active = false, updated_at = now() WHERE table_schema = $1 AND table_name = $2"
    );
    for table in &plan.retire {
        client.execute(&retire, &[&table.schema, &table.name]).await?;
    }
    let start = format!(
        "INSERT INTO {} (profile, topic, partition, entity, next_offset) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (profile, topic, partition, entity) DO UPDATE SET next_offset = excluded.next_offset, owner = NULL, last_offset = NULL, last_timestamp_ms = NULL, last_length_bytes = NULL, last_crc = NULL, updated_at = now()",
        own_table(name::CHECKPOINT)
    );
    let start = client.prepare(&start).await?;
    for cursor in &plan.start {
        let place = &cursor.topic_partition;
        let partition = i32::try_from(place.partition.0).map_err(|_| Failure::Protocol)?;
        let (topic, entity) = (place.topic.as_str(), cursor.scope.as_str());
        client
            .execute(&start, &[&profile.as_str(), &topic, &partition, &entity, &cursor.next.0])
            .await?;
    }
    Ok(())
}

//! Text of every statement that makes keepstep's own tables, version by version.
//!
//! Pure. A version's step is never changed once it was released: databases have taken it. Nothing
//! here drops or narrows. Every statement looks first whether what it makes is there.

use super::ddl::create_schema;
use super::quote;
use crate::destination::own_tables::{OWN_SCHEMA, OWN_VERSION, name as own};
use crate::model::checkpoint::LaneId;

/// Schema and name of an own table, quoted: `checkpoint` is a word of the language.
pub(super) fn own_table(name: &str) -> String {
    quote::qualified(OWN_SCHEMA, name)
}

/// What a session must have set that makes or changes own tables: one of them has an index on a
/// computed column, and some programs that run scripts set otherwise.
/// Source: SQL Server documentation, "SET options that affect results".
pub(super) const SESSION: &str = "SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF";

/// The collation of keys: their texts are compared code by code, for that is what they mean.
pub(super) const KEY_COLLATION: &str = "COLLATE Latin1_General_BIN2";

/// The types of key columns. Together they stay below the 900 bytes of a clustered key: a profile
/// 64, a topic 498, an entity 256.
/// Source: SQL Server documentation, "Maximum capacity specifications".
const PROFILE: &str = "varchar(64)";
const TOPIC: &str = "nvarchar(249)";
const ENTITY: &str = "nvarchar(128)";

/// A key column of text.
fn key(name: &str, type_text: &str) -> String {
    format!("{name} {type_text} {KEY_COLLATION} NOT NULL")
}

/// The lane's key as a condition on a table of this alias. Types as the columns', so that nothing
/// is converted and the rows are found by their key.
pub(super) fn lane_condition(alias: &str, lane: &LaneId) -> String {
    format!(
        "{alias}.profile = {} AND {alias}.topic = {} AND {alias}.[partition] = {}",
        quote::word(lane.profile.as_str()),
        quote::text(lane.topic_partition.topic.as_str()),
        lane.topic_partition.partition
    )
}

/// The server's clock, µs since 1970.
pub(super) const NOW_US: &str = "DATEDIFF_BIG(microsecond, '19700101', SYSUTCDATETIME())";

/// The own tables that a version has and the one before it lacks, and how each is made; none if
/// there is no such step. Version 0 is a database without them.
fn step(from_version: i64) -> Vec<(&'static str, String)> {
    match from_version {
        0 => first_tables(),
        1 => second_tables(),
        _ => Vec::new(),
    }
}

fn create(table: &'static str, columns: &[String], primary_key: &str) -> (&'static str, String) {
    let full_name = own_table(table);
    let text = format!(
        "IF OBJECT_ID({}) IS NULL CREATE TABLE {full_name} (\n  {},\n  CONSTRAINT {} PRIMARY KEY CLUSTERED ({primary_key})\n)",
        quote::text(&full_name),
        columns.join(",\n  "),
        quote::name(&format!("PK_{OWN_SCHEMA}_{table}")),
    );
    (table, text)
}

fn updated_at() -> String {
    "updated_at datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME()".to_owned()
}

fn plain(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

fn first_tables() -> Vec<(&'static str, String)> {
    vec![
        create(
            own::SCHEMA_VERSION,
            &plain(&["id int NOT NULL CHECK (id = 1)", "version bigint NOT NULL"]),
            "id",
        ),
        create(
            own::OBJECT_REGISTRY,
            &[
                key("table_schema", "nvarchar(128)"),
                key("table_name", "nvarchar(128)"),
                key("profile", PROFILE),
                key("entity", ENTITY),
                key("topic", TOPIC),
                "partition_count int NOT NULL".to_owned(),
                "active bit NOT NULL".to_owned(),
                updated_at(),
            ],
            "table_schema, table_name",
        ),
        create(
            own::CHECKPOINT,
            &[
                key("profile", PROFILE),
                key("topic", TOPIC),
                "[partition] int NOT NULL".to_owned(),
                key("entity", ENTITY),
                "next_offset bigint NOT NULL".to_owned(),
                "owner uniqueidentifier NULL".to_owned(),
                "last_offset bigint NULL".to_owned(),
                "last_timestamp_ms bigint NULL".to_owned(),
                "last_length_bytes bigint NULL".to_owned(),
                "last_crc bigint NULL".to_owned(),
                updated_at(),
            ],
            "profile, topic, [partition], entity",
        ),
        create(
            own::TOMBSTONE,
            &[
                key("profile", PROFILE),
                key("entity", ENTITY),
                "record_id uniqueidentifier NOT NULL".to_owned(),
                "version bigint NOT NULL".to_owned(),
                "topic nvarchar(249) NOT NULL".to_owned(),
                "[partition] int NOT NULL".to_owned(),
                "[offset] bigint NOT NULL".to_owned(),
                "deleted_at datetime2(3) NOT NULL".to_owned(),
            ],
            // The id first: it tells keys apart at the first comparison.
            "record_id, entity, profile",
        ),
    ]
}

/// An empty entity and a record id of zeros stand for unknown ones. Numbers that other programs
/// compare, times among them, are µs since 1970.
fn second_tables() -> Vec<(&'static str, String)> {
    vec![
        create(own::HELD_CHANGE, &held_change_columns(), HELD_CHANGE_KEY),
        (own::HELD_CHANGE, unpublished_index()),
        create(
            own::REQUEST,
            &[
                "id uniqueidentifier NOT NULL".to_owned(),
                key("profile", PROFILE),
                key("topic", TOPIC),
                "[partition] int NOT NULL".to_owned(),
                "body nvarchar(max) NOT NULL".to_owned(),
                key("state", "varchar(16)"),
                "progress nvarchar(max) NOT NULL".to_owned(),
                "asked_at_us bigint NOT NULL".to_owned(),
                "updated_at_us bigint NOT NULL".to_owned(),
            ],
            "id, topic, [partition]",
        ),
        create(
            own::LANE_STATE,
            &[
                key("profile", PROFILE),
                key("topic", TOPIC),
                "[partition] int NOT NULL".to_owned(),
                "owner nvarchar(max) NOT NULL".to_owned(),
                "body nvarchar(max) NOT NULL".to_owned(),
                "said_at_us bigint NOT NULL".to_owned(),
            ],
            "profile, topic, [partition]",
        ),
    ]
}

const HELD_CHANGE_KEY: &str = "profile, topic, [partition], change_offset, entity, record_id";

fn held_change_columns() -> Vec<String> {
    let mut columns = vec![
        key("profile", PROFILE),
        key("topic", TOPIC),
        "[partition] int NOT NULL".to_owned(),
        "change_offset bigint NOT NULL".to_owned(),
        key("entity", ENTITY),
    ];
    columns.extend(plain(&[
        "record_id uniqueidentifier NOT NULL",
        "version bigint NULL",
        "cause nvarchar(128) NOT NULL",
        "column_name nvarchar(max) NULL",
        "detail nvarchar(max) NOT NULL",
        "creates bit NOT NULL DEFAULT 0",
        "attempt bigint NOT NULL",
        "held_at_us bigint NOT NULL",
        "revision bigint NOT NULL",
        "[open] bit NOT NULL",
        "published bigint NULL",
        // Nobody writes it: it follows from the two that it compares.
        "unpublished AS CASE WHEN published IS NULL OR published < revision THEN 1 ELSE 0 END PERSISTED",
    ]));
    columns
}

/// What is to be sent is asked for often, and is few among many.
fn unpublished_index() -> String {
    let table = own_table(own::HELD_CHANGE);
    format!(
        "IF NOT EXISTS (SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID({}) AND i.name LIKE N'held_change_unpublished%') CREATE INDEX held_change_unpublished ON {table} (profile, topic, [partition], unpublished, change_offset, entity, record_id)",
        quote::text(&table),
    )
}

/// Writes the version of the own tables; never a lower one.
fn set_version() -> [String; 2] {
    let table = own_table(own::SCHEMA_VERSION);
    [
        format!(
            "IF NOT EXISTS (SELECT 1 FROM {table} AS v) INSERT INTO {table} (id, version) VALUES (1, {OWN_VERSION})"
        ),
        format!("UPDATE {table} SET version = {OWN_VERSION} WHERE version < {OWN_VERSION}"),
    ]
}

/// Makes the schema of the own tables.
pub(super) fn create_own_schema() -> String {
    create_schema(OWN_SCHEMA)
}

/// All that brings the own tables from a version to the present one; of the tables only those of
/// these names, for making one that is there needs a right that nothing else does.
pub(super) fn since(version: i64, missing: &[&str]) -> Vec<String> {
    let tables = (version..OWN_VERSION).flat_map(step);
    let missing = tables.filter(|(table, _)| missing.contains(table));
    missing.map(|(_, text)| text).chain(set_version()).collect()
}

/// Names of the own tables that a program of the present version finds where it was activated, and
/// one of version `since` does not.
pub(super) fn names_since(since: i64) -> Vec<&'static str> {
    let mut names: Vec<_> = (since..OWN_VERSION).flat_map(step).map(|(table, _)| table).collect();
    names.dedup();
    names
}

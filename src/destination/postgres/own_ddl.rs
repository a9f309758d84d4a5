//! Text of every statement that makes keepstep's own tables, version by version.
//!
//! Pure. A version's step is never changed once it was released: databases have taken it. Nothing
//! here drops or narrows.

use crate::destination::own_tables::{OWN_SCHEMA, OWN_VERSION, name as own};

/// Schema and name of an own table, quoted where they need it: they are ours, so they never do.
pub(super) fn own_table(name: &str) -> String {
    format!("{OWN_SCHEMA}.{name}")
}

/// The own tables that a version has and the one before it lacks, and how each is made; none if
/// there is no such step. Version 0 is a database without them.
///
/// Texts of keys are compared byte by byte (`COLLATE "C"`): that is what they mean, and faster.
fn step(from_version: i64) -> Vec<(&'static str, String)> {
    match from_version {
        0 => first_tables(),
        1 => second_tables(),
        _ => Vec::new(),
    }
}

fn create(table: &'static str, lines: &[&str]) -> (&'static str, String) {
    let text =
        format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", own_table(table), lines.join(",\n  "));
    (table, text)
}

fn first_tables() -> Vec<(&'static str, String)> {
    vec![
        create(
            own::SCHEMA_VERSION,
            &["id integer PRIMARY KEY CHECK (id = 1)", "version bigint NOT NULL"],
        ),
        create(
            own::OBJECT_REGISTRY,
            &[
                "table_schema text COLLATE \"C\" NOT NULL",
                "table_name text COLLATE \"C\" NOT NULL",
                "profile text COLLATE \"C\" NOT NULL",
                "entity text COLLATE \"C\" NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition_count integer NOT NULL",
                "active boolean NOT NULL",
                "updated_at timestamptz NOT NULL DEFAULT now()",
                "PRIMARY KEY (table_schema, table_name)",
            ],
        ),
        create(
            own::CHECKPOINT,
            &[
                "profile text COLLATE \"C\" NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition integer NOT NULL",
                "entity text COLLATE \"C\" NOT NULL",
                "next_offset bigint NOT NULL",
                "owner uuid",
                "last_offset bigint",
                "last_timestamp_ms bigint",
                "last_length_bytes bigint",
                "last_crc bigint",
                "updated_at timestamptz NOT NULL DEFAULT now()",
                "PRIMARY KEY (profile, topic, partition, entity)",
            ],
        ),
        create(
            own::TOMBSTONE,
            &[
                "profile text COLLATE \"C\" NOT NULL",
                "entity text COLLATE \"C\" NOT NULL",
                "record_id uuid NOT NULL",
                "version bigint NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition integer NOT NULL",
                "\"offset\" bigint NOT NULL",
                "deleted_at timestamptz NOT NULL",
                // The id first: it tells keys apart at the first comparison.
                "PRIMARY KEY (record_id, entity, profile)",
            ],
        ),
    ]
}

/// An empty entity and a record id of zeros stand for unknown ones. Numbers that other programs
/// compare, times among them, are µs since 1970.
fn second_tables() -> Vec<(&'static str, String)> {
    vec![
        create(
            own::HELD_CHANGE,
            &[
                "profile text COLLATE \"C\" NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition integer NOT NULL",
                "change_offset bigint NOT NULL",
                "entity text COLLATE \"C\" NOT NULL",
                "record_id uuid NOT NULL",
                "version bigint",
                "cause text NOT NULL",
                "column_name text",
                "detail text NOT NULL",
                "creates boolean NOT NULL DEFAULT false",
                "attempt bigint NOT NULL",
                "held_at_us bigint NOT NULL",
                "revision bigint NOT NULL",
                "open boolean NOT NULL",
                "published bigint",
                "PRIMARY KEY (profile, topic, partition, change_offset, entity, record_id)",
            ],
        ),
        // What is to be sent is asked for often, and is few among many.
        (
            own::HELD_CHANGE,
            format!(
                "CREATE INDEX IF NOT EXISTS held_change_unpublished ON {} (profile, topic, partition, change_offset, entity, record_id) WHERE published IS NULL OR published < revision",
                own_table(own::HELD_CHANGE)
            ),
        ),
        create(
            own::REQUEST,
            &[
                "id uuid NOT NULL",
                "profile text COLLATE \"C\" NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition integer NOT NULL",
                "body text NOT NULL",
                "state text COLLATE \"C\" NOT NULL",
                "progress text NOT NULL",
                "asked_at_us bigint NOT NULL",
                "updated_at_us bigint NOT NULL",
                "PRIMARY KEY (id, topic, partition)",
            ],
        ),
        create(
            own::LANE_STATE,
            &[
                "profile text COLLATE \"C\" NOT NULL",
                "topic text COLLATE \"C\" NOT NULL",
                "partition integer NOT NULL",
                "owner text NOT NULL",
                "body text NOT NULL",
                "said_at_us bigint NOT NULL",
                "PRIMARY KEY (profile, topic, partition)",
            ],
        ),
    ]
}

/// Writes the version of the own tables.
fn set_version() -> String {
    format!(
        "INSERT INTO {} (id, version) VALUES (1, {OWN_VERSION}) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
        own_table(own::SCHEMA_VERSION)
    )
}

/// All that brings the own tables from a version to the present one; of the tables only those of
/// these names, for making one that is there needs a right that nothing else does.
pub(super) fn since(version: i64, missing: &[&str]) -> Vec<String> {
    let tables = (version..OWN_VERSION).flat_map(step);
    let missing = tables.filter(|(table, _)| missing.contains(table));
    missing.map(|(_, text)| text).chain([set_version()]).collect()
}

/// Names of the own tables that a program of the present version finds where it was activated, and
/// one of version `since` does not.
pub(super) fn names_since(since: i64) -> Vec<&'static str> {
    let mut names: Vec<_> = (since..OWN_VERSION).flat_map(step).map(|(table, _)| table).collect();
    names.dedup();
    names
}

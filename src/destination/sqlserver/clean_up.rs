//! Scripts that take away what a profile made, for a person to read and to run.
//!
//! Pure text; keepstep itself never runs it. Promises: only tables that the registry says the
//! profile filled are dropped; every name is compared as it is and in full, so neither its length
//! nor a character in it, nor an empty prefix, makes a script reach further or less far; all of it
//! happens, or nothing.

use super::own_ddl::{SESSION, own_table};
use super::{des_objects, quote};
use crate::destination::own_tables::name as own;
use crate::model::layout::{DELETE_LOG, Layout};
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// Begins a script: nothing stays of one that fails.
const BEGIN: &str = "SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION";

/// The tables of `@profile` that are there, one line each.
fn tables_of_profile() -> String {
    format!(
        "FROM {} AS r WHERE r.profile = @profile AND OBJECT_ID(QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name), N'U') IS NOT NULL",
        own_table(own::OBJECT_REGISTRY)
    )
}

/// Adds to `@drop` what is made of each of those tables.
fn add_for_each_table(made: &str, more: &str) -> String {
    format!(
        "SELECT @drop = @drop + ISNULL(STRING_AGG(CAST({made} AS nvarchar(max)), N''), N'') {}{more}",
        tables_of_profile()
    )
}

/// Adds to `@drop` the two table types of each of those tables, as far as they are there.
fn add_types_of_tables(more: &str) -> Vec<String> {
    ["Type", "IdType"]
        .map(|suffix| {
            let type_name =
                format!("QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name + N'{suffix}')");
            add_for_each_table(
                &format!("N'DROP TYPE ' + {type_name} + N'; '"),
                &format!(" AND TYPE_ID({type_name}) IS NOT NULL{more}"),
            )
        })
        .to_vec()
}

fn drop_tables(more: &str) -> String {
    let full_name = "QUOTENAME(r.table_schema) + N'.' + QUOTENAME(r.table_name)";
    add_for_each_table(&format!("N'DROP TABLE ' + {full_name} + N'; '"), more)
}

fn declarations(profile: &ProfileId) -> String {
    format!(
        "DECLARE @profile varchar(64) = {}; DECLARE @drop nvarchar(max) = N''",
        quote::word(profile.as_str())
    )
}

/// Ends the script where the registry does not know what it is about.
fn stop_unless(condition: &str) -> String {
    format!(
        "IF NOT EXISTS (SELECT 1 FROM {} AS r WHERE {condition})\nBEGIN\nROLLBACK TRANSACTION;\nTHROW 50000, N'keepstep: the registry knows no such table, so nothing is dropped', 1;\nEND",
        own_table(own::OBJECT_REGISTRY)
    )
}

/// Everything of a profile: its tables, their types, and unless another profile has tables of the
/// same prefix in the schema, metadata tables, delete log, procedures and the types of lists. Then
/// what keepstep's own tables know of it, so that it can start anew.
pub(super) fn whole_profile(profile: &ProfileId, layout: &Layout) -> Vec<String> {
    let mut script = vec![
        SESSION.to_owned(),
        BEGIN.to_owned(),
        declarations(profile),
        stop_unless("r.profile = @profile"),
    ];
    let beside = drops_beside(layout);
    script.extend(add_types_of_tables(""));
    script.push(drop_tables(""));
    if !beside.is_empty() {
        let lead = layout.name("");
        script.push(format!(
            "IF NOT EXISTS (SELECT 1 FROM {} AS r WHERE r.profile <> @profile AND r.table_schema = {} AND LEFT(r.table_name, {}) = {})\nBEGIN\n{};\nEND",
            own_table(own::OBJECT_REGISTRY),
            quote::text(&layout.schema),
            lead.encode_utf16().count(),
            quote::text(&lead),
            beside.join(";\n")
        ));
    }
    script.push("EXEC sp_executesql @drop".to_owned());
    for table in [
        own::CHECKPOINT,
        own::TOMBSTONE,
        own::HELD_CHANGE,
        own::REQUEST,
        own::LANE_STATE,
        own::OBJECT_REGISTRY,
    ] {
        script.push(format!("DELETE o FROM {} AS o WHERE o.profile = @profile", own_table(table)));
    }
    script.push("COMMIT TRANSACTION".to_owned());
    script
}

/// What stands beside the tables of the entities, dropped where it is there: procedures before the
/// types that they use.
fn drops_beside(layout: &Layout) -> Vec<String> {
    let full_name = |name: &str| quote::qualified(&layout.schema, &layout.name(name));
    let mut drops = Vec::new();
    if layout.metadata {
        drops.extend(des_objects::procedure_names().map(|name| {
            let name = full_name(name);
            let found = quote::text(&name);
            format!("IF OBJECT_ID({found}, N'P') IS NOT NULL DROP PROCEDURE {name}")
        }));
        drops.extend(des_objects::list_type_names().map(|name| {
            let name = full_name(name);
            format!("IF TYPE_ID({}) IS NOT NULL DROP TYPE {name}", quote::text(&name))
        }));
    }
    let metadata = layout.metadata.then(des_objects::metadata_table_names);
    let log = layout.delete_log.then_some(DELETE_LOG);
    drops.extend(metadata.into_iter().flatten().chain(log).map(|name| {
        let name = full_name(name);
        let found = quote::text(&name);
        format!("IF OBJECT_ID({found}, N'U') IS NOT NULL DROP TABLE {name}")
    }));
    drops
}

/// One entity of a profile: its table, the two types of it, its lines in the metadata tables, and
/// what keepstep's own tables know of it, so that it can be added anew.
pub(super) fn one_entity(profile: &ProfileId, layout: &Layout, entity: &EntityName) -> Vec<String> {
    let of_entity = "r.profile = @profile AND r.entity = @entity";
    let mut script = vec![
        SESSION.to_owned(),
        BEGIN.to_owned(),
        declarations(profile),
        format!("DECLARE @entity nvarchar(128) = {}", quote::text(entity.as_str())),
        stop_unless(of_entity),
    ];
    script.extend(add_types_of_tables(" AND r.entity = @entity"));
    script.push(drop_tables(" AND r.entity = @entity"));
    script.push("EXEC sp_executesql @drop".to_owned());
    if layout.metadata {
        script.extend(des_objects::tables_with_entity_names().map(|name| {
            let name = quote::qualified(&layout.schema, &layout.name(name));
            format!(
                "IF OBJECT_ID({}, N'U') IS NOT NULL DELETE m FROM {name} AS m WHERE m.[EntityName] = @entity",
                quote::text(&name)
            )
        }));
    }
    for table in [own::CHECKPOINT, own::TOMBSTONE, own::HELD_CHANGE, own::OBJECT_REGISTRY] {
        script.push(format!(
            "DELETE o FROM {} AS o WHERE o.profile = @profile AND o.entity = @entity",
            own_table(table)
        ));
    }
    script.push("COMMIT TRANSACTION".to_owned());
    script
}

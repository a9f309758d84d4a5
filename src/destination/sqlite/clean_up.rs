//! What takes away what a profile made, for a person to read and to run.
//!
//! Pure text; keepstep itself never runs it. SQLite cannot drop a table whose name it reads, so
//! this is a query that answers with the script: only tables that the registry says the profile
//! filled are in it.

use super::names::own_table;
use crate::destination::own_tables::name as own;
use crate::model::layout::Layout;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// A text literal.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The query. `beside`: without an entity, the tables to be dropped beside those of the entities;
/// with one, those whose lines name it; without their prefix.
pub(super) fn query(
    profile: &ProfileId,
    layout: &Layout,
    entity: Option<&EntityName>,
    beside: &[&str],
) -> String {
    let mut condition = format!("profile = {}", text(profile.as_str()));
    let mut forgotten =
        vec![own::CHECKPOINT, own::TOMBSTONE, own::HELD_CHANGE, own::OBJECT_REGISTRY];
    match entity {
        Some(entity) => condition.push_str(&format!(" AND entity = {}", text(entity.as_str()))),
        None => forgotten.extend([own::REQUEST, own::LANE_STATE]),
    }
    let registry = own_table(own::OBJECT_REGISTRY);
    let mut lines = vec![
        "SELECT 'BEGIN IMMEDIATE;'".to_owned(),
        format!(
            "SELECT 'DROP TABLE IF EXISTS \"' || replace(table_name, '\"', '\"\"') || '\";' FROM {registry} WHERE {condition}"
        ),
    ];
    let lead = text(&layout.name("").to_ascii_lowercase());
    let shared = format!(
        "EXISTS (SELECT 1 FROM {registry} WHERE NOT ({condition}) AND substr(lower(table_name), 1, length({lead})) = {lead})"
    );
    for name in beside {
        let name = layout.name(name);
        let table = format!("\"{}\"", name.replace('"', "\"\""));
        let statement = match entity {
            Some(entity) => {
                format!("DELETE FROM {table} WHERE EntityName = {};", text(entity.as_str()))
            }
            None => format!("DROP TABLE {table};"),
        };
        let unless = if entity.is_none() { format!(" AND NOT {shared}") } else { String::new() };
        lines.push(format!(
            "SELECT {} WHERE EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = {}){unless}",
            text(&statement),
            text(&name.to_ascii_lowercase())
        ));
    }
    for table in forgotten {
        let statement = format!("DELETE FROM {} WHERE {condition};", own_table(table));
        lines.push(format!("SELECT {}", text(&statement)));
    }
    lines.push("SELECT 'COMMIT;'".to_owned());
    lines.join("\nUNION ALL ")
}

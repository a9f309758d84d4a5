//! Scripts that take away what a profile made, for a person to read and to run.
//!
//! Pure text; keepstep itself never runs it. Promises: only tables that the registry says the
//! profile filled are dropped, every name compared as it is and in full; all of it happens, or
//! nothing.

use super::own_ddl::own_table;
use super::quote;
use crate::destination::own_tables::name as own;
use crate::model::layout::Layout;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// Everything of a profile, and what keepstep's own tables know of it, so that it can start anew.
/// `beside`: names of the metadata tables and the log of deletes, without their prefix.
pub(super) fn whole_profile(profile: &ProfileId, layout: &Layout, beside: &[&str]) -> String {
    let of_profile = format!("profile = {}", quote::text(profile.as_str()));
    let lead = layout.name("");
    let drops: String = beside
        .iter()
        .map(|name| {
            let table = quote::qualified(&layout.schema, &layout.name(name));
            format!("    DROP TABLE IF EXISTS {table};\n")
        })
        .collect();
    let unless_shared = format!(
        "  IF NOT EXISTS (SELECT FROM {} WHERE NOT ({of_profile}) AND table_schema = {} AND starts_with(table_name, {})) THEN\n{drops}  END IF;\n",
        own_table(own::OBJECT_REGISTRY),
        quote::text(&layout.schema),
        quote::text(&lead),
    );
    let unless_shared = if drops.is_empty() { String::new() } else { unless_shared };
    let forgotten = [
        own::CHECKPOINT,
        own::TOMBSTONE,
        own::HELD_CHANGE,
        own::REQUEST,
        own::LANE_STATE,
        own::OBJECT_REGISTRY,
    ];
    script(&of_profile, &unless_shared, &forgotten)
}

/// One entity of a profile, and what keepstep's own tables know of it, so that it can be added
/// anew. `beside`: names of the tables whose lines name an entity, without their prefix.
pub(super) fn one_entity(
    profile: &ProfileId,
    layout: &Layout,
    entity: &EntityName,
    beside: &[&str],
) -> String {
    let entity = quote::text(entity.as_str());
    let of_entity = format!("profile = {} AND entity = {entity}", quote::text(profile.as_str()));
    let lines: String = beside
        .iter()
        .map(|name| {
            let table = quote::qualified(&layout.schema, &layout.name(name));
            format!(
                "  IF to_regclass({}) IS NOT NULL THEN\n    DELETE FROM {table} WHERE \"EntityName\" = {entity};\n  END IF;\n",
                quote::text(&table)
            )
        })
        .collect();
    let forgotten = [own::CHECKPOINT, own::TOMBSTONE, own::HELD_CHANGE, own::OBJECT_REGISTRY];
    script(&of_entity, &lines, &forgotten)
}

fn script(condition: &str, more: &str, forgotten: &[&str]) -> String {
    let registry = own_table(own::OBJECT_REGISTRY);
    let forget: String = forgotten
        .iter()
        .map(|table| format!("  DELETE FROM {} WHERE {condition};\n", own_table(table)))
        .collect();
    let body = format!(
        "\nDECLARE\n  line record;\nBEGIN\n  \
         IF NOT EXISTS (SELECT FROM {registry} WHERE {condition}) THEN\n    \
         RAISE EXCEPTION 'keepstep: the registry knows no such table, so nothing is dropped';\n  \
         END IF;\n  \
         FOR line IN SELECT table_schema, table_name FROM {registry} WHERE {condition} LOOP\n    \
         EXECUTE format('DROP TABLE IF EXISTS %I.%I', line.table_schema, line.table_name);\n  \
         END LOOP;\n{more}{forget}END\n"
    );
    // Quotes that nothing in the script can end.
    let mut quotes = String::from("$keepstep$");
    while body.contains(&quotes) {
        quotes.insert(1, '_');
    }
    format!("DO {quotes}{body}{quotes}")
}

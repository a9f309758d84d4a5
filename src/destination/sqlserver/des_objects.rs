//! Text of what a database of Data Export Service has beside the tables of its entities: metadata
//! tables, the log of deletes, table types, and the procedures that fill the metadata tables.
//!
//! Pure. keepstep itself writes through none of the types and procedures; they are there, and work,
//! for scripts and programs that look for them. A type cannot be changed, so one that is there
//! stays as it is when its table gets more columns.

use super::ddl::{nullable_columns, type_text};
use super::quote;
use crate::model::layout::Layout;
use crate::model::metadata_tables::{
    ATTRIBUTE, GLOBAL_OPTION_SET, MetadataColumn, MetadataTable, OPTION_SET, STATE, STATUS, TARGET,
};
use crate::model::table::{ID, Table};

/// A procedure, the type of the list that it takes, and the table that it fills.
struct Upsert {
    procedure: &'static str,
    list_type: &'static str,
    table: &'static MetadataTable,
    /// Of lines with one key the one that is highest in this column counts.
    latest_by: &'static str,
}

const LABEL: &str = "LocalizedLabel";

const UPSERTS: [Upsert; 6] = [
    Upsert {
        procedure: "UpsertAttributeMetadata",
        list_type: "AttributeMetadataList",
        table: &ATTRIBUTE,
        latest_by: "Version",
    },
    Upsert {
        procedure: "UpsertGlobalOptionSetMetadata",
        // Its lines are those of other option sets, whose entity it passes over.
        list_type: "OptionSetMetadataList",
        table: &GLOBAL_OPTION_SET,
        latest_by: LABEL,
    },
    Upsert {
        procedure: "UpsertOptionSetMetadata",
        list_type: "OptionSetMetadataList",
        table: &OPTION_SET,
        latest_by: LABEL,
    },
    Upsert {
        procedure: "UpsertStateMetadata",
        list_type: "StateMetadataList",
        table: &STATE,
        latest_by: LABEL,
    },
    Upsert {
        procedure: "UpsertStatusMetadata",
        list_type: "StatusMetadataList",
        table: &STATUS,
        latest_by: LABEL,
    },
    Upsert {
        procedure: "UpsertTargetMetadata",
        list_type: "TargetMetadataList",
        table: &TARGET,
        latest_by: "ReferencedAttribute",
    },
];

/// Names of the procedures, without a prefix.
pub(super) fn procedure_names() -> impl Iterator<Item = &'static str> {
    UPSERTS.iter().map(|upsert| upsert.procedure)
}

/// Names of the types of lists, without a prefix.
pub(super) fn list_type_names() -> impl Iterator<Item = &'static str> {
    // The first that takes it stands for it.
    UPSERTS.iter().enumerate().filter_map(|(at, upsert)| {
        let before = UPSERTS.iter().take(at);
        let seen = before.into_iter().any(|other| other.list_type == upsert.list_type);
        (!seen).then_some(upsert.list_type)
    })
}

/// Names of the metadata tables, without a prefix.
pub(super) fn metadata_table_names() -> impl Iterator<Item = &'static str> {
    UPSERTS.iter().map(|upsert| upsert.table.name)
}

/// Names of those whose lines name an entity, without a prefix.
pub(super) fn tables_with_entity_names() -> impl Iterator<Item = &'static str> {
    let named = UPSERTS.iter().filter(|upsert| upsert.table.owner().name == "EntityName");
    named.map(|upsert| upsert.table.name)
}

fn full_name(layout: &Layout, name: &str) -> String {
    quote::qualified(&layout.schema, &layout.name(name))
}

/// Makes the two types of a table: of its whole rows, and of ids.
pub(super) fn create_table_types(table: &Table) -> Vec<String> {
    let id = format!("  {} uniqueidentifier NOT NULL", quote::name(ID));
    let columns: String = nullable_columns(table)
        .iter()
        .map(|column| {
            format!(",\n  {} {} NULL", quote::name(&column.name), type_text(column.column_type))
        })
        .collect();
    [("Type", format!("{id}{columns}")), ("IdType", id.clone())]
        .map(|(suffix, columns)| {
            let name = quote::qualified(&table.schema, &format!("{}{suffix}", table.name));
            create_type(&name, &columns)
        })
        .to_vec()
}

/// How many of the types and procedures are not there.
pub(super) fn count_missing<'a>(
    layout: &Layout,
    tables: impl Iterator<Item = &'a Table>,
) -> String {
    let of_tables = tables.flat_map(|table| {
        ["Type", "IdType"]
            .map(|suffix| quote::qualified(&table.schema, &format!("{}{suffix}", table.name)))
    });
    let types = of_tables.chain(list_type_names().map(|name| full_name(layout, name)));
    let types = types.map(|name| format!("(TYPE_ID({}))", quote::text(&name)));
    let procedures = procedure_names()
        .map(|name| format!("(OBJECT_ID({}, N'P'))", quote::text(&full_name(layout, name))));
    let all: Vec<String> = types.chain(procedures).collect();
    format!(
        "SELECT COUNT(*) AS missing FROM (VALUES {}) AS n (id) WHERE n.id IS NULL",
        all.join(", ")
    )
}

fn create_type(full_name: &str, columns: &str) -> String {
    format!(
        "IF TYPE_ID({}) IS NULL CREATE TYPE {full_name} AS TABLE (\n{columns}\n)",
        quote::text(full_name)
    )
}

/// Makes the types of lists, without a key: what is twice in a list is sorted out by the procedure.
pub(super) fn create_list_types(layout: &Layout) -> Vec<String> {
    list_type_names()
        .map(|name| {
            // Of those that take the type, the one with most columns has them all.
            let takers = UPSERTS.iter().filter(|upsert| upsert.list_type == name);
            let widest = takers.max_by_key(|upsert| upsert.table.columns.len());
            let columns: Vec<String> = widest
                .into_iter()
                .flat_map(|upsert| upsert.table.columns)
                .map(|column| {
                    let type_text = type_text(column.column_type);
                    format!("  {} {type_text} NULL", quote::name(column.name))
                })
                .collect();
            create_type(&full_name(layout, name), &columns.join(",\n"))
        })
        .collect()
}

/// Makes the procedures that are not there. Each would need a batch of its own, so it is a text
/// within the statement.
pub(super) fn create_procedures(layout: &Layout) -> Vec<String> {
    procedures(layout)
        .into_iter()
        .map(|(name, text)| {
            format!(
                "IF OBJECT_ID({}, N'P') IS NULL EXEC({})",
                quote::text(&name),
                quote::text(&text)
            )
        })
        .collect()
}

/// Full name and text of each procedure.
pub(super) fn procedures(layout: &Layout) -> Vec<(String, String)> {
    UPSERTS.iter().map(|upsert| procedure(layout, upsert)).collect()
}

fn procedure(layout: &Layout, upsert: &Upsert) -> (String, String) {
    let name = full_name(layout, upsert.procedure);
    let list = full_name(layout, upsert.list_type);
    let table = full_name(layout, upsert.table.name);
    let each = |columns: &[MetadataColumn], text: fn(String) -> String, between: &str| -> String {
        let texts: Vec<String> =
            columns.iter().map(|column| text(quote::name(column.name))).collect();
        texts.join(between)
    };
    let (all, key) = (upsert.table.columns, upsert.table.key());
    let rest = all.get(key.len()..).unwrap_or_default();
    let same = each(key, |column| format!("t.{column} = s.{column}"), " AND ");
    let lines = format!(
        "(SELECT {}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY l.{} DESC) AS place FROM @List AS l) AS s",
        each(all, |column| format!("l.{column}"), ", "),
        each(key, |column| format!("l.{column}"), ", "),
        quote::name(upsert.latest_by)
    );
    let text = format!(
        "CREATE PROCEDURE {name} @List {list} READONLY AS\nBEGIN\n\
         SET NOCOUNT ON;\nSET XACT_ABORT ON;\nBEGIN TRANSACTION;\n\
         UPDATE t SET {} FROM {table} AS t JOIN {lines} ON {same} WHERE s.place = 1;\n\
         INSERT INTO {table} ({}) SELECT {} FROM {lines} WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {same});\n\
         COMMIT TRANSACTION;\nEND",
        each(rest, |column| format!("{column} = s.{column}"), ", "),
        each(all, |column| column, ", "),
        each(all, |column| format!("s.{column}"), ", "),
    );
    (name, text)
}

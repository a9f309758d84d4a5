//! Text of what a database of Data Export Service has beside the tables of its entities: metadata
//! tables, the log of deletes, table types, and the procedures that fill the metadata tables.
//!
//! Pure. keepstep itself writes through none of the types and procedures; they are there, and work,
//! for scripts and programs that look for them. A type cannot be changed, so one that is there
//! stays as it is when its table gets more columns.

use super::ddl::{nullable_columns, table_name, type_text};
use super::quote;
use crate::model::layout::Layout;
use crate::model::table::{ID, Table};

/// A procedure, the type of the list that it takes, and the table that it fills.
struct Upsert {
    procedure: &'static str,
    list_type: &'static str,
    table: &'static str,
    /// What tells a line from another.
    key: &'static [&'static str],
    /// What a later line replaces; of lines with one key the one that is highest in the first.
    rest: &'static [&'static str],
}

const UPSERTS: [Upsert; 6] = [
    Upsert {
        procedure: "UpsertAttributeMetadata",
        list_type: "AttributeMetadataList",
        table: "AttributeMetadata",
        key: &["EntityName", "AttributeName"],
        rest: &[
            "Version",
            "AttributeType",
            "AttributeTypeCode",
            "Timestamp",
            "MetadataId",
            "Precision",
        ],
    },
    Upsert {
        procedure: "UpsertGlobalOptionSetMetadata",
        // Its lines are those of other option sets, whose entity it passes over.
        list_type: "OptionSetMetadataList",
        table: "GlobalOptionSetMetadata",
        key: &["OptionSetName", "Option", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode"],
        rest: &["LocalizedLabel"],
    },
    Upsert {
        procedure: "UpsertOptionSetMetadata",
        list_type: "OptionSetMetadataList",
        table: "OptionSetMetadata",
        key: &[
            "EntityName",
            "OptionSetName",
            "Option",
            "IsUserLocalizedLabel",
            "LocalizedLabelLanguageCode",
        ],
        rest: &["LocalizedLabel"],
    },
    Upsert {
        procedure: "UpsertStateMetadata",
        list_type: "StateMetadataList",
        table: "StateMetadata",
        key: &["EntityName", "State", "IsUserLocalizedLabel", "LocalizedLabelLanguageCode"],
        rest: &["LocalizedLabel"],
    },
    Upsert {
        procedure: "UpsertStatusMetadata",
        list_type: "StatusMetadataList",
        table: "StatusMetadata",
        key: &[
            "EntityName",
            "State",
            "Status",
            "IsUserLocalizedLabel",
            "LocalizedLabelLanguageCode",
        ],
        rest: &["LocalizedLabel"],
    },
    Upsert {
        procedure: "UpsertTargetMetadata",
        list_type: "TargetMetadataList",
        table: "TargetMetadata",
        key: &["EntityName", "AttributeName", "ReferencedEntity"],
        rest: &["ReferencedAttribute"],
    },
];

impl Upsert {
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().chain(self.rest).copied()
    }
}

/// Type of a column of a metadata table.
fn metadata_type(column: &str) -> &'static str {
    match column {
        "Option"
        | "LocalizedLabelLanguageCode"
        | "State"
        | "Status"
        | "AttributeTypeCode"
        | "Precision" => "int",
        "IsUserLocalizedLabel" => "bit",
        "LocalizedLabel" => "nvarchar(350)",
        "Version" => "bigint",
        "Timestamp" => "datetime",
        _ => "nvarchar(64)",
    }
}

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
    UPSERTS.iter().map(|upsert| upsert.table)
}

/// Names of those whose lines name an entity, without a prefix.
pub(super) fn tables_with_entity_names() -> impl Iterator<Item = &'static str> {
    let named = UPSERTS.iter().filter(|upsert| upsert.key.contains(&"EntityName"));
    named.map(|upsert| upsert.table)
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
            let widest = takers.max_by_key(|upsert| upsert.columns().count());
            let columns: Vec<String> = widest
                .into_iter()
                .flat_map(Upsert::columns)
                .map(|column| format!("  {} {} NULL", quote::name(column), metadata_type(column)))
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
    let (list, table) = (full_name(layout, upsert.list_type), full_name(layout, upsert.table));
    let quoted = |columns: &[&str], before: &str| -> String {
        let columns: Vec<String> =
            columns.iter().map(|column| format!("{before}{}", quote::name(column))).collect();
        columns.join(", ")
    };
    let all: Vec<&str> = upsert.columns().collect();
    let same: Vec<String> =
        upsert.key.iter().map(|column| format!("t.{0} = s.{0}", quote::name(column))).collect();
    let same = same.join(" AND ");
    let set: Vec<String> =
        upsert.rest.iter().map(|column| format!("{0} = s.{0}", quote::name(column))).collect();
    let highest = upsert.rest.first().copied().unwrap_or_default();
    let lines = format!(
        "(SELECT {}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY l.{} DESC) AS place FROM @List AS l) AS s",
        quoted(&all, "l."),
        quoted(upsert.key, "l."),
        quote::name(highest)
    );
    let text = format!(
        "CREATE PROCEDURE {name} @List {list} READONLY AS\nBEGIN\n\
         SET NOCOUNT ON;\nSET XACT_ABORT ON;\nBEGIN TRANSACTION;\n\
         UPDATE t SET {} FROM {table} AS t JOIN {lines} ON {same} WHERE s.place = 1;\n\
         INSERT INTO {table} ({}) SELECT {} FROM {lines} WHERE s.place = 1 AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {same});\n\
         COMMIT TRANSACTION;\nEND",
        set.join(", "),
        quoted(&all, ""),
        quoted(&all, "s."),
    );
    (name, text)
}

//! Activation: own tables, tables and columns, the registry, the first checkpoints.

use super::ddl::Dialect;
use super::{ddl, des_objects, own_ddl};
use crate::destination::Activation;
use crate::destination::own_tables::OWN_SCHEMA;

/// Everything that an activation would make in an empty database.
pub(super) fn everything(activation: &Activation) -> Vec<String> {
    let tables = || activation.entities.iter().map(|entity| &entity.mapping.table);
    let mut schemas: Vec<&str> = tables().map(|table| table.schema.as_str()).collect();
    schemas.push(OWN_SCHEMA);
    schemas.sort_unstable();
    schemas.dedup();
    let mut statements: Vec<String> =
        schemas.into_iter().filter(|schema| *schema != "dbo").map(ddl::create_schema).collect();
    statements.extend(own_ddl::since(0, &own_ddl::names_since(0)));
    statements.extend(tables().map(|table| ddl::create_table(table, Dialect::SqlServer)));
    if activation.layout.metadata {
        statements.extend(tables().flat_map(des_objects::create_table_types));
        statements.extend(des_objects::create_list_types(&activation.layout));
        statements.extend(des_objects::create_procedures(&activation.layout));
    }
    statements
}

//! The destination SQL Server, which is Azure SQL Database, too.
//!
//! What is pure is apart from what is sent.

mod activate;
mod attempt;
mod blame;
mod catalog;
mod classify;
mod clean_up;
mod connection;
mod connection_string;
mod credential;
mod ddl;
mod des_objects;
mod desk_statements;
mod encode;
mod failure;
mod held_reading;
mod held_statements;
mod look;
mod numbers;
mod own_ddl;
mod quote;
mod registry;
mod settings;
mod shape;
mod staging;
mod statements;
mod table_statements;
mod take;
mod write;

#[cfg(test)]
mod dml_golden_test;
#[cfg(test)]
mod golden_test;

pub use credential::{Credential, KeptToken};
pub use ddl::{LONGEST_NAME_UNITS, MOST_COLUMNS};
pub use settings::{ConnectionStringSource, SqlServerSettings};

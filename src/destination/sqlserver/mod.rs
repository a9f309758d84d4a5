//! The destination SQL Server, which is Azure SQL Database, too.
//!
//! What is pure is apart from what is sent.

mod activate;
mod catalog;
mod clean_up;
mod connection;
mod connection_string;
mod credential;
mod ddl;
mod des_objects;
mod desk_statements;
mod failure;
mod held_reading;
mod own_ddl;
mod quote;
mod registry;
mod settings;
mod take;

#[cfg(test)]
mod golden_test;

pub use credential::{Credential, KeptToken};
pub use ddl::{LONGEST_NAME_UNITS, MOST_COLUMNS};
pub use settings::{ConnectionStringSource, SqlServerSettings};

//! The destination SQL Server, which is Azure SQL Database, too.
//!
//! What is pure is apart from what is sent.

mod ddl;
mod desk_statements;
mod held_reading;
mod own_ddl;
mod quote;
mod take;

pub use ddl::{LONGEST_NAME_UNITS, MOST_COLUMNS};

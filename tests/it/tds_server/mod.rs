//! A server that speaks TDS 7.4 and does what a script says: for what the SQL Server adapter and
//! its driver do when a server stalls, cuts, lies or sends its clients elsewhere.
//!
//! It is no database: what the script does not speak of is answered as a server does that has
//! nothing in it. Loopback only; everything ends with the [`Server`].
//! Source: MS-TDS, the sections that the parts name.

mod answers;
mod login;
pub mod script;
mod server;
pub mod tls;
pub mod tokens;
mod wire;

pub use login::Login;
pub use script::{Asked, On, Reaction};
pub use server::{Counts, Server};

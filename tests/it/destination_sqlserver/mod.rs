//! The SQL Server adapter and its driver before a server that does what a script says.
//!
//! What a real server does with the statements is the affair of the conformance suite; here it is
//! what becomes of a call, and of its connection, when the server stalls, cuts, lies, throttles or
//! sends its clients elsewhere.

mod connecting;
mod encryption;
mod scene;
mod tokens;
mod writing;

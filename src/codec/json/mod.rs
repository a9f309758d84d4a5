//! JSON: a reader that goes straight to what the caller wants, and our own shape on top of it.
//!
//! Dataverse's JSON has a room of its own (`codec::dataverse`) and uses the same reader.

pub(super) mod cursor;
pub(super) mod decode;
pub(super) mod encode;
pub(super) mod number;
pub(super) mod text;
mod value;
pub(super) mod write;

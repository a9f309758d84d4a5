//! Tests that need nothing but this machine's memory and disk.

mod destination_conformance;

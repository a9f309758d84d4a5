#![no_main]
//! See `decode_dataverse` in `entry.rs`.

#[path = "../entry.rs"]
#[allow(dead_code, reason = "each target uses one of the functions")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::decode_dataverse(data));

#![no_main]
//! See `decode_avro` in `entry.rs`.

#[path = "../entry.rs"]
#[allow(dead_code, reason = "each target uses one of the functions")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::decode_avro(data));

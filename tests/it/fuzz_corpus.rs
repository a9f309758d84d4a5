//! Replays the fuzz corpora through the functions that the fuzz targets call.

#[path = "../../fuzz/entry.rs"]
mod entry;

use std::path::PathBuf;

/// Files of a corpus; at least `least`, so that a corpus that went missing is noticed.
fn corpus(target: &str, least: usize) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    assert!(files.len() >= least, "{folder} has {} files only", files.len());
    files
}

/// Every file, and every file cut short, goes through the target's function.
fn replay(target: &str, least: usize, run: fn(&[u8])) {
    for (path, data) in corpus(target, least) {
        for length in [data.len(), data.len() / 2, data.len() / 3] {
            let outcome = std::panic::catch_unwind(|| run(&data[..length]));
            assert!(outcome.is_ok(), "{} cut to {length} bytes", path.display());
        }
    }
}

#[test]
fn decode_avro() {
    replay("decode_avro", 10, entry::decode_avro);
}

#[test]
fn decode_json() {
    replay("decode_json", 10, entry::decode_json);
}

#[test]
fn decode_dataverse() {
    replay("decode_dataverse", 10, entry::decode_dataverse);
}

#[test]
fn definitions() {
    replay("definitions", 10, entry::definitions);
}

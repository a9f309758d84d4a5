//! The embedded log: the contract of every log, and what is its own.

mod file;
mod groups;
mod in_memory;
mod on_disk;
mod processes;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use keepstep::log::embedded::{Clock, EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, LogRecord, NewRecord};
use keepstep::model::position::TopicPartition;

/// A clock that moves one ms at every look.
fn counting_clock() -> Clock {
    let now_ms = AtomicI64::new(1_700_000_000_000);
    Arc::new(move || now_ms.fetch_add(1, Ordering::Relaxed))
}

/// An empty log in memory.
fn in_memory() -> EmbeddedLog {
    EmbeddedLog::in_memory(EmbeddedSettings::new(counting_clock()))
}

/// Appends records with these payloads.
async fn write(log: &EmbeddedLog, to: &TopicPartition, payloads: &[&str]) {
    let record = |text: &&str| NewRecord {
        partition: Some(to.partition.0),
        payload: Some(Bytes::copy_from_slice(text.as_bytes())),
        ..NewRecord::default()
    };
    log.append(&to.topic, payloads.iter().map(record).collect()).await.unwrap();
}

/// The payloads of records.
fn payloads(records: &[LogRecord]) -> Vec<String> {
    let text = |record: &LogRecord| record.payload.clone().unwrap().to_vec();
    records.iter().map(|record| String::from_utf8(text(record)).unwrap()).collect()
}

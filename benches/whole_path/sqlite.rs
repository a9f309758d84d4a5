//! The cases that write to a SQLite file from the embedded log.

use std::path::Path;

use ::keepstep::log::Log as _;
use ::keepstep::log::NewRecord;
use ::keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use ::keepstep::model::position::Topic;

use crate::bare_postgres::CopyBatch;
use crate::case::{BareBatch as _, PARTITIONS, SqliteWork};
use crate::keepstep::Orders;
use crate::report::Measured;
use crate::rows::ENTITY;
use crate::{Bench, bare_sqlite};

impl Bench {
    /// The bare program and keepstep, in turn.
    pub async fn sqlite_case(&mut self, name: &str, rows: &SqliteWork) -> Measured {
        let mut measured = Measured::new(name);
        let definition = self.definition(&rows.layout);
        let log_folder = self.folder.join(format!("{name}.log"));
        drop(std::fs::remove_dir_all(&log_folder));
        std::fs::create_dir_all(&log_folder).unwrap();
        fill_embedded(&log_folder, &rows.records).await;
        let changes = rows.records.len() as f64;
        for round in 0..self.rounds {
            let file = self.folder.join("bare.sqlite");
            remove_database(&file);
            let took = bare_sqlite::run(&file, &rows.layout, &rows.batches);
            let limit = changes / took.as_secs_f64();
            measured.limit.push(limit);
            measured.best.push(limit);
            remove_database(&file);
            let file = self.folder.join("keepstep.sqlite");
            remove_database(&file);
            let orders = Orders {
                log: log_folder.to_str().unwrap().to_owned(),
                destination: file.to_str().unwrap().to_owned(),
                entities: vec![(ENTITY.to_owned(), "bench".to_owned())],
                profile: format!("bench-{round}"),
                connections: 1,
                versioned: true,
                definition: definition.clone(),
                begin: 0,
                end: rows.records.len() as u64,
                linger_ms: 50,
            };
            let run = tokio::task::spawn_blocking(move || orders.run()).await.unwrap();
            println!(
                "{name} round {round}: bare {limit:.0}/s, keepstep {:.0}/s, {:.2} µs, {:.0} MB",
                run.rate, run.cpu_us_per_change, run.peak_rss_mb
            );
            measured.one.push(run.rate);
            measured.rates.push(run.rate);
            measured.cpu_us.push(run.cpu_us_per_change);
            measured.rss_mb.push(run.peak_rss_mb);
            remove_database(&file);
        }
        drop(std::fs::remove_dir_all(&log_folder));
        measured
    }
}

async fn fill_embedded(folder: &Path, records: &[NewRecord]) {
    let settings = EmbeddedSettings::new(std::sync::Arc::new(|| 1_700_000_000_000));
    let log = EmbeddedLog::open(folder, OpenMode::Consume, settings).await.unwrap();
    let topic = Topic::new("bench");
    log.create_topic(&topic, PARTITIONS, false).await.unwrap();
    for chunk in records.chunks(CopyBatch::CHANGES) {
        log.append(&topic, chunk.to_vec()).await.unwrap();
    }
}

fn remove_database(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        drop(std::fs::remove_file(name));
    }
}

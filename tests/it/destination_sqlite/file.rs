//! A SQLite file for tests, and plain statements on it.

use std::sync::Arc;
use std::time::Duration;

use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::destination::{Destination, DestinationError};
use keepstep::model::batch::Batch;
use keepstep::model::mapping::Mapping;
use keepstep::model::mutation::Mutations;
use rusqlite::Connection;

use crate::destination_conformance::scene::{self, Lane};

/// A file, one table `account`, and whoever opens it.
pub struct File {
    /// Where it lies.
    pub folder: tempfile::TempDir,
    /// Of its table.
    pub mapping: Arc<Mapping>,
}

impl File {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), mapping: scene::letters("account", true) }
    }

    pub fn settings(&self) -> SqliteSettings {
        SqliteSettings {
            busy_timeout: Duration::from_millis(50),
            ..SqliteSettings::new(self.folder.path().join("destination.db"))
        }
    }

    pub fn start(&self) -> Arc<SqliteDestination> {
        Arc::new(SqliteDestination::start(self.settings(), Mutations::default()).unwrap())
    }

    pub fn connection(&self) -> Connection {
        Connection::open(self.settings().path).unwrap()
    }

    pub async fn lane(&self) -> Lane {
        let activation = scene::activation(&[&self.mapping]);
        let destination = self.start();
        destination.activate(&activation).await.unwrap();
        Lane::take(destination, &scene::lane_id(&activation, 0)).await.unwrap()
    }

    pub fn one(&self, number: u128) -> Arc<Batch> {
        let cells = [(0, scene::text("a value that must not leak"))];
        scene::batch(&self.mapping, vec![scene::create(scene::record(number), Some(1), &cells)])
    }

    pub fn count(&self) -> i64 {
        self.connection().query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap()
    }

    pub async fn activation_error(&self) -> DestinationError {
        let activation = scene::activation(&[&self.mapping]);
        self.start().activate(&activation).await.unwrap_err()
    }
}

/// The code of what must be fatal.
pub fn fatal_code(error: DestinationError) -> String {
    match error {
        DestinationError::Fatal(trouble) => trouble.code.to_string(),
        other => panic!("not fatal: {other:?}"),
    }
}

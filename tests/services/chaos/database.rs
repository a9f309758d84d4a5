//! What the chaos asks of a database: to be set up, to be tampered with, to be looked into past the
//! adapter, and to be away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use uuid::Uuid;

use super::judge::{Open, Row};
use super::proxy::Proxy;

/// The column that is renamed away and back.
pub const RENAMED: &str = "n3";
/// The entity that it is a column of.
pub const RENAMED_IN: &str = "beta";

/// A database under chaos. What waits for its answer has patience; what is asked again and again
/// answers `None` while it is away.
#[async_trait]
pub trait Database: Send + Sync {
    /// Its name, for the report.
    fn name(&self) -> &'static str;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The keys below `[destination.here]` that lead to it by way of a port of this machine.
    /// Secrets go to the file `secret`.
    fn settings(&self, port: u16, secret: &Path) -> String;

    /// What nobody may ever say.
    fn password(&self) -> String;

    /// Numbers of the errors by which it refuses a row, by constraint and by trigger.
    fn refusals(&self) -> &'static [&'static str];

    /// It is away, for everybody who comes by way of these wires at least.
    async fn goes_away(&self, wires: &[Proxy]) {
        wires.iter().for_each(Proxy::close);
    }

    /// It is back, with all that it committed.
    async fn comes_back(&self, wires: &[Proxy]) {
        wires.iter().for_each(Proxy::open);
    }

    /// Runs what `keepstep schema` prints. Then makes triggers that note updates which were not
    /// newer, in a table `not_newer`, and what refuses forbidden notes: a constraint for tables of
    /// versioned entities, a trigger for others.
    async fn make(&self, ddl: &str);

    /// From now on it takes every note.
    async fn allow_all(&self);

    /// Somebody renames the column.
    async fn rename_away(&self);

    /// And renames it back.
    async fn rename_back(&self);

    /// How many lanes say that they have paused the entity with the renamed column.
    async fn paused_lanes(&self) -> Option<i64>;

    /// Per partition the offset up to which every entity is settled, or only most of them are.
    async fn settled(&self) -> Option<BTreeMap<u32, i64>>;

    /// Versioned updates that were not newer than the row.
    async fn not_newer(&self) -> i64;

    /// What is held, and whether the dead-letter topic knows it all.
    async fn held(&self) -> (Vec<Open>, bool);

    /// Every row of every table.
    async fn rows(&self) -> BTreeMap<String, BTreeMap<Uuid, Row>>;

    /// Every table of ours, as text.
    async fn own_tables(&self) -> Vec<(String, String)>;
}

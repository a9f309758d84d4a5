//! The database's own limit: a bare program that sends the same rows, already encoded, in the same
//! batches, with the same durability, fence, guard and tombstone statements, and does nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::case::{BareBatch, Net, PATCHED};
use crate::rows::{Layout, copy_row};

/// One batch: binary COPY of what is deleted, written whole, and patched.
#[derive(Clone, Default)]
pub struct CopyBatch {
    deletes: Bytes,
    images: Bytes,
    patches: Bytes,
    changes: usize,
}

impl BareBatch for CopyBatch {
    const CHANGES: usize = 5_000;

    fn of(layout: &Layout, net: &BTreeMap<Uuid, Net>, changes: usize) -> Self {
        let all: Vec<usize> = (0..layout.columns.len()).collect();
        let header = || [b"PGCOPY\n\xff\r\n\0".as_slice(), &[0; 8]].concat();
        let (mut deletes, mut images, mut patches) = (header(), header(), header());
        let empty = header().len();
        for (id, net) in net {
            if net.delete {
                copy_row(*id, net.version, &net.row, &[], &mut deletes);
            }
            if net.image {
                copy_row(*id, net.version, &net.row, &all, &mut images);
            } else if !net.row.is_empty() {
                copy_row(*id, net.version, &net.row, &PATCHED, &mut patches);
            }
        }
        let seal = |mut rows: Vec<u8>| {
            if rows.len() == empty {
                return Bytes::new();
            }
            rows.extend((-1_i16).to_be_bytes());
            Bytes::from(rows)
        };
        Self { deletes: seal(deletes), images: seal(images), patches: seal(patches), changes }
    }
}

/// The columns of images and of patches, with their SQL types, after id and version.
#[derive(Clone)]
pub struct BareTable {
    pub columns: Vec<(String, &'static str)>,
    pub patched: Vec<(String, &'static str)>,
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

fn list(columns: &[(String, &'static str)], form: impl Fn(&str, &str) -> String) -> String {
    columns.iter().map(|(name, sql)| form(name, sql)).collect::<Vec<_>>().join(", ")
}

/// Makes the tables anew.
pub async fn prepare(url: &str, table: &BareTable) {
    let columns = list(&table.columns, |name, sql| format!("\"{name}\" {sql}"));
    let text = format!(
        "DROP TABLE IF EXISTS bare; DROP TABLE IF EXISTS bare_fence; DROP TABLE IF EXISTS bare_tombstone;
         CREATE TABLE bare (\"Id\" uuid PRIMARY KEY, \"SinkCreatedOn\" timestamp(3),
           \"SinkModifiedOn\" timestamp(3), {columns}, versionnumber bigint);
         CREATE TABLE bare_fence (lane int PRIMARY KEY, next bigint, owner uuid);
         CREATE TABLE bare_tombstone (record uuid PRIMARY KEY, version bigint);
         INSERT INTO bare_fence SELECT n, 0, '00000000-0000-0000-0000-000000000001'
           FROM generate_series(0, 63) n;"
    );
    connect(url).await.batch_execute(&text).await.expect("prepares");
}

async fn copy(client: &Client, stage: &str, rows: &Bytes) {
    let sink =
        client.copy_in(&format!("COPY {stage} FROM STDIN BINARY")).await.expect("COPY begins");
    let mut sink = std::pin::pin!(sink);
    sink.send(rows.clone()).await.expect("COPY takes rows");
    sink.finish().await.expect("COPY ends");
}

/// Statements of one batch after its rows are staged.
fn apply(table: &BareTable, batch: &CopyBatch, lane: usize, next: usize) -> String {
    let mut text = format!(
        "WITH fence AS (UPDATE bare_fence SET next = {} WHERE lane = {lane} AND next = {next}
           AND owner = '00000000-0000-0000-0000-000000000001' RETURNING 1)
         SELECT 1 / count(*) FROM fence; ",
        next + batch.changes
    );
    if !batch.deletes.is_empty() {
        text += "DELETE FROM bare t USING stage_d s WHERE t.\"Id\" = s.id AND t.versionnumber <= s.version;
          INSERT INTO bare_tombstone SELECT id, version FROM stage_d ON CONFLICT (record)
            DO UPDATE SET version = greatest(bare_tombstone.version, EXCLUDED.version); ";
    }
    if !batch.images.is_empty() {
        let names = list(&table.columns, |name, _| format!("\"{name}\""));
        let sets = list(&table.columns, |name, _| format!("\"{name}\" = EXCLUDED.\"{name}\""));
        text += &format!(
            "INSERT INTO bare (\"Id\", \"SinkCreatedOn\", \"SinkModifiedOn\", {names}, versionnumber)
             SELECT id, now(), now(), {names}, version FROM stage_i s WHERE NOT EXISTS (SELECT FROM
               bare_tombstone d WHERE d.record = s.id AND d.version >= s.version)
             ON CONFLICT (\"Id\") DO UPDATE SET \"SinkModifiedOn\" = now(), {sets},
               versionnumber = EXCLUDED.versionnumber WHERE bare.versionnumber <= EXCLUDED.versionnumber; "
        );
    }
    if !batch.patches.is_empty() {
        let sets = list(&table.patched, |name, _| format!("\"{name}\" = s.\"{name}\""));
        text += &format!(
            "UPDATE bare t SET \"SinkModifiedOn\" = now(), {sets}, versionnumber = s.version
             FROM stage_p s WHERE t.\"Id\" = s.id AND t.versionnumber < s.version; "
        );
    }
    text + "COMMIT"
}

/// Writes every lane's batches over so many connections; the time from the first to the last.
pub async fn run(
    url: &str,
    table: &BareTable,
    lanes: &[Vec<CopyBatch>],
    connections: usize,
) -> Duration {
    let mut ready = Vec::new();
    for _ in 0..connections {
        let client = connect(url).await;
        let stage = |name: &str, columns: &[(String, &'static str)]| {
            let columns: String =
                columns.iter().map(|(name, sql)| format!(", \"{name}\" {sql}")).collect();
            format!(
                "CREATE TEMP TABLE {name} (id uuid, version bigint{columns}) ON COMMIT DELETE ROWS; "
            )
        };
        let stages = stage("stage_d", &[])
            + &stage("stage_i", &table.columns)
            + &stage("stage_p", &table.patched);
        // Without statistics of the stages the planner may read the whole table for each batch.
        let plans = "SET enable_hashjoin = off; SET enable_mergejoin = off; ";
        client.batch_execute(&format!("{plans}{stages}")).await.expect("stages");
        ready.push(client);
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (at, client) in ready.into_iter().enumerate() {
        let mine = lanes.iter().cloned().enumerate().filter(|(lane, _)| lane % connections == at);
        let mine: Vec<(usize, Vec<CopyBatch>)> = mine.collect();
        let table = table.clone();
        running.spawn(async move {
            for (lane, batches) in mine {
                let mut next = 0;
                for batch in batches {
                    client.batch_execute("BEGIN").await.expect("begins");
                    for (stage, rows) in [
                        ("stage_d", &batch.deletes),
                        ("stage_i", &batch.images),
                        ("stage_p", &batch.patches),
                    ] {
                        if !rows.is_empty() {
                            copy(&client, stage, rows).await;
                        }
                    }
                    let text = apply(&table, &batch, lane, next);
                    client.batch_execute(&text).await.expect("applies");
                    next += batch.changes;
                }
            }
        });
    }
    running.join_all().await;
    started.elapsed()
}

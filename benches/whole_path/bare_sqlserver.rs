//! SQL Server's own limit: a bare program that loads the same rows, already made, with the driver's
//! bulk load, and then sends the same statements, in the same batches, from the fence to the commit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tiberius::time::DateTime;
use tiberius::{Client, ColumnData, Config, SqlBulkCopyOption, TokenRow, numeric::Numeric};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use uuid::Uuid;

use crate::case::{BareBatch, Net, PATCHED};
use crate::rows::{Datum, Kind, Layout};
pub use texts::BareTable;

mod texts;

pub const DELETE: u8 = 0;
pub const IMAGE: u8 = 1;
pub const PATCH: u8 = 2;
/// The staging table of a connection.
pub const STAGE: &str = "#bare_stage";

/// One batch: what is staged, in the order in which the server compares ids.
#[derive(Clone)]
pub struct TokenBatch {
    rows: Vec<TokenRow<'static>>,
    pub deletes: usize,
    pub images: bool,
    pub patches: bool,
    pub changes: usize,
}

impl BareBatch for TokenBatch {
    const CHANGES: usize = 2_000;

    fn of(layout: &Layout, net: &BTreeMap<Uuid, Net>, changes: usize) -> Self {
        let (mut deletes, mut images, mut patches) = (0, false, false);
        let mut rows = Vec::new();
        let mut ordered: Vec<(&Uuid, &Net)> = net.iter().collect();
        ordered.sort_by_key(|(id, _)| {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = id.into_bytes();
            [k, l, m, n, o, p, i, j, h, g, f, e, d, c, b, a]
        });
        for (id, net) in ordered {
            if net.delete {
                deletes += 1;
                rows.push(row(layout, DELETE, (*id, net.version), &net.row, |_| false));
            }
            if net.image {
                images = true;
                rows.push(row(layout, IMAGE, (*id, net.version), &net.row, |_| true));
            } else if !net.row.is_empty() {
                patches = true;
                let patched = |at| PATCHED.contains(&at);
                rows.push(row(layout, PATCH, (*id, net.version), &net.row, patched));
            }
        }
        Self { rows, deletes, images, patches, changes }
    }
}

/// A staged row: its kind, id, version and the columns that `fills` names.
fn row(
    layout: &Layout,
    kind: u8,
    (id, version): (Uuid, i64),
    data: &[Datum],
    fills: impl Fn(usize) -> bool,
) -> TokenRow<'static> {
    let mut row = TokenRow::with_capacity(3 + layout.columns.len());
    row.push(ColumnData::U8(Some(kind)));
    row.push(ColumnData::Guid(Some(id)));
    row.push(ColumnData::I64(Some(version)));
    for (at, (_, kind)) in layout.columns.iter().enumerate() {
        let datum = data.get(at).filter(|_| fills(at)).unwrap_or(&Datum::Null);
        row.push(cell(*kind, datum));
        if *kind == Kind::Lookup {
            let entity = matches!(datum, Datum::Lookup(_)).then(|| "contact".into());
            row.push(ColumnData::String(entity));
        }
    }
    row
}

fn cell(kind: Kind, datum: &Datum) -> ColumnData<'static> {
    match (kind, datum) {
        (_, Datum::Text(text)) => ColumnData::String(Some(text.clone().into())),
        (_, Datum::Integer(number)) => ColumnData::I32(Some(*number)),
        (_, Datum::Boolean(flag)) => ColumnData::Bit(Some(*flag)),
        (_, Datum::Cents(cents)) => {
            ColumnData::Numeric(Some(Numeric::new_with_scale(i128::from(*cents), 2)))
        }
        (_, Datum::UnixMs(ms)) => ColumnData::DateTime(Some(moment(*ms))),
        (_, Datum::Lookup(id) | Datum::Own(id)) => ColumnData::Guid(Some(*id)),
        (Kind::Text, _) => ColumnData::String(None),
        (Kind::Integer, _) => ColumnData::I32(None),
        (Kind::Boolean, _) => ColumnData::Bit(None),
        (Kind::Money, _) => ColumnData::Numeric(None),
        (Kind::Time, _) => ColumnData::DateTime(None),
        (Kind::Lookup | Kind::Own, _) => ColumnData::Guid(None),
    }
}

/// Days since 1900 and 1/300 s of the day.
fn moment(unix_ms: i64) -> DateTime {
    let days = i32::try_from(unix_ms.div_euclid(86_400_000) + 25_567).expect("this century");
    let parts = u32::try_from(unix_ms.rem_euclid(86_400_000) * 3 / 10).expect("of a day");
    DateTime::new(days, parts)
}

pub type Connection = Client<Compat<TcpStream>>;

/// The connection string with this database instead of its own.
pub fn with_database(text: &str, database: &str) -> String {
    let is_database = |part: &&str| {
        let key = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        ["database", "initial catalog"].contains(&key.as_str())
    };
    let parts: Vec<&str> = text.split(';').filter(|part| !is_database(part)).collect();
    format!("{};Database={database}", parts.join(";"))
}

pub async fn connect(text: &str) -> Connection {
    let mut config = Config::from_ado_string(text).expect("an ADO.NET connection string");
    config.trust_cert();
    let stream = TcpStream::connect(config.get_addr()).await.expect("the server is there");
    stream.set_nodelay(true).expect("a socket");
    Client::connect(config, stream.compat_write()).await.expect("signs in")
}

pub async fn try_execute(
    client: &mut Connection,
    text: &str,
) -> Result<(), tiberius::error::Error> {
    client.simple_query(text).await?.into_results().await.map(drop)
}

pub async fn execute(client: &mut Connection, text: &str) {
    try_execute(client, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// What the server says that it is, in a line.
pub async fn engine(text: &str) -> String {
    let mut client = connect(text).await;
    let answer = client.simple_query("SELECT CAST(@@VERSION AS nvarchar(500)) AS version").await;
    let row = answer.expect("an answer").into_row().await.expect("an answer").expect("a row");
    let version: &str = row.get(0).expect("a version");
    version.lines().next().unwrap_or_default().trim().to_owned()
}

async fn load(client: &mut Connection, columns: &[String], rows: Vec<TokenRow<'static>>) {
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let options = SqlBulkCopyOption::TableLock.into();
    let load = client.bulk_insert_with_options(STAGE, &columns, options, &[]).await;
    let mut load = load.expect("the load begins");
    for row in rows {
        load.send(row).await.expect("the load takes rows");
    }
    load.finalize().await.expect("the load ends");
}

/// Sends what follows the load.
async fn apply(
    client: &mut Connection,
    table: &BareTable,
    batch: &TokenBatch,
    lane: usize,
    next: usize,
) {
    let parameters = [lane, next, next + batch.changes, batch.deletes];
    let [lane, from, to, deletes] = &parameters.map(|it| i64::try_from(it).unwrap());
    let answer = client.query(table.apply(batch), &[lane, from, to, deletes]).await;
    answer.expect("the batch is sent").into_results().await.expect("the batch is written");
}

/// Writes every lane's batches over so many connections; the time from the first to the last.
pub async fn run(
    text: &str,
    table: &BareTable,
    lanes: &[Vec<TokenBatch>],
    connections: usize,
) -> Duration {
    let mut ready = Vec::new();
    for at in 0..connections {
        let mut client = connect(text).await;
        execute(&mut client, &table.stage()).await;
        // What a server does once per connection is not measured of keepstep either, whose clock
        // runs from its first batch on.
        let nothing =
            TokenBatch { rows: Vec::new(), deletes: 1, images: true, patches: true, changes: 0 };
        load(&mut client, &table.staged(), Vec::new()).await;
        apply(&mut client, table, &nothing, lanes.len() + at, 0).await;
        // The driver takes rows by value: they are copied before the clock runs.
        let mine = lanes.iter().cloned().enumerate().filter(|(lane, _)| lane % connections == at);
        let mine: Vec<(usize, Vec<TokenBatch>)> = mine.collect();
        ready.push((client, mine, table.clone()));
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (mut client, mine, table) in ready {
        running.spawn(async move {
            let columns = table.staged();
            for (lane, batches) in mine {
                let mut next = 0;
                for mut batch in batches {
                    let rows = std::mem::take(&mut batch.rows);
                    load(&mut client, &columns, rows).await;
                    apply(&mut client, &table, &batch, lane, next).await;
                    next += batch.changes;
                }
            }
        });
    }
    running.join_all().await;
    started.elapsed()
}

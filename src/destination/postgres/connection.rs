//! Connections: how they are made, lent, and thrown away.
//!
//! Promises: at most the set number at a time; a connection whose call did not end well, or was
//! dropped, is never lent again; every wait for the server has a limit. A connection keeps the
//! staging tables that it made, and makes each once.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, Statement};

use super::copy_columns::CopyColumns;
use super::ddl::{self, Room};
use super::failure::Failure;
use super::settings::PostgresSettings;
use super::statements;
use super::tls;
use super::url::{self, Protection};
use crate::model::table::Table;

/// Most staging tables of one connection. Each costs a little at every commit, so those that were
/// not used for longest are dropped beyond it.
const MOST_STAGING_TABLES: usize = 32;

/// Most dead rows in the staging tables of a connection. To empty them costs as much as to read
/// over some hundreds.
const MOST_DEAD_ROWS: usize = 1_000;

/// A connection without a word for so long is asked whether it still lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// So long between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// So many unanswered questions end it.
const KEEPALIVE_RETRIES: u32 = 3;
/// Bytes that nobody takes for so long end it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// What a batch needs of a connection to stage the changes of one table.
pub(super) struct Need<'a> {
    /// The table.
    pub table: &'a Table,
    /// The columns to fill.
    pub columns: &'a CopyColumns,
    /// How long the rows get.
    pub room: Room,
}

/// A staging table of a connection.
pub(super) struct Staging {
    /// The table that it stages for, as it was when the staging table was made.
    table: Table,
    room: Room,
    /// Its name, without a schema.
    pub name: String,
    /// The columns of the prepared COPY.
    pub columns: CopyColumns,
    /// The prepared COPY.
    pub copy: Statement,
    last_used: u64,
}

impl Staging {
    fn serves(&self, need: &Need<'_>) -> bool {
        self.room == need.room && self.table == *need.table
    }

    /// Whether it was made for the table as it was before columns were added.
    fn is_outdated(&self, table: &Table) -> bool {
        (&self.table.schema, &self.table.name) == (&table.schema, &table.name)
            && self.table != *table
    }
}

/// A connection and what was made on it.
pub(super) struct Connection {
    /// The driver's handle.
    pub client: Client,
    staging: Vec<Staging>,
    made: u64,
    uses: u64,
    /// Rows that lie dead in the staging tables, at most: transactions that were rolled back leave
    /// them there, and every later statement reads over them. A commit takes them away.
    dead_rows: usize,
    /// The task that talks to the server; it ends with the connection.
    _talk: JoinSet<()>,
}

impl Connection {
    /// Makes the staging tables that are needed and not there, and widens a COPY that lacks
    /// columns.
    ///
    /// # Errors
    /// The number of the need that failed, and why.
    pub(super) async fn prepare(&mut self, needs: &[Need<'_>]) -> Result<(), (usize, Failure)> {
        self.uses += 1;
        for (at, need) in needs.iter().enumerate() {
            self.prepare_one(need).await.map_err(|failure| (at, failure))?;
        }
        while self.staging.len() > MOST_STAGING_TABLES.max(needs.len()) {
            let oldest = self.staging.iter().enumerate().min_by_key(|(_, one)| one.last_used);
            let oldest = oldest.map_or(0, |(at, _)| at);
            self.forget(oldest).await.map_err(|failure| (0, failure))?;
        }
        self.sweep().await.map_err(|failure| (0, failure))
    }

    /// Counts rows that are staged in a transaction; until it commits they may be dead ones.
    pub(super) fn stages(&mut self, rows: usize) {
        self.dead_rows += rows;
    }

    /// The transaction was committed, which empties the staging tables.
    pub(super) fn committed(&mut self) {
        self.dead_rows = 0;
    }

    /// Empties the staging tables, if searching for bad records has left too many rows in them: a
    /// transaction that looks at one and commits does so.
    async fn sweep(&mut self) -> Result<(), Failure> {
        let Some(staging) = self.staging.first().filter(|_| self.dead_rows > MOST_DEAD_ROWS) else {
            return Ok(());
        };
        let look = ddl::look_at_staging(&staging.name);
        self.client.batch_execute(&format!("BEGIN; {look}; COMMIT")).await?;
        self.dead_rows = 0;
        Ok(())
    }

    /// The staging table that was prepared for a need.
    pub(super) fn staged(&self, need: &Need<'_>) -> Option<&Staging> {
        self.staging.iter().find(|staging| staging.serves(need))
    }

    /// Leaves the transaction that a failed statement was in; answers whether that worked.
    pub(super) async fn roll_back(&self, limit: Duration) -> bool {
        let leaving = self.client.batch_execute(statements::ROLL_BACK);
        matches!(tokio::time::timeout(limit, leaving).await, Ok(Ok(())))
    }

    async fn prepare_one(&mut self, need: &Need<'_>) -> Result<(), Failure> {
        if let Some(staging) = self.staging.iter_mut().find(|staging| staging.serves(need)) {
            staging.last_used = self.uses;
            if !staging.columns.covers(need.columns) {
                let columns = staging.columns.union(need.columns);
                let text = columns.copy_statement(&staging.name);
                staging.copy = self.client.prepare(&text).await?;
                staging.columns = columns;
            }
            return Ok(());
        }
        let outdated = self.staging.iter().position(|staging| staging.is_outdated(need.table));
        if let Some(at) = outdated {
            self.forget(at).await?;
        }
        self.made += 1;
        let name = format!("keepstep_stage_{}", self.made);
        let create = ddl::create_staging(need.table, &name, need.room);
        let copy = need.columns.copy_statement(&name);
        // Both are on their way before the first is answered.
        let ((), copy) =
            tokio::try_join!(self.client.batch_execute(&create), self.client.prepare(&copy))?;
        let (table, columns) = (need.table.clone(), need.columns.clone());
        let (room, last_used) = (need.room, self.uses);
        self.staging.push(Staging { table, room, name, columns, copy, last_used });
        Ok(())
    }

    async fn forget(&mut self, at: usize) -> Result<(), Failure> {
        let dropped = self.staging.swap_remove(at);
        Ok(self.client.batch_execute(&ddl::drop_staging(&dropped.name)).await?)
    }
}

/// Makes connections for the pool.
pub(super) struct Manager {
    settings: PostgresSettings,
}

impl Manager {
    async fn connect(&self) -> Result<Connection, Failure> {
        let url = (self.settings.url)().map_err(Failure::NoUrl)?;
        let target = url::read(&url).map_err(|error| Failure::BadUrl(error.to_string()))?;
        let mut config = target.config;
        config
            .connect_timeout(self.settings.connect_timeout)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .tcp_user_timeout(UNACKNOWLEDGED);
        if config.get_application_name().is_none() {
            config.application_name("keepstep");
        }
        let mut talk = JoinSet::new();
        // An error of the connection reaches whoever waits for an answer on it.
        let client = if target.protection == Protection::Disable {
            let (client, connection) = config.connect(NoTls).await?;
            talk.spawn(async move { drop(connection.await) });
            client
        } else {
            let settings = self.settings.certificate_authorities.as_deref();
            let authorities = target.authorities.as_deref().or(settings);
            let connector = tls::connector(target.protection, authorities)
                .map_err(|_| Failure::BadAuthorities)?;
            let (client, connection) = config.connect(connector).await?;
            talk.spawn(async move { drop(connection.await) });
            client
        };
        client.batch_execute(&self.session()).await?;
        Ok(Connection { client, staging: Vec::new(), made: 0, uses: 0, dead_rows: 0, _talk: talk })
    }

    /// What every session sets. Durability (`synchronous_commit`) and the search path are the
    /// database owner's: they stay as the server has them.
    fn session(&self) -> String {
        let statement_timeout_ms = self.settings.statement_timeout.as_millis();
        let idle_timeout_ms = self.settings.answer_timeout.as_millis();
        // A client that froze with a transaction open would hold back the server's cleaning up.
        // Compiling a statement to machine code costs more than any of ours takes. And every
        // statement of ours looks rows up by key, so the plans that read a whole table for each
        // batch are ruled out: of staging tables and of new tables the planner knows no statistics
        // (measured: such a plan made batches 70 times slower). Without hash joins a whole table
        // would be kept aside and walked through for each change of a batch; that is ruled out too
        // (measured: 106 s for the tombstones of 5,000 patches among 200,000, now 0.02 s).
        format!(
            "SET statement_timeout = {statement_timeout_ms}; SET idle_in_transaction_session_timeout = {idle_timeout_ms}; SET client_min_messages = error; SET jit = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_material = off"
        )
    }
}

impl managed::Manager for Manager {
    /// A place in the pool: empty while its connection is lent, and after it was thrown away.
    type Type = Option<Connection>;
    type Error = Failure;

    async fn create(&self) -> Result<Option<Connection>, Failure> {
        let connecting = tokio::time::timeout(self.settings.connect_timeout, self.connect());
        connecting.await.unwrap_or(Err(Failure::TimedOut)).map(Some)
    }

    async fn recycle(&self, place: &mut Option<Connection>, _: &Metrics) -> RecycleResult<Failure> {
        match place {
            Some(connection) if !connection.client.is_closed() => Ok(()),
            _ => Err(RecycleError::Backend(Failure::Connection)),
        }
    }
}

/// The connections of a destination.
pub(super) struct Connections {
    pool: Pool<Manager>,
    wait: Duration,
}

impl Connections {
    /// None is made yet.
    ///
    /// # Errors
    /// Never in practice: the pool refuses limits of time that it has no clock for, and gets none.
    pub(super) fn new(settings: PostgresSettings) -> Result<Self, managed::BuildError> {
        let (most, wait) = (settings.connections.max(1), settings.answer_timeout);
        // The connection used last is lent first: its staging tables are the likeliest to fit.
        let pool = Pool::builder(Manager { settings })
            .max_size(most)
            .queue_mode(managed::QueueMode::Lifo)
            .build()?;
        Ok(Self { pool, wait })
    }

    /// Lends a connection, waiting for a free one. Making one is a large future: boxed, so that
    /// whoever asks is not.
    pub(super) async fn lend(&self) -> Result<Lease, Failure> {
        let mut place = match tokio::time::timeout(self.wait, Box::pin(self.pool.get())).await {
            Ok(Ok(place)) => place,
            Ok(Err(PoolError::Backend(failure))) => return Err(failure),
            Ok(Err(_)) => return Err(Failure::Connection),
            Err(_) => return Err(Failure::TimedOut),
        };
        let connection = place.take().ok_or(Failure::Connection)?;
        Ok(Lease { connection, place })
    }
}

/// A connection that is lent. Dropping it closes it; its place in the pool is then filled anew.
pub(super) struct Lease {
    /// The connection.
    pub connection: Connection,
    place: Object<Manager>,
}

impl Lease {
    /// Gives the connection back, for its call ended well.
    pub(super) fn give_back(self) {
        let Self { connection, mut place } = self;
        *place = Some(connection);
    }
}

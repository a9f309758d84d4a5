//! Activation: own tables, tables and columns, the registry, the first checkpoints.
//!
//! Promises: what a profile may not have is refused before anything is made for it; nothing is
//! created that exists, so existing objects need no right to create; nothing is dropped or
//! narrowed. Activations of all processes take turns, by an advisory lock.

use tokio_postgres::Client;

use super::blame::activation_error;
use super::catalog;
use super::connection::Connections;
use super::ddl;
use super::failure::Failure;
use super::own_ddl;
use super::registry;
use super::settings::PostgresSettings;
use super::statements::BEGIN;
use crate::destination::own_tables::{self, OWN_SCHEMA, OWN_VERSION, TableKey};
use crate::destination::{Activation, DestinationError, Trouble};
use crate::model::table::Table;

/// Key of the advisory lock: "keepstep" in ASCII.
const LOCK_KEY: i64 = 0x6b65_6570_7374_6570;

/// Why an activation did not go through.
#[derive(Debug)]
enum Refusal {
    /// The database failed at something.
    Failed(String, Failure),
    /// The rules refuse it.
    Refused(Trouble),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Refused(trouble)
    }
}

/// Names what was being done when something failed.
fn at<T>(what: impl Into<String>, result: Result<T, Failure>) -> Result<T, Refusal> {
    result.map_err(|failure| Refusal::Failed(what.into(), failure))
}

/// The table's key in the registry.
pub(super) fn key_of(table: &Table) -> TableKey {
    TableKey { schema: table.schema.to_string(), name: table.name.to_string() }
}

/// Everything that an activation would make in an empty database.
pub(super) fn everything(activation: &Activation) -> Vec<String> {
    let tables = || activation.entities.iter().map(|entity| &entity.mapping.table);
    let mut schemas: Vec<&str> = tables().map(|table| table.schema.as_str()).collect();
    schemas.push(OWN_SCHEMA);
    schemas.sort_unstable();
    schemas.dedup();
    let mut statements: Vec<String> =
        schemas.into_iter().filter(|schema| *schema != "public").map(ddl::create_schema).collect();
    statements.extend(own_ddl::since(0, &own_ddl::names_since(0)));
    statements.extend(tables().map(ddl::create_table));
    statements
}

/// Activates a profile.
pub(super) async fn activate(
    connections: &Connections,
    settings: &PostgresSettings,
    activation: &Activation,
) -> Result<(), DestinationError> {
    let work = async {
        for entity in &activation.entities {
            if let Some(trouble) = catalog::beyond_limits(&entity.mapping.table).into_iter().next()
            {
                return Err(Refusal::Refused(trouble));
            }
        }
        let lease = at("connecting to PostgreSQL", connections.lend().await)?;
        let client = &lease.connection.client;
        Activator { client, settings, activation }.run().await?;
        lease.give_back();
        Ok(())
    };
    work.await.map_err(|refusal| match refusal {
        Refusal::Failed(what, failure) => activation_error(what, &failure),
        Refusal::Refused(trouble) => DestinationError::Fatal(trouble),
    })
}

struct Activator<'a> {
    client: &'a Client,
    settings: &'a PostgresSettings,
    activation: &'a Activation,
}

impl Activator<'_> {
    async fn run(&self) -> Result<(), Refusal> {
        self.own_tables().await?;
        // Asked before anything is made for the profile, and again when it is bound.
        self.bind(Purpose::Ask).await?;
        for entity in &self.activation.entities {
            self.table(&entity.mapping.table).await?;
        }
        self.bind(Purpose::Write).await
    }

    /// Begins a transaction in which no other activation runs.
    async fn begin(&self) -> Result<(), Failure> {
        let lock_timeout_ms = self.settings.lock_timeout.as_millis();
        let text = format!(
            "{BEGIN}; SET LOCAL lock_timeout = {lock_timeout_ms}; SELECT pg_advisory_xact_lock({LOCK_KEY})"
        );
        self.execute(&text).await
    }

    async fn execute(&self, text: &str) -> Result<(), Failure> {
        let sending = self.client.batch_execute(text);
        let limit = self.settings.answer_timeout;
        Ok(tokio::time::timeout(limit, sending).await.map_err(|_| Failure::TimedOut)??)
    }

    /// Makes the own tables, or brings them to the present version.
    async fn own_tables(&self) -> Result<(), Refusal> {
        let what = "making keepstep's own tables in PostgreSQL";
        at(what, self.begin().await)?;
        let version = at(what, registry::version(self.client).await)?;
        if version > OWN_VERSION {
            return Err(own_tables::newer_version(version).into());
        }
        if version < OWN_VERSION {
            let mut statements = Vec::new();
            if !at(what, catalog::schema_exists(self.client, OWN_SCHEMA).await)? {
                statements.push(ddl::create_schema(OWN_SCHEMA));
            }
            let missing = at(what, registry::missing_tables(self.client).await)?;
            statements.extend(own_ddl::since(version, &missing));
            at(what, self.execute(&statements.join("; ")).await)?;
        }
        let missing = at(what, registry::missing_tables(self.client).await)?;
        if let Some(name) = missing.first() {
            return Err(registry::own_table_lost(name).into());
        }
        at(what, self.execute("COMMIT").await)
    }

    /// Asks the rules whether the profile may have what it wants, and writes what they answer.
    async fn bind(&self, purpose: Purpose) -> Result<(), Refusal> {
        let what = format!("registering profile {} in PostgreSQL", self.activation.profile);
        at(&what, self.begin().await)?;
        let registered = at(&what, registry::registrations(self.client).await)?;
        let cursors = registry::cursors(self.client, &self.activation.profile).await;
        let cursors = at(&what, cursors)?;
        let plan = own_tables::plan(self.activation, key_of, &registered, &cursors)?;
        if purpose == Purpose::Write {
            at(&what, registry::write(self.client, &self.activation.profile, &plan).await)?;
        }
        at(&what, self.execute("COMMIT").await)
    }

    /// Makes a table, or adds the columns that it lacks.
    async fn table(&self, table: &Table) -> Result<(), Refusal> {
        let name = ddl::table_name(table);
        let looking = format!("looking at table {name} in PostgreSQL");
        let find = || catalog::find_table(self.client, &table.schema, &table.name);
        let changes = match at(&looking, find().await)? {
            None => {
                let mut statements = Vec::new();
                if !at(&looking, catalog::schema_exists(self.client, &table.schema).await)? {
                    statements.push(ddl::create_schema(&table.schema));
                }
                statements.push(ddl::create_table(table));
                statements
            }
            Some(found) => {
                if let Some(trouble) = catalog::misfits(table, &found).into_iter().next() {
                    return Err(trouble.into());
                }
                let missing = catalog::missing_columns(table, &found);
                if missing.is_empty() {
                    Vec::new()
                } else {
                    vec![ddl::add_columns(table, &missing)]
                }
            }
        };
        if changes.is_empty() {
            return Ok(());
        }
        let making = format!("making table {name} or columns of it in PostgreSQL");
        at(&making, self.begin().await)?;
        at(&making, self.execute(&changes.join("; ")).await)?;
        at(&making, self.execute("COMMIT").await)?;
        // Somebody else may have made it meanwhile, and otherwise.
        let found = at(&looking, find().await)?;
        match found.and_then(|found| catalog::misfits(table, &found).into_iter().next()) {
            Some(trouble) => Err(trouble.into()),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ask,
    Write,
}

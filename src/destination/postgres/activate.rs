//! Activation: own tables, tables and columns, the registry, the first checkpoints.
//!
//! Promises: what a profile may not have is refused before anything is made for it; nothing is
//! created that exists, so existing objects need no right to create; nothing is dropped or
//! narrowed. Activations of all processes take turns, by an advisory lock.

use tokio_postgres::Client;

use super::blame::activation_error;
use super::catalog::{self, FoundTable};
use super::connection::Connections;
use super::ddl;
use super::failure::Failure;
use super::registry;
use super::settings::PostgresSettings;
use super::statements::BEGIN;
use super::{metadata, metadata_statements, own_ddl};
use crate::destination::own_tables::{
    self, Found, OWN_SCHEMA, OWN_VERSION, Plan, Registration, TableKey,
};
use crate::destination::{Activated, Activation, DestinationError, Refused, Trouble, fitting};
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
    statements.extend(
        metadata::wanted(&activation.layout)
            .into_iter()
            .map(|table| metadata_statements::create(table, &activation.layout)),
    );
    statements
}

/// Activates a profile.
pub(super) async fn activate(
    connections: &Connections,
    settings: &PostgresSettings,
    activation: &Activation,
) -> Result<Activated, DestinationError> {
    let work = async {
        for entity in &activation.entities {
            if let Some(trouble) = catalog::beyond_limits(&entity.mapping.table).into_iter().next()
            {
                return Err(Refusal::Refused(trouble));
            }
        }
        let lease = at("connecting to PostgreSQL", connections.lend().await)?;
        let client = &lease.connection.client;
        let activated = Activator { client, settings, activation }.run().await?;
        lease.give_back();
        Ok(activated)
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
    async fn run(&self) -> Result<Activated, Refusal> {
        self.own_tables().await?;
        // Asked before anything is made for the profile, and again when it is bound.
        let mut misfits = self.bind(Purpose::Ask, &[]).await?.refused;
        let mut left_over = Vec::new();
        for entity in &self.activation.entities {
            let (name, table) = (&entity.mapping.entity, &entity.mapping.table);
            if misfits.iter().any(|refused| refused.entity == *name) {
                continue;
            }
            match self.table(table).await? {
                Ready::Usable(columns) => {
                    let columns = columns.iter().map(String::as_str);
                    left_over.extend(fitting::left_over(name, table, columns, |a, b| a == b));
                }
                Ready::Unusable(trouble) => {
                    misfits.push(Refused { entity: name.clone(), trouble });
                }
            }
        }
        self.lay_out().await?;
        let refused = self.bind(Purpose::Write, &misfits).await?.refused;
        Ok(Activated { refused, left_over })
    }

    /// Makes and fills the tables beside those of the entities.
    async fn lay_out(&self) -> Result<(), Refusal> {
        let layout = &self.activation.layout;
        let tables = metadata::wanted(layout);
        if tables.is_empty() {
            return Ok(());
        }
        let what = "making or filling the metadata tables in PostgreSQL";
        at(what, self.begin().await)?;
        for table in tables {
            let name = layout.name(table.name);
            let found = catalog::find_table(self.client, &layout.schema, &name).await;
            match at(what, found)? {
                None => {
                    if !at(what, catalog::schema_exists(self.client, &layout.schema).await)? {
                        at(what, self.execute(&ddl::create_schema(&layout.schema)).await)?;
                    }
                    let create = metadata_statements::create(table, layout);
                    at(what, self.execute(&create).await)?;
                }
                Some(found) => metadata::check(table, layout, &found)?,
            }
        }
        if layout.metadata {
            let filling = metadata::fill(self.client, self.activation);
            let limit = self.settings.answer_timeout;
            let filled = tokio::time::timeout(limit, filling).await;
            at(what, filled.unwrap_or(Err(Failure::TimedOut)))?;
        }
        at(what, self.execute("COMMIT").await)
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
    async fn bind(&self, purpose: Purpose, misfits: &[Refused]) -> Result<Plan, Refusal> {
        let what = format!("registering profile {} in PostgreSQL", self.activation.profile);
        at(&what, self.begin().await)?;
        let registry = at(&what, registry::registrations(self.client).await)?;
        let cursors = registry::cursors(self.client, &self.activation.profile).await;
        let cursors = at(&what, cursors)?;
        let filled = at(&what, filled(self.client, self.activation, &registry).await)?;
        let found = Found { registry: &registry, cursors: &cursors, filled: &filled, misfits };
        let plan = own_tables::plan(self.activation, key_of, &found)?;
        if purpose == Purpose::Write {
            at(&what, registry::write(self.client, &self.activation.profile, &plan).await)?;
        }
        at(&what, self.execute("COMMIT").await)?;
        Ok(plan)
    }

    /// Makes a table, or adds the columns that it lacks and widens those that are too narrow.
    async fn table(&self, table: &Table) -> Result<Ready, Refusal> {
        let name = ddl::table_name(table);
        let looking = format!("looking at table {name} in PostgreSQL");
        let find = || catalog::find_table(self.client, &table.schema, &table.name);
        let there = at(&looking, find().await)?;
        let mut changes = Vec::new();
        match &there {
            None => {
                if !at(&looking, catalog::schema_exists(self.client, &table.schema).await)? {
                    changes.push(ddl::create_schema(&table.schema));
                }
                changes.push(ddl::create_table(table));
            }
            Some(found) => {
                if let Some(trouble) = catalog::misfits(table, found).into_iter().next() {
                    return Ok(Ready::Unusable(trouble));
                }
                changes.extend(alterations(table, found));
            }
        }
        if changes.is_empty() {
            return Ok(Ready::Usable(there.map_or_else(Vec::new, FoundTable::into_names)));
        }
        let making = format!("making table {name} or columns of it in PostgreSQL");
        at(&making, self.begin().await)?;
        let text = changes.join("; ");
        let done = at(&making, self.execute(&text).await);
        if let (Some(_), Err(Refusal::Failed(what, failure))) = (&there, &done)
            && let DestinationError::Fatal(mut trouble) = activation_error(what.clone(), failure)
        {
            // The table was of use before and is not now: that is this entity's matter alone.
            at(&making, self.execute("ROLLBACK").await)?;
            trouble.hint = format!("{} Or let its owner run: {text}", trouble.hint);
            return Ok(Ready::Unusable(trouble));
        }
        done?;
        at(&making, self.execute("COMMIT").await)?;
        // Somebody else may have made it meanwhile, and otherwise.
        let found = at(&looking, find().await)?;
        Ok(match found {
            Some(found) => match catalog::misfits(table, &found).into_iter().next() {
                Some(trouble) => Ready::Unusable(trouble),
                None => Ready::Usable(found.into_names()),
            },
            None => Ready::Usable(Vec::new()),
        })
    }
}

/// Whether a table can be written.
enum Ready {
    /// It can; these are its columns.
    Usable(Vec<String>),
    /// It cannot.
    Unusable(Trouble),
}

/// The statements that add and widen columns of a table that is there.
pub(super) fn alterations(table: &Table, found: &FoundTable) -> Vec<String> {
    let (missing, narrow) =
        (catalog::missing_columns(table, found), catalog::too_narrow(table, found));
    let mut statements = Vec::new();
    if !missing.is_empty() {
        statements.push(ddl::add_columns(table, &missing));
    }
    if !narrow.is_empty() {
        statements.push(ddl::widen_columns(table, &narrow));
    }
    statements
}

/// Those of the profile's tables that were never bound, are there and hold rows.
pub(super) async fn filled(
    client: &Client,
    activation: &Activation,
    registry: &[Registration],
) -> Result<Vec<TableKey>, Failure> {
    let mut filled = Vec::new();
    for entity in &activation.entities {
        let (table, key) = (&entity.mapping.table, key_of(&entity.mapping.table));
        if registry.iter().any(|line| line.table == key) {
            continue;
        }
        let found = catalog::find_table(client, &table.schema, &table.name).await?;
        if found.is_some_and(|found| found.ordinary) && registry::any_row(client, table).await? {
            filled.push(key);
        }
    }
    Ok(filled)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ask,
    Write,
}

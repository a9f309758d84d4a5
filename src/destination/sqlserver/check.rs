//! Tries everything that a profile needs of the database, right by right, and changes nothing.
//!
//! Every problem comes with the statement that ends it, so that a database owner can be handed the
//! list as it is.

use super::activate::{alterations, filled, key_of};
use super::blame::trouble;
use super::classify::{Moment, classify};
use super::connection::{Connection, Connections};
use super::ddl::Dialect;
use super::failure::Failure;
use super::rights::{self, Securable};
use super::{catalog, cells, ddl, des_objects, metadata, own_ddl, quote, registry};
use crate::destination::own_tables::{self, Found, OWN_SCHEMA, OWN_VERSION, TableKey, name};
use crate::destination::{Activation, Finding, Trouble};
use crate::model::table::Table;

/// Oldest server that is supported: SQL Server 2017.
const OLDEST_SERVER: u32 = 14;

/// Lowest compatibility level at which the server plans as it was tried.
const GOOD_LEVEL: i64 = 130;

/// Numbers of the errors that a missing right would cause.
const DENIED: &str = "229";
const DENIED_IN_DATABASE: &str = "262";

/// Asks what the database allows and how it is set.
pub(super) const DATABASE: &str = "SELECT QUOTENAME(DB_NAME()) AS database_name, QUOTENAME(USER_NAME()) AS user_name, CASE WHEN CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)) = N'READ_ONLY' THEN 1 ELSE 0 END AS is_read_only, CAST(ISNULL((SELECT d.compatibility_level FROM sys.databases AS d WHERE d.name = DB_NAME()), 0) AS int) AS level, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version";

/// Tries everything.
pub(super) async fn check(connections: &Connections, activation: &Activation) -> Vec<Finding> {
    let mut findings = Vec::new();
    let connecting = "connecting to SQL Server";
    match connections.lend().await {
        Ok(mut lease) => {
            findings.push(well(connecting));
            let connection = &mut lease.connection;
            let user = String::new();
            let mut check = Check { connection, activation, user, findings: Vec::new() };
            let ran = check.run().await;
            findings.append(&mut check.findings);
            match ran {
                Ok(()) => lease.give_back(),
                Err(failure) => findings.push(failed("reading SQL Server's catalog", &failure)),
            }
        }
        Err(failure) => findings.push(failed(connecting, &failure)),
    }
    findings
}

fn well(what: impl Into<String>) -> Finding {
    Finding { what: what.into(), problem: None }
}

fn wrong(problem: Trouble) -> Finding {
    Finding { what: problem.what.clone(), problem: Some(problem) }
}

fn failed(what: &str, failure: &Failure) -> Finding {
    wrong(trouble(what.to_owned(), failure, classify(failure, Moment::Activating).hint))
}

struct Check<'a> {
    connection: &'a mut Connection,
    activation: &'a Activation,
    /// The user's name in the database, quoted.
    user: String,
    findings: Vec<Finding>,
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        self.database().await?;
        let can_bind = self.own_tables().await?;
        let activation = self.activation;
        let mut schemas: Vec<&str> = Vec::new();
        for entity in &activation.entities {
            let table = &entity.mapping.table;
            if self.table(table).await? && !schemas.contains(&table.schema.as_str()) {
                schemas.push(&table.schema);
            }
        }
        let layout = &activation.layout;
        if self.tables_beside().await? && !schemas.contains(&layout.schema.as_str()) {
            schemas.push(&layout.schema);
        }
        for schema in schemas {
            self.rights_to_make(schema).await?;
        }
        if activation.layout.metadata {
            self.objects_beside().await?;
        }
        if can_bind {
            self.binding().await?;
        }
        Ok(())
    }

    fn note(&mut self, what: String, good: bool, code: &str, hint: impl FnOnce() -> String) {
        self.findings.push(match good {
            true => well(what),
            false => wrong(Trouble { what, code: code.into(), hint: hint() }),
        });
    }

    /// Server and database, and what they allow.
    async fn database(&mut self) -> Result<(), Failure> {
        let answers = self.connection.batch(DATABASE).await?;
        let row = answers.iter().flatten().next().ok_or(Failure::Protocol)?;
        let database = cells::text(row, 0)?.to_owned();
        cells::text(row, 1)?.clone_into(&mut self.user);
        let (read_only, level) = (cells::truth(row, 2)?, cells::number(row, 3)?);
        let version = cells::text_or_null(row, 4)?.unwrap_or("unknown").to_owned();
        let server = self.connection.capabilities;
        let new_enough = server.azure || server.babelfish || server.major_version >= OLDEST_SERVER;
        self.note(
            format!("the version of the server, {version}"),
            new_enough,
            "server_too_old",
            || "keepstep needs SQL Server 2017 or newer: upgrade the server.".to_owned(),
        );
        self.note(format!("writing to database {database}"), !read_only, "3906", || {
            "It is read-only: a secondary, or set so. Name the primary in the connection string."
                .to_owned()
        });
        // Nothing stands in the way without them, so they are told as advice.
        self.findings.push(well(match server.snapshot_reads {
            true => format!("reports on database {database} do not wait for keepstep"),
            false => format!(
                "reports on database {database} wait for keepstep, and it for them; better: ALTER \
                 DATABASE {database} SET READ_COMMITTED_SNAPSHOT ON"
            ),
        }));
        if level < GOOD_LEVEL {
            self.findings.push(well(format!(
                "database {database} has compatibility level {level}; better: ALTER DATABASE \
                 {database} SET COMPATIBILITY_LEVEL = {GOOD_LEVEL}"
            )));
        }
        Ok(())
    }

    /// Whether a right is there; where it is not, with the statement that gives it.
    async fn right(&mut self, on: &Securable<'_>, right: &str) -> Result<bool, Failure> {
        let answers = self.connection.batch(&rights::ask(on, right)).await?;
        let granted = cells::only_number(&answers)? == 1;
        let code = if *on == Securable::Database { DENIED_IN_DATABASE } else { DENIED };
        let grant = rights::grant(on, right, &self.user);
        self.note(format!("{right} on {on}"), granted, code, || grant);
        Ok(granted)
    }

    async fn rights(&mut self, on: &Securable<'_>, rights: &[&str]) -> Result<bool, Failure> {
        let mut all = true;
        for right in rights {
            all &= self.right(on, right).await?;
        }
        Ok(all)
    }

    async fn schema_exists(&mut self, schema: &str) -> Result<bool, Failure> {
        let answers = self.connection.batch(&catalog::schema_exists(schema)).await?;
        Ok(cells::only_number(&answers)? == 1)
    }

    /// What making tables in a schema and then using them needs.
    async fn rights_to_make(&mut self, schema: &str) -> Result<(), Failure> {
        self.right(&Securable::Database, "CREATE TABLE").await?;
        if !self.schema_exists(schema).await? {
            // Whoever makes a schema owns it, and all in it.
            self.right(&Securable::Database, "CREATE SCHEMA").await?;
            return Ok(());
        }
        let schema = Securable::Schema(schema);
        self.right(&schema, "ALTER").await?;
        self.rights(&schema, rights::OF_ROWS).await?;
        Ok(())
    }

    /// The own tables; answers whether the registry can be read.
    async fn own_tables(&mut self) -> Result<bool, Failure> {
        let missing = registry::read_missing_tables(self.connection).await?;
        if missing.contains(&name::SCHEMA_VERSION) {
            self.rights_to_make(OWN_SCHEMA).await?;
            return Ok(false);
        }
        let versions = TableKey { schema: OWN_SCHEMA.into(), name: name::SCHEMA_VERSION.into() };
        if !self.right(&Securable::Table(&versions), "SELECT").await? {
            return Ok(false);
        }
        let version = registry::read_version(self.connection).await?;
        if version > OWN_VERSION {
            self.findings.push(wrong(own_tables::newer_version(version)));
            return Ok(false);
        }
        let to_make = own_ddl::names_since(version);
        if version < OWN_VERSION {
            self.rights(&Securable::Table(&versions), &["INSERT", "UPDATE"]).await?;
            if to_make.iter().any(|table| missing.contains(table)) {
                self.rights_to_make(OWN_SCHEMA).await?;
            }
        }
        let mut readable = true;
        let tables = own_ddl::names_since(0).into_iter();
        for table in tables.filter(|table| *table != name::SCHEMA_VERSION) {
            if missing.contains(&table) {
                if !to_make.contains(&table) {
                    self.findings.push(wrong(registry::own_table_lost(table)));
                    readable = false;
                }
                continue;
            }
            let key = TableKey { schema: OWN_SCHEMA.into(), name: table.into() };
            readable &= self.rights(&Securable::Table(&key), rights::OF_ROWS).await?;
        }
        Ok(readable)
    }

    /// A table of an entity; answers whether it is to be made.
    async fn table(&mut self, table: &Table) -> Result<bool, Failure> {
        self.findings.extend(catalog::beyond_limits(table).into_iter().map(wrong));
        let full_name = ddl::table_name(table);
        let longest = ddl::longest_row_bytes(table);
        if longest > ddl::MOST_ROW_BYTES {
            self.findings.push(well(format!(
                "rows of table {full_name} whose texts are all long take {longest} bytes, of {} \
                 that fit; such a row is held",
                ddl::MOST_ROW_BYTES
            )));
        }
        let key = key_of(table, &[]);
        let Some(found) = catalog::read_table(self.connection, &key).await? else {
            return Ok(true);
        };
        self.rights(&Securable::Table(&key), rights::OF_ROWS).await?;
        let misfits = catalog::misfits(table, &found);
        if misfits.is_empty() {
            self.findings.push(well(format!("the columns of table {full_name}")));
        }
        self.findings.extend(misfits.into_iter().map(wrong));
        for (trigger, _) in found.triggers.iter().filter(|(_, instead)| !instead) {
            self.findings.push(well(format!(
                "trigger {} of table {full_name} runs with every batch, and may refuse it",
                quote::name(trigger)
            )));
        }
        let dialect = Dialect::of(self.connection.capabilities);
        for alteration in alterations(table, &found, dialect) {
            let what = format!("adding a column to table {full_name}, or widening it");
            let grant = rights::grant(&Securable::Table(&key), "ALTER", &self.user);
            self.note(what, found.alterable, DENIED, || {
                format!("{grant}, or let its owner run: {alteration}")
            });
        }
        Ok(false)
    }

    /// The tables beside those of the entities; answers whether one is to be made.
    async fn tables_beside(&mut self) -> Result<bool, Failure> {
        let layout = &self.activation.layout;
        let mut to_make = false;
        for table in metadata::wanted(layout) {
            let name = layout.name(table.name).to_string();
            let key = TableKey { schema: layout.schema.to_string(), name };
            match catalog::read_table(self.connection, &key).await? {
                None => to_make = true,
                Some(found) => {
                    let misfit = metadata::check(table, layout, &found).err();
                    self.findings.extend(misfit.map(wrong));
                    let rights = ["SELECT", "INSERT", "DELETE"];
                    self.rights(&Securable::Table(&key), &rights).await?;
                }
            }
        }
        Ok(to_make)
    }

    /// Types and procedures.
    async fn objects_beside(&mut self) -> Result<(), Failure> {
        let activation = self.activation;
        let tables = activation.entities.iter().map(|entity| &entity.mapping.table);
        let missing = des_objects::count_missing(&activation.layout, tables);
        if cells::only_number(&self.connection.batch(&missing).await?)? == 0 {
            return Ok(());
        }
        // Babelfish does not know the right by its name.
        if !self.connection.capabilities.babelfish {
            self.right(&Securable::Database, "CREATE TYPE").await?;
        }
        self.right(&Securable::Database, "CREATE PROCEDURE").await?;
        let schema = self.activation.layout.schema.clone();
        if self.schema_exists(&schema).await? {
            let schema = Securable::Schema(&schema);
            self.rights(&schema, &["ALTER", "EXECUTE", "REFERENCES"]).await?;
        }
        Ok(())
    }

    /// What the rules of activation say to the registry as it is.
    async fn binding(&mut self) -> Result<(), Failure> {
        let profile = &self.activation.profile;
        let text = format!("{};\n{}", registry::registrations(), registry::cursors(profile));
        let answers = self.connection.batch(&text).await?;
        let (registered, cursors) = registry::registered(&answers)?;
        let filled = match filled(self.connection, self.activation, &registered).await {
            Ok(filled) => filled,
            // Not to be read: the right that is missing is told already.
            Err(Failure::Server(_)) => Vec::new(),
            Err(other) => return Err(other),
        };
        let found =
            Found { registry: &registered, cursors: &cursors, filled: &filled, misfits: &[] };
        let key_of = |table: &Table| key_of(table, &registered);
        match own_tables::plan(self.activation, key_of, &found) {
            Ok(plan) => {
                self.findings.push(well(format!("the tables that profile {profile} writes")));
                self.findings.extend(plan.refused.into_iter().map(|one| wrong(one.trouble)));
            }
            Err(trouble) => self.findings.push(wrong(trouble)),
        }
        Ok(())
    }
}

//! Tries everything that a profile needs of the database, right by right, and changes nothing.
//!
//! Every problem comes with the statement that ends it, so that a database owner can be handed the
//! list as it is.

use tokio_postgres::Client;

use super::activate::{alterations, filled, key_of};
use super::blame::trouble;
use super::classify::{Moment, classify};
use super::connection::Connections;
use super::failure::Failure;
use super::{catalog, ddl, metadata, own_ddl, quote, registry};
use crate::destination::own_tables::{self, Found, OWN_SCHEMA, OWN_VERSION, name};
use crate::destination::{Activation, Finding, Trouble};
use crate::model::table::Table;

/// Oldest server that is supported, as `server_version_num` counts.
const OLDEST_SERVER: i32 = 120_000;

/// What the statements of a batch do with a table.
const TABLE_RIGHTS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Tries everything.
pub(super) async fn check(connections: &Connections, activation: &Activation) -> Vec<Finding> {
    let mut findings = Vec::new();
    let connecting = "connecting to PostgreSQL";
    match connections.lend().await {
        Ok(lease) => {
            findings.push(well(connecting));
            let mut check =
                Check { client: &lease.connection.client, activation, findings: Vec::new() };
            match check.run().await {
                Ok(()) => {
                    findings.append(&mut check.findings);
                    lease.give_back();
                }
                Err(failure) => {
                    findings.append(&mut check.findings);
                    findings.push(failed("reading PostgreSQL's catalog", &failure));
                }
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
    client: &'a Client,
    activation: &'a Activation,
    findings: Vec<Finding>,
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let user = self.server().await?;
        let can_bind = self.own_tables(&user).await?;
        let entities = &self.activation.entities;
        for entity in entities {
            self.table(&entity.mapping.table, &user).await?;
        }
        self.layout(&user).await?;
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

    /// Server, database and what they allow; answers the user's name, quoted.
    async fn server(&mut self) -> Result<String, Failure> {
        let row = self
            .client
            .query_one(
                "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), getdatabaseencoding()::text, current_setting('transaction_read_only') = 'on', has_database_privilege(current_database(), 'TEMPORARY'), current_user::text, current_database()::text",
                &[],
            )
            .await?;
        let version: i32 = row.try_get(0)?;
        let version_text: String = row.try_get(1)?;
        let encoding: String = row.try_get(2)?;
        let read_only: bool = row.try_get(3)?;
        let temporary: bool = row.try_get(4)?;
        let user = quote::name(row.try_get(5)?);
        let database = quote::name(row.try_get(6)?);
        self.note(
            format!("the version of the PostgreSQL server, {version_text}"),
            version >= OLDEST_SERVER,
            "server_too_old",
            || "keepstep needs PostgreSQL 12 or newer: upgrade the server.".to_owned(),
        );
        self.note(
            format!("the encoding of database {database}, {encoding}"),
            encoding == "UTF8",
            "encoding",
            || "Not every text can be stored: make a database with ENCODING 'UTF8'.".to_owned(),
        );
        self.note(format!("writing to database {database}"), !read_only, "25006", || {
            "It is read-only: a standby, or set so. Name the primary in the URL.".to_owned()
        });
        self.note(
            format!("making temporary tables in database {database}"),
            temporary,
            "42501",
            || format!("GRANT TEMPORARY ON DATABASE {database} TO {user}"),
        );
        Ok(user)
    }

    /// The own tables; answers whether the registry can be read.
    async fn own_tables(&mut self, user: &str) -> Result<bool, Failure> {
        if !catalog::schema_exists(self.client, OWN_SCHEMA).await? {
            self.create_schema_right(OWN_SCHEMA, user).await?;
            return Ok(false);
        }
        let usable = self.schema_right(OWN_SCHEMA, "USAGE", user).await?;
        let missing = registry::missing_tables(self.client).await?;
        if missing.contains(&name::SCHEMA_VERSION) {
            self.schema_right(OWN_SCHEMA, "CREATE", user).await?;
            return Ok(false);
        }
        let selectable = self.table_right(OWN_SCHEMA, name::SCHEMA_VERSION, "SELECT", user).await?;
        if !(usable && selectable) {
            return Ok(false);
        }
        let version = registry::version(self.client).await?;
        if version > OWN_VERSION {
            self.findings.push(wrong(own_tables::newer_version(version)));
            return Ok(false);
        }
        let to_make = own_ddl::names_since(version);
        if version < OWN_VERSION {
            self.upgrade_rights(to_make.iter().any(|table| missing.contains(table)), user).await?;
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
            for right in TABLE_RIGHTS {
                let granted = self.table_right(OWN_SCHEMA, table, right, user).await?;
                readable &= granted || *right != "SELECT";
            }
        }
        Ok(readable)
    }

    /// What bringing the own tables to the present version needs.
    async fn upgrade_rights(&mut self, makes_tables: bool, user: &str) -> Result<(), Failure> {
        for right in ["INSERT", "UPDATE"] {
            self.table_right(OWN_SCHEMA, name::SCHEMA_VERSION, right, user).await?;
        }
        if makes_tables {
            self.schema_right(OWN_SCHEMA, "CREATE", user).await?;
        }
        Ok(())
    }

    async fn table(&mut self, table: &Table, user: &str) -> Result<(), Failure> {
        self.findings.extend(catalog::beyond_limits(table).into_iter().map(wrong));
        if !catalog::schema_exists(self.client, &table.schema).await? {
            return self.create_schema_right(&table.schema, user).await;
        }
        if !self.schema_right(&table.schema, "USAGE", user).await? {
            return Ok(());
        }
        let found = catalog::find_table(self.client, &table.schema, &table.name).await?;
        let Some(found) = found else {
            self.schema_right(&table.schema, "CREATE", user).await?;
            return Ok(());
        };
        for right in TABLE_RIGHTS {
            self.table_right(&table.schema, &table.name, right, user).await?;
        }
        let full_name = ddl::table_name(table);
        let misfits = catalog::misfits(table, &found);
        if misfits.is_empty() {
            self.findings.push(well(format!("the columns of table {full_name}")));
        }
        self.findings.extend(misfits.into_iter().map(wrong));
        for alteration in alterations(table, &found) {
            let what = format!("adding columns to table {full_name}, or widening them");
            self.note(what, found.owned, "42501", || {
                format!(
                    "Only its owner may: let them run this, or grant keepstep their role. {}",
                    alteration.replace("\n ", "")
                )
            });
        }
        Ok(())
    }

    /// The tables beside those of the entities.
    async fn layout(&mut self, user: &str) -> Result<(), Failure> {
        let layout = &self.activation.layout;
        let tables = metadata::wanted(layout);
        if tables.is_empty() || !catalog::schema_exists(self.client, &layout.schema).await? {
            // Without its schema there is nothing; the right to make it is asked for each entity.
            return Ok(());
        }
        let mut missing = false;
        for table in tables {
            let name = layout.name(table.name);
            match catalog::find_table(self.client, &layout.schema, &name).await? {
                None => missing = true,
                Some(found) => {
                    let misfit = metadata::check(table, layout, &found).err();
                    self.findings.extend(misfit.map(wrong));
                    for right in ["SELECT", "INSERT", "DELETE"] {
                        self.table_right(&layout.schema, &name, right, user).await?;
                    }
                }
            }
        }
        if missing {
            self.schema_right(&layout.schema, "CREATE", user).await?;
        }
        Ok(())
    }

    /// What the rules of activation say to the registry as it is.
    async fn binding(&mut self) -> Result<(), Failure> {
        let profile = &self.activation.profile;
        let registered = registry::registrations(self.client).await?;
        let cursors = registry::cursors(self.client, profile).await?;
        let filled = match filled(self.client, self.activation, &registered).await {
            Ok(filled) => filled,
            // Not to be read: the right that is missing is told already.
            Err(Failure::Server(_)) => Vec::new(),
            Err(other) => return Err(other),
        };
        let found =
            Found { registry: &registered, cursors: &cursors, filled: &filled, misfits: &[] };
        match own_tables::plan(self.activation, key_of, &found) {
            Ok(plan) => {
                self.findings.push(well(format!("the tables that profile {profile} writes")));
                self.findings.extend(plan.refused.into_iter().map(|one| wrong(one.trouble)));
            }
            Err(trouble) => self.findings.push(wrong(trouble)),
        }
        Ok(())
    }

    /// A schema that is missing needs the right to make it.
    async fn create_schema_right(&mut self, schema: &str, user: &str) -> Result<(), Failure> {
        let row = self
            .client
            .query_one(
                "SELECT has_database_privilege(current_database(), 'CREATE'), current_database()::text",
                &[],
            )
            .await?;
        let (granted, database): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
        let (schema, database) = (quote::name(schema), quote::name(&database));
        self.note(format!("making schema {schema}"), granted, "42501", || {
            format!("GRANT CREATE ON DATABASE {database} TO {user}, or: CREATE SCHEMA {schema} AUTHORIZATION {user}")
        });
        Ok(())
    }

    async fn schema_right(
        &mut self,
        schema: &str,
        right: &str,
        user: &str,
    ) -> Result<bool, Failure> {
        let text = "SELECT has_schema_privilege($1::text, $2::text)";
        let granted = self.client.query_one(text, &[&schema, &right]).await?.try_get(0)?;
        let schema = quote::name(schema);
        self.note(format!("{right} on schema {schema}"), granted, "42501", || {
            format!("GRANT {right} ON SCHEMA {schema} TO {user}")
        });
        Ok(granted)
    }

    async fn table_right(
        &mut self,
        schema: &str,
        table: &str,
        right: &str,
        user: &str,
    ) -> Result<bool, Failure> {
        let text = "SELECT has_table_privilege(c.oid, $3::text) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
        let granted = self.client.query_one(text, &[&schema, &table, &right]).await?.try_get(0)?;
        let full_name = quote::qualified(schema, table);
        self.note(format!("{right} on table {full_name}"), granted, "42501", || {
            format!("GRANT {right} ON TABLE {full_name} TO {user}")
        });
        Ok(granted)
    }
}

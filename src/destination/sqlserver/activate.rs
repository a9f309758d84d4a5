//! Activation: own tables, tables and columns, the registry, the first checkpoints.
//!
//! Promises: what a profile may not have is refused before anything is made for it; nothing is
//! created that exists, so existing objects need no right to create; nothing is dropped or
//! narrowed. Activations of all processes take turns, by a lock of the application that ends with
//! its transaction. What is made of a table goes to the server as one batch, which waits for nobody
//! but other users of the table, and for these only so long.

use tiberius::Row;

use super::blame::activation_error;
use super::catalog::{self, FoundTable};
use super::connection::{Connection, Connections};
use super::ddl::Dialect;
use super::desk_statements::{BEGIN, wait_for_turn};
use super::failure::Failure;
use super::numbers::{BABELFISH_UNKNOWN, EXISTS_ALREADY};
use super::settings::SqlServerSettings;
use super::{cells, ddl, des_objects, metadata, metadata_statements, own_ddl, registry};
use crate::destination::own_tables::{
    self, Found, OWN_SCHEMA, OWN_VERSION, Plan, Registration, StartedCursor, TableKey,
};
use crate::destination::{Activated, Activation, DestinationError, Refused, Trouble, fitting};
use crate::model::table::Table;

/// What activations wait for.
const TURN: &str = "keepstep.activation";

/// Leaves the transaction that a failed batch may be in.
const ROLL_BACK: &str = "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION";

/// Most times that an activation begins anew because somebody else made what it was about to make.
const MOST_ATTEMPTS: usize = 3;

/// Why an activation did not go through.
#[derive(Debug)]
enum Refusal {
    /// The database failed at something.
    Failed(String, Failure),
    /// The rules refuse it.
    Refused(Trouble),
    /// Another activation did not come to its end in time.
    NotMyTurn,
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

/// The table's key in the registry: the spelling of a line that is there, for a database mostly
/// takes names that differ in case alone for one.
pub(super) fn key_of(table: &Table, registered: &[Registration]) -> TableKey {
    let key = TableKey { schema: table.schema.to_string(), name: table.name.to_string() };
    let folded = |key: &TableKey| (key.schema.to_lowercase(), key.name.to_lowercase());
    let wanted = folded(&key);
    let there = registered.iter().map(|line| &line.table).find(|there| folded(there) == wanted);
    there.cloned().unwrap_or(key)
}

/// Everything that an activation would make in an empty database.
pub(super) fn everything(activation: &Activation) -> Vec<String> {
    let tables = || activation.entities.iter().map(|entity| &entity.mapping.table);
    let mut schemas: Vec<&str> = tables().map(|table| table.schema.as_str()).collect();
    schemas.push(OWN_SCHEMA);
    schemas.sort_unstable();
    schemas.dedup();
    let mut statements = vec![own_ddl::SESSION.to_owned()];
    statements
        .extend(schemas.into_iter().filter(|schema| *schema != "dbo").map(ddl::create_schema));
    statements.extend(own_ddl::since(0, &own_ddl::names_since(0)));
    statements.extend(tables().map(|table| ddl::create_table(table, Dialect::SqlServer)));
    let beside = metadata::wanted(&activation.layout).into_iter();
    statements.extend(beside.map(|table| metadata_statements::create(table, &activation.layout)));
    if activation.layout.metadata {
        statements.extend(tables().flat_map(des_objects::create_table_types));
        statements.extend(des_objects::create_list_types(&activation.layout));
        statements.extend(des_objects::create_procedures(&activation.layout));
    }
    statements
}

/// Activates a profile.
pub(super) async fn activate(
    connections: &Connections,
    settings: &SqlServerSettings,
    activation: &Activation,
) -> Result<Activated, DestinationError> {
    let mut refusal = Refusal::NotMyTurn;
    for _ in 0..MOST_ATTEMPTS {
        match attempt(connections, settings, activation).await {
            Ok(activated) => return Ok(activated),
            Err(Refusal::Failed(what, failure)) if may_exist(&failure) => {
                refusal = Refusal::Failed(what, failure);
            }
            Err(other) => {
                refusal = other;
                break;
            }
        }
    }
    Err(match refusal {
        Refusal::Failed(what, failure) => activation_error(what, &failure),
        Refusal::Refused(trouble) => DestinationError::Fatal(trouble),
        Refusal::NotMyTurn => DestinationError::Retry(Trouble {
            what: format!("waiting to activate profile {} in SQL Server", activation.profile),
            code: "turn".into(),
            hint: "Another process activates a profile there; it is tried again.".to_owned(),
        }),
    })
}

fn exists_already(failure: &Failure) -> bool {
    matches!(failure, Failure::Server(error) if EXISTS_ALREADY.contains(&error.number))
}

/// Babelfish has no number for a schema that exists.
fn may_exist(failure: &Failure) -> bool {
    exists_already(failure)
        || matches!(failure, Failure::Server(error) if error.number == BABELFISH_UNKNOWN)
}

async fn attempt(
    connections: &Connections,
    settings: &SqlServerSettings,
    activation: &Activation,
) -> Result<Activated, Refusal> {
    for entity in &activation.entities {
        if let Some(trouble) = catalog::beyond_limits(&entity.mapping.table).into_iter().next() {
            return Err(Refusal::Refused(trouble));
        }
    }
    let mut lease = at("connecting to SQL Server", connections.lend().await)?;
    let connection = &mut lease.connection;
    let activated = Activator { connection, settings, activation }.run().await?;
    lease.give_back();
    Ok(activated)
}

struct Activator<'a> {
    connection: &'a mut Connection,
    settings: &'a SqlServerSettings,
    activation: &'a Activation,
}

impl Activator<'_> {
    async fn run(&mut self) -> Result<Activated, Refusal> {
        self.own_tables().await?;
        // Asked before anything is made for the profile, and again when it is bound.
        let mut misfits = self.ask().await?.refused;
        let mut left_over = Vec::new();
        let activation = self.activation;
        for entity in &activation.entities {
            let (name, table) = (&entity.mapping.entity, &entity.mapping.table);
            if misfits.iter().any(|refused| refused.entity == *name) {
                continue;
            }
            match self.table(table).await? {
                Ready::Usable(found) => {
                    let columns = found.columns.values().map(|column| column.name.as_str());
                    let same = |one: &str, other: &str| found.same(one, other);
                    left_over.extend(fitting::left_over(name, table, columns, same));
                }
                Ready::Unusable(trouble) => {
                    misfits.push(Refused { entity: name.clone(), trouble });
                }
            }
        }
        self.tables_beside().await?;
        self.objects_beside().await?;
        let refused = self.bind(&misfits).await?.refused;
        Ok(Activated { refused, left_over })
    }

    fn begin(&self) -> String {
        let limit_ms = self.settings.lock_timeout.as_millis();
        format!("{BEGIN};\n{}", wait_for_turn(TURN, limit_ms))
    }

    /// Runs statements in a transaction in which no other activation runs.
    async fn in_turn(&mut self, what: &str, statements: &[String]) -> Result<(), Refusal> {
        let text = format!(
            "{};\nIF @turn < 0\nBEGIN\nROLLBACK TRANSACTION;\nRETURN;\nEND;\n{};\nCOMMIT TRANSACTION",
            self.begin(),
            statements.join(";\n")
        );
        let answers = at(what, self.connection.batch(&text).await)?;
        self.turn_came(what, cells::only_number(&answers))
    }

    fn turn_came(&self, what: &str, turn: Result<i64, Failure>) -> Result<(), Refusal> {
        if at(what, turn)? < 0 { Err(Refusal::NotMyTurn) } else { Ok(()) }
    }

    /// Makes the own tables, or brings them to the present version.
    async fn own_tables(&mut self) -> Result<(), Refusal> {
        let what = "making keepstep's own tables in SQL Server";
        let version = at(what, registry::read_version(self.connection).await)?;
        if version > OWN_VERSION {
            return Err(own_tables::newer_version(version).into());
        }
        if version < OWN_VERSION {
            let missing = at(what, registry::read_missing_tables(self.connection).await)?;
            let mut statements = vec![own_ddl::create_own_schema()];
            statements.extend(own_ddl::since(version, &missing));
            self.in_turn(what, &statements).await?;
        }
        let missing = at(what, registry::read_missing_tables(self.connection).await)?;
        match missing.first() {
            Some(name) => Err(registry::own_table_lost(name).into()),
            None => Ok(()),
        }
    }

    /// Asks the rules whether the profile may have what it wants.
    async fn ask(&mut self) -> Result<Plan, Refusal> {
        let profile = &self.activation.profile;
        let what = format!("reading what is registered for profile {profile} in SQL Server");
        let text = format!("{};\n{}", registry::registrations(), registry::cursors(profile));
        let answers = at(&what, self.connection.batch(&text).await)?;
        let (registered, cursors) = at(&what, registry::registered(&answers))?;
        self.plan(&what, &registered, &cursors, &[]).await
    }

    /// Asks again, and writes what the rules answer.
    async fn bind(&mut self, misfits: &[Refused]) -> Result<Plan, Refusal> {
        let profile = &self.activation.profile;
        let what = format!("registering profile {profile} in SQL Server");
        let reads = [registry::registrations(), registry::cursors(profile)];
        let answers = self.begin_reading(&what, &reads).await?;
        let (registered, cursors) = at(&what, registry::registered(&answers))?;
        let plan = self.plan(&what, &registered, &cursors, misfits).await?;
        self.end_writing(&what, registry::write(profile, &plan)).await?;
        Ok(plan)
    }

    async fn plan(
        &mut self,
        what: &str,
        registered: &[Registration],
        cursors: &[StartedCursor],
        misfits: &[Refused],
    ) -> Result<Plan, Refusal> {
        let filled = at(what, filled(self.connection, self.activation, registered).await)?;
        let found = Found { registry: registered, cursors, filled: &filled, misfits };
        let key_of = |table: &Table| key_of(table, registered);
        Ok(own_tables::plan(self.activation, key_of, &found)?)
    }

    /// Begins a transaction in which no other activation runs, and reads; it stays open.
    async fn begin_reading(
        &mut self,
        what: &str,
        reads: &[String],
    ) -> Result<Vec<Vec<Row>>, Refusal> {
        let text = format!("{};\n{}", self.begin(), reads.join(";\n"));
        let mut answers = at(what, self.connection.batch(&text).await)?;
        self.turn_came(what, cells::only_number(&answers))?;
        Ok(answers.split_off(1))
    }

    /// Writes, and ends that transaction.
    async fn end_writing(&mut self, what: &str, mut writes: Vec<String>) -> Result<(), Refusal> {
        writes.push("COMMIT TRANSACTION".to_owned());
        at(what, self.connection.batch(&writes.join(";\n")).await)?;
        Ok(())
    }

    async fn find(&mut self, table: &Table) -> Result<Option<FoundTable>, Refusal> {
        let looking = format!("looking at table {} in SQL Server", ddl::table_name(table));
        at(looking, catalog::read_table(self.connection, &key_of(table, &[])).await)
    }

    /// Makes a table, or adds the columns that it lacks and widens those that are too narrow.
    async fn table(&mut self, table: &Table) -> Result<Ready, Refusal> {
        let name = ddl::table_name(table);
        let dialect = Dialect::of(self.connection.capabilities);
        let there = self.find(table).await?;
        let changes = match &there {
            None => vec![ddl::create_schema(&table.schema), ddl::create_table(table, dialect)],
            Some(found) => {
                if let Some(trouble) = catalog::misfits(table, found).into_iter().next() {
                    return Ok(Ready::Unusable(trouble));
                }
                alterations(table, found, dialect)
            }
        };
        if let (Some(found), true) = (&there, changes.is_empty()) {
            return Ok(Ready::Usable(found.clone()));
        }
        let making = format!("making table {name} or columns of it in SQL Server");
        let done = self.in_turn(&making, &changes).await;
        if let (Some(_), Err(Refusal::Failed(what, failure))) = (&there, &done)
            && !exists_already(failure)
            && failure.leaves_session()
            && let DestinationError::Fatal(mut trouble) = activation_error(what.clone(), failure)
        {
            // The table was of use before and is not now: that is this entity's matter alone.
            at(&making, self.connection.batch(ROLL_BACK).await)?;
            trouble.hint = format!("{} Or let its owner run: {}", trouble.hint, changes.join("; "));
            return Ok(Ready::Unusable(trouble));
        }
        done?;
        // Somebody else may have made it meanwhile, and otherwise.
        let found = self.find(table).await?.unwrap_or_default();
        Ok(match catalog::misfits(table, &found).into_iter().next() {
            Some(trouble) => Ready::Unusable(trouble),
            None => Ready::Usable(found),
        })
    }

    /// Makes and fills the tables beside those of the entities.
    async fn tables_beside(&mut self) -> Result<(), Refusal> {
        let layout = &self.activation.layout;
        let what = "making or filling the metadata tables in SQL Server";
        let mut missing = Vec::new();
        for table in metadata::wanted(layout) {
            let name = layout.name(table.name).to_string();
            let key = TableKey { schema: layout.schema.to_string(), name };
            match at(what, catalog::read_table(self.connection, &key).await)? {
                None => missing.push(metadata_statements::create(table, layout)),
                Some(found) => metadata::check(table, layout, &found)?,
            }
        }
        if !missing.is_empty() {
            missing.insert(0, ddl::create_schema(&layout.schema));
            self.in_turn(what, &missing).await?;
        }
        if layout.metadata {
            let made = metadata::of(self.activation);
            let answers = self.begin_reading(what, &metadata::select(layout, &made)).await?;
            let changes = at(what, metadata::changes(layout, &made, &answers))?;
            self.end_writing(what, changes).await?;
        }
        Ok(())
    }

    /// Makes what stands beside the tables of the entities.
    async fn objects_beside(&mut self) -> Result<(), Refusal> {
        let (activation, layout) = (self.activation, &self.activation.layout);
        if !layout.metadata {
            return Ok(());
        }
        for entity in &activation.entities {
            let table = &entity.mapping.table;
            let making = format!("making the types of table {}", ddl::table_name(table));
            self.in_turn(&making, &des_objects::create_table_types(table)).await?;
        }
        let mut statements = des_objects::create_list_types(layout);
        statements.extend(des_objects::create_procedures(layout));
        self.in_turn("making types and procedures of the metadata in SQL Server", &statements).await
    }
}

/// Whether a table can be written.
enum Ready {
    /// It can; this is what there is of it.
    Usable(FoundTable),
    /// It cannot.
    Unusable(Trouble),
}

/// The statements that add and widen columns of a table that is there.
pub(super) fn alterations(table: &Table, found: &FoundTable, dialect: Dialect) -> Vec<String> {
    let mut statements = ddl::add_columns(table, &catalog::missing_columns(table, found));
    let narrow = catalog::too_narrow(table, found);
    statements.extend(narrow.iter().map(|column| ddl::widen_column(table, column, dialect)));
    statements
}

/// Those of the profile's tables that were never bound, are there and hold rows.
pub(super) async fn filled(
    connection: &mut Connection,
    activation: &Activation,
    registered: &[Registration],
) -> Result<Vec<TableKey>, Failure> {
    let mut filled = Vec::new();
    for entity in &activation.entities {
        let (table, key) = (&entity.mapping.table, key_of(&entity.mapping.table, registered));
        if registered.iter().any(|line| line.table == key) {
            continue;
        }
        let found = catalog::read_table(connection, &key).await?;
        if found.is_some_and(|found| found.ordinary) {
            let answers = connection.batch(&catalog::any_row(table)).await?;
            if cells::only_number(&answers)? == 1 {
                filled.push(key);
            }
        }
    }
    Ok(filled)
}

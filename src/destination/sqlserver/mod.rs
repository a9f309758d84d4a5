//! The destination SQL Server, which is Azure SQL Database, too.
//!
//! A batch travels in two parts. First its changes go by bulk load into staging tables, private to
//! the connection. Then one batch of statements holds all that is left: the fence, the guarded
//! statements of each table, the commit. The server has it whole before it begins with it, so from
//! the first lock on a shared row to the commit it never waits for us, whatever becomes of this
//! process.
//!
//! What is pure is apart from what is sent: `quote`, `ddl`, `own_ddl`, `des_objects`, `clean_up`,
//! `statements`, `table_statements`, `held_statements`, `held_reading`, `desk_statements`, `rights`
//! (texts, pinned by golden files and read by a parser that is not ours), `shape`, `encode`
//! (values), `connection_string`, `classify`, `blame`.
//!
//! Must never: put a record's content into a statement's text, an error or a log; lend a
//! connection again whose call did not come to its end; drop or narrow anything.

use std::sync::Arc;

use async_trait::async_trait;

use self::connection::Connections;
use self::held_reading::Wanted;
use self::statements::Ending;
use super::desk::Desk;
use super::survey::TableSurvey;
use super::{
    Activated, Activation, Destination, DestinationError, Finding, Trouble, WhichHeld, WriteError,
    Written,
};
use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::layout::Layout;
use crate::model::mutation::Mutations;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

mod activate;
mod attempt;
mod blame;
mod catalog;
mod cells;
mod check;
mod classify;
mod clean_up;
mod connection;
mod connection_string;
mod credential;
mod ddl;
mod des_objects;
mod desk;
mod desk_statements;
mod encode;
mod failure;
mod held;
mod held_reading;
mod held_statements;
mod look;
mod metadata;
mod metadata_statements;
mod numbers;
mod own_ddl;
mod quote;
mod registry;
mod rights;
mod settings;
mod shape;
mod staging;
mod statements;
mod survey;
mod table_statements;
mod take;
mod write;

#[cfg(test)]
mod dml_golden_test;
#[cfg(test)]
mod golden_test;

pub use credential::{Credential, KeptToken};
pub use ddl::{LONGEST_NAME_UNITS, MOST_COLUMNS};
pub use settings::{ConnectionStringSource, SqlServerSettings};

/// A SQL Server database that is kept in step.
pub struct SqlServerDestination {
    connections: Connections,
    settings: SqlServerSettings,
    mutations: Mutations,
}

impl SqlServerDestination {
    /// A destination; it connects when it is first used.
    ///
    /// # Errors
    /// Never in practice: if the pool of connections refuses its limits.
    pub fn new(settings: SqlServerSettings, mutations: Mutations) -> Result<Self, Trouble> {
        let connections = Connections::new(settings.clone()).map_err(|_| Trouble {
            what: "making the pool of connections to SQL Server".to_owned(),
            code: "pool".into(),
            hint: "Report it: the limits of the pool are keepstep's own.".to_owned(),
        })?;
        Ok(Self { connections, settings, mutations })
    }

    /// Everything that an activation would make in an empty database, as statements, for a
    /// database owner who grants no right to create.
    pub fn schema(activation: &Activation) -> Vec<String> {
        activate::everything(activation)
    }

    /// A script that takes away what a profile made, or one entity of it, for a person to run.
    pub fn clean_up(
        profile: &ProfileId,
        layout: &Layout,
        entity: Option<&EntityName>,
    ) -> Vec<String> {
        match entity {
            Some(entity) => clean_up::one_entity(profile, layout, entity),
            None => clean_up::whole_profile(profile, layout),
        }
    }
}

#[async_trait]
impl Destination for SqlServerDestination {
    fn desk(&self) -> &dyn Desk {
        self
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        check::check(&self.connections, activation).await
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        survey::survey(&self.connections, activation).await
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        activate::activate(&self.connections, &self.settings, activation).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        take::take(&self.connections, lane, token).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        attempt::attempt(&self.connections, self.mutations, fence, batch, Ending::Commit).await
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        attempt::attempt(&self.connections, self.mutations, fence, batch, Ending::RollBack).await
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        let held = held::held(&self.connections, &Wanted { lane, which, after, limit }).await;
        let what = || format!("reading the held changes of {lane} in SQL Server");
        held.map_err(|failure| blame::lane_error(what(), &failure))
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        let marked = held::mark_published(&self.connections, lane, published).await;
        let what = || format!("noting the dead letters of {lane} in SQL Server");
        marked.map_err(|failure| blame::lane_error(what(), &failure))
    }
}

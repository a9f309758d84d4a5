//! The destination PostgreSQL.
//!
//! A batch travels in two parts. First its changes go by binary COPY into staging tables, private
//! to the connection, in a transaction that touches nothing else. Then one message holds all that
//! is left: the fence, the guarded statements of each table, the commit. The server has that
//! message whole before it begins with it, so from the first lock on a shared row to the commit it
//! never waits for us, whatever becomes of this process.
//!
//! What is pure is apart from what is sent: `ddl`, `own_ddl`, `statements`, `table_statements`,
//! `held_statements`, `desk_statements` (texts, pinned by golden files; `checks` has some, too), `shape`, `copy_columns`,
//! `encode`, `numeric` (bytes), `url`, `classify`, `blame`.
//!
//! Must never: put a record's content into a statement's text, an error or a log; lend a
//! connection again whose call did not come to its end; drop or narrow anything.
//!
//! Needs sessions of its own: a pooler between must hand out whole sessions, not transactions.

use std::sync::Arc;

use async_trait::async_trait;

use self::blame::{Blow, Obstacle, Place};
use self::classify::Moment;
use self::connection::Connections;
use self::held_statements::Wanted;
use self::shape::Shape;
use self::statements::Ending;
use self::write::Write;
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
mod blame;
mod burst;
mod catalog;
mod check;
mod checks;
mod classify;
mod clean_up;
mod connection;
mod copy_columns;
mod ddl;
mod desk;
mod desk_statements;
mod encode;
mod failure;
mod held;
mod held_statements;
mod look;
mod metadata;
mod metadata_statements;
mod numeric;
mod own_ddl;
mod quote;
mod registry;
mod settings;
mod shape;
mod statements;
mod survey;
mod table_statements;
mod take;
mod tls;
mod url;
mod write;

#[cfg(test)]
mod golden_test;

pub use ddl::{LONGEST_NAME_BYTES, MOST_COLUMNS};
pub use settings::{PostgresSettings, UrlSource};

/// A PostgreSQL database that is kept in step.
pub struct PostgresDestination {
    connections: Connections,
    settings: PostgresSettings,
    mutations: Mutations,
}

impl PostgresDestination {
    /// A destination; it connects when it is first used.
    ///
    /// # Errors
    /// Never in practice: if the pool of connections refuses its limits.
    pub fn new(settings: PostgresSettings, mutations: Mutations) -> Result<Self, Trouble> {
        let connections = Connections::new(settings.clone()).map_err(|_| Trouble {
            what: "making the pool of connections to PostgreSQL".to_owned(),
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
        let tables = metadata::wanted(layout).into_iter();
        match entity {
            Some(entity) => {
                let beside: Vec<&str> = tables
                    .filter(|table| table.owner().name == "EntityName" && table.key_columns > 0)
                    .map(|table| table.name)
                    .collect();
                vec![clean_up::one_entity(profile, layout, entity, &beside)]
            }
            None => {
                let beside: Vec<&str> = tables.map(|table| table.name).collect();
                vec![clean_up::whole_profile(profile, layout, &beside)]
            }
        }
    }

    /// Does what a batch asks for, and ends it as told.
    async fn attempt(
        &self,
        fence: &Fence,
        batch: &Batch,
        ending: Ending,
    ) -> Result<Written, WriteError> {
        let (mutations, answer_timeout) = (self.mutations, self.settings.answer_timeout);
        // Looked at before a connection is asked for, so that none waits for it.
        let shapes = batch.tables.iter().map(Shape::of).collect();
        let mut lease = self.connections.lend().await.map_err(|failure| {
            let (moment, place) = (Moment::Asking, Place::Batch);
            blame::judge(batch, &Blow { moment, place, failure, record_id: None })
        })?;
        let write = Write { fence, batch, shapes, mutations, ending, answer_timeout };
        let obstacle = match write.run(&mut lease.connection).await {
            Ok(written) => {
                lease.give_back();
                return Ok(written);
            }
            Err(obstacle) => obstacle,
        };
        // To find one record among many takes many failures: not each costs a connection.
        let mut refused = Vec::new();
        if obstacle.leaves_session() && lease.connection.roll_back(answer_timeout).await {
            match write.refused_by_checks(&mut lease.connection, &obstacle).await {
                Ok(records) => {
                    refused = records;
                    lease.give_back();
                }
                // Nobody is named: trials tell.
                Err(_) => drop(lease),
            }
        } else {
            drop(lease);
        }
        let connections = &self.connections;
        let mut blow = match obstacle {
            Obstacle::Fenced => return Err(WriteError::Fenced),
            Obstacle::NoBase(at) => {
                return Err(look::without_base(connections, answer_timeout, fence, batch, at).await);
            }
            Obstacle::Failed(blow) => blow,
        };
        if ending == Ending::RollBack {
            // No commit was sent, whatever was lost.
            blow.moment = Moment::Before;
        }
        Err(match blame::judge(batch, &blow) {
            WriteError::Table { entity: Some(entity), trouble } => {
                let table = batch.tables.iter().find(|table| table.mapping.entity == entity);
                let trouble = match table {
                    Some(table) => {
                        let table = &table.mapping.table;
                        look::at_table(connections, answer_timeout, table, trouble).await
                    }
                    None => trouble,
                };
                WriteError::Table { entity: Some(entity), trouble }
            }
            WriteError::Rejected(rejected) if !refused.is_empty() => {
                WriteError::Rejected(checks::named(&rejected, &refused))
            }
            error => error,
        })
    }
}

#[async_trait]
impl Destination for PostgresDestination {
    fn desk(&self) -> &dyn Desk {
        self
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        check::check(&self.connections, activation).await
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        survey::survey(&self.connections, &self.settings, activation).await
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        activate::activate(&self.connections, &self.settings, activation).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        take::take(&self.connections, &self.settings, lane, token).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.attempt(fence, batch, Ending::Commit).await
    }

    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.attempt(fence, batch, Ending::RollBack).await
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        let wanted = Wanted { lane, which, after, limit };
        let held = held::held(&self.connections, self.settings.answer_timeout, &wanted).await;
        let what = || format!("reading the held changes of {lane} in PostgreSQL");
        held.map_err(|failure| blame::lane_error(what(), &failure))
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        let limit_of_time = self.settings.answer_timeout;
        let marked = held::mark_published(&self.connections, limit_of_time, lane, published).await;
        let what = || format!("noting the dead letters of {lane} in PostgreSQL");
        marked.map_err(|failure| blame::lane_error(what(), &failure))
    }
}

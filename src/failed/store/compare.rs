//! Compares the list with what the destination keeps, change by change.
//!
//! The list's side lies in a temporary table of this connection, so that memory does not grow with
//! it; nothing of the list is changed.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::row::{entity_text, key_of, record_blob};
use super::{Store, remember_open};
use crate::failed::ListError;
use crate::failed::change::ChangeKey;
use crate::model::held::Revision;
use crate::model::position::TopicPartition;
use crate::model::profile::ProfileId;

/// A change that one side holds and the other does not, as far as one look can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Which.
    pub key: ChangeKey,
    /// The revision of the side that holds it.
    pub revision: Revision,
}

impl Store {
    /// Remembers which changes of a profile are open now.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn begin_look(&mut self, profile: &ProfileId) -> Result<(), ListError> {
        remember_open(&self.connection, "seen_open", profile).map_err(self.failed())
    }

    /// Passes over what the destination keeps, too, open or not. Answers of each whether the list
    /// had it open at the beginning of the look.
    ///
    /// # Errors
    /// If the temporary table cannot be written.
    pub fn pass_over(&mut self, kept: &[ChangeKey]) -> Result<Vec<bool>, ListError> {
        let failed = self.failed();
        let mut pass = || {
            let transaction = self.connection.transaction()?;
            let mut were_open = Vec::with_capacity(kept.len());
            for key in kept {
                let passed = transaction
                    .prepare_cached(
                        "DELETE FROM temp.seen_open WHERE entity = ?1 AND record_id = ?2 AND topic \
                         = ?3 AND \"partition\" = ?4 AND \"offset\" = ?5",
                    )?
                    .execute(params![
                        entity_text(key),
                        record_blob(key),
                        key.position.topic.as_str(),
                        key.position.partition.0,
                        key.position.offset.0
                    ])?;
                were_open.push(passed == 1);
            }
            transaction.commit()?;
            Ok(were_open)
        };
        pass().map_err(failed)
    }

    /// What was open at the beginning of the look and was not passed over: of each of these
    /// partitions `most` at most.
    ///
    /// # Errors
    /// If the temporary table cannot be read.
    pub fn end_look(
        &mut self,
        partitions: &[TopicPartition],
        most: usize,
    ) -> Result<Vec<Suspect>, ListError> {
        let mut room: HashMap<TopicPartition, usize> =
            partitions.iter().map(|partition| (partition.clone(), most)).collect();
        let mut suspects = Vec::new();
        let mut look = || -> Result<(), rusqlite::Error> {
            let mut statement = self.connection.prepare("SELECT * FROM temp.seen_open")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let suspect = Suspect { key: key_of(row)?, revision: Revision(row.get(5)?) };
                let position = &suspect.key.position;
                let lane = TopicPartition::new(&position.topic, position.partition.0);
                if let Some(left) = room.get_mut(&lane) {
                    suspects.push(suspect);
                    *left -= 1;
                    if *left == 0 {
                        room.remove(&lane);
                    }
                }
                if room.is_empty() {
                    break;
                }
            }
            drop(rows);
            drop(statement);
            self.connection.execute_batch("DROP TABLE IF EXISTS temp.seen_open")
        };
        look().map_err(self.failed())?;
        Ok(suspects)
    }

    /// The revision of the hold of a change that is open; `None` if it is not.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open_revision(
        &self,
        profile: &ProfileId,
        key: &ChangeKey,
    ) -> Result<Option<Revision>, ListError> {
        let sql = "SELECT hold_revision FROM held_change WHERE profile = ?1 AND entity = ?2 AND \
                   record_id = ?3 AND topic = ?4 AND \"partition\" = ?5 AND \"offset\" = ?6 AND \
                   open = 1";
        let look = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let about = params![
                profile.as_str(),
                entity_text(key),
                record_blob(key),
                key.position.topic.as_str(),
                key.position.partition.0,
                key.position.offset.0
            ];
            statement.query_one(about, |row| row.get(0)).optional()
        };
        let revision: Option<i64> = look().map_err(self.failed())?;
        Ok(revision.map(Revision))
    }
}

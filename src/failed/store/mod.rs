//! The list's file: one row per held change that is open, or was within the days of the history.
//!
//! Every call is one transaction. Applying what is known already writes nothing. Everything here
//! blocks: async callers use a thread for it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use self::row::{COLUMNS, change_of, entity_text, known_of, record_blob};
use self::schema::{list_error, open_for_reading, open_for_writing};
use super::ListError;
use super::change::{ChangeKey, KnownChange, NOT_HELD};
use crate::model::held::Revision;
use crate::model::position::NextOffset;
use crate::model::profile::ProfileId;

pub mod compare;
pub(super) mod row;
pub(super) mod schema;

/// Most changes of the history that are dropped in one transaction.
const DROPPED_AT_ONCE: u32 = 5_000;

/// How far the dead-letter topic has been read, in one of its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: u32,
    /// The next offset to read.
    pub next_offset: i64,
    /// How many dead letters could not be read.
    pub unreadable: u32,
    /// When it was read last, µs since 1970.
    pub read_at_us: i64,
}

impl Progress {
    /// Where reading goes on.
    pub fn next(&self) -> NextOffset {
        NextOffset(self.next_offset)
    }
}

/// The list, open for writing.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

/// The list, open to read.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Reader {
    /// Opens the list in `path`; `None` if there is none.
    ///
    /// # Errors
    /// If the file is of a later version, something else, or cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, ListError> {
        let connection = open_for_reading(path)?;
        Ok(connection.map(|connection| Self { connection, path: path.to_owned() }))
    }

    /// How far a profile's dead-letter topic has been read, by partition.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn progress(&self, profile: &ProfileId) -> Result<Vec<Progress>, ListError> {
        progress(&self.connection, profile)
            .map_err(|error| list_error("reading the failed-record list", &self.path, &error))
    }

    /// Every open change of a record, in order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open_changes(
        &self,
        profile: &ProfileId,
        key: &ChangeKey,
    ) -> Result<Vec<ChangeKey>, ListError> {
        let read = || -> Result<Vec<ChangeKey>, rusqlite::Error> {
            let sql = format!(
                "SELECT {COLUMNS} FROM held_change WHERE profile = ?1 AND entity = ?2 AND \
                 record_id = ?3 AND open = 1 ORDER BY topic, \"partition\", \"offset\" LIMIT 1000"
            );
            let mut statement = self.connection.prepare(&sql)?;
            let about = params![profile.as_str(), entity_text(key), record_blob(key)];
            let rows = statement.query_map(about, |row| known_of(row).map(|known| known.key))?;
            rows.collect()
        };
        read().map_err(|error| list_error("reading the failed-record list", &self.path, &error))
    }
}

impl Store {
    /// Opens the list in `path`, and makes it if there is none.
    ///
    /// # Errors
    /// If the file is of a later version, something else, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, ListError> {
        Ok(Self { connection: open_for_writing(path)?, path: path.to_owned() })
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> ListError + use<> {
        let path = self.path.clone();
        move |error| list_error("writing the failed-record list", &path, &error)
    }

    /// How far a profile's dead-letter topic has been read, by partition.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn progress(&self, profile: &ProfileId) -> Result<Vec<Progress>, ListError> {
        progress(&self.connection, profile).map_err(self.failed())
    }

    /// Adds what dead letters say, and says how far they have been read, in one transaction.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is, then.
    pub fn apply(
        &mut self,
        profile: &ProfileId,
        changes: Vec<KnownChange>,
        progress: Option<&Progress>,
    ) -> Result<(), ListError> {
        let failed = self.failed();
        let apply = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            for change in changes {
                add(&transaction, profile, change, None)?;
            }
            if let Some(progress) = progress {
                set_progress(&transaction, profile, progress)?;
            }
            transaction.commit()
        };
        apply().map_err(failed)
    }

    /// Forgets changes that were released before `before_us` (µs since 1970) and answers how many;
    /// a few thousand at most: with that many there may be more.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn drop_released(&mut self, before_us: i64) -> Result<(usize, bool), ListError> {
        let sql = "DELETE FROM held_change WHERE (profile, entity, record_id, topic, \
                   \"partition\", \"offset\") IN (SELECT profile, entity, record_id, topic, \
                   \"partition\", \"offset\" FROM held_change WHERE open = 0 AND released_at_us < ?1 \
                   LIMIT ?2)";
        let dropped = self.connection.execute(sql, params![before_us, DROPPED_AT_ONCE]);
        let dropped = dropped.map_err(self.failed())?;
        Ok((dropped, dropped == DROPPED_AT_ONCE as usize))
    }

    /// Begins to make a profile's open entries equal to what the destination holds: remembers which
    /// are open now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn begin_rebuild(&mut self, profile: &ProfileId) -> Result<Rebuild, ListError> {
        let begin = || {
            remember_open(&self.connection, "candidate", profile)?;
            let horizon = "SELECT max(max(ifnull(hold_revision, release_revision), \
                           ifnull(release_revision, hold_revision))) FROM held_change WHERE profile \
                           = ?1";
            self.connection.query_one(horizon, [profile.as_str()], |row| row.get(0))
        };
        let horizon: Option<i64> = begin().map_err(self.failed())?;
        Ok(Rebuild { profile: profile.clone(), horizon: horizon.map(Revision) })
    }

    /// Adds some of what the destination holds.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn confirm(
        &mut self,
        rebuild: &Rebuild,
        changes: Vec<KnownChange>,
    ) -> Result<(), ListError> {
        let failed = self.failed();
        let confirm = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            for change in changes {
                // One that is released, and whose release is still to be sent, ends here if the
                // list knows a later hold, of a state that the destination has lost.
                let kept_open = change.is_open();
                transaction
                    .prepare_cached(
                        "DELETE FROM temp.candidate WHERE entity = ?1 AND record_id = ?2 AND topic \
                         = ?3 AND \"partition\" = ?4 AND \"offset\" = ?5 AND ?6",
                    )?
                    .execute(params![
                        entity_text(&change.key),
                        record_blob(&change.key),
                        change.key.position.topic.as_str(),
                        change.key.position.partition.0,
                        change.key.position.offset.0,
                        kept_open
                    ])?;
                add(&transaction, &rebuild.profile, change, rebuild.horizon)?;
            }
            transaction.commit()
        };
        confirm().map_err(failed)
    }

    /// Ends a rebuild: what was open before and was not confirmed is held no more. Answers how many
    /// changes that are.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish_rebuild(&mut self, rebuild: &Rebuild, now_us: i64) -> Result<usize, ListError> {
        let sql = format!(
            "UPDATE held_change SET open = 0, release_revision = held_change.hold_revision + 1, \
             released_at_us = ?2, reason = '{NOT_HELD}' FROM temp.candidate AS gone WHERE \
             held_change.profile = ?1 AND held_change.entity = gone.entity AND \
             held_change.record_id = gone.record_id AND held_change.topic = gone.topic AND \
             held_change.\"partition\" = gone.\"partition\" AND held_change.\"offset\" = \
             gone.\"offset\" AND held_change.hold_revision = gone.hold_revision AND \
             held_change.open = 1"
        );
        let closed = self.connection.execute(&sql, params![rebuild.profile.as_str(), now_us]);
        let closed = closed.map_err(self.failed())?;
        let dropped = self.connection.execute_batch("DROP TABLE IF EXISTS temp.candidate");
        dropped.map_err(self.failed())?;
        Ok(closed)
    }
}

/// A rebuild under way.
#[derive(Clone, Debug)]
pub struct Rebuild {
    profile: ProfileId,
    /// The newest revision that was listed when it began. The destination's word counts more than
    /// any up to here: it may have been restored from a backup since, and its clock set back.
    horizon: Option<Revision>,
}

fn progress(
    connection: &Connection,
    profile: &ProfileId,
) -> Result<Vec<Progress>, rusqlite::Error> {
    let sql = "SELECT \"partition\", next_offset, unreadable, read_at_us FROM progress WHERE \
               profile = ?1 ORDER BY \"partition\"";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        Ok(Progress {
            partition: row.get(0)?,
            next_offset: row.get(1)?,
            unreadable: row.get(2)?,
            read_at_us: row.get(3)?,
        })
    };
    statement.query_map([profile.as_str()], read)?.collect()
}

fn set_progress(
    connection: &Connection,
    profile: &ProfileId,
    progress: &Progress,
) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO progress (profile, \"partition\", next_offset, unreadable, read_at_us) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET next_offset = \
               excluded.next_offset, unreadable = excluded.unreadable, read_at_us = \
               excluded.read_at_us";
    connection.prepare_cached(sql)?.execute(params![
        profile.as_str(),
        progress.partition,
        progress.next_offset,
        progress.unreadable,
        progress.read_at_us
    ])?;
    Ok(())
}

/// Adds what is said of one change to what is known of it. What is said to be held outdoes what
/// was known up to `horizon`, whatever the revisions.
fn add(
    connection: &Connection,
    profile: &ProfileId,
    change: KnownChange,
    horizon: Option<Revision>,
) -> Result<(), rusqlite::Error> {
    let mut look = connection.prepare_cached(row::LOOK)?;
    let position = &change.key.position;
    let about = params![
        profile.as_str(),
        entity_text(&change.key),
        record_blob(&change.key),
        position.topic.as_str(),
        position.partition.0,
        position.offset.0
    ];
    let known = look.query_one(about, known_of).optional()?;
    let mut merged = match known.clone() {
        None => change.clone(),
        Some(mut known) => {
            known.merge(change.clone());
            known
        }
    };
    if change.is_open() {
        let outdone = |revision: Revision| Some(revision) <= horizon;
        if merged.release.as_ref().is_some_and(|last| outdone(last.revision)) {
            merged.release = None;
        }
        if merged.hold.as_ref().is_some_and(|last| outdone(last.revision)) {
            merged.hold = change.hold;
        }
    }
    if known.as_ref() == Some(&merged) {
        return Ok(());
    }
    change_of(connection, profile, &merged)
}

/// Copies the key and revision of every change of a profile that is open now into a temporary table
/// of this name, which is one of ours.
fn remember_open(
    connection: &Connection,
    name: &str,
    profile: &ProfileId,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS temp.{name}; \
         CREATE TEMP TABLE {name} (entity, record_id, topic, \"partition\", \"offset\", \
         hold_revision, PRIMARY KEY (entity, record_id, topic, \"partition\", \"offset\")) \
         WITHOUT ROWID"
    ))?;
    let copy = format!(
        "INSERT INTO temp.{name} SELECT entity, record_id, topic, \"partition\", \"offset\", \
         hold_revision FROM held_change WHERE profile = ?1 AND open = 1"
    );
    connection.execute(&copy, [profile.as_str()]).map(drop)
}

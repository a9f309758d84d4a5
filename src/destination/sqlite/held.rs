//! Held changes: made, released, read and marked, each within the caller's transaction.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql, params};
use uuid::Uuid;

use super::clock::Clock;
use super::held_statements as statements;
use super::stop::Stop;
use crate::destination::WhichHeld;
use crate::model::batch::Batch;
use crate::model::change::Version;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldCause, HeldChange, HeldKey, Hold, Release, Revision};
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// Makes the holds and releases of a batch.
///
/// # Errors
/// What SQLite says.
pub(super) fn hold_and_release(
    connection: &Connection,
    clock: &Clock,
    lane: &LaneId,
    batch: &Batch,
) -> Result<(), Stop> {
    if batch.holds.is_empty() && batch.releases.is_empty() {
        return Ok(());
    }
    let now_us = clock.now_us(connection)?;
    for hold in &batch.holds {
        self::hold(connection, lane, hold, now_us)?;
    }
    for release in &batch.releases {
        self::release(connection, lane, release, now_us)?;
    }
    Ok(())
}

fn hold(connection: &Connection, lane: &LaneId, hold: &Hold, now_us: i64) -> Result<(), Stop> {
    let Hold { key, version, creates, cause, attempt } = hold;
    let record_id = stored_record(key);
    connection.prepare_cached(&statements::hold())?.execute(params![
        lane.profile.as_str(),
        lane.topic_partition.topic.as_str(),
        lane.topic_partition.partition.0,
        key.offset.0,
        stored_entity(key),
        record_id,
        version.map(|version| version.0),
        cause.code.as_str(),
        cause.column.as_deref(),
        cause.detail,
        attempt,
        now_us,
        creates
    ])?;
    Ok(())
}

fn release(
    connection: &Connection,
    lane: &LaneId,
    release: &Release,
    now_us: i64,
) -> Result<(), Stop> {
    let reason = release.reason.as_str();
    with_key(connection, &statements::release(), lane, &release.key, &[&reason, &now_us])
}

/// Executes a statement whose first six parameters are the key.
fn with_key(
    connection: &Connection,
    text: &str,
    lane: &LaneId,
    key: &HeldKey,
    rest: &[&dyn ToSql],
) -> Result<(), Stop> {
    let (profile, topic) = (lane.profile.as_str(), lane.topic_partition.topic.as_str());
    let (partition, offset) = (lane.topic_partition.partition.0, key.offset.0);
    let (entity, record_id) = (stored_entity(key), stored_record(key));
    let first: [&dyn ToSql; 6] = [&profile, &topic, &partition, &offset, &entity, &record_id];
    connection.prepare_cached(text)?.execute(&*[&first, rest].concat())?;
    Ok(())
}

/// Held changes of a lane after a key.
///
/// # Errors
/// What SQLite says.
pub(super) fn held(
    connection: &Connection,
    lane: &LaneId,
    which: WhichHeld,
    after: Option<&HeldKey>,
    limit: usize,
) -> Result<Vec<HeldChange>, Stop> {
    // Nothing lies before offset 0.
    let (offset, entity, record_id) = match after {
        Some(key) => (key.offset.0, stored_entity(key), stored_record(key)),
        None => (-1, "", String::new()),
    };
    let mut statement = connection.prepare_cached(&statements::held(which))?;
    let rows = statement.query_map(
        params![
            lane.profile.as_str(),
            lane.topic_partition.topic.as_str(),
            lane.topic_partition.partition.0,
            offset,
            entity,
            record_id,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ],
        held_change,
    )?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes what the dead-letter topic has, and forgets what is released and published.
///
/// # Errors
/// What SQLite says.
pub(super) fn mark_published(
    connection: &Connection,
    clock: &Clock,
    lane: &LaneId,
    published: &[(HeldKey, Revision)],
) -> Result<(), Stop> {
    for (key, revision) in published {
        with_key(connection, &statements::publish(), lane, key, &[&revision.0])?;
        let mut forget = connection.prepare_cached(&statements::forget())?;
        let forgotten = forget.query_map(
            params![
                lane.profile.as_str(),
                lane.topic_partition.topic.as_str(),
                lane.topic_partition.partition.0,
                key.offset.0,
                stored_entity(key),
                stored_record(key)
            ],
            |row| row.get(0),
        )?;
        for revision in forgotten {
            clock.forgotten(Revision(revision?));
        }
    }
    Ok(())
}

/// An unknown entity is stored as an empty text.
fn stored_entity(key: &HeldKey) -> &str {
    key.entity.as_ref().map_or("", EntityName::as_str)
}

/// An unknown record is stored as the nil UUID.
fn stored_record(key: &HeldKey) -> String {
    key.record_id.map_or(Uuid::nil(), |record_id| record_id.0).hyphenated().to_string()
}

fn held_change(row: &Row<'_>) -> rusqlite::Result<HeldChange> {
    let entity: String = row.get(1)?;
    let record_id: String = row.get(2)?;
    let record_id: RecordId = record_id.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error))
    })?;
    let (version, published): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(11)?);
    let (code, column): (String, Option<String>) = (row.get(4)?, row.get(5)?);
    Ok(HeldChange {
        key: HeldKey {
            offset: Offset(row.get(0)?),
            entity: (!entity.is_empty()).then(|| EntityName::new(&entity)),
            record_id: (!record_id.0.is_nil()).then_some(record_id),
        },
        version: version.map(Version),
        creates: row.get(12)?,
        cause: HeldCause { code: code.into(), column: column.map(Into::into), detail: row.get(6)? },
        attempt: row.get(7)?,
        held_at_us: row.get(8)?,
        revision: Revision(row.get(9)?),
        open: row.get(10)?,
        published: published.map(Revision),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::sqlite::activate::upgrade_own_tables;

    #[test]
    fn unpublished_changes_are_found_without_reading_the_others() {
        let connection = Connection::open_in_memory().unwrap();
        upgrade_own_tables(&connection).unwrap();
        for (which, expected) in [
            (WhichHeld::All, "USING PRIMARY KEY"),
            (WhichHeld::Unpublished, "USING INDEX keepstep_held_change_unpublished"),
        ] {
            let text = format!("EXPLAIN QUERY PLAN {}", statements::held(which));
            let plan = connection.query_row(&text, [""; 7], |row| row.get::<_, String>(3)).unwrap();
            assert!(plan.contains(expected), "{which:?}: {plan}");
        }
    }
}

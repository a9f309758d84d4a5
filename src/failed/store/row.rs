//! Rows of the list's file to what they mean, and back.

use compact_str::CompactString;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::failed::change::{ChangeKey, ChangeType, KnownChange, LastHold, LastRelease};
use crate::model::held::{HeldCause, Revision};
use crate::model::position::{Offset, Partition, Position, Topic};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

/// The columns that [`known_of`] reads, in its order.
pub(in crate::failed) const COLUMNS: &str = "entity, record_id, topic, \"partition\", \"offset\", \
    held_at_us, hold_revision, revised_at_us, cause, \"column\", detail, attempt, \
    release_revision, released_at_us, reason, change_type, notified_at_ms, content_kept";

/// Finds one change.
pub(super) const LOOK: &str = "SELECT entity, record_id, topic, \"partition\", \"offset\", \
    held_at_us, hold_revision, revised_at_us, cause, \"column\", detail, attempt, \
    release_revision, released_at_us, reason, change_type, notified_at_ms, content_kept FROM \
    held_change WHERE profile = ?1 AND entity = ?2 AND record_id = ?3 AND topic = ?4 AND \
    \"partition\" = ?5 AND \"offset\" = ?6";

const REPLACE: &str = "REPLACE INTO held_change (profile, entity, record_id, topic, \
    \"partition\", \"offset\", held_at_us, hold_revision, revised_at_us, cause, \"column\", detail, \
    attempt, release_revision, released_at_us, reason, change_type, notified_at_ms, content_kept, \
    open) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
    ?19, ?20)";

/// The entity as it is stored.
pub(in crate::failed) fn entity_text(key: &ChangeKey) -> &str {
    key.entity.as_ref().map_or("", |entity| entity.as_str())
}

/// The record's id as it is stored.
pub(in crate::failed) fn record_blob(key: &ChangeKey) -> &[u8] {
    key.record_id.as_ref().map_or(&[], |id| id.0.as_bytes())
}

/// The name of a change, from the first five of [`COLUMNS`].
pub(super) fn key_of(row: &Row<'_>) -> Result<ChangeKey, rusqlite::Error> {
    let entity = row.get_ref(0)?.as_str()?;
    let record_id = row.get_ref(1)?.as_blob()?;
    Ok(ChangeKey {
        entity: Some(entity).filter(|entity| !entity.is_empty()).map(EntityName::new),
        record_id: Uuid::from_slice(record_id).ok().map(RecordId),
        position: Position {
            topic: Topic::new(row.get_ref(2)?.as_str()?),
            partition: Partition(row.get(3)?),
            offset: Offset(row.get(4)?),
        },
    })
}

/// A row of [`COLUMNS`].
pub(in crate::failed) fn known_of(row: &Row<'_>) -> Result<KnownChange, rusqlite::Error> {
    let key = key_of(row)?;
    let hold = match row.get::<_, Option<i64>>(6)? {
        None => None,
        Some(revision) => Some(LastHold {
            revision: Revision(revision),
            revised_at_us: row.get(7)?,
            cause: HeldCause {
                code: CompactString::new(row.get_ref(8)?.as_str()?),
                column: row.get_ref(9)?.as_str_or_null()?.map(CompactString::new),
                detail: row.get(10)?,
            },
            attempt: row.get(11)?,
        }),
    };
    let release = match row.get::<_, Option<i64>>(12)? {
        None => None,
        Some(revision) => Some(LastRelease {
            revision: Revision(revision),
            released_at_us: row.get(13)?,
            reason: row.get(14)?,
        }),
    };
    Ok(KnownChange {
        key,
        held_at_us: row.get(5)?,
        hold,
        release,
        change_type: row.get_ref(15)?.as_str_or_null()?.and_then(ChangeType::from_stored),
        notified_at_ms: row.get(16)?,
        content_kept: row.get(17)?,
    })
}

/// Writes a change, in the place of what was known of it.
pub(super) fn change_of(
    connection: &Connection,
    profile: &ProfileId,
    change: &KnownChange,
) -> Result<(), rusqlite::Error> {
    let position = &change.key.position;
    let (hold, release) = (change.hold.as_ref(), change.release.as_ref());
    connection.prepare_cached(REPLACE)?.execute(params![
        profile.as_str(),
        entity_text(&change.key),
        record_blob(&change.key),
        position.topic.as_str(),
        position.partition.0,
        position.offset.0,
        change.held_at_us,
        hold.map(|hold| hold.revision.0),
        hold.map(|hold| hold.revised_at_us),
        hold.map(|hold| hold.cause.code.as_str()),
        hold.and_then(|hold| hold.cause.column.as_deref()),
        hold.map(|hold| hold.cause.detail.as_str()),
        hold.map(|hold| hold.attempt),
        release.map(|release| release.revision.0),
        release.map(|release| release.released_at_us),
        release.map(|release| release.reason.as_str()),
        change.change_type.map(ChangeType::as_str),
        change.notified_at_ms,
        change.content_kept,
        change.is_open(),
    ])?;
    Ok(())
}

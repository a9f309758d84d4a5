//! Reads the list entry by entry, in the order of entity and record, in constant memory.
//!
//! A page is named by the key of the last change that was read, so that a page costs the same
//! wherever it lies, and entries that come or go between two pages move no other.

use rusqlite::params;

use super::ListError;
use super::change::{ChangeKey, KnownChange};
use super::entry::Entry;
use super::store::Reader;
use super::store::row::{COLUMNS, entity_text, known_of, record_blob};
use super::store::schema::list_error;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// Which entries are wanted. Without a wish all open ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this entity.
    pub entity: Option<EntityName>,
    /// Only those whose head has this cause.
    pub cause: Option<String>,
    /// Only those held first at or after this time, µs since 1970.
    pub from_us: Option<i64>,
    /// Only those held first before this time, µs since 1970.
    pub to_us: Option<i64>,
    /// Those that ended, instead of those that are open.
    pub resolved: bool,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        let code = entry.cause.as_ref().map_or("", |cause| cause.code.as_str());
        self.cause.as_ref().is_none_or(|cause| cause == code)
            && self.from_us.is_none_or(|from| entry.first_at_us >= from)
            && self.to_us.is_none_or(|to| entry.first_at_us < to)
    }
}

/// What a reader of the list does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wants the next entry.
    Next,
    /// Has enough.
    Enough,
}

impl Reader {
    /// Hands the entries of a profile after `after` that `filter` takes to `visit`, in order, until
    /// it has enough. Answers the key of the last change of the last entry that was handed over, if
    /// there may be more after it.
    ///
    /// # Errors
    /// If the file cannot be read, or what `visit` says.
    pub fn entries<E: From<ListError>>(
        &self,
        profile: &ProfileId,
        filter: &Filter,
        after: Option<&ChangeKey>,
        mut visit: impl FnMut(&Entry) -> Result<Step, E>,
    ) -> Result<Option<ChangeKey>, E> {
        let failed = |error: rusqlite::Error| {
            E::from(list_error("reading the failed-record list", &self.path, &error))
        };
        let first = Place::default();
        let place = after.map_or(first, Place::of);
        let mut statement = self.connection.prepare(&query(filter)).map_err(failed)?;
        let about = params![
            profile.as_str(),
            place.entity,
            place.record_id,
            place.topic,
            place.partition,
            place.offset,
            filter.entity.as_ref().map(EntityName::as_str),
        ];
        let mut rows = statement.query(about).map_err(failed)?;
        let mut reading: Option<(Entry, ChangeKey)> = None;
        while let Some(row) = rows.next().map_err(failed)? {
            let change: KnownChange = known_of(row).map_err(failed)?;
            match &mut reading {
                Some((entry, last)) if entry.is_of(&change.key) => {
                    *last = change.key.clone();
                    entry.add(change);
                }
                _ => {
                    let key = change.key.clone();
                    let whole = reading.replace((Entry::begin(change), key));
                    if let Some((entry, last)) = whole
                        && filter.takes(&entry)
                        && visit(&entry)? == Step::Enough
                    {
                        return Ok(Some(last));
                    }
                }
            }
        }
        if let Some((entry, _)) = reading
            && filter.takes(&entry)
        {
            visit(&entry)?;
        }
        Ok(None)
    }
}

/// A key as the file orders it; nothing is before the default.
struct Place<'a> {
    entity: &'a str,
    record_id: &'a [u8],
    topic: &'a str,
    partition: i64,
    offset: i64,
}

impl Default for Place<'_> {
    fn default() -> Self {
        Self { entity: "", record_id: &[], topic: "", partition: -1, offset: -1 }
    }
}

impl<'a> Place<'a> {
    fn of(key: &'a ChangeKey) -> Self {
        Self {
            entity: entity_text(key),
            record_id: record_blob(key),
            topic: key.position.topic.as_str(),
            partition: i64::from(key.position.partition.0),
            offset: key.position.offset.0,
        }
    }
}

/// The index of open changes has the order of the primary key, so neither needs sorting.
fn query(filter: &Filter) -> String {
    let (from, open) = if filter.resolved {
        ("held_change", 0)
    } else {
        ("held_change INDEXED BY held_change_open", 1)
    };
    let entity = if filter.entity.is_some() { "entity = ?7" } else { "?7 IS NULL" };
    format!(
        "SELECT {COLUMNS} FROM {from} WHERE profile = ?1 AND open = {open} AND (entity, record_id, \
         topic, \"partition\", \"offset\") > (?2, ?3, ?4, ?5, ?6) AND {entity} ORDER BY entity, \
         record_id, topic, \"partition\", \"offset\""
    )
}

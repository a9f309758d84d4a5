//! Replays of one lane: entities whose cursor was put back on purpose, to write their changes again.
//!
//! A replay is nothing but cursors that stand back in the destination, so that a crash resumes it
//! by itself. What is kept here says which request wanted it, where it ends, and what came of it;
//! all of that lies on the desk, too, so that the lane's next owner goes on with it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::requests::ReplayFrom;
use crate::destination::Written;
use crate::destination::desk::RequestState;
use crate::log::{Bounds, Log, LogError};
use crate::model::batch::Batch;
use crate::model::checkpoint::Checkpoint;
use crate::model::position::{NextOffset, TopicPartition};
use crate::model::record::EntityName;

/// How far a replay has come, as it lies on the desk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReplayProgress {
    /// Where it reads again from.
    pub(super) from: i64,
    /// Per entity, where its cursor stood; the replay ends when all are there again.
    pub(super) to: BTreeMap<String, i64>,
    /// Whether the cursors were put back. Until then, putting them back is safe to repeat.
    pub(super) begun: bool,
    /// Whether a lane with a gap was asked to start anew there: then every cursor goes there.
    #[serde(default)]
    pub(super) anew: bool,
    /// How far it has read again.
    pub(super) at: i64,
    /// Rows inserted or updated, in the batches of these entities.
    pub(super) written: u64,
    /// Rows deleted.
    pub(super) deleted: u64,
    /// Changes that newer rows and tombstones have dropped.
    pub(super) superseded: u64,
    /// Changes that could not be written, again or for the first time.
    pub(super) failed: u64,
}

impl ReplayProgress {
    /// The replay of these entities from `from` on. An entity that is not beyond it has nothing to
    /// replay.
    pub(super) fn new(
        from: NextOffset,
        entities: impl Iterator<Item = (EntityName, NextOffset)>,
    ) -> Self {
        let beyond = entities.filter(|(_, next)| *next > from);
        let to = beyond.map(|(entity, next)| (entity.as_str().to_owned(), next.0)).collect();
        Self { from: from.0, to, at: from.0, ..Self::default() }
    }

    /// The entities that are read again, and how far that is.
    pub(super) fn in_words(self) -> impl Iterator<Item = (String, String)> {
        let Self { from, at, to, .. } = self;
        to.into_iter().map(move |(entity, to)| {
            let (read, all) = (at.min(to).saturating_sub(from).max(0), to.saturating_sub(from));
            (entity, format!("{read} of {all} offsets read again"))
        })
    }

    /// As it is stored.
    pub(super) fn to_json(&self) -> String {
        // Plain fields always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where a replay starts to read; the inner error says why it cannot.
pub(super) async fn first_offset(
    log: &dyn Log,
    topic_partition: &TopicPartition,
    from: ReplayFrom,
) -> Result<Result<NextOffset, String>, LogError> {
    let bounds = log.bounds(topic_partition).await?;
    Ok(match (starts_at(from, bounds), from) {
        (Ok(None), ReplayFrom::TimeMs(time_ms)) => {
            Ok(log.offset_for_time(topic_partition, time_ms).await?)
        }
        (Ok(offset), _) => Ok(offset.unwrap_or(bounds.start)),
        (Err(why), _) => Err(why),
    })
}

/// Where a replay starts to read: `Ok(None)` asks the log for the offset of that time.
///
/// # Errors
/// Why it cannot start there.
fn starts_at(from: ReplayFrom, bounds: Bounds) -> Result<Option<NextOffset>, String> {
    match from {
        ReplayFrom::Start => Ok(Some(bounds.start)),
        ReplayFrom::TimeMs(_) => Ok(None),
        ReplayFrom::Offset(offset) if offset < bounds.start.0 => Err(format!(
            "the log starts only at offset {}; what lay before is gone by retention",
            bounds.start
        )),
        ReplayFrom::Offset(offset) => Ok(Some(NextOffset(offset.min(bounds.end.0)))),
    }
}

/// A replay that runs.
#[derive(Clone, Debug)]
struct Replay {
    id: Uuid,
    progress: ReplayProgress,
    /// Whether a person has stopped it; it may run on for entities that cannot be skipped.
    stopped: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replays {
    running: Vec<Replay>,
}

impl Replays {
    /// Whether this request's replay runs.
    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.running.iter().any(|replay| replay.id == id)
    }

    /// Runs a replay whose cursors stand back.
    pub(super) fn adopt(&mut self, id: Uuid, progress: ReplayProgress) {
        if !self.knows(id) {
            self.running.push(Replay { id, progress, stopped: false });
        }
    }

    /// Knows nothing of a replay any more.
    pub(super) fn forget(&mut self, id: Uuid) {
        self.running.retain(|replay| replay.id != id);
    }

    /// Where the changes of an entity end that were written once: its cursor, or the end of the
    /// furthest replay that runs.
    pub(super) fn end_of(&self, entity: &EntityName, cursor: NextOffset) -> NextOffset {
        let of_entity = |replay: &Replay| replay.progress.to.get(entity.as_str()).copied();
        let furthest = self.running.iter().filter_map(of_entity).max();
        NextOffset(furthest.map_or(cursor.0, |end| end.max(cursor.0)))
    }

    /// Gives up the rest of a replay for these entities, if it runs.
    pub(super) fn stop(&mut self, id: Uuid, entities: &[EntityName]) {
        let Some(replay) = self.running.iter_mut().find(|replay| replay.id == id) else { return };
        replay.stopped = true;
        replay.progress.to.retain(|name, _| entities.iter().all(|entity| entity.as_str() != name));
    }

    /// Counts a written batch.
    pub(super) fn count(&mut self, batch: &Batch, written: &Written) {
        for Replay { progress, .. } in &mut self.running {
            let is_meant = |entity: &EntityName| progress.to.contains_key(entity.as_str());
            let holds = batch.holds.iter();
            let failed = holds.filter(|hold| hold.key.entity.as_ref().is_some_and(is_meant));
            let failed = failed.count() as u64;
            let tables = written.tables.iter().filter(|table| is_meant(&table.entity));
            let sums = tables.fold((0, 0, 0), |(written, deleted, superseded), table| {
                (written + table.written, deleted + table.deleted, superseded + table.superseded)
            });
            progress.failed += failed;
            progress.written += sums.0;
            progress.deleted += sums.1;
            progress.superseded += sums.2;
        }
    }

    /// How far every replay has come; those that are at their end are no longer kept.
    pub(super) fn pass(
        &mut self,
        checkpoint: &Checkpoint,
    ) -> Vec<(Uuid, RequestState, ReplayProgress)> {
        let mut told = Vec::new();
        self.running.retain_mut(|Replay { id, progress, stopped }| {
            let nothing_left = *stopped && progress.to.is_empty();
            let next = |name: &str| checkpoint.next_of(name).0;
            let behind = progress.to.iter().map(|(name, to)| (next(name), *to));
            let lowest = behind.filter(|(next, to)| next < to).map(|(next, _)| next).min();
            let end = progress.to.values().copied().max();
            progress.at = lowest.or(end).unwrap_or(progress.at).max(progress.from);
            let state = match (nothing_left, lowest) {
                (true, _) => RequestState::Stopped,
                (false, None) => RequestState::Done,
                (false, Some(_)) => RequestState::Running,
            };
            told.push((*id, state, progress.clone()));
            state == RequestState::Running
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::TableCounts;
    use crate::model::checkpoint::{Cursor, Scope};

    fn checkpoint(all: i64, account: i64) -> Checkpoint {
        let cursor = |scope, next| Cursor { scope, next: NextOffset(next), fingerprint: None };
        let own = Scope::Entity(EntityName::new("account"));
        Checkpoint::new(vec![cursor(Scope::All, all), cursor(own, account)]).unwrap()
    }

    fn written(entity: &str) -> Written {
        let entity = EntityName::new(entity);
        Written { tables: vec![TableCounts { entity, written: 5, deleted: 2, superseded: 1 }] }
    }

    fn replay(from: i64, ends: &[(&str, i64)]) -> ReplayProgress {
        let ends = ends.iter().map(|(name, next)| (EntityName::new(name), NextOffset(*next)));
        ReplayProgress::new(NextOffset(from), ends)
    }

    #[test]
    fn a_replay_ends_when_every_entity_is_where_it_was() {
        let progress = replay(10, &[("account", 90), ("contact", 100), ("lead", 10)]);
        assert_eq!(progress.to.keys().collect::<Vec<_>>(), ["account", "contact"]);
        let (mut replays, id) = (Replays::default(), Uuid::from_u128(1));
        replays.adopt(id, progress.clone());
        replays.adopt(id, progress);
        replays.count(&Batch::default(), &written("account"));
        replays.count(&Batch::default(), &written("lead"));
        let [(_, RequestState::Running, told)] = &replays.pass(&checkpoint(100, 50))[..] else {
            panic!("one runs")
        };
        assert_eq!((told.at, told.written, told.deleted, told.superseded), (50, 5, 2, 1));
        // Asked for again meanwhile, it ends where the first one does.
        let account = EntityName::new("account");
        assert_eq!(replays.end_of(&account, NextOffset(50)), NextOffset(90));
        assert_eq!(replays.end_of(&account, NextOffset(95)), NextOffset(95));
        let [(_, RequestState::Done, told)] = &replays.pass(&checkpoint(100, 90))[..] else {
            panic!("it is done")
        };
        assert_eq!((told.at, replays.knows(id)), (100, false));
    }

    #[test]
    fn what_is_stopped_ends_and_what_is_left_runs_on() {
        let (mut replays, id) = (Replays::default(), Uuid::from_u128(1));
        replays.adopt(id, replay(10, &[("account", 90), ("contact", 100)]));
        replays.stop(id, &[EntityName::new("contact")]);
        assert_eq!(replays.pass(&checkpoint(50, 50))[0].1, RequestState::Running);
        replays.stop(id, &[EntityName::new("account")]);
        assert_eq!(replays.pass(&checkpoint(50, 50))[0].1, RequestState::Stopped);
        assert!(!replays.knows(id));
    }

    #[test]
    fn a_replay_from_before_the_start_of_the_log_is_refused() {
        let bounds = Bounds { start: NextOffset(5), end: NextOffset(20) };
        assert!(starts_at(ReplayFrom::Offset(4), bounds).unwrap_err().contains("offset 5"));
        assert_eq!(starts_at(ReplayFrom::Offset(5), bounds), Ok(Some(NextOffset(5))));
        assert_eq!(starts_at(ReplayFrom::Offset(99), bounds), Ok(Some(NextOffset(20))));
        assert_eq!(starts_at(ReplayFrom::Start, bounds), Ok(Some(NextOffset(5))));
        assert_eq!(starts_at(ReplayFrom::TimeMs(7), bounds), Ok(None));
    }

    #[test]
    fn what_lies_on_the_desk_is_read_again() {
        let progress = replay(10, &[("account", 90)]);
        assert_eq!(serde_json::from_str::<ReplayProgress>(&progress.to_json()).unwrap(), progress);
    }
}

//! Entities of one lane that stand back, and when each is tried again.
//!
//! A paused entity's cursor stays where it is while the others go on. It is tried again by itself,
//! after waits that double up to a limit, or at once when a person says so. Kept by the lane from
//! one tenure to the next; a restart is a try, too. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::intake::PausedEntity;
use super::schema::Schema;
use crate::model::record::EntityName;

/// First wait until a paused entity is tried again.
pub(super) const FIRST_PROBE: Duration = Duration::from_secs(30);
/// Longest wait.
pub(super) const LONGEST_PROBE: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Pause {
    why: String,
    probe_at: Instant,
    wait: Duration,
    /// Whether it stands back now; if not, it is being tried.
    standing: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    entities: BTreeMap<EntityName, Pause>,
    /// Those whose tables do not fit, each with the reason: only another mapping ends that, or a
    /// table that was mended and activated anew.
    refused: BTreeMap<EntityName, String>,
}

impl Pauses {
    pub(super) fn new(schema: &Schema) -> Self {
        Self { entities: BTreeMap::new(), refused: schema.refused.clone() }
    }

    /// An entity is mapped anew, or its table was looked at anew and still does not fit.
    pub(super) fn renew(&mut self, entity: &EntityName, refused: Option<&String>) {
        self.entities.remove(entity);
        match refused {
            Some(why) => self.refused.insert(entity.clone(), why.clone()),
            None => self.refused.remove(entity),
        };
    }

    /// Lets an entity stand back from now on.
    pub(super) fn pause(&mut self, paused: PausedEntity, now: Instant) {
        let PausedEntity { entity, why } = paused;
        let former = self.entities.get(&entity).map(|pause| pause.wait);
        let wait = former.map_or(FIRST_PROBE, |wait| (wait * 2).min(LONGEST_PROBE));
        let pause = Pause { why, probe_at: now + wait, wait, standing: true };
        self.entities.insert(entity, pause);
    }

    /// The entities that stand back, each with the reason.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&EntityName, &str)> {
        let refused = self.refused.iter().map(|(entity, why)| (entity, why.as_str()));
        let standing = self
            .entities
            .iter()
            .filter(|(entity, pause)| pause.standing && !self.refused.contains_key(*entity));
        refused.chain(standing.map(|(entity, pause)| (entity, pause.why.as_str())))
    }

    /// When the next entity is to be tried.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        let standing = self.entities.values().filter(|pause| pause.standing);
        standing.map(|pause| pause.probe_at).min()
    }

    /// Lets those go on whose time has come. Whether there were any.
    pub(super) fn probe(&mut self, now: Instant) -> bool {
        let mut any = false;
        for pause in self.entities.values_mut() {
            if pause.standing && pause.probe_at <= now {
                pause.standing = false;
                any = true;
            }
        }
        any
    }

    /// A person wants this entity, or all, to go on at the next look.
    pub(super) fn resume(&mut self, entity: Option<&str>, now: Instant) -> bool {
        let mut any = false;
        for (name, pause) in &mut self.entities {
            if pause.standing && entity.is_none_or(|wanted| wanted == name.as_str()) {
                (pause.probe_at, pause.wait) = (now, FIRST_PROBE / 2);
                any = true;
            }
        }
        any
    }

    /// Changes of an entity were written: what ailed it is over.
    pub(super) fn worked(&mut self, entity: &EntityName) {
        if self.entities.get(entity).is_some_and(|pause| !pause.standing) {
            self.entities.remove(entity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_it_works() {
        let (mut pauses, mut now) = (Pauses::default(), Instant::now());
        let entity = EntityName::new("account");
        let paused = || PausedEntity { entity: entity.clone(), why: "gone".to_owned() };
        let mut wait = FIRST_PROBE;
        for _ in 0..10 {
            pauses.pause(paused(), now);
            assert_eq!(pauses.standing().collect::<Vec<_>>(), [(&entity, "gone")]);
            assert_eq!(pauses.probe_at(), Some(now + wait));
            assert!(!pauses.probe(now));
            now += wait;
            assert!(pauses.probe(now));
            assert_eq!(pauses.standing().count(), 0);
            wait = (wait * 2).min(LONGEST_PROBE);
        }
        pauses.worked(&entity);
        pauses.pause(paused(), now);
        assert_eq!(pauses.probe_at(), Some(now + FIRST_PROBE));
        assert!(pauses.resume(Some("account"), now) && pauses.probe(now));
    }
}

//! When held records are tried again: by themselves after a while, or because a person wants it.
//! Pure.

use std::collections::HashSet;
use std::time::Instant;

use super::{Entry, HeldSet};
use crate::model::held::{HeldKey, Hold};
use crate::model::record::RecordId;

impl HeldSet {
    /// Takes over when each record is to be tried, from the set that the lane had before this one
    /// was read: a take in between neither brings a try forward nor forgets one that a person
    /// wants. What was being tried, with an end that nobody heard of, is
    /// tried anew after the usual wait.
    pub(in crate::pipeline) fn keep_plans(&mut self, former: &Self, now: Instant) {
        let tried = former.tried.map(|record_id| (now + self.rule.interval, record_id));
        let plans = former.due.iter().copied().chain(tried);
        let plans: Vec<_> = plans.filter(|(_, id)| self.records.contains_key(id)).collect();
        let known: HashSet<RecordId> = plans.iter().map(|(_, record_id)| *record_id).collect();
        self.due.retain(|(_, record_id)| !known.contains(record_id));
        self.due.extend(plans);
        self.planned.extend(known);
    }

    /// When the next record is due to be tried again.
    pub(in crate::pipeline) fn due_at(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The held changes of the next record that is due, in order; each record once until it is
    /// planned again. Those that `settled` denies are about to be read again by a replay, which
    /// comes past what lies before them first.
    pub(in crate::pipeline) fn next_due(
        &mut self,
        now: Instant,
        settled: impl Fn(&HeldKey) -> bool,
    ) -> Option<Vec<Hold>> {
        if let Some(overtaken) = self.overtaken.pop() {
            return Some(vec![overtaken]);
        }
        loop {
            let (at, record_id) = *self.due.first()?;
            if at > now {
                return None;
            }
            self.due.pop_first();
            self.planned.remove(&record_id);
            let Some(entries) = self.records.get(&record_id) else { continue };
            if entries.iter().any(|entry| entry.overflown) {
                continue;
            }
            let settled = entries.iter().take_while(|entry| settled(&entry.key));
            let holds: Vec<Hold> = settled.map(Entry::hold).collect();
            if !holds.is_empty() {
                self.tried = Some(record_id);
                return Some(holds);
            }
        }
    }

    /// Plans a try of every record that `wanted` names, whatever its cause. Answers how many.
    pub(in crate::pipeline) fn retry_now(
        &mut self,
        now: Instant,
        mut wanted: impl FnMut(&HeldKey, &str) -> bool,
    ) -> usize {
        let records = self.records.iter();
        let chosen: Vec<RecordId> = records
            .filter(|(_, entries)| entries.iter().any(|entry| wanted(&entry.key, &entry.cause)))
            .map(|(record_id, _)| *record_id)
            .collect();
        let chosen_set: HashSet<&RecordId> = chosen.iter().collect();
        self.due.retain(|(_, record_id)| !chosen_set.contains(record_id));
        self.due.extend(chosen.iter().map(|record_id| (now, *record_id)));
        self.planned.extend(chosen.iter().copied());
        chosen.len()
    }

    /// Plans a try of what the database refused and may take another time.
    pub(super) fn plan_retry(&mut self, record_id: Option<RecordId>, at: Instant) {
        let Some(record_id) = record_id else { return };
        let Some(entries) = self.records.get(&record_id) else { return };
        let Some(first) = entries.first() else { return };
        // What was refused behind something bad takes its place, if it passes.
        let may_pass = first.may_pass || entries.iter().any(|entry| entry.refused);
        if may_pass && first.attempt < self.rule.count && self.planned.insert(record_id) {
            self.due.insert((at, record_id));
        }
    }
}

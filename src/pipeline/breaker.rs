//! Tells a bad record from a broken table (G6).
//!
//! Single rejections are of records; when everything of an entity fails alike, its table, its
//! definition or its producer is broken, and a list of all its records would help nobody. Counted
//! per entity over a sliding window of its last changes. Pure; the thresholds are below, and what
//! follows is the lane's business.

use std::collections::{HashMap, VecDeque};

use compact_str::CompactString;

use crate::model::held::{HeldCause, Hold};
use crate::model::mutation::Mutations;
use crate::model::record::EntityName;

/// Changes that the window of one entity holds.
pub(super) const WINDOW: usize = 400;
/// Fewest rejections in the window that can look systemic.
pub(super) const FEWEST: usize = 100;
/// Share of the window's changes that must have been rejected alike, in percent.
pub(super) const SHARE_PERCENT: usize = 90;

/// What rejections have in common: cause and column.
pub(super) type Alike = (CompactString, Option<CompactString>);

/// What an operator is told of an entity that looks broken.
pub(super) fn systemic(entity: &EntityName, (code, column): &Alike) -> String {
    let column = column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
    format!(
        "nearly all of the last changes of {entity} were rejected alike ({code}{column}), so its \
         table, its definition or its producer is at fault, not single records. Compare them; it \
         is tried again by itself, and keepstep resume tries at once"
    )
}

/// What became of some consecutive changes.
#[derive(Clone, Debug)]
struct Stretch {
    changes: usize,
    rejected: Option<Alike>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    windows: HashMap<EntityName, VecDeque<Stretch>>,
    mutations: Mutations,
}

impl Breaker {
    pub(super) fn new(mutations: Mutations) -> Self {
        Self { windows: HashMap::new(), mutations }
    }

    /// Counts changes that were written.
    pub(super) fn written(&mut self, entity: &EntityName, changes: usize) {
        // Most entities never see a rejection: they need no window.
        if changes > 0
            && let Some(window) = self.windows.get_mut(entity)
        {
            push(window, Stretch { changes, rejected: None });
            if window.iter().all(|stretch| stretch.rejected.is_none()) {
                self.windows.remove(entity);
            }
        }
    }

    /// Counts rejections. What is held for another reason says nothing of the table.
    pub(super) fn rejected<'a>(&mut self, holds: impl IntoIterator<Item = &'a Hold>) {
        for hold in holds {
            let Some(entity) = &hold.key.entity else { continue };
            let cause = &hold.cause;
            if HeldCause::OF_HOLDING.contains(&cause.code.as_str()) {
                continue;
            }
            let window = self.windows.entry(entity.clone()).or_default();
            let alike = (cause.code.clone(), cause.column.clone());
            push(window, Stretch { changes: 1, rejected: Some(alike) });
        }
    }

    /// The first entity that looks broken, and how its rejections are alike.
    pub(super) fn verdict(&self) -> Option<(EntityName, Alike)> {
        if self.mutations.breaker_off() {
            return None;
        }
        self.windows.iter().find_map(|(entity, window)| {
            let total: usize = window.iter().map(|stretch| stretch.changes).sum();
            let mut counts: HashMap<&Alike, usize> = HashMap::new();
            for stretch in window {
                if let Some(alike) = &stretch.rejected {
                    *counts.entry(alike).or_default() += stretch.changes;
                }
            }
            let (alike, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
            let systemic = count >= FEWEST && count * 100 >= total * SHARE_PERCENT;
            systemic.then(|| (entity.clone(), alike.clone()))
        })
    }

    /// Forgets what was seen of an entity: it is paused, or tried anew.
    pub(super) fn forget(&mut self, entity: &EntityName) {
        self.windows.remove(entity);
    }
}

fn push(window: &mut VecDeque<Stretch>, stretch: Stretch) {
    match window.back_mut() {
        Some(last) if last.rejected == stretch.rejected => last.changes += stretch.changes,
        _ => window.push_back(stretch),
    }
    let mut total: usize = window.iter().map(|stretch| stretch.changes).sum();
    while total > WINDOW {
        let Some(first) = window.front_mut() else { return };
        let cut = first.changes.min(total - WINDOW);
        first.changes -= cut;
        total -= cut;
        if first.changes == 0 {
            window.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::held::HeldKey;
    use crate::model::position::Offset;

    fn holds(count: usize, code: &str) -> Vec<Hold> {
        let key = HeldKey { offset: Offset(1), entity: Some(account()), record_id: None };
        let cause = HeldCause { code: code.into(), column: None, detail: String::new() };
        vec![Hold { key, version: None, creates: false, cause, attempt: 0 }; count]
    }

    fn account() -> EntityName {
        EntityName::new("account")
    }

    fn breaker() -> Breaker {
        Breaker::new(Mutations::default())
    }

    #[test]
    fn everything_that_fails_alike_is_systemic() {
        let mut breaker = breaker();
        breaker.rejected(&holds(FEWEST - 1, "refused"));
        assert_eq!(breaker.verdict(), None);
        breaker.rejected(&holds(1, "refused"));
        assert_eq!(breaker.verdict(), Some((account(), ("refused".into(), None))));
        breaker.forget(&account());
        assert_eq!(breaker.verdict(), None);
    }

    #[test]
    fn one_in_a_hundred_is_not() {
        let mut breaker = breaker();
        for _ in 0..1_000 {
            breaker.rejected(&holds(1, "refused"));
            breaker.written(&account(), 99);
            assert_eq!(breaker.verdict(), None);
        }
    }

    #[test]
    fn rejections_that_differ_are_not() {
        let mut breaker = breaker();
        for _ in 0..WINDOW {
            breaker.rejected(&holds(1, "refused"));
            breaker.rejected(&holds(1, "text_too_long"));
        }
        assert_eq!(breaker.verdict(), None);
    }

    #[test]
    fn a_table_that_breaks_is_noticed_within_the_window() {
        let mut breaker = breaker();
        breaker.rejected(&holds(1, "refused"));
        breaker.written(&account(), 1_000_000);
        breaker.rejected(&holds(WINDOW * SHARE_PERCENT / 100, "refused"));
        assert!(breaker.verdict().is_some());
    }

    #[test]
    fn what_waits_says_nothing() {
        let mut breaker = breaker();
        breaker.rejected(&holds(WINDOW, HeldCause::WAITS));
        assert_eq!(breaker.verdict(), None);
    }
}

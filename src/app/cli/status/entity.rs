//! The entities: one line each, over all lanes that have changes of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lane::STALE_US;
use crate::app::cli::failed::column;
use crate::app::cli::text::{grouped, plain};
use crate::destination::desk::StoredLaneState;

/// One entity, summed up.
#[derive(Debug, Default)]
struct Entity {
    lanes: u64,
    written: u64,
    deleted: u64,
    superseded: u64,
    held: u64,
    lag: u64,
    behind_ms: i64,
    committed_ms: Option<i64>,
    /// How many lanes are in each state that is not *running*; the most urgent one first.
    states: BTreeMap<(u8, &'static str), u64>,
}

/// What an operator should look at first.
const STATES: [&str; 6] = ["stopped", "stale", "paused", "waiting", "taking", "re-synced"];

impl Entity {
    fn add(&mut self, name: &str, entity: &Value, stored: &StoredLaneState, now_ms: i64) {
        let lane: Value = serde_json::from_str(&stored.body).unwrap_or_default();
        let count = |field: &str| entity.get(field).and_then(Value::as_u64).unwrap_or(0);
        let number = |of: &Value, field: &str| of.get(field).and_then(Value::as_i64);
        self.lanes += 1;
        self.written = self.written.saturating_add(count("written"));
        self.deleted = self.deleted.saturating_add(count("deleted"));
        self.superseded = self.superseded.saturating_add(count("superseded"));
        self.held = self.held.saturating_add(count("held"));
        self.committed_ms = self.committed_ms.max(number(entity, "committed_ms"));
        let next = number(entity, "next").or_else(|| number(&lane, "next"));
        if let (Some(next), Some(end)) = (next, number(&lane, "end")) {
            let lag = u64::try_from(end.saturating_sub(next)).unwrap_or(0);
            self.lag = self.lag.saturating_add(lag);
            if lag > 0 {
                let behind = number(&lane, "settled_ms").map(|at| now_ms.saturating_sub(at));
                self.behind_ms = self.behind_ms.max(behind.unwrap_or(0));
            }
        }
        let of = |field: &str| lane.get(field).is_some_and(|names| names.get(name).is_some());
        let said = lane.get("state").and_then(Value::as_str).unwrap_or_default();
        let state = match said {
            _ if stored.age_us > STALE_US => "stale",
            _ if of("paused") => "paused",
            "running" if of("replays") => "re-synced",
            said => said,
        };
        let known = STATES.iter().zip(0_u8..).find(|(known, _)| **known == state);
        if let Some((known, urgency)) = known {
            *self.states.entry((urgency, known)).or_default() += 1;
        }
    }

    fn state(&self) -> String {
        match self.states.first_key_value() {
            None => "running".to_owned(),
            Some(((_, state), lanes)) if *lanes == self.lanes => (*state).to_owned(),
            Some(((_, state), lanes)) => format!("{state} ({lanes}/{})", self.lanes),
        }
    }

    fn line(&self, name: &str, width: usize, now_ms: i64) -> String {
        let seconds = |ms: i64| grouped(u64::try_from(ms / 1_000).unwrap_or(0));
        let committed =
            self.committed_ms.map(|at| format!("{} s ago", seconds(now_ms.saturating_sub(at))));
        format!(
            "{name:width$}  {}  {:>13}  {:>9}  {:>10}  {:>9}  {:>13}  {:>9}  {}",
            column(&self.state(), 15),
            grouped(self.written),
            grouped(self.deleted),
            grouped(self.superseded),
            grouped(self.held),
            grouped(self.lag),
            format!("{} s", seconds(self.behind_ms)),
            committed.unwrap_or_else(|| "-".to_owned()),
        )
    }
}

/// The table; empty if no lane speaks of entities.
pub(super) fn table(states: &[StoredLaneState], now_ms: i64) -> Vec<String> {
    let mut entities: BTreeMap<String, Entity> = BTreeMap::new();
    for stored in states {
        let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
        for (name, entity) in body.get("entities").and_then(Value::as_object).into_iter().flatten()
        {
            let sum = entities.entry(plain(name)).or_default();
            sum.add(name, entity, stored, now_ms);
        }
    }
    if entities.is_empty() {
        return Vec::new();
    }
    let width = entities.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
    let mut lines = vec![format!(
        "{:width$}  {:15}  {:>13}  {:>9}  {:>10}  {:>9}  {:>13}  {:>9}  LAST COMMIT",
        "ENTITY", "STATE", "WRITTEN", "DELETED", "SUPERSEDED", "HELD", "LAG", "BEHIND"
    )];
    lines.extend(entities.iter().map(|(name, entity)| entity.line(name, width, now_ms)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::{Topic, TopicPartition};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn stored(partition: u32, body: &str) -> StoredLaneState {
        StoredLaneState {
            topic_partition: TopicPartition::new(&Topic::new("crm.org"), partition),
            owner: "host:7".into(),
            body: body.to_owned(),
            age_us: 0,
        }
    }

    #[test]
    fn entities_are_summed_up_over_lanes() {
        let first = r#"{"state":"running","next":100,"end":130,"settled_ms":1699999990000,
            "paused":{"contact":"why"},"replays":{"account":"half"},"entities":{
            "account":{"written":1200,"deleted":3,"superseded":5,"held":2,"next":90,
            "committed_ms":1699999997000},
            "contact":{"written":7,"deleted":0,"superseded":0,"held":0,"next":null}}}"#;
        let second = r#"{"state":"running","next":50,"end":50,"settled_ms":1,"paused":{},
            "replays":{},"entities":{"account":{"written":34,"committed_ms":1699999990000},
            "contact":{}}}"#;
        let lines = table(&[stored(0, first), stored(1, second)], NOW_MS);
        let words = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(0), "ENTITY STATE WRITTEN DELETED SUPERSEDED HELD LAG BEHIND LAST COMMIT");
        assert_eq!(words(1), "account re-synced (1/2) 1,234 3 5 2 40 10 s 3 s ago");
        assert_eq!(words(2), "contact paused (1/2) 7 0 0 0 30 10 s -");
        assert_eq!(lines[0].find("LAST"), lines[1].find("3 s ago"));
    }

    #[test]
    fn nothing_that_a_body_says_fails() {
        for body in ["", "{", "[]", r#"{"entities":[]}"#] {
            assert_eq!(table(&[stored(0, body)], NOW_MS), Vec::<String>::new());
        }
        let odd = r#"{"entities":{"a\u001b":{"written":-1,"next":"x","committed_ms":-9223372036854775808}},
            "end":9223372036854775807,"settled_ms":-9223372036854775808,"next":-9,"state":7}"#;
        let lines = table(&[stored(0, odd)], NOW_MS);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
    }
}

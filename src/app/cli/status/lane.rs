//! The lanes: one line each, their sum, and below why they are as they are.

use serde_json::Value;

use crate::app::cli::failed::column;
use crate::app::cli::text::{counted, grouped, plain};
use crate::destination::desk::StoredLaneState;

/// A lane whose owner has said nothing for so long has none, µs.
pub(super) const STALE_US: i64 = 30_000_000;

/// One lane as it is shown.
struct Shown<'a> {
    lane: String,
    state: String,
    lag: Option<u64>,
    behind_s: Option<u64>,
    held: Option<u64>,
    age_s: i64,
    owner: &'a str,
    reasons: Vec<String>,
}

impl<'a> Shown<'a> {
    fn of(stored: &'a StoredLaneState, now_ms: i64) -> Self {
        let body: Value = serde_json::from_str(&stored.body).unwrap_or_default();
        let number = |name: &str| body.get(name).and_then(Value::as_i64);
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(plain);
        let stale = stored.age_us > STALE_US;
        let state = text("state").unwrap_or_else(|| "unknown".to_owned());
        let lag = number("end").zip(number("settled"));
        let lag = lag.map(|(end, settled)| u64::try_from(end.saturating_sub(settled)).unwrap_or(0));
        // A lane at the end is behind nothing, however old its last record.
        let behind_s = match lag {
            Some(0) => Some(0),
            _ => number("settled_ms")
                .map(|at| u64::try_from(now_ms.saturating_sub(at) / 1_000).unwrap_or(0)),
        };
        let mut reasons = Vec::new();
        let age_s = stored.age_us.max(0) / 1_000_000;
        if stale {
            reasons.push(format!("nobody owns it now; the last word is {age_s} s old"));
        }
        reasons.extend(text("reason").map(|why| format!("{state}: {why}")));
        for (entity, why) in body.get("paused").and_then(Value::as_object).into_iter().flatten() {
            let why = why.as_str().unwrap_or("no reason given");
            reasons.push(format!("{} is paused: {}", plain(entity), plain(why)));
        }
        let replays = body.get("replays").and_then(Value::as_object);
        for (entity, read) in replays.into_iter().flatten() {
            let read = read.as_str().unwrap_or("how far is not known");
            reasons.push(format!("{} is re-synced: {}", plain(entity), plain(read)));
        }
        reasons.extend(text("outbox").map(|why| format!("dead letters are not sent: {why}")));
        Self {
            lane: plain(&stored.topic_partition.to_string()),
            state: if stale { format!("stale ({state})") } else { state },
            lag,
            behind_s,
            held: number("held").and_then(|held| u64::try_from(held).ok()),
            age_s,
            owner: &stored.owner,
            reasons,
        }
    }

    fn line(&self, width: usize) -> String {
        let optional = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
        let behind = self.behind_s.map_or_else(|| "-".to_owned(), |s| format!("{} s", grouped(s)));
        format!(
            "{:width$}  {}  {:>13}  {behind:>11}  {:>9}  {:>7}  {}",
            self.lane,
            column(&self.state, 15),
            optional(self.lag),
            optional(self.held),
            format!("{} s", self.age_s),
            plain(self.owner)
        )
    }
}

/// The table, its sum, and the reasons below.
pub(super) fn table(states: &[StoredLaneState], now_ms: i64) -> Vec<String> {
    let shown: Vec<Shown<'_>> = states.iter().map(|stored| Shown::of(stored, now_ms)).collect();
    let width = shown.iter().map(|lane| lane.lane.chars().count()).max().unwrap_or(0).max(4);
    let mut lines = vec![format!(
        "{:width$}  {:15}  {:>13}  {:>11}  {:>9}  {:>7}  OWNER",
        "LANE", "STATE", "LAG", "BEHIND", "HELD", "SAID"
    )];
    lines.extend(shown.iter().map(|lane| lane.line(width)));
    let sum = |of: fn(&Shown<'_>) -> Option<u64>| {
        shown.iter().filter_map(of).fold(0, u64::saturating_add)
    };
    lines.push(format!(
        "{}: lag {}, held {}",
        counted(u64::try_from(shown.len()).unwrap_or(u64::MAX), "lane"),
        counted(sum(|lane| lane.lag), "change"),
        grouped(sum(|lane| lane.held))
    ));
    let reasons = |lane: &Shown<'_>| -> Vec<String> {
        lane.reasons.iter().map(|reason| format!("{}: {reason}", lane.lane)).collect()
    };
    let reasons: Vec<String> = shown.iter().flat_map(reasons).collect();
    if !reasons.is_empty() {
        lines.push(String::new());
        lines.extend(reasons);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::{Topic, TopicPartition};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn stored(partition: u32, body: &str, age_us: i64) -> StoredLaneState {
        StoredLaneState {
            topic_partition: TopicPartition::new(&Topic::new("crm.account"), partition),
            owner: "host:7".into(),
            body: body.to_owned(),
            age_us,
        }
    }

    #[test]
    fn the_table_shows_lag_held_state_and_the_reasons_below() {
        let running = r#"{"state":"running","reason":null,"settled":100,"end":1334,"held":3,
            "settled_ms":1699999990000,"paused":{"account":"12 of 20 refused"},"outbox":"away"}"#;
        let waiting = r#"{"state":"waiting","reason":"not available","settled":7,"end":7,"held":0,
            "settled_ms":1,"paused":{},"outbox":null}"#;
        let states = [stored(0, running, 1_500_000), stored(11, waiting, STALE_US + 1)];
        let lines = table(&states, NOW_MS);
        let columns = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(columns(0), "LANE STATE LAG BEHIND HELD SAID OWNER");
        assert_eq!(columns(1), "crm.account/0 running 1,234 10 s 3 1 s host:7");
        assert_eq!(columns(2), "crm.account/11 stale (waiting) 0 0 s 0 30 s host:7");
        let expected = [
            "2 lanes: lag 1,234 changes, held 3",
            "",
            "crm.account/0: account is paused: 12 of 20 refused",
            "crm.account/0: dead letters are not sent: away",
            "crm.account/11: nobody owns it now; the last word is 30 s old",
            "crm.account/11: waiting: not available",
        ];
        assert_eq!(lines[3..], expected);
        assert!(lines[1].ends_with("host:7") && lines[0].find("OWNER") == lines[1].find("host:7"));
    }

    #[test]
    fn a_state_is_stale_after_thirty_seconds_and_not_before() {
        let body = r#"{"state":"running"}"#;
        assert!(!table(&[stored(0, body, STALE_US)], NOW_MS)[1].contains("stale"));
        assert!(table(&[stored(0, body, STALE_US + 1)], NOW_MS)[1].contains("stale (running)"));
    }

    #[test]
    fn nothing_that_a_body_says_fails() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"state":7,"reason":[],"settled":"x","end":1,"held":-1,"paused":[1],"outbox":{}}"#,
            r#"{"settled":9223372036854775807,"end":-9223372036854775808,"later":true}"#,
            r#"{"paused":{"account":null},"settled_ms":-9223372036854775808}"#,
        ] {
            let lines = table(&[stored(0, body, i64::MIN)], NOW_MS);
            assert!(lines[1].contains("unknown") && lines[1].ends_with("host:7"), "{lines:?}");
        }
    }

    #[test]
    fn a_body_cannot_steer_the_terminal() {
        let body = r#"{"state":"a\u001b[2J","reason":"b\nc","paused":{"d\r":"e\u0007"}}"#;
        for line in table(&[stored(0, body, 0)], NOW_MS) {
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

//! `keepstep resync --from`: writes again what the log holds.
//!
//! The command says how much is meant before it asks. What a lane notes of its replay is shown as it
//! comes, and summed up at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};

use super::ResyncArguments;
use crate::app::cli::asked::{Question, all_done, destination_of, said};
use crate::app::cli::failed::profile_of;
use crate::app::cli::output::Output;
use crate::app::cli::text::{counted, grouped, parse_time};
use crate::app::connect::{LogRole, OpenLog, no_topic};
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::destination::desk::LaneRequest;
use crate::log::Log;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::{Profile, ProfileEntity};

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// At the oldest record of each partition.
    Start,
    /// At this offset of each partition.
    Offset(i64),
    /// At the first record of this time or later, ms since 1970.
    TimeMs(i64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "start" {
            return Ok(Self::Start);
        }
        match text.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Self::Offset(offset)),
            _ => parse_time(text).map(Self::TimeMs).ok_or_else(|| {
                "expected `start`, an offset, or a time like 2026-01-31T09:00:00Z".to_owned()
            }),
        }
    }
}

impl From {
    fn json(self) -> Value {
        match self {
            Self::Start => json!("start"),
            Self::Offset(offset) => json!({ "offset": offset }),
            Self::TimeMs(time_ms) => json!({ "time_ms": time_ms }),
        }
    }

    /// Its offset in a partition.
    async fn offset(self, log: &dyn Log, lane: &TopicPartition) -> Result<Span, Failure> {
        let bounds = log.bounds(lane).await?;
        let from = match self {
            Self::Start => bounds.start,
            Self::TimeMs(time_ms) => log.offset_for_time(lane, time_ms).await?,
            Self::Offset(offset) if offset < bounds.start.0 => {
                let what = format!("{lane} starts only at offset {}", bounds.start);
                let hint =
                    "what lay before is gone by retention; begin there, or write --from start";
                return Err(Failure::usage(what, hint));
            }
            Self::Offset(offset) => NextOffset(offset.min(bounds.end.0)),
        };
        Ok(Span { from, end: bounds.end })
    }
}

/// What the log holds of one lane from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: NextOffset,
    end: NextOffset,
}

impl Span {
    fn len(self) -> u64 {
        u64::try_from(self.end.0.saturating_sub(self.from.0)).unwrap_or(0)
    }
}

/// Runs the command.
pub(super) async fn run(
    arguments: &ResyncArguments,
    from: From,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let profile = profile_of(&settings, arguments.profile.as_deref())?;
    let entities = entities(&profile.profile, arguments.entity.as_deref())?;
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?.log();
    let spans = spans(log.as_ref(), &entities, arguments.partition, from).await?;
    let total = spans.values().map(|span| span.len()).fold(0, u64::saturating_add);
    if total == 0 {
        return output.line("the log holds nothing from there on; nothing was asked");
    }
    let names = || entities.iter().map(|entity| entity.name.as_str());
    let lanes = spans.len();
    output.line(&format!(
        "up to {} to be read again in {}, for {}",
        counted(total, "change"),
        counted(u64::try_from(lanes).unwrap_or(u64::MAX), "lane"),
        names().collect::<Vec<_>>().join(", ")
    ))?;
    confirm(&entities, arguments.yes)?;
    let destination = destination_of(&settings, profile)?;
    let body = json!({ "kind": "replay", "entity": arguments.entity, "from": from.json() });
    let question = Question::new(&profile.profile.id, spans.into_keys().collect(), &body);
    if arguments.no_wait {
        question.put(destination.desk()).await?;
        return output.line("asked; `keepstep status` shows how far it has come");
    }
    let Some(answers) = question.ask(destination.desk(), output).await? else {
        return Ok(());
    };
    output.line(&summary(&answers))?;
    all_done(&answers)
}

/// The entities that are meant.
fn entities<'p>(
    profile: &'p Profile,
    wanted: Option<&str>,
) -> Result<Vec<&'p ProfileEntity>, Failure> {
    let all = profile.entities.iter();
    let meant: Vec<_> = all.filter(|it| wanted.is_none_or(|wanted| wanted == it.name)).collect();
    match wanted {
        Some(wanted) if meant.is_empty() => {
            let names = profile.entities.iter().map(|entity| entity.name.as_str());
            let hint = format!("it has {}", names.collect::<Vec<_>>().join(", "));
            Err(Failure::usage(format!("profile {} has no entity {wanted}", profile.id), hint))
        }
        _ => Ok(meant),
    }
}

/// What the log holds from there on, by lane; lanes without anything are left out.
async fn spans(
    log: &dyn Log,
    entities: &[&ProfileEntity],
    partition: Option<u32>,
    from: From,
) -> Result<BTreeMap<TopicPartition, Span>, Failure> {
    let mut topics: Vec<&Topic> = entities.iter().map(|entity| &entity.topic).collect();
    topics.sort();
    topics.dedup();
    let mut spans = BTreeMap::new();
    for topic in topics {
        let description = log.describe(topic).await?.ok_or_else(|| no_topic(topic))?;
        let meant = |number: &u32| partition.is_none_or(|wanted| wanted == *number);
        for number in (0..description.partitions).filter(meant) {
            let lane = TopicPartition::new(topic, number);
            let span = from.offset(log, &lane).await?;
            if span.len() > 0 {
                spans.insert(lane, span);
            }
        }
    }
    Ok(spans)
}

/// Without versions, rows pass through old values: that wants a word of consent.
fn confirm(entities: &[&ProfileEntity], yes: bool) -> Result<(), Failure> {
    let without = entities.iter().filter(|entity| !entity.versioned);
    let names: Vec<&str> = without.map(|entity| entity.name.as_str()).collect();
    if names.is_empty() || yes {
        return Ok(());
    }
    let what = format!(
        "{} without versions: until the replay is at its end, rows pass through older values, and \
         it cannot be stopped on the way",
        names.join(", ")
    );
    Err(Failure::usage(what, "if that is acceptable to who reads the tables, add --yes"))
}

/// What came of it, over all lanes.
fn summary(answers: &[LaneRequest]) -> String {
    let sum = |field: &str| {
        let counts = answers.iter().filter_map(|it| said(it, field).and_then(|it| it.as_u64()));
        grouped(counts.fold(0, u64::saturating_add))
    };
    format!(
        "{} rows written, {} deleted, {} changes superseded by newer rows, {} failed",
        sum("written"),
        sum("deleted"),
        sum("superseded"),
        sum("failed")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::desk::RequestState;
    use crate::model::checkpoint::LaneId;
    use crate::model::profile::ProfileId;

    #[test]
    fn a_place_is_the_start_an_offset_or_a_time() {
        for (text, place) in [
            ("start", Some(From::Start)),
            ("0", Some(From::Offset(0))),
            ("123", Some(From::Offset(123))),
            ("2023-11-14T22:13:20Z", Some(From::TimeMs(1_700_000_000_000))),
            ("-1", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<From>().ok(), place, "{text}");
        }
        assert_eq!(From::TimeMs(5).json(), json!({ "time_ms": 5 }));
    }

    #[test]
    fn what_has_no_versions_wants_consent() {
        let entity = |name: &str, versioned| ProfileEntity {
            name: name.into(),
            versioned,
            topic: Topic::new("t"),
        };
        let (account, note) = (entity("account", true), entity("annotation", false));
        assert_eq!(confirm(&[&account], false), Ok(()));
        assert_eq!(confirm(&[&account, &note], true), Ok(()));
        let refused = confirm(&[&account, &note], false).unwrap_err();
        assert!(refused.what.starts_with("annotation without versions:"), "{}", refused.what);
        assert!(refused.hint.contains("--yes"));
    }

    #[test]
    fn the_summary_adds_what_lanes_say() {
        let answer = |progress: &str| LaneRequest {
            id: uuid::Uuid::nil(),
            lane: LaneId {
                profile: ProfileId::new("crm").unwrap(),
                topic_partition: TopicPartition::new(&Topic::new("t"), 0),
            },
            body: String::new(),
            state: RequestState::Done,
            progress: progress.to_owned(),
            asked_at_us: 0,
        };
        let answers = [
            answer(r#"{"written":1200,"deleted":1,"superseded":2,"failed":3}"#),
            answer(r#"{"written":34}"#),
            answer("not understood"),
        ];
        let expected =
            "1,234 rows written, 1 deleted, 2 changes superseded by newer rows, 3 failed";
        assert_eq!(summary(&answers), expected);
    }
}

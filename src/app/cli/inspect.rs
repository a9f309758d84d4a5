//! `keepstep inspect`: what is on a topic, decoded, one line per change.
//!
//! Reads at positions and joins no group, so it disturbs nobody; ends at what was the end when it
//! began. Contents are hidden unless asked for: a terminal is a log, too.

use std::collections::VecDeque;
use std::path::Path;

use clap::Args;

use super::output::Output;
use super::shown::{Shown, Style};
use super::text::parse_time;
use super::{load, topic_of};
use crate::app::connect::{LogRole, OpenLog};
use crate::app::failure::Failure;
use crate::codec::Decoder;
use crate::log::{Log, LogRecord};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// Most records that one call shows.
const MOST_SHOWN: u64 = 100_000;

/// Show what is on a topic, decoded, oldest first.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// Topic to look at.
    topic: String,
    /// Where to begin: `earliest`, an offset, or a time (`2026-01-31T00:00:00Z`).
    #[arg(long, value_name = "WHERE", default_value = "earliest", value_parser = parse_from)]
    from: From,
    /// Show the last so many records instead.
    #[arg(
        long, value_name = "N", conflicts_with = "from",
        value_parser = clap::value_parser!(u64).range(1..=MOST_SHOWN)
    )]
    last: Option<u64>,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Stop after so many records.
    #[arg(
        long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=MOST_SHOWN)
    )]
    limit: u64,
    /// Show the attributes' values; they may be personal data.
    #[arg(long)]
    show_content: bool,
    /// One JSON object per change.
    #[arg(long)]
    json: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
enum From {
    Earliest,
    Offset(i64),
    Time(i64),
}

fn parse_from(text: &str) -> Result<From, String> {
    if text == "earliest" {
        return Ok(From::Earliest);
    }
    if let Ok(offset) = text.parse::<i64>() {
        return if offset < 0 {
            Err("an offset is never negative".to_owned())
        } else {
            Ok(From::Offset(offset))
        };
    }
    let time = parse_time(text).map(From::Time);
    time.ok_or_else(|| "write earliest, an offset, or a time (2026-01-31T00:00:00Z)".to_owned())
}

/// A partition that is being read.
struct Reader {
    topic_partition: TopicPartition,
    next: NextOffset,
    end: NextOffset,
    head: Option<LogRecord>,
}

impl Reader {
    async fn open(
        log: &dyn Log,
        topic_partition: TopicPartition,
        from: From,
        last: Option<u64>,
    ) -> Result<Self, Failure> {
        let bounds = log.bounds(&topic_partition).await?;
        let wanted = match (last, from) {
            (Some(last), _) => {
                NextOffset(bounds.end.0.saturating_sub(i64::try_from(last).unwrap_or(i64::MAX)))
            }
            (None, From::Earliest) => bounds.start,
            (None, From::Offset(offset)) => NextOffset(offset),
            (None, From::Time(time_ms)) => log.offset_for_time(&topic_partition, time_ms).await?,
        };
        let next = wanted.max(bounds.start);
        Ok(Self { topic_partition, next, end: bounds.end, head: None })
    }

    /// Reads the next record, unless one waits to be shown or the end is reached.
    async fn fill(&mut self, log: &dyn Log) -> Result<(), Failure> {
        if self.head.is_some() || self.next >= self.end {
            return Ok(());
        }
        let record = log.read_at(&self.topic_partition, self.next.offset()).await?;
        let record = record.filter(|record| self.end.covers(record.offset));
        self.next = record.as_ref().map_or(self.end, |record| record.offset.next());
        self.head = record;
        Ok(())
    }
}

/// The oldest record that waits, by its time on the log.
fn oldest(readers: &mut [Reader]) -> Option<(TopicPartition, LogRecord)> {
    let times = readers
        .iter()
        .enumerate()
        .filter_map(|(at, reader)| reader.head.as_ref().map(|record| (record.timestamp_ms, at)));
    let (_, at) = times.min()?;
    let reader = readers.get_mut(at)?;
    Some((reader.topic_partition.clone(), reader.head.take()?))
}

/// Runs the command.
pub(super) async fn run(
    arguments: InspectArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let topic = topic_of(&arguments.topic)?;
    let (settings, contents) = load(settings_path)?;
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?;
    let log = log.log();
    let mut readers = readers(log.as_ref(), &topic, &arguments).await?;
    let end = readers.iter().map(|reader| reader.end.0).max().unwrap_or(0);
    let partition = readers.iter().map(|reader| reader.topic_partition.partition.0).max();
    let position_width = format!("{topic}/{}@{end}", partition.unwrap_or(0)).len();
    let style = Style { content: arguments.show_content, json: arguments.json, position_width };
    let mut decoder = Decoder::new(contents.decoder);
    let mut show = |topic_partition: &TopicPartition, record: &LogRecord, output: &mut Output| {
        let decoded =
            record.payload.as_ref().map(|payload| decoder.decode(&record.headers, payload));
        let shown = Shown { topic_partition, record, decoded };
        shown.lines(style).iter().try_for_each(|line| output.line(line))
    };
    let limit = arguments.last.unwrap_or(arguments.limit);
    let mut kept = VecDeque::new();
    let mut count = 0;
    loop {
        for reader in &mut readers {
            reader.fill(log.as_ref()).await?;
        }
        let Some((topic_partition, record)) = oldest(&mut readers) else {
            break;
        };
        if arguments.last.is_some() {
            // Positions only: a thousand records may be a gigabyte.
            kept.push_back((topic_partition, record.offset));
            if u64::try_from(kept.len()).unwrap_or(u64::MAX) > limit {
                kept.pop_front();
            }
            continue;
        }
        if count == limit {
            if !arguments.json {
                let next = topic_partition.at(record.offset);
                output.line(&format!(
                    "there is more, from {next} on; --limit shows more at a time"
                ))?;
            }
            break;
        }
        count += 1;
        show(&topic_partition, &record, output)?;
    }
    for (topic_partition, offset) in &kept {
        if let Some(record) = log.read_at(topic_partition, *offset).await? {
            show(topic_partition, &record, output)?;
        }
    }
    if count == 0 && kept.is_empty() && !arguments.json {
        output.line(&format!("nothing on {topic} from there on"))?;
    }
    Ok(())
}

async fn readers(
    log: &dyn Log,
    topic: &Topic,
    arguments: &InspectArguments,
) -> Result<Vec<Reader>, Failure> {
    let description = log.describe(topic).await?.ok_or_else(|| {
        Failure::new(
            format!("there is no topic {topic}"),
            "check its name against the profiles; `keepstep check` lists their topics",
        )
    })?;
    let partitions = match arguments.partition {
        None => 0..description.partitions,
        Some(partition) if partition < description.partitions => partition..partition + 1,
        Some(partition) => {
            let last = description.partitions.saturating_sub(1);
            let hint = format!("its partitions are 0 to {last}");
            return Err(Failure::usage(format!("{topic} has no partition {partition}"), hint));
        }
    };
    let mut readers = Vec::new();
    for partition in partitions {
        let topic_partition = TopicPartition::new(topic, partition);
        readers.push(Reader::open(log, topic_partition, arguments.from, arguments.last).await?);
    }
    Ok(readers)
}

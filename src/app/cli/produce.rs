//! `keepstep produce`: appends notifications from a file or standard input, keyed by record id.
//!
//! Promises: order of the input is kept per topic; what cannot be decoded is not appended and stops
//! the command with its line, after everything before it was appended; memory is bounded whatever
//! the input. Works while another process consumes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{Output, spinner};
use super::text::{counted, grouped};
use super::{load, topic_of};
use crate::app::connect::{LogRole, OpenLog};
use crate::app::failure::Failure;
use crate::app::input::{self, Entry, Source};
use crate::app::keying::{Keyed, Keyer};
use crate::app::settings::Settings;
use crate::app::shutdown::Signals;
use crate::log::NewRecord;
use crate::model::position::Topic;

/// Append notifications from a file, keyed by record id.
#[derive(Debug, Args)]
pub(super) struct ProduceArguments {
    /// File with JSON lines or an Avro container file; standard input without it, or with `-`.
    file: Option<PathBuf>,
    /// Topic to append to; without it each change goes to its entity's topic, as the profiles say.
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// First line (or record of an Avro file) to append; those before it are passed over.
    #[arg(long, value_name = "N", default_value_t = 1)]
    from_line: u64,
}

/// Where each change goes.
enum Route {
    /// All to one topic.
    One(Topic),
    /// Each to the topics of its entity.
    ByEntity(BTreeMap<String, Vec<Topic>>),
}

impl Route {
    fn by_entity(settings: &Settings) -> Self {
        let mut topics: BTreeMap<String, Vec<Topic>> = BTreeMap::new();
        for entity in settings.profiles.iter().flat_map(|profile| &profile.profile.entities) {
            let known = topics.entry(entity.name.to_string()).or_default();
            if !known.contains(&entity.topic) {
                known.push(entity.topic.clone());
            }
        }
        Self::ByEntity(topics)
    }

    fn topic(&self, entity: &str) -> Result<&Topic, (String, &'static str)> {
        match self {
            Self::One(topic) => Ok(topic),
            Self::ByEntity(topics) => match topics.get(entity).map(Vec::as_slice) {
                Some([topic]) => Ok(topic),
                Some(several) if !several.is_empty() => {
                    let names: Vec<&str> = several.iter().map(Topic::as_str).collect();
                    let what = format!(
                        "is about {entity}, which has several topics: {}",
                        names.join(", ")
                    );
                    Err((what, "name one with --to"))
                }
                _ => Err((
                    format!("is about {entity}, and no profile has that entity"),
                    "name the topic with --to, or add the entity to a profile",
                )),
            },
        }
    }
}

/// What is being appended, and what was.
struct Appender<'a> {
    log: &'a OpenLog,
    route: Route,
    keyer: Keyer,
    partitions: BTreeMap<Topic, u32>,
    waiting: BTreeMap<Topic, Vec<NewRecord>>,
    appended: BTreeMap<Topic, u64>,
    skipped_links: u64,
    /// Number of the last entry that is on the log, with everything before it.
    last: u64,
}

impl Appender<'_> {
    /// Appends a pack of entries. On an error everything before the entry to blame is appended.
    async fn append(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut added = self.last;
        for entry in entries {
            if let Err(failure) = self.add(&entry).await {
                self.flush().await?;
                self.last = added;
                return Err(failure);
            }
            added = entry.number;
        }
        self.flush().await?;
        self.last = added;
        Ok(())
    }

    async fn add(&mut self, entry: &Entry) -> Result<(), Failure> {
        let at = |problem: String, hint: &str| {
            Failure::new(format!("line {} {problem}", entry.number), hint)
        };
        let keyed = self.keyer.key(&[], &entry.payload).map_err(|error| {
            at(
                format!("is no notification: {error}"),
                "schemas/README.md shows what one looks like",
            )
        })?;
        let (records, everywhere) = match keyed {
            Keyed::Nothing => {
                self.skipped_links += 1;
                return Ok(());
            }
            Keyed::Records(records) => (records, false),
            Keyed::EveryPartition(entity, record) => (vec![(entity, record)], true),
        };
        for (entity, record) in records {
            let topic = self.route.topic(entity.as_str());
            let topic = topic.map_err(|(problem, hint)| at(problem, hint))?.clone();
            let partitions = self.partitions(&topic).await?;
            let waiting = self.waiting.entry(topic).or_default();
            if everywhere {
                let copy = |partition| NewRecord { partition: Some(partition), ..record.clone() };
                waiting.extend((0..partitions).map(copy));
            } else {
                waiting.push(record);
            }
        }
        Ok(())
    }

    async fn partitions(&mut self, topic: &Topic) -> Result<u32, Failure> {
        if let Some(partitions) = self.partitions.get(topic) {
            return Ok(*partitions);
        }
        let partitions = self.log.ensure_topic(topic).await?.partitions;
        self.partitions.insert(topic.clone(), partitions);
        Ok(partitions)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        for (topic, records) in std::mem::take(&mut self.waiting) {
            let count = self.log.log().append(&topic, records).await?.len();
            *self.appended.entry(topic).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn total(&self) -> u64 {
        self.appended.values().sum()
    }

    /// Everything up to the last line is appended; after it something may be, if the log failed
    /// half-way. Appending it again does no harm to versioned entities.
    fn how_to_go_on(&self, failure: Failure) -> Failure {
        let next = self.last.saturating_add(1);
        let hint = format!("{}; then go on with --from-line {next}", failure.hint);
        Failure { hint, ..failure }
    }
}

/// Runs the command.
pub(super) async fn run(
    arguments: ProduceArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let (settings, contents) = load(settings_path)?;
    let mut signals = Signals::listen()?;
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?;
    let route = match &arguments.to {
        Some(topic) => Route::One(topic_of(topic)?),
        None => Route::by_entity(&settings),
    };
    let source = match arguments.file {
        Some(path) if path != Path::new("-") => Source::File(path),
        _ => Source::Standard,
    };
    let mut packs = input::read(source, settings.notifications.max_bytes)?;
    let mut appender = Appender {
        log: &log,
        route,
        keyer: Keyer::new(contents.decoder),
        partitions: BTreeMap::new(),
        waiting: BTreeMap::new(),
        appended: BTreeMap::new(),
        skipped_links: 0,
        last: arguments.from_line.saturating_sub(1),
    };
    let progress = spinner("appended");
    let mut stopped = false;
    let outcome = loop {
        let pack = tokio::select! {
            biased;
            _ = signals.next() => {
                stopped = true;
                break Ok(());
            }
            pack = packs.recv() => pack,
        };
        let appended = match pack {
            None => break Ok(()),
            Some(Ok(mut entries)) => {
                entries.retain(|entry| entry.number >= arguments.from_line);
                appender.append(entries).await
            }
            Some(Err(error)) => Err(Failure::new(error.to_string(), "correct the input")),
        };
        progress.set_position(appender.total());
        if let Err(failure) = appended {
            break Err(failure);
        }
    };
    progress.finish_and_clear();
    report(&appender, stopped, output)?;
    outcome.map_err(|failure| appender.how_to_go_on(failure))
}

fn report(appender: &Appender<'_>, stopped: bool, output: &mut Output) -> Result<(), Failure> {
    output.line(&format!("{} appended", counted(appender.total(), "notification")))?;
    let width = appender.appended.keys().map(|topic| topic.as_str().len()).max().unwrap_or(0);
    for (topic, count) in &appender.appended {
        output.line(&format!("  {:width$}  {:>12}", topic.as_str(), grouped(*count)))?;
    }
    if appender.skipped_links > 0 {
        let count = counted(appender.skipped_links, "notification");
        output
            .line(&format!("{count} left out: links of relationships that no definition knows"))?;
    }
    if stopped {
        let next = appender.last.saturating_add(1);
        output.line(&format!("stopped; go on with --from-line {next}"))?;
    }
    Ok(())
}

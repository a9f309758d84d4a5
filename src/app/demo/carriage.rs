//! Carries the changes: generator, log, pipeline and database put together, run and stopped.
//!
//! The pipeline is the product's own, with the settings that lie in the demo's folder; nothing in it
//! knows that it is a demo.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::DemoOptions;
use super::generation::{Assignment, Ends, Generation, GenerationError};
use super::organisation::{Kept, Organisation};
use super::place::Place;
use super::production::{
    LIVE_PER_SECOND, LiveBegin, PARTITIONS, Produced, Production, settled, written,
};
use super::progress::Progress;
use super::shipped::definitions;
use crate::app::connect::{LogRole, OpenLog, now_ms, open_destination};
use crate::app::contents::Contents;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::app::shutdown::Stop;
use crate::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use crate::metrics::Metrics;
use crate::model::entity::EntityDefinition;
use crate::model::mutation::Mutations;
use crate::pipeline::memory_budget::MemoryBudget;
use crate::pipeline::status::{LaneState, StatusBoard, Totals};
use crate::pipeline::{Definitions, LatencyHistogram, Pipeline, PipelineError, PipelineParts};

/// Most changes that happen live.
const MOST_LIVE: u64 = 10_000;
/// Share of the changes that happen live.
const LIVE_SHARE: u64 = 20;

/// Everything that is needed to carry changes.
pub(super) struct Carriage {
    parts: PipelineParts,
    production: Production,
    assignment: Assignment,
}

/// What was measured while some changes were carried.
pub(super) struct Stretch {
    /// How many changes that were.
    pub(super) changes: u64,
    /// In how many batches.
    pub(super) batches: u64,
    /// How long it took.
    pub(super) took: Duration,
    /// Times from append to commit.
    pub(super) latency: LatencyHistogram,
}

/// What was measured while carrying.
pub(super) struct Carried {
    /// What was produced as fast as it went, or at the rate that was asked for.
    pub(super) backlog: Stretch,
    /// What happened live after that.
    pub(super) live: Option<Stretch>,
}

/// How it ended when nothing failed.
pub(super) enum Ended {
    /// Everything is in the database.
    Carried(Box<Organisation>, Carried),
    /// It was stopped.
    Stopped {
        /// Changes on the log.
        produced: u64,
        /// Changes in the database.
        written: u64,
    },
}

/// Fails if another process works in the folder.
///
/// # Errors
/// If one does.
pub(super) async fn nobody_is_at_work(place: &Place) -> Result<(), Failure> {
    match EmbeddedLog::open(place.log(), OpenMode::Consume, EmbeddedSettings::new(Arc::new(now_ms)))
        .await
    {
        Err(error) if error.code == "LOG_IN_USE" => Err(error.into()),
        // A log that cannot be opened for another reason may be what is to be removed.
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Carriage {
    /// Opens log and database in the demo's folder.
    ///
    /// # Errors
    /// If another process works in it, or one of them cannot be opened.
    pub(super) async fn open(options: &DemoOptions, place: &Place) -> Result<Self, Failure> {
        let fault = |what: String| Failure::new(what, "report it: it is a fault of keepstep");
        let definitions = definitions().map_err(|error| fault(error.to_string()))?;
        let settings = Settings::load(&place.settings())?;
        let mut contents = Contents::load(&settings, &place.settings())?;
        let profile = settings.profiles.first();
        let destination = settings.destinations.values().next();
        let (Some(profile), Some(destination)) = (profile, destination) else {
            return Err(fault("the demo's settings lack a profile".to_owned()));
        };
        let mappings = contents.mappings(0, &profile.profile);
        let profile = profile.profile.clone();
        let log = OpenLog::open(&settings.log, LogRole::Consumes).await?;
        let metrics = Metrics::new().map_err(|error| fault(error.to_string()))?;
        let names = profile.entities.iter().map(|entity| entity.name.as_str());
        let bytes = usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX);
        let topics = profile.entities.iter().map(|entity| entity.topic.clone());
        let topics = Kept::ALL.into_iter().zip(topics).collect();
        let parts = PipelineParts {
            metrics: Arc::new(metrics.profile(profile.id.as_str(), names)),
            profile: Arc::new(profile),
            definitions: Definitions::fixed(mappings),
            decoder: contents.decoder,
            log: log.log(),
            destination: open_destination(destination)?,
            budget: MemoryBudget::new(bytes),
            status: Arc::new(StatusBoard::default()),
            clock: Arc::new(now_ms),
            seed: rand::random(),
            mutations: Mutations::default(),
        };
        let production = Production {
            log,
            topics,
            board: Arc::clone(&parts.status),
            produced: Arc::new(Produced::default()),
            rate: options.rate,
        };
        let ends = production.prepare().await?;
        let assignment = assignment(options, definitions, ends);
        Ok(Self { parts, production, assignment })
    }

    /// Changes on the log already.
    pub(super) fn produced(&self) -> u64 {
        self.production.produced.get()
    }

    /// Carries everything, or as much as there is time for.
    ///
    /// # Errors
    /// If the log holds something else, or the pipeline cannot go on.
    pub(super) async fn run(self, mut stop: Stop) -> Result<Ended, Failure> {
        let Self { parts, production, assignment } = self;
        let (board, produced) = (Arc::clone(&parts.status), Arc::clone(&production.produced));
        let progress = Progress {
            produced: Arc::clone(&produced),
            board: Arc::clone(&board),
            changes: assignment.changes,
            stop: stop.clone(),
        };
        let (stopper, stopping) = watch::channel(false);
        let mut running = JoinSet::new();
        running.spawn(Pipeline::new(parts).run(stopping));
        let begun = Instant::now();
        let (generation, chunks) = Generation::start(assignment).map_err(no_thread)?;
        let carry = async {
            let live = production.run(chunks).await?;
            written(&board, produced.get()).await;
            Ok(Some(live))
        };
        let ended = tokio::select! {
            carried = carry => carried,
            failure = broken(&board, &mut running) => Err(failure),
            () = stop.asked() => Ok(None),
            () = progress.show() => Ok(None),
        };
        let took = begun.elapsed();
        let (settled, before) = (settled(&board), board.totals().changes);
        stopper.send_replace(true);
        while running.join_next().await.is_some() {}
        let written = settled + board.totals().changes.saturating_sub(before);
        let Some(live) = ended? else {
            return Ok(Ended::Stopped { produced: produced.get(), written });
        };
        let finished = tokio::task::spawn_blocking(move || generation.finish()).await;
        let organisation = finished.unwrap_or(Err(GenerationError::Ended)).map_err(wrong_log)?;
        let carried = carried(&board, begun, took, live);
        Ok(Ended::Carried(Box::new(organisation), carried))
    }
}

fn carried(
    board: &StatusBoard,
    begun: Instant,
    took: Duration,
    live: Option<LiveBegin>,
) -> Carried {
    let (totals, latency) = (board.totals(), board.latency());
    let Some(live) = live else {
        let Totals { changes, batches, .. } = totals;
        return Carried { backlog: Stretch { changes, batches, took, latency }, live: None };
    };
    let before = live.at.duration_since(begun);
    Carried {
        live: Some(Stretch {
            changes: totals.changes.saturating_sub(live.totals.changes),
            batches: totals.batches.saturating_sub(live.totals.batches),
            took: took.saturating_sub(before),
            latency: latency.since(&live.latency),
        }),
        backlog: Stretch {
            changes: live.totals.changes,
            batches: live.totals.batches,
            took: before,
            latency: live.latency,
        },
    }
}

fn no_thread(error: std::io::Error) -> Failure {
    let what = format!("the system gives no thread: {}", error.kind());
    Failure::new(what, "end other processes on this machine")
}

fn assignment(
    options: &DemoOptions,
    definitions: Vec<Arc<EntityDefinition>>,
    ends: Ends,
) -> Assignment {
    let per_second = options.rate.unwrap_or(LIVE_PER_SECOND);
    Assignment {
        definitions,
        seed: options.seed,
        changes: options.changes,
        live: match options.rate {
            Some(_) => 0,
            None => (options.changes / LIVE_SHARE).min(MOST_LIVE),
        },
        // A hundredth of a second's worth.
        paced_chunk: usize::try_from(per_second / 100).unwrap_or(usize::MAX).max(1),
        paced: options.rate.is_some(),
        partitions: PARTITIONS,
        ends,
    }
}

fn wrong_log(error: GenerationError) -> Failure {
    Failure::new(
        format!("the demo cannot go on: {error}"),
        "another version of keepstep began it, or something else was appended: start anew with \
         --fresh",
    )
}

/// Waits until the pipeline cannot go on, and says why.
async fn broken(board: &StatusBoard, running: &mut JoinSet<Result<(), PipelineError>>) -> Failure {
    let mut notices = board.subscribe();
    loop {
        for (topic_partition, lane) in board.lanes() {
            if let LaneState::Stopped(reason) = lane.state {
                return Failure::new(format!("{topic_partition} stopped: {reason}"), FRESH);
            }
        }
        tokio::select! {
            ended = running.join_next() => return match ended {
                Some(Ok(Err(error))) => Failure::new(error.to_string(), FRESH),
                _ => Failure::new("the pipeline ended early", "report it: it is a fault of keepstep"),
            },
            changed = notices.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}

/// What helps when log and database do not fit each other any more.
const FRESH: &str = "if log or database were changed by hand, start anew with --fresh";

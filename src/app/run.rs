//! Runs every profile of the settings until a stop is asked for: the composition, and nothing else.
//!
//! A profile that a person must mend (a topic is missing, a table belongs to another profile) is
//! said in the log and tried again slowly; the others go on. If none could be activated at all, the
//! process ends with the first one's reason. The HTTP server answers from the first moment to the
//! last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use super::connect::{LogRole, OpenLog, no_topic, now_ms, open_destination};
use super::contents::Contents;
use super::definitions::{FollowParts, MetadataTopic, follow};
use super::failure::Failure;
use super::http::{Readiness, Server};
use super::keys::key_fault;
use super::settings::Settings;
use super::settings::profile::ProfileSettings;
use super::shutdown::Stop;
use crate::codec::DecoderSettings;
use crate::destination::Destination;
use crate::failed::compactor::{self, CompactorParts, ListedProfile};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::model::mutation::Mutations;
use crate::model::profile::ProfileId;
use crate::pipeline::memory_budget::MemoryBudget;
use crate::pipeline::status::{LaneState, StatusBoard};
use crate::pipeline::{ActivationError, Definitions, Pipeline, PipelineError, PipelineParts};

/// How long a profile that a person must mend waits before it is tried again.
const SLOW_RETRY: Duration = Duration::from_secs(30);
/// How long until definitions that could not be read are looked for again.
const DEFINITIONS_RETRY: Duration = Duration::from_secs(5);
/// How often readiness and the memory gauge are looked after.
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// How often a process looks whether it may take the failed-record list over.
const TAKEOVER_PERIOD: Duration = Duration::from_secs(5);
/// How often the failed-record list is compared with what the destinations hold.
const COMPARE_PERIOD: Duration = Duration::from_secs(60);
/// What the failed-record list may take to stop once the profiles have.
const COMPACTOR_STOP: Duration = Duration::from_secs(5);
/// What a stop may take beyond the longest drain.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// How long the process may take to stop.
pub fn stop_deadline(settings: &Settings) -> Duration {
    let drains = settings.profiles.iter().map(|profile| profile.profile.drain);
    drains.max().unwrap_or_default() + STOP_MARGIN
}

/// One profile and what it is run with.
struct Runner {
    settings: ProfileSettings,
    log: OpenLog,
    parts: PipelineParts,
}

/// Runs every profile until `stop` is asked for.
///
/// # Errors
/// If the log or a destination cannot be opened, the HTTP address cannot be had, or no profile
/// could be activated.
pub async fn run(settings: &Settings, contents: Contents, mut stop: Stop) -> Result<(), Failure> {
    if settings.profiles.is_empty() {
        let hint = "write a [[profile]]; examples/keepstep.toml has one";
        return Err(Failure::usage("there is no profile to run", hint));
    }
    let metrics = Metrics::new().map_err(|error| {
        Failure::new(
            format!("the metrics cannot be made: {error}"),
            "report it: it is a fault of keepstep",
        )
    })?;
    let (readiness, watched) = watch::channel(Readiness::NotReady("starting".to_owned()));
    let mut beside = JoinSet::new();
    if let Some(address) = settings.listen {
        let server = Server::bind(address).await.map_err(|error| {
            let what = format!("cannot listen on {address}: {}", error.kind());
            Failure::new(what, "choose another address in [http] listen, or write \"off\"")
        })?;
        let address = server.address().unwrap_or(address);
        tracing::info!(%address, "listening for /metrics, /healthz and /readyz");
        let server = server.serve(metrics.clone(), watched);
        beside.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP server ended; the profiles go on");
            }
        });
    }
    let decoder = Arc::clone(&contents.decoder);
    let (runners, following): (Vec<_>, Vec<_>) =
        runners(settings, contents, &metrics, &mut stop).await?.into_iter().unzip();
    for parts in following {
        beside.spawn(follow(parts));
    }
    let mut compacting = JoinSet::new();
    if let Some(log) = runners.first().map(|runner| runner.log.log())
        && settings.failed_list.compact
    {
        let parts = compactor_parts(settings, &runners, log, decoder, &metrics);
        compacting.spawn(compactor::run(parts, stop.watch()));
    }
    let board =
        |runner: &Runner| (runner.settings.profile.id.clone(), Arc::clone(&runner.parts.status));
    let boards: Vec<_> = runners.iter().map(board).collect();
    let budget = runners.first().map(|runner| Arc::clone(&runner.parts.budget));
    beside.spawn(look_after(boards.clone(), budget, metrics, readiness, stop.clone()));
    let outcome = supervise(runners, &boards, &mut stop).await;
    if stop.is_asked() && timeout(COMPACTOR_STOP, compacting.join_next()).await.is_err() {
        tracing::warn!("the failed-record list was left in the middle; it goes on from there");
    }
    compacting.shutdown().await;
    beside.shutdown().await;
    outcome
}

/// What the failed-record list is made with.
fn compactor_parts(
    settings: &Settings,
    runners: &[Runner],
    log: Arc<dyn Log>,
    decoder: Arc<DecoderSettings>,
    metrics: &Metrics,
) -> CompactorParts {
    let listed = |runner: &Runner| ListedProfile {
        id: runner.parts.profile.id.clone(),
        metrics: metrics.failed_list(runner.parts.profile.id.as_str()),
        topics: runner.parts.profile.topics(),
        destination: Arc::clone(&runner.parts.destination),
    };
    CompactorParts {
        path: settings.failed_list.path.clone(),
        profiles: runners.iter().map(listed).collect(),
        log,
        decoder,
        keep_resolved_days: settings.failed_list.keep_resolved_days,
        clock_us: Arc::new(|| now_ms().saturating_mul(1_000)),
        takeover_period: TAKEOVER_PERIOD,
        compare_period: COMPARE_PERIOD,
    }
}

/// Reads the topics with definitions; waits for those who must publish one, or mend the log. `None`
/// if a stop is asked for.
async fn complete(
    settings: &Settings,
    contents: &mut Contents,
    log: &OpenLog,
    stop: &mut Stop,
) -> Option<Vec<Option<MetadataTopic>>> {
    loop {
        let failure = tokio::select! {
            completed = contents.complete(settings, log) => match completed {
                Ok(topics) => return Some(topics),
                Err(failure) => failure,
            },
            () = stop.asked() => return None,
        };
        let (error, hint) = (failure.what, failure.hint);
        tracing::warn!(error, hint, "waiting for definitions; nothing is copied without them");
        tokio::select! {
            () = sleep(DEFINITIONS_RETRY) => {}
            () = stop.asked() => return None,
        }
    }
}

/// Opens what the profiles need.
async fn runners(
    settings: &Settings,
    mut contents: Contents,
    metrics: &Metrics,
    stop: &mut Stop,
) -> Result<Vec<(Runner, FollowParts)>, Failure> {
    let log = OpenLog::open(&settings.log, LogRole::Consumes).await?;
    let Some(topics) = complete(settings, &mut contents, &log, stop).await else {
        return Ok(Vec::new());
    };
    let mut destinations: BTreeMap<&str, Arc<dyn Destination>> = BTreeMap::new();
    for profile in &settings.profiles {
        if let Some(wanted) = settings.destinations.get(&profile.destination)
            && !destinations.contains_key(profile.destination.as_str())
        {
            destinations.insert(&profile.destination, open_destination(wanted)?);
        }
    }
    let bytes = usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX);
    metrics.set_memory_budget(bytes);
    let budget = MemoryBudget::new(bytes);
    let mut runners = Vec::new();
    for (at, (profile, topic)) in settings.profiles.iter().zip(topics).enumerate() {
        let Some(destination) = destinations.get(profile.destination.as_str()) else {
            continue;
        };
        let (newer, definitions) = Definitions::changing(contents.mappings(at, &profile.profile));
        let following = FollowParts {
            settings: profile.clone(),
            book: contents.books.get(at).cloned().unwrap_or_default(),
            topic,
            newer,
        };
        let entities = profile.profile.entities.iter().map(|entity| entity.name.as_str());
        let parts = PipelineParts {
            metrics: Arc::new(metrics.profile(profile.profile.id.as_str(), entities)),
            profile: Arc::new(profile.profile.clone()),
            definitions,
            decoder: Arc::clone(&contents.decoder),
            log: log.log(),
            destination: Arc::clone(destination),
            budget: Arc::clone(&budget),
            status: Arc::new(StatusBoard::default()),
            clock: Arc::new(now_ms),
            seed: rand::random(),
            mutations: Mutations::default(),
        };
        let settings = profile.clone();
        runners.push((Runner { settings, log: log.clone(), parts }, following));
    }
    Ok(runners)
}

/// Keeps every profile running; one that failed is tried again slowly.
async fn supervise(
    runners: Vec<Runner>,
    boards: &[(ProfileId, Arc<StatusBoard>)],
    stop: &mut Stop,
) -> Result<(), Failure> {
    let total = runners.len();
    let mut running = JoinSet::new();
    for runner in runners {
        running.spawn(attempt(runner, Duration::ZERO, stop.clone()));
    }
    let mut failed = 0;
    while let Some(ended) = running.join_next().await {
        let Ok((runner, outcome)) = ended else {
            tracing::error!("a profile failed by a fault of this program; please report it");
            continue;
        };
        let Err(failure) = outcome else {
            continue;
        };
        failed += 1;
        let activated = boards.iter().any(|(_, board)| board.is_activated());
        if failed == total && !activated {
            return Err(failure);
        }
        let retry_s = SLOW_RETRY.as_secs();
        tracing::error!(
            profile.id = %runner.settings.profile.id, error = failure.what, hint = failure.hint,
            retry_s, "the profile has failed and is tried again"
        );
        running.spawn(attempt(runner, SLOW_RETRY, stop.clone()));
    }
    Ok(())
}

/// One attempt to run a profile, after a wait; gives the runner back for the next one.
async fn attempt(runner: Runner, wait: Duration, mut stop: Stop) -> (Runner, Result<(), Failure>) {
    tokio::select! {
        () = sleep(wait) => {}
        () = stop.asked() => return (runner, Ok(())),
    }
    let mut beside = JoinSet::new();
    let prepared = tokio::select! {
        prepared = prepare(&runner, &mut beside) => prepared,
        () = stop.asked() => return (runner, Ok(())),
    };
    let outcome = match prepared {
        Err(failure) => Err(failure),
        Ok(()) => {
            let pipeline = Pipeline::new(runner.parts.clone());
            pipeline.run(stop.watch()).await.map_err(failure_of)
        }
    };
    (runner, outcome)
}

/// Makes the topics of the embedded log, asks for those of a broker, and refuses a topic without keys that needs them.
/// A dead-letter topic that cannot be made is no reason to wait: it is tried again in `beside`.
async fn prepare(runner: &Runner, beside: &mut JoinSet<()>) -> Result<(), Failure> {
    let profile = &runner.parts.profile;
    if let Err(failure) = runner.log.ensure_failed_topic(&profile.id).await {
        tracing::warn!(profile.id = %profile.id, error = failure.what, hint = failure.hint);
        let (log, id) = (runner.log.clone(), profile.id.clone());
        beside.spawn(async move {
            // Whoever runs the brokers may make it, or give the right to, at any time.
            let mut tries = interval(SLOW_RETRY);
            tries.tick().await;
            loop {
                tries.tick().await;
                if log.ensure_failed_topic(&id).await.is_ok() {
                    return;
                }
            }
        });
    }
    for topic in profile.topics() {
        if matches!(runner.log, OpenLog::Embedded(..)) {
            runner.log.ensure_topic(&topic).await?;
        }
        // An outage is waited for by the pipeline, which asks again; this is no place to fail.
        let Ok(Some(description)) = runner.parts.log.describe(&topic).await else {
            continue;
        };
        let partitions = description.partitions;
        let decoder = &runner.parts.decoder;
        let fault = key_fault(runner.parts.log.as_ref(), &topic, partitions, decoder).await;
        if let Ok(Some(fault)) = fault {
            return Err(Failure::new(
                format!("topic {topic} has {partitions} partitions, and {fault}"),
                format!(
                    "order per record needs keys: `keepstep relay {topic} TARGET` writes a keyed \
                     topic; then name TARGET in the profile"
                ),
            ));
        }
    }
    Ok(())
}

fn failure_of(error: PipelineError) -> Failure {
    match error {
        PipelineError::Log(error) => error.into(),
        PipelineError::Activation(error) => activation_failure(error),
    }
}

/// What a command says where a profile cannot be activated.
pub fn activation_failure(error: ActivationError) -> Failure {
    match error {
        ActivationError::Log(error) => error.into(),
        ActivationError::Destination(error) => error.into(),
        ActivationError::NoTopic(topic) => no_topic(&topic),
        ActivationError::Compacted(_) => Failure::new(error.to_string(), ""),
    }
}

/// Keeps readiness and the gauge of the memory budget up to date.
async fn look_after(
    boards: Vec<(ProfileId, Arc<StatusBoard>)>,
    budget: Option<Arc<MemoryBudget>>,
    metrics: Metrics,
    readiness: watch::Sender<Readiness>,
    stop: Stop,
) {
    let mut ticks = interval(LOOK_PERIOD);
    let mut said = BTreeSet::new();
    loop {
        ticks.tick().await;
        for (profile, board) in &boards {
            if board.is_activated() && said.insert(profile) {
                tracing::info!(profile.id = %profile, "profile activated");
            }
        }
        if let Some(budget) = &budget {
            metrics.set_memory_used(budget.used_bytes());
        }
        let now = if stop.is_asked() {
            Readiness::NotReady("stopping".to_owned())
        } else {
            readiness_of(&boards)
        };
        readiness.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}

/// Ready: every profile is activated, and no lane of this process waits or stands still.
fn readiness_of(boards: &[(ProfileId, Arc<StatusBoard>)]) -> Readiness {
    let starting = boards.iter().filter(|(_, board)| !board.is_activated()).count();
    if starting > 0 {
        return Readiness::NotReady(format!(
            "{starting} of {} profiles not activated",
            boards.len()
        ));
    }
    let lanes = boards.iter().flat_map(|(_, board)| board.lanes().into_values());
    let (mut waiting, mut stopped) = (0, 0);
    for lane in lanes {
        match lane.state {
            LaneState::Taking | LaneState::Running => {}
            LaneState::Waiting(_) => waiting += 1,
            LaneState::Stopped(_) => stopped += 1,
        }
    }
    if waiting + stopped == 0 {
        return Readiness::Ready;
    }
    Readiness::NotReady(format!("{waiting} lanes waiting, {stopped} stopped; the log says why"))
}

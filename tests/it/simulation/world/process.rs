//! The keepstep processes of a world.
#![expect(clippy::disallowed_methods, reason = "members have no owner")]

use keepstep::model::layout::{Existing, Layout, Widen};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use keepstep::codec::DecoderSettings;
use keepstep::metrics::Metrics;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::profile::{Profile, ProfileEntity, Start};
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::StatusBoard;
use keepstep::pipeline::{Definitions, Pipeline, PipelineParts};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::{Stage, profile_id};
use crate::simulation::source::{ENTITIES, mapping, mapping_of};

/// The largest record that the source publishes, in memory, from above.
const LARGEST_RECORD_BYTES: usize = 8 * 1_024;

/// One keepstep process.
pub(super) struct Process {
    pub(super) name: String,
    pub(super) stop: watch::Sender<bool>,
    pub(super) pipeline: JoinHandle<()>,
    pub(super) status: Arc<StatusBoard>,
}

impl Stage {
    pub(super) fn start(self: &Arc<Self>, name: &str, entities: usize) -> Process {
        self.tell(format!("start {name} with {entities} entities"));
        let seed = self.next_seed.fetch_add(1, Ordering::Relaxed);
        let names = || ENTITIES[..entities].iter();
        let profile = Profile {
            id: profile_id(),
            name: "simulated".to_owned(),
            layout: Layout::plain("dbo", None),
            existing: Existing::Adopt,
            keep_deleted: false,
            widen: Widen::default(),
            entities: names()
                .map(|(name, versioned)| ProfileEntity {
                    name: (*name).into(),
                    versioned: *versioned,
                    topic: self.topic.clone(),
                })
                .collect(),
            unknown_attributes: UnknownAttribute::Stop,
            images_only: false,
            start: Start::Earliest,
            batch: self.world.limits,
            retry_count: 3,
            retry_interval: Duration::from_secs(1),
            drain: self.world.drain,
        };
        // Some start with definitions that are out of date, and hear of the newer ones later.
        let newer: Vec<_> = names().map(|(name, versioned)| mapping(name, *versioned)).collect();
        let outdated = seed.is_multiple_of(4);
        let older = |(name, versioned): &(&str, bool)| mapping_of(name, *versioned, &["n0", "n2"]);
        let first = if outdated { names().map(older).collect() } else { newer.clone() };
        let (defined, definitions) = Definitions::changing(first);
        let heard_after = Duration::from_millis(seed / 4 % 4_000);
        let metrics = Metrics::new().unwrap();
        let status: Arc<StatusBoard> = Arc::default();
        let budget = MemoryBudget::new(self.world.memory_bytes);
        let parts = PipelineParts {
            profile: Arc::new(profile),
            definitions,
            decoder: Arc::new(DecoderSettings::default()),
            log: Arc::new(self.log.client(name)),
            destination: Arc::clone(&self.destination),
            budget: Arc::clone(&budget),
            status: Arc::clone(&status),
            metrics: Arc::new(metrics.profile("sim", names().map(|(name, _)| *name))),
            clock: Arc::clone(&self.clock),
            seed,
            mutations: self.mutations,
        };
        let (stop, stopped) = watch::channel(false);
        let oracle = Arc::clone(&self.oracle);
        let most = self.world.memory_bytes + self.world.partitions as usize * LARGEST_RECORD_BYTES;
        let label = name.to_owned();
        let pipeline = tokio::spawn(async move {
            let hearing = async {
                sleep(heard_after).await;
                if outdated {
                    defined.send_replace(newer.into());
                }
                std::future::pending::<()>().await;
            };
            let watching = async {
                // G9: never more than the budget and one record per lane.
                loop {
                    if budget.used_bytes() > most {
                        oracle.problem(format!("{label} holds {} bytes", budget.used_bytes()));
                    }
                    sleep(Duration::from_millis(37)).await;
                }
            };
            tokio::select! {
                biased;
                ended = Pipeline::new(parts).run(stopped) => {
                    if let Err(error) = ended {
                        oracle.problem(format!("{label} ended: {error}"));
                    }
                }
                () = watching => {}
                () = hearing => {}
            }
        });
        Process { name: name.to_owned(), stop, pipeline, status }
    }
}

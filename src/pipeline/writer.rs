//! Has one batch written, to the end or to a reason why not.
//!
//! An outage is waited for, with back-off and without an end: the lane stands still, keeps its
//! partition, and shows it. Whatever is unclear or fenced is never tried again as it is: the lane
//! takes its checkpoint anew and reads on from what that says.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::status::{LaneReporter, LaneState};
use super::{FIRST_WAIT, LONGEST_WAIT};
use crate::destination::{Destination, RejectedRecord, Trouble, WriteError, Written};
use crate::metrics::{BatchOutcome, ProfileMetrics, RetryCause};
use crate::model::backoff::Backoff;
use crate::model::batch::Batch;
use crate::model::checkpoint::Fence;

/// First wait after an error that a person must mend.
const FIRST_SLOW_WAIT: Duration = Duration::from_secs(5);
/// Longest wait then.
const LONGEST_SLOW_WAIT: Duration = Duration::from_secs(60);

/// How the writing of a batch ended.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// It is in the destination.
    Written(Written),
    /// Only the checkpoint knows: take it again.
    Retake,
    /// A record cannot be written; nothing was.
    Rejected(RejectedRecord),
    /// The lane is closing and the destination is away.
    GaveUp,
}

/// What a writer needs beside the batch.
pub(super) struct Writer {
    pub(super) destination: Arc<dyn Destination>,
    pub(super) metrics: Arc<ProfileMetrics>,
    pub(super) status: LaneReporter,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) rng: SmallRng,
}

impl Writer {
    /// Writes the batch behind its fence.
    pub(super) async fn write(mut self, fence: Fence, batch: Arc<Batch>) -> WriteEnd {
        let mut quick = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut slow = Backoff::new(FIRST_SLOW_WAIT, LONGEST_SLOW_WAIT);
        loop {
            let started = Instant::now();
            let wait = match self.destination.write(&fence, &batch).await {
                Ok(written) => {
                    self.metrics.count_batch(BatchOutcome::Written);
                    self.metrics.observe_batch_write(started.elapsed());
                    return WriteEnd::Written(written);
                }
                Err(WriteError::Fenced) => {
                    self.metrics.count_batch(BatchOutcome::Fenced);
                    return WriteEnd::Retake;
                }
                Err(WriteError::Unclear(trouble)) => {
                    self.metrics.count_batch(BatchOutcome::Unclear);
                    self.metrics.count_retry(RetryCause::Unclear);
                    self.tell(&fence, &trouble);
                    return WriteEnd::Retake;
                }
                Err(WriteError::Rejected(rejected)) => {
                    self.metrics.count_batch(BatchOutcome::Rejected);
                    let Some(first) = rejected.into_iter().next() else { continue };
                    return WriteEnd::Rejected(first);
                }
                Err(WriteError::Retry(trouble)) => {
                    self.metrics.count_batch(BatchOutcome::Retry);
                    self.metrics.count_retry(RetryCause::Destination);
                    self.tell(&fence, &trouble);
                    quick.next_wait(self.rng.random())
                }
                Err(WriteError::Fatal(trouble) | WriteError::Table { trouble, .. }) => {
                    self.metrics.count_batch(BatchOutcome::Fatal);
                    self.metrics.count_retry(RetryCause::Fatal);
                    self.tell(&fence, &trouble);
                    slow.next_wait(self.rng.random())
                }
            };
            if wait_or_closing(&mut self.closing, wait).await {
                return WriteEnd::GaveUp;
            }
        }
    }

    fn tell(&self, fence: &Fence, trouble: &Trouble) {
        tracing::warn!(lane = %fence.lane, code = %trouble.code, "{trouble}");
        self.status.state(LaneState::Waiting(trouble.to_string()));
    }
}

/// Waits; says whether the lane is closing instead.
pub(super) async fn wait_or_closing(closing: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    tokio::select! {
        biased;
        // A sender that is gone means that the pipeline is: closing, too.
        _ = closing.wait_for(|closing| *closing) => true,
        () = sleep(wait) => false,
    }
}

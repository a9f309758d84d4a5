//! Sends what is held and released to the dead-letter topic, after the commit.
//!
//! The destination's held changes are the truth, and this topic their outbox: whatever is not
//! marked as published is sent, now or after a crash, and marked once the topic has acknowledged
//! it. Sent twice is harmless, for readers keep the highest revision. The lane never waits for it:
//! a topic that cannot be reached delays the list, nothing else. Nothing is kept in memory but one
//! page of names and their records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::lane::Lane;
use super::retry::read_exactly;
use super::status::LaneReporter;
use crate::codec::encode_dead_letter;
use crate::destination::{Destination, WhichHeld};
use crate::log::{Log, NewRecord};
use crate::metrics::ProfileMetrics;
use crate::model::backoff::Backoff;
use crate::model::checkpoint::LaneId;
use crate::model::dead_letter::{DeadLetter, OriginalRecord};
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::position::Topic;

/// What the list says of a record that the dead-letter topic cannot take.
const TOO_LARGE: &str =
    "; the record is larger than the dead-letter topic takes and lies only at its own position";
/// Held changes that are sent at once.
const PAGE: usize = 100;
/// Bytes of records beyond which a page is sent before it is full.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How often it looks without being woken.
const LOOK_PERIOD: Duration = Duration::from_secs(60);
/// First and longest wait while the topic cannot be reached.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The outbox of one tenure. Dropped, it stops; the next tenure's goes on.
pub(super) struct Outbox {
    wake: Arc<Notify>,
    _sender: JoinSet<()>,
}

impl Outbox {
    /// Starts to send what is not published.
    pub(super) fn start(lane: &mut Lane) -> Self {
        let wake = Arc::<Notify>::default();
        let mut sending = JoinSet::new();
        wake.notify_one();
        let sender = Sender {
            topic: lane.id.profile.failed_topic(),
            lane: lane.id.clone(),
            destination: Arc::clone(&lane.parts.destination),
            log: Arc::clone(&lane.parts.log),
            metrics: Arc::clone(&lane.parts.metrics),
            status: lane.status.clone(),
            wake: Arc::clone(&wake),
            rng: lane.fork_rng(),
            forgetful: lane.parts.mutations.outbox_forgetful(),
        };
        sending.spawn(sender.run());
        Self { wake, _sender: sending }
    }

    /// Something was held or released.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

struct Sender {
    lane: LaneId,
    topic: Topic,
    destination: Arc<dyn Destination>,
    log: Arc<dyn Log>,
    metrics: Arc<ProfileMetrics>,
    status: LaneReporter,
    wake: Arc<Notify>,
    rng: SmallRng,
    /// A fault built in: what is unpublished at the start is marked, not sent.
    forgetful: bool,
}

impl Sender {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failing = false;
        loop {
            if !failing {
                // A notice that comes while it sends is kept.
                drop(timeout(LOOK_PERIOD, self.wake.notified()).await);
            }
            match self.send_all().await {
                Ok(()) => {
                    self.forgetful = false;
                    if failing {
                        tracing::info!(lane = %self.lane, topic = %self.topic, "dead letters are sent again");
                    }
                    failing = false;
                    backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
                    self.status.outbox(None);
                }
                Err(why) => {
                    if !failing {
                        tracing::warn!(lane = %self.lane, topic = %self.topic, why, "dead letters cannot be sent; copying goes on, and they are sent later");
                    }
                    failing = true;
                    self.status.outbox(Some(why));
                    sleep(backoff.next_wait(self.rng.random())).await;
                }
            }
        }
    }

    /// Sends page after page until nothing is unpublished.
    async fn send_all(&self) -> Result<(), String> {
        let mut after: Option<HeldKey> = None;
        loop {
            let page =
                self.destination.held(&self.lane, WhichHeld::Unpublished, after.as_ref(), PAGE);
            let page = page.await.map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let was_last = page.len() < PAGE;
            if self.forgetful {
                let named = |held: HeldChange| (held, NewRecord::default());
                self.mark(&page.into_iter().map(named).collect::<Vec<_>>()).await?;
            } else {
                self.send(page).await?;
            }
            if was_last {
                return Ok(());
            }
        }
    }

    async fn send(&self, page: Vec<HeldChange>) -> Result<(), String> {
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for held in page {
            let original = match held.open {
                true => {
                    read_exactly(self.log.as_ref(), &self.lane.topic_partition, held.key.offset)
                        .await
                        .map_err(|error| error.to_string())?
                        .map(|record| OriginalRecord::from(&record))
                }
                false => None,
            };
            let record = self.letter(&held, original);
            bytes += record.size_bytes();
            letters.push((held, record));
            if bytes > PAGE_BYTES {
                self.append(std::mem::take(&mut letters)).await?;
                bytes = 0;
            }
        }
        self.append(letters).await
    }

    fn letter(&self, held: &HeldChange, original: Option<OriginalRecord>) -> NewRecord {
        let letter = DeadLetter::of(&self.lane, held, original);
        NewRecord {
            key: Some(Bytes::from(letter.key())),
            payload: Some(Bytes::from(encode_dead_letter(&letter))),
            ..NewRecord::default()
        }
    }

    /// Appends dead letters and marks them. If one is larger than the topic takes, each goes alone,
    /// and that one names the place of its record instead of carrying it.
    async fn append(&self, letters: Vec<(HeldChange, NewRecord)>) -> Result<(), String> {
        if letters.is_empty() {
            return Ok(());
        }
        let records = || letters.iter().map(|(_, record)| record.clone()).collect();
        match self.log.append(&self.topic, records()).await {
            Ok(_) => self.mark(&letters).await,
            Err(error) if error.retry || !is_too_large(&error.code) => Err(error.to_string()),
            Err(_) => {
                for (held, record) in letters {
                    self.append_alone(held, record).await?;
                }
                Ok(())
            }
        }
    }

    async fn append_alone(&self, held: HeldChange, record: NewRecord) -> Result<(), String> {
        let sent = match self.log.append(&self.topic, vec![record.clone()]).await {
            Err(error) if !error.retry && is_too_large(&error.code) => {
                let mut named = held.clone();
                named.cause.detail.push_str(TOO_LARGE);
                self.log.append(&self.topic, vec![self.letter(&named, None)]).await
            }
            sent => sent,
        };
        sent.map_err(|error| error.to_string())?;
        self.mark(&[(held, record)]).await
    }

    async fn mark(&self, letters: &[(HeldChange, NewRecord)]) -> Result<(), String> {
        let names: Vec<(HeldKey, Revision)> =
            letters.iter().map(|(held, _)| (held.key.clone(), held.revision)).collect();
        let marked = self.destination.mark_published(&self.lane, &names).await;
        marked.map_err(|error| error.to_string())?;
        self.metrics.count_dead_letters(names.len() as u64);
        Ok(())
    }
}

/// Whether a log refused a record for its size.
fn is_too_large(code: &str) -> bool {
    ["RECORD_TOO_LARGE", "APPEND_TOO_LARGE", "MessageSizeTooLarge", "InvalidMessageSize"]
        .contains(&code)
}

//! Lets the organisation live, in a thread of its own, and hands out what is not on the log yet.
//!
//! The same seed gives the same sequence, so going on means to live through everything again and to
//! pass over what each partition holds already. That the log holds *this* sequence is checked on the
//! last record of each partition. Promises: what is handed out is at most [`WAITING_CHUNKS`] chunks
//! ahead of who takes it; when nobody takes it any more, the thread ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::notification::Encoder;
use super::organisation::{Item, Kept, Organisation};
use crate::codec::NotExpressible;
use crate::log::{NewRecord, partition_of};
use crate::model::entity::EntityDefinition;

/// Chunks that may wait to be appended.
const WAITING_CHUNKS: usize = 2;
/// Most changes of one chunk.
const MOST_PER_CHUNK: usize = 1_000;

/// How far a log has come: the next offset of each partition of each entity's topic.
pub(super) type Ends = BTreeMap<(Kept, u32), u64>;

/// What the generator is to do.
pub(super) struct Assignment {
    /// The entities, in the order of [`Kept::ALL`].
    pub(super) definitions: Vec<Arc<EntityDefinition>>,
    /// Seed of the organisation.
    pub(super) seed: u64,
    /// Changes in all.
    pub(super) changes: u64,
    /// How many of them, the last ones, happen live.
    pub(super) live: u64,
    /// Most changes of one chunk that is live or paced.
    pub(super) paced_chunk: usize,
    /// Whether all changes are paced.
    pub(super) paced: bool,
    /// Number of partitions of every topic.
    pub(super) partitions: u32,
    /// What is on the log already.
    pub(super) ends: Ends,
}

/// Records to append, in order per topic.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Records by topic.
    pub(super) records: BTreeMap<Kept, Vec<NewRecord>>,
    /// Number of records.
    pub(super) count: u64,
    /// Whether these changes happen live.
    pub(super) live: bool,
    /// The last record that each partition holds already, as it must be.
    pub(super) expected: Vec<(Kept, u32, Bytes)>,
}

/// Why the sequence cannot go on where the log ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum GenerationError {
    /// A change that cannot be encoded.
    #[error(transparent)]
    NotExpressible(#[from] NotExpressible),
    /// The log is longer than the whole sequence.
    #[error("the log holds more than this demo ever says")]
    LogTooLong,
    /// The thread is not there any more.
    #[error("the generator ended early")]
    Ended,
}

/// A generator at work.
pub(super) struct Generation {
    thread: JoinHandle<Result<Organisation, GenerationError>>,
}

impl Generation {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub(super) fn start(assignment: Assignment) -> std::io::Result<(Self, mpsc::Receiver<Chunk>)> {
        let (chunks, taken) = mpsc::channel(WAITING_CHUNKS);
        let thread = std::thread::Builder::new()
            .name("demo-organisation".to_owned())
            .spawn(move || live(assignment, &chunks))?;
        Ok((Self { thread }, taken))
    }

    /// The organisation as it is after its last change. Blocks until the thread has ended.
    ///
    /// # Errors
    /// If the sequence does not fit the log, or was not taken to its end.
    pub(super) fn finish(self) -> Result<Organisation, GenerationError> {
        self.thread.join().unwrap_or(Err(GenerationError::Ended))
    }
}

fn live(
    assignment: Assignment,
    chunks: &mpsc::Sender<Chunk>,
) -> Result<Organisation, GenerationError> {
    let Assignment { definitions, seed, changes, live, paced_chunk, paced, partitions, ends } =
        assignment;
    let mut organisation = Organisation::new(&definitions, seed, changes);
    let mut sorter = Sorter { encoder: Encoder::new(definitions), partitions, ends };
    let mut items = Vec::new();
    let mut chunk = Chunk::default();
    while !organisation.is_over() {
        let is_live = organisation.said().changes() >= changes.saturating_sub(live);
        let most = if paced || is_live { paced_chunk.min(MOST_PER_CHUNK) } else { MOST_PER_CHUNK };
        organisation.next(&mut items);
        for item in items.drain(..) {
            sorter.add(&item, &mut chunk)?;
        }
        if chunk.count >= most as u64 || is_live != chunk.live || organisation.is_over() {
            let full = std::mem::replace(&mut chunk, Chunk { live: is_live, ..Chunk::default() });
            if chunks.blocking_send(full).is_err() {
                return Err(GenerationError::Ended);
            }
        }
    }
    if sorter.ends.values().any(|left| *left > 0) {
        return Err(GenerationError::LogTooLong);
    }
    Ok(organisation)
}

/// Sorts items into the partitions' order and passes over what is there already.
struct Sorter {
    encoder: Encoder,
    partitions: u32,
    /// Records that are still to be passed over.
    ends: Ends,
}

impl Sorter {
    fn add(&mut self, item: &Item, chunk: &mut Chunk) -> Result<(), GenerationError> {
        let (Item::Change(kept, _) | Item::Marker(kept, _)) = item;
        let key = Encoder::key(item);
        let wanted = match &key {
            Some(key) => {
                let partition = partition_of(key, self.partitions);
                partition..partition + 1
            }
            None => 0..self.partitions,
        };
        for partition in wanted {
            let left = self.ends.entry((*kept, partition)).or_default();
            if *left > 0 {
                *left -= 1;
                if *left == 0 {
                    chunk.expected.push((*kept, partition, self.encoder.payload(item)?));
                }
                continue;
            }
            let payload = Some(self.encoder.payload(item)?);
            let record = NewRecord {
                partition: Some(partition),
                key: key.clone(),
                payload,
                ..NewRecord::default()
            };
            chunk.records.entry(*kept).or_default().push(record);
            chunk.count += 1;
        }
        Ok(())
    }
}

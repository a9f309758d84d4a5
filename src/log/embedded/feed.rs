//! One assigned partition, read as it is asked for.
//!
//! A feed reads when its lane asks and holds at most the one chunk that a dropped wait left behind,
//! so that its memory is the member's limit shared by its feeds. It promises that nothing is lost by
//! dropping a wait, that nothing is delivered before [`Feed::start`] and nothing after the end, and
//! that a place outside the partition's bounds is an error, never a silent jump.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::board::{Board, Tail};
use super::limits::{MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS, refusal};
use super::store::{Read, ReadLimits, Store};
use super::tenure::{ByteShare, Tenure};
use crate::log::{Chunk, Feed, LogError};
use crate::model::position::{NextOffset, TopicPartition};

/// A read under way, and how the partition stood when it began.
struct Pending {
    tail_version: u64,
    read: BoxFuture<'static, Result<Read, LogError>>,
}

/// What to do after a look at the partition.
enum Look {
    Ended,
    Found(Chunk),
    /// There is nothing now; nothing was written since, either.
    Wait,
    /// Something changed meanwhile.
    Again,
}

/// See the module.
pub(super) struct EmbeddedFeed {
    topic_partition: TopicPartition,
    store: Arc<dyn Store>,
    tail: Arc<Tail>,
    tenure: Arc<Tenure>,
    share: Arc<ByteShare>,
    position: Option<NextOffset>,
    pending: Option<Pending>,
}

impl EmbeddedFeed {
    pub(super) fn new(
        topic_partition: TopicPartition,
        store: Arc<dyn Store>,
        board: &Board,
        tenure: Arc<Tenure>,
        share: Arc<ByteShare>,
    ) -> Self {
        let tail = board.tail(&topic_partition);
        share.add_feed();
        Self { topic_partition, store, tail, tenure, share, position: None, pending: None }
    }

    /// Reads once. Dropped half-way, it goes on where it was at the next call.
    async fn look(&mut self, position: NextOffset) -> Result<Look, LogError> {
        let pending = self.pending.get_or_insert_with(|| Pending {
            tail_version: self.tail.version(),
            read: start_read(&self.store, &self.topic_partition, position, &self.share),
        });
        let read = (&mut pending.read).await;
        let tail_version = pending.tail_version;
        self.pending = None;
        let Read { generation, bounds, records } = read?;
        // A topic that was made anew is another topic; the group says so to the member.
        if self.tenure.ended() || generation != self.tenure.generation {
            return Ok(Look::Ended);
        }
        if position < bounds.start || position > bounds.end {
            return Err(refusal(
                format!("reading {} from offset {position}", self.topic_partition),
                "OFFSET_OUT_OF_RANGE",
                format!(
                    "The log holds offsets {} to {}: records were trimmed, or the topic was made \
                     anew. Start within these bounds, and copy again what is missing",
                    bounds.start, bounds.end
                ),
            ));
        }
        let Some(last) = records.last() else {
            let unchanged = self.tail.version() == tail_version;
            return Ok(if unchanged { Look::Wait } else { Look::Again });
        };
        self.position = Some(last.offset.next());
        Ok(Look::Found(Chunk { records }))
    }

    /// Goes back if a test asked for it.
    fn obey_jump(&mut self) {
        if let (Some(to), Some(position)) = (self.tenure.take_jump(), self.position)
            && to < position
        {
            self.position = Some(to);
            self.pending = None;
        }
    }
}

fn start_read(
    store: &Arc<dyn Store>,
    topic_partition: &TopicPartition,
    from: NextOffset,
    share: &ByteShare,
) -> BoxFuture<'static, Result<Read, LogError>> {
    let store = Arc::clone(store);
    let topic_partition = topic_partition.clone();
    let limits =
        ReadLimits { records: MAX_CHUNK_RECORDS, bytes: share.bytes().min(MAX_CHUNK_BYTES) };
    Box::pin(async move { store.read(&topic_partition, from, limits).await })
}

#[async_trait]
impl Feed for EmbeddedFeed {
    fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    async fn start(&mut self, from: NextOffset) -> Result<(), LogError> {
        self.tenure.take_jump();
        self.position = Some(from);
        self.pending = None;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Chunk>, LogError> {
        // A store in memory never waits; without this a lane could keep its thread for ever.
        tokio::task::coop::consume_budget().await;
        let (tail, tenure) = (Arc::clone(&self.tail), Arc::clone(&self.tenure));
        loop {
            let mut appended = std::pin::pin!(tail.changed().notified());
            let mut told = std::pin::pin!(tenure.changed().notified());
            // From here on no notice is missed.
            appended.as_mut().enable();
            told.as_mut().enable();
            if tenure.ended() {
                return Ok(None);
            }
            self.obey_jump();
            let Some(position) = self.position else {
                told.await;
                continue;
            };
            // The end comes before records, and a jump before those that it makes void.
            let look = tokio::select! {
                biased;
                () = &mut told => Look::Again,
                look = self.look(position) => look?,
            };
            match look {
                Look::Again => {}
                Look::Ended => return Ok(None),
                Look::Found(chunk) => return Ok(Some(chunk)),
                Look::Wait => tokio::select! {
                    biased;
                    () = told => {}
                    () = appended => {}
                },
            }
        }
    }
}

impl Drop for EmbeddedFeed {
    fn drop(&mut self) {
        self.share.remove_feed();
    }
}
